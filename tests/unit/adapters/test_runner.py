"""The contract between the runner and its router, the clocks, and the journal."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence

import pytest

from ioe_router.adapters.clock import ScenarioClock, WallClock
from ioe_router.adapters.inbox import LINE_FRAMES, TURN_FRAMES
from ioe_router.adapters.journal import MemoryJournal
from ioe_router.adapters.runner import Runner
from ioe_router.core.effects import CloseSession, Effect, Emit, Persist, RecordKind, SendFrame
from ioe_router.core.events import Event, NeighborDown, NeighborUp
from ioe_router.core.inputs import DeadlineReached, FrameReceived, Input, Shutdown, Started
from ioe_router.model.clock import NS_PER_MS, Now
from ioe_router.model.errors import ErrorCode, UsageError
from ioe_router.model.ids import NodeId
from tests.unit.adapters.rig import RecordingCore, until

N = NodeId(b"n" * 32)


class Trace:
    """A transport and a journal that write into one list, so that order shows."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def send(self, neighbor: NodeId, frame: bytes) -> None:
        """Note a frame."""
        assert neighbor == N
        self.done.append(f"send {frame.decode()}")

    def close(self, neighbor: NodeId, code: ErrorCode, reason: str) -> None:
        """Note a close."""
        assert neighbor == N
        self.done.append(f"close {code.name} {reason}")

    def append(self, record: Persist) -> None:
        """Note a record."""
        self.done.append(f"append {(record.record or b'').decode()}")

    def sync(self) -> None:
        """Note a barrier."""
        self.done.append("sync")


class TraceJournal(MemoryJournal):
    """A journal that notes into a trace."""

    def __init__(self, trace: Trace) -> None:
        super().__init__()
        self.append = trace.append  # type: ignore[method-assign]
        self.sync = trace.sync  # type: ignore[method-assign]


