"""A node whose host says that its clock is wrong books nothing, or has no session, until that is right."""

from __future__ import annotations

import struct

import pytest

from ioe_router.adapters.kernel_clock import KernelClock, clock_of
from ioe_router.core.events import Booked, ClockJudged, NeighborDown, NeighborUp, TradeProgress
from ioe_router.core.inputs import ClockError
from ioe_router.model.errors import ErrorCode
from tests.simulation.pair import KWH_J, Cable, Sim, build

CABLES = (Cable("mill", "house"),)


def say(sim: Sim, error_ms: int) -> None:
    """The house's host says how far its clock may be off."""
    sim.wire.give(sim.node("house"), ClockError(error_ms=error_ms))
    sim.wire.settle()


@pytest.mark.parametrize(("error_ms", "books"), [(1_000, True), (1_001, False)])
def test_above_a_second_nothing_is_booked(error_ms: int, books: bool) -> None:
    """A want of a node whose clock may be off by more than a second ends with CLOCK_UNSYNCED."""
    sim = build(*CABLES)
    sim.offer("mill", 90_000)
    say(sim, error_ms)
    sim.at(600)
    sim.want("house", KWH_J, 400_000)
    sim.at(-1)
    assert bool(sim.events("house", Booked)) is books
    assert not sim.events("house", NeighborDown)
    reasons = [event.reason for event in sim.events("house", TradeProgress) if event.done]
    assert (ErrorCode.CLOCK_UNSYNCED in reasons) is not books


def test_above_a_minute_there_is_no_session_until_it_is_right_again() -> None:
    """Sessions are closed with CLOCK_UNSYNCED on both sides and none begins; then all is as before."""
    sim = build(*CABLES)
    say(sim, 60_001)
    for name in ("mill", "house"):
        assert [event.code for event in sim.events(name, NeighborDown)] == [ErrorCode.CLOCK_UNSYNCED]
    ups = len(sim.events("mill", NeighborUp))
    sim.wire.connect(sim.node("mill"), sim.node("house"))
    sim.wire.settle()
    assert len(sim.events("mill", NeighborUp)) == ups
    say(sim, 5)
    sim.wire.connect(sim.node("mill"), sim.node("house"))
    sim.wire.settle()
    assert len(sim.events("mill", NeighborUp)) == ups + 1
    judged = [(event.books, event.signs) for event in sim.events("house", ClockJudged)]
    assert judged == [(False, False), (True, True)]


@pytest.mark.parametrize(
    ("state", "status", "error_us", "found"),
    [
        (0, 0x2001, 1_234, KernelClock(synchronised=True, error_ms=2)),
        (5, 0x40, 16_000_000, KernelClock(synchronised=False, error_ms=16_000)),
        (0, 0x40, 500, KernelClock(synchronised=False, error_ms=1)),
    ],
)
def test_what_the_kernel_says(state: int, status: int, error_us: int, found: KernelClock) -> None:
    """A struct timex is read as Linux writes it on 64-bit machines."""
    raw = struct.pack("=i4xqqqqi4x", 0, 0, 0, error_us, 0, status).ljust(256, b"\0")
    assert clock_of(raw, state) == found
