"""The report's checks: each a figure of the summary, what it should be, and one sentence on what it means.

A check is *good* when its figure is within its target, *bad* when a figure
that must hold does not, and *info* when a figure that measures quality (the
distance to the optimum) lies above its target: worth knowing, not wrong.
The targets are those the project sets itself for its demo.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Final, Literal

from ioe_router.demo.record import RunRecord
from ioe_router.demo.report_words import energy, money, number, percent

Summary = Mapping[str, object]
Verdict = Literal["good", "bad", "info"]

LOSS_ERROR_TARGET_PPM: Final = 5_000
COST_GAP_TARGET_PPM: Final = 5_000
EXCESS_LOSS_TARGET_PPM: Final = 30_000
REFUSED_TARGET_PPM: Final = 200_000
_REASONS_SHOWN: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check, ready to be shown; `value` and `rows` are HTML-safe text."""

    title: str
    value: str
    verdict: Verdict
    badge: str
    sentence: str
    rows: tuple[tuple[str, str], ...] = ()


def figure(summary: Summary, name: str) -> int:
    """One integer of the summary.

    Raises:
        ValueError: the summary does not have it.
    """
    value = summary.get(name)
    if not isinstance(value, int):
        raise ValueError(
            f"the summary has no figure {name!r}: write the report with the summary of the same run"
        )
    return value


def checks_of(record: RunRecord, summary: Summary) -> tuple[Check, ...]:
    """All checks, the exact ones first."""
    return (
        _books(record, summary),
        _obligations(record, summary),
        _losses(record, summary),
        _voltage(record, summary),
        _loading(summary),
        _served(summary),
        _cost(record, summary),
        _excess_loss(record, summary),
        _holds(record, summary),
    )


def check_html(check: Check) -> str:
    """One check as a card."""
    rows = "".join(f"<li><span>{escape(name)}</span><b>{value}</b></li>" for name, value in check.rows)
    return (
        f'<article class="check card {check.verdict}"><h3>{escape(check.title)}'
        f'<span class="badge">{escape(check.badge)}</span></h3>'
        f'<p class="value">{check.value}</p><p>{escape(check.sentence)}</p>'
        f"{f'<ul>{rows}</ul>' if rows else ''}</article>"
    )


# -------------------------------------------------------------------- exact


def _must(holds: bool, target: str) -> tuple[Verdict, str]:
    return ("good", f"✓ {target}") if holds else ("bad", f"✗ not {target}")


def _wish(holds: bool, target: str) -> tuple[Verdict, str]:
    return ("good", f"✓ {target}") if holds else ("info", f"above target: {target}")


def _books(record: RunRecord, summary: Summary) -> Check:
    off_j = figure(summary, "books_imbalance_j")
    verdict, badge = _must(off_j == 0, "exactly 0")
    worst = max((abs(slot.books_imbalance_j) for day in record.days for slot in day.slots), default=0)
    return Check(
        title="Energy books",
        value=f"{number(off_j)} <small>J off</small>",
        verdict=verdict,
        badge=badge,
        sentence="What was fed in must equal what was delivered plus what was lost, link by link and slot "
        "by slot, to the joule. Anything else would mean that energy was invented or forgotten.",
        rows=(
            ("Delivered", energy(figure(summary, "delivered_j"))),
            ("Lost", energy(figure(summary, "loss_j"))),
            ("Worst slot", f"{number(worst)} J"),
        ),
    )


def _obligations(record: RunRecord, summary: Summary) -> Check:
    off_micro = figure(summary, "obligations_imbalance_micro")
    verdict, badge = _must(off_micro == 0, "exactly 0")
    settled = [link.settled for day in record.days for slot in day.slots for link in slot.links]
    return Check(
        title="Who owes whom",
        value=f"{number(off_micro)} <small>micro-{escape(record.scenario.market.currency)} off</small>",
        verdict=verdict,
        badge=badge,
        sentence="Every payment is one neighbour's debt and another's claim, so all of them together must "
        "sum to zero, to the millionth of the currency. Both ends of a link compute it and sign it.",
        rows=(("Links and slots settled by both ends", f"{number(sum(settled))} of {number(len(settled))}"),),
    )


# ------------------------------------------------------------------ physics


def _losses(record: RunRecord, summary: Summary) -> Check:
    worst = figure(summary, "loss_error_vs_ac_worst_slot_ppm")
    verdict, badge = _must(worst <= LOSS_ERROR_TARGET_PPM, f"at most {percent(LOSS_ERROR_TARGET_PPM)}")
    booked = sum(slot.loss_booked_j for day in record.days for slot in day.slots)
    by_ac = sum(slot.loss_booked_ac_j for day in record.days for slot in day.slots)
    return Check(
        title="Losses against physics",
        value=f"{percent(worst)} <small>in the worst slot</small>",
        verdict=verdict,
        badge=badge,
        sentence="Routers charge losses by a formula that neighbours can compute. An alternating-current "
        "power flow of the same bookings says how much the grid would really lose; this is the largest "
        "difference.",
        rows=(
            ("Whole run", percent(figure(summary, "loss_error_vs_ac_day_ppm"))),
            ("Booked", energy(booked)),
            ("By the AC power flow", energy(by_ac)),
        ),
    )


