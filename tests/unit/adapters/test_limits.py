"""What connections and streams may do to a node before a frame reaches its router, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import grpc
import pytest

from ioe_router.adapters import channel_options, peer_stream
from ioe_router.adapters.channel_options import MESSAGE_BYTES_MAX
from ioe_router.adapters.node import Node
from ioe_router.adapters.openings import CALLERS_MAX, OPENINGS, Openings
from ioe_router.adapters.peer_server import METHOD, SERVICE
from ioe_router.adapters.tls import channel_credentials
from ioe_router.core.effects import CloseSession, SendFrame
from ioe_router.core.inputs import FrameReceived, Input
from ioe_router.model.errors import ErrorCode
from tests.unit.adapters.rig import QUICK, RecordingCore, greet_with, new_keys, node_of, until, wall

S = 1_000_000_000
Call = grpc.aio.StreamStreamCall[bytes, bytes]


class Guest:
    """A neighbour whose HTTP/2 is in the hands of the test."""

    def __init__(self, core: RecordingCore) -> None:
        self.host, self.host_op = new_keys()
        self.identity, self.operational = new_keys()
        self.core = core
        self.node: Node = node_of(core, self.host_op, [(self.identity, None)])
        self._channel: grpc.aio.Channel | None = None

    async def start(self) -> None:
        """The node listens, and the guest has a channel to it."""
        port = await self.node.start(epoch=1)
        credentials = channel_credentials(self.operational.leaf(wall()), self.host.ca)
        options = [
            one
            for one in channel_options.channel_options(self.host.node, QUICK.keepalive_ms)
            if one[0] not in ("grpc.max_send_message_length", "grpc.compression_enabled_algorithms_bitset")
        ]
        self._channel = grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials, options)

    def call(self, compression: grpc.Compression | None = None) -> Call:
        """Open a stream."""
        assert self._channel is not None
        opened: Call = self._channel.stream_stream(f"/{SERVICE}/{METHOD}")(compression=compression)
        return opened

    async def stop(self) -> None:
        """End both sides."""
        assert self._channel is not None
        await self._channel.close()
        await self.node.stop()


@contextlib.asynccontextmanager
async def visiting(core: RecordingCore | None = None) -> AsyncIterator[Guest]:
    """A guest at a node that listens."""
    guest = Guest(core or RecordingCore())
    await guest.start()
    try:
        yield guest
    finally:
        await guest.stop()


@pytest.mark.asyncio
async def test_a_message_above_a_frame_never_reaches_the_router() -> None:
    """The largest frame arrives; one byte more ends the stream in the transport."""
    async with visiting() as guest:
        call = guest.call()
        await call.write(bytes(MESSAGE_BYTES_MAX))
        await until(lambda: len(guest.core.frames()) == 1)
        await call.write(bytes(MESSAGE_BYTES_MAX + 1))
        assert await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        await until(lambda: bool(guest.core.downs()))
        assert [len(frame) for frame in guest.core.frames()] == [MESSAGE_BYTES_MAX]


@pytest.mark.asyncio
async def test_a_compressed_message_is_refused_unread() -> None:
    """Nothing is unpacked on the way in: a compressed frame ends the stream."""
    async with visiting() as guest:
        call = guest.call(compression=grpc.Compression.Gzip)
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            await call.write(bytes(900_000))
        assert await call.code() in (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.INTERNAL)
        assert guest.core.frames() == []


@pytest.mark.asyncio
async def test_streams_opened_and_reset_at_once_are_counted() -> None:
    """Beyond the burst of openings a stream is refused with LIMIT_REACHED, whatever became of others."""
    async with visiting() as guest:
        for _ in range(OPENINGS.burst):
            call = guest.call()
            await call.wait_for_connection()
            await call.initial_metadata()
            call.cancel()
            await until(lambda: not guest.core.up)
        call = guest.call()
        for _ in range(3):
            if await call.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                call = guest.call()
        assert await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "LIMIT_REACHED: streams are opened too often" in (await call.details() or "")
        assert guest.node.port_counts().refused[ErrorCode.LIMIT_REACHED] >= 1


def test_callers_of_many_certificates_are_bounded() -> None:
    """A full table of callers refuses new ones until some have been quiet; each has its own budget."""
    openings = Openings()
    for number in range(CALLERS_MAX):
        assert openings.allows(number.to_bytes(4), 0)
    assert not openings.allows(b"one more", 0)
    assert all(openings.allows((0).to_bytes(4), 0) for _ in range(OPENINGS.burst - 1))
    assert not openings.allows((0).to_bytes(4), 0)
    assert openings.allows(b"one more", S)


@pytest.mark.asyncio
async def test_a_neighbour_closed_for_a_limit_stays_out_for_a_while() -> None:
    """After the router has closed a session with LIMIT_REACHED, streams of that neighbour are refused."""

    def close(one: Input) -> list[CloseSession]:
        if not isinstance(one, FrameReceived):
            return []
        return [CloseSession(neighbor=one.neighbor, code=ErrorCode.LIMIT_REACHED, reason="enough")]

    async with visiting(RecordingCore(script=close)) as guest:
        call = guest.call()
        await call.write(b"anything")
        assert await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        await until(lambda: not guest.core.up)
        again = guest.call()
        assert await again.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "come back in" in (await again.details() or "")
        assert len(guest.core.ups()) == 1


@pytest.mark.asyncio
async def test_a_connection_that_says_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who connects and does not finish the handshake in time is disconnected."""
    monkeypatch.setattr(channel_options, "HANDSHAKE_MAX_MS", 300)
    async with visiting() as guest:
        for said in (b"", b"\x16\x03\x01"):
            reader, writer = await asyncio.open_connection("127.0.0.1", guest.node.port)
            writer.write(said)
            async with asyncio.timeout(20):
                with contextlib.suppress(ConnectionError):
                    assert await reader.read() == b""
            writer.close()
        assert guest.node.port_counts().streams_accepted == 0


@pytest.mark.asyncio
async def test_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections above the bound are closed at once; a neighbour that is connected stays."""
    monkeypatch.setattr(channel_options, "CONNECTIONS_SPARE", 4)
    async with visiting() as guest:
        call = guest.call()
        await call.write(b"first")
        await until(lambda: len(guest.core.frames()) == 1)
        opened = [await asyncio.open_connection("127.0.0.1", guest.node.port) for _ in range(12)]
        closed = [asyncio.create_task(reader.read()) for reader, _ in opened]
        await until(lambda: sum(one.done() for one in closed) >= 6)
        await call.write(b"second")
        await until(lambda: len(guest.core.frames()) == 2)
        for _, writer in opened:
            writer.close()
        await asyncio.gather(*closed, return_exceptions=True)


@pytest.mark.asyncio
async def test_a_frame_that_nobody_reads_ends_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """A neighbour that lets one write wait too long is given up, long before the queue is full."""
    monkeypatch.setattr(peer_stream, "STALL_S", 0.2)
    core = RecordingCore(greet_with(*[bytes(200_000)] * 4))
    async with visiting(core) as guest:
        call = guest.call()
        await call.wait_for_connection()
        await until(lambda: bool(core.up))
        await asyncio.sleep(0.5)
        core.script = lambda one: (
            [SendFrame(neighbor=one.neighbor, frame=b"x")] if isinstance(one, FrameReceived) else []
        )
        await call.write(b"are you there?")
        await until(lambda: bool(core.downs()))
        assert core.downs()[0].code is ErrorCode.LIMIT_REACHED
        call.cancel()
