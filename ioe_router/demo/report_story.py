"""The report's words: headline, story, key figures, what a dead router cost, and how the run was made.

Good and bad news come from the same figures: where the books do not balance,
the community did not save or demand was left without a booking, the text says
so in the same place in which it would have said the opposite.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from html import escape

from ioe_router.demo.record import DayRecord, DeathRecord, RunRecord
from ioe_router.demo.report_checks import Summary, figure
from ioe_router.demo.report_words import (
    bytes_in_words,
    clock,
    count,
    count_in_words,
    day_title,
    energy,
    kwh,
    listed,
    money,
    number,
    percent,
    seconds_in_words,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flows:
    """Energy across the edge of the community over the run, joules."""

    produced_j: int
    consumed_j: int
    import_j: int
    export_j: int
    loss_j: int

    @property
    def kept_j(self) -> int:
        """Own production that was not sold to the utility."""
        return self.produced_j - self.export_j

    @property
    def own_share_ppm(self) -> int:
        """Own part of all energy that the community used, stored or lost."""
        total = self.kept_j + self.import_j
        return round(1_000_000 * self.kept_j / total) if total > 0 else 0


def flows_of(record: RunRecord) -> Flows:
    """Sum of all slots of all days."""
    slots = [slot for day in record.days for slot in day.slots]
    buses = [bus for slot in slots for bus in slot.buses]
    return Flows(
        produced_j=sum(bus.produced_j for bus in buses),
        consumed_j=sum(bus.consumed_j for bus in buses),
        import_j=sum(slot.outside_import_j for slot in slots),
        export_j=sum(slot.outside_export_j for slot in slots),
        loss_j=sum(slot.loss_j for slot in slots),
    )


def headline(record: RunRecord, summary: Summary) -> str:
    """The page's first sentence."""
    flows = flows_of(record)
    saved = _saving_micro(summary)
    made = f"{percent(flows.own_share_ppm)} of the energy used here was made here"
    if saved > 0:
        return f"{made}, and everybody together saved {money(saved, record.scenario.market.currency)}"
    return made


def story(record: RunRecord, summary: Summary) -> str:
    """Two paragraphs in plain words."""
    flows, scenario = flows_of(record), record.scenario
    trades = figure(summary, "reservations_committed")
    when = listed([day_title(day.label) for day in record.days])
    slots = sum(len(day.slots) for day in record.days)
    first = (
        f"On {escape(when)}, {count_in_words(len(scenario.buses), 'router')}, one at every bus of the grid, "
        f"found each other, made offers and agreed on <strong>{count(trades, 'reservation')}</strong> in "
        f"{count(slots, 'slot')} of {scenario.market.slot_s // 60} minutes. Members used "
        f"<strong>{energy(flows.consumed_j)}</strong>. {_edge_story(flows)}"
    )
    paragraphs = (first, _money_story(record, summary), _books_story(summary))
    return "".join(f'<p class="story">{text}</p>' for text in paragraphs)


def _edge_story(flows: Flows) -> str:
    """Where own production went, and what the utility added."""
    bought = (
        f"{energy(flows.import_j)} was bought from the utility"
        if flows.import_j
        else "nothing was bought from the utility"
    )
    if flows.export_j == 0:
        made = f"<strong>{energy(flows.produced_j)}</strong>"
        return f"All of the {made} that they made stayed in the community; {bought}."
    return (
        f"Of the {energy(flows.produced_j)} that they made, <strong>{energy(flows.kept_j)}</strong> stayed "
        f"in the community and {energy(flows.export_j)} was sold to the utility; {bought}."
    )


def _saving_micro(summary: Summary) -> int:
    return figure(summary, "utility_only_cost_micro") - figure(summary, "community_cost_micro")


def _cost_words(cost_micro: int, currency: str, verb: str, earned: str) -> str:
    if cost_micro >= 0:
        return f"{verb} <strong>{money(cost_micro, currency)}</strong>"
    return f"{earned} <strong>{money(-cost_micro, currency)}</strong>"


