"""A scenario: one community's grid, assets, tariffs and days, in integers.

This is what the files of a scenario folder mean once they are read and found
consistent (`docs/scenarios.md` describes the files).  The demo, the physics
check, the optimum and the agents all read these values and nothing else, so
none of them can disagree about what the community looks like.

Powers are mean active power over a slot in watts, reactive power in var
(positive: consumed, lagging), energy in joules, prices in micro-units of the
scenario's currency per kWh.  Signs never carry a direction: an asset's kind
says whether its profile is consumption or production.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ScenarioLinkKind(StrEnum):
    """RADIAL: part of the tree feeder. CONTROLLED: a port whose flow is set."""

    RADIAL = "radial"
    CONTROLLED = "controlled"


class AssetKind(StrEnum):
    """What an asset does; it decides which columns of assets.csv it needs."""

    LOAD = "load"  # firm consumption, follows its profile
    FLEXIBLE = "flexible"  # consumption that is served only below its bid
    SOLAR = "solar"  # production up to its profile, marginal price
    WIND = "wind"
    HYDRO = "hydro"
    GEOTHERMAL = "geothermal"
    CHP = "chp"  # dispatchable production up to p_max_w, marginal price
    BATTERY = "battery"
    UTILITY = "utility"  # the grid outside: retail and feed-in price per slot


@dataclass(frozen=True, slots=True, kw_only=True)
class Bus:
    """One bus, which is one router. `x`, `y` are drawing coordinates (integers, any scale)."""

    name: str
    title: str  # what people call it: "House 3", "Bakery"
    x: int
    y: int
    import_limit_w: int  # connection limit, from the grid into the bus
    export_limit_w: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioLink:
    """One physical link between two buses; `parent` is nearer the slack on RADIAL links.

    Loss over a slot, with P, Q at mid-link and V in volts (line to line):
    iron * (V/Vn)^2 + b*|P| + (r/V^2 + c) * (P^2 + Q^2), c and b only for CONTROLLED.
    """

    name: str
    parent: str
    child: str
    kind: ScenarioLinkKind
    rating_down_va: int  # limit of the flow parent -> child
    rating_up_va: int  # limit of the flow child -> parent
    r_micro_ohm: int  # referred to vn_mv
    x_micro_ohm: int
    vn_mv: int  # nominal voltage, line to line, millivolt
    iron_milli_w: int  # no-load loss at nominal voltage (transformers), else 0
    magnetising_var: int  # shunt reactive draw at nominal voltage at the parent end
    charging_var: int  # line charging (capacitive) at nominal voltage, half at each end
    tap_ratio_ppm: int  # child no-load voltage / parent voltage in pu, 1_000_000 = neutral
    b_ppm: int  # linear converter loss
    c_pico_per_w: int  # quadratic converter loss, 1e-12 per watt
    fee_down_micro_per_kwh: int
    fee_up_micro_per_kwh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One asset at a bus. Fields that its kind does not use are 0."""

    name: str
    title: str
    bus: str
    kind: AssetKind
    p_max_w: int  # nameplate (battery: charge and discharge limit)
    price_micro_per_kwh: int  # marginal cost of a source, bid of a flexible load
    carbon_mg_per_kwh: int
    capacity_j: int  # battery
    start_j: int  # battery, at the start of each day
    reserve_j: int  # battery, never discharged below
    charge_efficiency_ppm: int
    discharge_efficiency_ppm: int
    forecast_error_ppm: int  # standard deviation of the day's forecast error, of the actual value


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetDay:
    """An asset's profile of one day: what really happens, one entry a slot.

    `p_w` is consumption (LOAD, FLEXIBLE) or available production (SOLAR...);
    `q_var` is consumed reactive power. Batteries and the utility have zeros.
    """

    p_w: tuple[int, ...]
    q_var: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day of a scenario: `start_utc_s` is slot-aligned; all tuples have `slots` entries."""

    label: str  # "2016-01-15"
    start_utc_s: int
    slots: int
    assets: dict[str, AssetDay]  # by asset name, every asset present
    retail_micro_per_kwh: tuple[int, ...]
    feed_in_micro_per_kwh: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """Network parameters (SPEC: bound to network_id) and the community's reference values."""

    network_id: str
    currency: str  # ISO 4217
    slot_s: int  # 300, 900, 1800 or 3600
    reference_price_micro_per_kwh: int  # values losses in path rank, and battery energy at day's end
    unserved_micro_per_kwh: int  # value of firm demand not served, in the optimum
    floor_micro_per_kwh: tuple[int, ...]  # descending clock; the last band has no floor and no entry here
    voltage_min_micro_pu: int
    voltage_max_micro_pu: int
    voltage_guard_micro_pu: int
    slack_voltage_micro_pu: int
    forecast_margin_ppm: int  # part of each rating kept free for forecast errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """Where the data come from and under which terms they may be used."""

    source: str
    licence: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Everything a run needs to know. Buses, links and assets are in file order."""

    name: str
    title: str
    description: str
    market: Market
    slack: str  # name of the bus where the utility's grid begins
    buses: tuple[Bus, ...]
    links: tuple[ScenarioLink, ...]
    assets: tuple[Asset, ...]
    days: tuple[Day, ...]
    attribution: Attribution
