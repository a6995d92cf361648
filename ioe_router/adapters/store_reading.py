"""What a store says, and whether all of it can be believed; nothing is changed by reading.

A store is read whole before it is written to: is it one of ours, does its
log hold, do its pages, every row and the tally?  The first thing wrong is one
sentence that says what to do.  Half of a store is never used: a promise that
is missing without a word is worse than a node that does not start.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ioe_router.adapters.store_rows import Row, Tally
from ioe_router.adapters.store_schema import APPLICATION_ID, VERSION, Damaged, get_meta, read_rows
from ioe_router.adapters.store_wal import damage_of_log
from ioe_router.core.effects import RecordKind
from ioe_router.model.bech32m import node_short
from ioe_router.model.errors import UsageError
from ioe_router.model.ids import NODE_ID_BYTES, NodeId

_MAGIC: Final = b"SQLite format 3\0"
_WAL_MODE: Final = b"\x02\x02"  # the file format versions of a database with a write-ahead log
_HEADER_BYTES: Final = 100
_TALLY_SINCE: Final = 2
_PRIMARY: Final = 0xFF  # of an error code; the bits above it are detail
_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_SURROUNDINGS: Final = frozenset(
    {
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Everything that a store says."""

    path: Path
    version: int  # of its tables
    node: NodeId
    network_id: str
    epoch: int
    rows: tuple[Row, ...]  # in the order of first writing


def log_of(path: Path) -> Path:
    """The write-ahead log of a store."""
    return path.with_name(path.name + "-wal")


def examine(path: Path, *, live: bool = False) -> Contents:
    """Read a store whole. UsageError says what is wrong with it and what to do.

    `live` when another process may be writing: then its log is SQLite's
    business, and what is read is the state of one moment.
    """
    with reported(path):
        if not live:
            _refuse_foreign_file(path)
        with contextlib.closing(open_to_read(path, live=live)) as connection:
            connection.execute("BEGIN")
            return _contents(path, connection)


def open_to_read(path: Path, *, live: bool) -> sqlite3.Connection:
    """A connection that cannot write.

    A file that nobody writes and that has no log is read as immutable: else
    SQLite would leave an empty log beside it.
    """
    still = "" if live or _has_log(path) else "&immutable=1"
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro{still}", uri=True, isolation_level=None)


def refuse_other(contents: Contents, node: NodeId, network_id: str) -> None:
    """UsageError unless the store is this node's, in this network."""
    remedy = "point node.store to a folder of its own"
    if contents.node != node:
        whose, mine = node_short(contents.node), node_short(node)
        raise UsageError(f"the store {contents.path} belongs to the node {whose}, not to {mine}; {remedy}")
    if contents.network_id != network_id:
        raise UsageError(
            f"the store {contents.path} belongs to the network {contents.network_id!r},"
            f" not to {network_id!r}; {remedy} for each network"
        )


@contextlib.contextmanager
def reported(path: Path) -> Iterator[None]:
    """What goes wrong with the file inside the block is a UsageError: what happened and what to do."""
    try:
        yield
    except Damaged as error:
        raise damaged(path, str(error)) from error
    except UnicodeDecodeError as error:  # SQLite quotes the file in what it says of it
        raise damaged(path, "a name in it is no text") from error
    except sqlite3.Error as error:
        raise _reported(path, error) from error
    except OSError as error:
        raise UsageError(
            f"the store {path} cannot be used ({error.strerror}); check its owner and mode"
        ) from error


def damaged(path: Path, what: str) -> UsageError:
    """The error of a store that does not say what was written."""
    return UsageError(
        f"the store {path} is damaged ({what}); restore it from a backup,"
        " or see what is left with 'ioe store export'"
    )


def _reported(path: Path, error: sqlite3.Error) -> UsageError:
    code = getattr(error, "sqlite_errorcode", None)  # errors of the module itself have none
    primary = code & _PRIMARY if code is not None else None
    if primary in _BUSY:
        return UsageError(f"the store {path} is in use by another program; end that and try again")
    if primary == sqlite3.SQLITE_FULL:
        return UsageError(f"the store {path} cannot be written ({error}); free space and start again")
    if primary in _SURROUNDINGS:
        return UsageError(
            f"the store {path} cannot be used ({error}); check the disk, free space, owner and mode"
        )
    return damaged(path, str(error))


def _refuse_foreign_file(path: Path) -> None:
    """Refuse what can be seen to be no store without asking SQLite, and a log that SQLite would cut short."""
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
    if not header.startswith(_MAGIC):
        raise UsageError(
            f"{path} is no store of a node (no SQLite file); move it away or name another folder"
        )
    if not _has_log(path):
        return
    if header[18:20] != _WAL_MODE:
        raise Damaged("its header says that it has no write-ahead log, and it has one")
    damage = damage_of_log(log_of(path))
    if damage is not None:
        raise Damaged(damage)


def _has_log(path: Path) -> bool:
    log = log_of(path)
    return log.exists() and log.stat().st_size > 0


def _contents(path: Path, connection: sqlite3.Connection) -> Contents:
    version = _version(path, connection)
    (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if found != "ok":
        raise Damaged(str(found).replace("\n", " "))
    node, network = get_meta(connection, "node"), get_meta(connection, "network")
    epoch = get_meta(connection, "epoch")
    if len(node) != NODE_ID_BYTES or not network.isascii():
        raise Damaged("it does not say whose it is")
    rows = read_rows(connection)
    _refuse_odd_rows(path, rows)
    if version >= _TALLY_SINCE and Tally.of(rows).packed() != get_meta(connection, "tally"):
        raise Damaged("its rows are not all of one state")
    return Contents(
        path=path,
        version=version,
        node=NodeId(node),
        network_id=network.decode(),
        epoch=int.from_bytes(epoch),
        rows=tuple(rows),
    )


def _version(path: Path, connection: sqlite3.Connection) -> int:
    """Version of the tables. UsageError for a file of another program or of a newer version of this one."""
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    if application_id != APPLICATION_ID:
        raise UsageError(
            f"{path} is no store of a node (an SQLite file of another program);"
            " move it away or name another folder"
        )
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise _newer(path, f"its tables have version {version}, known are 1 to {VERSION}")
    if version < 1:
        raise Damaged("it does not say the version of its tables")
    return int(version)


def _newer(path: Path, why: str) -> UsageError:
    return UsageError(
        f"the store {path} was written by a newer version of this program ({why});"
        " run that version, or restore a backup from before it"
    )


def _refuse_odd_rows(path: Path, rows: list[Row]) -> None:
    known = {kind.value for kind in RecordKind}
    keys: set[tuple[str, bytes]] = set()
    for row in rows:
        if row.kind not in known:
            raise _newer(path, f"there is no kind of record {row.kind!r} here")
        if (row.kind, row.key) in keys:
            raise Damaged(f"row {row.position} is there twice")
        keys.add((row.kind, row.key))
