"""Two days to compare with: no community at all, and routing that does not look.

`utility_only`: every bus uses its own production first, buys the rest from the
utility at retail and sells its surplus at the feed-in price; batteries stand
still, converters are off.  The grid's losses come from the AC power flow and
are bought at retail.  What must be bought and what must be sold do not offset
each other between buses: that would be trade.

`static_path`: the community trades, but every trade takes the path of least
resistance that was fixed beforehand, whatever already flows there, and takes it
with the whole demand at once.  Sources are taken in order of their marginal
price, as in the optimum; batteries follow a given schedule.  Losses follow the
same link model as the optimum (`linkmodel`), so only the routing differs.
Connection limits of buses are not checked here, link limits are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ioe_router.analysis.cost import CommunityCost, DayEnergy, community_cost
from ioe_router.analysis.linkmodel import Limit, link_model
from ioe_router.analysis.powerflow import PowerFlow, SetPoint, SlotInjections, joules
from ioe_router.analysis.quantities import (
    AssetGroups,
    DayQuantities,
    asset_groups,
    power_w,
    reactive_by_bus,
)
from ioe_router.analysis.staticpath import SlotTrade, StaticNetwork, trade_slot
from ioe_router.scenario.model import Asset, Bus, Day, Scenario, ScenarioLinkKind


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineResult:
    """A baseline's day; unserved energy and loss stand in `energy`."""

    cost: CommunityCost
    energy: DayEnergy


# ---------------------------------------------------------------- utility only


@dataclass(slots=True)
class _BusSlot:
    """What one bus does in one slot on its own, watts."""

    bought: int
    sold: int
    produced: dict[str, int]
    unserved: dict[str, int]


def utility_only(scenario: Scenario, day: Day, quantities: DayQuantities) -> BaselineResult:
    """The day in which everybody deals with the utility alone.

    Raises:
        ValueError: a bus is reached over CONTROLLED links only, so that without
            trade nothing could supply it.
        PowerFlowError: the grid cannot carry such a day.
    """
    flow = PowerFlow(scenario)
    if len(flow.references) > 1:
        raise ValueError(
            f"bus {flow.references[1]!r} is reached over CONTROLLED links only: "
            "the utility-only day needs a RADIAL tree to every bus"
        )
    alone = [_alone(scenario, day, quantities, slot) for slot in range(day.slots)]
    reactive = reactive_by_bus(scenario, quantities, day.slots)
    idle = _idle_converters(scenario)
    states = flow.run(
        [
            SlotInjections(
                p_w={bus: one.sold - one.bought for bus, one in buses.items()},
                q_var={bus: q[slot] for bus, q in reactive.items()},
                set_points=idle,
            )
            for slot, buses in enumerate(alone)
        ]
    )
    losses_j = [joules(state.loss_w, scenario.market.slot_s) for state in states]
    energy = _alone_energy(scenario, alone, losses_j)
    return BaselineResult(cost=community_cost(scenario, day, energy), energy=energy)


def _idle_converters(scenario: Scenario) -> dict[str, SetPoint]:
    """Converters that pass nothing still draw their stand-by, half at each end."""
    halves = {
        link.name: round(link.iron_milli_w / 2000)
        for link in scenario.links
        if link.kind is ScenarioLinkKind.CONTROLLED
    }
    return {name: SetPoint(parent_w=half, child_w=half) for name, half in halves.items()}


def _alone(scenario: Scenario, day: Day, quantities: DayQuantities, slot: int) -> dict[str, _BusSlot]:
    groups = asset_groups(scenario)
    prices = day.retail_micro_per_kwh[slot], day.feed_in_micro_per_kwh[slot]
    now = {a.name: power_w(quantities, a, day.slots)[slot] for a in _profiled(groups)}
    return {bus.name: _bus_alone(bus, groups, now, prices) for bus in scenario.buses}


def _profiled(groups: AssetGroups) -> tuple[Asset, ...]:
    return (*groups.loads, *groups.flexible, *groups.sources)


def _bus_alone(bus: Bus, groups: AssetGroups, now: dict[str, int], prices: tuple[int, int]) -> _BusSlot:
    """Own production for own use where it is cheaper, the utility for the rest."""
    retail, feed_in = prices
    own = sorted((a for a in groups.sources if a.bus == bus.name), key=lambda a: a.price_micro_per_kwh)
    left = {a.name: now[a.name] for a in own}
    result = _BusSlot(bought=0, sold=0, produced={}, unserved={})
    result.bought += _use_own(own, left, retail, sum(now[a.name] for a in groups.loads if a.bus == bus.name))
    wishes = [a for a in groups.flexible if a.bus == bus.name]
    for wish in sorted(wishes, key=lambda a: -a.price_micro_per_kwh):
        short = now[wish.name]
        if wish.price_micro_per_kwh >= feed_in:  # else selling the surplus is worth more
            short = _use_own(own, left, min(retail, wish.price_micro_per_kwh), short)
        served_outside = wish.price_micro_per_kwh >= retail
        result.bought += short if served_outside else 0
        result.unserved[wish.name] = 0 if served_outside else short
    for source in own:
        if source.price_micro_per_kwh < feed_in:
            sold = min(left[source.name], bus.export_limit_w - result.sold)
            left[source.name] -= sold
            result.sold += sold
    result.produced = {a.name: now[a.name] - left[a.name] for a in own}
    return result


