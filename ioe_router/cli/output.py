"""Tables for people, JSON for scripts; rows are written as they come.

A table takes the widths of its columns from the first rows, so that the first
line is out before the last row has arrived.  Colours and cutting to the width
of the window are for terminals only (and not when NO_COLOR is set).
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import click
from google.protobuf.message import Message

FORMATS: Final = ("table", "json", "jsonl")
MEASURED: Final = 64  # rows that the widths of a table are taken from
_GAP: Final = "  "
_COLOURS: Final = {"good": "32", "bad": "31", "odd": "33", "dim": "2", "head": "1"}

output_option = click.option(
    "-o",
    "--output",
    type=click.Choice(FORMATS),
    default="table",
    show_default=True,
    help="table for people; json is one array, jsonl one object a line.",
)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its heading, its text for a row, and what colour that text has."""

    head: str
    text: Callable[[Any], str]
    colour: Callable[[Any], str] | None = None
    right: bool = False


def write_rows(rows: Iterable[Message], columns: tuple[Column, ...], output: str, empty: str) -> int:
    """Write rows in a format; returns how many. `empty` is what a person reads when there are none."""
    if output == "json":
        return _write_json(rows)
    if output == "jsonl":
        return _write_lines(rows)
    return _write_table(iter(rows), columns, empty)


def write_one(message: Message, output: str) -> None:
    """Write one object, in lines or in one."""
    click.echo(json.dumps(plain(message), indent=2 if output == "json" else None))


def _write_json(rows: Iterable[Message]) -> int:
    count = 0
    for row in rows:
        click.echo(("[\n" if count == 0 else ",\n") + json.dumps(plain(row)), nl=False)
        count += 1
    click.echo("\n]" if count else "[]")
    return count


def _write_lines(rows: Iterable[Message]) -> int:
    count = 0
    for row in rows:
        click.echo(json.dumps(plain(row)))
        count += 1
    return count


def _write_table(rows: Iterator[Message], columns: tuple[Column, ...], empty: str) -> int:
    first = list(islice(rows, MEASURED))
    if not first:
        click.echo(empty, err=True)
        return 0
    cells = [[_cell(column, row) for column in columns] for row in first]
    widths = [max(len(column.head), *(len(line[i]) for line in cells)) for i, column in enumerate(columns)]
    terminal = is_terminal()
    room = shutil.get_terminal_size().columns if terminal else None
    _line([column.head for column in columns], columns, widths, room, ["head"] * len(columns))
    count = 0
    for row in (*first, *rows) if len(first) < MEASURED else _chain(first, rows):
        line = cells[count] if count < len(cells) else [_cell(column, row) for column in columns]
        colours = [column.colour(row) if column.colour is not None else "" for column in columns]
        _line(line, columns, widths, room, colours if terminal else [""] * len(columns))
        count += 1
    return count


def _chain(first: list[Message], rest: Iterator[Message]) -> Iterator[Message]:
    yield from first
    yield from rest


def _cell(column: Column, row: Message) -> str:
    return column.text(row).replace("\n", " ")


def _line(
    cells: list[str], columns: tuple[Column, ...], widths: list[int], room: int | None, colours: list[str]
) -> None:
    padded = [
        cell.rjust(width) if column.right else cell.ljust(width)
        for cell, column, width in zip(cells, columns, widths, strict=True)
    ]
    padded[-1] = padded[-1].rstrip()
    if room is not None:
        used = sum(len(cell) + len(_GAP) for cell in padded[:-1])
        padded[-1] = _cut(padded[-1], max(8, room - used))
    if not is_terminal():
        colours = [""] * len(colours)
    painted = [paint(cell, colour) for cell, colour in zip(padded, colours, strict=True)]
    click.echo(_GAP.join(painted).rstrip())


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def is_terminal() -> bool:
    """Whether people read what is written, in colours that they have not refused."""
    return sys.stdout.isatty()


def paint(text: str, colour: str) -> str:
    """A text in a colour, on a terminal that wants colours."""
    if not colour or not is_terminal() or os.environ.get("NO_COLOR"):
        return text
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m"


# ------------------------------------------------------------------ JSON


def plain(message: Message) -> dict[str, Any]:
    """A message as JSON values: every field by its name in the contract, enumerations in lower case."""
    values: dict[str, Any] = {}
    for name, convert in _plan(type(message)):
        values[name] = convert(message)
    return values


_plans: dict[type, tuple[tuple[str, Callable[[Message], Any]], ...]] = {}


def _plan(kind: type[Message]) -> tuple[tuple[str, Callable[[Message], Any]], ...]:
    plan = _plans.get(kind)
    if plan is None:
        fields: list[Any] = list(kind.DESCRIPTOR.fields)
        plan = _plans[kind] = tuple((one.name, _reader(one)) for one in fields)
    return plan


def _reader(field: Any) -> Callable[[Message], Any]:
    name = field.name
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return lambda message: dict(sorted(getattr(message, name).items()))
    one = _value(field)
    if field.is_repeated:
        return lambda message: [one(value) for value in getattr(message, name)]
    if field.message_type is not None:
        return lambda message: one(getattr(message, name)) if message.HasField(name) else None
    return lambda message: one(getattr(message, name))


def _value(field: Any) -> Callable[[Any], Any]:
    if field.message_type is not None:
        return plain
    if field.enum_type is not None:
        names = enum_names(field.enum_type)
        return lambda value: names.get(value, str(value))
    return lambda value: value


def enum_names(descriptor: Any) -> dict[int, str]:
    """The names of an enumeration's numbers, in lower case and without what they have in common."""
    zero = descriptor.values_by_number[0].name
    prefix = len(zero) - len("UNSPECIFIED")
    return {value.number: value.name[prefix:].lower() for value in descriptor.values}


def name_of(message: Message, field: str) -> str:
    """The name of an enumeration's member in a message, for people; empty for none."""
    value = getattr(message, field)
    names = enum_names(message.DESCRIPTOR.fields_by_name[field].enum_type)
    return names.get(value, str(value)) if value else ""


# ------------------------------------------------------------------ facts


def write_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Names and values, one a line."""
    lines = [(name, value) for name, value in facts if value]
    width = max((len(name) for name, _ in lines), default=0)
    for name, value in lines:
        click.echo(f"{paint(name.ljust(width), 'dim')}{_GAP}{value}")
