"""The loss model of every link for a day, as the optimum and the static baseline see it.

Protocol section 5: L = a (V/Vn)^2 + b|F| + k F^2 + k Q^2 with k = r/V^2 + c, F
the net active power at mid-link, half of the loss at each end.  The part that
does not depend on F is forecast beforehand: Q comes from a sweep up the trees
with the members' reactive forecasts at nominal voltage, V is nominal - unless
an AC power flow of an earlier solution is given, then both are taken from it
(one such round brings the optimum onto the AC optimal power flow).

Limits hold at the end where more power passes: |F| + half of the loss.  They
default to the rating without the forecast margin, the reactive flow taken off
by Pythagoras.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ioe_router.analysis.powerflow import SlotPhysics
from ioe_router.analysis.quantities import DayQuantities, reactive_by_bus
from ioe_router.analysis.topology import zones
from ioe_router.scenario.model import Scenario, ScenarioLinkKind

FloatArray = NDArray[np.float64]
Limit: TypeAlias = int | Sequence[int]  # watts, for the whole day or per slot


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkModel:
    """Arrays of shape (links, slots), links in file order; watts, var and 1/W."""

    k_per_w: FloatArray
    b: FloatArray
    standing_w: FloatArray
    limit_down_w: FloatArray
    limit_up_w: FloatArray

    def flow_loss_w(self, flow_w: FloatArray) -> FloatArray:
        """The part of the loss that the flow causes."""
        loss: FloatArray = self.b * np.abs(flow_w) + self.k_per_w * flow_w**2
        return loss

    def loss_w(self, flow_w: FloatArray) -> FloatArray:
        """The whole loss, standing part included."""
        return self.flow_loss_w(flow_w) + self.standing_w


def link_model(
    scenario: Scenario,
    quantities: DayQuantities,
    slots: int,
    *,
    limits_w: Mapping[str, tuple[Limit, Limit]] | None = None,
    physics: Sequence[SlotPhysics] | None = None,
) -> LinkModel:
    """The loss model of a day.

    `limits_w` gives (down, up) by link name and replaces the default of the
    links it names; `physics` supplies V and Q of an earlier solution.

    Raises:
        ValueError: a limit names no link, or `physics` does not cover the day.
    """
    if physics is None:
        v2, q_var = np.ones((len(scenario.links), slots)), _swept_q(scenario, quantities, slots)
    elif len(physics) == slots:
        v2, q_var = _measured(scenario, physics)
    else:
        raise ValueError(f"the physics cover {len(physics)} slots, the day has {slots}")
    k = _column([link.r_micro_ohm * 1e-6 / (link.vn_mv * 1e-3) ** 2 for link in scenario.links]) / v2
    k += _column([link.c_pico_per_w * 1e-12 for link in scenario.links])
    iron = _column([link.iron_milli_w * 1e-3 for link in scenario.links])
    down, up = _limits(scenario, q_var, limits_w or {})
    return LinkModel(
        k_per_w=k,
        b=_column([link.b_ppm * 1e-6 for link in scenario.links]) * np.ones((1, slots)),
        standing_w=iron * (v2 if physics is None else _iron_v2(scenario, physics)) + k * q_var**2,
        limit_down_w=down,
        limit_up_w=up,
    )


def _column(values: Sequence[float]) -> FloatArray:
    return np.array(values, dtype=np.float64).reshape(-1, 1)


def _swept_q(scenario: Scenario, quantities: DayQuantities, slots: int) -> FloatArray:
    """Reactive power at mid-link, from the leaves inwards, at nominal voltage."""
    index = {link.name: i for i, link in enumerate(scenario.links)}
    below = {
        bus: np.array(q, dtype=np.float64) for bus, q in reactive_by_bus(scenario, quantities, slots).items()
    }
    mid = np.zeros((len(scenario.links), slots))
    for zone in zones(scenario):
        for link in zone.inwards:
            mid[index[link.name]] = below[link.child] - link.charging_var / 2
            below[link.parent] += mid[index[link.name]] - link.charging_var / 2 + link.magnetising_var
    return mid


def _measured(scenario: Scenario, physics: Sequence[SlotPhysics]) -> tuple[FloatArray, FloatArray]:
    """(V/Vn)^2 and Q at mid-link, behind the tap, of every link in an AC solution."""
    v2 = np.ones((len(scenario.links), len(physics)))
    q_var = np.zeros_like(v2)
    for i, link in enumerate(scenario.links):
        if link.kind is ScenarioLinkKind.CONTROLLED:
            continue
        for slot, state in enumerate(physics):
            parent = state.voltage_micro_pu[link.parent] * 1e-6
            child = state.voltage_micro_pu[link.child] * 1e-6
            v2[i, slot] = ((parent * link.tap_ratio_ppm * 1e-6 + child) / 2) ** 2
            ends = state.links[link.name]
            above = ends.q_parent_var - (link.magnetising_var - link.charging_var / 2) * parent**2
            beneath = -ends.q_child_var - link.charging_var / 2 * child**2
            q_var[i, slot] = (above + beneath) / 2
    return v2, q_var


def _iron_v2(scenario: Scenario, physics: Sequence[SlotPhysics]) -> FloatArray:
    v_pu = [[state.voltage_micro_pu[link.parent] * 1e-6 for state in physics] for link in scenario.links]
    passive = [[link.kind is ScenarioLinkKind.RADIAL] for link in scenario.links]
    squared: FloatArray = np.where(np.array(passive), np.array(v_pu) ** 2, 1.0)
    return squared


def _limits(
    scenario: Scenario, q_var: FloatArray, limits_w: Mapping[str, tuple[Limit, Limit]]
) -> tuple[FloatArray, FloatArray]:
    names = [link.name for link in scenario.links]
    for name in limits_w:
        if name not in names:
            raise ValueError(f"a limit names link {name!r}, which the scenario does not have")
    share = 1 - scenario.market.forecast_margin_ppm * 1e-6
    ratings = (
        _column([k.rating_down_va for k in scenario.links]),
        _column([k.rating_up_va for k in scenario.links]),
    )
    both = []
    for direction, rating in enumerate(ratings):
        limit = np.sqrt(np.maximum((rating * share) ** 2 - q_var**2, 0.0))
        for i, name in enumerate(names):
            if name in limits_w:
                limit[i] = np.asarray(limits_w[name][direction], dtype=np.float64)
        both.append(limit)
    return both[0], both[1]
