"""The two comparison days, by hand and against the optimum."""

from __future__ import annotations

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ioe_router.analysis.baselines import BaselineResult, static_path, utility_only
from ioe_router.analysis.optimum import optimum
from ioe_router.analysis.powerflow import PowerFlow, SlotInjections
from ioe_router.analysis.quantities import actual_quantities
from ioe_router.scenario.model import Asset, AssetKind, Scenario, ScenarioLinkKind
from tests.unit.analysis import grids

SLOT_S = 900
CONTROLLED = ScenarioLinkKind.CONTROLLED


def alone(scenario: Scenario) -> BaselineResult:
    """The utility-only day with the actual quantities."""
    return utility_only(scenario, scenario.days[0], actual_quantities(scenario.days[0]))


def static(scenario: Scenario, **limits: tuple[int, int]) -> BaselineResult:
    """The static-path day with the actual quantities and batteries at rest."""
    day = scenario.days[0]
    named = {name.replace("_", "-"): limit for name, limit in limits.items()}
    return static_path(scenario, day, actual_quantities(day), battery_w={}, limits_w=named)


def test_alone_neighbours_do_not_trade() -> None:
    """One house sells at feed-in what the next one buys at retail; losses are bought on top."""
    assets = [
        grids.asset("load", "b", AssetKind.LOAD),
        grids.asset("roof", "c", AssetKind.SOLAR, price=40_000),
    ]
    grid = grids.scenario(
        [grids.bus(n) for n in "abc"],
        [grids.link("a", "b"), grids.link("b", "c")],
        assets,
        {"load": [6_000], "roof": [4_000]},
    )
    result = alone(grid)
    lost = PowerFlow(grid).run([SlotInjections(p_w={"b": -6_000, "c": 4_000})])[0].loss_w
    assert result.energy.loss_j == round(lost * SLOT_S)
    assert result.energy.import_j == (6_000 * SLOT_S + result.energy.loss_j,)
    assert result.energy.export_j == (4_000 * SLOT_S,)
    assert result.energy.source_j == {"roof": 4_000 * SLOT_S}


def test_alone_a_house_uses_its_own_roof_first() -> None:
    """Own production serves firm load, then a bid above feed-in; the rest is sold."""
    assets = [
        grids.asset("load", "b", AssetKind.LOAD),
        grids.asset("charger", "b", AssetKind.FLEXIBLE, price=150_000),
        grids.asset("roof", "b", AssetKind.SOLAR, price=40_000),
        grids.asset("engine", "b", AssetKind.CHP, price=200_000, p_max_w=1_000),
    ]
    profiles = {"load": [2_000, 2_000], "charger": [1_500, 1_500], "roof": [5_000, 0]}
    grid = grids.scenario(
        [grids.bus("a"), grids.bus("b")], [grids.link("a", "b")], assets, profiles, retail=(300_000,) * 2
    )
    energy = alone(grid).energy
    assert energy.export_j == (1_500 * SLOT_S, 0)
    assert energy.source_j == {"roof": 5_000 * SLOT_S, "engine": 1_000 * SLOT_S}
    assert energy.flexible_unserved_j == {"charger": 1_500 * SLOT_S}
    assert energy.import_j[1] - 1_000 * SLOT_S == pytest.approx(0.1 / 400**2 * 1_000**2 * SLOT_S, rel=2e-2)


def test_alone_needs_a_tree_to_every_bus() -> None:
    """A house behind a converter cannot be supplied without routing, and the message says so."""
    grid = grids.scenario([grids.bus("a"), grids.bus("b")], [grids.link("a", "b", kind=CONTROLLED)])
    with pytest.raises(ValueError, match="bus 'b' is reached over CONTROLLED links only"):
        alone(grid)


def two_ways_to_a_load() -> Scenario:
    """10 kW at b, reached from a by a controllable tie or, twice as far, by way of c."""
    links = [
        grids.link("a", "b", kind=CONTROLLED, r_ohm=0.1),
        grids.link("a", "c", r_ohm=0.1),
        grids.link("c", "b", r_ohm=0.1),
    ]
    load = grids.asset("load", "b", AssetKind.LOAD)
    return grids.scenario([grids.bus(n) for n in "abc"], links, [load], {"load": [10_000]})


def test_static_path_ignores_what_already_flows() -> None:
    """Both loads take the shorter path, so it carries both and the longer one nothing."""
    grid = two_ways_to_a_load()
    k = 0.1 / 400**2
    flow = 10_000 + k * 10_000**2 / 2
    assert static(grid).energy.loss_j == pytest.approx(k * flow**2 * SLOT_S, rel=1e-3)
    day = grid.days[0]
    assert optimum(grid, day, actual_quantities(day)).loss_j < 0.8 * static(grid).energy.loss_j


