"""What several read-outs share: reasons, ranges of slots, stages, and how far a slot's trade has come."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Generic, TypeVar

from ioe_router.model.errors import ErrorCode
from ioe_router.model.slot import Slot

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why something is as it is: a registered code, or a word in lower case, and a sentence."""

    code: str
    text: str


NO_REASON: Final = Reason(code="", text="")


def reason_of(code: ErrorCode, text: str = "") -> Reason:
    """A reason by a registered code; none for UNSPECIFIED without a text."""
    if code is ErrorCode.UNSPECIFIED:
        return Reason(code="", text=text) if text else NO_REASON
    return Reason(code=code.name, text=text)


class Stage(IntEnum):
    """How far something told by neighbours has come; the numbers are those of the control service."""

    RECEIVED = 1
    ACCEPTED = 2
    FILTERED = 3
    BEST = 4
    ADVERTISED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotRange:
    """Slots from `first_utc_s` to `last_utc_s`, both included; None for no bound."""

    first_utc_s: int | None = None
    last_utc_s: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether it says nothing."""
        return self.first_utc_s is None and self.last_utc_s is None

    def has(self, slot: int) -> bool:
        """Whether a slot is inside."""
        after = self.first_utc_s is None or slot >= self.first_utc_s
        return after and (self.last_utc_s is None or slot <= self.last_utc_s)

    def touches(self, first: int, last: int) -> bool:
        """Whether any slot from `first` to `last` may be inside."""
        after = self.first_utc_s is None or last >= self.first_utc_s
        return after and (self.last_utc_s is None or first <= self.last_utc_s)

    def slots(self, present: Slot, slot_s: int, most: int) -> tuple[Slot, ...]:
        """Its slots in order, `most` at most; the present one when it says nothing."""
        if self.is_open:
            return (present,)
        first = present if self.first_utc_s is None else self.first_utc_s - self.first_utc_s % slot_s
        last = present if self.last_utc_s is None else self.last_utc_s
        return tuple(Slot(start) for start in range(first, last + 1, slot_s))[:most]


@dataclass(frozen=True, slots=True)
class Entry(Generic[R]):
    """A row that is not made yet: its name, what tells it from another state of it, how it is made."""

    key: Hashable
    mark: object
    row: Callable[[], R]


ALL_SLOTS: Final = SlotRange()
