"""The scenarios that come with the package are sound, small and worth routing."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import pytest

from ioe_router.analysis.powerflow import PowerFlow, SlotInjections, SlotPhysics
from ioe_router.scenario import bundled, bundled_names, load, validate
from ioe_router.scenario.model import AssetKind, Day, Scenario, ScenarioLinkKind
from tests.unit.scenario.operating_envelope import (
    Direction,
    Envelope,
    buses_below,
    firm_below_w,
    operating_envelope,
    radial_links,
)

NAMES = ["feeder33", "village"]
LOSS_ALLOWANCE = 1.03  # of firm demand; feeder33 loses under 2 % with every plant at rest
MILLION = 1_000_000

scenario_of = cache(bundled)


@cache
def envelope_of(name: str, direction: Direction) -> Envelope:
    """The envelope is the same for all tests of a scenario."""
    return operating_envelope(scenario_of(name), direction)


def bus_power_w(scenario: Scenario, day: Day, slot: int, *kinds: AssetKind) -> dict[str, int]:
    """Profile power of all assets of `kinds`, by bus."""
    power_w = {bus.name: 0 for bus in scenario.buses}
    for asset in scenario.assets:
        if asset.kind in kinds:
            power_w[asset.bus] += day.assets[asset.name].p_w[slot]
    return power_w


def bus_reactive_var(scenario: Scenario, day: Day, slot: int) -> dict[str, int]:
    """Reactive power that the assets consume, by bus."""
    reactive_var = {bus.name: 0 for bus in scenario.buses}
    for asset in scenario.assets:
        reactive_var[asset.bus] += day.assets[asset.name].q_var[slot]
    return reactive_var


def peak(scenario: Scenario, kind: AssetKind) -> tuple[Day, int]:
    """The day and slot with the highest total of `kind`."""
    slots = [(day, slot) for day in scenario.days for slot in range(day.slots)]
    return max(slots, key=lambda at: sum(bus_power_w(scenario, *at, kind).values()))


def sold_share(scenario: Scenario, surplus_w: dict[str, int], admissible_w: dict[str, float]) -> float:
    """The common share of all surpluses that no link's admission, gross upwards, refuses."""
    share = 1.0
    for name, below in buses_below(scenario).items():
        gross_w = sum(surplus_w[bus] for bus in below)
        if gross_w:
            share = min(share, admissible_w[name] / gross_w)
    return share


def utility_only(name: str, day: Day, slot: int, *, sun: bool) -> SlotPhysics:
    """The steady state when members trade with the utility only, without batteries."""
    scenario = scenario_of(name)
    firm = bus_power_w(scenario, day, slot, AssetKind.LOAD)
    solar = bus_power_w(scenario, day, slot, AssetKind.SOLAR) if sun else dict.fromkeys(firm, 0)
    net_w = {bus: solar[bus] - firm[bus] for bus in firm}
    surplus_w = {bus: max(power_w, 0) for bus, power_w in net_w.items()}
    share = sold_share(scenario, surplus_w, envelope_of(name, "up").admissible_w)
    sold_w = {bus: math.floor(w * share) if w > 0 else w for bus, w in net_w.items()}
    reactive_var = bus_reactive_var(scenario, day, slot)
    (physics,) = PowerFlow(scenario).run([SlotInjections(p_w=sold_w, q_var=reactive_var)])
    return physics


def assert_within_limits(name: str, physics: SlotPhysics) -> None:
    """Every voltage inside the band less guard, every link below its rating."""
    market = scenario_of(name).market
    low = market.voltage_min_micro_pu + market.voltage_guard_micro_pu
    high = market.voltage_max_micro_pu - market.voltage_guard_micro_pu
    assert all(low < volt < high for volt in physics.voltage_micro_pu.values())
    assert physics.max_loading_ppm <= MILLION


