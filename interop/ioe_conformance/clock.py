"""The time of the testers, and the timetable of slots (SPEC.md section 9.1).

The testers' UTC has to be that of the target. Where a laboratory shifts the clock of
its target, the kit is told by how much (`--clock-offset-ms`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

NO_BAND: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """Offsets in seconds before a slot's start, of one slot length."""

    open_s: int
    band_s: int
    provisional_gate_s: int
    correction_s: int
    final_gate_s: int


_LONG: Final = Timetable(open_s=600, band_s=10, provisional_gate_s=420, correction_s=240, final_gate_s=120)
TIMETABLES: Final = {
    300: Timetable(open_s=240, band_s=5, provisional_gate_s=150, correction_s=80, final_gate_s=45),
    900: _LONG,
    1800: _LONG,
    3600: _LONG,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """UTC as the target has it, and the slots of the network."""

    slot_s: int
    bands: int  # number of bands, the last one without floor
    offset_ms: int = 0

    def utc_ms(self) -> int:
        """Milliseconds since 1970."""
        return time.time_ns() // 1_000_000 + self.offset_ms

    def utc_s(self) -> int:
        """Whole seconds since 1970."""
        return self.utc_ms() // 1_000

    @property
    def timetable(self) -> Timetable:
        """The phases of a slot."""
        return TIMETABLES[self.slot_s]

    def slot_at(self, ahead: int) -> int:
        """The slot that runs now (`ahead` 0), the next one (1), and so on, UTC seconds of its start."""
        return self.utc_s() // self.slot_s * self.slot_s + ahead * self.slot_s

    def until(self, slot: int) -> int:
        """Seconds from now to the start of a slot."""
        return slot - self.utc_s()

    def bookable(self, room_s: int = 0) -> tuple[int, int] | None:
        """A slot and the band to state in a HOLD of it now, if there is one for `room_s` seconds more."""
        table = self.timetable
        for ahead in range(table.open_s // self.slot_s + 2):
            slot = self.slot_at(ahead)
            left = self.until(slot)
            if table.provisional_gate_s + room_s < left <= table.open_s:
                band = (table.open_s - left) // table.band_s
                return slot, band if band < self.bands else NO_BAND
        return None

    def gated(self, room_s: int = 0) -> int | None:
        """A slot between its provisional gate and its corrections, for `room_s` seconds more."""
        table = self.timetable
        for ahead in range(table.open_s // self.slot_s + 2):
            slot = self.slot_at(ahead)
            if table.correction_s + room_s < self.until(slot) <= table.provisional_gate_s:
                return slot
        return None

    def wait_s(self, phase: str) -> int:
        """Seconds until the next moment at which `phase` ("book" or "gate") begins, 0 while it lasts."""
        if phase == "book" and self.bookable():
            return 0
        if phase == "gate" and self.gated():
            return 0
        begins = self.timetable.open_s if phase == "book" else self.timetable.provisional_gate_s
        waits = [self.until(self.slot_at(ahead)) - begins for ahead in range(8)]
        return min((wait for wait in waits if wait >= 0), default=self.slot_s) + 1
