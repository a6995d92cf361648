"""The report page: whole, self-contained, and saying what the record says."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from ioe_router.demo.record import RunRecord
from ioe_router.demo.report import report_html, write_report
from ioe_router.demo.report_members import member_figures
from ioe_router.demo.report_words import (
    clock,
    day_title,
    energy,
    kwh,
    listed,
    local_offset_s,
    money,
    number,
    percent,
)
from ioe_router.demo.summary import summary_of
from ioe_router.scenario import bundled, load_scenario
from tests.unit.demo.sample_run import sample_run, with_imbalance

TINY = Path(__file__).parents[2] / "scenarios" / "tiny"
VOID = frozenset({"meta", "br", "input", "link", "img", "hr"})
SIZE_LIMIT_BYTES = 2_000_000


class Page(HTMLParser):
    """A page's elements and text; `faults` names tags that do not match."""

    def __init__(self, text: str) -> None:
        """Read all of `text`."""
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element without content."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        """An element ends; it should be the innermost one."""
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        """Text, or script or style, which is not read."""
        if self.open and self.open[-1] not in {"script", "style"}:
            self.words.append(data)

    @property
    def text(self) -> str:
        """What a reader sees, white space joined."""
        return " ".join("".join(self.words).split())


@pytest.fixture(scope="module")
def run() -> RunRecord:
    """A run of the tiny scenario."""
    return sample_run(load_scenario(TINY))


@pytest.fixture(scope="module")
def html(run: RunRecord) -> str:
    """Its page."""
    return report_html(run, summary_of(run))


def _series(html: str) -> Any:  # noqa: ANN401 - JSON
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_tags_match(html: str) -> None:
    """Every element that is opened is closed, in order."""
    page = Page(html)
    assert page.faults == []
    assert page.open == []


def test_ids_are_unique_and_references_hold(html: str) -> None:
    """No two elements share an id, and what refers to an id within the page finds it."""
    page = Page(html)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    names = ("aria-labelledby", "for")
    wanted = [attributes[name] for _, attributes in page.elements for name in names if name in attributes]
    wanted += [attributes["href"][1:] for _, attributes in page.elements if "href" in attributes]
    assert set(wanted) - set(ids) == set()


def test_nothing_is_loaded(html: str) -> None:
    """No element, style or script refers to anything outside the file, and the policy forbids it."""
    page = Page(html)
    for tag, attributes in page.elements:
        assert tag not in {"link", "img", "iframe", "object", "embed"}
        assert "src" not in attributes
        assert attributes.get("href", "#").startswith("#")
    style = "".join(re.findall(r"<style>(.*?)</style>", html, re.DOTALL))
    assert "url(" not in style
    assert "@import" not in style
    script = html.rsplit("<script>", 1)[1]
    assert not re.search(r"fetch\(|XMLHttpRequest|import\(|sendBeacon|WebSocket", script)
    policy = next(a["content"] for _, a in page.elements if "http-equiv" in a)
    assert policy.startswith("default-src 'none'")


def test_every_member_appears_with_its_figures(run: RunRecord, html: str) -> None:
    """Each member has one row, whose energies and bill are those of the record."""
    rows = dict(re.findall(r'<tr data-bus="([^"]+)">(.*?)</tr>', html, re.DOTALL))
    members = {m.bus: m for m in run.days[0].members if m.bus != run.scenario.slack}
    assert rows.keys() == members.keys()
    for bus, member in members.items():
        values = re.findall(r'data-value="([^"]*)"', rows[bus])
        figures = [member.consumed_j, member.produced_j, member.bought_j, member.sold_j, member.bill_micro]
        assert [values[0], *map(int, (*values[1:3], *values[4:7]))] == [member.title, *figures]


def test_own_use_and_the_bill_alone_follow_from_the_slots(run: RunRecord) -> None:
    """Own use is the lesser of given and taken per slot; alone, the battery rests, slots priced apart."""
    day, tariff = run.days[0], run.scenario.days[0]
    for member in member_figures(run, run.days):
        buses = [next(one for one in slot.buses if one.bus == member.bus) for slot in day.slots]
        own = sum(min(b.produced_j + b.discharged_j, b.consumed_j + b.charged_j) for b in buses)
        assert member.own_use_j == own
        alone = 0.0
        for i, bus in enumerate(buses):
            left = bus.consumed_j - bus.produced_j
            alone += left * (tariff.retail_micro_per_kwh[i] if left > 0 else tariff.feed_in_micro_per_kwh[i])
        assert member.alone_micro == pytest.approx(alone / 3.6e6, abs=1)
        stored = [a for a in run.scenario.assets if a.bus == member.bus and a.capacity_j]
        gained = sum(day.slots[-1].stored_j[a.name] - a.start_j for a in stored)
        value = gained * run.scenario.market.reference_price_micro_per_kwh / 3.6e6
        assert member.saving_micro == pytest.approx(alone / 3.6e6 - member.bill_micro + value, abs=2)


def test_series_are_those_of_the_record(run: RunRecord, html: str) -> None:
    """What the script draws is what the record holds, slot by slot."""
    data, day = _series(html), run.days[0]
    packed, slot_s = data["days"][0], run.scenario.market.slot_s
    assert [bus["n"] for bus in data["buses"]] == [bus.name for bus in run.scenario.buses]
    assert [link["n"] for link in data["links"]] == [link.name for link in run.scenario.links]
    assert packed["slots"] == len(day.slots)
    assert packed["loss"] == [slot.loss_j for slot in day.slots]
    assert packed["lossAc"] == [slot.loss_booked_ac_j for slot in day.slots]
    assert packed["price"]["mean"] == [s.price and s.price.mean_micro_per_kwh for s in day.slots]
    for i, link in enumerate(run.scenario.links):
        of = [next(one for one in slot.links if one.link == link.name) for slot in day.slots]
        assert packed["load"][i] == [one.loading_ppm for one in of]
        assert packed["flow"][i] == [round(one.flow_j / slot_s) for one in of]
    for i, bus in enumerate(run.scenario.buses):
        here = [next(one for one in slot.buses if one.bus == bus.name) for slot in day.slots]
        assert packed["volt"][i] == [one.voltage_micro_pu for one in here]


def test_both_sides_of_the_balance_are_equal(run: RunRecord, html: str) -> None:
    """In each slot what was given equals where it went, but for the sample's rounding to watts."""
    packed = _series(html)["days"][0]
    for slot in range(packed["slots"]):
        given = sum(values[slot] for _, values in packed["supply"])
        taken = sum(values[slot] for _, values in packed["use"])
        assert given == pytest.approx(taken, abs=run.scenario.market.slot_s * len(run.scenario.buses))


