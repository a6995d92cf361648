"""Knows every signature that was ever made, and spares routers to verify one twice (SPEC section 4).

Signing goes through here, so the notary can say of any object that a router
has accepted whether its signer really signed it.  Verification goes through
here, too: all routers share what one of them has found out about the same key,
data and signature.  With `trusting` on, signatures that were made here count
as verified at once; forged ones are always judged by the real rules.
"""

from __future__ import annotations

import hashlib
from typing import Final

from ioe_router.codec.registry import REGISTRY
from ioe_router.codec.signing import FRAME_MESSAGE, Signer, signature_input, verify
from ioe_router.model.envelope import Envelope, Signature
from ioe_router.model.ids import NodeId

_FRAME: Final = FRAME_MESSAGE.encode()
_REMEMBERED: Final = 262_144


def _digest(key: bytes, data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16, key=key).digest()


class Notary:
    """One for all routers of a simulation."""

    def __init__(self, network_id: str, *, trusting: bool) -> None:
        """Nothing has been signed yet."""
        self.network_id = network_id
        self._trusting = trusting
        self._owners: dict[bytes, NodeId] = {}  # of operational keys
        self._keys: dict[NodeId, bytes] = {}
        self._made: dict[bytes, bytes] = {}  # signature -> digest of key and data; frames are left out
        self._judged: dict[bytes, tuple[bytes, bool]] = {}
        self.verified = 0  # in earnest

    def signer(self, signer: Signer, node: NodeId) -> Signer:
        """The same signer, overheard; it is a node's own."""
        self._owners[signer.public_key], self._keys[node] = node, signer.public_key
        return _Overheard(signer, self)

    def signer_of_identity(self, signer: Signer) -> Signer:
        """A node's identity key, overheard: what it signs counts as signed here."""
        return _Overheard(signer, self)

    def key_of(self, node: NodeId) -> bytes:
        """The operational key of a node."""
        return self._keys[node]

    def note(self, key: bytes, data: bytes, signature: bytes) -> None:
        """Somebody who holds `key` has signed `data`."""
        digest = _digest(key, data)
        if _FRAME not in data[:128]:
            self._made[signature] = digest
        if self._trusting:
            self._remember(signature, digest, True)

    def judge(self, signature: Signature, data: bytes) -> bool:
        """What `codec.signing.verify` says, asked once for the same bytes."""
        digest = _digest(signature.key, data)
        known = self._judged.get(signature.signature)
        if known is not None and known[0] == digest:
            return known[1]
        self.verified += 1
        sound = verify(signature, data)
        self._remember(signature.signature, digest, sound)
        return sound

    def was_signed(self, envelope: Envelope) -> bool:
        """Whether every signature on an object was made by the holder of its key, over just these bytes."""
        message = REGISTRY[envelope.type].message
        data = signature_input(self.network_id, message, envelope.signed)
        return bool(envelope.signatures) and all(
            self._made.get(one.signature) == _digest(one.key, data) for one in envelope.signatures
        )

    def signed_by(self, envelope: Envelope, node: NodeId) -> bool:
        """Whether an object bears one signature, made by this node over just these bytes."""
        owners = [self._owners.get(one.key) for one in envelope.signatures]
        return owners == [node] and self.was_signed(envelope)

    def _remember(self, signature: bytes, digest: bytes, sound: bool) -> None:
        if len(self._judged) >= _REMEMBERED:
            self._judged.clear()
        self._judged[signature] = (digest, sound)


class _Overheard:
    def __init__(self, signer: Signer, notary: Notary) -> None:
        self.public_key: Final = signer.public_key
        self._signer = signer
        self._notary = notary

    def sign(self, data: bytes) -> bytes:
        """The 64-byte signature of `data`, of which the notary takes note."""
        signature = self._signer.sign(data)
        self._notary.note(self.public_key, data, signature)
        return signature
