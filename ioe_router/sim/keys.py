"""Keys and attestations for routers whose owner holds both ends: simulations, demos and tests."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from ioe_router.codec import identity_signing
from ioe_router.codec.keys import certify
from ioe_router.codec.signing import Ed25519Signer, Signer
from ioe_router.model.discovery import LinkAttestation, OperationalKey
from ioe_router.model.envelope import Envelope, Sealed
from ioe_router.model.ids import NodeId, node_id_of


@dataclass(frozen=True, slots=True)
class SimIdentity:
    """A node's keys, derived from a seed and a name."""

    node: NodeId
    signer: Signer
    own_key: Sealed[OperationalKey]
    identity: Signer


def identity_of(
    seed: int, name: str, network_id: str, issued_utc_s: int, lifetime_s: int = 86_400 * 7
) -> SimIdentity:
    """The same keys for the same seed and name; never for real use: the seed is public."""
    identity = Ed25519Signer.from_seed(hashlib.sha256(f"identity {seed} {name}".encode()).digest())
    operational = Ed25519Signer.from_seed(hashlib.sha256(f"operational {seed} {name}".encode()).digest())
    body = OperationalKey(
        network_id=network_id,
        identity_key=identity.public_key,
        operational_key=operational.public_key,
        serial=1,
        issued_utc_s=issued_utc_s,
        expires_utc_s=issued_utc_s + lifetime_s,
    )
    own_key = certify(body, identity=identity, operational=operational)
    return SimIdentity(node_id_of(identity.public_key), operational, own_key, identity)


def attest(body: LinkAttestation, one: SimIdentity, other: SimIdentity) -> Envelope:
    """An attestation signed by both ends."""
    half = identity_signing.state(body, one.identity).envelope
    return identity_signing.countersign(half, other.identity).envelope


class SeededEntropy:
    """Repeatable bytes for simulations: SHA-256 in counter mode over a seed."""

    def __init__(self, seed: bytes) -> None:
        """The same seed gives the same bytes."""
        self._seed = seed
        self._count = 0

    def token(self, size: int) -> bytes:
        """The next `size` bytes."""
        out = b""
        while len(out) < size:
            out += hashlib.sha256(self._seed + self._count.to_bytes(8)).digest()
            self._count += 1
        return out[:size]
