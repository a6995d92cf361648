"""SPEC.md sections 8 to 10: HOLD, GRANT, COMMIT, RELEASE, and the arithmetic of losses and prices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ioe_conformance.arithmetic import Packet, near_price, received
from ioe_conformance.bench import Bench
from ioe_conformance.booking import ENERGY_J, Booking, booking, grant_item, lines_of
from ioe_conformance.case import Body, case
from ioe_conformance.keys import framed, object_id
from ioe_conformance.paths import PRICE_MICRO
from ioe_conformance.session import now_ms
from ioe_conformance.timers import EARLY_MS, GRACE_MS, profile
from ioe_router.codec import mapping
from ioe_router.model.discovery import Fault
from ioe_router.model.envelope import Envelope
from ioe_router.model.errors import ErrorCode, Persistence, Scope
from ioe_router.model.ids import ObjectId
from ioe_router.model.reservation import (
    CommitHop,
    Committed,
    Grant,
    Hold,
    HoldCore,
    KeeperEntry,
    Outcome,
    PacketEnergy,
    Receipt,
    Refuse,
    Release,
    ReservationState,
)


def booked(id_: str, *, reqs: Sequence[str], own: str = "", attack: str = "") -> Callable[[Body], Body]:
    """A case that needs a slot which can be booked."""
    return case(id_, reqs=reqs, own=own, attack=attack, phase="book", supports=("transit", "keeper"))


# ------------------------------------------------------------------ the way of a reservation


@booked(
    "reservations.hold-goes-on",
    reqs=["IOE-RSV-080", "IOE-RSV-090", "IOE-RSV-110", "IOE-SIG-010", "IOE-RSV-020"],
)
async def hold_goes_on(t: Bench) -> None:
    """A HOLD goes on to the origin's side with the same core, the label, the entry and less time."""
    one = await booking(t, req="IOE-RSV-020")
    await one.ask()
    heard = (await one.asked_of_seller("IOE-RSV-020")).body
    t.check("IOE-SIG-010", heard.core == one.core, expected="HOLD_CORE as B signed it", actual="other bytes")
    t.check(
        "IOE-RSV-020",
        heard.path == one.told.hash,
        expected="the label of the path that the seller told",
        actual=heard.path.hex()[:16],
    )
    most = 2_900 - profile("hold_step_ms")
    t.check(
        "IOE-RSV-110",
        0 < heard.hold_ms <= 2_900 - 50,
        expected=f"hold_ms lowered by the hold step, {most}",
        actual=str(heard.hold_ms),
    )
    entry = mapping.decode(KeeperEntry, heard.keeper_entry.signed) if heard.keeper_entry else None
    t.check(
        "IOE-RSV-080",
        entry and not entry.final and len(entry.lines) == 1 and entry.reservation == one.reservation,
        expected="the keeper's entry, not final, with a line for the packet",
        actual=str(entry),
    )
    line = lines_of(heard.keeper_entry)[0] if entry else None
    asked = {item.index: item.energy_j for item in heard.items}
    t.check(
        "IOE-RSV-090",
        line and asked == {1: one.packets[0].sent_j} and line.received_j == one.packets[0].sent_j,
        expected=f"{one.packets[0].sent_j} J at the target's port",
        actual=f"{asked}, line {line}",
    )


@booked("reservations.grant-comes-back", reqs=["IOE-RSV-200", "IOE-RSV-210", "IOE-RSV-230", "IOE-SIG-050"])
async def grant_comes_back(t: Bench) -> None:
    """The target grants what was granted to it, with energy and price at its own port, for the time left."""
    one = await booking(t, req="IOE-RSV-210")
    await one.ask()
    hold = await one.asked_of_seller("IOE-RSV-210")
    await t.pause(400)
    await one.seller.send(one.grant(hold))
    heard = await one.granted("IOE-RSV-210")
    body, item = heard.body, heard.body.items[0]
    t.check("IOE-RSV-200", len(body.items) == 1, expected="one item a packet", actual=str(len(body.items)))
    t.check(
        "IOE-RSV-210",
        item.energy_j == one.packets[0].sent_j and body.grantor == t.target,
        expected=f"{one.packets[0].sent_j} J at the target's port, granted by the target",
        actual=f"{item.energy_j} J",
    )
    left = 2_900 - 400 + 50
    t.check(
        "IOE-RSV-230",
        0 < body.hold_ms <= left,
        expected=f"hold_ms of at most {left}",
        actual=str(body.hold_ms),
    )
    t.check("IOE-SIG-050", heard.envelope.signatures, expected="a signed GRANT", actual="no signature")


@booked(
    "reservations.committed-and-released",
    reqs=["IOE-RSV-290", "IOE-RSV-360", "IOE-RSV-400", "IOE-RSV-450", "IOE-RSV-455", "IOE-SIG-010"],
)
async def committed_and_released(t: Bench) -> None:
    """COMMIT, COMMITTED and RELEASE go their way unchanged, with a RECEIPT and the right OUTCOME."""
    one = await booking(t, req="IOE-RSV-290")
    heard = await one.booked("IOE-RSV-290")
    hop = one.seller.all(CommitHop, one.about)[0].body
    entry = mapping.decode(KeeperEntry, hop.keeper_entry.signed) if hop.keeper_entry else None
    t.check(
        "IOE-RSV-290",
        entry and entry.final and len(entry.lines) == 1,
        expected="a final entry",
        actual=str(entry),
    )
    t.check(
        "IOE-SIG-010", hop.commit == one.commit_envelope, expected="COMMIT as signed", actual="other bytes"
    )
    t.check(
        "IOE-SIG-010",
        heard.envelope == one.committed_envelope,
        expected="COMMITTED as the origin signed it",
        actual="other bytes",
    )
    receipt = await one.at(one.seller, Receipt)
    t.check(
        "IOE-RSV-360",
        receipt and receipt.body.committed == object_id(heard.envelope) and receipt.body.node == t.target,
        expected="a RECEIPT of the target for COMMITTED",
        actual=str(receipt and receipt.body),
    )
    outcome = await one.state("IOE-RSV-400")
    t.check(
        "IOE-RSV-400",
        outcome
        and outcome.body.state is ReservationState.COMMITTED
        and outcome.body.evidence == one.committed_envelope,
        expected="OUTCOME COMMITTED with COMMITTED as evidence",
        actual=str(outcome and outcome.body.state),
    )
    released, since = one.release(), one.b.mark()
    await one.b.send(released)
    gone = await one.at(one.seller, Release)
    t.check(
        "IOE-RSV-450",
        gone and gone.envelope == released,
        expected="RELEASE at the seller, as signed",
        actual="none",
    )
    answer = await one.at(one.b, Outcome, since=since)
    t.check(
        "IOE-RSV-455",
        answer and answer.body.state is ReservationState.RELEASED,
        expected="OUTCOME RELEASED",
        actual=str(answer and answer.body.state),
    )


