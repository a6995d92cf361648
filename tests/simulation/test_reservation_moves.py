"""What a host is told of the reservations that begin, end and pass at its node."""

from __future__ import annotations

from ioe_router.core.events import ReservationMoved
from ioe_router.core.events import ReservationRole as Role
from ioe_router.core.inputs import CurtailReservation, ReleaseReservation
from ioe_router.core.reservation_fsm import ReservationEvent as Step
from ioe_router.model.errors import ErrorCode
from tests.simulation.objects import Puppet
from tests.simulation.pair import KWH_J, Sim
from tests.simulation.sold_over_b import repair

BOOKED = [Step.HOLD, Step.GRANT, Step.COMMIT, Step.COMMITTED]


def _moves(sim: Sim, name: str) -> list[ReservationMoved]:
    return sim.events(name, ReservationMoved)


def test_a_booking_is_told_step_by_step_at_every_role() -> None:
    """Initiator, transit and origin tell the same four steps of it, and who is beside them."""
    sim = repair()
    sim.want("c", KWH_J, 400_000)
    sim.wait(4)
    first = _moves(sim, "c")[0].reservation
    told = {name: [move for move in _moves(sim, name) if move.reservation == first] for name in "abc"}
    assert [[move.step for move in told[name]] for name in "cba"] == [BOOKED] * 3
    assert [told[name][0].role for name in "cba"] == [Role.INITIATOR, Role.TRANSIT, Role.ORIGIN]
    sides = [(told[name][-1].toward_initiator, told[name][-1].toward_origin) for name in "cba"]
    a, b, c = (sim.node(name) for name in "abc")
    assert sides == [(None, b), (c, a), (b, None)]
    here = {name: told[name][-1].energy_j for name in "abc"}
    assert here["c"] == KWH_J < here["b"] < here["a"], "what stands is told as it is at each busbar"


def test_endings_are_told_with_their_reason() -> None:
    """An origin that has no such offer refuses at every hop it came by; a hold that nobody takes expires."""
    sim = repair()
    Puppet(sim, "c", "b", "a", changes={"offer_no": 9}).ask()
    for name in "ab":
        assert [move.step for move in _moves(sim, name)] == [Step.HOLD, Step.REFUSE]
        assert _moves(sim, name)[-1].code is ErrorCode.NO_OFFER
    Puppet(sim, "c", "b", "a").ask()
    sim.wait(60)
    for name in "ab":
        assert [move.step for move in _moves(sim, name)[2:]] == [Step.HOLD, Step.GRANT, Step.EXPIRE]
        assert _moves(sim, name)[-1].code is ErrorCode.HOLD_EXPIRED


def test_a_hold_that_is_not_kept_is_told_once() -> None:
    """A label that leads nowhere is refused with NO_PATH by the first hop, and nothing else moves."""
    sim = repair()
    puppet = Puppet(sim, "c", "b", "a")
    sim.wire.disconnect(sim.node("a"), sim.node("b"))
    sim.wire.settle()
    puppet.ask()
    (refused,) = _moves(sim, "b")
    assert (refused.step, refused.code, refused.packets) == (Step.REFUSE, ErrorCode.NO_PATH, 0)
    assert refused.role is Role.TRANSIT
    assert _moves(sim, "a") == []


def test_cuts_and_releases_are_told_where_they_pass() -> None:
    """A cut is told with what remains, and a release ends the story, also at the node between."""
    sim = repair()
    sim.want("c", KWH_J, 400_000)
    sim.wait(4)
    booked = _moves(sim, "b")[-1]
    sim.wire.give(
        sim.node("a"),
        CurtailReservation(reservation=booked.reservation, remaining=((1, booked.energy_j // 2),)),
    )
    sim.wire.settle()
    cut = next(move for move in _moves(sim, "b") if move.step is Step.CURTAIL)
    assert cut.code is ErrorCode.CURTAILED
    assert 0 < cut.energy_j < booked.energy_j
    sim.wire.give(sim.node("c"), ReleaseReservation(reservation=booked.reservation))
    sim.wire.settle()
    for name in "abc":
        mine = [move for move in _moves(sim, name) if move.reservation == booked.reservation]
        assert [move.step for move in mine] == [*BOOKED, Step.CURTAIL, Step.RELEASE]
