"""Keys of the testers and of the nodes that they speak of, and what those nodes sign.

`NodeKeys` is a node as the kit needs one: an identity key, an operational key with its
OPERATIONAL_KEY object, and signatures under whatever it is told to sign, also what no
router would. Nodes behind a tester (origins of paths) exist only as such keys.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ioe_router.codec import mapping
from ioe_router.codec.registry import REGISTRY, TYPE_OF
from ioe_router.codec.signing import Ed25519Signer, signature_input
from ioe_router.model.discovery import LinkAttestation, LinkKind, LossModel, OperationalKey
from ioe_router.model.envelope import Envelope, ObjectType, Signature
from ioe_router.model.ids import LinkId, NodeId, ObjectId, link_id_of, node_id_of, object_id_of

LOSS = LossModel(
    vn_mv=400_000,
    planning_mv=400_000,
    r_micro_ohm=100_000,
    x_micro_ohm=50_000,
    iron_milli_w=0,
    magnetising_var=0,
    charging_var=0,
    tap_ratio_ppm=1_000_000,
    b_ppm=10_000,
    c_pico_per_w=0,
)
RATING_VA = 50_000
FEE_MAX_MICRO = 20_000
YEAR_S = 365 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeKeys:
    """One node: what it signs with and what says so."""

    network: str
    identity: Ed25519PrivateKey
    operational: Ed25519PrivateKey
    certificate: Envelope  # OPERATIONAL_KEY

    @property
    def node(self) -> NodeId:
        """Its id."""
        return node_id_of(self.identity.public_key().public_bytes_raw())

    def seal(self, body: Any, *, key: Ed25519PrivateKey | None = None) -> Envelope:
        """`body` signed as its type demands of this node alone: with its operational key, or `key`."""
        kind = TYPE_OF[type(body)]
        return self.sign(kind, mapping.encode(body), key=key)

    def sign(
        self,
        kind: ObjectType,
        signed: bytes,
        *,
        key: Ed25519PrivateKey | None = None,
        message: str | None = None,
        network: str | None = None,
    ) -> Envelope:
        """Any bytes under one signature, for another message or network if wanted."""
        data = signature_input(network or self.network, message or REGISTRY[kind].message, signed)
        return Envelope(type=kind, signed=signed, signatures=(_signature(key or self.operational, data),))

    def certify(
        self,
        operational: Ed25519PrivateKey,
        *,
        serial: int,
        issued_utc_s: int,
        lifetime_s: int,
        **changes: Any,
    ) -> Envelope:
        """An OPERATIONAL_KEY of this node; `changes` are other values of its fields."""
        body = OperationalKey(
            network_id=self.network,
            identity_key=self.identity.public_key().public_bytes_raw(),
            operational_key=operational.public_key().public_bytes_raw(),
            serial=serial,
            issued_utc_s=issued_utc_s,
            expires_utc_s=issued_utc_s + lifetime_s,
        )
        signed = mapping.encode(replace(body, **changes))
        return twice_signed(ObjectType.OPERATIONAL_KEY, self.network, signed, self.identity, operational)

    def with_key(self, operational: Ed25519PrivateKey, certificate: Envelope) -> NodeKeys:
        """The same node with another operational key."""
        return replace(self, operational=operational, certificate=certificate)


def new_node(network: str, seed: bytes, *, issued_utc_s: int, lifetime_s: int = 900) -> NodeKeys:
    """A node whose keys follow from `seed`."""
    identity, operational = (
        Ed25519PrivateKey.from_private_bytes(hashlib.sha256(what + seed).digest())
        for what in (b"identity", b"operational")
    )
    empty = Envelope(type=ObjectType.OPERATIONAL_KEY, signed=b"", signatures=())
    bare = NodeKeys(network=network, identity=identity, operational=operational, certificate=empty)
    certificate = bare.certify(operational, serial=1, issued_utc_s=issued_utc_s, lifetime_s=lifetime_s)
    return replace(bare, certificate=certificate)


def twice_signed(
    kind: ObjectType, network: str, signed: bytes, one: Ed25519PrivateKey, other: Ed25519PrivateKey
) -> Envelope:
    """Bytes under the signatures of two keys, in this order."""
    data = signature_input(network, REGISTRY[kind].message, signed)
    return Envelope(type=kind, signed=signed, signatures=(_signature(one, data), _signature(other, data)))


def framed(body: Any) -> Envelope:
    """An object that stands under the signature of its frame."""
    return Envelope(type=TYPE_OF[type(body)], signed=mapping.encode(body), signatures=())


def object_id(envelope: Envelope) -> ObjectId:
    """What the envelope's object is called."""
    return object_id_of(envelope.signed)


def link_terms(
    keeper: NodeId, other: NodeId, network: str, issued_utc_s: int, /, **changes: Any
) -> LinkAttestation:
    """A link as the kit attests it: controlled, so that it needs no zone, with losses and a fee."""
    body = LinkAttestation(
        network_id=network,
        keeper=keeper,
        other=other,
        number=0,
        kind=LinkKind.CONTROLLED,
        serial=1,
        rating_down_va=RATING_VA,
        rating_up_va=RATING_VA,
        loss=LOSS,
        fee_down_micro_per_kwh=FEE_MAX_MICRO,
        fee_up_micro_per_kwh=FEE_MAX_MICRO,
        access=False,
        issued_utc_s=issued_utc_s,
        expires_utc_s=issued_utc_s + YEAR_S,
    )
    return replace(body, **changes)


def attested(keeper: NodeKeys, other: NodeKeys, issued_utc_s: int, /, **changes: Any) -> Envelope:
    """The attestation of a link between two nodes whose keys are at hand."""
    body = link_terms(keeper.node, other.node, keeper.network, issued_utc_s, **changes)
    signed = mapping.encode(body)
    kind = ObjectType.LINK_ATTESTATION
    return twice_signed(kind, keeper.network, signed, keeper.identity, other.identity)


def link_between(one: NodeId, other: NodeId) -> LinkId:
    """The id of the only link of two nodes."""
    return link_id_of(one, other, 0)


def _signature(key: Ed25519PrivateKey, data: bytes) -> Signature:
    return Signature(key=Ed25519Signer(key).public_key, signature=key.sign(data))
