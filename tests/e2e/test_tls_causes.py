"""Who is turned away by TLS, over real sockets; the dialling side and the listener say why."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ioe_router.adapters.certificates import Leaf, issue_leaf, issue_operational, public_bytes, tls_name
from ioe_router.adapters.dialler import Trouble
from ioe_router.adapters.keystore import (
    Identity,
    Operational,
    load_identity,
    make_operational,
    read_node_pub,
)
from ioe_router.adapters.node import Host
from ioe_router.model.ids import NodeId
from tests.e2e.daemons import Daemon, wait_for
from tests.e2e.node_files import attest_link, ioe_ok
from tests.e2e.two_nodes import Pair, make_pair
from tests.unit.adapters.rig import NETWORK, QUICK, RecordingCore, new_keys, node_of, until, wall

DAY_S = 86_400
Make = Callable[[Identity], tuple[Operational, int]]


def _operational(identity: Identity, wall_utc_s: int) -> Operational:
    return make_operational(
        identity, network_id=NETWORK, serial=9, issued_utc_s=wall(), wall_utc_s=wall_utc_s, lifetime_s=DAY_S
    )


def _of_a_stranger(_east: Identity) -> tuple[Operational, int]:
    return new_keys()[1], 0


def _expired(east: Identity) -> tuple[Operational, int]:
    return _operational(east, wall() - 10 * DAY_S), -10 * DAY_S


def _not_yet_valid(east: Identity) -> tuple[Operational, int]:
    return _operational(east, wall() + 10 * DAY_S), 10 * DAY_S


def _in_anothers_name(east: Identity) -> tuple[Operational, int]:
    """The chain of the neighbour, with a leaf for another node: what a stolen operational key could try."""

    class Forger(Operational):
        def leaf(self, wall_utc_s: int) -> Leaf:
            return issue_leaf(new_keys()[0].node, self.key, self.certificate, wall_utc_s)

    held = _operational(east, wall())
    forger = Forger(node=held.node, key=held.key, certificate=held.certificate, statement=held.statement)
    return forger, 0


def _of_anothers_identity(_east: Identity) -> tuple[Operational, int]:
    """A chain in the neighbour's name that somebody else's identity has issued."""
    thief, _ = new_keys()
    key = Ed25519PrivateKey.generate()
    forged = issue_operational(thief.key, public_bytes(key), 1, wall(), DAY_S)
    _, held = new_keys()
    return Operational(node=_east.node, key=key, certificate=forged, statement=held.statement), 0


async def _dial(operational: Operational, offset_s: int, west: NodeId, pair: Pair) -> Trouble:
    """What the dialling side says first."""
    troubles: list[Trouble] = []
    _, ca = read_node_pub(pair.west.parent / "keys" / "node.pub")
    host = Host(transport=QUICK, on_trouble=troubles.append, wall_utc_s=lambda: wall() + offset_s)
    core = RecordingCore()
    node = node_of(
        core,
        operational,
        [(Identity(node=west, key=operational.key, ca=ca), f"127.0.0.1:{pair.west_port}")],
        host=host,
    )
    await node.start(epoch=1)
    node.dial()
    try:
        await until(lambda: bool(troubles))
    finally:
        await node.stop()
    assert not core.ups()
    return troubles[0]


@pytest.mark.parametrize(
    ("make", "dialling", "listening"),
    [
        (_of_a_stranger, "add this node's node.pub to its neighbours", "no configured neighbour has issued"),
        (_expired, "which has expired by its clock; set this machine's clock", "certificate has expired"),
        (_not_yet_valid, "not valid yet by its clock; synchronise the clocks", "is not valid yet"),
        (
            _in_anothers_name,
            "refused this node's certificate",
            "for another node than its issuer may speak for",
        ),
        (_of_anothers_identity, "refused this node's certificate", "no configured neighbour has issued"),
    ],
)
def test_a_certificate_that_is_refused_is_named_on_both_sides(
    tmp_path: Path,
    start: Callable[[Path], Daemon],
    make: Make,
    dialling: str,
    listening: str,
) -> None:
    """A caller with a wrong, an expired, a future or a forged certificate gets no stream; both say why."""
    pair = make_pair(tmp_path)
    west = start(pair.west)
    wait_for(lambda: west.said("Started"))
    operational, offset_s = make(load_identity(tmp_path / "east" / "keys"))
    node = load_identity(tmp_path / "west" / "keys").node
    trouble = asyncio.run(_dial(operational, offset_s, node, pair))
    assert dialling in trouble.sentence
    wait_for(lambda: west.said("CallerRefused"))
    assert listening in str(west.said("CallerRefused")[0]["cause"])
    assert not west.said("NeighborUp")
    assert west.stop() == 0
    for line in west.log_path.read_text().splitlines():
        assert json.loads(line), "nothing of gRPC's own stands in the log"


def _context(leaf: Leaf | None, newest: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = newest
    context.set_alpn_protocols(["h2"])
    if leaf is not None:
        with tempfile.NamedTemporaryFile() as file:
            file.write(leaf.key_pem + leaf.chain_pem)
            file.flush()
            context.load_cert_chain(file.name)
    return context


def _is_answered(context: ssl.SSLContext, port: int, node: NodeId) -> bool:
    try:
        with (
            socket.create_connection(("127.0.0.1", port), 10) as plain,
            context.wrap_socket(plain, server_hostname=tls_name(node)) as secure,
        ):
            return bool(secure.recv(1))
    except OSError:
        return False


@pytest.mark.parametrize(
    ("newest", "shown", "cause"),
    [
        (ssl.TLSVersion.TLSv1_2, True, "it speaks no TLS 1.3; it has to be brought up to date"),
        (ssl.TLSVersion.TLSv1_3, False, "it presents no certificate"),
    ],
)
def test_a_handshake_of_another_kind_is_refused_and_named(
    tmp_path: Path, start: Callable[[Path], Daemon], newest: ssl.TLSVersion, shown: bool, cause: str
) -> None:
    """A neighbour's certificate over TLS 1.2, and TLS 1.3 without one, come to nothing; the log says why."""
    pair = make_pair(tmp_path)
    west = start(pair.west)
    wait_for(lambda: west.said("Started"))
    east = load_identity(tmp_path / "east" / "keys")
    leaf = _operational(east, wall()).leaf(wall()) if shown else None
    assert not _is_answered(_context(leaf, newest), pair.west_port, east.node)
    wait_for(lambda: west.said("CallerRefused"))
    assert cause in str(west.said("CallerRefused")[0]["cause"])
    assert west.stop() == 0


