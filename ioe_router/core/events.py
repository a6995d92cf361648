"""What a host application is told: the closed union of events.

Events are the router's log.  Every refusal and every choice carries its
reason as a registered code and, where it helps a person, a sentence.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ioe_router.core.inputs import Overtakable
from ioe_router.core.operation_events import Draining, Reconfigured
from ioe_router.core.reservation_fsm import ReservationEvent
from ioe_router.core.sweep_events import LossCorrection, SlotSwept, VoltageOutOfBand
from ioe_router.model.envelope import Sealed
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import DomainId, LinkId, NodeId, ReservationId
from ioe_router.model.proof import Proof
from ioe_router.model.reservation import ReservationState
from ioe_router.model.routing import Direction, Offer
from ioe_router.model.settlement import ImbalanceRecord
from ioe_router.model.slot import Slot


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighborUp:
    """The handshake is complete and proved."""

    neighbor: NodeId


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighborDown:
    """The session has ended; what was heard from the neighbour is withdrawn."""

    neighbor: NodeId
    code: ErrorCode
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighborAnswered:
    """A neighbour's router has answered the question AskNeighbor of this number."""

    neighbor: NodeId
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerFault:
    """A neighbour sent something that was refused."""

    neighbor: NodeId
    code: ErrorCode
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferLearned:
    """A new or newer offer can be reached."""

    offer: Sealed[Offer]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferLost:
    """An offer ended, was withdrawn, or lost its last path."""

    origin: NodeId
    offer_no: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginLost:
    """No path to an origin is left: its offers cannot be reached, and what it has promised is doubtful."""

    origin: NodeId
    direction: Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotOpening:
    """Offers and wants of this slot are due now; `supply_j` is the standing loss this node has to feed."""

    slot: Slot
    supply_j: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotClosed:
    """Final gate: the node's own devices exchange this much in the slot, as booked."""

    slot: Slot
    imported_j: int
    exported_j: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeProgress:
    """A trade has covered more of its energy or cannot go on; `open_j` is what is still wanted."""

    trade_no: int
    slot: Slot
    covered_j: int
    open_j: int
    done: bool
    reason: ErrorCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked:
    """A packet of our own was committed (initiator) or accepted (origin); energy at our own port."""

    reservation: ReservationId
    index: int
    slot: Slot
    peer: NodeId  # the origin, seen from the initiator, and the reverse
    initiator: bool
    direction: Direction
    energy_j: int
    price_micro_per_kwh: int
    scarcity_micro_per_kwh: int
    offer_no: int  # of the offer at its origin
    trade_no: int  # the want that it serves, seen from the initiator; else 0
    own_offer_no: int  # the own offer that the energy comes from; 0 for bought energy
    hops: int
    for_domain: bool = False  # sold for the domain, or bought to cover that: nothing to do with own devices


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingRestored:
    """After a restart: a packet of our own that an earlier life has booked, in a slot that is not over.

    A host that kept its books has it in them already.
    """

    booked: Booked


@dataclass(frozen=True, slots=True, kw_only=True)
class Unbooked:
    """A booked packet was released or cut: what is gone of it, and what remains.

    A crash may come between the record of it and this event; see UnbookingRestored.
    """

    reservation: ReservationId
    index: int
    slot: Slot
    energy_j: int
    code: ErrorCode
    remaining_j: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UnbookingRestored:
    """After a restart: a packet of our own that was booked and since released or cut, and what remains of it.

    Told at every start while the reservation is remembered, so at least once.  It is known by reservation
    and index: a host that has more of it on its books takes the difference off; another has nothing to do.
    """

    reservation: ReservationId
    index: int
    slot: Slot
    remaining_j: int
    code: ErrorCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Curtailed:
    """A booked packet of our own is cut, now or at an instant to come: what will remain at our port.

    Told again after a restart as long as the instant is to come; once more it says the same.
    """

    reservation: ReservationId
    index: int
    slot: Slot
    remaining_j: int
    effective_utc_ms: int
    node: NodeId  # who cuts
    code: ErrorCode


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldAnswered:
    """One HOLD of our own was answered."""

    reservation: ReservationId
    slot: Slot
    asked_j: int
    granted_j: int
    code: ErrorCode
    failing_node: NodeId | None


