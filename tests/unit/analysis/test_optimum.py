"""The optimum against days that can be solved by hand, and against its own definition."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ioe_router.analysis.optimum import (
    OptimumResult,
    optimum,
    optimum_injections,
)
from ioe_router.analysis.powerflow import PowerFlow, joules
from ioe_router.analysis.program import OptimumError
from ioe_router.analysis.quantities import actual_quantities
from ioe_router.scenario.model import AssetKind, Scenario, ScenarioLinkKind
from tests.unit.analysis import grids

SLOT_S = 900
CONTROLLED = ScenarioLinkKind.CONTROLLED


def solve(
    scenario: Scenario,
    *,
    with_fees: bool = False,
    netting: bool = False,
    limits_w: dict[str, tuple[int, int]] | None = None,
) -> OptimumResult:
    """The optimum of the only day with foresight, its relaxation tight."""
    day = scenario.days[0]
    result = optimum(
        scenario, day, actual_quantities(day), with_fees=with_fees, netting=netting, limits_w=limits_w
    )
    assert result.max_slack_w < 0.1
    return result


def received_w(flow_w: float, k: float) -> float:
    """What comes out of a link at mid-link flow `flow_w`."""
    return flow_w - k * flow_w**2 / 2


def test_one_buyer_pays_its_need_and_the_loss() -> None:
    """With the utility as only source, the cost is retail times need plus loss."""
    load = grids.asset("load", "b", AssetKind.LOAD)
    grid = grids.scenario(
        [grids.bus("a"), grids.bus("b")],
        [grids.link("a", "b")],
        [load],
        {"load": [20_000, 10_000]},
        retail=(300_000,) * 2,
    )
    result = solve(grid)
    k, bought = 0.1 / 400**2, []
    for need in (20_000, 10_000):
        flow = (1 - math.sqrt(1 - 2 * k * need)) / k  # received_w(flow) == need
        assert received_w(flow, k) == pytest.approx(need)
        bought.append(flow + k * flow**2 / 2)
    assert [e / SLOT_S for e in result.energy.import_j] == pytest.approx(bought, rel=1e-5)
    assert result.loss_j == pytest.approx((sum(bought) - 30_000) * SLOT_S, rel=1e-4)
    assert result.cost.purchases_micro == pytest.approx(sum(bought) * SLOT_S / 3.6e6 * 300_000, rel=1e-5)
    assert result.unserved_j == 0


def test_two_equal_converters_share_the_flow() -> None:
    """Quadratic losses make two equal paths carry half each."""
    links = [
        grids.link("a", "b", kind=CONTROLLED),
        grids.link("a", "c", r_ohm=0.0, x_ohm=0.01),
        grids.link("c", "b", kind=CONTROLLED),
    ]
    load = grids.asset("load", "b", AssetKind.LOAD)
    grid = grids.scenario([grids.bus(n) for n in "abc"], links, [load], {"load": [20_000]})
    result = solve(grid)
    assert result.flow_w["a-b"][0] == pytest.approx(result.flow_w["c-b"][0], rel=1e-3)


def test_unequal_paths_have_equal_marginal_loss() -> None:
    """Flows divide so that one more watt loses the same on either path."""
    links = [
        grids.link("a", "b", kind=CONTROLLED, r_ohm=0.3),
        grids.link("a", "c", r_ohm=0.0, x_ohm=0.01),
        grids.link("c", "b", kind=CONTROLLED, r_ohm=0.1),
    ]
    load = grids.asset("load", "b", AssetKind.LOAD)
    result = solve(grids.scenario([grids.bus(n) for n in "abc"], links, [load], {"load": [20_000]}))
    marginal = []
    for name, r in (("a-b", 0.3), ("c-b", 0.1)):
        slope = 2 * r / 400**2 * result.flow_w[name][0]
        marginal.append((1 + slope / 2) / (1 - slope / 2))
    assert marginal[0] == pytest.approx(marginal[1], rel=1e-4)


def test_linear_and_standing_converter_loss_are_paid() -> None:
    """A converter's stand-by is lost in every slot, its linear loss in proportion to the flow."""
    link = grids.link("a", "b", kind=CONTROLLED, r_ohm=0.0, b_ppm=20_000, iron_w=50)
    load = grids.asset("load", "b", AssetKind.LOAD)
    result = solve(grids.scenario([grids.bus("a"), grids.bus("b")], [link], [load], {"load": [9_875]}))
    flow = (9_875 + 25) / 0.99
    assert result.flow_w["a-b"][0] == pytest.approx(flow, rel=1e-6)
    assert result.link_loss_w["a-b"][0] == pytest.approx(50 + 0.02 * flow, rel=1e-6)


