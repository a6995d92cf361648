"""Ed25519 in plain integers (RFC 8032), slow and independent of any library.

Used to make and to judge edge cases that no library will produce: points of
small order, encodings above the field prime, signatures that only a
cofactored check accepts.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import reduce

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)


@dataclass(frozen=True, slots=True)
class Point:
    """An affine point of the curve -x^2 + y^2 = 1 + d x^2 y^2."""

    x: int
    y: int

    def __add__(self, other: Point) -> Point:
        product = D * self.x * other.x * self.y * other.y
        x = (self.x * other.y + self.y * other.x) * pow(1 + product, -1, P) % P
        y = (self.y * other.y + self.x * other.x) * pow(1 - product, -1, P) % P
        return Point(x, y)

    def times(self, scalar: int) -> Point:
        """This point added `scalar` times; negative scalars count backwards."""
        bits = f"{abs(scalar):b}"
        found = reduce(lambda acc, bit: acc + acc + self if bit == "1" else acc + acc, bits, IDENTITY)
        return found if scalar >= 0 else Point(-found.x % P, found.y)

    def encoded(self) -> bytes:
        """The canonical 32-byte encoding."""
        return (self.y | (self.x & 1) << 255).to_bytes(32, "little")


IDENTITY = Point(0, 1)


def decoded(raw: bytes) -> Point | None:
    """The point of an encoding, None when there is none; y above the field prime is reduced."""
    number = int.from_bytes(raw, "little")
    y, sign = number % 2**255 % P, number >> 255
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * ROOT_OF_MINUS_ONE % P
    if x * x % P != square:
        return None
    return Point(-x % P if x & 1 != sign else x, y)


def _base() -> Point:
    found = decoded((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
    if found is None:
        raise ArithmeticError("the base point is not on the curve")
    return found


BASE = _base()


def torsion() -> Point:
    """A point of order 8: any curve point times L, if that leaves full order."""
    for y in range(2, 100):
        point = decoded(y.to_bytes(32, "little"))
        if point is not None and point.times(L).times(4) != IDENTITY:
            return point.times(L)
    raise ArithmeticError("no point of order 8 found")


def secret_scalar(seed: bytes) -> int:
    """The clamped scalar of a private seed."""
    digest = bytearray(hashlib.sha512(seed).digest()[:32])
    digest[0] &= 248
    digest[31] = digest[31] & 127 | 64
    return int.from_bytes(digest, "little")


def challenge(r: bytes, key: bytes, data: bytes) -> int:
    """The hash that binds commitment, key and data, as a scalar."""
    return int.from_bytes(hashlib.sha512(r + key + data).digest(), "little") % L


def holds(key: bytes, data: bytes, signature: bytes, *, cofactored: bool) -> bool:
    """Whether the verification equation holds; without cofactor, on the bytes of R."""
    public, s = decoded(key), int.from_bytes(signature[32:], "little")
    if public is None:
        return False
    found = BASE.times(s) + public.times(-challenge(signature[:32], key, data))
    if not cofactored:
        return found.encoded() == signature[:32]
    commitment = decoded(signature[:32])
    return commitment is not None and found.times(8) == commitment.times(8)
