"""Attacks that a neighbour can try on others through the target (SPEC.md sections 14.5 and 16)."""

from __future__ import annotations

from dataclasses import replace

from ioe_conformance.bench import Bench
from ioe_conformance.case import case
from ioe_conformance.cases.signatures import revocation_of
from ioe_conformance.keys import framed, object_id
from ioe_conformance.session import now_ms
from ioe_router.model.discovery import Close, Fault
from ioe_router.model.errors import ErrorCode
from ioe_router.model.reservation import Outcome, OutcomeQuery


@case("security.flood-of-forged-signatures", reqs=["IOE-SIG-180", "IOE-LIM-080"], own="c", attack="flood")
async def flood_of_forged_signatures(t: Bench) -> None:
    """While C sends hundreds of forged offers, B is answered, and none of them goes on."""
    c, b = await t.established(), await t.session("b")
    told, since = t.path("c"), b.mark()
    await t.tell(c, told)
    sound = t.offer(told.origin)
    forged = [replace(t.offer(told.origin, seq=seq), signatures=sound.signatures) for seq in range(2, 402)]
    for at in range(0, len(forged), 50):
        await c.send(*forged[at : at + 50])
    begun = now_ms()
    await t.fence(b, req="IOE-LIM-080")
    t.check("IOE-LIM-080", now_ms() - begun < 5_000, expected="an answer to B within 5 s", actual="later")
    await t.fence(c, req="IOE-SIG-180")
    heard = await t.told_offer(b, told.origin.node, since=since, within_ms=0)
    t.check("IOE-SIG-180", heard is None, expected="no forged offer at B", actual="one came")
    await c.send(sound)
    if t.rig.pics.supports["transit"]:
        heard = await t.told_offer(b, told.origin.node, since=since)
        t.check(
            "IOE-SIG-180", heard and heard.envelope == sound, expected="the sound offer at B", actual="none"
        )


@case("security.flood-of-queries", reqs=["IOE-TRN-250", "IOE-LIM-080"], own="c", attack="flood")
async def flood_of_queries(t: Bench) -> None:
    """A thousand questions of C are answered in their order, or refused, while B is served."""
    c, b = await t.established(), await t.session("b")
    asked = [framed(OutcomeQuery(reservation=t.fresh_id(), version=1)) for _ in range(1_000)]
    await c.send(*asked)
    await t.fence(b, req="IOE-LIM-080")
    await t.fence(c, req="IOE-TRN-250")
    t.check("IOE-TRN-250", c.end is None, expected="the session goes on", actual=str(c.end))


@case("security.faults-name-their-object", reqs=["IOE-ERR-030", "IOE-ERR-010"])
async def faults_name_their_object(t: Bench) -> None:
    """Of three objects refused in one frame each has a Fault that names it."""
    a = await t.session("a")
    node = t.node()
    wrong = [t.offer(node, offer_no=number) for number in (1, 2, 3)]
    since = a.mark()
    await a.send(node.certificate, *wrong)
    for one in wrong:
        fault = await a.fault_on(one, since)
        t.check("IOE-ERR-030", fault, expected="a Fault that names the object", actual="none")
        t.check("IOE-ERR-010", fault, expected="a Fault for each refused object", actual="none")
    await t.fence(a, req="IOE-ERR-010")


@case(
    "security.errors-change-no-path",
    reqs=["IOE-ADV-240", "IOE-ERR-020"],
    supports=["transit"],
    attack="sabotage",
)
async def errors_change_no_path(t: Bench) -> None:
    """A Fault on a path that the target told changes nothing at others, and is not answered."""
    a, b = await t.session("a"), await t.session("b")
    told = t.path("a")
    await t.tell(a, told, t.offer(told.origin))
    path = await t.told_path(b, told.origin.node)
    t.demand("IOE-ADV-240", path, expected="the path at B", actual="none")
    since = b.mark()
    if path is not None:
        fault = Fault(code=ErrorCode.LOOP, object=object_id(path.envelope), text="", retry_after_ms=0)
        await b.send(framed(fault))
    await t.fence(b, req="IOE-ERR-020")
    answers = b.all(Fault, lambda f: f.object != b.fence_asked, since=since)
    t.check("IOE-ERR-020", not answers, expected="no Fault in answer", actual=f"{len(answers)} came")
    await a.send(t.offer(told.origin, seq=2))
    still = await t.told_offer(b, told.origin.node, lambda o: o.seq == 2)
    t.check("IOE-ADV-240", still, expected="the path still told to B, and newer offers with it", actual="not")


@case("security.revocation-before-others", reqs=["IOE-IDN-215"], attack="stolen key")
async def revocation_before_others(t: Bench) -> None:
    """In one frame a REVOCATION takes effect before an offer that stands ahead of it."""
    a = await t.session("a")
    told = t.path("a")
    await t.tell(a, told)
    said = t.offer(told.origin)
    since = a.mark()
    await a.send(said, revocation_of(t, told.origin, 1))
    await t.expect_fault(a, said, ErrorCode.KEY_REVOKED, req="IOE-IDN-215", since=since)
    await t.fence(a, req="IOE-IDN-215")


@case("security.frames-in-their-order", reqs=["IOE-LIM-080"])
async def frames_in_their_order(t: Bench) -> None:
    """Answers to questions in many frames come in the order of the frames."""
    a = await t.session("a")
    asked = [OutcomeQuery(reservation=t.fresh_id(), version=1) for _ in range(30)]
    since = a.mark()
    for one in asked:
        await a.send(framed(one))
    await t.fence(a, req="IOE-LIM-080")
    wanted = [one.reservation for one in asked]
    answered = [h.body.reservation for h in a.all(Outcome, lambda o: o.reservation in wanted, since=since)]
    t.check(
        "IOE-LIM-080", answered == wanted, expected="30 answers in order", actual=f"{len(answered)} answers"
    )


@case("security.late-object-after-close", reqs=["IOE-SES-110"], own="c")
async def late_object_after_close(t: Bench) -> None:
    """What comes behind a Close is ignored."""
    s, b = await t.established(), await t.session("b")
    told, since = t.path("c"), b.mark()
    close = framed(Close(code=ErrorCode.SHUTTING_DOWN, text="", restart_s=0))
    await s.send(close, *told.all, t.offer(told.origin))
    t.check("IOE-SES-110", await s.ended(), expected="the end of the stream", actual="it went on")
    await t.fence(b, req="IOE-SES-110")
    heard = await t.told_path(b, told.origin.node, since=since, within_ms=300)
    t.check("IOE-SES-110", heard is None, expected="nothing of it at B", actual="it was told")
