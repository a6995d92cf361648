"""A run record without a run: the optimum of a scenario's days, stated as if routers had met it.

Energies, flows, losses and voltages are those of the optimum and of the AC
power flow; prices, trades and totals are plausible inventions of this module.
Good for testing what is made of a record, not for testing runs.
"""

from __future__ import annotations

from dataclasses import replace

from ioe_router.analysis.baselines import utility_only
from ioe_router.analysis.optimum import OptimumResult, optimum, optimum_injections
from ioe_router.analysis.powerflow import PowerFlow, SlotPhysics
from ioe_router.analysis.quantities import actual_quantities
from ioe_router.demo.record import (
    BusSlot,
    Comparison,
    DayRecord,
    DeathRecord,
    LinkSlot,
    MemberDay,
    PriceRange,
    RunRecord,
    RunTotals,
    SlotRecord,
)
from ioe_router.scenario.model import AssetKind, Day, Scenario

PRODUCERS = (AssetKind.SOLAR, AssetKind.WIND, AssetKind.HYDRO, AssetKind.GEOTHERMAL, AssetKind.CHP)


def sample_run(scenario: Scenario, *, deaths: bool = False) -> RunRecord:
    """The record of a flawless run of all days; with `deaths`, a router dies in the middle of each."""
    flow = PowerFlow(scenario)
    return RunRecord(
        scenario=scenario,
        seed=7,
        nodes_in="processes" if deaths else "one-process",
        days=tuple(_day(scenario, flow, day, deaths=deaths) for day in scenario.days),
        totals=RunTotals(
            wall_s=87.31,
            cpu_s=121.9,
            peak_rss_bytes=412_000_000,
            grpc_messages=481_234,
            grpc_bytes=153_400_321,
            signatures_verified=1_204_551,
            offers_received=60_312,
        ),
    )


def with_imbalance(record: RunRecord, off_j: int) -> RunRecord:
    """The same run with `off_j` joules missing from the books of its first slot."""
    day = record.days[0]
    slots = (replace(day.slots[0], books_imbalance_j=off_j), *day.slots[1:])
    return replace(record, days=(replace(day, slots=slots), *record.days[1:]))


def _day(scenario: Scenario, flow: PowerFlow, day: Day, *, deaths: bool) -> DayRecord:
    quantities = actual_quantities(day)
    best = optimum(scenario, day, quantities)
    alone = utility_only(scenario, day, quantities)
    physics = flow.run(optimum_injections(scenario, quantities, best))
    stored = {asset.name: asset.start_j for asset in scenario.assets if asset.kind is AssetKind.BATTERY}
    slots = []
    for index, state in enumerate(physics):
        stored = _charged(scenario, best, stored, index)
        slots.append(_slot(scenario, day, best, state, stored, index))
    cost = best.cost.with_fees_micro
    return DayRecord(
        label=day.label,
        start_utc_s=day.start_utc_s,
        slots=tuple(slots),
        trades=(),
        members=_members(scenario, day, slots),
        deaths=(_death(scenario, day),) if deaths else (),
        faults={},
        comparison=Comparison(
            community_cost_micro=cost + abs(cost) // 100,
            community_cost_without_fees_micro=best.cost.without_fees_micro + abs(cost) // 200,
            utility_only_cost_micro=alone.cost.with_fees_micro,
            optimum_cost_micro=cost,
            optimum_cost_without_fees_micro=best.cost.without_fees_micro,
            optimum_netting_cost_micro=cost,
            optimum_foresight_cost_micro=cost - 40_000,
            static_path_cost_micro=cost + abs(cost) // 20,
            optimum_unserved_j=best.unserved_j,
            static_path_unserved_j=0,
            optimum_loss_j=best.loss_j,
            loss_j=best.loss_j + best.loss_j // 50,
        ),
    )


def _charged(scenario: Scenario, best: OptimumResult, stored: dict[str, int], slot: int) -> dict[str, int]:
    after = {}
    for asset in scenario.assets:
        if asset.kind is AssetKind.BATTERY:
            given_j = best.asset_p_w[asset.name][slot] * scenario.market.slot_s
            factor = (
                1e6 / asset.discharge_efficiency_ppm if given_j > 0 else asset.charge_efficiency_ppm / 1e6
            )
            after[asset.name] = max(0, round(stored[asset.name] - given_j * factor))
    return after


