"""Trust domains as values: roots, members, meters (SPEC section 4.10).

The fields, units and bounds are those of `proto/ioe/v1/domain.proto`; the codec
maps the two by name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ioe_router.model.ids import DomainId, LinkId, NodeId

ROOTS_MAX: Final = 8
SIGNERS_MAX: Final = 2 * ROOTS_MAX  # a list is signed by roots of the list before and by its own
REMOVALS_MAX: Final = 512
GRACE_S_MAX: Final = 30 * 86_400
LIFETIME_S_MAX: Final = 400 * 86_400  # of lists and certificates: removals need not be kept for longer


@dataclass(frozen=True, slots=True, kw_only=True)
class RootKey:
    """One root key of a domain."""

    key: bytes  # Ed25519 public key, 32 bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """Takes a member out: its certificates up to a serial are void."""

    node: NodeId  # Who was removed, node id
    serial: int  # Highest serial of its member certificates that is void


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustList:
    """Who speaks for a domain, and who does not belong to it any more. Signed by root keys."""

    network_id: str  # Network, as in OperationalKey
    domain: DomainId  # Domain id, 32 bytes; follows from the list with serial 1
    serial: int  # Number of this list, one more than that of the list before
    quorum: int  # How many roots have to sign what the domain says
    roots: tuple[RootKey, ...]  # Root keys in ascending order
    signers: tuple[RootKey, ...]  # Keys that sign this list, in ascending order, that of the signatures
    removals: tuple[Removal, ...]  # Removed members in ascending order of node id
    certified_meters: bool  # True when meter records count only from certified meters
    grace_s: int  # How long it goes on after its end, and the list before after its issue, seconds
    issued_utc_s: int  # Start of validity, UTC seconds
    expires_utc_s: int  # When the next list is due, UTC seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberCertificate:
    """Certifies that a node belongs to a domain, and what it may do there. Signed by root keys."""

    network_id: str  # Network, as in OperationalKey
    domain: DomainId  # Domain id, 32 bytes
    node: NodeId  # Member, node id
    serial: int  # Number of this certificate, rising per node
    balance_party: NodeId  # Balance-responsible party of the member, node id; its own for a party
    border: bool  # True when the member may have neighbours in other domains
    grid_forming: bool  # True when the member may be the root of a zone
    signers: tuple[RootKey, ...]  # Keys that sign it, in ascending order, that of the signatures
    issued_utc_s: int  # Start of validity, UTC seconds
    expires_utc_s: int  # End of validity, UTC seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterCertificate:
    """Certifies the meter of a member at one end of a link. Signed by root keys."""

    network_id: str  # Network, as in OperationalKey
    domain: DomainId  # Domain id, 32 bytes
    node: NodeId  # Member whose records the meter makes, node id
    link: LinkId  # Link that the meter measures, 16 bytes
    serial: int  # Number of this certificate, rising per node and link
    meter: bytes  # SHA-256 of what is on the meter's plate: maker, type, number; 32 bytes
    tolerance_ppm: int  # Largest error of the meter, parts per million
    signers: tuple[RootKey, ...]  # Keys that sign it, in ascending order, that of the signatures
    issued_utc_s: int  # Start of validity, UTC seconds
    expires_utc_s: int  # End of validity, UTC seconds


RootSigned = TrustList | MemberCertificate | MeterCertificate


def domain_id_of(network_id: str, quorum: int, roots: Iterable[RootKey]) -> DomainId:
    """The id of the domain that begins with these roots (in ascending order) and this quorum."""
    name = network_id.encode()
    start = b"IOE1 domain" + len(name).to_bytes(2) + name + bytes([quorum])
    return DomainId(hashlib.sha256(start + b"".join(root.key for root in roots)).digest())


def in_order(keys: Iterable[bytes]) -> tuple[RootKey, ...]:
    """Keys as a list or certificate names them: each once, ascending."""
    return tuple(RootKey(key=key) for key in sorted(set(keys)))
