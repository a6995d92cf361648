"""The RADIAL trees of a scenario, from their references to their leaves.

A zone is a component of RADIAL links.  Exactly one zone holds the slack bus;
every other zone hangs on CONTROLLED links only, and the first of its buses in
file order carries its voltage reference.  The power flow needs one reference
per zone, the reactive forecast and the voltage planning need the links in
order from the leaves inwards.  SPEC: zones and their root.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from ioe_router.scenario.model import Scenario, ScenarioLink, ScenarioLinkKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """One tree of RADIAL links; `inwards` lists its links from the leaves to the reference."""

    reference: str
    buses: tuple[str, ...]
    inwards: tuple[ScenarioLink, ...]


def zones(scenario: Scenario) -> tuple[Zone, ...]:
    """The zones of a scenario, the slack's first.

    Raises:
        ValueError: a link names an unknown bus, or RADIAL links close a loop.
    """
    touching = _radial_links_by_bus(scenario)
    seen: set[str] = set()
    found: list[Zone] = []
    for bus in (scenario.slack, *(b.name for b in scenario.buses)):
        if bus not in seen:
            found.append(_walk(bus, touching))
            seen.update(found[-1].buses)
    return tuple(found)


def _radial_links_by_bus(scenario: Scenario) -> dict[str, list[ScenarioLink]]:
    touching: dict[str, list[ScenarioLink]] = {bus.name: [] for bus in scenario.buses}
    if scenario.slack not in touching:
        raise ValueError(f"the slack bus {scenario.slack!r} is not among the buses: name one of them")
    for link in scenario.links:
        for end in (link.parent, link.child):
            if end not in touching:
                raise ValueError(f"link {link.name!r} ends at {end!r}, which is no bus: correct its ends")
            if link.kind is ScenarioLinkKind.RADIAL:
                touching[end].append(link)
    return touching


def _walk(root: str, touching: dict[str, list[ScenarioLink]]) -> Zone:
    reached: dict[str, str] = {root: ""}  # bus -> link over which it was reached
    outwards: list[ScenarioLink] = []
    queue = deque([root])
    while queue:
        bus = queue.popleft()
        for link in touching[bus]:
            if link.name == reached[bus]:
                continue
            far = link.child if link.parent == bus else link.parent
            if far in reached:
                raise ValueError(
                    f"RADIAL link {link.name!r} closes a loop: make one link of the loop CONTROLLED"
                )
            reached[far] = link.name
            outwards.append(link)
            queue.append(far)
    return Zone(reference=root, buses=tuple(reached), inwards=tuple(reversed(outwards)))
