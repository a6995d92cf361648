"""Sealing and opening of objects (SPEC section 4): the only way in and out of an envelope.

Opening goes from cheap to dear: size, wire format, bounds, signers, and only
then signatures.  What has been verified before is recognised by its bytes and
not verified again; that memory is bounded, and nothing depends on it but speed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, TypeVar

from ioe_router.codec import bounds, mapping
from ioe_router.codec.bound_rules import ENVELOPE_BYTES
from ioe_router.codec.identity_signing import decoded, stating_nodes
from ioe_router.codec.keys import KeyRing, refuse_unsound
from ioe_router.codec.registry import REGISTRY, TYPE_OF, Row
from ioe_router.codec.remembered import Remembered
from ioe_router.codec.root_signing import refuse_stripped
from ioe_router.codec.signing import Signer, Verify, signature_prefix, verify
from ioe_router.model.clock import Now
from ioe_router.model.discovery import LinkAttestation, OperationalKey
from ioe_router.model.domain import RootSigned
from ioe_router.model.envelope import Envelope, ObjectType, Sealed, Signature
from ioe_router.model.errors import ErrorCode, PeerError, UsageError
from ioe_router.model.ids import NodeId, node_id_of, object_id_of

T = TypeVar("T")

_NETWORKED: Final = frozenset(kind for kind, row in REGISTRY.items() if hasattr(row.body, "network_id"))


class BadSignature(PeerError):
    """A signature does not fit what it stands under; that of a wrong count or place is a plain PeerError."""

    def __init__(self, kind: ObjectType) -> None:
        super().__init__(ErrorCode.BAD_SIGNATURE, f"{kind.name} with an invalid signature")


def charge_nobody(_count: int) -> None:
    """Signature checks that this node makes for itself."""


class CodecSealer:
    """Seals what this node says and opens what others say, within one network.

    `now` is the instant by which keys are judged; the router sets it before each input.
    """

    def __init__(
        self, *, ring: KeyRing, signer: Signer, node: NodeId, now: Now, judge: Verify = verify
    ) -> None:
        """`signer` holds the operational key of `node`; `ring` says whom other keys speak for.

        `judge` verifies signatures; whoever runs many nodes may hand them one that remembers.
        """
        self.ring: Final = ring
        self.node: Final = node
        self.now = now
        self.signatures_verified = 0  # of objects; those of frames are verified elsewhere
        self._signer = signer
        self._own_signers = {signer.public_key: signer}
        self._judge = judge
        self._prefixes = {
            kind: signature_prefix(ring.network_id, row.message) for kind, row in REGISTRY.items()
        }
        self.charge: Callable[[int], None] = charge_nobody  # asked before signatures are checked
        self._remembered = Remembered()

    def add_signer(self, signer: Signer) -> None:
        """Hold another operational key of this node ready for `use_key`."""
        self._own_signers[signer.public_key] = signer

    def signer_of(self, key: bytes) -> Signer:
        """The signer of an operational key of this node. UsageError when there is none."""
        signer = self._own_signers.get(key)
        if signer is None:
            raise UsageError(f"no signer holds the operational key {key.hex()[:16]}; add it first")
        return signer

    def use_key(self, sealed: Sealed[OperationalKey], now: Now) -> None:
        """Sign with the key of this certificate from now on; the one before stays for frames under way.

        UsageError when nobody holds it; PeerError when it is not this node's or the key ring refuses it.
        """
        following = self.signer_of(sealed.body.operational_key)
        if sealed.signers != (self.node,):
            raise PeerError(ErrorCode.WRONG_SIGNER, "the certificate is of another node's key")
        self.ring.learn(sealed, now)
        before, self._signer = self._signer, following
        self._own_signers = {one.public_key: one for one in (before, self._signer)}

    def revoke(self, node: NodeId, up_to_serial: int) -> None:
        """From now on no key of `node` with this serial or a lower one counts."""
        self.ring.revoke(node, up_to_serial)

    def seal(self, body: T) -> Sealed[T]:
        """Encode and, unless it is a frame-only type, sign `body`.

        Raises UsageError when a field is out of bounds or `body` names another signer. An object of two
        signers comes back with this node's signature alone; the other one adds its own by `countersign`.
        """
        kind = TYPE_OF[type(body)]
        row = REGISTRY[kind]
        self._refuse_to_seal(body, row)
        signed = mapping.encode(body)
        if len(signed) > ENVELOPE_BYTES:
            raise UsageError(f"{row.message} takes {len(signed)} bytes, above {ENVELOPE_BYTES}; split it")
        signatures = (self._sign(kind, signed),) if row.signatures_max else ()
        sealed = Sealed(
            object_id=object_id_of(signed),
            body=body,
            signers=(self.node,),
            envelope=Envelope(type=kind, signed=signed, signatures=signatures),
        )
        if signatures and len(signatures) >= row.signatures_min:
            self._remembered.keep_good(sealed)
        return sealed

    def open(self, envelope: Envelope, body: type[T]) -> Sealed[T]:
        """Verify and decode an own-signed object that must be a `body`. Raises PeerError."""
        row = REGISTRY.get(envelope.type)
        if row is None or row.body is not body:
            raise PeerError(ErrorCode.UNEXPECTED, f"{envelope.type.name} in place of {body.__name__}")
        return self._open_signed(envelope, row)

    def open_any(self, envelope: Envelope, *, frame_sender: NodeId | None, now: Now) -> Sealed[Any]:
        """Verify and decode an object that came in a frame; `frame_sender` signed the frame, None if nobody.

        Raises PeerError. Sets `now`, so that what is nested inside is judged by the same instant.
        """
        self.now = now
        row = REGISTRY.get(envelope.type)
        if row is None:
            raise PeerError(ErrorCode.UNKNOWN_TYPE, f"object type {int(envelope.type)}")
        if row.inside:
            raise PeerError(ErrorCode.UNEXPECTED, f"{envelope.type.name} travels only inside other objects")
        if frame_sender is None and not row.unsigned_frame:
            raise PeerError(ErrorCode.UNEXPECTED, f"{envelope.type.name} before the session stands")
        if row.signatures_max:
            return self._open_signed(envelope, row)
        if envelope.signatures:
            raise PeerError(ErrorCode.BAD_SIGNATURE, f"{envelope.type.name} carries a signature of its own")
        return Sealed(
            object_id=object_id_of(envelope.signed),
            body=decoded(envelope, row),
            signers=(frame_sender,) if frame_sender is not None else (),
            envelope=envelope,
        )

    def countersign(self, envelope: Envelope) -> Sealed[Any]:
        """Add this node's signature to an object that waits for it; a complete one is opened and returned.

        For IMBALANCE_RECORD. Raises PeerError: NOT_FOR_ME when another node's signature is missing, else as
        `open`. Raises UsageError for other types.
        """
        row = REGISTRY[envelope.type]
        if row.by_identity or row.signatures_max != len(row.named) or len(row.named) == 1:
            raise UsageError(f"{row.message} has one operational signer; seal it instead")
        if len(envelope.signatures) != 1:
            return self._open_signed(envelope, row)
        body = decoded(envelope, row)
        named = [getattr(body, name) for name in row.named]
        other = self.ring.node_of(envelope.signatures[0].key, self.now)
        if {other, self.node} != set(named) or other == self.node:
            raise PeerError(ErrorCode.NOT_FOR_ME, f"{row.message} is not waiting for this node's signature")
        self._verify(envelope)
        signatures = (*envelope.signatures, self._sign(envelope.type, envelope.signed))
        if named[0] == self.node:
            signatures = signatures[::-1]
        return self._open_signed(replace(envelope, signatures=signatures), row)

    def peek_attestation(self, envelope: Envelope) -> Sealed[LinkAttestation]:
        """Decode an attestation of the node's own configuration; the handshake checks its signatures.

        Raises UsageError: a configuration is the operator's, not a neighbour's.
        """
        if envelope.type is not ObjectType.LINK_ATTESTATION:
            raise UsageError(
                f"{envelope.type.name} is configured as a link attestation; attest the link anew"
            )
        try:
            body: LinkAttestation = decoded(envelope, REGISTRY[envelope.type])
        except PeerError as error:
            raise UsageError(
                f"a configured attestation is unusable ({error}); attest the link anew"
            ) from None
        if self.node not in (body.keeper, body.other):
            raise UsageError("a configured attestation does not name this node; attest the link anew")
        signers, object_id = (body.keeper, body.other), object_id_of(envelope.signed)
        return Sealed(object_id=object_id, body=body, signers=signers, envelope=envelope)

    def recall(self, envelope: Envelope, body: type[T]) -> Sealed[T]:
        """Decode an object that this node verified before it stored it; its key may have ended since.

        Raises PeerError when the bytes are not a `body`.
        """
        row = REGISTRY.get(envelope.type)
        if row is None or row.body is not body:
            raise PeerError(ErrorCode.UNEXPECTED, f"{envelope.type.name} in place of {body.__name__}")
        found: T = decoded(envelope, row)
        names = row.named[: len(envelope.signatures)]
        signers = tuple(getattr(found, name) for name in names)
        object_id = object_id_of(envelope.signed)
        return Sealed(object_id=object_id, body=found, signers=signers, envelope=envelope)

    # -------------------------------------------------------------- sealing

    def _refuse_to_seal(self, body: object, row: Row) -> None:
        if row.by_roots:
            raise UsageError(f"{row.message} is signed by root keys; use codec.root_signing")
        if not row.by_operational:
            raise UsageError(f"{row.message} is signed by identity keys; use codec.keys or identity_signing")
        try:
            bounds.check(body)
        except PeerError as error:
            raise UsageError(f"cannot seal: {error.detail}") from None
        if row.named and self.node != getattr(body, row.named[0]):
            raise UsageError(f"{row.message} names another signer than this node")

    def _sign(self, kind: ObjectType, signed: bytes) -> Signature:
        data = self._prefixes[kind] + len(signed).to_bytes(4) + signed
        return Signature(key=self._signer.public_key, signature=self._signer.sign(data))

    # -------------------------------------------------------------- opening

    def _open_signed(self, envelope: Envelope, row: Row) -> Sealed[Any]:
        object_id = object_id_of(envelope.signed)
        known = self._remembered.good(object_id, envelope)
        if known is not None:
            if row.by_operational:
                for signature in envelope.signatures:  # a key may have expired since
                    self.ring.node_of(signature.key, self.now)
            return known
        body = decoded(envelope, row)
        if not row.signatures_min <= len(envelope.signatures) <= row.signatures_max:
            raise PeerError(
                ErrorCode.BAD_SIGNATURE, f"{envelope.type.name} with {len(envelope.signatures)} signatures"
            )
        self._refuse_other_network(envelope, body)
        signers = self._signers(envelope, body, row)
        if self._remembered.is_bad(object_id, envelope):
            raise BadSignature(envelope.type)
        try:
            self._verify(envelope)
        except BadSignature:
            self._remembered.keep_bad(object_id, envelope)
            raise
        sealed: Sealed[Any] = Sealed(object_id=object_id, body=body, signers=signers, envelope=envelope)
        self._remembered.keep_good(sealed)
        return sealed

    def _refuse_other_network(self, envelope: Envelope, body: Any) -> None:
        """Its signatures would not fit our context anyway, but say nothing of the cause."""
        if envelope.type in _NETWORKED and body.network_id != self.ring.network_id:
            message = type(body).__name__
            raise PeerError(ErrorCode.NETWORK_MISMATCH, f"{message} of the network {body.network_id!r}")

    def _signers(self, envelope: Envelope, body: object, row: Row) -> tuple[NodeId, ...]:
        """Who claims to have signed, by key ring; the nodes that the body names, in their order."""
        if isinstance(body, OperationalKey):
            return _self_certified(envelope, body)
        if row.by_identity:
            return stating_nodes(envelope, body, row)
        if isinstance(body, RootSigned):
            refuse_stripped(envelope, body, self.ring.network_id)
            return ()
        signers = tuple(self.ring.node_of(one.key, self.now) for one in envelope.signatures)
        for name, signer in zip(row.named, signers, strict=False):
            if getattr(body, name) != signer:
                raise PeerError(ErrorCode.WRONG_SIGNER, f"{row.message} is not signed by its {name}")
        return signers

    def _verify(self, envelope: Envelope) -> None:
        data = self._prefixes[envelope.type] + len(envelope.signed).to_bytes(4) + envelope.signed
        self.charge(len(envelope.signatures))
        self.signatures_verified += len(envelope.signatures)
        for signature in envelope.signatures:
            if not self._judge(signature, data):
                raise BadSignature(envelope.type)


def _self_certified(envelope: Envelope, body: OperationalKey) -> tuple[NodeId, ...]:
    """The node of a certificate, once its two signatures claim to be by the two keys that it names."""
    refuse_unsound(body)
    if tuple(one.key for one in envelope.signatures) != (body.identity_key, body.operational_key):
        raise PeerError(ErrorCode.WRONG_SIGNER, "OperationalKey is not signed by the two keys that it names")
    return (node_id_of(body.identity_key),)
