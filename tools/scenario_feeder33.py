"""Derives the bundled scenario `feeder33` from the 33-bus feeder of Baran and Wu.

The network is pandapower's `case33bw`; shapes of load and sun are SimBench's on
15 June 2016.  Everything else (sizes of plants, batteries, fuses, tariffs) is
set here and said in the scenario's description.  The importer is used the way a
user would: a net as JSON, a CSV of profiles, a TOML.
"""

from __future__ import annotations

import csv
import itertools
import json
import math
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pandapower
import pandapower.networks

from ioe_router.scenario.import_parts import FLOORS_MICRO_PER_KWH
from ioe_router.scenario.model import Asset, AssetKind, Bus, Scenario, ScenarioLink, ScenarioLinkKind
from ioe_router.scenario.pandapower_import import import_pandapower
from ioe_router.scenario.schema import MILLION, SLOT_COLUMN
from ioe_router.scenario.simbench_import import find_day, load_simbench

DAY: Final = "2016-06-15"
_SLOT_S: Final = 900
_SHAPES_CODE: Final = "1-MV-semiurb--0-sw"
_LOAD_PERCENT: Final = 50  # of the case's loads, at the highest slot of the day
_LOAD_SHAPES: Final = (
    "lv_rural1",
    "lv_semiurb4",
    "lv_semiurb5",
    "lv_urban6",
    "lv_rural2",
    "G2-A",
    "lv_semiurb4",
    "lv_urban6",
    "G3-M",
    "lv_rural3",
    "G4-M",
    "lv_semiurb5",
)
_SUN_SHAPES: Final = ("PV1", "PV3", "PV4")

# bus, nameplate W, marginal price
_SOLAR: Final = (
    (7, 600_000, 40_000),
    (11, 400_000, 42_000),
    (14, 500_000, 44_000),
    (17, 600_000, 46_000),
    (21, 700_000, 48_000),
    (24, 600_000, 50_000),
    (27, 400_000, 52_000),
    (32, 600_000, 54_000),
)
_CHP: Final = ((23, 250_000, 160_000), (29, 250_000, 190_000))
_BATTERIES: Final = ((13, 1_000, 500_000), (20, 1_000, 500_000), (31, 500, 250_000))  # kWh, W
# bus, name, title, W, bid, first and last hour
_FLEXIBLE: Final = (
    (9, "bus-9-cars", "Car park", 80_000, 220_000, 8, 20),
    (23, "bus-23-cold-store", "Cold store", 60_000, 170_000, 0, 24),
    (18, "bus-18-waterworks", "Waterworks", 60_000, 120_000, 0, 24),
)
# High-voltage fuses in amperes, the series of IEC 60282-1.
_FUSES_A: Final = (10, 16, 20, 25, 40, 50, 63, 80, 100, 125, 160, 200)
_BINDING: Final = "line-13-14"  # sized for consumption only
_VN_V: Final = 12_660
_TIE_RATING_VA: Final = 150_000
_TIE_FEE_MICRO_PER_KWH: Final = 0  # as in the reference experiment: no tolls
_TIE_LOSS_PPM: Final = 2_000
_SIZING: Final = 1.15  # firm demand with its losses, forecast errors and some growth
_LOAD_FORECAST_ERROR_PPM: Final = 50_000
_RETAIL: Final = 270_000
_FEED_IN: Final = 80_000
_DAY_START_SHARE: Final = 5  # batteries start at a fifth and keep a tenth
_TITLES: Final = {0: "Substation", 6: "Hospital", 7: "Solar park", 23: "Foundry", 24: "Glassworks"}

DESCRIPTION: Final = (
    "The 33-bus, 12.66 kV feeder of Baran and Wu (1989) on a June day. Network and power factors "
    "of the loads are those of pandapower's case33bw. Set by this project: every load peaks at "
    "half its value in the case, with a shape taken from SimBench; the five open lines are ties "
    "with a series power-flow controller that handles a tenth of what passes it and so loses 0.2 "
    "percent, 150 kVA each, without a fee; sections are limited by high-voltage fuses of standard "
    "ratings, and the one between buses 13 and 14 is too small for the solar plants behind it at "
    "noon; eight solar plants of 4.4 MW peak at 4 to 5.4 ct, two cogeneration plants of 250 kW at 16 and "
    "19 ct, three batteries of 2.5 MWh together, three flexible loads that bid 12 to 22 ct; retail "
    "27 ct, feed-in 8 ct, firm demand valued at 3 EUR/kWh."
)
_ATTRIBUTION: Final = (
    "Network: case33bw of pandapower (BSD-3-Clause, (c) University of Kassel and Fraunhofer IEE), "
    "after M. E. Baran and F. F. Wu, Network reconfiguration in distribution systems for loss "
    "reduction and load balancing, IEEE Transactions on Power Delivery 4(2), 1989. Shapes of "
    "loads and solar production: contains information from SimBench, (c) University of Kassel, "
    "Fraunhofer IEE, RWTH Aachen University and TU Dortmund University, made available under the "
    "Open Database License 1.0 (https://opendatacommons.org/licenses/odbl/1-0/), contents under "
    "the Database Contents License 1.0 (https://opendatacommons.org/licenses/dbcl/1-0/); this "
    "folder is a derivative database under the same Open Database License. Set by this project: "
    + DESCRIPTION
)


