"""Whether the write-ahead log of a store was torn by a crash or damaged by its disk.

SQLite reads the log up to the first frame whose checksum fails and forgets the
rest without a word.  After a crash that is right: only the last transaction
can be torn, because each one is on the disk before the next begins, and
nothing was promised on it yet.  A frame that fails with whole transactions
behind it was once durable, and so it is damage.

    log    header 32 bytes: magic, format, page size, count, salt (8), checksum (8)
    frame  24 bytes: page number, size at a commit else 0, salt (8), checksum (8); then the page

The checksums run on from frame to frame; frames with another salt are left
over from an earlier round.  Format: "WAL Mode File Format" in the SQLite
documentation (fileformat2.html, section 4).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_HEADER_BYTES: Final = 32
_FRAME_BYTES: Final = 24
_MAGIC: Final = 0x377F0682  # the lowest bit says that checksums are big-endian
_MASK: Final = 0xFFFF_FFFF

Sum = tuple[int, int]


def damage_of_log(path: Path) -> str | None:
    """What is damaged in a write-ahead log, None when a crash explains its state. OSError when unreadable."""
    log = path.read_bytes()
    if not any(log[_HEADER_BYTES:]):
        return None  # begun, and nothing in it was ever committed
    magic, _, page_bytes = struct.unpack_from(">III", log)
    words = ">" if magic & 1 else "<"
    if magic | 1 != _MAGIC | 1 or _checksum(log[:24], (0, 0), words) != struct.unpack_from(">II", log, 24):
        return "header of its write-ahead log"
    frames = _Frames(log, page_bytes, words)
    whole = frames.whole()
    behind = tuple(frames.behind(whole))
    if True in behind[:-1]:
        return f"frame {whole + 1} of its write-ahead log"
    return None


class _Frames:
    """The frames of a log."""

    def __init__(self, log: bytes, page_bytes: int, words: str) -> None:
        self._log = log
        self._words = words
        self._salt = log[16:24]
        self._start: Sum = struct.unpack_from(">II", log, 24)
        self._bytes = _FRAME_BYTES + page_bytes

    def whole(self) -> int:
        """How many frames from the start have the salt and the checksum of this log."""
        running, count = self._start, 0
        for at in self._offsets(0):
            frame = memoryview(self._log)[at : at + self._bytes]
            running = _checksum(frame[:8], running, self._words)
            running = _checksum(frame[_FRAME_BYTES:], running, self._words)
            if frame[8:16] != self._salt or running != struct.unpack_from(">II", frame, 16):
                break
            count += 1
        return count

    def behind(self, count: int) -> Iterator[bool]:
        """For each frame of this log's salt behind the first `count`: whether it commits."""
        for at in self._offsets(count):
            if self._log[at + 8 : at + 16] == self._salt:
                yield any(self._log[at + 4 : at + 8])

    def _offsets(self, count: int) -> range:
        return range(_HEADER_BYTES + count * self._bytes, len(self._log) - self._bytes + 1, self._bytes)


def _checksum(content: bytes | memoryview, running: Sum, words: str) -> Sum:
    """The log's checksum over a whole number of eight bytes, going on from `running`."""
    first, second = running
    numbers = iter(struct.unpack(f"{words}{len(content) // 4}I", content))
    for even, odd in zip(numbers, numbers, strict=True):
        first = (first + even + second) & _MASK
        second = (second + odd + first) & _MASK
    return first, second
