"""A day's record: trades, members, deaths, and the comparison with other ways to spend the day."""

from __future__ import annotations

from collections import defaultdict

from ioe_router.demo.comparison import compare
from ioe_router.demo.coordinator import DayFacts
from ioe_router.demo.record import DayRecord, DeathRecord, MemberDay, SlotRecord, TradeRecord
from ioe_router.demo.slot_records import ended_because, paid_micro, slot_records
from ioe_router.demo.tally import Packet, Tally, tally
from ioe_router.model.clock import MS_PER_S
from ioe_router.model.routing import Direction
from ioe_router.scenario.model import Scenario


def day_record(facts: DayFacts) -> tuple[DayRecord, Tally]:
    """Everything about one day, and the sorted events it was made from."""
    sorted_ = tally(facts)
    slots = slot_records(facts, sorted_)
    record = DayRecord(
        label=facts.day.label,
        start_utc_s=facts.day.start_utc_s,
        slots=slots,
        trades=_trades(sorted_),
        members=_members(facts, sorted_, slots),
        deaths=tuple(_death(facts, sorted_, slots, bus) for bus in facts.killed_at_ms),
        faults=dict(sorted_.faults),
        comparison=compare(facts, slots),
    )
    return record, sorted_


# ---------------------------------------------------------------- trades


def _trades(found: Tally) -> tuple[TradeRecord, ...]:
    packets = [p for slot in sorted(found.packets) for p in found.packets[slot] if p.booked.initiator]
    return tuple(_trade(found, packet) for packet in packets)


def _trade(found: Tally, packet: Packet) -> TradeRecord:
    booked, here, there = packet.booked, packet.said.bus, found.buses[packet.booked.peer]
    sells = booked.direction is Direction.DEMAND
    offer = found.offers.get((booked.peer, booked.offer_no))
    return TradeRecord(
        slot=booked.slot,
        reservation=booked.reservation.hex(),
        index=booked.index,
        seller=here if sells else there,
        buyer=there if sells else here,
        source_class="" if offer is None or sells else offer.source.name.lower(),
        energy_j=packet.kept_j if packet.kept else booked.energy_j,
        price_micro_per_kwh=booked.price_micro_per_kwh,
        scarcity_micro_per_kwh=booked.scarcity_micro_per_kwh,
        hops=booked.hops,
        is_default=offer is not None and offer.is_default,
        state="kept" if packet.ended is None else ended_because(packet.ended[1].code),
    )


# ---------------------------------------------------------------- members


def _members(facts: DayFacts, found: Tally, slots: tuple[SlotRecord, ...]) -> tuple[MemberDay, ...]:
    bought: dict[str, int] = defaultdict(int)
    sold: dict[str, int] = defaultdict(int)
    for packets in found.packets.values():
        for packet in packets:
            if packet.kept:
                buys = packet.booked.initiator == (packet.booked.direction is Direction.SUPPLY)
                (bought if buys else sold)[packet.said.bus] += packet.kept_j
    trade, imbalance = _money(found)
    titles = {bus.name: bus.title for bus in facts.plan.scenario.buses}
    members = []
    for i, bus in enumerate(titles):
        days = [slot.buses[i] for slot in slots]
        members.append(
            MemberDay(
                bus=bus,
                title=titles[bus],
                produced_j=sum(one.produced_j for one in days),
                consumed_j=sum(one.consumed_j for one in days),
                imported_j=sum(one.imported_j for one in days),
                exported_j=sum(one.exported_j for one in days),
                bought_j=bought[bus],
                sold_j=sold[bus],
                flexible_unserved_j=sum(one.flexible_unserved_j for one in days),
                trade_micro=trade[bus],
                imbalance_micro=imbalance[bus],
            )
        )
    return tuple(members)


def _money(found: Tally) -> tuple[dict[str, int], dict[str, int]]:
    """What each member pays over its links, and to or as a balance party; each by its own word."""
    trade: dict[str, int] = defaultdict(int)
    imbalance: dict[str, int] = defaultdict(int)
    for said in found.settled.values():
        for bus, settled in said.items():
            trade[bus] += settled.owed_by_us_micro - settled.owed_to_us_micro
    for (_, member), records in found.imbalances.items():
        for bus, record in records.items():
            imbalance[bus] += paid_micro(record) if bus == member else -paid_micro(record)
    return trade, imbalance