def test_static_path_takes_the_cheaper_source_first_and_sells_the_rest() -> None:
    """Merit order: the roof before the engine, the engine before retail, the surplus to outside."""
    assets = [
        grids.asset("load", "b", AssetKind.LOAD),
        grids.asset("roof", "b", AssetKind.SOLAR, price=40_000),
        grids.asset("engine", "b", AssetKind.CHP, price=200_000, p_max_w=1_000),
    ]
    grid = grids.scenario(
        [grids.bus("a"), grids.bus("b")],
        [grids.link("a", "b", r_ohm=0.001)],
        assets,
        {"load": [4_000, 1_000], "roof": [2_000, 2_000]},
        retail=(300_000,) * 2,
    )
    energy = static(grid).energy
    assert energy.source_j == {"roof": 4_000 * SLOT_S, "engine": 1_000 * SLOT_S}
    assert energy.import_j[0] / SLOT_S == pytest.approx(1_000, abs=1)
    assert energy.export_j[1] / SLOT_S == pytest.approx(1_000, abs=1)


def test_static_path_does_not_go_round_a_full_link() -> None:
    """What the fixed path cannot carry stays unserved, though another path has room."""
    grid = two_ways_to_a_load()
    energy = static(grid, a_b=(4_000, 4_000)).energy
    assert energy.unserved_j / SLOT_S == pytest.approx(6_000, rel=1e-2)
    assert energy.import_j[0] / SLOT_S == pytest.approx(4_000, rel=1e-6)


def test_a_scheduled_battery_charges_and_discharges() -> None:
    """The store ends where schedule and efficiencies put it."""
    battery = grids.asset(
        "battery",
        "b",
        AssetKind.BATTERY,
        p_max_w=4_000,
        capacity_j=10**9,
        start_j=10**8,
        efficiency_ppm=900_000,
    )
    load = grids.asset("load", "b", AssetKind.LOAD)
    grid = grids.scenario(
        [grids.bus("a"), grids.bus("b")],
        [grids.link("a", "b")],
        [battery, load],
        {"load": [3_000, 3_000]},
        retail=(300_000,) * 2,
    )
    day = grid.days[0]
    energy = static_path(grid, day, actual_quantities(day), battery_w={"battery": (-2_000.0, 1_800.0)}).energy
    assert energy.battery_end_j["battery"] == 10**8 + 1_800 * SLOT_S - 2_000 * SLOT_S
    assert energy.import_j[1] / SLOT_S == pytest.approx(1_200, rel=1e-2)


def mesh(loads: list[int], sun: list[int], rating_va: int) -> Scenario:
    """Five buses: a tree of four links and two converters across it."""
    names = list("abcde")
    links = [grids.link(one, two, rating_va=rating_va, iron_w=3) for one, two in ("ab", "bc", "bd", "de")]
    links += [
        grids.link(one, two, kind=CONTROLLED, rating_va=rating_va, b_ppm=6_000, r_ohm=0.2)
        for one, two in ("ce", "ad")
    ]
    assets: list[Asset] = []
    profiles: dict[str, list[int]] = {}
    for name, load, roof in zip(names[1:], loads, sun, strict=True):
        assets.append(grids.asset(f"load-{name}", name, AssetKind.LOAD))
        assets.append(grids.asset(f"roof-{name}", name, AssetKind.SOLAR, price=30_000 + len(assets) * 1_000))
        assets.append(grids.asset(f"wish-{name}", name, AssetKind.FLEXIBLE, price=50_000 * len(assets)))
        profiles |= {f"load-{name}": [load], f"roof-{name}": [roof], f"wish-{name}": [load // 3]}
    return grids.scenario([grids.bus(n) for n in names], links, assets, profiles)


@settings(max_examples=25, deadline=None, derandomize=True, phases=(Phase.explicit, Phase.generate))
@given(
    st.lists(st.integers(0, 9_000), min_size=4, max_size=4),
    st.lists(st.integers(0, 9_000), min_size=4, max_size=4),
    st.integers(9_000, 40_000),
)
def test_no_feasible_day_is_cheaper_than_the_optimum(
    loads: list[int], sun: list[int], rating_va: int
) -> None:
    """Static routing under the same limits never beats the optimum, unserved energy valued alike."""
    grid = mesh(loads, sun, rating_va)
    day = grid.days[0]
    best, heuristic = optimum(grid, day, actual_quantities(day)), static(grid)
    penalty = grids.UNSERVED / 3.6e6
    assert best.cost.without_fees_micro + penalty * best.unserved_j <= (
        heuristic.cost.without_fees_micro + penalty * heuristic.energy.unserved_j + 5
    )


@settings(max_examples=25, deadline=None, derandomize=True, phases=(Phase.explicit, Phase.generate))
@given(
    st.lists(st.integers(0, 9_000), min_size=4, max_size=4),
    st.lists(st.integers(0, 9_000), min_size=4, max_size=4),
    st.integers(2_000, 40_000),
)
def test_static_trading_balances_its_books(loads: list[int], sun: list[int], rating_va: int) -> None:
    """Energy in equals energy out plus loss, to the rounding of each figure to joules."""
    grid = mesh(loads, sun, rating_va)
    energy = static(grid).energy
    wanted = sum(load + load // 3 for load in loads) * SLOT_S
    missed = energy.unserved_j + sum(energy.flexible_unserved_j.values())
    supplied = sum(energy.import_j) + sum(energy.source_j.values())
    assert supplied == pytest.approx(wanted - missed + sum(energy.export_j) + energy.loss_j, abs=20)
