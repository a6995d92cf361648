"""The bytes of a fuzzer, read as choices: equal bytes make equal choices, and there is always a next one."""

from __future__ import annotations


class Choices:
    """Choices out of bytes; when these are used up, every further choice is the first one."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._pos = 0

    @property
    def done(self) -> bool:
        """Whether all bytes have been used."""
        return self._pos >= len(self._data)

    def octet(self) -> int:
        """The next byte, 0 at the end."""
        if self.done:
            return 0
        self._pos += 1
        return self._data[self._pos - 1]

    def below(self, count: int) -> int:
        """A number from 0 to `count` - 1; `count` up to 65 536."""
        number = self.octet() if count <= 1 << 8 else self.octet() << 8 | self.octet()
        return number % count if count else 0

    def number(self) -> int:
        """A number of up to 64 bits whose size is chosen, too."""
        size = self.below(9)
        return int.from_bytes(self.octets(size), "big")

    def octets(self, count: int) -> bytes:
        """The next `count` bytes, fewer at the end."""
        taken = self._data[self._pos : self._pos + count]
        self._pos += len(taken)
        return taken
