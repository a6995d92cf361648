"""Attack list, rows that are played over real sockets: 18 and 25."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import pytest

from ioe_router.adapters import channel_options
from ioe_router.adapters.certificates import Leaf, parse_ca
from ioe_router.adapters.keystore import Identity, Operational
from ioe_router.adapters.node import Node
from tests.attacks.attack import Swap, attack, holds
from tests.attacks.http2 import (
    GOAWAY,
    HEADERS,
    MAX_CONCURRENT_STREAMS,
    MAX_HEADER_LIST_SIZE,
    PING,
    Connection,
    frame,
    headers,
)
from tests.tidy.product import ROOT
from tests.unit.adapters.rig import RecordingCore, node_of, sorted_keys, wall

T = TypeVar("T")
SESSION = "/ioe.v1.PeerService/Session"
PINGS = 400
TOO_MANY_PINGS = b"too_many_pings"  # why gRPC goes away; there are other reasons
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


@dataclass(frozen=True, slots=True)
class InTheVictim:
    """What the victim's process does before it imports the product: nothing, or what takes a defence out."""

    script: str

    def apply(self, patch: pytest.MonkeyPatch) -> None:
        """The next victim begins with this."""
        patch.setattr(sys.modules[__name__], "BEFOREHAND", self.script)


BEFOREHAND = ""
RUN = "import runpy; runpy.run_module('tests.attacks.tls_victim', run_name='__main__')"
# The product has said which ciphers gRPC may use as soon as it is imported; that is taken back.
ANY_TLS = """
import os
import ioe_router.adapters
del os.environ["GRPC_SSL_CIPHER_SUITES"]
import ioe_router.adapters.peer_server
import pytest
from mutants.patching import Edit
where, old = "adapters.tls:identify_client", "if version != TLS_VERSION:"
Edit(where, old, "if False:").apply(pytest.MonkeyPatch())
"""


@attack(18, without=[InTheVictim(ANY_TLS)])
def test_row_18_a_neighbour_that_speaks_an_older_tls() -> None:
    """A configured neighbour connects with TLS 1.2: no stream of it is accepted."""
    command = [sys.executable, "-c", BEFOREHAND + RUN]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as victim:
        assert victim.stdin is not None
        assert victim.stdout is not None
        told = json.loads(victim.stdout.readline())
        leaf = Leaf(key_pem=told["key"].encode(), chain_pem=told["chain"].encode(), expires_utc_s=0)
        _, ca = parse_ca(told["ca"], "the victim's certificate")
        with contextlib.suppress(OSError), Connection(told["port"], leaf, ca, ssl.TLSVersion.TLSv1_2) as line:
            line.send(headers(1, SESSION))
            next((one for one in line.frames() if one.kind == HEADERS), None)
        victim.stdin.write("\n")
        victim.stdin.flush()
        accepted = json.loads(victim.stdout.readline())["accepted"]
    holds(accepted == 0, "no session is served over anything older than TLS 1.3")


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
        with Connection(port, me.leaf(wall()), whom.ca) as line:
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
        with Connection(port, me.leaf(wall()), whom.ca) as line:
            line.send(headers(1, SESSION))
            line.send(b"".join(frame(PING, number.to_bytes(8)) for number in range(PINGS)))
            answered = 0
            for one in line.frames():
                answered += one.kind == PING
                if answered == PINGS:
                    line.hush()
                if one.kind == GOAWAY and one.payload.endswith(TOO_MANY_PINGS):
                    return True
        return False

    holds(at_the_port(play), "who pings without end is sent away")
