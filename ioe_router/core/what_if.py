"""What another policy would let in, let out and buy: a comparison over the tables as they stand.

Nothing is changed: both policies are asked about everything that neighbours tell and could be
told, and what they answer differently is listed with the rule that decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ioe_router.config import Policy
from ioe_router.core.parts import Parts
from ioe_router.core.paths import Path
from ioe_router.core.policy import Filter, OperatorPolicy
from ioe_router.model.ids import NodeId
from ioe_router.model.routing import Direction, Offer

WANTS_NOTHING_DEARER = "bought over it, if the price is right"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyEffect:
    """One thing that would be different; `offer_no` None: all of the origin in this direction."""

    way: str  # import, export or buy
    neighbor: NodeId  # that tells it, or is told it
    origin: NodeId
    direction: Direction
    offer_no: int | None
    before: str
    after: str


def what_if(parts: Parts, policy: Policy) -> tuple[PolicyEffect, ...]:
    """Everything that this policy judges otherwise than the one in force."""
    now, then = parts.routing.policy, OperatorPolicy(policy)
    found = (*_imports(parts, now, then), *_exports(parts, now, then), *_fees(parts, now, then))
    return tuple(dict.fromkeys(found))


def _imports(parts: Parts, now: OperatorPolicy, then: OperatorPolicy) -> Iterator[PolicyEffect]:
    tables = parts.routing.tables
    for path in _paths(parts):
        before = now.imports.path(path.neighbor, path.target)
        after = then.imports.path(path.neighbor, path.target)
        if before.accepted != after.accepted:
            words = now.imports.sentence(before, path.neighbor), then.imports.sentence(after, path.neighbor)
            yield _of_path("import", path, *words)
    for neighbor, sealed in (*tables.offers.let_in(), *tables.offers.barred()):
        yield from _of_offer(now.imports, then.imports, neighbor, sealed.body)


def _exports(parts: Parts, now: OperatorPolicy, then: OperatorPolicy) -> Iterator[PolicyEffect]:
    """What each neighbour with a session could be told: own offers, and those that others tell."""
    tables = parts.routing.tables
    heard = (sealed for _, sealed in (*tables.offers.let_in(), *tables.offers.barred()))
    offers = {sealed.object_id: sealed.body for sealed in (*tables.own.all(), *heard)}
    for neighbor in tables.told.neighbors():
        for offer in offers.values():
            if offer.origin != neighbor:
                yield from _of_offer(now.exports, then.exports, neighbor, offer)


def _fees(parts: Parts, now: OperatorPolicy, then: OperatorPolicy) -> Iterator[PolicyEffect]:
    for path in _paths(parts):
        before, after = now.allows_fees(path), then.allows_fees(path)
        if before != after:
            yield _of_path("buy", path, _fee_words(path, before), _fee_words(path, after))


def _paths(parts: Parts) -> tuple[Path, ...]:
    return (*parts.routing.all_paths(), *parts.routing.tables.loc_rib.barred())


def _fee_words(path: Path, allowed: bool) -> str:
    fees = sum(link.fee_micro_per_kwh for link in path.links)
    return WANTS_NOTHING_DEARER if allowed else f"fees of {fees} micro-units per kWh are above fee_max"


def _of_path(way: str, path: Path, before: str, after: str) -> PolicyEffect:
    return PolicyEffect(
        way=way,
        neighbor=path.neighbor,
        origin=path.origin,
        direction=path.direction,
        offer_no=None,
        before=before,
        after=after,
    )


def _of_offer(now: Filter, then: Filter, neighbor: NodeId, offer: Offer) -> Iterator[PolicyEffect]:
    before, after = now.offer(neighbor, offer), then.offer(neighbor, offer)
    if before.accepted != after.accepted:
        yield PolicyEffect(
            way=now.way,
            neighbor=neighbor,
            origin=offer.origin,
            direction=offer.direction,
            offer_no=offer.offer_no,
            before=now.sentence(before, neighbor),
            after=then.sentence(after, neighbor),
        )
