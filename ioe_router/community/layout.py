"""From a scenario to what each of its routers is told: links, attestations, limits, policy.

One bus is one router.  The keeper of a RADIAL link is its parent end; of a
CONTROLLED link it is the end nearer the scenario's first bus, counted in
links.  A RADIAL link to a bus with nothing behind it is an access link: it
publishes no link state.  All members name the utility's node as their
balance-responsible party.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from ioe_router.analysis.quantities import asset_groups
from ioe_router.config import DomainConfig, NeighborConfig, RouterConfig, Timers
from ioe_router.model.discovery import LinkAttestation, LinkKind, LossModel
from ioe_router.model.envelope import Envelope
from ioe_router.model.ids import NodeId
from ioe_router.model.parameters import NetworkParameters
from ioe_router.scenario.model import Day, Market, Scenario, ScenarioLink, ScenarioLinkKind

LINK_STATE_STEPS: Final = 24
LINK_STATE_MS: Final = 500  # many updates a band: who plans on older figures crowds the same ties
LIFETIME_S: Final = 2 * 86_400
PPM: Final = 1_000_000
FORECAST_CLIP: Final = 3  # standard deviations, as in `forecasts.py`
PREPARATION_S: Final = 300  # scenario time in which routers find each other before the first slot opens
_KINDS: Final = {
    ScenarioLinkKind.RADIAL: LinkKind.RADIAL,
    ScenarioLinkKind.CONTROLLED: LinkKind.CONTROLLED,
}


def network_parameters(market: Market) -> NetworkParameters:
    """What all routers of the scenario agree on."""
    return NetworkParameters(
        network_id=market.network_id,
        currency=market.currency,
        slot_s=market.slot_s,
        reference_price_micro_per_kwh=market.reference_price_micro_per_kwh,
        floor_micro_per_kwh=market.floor_micro_per_kwh,
        link_state_steps=LINK_STATE_STEPS,
        voltage_min_micro_pu=market.voltage_min_micro_pu,
        voltage_max_micro_pu=market.voltage_max_micro_pu,
        voltage_guard_micro_pu=market.voltage_guard_micro_pu,
    )


def epoch_start_utc_s(scenario: Scenario, day: Day) -> int:
    """When a day's routers start: enough before the first slot opens, and after the slot before it has."""
    timetable = network_parameters(scenario.market).timetable
    return day.start_utc_s - timetable.offer_s - min(PREPARATION_S, scenario.market.slot_s - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPlace:
    """A scenario's link with the end that keeps its ledger."""

    link: ScenarioLink
    keeper: str
    other: str

    @property
    def keeper_is_parent(self) -> bool:
        """Whether the protocol's DOWN is the scenario's parent-to-child."""
        return self.keeper == self.link.parent

    def end_opposite(self, bus: str) -> str:
        """The bus at the other end."""
        return self.other if bus == self.keeper else self.keeper


def places(scenario: Scenario) -> tuple[LinkPlace, ...]:
    """All links in file order with their keepers."""
    distance = _distances(scenario)
    return tuple(_place(link, distance) for link in scenario.links)


def places_at(scenario: Scenario, bus: str) -> tuple[LinkPlace, ...]:
    """The links of one bus."""
    return tuple(place for place in places(scenario) if bus in (place.keeper, place.other))


def _place(link: ScenarioLink, distance: Mapping[str, tuple[int, int]]) -> LinkPlace:
    ends = (link.parent, link.child)
    if link.kind is ScenarioLinkKind.CONTROLLED:
        ends = (link.parent, link.child) if distance[link.parent] <= distance[link.child] else ends[::-1]
    return LinkPlace(link=link, keeper=ends[0], other=ends[1])


def _distances(scenario: Scenario) -> dict[str, tuple[int, int]]:
    """Links from the first bus, and the place in the file, which settles ties."""
    near: dict[str, list[str]] = {bus.name: [] for bus in scenario.buses}
    for link in scenario.links:
        near[link.parent].append(link.child)
        near[link.child].append(link.parent)
    first = scenario.buses[0].name
    steps, queue = {first: 0}, deque([first])
    while queue:
        bus = queue.popleft()
        for next_bus in near[bus]:
            if next_bus not in steps:
                steps[next_bus] = steps[bus] + 1
                queue.append(next_bus)
    order = {bus.name: i for i, bus in enumerate(scenario.buses)}
    return {name: (steps.get(name, len(order)), order[name]) for name in order}


def attestation_of(
    scenario: Scenario, place: LinkPlace, planning_mv: int, nodes: Mapping[str, NodeId], issued_utc_s: int
) -> LinkAttestation:
    """What both ends of a link state about it."""
    link = place.link
    ratings = (link.rating_down_va, link.rating_up_va)
    fees = (link.fee_down_micro_per_kwh, link.fee_up_micro_per_kwh)
    if not place.keeper_is_parent:
        ratings, fees = ratings[::-1], fees[::-1]
    return LinkAttestation(
        network_id=scenario.market.network_id,
        keeper=nodes[place.keeper],
        other=nodes[place.other],
        number=0,
        kind=_KINDS[link.kind],
        serial=1,
        rating_down_va=ratings[0],
        rating_up_va=ratings[1],
        loss=_loss_model(link, planning_mv),
        fee_down_micro_per_kwh=fees[0],
        fee_up_micro_per_kwh=fees[1],
        access=_is_access(scenario, link),
        issued_utc_s=issued_utc_s,
        expires_utc_s=issued_utc_s + LIFETIME_S,
    )


def _loss_model(link: ScenarioLink, planning_mv: int) -> LossModel:
    return LossModel(
        vn_mv=link.vn_mv,
        planning_mv=planning_mv,
        r_micro_ohm=link.r_micro_ohm,
        x_micro_ohm=link.x_micro_ohm,
        iron_milli_w=link.iron_milli_w,
        magnetising_var=link.magnetising_var,
        charging_var=link.charging_var,
        tap_ratio_ppm=link.tap_ratio_ppm,
        b_ppm=link.b_ppm,
        c_pico_per_w=link.c_pico_per_w,
    )


def _is_access(scenario: Scenario, link: ScenarioLink) -> bool:
    if link.kind is not ScenarioLinkKind.RADIAL:
        return False
    return sum(link.child in (other.parent, other.child) for other in scenario.links) == 1


def router_config(
    scenario: Scenario,
    day: Day,
    bus: str,
    nodes: Mapping[str, NodeId],
    attestations: Mapping[str, Envelope],
    domain: DomainConfig | None = None,
) -> RouterConfig:
    """What one bus's router is told at its start; `attestations` by link, signed by both ends."""
    market, party = scenario.market, asset_groups(scenario).utility.bus
    place_of_bus = next(b for b in scenario.buses if b.name == bus)
    return RouterConfig(
        node=nodes[bus],
        parameters=network_parameters(market),
        neighbors=tuple(
            NeighborConfig(
                node=nodes[place.end_opposite(bus)],
                attestation=attestations[place.link.name],
                fee_micro_per_kwh=max(place.link.fee_down_micro_per_kwh, place.link.fee_up_micro_per_kwh),
            )
            for place in places_at(scenario, bus)
        ),
        balance_party=None if bus == party else nodes[party],
        domain=domain,
        connection_import_w=place_of_bus.import_limit_w,
        connection_export_w=place_of_bus.export_limit_w,
        reactive_max_var=_reactive_max_var(scenario, bus),
        slack_voltage_micro_pu=market.slack_voltage_micro_pu,
        imbalance_short_micro_per_kwh=day.retail_micro_per_kwh[0],
        imbalance_long_micro_per_kwh=day.feed_in_micro_per_kwh[0],
        forecast_margin_ppm=market.forecast_margin_ppm,
        timers=replace(Timers(), keepalive_ms=0, link_state_ms=LINK_STATE_MS),
    )


def _reactive_max_var(scenario: Scenario, bus: str) -> int:
    """What the connection is rated for: the most that its devices draw on any day, however badly forecast."""
    factors_ppm = {
        asset.name: PPM + FORECAST_CLIP * asset.forecast_error_ppm
        for asset in scenario.assets
        if asset.bus == bus
    }
    return max(
        (
            sum(day.assets[name].q_var[slot] * factor for name, factor in factors_ppm.items()) // PPM
            for day in scenario.days
            for slot in range(day.slots)
        ),
        default=0,
    )
