"""Reads prices.csv and profiles/<day>.csv against the days of the header.

Every table of a day has one row a slot, in order, without gaps: the row's
`slot_start_utc_s` is checked against the header instead of being trusted, so a
file of another day, of another slot length or with a daylight-saving hour in it
is noticed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ioe_router.scenario.findings import Report, nearest
from ioe_router.scenario.model import AssetDay, AssetKind
from ioe_router.scenario.schema import (
    CONSUMERS,
    INT64_MAX,
    PRICE_COLUMNS,
    PRICES_FILE,
    PROFILED,
    PROFILES_FOLDER,
    SLOT_COLUMN,
    Column,
)
from ioe_router.scenario.tables import (
    RawTable,
    Row,
    explain_unknown,
    parse_integer,
    read_raw,
    read_table,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DaySpan:
    """The slots one day must have."""

    label: str
    start_utc_s: int
    slots: int
    slot_s: int

    @property
    def end_utc_s(self) -> int:
        """The first second after the day."""
        return self.start_utc_s + self.slots * self.slot_s


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfiledAsset:
    """What the profile reader must know of an asset."""

    name: str
    kind: AssetKind
    p_max_w: int


def check_starts(report: Report, file: str, span: DaySpan, starts: Sequence[tuple[int, int | None]]) -> bool:
    """True if `starts` (line, slot start) are the slots of `span`; the first fault is a finding."""
    expected = span.start_utc_s
    previous: int | None = None
    for line, start in starts:
        if start is None:
            return False  # that cell is a finding already
        fault = _slot_fault(start, expected, previous, span)
        if fault is not None:
            report.add(file, line, SLOT_COLUMN, *fault)
            return False
        previous, expected = start, start + span.slot_s
    if len(starts) != span.slots:
        cause = f"day {span.label} has {len(starts)} rows here and {span.slots} slots in the header"
        report.add(file, 0, SLOT_COLUMN, cause, "write one row for each slot")
        return False
    return True


def read_prices(
    report: Report, folder: Path, spans: Sequence[DaySpan], *, every_day: bool
) -> dict[str, tuple[tuple[int, ...], tuple[int, ...]]]:
    """Retail and feed-in price per slot, by day label; faulty days are absent.

    Rows outside all spans are findings if the spans are `every_day` of the header.
    """
    rows = read_table(report, folder, PRICES_FILE, PRICE_COLUMNS, blank_is_zero=False)
    if rows is None:
        return {}
    prices: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {}
    taken: set[int] = set()
    for span in spans:
        of_day = [row for row in rows if _within(row, span)]
        taken.update(row.line for row in of_day)
        starts = [(row.line, row.numbers.get(SLOT_COLUMN)) for row in of_day]
        if check_starts(report, PRICES_FILE, span, starts):
            prices[span.label] = _price_pair(report, of_day)
    for row in rows if every_day else ():
        if row.line not in taken and SLOT_COLUMN in row.numbers:
            cause = f"{row.numbers[SLOT_COLUMN]} belongs to no day of the header"
            report.add(PRICES_FILE, row.line, SLOT_COLUMN, cause, "remove the row or add the day")
    return prices


def read_profiles(
    report: Report, folder: Path, span: DaySpan, assets: Sequence[ProfiledAsset]
) -> dict[str, AssetDay]:
    """Every asset's profile of one day; assets with faulty columns are absent."""
    file = f"{PROFILES_FOLDER}/{span.label}.csv"
    raw = read_raw(report, folder, file)
    if raw is None or not check_profile_columns(report, file, raw.columns, assets):
        return {}
    return day_profiles(report, file, raw, span, assets)


def day_profiles(
    report: Report, file: str, raw: RawTable, span: DaySpan, assets: Sequence[ProfiledAsset]
) -> dict[str, AssetDay]:
    """Like `read_profiles`, of a table whose column names are known to be right."""
    columns = _integers(report, file, raw)
    starts = [(line, columns[SLOT_COLUMN][i]) for i, (line, _) in enumerate(raw.rows)]
    if not check_starts(report, file, span, starts):
        return {}
    days = {}
    for asset in assets:
        day = _asset_day(columns, asset, span.slots)
        if day is not None:
            _check_nameplate(report, file, raw, asset, day)
            days[asset.name] = day
    return days