def _slot(
    scenario: Scenario, day: Day, best: OptimumResult, state: SlotPhysics, stored: dict[str, int], index: int
) -> SlotRecord:
    slot_s = scenario.market.slot_s
    buses = tuple(_bus(scenario, day, best, state, bus.name, index) for bus in scenario.buses)
    retail, feed_in = day.retail_micro_per_kwh[index], day.feed_in_micro_per_kwh[index]
    outside_j = round(state.slack_p_w * slot_s)
    loss_j = round(state.loss_w * slot_s)
    energy_j = {
        kind.value: sum(_given_j(best, a.name, index, slot_s) for a in scenario.assets if a.kind is kind)
        for kind in (*PRODUCERS, AssetKind.BATTERY)
    }
    return SlotRecord(
        slot=day.start_utc_s + index * slot_s,
        links=tuple(_link(name, state, slot_s) for name in state.links),
        buses=buses,
        energy_j={**energy_j, "utility": max(0, outside_j)},
        outside_import_j=max(0, outside_j),
        outside_export_j=max(0, -outside_j),
        delivered_j=sum(bus.consumed_j + bus.charged_j for bus in buses) + max(0, -outside_j),
        loss_j=loss_j,
        loss_booked_j=loss_j + loss_j // 900,
        loss_booked_ac_j=loss_j,
        price=None
        if index % 31 == 1
        else PriceRange(
            mean_micro_per_kwh=(retail + 2 * feed_in) // 3,
            min_micro_per_kwh=feed_in * 9 // 10,
            max_micro_per_kwh=retail,
        ),
        traded_j=0,
        scarcity_micro=0,
        holds_attempted=120,
        holds_refused={"NO_CAPACITY": 4, "TOO_EARLY": 2},
        reservations=41,
        epochs=12,
        stored_j=stored,
        books_imbalance_j=0,
        obligations_imbalance_micro=0,
        overloads=0,
        voltage_violations=0,
    )


def _given_j(best: OptimumResult, asset: str, slot: int, slot_s: int) -> int:
    return round(max(0.0, best.asset_p_w[asset][slot]) * slot_s)


def _bus(
    scenario: Scenario, day: Day, best: OptimumResult, state: SlotPhysics, bus: str, slot: int
) -> BusSlot:
    slot_s, here = scenario.market.slot_s, [asset for asset in scenario.assets if asset.bus == bus]
    power = {asset.name: best.asset_p_w[asset.name][slot] for asset in here}

    def total_j(kinds: tuple[AssetKind, ...], sign: int) -> int:
        return sum(round(max(0.0, sign * power[a.name]) * slot_s) for a in here if a.kind in kinds)

    produced_j, discharged_j = total_j(PRODUCERS, 1), total_j((AssetKind.BATTERY,), 1)
    consumed_j, charged_j = (
        total_j((AssetKind.LOAD, AssetKind.FLEXIBLE), -1),
        total_j((AssetKind.BATTERY,), -1),
    )
    net_j = produced_j + discharged_j - consumed_j - charged_j
    wanted_j = sum(day.assets[a.name].p_w[slot] * slot_s for a in here if a.kind is AssetKind.FLEXIBLE)
    served_j = total_j((AssetKind.FLEXIBLE,), -1)
    return BusSlot(
        bus=bus,
        voltage_micro_pu=state.voltage_micro_pu[bus],
        voltage_booked_micro_pu=state.voltage_micro_pu[bus],
        produced_j=produced_j,
        consumed_j=consumed_j,
        charged_j=charged_j,
        discharged_j=discharged_j,
        imported_j=max(0, -net_j),
        exported_j=max(0, net_j),
        flexible_unserved_j=max(0, wanted_j - served_j),
        firm_not_booked_j=0,
    )


def _link(name: str, state: SlotPhysics, slot_s: int) -> LinkSlot:
    link = state.links[name]
    flow_j = round((link.p_parent_w - link.p_child_w) / 2 * slot_s)
    return LinkSlot(
        link=name,
        flow_j=flow_j,
        loss_j=round(link.loss_w * slot_s),
        loading_ppm=link.loading_ppm,
        loading_booked_ppm=link.loading_ppm,
        booked_down_j=max(0, flow_j),
        booked_up_j=max(0, -flow_j),
        limit_down_w=0,
        limit_up_w=0,
        settled=True,
    )


def _members(scenario: Scenario, day: Day, slots: list[SlotRecord]) -> tuple[MemberDay, ...]:
    """Everybody pays one price; the utility gets what the others pay."""
    lines = [_member(scenario, day, slots, bus.name, bus.title) for bus in scenario.buses]
    paid = sum(line.bill_micro for line in lines if line.bus != scenario.slack)
    return tuple(
        replace(line, trade_micro=-paid, imbalance_micro=0) if line.bus == scenario.slack else line
        for line in lines
    )


def _member(scenario: Scenario, day: Day, slots: list[SlotRecord], bus: str, title: str) -> MemberDay:
    mine = [next(one for one in slot.buses if one.bus == bus) for slot in slots]
    bought_j, sold_j = sum(one.imported_j for one in mine), sum(one.exported_j for one in mine)
    price = (day.retail_micro_per_kwh[0] + 2 * day.feed_in_micro_per_kwh[0]) // 3
    return MemberDay(
        bus=bus,
        title=title,
        produced_j=sum(one.produced_j for one in mine),
        consumed_j=sum(one.consumed_j for one in mine),
        imported_j=bought_j,
        exported_j=sold_j,
        bought_j=bought_j,
        sold_j=sold_j,
        flexible_unserved_j=sum(one.flexible_unserved_j for one in mine),
        trade_micro=(bought_j - sold_j) * price // 3_600_000,
        imbalance_micro=1_500,
    )


def _death(scenario: Scenario, day: Day) -> DeathRecord:
    bus = scenario.buses[-1]
    return DeathRecord(
        bus=bus.name,
        slot=day.start_utc_s + day.slots // 2 * scenario.market.slot_s,
        offers_lost=("solar 1", "storage 2"),
        nodes_cut_off=(),
        reservations_lost=9,
        energy_lost_j=36_000_000,
        energy_repaired_j=28_800_000,
        settlements_open=1,
    )
