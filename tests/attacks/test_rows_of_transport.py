"""Attack list, rows that are played over real sockets: 18 and 25."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import TypeVar

from ioe_router.adapters import channel_options
from ioe_router.adapters.keystore import Identity, Operational
from ioe_router.adapters.node import Node
from tests.attacks.attack import Swap, attack, holds
from tests.attacks.http2 import (
    ENHANCE_YOUR_CALM,
    GOAWAY,
    HEADERS,
    MAX_CONCURRENT_STREAMS,
    MAX_HEADER_LIST_SIZE,
    PING,
    Connection,
    frame,
    headers,
)
from tests.mutants.patching import Edit
from tests.unit.adapters.rig import RecordingCore, node_of, sorted_keys, wall

T = TypeVar("T")
SESSION = "/ioe.v1.PeerService/Session"
PINGS = 400
WHOLE = channel_options.server_options
METADATA = ("grpc.max_metadata_size", "grpc.absolute_max_metadata_size")


def at_the_port(play: Callable[[int, Operational, Identity, Node], T]) -> T:
    """Play against a node that listens; the attacker has the certificate of a configured neighbour."""

    async def stage() -> T:
        (a, a_op), (b, b_op) = sorted_keys()
        node = node_of(RecordingCore(), b_op, [(a, None)])
        port = await node.start(epoch=1)
        try:
            return await asyncio.to_thread(play, port, a_op, b, node)
        finally:
            await node.stop()

    return asyncio.run(stage())


@attack(18, without=[Edit("adapters.tls:identify_client", "if version != TLS_VERSION:", "if False:")])
def test_row_18_a_neighbour_that_speaks_an_older_tls() -> None:
    """A configured neighbour connects with TLS 1.2: no stream of it is accepted."""

    def play(port: int, me: Operational, whom: Identity, node: Node) -> int:
        with (
            contextlib.suppress(OSError),
            Connection(port, me.leaf(wall()), whom, ssl.TLSVersion.TLSv1_2) as line,
        ):
            line.send(headers(1, SESSION))
            next((one for one in line.frames() if one.kind == HEADERS), None)
        return node.port_counts().streams_accepted

    holds(at_the_port(play) == 0, "no session is served over anything older than TLS 1.3")


def _without(*names: str) -> Callable[[int, int], list[channel_options.Option]]:
    """The options of the listening server less some."""
    return lambda keepalive_ms, neighbors: [
        one for one in WHOLE(keepalive_ms, neighbors) if one[0] not in names
    ]


@attack(
    25,
    without=[
        Swap("adapters.channel_options:server_options", _without("grpc.max_concurrent_streams", *METADATA))
    ],
)
def test_row_25_streams_and_headers_without_number() -> None:
    """Before anything else the victim says how many streams and how much metadata it bears."""

    def play(port: int, me: Operational, whom: Identity, _: Node) -> dict[int, int]:
        with Connection(port, me.leaf(wall()), whom) as line:
            return line.settings()

    settings = at_the_port(play)
    holds(settings.get(MAX_CONCURRENT_STREAMS) == channel_options.STREAMS_MAX, "8 streams of a connection")
    holds(settings.get(MAX_HEADER_LIST_SIZE) == channel_options.METADATA_BYTES_MAX, "8 192 bytes of metadata")


def _patient(keepalive_ms: int, neighbors: int) -> list[channel_options.Option]:
    """A server that never takes a ping amiss."""
    rest = _without("grpc.http2.max_ping_strikes")(keepalive_ms, neighbors)
    return [*rest, ("grpc.http2.max_ping_strikes", 0)]


@attack(25, without=[Swap("adapters.channel_options:server_options", _patient)])
def test_row_25_a_flood_of_pings() -> None:
    """Hundreds of pings at once: the victim says GOAWAY and hangs up."""

    def play(port: int, me: Operational, whom: Identity, _: Node) -> bool:
        with Connection(port, me.leaf(wall()), whom) as line:
            line.send(headers(1, SESSION))
            line.send(b"".join(frame(PING, number.to_bytes(8)) for number in range(PINGS)))
            answered = 0
            for one in line.frames():
                answered += one.kind == PING
                if answered == PINGS:
                    line.hush()
                if one.kind == GOAWAY and one.payload[4:8] == ENHANCE_YOUR_CALM:
                    return True
        return False

    holds(at_the_port(play), "who pings without end is sent away")
