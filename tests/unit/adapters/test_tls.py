"""TLS between nodes over real sockets: what is refused, and what the dialler says about it."""

from __future__ import annotations

import asyncio
import socket
import ssl
import tempfile

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ioe_router.adapters.certificates import (
    Caller,
    issue_leaf,
    issue_operational,
    parse_ca,
    pem,
    public_bytes,
    tls_name,
    trace_chain,
)
from ioe_router.adapters.dialler import Trouble
from ioe_router.adapters.keystore import Identity, Operational, make_operational
from ioe_router.adapters.node import Host, Node
from ioe_router.model.bech32m import node_short
from ioe_router.model.errors import UsageError
from tests.unit.adapters.rig import (
    NETWORK,
    QUICK,
    RecordingCore,
    greet_with,
    new_keys,
    node_of,
    sorted_keys,
    until,
    wall,
)

DAY_S = 86_400


async def _first_trouble(
    caller: tuple[Identity, Operational],
    wanted: Identity,
    address: str,
) -> tuple[Trouble, RecordingCore]:
    """Dial until the first failure; the core tells whether a session came up all the same."""
    troubles: list[Trouble] = []
    core = RecordingCore()
    node = node_of(
        core, caller[1], [(wanted, address)], host=Host(transport=QUICK, on_trouble=troubles.append)
    )
    await node.start(epoch=1)
    node.dial()
    try:
        await until(lambda: bool(troubles))
    finally:
        await node.stop()
    return troubles[0], core


async def _serving(
    operational: Operational, *known: Identity, host: Host | None = None
) -> tuple[Node, RecordingCore, str]:
    core = RecordingCore()
    node = node_of(core, operational, [(identity, None) for identity in known], host=host)
    port = await node.start(epoch=1)
    return node, core, f"127.0.0.1:{port}"


@pytest.mark.asyncio
async def test_nobody_listens() -> None:
    """A refused connection is named as such, with whom to start."""
    (b, _) = new_keys()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    trouble, _core = await _first_trouble(new_keys(), b, f"127.0.0.1:{port}")
    assert (
        trouble.sentence
        == f"nothing listens at 127.0.0.1:{port}; start {node_short(b.node)} or correct its address"
    )


@pytest.mark.asyncio
async def test_foreign_client_is_refused() -> None:
    """A node that the listener does not list gets no session, and is told to have itself added."""
    (a, _), (b, b_op) = sorted_keys()
    node, core, address = await _serving(b_op, a)
    trouble, mine = await _first_trouble(new_keys(), b, address)
    await node.stop()
    assert "refused this node's certificate" in trouble.sentence
    assert "add this node's node.pub" in trouble.sentence
    assert not core.ups() + mine.ups()


@pytest.mark.asyncio
async def test_wrong_identity_is_named() -> None:
    """Another node at the wanted address is refused, and the sentence says who is there."""
    a, (c, c_op) = new_keys(), new_keys()
    wanted, _ = new_keys()
    node, core, address = await _serving(c_op, a[0])
    trouble, mine = await _first_trouble(a, wanted, address)
    await node.stop()
    assert f"wrong identity: {node_short(c.node)} answers at {address}" in trouble.sentence
    assert not core.ups() + mine.ups()


@pytest.mark.asyncio
async def test_expired_certificate_is_named() -> None:
    """A neighbour whose chain has expired is refused with that cause."""
    a = new_keys()
    b, _ = new_keys(wall() - 10 * DAY_S)
    old = make_operational(
        b, network_id=NETWORK, serial=1, issued_utc_s=wall(), wall_utc_s=wall() - 10 * DAY_S, lifetime_s=DAY_S
    )
    asleep = Host(transport=QUICK, wall_utc_s=lambda: wall() - 10 * DAY_S)
    node, core, address = await _serving(old, a[0], host=asleep)
    trouble, mine = await _first_trouble(a, b, address)
    await node.stop()
    assert "has expired; it must renew its operational key" in trouble.sentence
    assert not core.ups() + mine.ups()


@pytest.mark.asyncio
async def test_certificate_from_the_future_points_at_the_clocks() -> None:
    """A chain that begins later than our clock is refused, and the sentence speaks of the clocks."""
    a, b = new_keys(), new_keys(wall() + DAY_S)
    ahead = Host(transport=QUICK, wall_utc_s=lambda: wall() + DAY_S)
    node, core, address = await _serving(b[1], a[0], host=ahead)
    trouble, mine = await _first_trouble(a, b[0], address)
    await node.stop()
    assert "not valid yet; the two machines' clocks differ" in trouble.sentence
    assert not core.ups() + mine.ups()


