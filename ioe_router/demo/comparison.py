"""The same day done otherwise: the optimum, static paths, and everybody alone with the utility.

The optimum and the static paths plan on the forecasts that the agents had and
under the limits that the routers were held to; what the forecasts' errors cost
the community that day (actual less booked) is added to both.  Utility only,
and the optimum with foresight, take the day as it really came.

A booked shortfall of firm load is not a forecast error: it counts as bought
from outside at the retail price before the difference is taken, so that no
failure to trade hides in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ioe_router.analysis.baselines import static_path, utility_only
from ioe_router.analysis.cost import DayEnergy, amount_micro, community_cost
from ioe_router.analysis.linkmodel import Limit
from ioe_router.analysis.optimum import OptimumResult, optimum, optimum_injections
from ioe_router.analysis.powerflow import PowerFlow, SlotPhysics
from ioe_router.analysis.quantities import DayQuantities, actual_quantities, asset_groups, power_w
from ioe_router.community.world import NOTHING
from ioe_router.demo.coordinator import DayFacts
from ioe_router.demo.record import Comparison, SlotRecord

Limits = dict[str, tuple[Limit, Limit]]


def compare(facts: DayFacts, slots: Sequence[SlotRecord]) -> Comparison:
    """Cost and loss of the day and of its alternatives. ValueError: one of them has no solution."""
    scenario, day = facts.plan.scenario, facts.day
    fees_micro = _fees_micro(facts, slots)
    actual = community_cost(scenario, day, _actual_energy(facts, slots, fees_micro))
    booked = community_cost(scenario, day, _booked_energy(facts, slots, fees_micro))
    imbalance_micro = actual.without_fees_micro - booked.without_fees_micro
    limits = _limits(slots)
    plans = _Optima(facts, limits)
    expected = plans.of(facts.expected)
    foresight = plans.of(actual_quantities(day), with_fees=True)
    alone = utility_only(scenario, day, actual_quantities(day))
    batteries = {a.name: expected.asset_p_w[a.name] for a in asset_groups(scenario).batteries}
    static = static_path(scenario, day, facts.expected, battery_w=batteries, limits_w=limits)
    with_fees = plans.of(facts.expected, with_fees=True).cost.with_fees_micro
    netting = plans.of(facts.expected, with_fees=True, netting=True).cost.with_fees_micro
    return Comparison(
        community_cost_micro=actual.with_fees_micro,
        community_cost_without_fees_micro=actual.without_fees_micro,
        utility_only_cost_micro=alone.cost.with_fees_micro,
        optimum_cost_micro=with_fees + imbalance_micro,
        optimum_cost_without_fees_micro=expected.cost.without_fees_micro + imbalance_micro,
        optimum_netting_cost_micro=netting + imbalance_micro,
        optimum_foresight_cost_micro=foresight.cost.with_fees_micro,
        static_path_cost_micro=static.cost.with_fees_micro + imbalance_micro,
        optimum_unserved_j=expected.unserved_j,
        static_path_unserved_j=static.energy.unserved_j,
        optimum_loss_j=expected.loss_j,
        loss_j=sum(slot.loss_booked_ac_j for slot in slots),
    )


class _Optima:
    """Optima of one day, each brought onto the AC power flow by one round of its physics."""

    def __init__(self, facts: DayFacts, limits: Limits) -> None:
        self._facts, self._limits = facts, limits
        self._physics: dict[int, tuple[SlotPhysics, ...]] = {}

    def of(
        self, quantities: DayQuantities, *, with_fees: bool = False, netting: bool = False
    ) -> OptimumResult:
        scenario, day = self._facts.plan.scenario, self._facts.day
        physics = self._physics.get(id(quantities.p_w))
        if physics is None:
            first = optimum(scenario, day, quantities, limits_w=self._limits)
            physics = PowerFlow(scenario).run(optimum_injections(scenario, quantities, first))
            self._physics[id(quantities.p_w)] = physics
        return optimum(
            scenario,
            day,
            quantities,
            with_fees=with_fees,
            netting=netting,
            limits_w=self._limits,
            physics=physics,
        )


def _limits(slots: Sequence[SlotRecord]) -> Limits:
    """Parent-to-child and child-to-parent limits by link, slot by slot; a dead keeper's are its last."""
    limits: Limits = {}
    for i, link in enumerate(slots[0].links):
        both = [(slot.links[i].limit_down_w, slot.links[i].limit_up_w) for slot in slots]
        for k in range(1, len(both)):
            if both[k] == (0, 0):
                both[k] = both[k - 1]
        limits[link.link] = ([down for down, _ in both], [up for _, up in both])
    return limits


