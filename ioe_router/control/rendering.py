"""From rows to messages, by field names: a field that exists in both is carried over, no table to keep.

Ids become text here: node ids in their text form, everything else in
hexadecimal.  Enumerations are matched by name where the message has one, and
else written as their name in lower case.  What a row does not know (None) is
left out.
"""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Callable
from enum import Enum, IntEnum
from functools import lru_cache
from typing import Any, Final, TypeVar

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from ioe_router.adapters.envelope_json import envelope_to_json
from ioe_router.model.bech32m import node_text
from ioe_router.model.envelope import Envelope
from ioe_router.model.ids import NodeId
from ioe_router.readout.values import NO_REASON

M = TypeVar("M", bound=Message)
Convert = Callable[[Any], Any]
Plan = tuple[tuple[str, str, Convert | None], ...]

_RENAMED: Final = {"envelope": "envelope_json"}
text_of: Final = lru_cache(maxsize=16_384)(node_text)


_plans: dict[tuple[type, type], Plan] = {}


def message_of(row: Any, kind: type[M]) -> M:
    """A row as a message of this kind."""
    plan = _plans.get((type(row), kind))
    if plan is None:
        plan = _plans[type(row), kind] = _plan(type(row), kind)
    fields = {}
    for name, field, convert in plan:
        value = getattr(row, field)
        if value is not None and value is not NO_REASON:
            fields[name] = value if convert is None else convert(value)
    return kind(**fields)


def _plan(row: type, kind: type[Message]) -> Plan:
    hints = typing.get_type_hints(row)
    known = kind.DESCRIPTOR.fields_by_name
    plan = []
    for field in dataclasses.fields(row):
        name = _RENAMED.get(field.name, field.name)
        if name in known:
            plan.append((name, field.name, _convert(hints[field.name], known[name])))
    return tuple(plan)


def _convert(hint: Any, field: Any) -> Convert | None:
    """How a value of this annotation becomes one of this field; None: as it is."""
    inner = [one for one in typing.get_args(hint) if one not in (type(None), Ellipsis)]
    if typing.get_origin(hint) is tuple:
        each = _convert(inner[0], field)
        return list if each is None else lambda values: [each(value) for value in values]
    if inner and typing.get_origin(hint) is not None and not isinstance(hint, type):
        return _convert(inner[0], field)  # an optional one
    if hint is NodeId:
        return text_of
    if hint is Envelope:
        return lambda envelope: json.dumps(envelope_to_json(envelope))
    if dataclasses.is_dataclass(hint):
        kind = GetMessageClass(field.message_type)
        return lambda value: message_of(value, kind)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _enumeration(hint, field)
    if getattr(hint, "__supertype__", None) is bytes:
        return bytes.hex
    return None


def _enumeration(kind: type[Enum], field: Any) -> Convert:
    if field.enum_type is None:
        return lambda value: value.name.lower()
    numbers = {value.name: value.number for value in field.enum_type.values}
    unspecified = field.enum_type.values_by_number[0].name
    prefix = unspecified.removesuffix("UNSPECIFIED")
    table = {member: numbers.get(prefix + member.name, 0) for member in kind}
    return table.__getitem__


def enum_of(kind: type[IntEnum], number: int) -> Any:
    """The member of a row's enumeration that a request names; the numbers are the same. None for 0."""
    return kind(number) if number else None
