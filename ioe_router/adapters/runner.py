"""The asyncio shell around one router: one queue in, effects out, one timer (SPEC section 3).

    streams, clock, host --> queue --> router.handle_all(batch, now) --> effects in order
                               ^                                            |
                               +------ inputs of the agent <----- events ---+

The contract with the router: each turn of the queue (`inbox.py`) is handled in
one call; effects are carried out in their order; nothing behind a Persist
happens before its record is durable, one barrier serving the whole batch; inputs
of one session arrive in order, and `now` never goes back.

What the router raises is a defect of ours and ends the runner; what a
neighbour does never raises.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from ioe_router.adapters.clock import Alarm, Clock
from ioe_router.adapters.inbox import Inbox
from ioe_router.adapters.journal import Journal
from ioe_router.core.effects import ApplySchedule, CloseSession, Effect, Emit, Persist, SendFrame
from ioe_router.core.events import Event
from ioe_router.core.inputs import DeadlineReached, Input
from ioe_router.model.clock import Now
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import NodeId

_BUSY_S: Final = 0.001

EventSink = Callable[[Event, Now], Iterable[Input]]
ScheduleSink = Callable[[ApplySchedule], None]


class RouterCore(Protocol):
    """The router, as far as its shell has to know it."""

    def handle_all(self, inputs: Sequence[Input], now: Now) -> tuple[Effect, ...]:
        """Take what has happened and say what is to be done."""
        ...

    def next_deadline_ns(self) -> int | None:
        """When the router wants to be called next, monotonic; None for never."""
        ...

    def ready_at_ns(self, neighbor: NodeId) -> int:
        """Until when no more frames of a neighbour should be handed over, monotonic."""
        ...


class Transport(Protocol):
    """Where frames go. The peer table is one."""

    def send(self, neighbor: NodeId, frame: bytes) -> None:
        """Queue a frame."""
        ...

    def close(self, neighbor: NodeId, code: ErrorCode, reason: str) -> None:
        """End a session after what is queued has gone out."""
        ...


@dataclass(slots=True)
class Tally:
    """What a runner has done since its start."""

    calls: int = 0
    inputs: int = 0
    effects: int = 0
    barriers: int = 0


def keep_silent(_event: Event, _now: Now) -> Iterable[Input]:
    """The event sink of a node without an agent."""
    return ()


def apply_nothing(_schedule: ApplySchedule) -> None:
    """The schedule sink of a node without devices."""


class Pace(Protocol):
    """When a runner may handle what is queued, and whom it tells that nothing is."""

    async def turn(self) -> None:
        """Return once the runner may handle its queue."""
        ...

    def rest(self) -> None:
        """The queue has become empty."""
        ...


class OwnPace:
    """A runner that handles everything as it comes."""

    async def turn(self) -> None:
        """At once."""

    def rest(self) -> None:
        """Nobody waits for it."""


class Runner:
    """Runs one router on the current event loop. Not for use from other threads."""

    def __init__(
        self,
        router: RouterCore,
        *,
        clock: Clock,
        journal: Journal,
        on_event: EventSink = keep_silent,
        apply: ScheduleSink = apply_nothing,
        pace: Pace | None = None,
    ) -> None:
        """Without a `pace` the runner handles everything as it comes."""
        self.tally = Tally()
        self.transport: Transport | None = None
        self._router = router
        self._clock = clock
        self._journal = journal
        self._on_event = on_event
        self._apply = apply
        self._pace: Pace = pace or OwnPace()
        self._inbox = Inbox(router.ready_at_ns)
        self._wake = asyncio.Event()
        self._busy = False
        self._alarm: Alarm | None = None
        self._alarm_ns: int | None = None

    # ------------------------------------------------------------- in

    def submit(self, input_: Input) -> None:
        """Queue an input; it is handled in its turn."""
        self._inbox.put(input_)
        self._wake.set()

    async def room(self, neighbor: NodeId) -> None:
        """Return once there is room for more from a neighbour."""
        await self._inbox.room(neighbor)

    @property
    def inbox(self) -> Inbox:
        """What waits for the router; to be read only."""
        return self._inbox

    @property
    def idle(self) -> bool:
        """Whether nothing is being handled or could be; who has used up a budget may still be waiting."""
        return not self._busy and not self._inbox.has_work(self._clock.now().monotonic_ns)

    async def at_rest(self) -> None:
        """Return between two calls of the router: what its tables say is durable and carried out."""
        while self._busy:
            await asyncio.sleep(_BUSY_S)

    def next_deadline_ns(self) -> int | None:
        """When the router wants to be called next, or somebody need not wait any more, monotonic."""
        now_ns = self._clock.now().monotonic_ns
        deadlines = (self._router.next_deadline_ns(), self._inbox.next_ready_ns(now_ns))
        return min((at for at in deadlines if at is not None), default=None)

    # ------------------------------------------------------------- the loop

    async def run(self) -> None:
        """Handle inputs until cancelled. Raises what the router, the journal or the agent raises."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                if self._inbox.has_work(self._clock.now().monotonic_ns):
                    await self._pace.turn()
                    await self._handle_turn()
                if self._inbox.has_work(self._clock.now().monotonic_ns):
                    self._wake.set()
                else:
                    self._pace.rest()
                # Let the streams and other nodes of this loop have their turn.
                await asyncio.sleep(0)
        finally:
            self._disarm()

    async def _handle_turn(self) -> None:
        now = self._clock.now()
        batch = self._inbox.take(now.monotonic_ns)
        self._busy = True
        effects = self._router.handle_all(batch, now)
        self.tally.calls += 1
        self.tally.inputs += len(batch)
        self.tally.effects += len(effects)
        await self._carry_out(effects, now)
        self._busy = False
        self._arm(now)

    # ------------------------------------------------------------- out

    async def _carry_out(self, effects: tuple[Effect, ...], now: Now) -> None:
        """Effects in order; at the first Persist all records of the batch become durable at once."""
        durable = False
        for effect in effects:
            if isinstance(effect, Persist):
                if not durable:
                    await self._persist([e for e in effects if isinstance(e, Persist)])
                    durable = True
            else:
                self._carry_out_one(effect, now)

    async def _persist(self, records: list[Persist]) -> None:
        for record in records:
            self._journal.append(record)
        self.tally.barriers += 1
        if self._journal.instant:
            self._journal.sync()
        else:
            await asyncio.to_thread(self._journal.sync)

    def _carry_out_one(self, effect: SendFrame | CloseSession | ApplySchedule | Emit, now: Now) -> None:
        match effect:
            case Emit(event=event):
                for command in self._on_event(event, now):
                    self.submit(command)
            case ApplySchedule():
                self._apply(effect)
            case SendFrame(neighbor=neighbor, frame=frame) if self.transport is not None:
                self.transport.send(neighbor, frame)
            case CloseSession(neighbor=neighbor, code=code, reason=reason) if self.transport is not None:
                self.transport.close(neighbor, code, reason)
            case _:  # frames and closes of a router without transport go nowhere
                pass

    # ------------------------------------------------------------- the timer

    def _arm(self, now: Now) -> None:
        """Set the one timer to the router's next deadline; what is due already is queued at once."""
        deadline_ns = self.next_deadline_ns()
        if deadline_ns is not None and deadline_ns <= now.monotonic_ns:
            self._disarm()
            self.submit(DeadlineReached())
        elif deadline_ns != self._alarm_ns:
            self._disarm()
            if deadline_ns is not None:
                self._alarm_ns = deadline_ns
                self._alarm = self._clock.call_at(deadline_ns, self._ring)

    def _disarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._alarm_ns = None

    def _ring(self) -> None:
        """The alarm went off; event loops may be a tick early, then it is set once more."""
        deadline_ns, self._alarm, self._alarm_ns = self._alarm_ns, None, None
        now = self._clock.now()
        if deadline_ns is not None and now.monotonic_ns < deadline_ns:
            self._arm(now)
        else:
            self.submit(DeadlineReached())
