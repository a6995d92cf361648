"""What a node writes down about metering and settlement, and how it reads it back (SPEC section 12).

A row per link and slot, the heads of the chains per link, the imbalance prices that the
host has set, the node's own deviations and, at a balance-responsible party, those of its
members.  What follows from these (loss account, whether two statements agree) is computed
again, not stored.
"""

from __future__ import annotations

from typing import Final

from ioe_router.core.booked import BookedLink
from ioe_router.core.durable import SLOT_BYTES, Fields, Recall, damaged, sealed_to, slot_key, to_record
from ioe_router.core.imbalance import OwnRecord
from ioe_router.core.inputs import ImbalancePrices
from ioe_router.core.settled import ChainHeads, SettledPacket, SlotOnLink
from ioe_router.model.envelope import Sealed
from ioe_router.model.ids import LINK_ID_BYTES, LinkId, NodeId, ObjectId
from ioe_router.model.routing import Direction, Flow
from ioe_router.model.settlement import ImbalanceRecord, LinkStatement, MeterRecord
from ioe_router.model.slot import Slot

# First byte of a SETTLEMENT key.
LINK: Final = b"l"  # then link and slot: what is held about one link in one slot
OWN: Final = b"o"  # then the slot: this node's own deviation
HELD: Final = b"h"  # then slot and node: a member's deviation, countersigned here
SUPPLY: Final = b"s"  # then the slot: what this node bought for its links' losses
PRICES: Final = b"p"  # then the slot: imbalance prices that the host has set

# COUNTER keys.
HEADS: Final = b"settlement "  # then the link: counters and chain heads
IMBALANCE: Final = b"imbalance"  # the node's own chain of deviations
NUMBERS: Final = b"lines "  # then the link: ledger line numbers that may have been used

_SUMS: Final = ("down_sent_j", "down_received_j", "up_sent_j", "up_received_j", "net_j", "supply_j")


def link_key(slot: Slot, link: LinkId) -> bytes:
    """The key of a row."""
    return LINK + link + slot_key(slot)


def own_key(slot: Slot) -> bytes:
    """The key of an own deviation."""
    return OWN + slot_key(slot)


def held_key(slot: Slot, node: NodeId) -> bytes:
    """The key of a member's deviation."""
    return HELD + slot_key(slot) + node


def supply_key(slot: Slot) -> bytes:
    """The key of a slot's loss supply."""
    return SUPPLY + slot_key(slot)


def prices_key(slot: Slot) -> bytes:
    """The key of a slot's imbalance prices."""
    return PRICES + slot_key(slot)


# ------------------------------------------------------------------ writing


def row_of(row: SlotOnLink) -> bytes:
    """The record of one link in one slot."""
    booked = row.booked
    return to_record(
        {
            "booked": None if booked is None else {name: getattr(booked, name) for name in _SUMS},
            "own_meter": sealed_to(row.own_meter),
            "own_statement": sealed_to(row.own_statement),
            "packets": [
                [int(p.flow), p.sent_j, p.received_j, p.price_micro_per_kwh, int(p.direction)]
                for p in row.packets
            ],
            "peer_meter": sealed_to(row.peer_meter),
            "peer_statement": sealed_to(row.peer_statement),
        }
    )


def heads_of(heads: ChainHeads) -> bytes:
    """The record of a link's counters and chain heads."""
    return to_record(
        {
            "exported_j": heads.exported_j,
            "imported_j": heads.imported_j,
            "last_own": None if heads.last_own is None else heads.last_own.hex(),
            "last_peer": None if heads.last_peer is None else heads.last_peer.hex(),
        }
    )


def own_of(own: OwnRecord) -> bytes:
    """The record of an own deviation."""
    return to_record({"record": sealed_to(own.record), "settled": own.settled})


def held_of(held: Sealed[ImbalanceRecord]) -> bytes:
    """The record of a member's deviation."""
    return to_record({"record": sealed_to(held)})


def supply_of(supply: dict[LinkId, int]) -> bytes:
    """The record of a slot's loss supply."""
    return to_record({"links": {link.hex(): energy_j for link, energy_j in supply.items()}})


def prices_of(prices: ImbalancePrices) -> bytes:
    """The record of a slot's imbalance prices."""
    return to_record({"long": prices.long_micro_per_kwh, "short": prices.short_micro_per_kwh})


# ------------------------------------------------------------------ reading


