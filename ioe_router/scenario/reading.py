"""Turns a scenario folder into a `Scenario`, or into findings.

The order is: the header, the network, the assets, then the days, each part read
as far as the parts before it allow.  Values are built only when nothing at all
was found, so a `Scenario` in hand is always a consistent one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ioe_router.scenario.asset_checks import check_assets, kind_of
from ioe_router.scenario.findings import Finding, Report
from ioe_router.scenario.grid_checks import check_grid
from ioe_router.scenario.header import Header, read_header
from ioe_router.scenario.model import (
    Asset,
    AssetDay,
    AssetKind,
    Bus,
    Day,
    Scenario,
    ScenarioLink,
    ScenarioLinkKind,
)
from ioe_router.scenario.profiles import DaySpan, ProfiledAsset, read_prices, read_profiles
from ioe_router.scenario.schema import (
    ASSET_COLUMNS,
    ASSETS_FILE,
    ATTRIBUTION_FILE,
    BUS_COLUMNS,
    BUSES_FILE,
    HEADER_FILE,
    LICENCE_FILE,
    LINK_COLUMNS,
    LINKS_FILE,
    SLOT_LENGTHS_S,
)
from ioe_router.scenario.tables import Row, read_table, read_text

_Prices = dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
_Profiles = dict[str, dict[str, AssetDay]]


def read_folder(folder: Path) -> tuple[Scenario | None, tuple[Finding, ...]]:
    """The scenario and no findings, or None and at least one finding."""
    report = Report()
    if not folder.is_dir():
        report.add(str(folder), 0, "", "there is no such folder", "name a scenario folder")
        return None, report.findings
    header = read_header(report, folder)
    slack = header.top.text("slack") if header else ""
    buses = read_table(report, folder, BUSES_FILE, BUS_COLUMNS, blank_is_zero=False)
    links = read_table(report, folder, LINKS_FILE, LINK_COLUMNS, blank_is_zero=False)
    assets = read_table(report, folder, ASSETS_FILE, ASSET_COLUMNS, blank_is_zero=True)
    if buses is not None and links is not None:
        check_grid(report, slack, buses, links)
    if assets is not None:
        check_assets(report, slack, [bus.text("name") for bus in buses or ()], assets)
    spans = _spans(report, header)
    every_day = header is not None and len(spans) == len(header.days) > 0
    prices = read_prices(report, folder, spans, every_day=every_day)
    profiles = _read_days(report, folder, spans, assets)
    _check_notices(report, folder)
    if len(report) or header is None or buses is None or links is None or assets is None:
        return None, report.findings
    days = tuple(_day(span, prices, profiles) for span in spans)
    return _scenario(header, buses, links, assets, days), ()


def _spans(report: Report, header: Header | None) -> tuple[DaySpan, ...]:
    """The days whose numbers are readable; overlapping or misaligned ones are findings."""
    if header is None or header.market.numbers.get("slot_s") not in SLOT_LENGTHS_S:
        return ()
    slot_s = header.market.numbers["slot_s"]
    spans: list[DaySpan] = []
    for row in header.days:
        if "label" not in row.texts or not {"start_utc_s", "slots"} <= row.numbers.keys():
            continue
        span = DaySpan(
            label=row.texts["label"],
            start_utc_s=row.numbers["start_utc_s"],
            slots=row.numbers["slots"],
            slot_s=slot_s,
        )
        if _check_span(report, row.line, span, spans):
            spans.append(span)
    return tuple(spans)


def _check_span(report: Report, line: int, span: DaySpan, before: Sequence[DaySpan]) -> bool:
    if span.start_utc_s % span.slot_s:
        cause = f"{span.start_utc_s} is not aligned to slots of {span.slot_s} s"
        remedy = f"write a multiple of {span.slot_s} seconds of UTC"
        report.add(HEADER_FILE, line, "days.start_utc_s", cause, remedy)
        return False
    for other in before:
        if other.label == span.label:
            cause = f'the label "{span.label}" occurs twice'
            report.add(HEADER_FILE, line, "days.label", cause, "give each day its own label")
            return False
        if span.start_utc_s < other.end_utc_s and other.start_utc_s < span.end_utc_s:
            cause = f'day "{span.label}" overlaps day "{other.label}"'
            report.add(HEADER_FILE, line, "days.start_utc_s", cause, "move or shorten one of them")
            return False
    return True


def _read_days(
    report: Report, folder: Path, spans: Sequence[DaySpan], assets: Sequence[Row] | None
) -> _Profiles:
    known = []
    for row in assets or ():
        kind = kind_of(row)
        if kind is not None:
            p_max_w = row.numbers.get("p_max_w", 0)
            known.append(ProfiledAsset(name=row.text("name"), kind=kind, p_max_w=p_max_w))
    if assets is None or len(known) < len(assets):
        return {}  # without every kind a profile column cannot be judged
    return {span.label: read_profiles(report, folder, span, known) for span in spans}


def _check_notices(report: Report, folder: Path) -> None:
    for file in (LICENCE_FILE, ATTRIBUTION_FILE):
        text = read_text(report, folder, file)
        if text is not None and not text.strip():
            cause = "the file is empty"
            report.add(file, 0, "", cause, "say under which licence the data may be used, and whose it is")


def _day(span: DaySpan, prices: _Prices, profiles: _Profiles) -> Day:
    retail, feed_in = prices[span.label]
    return Day(
        label=span.label,
        start_utc_s=span.start_utc_s,
        slots=span.slots,
        assets=profiles[span.label],
        retail_micro_per_kwh=retail,
        feed_in_micro_per_kwh=feed_in,
    )


def _scenario(
    header: Header,
    buses: Sequence[Row],
    links: Sequence[Row],
    assets: Sequence[Row],
    days: tuple[Day, ...],
) -> Scenario:
    return Scenario(
        name=header.top.texts["name"],
        title=header.top.texts["title"],
        description=header.top.texts["description"],
        slack=header.top.texts["slack"],
        market=header.to_market(),
        buses=tuple(_bus(row) for row in buses),
        links=tuple(_link(row) for row in links),
        assets=tuple(_asset(row) for row in assets),
        days=days,
        attribution=header.to_attribution(),
    )


def _bus(row: Row) -> Bus:
    return Bus(name=row.texts["name"], title=row.texts["title"], **row.numbers)


def _link(row: Row) -> ScenarioLink:
    texts = row.texts
    return ScenarioLink(
        name=texts["name"],
        parent=texts["parent"],
        child=texts["child"],
        kind=ScenarioLinkKind(texts["kind"]),
        **row.numbers,
    )


def _asset(row: Row) -> Asset:
    texts = row.texts
    return Asset(
        name=texts["name"],
        title=texts["title"],
        bus=texts["bus"],
        kind=AssetKind(texts["kind"]),
        **row.numbers,
    )
