"""Objects signed with the root keys of a domain (SPEC section 4.10).

Root keys belong to no node.  What they sign lists the signing keys, so that nobody on the
way can take one signature out and have the rest mean something else; whether these keys are
roots, and enough of them, is for `core.domain` to judge.

Roots sign one after the other, at different places: what is signed first is final, and
a half-signed object travels as a file between operators, never on the wire.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, TypeVar

from ioe_router.codec import bounds, mapping
from ioe_router.codec.identity_signing import decoded
from ioe_router.codec.registry import REGISTRY, TYPE_OF
from ioe_router.codec.signing import Signer, Verify, key_is_sound, signature_input, verify
from ioe_router.model.domain import RootSigned, TrustList
from ioe_router.model.envelope import Envelope, Sealed, Signature
from ioe_router.model.errors import ErrorCode, PeerError, UsageError
from ioe_router.model.ids import object_id_of

T = TypeVar("T")

_NOT_ASKED: Final = (
    "this root key is not among the signers that the draft names;"
    " use one of those, or draft it anew with --signer"
)


def draft(body: RootSigned) -> Envelope:
    """An object without signatures. UsageError when a field is out of bounds."""
    try:
        bounds.check(body)
    except PeerError as error:
        raise UsageError(f"cannot be signed: {error.detail}") from None
    return Envelope(type=TYPE_OF[type(body)], signed=mapping.encode(body), signatures=())


def signed_by(envelope: Envelope, root: Signer, judge: Verify = verify) -> Envelope:
    """The object with one more signature, in its place. UsageError: the key is not asked, or has signed."""
    body = stated(envelope)
    if root.public_key not in [one.key for one in body.signers]:
        raise UsageError(_NOT_ASKED)
    held = {one.key: one for one in envelope.signatures}
    if root.public_key in held:
        raise UsageError("this root key has signed it already; hand it to the next signer")
    data = signature_input(body.network_id, REGISTRY[envelope.type].message, envelope.signed)
    if not all(judge(one, data) for one in envelope.signatures):
        raise UsageError("a signature on the draft does not hold; begin again from a fresh draft")
    held[root.public_key] = Signature(key=root.public_key, signature=root.sign(data))
    return replace(envelope, signatures=tuple(held[one.key] for one in body.signers if one.key in held))


def missing(envelope: Envelope) -> tuple[bytes, ...]:
    """The keys that have not signed yet."""
    held = {one.key for one in envelope.signatures}
    return tuple(one.key for one in stated(envelope).signers if one.key not in held)


def stated(envelope: Envelope) -> RootSigned:
    """What an object says, before any signature is checked. UsageError when it is none of a domain."""
    row = REGISTRY[envelope.type]
    if not row.by_roots:
        raise UsageError(f"{row.message} is not signed by the roots of a domain; name another file")
    try:
        body: RootSigned = decoded(envelope, row)
    except PeerError as error:
        raise UsageError(f"{row.message} cannot be read ({error}); get the file again") from error
    return body


def open_root_signed(envelope: Envelope, network_id: str, judge: Verify = verify) -> Sealed[RootSigned]:
    """Verify and decode a complete object. Raises PeerError as the wire does."""
    row = REGISTRY[envelope.type]
    body: RootSigned = decoded(envelope, row)
    refuse_stripped(envelope, body, network_id)
    data = signature_input(network_id, row.message, envelope.signed)
    if not all(judge(one, data) for one in envelope.signatures):
        raise PeerError(ErrorCode.BAD_SIGNATURE, f"{envelope.type.name} with an invalid signature")
    return Sealed(object_id=object_id_of(envelope.signed), body=body, signers=(), envelope=envelope)


class RootOpener:
    """Opens objects of a domain of which the kind is known beforehand."""

    def __init__(self, network_id: str) -> None:
        """Objects of this network."""
        self._network_id = network_id

    def __call__(self, envelope: Envelope, body: type[T]) -> Sealed[T]:
        """The object, a `body`. Raises PeerError."""
        sealed = open_root_signed(envelope, self._network_id)
        if not isinstance(sealed.body, body):
            raise PeerError(ErrorCode.UNEXPECTED, f"{envelope.type.name} in place of {body.__name__}")
        return Sealed(object_id=sealed.object_id, body=sealed.body, signers=(), envelope=envelope)


def refuse_stripped(envelope: Envelope, body: RootSigned, network_id: str) -> None:
    """PeerError BAD_SIGNATURE unless the signers are exactly those listed; NETWORK_MISMATCH."""
    if body.network_id != network_id:
        raise PeerError(ErrorCode.NETWORK_MISMATCH, f"an object of the network {body.network_id!r}")
    if tuple(one.key for one in envelope.signatures) != tuple(one.key for one in body.signers):
        raise PeerError(
            ErrorCode.BAD_SIGNATURE, f"{envelope.type.name} without the signature of each key that it names"
        )
    named = (*body.signers, *body.roots) if isinstance(body, TrustList) else body.signers
    if not all(key_is_sound(one.key) for one in named):
        raise PeerError(ErrorCode.BAD_SIGNATURE, f"{envelope.type.name} names an unsound public key")