@pytest.mark.asyncio
async def test_plain_service_is_not_tls() -> None:
    """A port that answers without TLS is named as not speaking TLS."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    trouble, _core = await _first_trouble(new_keys(), new_keys()[0], f"127.0.0.1:{port}")
    server.close()
    assert "does not speak TLS; correct the address or the port" in trouble.sentence


@pytest.mark.asyncio
async def test_old_tls_version_is_named() -> None:
    """A server that ends at TLS 1.2 is named as outdated by the explanation."""
    a, (b, b_op) = new_keys(), new_keys()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    leaf = b_op.leaf(wall())
    with tempfile.NamedTemporaryFile() as file:
        file.write(leaf.key_pem + leaf.chain_pem)
        file.flush()
        context.load_cert_chain(file.name)

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    trouble, _core = await _first_trouble(a, b, f"127.0.0.1:{port}")
    server.close()
    assert "speaks no TLS 1.3" in trouble.sentence


def _throw(port: int, content: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), 3) as thrower:
        thrower.sendall(content)
        thrower.settimeout(3)
        try:
            while thrower.recv(4_096):
                pass
        except OSError:
            pass


def _shake_hands_without_certificate(port: int, name: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with socket.create_connection(("127.0.0.1", port), 3) as plain:
        try:
            with context.wrap_socket(plain, server_hostname=name) as secure:
                secure.recv(1)
        except OSError:
            pass


@pytest.mark.asyncio
async def test_garbage_on_the_peer_port() -> None:
    """Garbage, HTTP/1 and TLS without a certificate count as handshakes, and neighbours are still served."""
    (a, a_op), (b, b_op) = sorted_keys()
    node, core, address = await _serving(b_op, a)
    core.script = greet_with(b"still here")
    port = int(address.rpartition(":")[2])
    for content in (
        b"\x00" * 500,
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\xff\xff" + b"\xaa" * 2_000,
    ):
        await asyncio.to_thread(_throw, port, content)
    await asyncio.to_thread(_shake_hands_without_certificate, port, tls_name(b.node))
    assert node.port_counts().handshakes == 4
    assert node.port_counts().streams_accepted == 0
    mine = RecordingCore()
    caller = node_of(mine, a_op, [(b, address)])
    await caller.start(epoch=1)
    caller.dial()
    try:
        await until(lambda: mine.frames() == [b"still here"])
        assert node.port_counts().streams_accepted == 1
    finally:
        await caller.stop()
        await node.stop()


def test_chain_is_traced_to_its_own_ca_only() -> None:
    """A chain counts for the node whose CA issued it, not for another pinned node, nor after its end."""
    (a, a_op), (c, c_op) = new_keys(), new_keys()
    leaf, foreign = a_op.leaf(wall()), c_op.leaf(wall())
    first, rest = _split(leaf.chain_pem)
    _, foreign_rest = _split(foreign.chain_pem)
    pinned = {a.node: a.ca, c.node: c.ca}
    assert trace_chain(first, rest, pinned, wall()) == Caller(a.node, a_op.statement.body.operational_key)
    assert "no valid chain" in str(trace_chain(first, foreign_rest, pinned, wall()))
    assert "no valid chain" in str(trace_chain(first, b"", pinned, wall()))
    assert "no valid chain" in str(trace_chain(first, rest, pinned, wall() + DAY_S))
    assert "names no configured neighbour" in str(trace_chain(first, rest, {c.node: c.ca}, wall()))
    assert "cannot be read" in str(trace_chain(b"x", rest, pinned, wall()))


def test_forged_intermediate_is_not_believed() -> None:
    """A complete chain in a neighbour's name, issued by somebody else's identity, counts for nobody."""
    (a, _), (thief, _) = new_keys(), new_keys()
    key = Ed25519PrivateKey.generate()
    forged = issue_operational(thief.key, public_bytes(key), 1, wall(), DAY_S)
    leaf, intermediate = _split(issue_leaf(a.node, key, forged, wall()).chain_pem)
    pinned = {a.node: a.ca, thief.node: thief.ca}
    assert "no valid chain to the pinned CA" in str(trace_chain(leaf, intermediate, pinned, wall()))


def test_pinned_ca_must_match_its_own_name() -> None:
    """A certificate whose key is not that of the node it names cannot be pinned."""
    (a, a_op) = new_keys()
    assert parse_ca(pem(a.ca), "here")[0] == a.node
    with pytest.raises(UsageError, match=r"here: no usable CA certificate"):
        parse_ca("nonsense", "here")
    leaf, intermediate = _split(a_op.leaf(wall()).chain_pem)
    with pytest.raises(UsageError, match="the CA certificate's key is not that of"):
        parse_ca(leaf, "here")
    with pytest.raises(UsageError, match="no usable CA certificate"):
        parse_ca(intermediate, "here")


def _split(chain_pem: bytes) -> tuple[bytes, bytes]:
    end = b"-----END CERTIFICATE-----\n"
    first, rest = chain_pem.split(end, 1)
    return first + end, rest