@contextlib.asynccontextmanager
async def running(runner: Runner) -> AsyncIterator[asyncio.Task[None]]:
    """The runner at work for the length of a block."""
    task = asyncio.create_task(runner.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def keep(record: bytes) -> Persist:
    """A record under a key of no importance."""
    return Persist(kind=RecordKind.COUNTER, key=b"key", record=record)


def _send(text: str) -> SendFrame:
    return SendFrame(neighbor=N, frame=text.encode())


@pytest.mark.asyncio
async def test_effects_in_order_behind_one_barrier() -> None:
    """Effects run in order, and nothing behind a Persist before the one barrier of the batch."""
    trace = Trace()

    def script(one: Input) -> Sequence[Effect]:
        if isinstance(one, Started):
            return [_send("a"), keep(b"1"), _send("b")]
        close = CloseSession(neighbor=N, code=ErrorCode.POLICY, reason="x")
        return [keep(b"2"), _send("c"), close]

    core = RecordingCore(script)
    core.up = set()
    runner = Runner(core, clock=WallClock(), journal=TraceJournal(trace))
    runner.transport = trace
    runner.submit(Started(epoch=1))
    runner.submit(FrameReceived(neighbor=N, frame=b""))
    async with running(runner):
        await until(lambda: runner.idle)
    assert trace.done == ["send a", "append 1", "append 2", "sync", "send b", "send c", "close POLICY x"]
    assert core.batches == [2]
    assert runner.tally.barriers == 1


@pytest.mark.asyncio
async def test_nothing_leaves_when_a_record_is_not_durable() -> None:
    """A journal that fails ends the runner before any effect behind the record is carried out."""
    trace = Trace()

    class Full(MemoryJournal):
        instant = False

        def sync(self) -> None:
            raise UsageError("the disk is full")

    runner = Runner(
        RecordingCore(lambda _: [_send("before"), keep(b"r"), _send("behind")]),
        clock=WallClock(),
        journal=Full(),
    )
    runner.transport = trace
    runner.submit(Started(epoch=1))
    async with running(runner) as task:
        with pytest.raises(UsageError, match="the disk is full"):
            await task
    assert trace.done == ["send before"]


@pytest.mark.asyncio
async def test_inputs_that_come_during_a_barrier_make_the_next_batch() -> None:
    """What is queued while a record becomes durable is handled together afterwards."""
    core = RecordingCore(lambda one: [keep(b"r")] if isinstance(one, Started) else [])
    late: list[Runner] = []

    class Slow(MemoryJournal):
        def append(self, record: Persist) -> None:
            super().append(record)
            for _ in range(3):
                late[0].submit(FrameReceived(neighbor=N, frame=b"x"))

    runner = Runner(core, clock=WallClock(), journal=Slow())
    late.append(runner)
    runner.submit(Started(epoch=1))
    async with running(runner):
        await until(lambda: len(core.inputs) == 4)
    assert core.batches == [1, 3]


@pytest.mark.asyncio
async def test_the_agent_answers_events_with_inputs() -> None:
    """Events reach the agent with their instant, and its commands come back as inputs."""
    seen: list[tuple[Event, Now]] = []
    clock = ScenarioClock(1_000)

    def agent(event: Event, now: Now) -> Iterable[Input]:
        seen.append((event, now))
        return [Shutdown()] if isinstance(event, NeighborUp) else []

    up = NeighborUp(neighbor=N)
    down = NeighborDown(neighbor=N, code=ErrorCode.POLICY, reason="")
    core = RecordingCore(lambda one: [Emit(event=up), Emit(event=down)] if isinstance(one, Started) else [])
    runner = Runner(core, clock=clock, journal=MemoryJournal(), on_event=agent)
    runner.submit(Started(epoch=1))
    async with running(runner):
        await until(lambda: len(core.inputs) == 2)
    assert core.inputs == [Started(epoch=1), Shutdown()]
    assert seen == [(up, clock.now()), (down, clock.now())]


@pytest.mark.asyncio
async def test_a_deadline_is_delivered_when_scenario_time_reaches_it() -> None:
    """With a scenario clock a deadline comes exactly with the advance that reaches it, never by itself."""
    clock = ScenarioClock(1_000)
    core = RecordingCore()
    core.deadline_ns = 5_000 * NS_PER_MS
    runner = Runner(core, clock=clock, journal=MemoryJournal())
    runner.submit(Started(epoch=1))
    async with running(runner):
        await until(lambda: runner.idle)
        clock.advance(4_999)
        for _ in range(20):
            await asyncio.sleep(0)
        assert core.inputs == [Started(epoch=1)]
        assert clock.next_deadline_ns() == core.deadline_ns
        core.deadline_ns = None
        clock.advance(5_000)
        await until(lambda: len(core.inputs) == 2)
    assert core.inputs[1] == DeadlineReached()
    assert core.instants[1].utc_ms == 5_000
    assert clock.next_deadline_ns() is None


@pytest.mark.asyncio
async def test_a_deadline_on_the_wall_clock_is_never_early() -> None:
    """On wall time the router is called at its deadline or after it, not before."""
    clock = WallClock()
    core = RecordingCore(lambda one: _forget(one, core))
    core.deadline_ns = clock.now().after_ms(30)
    wanted = core.deadline_ns
    runner = Runner(core, clock=clock, journal=MemoryJournal())
    runner.submit(Started(epoch=1))
    async with running(runner):
        await until(lambda: len(core.inputs) == 2)
    assert core.instants[1].monotonic_ns >= wanted


def _forget(one: Input, core: RecordingCore) -> Sequence[Effect]:
    if isinstance(one, DeadlineReached):
        core.deadline_ns = None
    return ()


@pytest.mark.asyncio
async def test_a_deadline_already_past_is_delivered_at_once() -> None:
    """A router that asks for an instant already past is called again without any clock."""
    core = RecordingCore(lambda one: _forget(one, core))
    core.deadline_ns = 1
    runner = Runner(core, clock=ScenarioClock(1_000), journal=MemoryJournal())
    runner.submit(Started(epoch=1))
    async with running(runner):
        await until(lambda: len(core.inputs) == 2)
    assert core.inputs[1] == DeadlineReached()


@pytest.mark.asyncio
async def test_streams_wait_while_the_router_is_behind() -> None:
    """`room` holds a reader back at the bound of its neighbour's line and lets it go once that is handled."""
    core = RecordingCore()
    runner = Runner(core, clock=WallClock(), journal=MemoryJournal())
    for _ in range(LINE_FRAMES):
        runner.submit(FrameReceived(neighbor=N, frame=b""))
    reader = asyncio.create_task(runner.room(N))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not reader.done()
    async with running(runner):
        await reader
        await until(lambda: len(core.inputs) == LINE_FRAMES)
    assert max(core.batches) <= TURN_FRAMES


@pytest.mark.asyncio
async def test_a_neighbour_beyond_its_budget_is_served_when_its_time_has_come() -> None:
    """Its frames wait until the instant that the router names, and are then handed over."""
    clock = ScenarioClock(1_000)
    core = RecordingCore(ready_ns=clock.now().monotonic_ns + 5_000_000_000)
    runner = Runner(core, clock=clock, journal=MemoryJournal())
    async with running(runner):
        runner.submit(FrameReceived(neighbor=N, frame=b"x"))
        runner.submit(Started(epoch=1))
        await until(lambda: bool(core.inputs))
        for _ in range(5):
            await asyncio.sleep(0)
        assert core.inputs == [Started(epoch=1)]
        assert runner.idle
        assert runner.next_deadline_ns() == core.ready_ns
        clock.advance(6_000)
        await until(lambda: bool(core.frames()))
    assert core.frames() == [b"x"]


def test_scenario_time_goes_forwards_only() -> None:
    """Due alarms ring in the order of their deadlines, cancelled ones not, and time cannot go back."""
    clock, rung = ScenarioClock(1_000), list[str]()
    clock.call_at(3_000 * NS_PER_MS, lambda: rung.append("late"))
    clock.call_at(2_000 * NS_PER_MS, lambda: rung.append("early"))
    clock.call_at(2_000 * NS_PER_MS, lambda: rung.append("never")).cancel()
    clock.call_at(4_000 * NS_PER_MS, lambda: rung.append("later"))
    clock.advance(3_500)
    assert rung == ["early", "late"]
    with pytest.raises(UsageError, match="cannot go back"):
        clock.advance(3_499)
