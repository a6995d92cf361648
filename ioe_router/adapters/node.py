"""One node: its keys, its router, the runner around it, its port and its diallers.

The daemon runs one of these, a demo many on one event loop; they share nothing
but the clock they are given.  X.509 validity and keepalives are judged on wall
time, everything that the router sees on the given clock.

Stopping keeps an order that gRPC asks for: tell the router, let the Close
frames go out, end the diallers (reader, call, channel), then the server.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Final

from ioe_router.adapters.certificates import LEAF_LIFETIME_S, Leaf
from ioe_router.adapters.channel_options import dead_after_ms
from ioe_router.adapters.clock import Clock
from ioe_router.adapters.dialler import Dialler, Peer, Transport, Trouble
from ioe_router.adapters.inbox import Waiting
from ioe_router.adapters.journal import Journal, MemoryJournal
from ioe_router.adapters.keystore import Operational
from ioe_router.adapters.peer_server import PeerServer
from ioe_router.adapters.peer_stream import Traffic
from ioe_router.adapters.peer_table import PeerTable
from ioe_router.adapters.runner import (
    EventSink,
    Pace,
    RouterCore,
    Runner,
    ScheduleSink,
    Tally,
    apply_nothing,
    keep_silent,
)
from ioe_router.config import RouterConfig
from ioe_router.core.inputs import Input, Reconfigure, Shutdown, Started
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import NodeId

_PARTING_S: Final = 2.0
_TICK_S: Final = 0.01


def wall_utc_s() -> int:
    """Wall time, UTC seconds."""
    return int(time.time())


def forget(_trouble: Trouble) -> None:
    """The trouble sink of a node that nobody watches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """Whether a node is at rest. Two nodes agree when `sent` of one equals `received` of the other.

    The counts are of the live session with each neighbour, so that frames of a
    lost session are nobody's; a neighbour without a session is not listed.
    """

    sent: dict[NodeId, int]
    received: dict[NodeId, int]
    idle: bool  # nothing queued, being handled or waiting to be written
    next_deadline_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Queues:
    """What waits at this moment, per neighbour."""

    commands: int
    received: dict[NodeId, Waiting]
    to_send: dict[NodeId, Waiting]


@dataclass(frozen=True, slots=True, kw_only=True)
class PortCounts:
    """What the peer port has seen since the start."""

    handshakes: int  # begun, whether or not TLS was completed; garbage counts here and nowhere else
    streams_accepted: int
    unknown_calls: int
    refused: Counter[ErrorCode]


@dataclass(slots=True, kw_only=True)
class Host:
    """What surrounds the router of a node; the defaults surround it with nothing."""

    on_event: EventSink = keep_silent
    apply: ScheduleSink = apply_nothing
    on_trouble: Callable[[Trouble], None] = forget
    pace: Pace | None = None
    journal: Journal = field(default_factory=MemoryJournal)
    transport: Transport = field(default_factory=Transport)
    wall_utc_s: Callable[[], int] = wall_utc_s


