"""Objects signed with identity keys (SPEC section 4.4): what has to outlive every operational key.

A link attestation and a revocation are stated by nodes, not by the keys that
the nodes happen to use this week.  Their signatures carry the identity key
itself, whose SHA-256 is the node id that the object names: no certificate has
to come with them, and a renewed operational key leaves them as they are.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any, Final, TypeVar

from ioe_router.codec import bounds, mapping
from ioe_router.codec.bound_rules import ENVELOPE_BYTES
from ioe_router.codec.registry import REGISTRY, TYPE_OF, Row
from ioe_router.codec.signing import Signer, Verify, signature_input, verify
from ioe_router.model.envelope import Envelope, Sealed, Signature
from ioe_router.model.errors import ErrorCode, PeerError, UsageError
from ioe_router.model.ids import NodeId, node_id_of, object_id_of

T = TypeVar("T")

_RECURRING_BYTES: Final = 1_024
_RECURRING_KEPT: Final = 4_096
_NO_MATCH: Final = "the identity key is not that of a node that has to sign this; use the key of one that has"


def state(body: T, identity: Signer) -> Sealed[T]:
    """Encode `body` and sign it with an identity key; an object of two signers waits for `countersign`.

    UsageError when the key is not of a node that the body names as signer, or a field is out of bounds.
    """
    kind = TYPE_OF[type(body)]
    row = REGISTRY[kind]
    node = node_id_of(identity.public_key)
    if not row.by_identity or node not in [getattr(body, name) for name in row.named]:
        raise UsageError(_NO_MATCH)
    try:
        bounds.check(body)
    except PeerError as error:
        raise UsageError(f"cannot sign: {error.detail}") from None
    signed = mapping.encode(body)
    envelope = Envelope(type=kind, signed=signed, signatures=(_sign(body, row, signed, identity),))
    return Sealed(object_id=object_id_of(signed), body=body, signers=(node,), envelope=envelope)


def countersign(envelope: Envelope, identity: Signer, judge: Verify = verify) -> Sealed[Any]:
    """Add the missing one of two signatures; a complete object is opened and returned.

    PeerError: NOT_FOR_ME when another node's signature is missing, else as `open_stated`.
    """
    row = REGISTRY[envelope.type]
    body = decoded(envelope, row)
    if len(envelope.signatures) == 1 and row.signatures_max > 1:
        named = [getattr(body, name) for name in row.named]
        other, mine = node_id_of(envelope.signatures[0].key), node_id_of(identity.public_key)
        if {other, mine} != set(named) or other == mine:
            raise PeerError(ErrorCode.NOT_FOR_ME, f"{row.message} is not waiting for this node's signature")
        signatures = (*envelope.signatures, _sign(body, row, envelope.signed, identity))
        envelope = replace(envelope, signatures=signatures if named[1] == mine else signatures[::-1])
    return open_stated(envelope, body.network_id, judge)


def open_stated(envelope: Envelope, network_id: str, judge: Verify = verify) -> Sealed[Any]:
    """Verify and decode an object of identity keys. Raises PeerError."""
    row = REGISTRY.get(envelope.type)
    if row is None or not row.by_identity:
        raise PeerError(ErrorCode.UNEXPECTED, f"{envelope.type.name} is not signed by identity keys")
    body = decoded(envelope, row)
    count = len(envelope.signatures)
    if not row.signatures_min <= count <= row.signatures_max:
        raise PeerError(ErrorCode.BAD_SIGNATURE, f"{envelope.type.name} with {count} signatures")
    signers = stating_nodes(envelope, body, row)
    data = signature_input(network_id, row.message, envelope.signed)
    if not all(judge(signature, data) for signature in envelope.signatures):
        raise PeerError(ErrorCode.BAD_SIGNATURE, f"{envelope.type.name} with an invalid signature")
    object_id = object_id_of(envelope.signed)
    return Sealed(object_id=object_id, body=body, signers=signers, envelope=envelope)


def stating_nodes(envelope: Envelope, body: object, row: Row) -> tuple[NodeId, ...]:
    """The nodes of the signing identity keys. PeerError WRONG_SIGNER when the body names others."""
    signers = tuple(node_id_of(one.key) for one in envelope.signatures)
    for name, signer in zip(row.named, signers, strict=False):
        if getattr(body, name) != signer:
            raise PeerError(ErrorCode.WRONG_SIGNER, f"{row.message} is not signed by its {name}")
    return signers


def decoded(envelope: Envelope, row: Row) -> Any:
    """What the bytes of an envelope say, within bounds. Raises PeerError."""
    if len(envelope.signed) > ENVELOPE_BYTES:
        raise PeerError(ErrorCode.TOO_LARGE, f"{row.message} of {len(envelope.signed)} bytes")
    if row.signatures_max and len(envelope.signed) <= _RECURRING_BYTES:
        return _recurring(row.body, envelope.signed)
    return _read(row.body, envelope.signed)


@lru_cache(maxsize=_RECURRING_KEPT)
def _recurring(body: type, signed: bytes) -> Any:
    """What is flooded comes to each router of a process; its values are frozen, so one serves all."""
    return _read(body, signed)


def _read(body: type, signed: bytes) -> Any:
    value: Any = mapping.decode(body, signed)
    bounds.check(value)
    return value


def _sign(body: Any, row: Row, signed: bytes, identity: Signer) -> Signature:
    data = signature_input(body.network_id, row.message, signed)
    return Signature(key=identity.public_key, signature=identity.sign(data))
