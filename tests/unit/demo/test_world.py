"""The world of the demo: what devices do with their set-points, and meters that leave nothing over."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ioe_router.agents.assets import DeviceSetpoint
from ioe_router.analysis.quantities import DayQuantities, actual_quantities
from ioe_router.community.reports import GateReport, LinkSetpoint
from ioe_router.community.world import PhysicalSlot, World
from ioe_router.model.errors import UsageError
from ioe_router.scenario import load_scenario
from ioe_router.scenario.model import Scenario, ScenarioLinkKind

TINY = Path(__file__).parents[2] / "scenarios" / "tiny"
SLOT_S = 900


@pytest.fixture
def tiny() -> Scenario:
    """Two houses, a square and the utility."""
    return load_scenario(TINY)


def gate(bus: str, *devices: tuple[str, int, int], ports: tuple[tuple[str, int], ...] = ()) -> GateReport:
    """A gate at which (name, drawn, given) were set; what was booked follows from them."""
    points = tuple(DeviceSetpoint(name=name, drawn_j=drawn, given_j=given) for name, drawn, given in devices)
    net_j = sum(p.drawn_j - p.given_j for p in points)
    return GateReport(
        bus=bus,
        slot=0,
        imported_j=max(0, net_j),
        exported_j=max(0, -net_j),
        devices=points,
        ports=tuple(LinkSetpoint(link=link, entering_j=energy) for link, energy in ports),
        links=(),
    )


def gates_of(*given: GateReport) -> dict[str, GateReport]:
    """Gates of all buses: those given, and idle ones for the rest."""
    found = {bus: gate(bus) for bus in ("grid", "square", "house-a", "house-b")}
    return found | {one.bus: one for one in given}


def world_of(scenario: Scenario, expected: DayQuantities | None = None) -> World:
    """The world of the only day, forecast exactly unless stated."""
    day = scenario.days[0]
    return World(scenario, day, expected or actual_quantities(day))


def assert_balanced(scenario: Scenario, slot: PhysicalSlot) -> None:
    """At every bus the devices' energy passes the ports, to the joule; all that is left over is loss."""
    for bus in scenario.buses:
        devices_j = sum(
            slot.devices[a.name].given_j - slot.devices[a.name].drawn_j
            for a in scenario.assets
            if a.bus == bus.name
        )
        ports_j = sum(energy for (end, _), energy in slot.entering_j.items() if end == bus.name)
        assert devices_j == ports_j
        readings = slot.readings(bus.name)
        assert sum(r.exported_j - r.imported_j for r in readings) == ports_j
        assert all(min(r.exported_j, r.imported_j) == 0 for r in readings)
    given = sum(one.given_j for one in slot.devices.values())
    drawn = sum(one.drawn_j for one in slot.devices.values())
    assert given == drawn + sum(slot.loss_j(link.name) for link in scenario.links)


def test_every_bus_balances_to_the_joule(tiny: Scenario) -> None:
    """With odd energies, a battery, a set converter and a curtailed roof nothing is left over anywhere."""
    gates = gates_of(
        gate("house-a", ("solar-a", 0, 6_543_211), ("battery-a", 1_234_567, 0), ports=(("tie", 900_001),)),
        gate("house-b", ("boiler-b", 777_777, 0), ports=(("tie", -880_003),)),
    )
    slot = world_of(tiny).happen(0, gates)
    assert_balanced(tiny, slot)
    assert slot.entering_j["house-a", "tie"] == 900_001
    assert slot.loss_j("tie") == 900_001 - 880_003


def test_loads_follow_their_profiles_whatever_was_booked(tiny: Scenario) -> None:
    """A firm load runs at its true power; a flexible one runs as set, at most at its true power."""
    slot = world_of(tiny).happen(0, gates_of(gate("house-b", ("boiler-b", 99_000_000, 0))))
    assert slot.devices["load-b"].drawn_j == 2_500 * SLOT_S
    assert slot.devices["boiler-b"].drawn_j == 2_000 * SLOT_S
    off = world_of(tiny).happen(0, gates_of())
    assert off.devices["boiler-b"].drawn_j == 0


def test_a_roof_that_is_sold_out_follows_the_sun_and_another_is_curtailed(tiny: Scenario) -> None:
    """Sold out, a forecast too low means more; not sold out, the set-point is the most."""
    day = tiny.days[0]
    actual = actual_quantities(day)
    low = DayQuantities(p_w={**actual.p_w, "solar-a": (7_000, 0)}, q_var=actual.q_var)
    sold_out = world_of(tiny, low).happen(0, gates_of(gate("house-a", ("solar-a", 0, 7_000 * SLOT_S))))
    assert sold_out.devices["solar-a"].given_j == 8_000 * SLOT_S
    held_back = world_of(tiny, low).happen(0, gates_of(gate("house-a", ("solar-a", 0, 3_000 * SLOT_S))))
    assert held_back.devices["solar-a"].given_j == 3_000 * SLOT_S


def test_a_battery_moves_within_its_cells_and_its_converter(tiny: Scenario) -> None:
    """Set beyond its limits it gives what is there, and its store follows the efficiencies."""
    world = world_of(tiny)
    first = world.happen(0, gates_of(gate("house-a", ("battery-a", 0, 99_000_000))))
    assert first.devices["battery-a"].given_j == 4_000 * SLOT_S
    taken = -(-4_000 * SLOT_S * 1_000_000 // 950_000)
    assert first.stored_j["battery-a"] == 7_200_000 - taken
    second = world.happen(1, gates_of(gate("house-a", ("battery-a", 0, 99_000_000))))
    assert second.devices["battery-a"].given_j == (7_200_000 - taken) * 950_000 // 1_000_000
    assert 0 <= second.stored_j["battery-a"] < 10


def test_a_dead_member_falls_back_to_its_fail_safe_profile(tiny: Scenario) -> None:
    """Its load runs, its roof and battery stop, and its end of the tie blocks the converter."""
    gates = gates_of(gate("house-b", ports=(("tie", -880_003),)))
    del gates["house-a"]
    slot = world_of(tiny).happen(0, gates)
    assert slot.devices["load-a"].drawn_j == 1_200 * SLOT_S
    assert slot.devices["solar-a"].given_j == 0
    assert slot.devices["battery-a"] == replace(slot.devices["battery-a"], drawn_j=0, given_j=0)
    assert slot.loss_j("tie") == slot.entering_j["house-b", "tie"] == 0
    assert_balanced(tiny, slot)


def test_a_part_without_a_voltage_reference_is_refused(tiny: Scenario) -> None:
    """A bus that only converters reach cannot be run: the sentence names it and the remedy."""
    links = tuple(
        replace(k, kind=ScenarioLinkKind.CONTROLLED) if k.name == "line-b" else k for k in tiny.links
    )
    with pytest.raises(UsageError, match=r"house-b.*add a RADIAL link"):
        world_of(replace(tiny, links=links))
