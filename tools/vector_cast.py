"""The nodes, instants and objects that the vectors are made of; every seed is fixed."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from ioe_router.codec import mapping
from ioe_router.codec.identity_signing import countersign, state
from ioe_router.codec.keys import KeyRing, certify
from ioe_router.codec.sealing import CodecSealer
from ioe_router.codec.signing import Ed25519Signer
from ioe_router.model.clock import Now
from ioe_router.model.discovery import LinkAttestation, LinkKind, LossModel, OperationalKey, Revocation
from ioe_router.model.envelope import Envelope, Sealed
from ioe_router.model.ids import NodeId, ObjectId, PathHash, link_id_of, node_id_of
from ioe_router.model.routing import (
    Direction,
    Firmness,
    Flow,
    LinkState,
    Offer,
    OfferRun,
    PathEntry,
    SourceClass,
)

NETWORK = "vectors.example"
ISSUED_S = 1_795_334_400  # 2026-11-22T04:00:00Z
NOW = Now(0, (ISSUED_S + 60) * 1000)
WEEK_S = 7 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """One node with its keys."""

    name: str
    node: NodeId
    identity: Ed25519Signer
    operational: Ed25519Signer
    certificate: Sealed[OperationalKey]


def signer(label: str) -> Ed25519Signer:
    """The signer whose private seed is the SHA-256 of a label."""
    return Ed25519Signer.from_seed(sha256(label.encode()).digest())


def actor(name: str) -> Actor:
    """The node of this name, certified for a week."""
    identity, operational = signer(f"identity {name}"), signer(f"operational {name}")
    body = OperationalKey(
        network_id=NETWORK,
        identity_key=identity.public_key,
        operational_key=operational.public_key,
        serial=1,
        issued_utc_s=ISSUED_S,
        expires_utc_s=ISSUED_S + WEEK_S,
    )
    return Actor(
        name=name,
        node=node_id_of(identity.public_key),
        identity=identity,
        operational=operational,
        certificate=certify(body, identity=identity, operational=operational),
    )


ALICE, BOB, CAROL = actor("alice"), actor("bob"), actor("carol")


def ring_of(*certificates: Sealed[OperationalKey]) -> KeyRing:
    """A key ring that knows these certificates."""
    ring = KeyRing(network_id=NETWORK, limit=64)
    for certificate in certificates:
        ring.learn(certificate, NOW)
    return ring


def sealer(one: Actor) -> CodecSealer:
    """The sealer of a node that knows everybody."""
    ring = ring_of(ALICE.certificate, BOB.certificate, CAROL.certificate)
    return CodecSealer(ring=ring, signer=one.operational, node=one.node, now=NOW)


def wire_bytes(envelope: Envelope) -> bytes:
    """An envelope as the bytes of ioe.v1.SignedEnvelope."""
    return mapping.encode(envelope)


OFFER = Offer(
    origin=ALICE.node,
    offer_no=7,
    epoch=3,
    seq=41,
    direction=Direction.SUPPLY,
    source=SourceClass.SOLAR,
    firmness=Firmness.FIRM,
    first_slot_utc_s=ISSUED_S + 900,
    runs=(
        OfferRun(slots=4, energy_j=3_600_000, price_micro_per_kwh=210_000),
        OfferRun(slots=2, energy_j=900_000, price_micro_per_kwh=-15_000),
    ),
    energy_cap_j=10_000_000,
    carbon_mg_per_kwh=41_000,
    is_default=False,
    forward=False,
    only_to_customers=False,
    issued_utc_s=ISSUED_S,
    expires_utc_s=ISSUED_S + 900,
)

ATTESTATION = LinkAttestation(
    network_id=NETWORK,
    keeper=BOB.node,
    other=ALICE.node,
    number=0,
    kind=LinkKind.RADIAL,
    serial=1,
    rating_down_va=100_000,
    rating_up_va=100_000,
    loss=LossModel(
        vn_mv=400_000,
        planning_mv=400_000,
        r_micro_ohm=120_000,
        x_micro_ohm=40_000,
        iron_milli_w=0,
        magnetising_var=0,
        charging_var=0,
        tap_ratio_ppm=1_000_000,
        b_ppm=0,
        c_pico_per_w=0,
    ),
    fee_down_micro_per_kwh=5_000,
    fee_up_micro_per_kwh=5_000,
    access=True,
    issued_utc_s=ISSUED_S,
    expires_utc_s=ISSUED_S + WEEK_S,
)

LINK_STATE = LinkState(
    link=link_id_of(ALICE.node, BOB.node, 0),
    slot_utc_s=ISSUED_S + 900,
    epoch=2,
    seq=9,
    net_flow=Flow.UP,
    net_energy_j=1_000_000,
    residual_down_j=90_000_000,
    residual_up_j=80_000_000,
    issued_utc_s=ISSUED_S,
)

PATH_ENTRY = PathEntry(
    origin=ALICE.node,
    direction=Direction.SUPPLY,
    node=ALICE.node,
    next_node=BOB.node,
    position=0,
    previous=PathHash(bytes(32)),
    attestation=ObjectId(sha256(mapping.encode(ATTESTATION)).digest()),
    fee_micro_per_kwh=5_000,
    not_after_utc_s=ISSUED_S + 172_800,
)


REVOCATION = Revocation(network_id=NETWORK, node=ALICE.node, up_to_serial=1, issued_utc_s=ISSUED_S)


def attested() -> Envelope:
    """The attestation between Alice and Bob, signed by both."""
    half = state(ATTESTATION, BOB.identity)
    return countersign(half.envelope, ALICE.identity).envelope
