"""Which neighbour has a live stream (SPEC section 5); which of two survives is decided by core/streams.py."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from math import ceil
from typing import Final, Protocol

from ioe_router.adapters.peer_stream import Ended, Inbox, PeerStream, Traffic, Wire
from ioe_router.core.inputs import SessionDown, SessionUp
from ioe_router.core.streams import refusal
from ioe_router.model.bech32m import node_short
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import NodeId

BARRED_S: Final = 60.0  # how long a neighbour stays out whose session the router has closed for a limit
_REMOVED: Final = "the operator has removed this neighbour; pair again to be let in"


class Opening(Protocol):
    """A dialler, as far as the table has to know."""

    @property
    def opening(self) -> bool:
        """Whether a stream to the neighbour is being opened at this moment."""
        ...

    def abandon(self) -> None:
        """The neighbour has come to us: give the attempt up, if one is being made."""
        ...

    def retire(self) -> None:
        """Make no other attempt; a stream that stands goes on."""
        ...


class PeerTable:
    """The live streams of one node; SendFrame and CloseSession end up here."""

    def __init__(self, node: NodeId, neighbors: Iterable[NodeId], inbox: Inbox) -> None:
        self.node = node
        self.closing = False  # set at shutdown: no new streams
        self.refused: Counter[ErrorCode] = Counter()
        self.diallers: dict[NodeId, Opening] = {}
        self.totals = {neighbor: Traffic() for neighbor in neighbors}
        self._inbox = inbox
        self._streams: dict[NodeId, PeerStream] = {}
        self._barred_until_s: dict[NodeId, float] = {}
        self._removed: set[NodeId] = set()
        self._free = {neighbor: asyncio.Event() for neighbor in self.totals}
        for event in self._free.values():
            event.set()

    def is_live(self, neighbor: NodeId) -> bool:
        """Whether a stream to the neighbour stands."""
        return neighbor in self._streams

    def is_removed(self, neighbor: NodeId) -> bool:
        """Whether the operator has removed the neighbour since the start."""
        return neighbor in self._removed

    def enter(self, neighbor: NodeId) -> None:
        """The node is a neighbour from now on, or one again."""
        self._removed.discard(neighbor)
        self.totals.setdefault(neighbor, Traffic())
        if neighbor not in self._free:
            self._free[neighbor] = asyncio.Event()
            self._free[neighbor].set()

    def dismiss(self, neighbor: NodeId) -> None:
        """The node is no neighbour any more: take no stream of it; the router closes the one that stands."""
        self._removed.add(neighbor)
        if (dialler := self.diallers.pop(neighbor, None)) is not None:
            dialler.retire()

    def redial(self, neighbor: NodeId) -> None:
        """Another dialler is to take over, once the stream that stands is over."""
        if (dialler := self.diallers.pop(neighbor, None)) is not None:
            dialler.retire()

    async def wait_until_free(self, neighbor: NodeId) -> None:
        """Return once no stream to the neighbour stands."""
        await self._free[neighbor].wait()

    def barred_s(self, neighbor: NodeId) -> float:
        """For how many seconds more a neighbour stays out, 0 for one that may come."""
        until_s = self._barred_until_s.get(neighbor, 0.0)
        return max(0.0, until_s - asyncio.get_running_loop().time())

    def refusal(self, neighbor: NodeId) -> Ended | None:
        """Why an incoming stream of the neighbour may not stand, or None when it may."""
        if self.closing:
            return self._refuse(ErrorCode.SHUTTING_DOWN, "this node is shutting down; dial again later")
        if self.is_removed(neighbor):
            return self._refuse(ErrorCode.NOT_A_NEIGHBOR, _REMOVED)
        if barred_s := self.barred_s(neighbor):
            reason = f"closed for sending too much that is refused; come back in {ceil(barred_s)} s"
            return self._refuse(ErrorCode.LIMIT_REACHED, reason)
        dialler = self.diallers.get(neighbor)
        is_out = dialler is not None and dialler.opening
        code = refusal(self.node, neighbor, stands=self.is_live(neighbor), dial_is_out=is_out)
        if code is ErrorCode.DUPLICATE_IDENTITY:
            reason = (
                f"a session with {node_short(neighbor)} is up already; "
                "if that one is dead it will be given up soon, else stop the second node with this identity"
            )
            return self._refuse(code, reason)
        if code is not None:
            return self._refuse(code, "both dialled at once; the stream of the lower node id stands")
        return None

    def _refuse(self, code: ErrorCode, reason: str) -> Ended:
        self.refused[code] += 1
        return Ended(code, reason)

    async def serve(
        self, neighbor: NodeId, wire: Wire, *, dialer: bool, transport_key: bytes | None = None
    ) -> Ended:
        """Make the stream the neighbour's live one and carry its frames until it is over.

        `transport_key` is the operational key in the neighbour's chain of certificates, if it is seen here.
        """
        stream = PeerStream(
            neighbor=neighbor, dialer=dialer, wire=wire, inbox=self._inbox, total=self.totals[neighbor]
        )
        self._streams[neighbor] = stream
        if not dialer and (own := self.diallers.get(neighbor)) is not None:
            own.abandon()
        self._free[neighbor].clear()
        self._inbox.submit(SessionUp(neighbor=neighbor, dialer=dialer, transport_key=transport_key))
        ended = Ended(ErrorCode.SHUTTING_DOWN, "this node is shutting down")
        try:
            ended = await stream.run()
        finally:
            del self._streams[neighbor]
            self._free[neighbor].set()
            self._inbox.submit(SessionDown(neighbor=neighbor, code=ended.code, reason=ended.reason))
        return ended

    def send(self, neighbor: NodeId, frame: bytes) -> None:
        """Queue a frame for a neighbour; without a live stream it is lost, as on a cut wire."""
        stream = self._streams.get(neighbor)
        if stream is not None:
            stream.send(frame)

    def close(self, neighbor: NodeId, code: ErrorCode, reason: str) -> None:
        """End the neighbour's stream after what is queued has gone out."""
        if code is ErrorCode.LIMIT_REACHED:
            self._barred_until_s[neighbor] = asyncio.get_running_loop().time() + BARRED_S
        stream = self._streams.get(neighbor)
        if stream is not None:
            stream.close(code, reason)

    def live(self) -> tuple[PeerStream, ...]:
        """The live streams."""
        return tuple(self._streams.values())
