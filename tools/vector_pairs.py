"""Vectors of bodies whose fields do not fit each other, or with an envelope in the wrong place (SPEC 4.5)."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any, Final

from vector_bounds import BODIES, bound_vector, sample
from vector_file import Vector

from ioe_router.codec import mapping
from ioe_router.codec.bound_tables import TABLES
from ioe_router.codec.bound_types import Count, Nested
from ioe_router.model import discovery, domain, grid, reservation, routing
from ioe_router.model.envelope import Envelope, ObjectType

_VALID: Final = (
    discovery.OperationalKey,
    discovery.LinkAttestation,
    domain.TrustList,
    domain.MemberCertificate,
    domain.MeterCertificate,
    routing.Offer,
    grid.ConnectionLimit,
)
_INDEXED: Final = (
    (reservation.Hold, "items"),
    (reservation.Grant, "items"),
    (reservation.Refuse, "items"),
    (reservation.KeeperEntry, "lines"),
    (reservation.Curtail, "items"),
    (reservation.CurtailHop, "items"),
)


def vectors() -> list[Vector]:
    """Fields against each other, then envelopes in the wrong place."""
    return [*_times(), *_ends(), *_indexes(), *_other_types()]


def _times() -> Iterator[Vector]:
    for body in _VALID:
        good = sample(body)
        never = replace(good, expires_utc_s=good.issued_utc_s)
        yield bound_vector(body, "ends-at-once", "it ends when it begins", never, ("IOE-SIG-270",))


def _ends() -> Iterator[Vector]:
    hello = sample(discovery.Hello)
    same = replace(hello, neighbor=hello.node)
    yield bound_vector(discovery.Hello, "to-itself", "node and neighbor are equal", same, ("IOE-SES-055",))
    turned = replace(hello, version_min=2, version_max=1)
    yield bound_vector(discovery.Hello, "versions-turned", "from 2 down to 1", turned, ("IOE-SES-055",))
    link = sample(discovery.LinkAttestation)
    loop = replace(link, other=link.keeper)
    yield bound_vector(
        discovery.LinkAttestation, "loop", "a link from a node to itself", loop, ("IOE-LNK-040",)
    )


def _indexes() -> Iterator[Vector]:
    reqs = ("IOE-RSV-035",)
    for body, field in _INDEXED:
        good = sample(body)
        element = typing.get_args(typing.get_type_hints(body)[field])[0]

        def of(*indexes: int, good: Any = good, field: str = field, element: type = element) -> Any:  # noqa: ANN401
            return replace(good, **{field: tuple(replace(sample(element), index=i) for i in indexes)})

        yield bound_vector(body, "indexes-1-3", "1 and 3 rise", of(1, 3), reqs, good=True)
        yield bound_vector(body, "indexes-twice", "index 1 is there twice", of(1, 1), reqs)
        yield bound_vector(body, "indexes-fall", "2 before 1", of(2, 1), reqs)
        yield bound_vector(body, "index-97", "no packet has this index", of(97), reqs)
    commit = sample(reservation.Commit)
    for name, accepted in (("twice", (1, 1)), ("fall", (2, 1)), ("zero", (0,)), ("97", (97,))):
        wrong = replace(commit, accepted=accepted)
        yield bound_vector(reservation.Commit, f"accepted-{name}", f"takes {accepted}", wrong, reqs)
    core = sample(reservation.HoldCore)
    for name, indexes in (("from-2", (2,)), ("gap", (1, 3)), ("twice", (1, 1)), ("fall", (2, 1))):
        items = tuple(replace(core.items[0], index=i) for i in indexes)
        notes = f"packets {indexes}"
        yield bound_vector(reservation.HoldCore, f"packets-{name}", notes, replace(core, items=items), reqs)
    counted = tuple(replace(core.items[0], index=i) for i in (1, 2, 3))
    yield bound_vector(
        reservation.HoldCore,
        "packets-counted",
        "packets 1, 2, 3",
        replace(core, items=counted),
        reqs,
        good=True,
    )


def _other_types() -> Iterator[Vector]:
    """Each envelope within a message, replaced by one of a type that does not belong there."""
    for body in BODIES:
        good, hints = sample(body), typing.get_type_hints(body)
        for field in fields(body):
            rule = TABLES[body][field.name]
            nested = rule.nested if isinstance(rule, Count) else rule
            inner, _ = mapping.unwrapped(hints[field.name])
            if not isinstance(nested, Nested) or inner is not Envelope:
                continue
            foreign = [kind for kind in ObjectType if kind not in nested.types and kind.value]
            for kind in (foreign[0], foreign[-1]) if foreign else ():
                one = Envelope(type=kind, signed=b"\x08\x01", signatures=())
                value = replace(good, **{field.name: (one,) if isinstance(rule, Count) else one})
                name = f"{field.name}-of-{kind.name}".lower().replace("_", "-")
                yield bound_vector(body, name, f"{field.name} holds {kind.name}", value, ("IOE-SIG-085",))
