"""The cheapest possible day of a community: what a planner who sees all would do.

A convex program over all slots, links and assets, under the link limits the
routers are held to (protocol sections 10.3, 10.7 and 10.8).  Per link and slot

    F = f_down - f_up,   L >= b (f_down + f_up) + k F^2,
    parent gives F + (L + standing)/2,   child gives -F + (L + standing)/2

and per bus and slot what is produced, bought and unserved covers what is
consumed, sold and lost.  Slots are joined by the batteries only.  L is a
relaxation: an optimum would throw energy away in links only where energy has
no value.  A vanishing price on losses, on both flow directions and on battery
throughput removes that freedom, and the largest L - (b|F| + k F^2) that is left
is reported with the result; losses are computed from the flows, never from L.

Energy is one good here, so no optimum lets power pass a link in both
directions at once, and the gross and the netting limits admit the same optimum.
They are nevertheless two programs, so that this is seen and not assumed.

`program` holds the program itself; here stand the question and the answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ioe_router.analysis.cost import CommunityCost, DayEnergy, amount_micro, community_cost
from ioe_router.analysis.linkmodel import Limit, LinkModel, link_model
from ioe_router.analysis.powerflow import SetPoint, SlotInjections, SlotPhysics, joules
from ioe_router.analysis.program import OptimumError, Program, Solution
from ioe_router.analysis.quantities import DayQuantities, asset_groups, power_w, reactive_by_bus
from ioe_router.scenario.model import Day, Scenario, ScenarioLinkKind

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimumResult:
    """The optimal day.

    `asset_p_w`: net export of each asset to its bus (production positive, the
    utility's sale positive).  `flow_w`: mid-link flow, parent to child positive.
    `link_loss_w`: standing part included.  `max_slack_w`: how far the loss
    relaxation is from tight at its worst; far below a watt in a sound run.
    """

    cost: CommunityCost
    energy: DayEnergy
    asset_p_w: dict[str, tuple[float, ...]]
    flow_w: dict[str, tuple[float, ...]]
    link_loss_w: dict[str, tuple[float, ...]]
    max_slack_w: float

    @property
    def unserved_j(self) -> int:
        """Firm demand that even the optimum leaves unserved."""
        return self.energy.unserved_j

    @property
    def loss_j(self) -> int:
        """Loss of all links over the day."""
        return self.energy.loss_j


def optimum(
    scenario: Scenario,
    day: Day,
    quantities: DayQuantities,
    *,
    with_fees: bool = False,
    netting: bool = False,
    limits_w: Mapping[str, tuple[Limit, Limit]] | None = None,
    physics: Sequence[SlotPhysics] | None = None,
) -> OptimumResult:
    """The cheapest day under these quantities.

    `with_fees`: wheeling fees steer the optimum; they are reported either way.
    `netting`: limit the net flow of a link instead of each direction.
    `limits_w`, `physics`: see `link_model`.

    Raises:
        OptimumError: no schedule exists, or the tariff makes it unbounded.
        ValueError: limits or quantities do not fit the scenario.
    """
    for slot, (retail, feed_in) in enumerate(
        zip(day.retail_micro_per_kwh, day.feed_in_micro_per_kwh, strict=True)
    ):
        if feed_in > retail:
            raise OptimumError(f"slot {slot} pays more for feed-in than it charges: correct its prices")
    model = link_model(scenario, quantities, day.slots, limits_w=limits_w, physics=physics)
    solution = Program(scenario, day, quantities, model).solve(with_fees=with_fees, netting=netting)
    return _result(scenario, day, quantities, model, solution)


def optimum_injections(
    scenario: Scenario, quantities: DayQuantities, result: OptimumResult
) -> tuple[SlotInjections, ...]:
    """An optimum as the power flow wants it: exports without the utility, and set-points."""
    utility = asset_groups(scenario).utility.name
    slots = len(result.asset_p_w[utility])
    reactive = reactive_by_bus(scenario, quantities, slots)
    return tuple(
        SlotInjections(
            p_w=_exports(scenario, result, utility, slot),
            q_var={bus: q[slot] for bus, q in reactive.items()},
            set_points=_set_points(scenario, result, slot),
        )
        for slot in range(slots)
    )


def _exports(scenario: Scenario, result: OptimumResult, utility: str, slot: int) -> dict[str, int]:
    total = {bus.name: 0.0 for bus in scenario.buses}
    for asset in scenario.assets:
        if asset.name != utility:
            total[asset.bus] += result.asset_p_w[asset.name][slot]
    return {bus: round(power) for bus, power in total.items()}


def _set_points(scenario: Scenario, result: OptimumResult, slot: int) -> dict[str, SetPoint]:
    points = {}
    for link in scenario.links:
        if link.kind is ScenarioLinkKind.CONTROLLED:
            flow, loss = result.flow_w[link.name][slot], result.link_loss_w[link.name][slot]
            points[link.name] = SetPoint(parent_w=round(flow + loss / 2), child_w=round(loss / 2 - flow))
    return points


def _result(
    scenario: Scenario, day: Day, quantities: DayQuantities, model: LinkModel, solution: Solution
) -> OptimumResult:
    flow = solution.flow_w
    loss = model.loss_w(flow)
    energy = _energy(scenario, quantities, solution, loss)
    names = [link.name for link in scenario.links]
    return OptimumResult(
        cost=community_cost(scenario, day, energy),
        energy=energy,
        asset_p_w=_asset_powers(scenario, quantities, solution),
        flow_w=dict(zip(names, map(tuple, flow.tolist()), strict=True)),
        link_loss_w=dict(zip(names, map(tuple, loss.tolist()), strict=True)),
        max_slack_w=float(np.max(np.abs(solution.flow_loss_w - model.flow_loss_w(flow)), initial=0.0)),
    )


def _energy(
    scenario: Scenario, quantities: DayQuantities, solution: Solution, loss_w: FloatArray
) -> DayEnergy:
    groups, slots = asset_groups(scenario), loss_w.shape[1]
    wanted = {a.name: np.array(power_w(quantities, a, slots), dtype=np.float64) for a in groups.flexible}

    def day_j(powers: FloatArray) -> int:
        return sum(joules(power, scenario.market.slot_s) for power in powers.tolist())

    def slots_j(powers: FloatArray) -> tuple[int, ...]:
        return tuple(joules(power, scenario.market.slot_s) for power in powers.tolist())

    return DayEnergy(
        import_j=slots_j(solution.import_w),
        export_j=slots_j(solution.export_w),
        source_j={a.name: day_j(solution.produced_w[i]) for i, a in enumerate(groups.sources)},
        flexible_unserved_j={
            a.name: day_j(wanted[a.name] - solution.served_w[i]) for i, a in enumerate(groups.flexible)
        },
        battery_start_j={a.name: a.start_j for a in groups.batteries},
        battery_end_j={a.name: round(solution.stored_j[i, -1]) for i, a in enumerate(groups.batteries)},
        unserved_j=sum(day_j(solution.unserved_w[i]) for i in range(len(groups.loads))),
        loss_j=day_j(loss_w.sum(axis=0)),
        fees_micro=_fees_micro(scenario, solution),
    )


def _fees_micro(scenario: Scenario, solution: Solution) -> int:
    total = 0
    for link, flow in zip(scenario.links, solution.flow_w, strict=True):
        down, up = float(np.maximum(flow, 0).sum()), float(np.maximum(-flow, 0).sum())
        total += link.fee_down_micro_per_kwh * joules(down, scenario.market.slot_s)
        total += link.fee_up_micro_per_kwh * joules(up, scenario.market.slot_s)
    return amount_micro(total)


def _asset_powers(
    scenario: Scenario, quantities: DayQuantities, solution: Solution
) -> dict[str, tuple[float, ...]]:
    groups, slots = asset_groups(scenario), len(solution.import_w)
    export: dict[str, FloatArray] = {groups.utility.name: solution.import_w - solution.export_w}
    for i, asset in enumerate(groups.sources):
        export[asset.name] = solution.produced_w[i]
    for i, asset in enumerate(groups.loads):
        export[asset.name] = solution.unserved_w[i] - np.array(power_w(quantities, asset, slots))
    for i, asset in enumerate(groups.flexible):
        export[asset.name] = -solution.served_w[i]
    for i, asset in enumerate(groups.batteries):
        export[asset.name] = solution.discharge_w[i] - solution.charge_w[i]
    return {asset.name: tuple(export[asset.name].tolist()) for asset in scenario.assets}
