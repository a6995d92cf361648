"""Opening the stream to one neighbour, again and again (SPEC section 5).

Who dials: a node dials every neighbour whose address it knows.  The higher
node id waits a moment first, for the lower one normally dials; when only one
side has an address, that side is the one that dials.  After an end or a
failure the dialler waits, each time longer, with jitter, so that many
neighbours of a restarted node do not come at once.  When a dial fails, it
finds out why and says so once.

Each attempt has its own channel: it takes the newest TLS leaf, shares no
connection with another neighbour, and gRPC's own back-off does not mix in.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import grpc
from cryptography import x509

from ioe_router.adapters.certificates import Leaf
from ioe_router.adapters.channel_options import channel_options
from ioe_router.adapters.loose_thread import in_loose_thread
from ioe_router.adapters.peer_server import ACCEPTED, METHOD, SERVICE, split_address
from ioe_router.adapters.peer_stream import Ended, of_status
from ioe_router.adapters.peer_table import PeerTable
from ioe_router.adapters.tls import channel_credentials
from ioe_router.adapters.tls_failure import Dial, explain_tls_failure
from ioe_router.model.clock import MS_PER_S
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import NodeId

_RANDOM: Final = secrets.SystemRandom()
_REFUSAL_S: Final = 0.5

# Refusals that stand until somebody does something about them.
_IN_VAIN: Final = frozenset(
    {
        ErrorCode.VERSION_MISMATCH,
        ErrorCode.NETWORK_MISMATCH,
        ErrorCode.PARAMETER_MISMATCH,
        ErrorCode.FEATURE_REQUIRED,
        ErrorCode.IDENTITY_MISMATCH,
        ErrorCode.CLOCK_UNSYNCED,
        ErrorCode.KEY_REVOKED,
        ErrorCode.UNKNOWN_LINK,
    }
)

Call = grpc.aio.StreamStreamCall[bytes, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Waiting times of a dialler, milliseconds; each wait is drawn between half of it and all of it."""

    grace_ms: int = 3_000  # how long the higher node id leaves the first dial to the lower one
    first_ms: int = 500
    longest_ms: int = 15_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Transport:
    """How a node treats its connections; `keepalive_ms` without a sign of life thrice is the end of one."""

    keepalive_ms: int = 5_000
    patience: Patience = Patience()


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A configured neighbour as the transport sees it: its pinned CA and, if known, its address."""

    node: NodeId
    ca: x509.Certificate
    address: str | None  # host:port


@dataclass(frozen=True, slots=True)
class Trouble:
    """A dial that failed; `lasting_ms` is how long the same code has come back."""

    neighbor: NodeId
    code: ErrorCode
    sentence: str
    lasting_ms: int


class Dialler:
    """Keeps a stream to one neighbour. `run` it as a task, cancel it to stop."""

    def __init__(
        self,
        table: PeerTable,
        peer: Peer,
        *,
        leaf: Callable[[], Leaf],
        transport: Transport,
        on_trouble: Callable[[Trouble], None],
        wall_utc_s: Callable[[], int],
    ) -> None:
        self._table = table
        self._neighbor = peer.node
        self._address = peer.address or ""
        self._host, self._port = split_address(self._address)
        self._ca = peer.ca
        self._leaf = leaf
        self._keepalive_ms = transport.keepalive_ms
        self._patience = transport.patience
        self._on_trouble = on_trouble
        self._wall_utc_s = wall_utc_s
        self._channel: grpc.aio.Channel | None = None
        self._call: Call | None = None
        self._abandoned = False
        self._retired = False
        self._failures = 0
        self._trouble_since: tuple[ErrorCode, float] | None = None
        table.diallers[peer.node] = self

    @property
    def opening(self) -> bool:
        """Whether the connection stands but the neighbour has not yet taken the stream."""
        return self._channel is not None and self._channel.get_state() is grpc.ChannelConnectivity.READY

    def abandon(self) -> None:
        """The neighbour's own stream was taken: drop the attempt that is being made, if any."""
        if self._call is not None:
            self._abandoned = True
            self._call.cancel()

    def retire(self) -> None:
        """Make no other attempt; a stream of this one that stands goes on until it is over."""
        self._retired = True
        self.abandon()

    async def run(self) -> None:
        """Dial whenever there is no live stream, until retired or the table is closing."""
        if self._table.node > self._neighbor:
            await asyncio.sleep(self._patience.grace_ms / MS_PER_S)
        while not (self._retired or self._table.closing or self._table.is_removed(self._neighbor)):
            await self._table.wait_until_free(self._neighbor)
            await asyncio.sleep(max(self._pause_s(), self._table.barred_s(self._neighbor)))
            if self._wanted():
                await self._attempt()

    def _wanted(self) -> bool:
        table, neighbor = self._table, self._neighbor
        if self._retired or table.closing:
            return False
        return not (table.is_removed(neighbor) or table.is_live(neighbor))

    def _pause_s(self) -> float:
        if self._failures == 0:
            return 0.0
        longest = min(self._patience.longest_ms, self._patience.first_ms << min(self._failures - 1, 16))
        return _RANDOM.uniform(longest / 2, longest) / MS_PER_S

    async def _attempt(self) -> None:
        """One channel, one stream; returns when the stream is over or could not be opened."""
        leaf = self._leaf()
        options = channel_options(self._neighbor, self._keepalive_ms)
        channel = grpc.aio.secure_channel(self._address, channel_credentials(leaf, self._ca), options)
        call: Call = channel.stream_stream(f"/{SERVICE}/{METHOD}")()
        try:
            if await self._open(channel, call, leaf):
                ended = await self._table.serve(self._neighbor, _ClientWire(call), dialer=True)
                # the next dial waits a little, whoever ended this one, and longer where dialling is in vain
                self._failures = self._failures + 1 if ended.code in _IN_VAIN else 1
        finally:
            self._channel = None
            call.cancel()
            await channel.close()

    async def _open(self, channel: grpc.aio.Channel, call: Call, leaf: Leaf) -> bool:
        """Wait for the neighbour to take the stream; False when it did not or came to us meanwhile."""
        self._channel, self._call, self._abandoned = channel, call, False
        try:
            await _until_accepted(call)
        except asyncio.CancelledError:
            if self._abandoned:
                return False
            raise
        except grpc.aio.AioRpcError as error:
            if self._wanted():
                self._failures += 1
                self._report(await self._explain(error, leaf))
            return False
        finally:
            self._channel = self._call = None
        self._trouble_since = None
        return self._wanted()

    async def _explain(self, error: grpc.aio.AioRpcError, leaf: Leaf) -> Ended:
        if error.code() is grpc.StatusCode.UNIMPLEMENTED:
            return Ended(ErrorCode.VERSION_MISMATCH, f"{self._address} is no energy router of this version")
        ended = of_status(error.code(), error.details() or "")
        if ended.code is not ErrorCode.NEIGHBOR_LOST:
            return ended
        dial = Dial(
            host=self._host,
            port=self._port,
            neighbor=self._neighbor,
            ca=self._ca,
            leaf=leaf,
            utc_s=self._wall_utc_s(),
        )
        return Ended(ErrorCode.NEIGHBOR_LOST, await in_loose_thread(lambda: explain_tls_failure(dial)))

    def _report(self, ended: Ended) -> None:
        now = asyncio.get_running_loop().time()
        if self._trouble_since is None or self._trouble_since[0] is not ended.code:
            self._trouble_since = (ended.code, now)
        lasting_ms = int((now - self._trouble_since[1]) * MS_PER_S)
        self._on_trouble(Trouble(self._neighbor, ended.code, ended.reason, lasting_ms))


async def _until_accepted(call: Call) -> None:
    """Return once the neighbour has taken the stream; raises AioRpcError when it refuses.

    gRPC reports the headers of a refusal as if they were those of a stream, so
    the accepting side says ACCEPTED in its headers; one that does not is given
    a moment in which its refusal would arrive.
    """
    await call.wait_for_connection()
    if ACCEPTED not in tuple(await call.initial_metadata()):
        code = asyncio.ensure_future(call.code())
        await asyncio.wait((code,), timeout=_REFUSAL_S)
        if not code.done():
            code.cancel()
            return
        details = await call.details()
        raise grpc.aio.AioRpcError(code.result(), grpc.aio.Metadata(), grpc.aio.Metadata(), details=details)


class _ClientWire:
    """The dialler's end of a stream."""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def open(self) -> None:
        """Nothing to say: the neighbour has taken the stream."""

    async def read(self) -> object:
        message = await self._call.read()
        if isinstance(message, bytes):
            return message
        code, details = await self._call.code(), await self._call.details()
        if code is not grpc.StatusCode.OK:
            raise grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details=details)
        return message

    async def write(self, message: bytes) -> None:
        await self._call.write(message)

    async def part(self) -> bool:
        await self._call.done_writing()
        return True