def feeder33() -> Scenario:
    """The bundled scenario."""
    with tempfile.TemporaryDirectory() as folder:
        net_json, profiles_csv, assets_toml = (
            Path(folder) / name for name in ("case33bw.json", "profiles.csv", "assets.toml")
        )
        net = _net()
        pandapower.to_json(net, str(net_json))
        start_utc_s = _write_profiles(net, profiles_csv)
        assets_toml.write_text(_description(start_utc_s), encoding="utf-8")
        scenario = import_pandapower(net_json, profiles_csv, assets_toml)
    links = _fused(scenario)
    return replace(
        scenario,
        links=links,
        buses=tuple(_titled(bus, links, scenario.slack) for bus in scenario.buses),
        assets=tuple(_forecast(item) for item in scenario.assets),
    )


def _forecast(item: Asset) -> Asset:
    if item.kind is not AssetKind.LOAD:
        return item
    return replace(item, title="Consumption", forecast_error_ppm=_LOAD_FORECAST_ERROR_PPM)


def _net() -> Any:
    net = pandapower.networks.case33bw()
    net.load["name"] = [f"bus-{bus}-load" for bus in net.load.bus]
    net.line["name"] = [
        f"{'line' if line.in_service else 'tie'}-{line.from_bus}-{line.to_bus}"
        for line in net.line.itertuples()
    ]
    return net


