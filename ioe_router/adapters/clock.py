"""The clocks a runner may be given: wall time, or scenario time that moves when told (SPEC section 2)."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from typing import Protocol

from ioe_router.model.clock import NS_PER_MS, NS_PER_S, Now
from ioe_router.model.errors import UsageError


class Alarm(Protocol):
    """A call that is due later."""

    def cancel(self) -> None:
        """Do not call; nothing happens when it was called already."""
        ...


class Clock(Protocol):
    """Where a runner's instants come from."""

    def now(self) -> Now:
        """The present instant; its `monotonic_ns` never decreases."""
        ...

    def call_at(self, deadline_ns: int, callback: Callable[[], None]) -> Alarm:
        """Call back once `monotonic_ns` has reached `deadline_ns`, never inside this call."""
        ...


class WallClock:
    """Real time. `offset_ms` is added to UTC and is for laboratories only; 0 in operation."""

    def __init__(self, offset_ms: int = 0) -> None:
        self._offset_ms = offset_ms

    def now(self) -> Now:
        """The system's monotonic clock and its UTC."""
        utc_ms = time.time_ns() // NS_PER_MS + self._offset_ms
        return Now(monotonic_ns=time.monotonic_ns(), utc_ms=utc_ms)

    def call_at(self, deadline_ns: int, callback: Callable[[], None]) -> Alarm:
        """Ask the running event loop; it may call a clock tick early."""
        delay_s = max(0, deadline_ns - time.monotonic_ns()) / NS_PER_S
        return asyncio.get_running_loop().call_later(delay_s, callback)


class _ScenarioAlarm:
    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class ScenarioClock:
    """A clock that many nodes share; both fields of its instants are scenario time."""

    def __init__(self, utc_ms: int) -> None:
        self._utc_ms = utc_ms
        self._order = itertools.count()
        self._alarms: list[tuple[int, int, _ScenarioAlarm]] = []

    def now(self) -> Now:
        """Scenario time; `monotonic_ns` is the same instant in nanoseconds."""
        return Now(monotonic_ns=self._utc_ms * NS_PER_MS, utc_ms=self._utc_ms)

    def call_at(self, deadline_ns: int, callback: Callable[[], None]) -> Alarm:
        """Call back in the `advance` that reaches the deadline; one already past waits for the next."""
        alarm = _ScenarioAlarm(callback)
        heapq.heappush(self._alarms, (deadline_ns, next(self._order), alarm))
        return alarm

    def advance(self, to_ms: int) -> None:
        """Move to a UTC instant and deliver what is due, earliest first. UsageError when it is past."""
        if to_ms < self._utc_ms:
            raise UsageError(
                f"scenario time cannot go back from {self._utc_ms} to {to_ms} ms; advance forwards only"
            )
        self._utc_ms = to_ms
        due: list[_ScenarioAlarm] = []
        while self._alarms and self._alarms[0][0] <= to_ms * NS_PER_MS:
            due.append(heapq.heappop(self._alarms)[2])
        for alarm in due:
            if alarm.callback is not None:
                alarm.callback()

    def next_deadline_ns(self) -> int | None:
        """The earliest alarm still set, None when there is none."""
        while self._alarms and self._alarms[0][2].callback is None:
            heapq.heappop(self._alarms)
        return self._alarms[0][0] if self._alarms else None
