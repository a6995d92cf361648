"""`ioe store`: look at what a node has promised, shrink it, copy it, write it out.

PLACE is the folder that node.store names, or the file in it.  docs/store.md
says what is in a store and what each refusal means.
"""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterable
from pathlib import Path

import click

from ioe_router.adapters import store_tools
from ioe_router.adapters.store_rows import Row
from ioe_router.adapters.store_schema import VERSION
from ioe_router.model.bech32m import node_text
from ioe_router.model.errors import UsageError

PLACE = click.argument("place", type=click.Path(path_type=Path))


@click.group()
def store() -> None:
    """The store of a node: what it has promised."""


@store.command()
@PLACE
def check(place: Path) -> None:
    """Say whether a node could start with the store in PLACE, and what is in it; nothing is changed."""
    path = store_tools.store_at(place)
    look = store_tools.look(path)
    contents = look.contents
    click.echo(f"{path} is sound")
    if look.in_use:
        click.echo("a node runs with it: this is its state of one moment; its log was not walked")
    older = "" if contents.version == VERSION else f", the next start makes it {VERSION}"
    for name, value in (
        ("node", node_text(contents.node)),
        ("network", contents.network_id),
        ("epoch", str(contents.epoch) if contents.epoch else "none yet"),
        ("tables", f"version {contents.version}{older}"),
        *_counts(contents.rows),
    ):
        click.echo(f"{name:12} {value}")


@store.command()
@PLACE
def compact(place: Path) -> None:
    """Give the space of what the node has deleted back to the disk. The node has to be stopped."""
    path = store_tools.store_at(place)
    before, after = store_tools.compact(path)
    click.echo(f"{path}: {before} bytes before, {after} bytes now")


@store.command()
@PLACE
@click.argument("target", type=click.Path(path_type=Path))
def backup(place: Path, target: Path) -> None:
    """Copy the store in PLACE, of this moment, into the new file TARGET; the node may be running."""
    path = store_tools.store_at(place)
    contents = store_tools.copy(path, target)
    click.echo(f"{target} holds the {len(contents.rows)} rows of {path} and was read back")


@store.command()
@PLACE
def export(place: Path) -> None:
    """Write every row as a JSON line. Of a damaged store, those that are left; then the exit code is 1."""
    path = store_tools.store_at(place)
    try:
        rows: Iterable[Row] = store_tools.look(path).contents.rows
    except UsageError as error:
        rows = store_tools.salvage(path)
        _write(rows)
        raise UsageError(f"{error}; {len(rows)} rows could be read") from error
    _write(rows)


def _write(rows: Iterable[Row]) -> None:
    for row in rows:
        click.echo(json.dumps(_line(row)))


def _line(row: Row) -> dict[str, object]:
    """A row as JSON: the record as bytes, and once more as what it says where it is JSON itself."""
    line: dict[str, object] = {
        "position": row.position,
        "kind": row.kind,
        "key": row.key.hex(),
        "record": base64.b64encode(row.record).decode(),
    }
    with contextlib.suppress(ValueError, RecursionError):  # a record in another form
        line["says"] = json.loads(row.record)
    return line


def _counts(rows: tuple[Row, ...]) -> list[tuple[str, str]]:
    """Rows and bytes of each kind."""
    kinds = sorted({row.kind for row in rows})
    sizes = {kind: [len(row.record) for row in rows if row.kind == kind] for kind in kinds}
    return [(kind, f"{len(of)} rows, {sum(of)} bytes") for kind, of in sizes.items()]