def test_reactive_flow_costs_standing_loss() -> None:
    """Reactive power of a leaf is lost on every link between it and the slack."""
    load = grids.asset("load", "c", AssetKind.LOAD)
    links = [grids.link("a", "b"), grids.link("b", "c", charging_var=1_000)]
    grid = grids.scenario(
        [grids.bus(n) for n in "abc"], links, [load], {"load": [0]}, reactive={"load": [6_000]}
    )
    result = solve(grid)
    k = 0.1 / 400**2
    assert result.link_loss_w["b-c"][0] == pytest.approx(k * 5_500**2, rel=1e-2)
    assert result.link_loss_w["a-b"][0] == pytest.approx(k * 5_000**2, rel=1e-2)


def test_a_battery_moves_cheap_energy_to_the_dear_slot() -> None:
    """A wide price spread empties the battery to its reserve in the dear slot, filled in the cheap one."""
    battery = grids.asset(
        "battery",
        "b",
        AssetKind.BATTERY,
        p_max_w=4_000,
        capacity_j=4_000 * SLOT_S,
        start_j=1_000 * SLOT_S,
        reserve_j=1_000 * SLOT_S,
        efficiency_ppm=900_000,
    )
    load = grids.asset("load", "b", AssetKind.LOAD)
    link = grids.link("a", "b", r_ohm=0.001, x_ohm=0.001)
    grid = grids.scenario(
        [grids.bus("a"), grids.bus("b")],
        [link],
        [battery, load],
        {"load": [5_000, 5_000, 5_000]},
        retail=(100_000, 900_000, 400_000),
    )
    result = solve(grid)
    charge, discharge, rest = result.asset_p_w["battery"]
    assert charge == pytest.approx(-3_000 / 0.9, rel=1e-4)
    assert discharge == pytest.approx(3_000 * 0.9, rel=1e-4)
    assert rest == pytest.approx(0, abs=1)
    assert result.energy.battery_end_j["battery"] == pytest.approx(1_000 * SLOT_S, rel=1e-4)


def test_stored_energy_is_worth_the_reference_price() -> None:
    """Where retail is above the reference price, energy above the reserve is used; the drawdown is a cost."""
    battery = grids.asset(
        "battery", "b", AssetKind.BATTERY, p_max_w=4_000, capacity_j=4_000 * SLOT_S, start_j=4_000 * SLOT_S
    )
    load = grids.asset("load", "b", AssetKind.LOAD)
    link = grids.link("a", "b", r_ohm=0.001, x_ohm=0.001)
    grid = grids.scenario([grids.bus("a"), grids.bus("b")], [link], [battery, load], {"load": [4_000]})
    result = solve(grid)
    assert result.cost.battery_micro == pytest.approx(4_000 * SLOT_S / 3.6e6 * grids.REFERENCE, rel=1e-4)
    assert result.cost.purchases_micro == pytest.approx(0, abs=20)


def test_flexible_load_is_served_only_below_its_bid() -> None:
    """A bid under the retail price is served by own surplus and left unserved without it."""
    flexible = grids.asset("charger", "b", AssetKind.FLEXIBLE, price=150_000)
    solar = grids.asset("solar", "b", AssetKind.SOLAR, price=40_000)
    grid = grids.scenario(
        [grids.bus("a"), grids.bus("b")],
        [grids.link("a", "b")],
        [flexible, solar],
        {"charger": [3_000, 3_000], "solar": [5_000, 0]},
        retail=(300_000, 300_000),
    )
    result = solve(grid)
    assert result.asset_p_w["charger"] == pytest.approx((-3_000, 0), abs=0.1)
    assert result.cost.flexible_micro == pytest.approx(3_000 * SLOT_S / 3.6e6 * 150_000, rel=1e-4)
    assert result.energy.export_j[0] / SLOT_S == pytest.approx(2_000, rel=1e-2)


