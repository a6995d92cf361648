"""The store: what a node has promised, in one SQLite file, durable before the answer leaves.

    append, append, ...  -->  sync: one transaction, on the disk when it returns

Write-ahead log, `synchronous=FULL`, one writer.  A store is examined before
it is used (store_reading.py); one that is foreign, newer, damaged or another
node's is refused and left as it is.  A new file is made beside its place and
renamed, so that it is there whole or not at all.

A write that fails (disk full) ends the use of the store: whether the disk has
such a transaction is only known at the next opening, and what stood before it
is there either way.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ioe_router.adapters.files import sync_directory
from ioe_router.adapters.store_lock import StoreLock
from ioe_router.adapters.store_reading import Contents, examine, log_of, refuse_other, reported
from ioe_router.adapters.store_rows import Change, Key, RowIndex
from ioe_router.adapters.store_schema import APPLICATION_ID, VERSION, get_meta, migrate, put_meta, read_rows
from ioe_router.core.effects import Persist, RecordKind
from ioe_router.model.errors import UsageError
from ioe_router.model.ids import NodeId

STORE_NAME: Final = "store.db"  # in the folder of a node's store
_EPOCH_BYTES: Final = 8
_PRIVATE: Final = 0o600
_PUT_ROW: Final = "INSERT OR REPLACE INTO record (position, kind, key, record, crc) VALUES (?, ?, ?, ?, ?)"
_DELETE_ROW: Final = "DELETE FROM record WHERE position = ?"


class Store:
    """An opened, locked store: a Journal that can be read back, and the epoch of its node.

    StoreLocked when another process has it, UsageError when it cannot be used.
    """

    instant = False

    def __init__(self, path: Path, *, node: NodeId, network_id: str) -> None:
        """Open the store of this node in this network, or make a new one where there is none."""
        self.path = path.resolve()
        self._pending: dict[Key, Persist] = {}
        self._gate = threading.Lock()  # of what is pending
        self._writing = threading.Lock()  # of the connection
        self._failure: str | None = None
        self._lock = StoreLock(self.path)
        try:
            if not self.path.exists():
                _make(self.path, node, network_id)
            contents = examine(self.path)
            refuse_other(contents, node, network_id)
            self._index = RowIndex(contents.rows)
            with reported(self.path):
                self._connection = _open(contents)
        except BaseException:
            self._lock.release()
            raise
        self._closed = False

    # ------------------------------------------------------------- the journal

    def append(self, record: Persist) -> None:
        """Add a record, durable after the next `sync`."""
        with self._gate:
            self._pending[record.kind, record.key] = record

    def sync(self) -> None:
        """Make everything appended durable as one transaction.

        UsageError when the disk does not take it; then the store is to be
        opened again before anything else is promised.
        """
        with self._writing:
            with self._gate:
                group, self._pending = self._pending, {}
            if group:
                change = self._index.change(group)
                with self._transaction():
                    self._write(change)
                self._index.take(change)

    def rows(self) -> tuple[Persist, ...]:
        """What is durable, the last record of each kind and key, in the order of first writing."""
        with self._writing, reported(self.path):
            rows = read_rows(self._connection)
        return tuple(Persist(kind=RecordKind(row.kind), key=row.key, record=row.record) for row in rows)

    def close(self) -> None:
        """Sync, fold the log into the file, and let another process have the store."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._failure is None:
                self.sync()
        finally:
            with self._writing:
                self._connection.close()
            self._lock.release()

    # ------------------------------------------------------------- the rest

    def last_epoch(self) -> int:
        """The epoch of the latest start that this store knows of, 0 for none."""
        return int.from_bytes(get_meta(self._connection, "epoch"))

    def next_epoch(self, utc_s: int) -> int:
        """An epoch above every earlier one, durable before it is returned.

        It is the higher of the last one plus one and UTC in seconds, so that
        a store restored from a backup does not bring an old epoch back.
        """
        with self._writing, self._transaction():
            epoch = max(int.from_bytes(get_meta(self._connection, "epoch")) + 1, utc_s)
            put_meta(self._connection, "epoch", epoch.to_bytes(_EPOCH_BYTES))
        return epoch

    def compact(self) -> None:
        """Give the space of deleted rows back, and fold the log into the file."""
        with self._writing, reported(self.path):
            self._connection.execute("VACUUM")
            _fold(self._connection)

    # ------------------------------------------------------------- inside

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """All of the block or nothing of it; what fails here is the end of this opening."""
        if self._failure is not None:
            raise UsageError(self._failure)
        try:
            with reported(self.path), transaction(self._connection):
                yield
        except UsageError as error:
            self._failure = str(error)
            raise

    def _write(self, change: Change) -> None:
        self._connection.executemany(_PUT_ROW, change.written)
        if change.gone:
            self._connection.executemany(_DELETE_ROW, change.gone)
        put_meta(self._connection, "tally", change.tally.packed())


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit the block, or take it back when it or the commit fails."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _make(path: Path, node: NodeId, network_id: str) -> None:
    """A new, empty store under this name."""
    if log_of(path).exists() and log_of(path).stat().st_size:
        raise UsageError(
            f"{log_of(path)} is there and {path.name} is not; put both back from a backup, or move it away"
        )
    new = path.with_name(path.name + ".new")
    with reported(path):
        for left in (new, new.with_name(new.name + "-journal")):
            left.unlink(missing_ok=True)
        os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE))
        with contextlib.closing(sqlite3.connect(new, isolation_level=None)) as connection:
            with transaction(connection):
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                migrate(connection, 0)
                put_meta(connection, "node", node)
                put_meta(connection, "network", network_id.encode())
                put_meta(connection, "epoch", bytes(_EPOCH_BYTES))
            connection.execute("PRAGMA journal_mode = WAL")
        new.rename(path)
        sync_directory(path.parent)


def _open(contents: Contents) -> sqlite3.Connection:
    """A connection that writes to a store that was examined."""
    contents.path.chmod(_PRIVATE)
    connection = sqlite3.connect(contents.path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = ON")  # where fsync alone does not reach the disk
        connection.execute("PRAGMA trusted_schema = OFF")
        if contents.version < VERSION:
            with transaction(connection):
                migrate(connection, contents.version)
        _fold(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _fold(connection: sqlite3.Connection) -> None:
    """Write the log into the file and begin it anew."""
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
