"""What a running node lets others see: metrics on a port of their own, traces to a collector.

Both are off unless the configuration asks for them, and neither may stop a
node: what cannot be sent is dropped, and the log says so.
"""

from __future__ import annotations

import asyncio
import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from ioe_router.adapters.dialler import Trouble
from ioe_router.adapters.journal import Journal
from ioe_router.adapters.metrics.counting import Counted, TimedJournal
from ioe_router.adapters.metrics.exposition import LoopCollector, MetricsPort
from ioe_router.adapters.metrics.reading import Sources, read
from ioe_router.adapters.node import Node
from ioe_router.core.events import Event
from ioe_router.daemon.assembly import Plan
from ioe_router.daemon.errors import StartRefused
from ioe_router.daemon.reporting import Log
from ioe_router.model.clock import Now
from ioe_router.model.errors import UsageError
from ioe_router.model.ids import LinkId, NodeId
from ioe_router.router import Router

if TYPE_CHECKING:
    from ioe_router.adapters.tracing import Traces

QUIET_S: Final = 60.0
CLOSE_S: Final = 3.0


class Telemetry:
    """Watches one node. `attach` the router, `start` with the node, `stop` with it."""

    def __init__(self, plan: Plan, journal: Journal, log: Log) -> None:
        """UsageError when traces are wanted and the extra [otel] is not installed."""
        self.journal = TimedJournal(journal)
        self._plan = plan
        self._log = log
        self._router: Router | None = None
        self._counted = Counted(self._neighbor_of)
        listen = plan.settings.node.metrics
        self._port = MetricsPort(listen) if listen is not None else None
        self._traces: Traces | None = None
        self._told_s = -QUIET_S
        self._version = version("ioe-router")

    def attach(self, router: Router) -> None:
        """The router that is to be watched."""
        self._router = router

    def event(self, event: Event, now: Now) -> None:
        """The router has told something."""
        self._counted.event(event)
        if self._traces is not None:
            self._traces.event(event, now)

    def trouble(self, trouble: Trouble) -> None:
        """A neighbour could not be reached."""
        self._counted.trouble(trouble)

    def start(self, node: Node) -> int | None:
        """Serve metrics and begin traces, as far as they are configured; the port of the metrics.

        StartRefused when the port cannot be had.
        """
        self._traces = self._begin_traces(node.node)
        if self._port is None or self._router is None:
            return None
        sources = Sources(
            router=self._router,
            node=node,
            counted=self._counted,
            journal=self.journal,
            log_lines=self._log.lines,
            now=self._plan.clock.now,
            version=self._version,
            started_utc_s=int(time.time()),
        )
        try:
            collector = LoopCollector(lambda: read(sources), self.journal, self._unread)
            return self._port.start(collector)
        except UsageError as error:
            raise StartRefused(str(error)) from error

    async def stop(self) -> None:
        """Close the port, send the last traces."""
        if self._port is not None:
            await self._port.stop()
        if self._traces is not None:
            traces, self._traces = self._traces, None
            closing = asyncio.get_running_loop().run_in_executor(None, traces.close)
            await asyncio.wait((closing,), timeout=CLOSE_S)

    # ------------------------------------------------------------- inside

    def _begin_traces(self, node: NodeId) -> Traces | None:
        section = self._plan.settings.telemetry
        if section.traces is None:
            return None
        from ioe_router.adapters.tracing import Traces

        loop = asyncio.get_running_loop()

        def on_outcome(sent: bool) -> None:
            if not sent:
                loop.call_soon_threadsafe(self._unsent)

        return Traces(
            node,
            section.traces,
            share_ppm=section.traces_share_ppm,
            network_id=self._plan.parameters.network_id,
            version=self._version,
            on_outcome=on_outcome,
        )

    def _unread(self, cause: str) -> None:
        self._log.warn("MetricsUnread", cause=cause)

    def _unsent(self) -> None:
        now_s = time.monotonic()
        if now_s - self._told_s >= QUIET_S:
            self._told_s = now_s
            where = self._plan.settings.telemetry.traces
            self._log.warn(
                "TracesUnsent", remedy=f"start a collector at {where}, or correct telemetry.traces"
            )

    def _neighbor_of(self, link: LinkId) -> NodeId | None:
        port = None if self._router is None else self._router.inspect().ports.of(link)
        return None if port is None else port.neighbor