def test_a_tight_limit_leaves_firm_load_unserved() -> None:
    """What no link can bring is unserved, reported in joules and not priced into the cost."""
    load = grids.asset("load", "b", AssetKind.LOAD)
    link = grids.link("a", "b", kind=CONTROLLED, r_ohm=0.0, b_ppm=20_000)
    grid = grids.scenario([grids.bus("a"), grids.bus("b")], [link], [load], {"load": [8_000]})
    result = solve(grid, limits_w={"a-b": (5_050, 0)})
    assert result.flow_w["a-b"][0] == pytest.approx(5_000, rel=1e-5)
    assert result.unserved_j == pytest.approx((8_000 - 4_950) * SLOT_S, rel=1e-4)
    assert result.cost.without_fees_micro == pytest.approx(5_050 * SLOT_S / 3.6e6 * 300_000, rel=1e-4)


def test_worthless_surplus_is_curtailed_and_not_burnt_in_links() -> None:
    """Free production that nobody can take does not inflate the losses."""
    links = [
        grids.link("a", "b", rating_va=2_000),
        grids.link("b", "c", r_ohm=0.2),
        grids.link("a", "c", kind=CONTROLLED, b_ppm=10_000, rating_va=1),
    ]
    solar = grids.asset("solar", "c", AssetKind.SOLAR)
    load = grids.asset("load", "b", AssetKind.LOAD)
    grid = grids.scenario(
        [grids.bus(n) for n in "abc"],
        links,
        [solar, load],
        {"solar": [30_000], "load": [1_000]},
        feed_in=(0,),
    )
    result = solve(grid)
    flow = result.flow_w["b-c"][0]
    assert result.loss_j == pytest.approx(
        sum(losses[0] for losses in result.link_loss_w.values()) * SLOT_S, abs=2
    )
    assert result.link_loss_w["b-c"][0] == pytest.approx(0.2 / 400**2 * flow**2, rel=1e-6)
    balance = result.asset_p_w["solar"][0] + result.asset_p_w["load"][0] + result.asset_p_w["utility"][0]
    assert balance == pytest.approx(result.loss_j / SLOT_S, abs=0.5)


def test_connection_limits_of_a_bus_bind() -> None:
    """A house exports no more than its connection allows."""
    solar = grids.asset("solar", "b", AssetKind.SOLAR)
    grid = grids.scenario(
        [grids.bus("a"), grids.bus("b", limit_w=3_000)], [grids.link("a", "b")], [solar], {"solar": [9_000]}
    )
    assert solve(grid).asset_p_w["solar"] == pytest.approx((3_000,), rel=1e-5)


def test_fees_steer_only_where_they_count() -> None:
    """A fee above the loss it avoids moves the flow to the free path, and is zero in the other figure."""
    links = [
        grids.link("a", "b", kind=CONTROLLED, r_ohm=0.1, fee=30_000),
        grids.link("a", "c", r_ohm=0.0, x_ohm=0.01),
        grids.link("c", "b", kind=CONTROLLED, r_ohm=0.1),
    ]
    load = grids.asset("load", "b", AssetKind.LOAD)
    grid = grids.scenario([grids.bus(n) for n in "abc"], links, [load], {"load": [10_000]})
    counted, ignored = solve(grid, with_fees=True), solve(grid)
    assert counted.flow_w["a-b"][0] == pytest.approx(0, abs=1)
    assert ignored.flow_w["a-b"][0] == pytest.approx(5_000, rel=2e-2)
    assert counted.cost.with_fees_micro < ignored.cost.with_fees_micro
    assert ignored.cost.without_fees_micro < counted.cost.without_fees_micro
    assert ignored.cost.fees_micro == pytest.approx(
        joules(ignored.flow_w["a-b"][0], SLOT_S) / 3.6e6 * 30_000, rel=1e-3
    )


def test_a_tariff_without_bottom_is_refused() -> None:
    """Selling above the buying price would earn without end, and the message names the slot."""
    grid = grids.scenario([grids.bus("a"), grids.bus("b")], [grids.link("a", "b")], feed_in=(400_000,))
    with pytest.raises(OptimumError, match="slot 0 pays more for feed-in"):
        solve(grid)


def test_no_room_for_standing_loss_is_an_error() -> None:
    """A leaf whose supply is cut off cannot feed its own link's iron."""
    grid = grids.scenario(
        [grids.bus(n) for n in "abc"], [grids.link("a", "b"), grids.link("b", "c", iron_w=100)]
    )
    with pytest.raises(OptimumError, match="room for the standing loss"):
        solve(grid, limits_w={"a-b": (0, 0)})


