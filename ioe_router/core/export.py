"""What may and what should be told to a neighbour: pure functions (SPEC section 7).

Policy decides what *may* be told.  Own offers may go everywhere.  What comes
from others may cross into a link only as its transit setting allows, and
between domains only between a customer and anybody else (the rule of Gao and
Rexford), which keeps policies free of oscillation.  An offer that its origin
has marked goes on to customers and within the domain only.

Order decides what *should* be told: the best few paths of an origin, spread
over first hops when they are nearly equal; and offers in the order of price
plus path rank until three times what the link can carry is told.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import Final

from ioe_router.config import NeighborConfig, Transit
from ioe_router.core.offers import first_run, key_of
from ioe_router.core.paths import Path
from ioe_router.core.rib import OfferKey
from ioe_router.model.discovery import Role
from ioe_router.model.envelope import Sealed
from ioe_router.model.ids import NodeId
from ioe_router.model.routing import Direction, Offer

CAPACITY_TOLD: Final = 3  # times the link's energy of a slot
ORIGINS_TOLD_MIN: Final = 3
GRANULE_PARTS: Final = 64  # an offer counts as at least capacity / 64, which bounds their number
NEAR_EQUAL_PARTS: Final = 4  # ranks up to a quarter above the best are nearly equal


def may_transit(to: NeighborConfig, learned_from: NeighborConfig, *, only_to_customers: bool) -> bool:
    """Whether a path learned from one neighbour may be told to another.

    `only_to_customers`: the path bears the mark, so a provider or peer of this node's domain, or of one
    before it, has told it; a sibling that hands it on changes nothing about that.
    """
    if to.transit_in_force is Transit.NONE:
        return False
    if to.transit_in_force is Transit.CUSTOMERS and learned_from.role is not Role.CUSTOMER:
        return False
    inside = (Role.SIBLING, Role.CUSTOMER)
    if only_to_customers:
        return to.role in inside
    return to.role in inside or learned_from.role in inside


def may_offer(to: NeighborConfig, offer: Offer) -> bool:
    """Whether an offer's own mark lets it go to a neighbour."""
    return not offer.only_to_customers or to.role in (Role.CUSTOMER, Role.SIBLING)


def extendable(path: Path, neighbor: NodeId, links_max: int) -> bool:
    """Whether a path can be told to a neighbour at all: it is not on it and there is room for one link."""
    return neighbor not in path.nodes and len(path.links) < links_max


def best_paths(paths: Iterable[Path], count: int) -> tuple[Path, ...]:
    """The best `count` of ranked paths, the widest among them.

    Of nearly equal ones each first hop comes once before any comes twice.  The
    best paths may all lead through the same narrow links; the widest one is
    there when those are full.
    """
    ranked = tuple(paths)
    if len(ranked) <= count:
        return ranked
    near = ranked[0].rank + ranked[0].rank // NEAR_EQUAL_PARTS
    hops: dict[NodeId, Path] = {}
    for path in ranked:
        if path.rank <= near:
            hops.setdefault(path.neighbor, path)
    chosen = list(hops.values())[:count]
    rest = (path for path in ranked if path not in chosen)
    chosen.extend(path for path, _ in zip(rest, range(count - len(chosen)), strict=False))
    widest = max(path.width_va for path in ranked)
    if count > 1 and all(path.width_va < widest for path in chosen):
        chosen[-1] = next(path for path in ranked if path.width_va == widest)
    return tuple(sorted(chosen, key=lambda path: path.order))


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An offer that could be told, with the rank of the best path to its origin; own offers have rank 0."""

    offer: Sealed[Offer]
    rank: int

    def order(self) -> tuple[int, bytes, int]:
        """Best first: cost at this node (for DEMAND what is lost of the bid), then origin and number."""
        run = first_run(self.offer.body)
        price = 0 if run is None else run[1].price_micro_per_kwh
        cost = self.rank + (price if self.offer.body.direction is Direction.SUPPLY else -price)
        return (cost, *key_of(self.offer.body))


def choose_offers(
    candidates: Iterable[Candidate], told: Container[OfferKey], capacity_j: int, slot_s: int
) -> tuple[Candidate, ...]:
    """The candidates to tell beside those `told` already, best first.

    Per first slot with energy, offers are taken in order until CAPACITY_TOLD
    times `capacity_j` (what the link carries in a slot, in the sense of the
    direction's energy) is covered; beyond that only default offers, which do
    not count, and offers of the first ORIGINS_TOLD_MIN origins.  What was told
    counts in its place in the order, so that it never keeps a better offer out.
    """
    covered_j: dict[int, int] = {}
    origins: dict[NodeId, None] = {}
    granule_j = max(1, capacity_j // GRANULE_PARTS)
    chosen: list[Candidate] = []
    for candidate in sorted(candidates, key=Candidate.order):
        body = candidate.offer.body
        slot, offered_j = _first_energy(body, slot_s)
        full = covered_j.get(slot, 0) >= CAPACITY_TOLD * capacity_j
        needed = body.is_default or (body.origin not in origins and len(origins) < ORIGINS_TOLD_MIN)
        if full and not needed:
            continue
        if not body.is_default:
            covered_j[slot] = covered_j.get(slot, 0) + max(granule_j, offered_j)
            origins[body.origin] = None
        if key_of(body) not in told:
            chosen.append(candidate)
    return tuple(chosen)


def _first_energy(offer: Offer, slot_s: int) -> tuple[int, int]:
    """The first slot with energy and how much an offer gives there, joules."""
    run = first_run(offer)
    if run is None:
        return offer.first_slot_utc_s, 0
    cap_j = offer.energy_cap_j or run[1].energy_j
    return offer.first_slot_utc_s + run[0] * slot_s, min(cap_j, run[1].energy_j)
