"""Writes report.html: a run of the demo as one self-contained page that a person can look at.

Everything shown comes from the run's record and summary.  Words, tables and
checks are written here, so that the page can be read, printed and searched
without its script; the drawing of the grid and the charts are made by the
page's own script from the series packed into it.  The page loads nothing: its
style, script and icons are put into it from `report_assets`, and its content
policy forbids the browser every request.
"""

from __future__ import annotations

import json
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Final

from ioe_router.demo.record import RunRecord
from ioe_router.demo.report_checks import Summary, check_html, checks_of
from ioe_router.demo.report_members import members_table
from ioe_router.demo.report_series import page_data
from ioe_router.demo.report_story import facts, footer, headline, outages, run_notes, story, tiles

_SCRIPTS: Final = ("base.js", "grid.js", "side.js", "plot.js", "charts.js", "page.js")


def write_report(record: RunRecord, summary: Summary, path: Path) -> Path:
    """Write the page of a run to `path`, whole or not at all; returns the path.

    Raises:
        ValueError: the summary lacks a figure, or the record has no slot.
        OSError: the file cannot be written.
    """
    text = report_html(record, summary)
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_text(text, encoding="utf-8")
    return unfinished.replace(path)


def report_html(record: RunRecord, summary: Summary) -> str:
    """The page of a run as text.

    Raises:
        ValueError: the summary lacks a figure, or the record has no slot.
    """
    if not record.days or not all(day.slots for day in record.days):
        raise ValueError("the record has a day without slots: there is nothing to report on")
    head = headline(record, summary)
    return Template(_asset("page.html")).substitute(
        title=f"{escape(record.scenario.title)}: {head}",
        css=_asset("page.css"),
        symbols=_asset("icons.svg"),
        eyebrow=escape(record.scenario.title),
        headline=head,
        story=story(record, summary),
        tiles=tiles(record, summary),
        notices=run_notes(record),
        members_lead=_MEMBERS_LEAD,
        members=members_table(record),
        outages=outages(record),
        checks_lead=_CHECKS_LEAD,
        checks="".join(check_html(check) for check in checks_of(record, summary)),
        run_lead=_RUN_LEAD,
        facts=facts(record, summary),
        footer=footer(record),
        data=_embedded(record),
        js=_script(),
    )


_MEMBERS_LEAD: Final = (
    "A negative bill is income. “Own use” went from a member's own source or battery to its own devices in "
    "the same slot. “Utility alone” is what the same consumption and production would have cost without "
    "neighbours, with the battery at rest; “Saved” is the difference to the bill, with what the battery "
    "gained over the day. The sum is not the community's saving, which also counts losses, the cost of own "
    "sources and demand that waited."
)
_CHECKS_LEAD: Final = (
    "The demo checks itself in every slot: its books by adding up, its physics by a power flow that knows "
    "nothing of routers, its cost by a solver that sees everything at once."
)
_RUN_LEAD: Final = (
    "Every router has its own key and its own port; all messages crossed mutually authenticated TLS "
    "connections, and each signed object was verified where it arrived."
)


def _embedded(record: RunRecord) -> str:
    """The page's data as JSON that no HTML parser mistakes for markup."""
    text = json.dumps(page_data(record), separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _script() -> str:
    body = "\n".join(_asset(name) for name in _SCRIPTS)
    return f"(() => {{\n'use strict';\n{body}\n}})();"


def _asset(name: str) -> str:
    return files("ioe_router.demo").joinpath("report_assets", name).read_text(encoding="utf-8")