# ---------------------------------------------------------------- deaths


def _death(facts: DayFacts, found: Tally, slots: tuple[SlotRecord, ...], bus: str) -> DeathRecord:
    at_ms = facts.killed_at_ms[bus]
    slot_s = facts.plan.scenario.market.slot_s
    lost = _lost(found, bus, at_ms)
    energy_j = sum(packet.lost_j(at_ms) for packet in lost.values())
    touching = {link.name for link in facts.plan.scenario.links if bus in (link.parent, link.child)}
    return DeathRecord(
        bus=bus,
        slot=next(slot.slot for slot in slots if slot.slot * MS_PER_S > at_ms),
        offers_lost=_own_offers_lost(found, bus, at_ms),
        nodes_cut_off=cut_off(facts, bus),
        reservations_lost=len({reservation for (reservation, _), packet in lost.items() if not packet.kept}),
        energy_lost_j=energy_j,
        energy_repaired_j=_repaired_j(found, lost, at_ms),
        settlements_open=sum(
            not link.settled
            for slot in slots
            for link in slot.links
            if link.link in touching and (slot.slot + slot_s) * MS_PER_S > at_ms
        ),
    )


def _lost(found: Tally, dead: str, at_ms: int) -> dict[tuple[bytes, int], Packet]:
    """Packets that have lost something since the router died; the initiator's word counts first."""
    packets = [p for some in found.packets.values() for p in some]
    lost = [p for p in packets if p.lost_j(at_ms) and p.said.bus != dead]
    lost.sort(key=lambda packet: packet.booked.initiator)
    return {(p.booked.reservation, p.booked.index): p for p in lost}


def _repaired_j(found: Tally, lost: dict[tuple[bytes, int], Packet], at_ms: int) -> int:
    """What the same wants bought after the death, at most what each had lost."""
    missing: dict[tuple[str, int], int] = defaultdict(int)
    for packet in lost.values():
        if packet.booked.initiator:
            missing[packet.said.bus, packet.booked.trade_no] += packet.lost_j(at_ms)
    again: dict[tuple[str, int], int] = defaultdict(int)
    for packets in found.packets.values():
        for packet in packets:
            want = packet.said.bus, packet.booked.trade_no
            if packet.kept and packet.booked.initiator and packet.said.at_ms >= at_ms and want in missing:
                again[want] += packet.kept_j
    return sum(min(energy, again[want]) for want, energy in missing.items())


def _own_offers_lost(found: Tally, dead: str, at_ms: int) -> tuple[str, ...]:
    """The dead router's offers in the directions in which somebody found no path to it any more."""
    directions = {
        lost.direction
        for said, lost in found.origins_lost
        if said.at_ms >= at_ms and found.buses[lost.origin] == dead
    }
    seen = [found.offers[key] for key in sorted(found.offers) if found.buses[key[0]] == dead]
    return tuple(
        f"{offer.source.name.lower()} {offer.offer_no}" for offer in seen if offer.direction in directions
    )


def cut_off(facts: DayFacts, dead: str) -> tuple[str, ...]:
    """Whom no live routers join to the utility any more; with the utility's dead, to most of the others."""
    scenario, at_ms = facts.plan.scenario, facts.killed_at_ms[dead]
    gone = {bus for bus, killed_ms in facts.killed_at_ms.items() if killed_ms <= at_ms}
    parts = _parts(scenario, gone)
    kept = next((part for part in parts if scenario.slack in part), None) or max(
        parts, key=len, default=set()
    )
    return tuple(bus.name for bus in scenario.buses if bus.name not in kept | gone)


def _parts(scenario: Scenario, gone: set[str]) -> list[set[str]]:
    """What is left of the net without some buses, in connected parts."""
    parts = [{bus.name} for bus in scenario.buses if bus.name not in gone]
    for link in scenario.links:
        ends = [part for part in parts if {link.parent, link.child} & part]
        if not {link.parent, link.child} & gone and len(ends) > 1:
            parts = [part for part in parts if part not in ends] + [set().union(*ends)]
    return parts
