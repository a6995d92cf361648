"""A sealer without cryptography: an object's signed bytes are its type and field values as text.

Tests of the core need envelopes that can be checked and forged at will, many
per second.  A signature here is a hash over key and bytes; whoever knows the
rule can forge one, and that is what some tests do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar

from ioe_router.model.discovery import (
    Close,
    Hello,
    Keepalive,
    LinkAttestation,
    OperationalKey,
    Refresh,
    Retained,
    SessionProof,
)
from ioe_router.model.envelope import Envelope, ObjectType, Sealed, Signature
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.ids import NodeId, node_id_of, object_id_of
from ioe_router.model.reservation import HoldCore
from ioe_router.model.routing import (
    LinkState,
    Offer,
    OfferWithdrawal,
    PathAdvert,
    PathEntry,
    PathWithdrawal,
)

T = TypeVar("T")

TYPES: Final[dict[type[Any], ObjectType]] = {
    OperationalKey: ObjectType.OPERATIONAL_KEY,
    LinkAttestation: ObjectType.LINK_ATTESTATION,
    Hello: ObjectType.HELLO,
    SessionProof: ObjectType.SESSION_PROOF,
    Keepalive: ObjectType.KEEPALIVE,
    Close: ObjectType.CLOSE,
    Refresh: ObjectType.REFRESH,
    Retained: ObjectType.RETAINED,
    Offer: ObjectType.OFFER,
    OfferWithdrawal: ObjectType.OFFER_WITHDRAWAL,
    PathEntry: ObjectType.PATH_ENTRY,
    PathAdvert: ObjectType.PATH_ADVERT,
    PathWithdrawal: ObjectType.PATH_WITHDRAWAL,
    LinkState: ObjectType.LINK_STATE,
    HoldCore: ObjectType.HOLD_CORE,
}
FRAME_ONLY: Final = (Keepalive, Close, Refresh, Retained, PathAdvert, PathWithdrawal)
_DECODED: dict[bytes, object] = {}  # the "wire format": bytes are looked up, never parsed
_OWNERS: dict[bytes, NodeId] = {}


def identity_key(name: str) -> bytes:
    """The identity key of a named test node."""
    return hashlib.sha256(b"identity " + name.encode()).digest()


def node_named(name: str) -> NodeId:
    """The id of a named test node."""
    return node_id_of(identity_key(name))


def operational_key(node: NodeId, generation: int = 0) -> bytes:
    """The operational key of a test node."""
    key = hashlib.sha256(b"operational %d " % generation + node).digest()
    _OWNERS[key] = node
    return key


def encode(body: object) -> bytes:
    """Bytes that stand for `body`."""
    signed = f"{type(body).__name__}{body!r}".encode()
    _DECODED[signed] = body
    return signed


def sign(key: bytes, signed: bytes) -> Signature:
    """What this sealer takes for a signature."""
    return Signature(key=key, signature=hashlib.sha512(key + signed).digest())


def sealed_by(body: T, *nodes: NodeId) -> Sealed[T]:
    """`body` as sealed by these nodes, whether or not it is theirs to say."""
    signed = encode(body)
    frame_only = isinstance(body, FRAME_ONLY)
    signatures = () if frame_only else tuple(sign(operational_key(node), signed) for node in nodes)
    envelope = Envelope(type=TYPES[type(body)], signed=signed, signatures=signatures)
    return Sealed(object_id=object_id_of(signed), body=body, signers=nodes, envelope=envelope)


def changed(value: T, changes: Mapping[str, Any]) -> T:
    """A value with other fields, as a test names them."""
    found: T = replace(value, **changes)  # type: ignore[type-var]
    return found


class PlainSealer:
    """The sealer of one test node; counts what would have cost a signature or its check."""

    def __init__(self, node: NodeId) -> None:
        """Seal as `node`."""
        self.node = node
        self.signed = 0
        self.verified = 0

    def seal(self, body: T) -> Sealed[T]:
        """Seal as this node."""
        self.signed += not isinstance(body, FRAME_ONLY)
        return sealed_by(body, self.node)

    def open(self, envelope: Envelope, body: type[T]) -> Sealed[T]:
        """Check the signatures of a nested object."""
        found = open_any(envelope, None)
        if not isinstance(found.body, body):
            raise PeerError(ErrorCode.UNEXPECTED, "another object was expected here")
        self.verified += 1
        return replace(found, body=found.body)


def open_any(envelope: Envelope, sender: NodeId | None) -> Sealed[Any]:
    """Check an envelope; frame-only objects are taken to be the sender's."""
    body = _DECODED[envelope.signed]
    if envelope.type is not TYPES[type(body)]:
        raise PeerError(ErrorCode.MALFORMED, "type and bytes do not fit")
    for signature in envelope.signatures:
        if sign(signature.key, envelope.signed) != signature:
            raise PeerError(ErrorCode.BAD_SIGNATURE, "wrong signature")
    signers = tuple(_OWNERS[s.key] for s in envelope.signatures)
    if isinstance(body, FRAME_ONLY):
        signers = () if sender is None else (sender,)
    return Sealed(object_id=object_id_of(envelope.signed), body=body, signers=signers, envelope=envelope)
