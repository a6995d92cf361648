"""Reads scenario.toml: what the scenario is called, its market and its days.

TOML values lose their line numbers when parsed, so a finding here looks the key
up in the text again; that is exact for the plain `key = value` lines the format
asks for.
"""

from __future__ import annotations

import itertools
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ioe_router.scenario.findings import Report, nearest
from ioe_router.scenario.model import Attribution, Market
from ioe_router.scenario.schema import (
    ATTRIBUTION_KEYS,
    DAY_KEYS,
    FLOOR_KEY,
    FORMAT,
    HEADER_FILE,
    HEADER_KEYS,
    HEADER_TABLES,
    MARKET_KEYS,
    SLOT_LENGTHS_S,
    Column,
)
from ioe_router.scenario.tables import (
    Row,
    check_name,
    explain_unknown,
    range_fault,
    read_text,
)

_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_TOML_PLACE: Final = re.compile(r"\(at line (\d+), column \d+\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """scenario.toml with every readable value; `texts` and `numbers` may lack faulty keys."""

    top: Row
    market: Row
    floors: tuple[int, ...]
    attribution: Row
    days: tuple[Row, ...]

    def to_market(self) -> Market:
        """The market values; only for a header without findings."""
        return Market(
            network_id=self.market.texts["network_id"],
            currency=self.market.texts["currency"],
            floor_micro_per_kwh=self.floors,
            **self.market.numbers,
        )

    def to_attribution(self) -> Attribution:
        """The attribution; only for a header without findings."""
        return Attribution(**self.attribution.texts)


def read_header(report: Report, folder: Path) -> Header | None:
    """The header, or None where scenario.toml is missing or no TOML at all."""
    read = read_toml(report, folder, HEADER_FILE)
    if read is None:
        return None
    text, document = read
    reader = HeaderReader(report, HEADER_FILE, text)
    return reader.header(document, HEADER_KEYS, HEADER_TABLES)


def read_toml(report: Report, folder: Path, file: str) -> tuple[str, dict[str, object]] | None:
    """The text and the document of a TOML file; None with a finding where it is none."""
    text = read_text(report, folder, file)
    if text is None:
        return None
    try:
        return text, tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # beside TOMLDecodeError: digits or brackets without end
        place = _TOML_PLACE.search(str(error))
        cause = "malformed TOML: " + _TOML_PLACE.sub("", str(error)).strip()
        line = int(place.group(1)) if place else len(text.splitlines())
        report.add(file, line, "", cause, "mend the line")
        return None


class HeaderReader:
    """One pass over one document; keeps what every finding needs."""

    def __init__(self, report: Report, file: str, text: str) -> None:
        self._report = report
        self._file = file
        self._lines = text.splitlines()

    def header(self, document: dict[str, object], keys: Sequence[Column], tables: Sequence[str]) -> Header:
        """The header with the top-level `keys`; other tables than `tables` are findings."""
        self._unknown(document, ["format", *(key.name for key in keys), *tables], "", 0)
        self._format(document)
        market = self._table(document, "market")
        attribution = self._table(document, "attribution")
        header = Header(
            top=self.row("", document, keys),
            market=self.row("market", market, MARKET_KEYS, also=(FLOOR_KEY,)),
            floors=self._floors(market),
            attribution=self.row("attribution", attribution, ATTRIBUTION_KEYS),
            days=self.rows(document, "days", DAY_KEYS),
        )
        self._check_days(header)
        self._check_market(header)
        return header

    def table(
        self,
        document: dict[str, object],
        name: str,
        columns: Sequence[Column],
        optional: Sequence[str],
    ) -> Row:
        """The keys of one table, which may be missing if all of them are `optional`."""
        if name not in document and len(optional) == len(columns):
            return Row(line=0)
        return self.row(name, self._table(document, name), columns, optional=optional)

    def row(
        self,
        name: str,
        table: dict[str, object],
        columns: Sequence[Column],
        nth: int = 0,
        *,
        also: Sequence[str] = (),
        optional: Sequence[str] = (),
    ) -> Row:
        """The keys of one table; those in `also` are read by someone else."""
        row = Row(line=self.line_of(name, columns[0].name, nth))
        if name and not table:
            return row  # the missing table is one finding already
        if name:
            self._unknown(table, [*also, *(column.name for column in columns)], name, nth)
        for column in columns:
            value = table.get(column.name)
            if value is None and column.name not in optional:
                self._add(name, column.name, "the key is missing", f"add {column.name}", nth)
            elif value is not None and column.text:
                self._put_text(row, name, column, value, nth)
            elif value is not None:
                self._put_number(row, name, column, value, nth)
        return row

    def rows(
        self,
        document: dict[str, object],
        name: str,
        columns: Sequence[Column],
        *,
        optional: Sequence[str] = (),
    ) -> tuple[Row, ...]:
        """The rows of an array of tables such as [[days]]; empty where there is none."""
        value = document.get(name)
        entries = value if isinstance(value, list) else []
        tables = [entry for entry in entries if isinstance(entry, dict)]
        return tuple(
            self.row(name, table, columns, nth, optional=optional) for nth, table in enumerate(tables)
        )

    def line_of(self, table: str, key: str, nth: int = 0) -> int:
        """The line of `key` in the nth `table` (0 where it is not there)."""
        section, seen = "", 0
        start = 0
        for number, line in enumerate(self._lines, start=1):
            heading = re.match(r"\s*\[\[?\s*([A-Za-z_.]+)\s*\]\]?", line)
            if heading:
                section = heading.group(1)
                seen += section == table
                if section == table and seen == nth + 1:
                    start = number
            elif (
                section == table
                and (not table or seen == nth + 1)
                and re.match(rf"\s*\"?{re.escape(key)}\"?\s*=", line)
            ):
                return number
        return start

    def _add(self, table: str, key: str, cause: str, remedy: str, nth: int = 0) -> None:
        name = f"{table}.{key}" if table else key
        self._report.add(self._file, self.line_of(table, key, nth), name, cause, remedy)

    def _format(self, document: dict[str, object]) -> None:
        found = document.get("format")
        if found != FORMAT or isinstance(found, bool):
            cause = "the key is missing" if found is None else f"format {found!r} is not known"
            self._add("", "format", cause, f"write format = {FORMAT}")

    def _table(self, document: dict[str, object], name: str) -> dict[str, object]:
        table = document.get(name)
        if isinstance(table, dict):
            return table
        self._report.add(self._file, 0, name, "the table is missing", f"add a [{name}] table")
        return {}

    def _unknown(self, table: dict[str, object], known: list[str], name: str, nth: int) -> None:
        for key in table:
            if key not in known:
                cause, remedy = explain_unknown(key, known, "key")
                self._add(name, key, cause, remedy, nth)

    def _put_text(self, row: Row, table: str, column: Column, value: object, nth: int) -> None:
        if isinstance(value, str) and value.strip():
            row.texts[column.name] = value.strip()
        else:
            self._add(table, column.name, f"{value!r} is no text", 'write a text in "quotes"', nth)

    def _put_number(self, row: Row, table: str, column: Column, value: object, nth: int) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            self._add(table, column.name, f"{value!r} is not an integer", "write a whole number")
            return
        fault = range_fault(column, value)
        if fault is None:
            row.numbers[column.name] = value
        else:
            self._add(table, column.name, *fault, nth)

    def _floors(self, market: dict[str, object]) -> tuple[int, ...]:
        if not market:
            return ()
        value = market.get(FLOOR_KEY)
        remedy = "write whole numbers such as [400000, 200000, 20000]"
        if not isinstance(value, list) or not value:
            self._add("market", FLOOR_KEY, "there is no list of floors", remedy)
            return ()
        if any(isinstance(floor, bool) or not isinstance(floor, int) for floor in value):
            self._add("market", FLOOR_KEY, "a floor is not an integer", remedy)
            return ()
        floors = tuple(value)
        for higher, lower in itertools.pairwise(floors):
            if lower >= higher:
                cause = f"the floors do not descend: {lower} follows {higher}"
                self._add("market", FLOOR_KEY, cause, "sort them from high to low, each once")
                break
        return floors

    def _check_days(self, header: Header) -> None:
        if not header.days:
            self._report.add(self._file, 0, "days", "there is no day", "add a [[days]] table")
        for row in header.days:
            if "label" in row.texts:
                check_name(self._report, self._file, row.line, "days.label", row.text("label"))

    def _check_market(self, header: Header) -> None:
        if "name" in header.top.texts:
            line = self.line_of("", "name")
            check_name(self._report, self._file, line, "name", header.top.text("name"))
        currency = header.market.texts.get("currency")
        if currency is not None and not _CURRENCY.fullmatch(currency):
            cause = f'"{currency}" is no ISO 4217 code'
            self._add("market", "currency", cause, "write three capital letters such as EUR")
        slot_s = header.market.numbers.get("slot_s")
        if slot_s is not None and slot_s not in SLOT_LENGTHS_S:
            choices = nearest("", [str(length) for length in SLOT_LENGTHS_S])
            self._add("market", "slot_s", f"{slot_s} s is no slot length", choices)
        self._check_band(header.market.numbers)

    def _check_band(self, numbers: dict[str, int]) -> None:
        keys = ("voltage_min", "slack_voltage", "voltage_max", "voltage_guard")
        values = [numbers.get(f"{key}_micro_pu") for key in keys]
        if None in values:
            return
        low, slack, high, guard = (value or 0 for value in values)
        if not low + guard < slack < high - guard:
            cause = f"{slack} is not inside the voltage band {low}..{high} less its guard {guard}"
            remedy = "widen the band, shrink the guard or move the slack voltage"
            self._add("market", "slack_voltage_micro_pu", cause, remedy)