def _voltage(record: RunRecord, summary: Summary) -> Check:
    violations = figure(summary, "voltage_violations")
    market = record.scenario.market
    low, high = figure(summary, "voltage_min_micro_pu"), figure(summary, "voltage_max_micro_pu")
    verdict, badge = _must(violations == 0, "0 violations")
    return Check(
        title="Voltage",
        value=f"{_per_unit(low)} – {_per_unit(high)} <small>pu</small>",
        verdict=verdict,
        badge=badge,
        sentence="The lowest and the highest voltage at any bus in any slot, relative to nominal, with what "
        "was booked and with what really flowed. Outside the band, devices would suffer.",
        rows=(
            (
                "Permitted band",
                f"{_per_unit(market.voltage_min_micro_pu)} – {_per_unit(market.voltage_max_micro_pu)} pu",
            ),
            ("Violations", number(violations)),
        ),
    )


def _loading(summary: Summary) -> Check:
    overloads = figure(summary, "overload_violations")
    verdict, badge = _must(overloads == 0, "0 overloads")
    return Check(
        title="Lines and transformers",
        value=f"{percent(figure(summary, 'max_loading_ppm'))} <small>at most full</small>",
        verdict=verdict,
        badge=badge,
        sentence="The fullest any line or transformer ever was, against its rating. Routers refuse what "
        "would not fit, so nothing should ever pass 100 %.",
        rows=(("Overloads", number(overloads)),),
    )


def _served(summary: Summary) -> Check:
    unserved, best = figure(summary, "unserved_j"), figure(summary, "optimum_unserved_j")
    verdict, badge = _must(unserved <= best, "no more than the optimum's")
    return Check(
        title="Demand without a booking",
        value=energy(unserved),
        verdict=verdict,
        badge=badge,
        sentence="Firm demand that the routers found no energy for. A planner who sees everything could not "
        "have avoided the part named below.",
        rows=(("Unavoidable", energy(best)),),
    )


# ------------------------------------------------------------------ quality


def _cost(record: RunRecord, summary: Summary) -> Check:
    gap, currency = figure(summary, "cost_gap_without_fees_ppm"), record.scenario.market.currency
    verdict, badge = _wish(gap <= COST_GAP_TARGET_PPM, f"at most {percent(COST_GAP_TARGET_PPM)}")
    foresight = sum(day.comparison.optimum_foresight_cost_micro for day in record.days)
    costs = (
        ("This run", figure(summary, "community_cost_micro")),
        ("Best possible, same forecasts", figure(summary, "optimum_cost_micro")),
        ("Best possible, with foresight", foresight),
        ("Fixed shortest paths", figure(summary, "static_path_cost_micro")),
        ("Everybody buys from the utility", figure(summary, "utility_only_cost_micro")),
    )
    return Check(
        title="Cost against the best possible",
        value=f"{percent(gap)} <small>above, fees apart</small>",
        verdict=verdict,
        badge=badge,
        sentence="Routers know only their neighbours. A solver that sees every device and line at once "
        "gives the lowest cost there can be with the same forecasts; this is how far the community stayed "
        "from it.",
        rows=(
            *((name, money(cost, currency)) for name, cost in costs),
            ("Gap with fees counted", percent(figure(summary, "cost_gap_ppm"))),
        ),
    )


def _excess_loss(record: RunRecord, summary: Summary) -> Check:
    excess = figure(summary, "excess_loss_ppm")
    verdict, badge = _wish(excess <= EXCESS_LOSS_TARGET_PPM, f"at most {percent(EXCESS_LOSS_TARGET_PPM)}")
    return Check(
        title="Losses against the best possible",
        value=f"{percent(excess)} <small>{'more' if excess >= 0 else 'of difference'}</small>",
        verdict=verdict,
        badge=badge,
        sentence="How much more energy was lost on the way than in the cheapest possible schedule: a "
        "measure of how well the chosen paths were chosen.",
        rows=(
            ("Lost as booked", energy(sum(day.comparison.loss_j for day in record.days))),
            ("Lost in the optimum", energy(sum(day.comparison.optimum_loss_j for day in record.days))),
        ),
    )


def _holds(record: RunRecord, summary: Summary) -> Check:
    share = figure(summary, "rejected_hold_share_ppm")
    verdict, badge = _must(share < REFUSED_TARGET_PPM, f"below {percent(REFUSED_TARGET_PPM)}")
    reasons: Counter[str] = Counter()
    for day in record.days:
        for slot in day.slots:
            reasons.update(slot.holds_refused)
    shown = tuple(
        (_in_words(name), number(times)) for name, times in reasons.most_common(_REASONS_SHOWN) if times
    )
    return Check(
        title="Reservations refused",
        value=percent(share),
        verdict=verdict,
        badge=badge,
        sentence="Before energy is promised, every router on the path is asked to hold room for it. This "
        "share of the questions was answered with no, most often for the reasons below.",
        rows=(("Asked", number(figure(summary, "holds_attempted"))), *shown),
    )


def _in_words(reason: str) -> str:
    return reason.replace("_", " ").capitalize()


def _per_unit(micro_pu: int) -> str:
    return f"{micro_pu / 1e6:.3f}"
