"""SPEC.md sections 10.11 and 12: cuts of what is committed, meter records, statements."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ioe_conformance.bench import Bench, Codes
from ioe_conformance.booking import Booking, booking
from ioe_conformance.case import case
from ioe_conformance.keys import NodeKeys, framed, link_between
from ioe_router.codec import mapping
from ioe_router.model.discovery import Fault
from ioe_router.model.envelope import Envelope
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import ObjectId
from ioe_router.model.reservation import Curtail, CurtailHop, PacketEnergy
from ioe_router.model.settlement import LinkStatement, MeterRecord


def _cut(t: Bench, one: Booking, keys: NodeKeys, left_j: int, **changes: Any) -> tuple[Envelope, Envelope]:
    """A CURTAIL by a node and the CURTAIL_HOP of the seller that carries it."""
    items = (PacketEnergy(index=1, energy_j=left_j),)
    body = Curtail(
        reservation=one.reservation,
        version=1,
        node=keys.node,
        code=ErrorCode.CURTAILED,
        items=items,
        effective_utc_ms=t.clock.utc_ms(),
    )
    curtail = keys.seal(replace(body, **changes))
    hop_items = mapping.decode(Curtail, curtail.signed).items
    return curtail, framed(CurtailHop(curtail=curtail, items=hop_items))


async def _booked(t: Bench, req: str) -> Booking:
    one = await booking(t, req=req)
    await one.booked(req)
    return one


@case(
    "dispatch.cut-goes-on",
    reqs=["IOE-RSV-600", "IOE-RSV-610", "IOE-RSV-630"],
    phase="book",
    supports=["transit", "keeper"],
)
async def cut_goes_on(t: Bench) -> None:
    """A cut by the origin goes on to B as it was signed, with what remains; a second copy does not."""
    one = await _booked(t, "IOE-RSV-600")
    curtail, hop = _cut(t, one, one.told.origin, 1_000)
    await one.seller.send(hop)
    heard = await one.b.expect(CurtailHop, lambda c: c.curtail == curtail)
    t.demand("IOE-RSV-600", heard, expected="the CURTAIL at B, as signed", actual=await _faults(one))
    left = heard.body.items[0].energy_j if heard else -1
    t.check(
        "IOE-RSV-610",
        0 < left < one.packets[0].sent_j,
        expected=f"less than {one.packets[0].sent_j} J at the target's port",
        actual=f"{left} J",
    )
    since, mark = one.b.mark(), one.seller.mark()
    await one.seller.send(hop)
    await t.fence(one.seller, req="IOE-RSV-630")
    await t.fence(one.b, req="IOE-RSV-630")
    again = one.b.all(CurtailHop, since=since)
    fault = await one.seller.fault_on(hop, mark, within_ms=0)
    t.check("IOE-RSV-630", not again, expected="nothing more at B", actual=f"{len(again)} came")
    t.check("IOE-RSV-630", fault is None, expected="no Fault", actual=f"{fault and fault.body.text}")


@case("dispatch.cut-raises", reqs=["IOE-RSV-620"], phase="book", supports=["transit", "keeper"])
async def cut_raises(t: Bench) -> None:
    """A cut that leaves more than was committed is refused with GRANT_CHANGED, and goes no further."""
    one = await _booked(t, "IOE-RSV-620")
    _, hop = _cut(t, one, one.told.origin, 50_000_000)
    await _cut_refused(t, one, hop, ErrorCode.GRANT_CHANGED)


@case(
    "dispatch.cut-by-a-stranger",
    reqs=["IOE-RSV-620"],
    attack="sabotage",
    phase="book",
    supports=["transit", "keeper"],
)
async def cut_by_a_stranger(t: Bench) -> None:
    """A cut that a neighbour on no leg brings is refused with NOT_OWNER, and goes no further."""
    c_owner = t.tester("b").keys
    one = await _booked(t, "IOE-RSV-620")
    _, hop = _cut(t, one, c_owner, 1_000)
    await _cut_refused(t, one, hop, ErrorCode.NOT_OWNER)


@case("dispatch.cut-of-a-hold", reqs=["IOE-RSV-620"], phase="book", supports=["transit", "keeper"])
async def cut_of_a_hold(t: Bench) -> None:
    """A cut of what is held and not committed is refused with UNEXPECTED."""
    one = await booking(t, req="IOE-RSV-620")
    await one.held("IOE-RSV-620")
    _, hop = _cut(t, one, one.told.origin, 1_000)
    await _cut_refused(t, one, hop, ErrorCode.UNEXPECTED)


@case("dispatch.cut-of-unknown", reqs=["IOE-RSV-620"])
async def cut_of_unknown(t: Bench) -> None:
    """A cut of a reservation that nobody has is refused with UNKNOWN_RESERVATION."""
    a, node = await t.session("a"), t.node()
    body = Curtail(
        reservation=t.fresh_id(),
        version=1,
        node=node.node,
        code=ErrorCode.CURTAILED,
        items=(PacketEnergy(index=1, energy_j=0),),
        effective_utc_ms=t.clock.utc_ms(),
    )
    hop = framed(CurtailHop(curtail=node.seal(body), items=body.items))
    await t.refused(a, node.certificate, hop, code=ErrorCode.UNKNOWN_RESERVATION, req="IOE-RSV-620")
    await t.fence(a, req="IOE-RSV-620")


async def _cut_refused(t: Bench, one: Booking, hop: Envelope, codes: Codes) -> None:
    since = one.b.mark()
    keys = (one.b.tester.keys.certificate, one.told.origin.certificate)
    await t.refused(one.seller, *keys, hop, code=codes, req="IOE-RSV-620")
    await t.fence(one.b, req="IOE-RSV-620")
    heard = one.b.all(CurtailHop, since=since)
    t.check("IOE-RSV-620", not heard, expected="nothing at B", actual="a cut came")


async def _faults(one: Booking) -> str:
    return f"Faults at the seller: {[f.body.text for f in one.seller.all(Fault, since=one.marks[1])]}"


# ------------------------------------------------------------------ meter records and statements


def _record(t: Bench, slots_ago: int, **changes: Any) -> Envelope:
    """A meter record of A for the link to the target."""
    a = t.tester("a")
    body = MeterRecord(
        link=link_between(a.node, t.target),
        slot_utc_s=t.clock.slot_at(-slots_ago),
        node=a.node,
        imported_j=0,
        exported_j=0,
        counter_imported_j=1_000,
        counter_exported_j=1_000,
    )
    return a.keys.seal(replace(body, **changes))


@case("dispatch.record-of-another-link", reqs=["IOE-MTR-030"])
async def record_of_another_link(t: Bench) -> None:
    """A meter record of a link that is not between the two is refused with UNKNOWN_LINK."""
    a = await t.session("a")
    other = link_between(t.tester("b").node, t.target)
    await t.refused(a, _record(t, 2, link=other), code=ErrorCode.UNKNOWN_LINK, req="IOE-MTR-030")
    await t.fence(a, req="IOE-MTR-030")


@case("dispatch.record-of-the-future", reqs=["IOE-MTR-030"], attack="meter fraud")
async def record_of_the_future(t: Bench) -> None:
    """A meter record of a slot that is not over is refused with FROM_FUTURE."""
    a = await t.session("a")
    await t.refused(a, _record(t, -1), code=ErrorCode.FROM_FUTURE, req="IOE-MTR-030")
    await t.fence(a, req="IOE-MTR-030")


@case("dispatch.record-with-small-counters", reqs=["IOE-MTR-030"], attack="meter fraud")
async def record_with_small_counters(t: Bench) -> None:
    """A meter record whose counters are below its energies is refused with OUT_OF_BOUNDS."""
    a = await t.session("a")
    wrong = _record(t, 3, imported_j=2_000, counter_imported_j=1_000)
    await t.refused(a, wrong, code=ErrorCode.OUT_OF_BOUNDS, req="IOE-MTR-030")
    await t.fence(a, req="IOE-MTR-030")


@case("dispatch.record-by-another", reqs=["IOE-SIG-070"], attack="meter fraud")
async def record_by_another(t: Bench) -> None:
    """A meter record in the name of A that another node has signed is refused with WRONG_SIGNER."""
    a, thief = await t.session("a"), t.node()
    right = _record(t, 4)
    forged = thief.sign(right.type, right.signed)
    await t.refused(a, thief.certificate, forged, code=ErrorCode.WRONG_SIGNER, req="IOE-SIG-070")
    await t.fence(a, req="IOE-SIG-070")


@case("dispatch.record-too-old", reqs=["IOE-MTR-050"], attack="replay")
async def record_too_old(t: Bench) -> None:
    """A meter record of a slot before the last 16 is refused with IN_PAST."""
    a = await t.session("a")
    await t.refused(a, _record(t, 20), code=ErrorCode.IN_PAST, req="IOE-MTR-050")
    await t.fence(a, req="IOE-MTR-050")


@case("dispatch.second-record", reqs=["IOE-MTR-040"], attack="meter fraud")
async def second_record(t: Bench) -> None:
    """Another meter record of one end, link and slot is refused with CONFLICT."""
    a = await t.session("a")
    since, first = a.mark(), _record(t, 5, counter_imported_j=t.rig.line_number())
    await a.send(first)
    await t.fence(a, req="IOE-MTR-040")
    again = await a.fault_on(first, since, within_ms=0)
    if again is not None and again.body.code != ErrorCode.CONFLICT:  # another run has been here before
        t.check("IOE-MTR-040", False, expected="the first record is taken", actual=again.body.text)
    other = _record(t, 5, counter_imported_j=t.rig.line_number())
    await t.refused(a, other, code=ErrorCode.CONFLICT, req="IOE-MTR-040")


def _statement(t: Bench, slots_ago: int, **changes: Any) -> Envelope:
    a = t.tester("a")
    body = LinkStatement(
        link=link_between(a.node, t.target),
        slot_utc_s=t.clock.slot_at(-slots_ago),
        node=a.node,
        packets=0,
        keeper_owes_micro=0,
        other_owes_micro=0,
        booked_down_sent_j=0,
        booked_up_sent_j=0,
        booked_down_received_j=0,
        booked_up_received_j=0,
        previous=ObjectId(bytes(32)),
    )
    return a.keys.seal(replace(body, **changes))


@case("dispatch.statement-out-of-chain", reqs=["IOE-STL-030"], attack="meter fraud")
async def statement_out_of_chain(t: Bench) -> None:
    """A statement that continues neither nothing nor the last one is refused with BROKEN_CHAIN."""
    a = await t.session("a")
    await a.send(_statement(t, 3))
    wrong = _statement(t, 2, previous=ObjectId(b"\x07" * 32))
    await t.refused(a, wrong, code=ErrorCode.BROKEN_CHAIN, req="IOE-STL-030")
    await t.fence(a, req="IOE-STL-030")


@case("dispatch.statement-too-old", reqs=["IOE-MTR-050"], attack="replay")
async def statement_too_old(t: Bench) -> None:
    """A statement of a slot before the last 16 is refused with IN_PAST."""
    a = await t.session("a")
    await t.refused(a, _statement(t, 20), code=ErrorCode.IN_PAST, req="IOE-MTR-050")
    await t.fence(a, req="IOE-MTR-050")
