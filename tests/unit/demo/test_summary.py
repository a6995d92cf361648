"""summary.json and trades.csv, from a record."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from ioe_router.demo.record import RunRecord
from ioe_router.demo.summary import summary_of, write_summary, write_trades
from ioe_router.scenario import load_scenario
from tests.unit.demo.sample_run import sample_run

TINY = Path(__file__).parents[2] / "scenarios" / "tiny"


@pytest.fixture(scope="module")
def record() -> RunRecord:
    """A record of both slots of the tiny scenario."""
    return sample_run(load_scenario(TINY))


def spoilt(record: RunRecord, **fields: int) -> RunRecord:
    """The record with other figures in its first slot."""
    day = record.days[0]
    slots = (replace(day.slots[0], **fields), *day.slots[1:])  # type: ignore[arg-type]
    return replace(record, days=(replace(day, slots=slots), *record.days[1:]))


@pytest.mark.parametrize(
    ("field", "figure"),
    [
        ("books_imbalance_j", "books_imbalance_j"),
        ("obligations_imbalance_micro", "obligations_imbalance_micro"),
        ("overloads", "overload_violations"),
        ("voltage_violations", "voltage_violations"),
        ("loss_j", "loss_j"),
        ("delivered_j", "delivered_j"),
    ],
)
def test_a_figure_is_the_sum_over_the_slots(record: RunRecord, field: str, figure: str) -> None:
    """Three more in one slot are three more in the summary: nothing there is a constant."""
    before = summary_of(record)[figure]
    first = getattr(record.days[0].slots[0], field)
    assert isinstance(before, int)
    assert summary_of(spoilt(record, **{field: first + 3}))[figure] == before + 3


def test_gaps_are_relative_to_the_optimum(record: RunRecord) -> None:
    """A cost of 1 010 against an optimum of 1 000 is a gap of one percent; the same for losses."""
    comparison = replace(
        record.days[0].comparison,
        community_cost_micro=1_010,
        optimum_cost_micro=1_000,
        community_cost_without_fees_micro=1_005,
        optimum_cost_without_fees_micro=1_000,
        loss_j=206,
        optimum_loss_j=200,
    )
    found = summary_of(replace(record, days=(replace(record.days[0], comparison=comparison),)))
    assert found["cost_gap_ppm"] == 10_000
    assert found["cost_gap_without_fees_ppm"] == 5_000
    assert found["excess_loss_ppm"] == 30_000


def test_the_loss_error_is_that_of_the_worst_slot(record: RunRecord) -> None:
    """One slot in which the books say ten percent more than the power flow sets the figure."""
    bad = spoilt(record, loss_booked_j=110_000, loss_booked_ac_j=100_000)
    assert summary_of(bad)["loss_error_vs_ac_worst_slot_ppm"] == 100_000


def test_refused_holds_are_counted_by_reason_and_as_a_share(record: RunRecord) -> None:
    """Two of five refused are 40 percent."""
    day = record.days[0]
    slots = tuple(
        replace(s, holds_attempted=5 if i == 0 else 0, holds_refused={"NO_ENERGY": 2} if i == 0 else {})
        for i, s in enumerate(day.slots)
    )
    found = summary_of(replace(record, days=(replace(day, slots=slots),)))
    assert (found["holds_attempted"], found["holds_refused"]) == (5, 2)
    assert found["rejected_hold_share_ppm"] == 400_000


def test_slots_with_a_dead_router_do_not_count_in_the_loss_error(record: RunRecord) -> None:
    """After a death the books say nothing about the dead router's bus: the slots before are compared."""
    dead = sample_run(load_scenario(TINY), deaths=True)
    day = dead.days[0]
    death = replace(day.deaths[0], slot=day.slots[1].slot)
    slots = (
        replace(day.slots[0], loss_booked_j=100, loss_booked_ac_j=100),
        replace(day.slots[1], loss_booked_j=900, loss_booked_ac_j=100),
    )
    found = summary_of(replace(dead, days=(replace(day, slots=slots, deaths=(death,)),)))
    assert found["loss_error_vs_ac_worst_slot_ppm"] == 0


def test_files_hold_the_figures_and_every_trade(record: RunRecord, tmp_path: Path) -> None:
    """What is read back is what was written, one line for each trade."""
    figures = summary_of(record)
    write_summary(figures, tmp_path / "summary.json")
    write_trades(record, tmp_path / "trades.csv")
    assert json.loads((tmp_path / "summary.json").read_text()) == figures
    with (tmp_path / "trades.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    trades = [trade for day in record.days for trade in day.trades]
    assert [(r["seller"], int(r["energy_j"])) for r in rows] == [(t.seller, t.energy_j) for t in trades]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["summary.json", "trades.csv"]