def _money_story(record: RunRecord, summary: Summary) -> str:
    currency = record.scenario.market.currency
    cost, alone = figure(summary, "community_cost_micro"), figure(summary, "utility_only_cost_micro")
    ours = _cost_words(cost, currency, "The whole community paid", "The whole community earned")
    theirs = _cost_words(alone, currency, "it would have paid", "it would have earned")
    saved = alone - cost
    if saved >= 0:
        verdict = f"a saving of <strong>{money(saved, currency)}</strong>{_part_of(saved, alone)}"
    else:
        verdict = f"so trading cost <strong>{money(-saved, currency)}</strong> more"
    return f"{ours}. Had everybody dealt with the utility alone, {theirs}: {verdict}."


def _part_of(saved_micro: int, alone_micro: int) -> str:
    if 0 < saved_micro <= alone_micro:
        return f" ({percent(1_000_000 * saved_micro / alone_micro)})"
    return ""


def _books_story(summary: Summary) -> str:
    joules, micro = figure(summary, "books_imbalance_j"), figure(summary, "obligations_imbalance_micro")
    if joules == 0 and micro == 0:
        text = "The books balance: every joule that was fed in was delivered or is accounted for as a loss, "
        "and all debts "
        text += "and claims between neighbours sum to zero."
    else:
        text = f"<strong>The books do not balance</strong>: {number(joules)} J and {number(micro)} "
        "millionths of the "
        text += "currency are unaccounted for."
    broken = figure(summary, "voltage_violations"), figure(summary, "overload_violations")
    if broken == (0, 0):
        return f"{text} No line was overloaded and no voltage left its band."
    return (
        f"{text} {count(broken[1], 'overload').capitalize()} and "
        f"{count(broken[0], 'voltage')} outside the band were found."
    )


# -------------------------------------------------------------- key figures


def tiles(record: RunRecord, summary: Summary) -> str:
    """The key figures as a description list's content."""
    flows, currency = flows_of(record), record.scenario.market.currency
    cost, alone = figure(summary, "community_cost_micro"), figure(summary, "utility_only_cost_micro")
    waited = sum(bus.flexible_unserved_j for day in record.days for slot in day.slots for bus in slot.buses)
    unserved = figure(summary, "unserved_j")
    loss_share = 1_000_000 * flows.loss_j / max(1, flows.produced_j + flows.import_j)
    entries = (
        (
            "Used by members",
            kwh(flows.consumed_j),
            "kWh",
            f"{energy(waited)} of flexible demand found no price it liked",
        ),
        (
            "Made in the community",
            kwh(flows.produced_j),
            "kWh",
            f"{energy(flows.kept_j)} of it stayed inside",
        ),
        ("Bought from the utility", kwh(flows.import_j), "kWh", f"{energy(flows.export_j)} sold to it"),
        ("Lost on the way", kwh(flows.loss_j), "kWh", f"{percent(loss_share)} of what was fed in"),
        (
            "Cost of the community",
            number(cost / 1e6, 2),
            currency,
            f"{money(alone, currency)} with the utility alone",
        ),
        ("Saved together", number((alone - cost) / 1e6, 2), currency, _best(alone, summary, currency)),
        (
            "Firm demand without a booking",
            kwh(unserved),
            "kWh",
            f"{energy(figure(summary, 'optimum_unserved_j'))} was unavoidable",
        ),
        (
            "Books out of balance",
            number(figure(summary, "books_imbalance_j")),
            "J",
            "energy in less delivered less lost",
        ),
    )
    return "".join(
        f'<div class="tile"><dt>{escape(name)}</dt><dd class="big">{value} <small>{escape(unit)}</small></dd>'
        f'<dd class="sub">{sub}</dd></div>'
        for name, value, unit, sub in entries
    )