def test_key_figures_are_those_of_the_summary(run: RunRecord, html: str) -> None:
    """Costs, saving and reservations in the text are the summary's."""
    summary, text = summary_of(run), Page(html).text
    cost, alone = summary["community_cost_micro"], summary["utility_only_cost_micro"]
    assert isinstance(cost, int)
    assert isinstance(alone, int)
    assert money(cost, "EUR") in text
    assert money(alone - cost, "EUR") in text
    assert f"{number(cost / 1e6, 2)} EUR" in text
    assert f"{summary['reservations_committed']} reservations" in text
    assert "The books balance" in text


def test_books_out_of_balance_are_said_to_be(run: RunRecord) -> None:
    """A joule missing changes the story and the verdict of the check."""
    broken = with_imbalance(run, 7)
    html = report_html(broken, summary_of(broken))
    assert "The books do not balance: 7 J" in Page(html).text
    assert '<article class="check card bad"><h3>Energy books' in html


def test_a_quality_figure_above_its_target_is_not_called_good(run: RunRecord) -> None:
    """A cost gap above the target is shown as information, never as passed."""
    summary = summary_of(run) | {"cost_gap_without_fees_ppm": 90_000}
    assert '<article class="check card info"><h3>Cost against the best possible' in report_html(run, summary)


def test_violations_are_named(run: RunRecord) -> None:
    """Overloads and voltages outside the band replace the sentence that there were none."""
    text = Page(report_html(run, summary_of(run) | {"overload_violations": 2})).text
    assert "2 overloads and 0 voltages outside the band were found" in text
    assert "No line was overloaded" not in text


