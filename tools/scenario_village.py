"""Derives the bundled scenario `village` from SimBench's grid 1-LV-rural1--1-sw.

The grid, the loads, the photovoltaics and the storages are SimBench's.  What a
village needs besides (names, tariffs, marginal prices, flexible loads, battery
reserves, a feed-in limit) is set here and said in the scenario's description.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from ioe_router.scenario.import_parts import asset, default_market, with_limits
from ioe_router.scenario.model import (
    Asset,
    AssetDay,
    AssetKind,
    Attribution,
    Bus,
    Day,
    Scenario,
    ScenarioLink,
)
from ioe_router.scenario.simbench_import import import_simbench

CODE: Final = "1-LV-rural1--1-sw"
DAYS: Final = ("2016-01-15", "2016-06-15")
_SLOTS_PER_HOUR: Final = 4
_MAIN_FUSE_W: Final = 24_000  # three phases of 35 A, what a house is usually connected with
_FEED_IN_LIMIT_VA: Final = 128_000  # 80 % of the transformer's 160 kVA
_FEE_MICRO_PER_KWH: Final = 5_000
_LONG_LINE_FEE_MICRO_PER_KWH: Final = 2_000
_LOAD_FORECAST_ERROR_PPM: Final = 80_000
_SOLAR_FORECAST_ERROR_PPM: Final = 50_000

# SimBench's bus, our name for it, what people call it, marginal price of its solar plant.
_BUSES: Final = (
    ("mv1-101-bus-4", "utility", "Utility", 0),
    ("lv1-101-bus-4", "substation", "Village substation", 0),
    ("lv1-101-bus-1", "sun-farm", "Sun Farm", 10_000),
    ("lv1-101-bus-2", "brook-dairy", "Brook Dairy", 25_000),
    ("lv1-101-bus-3", "meadow-dairy", "Meadow Dairy", 20_000),
    ("lv1-101-bus-5", "hill-farm", "Hill Farm", 15_000),
    ("lv1-101-bus-6", "goat-farm", "Goat Farm", 0),
    ("lv1-101-bus-7", "old-mill", "Old Mill", 30_000),
    ("lv1-101-bus-8", "house-1", "House 1", 40_000),
    ("lv1-101-bus-9", "bakery", "Bakery", 0),
    ("lv1-101-bus-10", "nursery", "Plant Nursery", 0),
    ("lv1-101-bus-11", "house-2", "House 2", 20_000),
    ("lv1-101-bus-12", "creamery", "Creamery", 0),
    ("lv1-101-bus-13", "house-3", "House 3", 35_000),
    ("lv1-101-bus-14", "orchard", "Orchard", 0),
)
_WORDS: Final = {
    AssetKind.LOAD: ("load", "Consumption"),
    AssetKind.SOLAR: ("solar", "Solar"),
    AssetKind.BATTERY: ("battery", "Battery"),
}
_HEAT_PUMP: Final = "lv1-101-load-14"  # profile Soil_Alternative_2: a ground-source heat pump
_COOLED: Final = "creamery-load"  # 40 % of it is milk cooling, which may wait
_COOLING_PERCENT: Final = 40
_LONG_LINES: Final = ("line-9", "line-10")

DESCRIPTION: Final = (
    "A German village of fifteen buses behind one transformer on a winter and a summer day: the "
    "grid 1-LV-rural1--1-sw of SimBench with its loads, photovoltaics and storages. Added by this "
    "project and not by SimBench: the names of the members; retail 32 ct and feed-in 8 ct per kWh; "
    "marginal prices of solar energy from 1 to 4 ct; fees of 0.5 ct/kWh on the transformer and "
    "0.2 ct/kWh on the two longest lines; a feed-in limit of 128 kVA (80 percent of the "
    "transformer's rating), which binds around noon in June; two electric cars, an irrigation pump "
    "and the heat pump of House 1 as flexible loads, and 40 percent of the creamery's consumption "
    "as milk cooling that may wait; bids of 12 to 22 ct; batteries that start at 20 percent and "
    "keep 10 percent; carbon intensities and forecast errors."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Flexible:
    """A flexible load added by us: constant power in some hours of a day (local time)."""

    bus: str
    name: str
    title: str
    power_w: int
    bid_micro_per_kwh: int
    hours: Callable[[str, int], bool]  # (day label, hour) -> runs


_ADDED: Final = (
    _Flexible(
        bus="house-2",
        name="house-2-car",
        title="Car of House 2",
        power_w=3_700,
        bid_micro_per_kwh=200_000,
        hours=lambda _, hour: 11 <= hour < 15 or 18 <= hour < 21,
    ),
    _Flexible(
        bus="house-3",
        name="house-3-car",
        title="Car of House 3",
        power_w=11_000,
        bid_micro_per_kwh=180_000,
        hours=lambda _, hour: 12 <= hour < 15,
    ),
    _Flexible(
        bus="nursery",
        name="nursery-pump",
        title="Irrigation pump",
        power_w=3_000,
        bid_micro_per_kwh=120_000,
        hours=lambda day, hour: "-06-" in day and 8 <= hour < 18,
    ),
)


def village() -> Scenario:
    """The bundled scenario."""
    raw = import_simbench(CODE, DAYS)
    bus_names = {old: new for old, new, _, _ in _BUSES}
    links = tuple(_link(link, bus_names) for link in raw.links)
    renamed = {item.name: _asset(item, bus_names) for item in raw.assets}
    assets = (*_with_cooling(renamed.values()), *map(_flexible, _ADDED))
    return Scenario(
        name="village",
        title="A village in winter and summer",
        description=DESCRIPTION,
        market=replace(
            default_market("village.example", raw.market.slack_voltage_micro_pu),
            reference_price_micro_per_kwh=120_000,
        ),
        slack=bus_names[raw.slack],
        buses=_buses(raw, links, assets),
        links=links,
        assets=assets,
        days=tuple(_day(day, renamed) for day in raw.days),
        attribution=Attribution(
            source=f"SimBench grid {CODE}, https://simbench.de (pip package simbench 1.6.3)",
            licence=raw.attribution.licence,
            text=f"{raw.attribution.text} What this project changed and added: {DESCRIPTION}",
        ),
    )


def _buses(raw: Scenario, links: tuple[ScenarioLink, ...], assets: tuple[Asset, ...]) -> tuple[Bus, ...]:
    by_old = {bus.name: bus for bus in raw.buses}
    named = [replace(by_old[old], name=new, title=title) for old, new, title, _ in _BUSES]
    limited = with_limits(named, links, assets, "utility")
    return tuple(_bus(bus) for bus in limited)


def _bus(bus: Bus) -> Bus:
    if bus.name == "utility":
        return replace(bus, x=462, y=-200)  # SimBench draws it upon House 1
    if bus.name == "substation":
        return bus
    return replace(bus, import_limit_w=max(bus.import_limit_w, _MAIN_FUSE_W))


def _link(link: ScenarioLink, bus_names: Mapping[str, str]) -> ScenarioLink:
    name = link.name.removeprefix("mv1-101-").removeprefix("lv1-101-")
    transformer = name.startswith("trafo")
    fee = _LONG_LINE_FEE_MICRO_PER_KWH if name in _LONG_LINES else 0
    fee = _FEE_MICRO_PER_KWH if transformer else fee
    return replace(
        link,
        name="transformer" if transformer else name,
        parent=bus_names[link.parent],
        child=bus_names[link.child],
        rating_up_va=_FEED_IN_LIMIT_VA if transformer else link.rating_up_va,
        fee_down_micro_per_kwh=fee,
        fee_up_micro_per_kwh=fee,
    )


def _asset(item: Asset, bus_names: Mapping[str, str]) -> Asset:
    bus = bus_names[item.bus]
    if item.kind is AssetKind.UTILITY:
        return replace(item, bus=bus)
    if item.name == _HEAT_PUMP:
        return _flexible_asset("house-1-heat-pump", "Heat pump", bus, item.p_max_w, 220_000)
    word, title = _WORDS[item.kind]
    named = replace(item, name=f"{bus}-{word}", title=title, bus=bus)
    if item.kind is AssetKind.SOLAR:
        price = next(price for _, new, _, price in _BUSES if new == bus)
        return replace(
            named,
            price_micro_per_kwh=price,
            forecast_error_ppm=_SOLAR_FORECAST_ERROR_PPM,
        )
    if item.kind is AssetKind.BATTERY:
        return replace(named, start_j=item.capacity_j // 5, reserve_j=item.capacity_j // 10)
    return replace(named, forecast_error_ppm=_LOAD_FORECAST_ERROR_PPM)


def _with_cooling(assets: Iterable[Asset]) -> list[Asset]:
    cooled: list[Asset] = []
    for item in assets:
        cooled.append(item)
        if item.name == _COOLED:
            p_max_w = -(-item.p_max_w * _COOLING_PERCENT // 100)
            title = "Milk cooling"
            cooled.append(_flexible_asset("creamery-cooling", title, item.bus, p_max_w, 160_000))
    return cooled


def _flexible(load: _Flexible) -> Asset:
    return _flexible_asset(load.name, load.title, load.bus, load.power_w, load.bid_micro_per_kwh)


def _flexible_asset(name: str, title: str, bus: str, p_max_w: int, bid: int) -> Asset:
    return asset(name, title, bus, AssetKind.FLEXIBLE, p_max_w=p_max_w, price_micro_per_kwh=bid)


def _day(day: Day, renamed: Mapping[str, Asset]) -> Day:
    profiles = {item.name: day.assets[old] for old, item in renamed.items()}
    whole = profiles[_COOLED]
    cooling = tuple(p_w * _COOLING_PERCENT // 100 for p_w in whole.p_w)
    rest = tuple(p_w - part for p_w, part in zip(whole.p_w, cooling, strict=True))
    profiles[_COOLED] = AssetDay(p_w=rest, q_var=whole.q_var)
    profiles["creamery-cooling"] = AssetDay(p_w=cooling, q_var=(0,) * day.slots)
    # A flexible load draws power only while it is served, so its var would be unbooked: none.
    pump = profiles["house-1-heat-pump"]
    profiles["house-1-heat-pump"] = AssetDay(p_w=pump.p_w, q_var=(0,) * day.slots)
    for load in _ADDED:
        profiles[load.name] = _added_day(load, day)
    return replace(day, assets=profiles)


def _added_day(load: _Flexible, day: Day) -> AssetDay:
    hours = (slot // _SLOTS_PER_HOUR for slot in range(day.slots))
    p_w = tuple(load.power_w if load.hours(day.label, hour) else 0 for hour in hours)
    return AssetDay(p_w=p_w, q_var=(0,) * day.slots)
