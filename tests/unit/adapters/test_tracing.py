"""Ids of traces: the same at every node, drawn by the same share, and no more open than there may be."""

from __future__ import annotations

from dataclasses import replace

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from ioe_router.adapters import tracing
from ioe_router.adapters.tracing import Traces, span_id_of, trace_id_of
from ioe_router.core.events import ReservationMoved, ReservationRole
from ioe_router.core.reservation_fsm import ReservationEvent
from ioe_router.model.clock import Now
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import NodeId, ReservationId
from ioe_router.model.reservation import ReservationState
from ioe_router.model.routing import Direction
from ioe_router.model.slot import Slot

A, B, C = (NodeId(name * 32) for name in (b"a", b"b", b"c"))


class Kept(SpanExporter):
    """Stands where OTLP is sent."""

    def __init__(self, **_: object) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: object) -> SpanExportResult:
        """Keep them."""
        self.spans += spans  # type: ignore[arg-type]
        return SpanExportResult.SUCCESS


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Kept:
    """What would be sent."""
    one = Kept()
    monkeypatch.setattr(tracing, "OTLPSpanExporter", lambda **_: one)
    return one


def _traces(node: NodeId, share_ppm: int = 1_000_000) -> Traces:
    return Traces(
        node,
        "http://127.0.0.1:1",
        share_ppm=share_ppm,
        network_id="net",
        version="1",
        on_outcome=lambda _sent: None,
    )


def _move(
    number: int,
    step: ReservationEvent = ReservationEvent.HOLD,
    state: ReservationState = ReservationState.HOLDING,
    code: ErrorCode = ErrorCode.UNSPECIFIED,
) -> ReservationMoved:
    return ReservationMoved(
        reservation=ReservationId(number.to_bytes(16)),
        version=1,
        role=ReservationRole.TRANSIT,
        step=step,
        state=state,
        code=code,
        initiator=A,
        origin=C,
        direction=Direction.SUPPLY,
        toward_initiator=A,
        toward_origin=C,
        slot=Slot(900),
        packets=1,
        energy_j=5,
    )


def _now(ms: int) -> Now:
    return Now(monotonic_ns=ms * 1_000_000, utc_ms=1_700_000_000_000 + ms)


def test_a_span_hangs_under_that_of_the_neighbor_it_came_from(kept: Kept) -> None:
    """Trace and parent follow from the ids alone, and a refusal is an error with its code."""
    traces = _traces(B)
    traces.event(_move(7), _now(0))
    refused = _move(7, ReservationEvent.REFUSE, ReservationState.FAILED, ErrorCode.NO_ENERGY)
    traces.event(refused, _now(5))
    traces.close()
    (span,) = kept.spans
    reservation = ReservationId((7).to_bytes(16))
    assert span.context is not None
    assert span.parent is not None
    assert (span.context.trace_id, span.context.span_id) == (
        trace_id_of(reservation),
        span_id_of(reservation, 1, B),
    )
    assert span.parent.span_id == span_id_of(reservation, 1, A)
    assert span.status.description == "NO_ENERGY"
    assert (span.end_time or 0) - (span.start_time or 0) == 5_000_000


def test_what_follows_a_commitment_hangs_under_it(kept: Kept) -> None:
    """A cut is a span of an instant under the node's own, with another id for each."""
    traces = _traces(B)
    traces.event(_move(7), _now(0))
    traces.event(_move(7, ReservationEvent.COMMITTED, ReservationState.COMMITTED), _now(1))
    for ms in (2, 3):
        cut = _move(7, ReservationEvent.CURTAIL, ReservationState.COMMITTED, ErrorCode.CURTAILED)
        traces.event(cut, _now(ms))
    traces.close()
    whole, *cuts = kept.spans
    assert [cut.name for cut in cuts] == ["curtail"] * 2
    assert {cut.parent.span_id for cut in cuts if cut.parent} == {
        whole.context.span_id if whole.context else 0
    }
    assert len({cut.context.span_id for cut in cuts if cut.context}) == 2


def test_nodes_draw_the_same_reservations(kept: Kept) -> None:
    """With a share of a quarter, two nodes trace the same reservations, and about a quarter of them."""
    for node in (A, B):
        traces = _traces(node, share_ppm=250_000)
        for number in range(400):
            role = ReservationRole.INITIATOR if node == A else ReservationRole.TRANSIT
            traces.event(replace(_move(number), role=role), _now(0))
            traces.event(_move(number, ReservationEvent.EXPIRE, ReservationState.EXPIRED), _now(1))
        traces.close()
    drawn = [span.context.trace_id for span in kept.spans if span.context]
    assert len(drawn) == 2 * len(set(drawn))
    assert 60 < len(set(drawn)) < 140


def test_open_spans_are_bounded(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reservations that never end push the oldest spans out instead of growing."""
    monkeypatch.setattr(tracing, "OPEN_MAX", 3)
    traces = _traces(B)
    for number in range(10):
        traces.event(_move(number), _now(number))
    assert len(traces._open) == 3
    traces.close()
    assert len(kept.spans) == 10
