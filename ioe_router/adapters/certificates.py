"""The X.509 side of a node's identity (SPEC sections 4 and 5): three certificates in a row.

    identity key (Ed25519)     self-issued CA certificate, years; what a neighbour pins
      operational key (Ed25519)  intermediate CA, days; the same key signs the node's objects
        TLS key (P-256)            leaf, hours; the key never leaves memory

The CA certificate carries a critical name constraint `<node id>.ioe.internal`,
so whatever is issued below it can speak for this one node only.  Validity is
judged on wall time and by TLS alone; the core judges the OperationalKey object
on its own clock (protocol decision 10.12).

Decided here: names, lifetimes, extensions, and how a presented chain is traced
back to a pinned CA.  Not here: files (keystore.py) and gRPC (tls.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ioe_router.model.bech32m import node_short, node_text, parse_node
from ioe_router.model.errors import UsageError
from ioe_router.model.ids import NodeId, node_id_of

DOMAIN: Final = "ioe.internal"
CA_LIFETIME_S: Final = 10 * 365 * 86_400
OPERATIONAL_LIFETIME_S: Final = 7 * 86_400
LEAF_LIFETIME_S: Final = 4 * 3_600
# What the library raises over bytes that are no certificate, or one of a kind that it does not know.
UNREADABLE: Final = (
    ValueError,
    TypeError,
    InvalidSignature,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
# A neighbour's clock may be up to 60 s behind ours and still be served (SPEC section 4).
BACKDATED_S: Final = 120

_CA_USAGE: Final = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)
_LEAF_USAGE: Final = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """What TLS presents: the private key and the chain (leaf, then intermediate), PEM."""

    key_pem: bytes
    chain_pem: bytes
    expires_utc_s: int


def tls_name(node: NodeId) -> str:
    """The DNS name that a node's TLS leaf carries."""
    return f"{node_text(node)}.{DOMAIN}"


def public_bytes(key: Ed25519PrivateKey | Ed25519PublicKey) -> bytes:
    """The 32 bytes of an Ed25519 public key."""
    public = key.public_key() if isinstance(key, Ed25519PrivateKey) else key
    return public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def pem(certificate: x509.Certificate) -> bytes:
    """A certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def expires_utc_s(certificate: x509.Certificate) -> int:
    """End of validity, UTC seconds."""
    return int(certificate.not_valid_after_utc.timestamp())


def issue_ca(identity: Ed25519PrivateKey, utc_s: int, lifetime_s: int = CA_LIFETIME_S) -> x509.Certificate:
    """The self-issued CA certificate that neighbours pin."""
    node = node_id_of(public_bytes(identity))
    name = _ca_name(node)
    constraint = x509.NameConstraints([x509.DNSName(tls_name(node))], None)
    builder = _builder(name, name, public_bytes(identity), utc_s, lifetime_s)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
    builder = builder.add_extension(constraint, critical=True)
    return builder.add_extension(_CA_USAGE, critical=True).sign(identity, None)


def issue_operational(
    identity: Ed25519PrivateKey, operational_key: bytes, serial: int, utc_s: int, lifetime_s: int
) -> x509.Certificate:
    """Certify an operational public key (32 bytes) as intermediate CA of this node."""
    node = node_id_of(public_bytes(identity))
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, node_text(node)),
            x509.NameAttribute(NameOID.COMMON_NAME, f"operational {serial}"),
        ]
    )
    builder = _builder(subject, _ca_name(node), operational_key, utc_s, lifetime_s)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return builder.add_extension(_CA_USAGE, critical=True).sign(identity, None)


def issue_leaf(
    node: NodeId,
    operational: Ed25519PrivateKey,
    intermediate: x509.Certificate,
    utc_s: int,
    lifetime_s: int = LEAF_LIFETIME_S,
) -> Leaf:
    """Make a fresh P-256 key and certify it for TLS; never beyond the end of the intermediate."""
    key = ec.generate_private_key(ec.SECP256R1())
    ends = min(utc_s + lifetime_s, expires_utc_s(intermediate))
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, node_text(node))])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(intermediate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_instant(utc_s - BACKDATED_S))
        .not_valid_after(_instant(ends))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(tls_name(node))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_LEAF_USAGE, critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
            critical=False,
        )
    )
    chain = pem(builder.sign(operational, None)) + pem(intermediate)
    key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Leaf(key_pem=key_pem, chain_pem=chain, expires_utc_s=ends)


def parse_ca(text: bytes | str, where: str) -> tuple[NodeId, x509.Certificate]:
    """Node id and certificate of a pinned CA, PEM. `where` names the source in the UsageError."""
    raw = text.encode() if isinstance(text, str) else text
    try:
        certificate = x509.load_pem_x509_certificate(raw)
        name = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        node = parse_node(str(name))
        key = certificate.public_key()
    except (*UNREADABLE, IndexError, UsageError) as error:
        raise UsageError(
            f"{where}: no usable CA certificate ({error}); ask the neighbour for its node.pub again"
        ) from error
    if not isinstance(key, Ed25519PublicKey) or node_id_of(public_bytes(key)) != node:
        raise UsageError(
            f"{where}: the CA certificate's key is not that of {node_short(node)};"
            " ask the neighbour for its node.pub again"
        )
    return node, certificate


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is behind a chain of certificates: the node, and the operational key that its chain goes over."""

    node: NodeId
    operational_key: bytes