def row_from(data: bytes, slot: Slot, link: LinkId, keeper: bool, recall: Recall) -> SlotOnLink:
    """A row read back. UsageError when it is damaged or about something else."""
    fields = Fields.of(data, f"the settlement of link {link.hex()} in slot {slot}")
    row = SlotOnLink(
        booked=_booked(fields, link, keeper),
        packets=_packets(fields),
        own_meter=fields.sealed("own_meter", MeterRecord, recall),
        peer_meter=fields.sealed("peer_meter", MeterRecord, recall),
        own_statement=fields.sealed("own_statement", LinkStatement, recall),
        peer_statement=fields.sealed("peer_statement", LinkStatement, recall),
    )
    for sealed in (row.own_meter, row.peer_meter, row.own_statement, row.peer_statement):
        if sealed is not None and (sealed.body.slot_utc_s, sealed.body.link) != (slot, link):
            raise damaged(fields.what, "it holds an object about another link or slot")
    if (row.own_meter is None) is not (row.booked is None):
        raise damaged(fields.what, "its meter record and its booked sums contradict each other")
    return row


def heads_from(data: bytes, link: LinkId) -> ChainHeads:
    """A link's counters and chain heads read back."""
    fields = Fields.of(data, f"the chains of link {link.hex()}")
    own = fields.maybe(lambda name: fields.octets(name, 32), "last_own")
    peer = fields.maybe(lambda name: fields.octets(name, 32), "last_peer")
    return ChainHeads(
        imported_j=fields.integer("imported_j"),
        exported_j=fields.integer("exported_j"),
        last_own=None if own is None else ObjectId(own),
        last_peer=None if peer is None else ObjectId(peer),
    )


def own_from(data: bytes, slot: Slot, recall: Recall) -> tuple[Sealed[ImbalanceRecord], bool]:
    """An own deviation read back: the record, and whether it is settled."""
    fields = Fields.of(data, f"the own deviation in slot {slot}")
    return _imbalance(fields, slot, recall), fields.flag("settled")


def held_from(data: bytes, slot: Slot, recall: Recall) -> Sealed[ImbalanceRecord]:
    """A member's deviation read back."""
    return _imbalance(Fields.of(data, f"a member's deviation in slot {slot}"), slot, recall)


def supply_from(data: bytes, slot: Slot, links: tuple[LinkId, ...]) -> dict[LinkId, int]:
    """A slot's loss supply read back, of the links that there still are."""
    fields = Fields.of(data, f"the loss supply of slot {slot}").part("links")
    return {link: fields.integer(link.hex()) for link in links if fields.has(link.hex())}


def prices_from(data: bytes, slot: Slot) -> ImbalancePrices:
    """A slot's imbalance prices read back."""
    fields = Fields.of(data, f"the imbalance prices of slot {slot}")
    return ImbalancePrices(
        slot=slot,
        short_micro_per_kwh=fields.integer("short"),
        long_micro_per_kwh=fields.integer("long"),
    )


def _imbalance(fields: Fields, slot: Slot, recall: Recall) -> Sealed[ImbalanceRecord]:
    sealed = fields.sealed("record", ImbalanceRecord, recall)
    if sealed is None or sealed.body.slot_utc_s != slot:
        raise damaged(fields.what, "it holds no record of that slot")
    return sealed


def _booked(fields: Fields, link: LinkId, keeper: bool) -> BookedLink | None:
    part = fields.maybe(fields.part, "booked")
    if part is None:
        return None
    return BookedLink(link=link, keeper=keeper, **{name: part.integer(name) for name in _SUMS})


def _packets(fields: Fields) -> tuple[SettledPacket, ...]:
    try:
        return tuple(
            SettledPacket(
                flow=Flow(flow),
                sent_j=sent_j,
                received_j=received_j,
                price_micro_per_kwh=price,
                direction=Direction(direction),
            )
            for flow, sent_j, received_j, price, direction in fields.rows("packets", 5)
        )
    except ValueError:
        raise fields.bad("packets") from None


def split_link_key(key: bytes) -> tuple[LinkId, Slot]:
    """Link and slot of a row's key. UsageError for a key of another length."""
    if len(key) != 1 + LINK_ID_BYTES + SLOT_BYTES:
        raise damaged(f"settlement {key.hex()}", "its key is damaged")
    return LinkId(key[1 : 1 + LINK_ID_BYTES]), slot_of_key(key[1 + LINK_ID_BYTES :])


def slot_of_key(key: bytes) -> Slot:
    """The slot that a key begins with. UsageError for a shorter one."""
    if len(key) < SLOT_BYTES:
        raise damaged(f"settlement {key.hex()}", "its key is damaged")
    return Slot(int.from_bytes(key[:SLOT_BYTES]))
