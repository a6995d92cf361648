"""Energy packets as values: hold, commit, release (SPEC sections 9 and 10).

The fields, units and bounds are those of `proto/ioe/v1/reservation.proto`; the codec
maps the two by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from ioe_router.model.envelope import Envelope
from ioe_router.model.errors import ErrorCode, Persistence, Scope
from ioe_router.model.ids import LinkId, NodeId, ObjectId, PathHash, ReservationId
from ioe_router.model.routing import Direction, Flow


class ReservationState(IntEnum):
    """Where a reservation stands at a node (SPEC section 10)."""

    UNSPECIFIED = 0  # Not known here
    HOLDING = 1  # HOLD forwarded, no answer yet
    HELD = 2  # GRANT passed on (or held by the initiator), waiting for COMMIT
    IN_DOUBT = 3  # COMMIT forwarded, no outcome yet
    COMMITTED = 4  # Signed acceptance seen
    FAILED = 5  # Ended without acceptance
    RELEASED = 6  # Given back by the initiator
    EXPIRED = 7  # Hold time ran out


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldItem:
    """One packet of a HOLD: an amount of energy in one slot."""

    index: int  # 1-based number in the batch
    slot_utc_s: int  # Slot, UTC seconds
    energy_j: int  # Wanted energy at the initiator's port, joules
    energy_min_j: int  # Least useful energy at the initiator's port, joules, at least 1


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldCore:
    """What the initiator asks, the same for every hop. Signed by the initiator."""

    reservation: ReservationId  # Reservation id, 16 random bytes
    version: int  # Version of the reservation, from 1
    initiator: NodeId  # Who asks, node id
    origin: NodeId  # Origin of the offer, node id
    offer_no: int  # Number of the offer
    offer_epoch: int  # Epoch of the offer that was read
    offer_seq: int  # Sequence number of the offer that was read
    direction: Direction  # Direction of the offer
    path: PathHash  # Path hash at the initiator, 32 bytes
    band: int  # Band of the descending clock, from 0; 255 outside bands
    price_limit_micro_per_kwh: int  # Worst acceptable price at the initiator's port, micro-units per kWh
    priority: int  # Priority 0 (lowest) to 7
    replaces: ReservationId | None  # Reservation to be replaced at COMMIT, 16 bytes, else empty
    all_or_nothing: bool  # True when a partial batch is worthless
    items: tuple[HoldItem, ...]  # The packets, 1 to 96, indexes rising from 1
    issued_utc_ms: int  # When it was signed, UTC milliseconds
    hold_fee_micro: int  # Reserved for version 2: fee for holding, micro-units; must be 0
    bond_micro: int  # Reserved for version 2: bond, micro-units; must be 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerLine:
    """One line of the keeper's ledger."""

    index: int  # Index of the packet in its batch
    number: int  # Number of the line on this link, rising, assigned by the keeper
    slot_utc_s: int  # Slot, UTC seconds
    flow_j: int  # Energy at mid-link (d), joules
    sent_j: int  # Energy entering at the sending end (s), joules
    received_j: int  # Energy leaving at the receiving end (y), joules