@pytest.mark.parametrize(
    ("limits", "message"), [({"x-y": (1, 1)}, "link 'x-y'"), ({"a-b": (1, 1)}, "needs 1 powers")]
)
def test_foreign_limits_and_short_profiles_are_refused(
    limits: dict[str, tuple[int, int]], message: str
) -> None:
    """Arguments that do not fit the scenario are the caller's mistake."""
    load = grids.asset("load", "b", AssetKind.LOAD)
    grid = grids.scenario([grids.bus("a"), grids.bus("b")], [grids.link("a", "b")], [load], {"load": [1]})
    quantities = replace(actual_quantities(grid.days[0]), p_w={"load": (1, 2)})
    with pytest.raises(ValueError, match=message):
        optimum(grid, grid.days[0], quantities, limits_w=limits)


# ---------------------------------------------------------------- any ring


def ring(loads: list[int], sun: list[int], resistances: list[int], rating_va: int) -> Scenario:
    """Four buses in a row, closed to a ring by a converter; a load and a roof at each but the first."""
    names = ["a", "b", "c", "d"]
    links = [
        grids.link(one, two, r_ohm=r / 100, rating_va=rating_va, iron_w=5, fee=3_000)
        for one, two, r in zip(names, names[1:], resistances, strict=False)
    ]
    links.append(
        grids.link("a", "d", kind=CONTROLLED, r_ohm=resistances[3] / 100, rating_va=rating_va, b_ppm=8_000)
    )
    assets, profiles = [], {}
    for name, load, roof in zip(names[1:], loads, sun, strict=True):
        assets.append(grids.asset(f"load-{name}", name, AssetKind.LOAD))
        assets.append(grids.asset(f"roof-{name}", name, AssetKind.SOLAR, price=50_000))
        profiles[f"load-{name}"] = [load, load // 2]
        profiles[f"roof-{name}"] = [roof, roof // 3]
    buses = [grids.bus(name) for name in names]
    return grids.scenario(buses, links, assets, profiles, retail=(300_000, 350_000))


# Shrinking would solve hundreds of programs; the examples are small as they are.
quick = settings(deadline=None, derandomize=True, phases=(Phase.explicit, Phase.generate))
rings = st.builds(
    ring,
    st.lists(st.integers(0, 12_000), min_size=3, max_size=3),
    st.lists(st.integers(0, 12_000), min_size=3, max_size=3),
    st.lists(st.integers(2, 30), min_size=4, max_size=4),
    st.integers(15_000, 60_000),
)


@settings(quick, max_examples=15)
@given(rings)
def test_netting_never_costs_more_than_gross(grid: Scenario) -> None:
    """Limits on net flow admit everything that limits per direction admit, and energy is one good."""
    gross, net = solve(grid), solve(grid, netting=True)
    unserved = grids.UNSERVED * (net.unserved_j - gross.unserved_j) / 3.6e6
    assert net.cost.without_fees_micro + unserved <= gross.cost.without_fees_micro + 5
    assert net.loss_j == pytest.approx(gross.loss_j, rel=1e-3, abs=20 * SLOT_S)


@settings(quick, max_examples=15)
@given(rings)
def test_energy_balances_and_limits_hold(grid: Scenario) -> None:
    """What is produced and bought equals what is used, sold and lost; no direction is overfull."""
    result = solve(grid)
    for slot in range(2):
        exports = sum(powers[slot] for powers in result.asset_p_w.values())
        lost = sum(powers[slot] for powers in result.link_loss_w.values())
        assert exports == pytest.approx(lost, abs=1)
        for link in grid.links:
            flow, loss = result.flow_w[link.name][slot], result.link_loss_w[link.name][slot]
            assert abs(flow) + loss / 2 <= link.rating_down_va + 1


@settings(quick, max_examples=10)
@given(rings)
def test_one_round_of_physics_brings_the_losses_onto_the_power_flow(grid: Scenario) -> None:
    """Solved again with V and Q of its own power flow, the optimum loses what the grid loses."""
    day = grid.days[0]
    quantities, flow = actual_quantities(day), PowerFlow(grid)
    first = optimum(grid, day, quantities)
    states = flow.run(optimum_injections(grid, quantities, first))
    second = optimum(grid, day, quantities, physics=states)
    after = flow.run(optimum_injections(grid, quantities, second))
    lost_j = sum(state.loss_w for state in after) * SLOT_S
    assert second.loss_j == pytest.approx(lost_j, rel=2e-3, abs=3 * 2 * SLOT_S)  # set-points are whole watts
    bought_j = sum(second.energy.import_j) - sum(second.energy.export_j)
    assert bought_j == pytest.approx(sum(s.slack_p_w for s in after) * SLOT_S, rel=1e-3, abs=10 * SLOT_S)
