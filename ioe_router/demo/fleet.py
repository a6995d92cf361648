"""All nodes of a day and the clock they share: in this process, or each in its own (`processes.py`).

A clock step may be taken when nothing is going on: every live node is idle,
and between any two of them as many frames have arrived as were sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final, Protocol

from ioe_router.adapters.clock import ScenarioClock
from ioe_router.demo.member import Member
from ioe_router.demo.seat import Assignment, Expense, Introduction, Seat
from ioe_router.model.clock import NS_PER_MS
from ioe_router.model.errors import UsageError
from ioe_router.model.ids import NodeId
from ioe_router.scenario.model import Scenario

_TICK_S: Final = 0.25
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


class LocalFleet:
    """All nodes on this event loop; they share the clock and nothing else."""

    def __init__(self, scenario: Scenario) -> None:
        """Nodes are made by `begin`."""
        self._scenario = scenario
        self._members: dict[str, Member] = {}
        self._clock = ScenarioClock(0)
        self._pulse = asyncio.Event()
        self._watchers: list[asyncio.Task[None]] = []
        self._nodes: dict[NodeId, Member] = {}

    @property
    def seats(self) -> Mapping[str, Seat]:
        """All of them: none can die alone."""
        return self._members

    async def begin(self, assignments: tuple[Assignment, ...], start_utc_ms: int) -> dict[str, Introduction]:
        """Make the members on one clock."""
        self._clock = ScenarioClock(start_utc_ms)
        for one in assignments:
            self._members[one.bus] = Member(self._scenario, one, self._clock, self._pulse.set)
        met = {one.bus: await self._members[one.bus].introduce(one) for one in assignments}
        self._nodes = {introduction.node: self._members[bus] for bus, introduction in met.items()}
        return met

    async def settle(self) -> None:
        """Wait on the nodes' own word that they have nothing to do; each arrival of a frame wakes one."""
        if not self._watchers:
            self._watchers = [asyncio.create_task(self._watch(m)) for m in self._members.values()]
        while not self._at_rest():
            self._pulse.clear()
            for watcher in self._watchers:
                if watcher.done():
                    watcher.result()  # raises what has gone wrong inside a node
            if self._at_rest():
                return
            ticker = asyncio.get_running_loop().call_later(_TICK_S, self._pulse.set)
            await self._pulse.wait()
            ticker.cancel()

    async def _watch(self, member: Member) -> None:
        await member.node.wait()

    def _at_rest(self) -> bool:
        members = self._members.values()
        if not all(member.node.idle for member in members):
            return False
        frames = {node: member.node.frames() for node, member in self._nodes.items()}
        return all(
            frames[far][1].get(node) == count
            for node, (sent, _) in frames.items()
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
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        await asyncio.gather(*(member.stop() for member in self._members.values()))
