"""A node takes up what an earlier life of it has promised (SPEC section 10.10).

The rows of the store are read once, before `Started`.  Everything that was promised
stands again: reservations with what is left of their time, the ledgers of both links,
energy taken from own offers, what a want has got, chains and counters of settlement, the
highest epochs seen.  Sessions, paths, offers of others and operating envelopes are not
promises; they are learned again.

What cannot be read, or contradicts itself, ends the start with one sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from ioe_router.core import durable_settlement as settled
from ioe_router.core.belonging import restore_lists
from ioe_router.core.durable import Fields, damaged
from ioe_router.core.durable_reservation import ReservationReader, StoredReservation
from ioe_router.core.effects import Persist, RecordKind
from ioe_router.core.parts import Parts
from ioe_router.core.reconfiguration import restore_former
from ioe_router.core.reservation_fsm import ENDED
from ioe_router.core.steps import KEPT_SLOTS
from ioe_router.model.clock import Now
from ioe_router.model.discovery import OperationalKey, Revocation
from ioe_router.model.envelope import Sealed
from ioe_router.model.errors import PeerError, UsageError
from ioe_router.model.ids import LINK_ID_BYTES, NODE_ID_BYTES, LinkId, NodeId, ObjectId
from ioe_router.model.reservation import ReservationState
from ioe_router.model.slot import Slot, slot_at

Learn = Callable[[Sealed[OperationalKey], Now], object]

# the others rely on these
ORDER: Final = (RecordKind.REVOCATION, RecordKind.KEY, RecordKind.COUNTER, RecordKind.NEIGHBOR)


def restore(parts: Parts, records: Sequence[Persist], learn: Learn, now: Now) -> None:
    """Take up the rows of the store. UsageError: a record is damaged, foreign or contradictory."""
    parts.restored = True
    parts.settlement.forget_before(oldest_slot(parts, now))
    rank = {kind: place for place, kind in enumerate(ORDER)}
    for row in sorted(records, key=lambda row: rank.get(row.kind, len(ORDER))):
        if row.record is None:
            raise damaged(f"{row.kind.value} {row.key.hex()}", "it is empty")
        _restore_one(parts, row.kind, row.key, row.record, learn, now)
    parts.replacements.restore()


def _restore_one(parts: Parts, kind: RecordKind, key: bytes, data: bytes, learn: Learn, now: Now) -> None:
    match kind:
        case RecordKind.REVOCATION:
            _revocation(parts, key, data)
        case RecordKind.KEY:
            _key(parts, key, data, learn, now)
        case RecordKind.COUNTER:
            _counter(parts, key, data)
        case RecordKind.NEIGHBOR:
            _neighbor(parts, key, data)
        case RecordKind.SETTLEMENT:
            _settlement(parts, key, data, now)
        case RecordKind.RESERVATION:
            _reservation(parts, key, data, now)
        case RecordKind.DOMAIN:
            restore_lists(parts, key, data)
        case RecordKind.PROOF:
            parts.routing.quarantine(parts.proofs.restore(key, data))


def oldest_slot(parts: Parts, now: Now) -> Slot:
    """Slots before this one have been forgotten."""
    slot_s = parts.config.parameters.slot_s
    return Slot(slot_at(now.utc_s, slot_s) - (KEPT_SLOTS + 1) * slot_s)


# ------------------------------------------------------------------ keys, counters, neighbours


def _key(parts: Parts, key: bytes, data: bytes, learn: Learn, now: Now) -> None:
    """A certificate is verified again; one that has ended since is of no more use."""
    envelope = Fields.of(data, f"key {key.hex()}").envelope("certificate")
    parts.promises.restore_key(key)
    try:
        sealed = parts.sealer.open(envelope, OperationalKey)
        learn(sealed, now)
        parts.evidence.learn_key(sealed, now)
    except PeerError:
        return


def _revocation(parts: Parts, key: bytes, data: bytes) -> None:
    """What was void stays void."""
    what = f"revocation {key.hex()[:12]}"
    try:
        sealed = parts.sealer.open(Fields.of(data, what).envelope("revocation"), Revocation)
    except PeerError as error:
        raise damaged(what, f"it does not hold ({error})") from error
    parts.revocations.restore(sealed)
    parts.sealer.revoke(sealed.body.node, sealed.body.up_to_serial)


def _counter(parts: Parts, key: bytes, data: bytes) -> None:
    if key == settled.IMBALANCE:
        head = Fields.of(data, "the node's chain of deviations").octets("previous", 32)
        parts.imbalance.restore_previous(ObjectId(head))
        return
    prefix, link = key[:-LINK_ID_BYTES], LinkId(key[-LINK_ID_BYTES:])
    port = parts.ports.of(link)
    if port is None:
        return  # a link that is no longer configured: nothing is numbered on it any more
    if prefix == settled.NUMBERS:
        used = Fields.of(data, f"the line numbers of link {link.hex()}").integer("used_up_to")
        port.calendar.number_from(used)
        parts.promises.restore_numbers(link, used)
    elif prefix == settled.HEADS:
        parts.settlement.restore_heads(link, settled.heads_from(data, link))
    else:
        raise damaged(f"counter {key.hex()}", "this version does not know it")


def _neighbor(parts: Parts, key: bytes, data: bytes) -> None:
    if len(key) != NODE_ID_BYTES:
        raise damaged(f"neighbour {key.hex()}", "its key is damaged")
    fields = Fields.of(data, f"neighbour {key.hex()[:12]}")
    former = fields.envelope("former") if fields.has("former") else None
    if former is not None:
        restore_former(parts, NodeId(key), former)
    parts.sessions.restore_epoch(NodeId(key), fields.integer("epoch"))


# ------------------------------------------------------------------ settlement


def _settlement(parts: Parts, key: bytes, data: bytes, now: Now) -> None:
    kind, rest = key[:1], key[1:]
    if kind == settled.LINK:
        link, slot = settled.split_link_key(key)
        port = parts.ports.of(link)
        if port is not None:
            row = settled.row_from(data, slot, link, port.keeper, parts.sealer.recall)
            parts.settlement.restore_row(slot, link, row)
    elif kind == settled.OWN:
        slot = settled.slot_of_key(rest)
        record, is_settled = settled.own_from(data, slot, parts.sealer.recall)
        parts.imbalance.restore_own(slot, record, settled=is_settled, now=now)
    elif kind == settled.HELD:
        slot = settled.slot_of_key(rest)
        parts.imbalance.restore_held(slot, settled.held_from(data, slot, parts.sealer.recall))
    elif kind == settled.SUPPLY:
        slot = settled.slot_of_key(rest)
        links = tuple(port.link for port in parts.ports.all())
        parts.supply.restore(slot, settled.supply_from(data, slot, links))
    elif kind == settled.PRICES:
        parts.imbalance.restore_prices(settled.prices_from(data, settled.slot_of_key(rest)))
    else:
        raise damaged(f"settlement {key.hex()}", "this version does not know its kind")


# ------------------------------------------------------------------ reservations


def _reservation(parts: Parts, key: bytes, data: bytes, now: Now) -> None:
    hold_ms = parts.config.timers.hold_ms
    stored = ReservationReader(parts.ports, parts.sealer.recall, hold_ms, now).read(key, data)
    record = stored.record
    parts.reservations.restore(record)
    _book(parts, stored, oldest_slot(parts, now))
    if record.state is ReservationState.IN_DOUBT or record.unconfirmed:
        record.retry_ns = now.monotonic_ns
    if record.state in ENDED:
        return
    parts.curtailments.restore(record)
    _take_own_energy(parts, stored)
    if record.toward_initiator is None:
        parts.desk.restore(record)


def _book(parts: Parts, stored: StoredReservation, oldest: Slot) -> None:
    """Enter the ledger lines again, whatever the limits are by now; then look at the limits."""
    for one in stored.entries:
        if one.slot < oldest:
            continue
        try:
            one.leg.port.calendar.restore(one.slot, one.leg.key(one.index), one.entry)
        except UsageError:
            what = f"reservation {one.leg.reservation.hex()}"
            raise damaged(what, "one of its packets is booked twice") from None
        parts.ports.ledger(one.leg.port, one.slot)


def _take_own_energy(parts: Parts, stored: StoredReservation) -> None:
    """Own energy that the reservation holds: of an offer at its origin, or carried to another's DEMAND."""
    record = stored.record
    indexes = record.accepted or tuple(record.granted)
    if record.toward_origin is None:
        offer_no: int | None = record.core.body.offer_no
    else:
        offer_no = None if record.serves is None else record.serves.own_offer_no
    if offer_no is None:
        return
    for index in indexes:
        energy_j = record.granted[index].energy_j
        parts.own_offers.restore(offer_no, record.slots[index], (*record.key, index), energy_j)
