"""Where the parts of the core put what they want done, in order (SPEC section 3).

A part of the core never calls another part back: it appends to the outbox
that it is handed, and the router turns the outbox into effects.  Objects to a
neighbour stay in the order in which they were appended.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ioe_router.core.effects import ApplySchedule, CloseSession, Emit, Persist, RecordKind
from ioe_router.core.events import Event
from ioe_router.model.envelope import Envelope
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import NodeId


@dataclass(frozen=True, slots=True)
class ToNeighbor:
    """One envelope for one neighbour; frames are made of these at the end of a call."""

    neighbor: NodeId
    envelope: Envelope


Wish = ToNeighbor | CloseSession | Persist | ApplySchedule | Emit


@dataclass(slots=True)
class Outbox:
    """The wishes of one call of the router, in order."""

    wishes: list[Wish] = field(default_factory=list)

    def send(self, neighbor: NodeId, envelope: Envelope) -> None:
        """Send an envelope to a neighbour in this call's frame."""
        self.wishes.append(ToNeighbor(neighbor, envelope))

    def emit(self, event: Event) -> None:
        """Tell the host."""
        self.wishes.append(Emit(event=event))

    def persist(self, kind: RecordKind, key: bytes, record: bytes | None) -> None:
        """Make a record durable, or drop it (None), before anything appended later."""
        self.wishes.append(Persist(kind=kind, key=key, record=record))

    def apply(self, schedule: ApplySchedule) -> None:
        """Set a port's set-point."""
        self.wishes.append(schedule)

    def close(self, neighbor: NodeId, code: ErrorCode, reason: str) -> None:
        """End the session with a neighbour."""
        self.wishes.append(CloseSession(neighbor=neighbor, code=code, reason=reason))
