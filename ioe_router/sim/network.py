"""A network of routers in memory (SPEC section 3 lets the same core run anywhere).

Frames are delivered in order, at once, as bytes; time stands still until
nothing is in flight, then jumps to the next deadline.  The shell's contract is
the daemon's: effects in order, messages of one session in order, loss only
ever reported as SessionDown.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from ioe_router.agents.agent import Agent
from ioe_router.core.effects import (
    ApplySchedule,
    CloseSession,
    Effect,
    Emit,
    Persist,
    RecordKind,
    SendFrame,
)
from ioe_router.core.events import Event
from ioe_router.core.inputs import DeadlineReached, FrameReceived, Input, SessionDown, SessionUp, Started
from ioe_router.model.clock import NS_PER_MS, Now
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import NodeId
from ioe_router.router import Router


@dataclass(slots=True)
class SimNode:
    """One router with its agent and what it has said."""

    router: Router
    agent: Agent | None = None
    inbox: deque[Input] = field(default_factory=deque)
    events: list[tuple[Now, Event]] = field(default_factory=list)
    schedules: list[ApplySchedule] = field(default_factory=list)
    store: dict[tuple[RecordKind, bytes], Persist] = field(default_factory=dict)  # what survives a crash
    epoch: int = 1
    alive: bool = True
    effects_left: int | None = None  # crash once so many more effects are carried out


class Network:
    """Routers, wires between them, and one clock."""

    def __init__(self, start_utc_ms: int) -> None:
        """No nodes yet; time begins at `start_utc_ms`."""
        self.now = Now(monotonic_ns=0, utc_ms=start_utc_ms)
        self.nodes: dict[NodeId, SimNode] = {}
        self._up: set[frozenset[NodeId]] = set()
        self.frames = 0

    def add(self, node: NodeId, router: Router, agent: Agent | None = None) -> SimNode:
        """Add a router; it is started with epoch 1."""
        sim = self.nodes[node] = SimNode(router, agent)
        sim.inbox.append(Started(epoch=1))
        return sim

    def connect(self, dialer: NodeId, listener: NodeId) -> None:
        """Bring the transport between two nodes up."""
        self._up.add(frozenset((dialer, listener)))
        self.nodes[dialer].inbox.append(SessionUp(neighbor=listener, dialer=True))
        self.nodes[listener].inbox.append(SessionUp(neighbor=dialer, dialer=False))

    def disconnect(
        self,
        one: NodeId,
        other: NodeId,
        code: ErrorCode = ErrorCode.NEIGHBOR_LOST,
        closed_by: NodeId | None = None,
    ) -> None:
        """Cut the transport between two nodes; frames in flight are lost, but for those of who closed it."""
        if frozenset((one, other)) not in self._up:
            return
        self._up.discard(frozenset((one, other)))
        for here, there in ((one, other), (other, one)):
            inbox = self.nodes[here].inbox
            lost = there != closed_by
            kept = [i for i in inbox if not (lost and isinstance(i, FrameReceived) and i.neighbor == there)]
            inbox.clear()
            inbox.extend(kept)
            inbox.append(SessionDown(neighbor=there, code=code, reason="transport lost"))

    def kill(self, node: NodeId) -> None:
        """Stop a router for good; its neighbours lose their sessions."""
        self.nodes[node].alive = False
        for pair in [pair for pair in self._up if node in pair]:
            (other,) = pair - {node}
            self.disconnect(node, other)
        self.nodes[node].inbox.clear()

    def crash(self, node: NodeId) -> None:
        """Stop a router until `restart`: what it was about to do is lost, its store is not.

        Frames that it has sent still arrive; those on their way to it are lost.
        """
        sim = self.nodes[node]
        sim.alive, sim.effects_left = False, None
        sim.inbox.clear()
        for pair in [pair for pair in self._up if node in pair]:
            (other,) = pair - {node}
            self._up.discard(pair)
            down = SessionDown(neighbor=node, code=ErrorCode.NEIGHBOR_LOST, reason="transport lost")
            self.nodes[other].inbox.append(down)

    def restart(self, node: NodeId, router: Router, agent: Agent | None = None) -> None:
        """A new router takes up the store of the one that crashed, with the next epoch."""
        sim = self.nodes[node]
        sim.router, sim.agent, sim.alive = router, agent, True
        sim.epoch += 1
        router.restore(tuple(sim.store.values()), self.now)
        sim.inbox.append(Started(epoch=sim.epoch))

    def give(self, node: NodeId, *inputs: Input) -> None:
        """Queue inputs of a host."""
        self.nodes[node].inbox.extend(inputs)

    def settle(self) -> None:
        """Deliver until nothing is in flight; time does not move."""
        busy = True
        while busy:
            busy = False
            for node, sim in self.nodes.items():
                if sim.alive and sim.inbox:
                    busy = True
                    inputs = tuple(sim.inbox)
                    sim.inbox.clear()
                    self._carry_out(node, sim, sim.router.handle_all(inputs, self.now))

    def run_until(self, utc_s: int) -> None:
        """Let time pass up to `utc_s`, from deadline to deadline."""
        self.settle()
        while True:
            deadline = self._next_deadline_ns()
            at_ms = None if deadline is None else self._utc_ms_of(deadline)
            if at_ms is None or at_ms > utc_s * 1000:
                break
            self._move_to(at_ms)
            for sim in self.nodes.values():
                due = sim.router.next_deadline_ns()
                if sim.alive and due is not None and due <= self.now.monotonic_ns:
                    sim.inbox.append(DeadlineReached())
            self.settle()
        self._move_to(utc_s * 1000)
        self.settle()

    def _next_deadline_ns(self) -> int | None:
        deadlines = (sim.router.next_deadline_ns() for sim in self.nodes.values() if sim.alive)
        return min((at for at in deadlines if at is not None), default=None)

    def _utc_ms_of(self, deadline_ns: int) -> int:
        wait_ns = max(0, deadline_ns - self.now.monotonic_ns)
        return self.now.utc_ms - -wait_ns // NS_PER_MS

    def _move_to(self, utc_ms: int) -> None:
        passed_ms = max(0, utc_ms - self.now.utc_ms)
        self.now = Now(self.now.monotonic_ns + passed_ms * NS_PER_MS, self.now.utc_ms + passed_ms)

    def _carry_out(self, node: NodeId, sim: SimNode, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            if sim.effects_left is not None:
                if sim.effects_left == 0:
                    self.crash(node)
                    return
                sim.effects_left -= 1
            match effect:
                case SendFrame():
                    self._deliver(node, effect)
                case CloseSession():
                    self.disconnect(node, effect.neighbor, effect.code, closed_by=node)
                case Emit():
                    sim.events.append((self.now, effect.event))
                    if sim.agent is not None:
                        sim.inbox.extend(sim.agent.on_event(effect.event, self.now))
                case ApplySchedule():
                    sim.schedules.append(effect)
                case Persist(record=None):
                    sim.store.pop((effect.kind, effect.key), None)
                case Persist():
                    sim.store[effect.kind, effect.key] = effect

    def _deliver(self, node: NodeId, effect: SendFrame) -> None:
        if frozenset((node, effect.neighbor)) in self._up:
            self.frames += 1
            self.nodes[effect.neighbor].inbox.append(FrameReceived(neighbor=node, frame=effect.frame))