def test_a_neighbour_in_another_network_is_named_on_both_sides(
    tmp_path: Path, start: Callable[[Path], Daemon]
) -> None:
    """A configured neighbour that runs in another network is refused; both logs say so, with the remedy."""
    pair = make_pair(tmp_path)
    (tmp_path / "east" / "keys" / "operational.json").unlink()
    ioe_ok("identity", "rotate", "--network", "elsewhere", cwd=tmp_path / "east")
    attest_link(tmp_path, "west", "east", "elsewhere", "elsewhere.attestation")
    text = pair.east.read_text().replace('network_id = "pair"', 'network_id = "elsewhere"')
    pair.east.write_text(text.replace("link.attestation", "elsewhere.attestation"))
    west, east = start(pair.west), start(pair.east)
    for daemon in (west, east):
        line = _mismatch(daemon)
        assert line["remedy"] == "the network_id differs; correct it"
    assert not west.said("NeighborUp") + east.said("NeighborUp")
    assert [west.stop(), east.stop()] == [0, 0]


def _mismatch(daemon: Daemon) -> dict[str, object]:
    def found() -> list[dict[str, object]]:
        return [line for line in daemon.said("NeighborDown") if line["code"] == "NETWORK_MISMATCH"]

    wait_for(found)
    return found()[0]
