"""Reservations as traces, sent to a collector as OTLP over HTTP (extra [otel]).

One trace is one reservation, one span what it is at one node:

    initiator  |-- hold ----------- grant -- commit ---------- committed --|
    transit        |-- hold ---- grant ------- commit --- committed --|
    origin            |-- hold grant ------------ commit committed --|

Nothing of this is on the wire.  The id of the trace is made of the id of the
reservation, that of a span of reservation, version and node, so every node
knows the parent of its span: the one of the neighbour toward the initiator.
Nodes that draw a share of the traces draw the same ones, because the draw is
made by the id, too.

What happens after the commitment (releases, cuts) is a span of its own under
the node's first one.  A collector that does not answer costs the node nothing
but the spans.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from typing import Final

import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from opentelemetry.util.types import AttributeValue

from ioe_router.core.events import Event, ReservationMoved, ReservationRole
from ioe_router.core.reservation_fsm import ENDED, ReservationEvent
from ioe_router.model.bech32m import node_short, node_text
from ioe_router.model.clock import NS_PER_MS, Now
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import NodeId, ReservationId
from ioe_router.model.reservation import ReservationState

OPEN_MAX: Final = 4_096  # spans that wait for their end; beyond it the oldest ends as it is
EXPORT_S: Final = 5.0
PATH: Final = "/v1/traces"
_PPM: Final = 1_000_000
_WANTED: Final = (ReservationEvent.CURTAIL, ReservationEvent.RELEASE)

Key = tuple[ReservationId, int]


def trace_id_of(reservation: ReservationId) -> int:
    """The trace of a reservation, the same at every node and for all its versions."""
    return int.from_bytes(hashlib.sha256(b"ioe trace" + reservation).digest()[:16])


def span_id_of(reservation: ReservationId, version: int, node: NodeId, part: bytes = b"") -> int:
    """The span of one version of a reservation at one node; `part` tells apart what follows it."""
    said = b"ioe span" + reservation + version.to_bytes(4) + node + part
    return int.from_bytes(hashlib.sha256(said).digest()[:8])


class _Ids(IdGenerator):
    """Hands out the ids that were put into it."""

    trace_id = 1
    span_id = 1

    def generate_trace_id(self) -> int:
        return self.trace_id

    def generate_span_id(self) -> int:
        return self.span_id


class _Told(SpanExporter):
    """Passes spans on; who is told hears of it when they cannot be delivered, or can again."""

    def __init__(self, inner: SpanExporter, on_outcome: Callable[[bool], None]) -> None:
        self._inner = inner
        self._on_outcome = on_outcome

    def export(self, spans: object) -> SpanExportResult:
        result = self._inner.export(spans)  # type: ignore[arg-type]  # a sequence of ReadableSpan
        self._on_outcome(result is SpanExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._inner.force_flush(timeout_millis)


class Traces:
    """The spans of one node."""

    def __init__(
        self,
        node: NodeId,
        endpoint: str,
        *,
        share_ppm: int,
        network_id: str,
        version: str,
        on_outcome: Callable[[bool], None],
    ) -> None:
        """Send to the collector at `endpoint`; `on_outcome` is told on a thread whether a batch went out."""
        logging.getLogger("opentelemetry").addHandler(logging.NullHandler())
        logging.getLogger("opentelemetry").propagate = False  # what it has to say is told by on_outcome
        session = requests.Session()
        session.trust_env = False
        exporter = OTLPSpanExporter(endpoint=_whole(endpoint), timeout=EXPORT_S, session=session)
        resource = Resource(
            {
                "service.name": "ioe-router",
                "service.version": version,
                "service.instance.id": node_text(node),
                "ioe.network": network_id,
            }
        )
        self._node = node
        self._ids = _Ids()
        sampler = TraceIdRatioBased(share_ppm / _PPM)
        self._provider = TracerProvider(
            sampler=sampler, resource=resource, id_generator=self._ids, shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(_Told(exporter, on_outcome)))
        self._tracer = self._provider.get_tracer("ioe_router")
        self._open: dict[Key, Span] = {}

    def event(self, event: Event, now: Now) -> None:
        """A step of a reservation begins a span, goes into it or ends it."""
        if not isinstance(event, ReservationMoved):
            return
        key, at_ns = (event.reservation, event.version), now.utc_ms * NS_PER_MS
        span = self._open.get(key)
        if span is None and (
            event.step is ReservationEvent.HOLD or event.state is ReservationState.UNSPECIFIED
        ):
            span = self._begin(event, at_ns)
        if span is None:
            self._after(event, at_ns)
            return
        span.add_event(event.step.value, _figures(event), at_ns)
        if event.state in ENDED or event.state in (ReservationState.COMMITTED, ReservationState.UNSPECIFIED):
            self._open.pop(key, None)
            _end(span, event, at_ns)

    def close(self) -> None:
        """Send what has ended; blocks, at most a few seconds, so not for an event loop."""
        for span in self._open.values():
            span.end()
        self._open.clear()
        self._provider.force_flush(int(EXPORT_S * 1_000))
        self._provider.shutdown()

    # ------------------------------------------------------------- inside

    def _begin(self, event: ReservationMoved, at_ns: int) -> Span:
        parent = event.toward_initiator
        span = self._start(
            f"reservation {event.role.value}",
            event,
            span_id_of(event.reservation, event.version, self._node),
            None if parent is None else span_id_of(event.reservation, event.version, parent),
            at_ns,
        )
        while len(self._open) >= OPEN_MAX:
            self._open.pop(next(iter(self._open))).end(at_ns)
        self._open[event.reservation, event.version] = span
        return span

    def _after(self, event: ReservationMoved, at_ns: int) -> None:
        """Something happens to a reservation whose span is over: a span of an instant, under it."""
        part = f"{event.step.value} {at_ns}".encode()
        span = self._start(
            event.step.value,
            event,
            span_id_of(event.reservation, event.version, self._node, part),
            span_id_of(event.reservation, event.version, self._node),
            at_ns,
        )
        _end(span, event, at_ns)

    def _start(
        self, name: str, event: ReservationMoved, span_id: int, parent_id: int | None, at_ns: int
    ) -> Span:
        self._ids.trace_id, self._ids.span_id = trace_id_of(event.reservation), span_id
        context = None
        if parent_id is not None:
            parent = SpanContext(
                self._ids.trace_id, parent_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED)
            )
            context = set_span_in_context(NonRecordingSpan(parent))
        first = event.role is ReservationRole.INITIATOR
        return self._tracer.start_span(
            name,
            context=context,
            kind=SpanKind.CLIENT if first else SpanKind.SERVER,
            attributes=_attributes(event),
            start_time=at_ns,
        )


def _whole(endpoint: str) -> str:
    """The address of the collector with the path of traces, unless it names one."""
    bare = endpoint.rstrip("/")
    return bare + PATH if bare.count("/") == 2 else bare  # noqa: PLR2004 - those of "http://"


def _attributes(event: ReservationMoved) -> dict[str, AttributeValue]:
    found: dict[str, AttributeValue] = {
        "ioe.reservation": event.reservation.hex(),
        "ioe.version": event.version,
        "ioe.role": event.role.value,
        "ioe.direction": event.direction.name.lower(),
        "ioe.initiator": node_text(event.initiator),
        "ioe.origin": node_text(event.origin),
        "ioe.slot_utc_s": int(event.slot),
    }
    if event.toward_initiator is not None:
        found["ioe.from"] = node_text(event.toward_initiator)
    if event.toward_origin is not None:
        found["ioe.to"] = node_text(event.toward_origin)
        found["peer.service"] = node_short(event.toward_origin)
    return found


def _figures(event: ReservationMoved) -> dict[str, AttributeValue]:
    found: dict[str, AttributeValue] = {"ioe.packets": event.packets, "ioe.energy_j": event.energy_j}
    if event.code is not ErrorCode.UNSPECIFIED:
        found["ioe.code"] = event.code.name
    return found


def _end(span: Span, event: ReservationMoved, at_ns: int) -> None:
    span.set_attributes({**_figures(event), "ioe.state": event.state.name})
    if event.code is not ErrorCode.UNSPECIFIED and event.step not in _WANTED:
        span.set_status(Status(StatusCode.ERROR, event.code.name))
    span.end(at_ns)
