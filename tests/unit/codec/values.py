"""Random values of every message class, within bounds, derived from the model and the bound tables."""

from __future__ import annotations

import string
import typing
from collections.abc import Callable
from dataclasses import replace
from enum import IntEnum
from typing import Any

from hypothesis import strategies as st

from ioe_router.codec.bound_tables import TABLES
from ioe_router.codec.bound_types import Count, Lengths, Nested, Range, Text
from ioe_router.codec.mapping import unwrapped
from ioe_router.model import discovery, domain, reservation, routing
from ioe_router.model.envelope import Envelope, ObjectType

PRINTABLE = string.ascii_letters + string.digits + string.punctuation + " "
Value = Any  # a dataclass of the model
MANY = 6  # elements in a repeated field; the limits themselves have tests of their own


def bodies(body: type) -> st.SearchStrategy[Any]:
    """Values of `body` whose fields, alone and in pairs, are within bounds."""
    hints = typing.get_type_hints(body)
    fields = {name: _field(rule, hints[name]) for name, rule in TABLES[body].items()}
    return st.builds(body, **fields).map(_in_pairs)


def _field(rule: object, hint: object) -> st.SearchStrategy[Any]:
    inner, optional = unwrapped(hint)
    match rule:
        case Range(low=low, high=high) if issubclass(inner, IntEnum):
            return st.sampled_from([one for one in inner if low <= one <= high])
        case Range(low=low, high=high):
            return st.one_of(st.integers(low, high), st.sampled_from([low, high]))
        case Lengths(allowed=allowed):
            sizes = sorted(allowed)[:64]
            some = st.sampled_from(sizes).flatmap(lambda size: st.binary(min_size=size, max_size=size))
            return st.none() | some if optional else some
        case Text(low=low, high=high):
            return st.text(PRINTABLE, min_size=low, max_size=high)
        case Count(low=low, high=high):
            one = _nested(rule.nested, inner) if rule.nested else st.integers(1, 96)
            return st.lists(one, min_size=low, max_size=min(high, MANY)).map(tuple)
        case Nested():
            inside = _nested(rule, inner)
            return st.none() | inside if rule.optional else inside
        case _:
            return st.booleans()


def _nested(rule: Nested, inner: type) -> st.SearchStrategy[Any]:
    if inner is not Envelope:
        return bodies(inner)
    types = sorted(rule.types - {ObjectType.UNSPECIFIED}) or [one for one in ObjectType if one]
    return bodies(Envelope).flatmap(lambda one: st.sampled_from(types).map(lambda t: replace(one, type=t)))


def _in_pairs(value: Value) -> Value:
    """`value` with the fields that depend on each other brought into order."""
    if hasattr(value, "expires_utc_s") and value.expires_utc_s <= value.issued_utc_s:
        value = replace(value, issued_utc_s=1, expires_utc_s=max(2, value.issued_utc_s))
    change = _CHANGES.get(type(value))
    return value if change is None else replace(value, **change(value))


def _apart(node: bytes) -> bytes:
    return bytes(byte ^ 1 for byte in node)


def _numbered(name: str) -> Callable[[Value], dict[str, Any]]:
    def change(value: Value) -> dict[str, Any]:
        items = enumerate(getattr(value, name), start=1)
        return {name: tuple(replace(item, index=number) for number, item in items)}

    return change


def _hello(value: discovery.Hello) -> dict[str, Any]:
    low, high = sorted((value.version_min, value.version_max))
    return {"neighbor": _apart(value.node), "version_min": low, "version_max": high}


def _short_runs(value: routing.Offer) -> dict[str, Any]:
    return {"runs": tuple(replace(run, slots=run.slots % 32 + 1) for run in value.runs)}


def _hold_core(value: reservation.HoldCore) -> dict[str, Any]:
    return {"band": value.band if value.band < 12 else 255, **_numbered("items")(value)}


def _ordered(entries: tuple[Value, ...], field: str) -> tuple[Value, ...]:
    each = {getattr(entry, field): entry for entry in entries}
    return tuple(each[key] for key in sorted(each))


def _certificate(value: Value) -> dict[str, Any]:
    ends = min(value.expires_utc_s, value.issued_utc_s + domain.LIFETIME_S_MAX)
    return {"signers": _ordered(value.signers, "key"), "expires_utc_s": ends}


def _trust_list(value: domain.TrustList) -> dict[str, Any]:
    roots = _ordered(value.roots, "key")
    removals = _ordered(value.removals, "node")
    quorum = min(value.quorum, len(roots))
    return {"roots": roots, "removals": removals, "quorum": quorum, **_certificate(value)}


_CHANGES: dict[type, Callable[[Any], dict[str, Any]]] = {
    discovery.LinkAttestation: lambda value: {"other": _apart(value.keeper)},
    discovery.Hello: _hello,
    domain.TrustList: _trust_list,
    domain.MemberCertificate: _certificate,
    domain.MeterCertificate: _certificate,
    routing.Offer: _short_runs,
    routing.PathEntry: lambda value: {"next_node": _apart(value.node)},
    reservation.HoldCore: _hold_core,
    reservation.KeeperEntry: _numbered("lines"),
    reservation.Hold: _numbered("items"),
    reservation.Grant: _numbered("items"),
    reservation.Refuse: _numbered("items"),
    reservation.Curtail: _numbered("items"),
    reservation.CurtailHop: _numbered("items"),
    reservation.Commit: lambda value: {"accepted": tuple(sorted(set(value.accepted)))},
}

ALL_BODIES = sorted(TABLES, key=lambda body: body.__name__)
