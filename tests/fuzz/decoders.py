"""Readers of what comes over the wire: messages, bounds, frames, sealed objects, keys, signatures."""

from __future__ import annotations

from functools import cache
from typing import Final

from ioe_router.codec import bounds, mapping
from ioe_router.codec.bound_tables import TABLES
from ioe_router.codec.frames import decode_frame, verify_frame
from ioe_router.codec.keys import KeyRing
from ioe_router.codec.registry import REGISTRY
from ioe_router.codec.sealing import CodecSealer
from ioe_router.codec.signing import KEY_BYTES, SIGNATURE_BYTES, key_is_sound, verify
from ioe_router.model.clock import Now
from ioe_router.model.discovery import OperationalKey
from ioe_router.model.envelope import Envelope, ObjectType, Sealed, Signature
from ioe_router.model.errors import PeerError
from ioe_router.model.ids import node_id_of, object_id_of
from tests.fuzz.session import VICTIM, Session, recorded
from tests.fuzz.targets import Target, demand, headed_messages, messages, octets
from tests.simulation.pair import PARAMETERS, SLOT

BODIES: Final = tuple(sorted(TABLES, key=lambda body: body.__name__))
NOW: Final = Now(0, (SLOT - 500) * 1_000)
_LENGTH_BYTES: Final = 2


def wire(data: bytes) -> None:
    """A message: what is taken says the same after it was written anew, and its bounds are decided."""
    body = BODIES[data[0] % len(BODIES)] if data else BODIES[0]
    try:
        value: object = mapping.decode(body, data[1:])
        bounds.check(value)
    except PeerError:
        return
    demand(mapping.decode(body, mapping.encode(value)) == value, f"{body.__name__} changes when written anew")


def wire_seeds() -> list[bytes]:
    """Everything that was said, as messages of their own."""
    found = []
    for kind, said in recorded().said.items():
        place = BODIES.index(REGISTRY[kind].body)
        found += [bytes([place]) + one.signed for one in said[:8]]
    return found


def frame(data: bytes) -> None:
    """A frame, with its signature judged by a neighbour's key."""
    try:
        found = decode_frame(data)
        verify_frame(PARAMETERS.network_id, found, recorded().ids["a"].signer.public_key)
    except PeerError:
        return
    demand(decode_frame(mapping.encode(found)) == found, "a frame changes when written anew")


def frame_seeds() -> list[bytes]:
    """Frames of the session, one of each length."""
    return list({len(one): one for one in recorded().frames}.values())[:100]


@cache
def _ring_keys() -> tuple[Sealed[OperationalKey], ...]:
    return tuple(one.own_key for one in recorded().ids.values())


def _sealer(session: Session) -> CodecSealer:
    """The victim's reader, knowing everybody's key."""
    ring = KeyRing(network_id=PARAMETERS.network_id, limit=64)
    for key in _ring_keys():
        ring.learn(key, NOW)
    me = session.ids[VICTIM]
    return CodecSealer(ring=ring, signer=me.signer, node=me.node, now=NOW)


def sealed(data: bytes) -> None:
    """An envelope, opened as it would be out of a frame; a certificate is learnt, too."""
    session = recorded()
    codec = _sealer(session)
    try:
        envelope = mapping.decode(Envelope, data)
        bounds.check(envelope)
        found = codec.open_any(envelope, frame_sender=session.node("a"), now=NOW)
        if isinstance(found.body, OperationalKey):
            codec.ring.learn(found, NOW)
    except PeerError:
        return
    demand(found.envelope is envelope, "what was opened is another envelope")


def sealed_seeds() -> list[bytes]:
    """Every kind of object that was said, with its signatures."""
    return [mapping.encode(one) for said in recorded().said.values() for one in said[:8]]


def keys(data: bytes) -> None:
    """Certificates as if their signatures were good: the ring keeps its bound and knows whose is whose."""
    ring = KeyRing(network_id=PARAMETERS.network_id, limit=8)
    pos = 0
    while pos + _LENGTH_BYTES <= len(data):
        length = int.from_bytes(data[pos : pos + _LENGTH_BYTES])
        signed = data[pos + _LENGTH_BYTES : pos + _LENGTH_BYTES + length]
        pos += _LENGTH_BYTES + length
        try:
            body = mapping.decode(OperationalKey, signed)
            bounds.check(body)
            _learn(ring, body, signed)
        except PeerError:
            continue
    demand(len(ring) <= 8, "the ring is above its bound")


def _learn(ring: KeyRing, body: OperationalKey, signed: bytes) -> None:
    node = node_id_of(body.identity_key)
    envelope = Envelope(type=ObjectType.OPERATIONAL_KEY, signed=signed, signatures=())
    one = Sealed(object_id=object_id_of(signed), body=body, signers=(node,), envelope=envelope)
    demand(ring.learn(one, NOW) == node, "a key was learnt for another node")
    demand(ring.node_of(body.operational_key, NOW) == node, "a key speaks for another node")


def keys_seeds() -> list[bytes]:
    """The certificates of the session in a row."""
    each = [len(key.envelope.signed).to_bytes(_LENGTH_BYTES) + key.envelope.signed for key in _ring_keys()]
    return [*each, b"".join(each), b"".join(each * 3)]


def signature(data: bytes) -> None:
    """A public key, a signature and what it signs: an answer, and never yes for an unsound key."""
    key, raw, rest = data[:KEY_BYTES], data[KEY_BYTES : KEY_BYTES + SIGNATURE_BYTES], data[96:]
    good = verify(Signature(key=key, signature=raw), rest)
    demand(not good or key_is_sound(key), "a signature by an unsound key is valid")


def signature_seeds() -> list[bytes]:
    """Good signatures, unsound keys, and a point that is none."""
    signer = recorded().ids["a"].signer
    good = signer.public_key + signer.sign(b"said") + b"said"
    return [good, bytes(96), b"\x01" + bytes(95), b"\x02" + bytes(95), b"\xff" * 96, good[:40]]


WIRE: Final = Target(
    name="wire",
    says="codec.wire and codec.bounds, every message",
    run=wire,
    seeds=wire_seeds,
    mutate=headed_messages,
    modules=("codec.wire", "codec.bounds", "codec.bound_pairs", "codec.mapping"),
    share=3,
)
FRAMES: Final = Target(
    name="frames",
    says="codec.frames with the frame's signature",
    run=frame,
    seeds=frame_seeds,
    mutate=messages,
    modules=("codec.frames", "codec.wire", "codec.signing"),
)
SEALING: Final = Target(
    name="sealing",
    says="codec.sealing: envelopes opened with their signatures",
    run=sealed,
    seeds=sealed_seeds,
    mutate=messages,
    modules=("codec.sealing", "codec.keys", "codec.signing"),
)
KEYS: Final = Target(
    name="keys",
    says="codec.keys: a ring of keys fed with certificates",
    run=keys,
    seeds=keys_seeds,
    mutate=octets,
    modules=("codec.keys",),
)
SIGNATURES: Final = Target(
    name="signatures",
    says="codec.signing: any key, any signature",
    run=signature,
    seeds=signature_seeds,
    mutate=octets,
    modules=("codec.signing",),
)

DECODERS: Final = (WIRE, FRAMES, SEALING, KEYS, SIGNATURES)
