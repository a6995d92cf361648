"""What a grid operator works out before the day: planning voltages and the published area forecast.

The base case is the day as forecast with nobody trading and no battery moving.
Its AC power flow gives the voltage that each link's loss model is attested for
and the loss at the highest exchange with outside, which the area forecast
publishes beside demand, sources and storage.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

from ioe_router.agents.area import AreaForecast, AreaSlot
from ioe_router.analysis.powerflow import PowerFlow, SetPoint, SlotInjections, SlotPhysics
from ioe_router.analysis.quantities import DayQuantities, asset_groups, power_w, reactive_by_bus
from ioe_router.scenario.model import Asset, AssetKind, Day, Scenario, ScenarioLinkKind

_PPM = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseCase:
    """Results of the base case."""

    planning_mv: dict[str, int]  # by link, line to line, at the child's end
    peak_j: int  # largest exchange of a slot with outside
    loss_at_peak_ppm: int


def base_case(scenario: Scenario, day: Day, expected: DayQuantities) -> BaseCase:
    """The day without trade: loads run, sources without fuel feed in."""
    reactive = reactive_by_bus(scenario, expected, day.slots)
    states = PowerFlow(scenario).run(
        [
            SlotInjections(
                p_w=_exports_w(scenario, expected, day, slot),
                q_var={bus: q[slot] for bus, q in reactive.items()},
                set_points=idle_converters(scenario),
            )
            for slot in range(day.slots)
        ]
    )
    peak = max(states, key=lambda state: abs(state.slack_p_w))
    exchange_w = max(1.0, abs(peak.slack_p_w))
    return BaseCase(
        planning_mv={
            link.name: _planning_mv(link.vn_mv, link.child, states, link.kind) for link in scenario.links
        },
        peak_j=round(exchange_w * scenario.market.slot_s),
        loss_at_peak_ppm=round(_PPM * peak.loss_w / exchange_w),
    )


def _planning_mv(vn_mv: int, child: str, states: tuple[SlotPhysics, ...], kind: ScenarioLinkKind) -> int:
    if kind is ScenarioLinkKind.CONTROLLED:
        return vn_mv
    return round(vn_mv * fmean(state.voltage_micro_pu[child] for state in states) / _PPM)


def idle_converters(scenario: Scenario) -> dict[str, SetPoint]:
    """Converters that pass nothing draw their stand-by, half at each end."""
    halves = {
        k.name: round(k.iron_milli_w / 2000) for k in scenario.links if k.kind is ScenarioLinkKind.CONTROLLED
    }
    return {name: SetPoint(parent_w=half, child_w=half) for name, half in halves.items()}


def _exports_w(scenario: Scenario, expected: DayQuantities, day: Day, slot: int) -> dict[str, int]:
    exports = {bus.name: 0 for bus in scenario.buses}
    for asset in scenario.assets:
        sign = _base_sign(asset)
        if sign:
            exports[asset.bus] += sign * power_w(expected, asset, day.slots)[slot]
    return exports


def _base_sign(asset: Asset) -> int:
    if asset.kind in (AssetKind.LOAD, AssetKind.FLEXIBLE):
        return -1
    return 0 if asset.kind in (AssetKind.CHP, AssetKind.BATTERY, AssetKind.UTILITY) else 1


def area_forecast(scenario: Scenario, day: Day, expected: DayQuantities, base: BaseCase) -> AreaForecast:
    """What is published of the whole area for a day.

    A flexible load is demand together with a source of its own energy at its
    bid: not serving it is one way to balance the area.
    """
    groups = asset_groups(scenario)
    return AreaForecast(
        first_slot=day.start_utc_s,
        slot_s=scenario.market.slot_s,
        slots=tuple(_area_slot(scenario, day, expected, slot) for slot in range(day.slots)),
        storage_j=sum(asset.capacity_j for asset in groups.batteries),
        peak_j=base.peak_j,
        loss_at_peak_ppm=base.loss_at_peak_ppm,
        end_value_micro_per_kwh=scenario.market.reference_price_micro_per_kwh,
    )


def _area_slot(scenario: Scenario, day: Day, expected: DayQuantities, slot: int) -> AreaSlot:
    groups, slot_s = asset_groups(scenario), scenario.market.slot_s
    feed_in = day.feed_in_micro_per_kwh[slot]

    def energy_j(asset: Asset) -> int:
        return power_w(expected, asset, day.slots)[slot] * slot_s

    wishes = [asset for asset in groups.flexible if asset.price_micro_per_kwh > feed_in]
    steps = [(asset.price_micro_per_kwh, energy_j(asset)) for asset in (*groups.sources, *wishes)]
    return AreaSlot(
        demand_j=sum(map(energy_j, (*groups.loads, *wishes))),
        steps=tuple(sorted(steps)),
        retail_micro_per_kwh=day.retail_micro_per_kwh[slot],
        feed_in_micro_per_kwh=feed_in,
        export_limit_j=_export_limit_w(scenario) * slot_s,
    )


def _export_limit_w(scenario: Scenario) -> int:
    """What can leave for outside: the utility's connection, and the ratings towards it less their margin."""
    utility = asset_groups(scenario).utility
    towards = sum(
        link.rating_up_va if link.parent == utility.bus else link.rating_down_va
        for link in scenario.links
        if utility.bus in (link.parent, link.child)
    )
    return min(utility.p_max_w, towards * (_PPM - scenario.market.forecast_margin_ppm) // _PPM)