def _use_own(own: list[Asset], left: dict[str, int], price_limit: int, need_w: int) -> int:
    """Take `need_w` from own sources below a price; returns what is still missing."""
    for source in own:
        if source.price_micro_per_kwh <= price_limit:
            taken = min(need_w, left[source.name])
            left[source.name] -= taken
            need_w -= taken
    return need_w


def _alone_energy(
    scenario: Scenario, alone: Sequence[Mapping[str, _BusSlot]], losses_j: Sequence[int]
) -> DayEnergy:
    slot_s, groups = scenario.market.slot_s, asset_groups(scenario)
    stored = {a.name: a.start_j for a in groups.batteries}

    return DayEnergy(
        import_j=tuple(
            slot_s * sum(one.bought for one in buses.values()) + loss
            for buses, loss in zip(alone, losses_j, strict=True)
        ),
        export_j=tuple(slot_s * sum(one.sold for one in buses.values()) for buses in alone),
        source_j={
            a.name: slot_s * sum(buses[a.bus].produced[a.name] for buses in alone) for a in groups.sources
        },
        flexible_unserved_j={
            a.name: slot_s * sum(buses[a.bus].unserved[a.name] for buses in alone) for a in groups.flexible
        },
        battery_start_j=stored,
        battery_end_j=stored,
        unserved_j=0,
        loss_j=sum(losses_j),
        fees_micro=0,
    )


# ---------------------------------------------------------------- static paths


def static_path(
    scenario: Scenario,
    day: Day,
    quantities: DayQuantities,
    *,
    battery_w: Mapping[str, Sequence[float]],
    limits_w: Mapping[str, tuple[Limit, Limit]] | None = None,
) -> BaselineResult:
    """The day in which every trade takes its fixed shortest path.

    `battery_w`: net export of each battery per slot, discharge positive, as in
    `OptimumResult.asset_p_w`; batteries not named stand still.

    Raises:
        ValueError: limits or quantities do not fit the scenario.
    """
    model = link_model(scenario, quantities, day.slots, limits_w=limits_w)
    network = StaticNetwork(scenario)
    groups = asset_groups(scenario)
    trades = [
        trade_slot(
            network=network,
            model=model,
            slot=slot,
            powers={a.name: float(power_w(quantities, a, day.slots)[slot]) for a in _profiled(groups)}
            | {a.name: float(battery_w[a.name][slot]) for a in groups.batteries if a.name in battery_w},
            retail=day.retail_micro_per_kwh[slot],
            feed_in=day.feed_in_micro_per_kwh[slot],
        )
        for slot in range(day.slots)
    ]
    energy = _traded_energy(scenario, trades)
    return BaselineResult(cost=community_cost(scenario, day, energy), energy=energy)


def _traded_energy(scenario: Scenario, trades: Sequence[SlotTrade]) -> DayEnergy:
    slot_s, groups = scenario.market.slot_s, asset_groups(scenario)

    def day_j(name: str, slots: Sequence[Mapping[str, float]]) -> int:
        return sum(joules(powers.get(name, 0.0), slot_s) for powers in slots)

    produced = [trade.produced_w for trade in trades]
    charged = [trade.charged_w for trade in trades]
    unserved = [trade.unserved_w for trade in trades]
    return DayEnergy(
        import_j=tuple(joules(trade.import_w, slot_s) for trade in trades),
        export_j=tuple(joules(trade.export_w, slot_s) for trade in trades),
        source_j={a.name: day_j(a.name, produced) for a in groups.sources},
        flexible_unserved_j={a.name: day_j(a.name, unserved) for a in groups.flexible},
        battery_start_j={a.name: a.start_j for a in groups.batteries},
        battery_end_j={
            a.name: a.start_j
            + day_j(a.name, charged) * a.charge_efficiency_ppm // 1_000_000
            - day_j(a.name, produced) * 1_000_000 // a.discharge_efficiency_ppm
            for a in groups.batteries
        },
        unserved_j=sum(day_j(a.name, unserved) for a in groups.loads),
        loss_j=sum(joules(trade.loss_w, slot_s) for trade in trades),
        fees_micro=round(sum(trade.fees_micro_w_per_kwh for trade in trades) * slot_s / 3_600_000),
    )
