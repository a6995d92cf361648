"""Signed envelopes as values (SPEC section 4): the bytes that were signed, kept as they came.

`Envelope` is what travels.  `Sealed` pairs it with what it says, once the
router has verified it (or made it): the rest of the core never sees an
unverified object.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Generic, Protocol, TypeVar

from ioe_router.model.ids import NodeId, ObjectId

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class ObjectType(IntEnum):
    """Which message the signed bytes hold; registered in SPEC section 4."""

    UNSPECIFIED = 0
    OPERATIONAL_KEY = 1
    LINK_ATTESTATION = 2
    HELLO = 3
    SESSION_PROOF = 4
    KEEPALIVE = 5
    CLOSE = 6
    REFRESH = 7
    FAULT = 8
    OFFER = 10
    OFFER_WITHDRAWAL = 11
    PATH_ENTRY = 12
    PATH_ADVERT = 13
    PATH_WITHDRAWAL = 14
    LINK_STATE = 15
    HOLD_CORE = 20
    HOLD = 21
    KEEPER_ENTRY = 22
    GRANT = 23
    REFUSE = 24
    COMMIT = 25
    COMMIT_HOP = 26
    COMMITTED = 27
    RECEIPT = 28
    FAILED = 29
    RELEASE = 30
    CURTAIL = 31
    OUTCOME_QUERY = 32
    OUTCOME = 33
    CURTAIL_HOP = 34
    CONNECTION_LIMIT = 40
    ZONE_REPORT = 41
    OPERATING_ENVELOPE = 42
    SWEEP_UP = 43
    SWEEP_DOWN = 44
    METER_RECORD = 50
    LINK_STATEMENT = 51
    IMBALANCE_RECORD = 52
    RELAY = 53
    RETAINED = 54
    REVOCATION = 55
    TRUST_LIST = 56
    MEMBER_CERTIFICATE = 57
    METER_CERTIFICATE = 58


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One Ed25519 signature (64 bytes) by `key` (32 bytes)."""

    key: bytes
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Signed bytes with their type and signatures (none under a frame signature)."""

    type: ObjectType
    signed: bytes
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What one write on a peer stream carries; `signature` is None before the session stands."""

    session: bytes
    seq: int
    envelopes: tuple[Envelope, ...]
    signature: Signature | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed(Generic[T]):
    """A verified object: its id, what it says, who signed it (the frame's sender for frame-only ones)."""

    object_id: ObjectId
    body: T
    signers: tuple[NodeId, ...]
    envelope: Envelope


class Sealer(Protocol):
    """Signs what the core has decided to say. Injected, so that the core needs neither keys nor a codec."""

    def seal(self, body: T) -> Sealed[T]:
        """Encode and, unless it is a frame-only type, sign `body` with the node's operational key."""
        ...

    def open(self, envelope: Envelope, body: type[T]) -> Sealed[T]:
        """Verify and decode an envelope nested in another object. Raises PeerError."""
        ...
