"""What was refused lately, by this node and to it, for whoever asks why (SPEC section 13).

An event says that something was refused as it happens; an operator asks an
hour later.  So the newest refusals are kept, a bounded number of them, the
oldest of which make room.  Nothing is decided by them and nothing of them is
durable.  What repeats itself in a row is one row with a count.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import Final

from ioe_router.core.events import Event, HoldAnswered
from ioe_router.model.clock import Now
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import NodeId
from ioe_router.model.routing import Direction

KEPT: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One refusal; `about` is the id of the object or reservation, empty where it could not be read."""

    at_utc_ms: int
    neighbor: NodeId | None  # whose object it was, or who refused; None: nobody's, no neighbour was asked
    by_us: bool
    type: str  # of the object, as registered
    about: bytes
    code: ErrorCode
    detail: str
    destination: NodeId | None = None  # what the object is about, where that is known
    direction: Direction = Direction.UNSPECIFIED
    failing_node: NodeId | None = None  # who refused further away
    times: int = 1


class Refusals:
    """The newest ones."""

    def __init__(self) -> None:
        """Nothing was refused yet."""
        self._kept: deque[Refusal] = deque(maxlen=KEPT)

    def note(self, refusal: Refusal) -> None:
        """Keep one; the same as the one before counts as its repetition."""
        last = self._kept[-1] if self._kept else None
        if last is not None and _same(last, refusal):
            self._kept[-1] = replace(refusal, times=last.times + 1)
        else:
            self._kept.append(refusal)

    def hear(self, event: Event, now: Now) -> None:
        """Keep what an event tells of holds of our own that were refused, wholly or in part."""
        if isinstance(event, HoldAnswered) and event.granted_j < event.asked_j:
            self.note(
                Refusal(
                    at_utc_ms=now.utc_ms,
                    neighbor=None,
                    by_us=False,
                    type="HOLD",
                    about=event.reservation,
                    code=event.code,
                    detail=f"{event.granted_j} of {event.asked_j} J granted for slot {event.slot}",
                    failing_node=event.failing_node,
                )
            )

    def newest_first(self) -> tuple[Refusal, ...]:
        """All that are kept."""
        return tuple(reversed(self._kept))


def _same(one: Refusal, other: Refusal) -> bool:
    """Whether two differ in nothing but when, and which object it was."""
    return replace(one, at_utc_ms=0, about=b"", times=1) == replace(other, at_utc_ms=0, about=b"", times=1)