@booked("reservations.release-of-a-hold", reqs=["IOE-RSV-450", "IOE-RSV-455"])
async def release_of_a_hold(t: Bench) -> None:
    """A held reservation that is released ends, and a COMMIT behind it fails with HOLD_EXPIRED."""
    one = await booking(t, req="IOE-RSV-450")
    await one.held("IOE-RSV-450")
    since = one.b.mark()
    await one.b.send(one.release())
    answer = await one.at(one.b, Outcome, since=since)
    t.check(
        "IOE-RSV-455",
        answer and answer.body.state is ReservationState.RELEASED,
        expected="OUTCOME RELEASED",
        actual=str(answer and answer.body.state),
    )
    t.check("IOE-RSV-450", await one.at(one.seller, Release), expected="RELEASE at the seller", actual="none")
    await one.take()
    await one.failed_at_b(ErrorCode.HOLD_EXPIRED, req="IOE-RSV-450")


# ------------------------------------------------------------------ arithmetic


@booked(
    "reservations.losses-exact",
    reqs=["IOE-LSS-010", "IOE-LSS-030", "IOE-LSS-060", "IOE-ADM-110", "IOE-ADM-020"],
    own="c",
)
async def losses_exact(t: Bench) -> None:
    """The target's lines are, to the joule, those of SPEC.md section 8, packet after packet."""
    s = await t.established()
    one = await booking(t, 1_000_000, 2_000_000, 36, seller=s, req="IOE-LSS-060")
    await one.ask()
    heard = await one.asked_of_seller("IOE-LSS-060")
    lines = lines_of(heard.body.keeper_entry)
    t.demand(
        "IOE-ADM-110",
        [line.index for line in lines] == [1, 2, 3],
        expected="lines 1, 2, 3",
        actual=str(lines),
    )
    numbers = [line.number for line in lines]
    t.check("IOE-ADM-020", numbers == sorted(set(numbers)), expected="rising numbers", actual=str(numbers))
    net, loss = 0, s.tester.attestation.loss
    for line, near in zip(lines, one.packets, strict=True):
        right = received(loss, t.clock.slot_s, net, near.sent_j, -1)
        found = Packet(line.sent_j, line.flow_j, line.received_j)
        for req in ("IOE-LSS-010", "IOE-LSS-030", "IOE-LSS-060"):
            t.check(req, found == right, expected=f"line {line.index}: {right}", actual=str(found))
        net -= line.flow_j
    await s.send(one.refuse(ErrorCode.NO_ENERGY))
    await one.refused(ErrorCode.NO_ENERGY, req="IOE-LSS-060")


@booked("reservations.price-exact", reqs=["IOE-PRC-010", "IOE-PRC-030"])
async def price_exact(t: Bench) -> None:
    """The target converts a price by losses alone where the path has no fee, rounded up for SUPPLY."""
    one = await booking(t, ENERGY_J, req="IOE-PRC-010")
    heard = await one.held("IOE-PRC-010")
    await _check_price(t, one, heard.body, 0, ("IOE-PRC-010", "IOE-PRC-030"))


@booked("reservations.fee-of-the-path", reqs=["IOE-PRC-010", "IOE-PRC-020"])
async def fee_of_the_path(t: Bench) -> None:
    """The target applies the fee that the path's entry on the link states."""
    fee = 12_345
    one = await booking(t, ENERGY_J, req="IOE-PRC-020", changes={1: {"fee_micro_per_kwh": fee}})
    heard = await one.held("IOE-PRC-020")
    await _check_price(t, one, heard.body, fee, ("IOE-PRC-010", "IOE-PRC-020"))


async def _check_price(t: Bench, one: Booking, grant: Grant, fee: int, reqs: tuple[str, ...]) -> None:
    line = lines_of(one.seller.all(Hold, one.about)[0].body.keeper_entry)[0]
    packet = Packet(line.sent_j, line.flow_j, line.received_j)
    right = near_price(PRICE_MICRO, fee, packet, supply=True)
    for req in reqs:
        found = grant.items[0].price_micro_per_kwh
        t.check(req, found == right, expected=f"{right} micro-units per kWh", actual=str(found))


# ------------------------------------------------------------------ repetition and conflict


@booked("reservations.hold-again", reqs=["IOE-RSV-120"], attack="replay")
async def hold_again(t: Bench) -> None:
    """A HOLD with the same core is answered as before, and nothing is entered for it."""
    one = await booking(t, req="IOE-RSV-120")
    first = await one.held("IOE-RSV-120")
    since, mark = one.b.mark(), one.seller.mark()
    await one.b.send(one.hold(core=one.core))
    again = await one.at(one.b, Grant, since=since)
    t.check(
        "IOE-RSV-120",
        again and again.body.items == first.body.items,
        expected="the same GRANT once more",
        actual="none came" if again is None else "another one",
    )
    await t.fence(one.seller, req="IOE-RSV-120")
    asked = one.seller.all(Hold, one.about, since=mark)
    t.check("IOE-RSV-120", not asked, expected="no second HOLD at the seller", actual="one came")


