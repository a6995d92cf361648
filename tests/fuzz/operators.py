"""Files that operators hand to each other or write by hand: of trust domains, of paired peers, of links."""

from __future__ import annotations

import base64
import contextlib
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Final, cast

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from ioe_router.adapters.certificates import (
    claimed_node,
    issue_ca,
    issue_leaf,
    issue_operational,
    parse_ca,
    public_bytes,
    trace_chain,
)
from ioe_router.adapters.domain_files import (
    read_certificate,
    read_trust,
    usable_trust,
    write_certificate,
    write_trust,
)
from ioe_router.adapters.keystore import create_identity, node_pub
from ioe_router.adapters.root_keys import create_root, load_root, read_root_pub
from ioe_router.daemon.assembly import Plan
from ioe_router.daemon.link_terms import attestation_of, read_terms
from ioe_router.daemon.pairing import read_card
from ioe_router.daemon.peer_files import read_peers
from ioe_router.model.errors import PeerError
from ioe_router.model.ids import NodeId, node_id_of
from ioe_router.model.pairing import Card
from ioe_router.sim.keys import SimIdentity
from tests.fuzz.readers import WALL_UTC_S, refused, workshop
from tests.fuzz.session import VICTIM, recorded
from tests.fuzz.targets import Target, demand, headed_octets, headed_texts
from tests.realm import Realm
from tests.simulation.pair import PARAMETERS, START_UTC_S
from tests.tidy.product import ROOT

PEM_HEAD: Final = b"-----BEGIN CERTIFICATE-----\n"
PEM_TAIL: Final = b"-----END CERTIFICATE-----\n"
DOMAIN: Final = ("trust.json", "member.json", "root.pub", "root.pem")
PEERS: Final = ("east.toml", "east.node.pub", "terms.toml")


def _changed(folder: Path, names: tuple[str, ...], data: bytes, read: Callable[[Path], None]) -> None:
    """Read one of the files with other contents, then put the old ones back."""
    path = folder / names[data[0] % len(names) if data else 0]
    before = path.read_bytes()
    path.write_bytes(data[1:])
    try:
        read(path)
    finally:
        path.write_bytes(before)


def _whole(folder: Path, names: tuple[str, ...]) -> list[bytes]:
    return [bytes([i]) + (folder / name).read_bytes() for i, name in enumerate(names)]


# ------------------------------------------------------------------ domains


@cache
def _domain() -> Path:
    """A domain with two lists, one member, and the key of one operator."""
    folder = workshop() / "domain"
    create_root(folder, None)
    realm = Realm("a", PARAMETERS.network_id, START_UTC_S - 3_600)
    me: SimIdentity = recorded().ids[VICTIM]
    realm.remove(recorded().node("c"))
    write_trust(folder / "trust.json", realm.lists)
    write_certificate(folder / "member.json", realm.admit(me.node))
    return folder


def domain(data: bytes) -> None:
    """A trust list, a certificate, or a root key with other contents."""
    _changed(_domain(), DOMAIN, data, _read_domain)


def _read_domain(path: Path) -> None:
    match path.name:
        case "trust.json":
            refused(lambda: usable_trust(read_trust(path), PARAMETERS.network_id, str(path)))
        case "member.json":
            refused(lambda: read_certificate(path))
        case "root.pub":
            refused(lambda: read_root_pub(path))
        case _:
            refused(lambda: load_root(path.parent, None))


def domain_seeds() -> list[bytes]:
    """Each file as it is."""
    return _whole(_domain(), DOMAIN)


# ------------------------------------------------------------------ peers and links


@cache
def _peers() -> Path:
    """A paired neighbour, and the terms of a link."""
    folder = workshop() / "peers"
    identity = create_identity(workshop() / "east", wall_utc_s=WALL_UTC_S)
    folder.mkdir()
    (folder / "east.node.pub").write_text(node_pub(identity.ca), encoding="utf-8")
    (folder / "east.toml").write_text(
        'node_pub = "east.node.pub"\nattestation = "east.attestation"\naddress = "192.0.2.1:7443"\n',
        encoding="utf-8",
    )
    terms = next((ROOT / "examples").rglob("*link*.toml"), None)
    shutil.copy(terms or folder / "east.toml", folder / "terms.toml")
    return folder


