"""Reads the CSV files of a scenario folder into rows with line numbers.

Decided here: what counts as a table at all (UTF-8, one header line, as many
cells as columns), which column names are known, and what an integer looks like.
A row with a bad cell is kept without that cell, so that one typing error does
not bring a dozen "unknown bus" findings with it.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ioe_router.scenario.findings import Report, nearest
from ioe_router.scenario.schema import Column, split_unit

_INTEGER: Final = re.compile(r"-?[0-9]{1,19}")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a table; cells that could not be read are absent."""

    line: int
    texts: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """The cell, or an empty string where it could not be read."""
        return self.texts.get(name, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class RawTable:
    """Column names and the cells under them, each row with its line number."""

    columns: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]


def read_text(report: Report, folder: Path, file: str) -> str | None:
    """The file's text; None with a finding where it is missing or not UTF-8."""
    try:
        return (folder / file).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        report.add(file, 0, "", "the file is missing", "add it; docs/scenarios.md lists the files")
    except UnicodeDecodeError:
        report.add(file, 0, "", "the file is not UTF-8 text", "save it as UTF-8")
    except OSError as error:
        report.add(file, 0, "", f"the file cannot be read ({error.strerror})", "make it readable")
    return None


def read_raw(report: Report, folder: Path, file: str) -> RawTable | None:
    """The cells of a CSV file; None where it is no table."""
    text = read_text(report, folder, file)
    if text is None:
        return None
    lines = _parse(report, file, text)
    if lines is None:
        return None
    if not lines:
        report.add(file, 0, "", "the file is empty", "begin it with a line of column names")
        return None
    columns = tuple(cell.strip() for cell in lines[0][1])
    doubled = sorted({name for name in columns if columns.count(name) > 1})
    for name in doubled:
        report.add(file, 1, name, "the column occurs twice", "remove one of them")
    rows = tuple(row for row in lines[1:] if _fits(report, file, row, len(columns)))
    return None if doubled else RawTable(columns=columns, rows=rows)


def read_table(
    report: Report, folder: Path, file: str, columns: Sequence[Column], *, blank_is_zero: bool
) -> tuple[Row, ...] | None:
    """The rows of a table with exactly `columns`, in any order; None where it is no such table."""
    raw = read_raw(report, folder, file)
    if raw is None or not check_names(report, file, raw.columns, columns):
        return None
    by_name = {column.name: column for column in columns}
    order = [by_name[name] for name in raw.columns]
    return tuple(
        _row(report, file, line, zip(order, cells, strict=True), blank_is_zero) for line, cells in raw.rows
    )


def check_names(report: Report, file: str, present: Iterable[str], columns: Sequence[Column]) -> bool:
    """True if `present` are exactly the known columns; each difference is a finding."""
    present = list(present)
    known = [column.name for column in columns]
    unknown = [name for name in present if name not in known]
    missing = [name for name in known if name not in present]
    for name in unknown:
        cause, remedy = explain_unknown(name, known, "column")
        report.add(file, 1, name, cause, remedy)
    for name in missing:
        report.add(file, 1, name, "the column is missing", f"add a column {name}")
    return not unknown and not missing


def explain_unknown(name: str, known: Sequence[str], what: str) -> tuple[str, str]:
    """Cause and remedy for an unknown name; tells a wrong unit from an unknown quantity."""
    for candidate in known:
        stem, unit = split_unit(candidate)
        if unit and (name == stem or name.startswith(f"{stem}_")):
            wrong = name[len(stem) + 1 :]
            cause = f'the unit "{wrong}" is not used here' if wrong else "the name has no unit"
            return cause, f'give the value in {unit} and name the {what} "{candidate}"'
    return f"unknown {what}", nearest(name, known)


def parse_integer(report: Report, file: str, line: int, column: Column, cell: str) -> int | None:
    """The cell as an integer within the column's bounds; None with a finding otherwise."""
    text = cell.strip()
    if not _INTEGER.fullmatch(text):
        cause = f'"{text}" is not an integer' if text else "the cell is empty"
        report.add(file, line, column.name, cause, "write a whole number such as 0 or 1500")
        return None
    return check_range(report, file, line, column, int(text))


def check_range(report: Report, file: str, line: int, column: Column, value: int) -> int | None:
    """`value` where it lies within the column's bounds, else None with a finding."""
    fault = range_fault(column, value)
    if fault is None:
        return value
    report.add(file, line, column.name, *fault)
    return None


def range_fault(column: Column, value: int) -> tuple[str, str] | None:
    """Cause and remedy where `value` lies outside the column's bounds."""
    if column.low <= value <= column.high:
        return None
    if value < 0 <= column.low:
        return f"{value} is negative", "write a magnitude; the name says the direction"
    return f"{value} is out of range", f"write a value from {column.low} to {column.high}"


def check_name(report: Report, file: str, line: int, field_name: str, name: str) -> bool:
    """True if `name` may name a scenario, bus, link, asset or day."""
    if _NAME.fullmatch(name):
        return True
    remedy = "use 1 to 63 of a-z, 0-9, - and _, beginning with a letter or digit"
    report.add(file, line, field_name, f'"{name}" is not a valid name', remedy)
    return False


def _parse(report: Report, file: str, text: str) -> list[tuple[int, tuple[str, ...]]] | None:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    lines: list[tuple[int, tuple[str, ...]]] = []
    try:
        for cells in reader:
            if cells:
                lines.append((reader.line_num, tuple(cells)))
    except csv.Error as error:
        report.add(file, reader.line_num, "", f"malformed CSV ({error})", "mend the quotes there")
        return None
    return lines


def _fits(report: Report, file: str, row: tuple[int, tuple[str, ...]], width: int) -> bool:
    line, cells = row
    if len(cells) == width:
        return True
    cause = f"the line has {len(cells)} cells and the header {width}"
    report.add(file, line, "", cause, "write one cell for each column, quote cells with commas")
    return False


def _row(
    report: Report,
    file: str,
    line: int,
    cells: Iterable[tuple[Column, str]],
    blank_is_zero: bool,
) -> Row:
    row = Row(line=line)
    for column, cell in cells:
        if column.text:
            row.texts[column.name] = cell.strip()
        elif blank_is_zero and not cell.strip():
            row.numbers[column.name] = 0
        else:
            number = parse_integer(report, file, line, column, cell)
            if number is not None:
                row.numbers[column.name] = number
    return row
