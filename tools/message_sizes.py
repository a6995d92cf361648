"""Build the largest message of every type that the bounds allow, and say how long it is.

The bounds of `ioe_router/codec/bound_tables.py` are data, so the largest
message follows from them: every number takes its longest form, every list is
full. What is built is checked against the bounds again and encoded with the
real codec. Used by `render_spec.py` for the table of SPEC section 14.
"""

# ruff: noqa: ANN401 - values of every message class pass through here
from __future__ import annotations

import sys
import typing
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ioe_router.codec import bounds, mapping
from ioe_router.codec.bound_tables import TABLES
from ioe_router.codec.bound_types import Count, Lengths, Nested, Range, Rule, Text, Unbounded
from ioe_router.codec.registry import REGISTRY
from ioe_router.model import discovery, routing
from ioe_router.model.envelope import Envelope, ObjectType, Signature

FILL = 0xFF
OTHER_FILL = 0xFE
_OTHERS = {  # fields that may not equal another field of the same message
    discovery.LinkAttestation: "other",
    discovery.Hello: "neighbor",
    routing.PathEntry: "next_node",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Largest:
    """The largest object of one type: bytes of the message, and of its envelope with all signatures."""

    type: ObjectType
    body: Any
    signed_bytes: int
    envelope_bytes: int


@cache
def largest(kind: ObjectType) -> Largest:
    """The largest object of a type that the bounds of its own fields allow."""
    body = largest_body(REGISTRY[kind].body)
    bounds.check(body)
    signed = mapping.encode(body)
    envelope = Envelope(type=kind, signed=signed, signatures=_signatures(kind))
    return Largest(
        type=kind,
        body=body,
        signed_bytes=len(signed),
        envelope_bytes=len(mapping.encode(envelope)),
    )


def _signatures(kind: ObjectType) -> tuple[Signature, ...]:
    one = Signature(key=bytes([FILL]) * 32, signature=bytes([FILL]) * 64)
    return (one,) * REGISTRY[kind].signatures_max


def largest_body(body: type) -> Any:
    """A value of the class `body` whose encoding no other value in bounds exceeds."""
    hints = typing.get_type_hints(body)
    values = {name: _largest_value(rule, hints[name]) for name, rule in TABLES[body].items()}
    return _consistent(body(**values))


def _largest_value(rule: Rule, hint: Any) -> Any:
    match rule:
        case Range(low=low, high=high):
            return high if high >= -low else low
        case Lengths(allowed=allowed):
            return bytes([FILL]) * max(allowed)
        case Text(high=high):
            return "~" * high
        case Unbounded():
            return True
        case Nested():
            return _largest_nested(rule, hint)
        case Count(high=high, nested=None):
            return tuple(range(1, high + 1))
        case Count(high=high, nested=nested):
            return (_largest_nested(nested, hint),) * high if nested is not None else ()


def _largest_nested(rule: Nested, hint: Any) -> Any:
    if rule.types:
        inner = max((largest(kind) for kind in rule.types), key=lambda one: one.envelope_bytes)
        signed = mapping.encode(inner.body)
        return Envelope(type=inner.type, signed=signed, signatures=_signatures(inner.type))
    return largest_body(next(one for one in _classes(hint) if one in TABLES))


def _classes(hint: Any) -> tuple[Any, ...]:
    """The classes that an annotation such as `tuple[X, ...]` or `X | None` names."""
    return typing.get_args(hint) or (hint,)


def _consistent(value: Any) -> Any:
    """`value` with what depends on two fields put right; the length stays that of the longest."""
    names = {field.name for field in fields(value)}
    changes: dict[str, Any] = {}
    if {"issued_utc_s", "expires_utc_s"} <= names:
        changes["issued_utc_s"] = value.expires_utc_s - 1
    if (other := _OTHERS.get(type(value))) is not None:
        changes[other] = bytes([OTHER_FILL]) * 32
    for name in {"items", "lines"} & names:
        entries = getattr(value, name)
        if entries and "index" in {field.name for field in fields(entries[0])}:
            changes[name] = tuple(replace(entry, index=i) for i, entry in enumerate(entries, start=1))
    for name, field in {"roots": "key", "signers": "key", "removals": "node"}.items():
        if name in names:
            entries = enumerate(getattr(value, name))
            changes[name] = tuple(
                replace(entry, **{field: bytes([FILL]) * 30 + i.to_bytes(2)}) for i, entry in entries
            )
    if isinstance(value, routing.Offer):
        changes["runs"] = tuple(replace(run, slots=1) for run in value.runs)
    return replace(value, **changes)
