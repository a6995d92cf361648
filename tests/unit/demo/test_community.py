"""What each router of a scenario is told: keepers, attestations, parties."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ioe_router.analysis.quantities import actual_quantities
from ioe_router.community.layout import (
    attestation_of,
    epoch_start_utc_s,
    network_parameters,
    places,
    places_at,
    router_config,
)
from ioe_router.community.planning import area_forecast, base_case
from ioe_router.config import RouterConfig
from ioe_router.model.discovery import LinkKind
from ioe_router.model.envelope import Envelope, ObjectType
from ioe_router.model.ids import NodeId
from ioe_router.scenario import bundled, load_scenario
from ioe_router.scenario.model import Scenario, ScenarioLinkKind

TINY = Path(__file__).parents[2] / "scenarios" / "tiny"


@pytest.fixture
def tiny() -> Scenario:
    """Two houses, a square and the utility."""
    return load_scenario(TINY)


def nodes_of(scenario: Scenario) -> dict[str, NodeId]:
    """Made-up node ids."""
    return {bus.name: NodeId(bytes([i]) * 32) for i, bus in enumerate(scenario.buses)}


def config_of(scenario: Scenario, bus: str) -> RouterConfig:
    """A bus's configuration; attestations are not looked at here."""
    signed = {
        k.name: Envelope(type=ObjectType.LINK_ATTESTATION, signed=k.name.encode(), signatures=())
        for k in scenario.links
    }
    return router_config(scenario, scenario.days[0], bus, nodes_of(scenario), signed)


@pytest.mark.parametrize("name", ["village", "feeder33"])
def test_the_keeper_of_a_radial_link_is_its_parent_end(name: str) -> None:
    """Every place names both ends of its link, and a RADIAL link is kept at its parent end."""
    scenario = bundled(name)
    for place in places(scenario):
        assert {place.keeper, place.other} == {place.link.parent, place.link.child}
        if place.link.kind is ScenarioLinkKind.RADIAL:
            assert place.keeper == place.link.parent


def test_a_link_that_is_kept_by_its_child_end_is_attested_the_other_way_round(tiny: Scenario) -> None:
    """Where the child is nearer to the first bus it keeps the link: ratings and fees change places."""
    turned = replace(
        tiny,
        links=tuple(
            replace(k, parent="house-b", child="grid", rating_down_va=111, fee_down_micro_per_kwh=7)
            if k.name == "tie"
            else k
            for k in tiny.links
        ),
    )
    place = next(p for p in places(turned) if p.link.name == "tie")
    assert (place.keeper, place.other) == ("grid", "house-b")
    body = attestation_of(turned, place, 400_000, nodes_of(turned), 0)
    assert (body.rating_down_va, body.rating_up_va) == (3_000, 111)
    assert (body.fee_down_micro_per_kwh, body.fee_up_micro_per_kwh) == (1_000, 7)


def test_only_a_radial_link_to_a_last_bus_is_an_access_link(tiny: Scenario) -> None:
    """Behind line-a and line-b lies the tie, so neither is an access link; without the tie both are."""

    def access(scenario: Scenario) -> set[str]:
        return {
            p.link.name
            for p in places(scenario)
            if attestation_of(scenario, p, 1, nodes_of(scenario), 0).access
        }

    assert access(tiny) == set()
    assert access(replace(tiny, links=tuple(k for k in tiny.links if k.name != "tie"))) == {
        "line-a",
        "line-b",
    }


def test_a_router_is_told_its_neighbours_and_its_party(tiny: Scenario) -> None:
    """One neighbour for each link, the utility's node as balance party, itself for none."""
    nodes = nodes_of(tiny)
    config = config_of(tiny, "house-a")
    assert [n.node for n in config.neighbors] == [nodes["square"], nodes["house-b"]]
    assert config.balance_party == nodes["grid"]
    assert config_of(tiny, "grid").balance_party is None
    assert (config.connection_import_w, config.connection_export_w) == (15_000, 15_000)
    assert config.reactive_max_var >= 350
    assert len(places_at(tiny, "square")) == 3


def test_a_days_routers_start_before_its_first_slot_opens_and_after_the_one_before_has(
    tiny: Scenario,
) -> None:
    """The first slot that opens to them is the day's first."""
    day = tiny.days[0]
    start = epoch_start_utc_s(tiny, day)
    offer_s = network_parameters(tiny.market).timetable.offer_s
    assert day.start_utc_s - tiny.market.slot_s - offer_s < start < day.start_utc_s - offer_s


def test_the_base_case_gives_plausible_planning_voltages_and_losses() -> None:
    """In the village every planning voltage is in the band, and the loss at the peak is a few percent."""
    scenario = bundled("village")
    day = scenario.days[1]
    base = base_case(scenario, day, actual_quantities(day))
    market = scenario.market
    for link in scenario.links:
        planning_micro_pu = base.planning_mv[link.name] * 1_000_000 // link.vn_mv
        assert market.voltage_min_micro_pu < planning_micro_pu < market.voltage_max_micro_pu
    assert 0 < base.loss_at_peak_ppm < 100_000


def test_the_area_forecast_adds_up(tiny: Scenario) -> None:
    """Demand and steps are those of the scenario; the flexible load stands on both sides."""
    day = tiny.days[0]
    expected = actual_quantities(day)
    area = area_forecast(tiny, day, expected, base_case(tiny, day, expected))
    assert area.slots[0].demand_j == (1_200 + 2_500 + 2_000) * 900
    assert area.slots[0].steps == ((20_000, 8_000 * 900), (150_000, 2_000 * 900))
    assert area.storage_j == 28_800_000
    assert LinkKind.RADIAL in {attestation_of(tiny, p, 1, nodes_of(tiny), 0).kind for p in places(tiny)}
