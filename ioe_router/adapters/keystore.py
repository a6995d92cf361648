"""A node's keys on disk (SPEC section 4): who may read them, how they are made, loaded and renewed.

    <directory>/identity.pem         Ed25519 private key, PKCS#8, mode 0600, passphrase if wanted
    <directory>/ca.pem               the CA certificate that neighbours pin
    <directory>/node.pub             node id and CA certificate in one file, to hand to neighbours
    <directory>/operational-N.pem    Ed25519 private key, PKCS#8, mode 0600
    <directory>/operational.json     serial N, its intermediate certificate and its OperationalKey object

The identity key is needed to renew the operational key, to attest links and to
revoke, and for nothing else: its file may lie elsewhere while the node runs.  `operational.json` names the
key in force and is replaced whole, so a crash in a renewal leaves one good key.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ioe_router.adapters.certificates import (
    OPERATIONAL_LIFETIME_S,
    UNREADABLE,
    Leaf,
    expires_utc_s,
    issue_ca,
    issue_leaf,
    issue_operational,
    parse_ca,
    pem,
    public_bytes,
)
from ioe_router.adapters.envelope_json import envelope_from_json, envelope_to_json, parse_json_object
from ioe_router.adapters.external_signer import ExternalSigner, is_external
from ioe_router.adapters.files import make_directory, read_file, read_private, write_private, write_whole
from ioe_router.codec.keys import KeyRing, certify
from ioe_router.codec.sealing import CodecSealer
from ioe_router.codec.signing import Ed25519Signer
from ioe_router.model.bech32m import node_text
from ioe_router.model.clock import Now
from ioe_router.model.discovery import OperationalKey
from ioe_router.model.envelope import Sealed
from ioe_router.model.errors import PeerError, UsageError
from ioe_router.model.ids import NodeId, node_id_of

NODE_FORMAT: Final = "ioe-node-1"
_MAKE_IDENTITY: Final = "make an identity with 'ioe identity new'"
_IS_ENCRYPTED: Final = (
    "it is encrypted; give its passphrase by a file descriptor, a credential, a private file or at a terminal"
)
_KEYS_MAX: Final = 8_192


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The identity key with the CA certificate it issued."""

    node: NodeId
    key: Ed25519PrivateKey
    ca: x509.Certificate

    @property
    def signer(self) -> Ed25519Signer:
        """What signs the node's certificates, attestations and revocations."""
        return Ed25519Signer(self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operational:
    """An operational key: its certificate is for TLS (wall time), its statement for the core (its clock)."""

    node: NodeId
    key: Ed25519PrivateKey
    certificate: x509.Certificate
    statement: Sealed[OperationalKey]

    @property
    def signer(self) -> Ed25519Signer:
        """What signs the node's objects."""
        return Ed25519Signer(self.key)

    def leaf(self, wall_utc_s: int) -> Leaf:
        """A fresh TLS leaf of a few hours."""
        return issue_leaf(self.node, self.key, self.certificate, wall_utc_s)

    def sealer(self, now: Now) -> CodecSealer:
        """A codec that signs as this node and knows this key; more keys are learned through its `ring`."""
        ring = KeyRing(network_id=self.statement.body.network_id, limit=_KEYS_MAX)
        ring.learn(self.statement, now)
        return CodecSealer(ring=ring, signer=self.signer, node=self.node, now=now)


# ------------------------------------------------------------------ identity


def make_identity(wall_utc_s: int) -> Identity:
    """A new identity in memory."""
    key = Ed25519PrivateKey.generate()
    return Identity(node=node_id_of(public_bytes(key)), key=key, ca=issue_ca(key, wall_utc_s))


def create_identity(directory: Path, *, wall_utc_s: int, passphrase: bytes | None = None) -> Identity:
    """A new identity on disk. UsageError when the directory holds one already: none is ever overwritten."""
    identity = make_identity(wall_utc_s)
    make_directory(directory)
    write_private(directory / "identity.pem", private_pem(identity.key, passphrase))
    write_whole(directory / "ca.pem", pem(identity.ca))
    write_whole(directory / "node.pub", node_pub(identity.ca).encode())
    return identity


def load_identity(directory: Path, *, passphrase: bytes | None = None) -> Identity:
    """The identity in a directory. UsageError names what is missing, open to others or damaged."""
    path = directory / "identity.pem"
    key = load_private(path, read_private(path, _MAKE_IDENTITY), passphrase)
    node, ca = load_ca(directory)
    if node_id_of(public_bytes(key)) != node:
        raise UsageError(
            f"{path} and ca.pem beside it belong to different nodes; restore both from one backup"
        )
    return Identity(node=node, key=key, ca=ca)


def is_encrypted(directory: Path) -> bool:
    """Whether the identity key in a directory asks for a passphrase. UsageError when there is none."""
    return b"ENCRYPTED" in read_private(directory / "identity.pem", _MAKE_IDENTITY).split(b"\n", 1)[0]


def load_ca(directory: Path) -> tuple[NodeId, x509.Certificate]:
    """Node id and CA certificate of the node in a directory, without its private key."""
    path = directory / "ca.pem"
    return parse_ca(read_file(path, _MAKE_IDENTITY), str(path))


def node_pub(ca: x509.Certificate) -> str:
    """The text of a node.pub file: what a neighbour needs to know this node by."""
    node, _ = parse_ca(pem(ca), "own CA certificate")
    fields = {"format": NODE_FORMAT, "node": node_text(node), "ca_certificate": pem(ca).decode()}
    return json.dumps(fields, indent=2) + "\n"


def read_node_pub(path: Path) -> tuple[NodeId, x509.Certificate]:
    """Node id and CA certificate of a neighbour's node.pub. UsageError when it is none."""
    content = read_file(path, "ask the neighbour for its node.pub and put it there")
    fields = parse_json_object(content, NODE_FORMAT, str(path))
    node, ca = parse_ca(str(fields.get("ca_certificate", "")), str(path))
    if fields.get("node") != node_text(node):
        raise UsageError(
            f"{path}: node id and CA certificate differ; ask the neighbour for its node.pub again"
        )
    return node, ca


# ------------------------------------------------------------------ operational key


def make_operational(
    identity: Identity,
    *,
    network_id: str,
    serial: int,
    issued_utc_s: int,
    wall_utc_s: int,
    lifetime_s: int = OPERATIONAL_LIFETIME_S,
    key: Ed25519PrivateKey | None = None,
) -> Operational:
    """A new operational key in memory; `issued_utc_s` is by the core's clock, in a scenario not wall time.

    `key` is one that exists already, in an external signer.
    """
    key = key or Ed25519PrivateKey.generate()
    body = OperationalKey(
        network_id=network_id,
        identity_key=public_bytes(identity.key),
        operational_key=public_bytes(key),
        serial=serial,
        issued_utc_s=issued_utc_s,
        expires_utc_s=issued_utc_s + lifetime_s,
    )
    return Operational(
        node=identity.node,
        key=key,
        certificate=issue_operational(identity.key, body.operational_key, serial, wall_utc_s, lifetime_s),
        statement=certify(body, identity=Ed25519Signer(identity.key), operational=Ed25519Signer(key)),
    )


def save_operational(directory: Path, operational: Operational) -> None:
    """Put a new operational key in force; the one before is deleted."""
    serial = operational.statement.body.serial
    path = directory / f"operational-{serial}.pem"
    path.unlink(missing_ok=True)  # left by a crash before operational.json named it
    external = is_external(operational.key)
    if not external:
        write_private(path, private_pem(operational.key, None))
    fields = {
        "serial": serial,
        "external": external,
        "certificate": pem(operational.certificate).decode(),
        "statement": envelope_to_json(operational.statement.envelope),
    }
    write_whole(directory / "operational.json", (json.dumps(fields, indent=2) + "\n").encode())
    for old in directory.glob("operational-*.pem"):
        if old != path:
            old.unlink()


def load_operational(
    directory: Path, network_id: str, now: Now, external: ExternalSigner | None = None
) -> Operational | None:
    """The operational key in force, None when none was made. UsageError when it is unusable here.

    `external` is asked for a key that is not in the directory; SignerLost when it does not hold it.
    """
    path = directory / "operational.json"
    if not path.exists():
        return None
    fields = parse_json_object(read_file(path, _MAKE_IDENTITY), None, str(path))
    key = _key_in_force(directory, path, fields, external)
    node, _ = load_ca(directory)
    ring = KeyRing(network_id=network_id, limit=1)
    codec = CodecSealer(ring=ring, signer=Ed25519Signer(key), node=node, now=now)
    try:
        statement = codec.open(envelope_from_json(fields.get("statement"), str(path)), OperationalKey)
        certificate = x509.load_pem_x509_certificate(str(fields.get("certificate")).encode())
    except (PeerError, *UNREADABLE) as error:
        raise UsageError(
            f"{path}: no valid operational key for network {network_id!r} ({error});"
            " renew it with 'ioe identity rotate'"
        ) from error
    if statement.body.operational_key != public_bytes(key) or statement.signers != (node,):
        raise UsageError(f"{path} does not match its key file; renew it with 'ioe identity rotate'")
    return Operational(node=node, key=key, certificate=certificate, statement=statement)


def held_elsewhere(directory: Path) -> bool:
    """Whether an external signer holds the operational key in force."""
    path = directory / "operational.json"
    return path.exists() and bool(parse_json_object(path.read_bytes(), None, str(path)).get("external"))


def _key_in_force(
    directory: Path, path: Path, fields: dict[str, object], external: ExternalSigner | None
) -> Ed25519PrivateKey:
    if not fields.get("external"):
        key_path = directory / f"operational-{fields.get('serial')}.pem"
        return load_private(key_path, read_private(key_path, "renew it with 'ioe identity rotate'"), None)
    if external is None:
        raise UsageError(f"{path} names a key that an external signer holds; configure it as node.signer")
    envelope = envelope_from_json(fields.get("statement"), str(path))
    return external.key(envelope.signatures[-1].key if envelope.signatures else b"")


def renew_operational(
    directory: Path,
    identity: Identity,
    *,
    network_id: str,
    now: Now,
    wall_utc_s: int,
    lifetime_s: int,
    key: Ed25519PrivateKey | None = None,
) -> Operational:
    """Make the next operational key, or certify this one, and put it in force."""
    renewed = make_operational(
        identity,
        network_id=network_id,
        serial=last_serial(directory) + 1,
        issued_utc_s=now.utc_s,
        wall_utc_s=wall_utc_s,
        lifetime_s=lifetime_s,
        key=key,
    )
    save_operational(directory, renewed)
    return renewed


def refuse_expired(operational: Operational, ca: x509.Certificate, now: Now, wall_utc_s: int) -> None:
    """UsageError when a key cannot be used at this instant; the sentence says which, and the remedy."""
    if wall_utc_s < int(ca.not_valid_before_utc.timestamp()):
        raise UsageError("this machine's clock shows a time before the identity was made; set the clock")
    if wall_utc_s >= expires_utc_s(ca):
        raise UsageError(
            f"the CA certificate of this identity expired on {ca.not_valid_after_utc:%Y-%m-%d};"
            " make a new identity and hand its node.pub to the neighbours"
        )
    body = operational.statement.body
    if wall_utc_s >= expires_utc_s(operational.certificate) or now.utc_s >= body.expires_utc_s:
        expired = f"{operational.certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
        raise UsageError(f"the operational key expired on {expired}; renew it with 'ioe identity rotate'")
    if now.utc_s + 60 < body.issued_utc_s:
        raise UsageError("this machine's clock is before the issue of its operational key; set the clock")


def last_serial(directory: Path) -> int:
    """The serial of the operational key in force, 0 without one."""
    path = directory / "operational.json"
    if not path.exists():
        return 0
    serial = parse_json_object(path.read_bytes(), None, str(path)).get("serial")
    if not isinstance(serial, int):
        raise UsageError(f"{path} has no serial number; restore it from a backup")
    return serial


def private_pem(key: Ed25519PrivateKey, passphrase: bytes | None) -> bytes:
    """A private key as PEM, encrypted when there is a passphrase."""
    lock: serialization.KeySerializationEncryption = (
        serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    )
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)


def load_private(path: Path, content: bytes, passphrase: bytes | None) -> Ed25519PrivateKey:
    """The private key in a PEM file that was read from `path`. UsageError names what is wrong with it."""
    try:
        key = serialization.load_pem_private_key(content, passphrase)
    except TypeError as error:  # how the library tells of a passphrase missing or too much
        remedy = "no passphrase is needed, leave it out" if passphrase else _IS_ENCRYPTED
        raise UsageError(f"{path}: {remedy}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        cause = "the passphrase is wrong or the file is damaged" if passphrase else "it is damaged"
        raise UsageError(
            f"{path} cannot be loaded: {cause}; try again or restore it from a backup"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"{path} holds no Ed25519 key; {_MAKE_IDENTITY}")
    return key
