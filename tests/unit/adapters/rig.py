"""What the adapter tests share: keys, a router that only records, and nodes on loopback."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ioe_router.adapters.clock import Clock, WallClock
from ioe_router.adapters.dialler import Patience, Peer, Transport
from ioe_router.adapters.keystore import Identity, Operational, make_identity, make_operational
from ioe_router.adapters.node import Host, Node
from ioe_router.core.effects import CloseSession, Effect, SendFrame
from ioe_router.core.inputs import FrameReceived, Input, SessionDown, SessionUp, Shutdown
from ioe_router.model.clock import Now
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import NodeId

NETWORK = "village"
QUICK = Transport(keepalive_ms=1_000, patience=Patience(grace_ms=200, first_ms=50, longest_ms=200))


def wall() -> int:
    """Wall time, UTC seconds."""
    return int(time.time())


def present() -> Now:
    """The wall clock's instant."""
    return WallClock().now()


def new_keys(wall_utc_s: int | None = None, lifetime_s: int = 86_400) -> tuple[Identity, Operational]:
    """An identity and its first operational key, X.509 validity from `wall_utc_s` on."""
    at = wall() if wall_utc_s is None else wall_utc_s
    identity = make_identity(at)
    operational = make_operational(
        identity, network_id=NETWORK, serial=1, issued_utc_s=wall(), wall_utc_s=at, lifetime_s=lifetime_s
    )
    return identity, operational


def sorted_keys() -> tuple[tuple[Identity, Operational], tuple[Identity, Operational]]:
    """Two nodes, the lower id first."""
    one, other = sorted((new_keys(), new_keys()), key=lambda keys: keys[0].node)
    return one, other


@dataclass(slots=True)
class RecordingCore:
    """A router that keeps what it is told and does what `script` says about each input."""

    script: Callable[[Input], Sequence[Effect]] = lambda _input: ()
    inputs: list[Input] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    instants: list[Now] = field(default_factory=list)
    deadline_ns: int | None = None
    ready_ns: int = 0
    up: set[NodeId] = field(default_factory=set)

    def handle_all(self, inputs: Sequence[Input], now: Now) -> tuple[Effect, ...]:
        """Keep the inputs and answer with the script's effects."""
        self.batches.append(len(inputs))
        self.instants.append(now)
        effects: list[Effect] = []
        for one in inputs:
            self.inputs.append(one)
            effects.extend(self._own(one))
            effects.extend(self.script(one))
        return tuple(effects)

    def _own(self, one: Input) -> Sequence[Effect]:
        if isinstance(one, SessionUp):
            self.up.add(one.neighbor)
        elif isinstance(one, SessionDown):
            self.up.discard(one.neighbor)
        elif isinstance(one, Shutdown):
            return [
                CloseSession(neighbor=n, code=ErrorCode.SHUTTING_DOWN, reason="stopping")
                for n in sorted(self.up)
            ]
        return ()

    def ready_at_ns(self, _neighbor: NodeId) -> int:
        """Nobody has to wait, unless the test says so."""
        return self.ready_ns

    def next_deadline_ns(self) -> int | None:
        """Whatever the test has set."""
        return self.deadline_ns

    def frames(self) -> list[bytes]:
        """All frames received."""
        return [one.frame for one in self.inputs if isinstance(one, FrameReceived)]

    def downs(self) -> list[SessionDown]:
        """All session losses."""
        return [one for one in self.inputs if isinstance(one, SessionDown)]

    def ups(self) -> list[SessionUp]:
        """All sessions that came up."""
        return [one for one in self.inputs if isinstance(one, SessionUp)]


def greet_with(*frames: bytes) -> Callable[[Input], Sequence[Effect]]:
    """A script that sends these frames on each session that comes up."""

    def script(one: Input) -> Sequence[Effect]:
        if isinstance(one, SessionUp):
            return [SendFrame(neighbor=one.neighbor, frame=frame) for frame in frames]
        return ()

    return script


def node_of(
    core: RecordingCore,
    operational: Operational,
    peers: Sequence[tuple[Identity, str | None]],
    *,
    clock: Clock | None = None,
    host: Host | None = None,
    listen: str = "127.0.0.1:0",
) -> Node:
    """A node around a core, with neighbours given by identity and address; not started."""
    return Node(
        core,
        operational=operational,
        listen=listen,
        peers=tuple(Peer(node=identity.node, ca=identity.ca, address=address) for identity, address in peers),
        clock=clock or WallClock(),
        host=host or Host(transport=QUICK),
    )


async def until(condition: Callable[[], bool], *, within_s: float = 20.0) -> None:
    """Wait for a condition; the bound is only there so that a failing test ends."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.01)
