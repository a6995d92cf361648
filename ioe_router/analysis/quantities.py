"""What the assets could do on a day, as forecast or as it came, and what they did.

The optimum and the baselines take `DayQuantities`, so the same code answers
"with the same forecasts" and "with foresight".  Assets fall into five groups
here; everything after this module works on groups, not on kinds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ioe_router.scenario.model import Asset, AssetKind, Day, Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class DayQuantities:
    """Power of every asset in every slot: consumption of loads, available power of sources.

    Assets not named stand at zero; entries of batteries, the utility and CHP
    plants (available at their nameplate) are not read.  `q_var` is consumed.
    """

    p_w: Mapping[str, Sequence[int]]
    q_var: Mapping[str, Sequence[int]]


def actual_quantities(day: Day) -> DayQuantities:
    """What really happened: the profiles of the day."""
    return DayQuantities(
        p_w={name: asset.p_w for name, asset in day.assets.items()},
        q_var={name: asset.q_var for name, asset in day.assets.items()},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetGroups:
    """The assets of a scenario by what can be decided about them, in file order."""

    loads: tuple[Asset, ...]
    flexible: tuple[Asset, ...]
    sources: tuple[Asset, ...]
    batteries: tuple[Asset, ...]
    utility: Asset


def asset_groups(scenario: Scenario) -> AssetGroups:
    """Sort the assets into groups.

    Raises:
        ValueError: there is not exactly one utility, at the slack bus.
    """
    utilities = [a for a in scenario.assets if a.kind is AssetKind.UTILITY]
    if len(utilities) != 1 or utilities[0].bus != scenario.slack:
        raise ValueError(f"the scenario needs exactly one utility, at its slack bus {scenario.slack!r}")
    other = (AssetKind.LOAD, AssetKind.FLEXIBLE, AssetKind.BATTERY, AssetKind.UTILITY)
    return AssetGroups(
        loads=tuple(a for a in scenario.assets if a.kind is AssetKind.LOAD),
        flexible=tuple(a for a in scenario.assets if a.kind is AssetKind.FLEXIBLE),
        sources=tuple(a for a in scenario.assets if a.kind not in other),
        batteries=tuple(a for a in scenario.assets if a.kind is AssetKind.BATTERY),
        utility=utilities[0],
    )


def power_w(quantities: DayQuantities, asset: Asset, slots: int) -> tuple[int, ...]:
    """What the asset consumes or could produce, per slot.

    Raises:
        ValueError: its profile does not cover the day or is negative.
    """
    if asset.kind is AssetKind.CHP:
        return (asset.p_max_w,) * slots
    profile = tuple(quantities.p_w.get(asset.name, (0,) * slots))
    if len(profile) != slots or min(profile) < 0:
        raise ValueError(f"asset {asset.name!r} needs {slots} powers of at least 0 W")
    return profile


def reactive_by_bus(scenario: Scenario, quantities: DayQuantities, slots: int) -> dict[str, list[int]]:
    """Reactive power consumed at every bus, var, per slot."""
    total = {bus.name: [0] * slots for bus in scenario.buses}
    for asset in scenario.assets:
        for slot, q_var in enumerate(quantities.q_var.get(asset.name, ())):
            total[asset.bus][slot] += q_var
    return total