@booked("reservations.same-id-other-core", reqs=["IOE-RSV-130", "IOE-RSV-070"])
async def same_id_other_core(t: Bench) -> None:
    """Another HOLD_CORE under a known id is refused with CONFLICT, and the first one stays."""
    one = await booking(t, req="IOE-RSV-130")
    await one.held("IOE-RSV-130")
    first = one.core
    other = one.hold_core(price_limit_micro_per_kwh=500_000)
    await one.b.send(one.hold(core=other))
    refused = await one.refused(ErrorCode.CONFLICT, req="IOE-RSV-130")
    t.check(
        "IOE-RSV-070",
        refused and refused.persistence is Persistence.PERMANENT,
        expected="PERMANENT",
        actual=str(refused and refused.persistence),
    )
    one.core = first
    state = await one.state("IOE-RSV-130")
    t.check(
        "IOE-RSV-130",
        state and state.body.state is ReservationState.HELD,
        expected="OUTCOME HELD",
        actual=str(state and state.body.state),
    )


@booked("reservations.commit-again", reqs=["IOE-RSV-520", "IOE-RSV-510"])
async def commit_again(t: Bench) -> None:
    """The same COMMIT behind COMMITTED is answered with the same COMMITTED."""
    one = await booking(t, req="IOE-RSV-520")
    await one.booked("IOE-RSV-520")
    since, mark = one.b.mark(), one.seller.mark()
    await one.take(one.commit_envelope)
    again = await one.at(one.b, Committed, since=since)
    t.check(
        "IOE-RSV-520",
        again and again.envelope == one.committed_envelope,
        expected="the same COMMITTED",
        actual="none came" if again is None else "another one",
    )
    await t.fence(one.seller, req="IOE-RSV-510")
    more = one.seller.all(CommitHop, one.about, since=mark)
    t.check("IOE-RSV-510", not more, expected="no COMMIT_HOP at the seller", actual=f"{len(more)} came")


# ------------------------------------------------------------------ refusals of a HOLD


async def _hold_refused(
    t: Bench, one: Booking, code: ErrorCode, scope: Scope, persistence: Persistence, reqs: tuple[str, ...]
) -> None:
    """A HOLD is refused with code, scope and persistence, and nobody is asked."""
    refused = await one.refused(code, req=reqs[0])
    if refused is None:
        return
    for req in reqs:
        t.check(
            req,
            (refused.scope, refused.persistence, refused.failing_node) == (scope, persistence, t.target),
            expected=f"{scope.name}, {persistence.name}, by the target",
            actual=f"{refused.scope.name}, {refused.persistence.name}, {refused.failing_node.hex()[:16]}",
        )
    await one.nothing_at_seller(reqs[0])


async def _anytime(t: Bench, slot: int, band: int, req: str) -> Booking:
    """A reservation that needs no phase, for it is to be refused."""
    a, b = await t.session("a"), await t.session("b")
    told = t.path("a")
    await t.tell(a, told, t.offer(told.origin))
    heard = await t.told_path(b, told.origin.node)
    t.demand(req, heard, expected="path and offer at B", actual="they did not come")
    return Booking(
        t=t,
        b=b,
        seller=a,
        told=told,
        path=t.hash_at(heard),
        slot=slot,
        band=band,
        energies_j=(ENERGY_J,),
        reservation=t.fresh_id(),
    )


@case("reservations.too-early", reqs=["IOE-CLK-010", "IOE-CLK-020", "IOE-RSV-070"], supports=["transit"])
async def too_early(t: Bench) -> None:
    """A HOLD for a slot whose bands are not open is refused with TOO_EARLY."""
    one = await _anytime(t, t.clock.slot_at(4), 255, "IOE-CLK-020")
    await one.ask()
    reqs = ("IOE-CLK-020", "IOE-CLK-010", "IOE-RSV-070")
    await _hold_refused(t, one, ErrorCode.TOO_EARLY, Scope.RESERVATION, Persistence.TEMPORARY, reqs)


@case("reservations.in-past", reqs=["IOE-CLK-010", "IOE-CLK-020", "IOE-RSV-070"], supports=["transit"])
async def in_past(t: Bench) -> None:
    """A HOLD for the slot that runs is refused with IN_PAST."""
    one = await _anytime(t, t.clock.slot_at(0), 255, "IOE-CLK-020")
    await one.ask()
    reqs = ("IOE-CLK-020", "IOE-CLK-010", "IOE-RSV-070")
    await _hold_refused(t, one, ErrorCode.IN_PAST, Scope.RESERVATION, Persistence.PERMANENT, reqs)


@case(
    "reservations.gate-closed",
    reqs=["IOE-CLK-010", "IOE-CLK-020", "IOE-RSV-070"],
    phase="gate",
    supports=["transit"],
)
async def gate_closed(t: Bench) -> None:
    """A HOLD between the provisional gate and the corrections is refused with GATE_CLOSED."""
    slot = t.clock.gated(3)
    if slot is None:
        raise t.not_testable("no slot is between its gates now")
    one = await _anytime(t, slot, 255, "IOE-CLK-020")
    await one.ask()
    reqs = ("IOE-CLK-020", "IOE-CLK-010", "IOE-RSV-070")
    await _hold_refused(t, one, ErrorCode.GATE_CLOSED, Scope.RESERVATION, Persistence.TEMPORARY, reqs)


