"""A host's disk: rows that a barrier has made durable, and what a crash may lose (SPEC section 10).

The store is the upsert map that `Persist` describes.  Records of a barrier
are appended in order; a crash before the barrier returns keeps any number of
the first ones.  A full disk fails the barrier.
"""

from __future__ import annotations

from collections.abc import Sequence

from ioe_router.core.effects import Persist, RecordKind


class DiskFull(Exception):
    """The barrier failed: the host must stop, as the daemon would."""


class SimStore:
    """What survives on one host."""

    def __init__(self) -> None:
        """Empty, with room."""
        self._rows: dict[tuple[RecordKind, bytes], bytes] = {}
        self.full = False

    def barrier(self, records: Sequence[Persist]) -> None:
        """Make records durable. DiskFull when they are not."""
        if self.full:
            raise DiskFull
        self.keep(records)

    def keep(self, records: Sequence[Persist]) -> None:
        """Take over records, in order."""
        for record in records:
            key = (record.kind, record.key)
            if record.record is None:
                self._rows.pop(key, None)
            else:
                self._rows[key] = record.record

    def rows(self) -> tuple[Persist, ...]:
        """Everything durable."""
        return tuple(Persist(kind=kind, key=key, record=row) for (kind, key), row in self._rows.items())
