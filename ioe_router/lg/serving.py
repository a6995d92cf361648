"""The process: from lg.toml to a web server that asks the nodes until it is told to stop.

What the configuration names is checked before anything listens.  The server is
bounded: connections at a time, bytes of a request's head, seconds of an idle
connection.  It says once where it is to be found, and otherwise logs only what
goes wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import uvicorn

from ioe_router.control.client import Address
from ioe_router.daemon.errors import ConfigRefused, StartRefused
from ioe_router.lg.app import make_app
from ioe_router.lg.reading import ControlledNode
from ioe_router.lg.settings import NodeSection, Settings, address_of, read_settings, slug
from ioe_router.lg.watch import Watch, Watched
from ioe_router.lg.words import count

OWN_ONLY_FROM: Final = 17  # nodes; from here on each is asked for what is its own
_UNIX: Final = "unix:"
_CONNECTIONS_MAX: Final = 256
_HEAD_BYTES_MAX: Final = 16_384
_IDLE_S: Final = 15
_STOP_S: Final = 3


def serve(config: Path) -> None:
    """Serve until SIGTERM or SIGINT. ConfigRefused or StartRefused, one sentence each, when it cannot."""
    settings = read_settings(config)
    watch = watch_of(settings, config)
    host, port = address_of(settings.looking_glass.listen, str(config))
    server = _Server(
        uvicorn.Config(
            make_app(watch, settings.looking_glass),
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_CONNECTIONS_MAX,
            h11_max_incomplete_event_size=_HEAD_BYTES_MAX,
            timeout_keep_alive=_IDLE_S,
            timeout_graceful_shutdown=_STOP_S,
            ws="none",
        )
    )
    with _listening(host, port, settings.looking_glass.listen) as door:
        shown = f"[{host}]" if ":" in host else host
        server.greeting = (
            f"looking at {count(len(settings.node), 'node')} on http://{shown}:{door.getsockname()[1]}/"
        )
        server.run(sockets=[door])


class _Server(uvicorn.Server):
    """Says when it serves, and ends in good order, with code 0, when it is told to."""

    greeting = ""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Say where the pages are as soon as they are there."""
        await super().startup(sockets)
        if self.started:
            print(self.greeting, file=sys.stderr, flush=True)  # noqa: T201 - its user waits for this

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at SIGTERM and SIGINT; uvicorn's own version raises them again behind itself."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


def watch_of(settings: Settings, config: Path) -> Watch:
    """What asks the nodes of a configuration. ConfigRefused: a file or time zone that is not there."""
    section = settings.looking_glass
    try:
        ZoneInfo(section.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigRefused(
            f"{config}: looking_glass.time_zone is {section.time_zone!r};"
            " write a name such as Europe/Berlin (tzdata of the system holds the list)"
        ) from error
    own_only = len(settings.node) >= OWN_ONLY_FROM
    nodes = [
        (
            Watched(name=node.name, slug=slug(node.name), key_sha256=node.key_sha256),
            ControlledNode(control_address(node, config), own_only=own_only),
        )
        for node in settings.node
    ]
    return Watch(nodes, section.poll_s)


def control_address(node: NodeSection, config: Path) -> Address:
    """Where a node is asked. ConfigRefused: neither a socket nor host:port with certificates."""
    if node.control.startswith(_UNIX):
        return Address(path=(config.parent / node.control.removeprefix(_UNIX)).absolute())
    host, _, port = node.control.rpartition(":")
    if not host or not port.isdigit():
        raise ConfigRefused(
            f"{config}: control of {node.name!r} is {node.control!r};"
            " write unix:PATH of its control socket, or host:port"
        )
    if node.tls is None:
        raise ConfigRefused(
            f"{config}: {node.name!r} is asked over TCP, which needs certificates;"
            " name a folder in tls ('ioe control-key' makes a certificate)"
        )
    folder = config.parent / node.tls
    return Address(
        target=node.control,
        certificate=_pem(folder / "client.crt", config, node),
        key=_pem(folder / "client.key", config, node),
        server_certificate=_pem(folder / "node.crt", config, node),
    )


def _pem(path: Path, config: Path, node: NodeSection) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigRefused(
            f"{config}: {path} for {node.name!r} cannot be read ({error.strerror});"
            " put client.crt and client.key of this looking glass and node.crt of the node there"
        ) from error


def _listening(host: str, port: int, listen: str) -> socket.socket:
    """A listening socket. StartRefused: the port is taken or not allowed."""
    try:
        return socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=128
        )
    except OSError as error:
        raise StartRefused(
            f"the looking glass cannot listen on {listen} ({os.strerror(error.errno or 0)});"
            " stop what uses the port, or choose another in looking_glass.listen"
        ) from error
