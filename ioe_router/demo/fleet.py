"""All nodes of a day and the clock they share: in this process, or each in its own (`processes.py`).

A clock step may be taken when nothing is going on: every live node is idle,
and between any two of them as many frames have arrived as were sent.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Final, Protocol

from ioe_router.adapters.clock import ScenarioClock
from ioe_router.adapters.node import Node
from ioe_router.adapters.peer_stream import Traffic
from ioe_router.demo.member import Member
from ioe_router.demo.seat import (
    Assignment,
    Expense,
    Introduction,
    Seat,
)
from ioe_router.model.clock import NS_PER_MS
from ioe_router.model.errors import UsageError
from ioe_router.model.ids import NodeId
from ioe_router.scenario.model import Scenario

PATIENCE_S: Final = 0.25  # wall time after which a round that does not end is looked into
TURNS: Final = 3  # of the event loop between two looks: a frame needs more than one to arrive
CONNECT_S: Final = 90.0  # wall time in which all sessions must stand


class Fleet(Protocol):
    """The nodes of one day."""

    @property
    def seats(self) -> Mapping[str, Seat]:
        """Live nodes by bus."""
        ...

    async def begin(self, assignments: tuple[Assignment, ...], start_utc_ms: int) -> dict[str, Introduction]:
        """Bring up the seats; every node makes its keys."""
        ...

    async def settle(self) -> None:
        """Return when nothing is going on."""
        ...

    def now_ms(self) -> int:
        """Scenario time."""
        ...

    def next_deadline_ms(self) -> int | None:
        """The earliest instant at which a live node wants to be called; valid after `settle`."""
        ...

    async def advance(self, to_ms: int) -> None:
        """Move every live node's clock."""
        ...

    async def kill(self, bus: str) -> None:
        """End a node's process without a word. UsageError where nodes have no process of their own."""
        ...

    async def expense(self) -> Expense:
        """What all processes have used; the peak is that of the largest."""
        ...

    async def end(self) -> None:
        """Stop what is still running."""
        ...


class Rounds:
    """The pace of nodes on one event loop: in rounds, each node handling at once all that has arrived.

    A round is over when every node that had something to do has done it and
    every frame sent has arrived; so a node handles the frames of a round in one
    batch and answers each neighbour with one frame.
    """

    def __init__(self) -> None:
        """Everybody goes on freely until `begin`."""
        self.waiting = 0
        self._free = True
        self._gate = asyncio.Event()

    async def turn(self) -> None:
        """Wait for the next round."""
        if not self._free:
            self.waiting += 1
            await self._gate.wait()

    def rest(self) -> None:
        """Nobody waits for a single node."""

    def begin(self) -> None:
        """From now on go in rounds."""
        self._free = False

    def end(self) -> None:
        """Let everybody go on freely again."""
        self._free = True
        self.next()

    def next(self) -> None:
        """Let everybody who waits go on, and nobody who comes later."""
        gate, self._gate, self.waiting = self._gate, asyncio.Event(), 0
        gate.set()


class LocalFleet:
    """All nodes on this event loop; they share the clock and nothing else."""

    def __init__(self, scenario: Scenario) -> None:
        """Nodes are made by `begin`."""
        self._scenario = scenario
        self._members: dict[str, Member] = {}
        self._clock = ScenarioClock(0)
        self._rounds = Rounds()
        self._watchers: list[asyncio.Task[None]] = []
        self._ids: dict[str, NodeId] = {}
        self._nodes: dict[NodeId, Node] = {}
        self._traffic: list[Traffic] = []

    @property
    def seats(self) -> Mapping[str, Seat]:
        """All of them: none can die alone."""
        return self._members

    async def begin(self, assignments: tuple[Assignment, ...], start_utc_ms: int) -> dict[str, Introduction]:
        """Make the members on one clock."""
        self._clock = ScenarioClock(start_utc_ms)
        for one in assignments:
            self._members[one.bus] = Member(self._scenario, one, self._clock, self._rounds)
        met = {one.bus: await self._members[one.bus].introduce(one) for one in assignments}
        self._ids = {bus: introduction.node for bus, introduction in met.items()}
        return met

    async def settle(self) -> None:
        """Go on in rounds until nobody has anything to do."""
        if not self._watchers:
            self._nodes = {self._ids[bus]: member.node for bus, member in self._members.items()}
            self._watchers = [asyncio.create_task(node.wait()) for node in self._nodes.values()]
            self._traffic = [t for node in self._nodes.values() for t in node.traffic.values()]
            self._rounds.begin()
        while True:
            await self._round_over()
            if not self._rounds.waiting:
                return
            self._rounds.next()

    async def _round_over(self) -> None:
        """Return when every node rests or waits for its turn, and no frame is under way."""
        patience = time.monotonic() + PATIENCE_S
        while not (self._arrived() and self._quiet()):  # the cheap question first
            for _ in range(TURNS):
                await asyncio.sleep(0)
            if time.monotonic() > patience:
                patience += PATIENCE_S
                for watcher in self._watchers:
                    if watcher.done():
                        watcher.result()  # raises what has gone wrong inside a node
                if self._quiet() and self._arrived_in_live_sessions():
                    return

    def _quiet(self) -> bool:
        """Whether every node rests or waits for its turn."""
        return sum(not node.idle for node in self._nodes.values()) == self._rounds.waiting

    def _arrived(self) -> bool:
        """Whether as many frames have arrived as were ever sent: cheap, but one lost spoils it."""
        return sum(t.frames_sent - t.frames_received for t in self._traffic) == 0

    def _arrived_in_live_sessions(self) -> bool:
        """The same for each pair of neighbours, without sessions that are over."""
        frames = {name: node.frames() for name, node in self._nodes.items()}
        return all(
            frames[far][1].get(name) == count
            for name, (sent, _) in frames.items()
            for far, count in sent.items()
        )

    def now_ms(self) -> int:
        """The shared clock."""
        return self._clock.now().utc_ms

    def next_deadline_ms(self) -> int | None:
        """The earliest alarm."""
        deadline_ns = self._clock.next_deadline_ns()
        return None if deadline_ns is None else -(-deadline_ns // NS_PER_MS)

    async def advance(self, to_ms: int) -> None:
        """Move the shared clock."""
        self._clock.advance(to_ms)

    async def kill(self, bus: str) -> None:
        """Not possible here."""
        raise UsageError(f"{bus!r} shares its process with all others; use --nodes-in processes to kill it")

    async def expense(self) -> Expense:
        """This process."""
        return await next(iter(self._members.values())).expense()

    async def end(self) -> None:
        """Stop all nodes."""
        self._rounds.end()
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        await asyncio.gather(*(member.stop() for member in self._members.values()))