def test_dead_routers_are_told_and_drawn(run: RunRecord) -> None:
    """A death has a section with its figures and a mark from its slot on; without one there is neither."""
    assert "when a router died" not in report_html(run, summary_of(run))
    mourned = sample_run(run.scenario, deaths=True)
    html, death = report_html(mourned, summary_of(mourned)), mourned.days[0].deaths[0]
    index = [bus.name for bus in run.scenario.buses].index(death.bus)
    assert _series(html)["days"][0]["dead"] == [[index, len(mourned.days[0].slots) // 2]]
    text = Page(html).text
    assert f"9 reservations over {energy(death.energy_lost_j)} fell through" in text
    assert "2 offers of its own can no longer be reached (solar 1 and storage 2)" in text


def test_names_cannot_break_the_page(run: RunRecord) -> None:
    """Markup in names and notes is shown as text, in the page as in its data."""
    evil = '</script><script>alert("x")</script>'
    buses = tuple(replace(bus, title=f"{evil}&{i}") for i, bus in enumerate(run.scenario.buses))
    scenario = replace(run.scenario, buses=buses, title=evil)
    hostile = replace(sample_run(scenario), notes=(evil,))
    html = report_html(hostile, summary_of(hostile))
    assert Page(html).faults == []
    assert 'alert("x")</script>' not in html.replace("\\u003c", "<\\")
    assert _series(html)["buses"][1]["t"] == f"{evil}&1"
    assert evil in Page(html).text


def test_a_summary_of_another_kind_is_refused(run: RunRecord, tmp_path: Path) -> None:
    """A missing figure is named, and nothing is left behind."""
    summary = summary_of(run)
    del summary["loss_error_vs_ac_worst_slot_ppm"]
    with pytest.raises(ValueError, match=r"'loss_error_vs_ac_worst_slot_ppm'.*of the same run"):
        write_report(run, summary, tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_a_day_without_slots_is_refused(run: RunRecord) -> None:
    """There is no page of nothing."""
    empty = replace(run, days=(replace(run.days[0], slots=()),))
    with pytest.raises(ValueError, match="without slots"):
        report_html(empty, summary_of(run))


def test_the_page_replaces_an_older_one(run: RunRecord, tmp_path: Path) -> None:
    """Writing leaves exactly the new page."""
    path = tmp_path / "report.html"
    path.write_text("old", encoding="utf-8")
    assert write_report(run, summary_of(run), path) == path
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["village", "feeder33"])
def test_pages_of_the_bundled_scenarios_are_small(name: str) -> None:
    """All days of a bundled scenario fit into two megabytes, and each day has its own lines of members."""
    run = sample_run(bundled(name))
    html = report_html(run, summary_of(run))
    assert len(html.encode()) < SIZE_LIMIT_BYTES
    days = len(run.days)
    rows = re.findall(r'<tr data-bus="', html)
    assert len(rows) == (days + (days > 1)) * (len(run.scenario.buses) - 1)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (number(-1234.5, 1), "−1,234.5"),
        (number(-0.001, 2), "0.00"),
        (kwh(0), "0"),
        (kwh(3_600_000), "1.00"),
        (kwh(36_000_000), "10.0"),
        (kwh(3_600_000_000), "1,000"),
        (money(-1_500_000, "EUR"), "−1.50 EUR"),
        (percent(0), "0.0 %"),
        (percent(40), "below 0.01 %"),
        (percent(5_000), "0.50 %"),
        (percent(53_000), "5.3 %"),
        (percent(890_000), "89 %"),
        (listed(["a"]), "a"),
        (listed(["a", "b", "c"]), "a, b and c"),
        (day_title("2016-01-05"), "5 January 2016"),
        (day_title("day-1"), "day-1"),
        (clock("2016-01-15", 1452812400, 1452812400), "00:00"),
        (clock("day-1", 1465948800, 1465948800), "00:00"),
    ],
)
def test_numbers_and_dates_in_words(said: str, expected: str) -> None:
    """Digits follow size, minus signs are real, a zero has no sign."""
    assert said == expected


def test_local_time_needs_a_date_and_a_believable_offset() -> None:
    """A day named by its date starts at its local midnight; any other day is told in UTC."""
    assert local_offset_s("2016-01-15", 1452812400) == 3600
    assert local_offset_s("2016-01-15", 1452812400 + 10 * 86_400) == 0
    assert local_offset_s("winter", 1452812400) == 0
