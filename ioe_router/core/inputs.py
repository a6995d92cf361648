"""Everything that can happen to a router: the closed union of inputs (SPEC section 3).

Commands of the host application are inputs too, so that a recording of the
inputs is the whole story of a run.
"""

from __future__ import annotations

from dataclasses import dataclass

from ioe_router.config import RouterConfig
from ioe_router.model.envelope import Envelope
from ioe_router.model.errors import ErrorCode
from ioe_router.model.grid import Exchange
from ioe_router.model.ids import LinkId, NodeId, ReservationId
from ioe_router.model.routing import Direction, Firmness, OfferRun, SourceClass
from ioe_router.model.slot import Slot


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """First input of a router's life; `epoch` is higher than at any earlier start.

    `last_epoch` is that of the latest start that the store knows of, 0 for none;
    None where that is not known, so that an old copy of a store is not noticed.
    """

    epoch: int
    last_epoch: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlineReached:
    """The instant that `next_deadline_ns` named has come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionUp:
    """The transport stands and has proved who the neighbour is; `dialer`: we opened it.

    `transport_key` is the operational key by which it was proved, None where the transport does not show it.
    """

    neighbor: NodeId
    dialer: bool
    transport_key: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameReceived:
    """One frame from a neighbour, as bytes."""

    neighbor: NodeId
    frame: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDown:
    """The transport is gone, or nothing was heard for too long."""

    neighbor: NodeId
    code: ErrorCode
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishOffer:
    """Offer energy, replacing an earlier offer with the same number. Zero energy in all runs withdraws it."""

    offer_no: int
    direction: Direction
    source: SourceClass
    firmness: Firmness
    first_slot: Slot
    runs: tuple[OfferRun, ...]
    energy_cap_j: int
    carbon_mg_per_kwh: int
    is_default: bool
    lifetime_s: int
    to_other_domains: bool = False  # told to neighbours of other domains only


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """Want energy of one slot at the node's own port, now.

    `direction` is that of the offers to use: SUPPLY buys, DEMAND sells.
    The router chooses offers and paths, splits the energy into packets and
    goes on in rounds until the energy is covered, no candidate is left
    within `price_limit_micro_per_kwh`, or the band (phase) is over.
    A new Trade with the same `trade_no` replaces the wanted energy.
    """

    trade_no: int
    slot: Slot
    direction: Direction
    energy_j: int
    price_limit_micro_per_kwh: int  # at the own port: most to pay (SUPPLY), least to get (DEMAND)
    default_limit_micro_per_kwh: int | None  # the same for DEFAULT offers; None: do not use them
    own_offer_no: int | None  # DEMAND: the energy is what is left of this own offer
    priority: int
    sources: tuple[SourceClass, ...]  # allowed source classes, empty for all
    carbon_max_mg_per_kwh: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseReservation:
    """Give a reservation of our own back."""

    reservation: ReservationId


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceReservation:
    """Want another reservation in place of a committed one of our own; energy at the own port.

    It goes to the same origin, over the best path there is now.  The old one is
    given back when the new one is committed, and stands otherwise.
    """

    reservation: ReservationId
    energy_j: int
    energy_min_j: int
    price_limit_micro_per_kwh: int
    offer_no: int | None = None  # another offer of the origin; None: the same


@dataclass(frozen=True, slots=True, kw_only=True)
class CurtailReservation:
    """Cut packets of a committed reservation that begins, ends or passes here.

    `remaining` pairs the index of a packet with the joules that remain of it at
    this node's busbar.  `effective_utc_ms` in the future announces the cut, at
    most up to the final gate; 0 cuts at once.  Whoever cuts what it has offered
    itself lowers the offer first, or the energy is for sale again.
    """

    reservation: ReservationId
    remaining: tuple[tuple[int, int], ...]
    code: ErrorCode = ErrorCode.CURTAILED
    effective_utc_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AskNeighbor:
    """Ask a neighbour's router for a sign of life; `number` comes back in the event NeighborAnswered."""

    neighbor: NodeId
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastReactive:
    """Reactive energy that the node's own devices will draw (IMPORT) or give (EXPORT) in a slot."""

    slot: Slot
    reactive: Exchange
    reactive_vars: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterRead:
    """What this end's link meter counted in a slot, joules; `imported_j` came from the link."""

    link: LinkId
    slot: Slot
    imported_j: int
    exported_j: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImbalancePrices:
    """Set by a balance-responsible party (and known to its members): prices of one slot."""

    slot: Slot
    short_micro_per_kwh: int
    long_micro_per_kwh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BringDomain:
    """What the operator has brought in of domains: lists by rising serial, certificates of this node."""

    envelopes: tuple[Envelope, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconfigure:
    """The operator has changed the configuration: this one holds from now on.

    What of it may change in a running router: core/reconfiguration.py.
    """

    config: RouterConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """Take on nothing new, for the node is to go (or not after all): core/draining.py."""

    draining: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Shutdown:
    """Close all sessions in good order; neighbours are asked to wait `restart_s` seconds for a restart."""

    restart_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewKey:
    """Use another operational key of this node: an OPERATIONAL_KEY envelope whose signer the router has.

    Sessions go on; neighbours are told at once.
    """

    certificate: Envelope


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeKeys:
    """A REVOCATION envelope that the operator has, of this node or another; as if a neighbour had told it."""

    revocation: Envelope


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockError:
    """How far the host's UTC may be off, as it knows; 0 before it says anything."""

    error_ms: int


# What concerns the node itself rather than what it trades.
Operation = BringDomain | RenewKey | RevokeKeys | ClockError | Reconfigure | Drain | Shutdown

Command = (
    Started
    | DeadlineReached
    | SessionUp
    | SessionDown
    | PublishOffer
    | Trade
    | ReleaseReservation
    | ReplaceReservation
    | CurtailReservation
    | AskNeighbor
    | ForecastReactive
    | MeterRead
    | ImbalancePrices
    | Operation
)

# What a host decides upon by what it knew a moment ago; see the event CommandRefused.
Overtakable = ReleaseReservation | ReplaceReservation | CurtailReservation | MeterRead | AskNeighbor

Input = Command | FrameReceived
