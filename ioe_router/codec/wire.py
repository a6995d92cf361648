"""A strict protobuf reader (SPEC section 4): one pass over the bytes, straight to values.

A signed body must mean the same to every reader.  Protobuf libraries merge
duplicate fields, keep unknown ones, cut integers to 32 bits and open enums, each in its
own way; here all of that is refused as MALFORMED.  Accepted are fields in any
order, packed and unpacked numbers, and numbers written with more bytes than needed (up to ten):
the bytes are never written anew, so none of these changes what was signed.

Depth needs no counter: only known fields are entered, and no message of the
schema contains itself (a test holds the schema to a depth of 16).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

from ioe_router.model.errors import ErrorCode, PeerError

# How the value of a field is read; from BYTES on the wire type is "length-delimited".
NUMBER: Final = 0  # unsigned, at most `most`
CHOICE: Final = 1  # one of `detail`, a mapping from number to member
ZIGZAG: Final = 2  # signed
ONE_NUMBER: Final = 3  # one element of a repeated number, unpacked
BYTES: Final = 4
TEXT: Final = 5  # printable ASCII
MESSAGE: Final = 6  # `detail` is its Shape
MESSAGES: Final = 7  # one element of a repeated message; at most `most` of them
PACKED: Final = 8  # a run of numbers; at most `most` of them
NONE_OR_BYTES: Final = 9  # bytes that mean "absent" when there are none, written out or not

U64_MAX: Final = 2**64 - 1
_CONTINUES: Final = 0x7F  # a larger byte of a varint is followed by another
_SHIFT_END: Final = 70  # ten bytes of seven bits
_RECURRING_BYTES: Final = 512  # what is larger is read each time: memory stays small whatever comes
_RECURRING_KEPT: Final = 4_096


class Step(NamedTuple):
    """What to do at one tag (field number and wire type) of a message."""

    name: str
    kind: int
    most: int
    detail: Any
    unknown: ErrorCode  # what an unregistered number of a CHOICE is refused with


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shape:
    """How one message is read: its steps by tag, the values of absent fields, its constructor."""

    name: str
    steps: Mapping[int, Step]
    defaults: dict[str, Any]
    repeated: tuple[str, ...]
    size: int  # number of fields
    build: Callable[..., Any]
    recurs: bool  # the same bytes come again and again, inside others


def read(shape: Shape, data: bytes) -> Any:
    """The value of a whole message. Raises PeerError (MALFORMED, UNKNOWN_TYPE, OUT_OF_BOUNDS for counts)."""
    try:
        return _read(shape, data, 0, len(data))
    except IndexError:
        raise _malformed(shape, "is cut short") from None


def _read(shape: Shape, data: bytes, pos: int, end: int) -> Any:
    """Read data[pos:end]. What runs over `end` is noticed at the latest when the loop is left."""
    steps = shape.steps
    values: dict[str, Any] = {}
    value: Any
    while pos < end:
        tag = data[pos]
        pos += 1
        if tag > _CONTINUES:
            tag, pos = _long_varint(data, pos, tag)
        step = steps.get(tag)
        if step is None:
            raise _malformed(shape, f"has unknown field {tag >> 3} (wire type {tag & 7})")
        name, kind, most, detail, _ = step
        raw = data[pos]
        pos += 1
        if raw > _CONTINUES:
            raw, pos = _long_varint(data, pos, raw)
        if kind >= BYTES:
            stop = pos + raw
            if stop > end:
                raise _malformed(shape, f"is cut short in {name}")
            value = data[pos:stop] if kind == BYTES else _delimited(shape, step, data, pos, stop, values)
            pos = stop
        elif kind == NUMBER and raw <= most:
            value = raw
        elif kind == CHOICE and raw in detail:
            value = detail[raw]
        else:
            value = _rare(shape, step, raw, values)
        if name in values and name not in shape.repeated:
            raise _malformed(shape, f"has {name} twice")
        values[name] = value
    if pos != end:
        raise _malformed(shape, "is cut short")
    for name in shape.repeated:
        values[name] = tuple(values.get(name, ()))
    return shape.build(**values) if len(values) == shape.size else shape.build(**(shape.defaults | values))


def _delimited(shape: Shape, step: Step, data: bytes, pos: int, stop: int, values: dict[str, Any]) -> Any:
    """A message, a text or optional bytes; of a repeated field, the list of its elements with this."""
    if step.kind == MESSAGE:
        return _inner(step.detail, data, pos, stop)
    if step.kind == NONE_OR_BYTES:
        return data[pos:stop] or None
    if step.kind == TEXT:
        return _text(shape, step, data[pos:stop])
    items: list[Any] = values.get(step.name, [])
    if step.kind == MESSAGES:
        _refuse_above(shape, step, len(items) + 1)
        items.append(_inner(step.detail, data, pos, stop))
        return items
    while pos < stop:
        raw = data[pos]
        pos += 1
        if raw > _CONTINUES:
            raw, pos = _long_varint(data, pos, raw)
        items = _append_number(shape, step, raw, items)
    if pos != stop:
        raise _malformed(shape, f"is cut short in {step.name}")
    return items


def _inner(shape: Shape, data: bytes, pos: int, stop: int) -> Any:
    if shape.recurs and stop - pos <= _RECURRING_BYTES:
        return _recurring(shape, data[pos:stop])
    return _read(shape, data, pos, stop)


@lru_cache(maxsize=_RECURRING_KEPT)
def _recurring(shape: Shape, data: bytes) -> Any:
    """An entry of a path comes with every path that begins with it; values are frozen, so one serves all."""
    return read(shape, data)


def _rare(shape: Shape, step: Step, raw: int, values: dict[str, Any]) -> Any:
    """A signed number, an unpacked element of repeated numbers, or the refusal of one that does not fit."""
    if step.kind == ZIGZAG:
        return (raw >> 1) ^ -(raw & 1)
    if step.kind == ONE_NUMBER:
        return _append_number(shape, step, raw, values.get(step.name, []))
    raise PeerError(step.unknown, f"{shape.name}.{step.name}: {raw} is not one of its values")


def _append_number(shape: Shape, step: Step, raw: int, items: list[int]) -> list[int]:
    if raw > step.detail:
        raise _malformed(shape, f"has {raw} in {step.name}, above {step.detail}")
    _refuse_above(shape, step, len(items) + 1)
    items.append(raw)
    return items


def _refuse_above(shape: Shape, step: Step, count: int) -> None:
    """Counts are limited while reading, so that a flood of empty elements costs nothing."""
    if count > step.most:
        raise PeerError(ErrorCode.OUT_OF_BOUNDS, f"{shape.name}.{step.name}: more than {step.most} elements")


def _text(shape: Shape, step: Step, raw: bytes) -> str:
    text = raw.decode("ascii", "replace")
    if not (text.isascii() and text.isprintable()):
        raise _malformed(shape, f"has bytes outside printable ASCII in {step.name}")
    return text


def _long_varint(data: bytes, pos: int, first: int) -> tuple[int, int]:
    """The varint that began with the byte `first` before `pos`, and where it ends."""
    value = first & _CONTINUES
    shift = 7
    while shift < _SHIFT_END:
        byte = data[pos]
        pos += 1
        if byte <= _CONTINUES:
            value |= byte << shift
            if value > U64_MAX:
                raise PeerError(ErrorCode.MALFORMED, "a number takes more than 64 bits")
            return value, pos
        value |= (byte & _CONTINUES) << shift
        shift += 7
    raise PeerError(ErrorCode.MALFORMED, "a number takes more than ten bytes")


def _malformed(shape: Shape, what: str) -> PeerError:
    return PeerError(ErrorCode.MALFORMED, f"{shape.name} {what}")
