"""Edge cases of Ed25519: what libraries disagree on, judged by the strict rules of SPEC section 4."""

from __future__ import annotations

from collections.abc import Iterator

import ed25519_curve as curve
from vector_file import Vector

from ioe_router.codec.signing import Ed25519Signer
from ioe_router.model.errors import ErrorCode

SEED = bytes(range(32))
DATA = b"IOE1 vector"


def vectors() -> list[Vector]:
    """Plain signatures, damaged ones, malleable ones, unsound keys, and where cofactors matter."""
    return [*_plain(), *_damaged(), *_unsound_keys(), *_small_components()]


def _case(name: str, notes: str, key: bytes, data: bytes, signature: bytes, *, valid: bool) -> Vector:
    """A vector with what the two verification equations say; the rules go by the one without cofactor."""
    shown: dict[str, bool | None] = {"cofactorless": None, "cofactored": None}
    if len(key) == 32 and len(signature) == 64:  # noqa: PLR2004 - the lengths of Ed25519
        shown = {
            "cofactorless": curve.holds(key, data, signature, cofactored=False),
            "cofactored": curve.holds(key, data, signature, cofactored=True),
        }
    return Vector(
        id=f"ed25519-{name}",
        notes=notes,
        inputs={"key": key.hex(), "data": data.hex(), "signature": signature.hex()},
        intermediates=shown,
        code=None if valid else ErrorCode.BAD_SIGNATURE,
    )


def _plain() -> Iterator[Vector]:
    for number in range(4):
        signer = Ed25519Signer.from_seed(bytes([number]) * 32)
        data = DATA * number
        notes = f"an ordinary signature over {len(data)} bytes"
        yield _case(f"plain-{number}", notes, signer.public_key, data, signer.sign(data), valid=True)


def _damaged() -> Iterator[Vector]:
    signer = Ed25519Signer.from_seed(SEED)
    key, good = signer.public_key, signer.sign(DATA)
    r, s = good[:32], int.from_bytes(good[32:], "little")
    yield _case("data-bit", "one bit of the data differs", key, b"JOE1 vector", good, valid=False)
    for name, at in (("r-bit", 0), ("s-bit", 32)):
        flipped = good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]
        yield _case(name, f"one bit of byte {at} of the signature differs", key, DATA, flipped, valid=False)
    high = r + (s + curve.L).to_bytes(32, "little")
    yield _case(
        "s-plus-order", "S + L instead of S: another signature of the same data", key, DATA, high, valid=False
    )
    top = r + curve.L.to_bytes(32, "little")
    yield _case("s-is-order", "S equals L", key, DATA, top, valid=False)
    yield _case("zero", "64 zero bytes", key, DATA, bytes(64), valid=False)
    yield _case("short", "63 bytes", key, DATA, good[:63], valid=False)
    yield _case("long", "65 bytes", key, DATA, good + b"\0", valid=False)
    yield _case("empty", "no bytes", key, DATA, b"", valid=False)
    yield _case("key-short", "a key of 31 bytes", key[:31], DATA, good, valid=False)
    yield _case("key-long", "a key of 33 bytes", key + b"\0", DATA, good, valid=False)
    other = Ed25519Signer.from_seed(bytes(32)).public_key
    yield _case("other-key", "another key", other, DATA, good, valid=False)
    off_curve = next(
        y.to_bytes(32, "little") for y in range(2, 99) if curve.decoded(y.to_bytes(32, "little")) is None
    )
    yield _case("key-off-curve", "no point has this y", off_curve, DATA, good, valid=False)


def _unsound_keys() -> Iterator[Vector]:
    """A signature with S = 0 and R = -kA holds for a small-order A whenever R comes out as encoded."""
    point, seen = curve.torsion(), set()
    for number in range(8):
        small = point.times(number)
        key = small.encoded()
        seen.add(key)
        data, signature = _forged(small, key)
        notes = f"a key of small order ({number} times a point of order 8), S = 0: holds for chosen data"
        yield _case(f"small-order-{number}", notes, key, data, signature, valid=False)
    for name, y in (("0", 0), ("1", 1)):
        key = (curve.P + y).to_bytes(32, "little")
        small = curve.Point(0, 1) if y else next(p for p in map(point.times, range(8)) if p.y == 0)
        data, signature = _forged(small, key)
        notes = f"a key whose y is the field prime + {name}: not canonical, and of small order"
        yield _case(f"non-canonical-{name}", notes, key, data, signature, valid=False)
    for y in range(2, 19):
        point_above = curve.decoded((curve.P + y).to_bytes(32, "little"))
        if point_above is not None:
            key = (curve.P + y).to_bytes(32, "little")
            notes = (
                f"a key whose y is the field prime + {y}: a full-order point, not canonical; R = -kA, S = 0"
            )
            data, signature = _forged(point_above, key)
            yield _case(f"non-canonical-{y}", notes, key, data, signature, valid=False)
            break
    key = (1 | 1 << 255).to_bytes(32, "little")
    yield _case(
        "negative-zero",
        "y = 1 with the sign bit: x = 0 has no sign",
        key,
        *_forged(curve.IDENTITY, key),
        valid=False,
    )


def _forged(public: curve.Point, key: bytes) -> tuple[bytes, bytes]:
    """Data and a signature by nobody that fit `key` where its order allows it: S = 0, R = -k*A."""
    for number in range(64):
        data = DATA + bytes([number])
        for multiple in range(8):
            r = public.times(-multiple).encoded()
            signature = r + bytes(32)
            if (curve.challenge(r, key, data) - multiple) % 8 == 0 and public.times(8) == curve.IDENTITY:
                return data, signature
    return DATA, public.times(-1).encoded() + bytes(32)


def _small_components() -> Iterator[Vector]:
    """Keys and commitments with a component of small order: the equations part ways."""
    a, r = curve.secret_scalar(SEED), 987654321987654321
    twist = curve.torsion()
    key, mixed = curve.BASE.times(a), curve.BASE.times(a) + twist
    commitment, shifted = curve.BASE.times(r), curve.BASE.times(r) + twist
    for want, valid, name in ((0, True, "mixed-key-multiple"), (1, False, "mixed-key")):
        data = _data_with(commitment.encoded(), mixed.encoded(), want)
        s = (r + curve.challenge(commitment.encoded(), mixed.encoded(), data) * a) % curve.L
        notes = f"a key with a component of order 8; the challenge modulo 8 is {want}"
        signature = commitment.encoded() + s.to_bytes(32, "little")
        yield _case(name, notes, mixed.encoded(), data, signature, valid=valid)
    s = (r + curve.challenge(shifted.encoded(), key.encoded(), DATA) * a) % curve.L
    signature = shifted.encoded() + s.to_bytes(32, "little")
    yield _case(
        "mixed-r",
        "R with a component of order 8: holds only with cofactor",
        key.encoded(),
        DATA,
        signature,
        valid=False,
    )
    for name, raw, valid in (("small-r", 1, True), ("small-r-non-canonical", curve.P + 1, False)):
        encoded = raw.to_bytes(32, "little")
        s = curve.challenge(encoded, key.encoded(), DATA) * a % curve.L
        notes = "R is the neutral point" + (
            ", canonical: no rule forbids it" if valid else ", not canonically encoded"
        )
        yield _case(name, notes, key.encoded(), DATA, encoded + s.to_bytes(32, "little"), valid=valid)


def _data_with(r: bytes, key: bytes, remainder: int) -> bytes:
    tries = (DATA + bytes([number]) for number in range(256))
    return next(data for data in tries if curve.challenge(r, key, data) % 8 == remainder)
