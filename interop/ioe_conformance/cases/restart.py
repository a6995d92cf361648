"""What a target does when it is stopped and started again; only a hook can do that (2.5, 6.8, 10.10)."""

from __future__ import annotations

from ioe_conformance.bench import Bench
from ioe_conformance.booking import booking
from ioe_conformance.case import case
from ioe_conformance.hook import Hook
from ioe_conformance.keys import framed
from ioe_router.model.discovery import Close, Hello
from ioe_router.model.errors import ErrorCode
from ioe_router.model.reservation import Outcome, OutcomeQuery, ReservationState


def _hook(t: Bench) -> Hook:
    if t.rig.hook is None:
        raise t.not_testable("there is no hook")
    return t.rig.hook


async def _restarted(t: Bench, how: str = "restart") -> None:
    """The target has been stopped and started; the testers begin anew."""
    await _hook(t).do(how)
    if how != "restart":
        await _hook(t).do("start")
    for name in ("a", "b", "c"):
        await t.rig.leave(name)
    t.rig.forget_failures()


@case("restart.epoch-rises", reqs=["IOE-CNV-140"], own="c", hook=["restart"], apart=True, attack="rollback")
async def epoch_rises(t: Bench) -> None:
    """After a restart the target's epoch is above the one before."""
    first = await t.greeted()
    before = first.all(Hello)[0].body.epoch
    await first.close()
    await _restarted(t)
    second = await t.greeted()
    after = second.all(Hello)[0].body.epoch
    t.check("IOE-CNV-140", after > before, expected=f"an epoch above {before}", actual=str(after))


@case("restart.stops-in-good-order", reqs=["IOE-SES-220"], own="c", hook=["stop", "start"], apart=True)
async def stops_in_good_order(t: Bench) -> None:
    """A target that is stopped in good order sends Close with SHUTTING_DOWN on its sessions."""
    s = await t.established()
    await _hook(t).do("stop")
    await s.ended()
    closes = s.all(Close)
    codes = [ErrorCode(one.body.code).name for one in closes]
    t.check("IOE-SES-220", codes == ["SHUTTING_DOWN"], expected="Close SHUTTING_DOWN", actual=str(codes))
    await s.close()
    await _hook(t).do("start")
    t.rig.forget_failures()


@case(
    "restart.committed-survives",
    reqs=["IOE-RSV-550", "IOE-RSV-530"],
    phase="book",
    supports=["transit", "keeper"],
    hook=["kill", "start"],
    apart=True,
)
async def committed_survives(t: Bench) -> None:
    """What was committed before the target was killed it answers for when it is there again."""
    one = await booking(t, req="IOE-RSV-550")
    await one.booked("IOE-RSV-550")
    await _restarted(t, "kill")
    b = await t.session("b")
    await b.send(framed(OutcomeQuery(reservation=one.reservation, version=1)))
    heard = await b.expect(Outcome, lambda o: o.reservation == one.reservation)
    for req in ("IOE-RSV-550", "IOE-RSV-530"):
        t.check(
            req,
            heard
            and heard.body.state is ReservationState.COMMITTED
            and heard.body.evidence == one.committed_envelope,
            expected="OUTCOME COMMITTED with its evidence",
            actual=str(heard and heard.body.state),
        )
