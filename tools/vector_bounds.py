"""Vectors of every field at and beyond its bounds: each table of SPEC.md, field by field (section 2.2).

Of every message there is a plain value; then one field after the other leaves
its bounds by one, in each direction that its type can hold.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from enum import IntEnum
from typing import Any, Final

from vector_file import Vector
from vector_wire import plain

from ioe_router.codec import bounds, mapping
from ioe_router.codec.bound_tables import TABLES
from ioe_router.codec.bound_types import Count, Lengths, Nested, Range, Text
from ioe_router.codec.registry import REGISTRY
from ioe_router.model.envelope import Envelope, ObjectType
from ioe_router.model.errors import ErrorCode, PeerError

BODIES: Final = sorted({row.body for row in REGISTRY.values()}, key=lambda body: body.__name__)
UINT32_MOST: Final = 2**32 - 1
# Fields that others of the same message constrain: what makes the plain value a good one.
PLAIN: Final[Mapping[str, object]] = {
    "issued_utc_s": 1_000,
    "expires_utc_s": 2_000,
    "other": b"\x02" * 32,
    "neighbor": b"\x02" * 32,
    "next_node": b"\x02" * 32,
    "index": 1,
    "accepted": (1,),
}
LENGTHS_TRIED: Final = (0, 1, 15, 16, 17, 31, 32, 33, 64, 2_048, 2_049)


def vectors() -> list[Vector]:
    """Every registered message."""
    return [one for body in BODIES for one in _of(body)]


def sample(body: type) -> Any:  # noqa: ANN401 - a value of whatever message is asked for
    """A value of a message with every field within its bounds."""
    hints = typing.get_type_hints(body)
    return body(**{name: _plain(name, rule, hints[name]) for name, rule in TABLES[body].items()})


def _plain(name: str, rule: object, hint: object) -> object:
    inner, optional = mapping.unwrapped(hint)
    if name in PLAIN:
        return PLAIN[name]
    match rule:
        case Range(low=low, high=high):
            value = max(low, min(1, high))
            return inner(value) if issubclass(inner, IntEnum) else value
        case Lengths(allowed=allowed):
            return None if optional else b"\x01" * max(allowed)
        case Text(low=low):
            return "x" * max(low, 1)
        case Count(low=low):
            one = _nested(rule.nested, inner) if rule.nested else 1
            return (one,) * low
        case Nested():
            return None if rule.optional else _nested(rule, inner)
        case _:
            return False


def _nested(rule: Nested, inner: type) -> Any:  # noqa: ANN401 - as above
    if inner is not Envelope:
        return sample(inner)
    kind = min(rule.types - {ObjectType.UNSPECIFIED}, default=ObjectType.OFFER)
    return Envelope(type=kind, signed=b"\x08\x01", signatures=())


def _of(body: type) -> Iterator[Vector]:
    good = sample(body)
    bounds.check(good)
    yield _vector(body, "plain", "every field within its bounds", good)
    hints = typing.get_type_hints(body)
    for field in fields(body):
        rule = TABLES[body][field.name]
        inner, optional = mapping.unwrapped(hints[field.name])
        for name, notes, value in _beyond(rule, inner, getattr(good, field.name), optional=optional):
            changed = replace(good, **{field.name: value})
            yield _vector(body, f"{field.name}-{name}".replace("_", "-"), f"{field.name}: {notes}", changed)


def _vector(body: type, name: str, notes: str, value: object) -> Vector:
    reqs = ("IOE-CNV-030", "IOE-CNV-040", *(("IOE-CNV-050",) if name.endswith("-missing") else ()))
    return bound_vector(body, name, notes, value, reqs, good=name == "plain", group="bounds")


def bound_vector(
    body: type,
    name: str,
    notes: str,
    value: object,
    reqs: tuple[str, ...],
    *,
    good: bool = False,
    group: str = "pairs",
) -> Vector:
    """A body that is within all bounds, or OUT_OF_BOUNDS."""
    raw = mapping.encode(value)
    refused = _refused(body, raw)
    if (refused is None) != good or refused not in (None, ErrorCode.OUT_OF_BOUNDS):
        raise ValueError(f"{body.__name__} answers {notes} with {refused}")
    return Vector(
        id=f"malformed-{group}-{body.__name__.lower()}-{name}",
        notes=notes,
        inputs={"message": f"ioe.v1.{body.__name__}", "signed": raw.hex()},
        intermediates={} if refused else {"fields": plain(value)},
        code=refused,
        reqs=reqs,
    )


def _refused(body: type, raw: bytes) -> ErrorCode | None:
    try:
        decoded: object = mapping.decode(body, raw)
        bounds.check(decoded)
    except PeerError as error:
        return error.code
    return None


Beyond = tuple[str, str, object]


def _beyond(rule: object, inner: type, good: Any, *, optional: bool) -> Iterator[Beyond]:  # noqa: ANN401
    match rule:
        case Range(low=low, high=high):
            yield from _numbers(low, high, inner)
        case Lengths(allowed=allowed):
            for size in LENGTHS_TRIED:
                near = any(abs(size - one) <= 1 for one in (min(allowed), max(allowed))) or size == 0
                if size not in allowed and near and not (size == 0 and optional):
                    yield f"{size}-bytes", f"{size} bytes", b"\x01" * size
        case Text(low=low, high=high):
            yield f"{high + 1}-characters", f"{high + 1} characters", "x" * (high + 1)
            if low:
                yield "empty", "no text", ""
        case Count(low=low, high=high):
            one = good[0] if good else (_nested(rule.nested, inner) if rule.nested else 1)
            if high < 1_024:
                yield f"{high + 1}-elements", f"{high + 1} elements", (one,) * (high + 1)
            if low:
                yield "none", "no elements", ()
        case Nested():
            if not rule.optional:
                yield "missing", "the message is missing", None
        case _:
            pass


def _numbers(low: int, high: int, inner: type) -> Iterator[Beyond]:
    if issubclass(inner, IntEnum):
        if low > 0:
            yield "unspecified", "no value", inner(0)
        return
    if low > 0:
        yield "below", f"{low - 1}, below {low}", low - 1
    if low < 0:
        yield "below", f"{low - 1}, below {low}", low - 1
    if high + 1 < 2**63 and high != UINT32_MOST:
        yield "above", f"{high + 1}, above {high}", high + 1
