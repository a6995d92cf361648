"""The tables of a store and the numbered steps that lead to them.

`user_version` of the file is the number of the last step taken.  A new file
takes all of them, an older one those that it lacks, in one transaction; a
number above ours means a newer program wrote it.  A step that was released is
never changed again.

    meta     name, value, crc             node, network, epoch, tally
    record   position, kind, key, record, crc      one row per kind and key
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ioe_router.adapters.store_rows import Row, Tally

APPLICATION_ID: Final = int.from_bytes(b"IOE1")
_PUT_META: Final = "INSERT OR REPLACE INTO meta (name, value, crc) VALUES (?, ?, ?)"


class Damaged(Exception):
    """A store does not say what was written; the text says where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change of the tables."""

    version: int
    what: str
    apply: Callable[[sqlite3.Connection], None]


def _tables(connection: sqlite3.Connection) -> None:
    connection.execute(
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID"
    )
    connection.execute(
        "CREATE TABLE record (position INTEGER PRIMARY KEY, kind TEXT NOT NULL, key BLOB NOT NULL,"
        " record BLOB NOT NULL, crc INTEGER NOT NULL)"
    )


def _tally(connection: sqlite3.Connection) -> None:
    put_meta(connection, "tally", Tally.of(read_rows(connection)).packed())


STEPS: Final = (
    Step(version=1, what="identity and epoch of the node, records", apply=_tables),
    Step(version=2, what="a tally over all rows, which shows pages of an older state", apply=_tally),
)
VERSION: Final = STEPS[-1].version


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Take the steps above `version`. For use inside a transaction."""
    for step in STEPS[version:]:
        step.apply(connection)
    # PRAGMA takes no parameters; the number is our own.
    connection.execute(f"PRAGMA user_version = {VERSION}")


def put_meta(connection: sqlite3.Connection, name: str, value: bytes) -> None:
    """Write one value about the store itself."""
    connection.execute(_PUT_META, (name, value, _meta_crc(name, value)))


def get_meta(connection: sqlite3.Connection, name: str) -> bytes:
    """Read one value about the store itself. Damaged when it is missing or changed."""
    found = connection.execute("SELECT value, crc FROM meta WHERE name = ?", (name,)).fetchone()
    if found is None:
        raise Damaged(f"it does not say its {name}")
    value, crc = found
    if not isinstance(value, bytes) or crc != _meta_crc(name, value):
        raise Damaged(f"checksum of its {name}")
    return value


def read_rows(connection: sqlite3.Connection) -> list[Row]:
    """All rows in the order of first writing. Damaged at the first that is not as it was written."""
    found = connection.execute("SELECT position, kind, key, record, crc FROM record ORDER BY position")
    return [sound_row(values) for values in found]


def sound_row(values: tuple[object, ...]) -> Row:
    """The columns of a row as a row. Damaged unless it is as it was written."""
    position, kind, key, record, crc = values
    if (
        isinstance(position, int)
        and isinstance(kind, str)
        and isinstance(key, bytes)
        and isinstance(record, bytes)
        and isinstance(crc, int)
    ):
        row = Row(position=position, kind=kind, key=key, record=record, crc=crc)
        if row.is_sound:
            return row
    raise Damaged(f"checksum of row {position}")


def _meta_crc(name: str, value: bytes) -> int:
    return zlib.crc32(value, zlib.crc32(name.encode() + b"\0"))
