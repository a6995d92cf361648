"""The kinds of bounds that a field may have; `codec/bound_tables.py` says which field has which."""

from __future__ import annotations

from dataclasses import dataclass

from ioe_router.model.envelope import ObjectType


@dataclass(frozen=True, slots=True)
class Range:
    """A number or an enum from `low` to `high`, both allowed."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Lengths:
    """Bytes of one of these lengths; None is allowed where the field is optional."""

    allowed: range | frozenset[int]


@dataclass(frozen=True, slots=True)
class Text:
    """Printable ASCII of `low` to `high` bytes."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Nested:
    """A message with bounds of its own; of an envelope, the object types it may hold."""

    types: frozenset[ObjectType] = frozenset()
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Count:
    """A repeated field of `low` to `high` elements."""

    low: int
    high: int
    nested: Nested | None = None


@dataclass(frozen=True, slots=True)
class Unbounded:
    """A truth value: nothing to bound."""


Rule = Range | Lengths | Text | Nested | Count | Unbounded
