"""Metrics on a port of their own, in the text format of Prometheus, without TLS or keys.

`prometheus_client` serves on threads of its own; the values are read on the
event loop, so no table is looked at while the router changes it.  A loop that
stands still is seen as a scrape that fails.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from ioe_router.adapters.metrics.counting import TimedJournal
from ioe_router.adapters.metrics.reading import Values
from ioe_router.adapters.metrics.table import COMMIT_BUCKETS_S, METRICS, Kind
from ioe_router.adapters.peer_server import explain_bind_failure, split_address
from ioe_router.model.errors import UsageError

READ_S: Final = 5.0  # how long a scrape waits for the event loop
_TOTAL: Final = "_total"


class LoopCollector(Collector):
    """Reads the values on the event loop that was running when this was made."""

    def __init__(self, read: Callable[[], Values], journal: TimedJournal) -> None:
        """`read` is called on the loop, once for each scrape."""
        self._loop = asyncio.get_running_loop()
        self._read = read
        self._journal = journal

    def collect(self) -> Iterator[Metric]:
        """One family for each row of the table, on the thread that scrapes. TimeoutError: the loop stands."""
        values = self._from_loop()
        for metric in METRICS:
            if metric.kind is Kind.HISTOGRAM:
                yield _histogram(metric.name, metric.says, self._journal)
                continue
            family: CounterMetricFamily | GaugeMetricFamily
            if metric.kind is Kind.COUNTER:
                family = CounterMetricFamily(
                    metric.name.removesuffix(_TOTAL), metric.says, labels=metric.labels
                )
            else:
                family = GaugeMetricFamily(metric.name, metric.says, labels=metric.labels)
            found = values.pop(metric.name, {})
            if not found and not metric.labels and metric.kind is Kind.COUNTER:
                found = {(): 0}  # so that a rate is known from the start
            for labels, value in found.items():
                family.add_metric(labels, value)
            yield family
        if values:
            raise RuntimeError(f"{', '.join(values)}: not in the table of metrics")

    def describe(self) -> list[Metric]:
        """Nothing, so that making a registry needs no values."""
        return []

    def _from_loop(self) -> Values:
        began_s = time.perf_counter()
        done: concurrent.futures.Future[Values] = concurrent.futures.Future()

        def fill() -> None:
            waited_s = time.perf_counter() - began_s
            try:
                values = self._read()
                values["ioe_loop_delay_seconds"] = {(): waited_s}
                done.set_result(values)
            except Exception as error:  # what fails is told to who asked, and the loop goes on
                done.set_exception(error)

        self._loop.call_soon_threadsafe(fill)
        return done.result(READ_S)


def _histogram(name: str, says: str, journal: TimedJournal) -> HistogramMetricFamily:
    buckets: list[tuple[str, float]] = []
    total = 0
    for bound, count in zip((*map(str, COMMIT_BUCKETS_S), "+Inf"), journal.buckets, strict=True):
        total += count
        buckets.append((bound, total))
    family = HistogramMetricFamily(name, says)
    family.add_metric([], buckets=buckets, sum_value=journal.seconds)
    return family


class MetricsPort:
    """The HTTP server of one node; `start` it on the event loop of that node."""

    def __init__(self, listen: str) -> None:
        self._listen = listen
        self._server: tuple[WSGIServer, threading.Thread] | None = None

    def start(self, collector: Collector) -> int:
        """Listen and return the port. UsageError when the address cannot be bound."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(collector)
        ProcessCollector(registry=registry)
        host, port = split_address(self._listen)
        try:
            self._server = _serve(port, host, registry)
        except OSError as error:
            raise UsageError(f"metrics: {explain_bind_failure(self._listen)}") from error
        return self._server[0].server_port

    async def stop(self) -> None:
        """Close the port; a scrape that is under way is finished, the loop goes on meanwhile."""
        if self._server is not None:
            server, thread = self._server
            self._server = None
            await asyncio.to_thread(server.shutdown)
            server.server_close()
            await asyncio.to_thread(thread.join)


def _serve(port: int, host: str, registry: CollectorRegistry) -> tuple[WSGIServer, threading.Thread]:
    served: tuple[Any, Any] = start_http_server(port, addr=host, registry=registry)
    return served
