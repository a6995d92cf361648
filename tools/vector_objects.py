"""Vectors of identities, signature inputs, envelopes and path hashes (SPEC section 4 and 7)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from vector_cast import (
    ALICE,
    BOB,
    CAROL,
    ISSUED_S,
    NETWORK,
    NOW,
    OFFER,
    PATH_ENTRY,
    REVOCATION,
    WEEK_S,
    Actor,
    attested,
    sealer,
    wire_bytes,
)
from vector_file import Vector

from ioe_router.codec import mapping
from ioe_router.codec.identity_signing import state
from ioe_router.codec.signing import signature_input
from ioe_router.core.paths import first_hash, next_hash
from ioe_router.model.bech32m import node_text, written
from ioe_router.model.discovery import IDENTITY_SERIAL, Hello, OperationalKey, Role
from ioe_router.model.envelope import Envelope, ObjectType, Signature
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import NodeId, ObjectId, PathHash, link_id_of, object_id_of
from ioe_router.model.routing import Direction

OTHER_NETWORK = "other.example"
HELLO = Hello(
    network_id=NETWORK,
    node=ALICE.node,
    neighbor=BOB.node,
    version_min=1,
    version_max=1,
    nonce=bytes(range(32)),
    features=0,
    role=Role.SIBLING,
    epoch=1,
    last_seen_epoch=0,
    attestation=ObjectId(bytes(32)),
    parameters=bytes(32),
    clock_utc_ms=NOW.utc_ms,
)

# ------------------------------------------------------------------ identity


def identity() -> list[Vector]:
    """Identity key to node id to text, link ids, and texts that are no node id."""
    return [*_nodes(), *_links(), *_bad_texts()]


def _nodes() -> Iterator[Vector]:
    for one in (ALICE, BOB, CAROL):
        yield Vector(
            id=f"identity-node-{one.name}",
            notes="node id = SHA-256 of the identity public key; text = bech32m with prefix ioe",
            inputs={"identity_key": one.identity.public_key.hex()},
            intermediates={"node": one.node.hex(), "text": node_text(one.node)},
        )


def _links() -> Iterator[Vector]:
    for name, ends, number in (
        ("ab", (ALICE, BOB), 0),
        ("ba", (BOB, ALICE), 0),
        ("ab-255", (ALICE, BOB), 255),
    ):
        yield Vector(
            id=f"identity-link-{name}",
            notes="link id = first 16 bytes of SHA-256('IOE1 link' || lower end || higher end || number)",
            inputs={"ends": [one.node.hex() for one in ends], "number": number},
            intermediates={"link": link_id_of(ends[0].node, ends[1].node, number).hex()},
        )


def _padded(node: NodeId) -> str:
    bits = int.from_bytes(node) << 4 | 1
    return written("ioe", tuple(bits >> 5 * i & 31 for i in reversed(range(52))))


def _bad_texts() -> Iterator[Vector]:
    text = node_text(ALICE.node)
    swapped = text[:10] + text[11] + text[10] + text[12:]
    bad = {
        "one-letter": (text[:20] + ("q" if text[20] != "q" else "p") + text[21:], "one letter differs"),
        "swapped": (swapped, "two letters changed places"),
        "upper": (text.upper(), "upper case"),
        "prefix": ("iot" + text[3:], "another prefix"),
        "short": (text[:-1], "the last letter is missing"),
        "alphabet": (text[:20] + "b" + text[21:], "b is no bech32 character"),
        "empty": ("", "no text"),
        "padding": (_padded(ALICE.node), "the right checksum, but the last bit of the padding is 1"),
    }
    for name, (value, notes) in bad.items():
        yield Vector(
            id=f"identity-text-{name}", notes=notes, inputs={"text": value}, code=ErrorCode.MALFORMED
        )


# ------------------------------------------------------------------ signature input


def signature_inputs() -> list[Vector]:
    """The bytes under a signature: the context cannot be moved from one part to another."""
    cases = (
        ("offer", NETWORK, "ioe.v1.Offer", mapping.encode(OFFER)),
        ("empty", NETWORK, "ioe.v1.Refresh", b""),
        ("one-letter-network", "x", "ioe.v1.Hello", b"\x00"),
        ("longest-network", "n" * 64, "ioe.v1.Hello", b"\x00"),
        ("other-type", NETWORK, "ioe.v1.PathEntry", mapping.encode(OFFER)),
        ("other-network", NETWORK + "2", "ioe.v1.Offer", mapping.encode(OFFER)),
    )
    return [
        Vector(
            id=f"signature-input-{name}",
            notes="'IOE1' || u16 length || network_id || u16 length || message name || u32 length || signed",
            inputs={"network_id": network, "message": message, "signed": signed.hex()},
            intermediates={"signature_input": signature_input(network, message, signed).hex()},
        )
        for name, network, message, signed in cases
    ]


# ------------------------------------------------------------------ envelopes


def envelopes() -> list[Vector]:
    """Objects in their envelopes: who signed what, and what must be refused."""
    return [
        *_good_envelopes(),
        *_bad_signatures(),
        *_out_of_bounds(),
        *_bad_signers(),
        *_bad_certificates(),
        *_bad_revocations(),
        *_other_networks(),
    ]


def _opened(
    name: str,
    notes: str,
    envelope: Envelope,
    *,
    code: ErrorCode | None = None,
    utc_s: int = NOW.utc_s,
    signers: tuple[NodeId, ...] = (),
    known: tuple[Actor, ...] = (ALICE, BOB, CAROL),
) -> Vector:
    shown = {"object_id": object_id_of(envelope.signed).hex(), "signers": [one.hex() for one in signers]}
    return Vector(
        id=f"envelope-{name}",
        notes=notes,
        inputs={
            "network_id": NETWORK,
            "now_utc_s": utc_s,
            "certificates": [wire_bytes(one.certificate.envelope).hex() for one in known],
            "envelope": wire_bytes(envelope).hex(),
        },
        intermediates=shown if code is None else {},
        code=code,
    )


def _good_envelopes() -> Iterator[Vector]:
    offer = sealer(ALICE).seal(OFFER).envelope
    yield _opened("offer", "an offer signed by its origin", offer, signers=(ALICE.node,))
    both = (BOB.node, ALICE.node)
    notes = "signed with the identity keys of the keeper, then of the other end; no certificate is known"
    yield _opened("attestation", notes, attested(), signers=both, known=())
    notes = "signed by the identity key, then by the key that it certifies"
    yield _opened("operational-key", notes, ALICE.certificate.envelope, signers=(ALICE.node,), known=())
    for name, serial in (("key", 1), ("identity", IDENTITY_SERIAL)):
        revoked = state(replace(REVOCATION, up_to_serial=serial), ALICE.identity).envelope
        notes = "signed with the identity key whose operational keys it revokes; no certificate is known"
        yield _opened(f"revocation-{name}", notes, revoked, signers=(ALICE.node,), known=())
    last = ISSUED_S + WEEK_S - 1
    yield _opened("last-second", "the key expires in a second", offer, signers=(ALICE.node,), utc_s=last)


def _bad_signatures() -> Iterator[Vector]:
    offer = sealer(ALICE).seal(OFFER).envelope
    (good,) = offer.signatures
    bad = ErrorCode.BAD_SIGNATURE
    flipped = offer.signed[:-1] + bytes([offer.signed[-1] ^ 1])
    yield _opened("body-bit", "the last bit of the body differs", replace(offer, signed=flipped), code=bad)
    broken = Signature(key=good.key, signature=good.signature[:-1] + bytes([good.signature[-1] ^ 1]))
    yield _opened(
        "signature-bit", "one bit of the signature differs", replace(offer, signatures=(broken,)), code=bad
    )
    yield _opened("unsigned", "no signature at all", replace(offer, signatures=()), code=bad)
    yield _opened(
        "signed-twice", "one signer, two signatures", replace(offer, signatures=(good, good)), code=bad
    )
    half = replace(attested(), signatures=attested().signatures[:1])
    yield _opened("half-attested", "the other end's signature is stripped", half, code=bad)
    for name, network, message in (
        ("network", "other.example", "ioe.v1.Offer"),
        ("type", NETWORK, "ioe.v1.OfferWithdrawal"),
    ):
        moved = ALICE.operational.sign(signature_input(network, message, offer.signed))
        other = replace(offer, signatures=(Signature(key=good.key, signature=moved),))
        yield _opened(f"other-{name}", f"signed for another {name}", other, code=bad)


def _out_of_bounds() -> Iterator[Vector]:
    """The envelope is judged before what it holds: its body is not readable in either case."""
    garbled = replace(sealer(ALICE).seal(OFFER).envelope, signed=b"\xff")
    (good,) = garbled.signatures
    short = replace(garbled, signatures=(replace(good, signature=good.signature[:-1]),))
    notes = "a signature of 63 bytes over a body that cannot be read"
    yield _opened("short-signature", notes, short, code=ErrorCode.OUT_OF_BOUNDS)
    nameless = replace(garbled, type=ObjectType.UNSPECIFIED)
    yield _opened("type-zero", "type 0, a body that cannot be read", nameless, code=ErrorCode.OUT_OF_BOUNDS)


def _bad_signers() -> Iterator[Vector]:
    offer = sealer(ALICE).seal(OFFER).envelope
    data = signature_input(NETWORK, "ioe.v1.Offer", offer.signed)
    wrong = ErrorCode.WRONG_SIGNER
    by_bob = Signature(key=BOB.operational.public_key, signature=BOB.operational.sign(data))
    yield _opened("by-another", "Bob signs Alice's offer", replace(offer, signatures=(by_bob,)), code=wrong)
    by_identity = Signature(key=ALICE.identity.public_key, signature=ALICE.identity.sign(data))
    notes = "an identity key signs certificates, attestations and revocations only"
    unknown = ErrorCode.UNKNOWN_KEY
    yield _opened("by-identity", notes, replace(offer, signatures=(by_identity,)), code=unknown)
    yield _opened("unknown-key", "no certificate of Alice is known", offer, code=unknown, known=(BOB,))
    expired = ISSUED_S + WEEK_S
    yield _opened(
        "expired-key", "the key's validity ends now", offer, code=ErrorCode.KEY_EXPIRED, utc_s=expired
    )
    swapped = replace(attested(), signatures=attested().signatures[::-1])
    yield _opened("attestation-order", "the two signatures in the other order", swapped, code=wrong)
    signed = attested().signed
    data = signature_input(NETWORK, "ioe.v1.LinkAttestation", signed)
    keys = (BOB.operational, ALICE.operational)
    by_keys = tuple(Signature(key=one.public_key, signature=one.sign(data)) for one in keys)
    notes = "signed with operational keys instead of identity keys"
    yield _opened("attestation-operational", notes, replace(attested(), signatures=by_keys), code=wrong)


def _bad_revocations() -> Iterator[Vector]:
    good = state(REVOCATION, ALICE.identity).envelope
    data = signature_input(NETWORK, "ioe.v1.Revocation", good.signed)
    for name, one, notes in (
        ("operational", ALICE.operational, "a stolen operational key cannot revoke its successors"),
        ("stranger", CAROL.identity, "Carol revokes Alice's keys"),
    ):
        forged = replace(good, signatures=(Signature(key=one.public_key, signature=one.sign(data)),))
        yield _opened(f"revocation-{name}", notes, forged, code=ErrorCode.WRONG_SIGNER)
    relabelled = replace(good, signed=mapping.encode(replace(REVOCATION, up_to_serial=2)))
    notes = "the number was raised after it was signed"
    yield _opened("revocation-raised", notes, relabelled, code=ErrorCode.BAD_SIGNATURE)
    nothing = replace(good, signed=good.signed.replace(mapping.encode(REVOCATION)[-8:-6], b"\x18\x00", 1))
    yield _opened("revocation-of-nothing", "serials begin at 1", nothing, code=ErrorCode.OUT_OF_BOUNDS)


def _bad_certificates() -> Iterator[Vector]:
    good = ALICE.certificate.envelope
    first, second = good.signatures
    alone = replace(good, signatures=(first,))
    notes = "the certified key has not signed: no proof of possession"
    yield _opened("certificate-half", notes, alone, code=ErrorCode.BAD_SIGNATURE, known=())
    swapped = replace(good, signatures=(second, first))
    yield _opened(
        "certificate-order", "signatures in the other order", swapped, code=ErrorCode.WRONG_SIGNER, known=()
    )
    stolen = replace(ALICE.certificate.body, identity_key=CAROL.identity.public_key)
    claimed = _certificate(stolen, CAROL, CAROL)
    notes = "Carol certifies Alice's operational key and signs both times with what she has"
    yield _opened("certificate-stolen", notes, claimed, code=ErrorCode.WRONG_SIGNER, known=())
    notes = "the same with Alice's key named beside Carol's signature"
    relabelled = (claimed.signatures[0], replace(claimed.signatures[1], key=ALICE.operational.public_key))
    forged = replace(claimed, signatures=relabelled)
    yield _opened("certificate-forged", notes, forged, code=ErrorCode.BAD_SIGNATURE, known=())
    weak = replace(ALICE.certificate.body, operational_key=(1).to_bytes(32, "little"))
    notes = "a certified key of small order, whose signatures anybody can make"
    neutral = Signature(key=weak.operational_key, signature=(1).to_bytes(32, "little") + bytes(32))
    body = replace(good, signed=mapping.encode(weak))
    by_alice = _certificate(weak, ALICE, ALICE).signatures[0]
    body = replace(body, signatures=(by_alice, neutral))
    yield _opened("certificate-weak", notes, body, code=ErrorCode.BAD_SIGNATURE, known=())


def _other_networks() -> Iterator[Vector]:
    """Objects of another network are named as that, whatever becomes of their signatures."""
    mismatch = ErrorCode.NETWORK_MISMATCH
    body = replace(ALICE.certificate.body, network_id=OTHER_NETWORK)
    certificate = _certificate(body, ALICE, ALICE, OTHER_NETWORK)
    notes = "a certificate of another network, rightly signed there"
    yield _opened("certificate-of-other-network", notes, certificate, code=mismatch, known=())
    unsigned = replace(certificate, signatures=ALICE.certificate.envelope.signatures)
    notes = "the same with signatures that fit nothing: the network is named before they are looked at"
    yield _opened("certificate-of-other-network-forged", notes, unsigned, code=mismatch, known=())
    hello = mapping.encode(replace(HELLO, network_id=OTHER_NETWORK))
    data = signature_input(OTHER_NETWORK, "ioe.v1.Hello", hello)
    signature = Signature(key=ALICE.operational.public_key, signature=ALICE.operational.sign(data))
    other = Envelope(type=ObjectType.HELLO, signed=hello, signatures=(signature,))
    yield _opened("hello-of-other-network", "a HELLO of another network", other, code=mismatch)
    notes = "the same from a node whose key nobody knows here"
    yield _opened("hello-of-other-network-unknown-key", notes, other, code=mismatch, known=(BOB,))


def _certificate(
    body: OperationalKey, identity: Actor, operational: Actor, network: str = NETWORK
) -> Envelope:
    signed = mapping.encode(body)
    data = signature_input(network, "ioe.v1.OperationalKey", signed)
    signers = (identity.identity, operational.operational)
    signatures = tuple(Signature(key=one.public_key, signature=one.sign(data)) for one in signers)
    return Envelope(type=ObjectType.OPERATIONAL_KEY, signed=signed, signatures=signatures)


# ------------------------------------------------------------------ path hashes


def path_hashes() -> list[Vector]:
    """The running hash of a path over its signed entries."""
    chain = (ALICE, BOB, CAROL)
    cases = (
        ("supply", NETWORK, Direction.SUPPLY),
        ("demand", NETWORK, Direction.DEMAND),
        ("network", "n", Direction.SUPPLY),
    )
    return [_chain(name, network, direction, chain) for name, network, direction in cases]


def _chain(name: str, network: str, direction: Direction, chain: tuple[Actor, ...]) -> Vector:
    hashes = [first_hash(network, chain[0].node, direction)]
    entries = []
    for position, (node, onward) in enumerate(pairwise(chain)):
        entry = replace(
            PATH_ENTRY,
            direction=direction,
            node=node.node,
            next_node=onward.node,
            position=position,
            previous=PathHash(hashes[-1]),
        )
        entries.append(mapping.encode(entry))
        hashes.append(next_hash(hashes[-1], entries[-1]))
    return Vector(
        id=f"path-hash-{name}",
        notes="SHA-256('IOE1 path' || u16 length || network_id || origin || direction), then on",
        inputs={
            "network_id": network,
            "origin": chain[0].node.hex(),
            "direction": int(direction),
            "entries": [entry.hex() for entry in entries],
        },
        intermediates={"hashes": [one.hex() for one in hashes]},
    )