def trace_chain(
    leaf_pem: bytes, issuers_pem: bytes, pinned: Mapping[NodeId, x509.Certificate], utc_s: int
) -> Caller | str:
    """The node whose pinned CA stands behind a presented chain, or a sentence on why there is none.

    TLS has checked the chain against all pinned CAs together; which one it
    was, TLS does not say, so the signatures are followed once more.
    """
    try:
        leaf = x509.load_pem_x509_certificate(leaf_pem)
        issuers = x509.load_pem_x509_certificates(issuers_pem) if issuers_pem else []
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except UNREADABLE as error:
        return f"the client's certificate cannot be read ({error})"
    for name in names.get_values_for_type(x509.DNSName):
        node = _node_of_name(name)
        if node is None or node not in pinned:
            continue
        operational = _issuer(leaf, issuers, pinned[node], utc_s)
        key = None if operational is None else key_of(operational)
        if key is None:
            return f"no valid chain to the pinned CA of {node_short(node)}"
        return Caller(node, key)
    return "the client's certificate names no configured neighbour"


def claimed_node(leaf_der: bytes) -> NodeId | None:
    """Which node a certificate says it is, believed for error texts only."""
    try:
        leaf = x509.load_der_x509_certificate(leaf_der)
        common = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except UNREADABLE:
        return None
    return _node_of_name(f"{common[0].value!s}.{DOMAIN}") if common else None


def key_of(certificate: x509.Certificate) -> bytes | None:
    """The Ed25519 key that a certificate is about, None when it is about another kind."""
    try:
        key = certificate.public_key()
    except UNREADABLE:
        return None
    return public_bytes(key) if isinstance(key, Ed25519PublicKey) else None


def _issuer(
    leaf: x509.Certificate, issuers: list[x509.Certificate], ca: x509.Certificate, utc_s: int
) -> x509.Certificate | None:
    """The one of `issuers` that issued `leaf` and was issued by `ca`, if all three are in force."""
    at = _instant(utc_s)
    for intermediate in issuers:
        try:
            leaf.verify_directly_issued_by(intermediate)
            intermediate.verify_directly_issued_by(ca)
        except UNREADABLE:
            continue
        chain = (leaf, intermediate, ca)
        in_force = all(c.not_valid_before_utc <= at <= c.not_valid_after_utc for c in chain)
        return intermediate if in_force else None
    return None


def _node_of_name(name: str) -> NodeId | None:
    label, _, domain = name.partition(".")
    if domain != DOMAIN:
        return None
    try:
        return parse_node(label)
    except UsageError:
        return None


def _ca_name(node: NodeId) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, node_text(node))])


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: bytes, utc_s: int, lifetime_s: int
) -> x509.CertificateBuilder:
    key = Ed25519PublicKey.from_public_bytes(public_key)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_instant(utc_s - BACKDATED_S))
        .not_valid_after(_instant(utc_s + lifetime_s))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _instant(utc_s: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=utc_s)
