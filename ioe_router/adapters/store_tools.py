"""What an operator does with a store beside running its node: look, shrink, copy, rescue.

Looking and copying are safe while the node runs: both read the state of one
moment.  Shrinking is not, and takes the lock that the node would need.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ioe_router.adapters.files import sync_directory
from ioe_router.adapters.store import STORE_NAME, Store
from ioe_router.adapters.store_lock import StoreLock, StoreLocked
from ioe_router.adapters.store_reading import Contents, examine, open_to_read, reported
from ioe_router.adapters.store_rows import Row
from ioe_router.adapters.store_schema import Damaged, sound_row
from ioe_router.model.errors import UsageError

_ROWS = "SELECT position, kind, key, record, crc FROM record ORDER BY position"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a look at a store has found."""

    contents: Contents
    in_use: bool  # a node runs with it: the state is that of one moment, and its log was left to SQLite


def store_at(place: Path) -> Path:
    """The store in a folder, or the file itself. UsageError when there is none."""
    path = place / STORE_NAME if place.is_dir() else place
    if not path.exists():
        raise UsageError(f"{path} does not exist; name the folder that node.store names, or the file in it")
    return path


def look(path: Path) -> Look:
    """Read everything and check everything; nothing is changed. UsageError says what is wrong."""
    with _unused(path) as unused:
        return Look(contents=examine(path, live=not unused), in_use=not unused)


def compact(path: Path) -> tuple[int, int]:
    """Give the space of deleted rows back; size in bytes before and after.

    UsageError when a node runs with the store, or when it could not start with it.
    """
    with _unused(path) as unused:
        if not unused:
            raise UsageError(f"a node runs with the store {path}; stop it first")
        contents = examine(path)
    before = path.stat().st_size
    store = Store(path, node=contents.node, network_id=contents.network_id)
    try:
        store.compact()
    finally:
        store.close()
    return before, path.stat().st_size


def copy(path: Path, target: Path) -> Contents:
    """Write the store of one moment into a new file, and read that whole. UsageError when either fails."""
    with _unused(path) as unused:
        examine(path, live=not unused)
        try:
            os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except OSError as error:
            raise UsageError(
                f"{target} cannot be made ({error.strerror}); name a file that is not there yet"
            ) from error
        try:
            return _copied(path, target, live=not unused)
        except BaseException:
            target.unlink(missing_ok=True)
            raise


def _copied(path: Path, target: Path, *, live: bool) -> Contents:
    with (
        reported(target),
        contextlib.closing(open_to_read(path, live=live)) as source,
        contextlib.closing(sqlite3.connect(target)) as written,
    ):
        source.backup(written)
    with reported(target):
        sync_directory(target.resolve().parent)
    return examine(target)


def salvage(path: Path) -> list[Row]:
    """The rows of a damaged store that are as they were written, in their order.

    Behind a page that cannot be read it goes on from the other end.
    """
    found: dict[int, Row] = {}
    with (
        _unused(path) as unused,
        contextlib.suppress(UsageError),
        reported(path),
        contextlib.closing(open_to_read(path, live=not unused)) as connection,
    ):
        for order in ("ASC", "DESC"):
            found |= {row.position: row for row in _readable(connection, order)}
    return [found[position] for position in sorted(found)]


def _readable(connection: sqlite3.Connection, order: str) -> Iterator[Row]:
    """Sound rows up to the first page that cannot be read."""
    with contextlib.suppress(sqlite3.Error):
        yield from _sound(connection.execute(f"{_ROWS} {order}"))


def _sound(found: Iterable[tuple[object, ...]]) -> Iterator[Row]:
    for values in found:
        with contextlib.suppress(Damaged):
            yield sound_row(values)


@contextlib.contextmanager
def _unused(path: Path) -> Iterator[bool]:
    """Whether no node runs with the store; none can start with it inside the block."""
    try:
        lock = StoreLock(path.resolve())
    except StoreLocked:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
