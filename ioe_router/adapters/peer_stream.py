"""One live stream to one neighbour: a reader, a writer and a bounded queue between (SPEC section 5).

Frames cross this module as the bytes they are: nothing is parsed here, so what
the core signed is what travels, and what travels is what the core verifies.

The queue to the writer is bounded in frames, bytes and time.  A neighbour that does
not read is given up with LIMIT_REACHED instead of being waited for or having
frames left out: after the next handshake the core repeats everything anyway.
Reading waits while the router is behind, which in the end stops the sender.

There is no end-of-stream worth trusting: a cancelled, killed or frozen peer
often looks like a clean end.  So every end is reported as the loss of the
session; whoever parts in good order has said so in a Close object before.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

import grpc

from ioe_router.core.inputs import FrameReceived, SessionDown, SessionUp
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import NodeId

QUEUE_FRAMES_MAX: Final = 1_024
QUEUE_BYTES_MAX: Final = 16 * 1_048_576
STALL_S: Final = 30.0  # how long one frame may wait for a neighbour to read it
_PARTING_S: Final = 2.0  # how long the peer gets to end a stream that we have ended


class Inbox(Protocol):
    """Where a stream puts what it hears. The runner is one."""

    def submit(self, input_: SessionUp | FrameReceived | SessionDown) -> None:
        """Queue an input."""
        ...

    async def room(self, neighbor: NodeId) -> None:
        """Return once there is room for more from a neighbour."""
        ...


class Wire(Protocol):
    """One gRPC stream in read/write style, either end."""

    async def open(self) -> None:
        """Tell the peer that the stream stands."""
        ...

    async def read(self) -> object:
        """The next message, or grpc.aio.EOF."""
        ...

    async def write(self, message: bytes) -> None:
        """Send one message; returns when gRPC takes the next."""
        ...

    async def part(self) -> bool:
        """Tell the peer that nothing more will come; whether the peer still has to answer that."""
        ...


@dataclass(frozen=True, slots=True)
class Ended:
    """Why a stream is over."""

    code: ErrorCode
    reason: str


@dataclass(slots=True)
class Traffic:
    """Frames and bytes, counted from zero."""

    frames_sent: int = 0
    frames_received: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0


@dataclass(slots=True, kw_only=True)
class PeerStream:
    """A stream whose neighbour is known. `run` it once; it ends by the peer, by `close` or by `drop`."""

    neighbor: NodeId
    dialer: bool  # we opened it
    wire: Wire
    inbox: Inbox
    total: Traffic = field(default_factory=Traffic)  # of all sessions with the neighbour
    session: Traffic = field(default_factory=Traffic)  # of this stream
    queue_frames_max: int = QUEUE_FRAMES_MAX
    queue_bytes_max: int = QUEUE_BYTES_MAX
    _queue: deque[bytes] = field(default_factory=deque)
    _queued_bytes: int = 0
    _writing: bool = False
    _writing_since_s: float = 0.0
    _closing: bool = False
    _ended: Ended | None = None
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _dropped: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def idle(self) -> bool:
        """Whether gRPC has taken everything that was to be sent."""
        return not self._queue and not self._writing

    def queued(self) -> tuple[int, int]:
        """Frames and bytes that wait for the neighbour."""
        return len(self._queue), self._queued_bytes

    def send(self, frame: bytes) -> None:
        """Queue a frame; a full queue drops the session. Frames after the end are lost, as on a cut wire."""
        if self._closing or self._ended is not None:
            return
        stalled = self._writing and asyncio.get_running_loop().time() - self._writing_since_s > STALL_S
        if (
            stalled
            or len(self._queue) >= self.queue_frames_max
            or self._queued_bytes + len(frame) > self.queue_bytes_max
        ):
            self.drop(ErrorCode.LIMIT_REACHED, "the neighbour does not read what it is sent")
            return
        self._queue.append(frame)
        self._queued_bytes += len(frame)
        for traffic in (self.total, self.session):
            traffic.frames_sent += 1
            traffic.bytes_sent += len(frame)
        self._wake.set()

    def close(self, code: ErrorCode, reason: str) -> None:
        """End the stream after what is queued has gone out."""
        if self._ended is None:
            self._closing, self._ended = True, Ended(code, reason)
            self._wake.set()

    def drop(self, code: ErrorCode, reason: str) -> None:
        """End the stream at once; what is queued is lost."""
        self._ended = self._ended or Ended(code, reason)
        self._closing = True
        self._queue.clear()
        self._queued_bytes = 0
        self._dropped.set()

    async def run(self) -> Ended:
        """Carry frames until the stream is over; the reason is that of the end that ended it."""
        try:
            await self.wire.open()
        except grpc.aio.BaseError as error:
            return self._ended or _loss((error,))
        reader = asyncio.create_task(self._read_all())
        writer = asyncio.create_task(self._write_all())
        dropped = asyncio.create_task(self._dropped.wait())
        tasks = (reader, writer, dropped)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if writer.done() and not writer.exception() and await self.wire.part():
                await asyncio.wait((reader, dropped), timeout=_PARTING_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # The reader first: gRPC leaks a call that is cancelled under a parked read.
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        return self._ended or _loss(results)

    async def _read_all(self) -> None:
        while True:
            frame = await self.wire.read()
            if not isinstance(frame, bytes):
                return
            if self._closing:
                continue
            for traffic in (self.total, self.session):
                traffic.frames_received += 1
                traffic.bytes_received += len(frame)
            self.inbox.submit(FrameReceived(neighbor=self.neighbor, frame=frame))
            await self.inbox.room(self.neighbor)

    async def _write_all(self) -> None:
        while True:
            while self._queue:
                frame = self._queue.popleft()
                self._queued_bytes -= len(frame)
                self._writing, self._writing_since_s = True, asyncio.get_running_loop().time()
                try:
                    await self.wire.write(frame)
                finally:
                    self._writing = False
            if self._closing:
                return
            self._wake.clear()
            await self._wake.wait()


def _loss(results: Iterable[object]) -> Ended:
    """What to call an end that nobody announced."""
    for result in results:
        if isinstance(result, grpc.aio.AioRpcError):
            return of_status(result.code(), result.details() or "")
    return Ended(ErrorCode.NEIGHBOR_LOST, "the stream ended without a word")


def of_status(code: grpc.StatusCode, details: str) -> Ended:
    """The end that a gRPC status tells of. Our own servers begin the details with a registered name."""
    name, _, text = details.partition(": ")
    if name in ErrorCode.__members__:
        return Ended(ErrorCode[name], text)
    if "ping timeout" in details or "keepalive" in details:
        return Ended(ErrorCode.KEEPALIVE_TIMEOUT, "three keepalive intervals passed without a sign of life")
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return Ended(ErrorCode.TOO_LARGE, details)
    if code is grpc.StatusCode.OK:
        return Ended(ErrorCode.NEIGHBOR_LOST, "the neighbour ended the stream")
    return Ended(ErrorCode.NEIGHBOR_LOST, details or code.name)
