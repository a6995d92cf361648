"""Where Persist records go: the contract between a router's shell and what keeps its promises.

A record replaces the earlier one of its kind and key, and None takes it away.
What is appended becomes durable together, at `sync`; what was appended since
the last `sync` is lost with the process, and nothing may be promised on it.
A row keeps the place at which its key was first written, so that reading back
gives the order in which things began.

`MemoryJournal` is the contract and nothing else, for tests and simulations;
what a daemon uses is `Store` (store.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from ioe_router.core.effects import Persist, RecordKind


class Journal(Protocol):
    """Where Persist records go; `instant` when `sync` takes no time and so needs no thread."""

    instant: bool

    def append(self, record: Persist) -> None:
        """Add a record, durable after the next `sync`."""
        ...

    def sync(self) -> None:
        """Make everything appended durable. May be called on another thread than `append`."""
        ...

    def rows(self) -> tuple[Persist, ...]:
        """What is durable, the last record of each kind and key, in the order of first writing."""
        ...

    def close(self) -> None:
        """Sync and let go."""
        ...


class MemoryJournal:
    """Keeps records in memory. What was not synced is not in `rows`: that is what a crash leaves."""

    instant = True

    def __init__(self, rows: Iterable[Persist] = ()) -> None:
        """Begin with the rows that an earlier journal gave back."""
        self.syncs = 0
        self._pending: dict[tuple[RecordKind, bytes], Persist] = {}
        self._rows = {(row.kind, row.key): row for row in rows}

    def append(self, record: Persist) -> None:
        """Add a record."""
        self._pending[record.kind, record.key] = record

    def sync(self) -> None:
        """Take over what was appended; memory is as durable as the run."""
        self.syncs += 1
        for key, record in self._pending.items():
            if record.record is None:
                self._rows.pop(key, None)
            else:
                self._rows[key] = record
        self._pending = {}

    def rows(self) -> tuple[Persist, ...]:
        """What was synced, in the order of first writing."""
        return tuple(self._rows.values())

    def close(self) -> None:
        """Sync; there is nothing to let go of."""
        self.sync()