@dataclass(frozen=True, slots=True, kw_only=True)
class KeeperEntry:
    """The keeper's signed entry for a batch on its link."""

    link: LinkId  # Link id, 16 bytes
    reservation: ReservationId  # Reservation id
    version: int  # Version of the reservation
    flow: Flow  # Sense of the energy
    final: bool  # True when no later entry of this batch will follow
    lines: tuple[LedgerLine, ...]  # The lines, one per admitted packet


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketEnergy:
    """Energy of one packet at one port."""

    index: int  # Index of the packet
    energy_j: int  # Energy at the port of the sender of this message, joules


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """HOLD as it crosses one link, towards the origin."""

    core: Envelope  # HOLD_CORE envelope
    path: PathHash  # Path hash that names the rest of the path at the receiver, 32 bytes
    hold_ms: int  # Time that the receiver may hold at most, milliseconds
    items: tuple[PacketEnergy, ...]  # What is needed at the sender's port on this link
    keeper_entry: Envelope | None  # KEEPER_ENTRY envelope when the sender is the keeper


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantItem:
    """What was granted of one packet."""

    index: int  # Index of the packet
    energy_j: int  # Granted energy at the grantor's port on this link, joules; 0 when refused
    price_micro_per_kwh: int  # Price at the grantor's port on this link, micro-units per kWh
    reason: ErrorCode  # Why less than asked was granted, else 0
    counter_offer_j: int  # What could be granted with other figures, joules; 0 when nothing
    scarcity_micro_per_kwh: int  # Part of the price above the ask at the origin, micro-units per kWh


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A promise that holds until hold_ms, towards the initiator. Signed by the grantor."""

    reservation: ReservationId  # Reservation id
    version: int  # Version of the reservation
    core: ObjectId  # Object id of the HOLD_CORE, 32 bytes
    link: LinkId  # Link id, 16 bytes
    grantor: NodeId  # Who grants, node id
    items: tuple[GrantItem, ...]  # One entry per packet asked
    hold_ms: int  # How long the promise holds from its receipt, milliseconds
    keeper_entry: Envelope | None  # KEEPER_ENTRY envelope when the grantor is the keeper


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Nothing was granted."""

    reservation: ReservationId  # Reservation id
    version: int  # Version of the reservation
    code: ErrorCode  # Registered reason
    persistence: Persistence  # How long it is likely to hold
    scope: Scope  # What it is about
    failing_node: NodeId  # Who refused, node id
    retry_after_ms: int  # Earliest useful retry, milliseconds; 0 when unknown
    items: tuple[GrantItem, ...]  # Per packet: reason and counter-offer


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """The initiator takes granted packets. Signed by the initiator."""

    reservation: ReservationId  # Reservation id
    version: int  # Version of the reservation
    core: ObjectId  # Object id of the HOLD_CORE, 32 bytes
    initiator: NodeId  # Who commits, node id
    accepted: tuple[int, ...]  # Packets taken; the others are released


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitHop:
    """COMMIT as it crosses one link, towards the origin."""

    commit: Envelope  # COMMIT envelope
    keeper_entry: Envelope | None  # Final KEEPER_ENTRY envelope when the sender is the keeper


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """The origin's acceptance, the commit point. Signed by the origin."""

    reservation: ReservationId  # Reservation id
    version: int  # Version of the reservation
    commit: ObjectId  # Object id of the COMMIT, 32 bytes
    origin: NodeId  # Origin, node id
    accepted_utc_ms: int  # When it was accepted, UTC milliseconds
    balance_party: NodeId  # Balance-responsible party of the origin, node id


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Confirms to the neighbour that COMMITTED was received. Signed by the receiver."""

    reservation: ReservationId  # Reservation id
    version: int  # Version of the reservation
    committed: ObjectId  # Object id of the COMMITTED, 32 bytes
    link: LinkId  # Link id, 16 bytes
    node: NodeId  # Who received, node id


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The reservation ended without acceptance. Signed by the node that ended it."""

    reservation: ReservationId  # Reservation id
    version: int  # Version of the reservation
    code: ErrorCode  # Registered reason
    node: NodeId  # Who ended it, node id


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The initiator gives packets back. Signed by the initiator."""

    reservation: ReservationId  # Reservation id
    version: int  # Version of the reservation
    initiator: NodeId  # Who releases, node id


@dataclass(frozen=True, slots=True, kw_only=True)
class Curtail:
    """A node on the path cuts committed packets. Signed by that node."""

    reservation: ReservationId  # Reservation id
    version: int  # Version of the reservation
    node: NodeId  # Who cuts, node id
    code: ErrorCode  # Registered reason
    items: tuple[PacketEnergy, ...]  # What remains of each cut packet at that node's busbar, joules
    effective_utc_ms: int  # When the cut takes effect, UTC milliseconds; a present or past instant: at once


@dataclass(frozen=True, slots=True, kw_only=True)
class CurtailHop:
    """CURTAIL as it crosses one link, away from the node that cuts."""

    curtail: Envelope  # CURTAIL envelope
    items: tuple[PacketEnergy, ...]  # What remains of the cut packets at the sender's port on this link


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeQuery:
    """Asks a neighbour how a reservation ended."""

    reservation: ReservationId  # Reservation id
    version: int  # Version of the reservation


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Answers an OutcomeQuery."""

    reservation: ReservationId  # Reservation id
    version: int  # Version of the reservation
    state: ReservationState  # State at the answering node
    evidence: Envelope | None  # The COMMITTED, FAILED or RELEASE envelope that proves it, when there is one