class ReservationRole(StrEnum):
    """What a node is in a reservation."""

    INITIATOR = "initiator"
    TRANSIT = "transit"
    ORIGIN = "origin"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationMoved:
    """A reservation has taken a step at this node, in whatever role; `code` is the reason, if there is one.

    A HOLD that was refused before anything of it was kept is told as step REFUSE without a state.
    `packets` and `energy_j` are what stands of it at this node's busbar after the call.
    """

    reservation: ReservationId
    version: int
    role: ReservationRole
    step: ReservationEvent
    state: ReservationState
    code: ErrorCode
    initiator: NodeId
    origin: NodeId
    direction: Direction
    toward_initiator: NodeId | None  # the neighbour it came from
    toward_origin: NodeId | None  # the neighbour it goes to
    slot: Slot  # the first one
    packets: int
    energy_j: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRefused:
    """A command that things have overtaken: what it names is gone, has changed, or is past its time.

    Nothing has changed.  `detail` says how things stand, for people.
    """

    command: Overtakable
    code: ErrorCode
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSettled:
    """Both ends of a link hold the same figures for a slot (or do not: `agreed` False).

    A crash may come between the record of it and this event; see SettlementRestored.
    """

    link: LinkId
    slot: Slot
    agreed: bool
    owed_to_us_micro: int
    owed_by_us_micro: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImbalanceSettled:
    """An imbalance record carries both signatures."""

    record: Sealed[ImbalanceRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementRestored:
    """After a restart: what an earlier life has settled, on a link or with the balance-responsible party.

    Told at every start until the slot is forgotten, so at least once.  LinkSettled is known by link and
    slot, ImbalanceSettled by the record's object id: a host that has it already has nothing to do.
    """

    settled: LinkSettled | ImbalanceSettled


@dataclass(frozen=True, slots=True, kw_only=True)
class Equivocation:
    """A node signed two contents under one number; both envelopes prove it to anybody."""

    proof: Proof


@dataclass(frozen=True, slots=True, kw_only=True)
class EquivocationRestored:
    """After a restart: a proof that an earlier life has kept. Told at every start, so at least once."""

    proof: Proof


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOutdated:
    """A neighbour has seen a later start of this node than its store knows: promises since are missing."""

    neighbor: NodeId
    seen_epoch: int
    last_epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustListTaken:
    """The next trust list of a domain is in force."""

    domain: DomainId
    serial: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustListOverdue:
    """The list of a domain has ended and none has followed: from `stale_utc_s` on nothing new is taken up."""

    domain: DomainId
    serial: int
    stale_utc_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipEnded:
    """A node was removed from its domain, or its certificate has run out: nothing of it counts any more."""

    node: NodeId


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRenewed:
    """This node signs with another operational key from now on; sessions have gone on."""

    serial: int
    expires_utc_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysRevoked:
    """A node has declared its operational keys up to a serial void, or its whole identity (2^63-1)."""

    node: NodeId
    up_to_serial: int
    own: bool  # the key that this node signs with is among them: it can say nothing more


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockJudged:
    """The error of the host's clock has crossed a bound: what this node does, and does not do, by it."""

    error_ms: int
    books: bool  # it starts reservations
    signs: bool  # it has sessions


Event = (
    NeighborUp
    | NeighborDown
    | NeighborAnswered
    | PeerFault
    | OfferLearned
    | OfferLost
    | OriginLost
    | SlotOpening
    | SlotClosed
    | TradeProgress
    | Booked
    | BookingRestored
    | Unbooked
    | UnbookingRestored
    | Curtailed
    | HoldAnswered
    | ReservationMoved
    | CommandRefused
    | LossCorrection
    | SlotSwept
    | VoltageOutOfBand
    | LinkSettled
    | ImbalanceSettled
    | SettlementRestored
    | Equivocation
    | EquivocationRestored
    | StoreOutdated
    | TrustListTaken
    | TrustListOverdue
    | MembershipEnded
    | KeyRenewed
    | KeysRevoked
    | ClockJudged
    | Reconfigured
    | Draining
)