def _best(alone_micro: int, summary: Summary, currency: str) -> str:
    possible = alone_micro - figure(summary, "optimum_cost_micro")
    return f"{money(possible, currency)} would have been the most possible"


# ------------------------------------------------------------- dead routers


def outages(record: RunRecord) -> str:
    """The section on routers that died, empty when none did."""
    cards = "".join(_outage(record, day, death) for day in record.days for death in day.deaths)
    if not cards:
        return ""
    return (
        '<section class="wrap panel-section" aria-labelledby="lost-h"><div class="head"><div>'
        '<h2 id="lost-h">What was lost when a router died</h2><p class="lead">The process was killed in the '
        "middle of "
        "the day. Its bus stays connected, but nobody speaks for it any more; the others withdraw its "
        "offers and repair "
        f'what they can.</p></div></div><div class="outages">{cards}</div></section>'
    )


def _outage(record: RunRecord, day: DayRecord, death: DeathRecord) -> str:
    titles = {bus.name: bus.title for bus in record.scenario.buses}
    cut_off = listed([titles.get(name, name) for name in death.nodes_cut_off])
    at = clock(day.label, day.start_utc_s, death.slot)
    offers = count(len(death.offers_lost), "offer")
    sentences = [
        f"{offers} of its own can no longer be reached{_named(death.offers_lost)}.",
        f"Cut off behind it: {cut_off}." if cut_off else "No other member was cut off.",
        f"{count(death.reservations_lost, 'reservation')} over {energy(death.energy_lost_j)} fell through; "
        f"the same members bought {energy(death.energy_repaired_j)} elsewhere for the same slots.",
        f"{count(death.settlements_open, 'settlement')} of a link and slot could be stated by one end only.",
    ]
    return (
        f'<article class="outage card"><h3>{escape(titles[death.bus])}, {escape(day_title(day.label))}, '
        f"{at}</h3>"
        f"<p>{escape(' '.join(sentences))}</p></article>"
    )


def _named(offers: tuple[str, ...]) -> str:
    return f" ({listed(offers)})" if offers else ""


# ---------------------------------------------------------------- the run


def facts(record: RunRecord, summary: Summary) -> str:
    """What the run took, as a description list's content."""
    totals, scenario = record.totals, record.scenario
    faults: Counter[str] = Counter()
    for day in record.days:
        faults.update(day.faults)
    entries = [
        ("Scenario", scenario.name),
        ("Routers and links", f"{number(len(scenario.buses))} and {number(len(scenario.links))}"),
        ("Routers ran in", "one process" if record.nodes_in == "one-process" else "a process each"),
        ("Seed of the forecasts", str(record.seed)),
        ("Wall time", seconds_in_words(totals.wall_s)),
        ("Processor time", seconds_in_words(totals.cpu_s)),
        ("Peak memory", bytes_in_words(totals.peak_rss_bytes)),
        ("gRPC messages", number(totals.grpc_messages)),
        ("gRPC traffic", bytes_in_words(totals.grpc_bytes)),
        ("Signatures verified", number(totals.signatures_verified)),
        ("Offers received", number(totals.offers_received)),
        ("Reservations committed", number(figure(summary, "reservations_committed"))),
        (
            "Refused messages",
            listed([f"{name}: {number(n)}" for name, n in sorted(faults.items()) if n]) or "none",
        ),
    ]
    return "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in entries)


def run_notes(record: RunRecord) -> str:
    """The coordinator's remarks, each a notice."""
    return "".join(f'<p class="notice">{escape(note)}</p>' for note in record.notes)


def footer(record: RunRecord) -> str:
    """What the scenario is, where its data come from, and what this page does not do."""
    source, description = record.scenario.attribution, record.scenario.description
    first = "" if description in source.text else f"<p>{escape(description)}</p>"
    return (
        f"{first}"
        f"<p>Data: {escape(source.source)}. Licence: {escape(source.licence)}. {escape(source.text)}</p>"
        "<p>This page is complete in itself: it loads nothing and sends nothing.</p>"
    )
