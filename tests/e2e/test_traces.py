"""Traces: three real nodes send OTLP to a collector in this process, which sees reservations across hops."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.e2e.chain import NAMES, make_chain
from tests.e2e.daemons import Daemon, wait_for
from tests.e2e.node_files import free_port

STEPS = ["hold", "grant", "commit", "committed"]


class Collector(ThreadingHTTPServer):
    """Keeps the spans that are posted to it, with the node that sent each."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Post)
        self.spans: list[tuple[str, Span]] = []

    def take(self, body: bytes) -> None:
        """Spans of one request, by the sender's instance id."""
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            sender = next(a for a in resource.resource.attributes if a.key == "service.instance.id")
            for scope in resource.scope_spans:
                self.spans += [(sender.value.string_value, span) for span in scope.spans]


class _Post(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        self.server.take(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector that ends with its test."""
    server = Collector()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def _traced(folder: Path, port: int, share_ppm: int = 1_000_000) -> dict[str, Path]:
    chain = make_chain(folder)
    for name in NAMES:
        config = chain.config(name)
        section = f'\n[telemetry]\ntraces = "http://127.0.0.1:{port}"\ntraces_share_ppm = {share_ppm}\n'
        config.write_text(config.read_text() + section)
    return {name: chain.config(name) for name in NAMES}


@pytest.mark.slow
def test_a_reservation_is_one_trace_over_three_nodes(
    tmp_path: Path, start: Callable[[Path], Daemon], collector: Collector
) -> None:
    """Buyer, transit and seller send one span each, parent by parent, with its steps and its energy."""
    configs = _traced(tmp_path, collector.server_address[1])
    nodes = {name: start(config) for name, config in configs.items()}
    wait_for(lambda: nodes["east"].said("Booked"), within_s=120)
    for node in nodes.values():
        node.stop()  # sends what is left
    ids = {name: str(node.said("Started")[0]["node"]) for name, node in nodes.items()}
    reservation = str(nodes["east"].said("Booked")[0]["reservation"])
    spans: dict[str, Span] = {}
    for sender, span in collector.spans:
        attributes = {a.key: a.value for a in span.attributes}
        if attributes["ioe.reservation"].string_value == reservation and span.name.startswith("reservation"):
            spans[sender] = span
    east, mid, west = (spans[ids[name]] for name in ("east", "mid", "west"))
    assert len({span.trace_id for span in (east, mid, west)}) == 1
    assert (east.parent_span_id, mid.parent_span_id, west.parent_span_id) == (b"", east.span_id, mid.span_id)
    assert [span.name for span in (east, mid, west)] == [
        "reservation initiator",
        "reservation transit",
        "reservation origin",
    ]
    for span in (east, mid, west):
        assert [event.name for event in span.events] == STEPS
        figures = {a.key: a.value for a in span.attributes}
        assert figures["ioe.state"].string_value == "COMMITTED"
        assert figures["ioe.energy_j"].int_value > 0
    assert east.start_time_unix_nano <= mid.start_time_unix_nano <= west.start_time_unix_nano
    assert west.end_time_unix_nano <= mid.end_time_unix_nano <= east.end_time_unix_nano


@pytest.mark.slow
def test_a_collector_that_is_not_there_costs_spans_only(
    tmp_path: Path, start: Callable[[Path], Daemon]
) -> None:
    """Nodes trade, the log names the remedy once, and stopping is not held up."""
    configs = _traced(tmp_path, free_port())
    nodes = {name: start(config) for name, config in configs.items()}
    wait_for(lambda: nodes["east"].said("Booked"), within_s=120)
    wait_for(lambda: nodes["east"].said("TracesUnsent"), within_s=60)
    assert "start a collector at" in str(nodes["east"].said("TracesUnsent")[0]["remedy"])
    assert [node.stop() for node in nodes.values()] == [0, 0, 0]
    assert len(nodes["east"].said("TracesUnsent")) == 1
    assert all(line.startswith("{") for line in nodes["east"].log_path.read_text().splitlines())
