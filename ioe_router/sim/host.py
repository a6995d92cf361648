"""One host: a router with its agent, its clocks, its disk and its place in the world.

`hand` is the one place where a router is handed inputs.  Effects are carried
out as the daemon's shell does it: in order; at the first Persist all records
of the batch become durable together; what stands behind it happens only then.
A crash strikes between two effects, and at a barrier it keeps any part of the
unsynced tail.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from ioe_router.community.ledger import Gate
from ioe_router.config import RouterConfig
from ioe_router.core.effects import ApplySchedule, CloseSession, Effect, Emit, Persist, SendFrame
from ioe_router.core.entropy import EntropySource
from ioe_router.core.events import Event, ReservationMoved
from ioe_router.core.inputs import Input, Started
from ioe_router.model.clock import NS_PER_S, Now
from ioe_router.model.ids import NodeId
from ioe_router.router import Router
from ioe_router.sim.clock import HostClock
from ioe_router.sim.store import DiskFull, SimStore

UPTIME_NS: Final = (NS_PER_S, 3_600 * NS_PER_S)


class Seat(Protocol):
    """Who sits at the router: hears events, gives inputs, notes set-points."""

    def on_event(self, event: Event, now: Now) -> Iterable[Input]:
        """Answer an event."""
        ...

    def apply(self, schedule: ApplySchedule) -> None:
        """Note what a port is set to."""
        ...

    def gate(self, slot: int) -> Gate | None:
        """What was decided for a slot."""
        ...


@dataclass(frozen=True, slots=True)
class Blueprint:
    """How a host is built anew at each start."""

    config: RouterConfig
    router: Callable[[RouterConfig, EntropySource, Now], Router]
    seat: Callable[[], Seat]
    entropy: Callable[[int], EntropySource]  # by epoch


class Outside(Protocol):
    """Where a host's effects go."""

    def send(self, host: Host, neighbor: NodeId, frame: bytes) -> None:
        """Write a frame."""
        ...

    def close(self, host: Host, effect: CloseSession) -> None:
        """End a session."""
        ...

    def crashed(self, host: Host) -> None:
        """The host is down from now on."""
        ...

    def wake(self, host: Host) -> None:
        """The host has something to do."""
        ...


class Host:
    """One bus's host."""

    def __init__(
        self,
        name: str,
        node: NodeId,
        blueprint: Blueprint,
        clock: HostClock,
        *,
        rng: random.Random,
        outside: Outside,
    ) -> None:
        """Down until `start`."""
        self.name, self.node, self.clock = name, node, clock
        self.blueprint = blueprint
        self.store = SimStore()
        self.epoch = 0
        self.router: Router | None = None
        self.seat: Seat | None = None
        self.inbox: list[Input] = []
        self.wake_ns: int | None = None  # when the next call is scheduled
        self.step_ns = 0  # a slow host handles what has come only every so often
        self.crash_after: int | None = None  # effects that are still carried out
        self.starts = 0
        self._rng = rng
        self._outside = outside

    @property
    def alive(self) -> bool:
        """Whether the router runs."""
        return self.router is not None

    # ------------------------------------------------------------ life

    def start(self, at_ns: int) -> None:
        """Boot with the next epoch, from what the disk has kept."""
        self.epoch += 1
        self.starts += 1
        low, high = UPTIME_NS
        self.clock.boot(at_ns, self._rng.randint(low, high))
        now = self.clock.now(at_ns)
        blueprint = self.blueprint
        router = blueprint.router(blueprint.config, blueprint.entropy(self.epoch), now)
        self.router, self.seat = router, blueprint.seat()
        self.inbox, self.crash_after = [], None
        rows = self.store.rows()
        if rows:
            router.restore(rows, now)
        self.submit(Started(epoch=self.epoch))

    def crash(self) -> None:
        """Stop at once; everything but the disk is gone."""
        self.router = self.seat = None
        self.inbox, self.wake_ns, self.crash_after = [], None, None
        self._outside.crashed(self)

    # ------------------------------------------------------------ inputs

    def submit(self, *inputs: Input) -> None:
        """Queue inputs; what comes to a host that is down is lost."""
        if self.router is not None:
            self.inbox.extend(inputs)
            self._outside.wake(self)

    def hand(self, at_ns: int) -> tuple[Now, tuple[Input, ...], tuple[Effect, ...]]:
        """Hand the router everything queued: the only door.

        Steps of reservations are told to who watches a node from outside; nobody here does, the checkers
        read its tables, and a seed plays the same run whether or not they are told.
        """
        assert self.router is not None  # noqa: S101 - the engine wakes living hosts only
        inputs, self.inbox = tuple(self.inbox), []
        now = self.clock.now(at_ns)
        effects = self.router.handle_all(inputs, now)
        return now, inputs, tuple(effect for effect in effects if not _is_step(effect))

    # ------------------------------------------------------------ effects

    def carry_out(self, effects: Sequence[Effect], now: Now) -> int:
        """Do what the router asks, in order; the number of effects done, fewer when the host went down."""
        durable = False
        for done, effect in enumerate(effects):
            if self.crash_after is not None:
                if self.crash_after == 0:
                    self._crash_at(effects, effect, durable=durable)
                    return done
                self.crash_after -= 1
            if isinstance(effect, Persist):
                if durable:
                    continue
                try:
                    self.store.barrier([e for e in effects if isinstance(e, Persist)])
                except DiskFull:
                    self.crash()
                    return done
                durable = True
            else:
                self._carry_out_one(effect, now)
        return len(effects)

    def _crash_at(self, effects: Sequence[Effect], effect: Effect, *, durable: bool) -> None:
        """Go down; a barrier that was under way may have kept some of its first records."""
        if isinstance(effect, Persist) and not durable:
            tail = [e for e in effects if isinstance(e, Persist)]
            self.store.keep(tail[: self._rng.randint(0, len(tail))])
        self.crash()

    def _carry_out_one(self, effect: Effect, now: Now) -> None:
        assert self.seat is not None  # noqa: S101 - alive
        match effect:
            case Emit(event=event):
                self.submit(*self.seat.on_event(event, now))
            case ApplySchedule():
                self.seat.apply(effect)
            case SendFrame():
                self._outside.send(self, effect.neighbor, effect.frame)
            case CloseSession():
                self._outside.close(self, effect)
            case Persist():
                pass  # done at the barrier


def _is_step(effect: Effect) -> bool:
    return isinstance(effect, Emit) and isinstance(effect.event, ReservationMoved)