class Node:
    """A running router. `start` it, `wait` for it, `stop` it, all on one event loop."""

    def __init__(
        self,
        router: RouterCore,
        *,
        operational: Operational,
        listen: str,
        peers: tuple[Peer, ...],
        clock: Clock,
        host: Host,
    ) -> None:
        self.node = operational.node
        self.port = 0
        self._operational = operational
        self._host = host
        self._peers = peers
        self._leaf: Leaf | None = None
        self._runner = Runner(
            router,
            clock=clock,
            journal=host.journal,
            on_event=host.on_event,
            apply=host.apply,
            pace=host.pace,
        )
        self._table = PeerTable(self.node, (peer.node for peer in peers), self._runner)
        self._runner.transport = self._table
        self._server = PeerServer(
            self._table,
            listen=listen,
            leaf=self.leaf(),
            pinned={peer.node: peer.ca for peer in peers},
            keepalive_ms=host.transport.keepalive_ms,
            wall_utc_s=host.wall_utc_s,
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._failed: asyncio.Future[None] | None = None

    # ------------------------------------------------------------- life

    async def start(self, epoch: int, last_epoch: int | None = None) -> int:
        """Listen, hand the router its Started, and return the port. UsageError when the port is taken."""
        self.port = await self._server.start()
        self._failed = asyncio.get_running_loop().create_future()
        self._runner.submit(Started(epoch=epoch, last_epoch=last_epoch))
        self._watch(self._runner.run())
        self._watch(self._refresh_leaf())
        return self.port

    def dial(self, addresses: dict[NodeId, str] | None = None) -> None:
        """Begin to dial the neighbours whose address is known from the peers or given here."""
        for peer in self._peers:
            self._dial(replace(peer, address=(addresses or {}).get(peer.node, peer.address)))

    def _dial(self, peer: Peer) -> None:
        if peer.address is None or peer.node in self._table.diallers:
            return
        dialler = Dialler(
            self._table,
            peer,
            leaf=self.leaf,
            transport=self._host.transport,
            on_trouble=self._host.on_trouble,
            wall_utc_s=self._host.wall_utc_s,
        )
        self._watch(dialler.run())

    def reconfigure(self, config: RouterConfig, peers: tuple[Peer, ...]) -> None:
        """Take up another configuration; sessions with neighbours that stay as they are go on.

        The router has to be able to take it up (`Router.refuse_reconfigure`).
        """
        self._runner.submit(Reconfigure(config=config))  # before any stream of a new neighbour
        before, after = ({peer.node: peer for peer in some} for some in (self._peers, peers))
        self._peers = peers
        for node in before.keys() - after.keys():
            self._server.identity.forget(node)
            self._table.dismiss(node)
        for node, peer in after.items():
            if before.get(node) != peer:
                self._server.identity.trust(node, peer.ca)
                self._table.enter(node)
                self._table.redial(node)
                self._dial(peer)

    async def wait(self) -> None:
        """Return never, unless something inside fails: then raise that."""
        if self._failed is not None:
            await asyncio.shield(self._failed)

    async def stop(self, grace_s: float = 0.5, restart_s: int = 0) -> None:
        """Part from the neighbours in good order and free the port. May be called after a failure.

        `restart_s` asks them to wait for this node to come back.
        """
        if self._failed is None:
            return
        self._table.closing = True
        if not self._failed.done():
            self._runner.submit(Shutdown(restart_s=restart_s))
            await self._settle()
        runner, *others = self._tasks
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._server.stop(grace_s)
        runner.cancel()
        await asyncio.gather(runner, return_exceptions=True)
        self._host.journal.close()
        if self._failed.done() and not self._failed.cancelled():
            self._failed.exception()  # whoever waited has it; nobody else is owed it
        await asyncio.sleep(_TICK_S)

    def submit(self, command: Input) -> None:
        """Give the router a command."""
        self._runner.submit(command)

    # ------------------------------------------------------------- state

    def activity(self) -> Activity:
        """Whether the node is at rest, and what it has exchanged in its live sessions."""
        sent, received = self.frames()
        return Activity(
            sent=sent,
            received=received,
            idle=self._runner.idle and all(stream.idle for stream in self._table.live()),
            next_deadline_ns=self._runner.next_deadline_ns(),
        )

    async def at_rest(self) -> None:
        """Return between two calls of the router."""
        await self._runner.at_rest()

    @property
    def idle(self) -> bool:
        """Whether nothing is queued or being handled."""
        return self._runner.idle

    def frames(self) -> tuple[dict[NodeId, int], dict[NodeId, int]]:
        """Frames sent and received in the live sessions."""
        streams = self._table.live()
        return (
            {stream.neighbor: stream.session.frames_sent for stream in streams},
            {stream.neighbor: stream.session.frames_received for stream in streams},
        )

    @property
    def traffic(self) -> dict[NodeId, Traffic]:
        """Frames and bytes per neighbour since the start, over all sessions."""
        return self._table.totals

    @property
    def tally(self) -> Tally:
        """What the runner has done."""
        return self._runner.tally

    def queues(self) -> Queues:
        """What waits for the router, and what waits for neighbours to read it."""
        to_send = {}
        for stream in self._table.live():
            frames, size = stream.queued()
            to_send[stream.neighbor] = Waiting(frames=frames, size=size)
        inbox = self._runner.inbox
        return Queues(commands=inbox.commands_waiting(), received=inbox.waiting(), to_send=to_send)

    def port_counts(self) -> PortCounts:
        """What the peer port has seen."""
        return PortCounts(
            handshakes=self._server.identity.handshakes,
            streams_accepted=self._server.streams_accepted,
            unknown_calls=self._server.unknown_calls,
            refused=self._table.refused,
        )

    # ------------------------------------------------------------- keys

    def leaf(self) -> Leaf:
        """The TLS leaf in force; a new one once half of its life is over."""
        now = self._host.wall_utc_s()
        if self._leaf is None or self._leaf.expires_utc_s - now < LEAF_LIFETIME_S // 2:
            self._leaf = self._operational.leaf(now)
        return self._leaf

    def renew(self, operational: Operational) -> None:
        """Use another operational key of this node for TLS from the next handshake on."""
        self._operational, self._leaf = operational, None
        self._server.identity.replace_leaf(self.leaf())

    async def _refresh_leaf(self) -> None:
        while True:
            await asyncio.sleep(LEAF_LIFETIME_S / 4)
            self._server.identity.replace_leaf(self.leaf())

    # ------------------------------------------------------------- inside

    def _watch(self, work: Coroutine[None, None, None]) -> None:
        """Run a coroutine for the node's life; its failure is the node's."""
        task = asyncio.create_task(work)
        task.add_done_callback(self._on_done)
        self._tasks = [*self._tasks[:1], *(one for one in self._tasks[1:] if not one.done()), task]

    def _on_done(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or self._failed is None or self._failed.done():
            return
        error = task.exception()
        if error is not None:
            self._failed.set_exception(error)

    async def _settle(self) -> None:
        """Wait, within a bound, until the router's farewell has been sent and the sessions are over."""
        loop = asyncio.get_running_loop()
        end = loop.time() + _PARTING_S
        while loop.time() < end and (self._table.live() or not self._runner.idle):
            await asyncio.sleep(_TICK_S)


def lasting_duplicate(trouble: Trouble, transport: Transport) -> bool:
    """Whether a neighbour refuses us as a duplicate for longer than a dead session of ours could live."""
    return trouble.code is ErrorCode.DUPLICATE_IDENTITY and trouble.lasting_ms > 2 * dead_after_ms(
        transport.keepalive_ms
    )
