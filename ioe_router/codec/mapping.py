"""Dataclasses and protobuf messages, joined by field names (SPEC section 4).

Nothing is written twice: the reader's tables and the writer's plans are built
here, once, from the message descriptors and the annotations of the model.
Writing goes through protobuf; reading goes through `codec.wire`, which is
stricter than protobuf and builds the values in the same pass.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from enum import IntEnum
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any, Final, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from ioe_router.codec import wire
from ioe_router.codec._pb import (
    discovery_pb2,
    domain_pb2,
    envelope_pb2,
    grid_pb2,
    reservation_pb2,
    routing_pb2,
    settlement_pb2,
)
from ioe_router.codec.bound_tables import TABLES
from ioe_router.codec.bound_types import Count
from ioe_router.model.envelope import Envelope, ObjectType
from ioe_router.model.errors import ErrorCode

T = TypeVar("T")

MODULES: Final = (
    discovery_pb2,
    domain_pb2,
    envelope_pb2,
    grid_pb2,
    reservation_pb2,
    routing_pb2,
    settlement_pb2,
)
_OTHER_NAMES: Final[dict[type, str]] = {Envelope: "SignedEnvelope"}

_WIDTHS: Final = {
    FieldDescriptor.TYPE_UINT32: 2**32 - 1,
    FieldDescriptor.TYPE_UINT64: wire.U64_MAX,
}
_RECURRING_BYTES: Final = 512  # of a signed body
_RECURRING_KEPT: Final = 4_096
_VARINT: Final = 0
_LENGTH_DELIMITED: Final = 2


def message_class(body: type) -> type[Message]:
    """The generated message class of a dataclass of the model."""
    name = _OTHER_NAMES.get(body, body.__name__)
    found: list[type[Message]] = [getattr(module, name) for module in MODULES if hasattr(module, name)]
    if len(found) != 1:
        raise TypeError(f"{body.__name__} has no message of the same name in proto/")
    return found[0]


def decode(body: type[T], data: bytes) -> T:
    """The value that `data` says. Raises PeerError (MALFORMED, UNKNOWN_TYPE, OUT_OF_BOUNDS for counts).

    Bounds other than counts are not checked here; a required nested message that is absent reads as None.
    """
    value: T = wire.read(SHAPES[body], data)
    return value


def encode(value: Any) -> bytes:
    """The serialised message of a dataclass value, whose bounds have been checked before."""
    return _to_message(value).SerializeToString(deterministic=True)


# ------------------------------------------------------------------ writing


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    names: tuple[str, ...]
    values: Callable[[Any], Any]
    nested: tuple[tuple[str, bool], ...]  # name, repeated
    build: type[Message]


def _plan_of(body: type) -> _Plan:
    build = message_class(body)
    names = tuple(field.name for field in fields(body))
    by_name = build.DESCRIPTOR.fields_by_name
    nested = tuple(
        (name, by_name[name].is_repeated)
        for name in names
        if by_name[name].type == FieldDescriptor.TYPE_MESSAGE
    )
    values = attrgetter(*names) if len(names) > 1 else lambda value: (getattr(value, names[0]),)
    return _Plan(names=names, values=values, nested=nested, build=build)


def _to_message(value: Any) -> Message:
    plan = _PLANS[type(value)]
    given: dict[str, Any] = dict(zip(plan.names, plan.values(value), strict=True))
    for name, repeated in plan.nested:
        inner = given[name]
        if repeated:
            given[name] = [_inner(item) for item in inner]
        elif inner is not None:
            given[name] = _inner(inner)
    return plan.build(**given)


def _inner(value: Any) -> Message:
    if type(value) is Envelope and len(value.signed) <= _RECURRING_BYTES:
        return _recurring(value)
    return _to_message(value)


@lru_cache(maxsize=_RECURRING_KEPT)
def _recurring(envelope: Envelope) -> Message:
    """An envelope goes to many neighbours, in many paths; messages around it take copies."""
    return _to_message(envelope)


# ------------------------------------------------------------------ reading


@cache
def _shape_of(body: type) -> wire.Shape:
    descriptor = message_class(body).DESCRIPTOR
    hints = typing.get_type_hints(body)
    if set(hints) != set(descriptor.fields_by_name):
        raise TypeError(f"{body.__name__} and its message have different fields")
    steps: dict[int, wire.Step] = {}
    defaults: dict[str, Any] = {}
    for field in descriptor.fields:
        inner, optional = unwrapped(hints[field.name])
        bound = TABLES[body][field.name]
        steps.update(_steps(field, inner, optional, bound.high if isinstance(bound, Count) else 0))
        defaults[field.name] = None if optional else _default(field, inner)
    repeated = tuple(field.name for field in descriptor.fields if field.is_repeated)
    return wire.Shape(
        name=body.__name__,
        steps=steps,
        defaults=defaults,
        repeated=repeated,
        size=len(defaults),
        build=body,
        recurs=body is Envelope,
    )


def unwrapped(hint: Any) -> tuple[Any, bool]:
    """The class behind `X | None`, `tuple[X, ...]` or a NewType, and whether None is allowed."""
    if isinstance(hint, typing.NewType):
        return unwrapped(hint.__supertype__)
    if typing.get_origin(hint) in {types.UnionType, typing.Union}:
        (inner,) = [one for one in typing.get_args(hint) if one is not type(None)]
        return unwrapped(inner)[0], True
    if typing.get_origin(hint) is tuple:
        return unwrapped(typing.get_args(hint)[0])[0], False
    return hint, False


def _default(field: Any, inner: Any) -> Any:
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return None  # absent; refused by its bounds unless it is optional
    return inner() if not issubclass(inner, IntEnum) else inner(0)


def _steps(field: Any, inner: Any, optional: bool, count: int) -> dict[int, wire.Step]:
    """The steps of one field by tag; two for repeated numbers, packed and unpacked."""
    varint, delimited = field.number << 3 | _VARINT, field.number << 3 | _LENGTH_DELIMITED
    if field.is_repeated and not is_dataclass(inner):
        width = _WIDTHS[field.type]
        return {
            varint: _step(field, wire.ONE_NUMBER, count, width),
            delimited: _step(field, wire.PACKED, count, width),
        }
    if is_dataclass(inner):
        kind = wire.MESSAGES if field.is_repeated else wire.MESSAGE
        return {delimited: _step(field, kind, count, _shape_of(typing.cast("type", inner)))}
    if inner is bytes:
        return {delimited: _step(field, wire.NONE_OR_BYTES if optional else wire.BYTES, 0, None)}
    if inner is str:
        return {delimited: _step(field, wire.TEXT, 0, None)}
    return {varint: _number_step(field, inner)}


def _number_step(field: Any, inner: type) -> wire.Step:
    if inner is bool:
        return _step(field, wire.CHOICE, 1, {0: False, 1: True})
    if issubclass(inner, IntEnum):
        unknown = ErrorCode.UNKNOWN_TYPE if inner is ObjectType else ErrorCode.MALFORMED
        return _step(field, wire.CHOICE, 0, {int(one): one for one in inner}, unknown)
    if field.type == FieldDescriptor.TYPE_SINT64:
        return _step(field, wire.ZIGZAG, 0, None)
    return _step(field, wire.NUMBER, _WIDTHS[field.type], None)


def _step(
    field: Any, kind: int, most: int, detail: Any, unknown: ErrorCode = ErrorCode.MALFORMED
) -> wire.Step:
    return wire.Step(name=field.name, kind=kind, most=most, detail=detail, unknown=unknown)


_PLANS: Final = {body: _plan_of(body) for body in TABLES}
SHAPES: Final = {body: _shape_of(body) for body in TABLES}
