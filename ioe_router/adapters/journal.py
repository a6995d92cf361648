"""The journal: records in a file, each with its length and checksum, durable when `sync` returns.

    magic "IOEJ" | version 1        once, at the start
    u32be length | u32be CRC-32 | record bytes

A crash may leave the last record torn.  At the next opening what is whole is
kept and the torn tail is cut off; a damaged record in the middle means that
the disk has failed us, and that is refused.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

from ioe_router.adapters.files import sync_directory
from ioe_router.core.effects import Persist
from ioe_router.model.errors import UsageError

MAGIC: Final = b"IOEJ\x01"
RECORD_BYTES_MAX: Final = 16 * 1_048_576
_HEAD: Final = struct.Struct(">II")


class Journal(Protocol):
    """Where Persist records go; `instant` when `sync` takes no time and so needs no thread."""

    instant: bool

    def append(self, record: Persist) -> None:
        """Add a record, durable after the next `sync`."""
        ...

    def sync(self) -> None:
        """Make everything appended durable. May be called on another thread than `append`."""
        ...

    def close(self) -> None:
        """Sync and let go."""
        ...


class MemoryJournal:
    """Keeps records in memory, for tests and for runs that are thrown away."""

    instant = True

    def __init__(self) -> None:
        self.records: list[Persist] = []
        self.syncs = 0

    def append(self, record: Persist) -> None:
        """Add a record."""
        self.records.append(record)

    def sync(self) -> None:
        """Count the barrier; memory is as durable as the run."""
        self.syncs += 1

    def close(self) -> None:
        """Nothing to let go of."""


class FileJournal:
    """An append-only file. UsageError when it cannot be opened or is damaged before its end."""

    instant = False

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            new = not path.exists() or path.stat().st_size < len(MAGIC)
            end = 0 if new else _end_of_whole(path)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            os.ftruncate(self._file, end)
            os.lseek(self._file, 0, os.SEEK_END)
            if new:
                os.write(self._file, MAGIC)
                os.fsync(self._file)
                sync_directory(path.parent)
        except OSError as error:
            raise UsageError(
                f"journal {path} cannot be opened ({error.strerror}); check its directory"
            ) from error

    def append(self, record: Persist) -> None:
        """Add a record, durable after the next `sync`. UsageError when the disk is full."""
        content = record.record or b""
        view = memoryview(_HEAD.pack(len(content), zlib.crc32(content)) + content)
        try:
            while view:
                view = view[os.write(self._file, view) :]
        except OSError as error:
            raise UsageError(
                f"journal {self._path} cannot be written ({error.strerror}); free space"
            ) from error

    def sync(self) -> None:
        """Return once the records are on the disk."""
        os.fdatasync(self._file)

    def close(self) -> None:
        """Sync and close the file."""
        self.sync()
        os.close(self._file)


def read_journal(path: Path) -> Iterator[bytes]:
    """The whole records of a journal in order; a torn tail is left out. UsageError on damage before it."""
    for record, _ in _whole(path):
        yield record


def _end_of_whole(path: Path) -> int:
    """Offset behind the last whole record."""
    end = len(MAGIC)
    for _, end in _whole(path):  # noqa: B007 - the last offset is the result
        pass
    return end


def _whole(path: Path) -> Iterator[tuple[bytes, int]]:
    """Each whole record with the offset behind it."""
    content = path.read_bytes()
    if not content.startswith(MAGIC):
        raise UsageError(f"{path} is no journal of this version; move it away to start a new one")
    at = len(MAGIC)
    while at + _HEAD.size <= len(content):
        length, checksum = _HEAD.unpack_from(content, at)
        ends = at + _HEAD.size + length
        if ends > len(content):
            return  # torn by a crash
        record = content[at + _HEAD.size : ends]
        if length > RECORD_BYTES_MAX or zlib.crc32(record) != checksum:
            if ends == len(content):
                return  # torn by a crash: the length was written, the bytes were not
            raise UsageError(
                f"journal {path} is damaged at byte {at}; restore it from a backup or move it away"
            )
        yield record, ends
        at = ends
