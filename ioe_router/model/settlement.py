"""Metering, obligations and imbalance as values (SPEC section 12).

The fields, units and bounds are those of `proto/ioe/v1/settlement.proto`; the codec
maps the two by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from ioe_router.model.envelope import Envelope
from ioe_router.model.ids import LinkId, NodeId, ObjectId, PathHash


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterRecord:
    """What one end's meter saw on a link in a slot. Signed by that end."""

    link: LinkId  # Link id, 16 bytes
    slot_utc_s: int  # Slot, UTC seconds
    node: NodeId  # Who measured, node id
    imported_j: int  # Energy from the link into the node, joules
    exported_j: int  # Energy from the node into the link, joules
    counter_imported_j: int  # Monotone import counter at the slot's end, joules
    counter_exported_j: int  # Monotone export counter at the slot's end, joules


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkStatement:
    """What one end holds to be owed on a link for a slot. Signed by that end; equal figures settle it."""

    link: LinkId  # Link id, 16 bytes
    slot_utc_s: int  # Slot, UTC seconds
    node: NodeId  # Who states, node id
    packets: int  # Number of committed packets on the link in the slot
    keeper_owes_micro: int  # Sum of obligations of the keeper to the other end, micro-units
    other_owes_micro: int  # Sum of obligations of the other end to the keeper, micro-units
    booked_down_sent_j: int  # Booked energy entering from the keeper's end, joules
    booked_up_sent_j: int  # Booked energy entering from the other end, joules
    booked_down_received_j: int  # Booked energy leaving at the other end, joules
    booked_up_received_j: int  # Booked energy leaving at the keeper's end, joules
    previous: (
        ObjectId  # Object id of the stating end's statement before this one, 32 bytes, zeros for the first
    )


class Deviation(IntEnum):
    """Which way a node deviated."""

    UNSPECIFIED = 0  # Not at all
    SHORT = 1  # It took more or gave less than booked
    LONG = 2  # It took less or gave more than booked


@dataclass(frozen=True, slots=True, kw_only=True)
class ImbalanceRecord:
    """A node's deviation, settled with its balance party. Signed by the node, then by the party."""

    node: NodeId  # Who deviated, node id
    party: NodeId  # Balance-responsible party, node id
    slot_utc_s: int  # Slot, UTC seconds
    deviation: Deviation  # Which way
    energy_j: int  # How much, joules
    price_micro_per_kwh: int  # Imbalance price, micro-units per kWh
    amount_micro: int  # Paid by the node when SHORT, to the node when LONG, micro-units
    previous: ObjectId  # Object id of the node's record before this one, 32 bytes, zeros for the first


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """Carries a record along a known path, or its countersigned copy back."""

    path: (
        PathHash  # Path hash at the receiver when going to the path's origin, 32 bytes; empty on the way back
    )
    record: Envelope  # IMBALANCE_RECORD envelope
