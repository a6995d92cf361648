"""Metrics on a port of their own, in the text format of Prometheus, without TLS or keys.

`prometheus_client` serves on threads of its own; the values are read on the
event loop, so no table is looked at while the router changes it.  Of a loop that
stands still nothing is known but that: a scrape then has its delay and no more.
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
from ioe_router.adapters.metrics.table import BY_NAME, COMMIT_BUCKETS_S, METRICS, Kind
from ioe_router.adapters.peer_server import explain_bind_failure, split_address
from ioe_router.model.errors import UsageError

READ_S: Final = 5.0  # how long a scrape waits for the event loop
_TOTAL: Final = "_total"
_DELAY: Final = "ioe_loop_delay_seconds"


class LoopCollector(Collector):
    """Reads the values on the event loop that was running when this was made."""

    def __init__(
        self, read: Callable[[], Values], journal: TimedJournal, on_failure: Callable[[str], None]
    ) -> None:
        """`read` is called on the loop, once for each scrape; `on_failure` there, when it has raised."""
        self._loop = asyncio.get_running_loop()
        self._read = read
        self._journal = journal
        self._on_failure = on_failure

    def collect(self) -> Iterator[Metric]:
        """One family for each row of the table, on the thread that scrapes."""
        values = self._from_loop()
        for metric in METRICS if len(values) > 1 else (BY_NAME[_DELAY],):
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
                unknown = [name for name in values if name not in BY_NAME]
                if unknown:
                    raise KeyError(f"{unknown[0]} is not in the table of metrics")
                done.set_result({**values, _DELAY: {(): waited_s}})
            except Exception as error:  # a defect of what watches must not end what is watched
                self._on_failure(repr(error))
                done.set_result({_DELAY: {(): waited_s}})

        self._loop.call_soon_threadsafe(fill)
        try:
            return done.result(READ_S)
        except TimeoutError:
            return {_DELAY: {(): time.perf_counter() - began_s}}


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
