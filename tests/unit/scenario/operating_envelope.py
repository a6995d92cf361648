"""The zone root's common-factor operating envelope, worked out on a whole scenario.

An independent reading of the rule, for tests of the bundled scenarios only:
`w_l = min(rating, sum of the limits below l, CONTROLLED ends included)`, and the
largest `alpha <= 1` for which every path from the root keeps
`sum 2 (r alpha w_l + x Q_l)` inside the squared-voltage headroom less guard.
Floats, per unit of each bus's nominal voltage.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ioe_router.scenario.model import AssetKind, Bus, Scenario, ScenarioLink, ScenarioLinkKind

Direction = Literal["down", "up"]
MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """alpha of one direction and, by link name, the W that every member may count on."""

    alpha: float
    envelope_w: dict[str, float]
    admissible_w: dict[str, float]  # the smaller of envelope and rating less Q, less margin


def radial_links(scenario: Scenario) -> list[ScenarioLink]:
    """The links of the tree."""
    return [link for link in scenario.links if link.kind is ScenarioLinkKind.RADIAL]


def buses_below(scenario: Scenario) -> dict[str, frozenset[str]]:
    """For each RADIAL link the buses on its far side of the slack."""
    children: dict[str, list[str]] = {}
    for link in radial_links(scenario):
        children.setdefault(link.parent, []).append(link.child)

    def gather(bus: str) -> frozenset[str]:
        below = [gather(child) for child in children.get(bus, ())]
        return frozenset({bus}).union(*below)

    return {link.name: gather(link.child) for link in radial_links(scenario)}


def path_to(scenario: Scenario, bus: str) -> list[ScenarioLink]:
    """The RADIAL links from the slack to `bus`."""
    feeding = {link.child: link for link in radial_links(scenario)}
    path: list[ScenarioLink] = []
    while bus != scenario.slack:
        path.append(feeding[bus])
        bus = feeding[bus].parent
    return path[::-1]


def reactive_var(scenario: Scenario) -> dict[str, int]:
    """The largest reactive power through each RADIAL link in any slot, charging left out."""
    below = buses_below(scenario)
    largest: dict[str, int] = {}
    for link in radial_links(scenario):
        names = [asset.name for asset in scenario.assets if asset.bus in below[link.name]]
        largest[link.name] = max(
            abs(sum(day.assets[name].q_var[slot] for name in names)) + link.magnetising_var
            for day in scenario.days
            for slot in range(day.slots)
        )
    return largest


def operating_envelope(scenario: Scenario, direction: Direction) -> Envelope:
    """The common-factor envelope of one direction."""
    wanted = {link.name: _wanted(scenario, link, direction) for link in radial_links(scenario)}
    var = reactive_var(scenario)
    alpha = min(
        1.0,
        *(_path_alpha(scenario, bus, direction, wanted, var) for bus in scenario.buses),
    )
    envelope = {name: alpha * power_w for name, power_w in wanted.items()}
    admissible = {
        link.name: min(envelope[link.name], _thermal(scenario, link, direction, var))
        for link in radial_links(scenario)
    }
    return Envelope(alpha=alpha, envelope_w=envelope, admissible_w=admissible)


def _wanted(scenario: Scenario, link: ScenarioLink, direction: Direction) -> float:
    below = buses_below(scenario)[link.name]
    buses = [bus for bus in scenario.buses if bus.name in below]
    ties = [other for other in scenario.links if other.kind is ScenarioLinkKind.CONTROLLED]
    through_ties = sum(
        max(tie.rating_down_va, tie.rating_up_va)
        for tie in ties
        for end in (tie.parent, tie.child)
        if end in below
    )
    if direction == "down":
        limits = sum(bus.import_limit_w for bus in buses)
        return min(link.rating_down_va, limits + through_ties)
    limits = sum(bus.export_limit_w for bus in buses)
    return min(link.rating_up_va, limits + through_ties)


def _path_alpha(
    scenario: Scenario,
    bus: Bus,
    direction: Direction,
    wanted: dict[str, float],
    var: dict[str, int],
) -> float:
    market = scenario.market
    idle = market.slack_voltage_micro_pu / MILLION
    active, reactive = 0.0, 0.0
    for link in path_to(scenario, bus.name):
        vn_squared = (link.vn_mv / 1e3) ** 2
        idle *= link.tap_ratio_ppm / MILLION
        active += 2 * link.r_micro_ohm / MILLION * wanted[link.name] / vn_squared
        reactive += 2 * link.x_micro_ohm / MILLION * var[link.name] / vn_squared
    guard = market.voltage_guard_micro_pu
    if direction == "down":
        lowest = (market.voltage_min_micro_pu + guard) / MILLION
        headroom = idle**2 - lowest**2 - reactive
    else:
        highest = (market.voltage_max_micro_pu - guard) / MILLION
        headroom = highest**2 - idle**2
    return headroom / active if active else math.inf


def _thermal(scenario: Scenario, link: ScenarioLink, direction: Direction, var: dict[str, int]) -> float:
    market = scenario.market
    rating_va = link.rating_down_va if direction == "down" else link.rating_up_va
    low = market.voltage_min_micro_pu / MILLION
    power_w = math.sqrt(max((rating_va * low) ** 2 - var[link.name] ** 2, 0.0))
    return power_w - rating_va * market.forecast_margin_ppm / MILLION


def firm_below_w(scenario: Scenario) -> dict[str, int]:
    """The largest firm demand behind each RADIAL link in any slot."""
    return _largest_below(scenario, AssetKind.LOAD)


def solar_below_w(scenario: Scenario) -> dict[str, int]:
    """The largest solar production behind each RADIAL link in any slot."""
    return _largest_below(scenario, AssetKind.SOLAR)


def _largest_below(scenario: Scenario, kind: AssetKind) -> dict[str, int]:
    below = buses_below(scenario)
    largest: dict[str, int] = {}
    for link in radial_links(scenario):
        names = [a.name for a in scenario.assets if a.kind is kind and a.bus in below[link.name]]
        largest[link.name] = max(
            sum(day.assets[name].p_w[slot] for name in names)
            for day in scenario.days
            for slot in range(day.slots)
        )
    return largest
