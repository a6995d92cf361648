"""Offers, paths and link state as values (SPEC section 7).

The fields, units and bounds are those of `proto/ioe/v1/routing.proto`; the codec
maps the two by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from ioe_router.model.envelope import Envelope
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import LinkId, NodeId, ObjectId, PathHash


class Direction(IntEnum):
    """Whether an offer sells or buys."""

    UNSPECIFIED = 0  # Never sent
    SUPPLY = 1  # The origin sells energy
    DEMAND = 2  # The origin buys energy


class SourceClass(IntEnum):
    """Where offered energy comes from."""

    UNSPECIFIED = 0  # Unknown or mixed
    SOLAR = 1  # Photovoltaic
    WIND = 2  # Wind
    HYDRO = 3  # Hydro
    GEOTHERMAL = 4  # Geothermal
    STORAGE = 5  # Storage
    FUEL = 6  # Combined heat and power or another fuelled source
    GRID = 7  # The mix of the grid outside


class Firmness(IntEnum):
    """How certain an offer is."""

    UNSPECIFIED = 0  # Never sent
    FIRM = 1  # Settles as booked
    AS_AVAILABLE = 2  # Scaled by the source's production meter
    INTERRUPTIBLE = 3  # May be interrupted by the origin with notice


class Flow(IntEnum):
    """Sense of a flow on a link."""

    UNSPECIFIED = 0  # No flow
    DOWN = 1  # From the keeper to the other end
    UP = 2  # From the other end to the keeper


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRun:
    """A run of equal slots."""

    slots: int  # Length of the run, 1 to 192 slots
    energy_j: int  # Energy per slot, joules at the origin's port
    price_micro_per_kwh: int  # Price, micro-units per kWh; negative is legal


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What an origin sells or buys. Signed by the origin."""

    origin: NodeId  # Who offers, node id
    offer_no: int  # Number of the offer at its origin; a higher (epoch, seq) replaces it
    epoch: int  # Epoch of the origin
    seq: int  # Sequence number in the epoch, rising per offer
    direction: Direction  # Sells or buys
    source: SourceClass  # Kind of source
    firmness: Firmness  # Certainty
    first_slot_utc_s: int  # First slot, UTC seconds
    runs: tuple[OfferRun, ...]  # Runs from the first slot on, 192 slots at most in total
    energy_cap_j: int  # Most energy over all slots together, joules; 0 means no shared limit
    carbon_mg_per_kwh: int  # Carbon intensity, milligram per kWh
    is_default: bool  # True for a default route: always pays or charges the ask
    forward: bool  # True when the offer may be booked before its slot's bands open
    only_to_customers: bool  # True once it may go on to customers only
    issued_utc_s: int  # When it was signed, UTC seconds
    expires_utc_s: int  # When it ends, UTC seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferWithdrawal:
    """Takes an offer back. Signed by the origin."""

    origin: NodeId  # Who offered, node id
    offer_no: int  # Number of the offer
    epoch: int  # Epoch of the origin
    seq: int  # Sequence number, above that of the offer
    issued_utc_s: int  # When it was signed, UTC seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class PathEntry:
    """One hop of a path. Signed by the hop."""

    origin: NodeId  # Origin that the path leads to, node id
    direction: Direction  # Direction of the offers that may use the path
    node: NodeId  # The hop that signs, node id
    next_node: NodeId  # The neighbour that the entry is for, node id
    position: int  # 0 for the origin, one more per hop
    previous: PathHash  # Path hash before this entry, 32 bytes
    attestation: ObjectId  # Object id of the attestation of the link to next_node, 32 bytes
    fee_micro_per_kwh: int  # Wheeling fee for this path's energy on that link, micro-units per kWh
    not_after_utc_s: int  # End of validity, UTC seconds
    only_to_customers: bool = False  # next_node is a customer or peer: from there to customers only


@dataclass(frozen=True, slots=True, kw_only=True)
class PathAdvert:
    """A path as told to a neighbour: its entries from the origin to the sender."""

    entries: tuple[Envelope, ...]  # PATH_ENTRY envelopes in order, 1 to 32


@dataclass(frozen=True, slots=True, kw_only=True)
class PathWithdrawal:
    """Takes a path back."""

    path: PathHash  # Path hash, 32 bytes
    code: ErrorCode  # Registered error code that tells why


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkState:
    """How loaded a link is in one slot; a hint. Signed by the keeper."""

    link: LinkId  # Link id, 16 bytes
    slot_utc_s: int  # Slot, UTC seconds
    epoch: int  # Epoch of the keeper
    seq: int  # Sequence number of the keeper for this link
    net_flow: Flow  # Sense of the booked net flow
    net_energy_j: int  # Booked net flow, joules, rounded to the network's step
    residual_down_j: int  # Free for flows from the keeper, joules, rounded down to the step
    residual_up_j: int  # Free for flows to the keeper, joules, rounded down to the step
    issued_utc_s: int  # When it was signed, UTC seconds
