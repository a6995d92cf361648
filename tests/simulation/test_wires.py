"""The simulator's connections keep the rules of the real ones (SPEC 5.3)."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable

from ioe_router.model.clock import NS_PER_MS
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import NodeId
from ioe_router.sim.wires import Wire, WireEnds

LOW, HIGH = NodeId(b"a" * 32), NodeId(b"b" * 32)
LATENCY_NS = 5 * NS_PER_MS


class Lane:
    """One wire on a clock of its own, and what its ends were told, with the millisecond."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.told: list[tuple[str, NodeId]] = []
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self.wire = Wire(
            LOW,
            HIGH,
            latency_ns=LATENCY_NS,
            rng=random.Random(1),
            clock=lambda: self.now_ns,
            later=self._later,
            ends=WireEnds(self._frame, self._up, self._down, lambda _node: True),
        )

    def _later(self, delay_ns: int, action: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (self.now_ns + delay_ns, next(self._order), action))

    def _frame(self, receiver: NodeId, _sender: NodeId, _frame: bytes) -> None:
        self.told.append(("frame", receiver))

    def _up(self, node: NodeId, _neighbor: NodeId, _dialer: bool) -> None:
        self.told.append(("up", node))

    def _down(self, node: NodeId, _neighbor: NodeId, _code: ErrorCode, _reason: str) -> None:
        self.told.append(("down", node))

    def run_ms(self, for_ms: int) -> None:
        """Let time pass."""
        end_ns = self.now_ns + for_ms * NS_PER_MS
        while self._heap and self._heap[0][0] <= end_ns:
            self.now_ns, _, action = heapq.heappop(self._heap)
            action()
        self.now_ns = end_ns


def test_a_newer_connection_is_refused_as_long_as_the_older_one_is_taken_for_alive() -> None:
    """The dialling end has lost it and tries again; the listener takes a new one once its own has ended."""
    lane = Lane()
    lane.wire.dial()
    lane.run_ms(100)
    assert lane.told == [("up", HIGH), ("up", LOW)]
    lane.wire.cut((0, 8_000 * NS_PER_MS))
    lane.run_ms(7_900)
    assert lane.told[2:] == [("down", LOW)]
    assert lane.wire.refused >= 2
    lane.run_ms(20_000)
    assert lane.told[3:] == [("down", HIGH), ("up", HIGH), ("up", LOW)]


def test_what_is_written_before_a_close_arrives_before_the_end() -> None:
    """A farewell is read by the neighbour, though the host that wrote it is gone at once."""
    lane = Lane()
    lane.wire.dial()
    lane.run_ms(100)
    lane.wire.send(HIGH, b"farewell")
    lane.wire.end_at(HIGH, ErrorCode.SHUTTING_DOWN, "stopping")
    lane.wire.gone(HIGH, 20 * NS_PER_MS)
    lane.run_ms(50)
    assert lane.told[2:] == [("down", HIGH), ("frame", LOW), ("down", LOW)]
