"""Operational keys of a node whose identity key lies elsewhere (SPEC section 4.2), by two files.

    on the box                              where the identity key is
    ioe identity rotate    -> request  ->   ioe identity certify
    ioe identity rotate    <- certificate, and a revocation of that key to keep

The private key never leaves the box, or the process that holds it; the identity
key never comes there.  The box adds the second signature, by which the new key
agrees, when it takes the certificate.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ioe_router.adapters.certificates import UNREADABLE, issue_operational, key_of, pem, public_bytes
from ioe_router.adapters.envelope_json import envelope_from_json, envelope_to_json, parse_json_object
from ioe_router.adapters.external_signer import is_external
from ioe_router.adapters.files import read_file, read_private, write_private, write_whole
from ioe_router.adapters.keystore import (
    Identity,
    Operational,
    last_serial,
    load_ca,
    load_private,
    private_pem,
    save_operational,
)
from ioe_router.codec.keys import certify_half, prove_possession
from ioe_router.codec.signing import Ed25519Signer
from ioe_router.model.bech32m import node_short, node_text
from ioe_router.model.discovery import OperationalKey
from ioe_router.model.envelope import Envelope, Sealed
from ioe_router.model.errors import PeerError, UsageError

REQUEST_FORMAT: Final = "ioe-key-request-1"
CERTIFICATE_FORMAT: Final = "ioe-key-certificate-1"
NEXT_KEY: Final = "next-operational.pem"
ISSUED: Final = "issued.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRequest:
    """What is to be certified: a public key, for a node in a network, with a serial above `after_serial`."""

    network_id: str
    node: str  # text form
    operational_key: bytes
    after_serial: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyCertificate:
    """What comes back: the statement with the identity's signature, and the X.509 certificate."""

    statement: Envelope
    certificate: x509.Certificate


def request_key(keys: Path, network_id: str, external: Ed25519PrivateKey | None = None) -> KeyRequest:
    """Make the next private key, or find it again, and say what is to be certified."""
    node, _ = load_ca(keys)
    path = keys / NEXT_KEY
    key = external
    if key is None and path.exists():
        key = load_private(path, read_private(path, ""), None)
    if key is None:
        key = Ed25519PrivateKey.generate()
        write_private(path, private_pem(key, None))
    return KeyRequest(
        network_id=network_id,
        node=node_text(node),
        operational_key=public_bytes(key),
        after_serial=last_serial(keys),
    )


def certify_request(
    keys: Path, identity: Identity, request: KeyRequest, utc_s: int, lifetime_s: int
) -> tuple[KeyCertificate, OperationalKey]:
    """Certify a key with the identity, and remember its serial. UsageError when it is of another node."""
    if request.node != node_text(identity.node):
        raise UsageError(
            f"the request is of {request.node[:12]}..., this identity is {node_short(identity.node)};"
            " certify it with the identity that it is for"
        )
    serial = max(request.after_serial, issued_serial(keys, request.network_id)) + 1
    body = OperationalKey(
        network_id=request.network_id,
        identity_key=public_bytes(identity.key),
        operational_key=request.operational_key,
        serial=serial,
        issued_utc_s=utc_s,
        expires_utc_s=utc_s + lifetime_s,
    )
    statement = certify_half(body, identity.signer)
    certificate = issue_operational(identity.key, body.operational_key, serial, utc_s, lifetime_s)
    _remember(keys, request.network_id, serial)
    return KeyCertificate(statement=statement, certificate=certificate), body


def install_key(keys: Path, given: KeyCertificate, external: Ed25519PrivateKey | None = None) -> Operational:
    """Take a certificate for the key that was requested, and put it in force. UsageError: not that key's."""
    node, ca = load_ca(keys)
    path = keys / NEXT_KEY
    key = external or load_private(path, read_private(path, "request a key with 'ioe identity rotate'"), None)
    try:
        statement: Sealed[OperationalKey] = prove_possession(given.statement, Ed25519Signer(key))
        given.certificate.verify_directly_issued_by(ca)
    except (PeerError, ValueError, TypeError, ArithmeticError) as error:
        raise UsageError(f"the certificate is not for the requested key ({error}); get it again") from error
    if statement.signers != (node,) or key_of(given.certificate) != statement.body.operational_key:
        raise UsageError("the certificate is of another node; take the one made for this box")
    operational = Operational(node=node, key=key, certificate=given.certificate, statement=statement)
    save_operational(keys, operational)
    if not is_external(key):
        path.unlink()
    return operational


def issued_serial(keys: Path, network_id: str) -> int:
    """The highest serial that was certified here for a network, 0 for none."""
    path = keys / ISSUED
    if not path.exists():
        return 0
    serial = parse_json_object(path.read_bytes(), None, str(path)).get(network_id, 0)
    if not isinstance(serial, int):
        raise UsageError(f"{path} is damaged; restore it from a backup")
    return serial


def _remember(keys: Path, network_id: str, serial: int) -> None:
    path = keys / ISSUED
    fields = parse_json_object(path.read_bytes(), None, str(path)) if path.exists() else {}
    write_whole(path, (json.dumps({**fields, network_id: serial}, indent=2) + "\n").encode())


# ------------------------------------------------------------------ files


def write_request(path: Path, request: KeyRequest) -> None:
    """Write a request for the machine with the identity key."""
    fields = {
        "format": REQUEST_FORMAT,
        "network_id": request.network_id,
        "node": request.node,
        "operational_key": request.operational_key.hex(),
        "after_serial": request.after_serial,
    }
    write_whole(path, (json.dumps(fields, indent=2) + "\n").encode())


def read_request(path: Path) -> KeyRequest:
    """Read a request. UsageError when it is none."""
    content = read_file(path, "make it on the box with 'ioe identity rotate'")
    fields = parse_json_object(content, REQUEST_FORMAT, str(path))
    try:
        key, serial = bytes.fromhex(str(fields["operational_key"])), fields["after_serial"]
        if not isinstance(serial, int):
            raise TypeError("after_serial is no number")
        return KeyRequest(
            network_id=str(fields["network_id"]),
            node=str(fields["node"]),
            operational_key=key,
            after_serial=serial,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path} is damaged ({error}); make the request again") from error


def write_certificate(path: Path, given: KeyCertificate) -> None:
    """Write a certificate for the box."""
    fields = {
        "format": CERTIFICATE_FORMAT,
        "statement": envelope_to_json(given.statement),
        "certificate": pem(given.certificate).decode(),
    }
    write_whole(path, (json.dumps(fields, indent=2) + "\n").encode())


def read_certificate(path: Path) -> KeyCertificate:
    """Read a certificate. UsageError when it is none."""
    content = read_file(path, "make it with 'ioe identity certify'")
    fields = parse_json_object(content, CERTIFICATE_FORMAT, str(path))
    try:
        certificate = x509.load_pem_x509_certificate(str(fields.get("certificate")).encode())
    except UNREADABLE as error:
        raise UsageError(f"{path} is damaged ({error}); get it again") from error
    return KeyCertificate(
        statement=envelope_from_json(fields.get("statement"), str(path)), certificate=certificate
    )
