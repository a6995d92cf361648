"""Edge cases of Ed25519: what libraries disagree on, judged by the strict rules of SPEC section 4."""

from __future__ import annotations

from collections.abc import Iterator

import ed25519_curve as curve
from vector_file import Vector

from ioe_router.codec.signing import Ed25519Signer
from ioe_router.model.errors import ErrorCode

# RFC 8032, section 7.1: TEST 1, 2, 3 and SHA(abc): private seed, public key, message, signature.
RFC_8032 = (
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
        "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
)
SEED = bytes(range(32))
DATA = b"IOE1 vector"


def vectors() -> list[Vector]:
    """Plain signatures, damaged ones, malleable ones, unsound keys, and where cofactors matter."""
    return [*_rfc(), *_plain(), *_damaged(), *_unsound_keys(), *_small_components(), *_small_r()]


def _case(name: str, notes: str, key: bytes, data: bytes, signature: bytes, *, valid: bool) -> Vector:
    """A vector with what the two verification equations say; the rules go by the one without cofactor."""
    shown: dict[str, bool | None] = {"cofactorless": None, "cofactored": None}
    if len(key) == 32 and len(signature) == 64:
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


def _rfc() -> Iterator[Vector]:
    for number, (seed, key, message, signature) in enumerate(RFC_8032, start=1):
        signer, data = Ed25519Signer.from_seed(bytes.fromhex(seed)), bytes.fromhex(message)
        if (signer.public_key.hex(), signer.sign(data).hex()) != (key, signature):
            raise ValueError(f"test {number} of RFC 8032 was copied wrongly")
        notes = f"RFC 8032, section 7.1, over {len(data)} bytes; the seed is {seed}"
        yield _case(f"rfc8032-{number}", notes, signer.public_key, data, signer.sign(data), valid=True)


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
    for name, encoding in _other_encodings():
        key = encoding.to_bytes(32, "little")
        decoded = curve.decoded(key)
        if decoded is None:
            raise ValueError(f"{name} is no encoding of a point")
        data, signature = _forged(decoded, key)
        notes = f"a key of small order in an encoding that is not canonical: {name.replace('-', ' ')}"
        yield _case(f"small-order-{name}", notes, key, data, signature, valid=False)
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


def _other_encodings() -> tuple[tuple[str, int], ...]:
    """What a lenient reader takes for a point of small order, beside the canonical eight: 14 in all.

    y = p and y = p + 1 with either sign, and the two points with x = 0 with the sign of a zero.
    """
    sign = 1 << 255
    return (
        ("y-p", curve.P),
        ("y-p-negative", curve.P | sign),
        ("y-p-plus-1", curve.P + 1),
        ("y-p-plus-1-negative", curve.P + 1 | sign),
        ("y-1-negative", 1 | sign),
        ("y-minus-1-negative", curve.P - 1 | sign),
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


def _small_r() -> Iterator[Vector]:
    """R of small order: the signer's S is k * a then, from which anybody computes the private scalar a."""
    a, point = curve.secret_scalar(SEED), curve.torsion()
    key = curve.BASE.times(a).encoded()
    encodings = [(str(n), point.times(n).encoded()) for n in range(8)]
    encodings += [(name, raw.to_bytes(32, "little")) for name, raw in _other_encodings()]
    for name, encoded in encodings:
        s = curve.challenge(encoded, key, DATA) * a % curve.L
        signature = encoded + s.to_bytes(32, "little")
        notes = f"R is a point of small order (encoding {name} of those above), S = k * a"
        yield _case(f"r-small-order-{name}", notes, key, DATA, signature, valid=False)
    high = next(p for y in range(2, 19) if curve.decoded(p := (curve.P + y).to_bytes(32, "little")))
    notes = "R is not canonical: its y is above the field prime, the point of full order"
    s = (curve.challenge(high, key, DATA) * a) % curve.L
    yield _case("r-non-canonical", notes, key, DATA, high + s.to_bytes(32, "little"), valid=False)


def _data_with(r: bytes, key: bytes, remainder: int) -> bytes:
    tries = (DATA + bytes([number]) for number in range(256))
    return next(data for data in tries if curve.challenge(r, key, data) % 8 == remainder)
