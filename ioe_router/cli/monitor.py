"""`ioe monitor` and `ioe dump`: the tables of a node as JSON lines, a mark, and what changes.

{"kind": "row", "noun": "neighbor", ...}     a row of the first view
{"kind": "sync", "rows": 21}                 the first view is complete
{"kind": "changed", "noun": "route", ...}    a row that is new or differs
{"kind": "removed", "noun": "routes", "key": "..."}
{"kind": "event", "name": "Booked", "fields": {...}}
{"kind": "lost", "events": 3}                events that came too fast; tables stay complete
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from ioe_router.cli import units
from ioe_router.cli.asking import AskFailed, Where, asks, client_of, fail
from ioe_router.cli.exit_codes import ExitCode
from ioe_router.cli.near import nearest
from ioe_router.model.errors import UsageError

_ID_LETTERS: Final = 32
NOUNS: Final = (
    "neighbors",
    "links",
    "offers",
    "routes",
    "fib",
    "reservations",
    "obligations",
    "limits",
    "refusals",
    "events",
)


@click.command()
@asks
@click.argument("nouns", nargs=-1)
@click.option(
    "-o",
    "--output",
    type=click.Choice(("table", "json", "jsonl")),
    default="table",
    help="table is one short line for each row; json and jsonl are JSON lines.",
)
@click.option(
    "-i",
    "--interval",
    type=click.FloatRange(0.05, 60),
    default=0.5,
    show_default=True,
    help="Seconds between looks.",
)
@click.option("--once", is_flag=True, help="End after the first view.")
def monitor(where: Where, nouns: tuple[str, ...], output: str, interval: float, once: bool) -> None:
    """Follow NOUNS: those of 'ioe show', and events.

    First the tables as they stand, then a mark, then what changes.  Without NOUNS: neighbors, offers,
    routes, reservations and events.
    """
    wanted = nouns or ("neighbors", "offers", "routes", "reservations", "events")
    lines = _lines(where, tuple(map(_noun, wanted)), interval, once=once)
    try:
        for line in lines:
            click.echo(_short(line) if output == "table" else json.dumps(line))
    except KeyboardInterrupt:
        return


def _noun(named: str) -> str:
    fitting = [noun for noun in NOUNS if noun.startswith(named)]
    if len(fitting) != 1:
        raise AskFailed(
            f"there is nothing called {named!r} to follow; {nearest(named, [*NOUNS])}", ExitCode.USAGE
        )
    return fitting[0]


def _lines(where: Where, nouns: tuple[str, ...], interval: float, *, once: bool) -> Iterator[dict[str, Any]]:
    from ioe_router.control.client import pb

    numbers = [getattr(pb, f"NOUN_{noun.upper()}") for noun in nouns]
    with client_of(where) as control:
        try:
            for answer in control.monitor(nouns=numbers, interval_ms=int(interval * 1_000), once=once):
                for line in _of(answer):
                    yield {"at_utc_ms": answer.at_utc_ms, **line}
        except UsageError as error:
            fail(error)


def _of(answer: Any) -> Iterator[dict[str, Any]]:
    """The lines of one answer."""
    from ioe_router.cli.output import name_of

    match answer.WhichOneof("what"):
        case "snapshot":
            yield from ({"kind": "row", **_row(row)} for row in answer.snapshot.rows)
        case "sync":
            yield {"kind": "sync", "rows": answer.sync.rows}
        case "delta":
            yield from ({"kind": "changed", **_row(row)} for row in answer.delta.changed)
            for gone in answer.delta.removed:
                yield {"kind": "removed", "noun": name_of(gone, "noun"), "key": gone.key}
        case "event":
            yield {"kind": "event", "name": answer.event.name, "fields": json.loads(answer.event.fields_json)}
        case "lost":
            yield {"kind": "lost", "events": answer.lost.events}
        case _:
            pass


def _row(row: Any) -> dict[str, Any]:
    from ioe_router.cli.output import plain

    noun = row.WhichOneof("row")
    return {"noun": noun, "row": plain(getattr(row, noun))}


def _short(line: dict[str, Any]) -> str:
    """A line for people."""
    from ioe_router.cli.output import paint

    at, kind = units.instant(line["at_utc_ms"]), line["kind"]
    colour = {"row": "dim", "sync": "head", "removed": "bad", "event": "", "lost": "bad"}.get(kind, "good")
    match kind:
        case "sync":
            text = f"{line['rows']} rows; changes follow"
        case "event":
            text = f"{line['name']} {_fields(line['fields'])}"
        case "lost":
            text = f"{line['events']} events came too fast and are left out"
        case "removed":
            text = f"{line['noun']} {line['key']}"
        case _:
            text = f"{line['noun']} {_fields(line['row'])}"
    return f"{at}  {paint(kind.ljust(7), colour)}  {text}"


def _fields(values: dict[str, Any]) -> str:
    """What a row says that is not nothing, ids shortened."""
    shown = []
    for name, value in values.items():
        if value in (None, "", 0, False, [], {}) or isinstance(value, dict | list):
            continue
        text = str(value)
        is_id = text.startswith("ioe1") or (len(text) >= _ID_LETTERS and " " not in text)
        shown.append(f"{name}={text[:12] if is_id else text}")
    return " ".join(shown)


@click.command()
@asks
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
def dump(where: Where, file: Path | None) -> None:
    """Write everything that the node shows into FILE (stdout, without) as JSON lines, for a bug report.

    It holds what the node trades and with whom, and no key; it is as private as that.
    """
    from ioe_router.cli.output import plain

    with client_of(where) as control:
        try:
            head = {"kind": "status", "row": plain(control.status())}
        except UsageError as error:
            fail(error)
    rows = _lines(where, tuple(noun for noun in NOUNS if noun != "events"), 1.0, once=True)
    if file is None:
        for line in (head, *rows):
            click.echo(json.dumps(line))
        return
    count = 0
    try:
        with file.open("x", encoding="utf-8") as out:
            for line in (head, *rows):
                out.write(json.dumps(line) + "\n")
                count += 1
    except FileExistsError as error:
        raise AskFailed(f"{file} is there already; name a new file", ExitCode.FAILED) from error
    except OSError as error:
        raise AskFailed(f"{file} cannot be written ({error.strerror})", ExitCode.FAILED) from error
    click.echo(f"{file} holds {count} lines")