def peers(data: bytes) -> None:
    """A peer's file, its node.pub, or the terms of a link with other contents."""
    _changed(_peers(), PEERS, data, _read_peers)


def _read_peers(path: Path) -> None:
    if path.name == "terms.toml":
        node = recorded().node
        where = {"mine": node("a"), "neighbor": node("b"), "network_id": "village", "utc_s": WALL_UTC_S}
        refused(lambda: attestation_of(read_terms(path), **where))  # type: ignore[arg-type]
    else:
        refused(lambda: read_peers(path.parent))


def peers_seeds() -> list[bytes]:
    """Each file as it is."""
    return _whole(_peers(), PEERS)


# ------------------------------------------------------------------ certificates

PINNED_SEED: Final = bytes(range(32))


@cache
def _certificates() -> tuple[dict[NodeId, x509.Certificate], tuple[bytes, ...]]:
    """Whom a node has pinned, and the chain that this neighbour shows: leaf, intermediate, CA."""
    identity = Ed25519PrivateKey.from_private_bytes(PINNED_SEED)
    operational = Ed25519PrivateKey.from_private_bytes(PINNED_SEED[::-1])
    ca = issue_ca(identity, WALL_UTC_S)
    between = issue_operational(identity, public_bytes(operational), 1, WALL_UTC_S, 86_400)
    node = node_id_of(public_bytes(identity))
    leaf = x509.load_pem_x509_certificate(issue_leaf(node, operational, between, WALL_UTC_S).chain_pem)
    return {node: ca}, tuple(one.public_bytes(Encoding.DER) for one in (leaf, between, ca))


def certificates(data: bytes) -> None:
    """One certificate of a chain with other bytes, wherever somebody else's certificates are read."""
    pinned, chain = _certificates()
    place = data[0] % len(chain) if data else 0
    shown = [*chain[:place], data[1:], *chain[place + 1 :]]
    texts = [PEM_HEAD + base64.encodebytes(one) + PEM_TAIL for one in shown]
    found = trace_chain(texts[0], texts[1], pinned, WALL_UTC_S)
    demand(isinstance(found, str) or found.node in pinned, "a chain leads to a node that is not pinned")
    claimed_node(shown[place])
    refused(lambda: parse_ca(texts[place], "file"))
    card = Card(network_id=PARAMETERS.network_id, ca_der=shown[place], port=7443)
    with contextlib.suppress(PeerError):
        read_card(card, _plan(), WALL_UTC_S)


@cache
def _plan() -> Plan:
    """As much of a node as the reader of cards looks at."""
    plan = SimpleNamespace(parameters=PARAMETERS, node=recorded().node(VICTIM), neighbors=())
    return cast("Plan", plan)


def certificates_seeds() -> list[bytes]:
    """Each certificate of a chain."""
    return [bytes([i]) + one for i, one in enumerate(_certificates()[1])]


OPERATORS: Final = (
    Target(
        name="certificates",
        says="X.509 certificates that others show",
        run=certificates,
        seeds=certificates_seeds,
        mutate=headed_octets,
        modules=("adapters.certificates",),
    ),
    Target(
        name="domain",
        says="trust lists, certificates and root keys on disk",
        run=domain,
        seeds=domain_seeds,
        mutate=headed_texts,
        modules=("adapters.domain_files", "adapters.root_keys", "codec.root_signing"),
    ),
    Target(
        name="peers",
        says="paired peers and link terms",
        run=peers,
        seeds=peers_seeds,
        mutate=headed_texts,
        modules=("daemon.peer_files", "daemon.link_terms"),
    ),
)
