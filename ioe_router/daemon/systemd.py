"""Telling a service manager how this daemon is doing: the datagrams of sd_notify.

    READY=1                      started, or done with a reload
    RELOADING=1 MONOTONIC_USEC=  a reload has begun (Type=notify-reload)
    STOPPING=1                   on its way out
    WATCHDOG=1                   the event loop turns; sent at half of WatchdogSec
    STATUS=                      a line for people

Protocol: sd_notify(3) of systemd.  Without NOTIFY_SOCKET nothing is said; nothing here fails the node.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Mapping
from typing import Final

_US_PER_S: Final = 1_000_000


class ServiceManager:
    """Whoever has started this process, if it listens."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        name = environ.get("NOTIFY_SOCKET", "")
        self._address = f"\0{name[1:]}" if name.startswith("@") else name
        wanted = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        usec = environ.get("WATCHDOG_USEC", "0")
        self._watchdog_s = int(usec) / _US_PER_S if wanted and usec.isdigit() else 0.0

    def ready(self, status: str) -> None:
        """The node serves."""
        self._say("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """A reload has begun; `ready` ends it."""
        self._say("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1_000}")

    def stopping(self, status: str) -> None:
        """The node is on its way out."""
        self._say("STOPPING=1", f"STATUS={status}")

    async def watch(self) -> None:
        """Say that the event loop turns, as often as is asked for; returns at once if it is not."""
        while self._address and self._watchdog_s:
            self._say("WATCHDOG=1")
            await asyncio.sleep(self._watchdog_s / 2)

    def _say(self, *lines: str) -> None:
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.setblocking(False)  # whoever does not read must not hold up the node
            out.sendto("\n".join(lines).encode(), self._address)
