"""The listening side of the peer port: `ioe.v1.PeerService/Session` (SPEC section 5).

Whoever completes TLS holds the key of some configured neighbour; which one is
checked here before the stream counts.  Garbage never gets this far: gRPC drops
it, and the count of begun handshakes is all that can be seen of it.
"""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable, Mapping
from typing import Final

import grpc
from cryptography import x509

from ioe_router.adapters.certificates import Caller, Leaf
from ioe_router.adapters.channel_options import server_options
from ioe_router.adapters.openings import Openings
from ioe_router.adapters.peer_stream import Ended
from ioe_router.adapters.peer_table import PeerTable
from ioe_router.adapters.tls import ServerIdentity, first_of, identify_client
from ioe_router.model.errors import ErrorCode, UsageError
from ioe_router.model.ids import NodeId

SERVICE: Final = "ioe.v1.PeerService"
METHOD: Final = "Session"
PORT_MAX: Final = 65_535
ACCEPTED: Final = ("ioe-session", "accepted")  # in the response headers of a stream that stands

_STATUS: Final = {
    ErrorCode.NOT_A_NEIGHBOR: grpc.StatusCode.PERMISSION_DENIED,
    ErrorCode.KEY_REVOKED: grpc.StatusCode.PERMISSION_DENIED,
    ErrorCode.DUPLICATE_IDENTITY: grpc.StatusCode.ALREADY_EXISTS,
    ErrorCode.CONFLICT: grpc.StatusCode.ABORTED,
    ErrorCode.LIMIT_REACHED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ErrorCode.SHUTTING_DOWN: grpc.StatusCode.UNAVAILABLE,
}

Context = grpc.aio.ServicerContext[bytes, bytes]


class PeerServer:
    """Serves neighbours until stopped. `listen` is `host:port`, port 0 a free one; empty: nobody."""

    def __init__(
        self,
        table: PeerTable,
        *,
        listen: str,
        leaf: Leaf,
        pinned: Mapping[NodeId, x509.Certificate],
        keepalive_ms: int,
        wall_utc_s: Callable[[], int],
    ) -> None:
        self.identity = ServerIdentity(leaf, pinned)
        self.unknown_calls = 0
        self.streams_accepted = 0
        self._table = table
        self._listen = listen
        self._keepalive_ms = keepalive_ms
        self._wall_utc_s = wall_utc_s
        self._openings = Openings()
        self._server: grpc.aio.Server | None = None

    async def start(self) -> int:
        """Bind, serve, and return the port, 0 without one. UsageError when the address cannot be bound."""
        if not self._listen:
            return 0
        server = grpc.aio.server(options=server_options(self._keepalive_ms, len(self.identity.pinned)))
        session: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_stream_rpc_method_handler(self._session)
        known = grpc.method_handlers_generic_handler(SERVICE, {METHOD: session})
        server.add_generic_rpc_handlers((known, _Unknown(self)))
        try:
            port = server.add_secure_port(self._listen, self.identity.credentials())
        except RuntimeError as error:
            raise UsageError(explain_bind_failure(self._listen)) from error
        await server.start()
        self._server = server
        return port

    async def stop(self, grace_s: float) -> None:
        """Stop listening; streams still open after `grace_s` are cancelled."""
        if self._server is not None:
            await self._server.stop(grace_s)
            self._server = None

    async def _session(self, _requests: object, context: Context) -> None:
        auth, now_ns = context.auth_context(), time.monotonic_ns()
        if not self._openings.allows(first_of(auth, "x509_pem_cert"), now_ns):
            await self._refuse_opening(context)
            return
        caller = identify_client(auth, self.identity.pinned, self._wall_utc_s())
        if not isinstance(caller, str) and not self._openings.allows(caller.node, now_ns):
            await self._refuse_opening(context)
        elif isinstance(caller, str):
            self._table.refused[ErrorCode.NOT_A_NEIGHBOR] += 1
            await _refuse(context, Ended(ErrorCode.NOT_A_NEIGHBOR, caller))
        elif (refusal := self._table.refusal(caller.node)) is not None:
            await _refuse(context, refusal)
        else:
            self.streams_accepted += 1
            await self._serve(caller, context)

    async def _refuse_opening(self, context: Context) -> None:
        self._table.refused[ErrorCode.LIMIT_REACHED] += 1
        await _refuse(context, Ended(ErrorCode.LIMIT_REACHED, "streams are opened too often; wait a minute"))

    async def _serve(self, caller: Caller, context: Context) -> None:
        wire, key = _ServerWire(context), caller.operational_key
        ended = await self._table.serve(caller.node, wire, dialer=False, transport_key=key)
        if ended.code in _STATUS and not context.cancelled():
            await _refuse(context, ended)


class _ServerWire:
    """The server's end of a stream."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def open(self) -> None:
        await self._context.send_initial_metadata((ACCEPTED,))

    async def read(self) -> object:
        return await self._context.read()

    async def write(self, message: bytes) -> None:
        await self._context.write(message)

    async def part(self) -> bool:
        return False  # returning from the call says it


class _Unknown(grpc.GenericRpcHandler):
    """Counts calls to anything else on the port; gRPC answers them with UNIMPLEMENTED."""

    def __init__(self, server: PeerServer) -> None:
        self._server = server

    def service(self, _call: grpc.HandlerCallDetails) -> None:
        self._server.unknown_calls += 1


async def _refuse(context: Context, ended: Ended) -> None:
    status = _STATUS.get(ended.code, grpc.StatusCode.FAILED_PRECONDITION)
    await context.abort(status, f"{ended.code.name}: {ended.reason}")


def split_address(address: str) -> tuple[str, int]:
    """Host and port of `host:port` or `[v6]:port`. UsageError when it is neither."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or int(port) > PORT_MAX:
        raise UsageError(
            f"address {address!r} is not host:port; write for example 192.0.2.1:7443 or [2001:db8::1]:7443"
        )
    return host.removeprefix("[").removesuffix("]"), int(port)


def explain_bind_failure(listen: str) -> str:
    """Why an address could not be listened on, by binding it once with a plain socket."""
    host, port = split_address(listen)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((host, port))
    except OSError as error:
        return _bind_sentence(listen, error)
    return f"{listen} could not be listened on; try again or choose another port"


def _bind_sentence(listen: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port of {listen} is already in use; stop the program that holds it or choose another port"
    if error.errno == errno.EACCES:
        return f"{listen} may not be listened on by this user; choose a port above 1023"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{listen} is no address of this machine; correct the host or use 0.0.0.0"
    return f"{listen} cannot be listened on ({error.strerror or error}); correct the address"
