"""CPace over X25519 with SHA-512 (draft-irtf-cfrg-cpace-21, suite CPACE-X25519-SHA512; SPEC section 6.1.4).

A code becomes a point of the curve that only those who know it can tell; a
Diffie-Hellman exchange is made on that point instead of on the usual one.
Whoever guesses wrongly ends with another key and has learnt nothing but that.

Every multiplication by a secret number is X25519 of the cryptography library.
The map from the code to the point (Elligator 2, RFC 9380 section 6.7.1) is
arithmetic on Python integers without branches on secrets, but those are not
constant in time.  What could leak is the point of one code, which dies with
its first three tries; ADR 0019 weighs that.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from ioe_router.model.errors import ErrorCode, PeerError

SHARE_BYTES: Final = 32
SCALAR_BYTES: Final = 32
TAG_BYTES: Final = 64
SUITE: Final = b"CPace255"
_BLOCK_BYTES: Final = 128  # of SHA-512
_P: Final = 2**255 - 19
_A: Final = 486_662
_Z: Final = 2  # a number without a square root modulo _P
_TOP_BIT: Final = 0x7F
_LEB_STEP: Final = 7


def counted(data: bytes) -> bytes:
    """`data` behind its length in LEB128."""
    size, head = len(data), bytearray()
    while size > _TOP_BIT:
        head.append(size & _TOP_BIT | ~_TOP_BIT & 0xFF)
        size >>= _LEB_STEP
    return bytes((*head, size)) + data


def joined(*parts: bytes) -> bytes:
    """All parts, each behind its length."""
    return b"".join(counted(part) for part in parts)


def generator_string(secret: bytes, channel: bytes, sid: bytes) -> bytes:
    """What is hashed to the generator; the first block is filled, so its hash depends on the code alone."""
    padding = max(0, _BLOCK_BYTES - 1 - len(counted(secret)) - len(counted(SUITE)))
    return joined(SUITE, secret, bytes(padding), channel, sid)


def generator(secret: bytes, channel: bytes, sid: bytes) -> bytes:
    """The point that stands for a secret (u coordinate, 32 bytes)."""
    digest = hashlib.sha512(generator_string(secret, channel, sid)).digest()[:SHARE_BYTES]
    number = int.from_bytes(digest, "little") & ((1 << 255) - 1)
    return elligator2(number).to_bytes(SHARE_BYTES, "little")


def elligator2(number: int) -> int:
    """The u coordinate that a field element maps to."""
    number %= _P
    first = -_A * pow(1 + _Z * number * number, _P - 2, _P) % _P
    on_curve = pow(first * (first * first + _A * first + 1), (_P - 1) // 2, _P)  # 1, 0 or P - 1
    # first where it is on the curve, else -first - A; told apart without a branch
    return (on_curve * first - (1 - on_curve) * _A * pow(2, -1, _P)) % _P


def share(secret_point: bytes, scalar: bytes) -> bytes:
    """What one side sends: the generator times its secret scalar."""
    return multiply(scalar, secret_point)


def multiply(scalar: bytes, point: bytes) -> bytes:
    """X25519 of a scalar and a point. PeerError (BAD_SIGNATURE) when the point is of small order."""
    try:
        private = X25519PrivateKey.from_private_bytes(scalar)
        return private.exchange(X25519PublicKey.from_public_bytes(point))
    except ValueError as error:
        raise PeerError(ErrorCode.BAD_SIGNATURE, "the share is a point of small order") from error


def session_key(
    sid: bytes, shared: bytes, share_a: bytes, data_a: bytes, share_b: bytes, data_b: bytes
) -> bytes:
    """The intermediate session key ISK, 64 bytes, of initiator A and responder B."""
    transcript = joined(share_a, data_a) + joined(share_b, data_b)
    return hashlib.sha512(joined(SUITE + b"_ISK", sid, shared) + transcript).digest()


def mac_key(sid: bytes, key: bytes) -> bytes:
    """The key of the confirmation tags."""
    return hashlib.sha512(b"CPaceMac" + sid + key).digest()


def tag(confirmation_key: bytes, its_share: bytes, its_data: bytes) -> bytes:
    """The tag by which the side that sent `its_share` proves that it has the key, 64 bytes."""
    return hmac.digest(confirmation_key, joined(its_share, its_data), "sha512")


def tags_equal(one: bytes, other: bytes) -> bool:
    """Comparison in constant time."""
    return hmac.compare_digest(one, other)
