"""Bounds of every field of every message, as data (SPEC section 14 and the comments in proto/).

A value outside its bounds is refused as OUT_OF_BOUNDS, naming the field, before any
signature is looked at.  Bounds are what one message shows by itself; whether
a slot is aligned, a sum overflows or a price is acceptable is for the core to judge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, Final

from ioe_router.codec.bound_pairs import CROSS_CHECKS
from ioe_router.codec.bound_tables import TABLES
from ioe_router.codec.bound_types import Count, Lengths, Nested, Range, Text
from ioe_router.model.envelope import Envelope
from ioe_router.model.errors import ErrorCode, PeerError

TEXT_BYTES: Final = 128
_LAST_PRINTABLE: Final = 0x7E
_FIRST_PRINTABLE: Final = 0x20


def clipped_text(text: str) -> str:
    """`text` as it may be sent: printable ASCII, at most 128 bytes; other characters become '?'."""
    return "".join(c if _FIRST_PRINTABLE <= ord(c) <= _LAST_PRINTABLE else "?" for c in text[:TEXT_BYTES])


def check(value: Any) -> None:
    """Raise PeerError OUT_OF_BOUNDS for the first field of `value` (or inside it) that is out of bounds."""
    if not _WITHIN[type(value)](value):
        _refuse(value)


def _refuse(value: Any) -> None:
    """Name the first field that is out of bounds."""
    plan = _PLANS[type(value)]
    for name, low, high, number in zip(
        plan.number_names, plan.lows, plan.highs, plan.numbers(value), strict=True
    ):
        if not low <= number <= high:
            raise _refused(value, name, f"{int(number)} is not in {low}..{high}")
    for name, lengths, raw in zip(plan.raw_names, plan.lengths, plan.raws(value), strict=True):
        if raw is not None and len(raw) not in lengths:
            raise _refused(value, name, f"{len(raw)} bytes or elements are not allowed")
    for name, rule in plan.nested:
        _check_nested(value, name, rule)
    if plan.cross is not None and (complaint := plan.cross(value)) is not None:
        raise _refused(value, *complaint)


def _check_nested(value: Any, name: str, rule: Nested) -> None:
    inner = getattr(value, name)
    if inner is None:
        if not rule.optional:
            raise _refused(value, name, "is missing")
        return
    for item in inner if isinstance(inner, tuple) else (inner,):
        if isinstance(item, Envelope) and item.type not in rule.types:
            raise _refused(value, name, f"holds {item.type.name}")
        check(item)


def _refused(value: Any, name: str, why: str) -> PeerError:
    return PeerError(ErrorCode.OUT_OF_BOUNDS, f"{type(value).__name__}.{name}: {why}")


# ------------------------------------------------------------------ plans: the tables, made fast


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    number_names: tuple[str, ...]
    lows: tuple[int, ...]
    highs: tuple[int, ...]
    numbers: Callable[[Any], tuple[Any, ...]]
    raw_names: tuple[str, ...]
    lengths: tuple[range | frozenset[int], ...]
    raws: Callable[[Any], tuple[Any, ...]]
    nested: tuple[tuple[str, Nested], ...]
    cross: Callable[[Any], tuple[str, str] | None] | None


def _plan_of(body: type) -> _Plan:
    table = TABLES[body]
    if set(table) != {field.name for field in fields(body)}:
        raise TypeError(f"{body.__name__} and its bounds have different fields")
    ranges = {name: rule for name, rule in table.items() if isinstance(rule, Range)}
    return _Plan(
        number_names=tuple(ranges),
        lows=tuple(rule.low for rule in ranges.values()),
        highs=tuple(rule.high for rule in ranges.values()),
        numbers=_getter(tuple(ranges)),
        raw_names=tuple(_lengths_of(table)),
        lengths=tuple(_lengths_of(table).values()),
        raws=_getter(tuple(_lengths_of(table))),
        nested=tuple((name, rule) for name, rule in _nested_of(table).items()),
        cross=CROSS_CHECKS.get(body),
    )


def _lengths_of(table: Mapping[str, object]) -> dict[str, range | frozenset[int]]:
    found: dict[str, range | frozenset[int]] = {}
    for name, rule in table.items():
        match rule:
            case Lengths(allowed=allowed):
                found[name] = allowed
            case Count(low=low, high=high) | Text(low=low, high=high):
                found[name] = range(low, high + 1)
            case _:
                pass
    return found


def _nested_of(table: Mapping[str, object]) -> dict[str, Nested]:
    found: dict[str, Nested] = {}
    for name, rule in table.items():
        match rule:
            case Nested():
                found[name] = rule
            case Count(nested=Nested() as nested):
                found[name] = nested
            case _:
                pass
    return found


def _getter(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    match names:
        case ():
            return lambda _: ()
        case (only,):
            return lambda value: (getattr(value, only),)
        case _:
            return attrgetter(*names)


def _within(body: type) -> Callable[[Any], bool]:
    """All bounds of a message as one expression: every object passes here several times."""
    plan = _PLANS[body]
    names: dict[str, Any] = {"within": _WITHIN, "cross": plan.cross}
    terms = [
        f"{low} <= value.{name} <= {high}"
        for name, low, high in zip(plan.number_names, plan.lows, plan.highs, strict=True)
    ]
    for name, lengths in zip(plan.raw_names, plan.lengths, strict=True):
        names[f"lengths_{name}"] = lengths
        terms.append(f"(value.{name} is None or len(value.{name}) in lengths_{name})")
    for name, rule in plan.nested:
        names[f"types_{name}"] = rule.types
        terms.append(_nested_term(body, name, rule))
    if plan.cross is not None:
        terms.append("cross(value) is None")
    within: Callable[[Any], bool] = eval(f"lambda value: {' and '.join(terms) or True}", names)  # noqa: S307
    return within


def _nested_term(body: type, name: str, rule: Nested) -> str:
    each = "within[type(one)](one)" + (f" and one.type in types_{name}" if rule.types else "")
    if isinstance(TABLES[body][name], Count):
        return f"all([{each} for one in value.{name}])"
    absent = "is None or" if rule.optional else "is not None and"
    return f"(value.{name} {absent} {each.replace('one', f'value.{name}')})"


_PLANS: Final = {body: _plan_of(body) for body in TABLES}
_WITHIN: Final[dict[type, Callable[[Any], bool]]] = {}
_WITHIN.update((body, _within(body)) for body in TABLES)
