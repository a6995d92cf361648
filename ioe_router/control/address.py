"""Where a daemon is asked: a local socket, or host and port with the caller's certificate."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from ioe_router.model.errors import UsageError

SOCKET_PATH_BYTES_MAX: Final = 107  # what the operating system takes


def too_long(path: Path) -> bool:
    """Whether no socket can have this path."""
    return len(os.fsencode(path)) > SOCKET_PATH_BYTES_MAX


def socket_uri(path: Path) -> str:
    """A socket as gRPC names it."""
    return f"unix:{quote(str(path))}"


class Unreachable(UsageError):
    """Nobody answers there; the text says why and what to do."""


class NotRunning(Unreachable):
    """No daemon serves there."""


class NotAllowed(Unreachable):
    """There is one, but this user may not ask it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where to ask: `path` of a socket, or `target` host:port with PEM files."""

    path: Path | None = None
    target: str | None = None
    certificate: bytes = b""
    key: bytes = b""
    server_certificate: bytes = b""

    @property
    def text(self) -> str:
        """For people."""
        return str(self.path) if self.path is not None else self.target or ""

    @property
    def uri(self) -> str:
        """For gRPC."""
        return socket_uri(self.path) if self.path is not None else self.target or ""

    def probe(self) -> None:
        """Raise the reason why a local socket cannot be asked: NotRunning or NotAllowed."""
        if self.path is None:
            return
        if too_long(self.path):
            sentence = f"{self.path} is longer than the {SOCKET_PATH_BYTES_MAX} bytes that a socket can have"
            raise NotRunning(f"no daemon serves here: {sentence}; name a shorter one in control.socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(str(self.path))
            except PermissionError as error:
                raise NotAllowed(
                    f"this user may not use the control socket {self.path}; ask as the user or group that"
                    " owns it, or use the read-only socket if there is one"
                ) from error
            except OSError as error:
                raise NotRunning(_not_running(self.path, error)) from error


def _not_running(path: Path, error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return f"no daemon runs here: there is no socket {path}; start one with 'ioe run --config node.toml'"
    if error.errno == errno.ECONNREFUSED:
        return f"the daemon of {path} has ended without tidying up; start it again with 'ioe run'"
    return f"the control socket {path} cannot be used ({error.strerror}); check the path"
