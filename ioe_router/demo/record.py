"""What a run of the demo leaves behind: plain values, everything that the summary and the page are made of.

A run has days, a day has slots, a slot has links and buses.  Whatever is
called *booked* is what stood in the routers' books at the final gate; whatever
is called *actual* was metered (protocol section 10.1).  Flows are positive
from a link's parent to its child.  Names are those of the scenario, which the
record carries, so that a page can be drawn from the record alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ioe_router.scenario.model import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSlot:
    """One link in one slot; loadings are those of the AC power flow against the rating of the direction."""

    link: str
    flow_j: int  # actual net energy at mid-link, parent to child positive
    loss_j: int  # metered
    loading_ppm: int  # actual
    loading_booked_ppm: int
    booked_down_j: int  # packets, gross, at mid-link
    booked_up_j: int
    limit_down_w: int  # what the routers could book, per direction
    limit_up_w: int
    settled: bool  # both ends have stated the same figures


@dataclass(frozen=True, slots=True, kw_only=True)
class BusSlot:
    """One bus in one slot, joules as metered; `exchange` is over the ports of the bus."""

    bus: str
    voltage_micro_pu: int  # actual
    voltage_booked_micro_pu: int
    produced_j: int  # own sources, without batteries and the utility
    consumed_j: int  # loads that were served, without batteries
    charged_j: int
    discharged_j: int
    imported_j: int
    exported_j: int
    flexible_unserved_j: int
    firm_not_booked_j: int  # firm demand that no booking covered; it flows and is imbalance


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRange:
    """Prices of a slot's packets at the buyers' ports, micro-units per kWh; `mean` is weighted by energy."""

    mean_micro_per_kwh: int
    min_micro_per_kwh: int
    max_micro_per_kwh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotRecord:
    """One slot, from its opening to its settlement."""

    slot: int  # start, UTC seconds
    links: tuple[LinkSlot, ...]
    buses: tuple[BusSlot, ...]
    energy_j: dict[str, int]  # what was given, by source class; "utility" is what came from outside
    outside_import_j: int
    outside_export_j: int
    delivered_j: int  # to loads, batteries and outside
    loss_j: int  # metered on all links
    loss_booked_j: int  # what the books say is lost
    loss_booked_ac_j: int  # what the AC power flow says of the booked injections
    price: PriceRange | None  # None: nothing was traded
    traded_j: int
    scarcity_micro: int
    holds_attempted: int
    holds_refused: dict[str, int]  # by reason
    reservations: int  # committed
    epochs: int  # distinct instants at which something was asked for
    stored_j: dict[str, int]  # state of each battery at the slot's end
    books_imbalance_j: int
    obligations_imbalance_micro: int
    overloads: int  # links above their rating, booked or actual
    voltage_violations: int  # buses outside the band, booked or actual


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeRecord:
    """One committed packet, as its initiator has it."""

    slot: int
    reservation: str  # hexadecimal
    index: int
    seller: str  # bus
    buyer: str
    source_class: str
    energy_j: int  # at the initiator's port; of a kept one what cuts have left
    price_micro_per_kwh: int
    scarcity_micro_per_kwh: int
    hops: int
    is_default: bool  # on an offer with the DEFAULT mark
    state: str  # "kept", or the reason for which it was given up


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberDay:
    """One member's day: energies in joules, money in micro-units, what is paid counts positive."""

    bus: str
    title: str
    produced_j: int
    consumed_j: int
    imported_j: int
    exported_j: int
    bought_j: int
    sold_j: int
    flexible_unserved_j: int
    trade_micro: int  # obligations on the member's links: paid less received, transit included
    imbalance_micro: int

    @property
    def bill_micro(self) -> int:
        """What the member pays for the day; negative: what it gets."""
        return self.trade_micro + self.imbalance_micro


@dataclass(frozen=True, slots=True, kw_only=True)
class DeathRecord:
    """A router that was killed, and what the others made of it."""

    bus: str
    slot: int  # the slot that was being traded
    offers_lost: tuple[str, ...]  # the dead router's own offers that nobody can reach any more
    nodes_cut_off: tuple[str, ...]  # no live routers join them to the utility any more
    reservations_lost: int
    energy_lost_j: int
    energy_repaired_j: int  # bought by the same nodes for the same slots after the loss
    settlements_open: int  # links and slots that only one end could state


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A day's costs and losses beside those of the alternatives, micro-units and joules."""

    community_cost_micro: int  # fees included
    community_cost_without_fees_micro: int
    utility_only_cost_micro: int
    optimum_cost_micro: int  # same forecasts, the same imbalance added, fees included
    optimum_cost_without_fees_micro: int
    optimum_netting_cost_micro: int  # the same with limits on net flows
    optimum_foresight_cost_micro: int
    static_path_cost_micro: int
    optimum_unserved_j: int
    static_path_unserved_j: int
    optimum_loss_j: int
    loss_j: int  # of the booked day, to compare with the optimum's


@dataclass(frozen=True, slots=True, kw_only=True)
class DayRecord:
    """One day, one epoch of the network."""

    label: str
    start_utc_s: int
    slots: tuple[SlotRecord, ...]
    trades: tuple[TradeRecord, ...]
    members: tuple[MemberDay, ...]
    deaths: tuple[DeathRecord, ...]
    faults: dict[str, int]  # refused objects of neighbours, by code
    comparison: Comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTotals:
    """What the run itself took."""

    wall_s: float
    cpu_s: float
    peak_rss_bytes: int  # of the largest process
    grpc_messages: int
    grpc_bytes: int
    signatures_verified: int
    offers_received: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run of the demo."""

    scenario: Scenario
    seed: int
    nodes_in: str  # "one-process" or "processes"
    days: tuple[DayRecord, ...]
    totals: RunTotals
    notes: tuple[str, ...] = field(default=())
