"""Where the control service is served: a local socket, one for viewers, TCP with mutual TLS.

The operator's socket has mode 0660: whoever may write to it may do everything.
A second socket, of the same mode, serves what only reads; give its group to a
looking glass.  On TCP a caller shows a certificate that the configuration
lists among the operators or among the viewers; any other is turned away by
TLS.

A socket file that an earlier life has left behind is replaced; one behind
which somebody answers is not.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from ioe_router.control._pb import control_pb2 as pb
from ioe_router.control._pb.control_pb2_grpc import add_ControlServiceServicer_to_server
from ioe_router.control._pb.operation_pb2_grpc import add_OperationServiceServicer_to_server
from ioe_router.control.address import SOCKET_PATH_BYTES_MAX, socket_uri, too_long
from ioe_router.control.operation import OperationService
from ioe_router.control.served import Served
from ioe_router.control.service import Context, ControlService
from ioe_router.model.errors import UsageError

SOCKET_MODE: Final = 0o660
MESSAGE_BYTES_MAX: Final = 1 << 20
_UMASK: Final = 0o777 & ~SOCKET_MODE


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpDoor:
    """TCP with mutual TLS; all PEM. Certificates are matched whole, not by who issued them."""

    listen: str  # host:port
    certificate: bytes
    key: bytes
    operators: tuple[bytes, ...]
    viewers: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """Where to serve; None: not there."""

    socket: Path | None = None
    read_only_socket: Path | None = None
    tcp: TcpDoor | None = None


class SocketTaken(UsageError):
    """Another daemon answers at a socket."""


class ControlServer:
    """Serves one node at its doors."""

    def __init__(self, served: Served, doors: Doors) -> None:
        self._served = served
        self._doors = doors
        self._servers: list[grpc.aio.Server] = []
        self._made: list[Path] = []
        self.port: int | None = None  # of TCP

    async def start(self) -> None:
        """Open the doors. UsageError names one that cannot be opened; then none is."""
        try:
            if self._doors.socket is not None:
                await self._open_socket(self._doors.socket, pb.ACCESS_OPERATOR)
            if self._doors.read_only_socket is not None:
                await self._open_socket(self._doors.read_only_socket, pb.ACCESS_VIEWER)
            if self._doors.tcp is not None:
                await self._open_tcp(self._doors.tcp)
        except UsageError:
            await self.stop()
            raise

    async def stop(self, grace_s: float = 0.2) -> None:
        """Close the doors; calls under way have a moment to end."""
        for server in self._servers:
            await server.stop(grace_s)
        self._servers.clear()
        for path in self._made:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
        self._made.clear()

    async def _open_socket(self, path: Path, access: pb.Access.ValueType) -> None:
        make_way(path)
        server = self._server(ControlService(self._served, lambda _context: access))
        before = os.umask(_UMASK)
        try:
            server.add_insecure_port(socket_uri(path))
        except RuntimeError as error:
            sentence = f"the control socket {path} cannot be made ({error}); look at its folder"
            raise UsageError(sentence) from error
        finally:
            os.umask(before)
        self._made.append(path)
        path.chmod(SOCKET_MODE)
        await server.start()

    async def _open_tcp(self, door: TcpDoor) -> None:
        operators = frozenset(map(fingerprint, door.operators))
        server = self._server(ControlService(self._served, lambda context: _access(context, operators)))
        credentials = grpc.ssl_server_credentials(
            [(door.key, door.certificate)],
            root_certificates=b"\n".join((*door.operators, *door.viewers)),
            require_client_auth=True,
        )
        try:
            self.port = server.add_secure_port(door.listen, credentials)
        except RuntimeError as error:
            sentence = f"control.listen {door.listen} cannot be used ({error}); is the port taken?"
            raise UsageError(sentence) from error
        await server.start()

    def _server(self, service: ControlService) -> grpc.aio.Server:
        server = grpc.aio.server(
            options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX)]
        )
        add_ControlServiceServicer_to_server(service, server)
        if self._served.operator is not None:
            operation = OperationService(self._served.operator, service.enter)
            add_OperationServiceServicer_to_server(operation, server)
        self._servers.append(server)
        return server


def make_way(path: Path) -> None:
    """Remove a socket that nobody answers at. UsageError: somebody does, or it is something else."""
    if too_long(path):
        raise UsageError(
            f"the path of the control socket {path} is longer than the {SOCKET_PATH_BYTES_MAX} bytes that"
            " the operating system takes; name a shorter one in control.socket"
        )
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise UsageError(
                f"the folder of the control socket {path} does not exist; make it, or name another"
            ) from None
        return
    if not stat.S_ISSOCK(mode):
        raise UsageError(f"{path} is there already and is no socket; name another in control.socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink()
            return
    raise SocketTaken(
        f"another daemon answers at the control socket {path}; stop it, or name another in control.socket"
    )


def fingerprint(certificate_pem: bytes) -> bytes:
    """SHA-256 of a certificate."""
    return x509.load_pem_x509_certificate(certificate_pem).fingerprint(hashes.SHA256())


def _access(context: Context, operators: frozenset[bytes]) -> pb.Access.ValueType:
    """By the certificate that the caller has shown; TLS has made sure that it is a listed one."""
    shown = tuple(context.auth_context().get("x509_pem_cert", ()))
    is_operator = len(shown) == 1 and fingerprint(shown[0]) in operators
    return pb.ACCESS_OPERATOR if is_operator else pb.ACCESS_VIEWER
