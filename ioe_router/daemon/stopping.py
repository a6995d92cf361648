"""Stopping in a fixed order, and naming what hangs.

    watches     what runs beside the node: clock, peers, keys, announcing
    health      NOT_SERVING, so that nobody is sent here any more
    control     the control service takes no more calls
    neighbours  Close with the announced restart, sessions end, the port is freed, the journal is closed
    telemetry   what is measured is handed over
    ports       the health port is closed

Each step has its bound; a step that does not end is named on stderr, and a second thread ends the
process should the event loop itself hang.  What was promised is in the store before any of it.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Final

STEP_S: Final = 5.0
LAST_S: Final = 15.0
EXIT_HUNG: Final = 12  # as in cli/exit_codes.py

Step = tuple[str, Callable[[], Awaitable[object]]]


class Stopping:
    """One way out."""

    def __init__(self, say: Callable[[str], None], *, step_s: float = STEP_S, last_s: float = LAST_S) -> None:
        """`say` is told the name of a step that did not end within its bound."""
        self._say = say
        self._step_s = step_s
        self._at = "the first step"
        self._last = threading.Timer(last_s, self._give_up)
        self._last.daemon = True

    async def run(self, steps: tuple[Step, ...]) -> None:
        """Take all steps in order; one that hangs is named, one that fails is raised after the others."""
        self._last.start()
        failed: BaseException | None = None
        for name, step in steps:
            self._at = name
            task = asyncio.ensure_future(step())
            await asyncio.wait((task,), timeout=self._step_s)
            if not task.done():
                task.cancel()
                self._say(name)
            elif not task.cancelled():
                failed = failed or task.exception()
        self._last.cancel()
        if failed is not None:
            raise failed

    def _give_up(self) -> None:
        """On a thread of its own: the event loop does not turn any more."""
        sys.stderr.write(f"stopping hangs in {self._at!r}; the process ends without it\n")
        sys.stderr.flush()
        os._exit(EXIT_HUNG)
