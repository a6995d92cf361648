"""The rows of a store and the sums that show damage.

SQLite knows when a page makes no sense, not when it says something else than
was written.  So every row carries a CRC-32 over its position, kind, key and
record, and the store carries a tally: how many rows there are and the sum of
their CRCs.  A changed byte breaks the CRC of its row; a page that the disk
gave back in an older state breaks the tally.

There is one writer, and it knows from its start where each key's row is.
That knowledge is the index: the file needs none, and a group of records is
written to as few pages as its bytes fill.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ioe_router.core.effects import Persist, RecordKind

Key = tuple[RecordKind, bytes]
Values = tuple[int, str, bytes, bytes, int]  # the columns of a row, in their order

_HEAD: Final = struct.Struct(">qII")
_TALLY: Final = struct.Struct(">QQ")
_ENCODED: Final = {kind: kind.value.encode() for kind in RecordKind}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One record of the store, as it was read."""

    position: int
    kind: str
    key: bytes
    record: bytes
    crc: int

    @property
    def is_sound(self) -> bool:
        """Whether the row says what was once written."""
        return self.crc == crc_of(self.position, self.kind.encode(), self.key, self.record)


def crc_of(position: int, kind: bytes, key: bytes, record: bytes) -> int:
    """CRC-32 over everything that a row says."""
    head = _HEAD.pack(position, len(kind), len(key))
    return zlib.crc32(record, zlib.crc32(head + kind + key))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many rows a store has, and the sum of their CRCs."""

    rows: int = 0
    total: int = 0

    def packed(self) -> bytes:
        """The tally as it is stored."""
        return _TALLY.pack(self.rows, self.total)

    @staticmethod
    def of(rows: Iterable[Row]) -> Tally:
        """The tally of these rows."""
        crcs = [row.crc for row in rows]
        return Tally(rows=len(crcs), total=sum(crcs))


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What one group of records changes in the file, and in the index once the file has it."""

    written: list[Values]
    gone: list[tuple[int]]  # positions
    places: dict[Key, tuple[int, int] | None]
    tally: Tally


class RowIndex:
    """Position and CRC of the row of each key."""

    def __init__(self, rows: Iterable[Row]) -> None:
        """The index of the rows in a file."""
        self._places = {(RecordKind(row.kind), row.key): (row.position, row.crc) for row in rows}
        self._next = 1 + max((position for position, _ in self._places.values()), default=0)
        self._tally = Tally(rows=len(self._places), total=sum(crc for _, crc in self._places.values()))

    def change(self, group: Mapping[Key, Persist]) -> Change:
        """What these records, each the last of its key, change in the file."""
        written: list[Values] = []
        gone: list[tuple[int]] = []
        places: dict[Key, tuple[int, int] | None] = {}
        rows, total, free = self._tally.rows, self._tally.total, self._next
        for key, wish in group.items():
            place = self._places.get(key)
            if place is not None:
                rows, total = rows - 1, total - place[1]
            if wish.record is not None:
                position = place[0] if place is not None else free
                free = max(free, position + 1)
                crc = crc_of(position, _ENCODED[wish.kind], wish.key, wish.record)
                written.append((position, wish.kind.value, wish.key, wish.record, crc))
                places[key] = (position, crc)
                rows, total = rows + 1, total + crc
            elif place is not None:
                gone.append((place[0],))
                places[key] = None
        return Change(written=written, gone=gone, places=places, tally=Tally(rows=rows, total=total))

    def take(self, change: Change) -> None:
        """The file has the change; follow it."""
        for key, place in change.places.items():
            if place is None:
                del self._places[key]
            else:
                self._places[key] = place
                self._next = max(self._next, place[0] + 1)
        self._tally = change.tally
