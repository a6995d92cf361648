"""Random communities: a feeder with branches, ties between its leaves, and devices, all drawn from a seed.

For hunting: the bundled scenarios are three topologies, here every seed is
another one.  Slots are short, so that a run of many faults takes little time.
Named `random20` (20 buses) wherever a scenario is asked for.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Final

from ioe_router.scenario.model import (
    Asset,
    AssetDay,
    AssetKind,
    Attribution,
    Bus,
    Day,
    Market,
    Scenario,
    ScenarioLink,
    ScenarioLinkKind,
)

SLOT_S: Final = 300
DAY_SLOTS: Final = 24
START_UTC_S: Final = 1_700_006_400  # a multiple of every slot length
BUSES: Final = (2, 64)
NAME: Final = re.compile(r"random(\d{1,2})")
_FLOORS: Final = (400_000, 240_000, 150_000, 90_000, 45_000)
_WITH_SOURCE: Final = 0.35  # of the buses
_WITH_BATTERY: Final = 0.15
_WITH_FLEXIBLE: Final = 0.15
_SOURCES: Final = (AssetKind.SOLAR, AssetKind.WIND, AssetKind.HYDRO, AssetKind.CHP)


def buses_of(name: str) -> int | None:
    """How many buses a name such as `random20` asks for; None for any other name."""
    found = NAME.fullmatch(name)
    count = int(found.group(1)) if found else 0
    return count if BUSES[0] <= count <= BUSES[1] else None


@dataclass(frozen=True, slots=True)
class _Draft:
    buses: tuple[Bus, ...]
    links: tuple[ScenarioLink, ...]
    assets: tuple[Asset, ...]


def random_scenario(seed: int, buses: int) -> Scenario:
    """The community of a seed."""
    rng = random.Random(f"grid {seed} {buses}")  # noqa: S311 - repeatable on purpose
    draft = _Draft(_buses(buses), _links(rng, buses), _assets(rng, buses))
    return Scenario(
        name=f"random{buses}",
        title=f"Random community {seed}",
        description="Drawn from a seed.",
        market=_market(seed),
        slack="bus-0",
        buses=draft.buses,
        links=draft.links,
        assets=draft.assets,
        days=(_day(rng, draft.assets),),
        attribution=Attribution(source="drawn", licence="Apache-2.0", text="Nothing here was measured."),
    )


def _market(seed: int) -> Market:
    return Market(
        network_id=f"random-{seed}.test",
        currency="EUR",
        slot_s=SLOT_S,
        reference_price_micro_per_kwh=100_000,
        unserved_micro_per_kwh=3_000_000,
        floor_micro_per_kwh=_FLOORS,
        voltage_min_micro_pu=900_000,
        voltage_max_micro_pu=1_100_000,
        voltage_guard_micro_pu=5_000,
        slack_voltage_micro_pu=1_000_000,
        forecast_margin_ppm=20_000,
    )


def _buses(count: int) -> tuple[Bus, ...]:
    return tuple(
        Bus(name=f"bus-{i}", title=f"Bus {i}", x=i, y=0, import_limit_w=60_000, export_limit_w=60_000)
        for i in range(count)
    )


def _links(rng: random.Random, count: int) -> tuple[ScenarioLink, ...]:
    parents = {i: rng.randint(max(0, i - 5), i - 1) for i in range(1, count)}
    lines = [_line(rng, parent, child) for child, parent in parents.items()]
    joined = {frozenset(pair) for pair in parents.items()}
    for _ in range(rng.randint(0, count // 4)):
        one, other = rng.sample(range(count), 2)
        if frozenset((one, other)) not in joined:
            joined.add(frozenset((one, other)))
            lines.append(_tie(rng, one, other))
    return tuple(lines)


def _line(rng: random.Random, parent: int, child: int) -> ScenarioLink:
    rating_va = rng.choice((25_000, 40_000, 60_000))
    return _link(parent, child, ScenarioLinkKind.RADIAL, rating_va, rng.randint(2_000, 12_000), 0, 0)


def _tie(rng: random.Random, one: int, other: int) -> ScenarioLink:
    return _link(one, other, ScenarioLinkKind.CONTROLLED, rng.choice((3_000, 8_000)), 0, 10_000, 1_000_000)


def _link(
    parent: int, child: int, kind: ScenarioLinkKind, rating_va: int, r_micro_ohm: int, b: int, c: int
) -> ScenarioLink:
    first = parent == 0 and child == 1
    return ScenarioLink(
        name=f"{kind.value}-{parent}-{child}",
        parent=f"bus-{parent}",
        child=f"bus-{child}",
        kind=kind,
        rating_down_va=rating_va,
        rating_up_va=rating_va,
        r_micro_ohm=r_micro_ohm,
        x_micro_ohm=r_micro_ohm // 2,
        vn_mv=400_000,
        iron_milli_w=90_000 if first else 0,
        magnetising_var=100 if first else 0,
        charging_var=0,
        tap_ratio_ppm=1_000_000,
        b_ppm=b,
        c_pico_per_w=c,
        fee_down_micro_per_kwh=1_000,
        fee_up_micro_per_kwh=1_000,
    )


# ------------------------------------------------------------------ devices


def _assets(rng: random.Random, count: int) -> tuple[Asset, ...]:
    assets = [_asset("utility", 0, AssetKind.UTILITY, 60_000)]
    for bus in range(1, count):
        assets.append(_asset(f"load-{bus}", bus, AssetKind.LOAD, rng.randint(400, 3_000), error_ppm=50_000))
        if rng.random() < _WITH_SOURCE:
            kind = rng.choice(_SOURCES)
            price = rng.randint(20_000, 200_000)
            power_w = rng.randint(1_000, 9_000)
            assets.append(_asset(f"source-{bus}", bus, kind, power_w, price, error_ppm=50_000))
        if rng.random() < _WITH_BATTERY:
            assets.append(_battery(rng, bus))
        if rng.random() < _WITH_FLEXIBLE:
            bid = rng.randint(60_000, 250_000)
            assets.append(_asset(f"flexible-{bus}", bus, AssetKind.FLEXIBLE, rng.randint(300, 2_000), bid))
    return tuple(assets)


def _asset(
    name: str, bus: int, kind: AssetKind, power_w: int, price: int = 0, *, error_ppm: int = 0
) -> Asset:
    return Asset(
        name=name,
        title=name,
        bus=f"bus-{bus}",
        kind=kind,
        p_max_w=power_w,
        price_micro_per_kwh=price,
        carbon_mg_per_kwh=0,
        capacity_j=0,
        start_j=0,
        reserve_j=0,
        charge_efficiency_ppm=0,
        discharge_efficiency_ppm=0,
        forecast_error_ppm=0 if kind is AssetKind.CHP else error_ppm,
    )


def _battery(rng: random.Random, bus: int) -> Asset:
    return Asset(
        name=f"battery-{bus}",
        title="Battery",
        bus=f"bus-{bus}",
        kind=AssetKind.BATTERY,
        p_max_w=4_000,
        price_micro_per_kwh=0,
        carbon_mg_per_kwh=0,
        capacity_j=28_800_000,
        start_j=rng.randint(4_000_000, 20_000_000),
        reserve_j=3_600_000,
        charge_efficiency_ppm=950_000,
        discharge_efficiency_ppm=950_000,
        forecast_error_ppm=0,
    )


def _day(rng: random.Random, assets: tuple[Asset, ...]) -> Day:
    return Day(
        label="drawn",
        start_utc_s=START_UTC_S,
        slots=DAY_SLOTS,
        assets={asset.name: _profile(rng, asset) for asset in assets},
        retail_micro_per_kwh=(320_000,) * DAY_SLOTS,
        feed_in_micro_per_kwh=(80_000,) * DAY_SLOTS,
    )


def _profile(rng: random.Random, asset: Asset) -> AssetDay:
    if asset.kind in (AssetKind.BATTERY, AssetKind.UTILITY, AssetKind.CHP):
        return AssetDay(p_w=(0,) * DAY_SLOTS, q_var=(0,) * DAY_SLOTS)
    powers = tuple(rng.randint(asset.p_max_w // 3, asset.p_max_w) for _ in range(DAY_SLOTS))
    reactive = asset.kind is AssetKind.LOAD
    return AssetDay(p_w=powers, q_var=tuple(p // 5 if reactive else 0 for p in powers))
