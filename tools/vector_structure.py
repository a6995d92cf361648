"""Vectors of strict reading for every message: cut, unknown or repeated field, wire type (SPEC 4.5)."""

from __future__ import annotations

from collections.abc import Iterator

from vector_bounds import BODIES, sample
from vector_file import Vector
from vector_wire import varint

from ioe_router.codec import mapping
from ioe_router.codec.bound_tables import TABLES
from ioe_router.codec.bound_types import Count
from ioe_router.model.errors import ErrorCode, PeerError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def vectors() -> list[Vector]:
    """What is MALFORMED about each message."""
    return [one for body in BODIES for one in _of(body)]


def _of(body: type) -> Iterator[Vector]:
    raw = mapping.encode(sample(body))
    unknown, group = varint(999 << 3), varint(999 << 3 | 3) + varint(999 << 3 | 4)
    for name, notes, changed in (
        ("unknown-field", "a field that the message does not have", raw + unknown + b"\x01"),
        ("unknown-bytes", "the same as bytes", raw + varint(999 << 3 | BYTES) + b"\x00"),
        ("group", "a group at its end", raw + group),
    ):
        yield _vector(body, name, notes, changed, "IOE-SIG-110")
    if raw:
        yield from _first(body, raw)


def _first(body: type, raw: bytes) -> Iterator[Vector]:
    """What is done to the first field of a message, and to its last byte."""
    tag, wire, end = _first_field(raw)
    yield _vector(body, "cut", "its last byte is missing", raw[:-1], "IOE-SIG-100")
    if not isinstance(list(TABLES[body].values())[tag - 1], Count):
        yield _vector(body, "twice", "its first field is there twice", raw[:end] + raw, "IOE-SIG-120")
    other = varint(tag << 3 | FIXED64) + bytes(8) if wire == VARINT else varint(tag << 3 | FIXED32) + bytes(4)
    notes = "its first field has another wire type"
    yield _vector(body, "wire-type", notes, other + raw[end:], "IOE-SIG-110")


def _first_field(raw: bytes) -> tuple[int, int, int]:
    """Number and wire type of the first field of a message, and where it ends."""
    key, at = _number(raw, 0)
    value, end = _number(raw, at)
    return key >> 3, key & 7, end if key & 7 == VARINT else end + value


def _number(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (raw[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if raw[at - 1] < 128:
            return value, at


def _vector(body: type, name: str, notes: str, raw: bytes, req: str) -> Vector:
    try:
        mapping.decode(body, raw)
    except PeerError as error:
        if error.code is not ErrorCode.MALFORMED:
            raise ValueError(f"{body.__name__} refuses {notes} with {error.code}") from None
    else:
        raise ValueError(f"{body.__name__} takes {notes}")
    return Vector(
        id=f"malformed-structure-{body.__name__.lower()}-{name}",
        notes=notes,
        inputs={"message": f"ioe.v1.{body.__name__}", "signed": raw.hex()},
        code=ErrorCode.MALFORMED,
        reqs=(req,),
    )
