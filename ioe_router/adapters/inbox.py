"""What waits for the router: one line for the host, one for each neighbour (SPEC sections 5.5 and 14.5).

A flood fills the line of whom it comes from and no other.  Each turn takes all
commands and clock inputs, and of each neighbour a few frames; who came first in one turn
comes last in the next.  A line that is full is not read into, which in the
end stops its sender; a neighbour that has used up a budget waits, and its line with it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from ioe_router.core.inputs import FrameReceived, Input, SessionDown, SessionUp
from ioe_router.model.ids import NodeId

TURN_FRAMES: Final = 8  # of one neighbour in one turn
TURN_BYTES: Final = 16_384  # the same; one frame passes whatever its size
LINE_FRAMES: Final = 64  # in a line, above which its stream is not read
LINE_BYTES: Final = 1_048_576

ReadyAt = Callable[[NodeId], int]


@dataclass(slots=True)
class _Line:
    """What one neighbour has sent and what became of its sessions, in order."""

    waiting: deque[SessionUp | FrameReceived | SessionDown] = field(default_factory=deque)
    size: int = 0  # bytes of the frames
    kept_since_ns: int | None = None  # what is first waits for a budget
    delay_ns: int = 0  # how long that has lasted before, in all
    taken: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def has_room(self) -> bool:
        return len(self.waiting) < LINE_FRAMES and self.size < LINE_BYTES

    def turn(self, *, frames: bool) -> list[Input]:
        """The next few; up to the first frame if `frames` may not go."""
        batch: list[Input] = []
        size = 0
        while self.waiting and len(batch) < TURN_FRAMES and size < TURN_BYTES:
            if not frames and isinstance(self.waiting[0], FrameReceived):
                break
            one = self.waiting.popleft()
            size += len(one.frame) if isinstance(one, FrameReceived) else 0
            batch.append(one)
        self.size -= size
        self.taken.set()
        return batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A line at one moment."""

    frames: int
    size: int  # bytes
    delay_ns: int = 0  # spent waiting for a budget since the start


class Inbox:
    """The lines of one runner."""

    def __init__(self, ready_at_ns: ReadyAt) -> None:
        """`ready_at_ns` says until when a neighbour has to wait, monotonic nanoseconds."""
        self._ready_at_ns = ready_at_ns
        self._commands: list[Input] = []
        self._lines: dict[NodeId, _Line] = {}

    def put(self, input_: Input) -> None:
        """Queue an input behind others of its kind."""
        if not isinstance(input_, SessionUp | FrameReceived | SessionDown):
            self._commands.append(input_)
            return
        line = self._lines.get(input_.neighbor)
        if line is None:
            line = self._lines[input_.neighbor] = _Line()
        line.waiting.append(input_)
        if isinstance(input_, FrameReceived):
            line.size += len(input_.frame)

    async def room(self, neighbor: NodeId) -> None:
        """Return once the line of a neighbour has room for more."""
        line = self._lines.get(neighbor)
        while line is not None and not line.has_room:
            line.taken.clear()
            await line.taken.wait()

    def take(self, now_ns: int) -> list[Input]:
        """What is to be handled next; empty when nothing may be."""
        batch, self._commands = self._commands, []
        served = [neighbor for neighbor in self._lines if self._may_go(neighbor, now_ns)]
        self._note_kept(served, now_ns)
        for neighbor in served:
            line = self._lines.pop(neighbor)
            batch.extend(line.turn(frames=self._ready_at_ns(neighbor) <= now_ns))
            self._lines[neighbor] = line  # now the last
        return batch

    def has_work(self, now_ns: int) -> bool:
        """Whether anything may be handled now."""
        return bool(self._commands) or any(self._may_go(neighbor, now_ns) for neighbor in self._lines)

    def next_ready_ns(self, now_ns: int) -> int | None:
        """When the first of those who have to wait need not any more; None when nobody has to."""
        waiting = [self._ready_at_ns(neighbor) for neighbor, line in self._lines.items() if line.waiting]
        return min((at_ns for at_ns in waiting if at_ns > now_ns), default=None)

    def commands_waiting(self) -> int:
        """How many commands and clock inputs are queued."""
        return len(self._commands)

    def waiting(self) -> dict[NodeId, Waiting]:
        """The lines of the neighbours as they are."""
        return {
            neighbor: Waiting(frames=len(line.waiting), size=line.size, delay_ns=line.delay_ns)
            for neighbor, line in self._lines.items()
        }

    def _note_kept(self, served: list[NodeId], now_ns: int) -> None:
        """Time the lines whose first frame waits for a budget."""
        for neighbor, line in self._lines.items():
            if line.waiting and neighbor not in served:
                line.kept_since_ns = now_ns if line.kept_since_ns is None else line.kept_since_ns
            elif line.kept_since_ns is not None:
                line.delay_ns += now_ns - line.kept_since_ns
                line.kept_since_ns = None

    def _may_go(self, neighbor: NodeId, now_ns: int) -> bool:
        waiting = self._lines[neighbor].waiting
        if not waiting:
            return False
        return not isinstance(waiting[0], FrameReceived) or self._ready_at_ns(neighbor) <= now_ns