@case("reservations.unknown-label", reqs=["IOE-RSV-020", "IOE-RSV-070"], phase="book", supports=["transit"])
async def unknown_label(t: Bench) -> None:
    """A HOLD over a path that was not told to this neighbour is refused with NO_PATH."""
    one = await booking(t, req="IOE-RSV-020")
    strange = replace(one, path=one.told.hash, reservation=t.fresh_id())
    await strange.ask()
    reqs = ("IOE-RSV-020", "IOE-RSV-070")
    await _hold_refused(t, strange, ErrorCode.NO_PATH, Scope.NODE, Persistence.PERMANENT, reqs)


@booked("reservations.zero-energy", reqs=["IOE-RSV-150"])
async def zero_energy(t: Bench) -> None:
    """A HOLD of no energy is refused, with ZERO_ENERGY or GRANT_CHANGED for its line, and nobody is asked."""
    one = await booking(t, req="IOE-RSV-150")
    items = tuple(
        replace(item, energy_j=0) for item in mapping.decode(HoldCore, one.hold_core().signed).items
    )
    hold = one.hold(core=one.hold_core(items=items), items=(PacketEnergy(index=1, energy_j=0),))
    since = one.b.mark()
    await one.b.send(hold)

    def answers(body: object) -> bool:
        return (isinstance(body, Refuse) and one.about(body)) or (
            isinstance(body, Fault) and body.object == object_id(hold)
        )

    heard = await one.b.expect(object, answers, since=since)
    t.check("IOE-RSV-150", heard, expected="REFUSE or Fault", actual="no answer")
    await one.nothing_at_seller("IOE-RSV-150")


async def _faulty_hold(t: Bench, one: Booking, hold: Envelope, code: ErrorCode, req: str) -> None:
    """A HOLD is refused with its code, by Fault or REFUSE, and nobody is asked."""
    since = one.b.mark()
    await one.b.send(hold)

    def answers(body: object) -> bool:
        if isinstance(body, Refuse):
            return one.about(body)
        return isinstance(body, Fault) and body.object == object_id(hold)

    heard = await one.b.expect(object, answers, since=since)
    t.demand(req, heard, expected=f"{code.name}", actual="no answer")
    found = ErrorCode(heard.body.code) if heard and isinstance(heard.body, Refuse | Fault) else None
    t.check(req, found is code, expected=f"{code.name}", actual=f"{found and found.name}")
    await one.nothing_at_seller(req)


@booked("reservations.core-of-another", reqs=["IOE-SIG-070"], attack="hijack")
async def core_of_another(t: Bench) -> None:
    """A HOLD_CORE that its initiator has not signed is refused with WRONG_SIGNER."""
    one = await booking(t, req="IOE-SIG-070")
    thief = t.node()
    await one.b.send(thief.certificate)
    right = one.hold_core()
    core = thief.sign(right.type, right.signed)
    await _faulty_hold(t, one, one.hold(core=core), ErrorCode.WRONG_SIGNER, "IOE-SIG-070")


@booked("reservations.packet-named-twice", reqs=["IOE-RSV-035"])
async def packet_named_twice(t: Bench) -> None:
    """A HOLD that names a packet twice is refused with OUT_OF_BOUNDS."""
    one = await booking(t, req="IOE-RSV-035")
    twice = (PacketEnergy(index=1, energy_j=ENERGY_J),) * 2
    await _faulty_hold(t, one, one.hold(items=twice), ErrorCode.OUT_OF_BOUNDS, "IOE-RSV-035")


@booked("reservations.unknown-packet", reqs=["IOE-RSV-155"])
async def unknown_packet(t: Bench) -> None:
    """A HOLD that names a packet which its core does not have is refused with MALFORMED."""
    one = await booking(t, req="IOE-RSV-155")
    strange = (PacketEnergy(index=2, energy_j=ENERGY_J),)
    await _faulty_hold(t, one, one.hold(items=strange), ErrorCode.MALFORMED, "IOE-RSV-155")


@booked("reservations.band-out-of-bounds", reqs=["IOE-RSV-050"])
async def band_out_of_bounds(t: Bench) -> None:
    """A band that is neither below 12 nor 255 is refused with OUT_OF_BOUNDS."""
    one = await booking(t, req="IOE-RSV-050")
    hold = one.hold(core=one.hold_core(band=12))
    await _faulty_hold(t, one, hold, ErrorCode.OUT_OF_BOUNDS, "IOE-RSV-050")


@booked("reservations.bond-out-of-bounds", reqs=["IOE-RSV-050", "IOE-VER-130"])
async def bond_out_of_bounds(t: Bench) -> None:
    """A bond, which version 1 does not know, is refused with OUT_OF_BOUNDS."""
    one = await booking(t, req="IOE-RSV-050")
    hold = one.hold(core=one.hold_core(bond_micro=1))
    await _faulty_hold(t, one, hold, ErrorCode.OUT_OF_BOUNDS, "IOE-RSV-050")
    t.check("IOE-VER-130", True, expected="bond_micro of 0 in version 1")


@booked("reservations.core-from-future", reqs=["IOE-SIG-250"], attack="clock")
async def core_from_future(t: Bench) -> None:
    """A HOLD_CORE issued more than 60 s ahead is refused with FROM_FUTURE."""
    one = await booking(t, req="IOE-SIG-250")
    hold = one.hold(core=one.hold_core(issued_utc_ms=t.clock.utc_ms() + 65_000))
    await _faulty_hold(t, one, hold, ErrorCode.FROM_FUTURE, "IOE-SIG-250")


@booked("reservations.keepers-line-missing", reqs=["IOE-ADM-040"], attack="lying")
async def keepers_line_missing(t: Bench) -> None:
    """A HOLD whose keeper's entry has no line for the packet is refused with GRANT_CHANGED."""
    one = await booking(t, req="IOE-ADM-040")
    one.admit()
    hold = one.hold(entry=one.entry(final=False, lines=()))
    await _faulty_hold(t, one, hold, ErrorCode.GRANT_CHANGED, "IOE-ADM-040")