def _slot_fault(start: int, expected: int, previous: int | None, span: DaySpan) -> tuple[str, str] | None:
    if start == expected and start < span.end_utc_s:
        return None
    if start % span.slot_s:
        return (
            f"{start} is not aligned to slots of {span.slot_s} s",
            f"write multiples of {span.slot_s} seconds of UTC",
        )
    if previous is None:
        return (
            f"day {span.label} begins at {start} and not at {span.start_utc_s}",
            "correct the row or start_utc_s in scenario.toml",
        )
    if start == expected:
        return f"day {span.label} has more rows than slots", "remove the rows past its end"
    return (
        f"the step from the row above is {start - previous} s and not {span.slot_s} s",
        "write one row for each slot, in order and without gaps",
    )


def _within(row: Row, span: DaySpan) -> bool:
    start = row.numbers.get(SLOT_COLUMN)
    return start is not None and span.start_utc_s <= start < span.end_utc_s


def _price_pair(report: Report, rows: Sequence[Row]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    retail = tuple(row.numbers.get("retail_micro_per_kwh", 0) for row in rows)
    feed_in = tuple(row.numbers.get("feed_in_micro_per_kwh", 0) for row in rows)
    for row, buy, sell in zip(rows, retail, feed_in, strict=True):
        readable = {"retail_micro_per_kwh", "feed_in_micro_per_kwh"} <= row.numbers.keys()
        if readable and sell > buy:
            cause = f"the feed-in price {sell} is above the retail price {buy}"
            remedy = "lower it, or members would buy from the utility to sell to it"
            report.add(PRICES_FILE, row.line, "feed_in_micro_per_kwh", cause, remedy)
    return retail, feed_in


def check_profile_columns(
    report: Report, file: str, present: Sequence[str], assets: Sequence[ProfiledAsset]
) -> bool:
    """True if `present` has every column the assets need and no unknown one."""
    needed = [SLOT_COLUMN, *(f"{a.name}.p_w" for a in assets if a.kind in PROFILED)]
    known = [*needed, *(f"{a.name}.q_var" for a in assets if a.kind in PROFILED)]
    known += [f"{a.name}.p_w" for a in assets if a.kind is AssetKind.CHP]
    fine = True
    for name in present:
        if name not in known:
            report.add(file, 1, name, *_explain_column(name, known))
            fine = False
    for name in needed:
        if name not in present:
            report.add(file, 1, name, "the profile column is missing", f"add a column {name}")
            fine = False
    return fine


def _explain_column(name: str, known: Sequence[str]) -> tuple[str, str]:
    asset, _, quantity = name.rpartition(".")
    of_asset = [column for column in known if column.startswith(f"{asset}.")]
    if asset and of_asset:
        quantities = [column.rpartition(".")[2] for column in of_asset]
        cause, remedy = explain_unknown(quantity, quantities, "column ending")
        return cause, remedy
    return "unknown column (no such asset with a profile)", nearest(name, known)


def _integers(report: Report, file: str, raw: RawTable) -> dict[str, list[int | None]]:
    columns: dict[str, list[int | None]] = {name: [] for name in raw.columns}
    bounds = {name: Column(name=name, low=_low(name)) for name in raw.columns}
    for line, cells in raw.rows:
        for name, cell in zip(raw.columns, cells, strict=True):
            columns[name].append(parse_integer(report, file, line, bounds[name], cell))
    return columns


def _low(name: str) -> int:
    return -INT64_MAX if name.endswith(".q_var") else 0  # capacitive loads consume negative var


def _asset_day(columns: dict[str, list[int | None]], asset: ProfiledAsset, slots: int) -> AssetDay | None:
    idle = asset.p_max_w if asset.kind is AssetKind.CHP else 0
    p_w = columns.get(f"{asset.name}.p_w", [idle] * slots)
    q_var = columns.get(f"{asset.name}.q_var", [0] * slots)
    whole_p_w = tuple(value for value in p_w if value is not None)
    whole_q_var = tuple(value for value in q_var if value is not None)
    if len(whole_p_w) < slots or len(whole_q_var) < slots:
        return None
    return AssetDay(p_w=whole_p_w, q_var=whole_q_var)


def _check_nameplate(report: Report, file: str, raw: RawTable, asset: ProfiledAsset, day: AssetDay) -> None:
    if asset.p_max_w <= 0:
        return  # a finding of assets.csv already
    for (line, _), p_w in zip(raw.rows, day.p_w, strict=True):
        if p_w > asset.p_max_w:
            what = "consumption" if asset.kind in CONSUMERS else "production"
            cause = f"a {what} of {p_w} W is above the asset's p_max_w of {asset.p_max_w} W"
            remedy = "check the unit, or raise p_max_w in assets.csv"
            report.add(file, line, f"{asset.name}.p_w", cause, remedy)
            return
