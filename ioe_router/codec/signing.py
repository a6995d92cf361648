"""What is signed and how a signature is judged (SPEC section 4).

Every signature covers its context - protocol, network, message type - with a
length before each part, so that no signature can be used for something else.
Libraries disagree on which Ed25519 keys and signatures are valid; here the
strict rules hold: keys and R canonical and outside the small subgroup, S below
the group order, and the equation without cofactor on the bytes of R.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ioe_router.model.envelope import Envelope, Signature

KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
FIELD_PRIME: Final = 2**255 - 19
GROUP_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
FRAME_MESSAGE: Final = "ioe.v1.Frame"

_TAG: Final = b"IOE1"
_LEAF: Final = b"\x00"
_NODE: Final = b"\x01"
_LOADED_KEYS: Final = 4096
_PREFIXES: Final = 256  # networks times messages
_Y_BITS: Final = 2**255 - 1
# y coordinates of the eight points whose order divides 8; the sign of x does not matter.
_ORDER_8_Y: Final = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
SMALL_ORDER_Y: Final = frozenset({0, 1, FIELD_PRIME - 1, _ORDER_8_Y, FIELD_PRIME - _ORDER_8_Y})


# Judges a signature of some data; the one that a router is given may remember what it has judged before.
Verify = Callable[[Signature, bytes], bool]


class Signer(Protocol):
    """Something that holds one Ed25519 private key: software, a token, a remote service."""

    @property
    def public_key(self) -> bytes:
        """The 32-byte public key."""
        ...

    def sign(self, data: bytes) -> bytes:
        """The 64-byte signature of `data`."""
        ...


class Ed25519Signer:
    """A signer whose private key is in memory."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._sign = key.sign
        self.public_key: Final = key.public_key().public_bytes_raw()

    @classmethod
    def from_seed(cls, seed: bytes) -> Ed25519Signer:
        """The signer of a 32-byte private seed."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    def sign(self, data: bytes) -> bytes:
        """The 64-byte signature of `data`."""
        return self._sign(data)


# ------------------------------------------------------------------ what is signed


@lru_cache(maxsize=_PREFIXES)
def signature_prefix(network_id: str, message: str) -> bytes:
    """The context of a signature: all of its input but the length and the signed bytes themselves."""
    network, name = network_id.encode("ascii"), message.encode("ascii")
    return b"".join((_TAG, len(network).to_bytes(2), network, len(name).to_bytes(2), name))


def signature_input(network_id: str, message: str, signed: bytes) -> bytes:
    """What is signed for the message type `message` (full name, such as ioe.v1.Offer)."""
    return signature_prefix(network_id, message) + len(signed).to_bytes(4) + signed


def merkle_root(envelopes: Sequence[Envelope]) -> bytes:
    """The root over types and signed bytes, in order. The odd node of a level is promoted unchanged."""
    level = [_leaf(envelope) for envelope in envelopes]
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        odd = level[-1:] if len(level) % 2 else []
        level = [hashlib.sha256(_NODE + left + right).digest() for left, right in pairs] + odd
    return level[0]


def _leaf(envelope: Envelope) -> bytes:
    header = _LEAF + envelope.type.to_bytes(4) + len(envelope.signed).to_bytes(4)
    return hashlib.sha256(header + envelope.signed).digest()


def frame_input(network_id: str, session: bytes, seq: int, envelopes: Sequence[Envelope]) -> bytes:
    """What is signed for a frame: session id, number in its direction, root of its envelopes."""
    return signature_input(network_id, FRAME_MESSAGE, session + seq.to_bytes(8) + merkle_root(envelopes))


# ------------------------------------------------------------------ how it is judged


def key_is_sound(key: bytes) -> bool:
    """Whether a public key has 32 bytes, is canonically encoded and lies outside the small subgroup."""
    if len(key) != KEY_BYTES:
        return False
    return _is_sound_point(key)


def _is_sound_point(encoded: bytes) -> bool:
    y = int.from_bytes(encoded, "little") & _Y_BITS
    return y < FIELD_PRIME and y not in SMALL_ORDER_Y


def verify(signature: Signature, data: bytes) -> bool:
    """Whether `signature` is a strictly valid Ed25519 signature of `data` (a signature input) by its key."""
    raw = signature.signature
    key = _loaded(signature.key)
    if key is None or len(raw) != SIGNATURE_BYTES or int.from_bytes(raw[32:], "little") >= GROUP_ORDER:
        return False
    # An R of small order would make S = k * a, so that S and the public k give the private scalar away.
    if not _is_sound_point(raw[:32]):
        return False
    try:
        key.verify(raw, data)
    except InvalidSignature:
        return False
    return True


@lru_cache(maxsize=_LOADED_KEYS)
def _loaded(key: bytes) -> Ed25519PublicKey | None:
    """The key ready for use, None when it is unsound. Remembered, because neighbours sign with few keys."""
    return Ed25519PublicKey.from_public_bytes(key) if key_is_sound(key) else None