@booked("reservations.keepers-line-of-another", reqs=["IOE-ADM-040"], attack="lying")
async def keepers_line_of_another(t: Bench) -> None:
    """A HOLD with the keeper's entry of another reservation is refused with GRANT_CHANGED."""
    one = await booking(t, req="IOE-ADM-040")
    one.admit()
    hold = one.hold(entry=one.entry(final=False, reservation=t.fresh_id()))
    await _faulty_hold(t, one, hold, ErrorCode.GRANT_CHANGED, "IOE-ADM-040")


@booked("reservations.keepers-energy-differs", reqs=["IOE-ADM-040"], attack="lying")
async def keepers_energy_differs(t: Bench) -> None:
    """A HOLD whose near energy differs from the keeper's line is refused with GRANT_CHANGED."""
    one = await booking(t, req="IOE-ADM-040")
    hold = one.hold(items=(PacketEnergy(index=1, energy_j=ENERGY_J + 1),))
    await _faulty_hold(t, one, hold, ErrorCode.GRANT_CHANGED, "IOE-ADM-040")


@booked("reservations.entry-by-another", reqs=["IOE-ADM-050"], attack="lying")
async def entry_by_another(t: Bench) -> None:
    """A keeper's entry that the keeper has not signed is refused with WRONG_SIGNER."""
    one = await booking(t, req="IOE-ADM-050")
    thief = t.node()
    await one.b.send(thief.certificate)
    one.admit()
    right = one.entry(final=False)
    hold = one.hold(entry=thief.sign(right.type, right.signed))
    await _faulty_hold(t, one, hold, ErrorCode.WRONG_SIGNER, "IOE-ADM-050")


# ------------------------------------------------------------------ capacity


@booked("reservations.no-more-than-the-link", reqs=["IOE-ADM-080", "IOE-RSV-100"], own="c")
async def no_more_than_the_link(t: Bench) -> None:
    """Of what is asked the target admits no more than the attested rating carries in the slot."""
    s = await t.established()
    one = await booking(t, 14_000_000, seller=s, req="IOE-ADM-080")
    await one.ask()
    network = t.rig.kit.network
    limit = s.tester.attestation.rating_up_va * network.voltage_min_micro_pu // 10**6 * network.slot_s
    hold = await one.at(s, Hold)
    refuse = await one.at(one.b, Refuse, within_ms=0)
    t.demand("IOE-ADM-080", hold or refuse, expected="a HOLD or a REFUSE", actual="no answer")
    lines = lines_of(hold.body.keeper_entry) if hold else ()
    total = sum(max(line.sent_j, line.received_j) for line in lines)
    t.check("IOE-ADM-080", total <= limit, expected=f"at most {limit} J", actual=f"{total} J")
    asked = sum(item.energy_j for item in hold.body.items) if hold else 0
    t.check(
        "IOE-RSV-100",
        asked == sum(line.received_j for line in lines),
        expected="what was admitted, and no more, in the HOLD",
        actual=f"{asked} J",
    )


@booked("reservations.two-racers", reqs=["IOE-ADM-080", "IOE-ADM-090"], own="c", attack="race")
async def two_racers(t: Bench) -> None:
    """Two HOLDs that do not fit together get, together, no more than the link carries."""
    s = await t.established()
    one = await booking(t, 8_000_000, seller=s, req="IOE-ADM-080")
    other = t.keep(replace(one, reservation=t.fresh_id(), energies_j=(8_000_000,)))
    await one.b.send(one.hold(), other.hold())
    network = t.rig.kit.network
    limit = s.tester.attestation.rating_up_va * network.voltage_min_micro_pu // 10**6 * network.slot_s
    total = 0
    for racer in (one, other):
        hold = await racer.at(s, Hold, within_ms=1_500)
        lines = lines_of(hold.body.keeper_entry) if hold else ()
        total += sum(max(line.sent_j, line.received_j) for line in lines)
    t.check("IOE-ADM-080", 0 < total <= limit, expected=f"at most {limit} J together", actual=f"{total} J")
    t.check("IOE-ADM-090", total <= limit, expected="no netting", actual=f"{total} J")


# ------------------------------------------------------------------ answers from the origin's side


@booked("reservations.refuse-goes-on", reqs=["IOE-RSV-260", "IOE-RSV-150"])
async def refuse_goes_on(t: Bench) -> None:
    """A REFUSE goes on with its code, scope and failing node, and the reservation has failed."""
    one = await booking(t, req="IOE-RSV-260")
    await one.ask()
    await one.asked_of_seller("IOE-RSV-260")
    await one.seller.send(one.refuse(ErrorCode.NO_ENERGY, retry_after_ms=1_234))
    refused = await one.refused(ErrorCode.NO_ENERGY, req="IOE-RSV-260")
    t.check(
        "IOE-RSV-260",
        refused and (refused.scope, refused.failing_node) == (Scope.OFFER, one.told.origin.node),
        expected="scope OFFER, failing node the origin",
        actual=str(refused),
    )
    state = await one.state("IOE-RSV-150")
    t.check(
        "IOE-RSV-150",
        state and state.body.state is ReservationState.FAILED,
        expected="OUTCOME FAILED",
        actual=str(state and state.body.state),
    )


@booked("reservations.grants-too-much", reqs=["IOE-RSV-240"], attack="lying")
async def grants_too_much(t: Bench) -> None:
    """A GRANT of more than was asked is refused with GRANT_CHANGED, and B is granted nothing."""
    one = await booking(t, req="IOE-RSV-240")
    await one.ask()
    hold = await one.asked_of_seller("IOE-RSV-240")
    line = lines_of(hold.body.keeper_entry)[0]
    more = one.grant(hold, items=(grant_item(1, line.sent_j + 1, PRICE_MICRO),))
    await t.refused(one.seller, more, code=ErrorCode.GRANT_CHANGED, req="IOE-RSV-240")
    await t.fence(one.b, req="IOE-RSV-240")
    heard = await one.at(one.b, Grant, within_ms=0)
    t.check("IOE-RSV-240", heard is None, expected="no GRANT at B", actual="one came")


