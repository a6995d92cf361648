"""The report's table of members: what each used, made, bought, sold and paid.

Three columns are derived, all from the metered energies of each slot.
*Own use* is the energy that a member's own sources and battery gave in the
very slot in which its own devices took it.  *Utility alone* is what the same
consumption and the same production would have cost without neighbours, the
battery at rest: what was missing in a slot at retail, what was left at the
feed-in tariff.  *Saved* is that amount less the bill, plus what the member's
battery holds more at the day's end than at its start, at the scenario's
reference price.  The slack bus is the grid outside, not a member; it has a
line of its own below the sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from html import escape
from typing import Final

from ioe_router.demo.record import BusSlot, DayRecord, MemberDay, RunRecord
from ioe_router.demo.report_series import WORDS, kinds_at, net_export_j
from ioe_router.demo.report_words import JOULES_PER_KWH, day_short, kwh, number
from ioe_router.scenario.model import AssetKind, Scenario

_SPARK_WIDTH: Final = 130
_SPARK_HEIGHT: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberFigures:
    """One line of the table, over one day or all days; joules and micro-units."""

    bus: str
    title: str
    consumed_j: int
    produced_j: int
    bought_j: int
    sold_j: int
    own_use_j: int
    bill_micro: int
    alone_micro: int
    stored_micro: int  # value of what the battery gained
    net_export_j: tuple[int, ...]  # per slot, over all days of the line

    @property
    def saving_micro(self) -> int:
        """What the member is better off than with the utility alone; negative: worse."""
        return self.alone_micro - self.bill_micro + self.stored_micro


def member_figures(record: RunRecord, days: Sequence[DayRecord]) -> tuple[MemberFigures, ...]:
    """The figures of every member over `days`, in the scenario's order; the slack is left out."""
    return tuple(
        _figures(record.scenario, bus.name, days)
        for bus in record.scenario.buses
        if bus.name != record.scenario.slack and _lines(bus.name, days)
    )


def members_table(record: RunRecord) -> str:
    """The whole table as HTML, one body per day and one for all days."""
    scopes: list[tuple[str, Sequence[DayRecord]]] = [(day_short(day.label), (day,)) for day in record.days]
    if len(scopes) > 1:
        scopes.insert(0, ("All days", record.days))
    bodies = "".join(_body(record, i, name, days) for i, (name, days) in enumerate(scopes))
    caption = '<caption class="sr">Members, sortable by each column</caption>'
    return f'<table class="members">{caption}{_head(record)}{bodies}</table>'


# ------------------------------------------------------------------- figures


def _lines(bus: str, days: Iterable[DayRecord]) -> list[MemberDay]:
    return [member for day in days for member in day.members if member.bus == bus]


def _figures(scenario: Scenario, bus: str, days: Sequence[DayRecord]) -> MemberFigures:
    lines = _lines(bus, days)
    slots = [[one for slot in day.slots for one in slot.buses if one.bus == bus] for day in days]
    return MemberFigures(
        bus=bus,
        title=lines[0].title,
        consumed_j=sum(line.consumed_j for line in lines),
        produced_j=sum(line.produced_j for line in lines),
        bought_j=sum(line.bought_j for line in lines),
        sold_j=sum(line.sold_j for line in lines),
        own_use_j=sum(_own_use_j(slot) for each in slots for slot in each),
        bill_micro=sum(line.bill_micro for line in lines),
        alone_micro=sum(_alone_micro(scenario, day, each) for day, each in zip(days, slots, strict=True)),
        stored_micro=sum(_stored_micro(scenario, bus, day) for day in days),
        net_export_j=tuple(net_export_j(slot) for each in slots for slot in each),
    )


def _own_use_j(slot: BusSlot) -> int:
    return min(slot.produced_j + slot.discharged_j, slot.consumed_j + slot.charged_j)


def _alone_micro(scenario: Scenario, day: DayRecord, slots: Sequence[BusSlot]) -> int:
    """The bill of one bus at retail and feed-in price, its battery at rest, rounded once."""
    tariff = next(each for each in scenario.days if each.label == day.label)
    total = 0
    for record, slot in zip(day.slots, slots, strict=True):
        at = (record.slot - tariff.start_utc_s) // scenario.market.slot_s
        left_j = slot.produced_j - slot.consumed_j
        prices = tariff.retail_micro_per_kwh if left_j < 0 else tariff.feed_in_micro_per_kwh
        total -= left_j * prices[at]
    return round(Fraction(total, JOULES_PER_KWH))


def _stored_micro(scenario: Scenario, bus: str, day: DayRecord) -> int:
    """What the batteries of a bus hold more at the day's end than at its start, in money."""
    own = [asset for asset in scenario.assets if asset.bus == bus and asset.kind is AssetKind.BATTERY]
    gained_j = sum(day.slots[-1].stored_j[asset.name] - asset.start_j for asset in own)
    return round(Fraction(gained_j * scenario.market.reference_price_micro_per_kwh, JOULES_PER_KWH))


# ---------------------------------------------------------------------- HTML