def test_these_scenarios_are_bundled() -> None:
    """The package brings exactly the scenarios that the tests below cover."""
    assert list(bundled_names()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_bundled_scenario_is_sound_and_small(name: str) -> None:
    """A bundled folder has no findings, carries its licence in full and stays below 400 kB."""
    folder = load.bundled_path(name)
    assert validate(folder) == ()
    licence = (folder / "LICENSE").read_text(encoding="utf-8")
    assert "Open Database License" in licence
    assert len(licence) > 20_000
    attribution = (folder / "ATTRIBUTION.md").read_text(encoding="utf-8")
    for owner in ("University of Kassel", "Fraunhofer IEE", "RWTH Aachen", "TU Dortmund"):
        assert owner in attribution
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 400_000


@pytest.mark.parametrize("name", NAMES)
def test_days_are_local_days_of_quarter_hours(name: str) -> None:
    """Days have 96 slots and begin at German midnight: 23:00 UTC in winter, 22:00 in summer."""
    begins = {"2016-01-15": 23, "2016-06-15": 22}
    for day in scenario_of(name).days:
        assert day.slots == 96
        assert day.start_utc_s % 86_400 == begins[day.label] * 3_600


@pytest.mark.parametrize("name", NAMES)
def test_clock_bands_suit_the_tariffs(name: str) -> None:
    """Floors begin above retail, several lie between the tariffs, feed-in opens before the last."""
    scenario = scenario_of(name)
    floors = scenario.market.floor_micro_per_kwh
    assert len(floors) == 11
    for day in scenario.days:
        for retail, feed_in in zip(day.retail_micro_per_kwh, day.feed_in_micro_per_kwh, strict=True):
            assert floors[0] > retail
            assert sum(feed_in < floor <= retail for floor in floors) >= 4
            assert sum(floor <= feed_in for floor in floors) >= 3


@pytest.mark.parametrize("name", NAMES)
def test_firm_demand_fits_the_operating_envelope(name: str) -> None:
    """On every RADIAL link firm demand behind it and its loss stay below what is admitted."""
    admissible_w = envelope_of(name, "down").admissible_w
    for link, firm_w in firm_below_w(scenario_of(name)).items():
        assert firm_w * LOSS_ALLOWANCE <= admissible_w[link], link


@pytest.mark.parametrize("name", NAMES)
def test_firm_demand_fits_connection_limits(name: str) -> None:
    """No bus consumes or produces more than its connection admits."""
    scenario = scenario_of(name)
    for day in scenario.days:
        for slot in range(day.slots):
            firm = bus_power_w(scenario, day, slot, AssetKind.LOAD)
            sun = bus_power_w(scenario, day, slot, AssetKind.SOLAR)
            for bus in scenario.buses:
                assert firm[bus.name] <= bus.import_limit_w
                assert sun[bus.name] <= bus.export_limit_w


@pytest.mark.parametrize(("name", "link"), [("village", "transformer"), ("feeder33", "line-13-14")])
def test_a_rating_binds_at_the_solar_peak(name: str, link: str) -> None:
    """At the sunniest slot the surplus of members behind a link exceeds what it may carry up."""
    scenario = scenario_of(name)
    day, slot = peak(scenario, AssetKind.SOLAR)
    sun = bus_power_w(scenario, day, slot, AssetKind.SOLAR)
    used = bus_power_w(scenario, day, slot, AssetKind.LOAD, AssetKind.FLEXIBLE)
    below = buses_below(scenario)[link]
    surplus_w = sum(sun[bus] - used[bus] for bus in below)
    assert surplus_w > envelope_of(name, "up").admissible_w[link]


@pytest.mark.parametrize("name", NAMES)
def test_peak_load_from_the_utility_alone(name: str) -> None:
    """With every plant at rest the highest firm demand keeps voltages and ratings (AC)."""
    day, slot = peak(scenario_of(name), AssetKind.LOAD)
    assert_within_limits(name, utility_only(name, day, slot, sun=False))


@pytest.mark.parametrize("name", NAMES)
def test_peak_sun_sold_to_the_utility_alone(name: str) -> None:
    """With all admitted surplus sold at the sunniest slot voltages and ratings hold (AC)."""
    day, slot = peak(scenario_of(name), AssetKind.SOLAR)
    assert_within_limits(name, utility_only(name, day, slot, sun=True))


def test_feeder33_is_the_tree_and_its_ties() -> None:
    """Thirty-two RADIAL sections and the case's five open lines as CONTROLLED links."""
    scenario = scenario_of("feeder33")
    ties = {link.name for link in scenario.links if link.kind is ScenarioLinkKind.CONTROLLED}
    assert ties == {"tie-20-7", "tie-8-14", "tie-11-21", "tie-17-32", "tie-24-28"}
    assert len(radial_links(scenario)) == 32


def test_village_is_the_simbench_grid() -> None:
    """Fourteen links and the transformer's data sheet: 160 kVA, 460 W iron, tap one step up."""
    scenario = scenario_of("village")
    assert (len(scenario.buses), len(scenario.links)) == (15, 14)
    (transformer,) = (link for link in scenario.links if link.parent == scenario.slack)
    assert transformer.rating_down_va == 160_000
    assert transformer.iron_milli_w == 437_835  # 460 W at 20.5 kV, the tap's rated voltage
    assert transformer.r_micro_ohm == 14_688  # 1.46875 % of 0.4 kV squared over 160 kVA
    assert transformer.tap_ratio_ppm == 975_610  # one step of 2.5 % on the high side


def test_no_path_of_a_machine_is_bundled() -> None:
    """Nothing in the bundled files points to where they were made."""
    for name in NAMES:
        for path in Path(load.bundled_path(name)).rglob("*.*"):
            assert "/" + "tmp" not in path.read_text(encoding="utf-8")