def _fees_micro(facts: DayFacts, slots: Sequence[SlotRecord]) -> int:
    """Fees of all booked packets: the fee of the direction times the energy at mid-link."""
    total = 0
    for slot in slots:
        for link, booked in zip(facts.plan.scenario.links, slot.links, strict=True):
            total += link.fee_down_micro_per_kwh * booked.booked_down_j
            total += link.fee_up_micro_per_kwh * booked.booked_up_j
    return amount_micro(total)


# ---------------------------------------------------------------- the day in energies


@dataclass(frozen=True, slots=True)
class _Stores:
    start_j: dict[str, int]
    end_j: dict[str, int]


def _stores(facts: DayFacts) -> _Stores:
    batteries = asset_groups(facts.plan.scenario).batteries
    return _Stores({a.name: a.start_j for a in batteries}, dict(facts.physical[-1].stored_j))


def _actual_energy(facts: DayFacts, slots: Sequence[SlotRecord], fees_micro: int) -> DayEnergy:
    groups, stores, slot_s = (
        asset_groups(facts.plan.scenario),
        _stores(facts),
        facts.plan.scenario.market.slot_s,
    )
    happened = facts.physical
    return DayEnergy(
        import_j=tuple(slot.outside_import_j for slot in slots),
        export_j=tuple(slot.outside_export_j for slot in slots),
        source_j={a.name: sum(one.devices[a.name].given_j for one in happened) for a in groups.sources},
        flexible_unserved_j={
            a.name: slot_s * sum(facts.day.assets[a.name].p_w)
            - sum(one.devices[a.name].drawn_j for one in happened)
            for a in groups.flexible
        },
        battery_start_j=stores.start_j,
        battery_end_j=stores.end_j,
        unserved_j=0,
        loss_j=sum(slot.loss_j for slot in slots),
        fees_micro=fees_micro,
    )


def _booked_energy(facts: DayFacts, slots: Sequence[SlotRecord], fees_micro: int) -> DayEnergy:
    """The day as it stood at the final gates, firm load that nobody booked bought from outside."""
    scenario, stores = facts.plan.scenario, _stores(facts)
    groups, slot_s = asset_groups(scenario), scenario.market.slot_s
    points = [{p.name: p for gate in gates.values() for p in gate.devices} for gates in facts.gates]
    outside = [_booked_outside_j(facts, slot, index) for index, slot in enumerate(slots)]
    return DayEnergy(
        import_j=tuple(max(0, energy) for energy in outside),
        export_j=tuple(max(0, -energy) for energy in outside),
        source_j={a.name: sum(p.get(a.name, NOTHING).given_j for p in points) for a in groups.sources},
        flexible_unserved_j={
            a.name: slot_s * sum(power_w(facts.expected, a, facts.day.slots))
            - sum(p.get(a.name, NOTHING).drawn_j for p in points)
            for a in groups.flexible
        },
        battery_start_j=stores.start_j,
        battery_end_j=stores.end_j,
        unserved_j=0,
        loss_j=sum(slot.loss_booked_j for slot in slots),
        fees_micro=fees_micro,
    )


def _booked_outside_j(facts: DayFacts, slot: SlotRecord, index: int) -> int:
    """Booked net import from outside; without the utility's router nothing is booked there."""
    scenario = facts.plan.scenario
    booked = facts.physical[index].booked_import_j
    own_j = sum(
        point.given_j - point.drawn_j
        for gates in (facts.gates[index],)
        if scenario.slack in gates
        for point in gates[scenario.slack].devices
    )
    not_booked_j = sum(bus.firm_not_booked_j for bus in slot.buses)
    return -booked[scenario.slack] - own_j + not_booked_j