def _write_profiles(net: Any, path: Path) -> int:
    shapes, _ = load_simbench(_SHAPES_CODE)
    loads, sun = shapes.profiles["load"], shapes.profiles["renewables"]
    day = find_day(list(loads["time"]), DAY)
    rows = slice(day.first_row, day.first_row + day.slots)
    columns = {
        SLOT_COLUMN: [day.start_utc_s + slot * _SLOT_S for slot in range(day.slots)],
    }
    for load, shape in zip(net.load.itertuples(), itertools.cycle(_LOAD_SHAPES), strict=False):
        values = loads[f"{shape}_pload"].iloc[rows]
        peak_w = float(load.p_mw) * MILLION * _LOAD_PERCENT / 100
        columns[f"{load.name}.p_w"] = [round(v / values.max() * peak_w) for v in values]
    for (bus, p_max_w, _), shape in zip(_SOLAR, itertools.cycle(_SUN_SHAPES), strict=False):
        columns[f"bus-{bus}-solar.p_w"] = [round(v * p_max_w) for v in sun[shape].iloc[rows]]
    for _, name, _, power_w, _, first, last in _FLEXIBLE:
        on = [first <= slot * _SLOT_S // 3600 < last for slot in range(day.slots)]
        columns[f"{name}.p_w"] = [power_w if running else 0 for running in on]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([list(columns), *zip(*columns.values(), strict=True)])
    return day.start_utc_s


def _description(start_utc_s: int) -> str:
    lines = [
        "format = 1",
        'name = "feeder33"',
        'title = "A 33-bus feeder with five controllable ties"',
        f"description = {json.dumps(DESCRIPTION)}",
        "[market]",
        'network_id = "feeder33.example"',
        'currency = "EUR"',
        f"slot_s = {_SLOT_S}",
        "reference_price_micro_per_kwh = 100000",
        "unserved_micro_per_kwh = 3000000",
        f"floor_micro_per_kwh = {list(FLOORS_MICRO_PER_KWH)}",
        "voltage_min_micro_pu = 900000",
        "voltage_max_micro_pu = 1100000",
        "voltage_guard_micro_pu = 5000",
        "slack_voltage_micro_pu = 1000000",
        "forecast_margin_ppm = 30000",
        "[attribution]",
        'source = "pandapower case33bw and SimBench profiles, converted by tools/make_scenarios.py"',
        'licence = "ODbL-1.0"',
        f"text = {json.dumps(_ATTRIBUTION)}",
        "[[days]]",
        f'label = "{DAY}"',
        f"start_utc_s = {start_utc_s}",
        "slots = 96",
        "[prices]",
        f"retail_micro_per_kwh = {_RETAIL}",
        f"feed_in_micro_per_kwh = {_FEED_IN}",
        "[network]",
        "default_rating_va = 4000000",
    ]
    return "\n".join([*lines, *_asset_tables()]) + "\n"


def _asset_tables() -> list[str]:
    lines = _asset_table("utility", "Utility", 0, "utility", p_max_w=4_000_000, carbon=380_000)
    for bus, p_max_w, price in _SOLAR:
        name = f"bus-{bus}-solar"
        lines += _asset_table(name, "Solar", bus, "solar", p_max_w=p_max_w, price=price, carbon=40_000)
        lines += ["forecast_error_ppm = 50000"]
    for bus, p_max_w, price in _CHP:
        name = f"bus-{bus}-chp"
        lines += _asset_table(name, "Cogeneration", bus, "chp", p_max_w=p_max_w, price=price, carbon=230_000)
    for bus, capacity_kwh, p_max_w in _BATTERIES:
        capacity_j = capacity_kwh * 3_600_000
        lines += _asset_table(f"bus-{bus}-battery", "Battery", bus, "battery", p_max_w=p_max_w)
        lines += [f"capacity_j = {capacity_j}", f"start_j = {capacity_j // _DAY_START_SHARE}"]
        lines += [f"reserve_j = {capacity_j // 10}"]
        lines += ["charge_efficiency_ppm = 960000", "discharge_efficiency_ppm = 960000"]
    for bus, name, title, power_w, bid, _, _ in _FLEXIBLE:
        lines += _asset_table(name, title, bus, "flexible", p_max_w=power_w, price=bid)
    return lines


def _asset_table(
    name: str,
    title: str,
    bus: int,
    kind: str,
    *,
    p_max_w: int,
    price: int | None = None,
    carbon: int | None = None,
) -> list[str]:
    lines = ["[[assets]]", f'name = "{name}"', f'title = "{title}"', f'bus = "bus-{bus}"']
    lines += [f'kind = "{kind}"', f"p_max_w = {p_max_w}"]
    lines += [] if price is None else [f"price_micro_per_kwh = {price}"]
    return lines + ([] if carbon is None else [f"carbon_mg_per_kwh = {carbon}"])


def _fused(scenario: Scenario) -> tuple[ScenarioLink, ...]:
    return tuple(
        _tie(link) if link.kind is ScenarioLinkKind.CONTROLLED else _section(link, scenario)
        for link in scenario.links
    )


def _tie(link: ScenarioLink) -> ScenarioLink:
    return replace(
        link,
        rating_down_va=_TIE_RATING_VA,
        rating_up_va=_TIE_RATING_VA,
        b_ppm=_TIE_LOSS_PPM,
        fee_down_micro_per_kwh=_TIE_FEE_MICRO_PER_KWH,
        fee_up_micro_per_kwh=_TIE_FEE_MICRO_PER_KWH,
    )


def _section(link: ScenarioLink, scenario: Scenario) -> ScenarioLink:
    """A RADIAL link with the smallest fuse that carries what is consumed or produced behind it."""
    needed_va = _consumed_va(link, scenario)
    if link.name != _BINDING:
        needed_va = max(needed_va, _SIZING * _solar_w(link, scenario))
    low = scenario.market.voltage_min_micro_pu / MILLION
    ratings = [math.floor(math.sqrt(3.0) * _VN_V * ampere) for ampere in _FUSES_A]
    rating_va = next(rating for rating in ratings if rating * low >= needed_va)
    return replace(link, rating_down_va=rating_va, rating_up_va=rating_va)


def _consumed_va(link: ScenarioLink, scenario: Scenario) -> float:
    """The highest apparent power of firm loads, and of flexible ones at their rated power."""
    loads = _behind(link, scenario, AssetKind.LOAD)
    flexible_w = sum(item.p_max_w for item in _behind(link, scenario, AssetKind.FLEXIBLE))
    return max(
        math.hypot(
            _SIZING * sum(day.assets[item.name].p_w[slot] for item in loads) + flexible_w,
            sum(day.assets[item.name].q_var[slot] for item in loads),
        )
        for day in scenario.days
        for slot in range(day.slots)
    )


def _solar_w(link: ScenarioLink, scenario: Scenario) -> int:
    plants = _behind(link, scenario, AssetKind.SOLAR)
    return max(
        sum(day.assets[item.name].p_w[slot] for item in plants)
        for day in scenario.days
        for slot in range(day.slots)
    )


def _behind(link: ScenarioLink, scenario: Scenario, kind: AssetKind) -> list[Asset]:
    below = _buses_below(link, scenario.links)
    return [item for item in scenario.assets if item.bus in below and item.kind is kind]


def _buses_below(link: ScenarioLink, links: Sequence[ScenarioLink]) -> frozenset[str]:
    below = {link.child}
    radial = [other for other in links if other.kind is ScenarioLinkKind.RADIAL]
    while grown := {other.child for other in radial if other.parent in below} - below:
        below |= grown
    return frozenset(below)


def _titled(bus: Bus, links: Sequence[ScenarioLink], slack: str) -> Bus:
    number = int(bus.name.removeprefix("bus-"))
    title = _TITLES.get(number, f"Station {number}")
    if bus.name != slack:
        return replace(bus, title=title)
    head = [link for link in links if link.parent == slack]
    limit_w = sum(link.rating_down_va for link in head)
    return replace(bus, title=title, import_limit_w=limit_w, export_limit_w=limit_w)
