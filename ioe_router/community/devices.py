"""From a scenario's assets to what an agent knows of its own devices, and to the agent itself.

An agent is told forecasts, never what will really happen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ioe_router.agents.agent import Agent
from ioe_router.agents.area import AreaForecast
from ioe_router.agents.assets import Battery, FlexibleLoad, OwnDevices, Series, Source
from ioe_router.agents.prosumer import Prosumer
from ioe_router.agents.slot_plan import ProsumerPolicy
from ioe_router.agents.utility import Tariff, Utility
from ioe_router.analysis.quantities import DayQuantities, power_w
from ioe_router.model.routing import SourceClass
from ioe_router.model.slot import Slot
from ioe_router.scenario.model import Asset, AssetKind, Day, Scenario

SOURCE_CLASS: Final = {
    AssetKind.SOLAR: SourceClass.SOLAR,
    AssetKind.WIND: SourceClass.WIND,
    AssetKind.HYDRO: SourceClass.HYDRO,
    AssetKind.GEOTHERMAL: SourceClass.GEOTHERMAL,
    AssetKind.CHP: SourceClass.FUEL,
}


def make_agent(scenario: Scenario, day: Day, bus: str, expected: DayQuantities, area: AreaForecast) -> Agent:
    """The utility's agent at its bus, a prosumer everywhere else."""
    assets = [asset for asset in scenario.assets if asset.bus == bus]
    utility = next((asset for asset in assets if asset.kind is AssetKind.UTILITY), None)
    if utility is not None:
        return Utility(_tariff(scenario, day, utility))
    policy = ProsumerPolicy(price_cap_micro_per_kwh=scenario.market.unserved_micro_per_kwh)
    return Prosumer(own_devices(scenario, day, assets, expected), policy, scenario.market.slot_s, area)


def _tariff(scenario: Scenario, day: Day, utility: Asset) -> Tariff:
    return Tariff(
        first_slot=Slot(day.start_utc_s),
        slot_s=scenario.market.slot_s,
        retail_micro_per_kwh=day.retail_micro_per_kwh,
        feed_in_micro_per_kwh=day.feed_in_micro_per_kwh,
        power_w=utility.p_max_w,
        carbon_mg_per_kwh=utility.carbon_mg_per_kwh,
    )


def own_devices(scenario: Scenario, day: Day, assets: Sequence[Asset], expected: DayQuantities) -> OwnDevices:
    """The devices of one bus as its agent sees them."""

    def series(*some: Asset) -> Series:
        rows = [power_w(expected, asset, day.slots) for asset in some]
        return _over_day(day, scenario.market.slot_s, [sum(row) for row in zip(*rows, strict=True)])

    reactive = [expected.q_var.get(asset.name, (0,) * day.slots) for asset in assets]
    return OwnDevices(
        firm_w=series(*(a for a in assets if a.kind is AssetKind.LOAD)),
        reactive_var=_over_day(day, scenario.market.slot_s, [sum(q) for q in zip(*reactive, strict=True)]),
        flexible=tuple(_flexible(a, series(a)) for a in assets if a.kind is AssetKind.FLEXIBLE),
        sources=tuple(_source(a, series(a)) for a in assets if a.kind in SOURCE_CLASS),
        batteries=tuple(_battery(a) for a in assets if a.kind is AssetKind.BATTERY),
    )


def _over_day(day: Day, slot_s: int, values: Sequence[int]) -> Series:
    """A series that is 0 outside the day."""

    def at(slot: Slot) -> int:
        index = (slot - day.start_utc_s) // slot_s
        return values[index] if 0 <= index < len(values) else 0

    return at


def _flexible(asset: Asset, forecast_w: Series) -> FlexibleLoad:
    return FlexibleLoad(name=asset.name, bid_micro_per_kwh=asset.price_micro_per_kwh, forecast_w=forecast_w)


def _source(asset: Asset, forecast_w: Series) -> Source:
    return Source(
        name=asset.name,
        source=SOURCE_CLASS[asset.kind],
        price_micro_per_kwh=asset.price_micro_per_kwh,
        carbon_mg_per_kwh=asset.carbon_mg_per_kwh,
        forecast_w=forecast_w,
    )


def _battery(asset: Asset) -> Battery:
    return Battery(
        name=asset.name,
        power_w=asset.p_max_w,
        capacity_j=asset.capacity_j,
        reserve_j=asset.reserve_j,
        start_j=asset.start_j,
        charge_ppm=asset.charge_efficiency_ppm,
        discharge_ppm=asset.discharge_efficiency_ppm,
        carbon_mg_per_kwh=asset.carbon_mg_per_kwh,
    )
