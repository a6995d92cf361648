"""What one node said of itself at one moment, in the shape that pages need.

The pages know these values only.  `reading.py` is the one place that knows the
control API; tests and the benchmark can make snapshots without it.  Node ids
are in their text form (`ioe1...`), other ids in hex.  Energy is in joules,
prices in millionths of the currency per kWh, times in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Side(StrEnum):
    """Whether an offer sells or buys."""

    SUPPLY = "supply"
    DEMAND = "demand"


class Source(StrEnum):
    """Where energy comes from, in the order in which it is drawn. The words are those of the control API."""

    SOLAR = "solar"
    WIND = "wind"
    HYDRO = "hydro"
    GEOTHERMAL = "geothermal"
    STORAGE = "storage"
    FUEL = "fuel"
    GRID = "grid"
    UNKNOWN = "unspecified"


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbor:
    """A session with the node at the other end of a link."""

    node: str
    up: bool
    state: str
    since_utc_s: int  # of this state; 0 when that is not known
    address: str
    role: str
    transit: str
    fee_micro_per_kwh: int
    routes_received: int
    routes_advertised: int
    refusals: int
    error: str  # why the last session or attempt failed, a sentence; empty while all is well
    error_utc_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An attested link between two nodes. `keeper` orders admissions; DOWN is away from it."""

    link: str
    keeper: str
    other: str
    radial: bool
    rating_down_va: int
    rating_up_va: int
    access: bool  # the other end is a single customer: its load is a household's
    own: bool  # of the node that says so


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is booked on a line in one slot. `net_j` is positive from the keeper."""

    link: str
    slot_utc_s: int
    net_j: int
    free_down_j: int
    free_up_j: int
    exact: bool  # from the ledger of an end; else the keeper's coarse hint


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An offer as one node knows it."""

    origin: str
    number: int
    side: Side
    source: Source
    own: bool
    slot_utc_s: int  # the next one with energy; 0 for none
    energy_j: int  # in it
    price_micro_per_kwh: int  # in it, at the origin
    delivered_micro_per_kwh: int | None  # in it, at the node that tells
    carbon_mg_per_kwh: int
    is_default: bool
    expires_utc_s: int
    stages: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A path to a destination as one node knows it."""

    destination: str
    side: Side
    via: str  # the neighbour that told it; empty for the node's own
    hops: tuple[str, ...]  # from the node that tells it to the destination, without itself
    cost_micro_per_kwh: int  # what fees and losses on the way are worth
    fee_micro_per_kwh: int
    width_va: int
    place: int  # among the usable ones, 1 for the best; 0 when it is not used
    stages: tuple[str, ...]
    code: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """Energy of a reservation in one slot, at the node that tells it."""

    slot_utc_s: int
    energy_j: int
    price_micro_per_kwh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """One version of a reservation as a node knows it."""

    id: str
    version: int
    initiator: str
    origin: str
    side: Side
    offer_no: int
    state: str
    packets: tuple[Packet, ...]
    code: str  # of what was refused; empty when nothing was
    reason: str

    @property
    def seller(self) -> str:
        """Who delivers the energy."""
        return self.origin if self.side is Side.SUPPLY else self.initiator

    @property
    def buyer(self) -> str:
        """Who takes the energy."""
        return self.initiator if self.side is Side.SUPPLY else self.origin

    @property
    def agreed(self) -> bool:
        """Whether it is booked for certain."""
        return self.state == "COMMITTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metered:
    """What was metered at a node's port in a slot, joules, out of the line and into it."""

    slot_utc_s: int
    import_j: int
    export_j: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What one node said of itself."""

    node: str
    version: str
    network: str
    currency: str
    slot_s: int
    utc_s: int  # its clock
    started_utc_s: int
    neighbors: tuple[Neighbor, ...] = ()
    lines: tuple[Line, ...] = ()
    loads: tuple[Load, ...] = ()
    offers: tuple[Offer, ...] = ()  # at least its own
    reservations: tuple[Reservation, ...] = ()
    metered: tuple[Metered, ...] = ()

    def slot(self) -> int:
        """The slot that runs."""
        return self.utc_s - self.utc_s % self.slot_s
