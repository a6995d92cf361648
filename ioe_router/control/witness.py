"""What an operator asks for later: since when a session stands, why the last one ended, what happens now.

Events pass by once; the witness keeps the newest of each kind that a read-out
needs, and hands all of them to whoever watches.  A watcher that takes its time
loses events beyond a bound and is told how many; it never holds the node up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ioe_router.adapters.dialler import Trouble
from ioe_router.core.events import Event, NeighborDown, NeighborUp
from ioe_router.model.clock import Now
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import NodeId

WAITING_MAX: Final = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class Error:
    """Why a session ended, or an attempt to make one failed."""

    code: ErrorCode
    text: str
    at_utc_s: int


class Watcher:
    """One who watches: the events that wait for it, and how many it has missed."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Event, Now]] = deque()
        self._news = asyncio.Event()
        self.lost = 0

    def hear(self, event: Event, now: Now) -> None:
        """Something happened."""
        if len(self._waiting) >= WAITING_MAX:
            self.lost += 1
            return
        self._waiting.append((event, now))
        self._news.set()

    async def wait(self, timeout_s: float) -> None:
        """Return when there is something, or after a while."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        except TimeoutError:
            return

    def take(self) -> tuple[tuple[tuple[Event, Now], ...], int]:
        """What has happened since the last call, and how much more there was."""
        taken, lost = tuple(self._waiting), self.lost
        self._waiting.clear()
        self._news.clear()
        self.lost = 0
        return taken, lost


class Witness:
    """Hears every event of a node, and every dial that fails."""

    def __init__(self, now: Callable[[], Now]) -> None:
        """`now`: the clock of the node."""
        self._now = now
        self.up_since_utc_s: dict[NodeId, int] = {}
        self.errors: dict[NodeId, Error] = {}
        self.round_trip_us: dict[NodeId, int] = {}
        self._watchers: dict[int, Watcher] = {}

    def hear(self, event: Event, now: Now) -> None:
        """An event of the router."""
        if isinstance(event, NeighborUp):
            self.up_since_utc_s[event.neighbor] = now.utc_s
            self.errors.pop(event.neighbor, None)
        elif isinstance(event, NeighborDown):
            self.up_since_utc_s.pop(event.neighbor, None)
            error = Error(code=event.code, text=event.reason, at_utc_s=now.utc_s)
            self.errors[event.neighbor] = error
        for watcher in self._watchers.values():
            watcher.hear(event, now)

    def trouble(self, trouble: Trouble) -> None:
        """A dial that failed."""
        at_utc_s = self._now().utc_s
        self.errors[trouble.neighbor] = Error(code=trouble.code, text=trouble.sentence, at_utc_s=at_utc_s)

    def watch(self) -> Watcher:
        """Watch from now on; `leave` at the end."""
        watcher = Watcher()
        self._watchers[id(watcher)] = watcher
        return watcher

    def leave(self, watcher: Watcher) -> None:
        """Watch no more."""
        self._watchers.pop(id(watcher), None)