def _head(record: RunRecord) -> str:
    currency = escape(record.scenario.market.currency)
    columns = (
        ("Member", ""),
        ("Used", "kWh"),
        ("Made", "kWh"),
        ("Own use", "kWh"),
        ("Bought", "kWh"),
        ("Sold", "kWh"),
        ("Bill", currency),
        ("Utility alone", currency),
        ("Saved", currency),
    )
    cells = "".join(
        f'<th scope="col"><button type="button">{name}{f"<br>{unit}" if unit else ""}</button></th>'
        for name, unit in columns
    )
    return f'<thead><tr>{cells}<th scope="col">Gives, takes<br>own scale</th></tr></thead>'


def _body(record: RunRecord, index: int, name: str, days: Sequence[DayRecord]) -> str:
    members = member_figures(record, days)
    hidden = "" if index == 0 else " hidden"
    scope = f'data-scope="{index}" data-name="{escape(name)}"{hidden}'
    lines = "".join(_row(record.scenario, member) for member in members)
    return f"<tbody {scope}>{lines}</tbody><tfoot {scope}>{_sums(members)}{_outside(record, days)}</tfoot>"


def _row(scenario: Scenario, member: MemberFigures) -> str:
    icons = "".join(
        f'<svg role="img" aria-label="{WORDS[kind]}"><use href="#i-{kind}" width="15" height="15"/></svg>'
        for kind in kinds_at(scenario, member.bus)
    )
    name = escape(member.title)
    label = f'<span class="who">{name}<span class="icons">{icons}</span></span>'
    who = f'<th scope="row" data-value="{name}">{label}</th>'
    spark = f'<td class="spark">{_spark(member)}</td>'
    return f'<tr data-bus="{escape(member.bus)}">{who}{_cells(member)}{spark}</tr>'


def _cells(member: MemberFigures) -> str:
    energies = (member.consumed_j, member.produced_j, member.own_use_j, member.bought_j, member.sold_j)
    amounts = (member.bill_micro, member.alone_micro)
    shown = round(member.saving_micro / 1e6, 2)
    mood = "gain" if shown > 0 else "pain" if shown < 0 else ""
    return (
        "".join(f'<td data-value="{value}">{_or_dash(value)}</td>' for value in energies)
        + "".join(f'<td data-value="{value}">{_amount(value)}</td>' for value in amounts)
        + f'<td class="{mood}" data-value="{member.saving_micro}">{_amount(member.saving_micro)}</td>'
    )


def _or_dash(energy_j: int) -> str:
    return kwh(energy_j) if energy_j else "–"


def _amount(amount_micro: int) -> str:
    return number(amount_micro / 1e6, 2)


def _sums(members: Sequence[MemberFigures]) -> str:
    everybody = MemberFigures(
        bus="",
        title="",
        consumed_j=sum(member.consumed_j for member in members),
        produced_j=sum(member.produced_j for member in members),
        bought_j=sum(member.bought_j for member in members),
        sold_j=sum(member.sold_j for member in members),
        own_use_j=sum(member.own_use_j for member in members),
        bill_micro=sum(member.bill_micro for member in members),
        alone_micro=sum(member.alone_micro for member in members),
        stored_micro=sum(member.stored_micro for member in members),
        net_export_j=(),
    )
    return f'<tr><th scope="row">All members</th>{_cells(everybody)}<td></td></tr>'


def _outside(record: RunRecord, days: Sequence[DayRecord]) -> str:
    """The utility's own line: what it sold, bought and received."""
    lines = _lines(record.scenario.slack, days)
    if not lines:
        return ""
    bought, sold = sum(line.bought_j for line in lines), sum(line.sold_j for line in lines)
    bill = _amount(sum(line.bill_micro for line in lines))
    return (
        f'<tr class="part"><th scope="row">{escape(lines[0].title)} (outside)</th><td></td><td></td><td></td>'
        f"<td>{_or_dash(bought)}</td><td>{_or_dash(sold)}</td><td>{bill}</td><td></td><td></td><td></td></tr>"
    )


def _spark(member: MemberFigures) -> str:
    """Bars per slot, upwards what the member gives, downwards what it takes."""
    highest_j, lowest_j = max(0, *member.net_export_j, 0), min(0, *member.net_export_j, 0)
    scale = (_SPARK_HEIGHT - 2) / max(highest_j - lowest_j, 1)
    zero = round(1 + highest_j * scale, 1)
    wide = _SPARK_WIDTH / max(len(member.net_export_j), 1)
    paths = {"pos": "", "neg": ""}
    for slot, net_j in enumerate(member.net_export_j):
        if round(net_j * scale, 1):
            path = f"M{slot * wide:.1f} {zero:g}v{-net_j * scale:.1f}h{wide:.2f}V{zero:g}z"
            paths["pos" if net_j > 0 else "neg"] += path
    marks = "".join(f'<path class="{sign}" d="{path}"/>' for sign, path in paths.items() if path)
    return (
        f'<svg viewBox="0 0 {_SPARK_WIDTH} {_SPARK_HEIGHT}" role="img" '
        f'aria-label="{escape(member.title)}: gives at most {kwh(highest_j)} kWh in a slot, '
        f'takes at most {kwh(-lowest_j)} kWh">'
        f'<line x1="0" x2="{_SPARK_WIDTH}" y1="{zero:g}" y2="{zero:g}"/>{marks}</svg>'
    )
