"""Whether this machine's clock is kept right, told to the router and to the operator (SPEC section 2.4).

With node.clock = "kernel" the router does as the kernel says: no new booking
while UTC may be off by more than a second, no word to anybody above a minute.
With "trusted" the operator vouches for the clock, and is only told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from ioe_router.adapters.kernel_clock import KernelClock, kernel_clock
from ioe_router.adapters.node import Node
from ioe_router.core.inputs import ClockError
from ioe_router.daemon.reporting import Log

LOOK_S: Final = 16.0
REMEDY: Final = "the clock of this machine is not synchronised; start chrony or another NTP service"


async def watch_clock(
    node: Node, log: Log, *, obey: bool, ask: Callable[[], KernelClock | None] = kernel_clock
) -> None:
    """Look every 16 seconds, as often as NTP moves its estimate."""
    before: KernelClock | None = None
    while True:
        found = ask()
        if found is not None and (before is None or found.synchronised != before.synchronised):
            if not found.synchronised:
                log.warn("ClockUnsynchronised", remedy=REMEDY, error_ms=found.error_ms, obeyed=obey)
            elif before is not None:
                log.say("ClockSynchronised", error_ms=found.error_ms)
        if obey and found is not None and found != before:
            node.submit(ClockError(error_ms=found.error_ms))
        before = found
        await asyncio.sleep(LOOK_S)