@booked("reservations.grant-by-a-stranger", reqs=["IOE-RSV-030"], attack="hijack")
async def grant_by_a_stranger(t: Bench) -> None:
    """A GRANT from a neighbour that was not asked is refused with NOT_OWNER."""
    one = await booking(t, req="IOE-RSV-030")
    await one.ask()
    hold = await one.asked_of_seller("IOE-RSV-030")
    forged = one.b.keys.seal(
        replace(mapping.decode(Grant, one.grant(hold).signed), grantor=one.b.tester.node)
    )
    await t.refused(one.b, forged, code=ErrorCode.NOT_OWNER, req="IOE-RSV-030")
    state = await one.state("IOE-RSV-030")
    t.check(
        "IOE-RSV-030",
        state and state.body.state is ReservationState.HOLDING,
        expected="OUTCOME HOLDING",
        actual=str(state and state.body.state),
    )


@booked("reservations.grants-less", reqs=["IOE-ADM-120", "IOE-RSV-210"])
async def grants_less(t: Bench) -> None:
    """Of less than was asked the target grants as much less, with its entry made anew."""
    one = await booking(t, 360_000, req="IOE-ADM-120")
    await one.ask()
    hold = await one.asked_of_seller("IOE-ADM-120")
    line = lines_of(hold.body.keeper_entry)[0]
    half = line.sent_j // 2
    await one.seller.send(one.grant(hold, items=(grant_item(1, half, PRICE_MICRO),)))
    heard = await one.granted("IOE-RSV-210")
    item = heard.body.items[0]
    t.check(
        "IOE-RSV-210",
        0 < item.energy_j <= half,
        expected=f"no more than {half} J",
        actual=f"{item.energy_j} J",
    )
    one.packets = (Packet(item.energy_j, item.energy_j, max(1, item.energy_j - item.energy_j // 100)),)
    await one.take()
    hop = await one.at(one.seller, CommitHop)
    t.demand(
        "IOE-ADM-120", hop or await one.at(one.b, Refuse, within_ms=0), expected="COMMIT_HOP", actual="none"
    )
    lines = lines_of(hop.body.keeper_entry) if hop else ()
    t.check(
        "IOE-ADM-120",
        [line.sent_j for line in lines] == [half],
        expected=f"a final line with {half} J at the seller's end",
        actual=str(lines),
    )


@booked("reservations.price-beyond-limit", reqs=["IOE-RSV-520"])
async def price_beyond_limit(t: Bench) -> None:
    """When the price at the target is beyond the initiator's limit, it is refused with PRICE_LIMIT."""
    one = await booking(t, req="IOE-RSV-520")
    await one.ask(core=one.hold_core(price_limit_micro_per_kwh=PRICE_MICRO - 1_000))
    hold = await one.asked_of_seller("IOE-RSV-520")
    await one.seller.send(one.grant(hold))
    await one.refused(ErrorCode.PRICE_LIMIT, req="IOE-RSV-520")


@booked("reservations.all-or-nothing", reqs=["IOE-RSV-520"])
async def all_or_nothing(t: Bench) -> None:
    """A batch that is worthless in parts is refused when a packet is gone, for the reason of that one."""
    one = await booking(t, ENERGY_J, ENERGY_J, req="IOE-RSV-520")
    await one.ask(core=one.hold_core(all_or_nothing=True))
    hold = await one.asked_of_seller("IOE-RSV-520")
    first, _ = lines_of(hold.body.keeper_entry)
    items = (grant_item(1, first.sent_j, PRICE_MICRO), grant_item(2, 0, 0, ErrorCode.NO_ENERGY))
    await one.seller.send(one.grant(hold, items=items))
    refused = await one.refused(ErrorCode.NO_ENERGY, req="IOE-RSV-520")
    reasons = [item.reason for item in refused.items] if refused else []
    t.check(
        "IOE-RSV-520",
        reasons == [ErrorCode.BELOW_MINIMUM, ErrorCode.NO_ENERGY],
        expected="BELOW_MINIMUM for the packet that was given back",
        actual=str(reasons),
    )


@booked("reservations.part-of-a-batch", reqs=["IOE-RSV-200", "IOE-RSV-195"])
async def part_of_a_batch(t: Bench) -> None:
    """Of a batch with one packet refused the other is granted; the refused one is named with its reason."""
    one = await booking(t, ENERGY_J, ENERGY_J, req="IOE-RSV-200")
    await one.ask()
    hold = await one.asked_of_seller("IOE-RSV-200")
    _, second = lines_of(hold.body.keeper_entry)
    items = (grant_item(1, 0, 0), grant_item(2, second.sent_j, PRICE_MICRO))
    await one.seller.send(one.grant(hold, items=items))
    heard = await one.granted("IOE-RSV-200")
    found = [(item.index, item.energy_j > 0) for item in heard.body.items]
    t.check(
        "IOE-RSV-200", found == [(1, False), (2, True)], expected="item 1 of 0, item 2", actual=str(found)
    )
    reason = heard.body.items[0].reason
    t.check("IOE-RSV-195", reason is ErrorCode.NO_ENERGY, expected="NO_ENERGY for item 1", actual=reason.name)


# ------------------------------------------------------------------ time


@booked("reservations.seller-silent", reqs=["IOE-RSV-420", "IOE-RSV-410"])
async def seller_silent(t: Bench) -> None:
    """When no GRANT comes the target refuses with HOLD_EXPIRED at its deadline, not before."""
    one = await booking(t, req="IOE-RSV-420")
    begun = now_ms()
    await one.ask(hold_ms=1_500)
    await one.asked_of_seller("IOE-RSV-420")
    await one.refused(ErrorCode.HOLD_EXPIRED, req="IOE-RSV-420", within_ms=1_500 + GRACE_MS)
    heard = one.b.all(Refuse, one.about)
    passed = heard[0].at_ms - begun if heard else 0
    t.check("IOE-RSV-410", passed >= 1_500 - EARLY_MS, expected="not before 1500 ms", actual=f"{passed} ms")


@booked("reservations.late-commit", reqs=["IOE-RSV-510", "IOE-RSV-520", "IOE-RSV-410"])
async def late_commit(t: Bench) -> None:
    """A COMMIT after the deadline fails with HOLD_EXPIRED, and what was held is free."""
    one = await booking(t, req="IOE-RSV-510")
    heard = await one.held("IOE-RSV-510", hold_ms=1_000)
    await t.pause(heard.body.hold_ms + 200)
    await one.take()
    await one.failed_at_b(ErrorCode.HOLD_EXPIRED, req="IOE-RSV-510")
    t.check("IOE-RSV-410", heard.body.hold_ms <= 1_000, expected="hold_ms up to 1000", actual="more")
    await t.fence(one.seller, req="IOE-RSV-520")
    hops = one.seller.all(CommitHop, one.about)
    t.check("IOE-RSV-520", not hops, expected="no COMMIT_HOP at the seller", actual="one came")


@booked("reservations.in-doubt-repeats", reqs=["IOE-RSV-320", "IOE-RSV-400"])
async def in_doubt_repeats(t: Bench) -> None:
    """A COMMIT without outcome is sent again every commit retry time, and the reservation stays in doubt."""
    one = await booking(t, req="IOE-RSV-320")
    await one.held("IOE-RSV-320", hold_ms=1_000)
    await one.take()
    await t.pause(1_500)
    hops = one.seller.all(CommitHop, one.about)
    t.check("IOE-RSV-320", len(hops) >= 3, expected="at least 3 COMMIT_HOP in 1.5 s", actual=f"{len(hops)}")
    state = await one.state("IOE-RSV-400")
    t.check(
        "IOE-RSV-400",
        state and state.body.state is ReservationState.IN_DOUBT,
        expected="OUTCOME IN_DOUBT, though the hold time is over",
        actual=str(state and state.body.state),
    )
    await one.seller.send(one.failed(ErrorCode.HOLD_EXPIRED))
    await one.failed_at_b(ErrorCode.HOLD_EXPIRED, req="IOE-RSV-320")


@booked("reservations.committed-repeats", reqs=["IOE-RSV-365"])
async def committed_repeats(t: Bench) -> None:
    """COMMITTED is sent again every commit retry time until its RECEIPT has come, and then no more."""
    one = await booking(t, req="IOE-RSV-365")
    await one.held("IOE-RSV-365")
    await one.take()
    hop = await one.at(one.seller, CommitHop)
    t.demand("IOE-RSV-365", hop, expected="COMMIT_HOP", actual="none")
    if hop is not None:
        await one.seller.send(one.committed(hop.body.commit))
    await t.pause(1_500)
    before = one.b.all(Committed, one.about)
    t.check(
        "IOE-RSV-365", len(before) >= 3, expected="at least 3 COMMITTED in 1.5 s", actual=f"{len(before)}"
    )
    await one.b.send(one.receipt())
    await t.fence(one.b, req="IOE-RSV-365")
    since = one.b.mark()
    await t.pause(800)
    after = one.b.all(Committed, one.about, since=since)
    t.check("IOE-RSV-365", not after, expected="none behind the RECEIPT", actual=f"{len(after)} came")


# ------------------------------------------------------------------ COMMIT and its outcome


@case("reservations.commit-of-unknown", reqs=["IOE-RSV-520"], supports=["transit"])
async def commit_of_unknown(t: Bench) -> None:
    """A COMMIT of a reservation that nobody holds is answered with FAILED UNKNOWN_RESERVATION."""
    one = await _anytime(t, t.clock.slot_at(1), 255, "IOE-RSV-520")
    one.admit()
    one.core = one.hold_core()
    await one.take()
    failed = await one.failed_at_b(ErrorCode.UNKNOWN_RESERVATION, req="IOE-RSV-520")
    t.check(
        "IOE-RSV-520",
        failed and failed.body.node == t.target,
        expected="signed by the target",
        actual=str(failed and failed.body.node.hex()[:16]),
    )


@booked("reservations.commit-of-ungranted", reqs=["IOE-RSV-520"], attack="lying")
async def commit_of_ungranted(t: Bench) -> None:
    """A COMMIT that takes a packet which was not granted is refused with GRANT_CHANGED, without effect."""
    one = await booking(t, req="IOE-RSV-520")
    await one.held("IOE-RSV-520")
    hop = framed(CommitHop(commit=one.commit((1, 2)), keeper_entry=one.entry(final=True)))
    await t.refused(one.b, hop, code=ErrorCode.GRANT_CHANGED, req="IOE-RSV-520")
    state = await one.state("IOE-RSV-520")
    t.check(
        "IOE-RSV-520",
        state and state.body.state is ReservationState.HELD,
        expected="OUTCOME HELD",
        actual=str(state and state.body.state),
    )


@booked("reservations.commit-by-another", reqs=["IOE-SIG-070", "IOE-RSV-520"], attack="hijack")
async def commit_by_another(t: Bench) -> None:
    """A COMMIT that the initiator has not signed has no effect."""
    one = await booking(t, req="IOE-SIG-070")
    await one.held("IOE-SIG-070")
    thief = t.node()
    await one.b.send(thief.certificate)
    right = one.commit()
    forged = framed(
        CommitHop(commit=thief.sign(right.type, right.signed), keeper_entry=one.entry(final=True))
    )
    await one.b.send(forged)
    await t.fence(one.b, req="IOE-RSV-520")
    state = await one.state("IOE-SIG-070")
    t.check(
        "IOE-SIG-070",
        state and state.body.state is ReservationState.HELD,
        expected="OUTCOME HELD",
        actual=str(state and state.body.state),
    )
    hops = one.seller.all(CommitHop, one.about)
    t.check("IOE-RSV-520", not hops, expected="no COMMIT_HOP at the seller", actual="one came")


@booked("reservations.committed-by-another", reqs=["IOE-RSV-370"], attack="hijack")
async def committed_by_another(t: Bench) -> None:
    """A COMMITTED by another node, or of another COMMIT, is refused, and B is told nothing."""
    one = await booking(t, req="IOE-RSV-370")
    await one.held("IOE-RSV-370")
    await one.take()
    hop = await one.at(one.seller, CommitHop)
    t.demand("IOE-RSV-370", hop, expected="COMMIT_HOP", actual="none")
    if hop is None:
        return
    right = mapping.decode(Committed, one.committed(hop.body.commit).signed)
    seller = one.seller.keys.seal(replace(right, origin=one.seller.tester.node))
    await t.refused(one.seller, seller, code=ErrorCode.NOT_OWNER, req="IOE-RSV-370")
    other = one.told.origin.seal(replace(right, commit=ObjectId(bytes(32))))
    await t.refused(one.seller, other, code=ErrorCode.CONFLICT, req="IOE-RSV-370")
    await t.fence(one.b, req="IOE-RSV-370")
    heard = await one.at(one.b, Committed, within_ms=0)
    t.check("IOE-RSV-370", heard is None, expected="no COMMITTED at B", actual="one came")
    await one.seller.send(one.failed(ErrorCode.HOLD_EXPIRED))
    await one.failed_at_b(ErrorCode.HOLD_EXPIRED, req="IOE-RSV-370")


@booked("reservations.failed-goes-on", reqs=["IOE-RSV-380", "IOE-RSV-400"])
async def failed_goes_on(t: Bench) -> None:
    """A FAILED goes on as the bytes that were signed, and is the evidence of the outcome."""
    one = await booking(t, req="IOE-RSV-380")
    await one.held("IOE-RSV-380")
    await one.take()
    t.demand("IOE-RSV-380", await one.at(one.seller, CommitHop), expected="COMMIT_HOP", actual="none")
    failed = one.failed(ErrorCode.HOLD_EXPIRED)
    await one.seller.send(failed)
    heard = await one.failed_at_b(ErrorCode.HOLD_EXPIRED, req="IOE-RSV-380")
    t.check(
        "IOE-RSV-380", heard and heard.envelope == failed, expected="the bytes of the origin", actual="others"
    )
    state = await one.state("IOE-RSV-400")
    t.check(
        "IOE-RSV-400",
        state and state.body.state is ReservationState.FAILED and state.body.evidence == failed,
        expected="OUTCOME FAILED with FAILED as evidence",
        actual=str(state and state.body.state),
    )


@booked("reservations.release-by-another", reqs=["IOE-RSV-440"], attack="hijack")
async def release_by_another(t: Bench) -> None:
    """A RELEASE that the initiator has not signed is refused, and the reservation stands."""
    one = await booking(t, req="IOE-RSV-440")
    await one.held("IOE-RSV-440")
    right = one.release()
    forged = one.told.origin.sign(right.type, right.signed)
    await one.b.send(*(e for e in one.told.evidence[:1]))
    codes = (ErrorCode.WRONG_SIGNER, ErrorCode.NOT_OWNER)
    await t.refused(one.b, forged, code=codes, req="IOE-RSV-440")
    state = await one.state("IOE-RSV-440")
    t.check(
        "IOE-RSV-440",
        state and state.body.state is ReservationState.HELD,
        expected="OUTCOME HELD",
        actual=str(state and state.body.state),
    )


@case("reservations.release-of-unknown", reqs=["IOE-RSV-455", "IOE-RSV-520"], supports=["transit"])
async def release_of_unknown(t: Bench) -> None:
    """A RELEASE of a reservation that nobody holds is answered with OUTCOME UNSPECIFIED and a Fault."""
    one = await _anytime(t, t.clock.slot_at(1), 255, "IOE-RSV-455")
    released = one.release()
    await t.refused(one.b, released, code=ErrorCode.UNKNOWN_RESERVATION, req="IOE-RSV-520")
    answer = await one.at(one.b, Outcome)
    t.check(
        "IOE-RSV-455",
        answer and answer.body.state is ReservationState.UNSPECIFIED,
        expected="OUTCOME UNSPECIFIED",
        actual=str(answer and answer.body.state),
    )


# ------------------------------------------------------------------ lost neighbours


@booked("reservations.seller-lost-while-holding", reqs=["IOE-RSV-430"], own="c")
async def seller_lost_while_holding(t: Bench) -> None:
    """When the seller's session is lost before GRANT, B is refused with NEIGHBOR_LOST."""
    s = await t.established()
    one = await booking(t, seller=s, req="IOE-RSV-430")
    await one.ask()
    await one.asked_of_seller("IOE-RSV-430")
    await s.close()
    await one.refused(ErrorCode.NEIGHBOR_LOST, req="IOE-RSV-430")


@booked("reservations.seller-lost-while-held", reqs=["IOE-RSV-430"], own="c")
async def seller_lost_while_held(t: Bench) -> None:
    """When the seller's session is lost before COMMIT, B gets FAILED NEIGHBOR_LOST."""
    s = await t.established()
    one = await booking(t, seller=s, req="IOE-RSV-430")
    await one.held("IOE-RSV-430")
    await s.close()
    await one.failed_at_b(ErrorCode.NEIGHBOR_LOST, req="IOE-RSV-430")
