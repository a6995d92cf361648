"""Which paths and offers a neighbour is to be told (SPEC section 7.9), from the tables as they stand.

Reads and decides; remembers nothing.  When something is told is for
advertisement.py, how much of it may be told for export.py.
"""

from __future__ import annotations

from collections.abc import Container

from ioe_router.config import RouterConfig
from ioe_router.core.evidence import Evidence
from ioe_router.core.export import (
    Candidate,
    best_paths,
    choose_offers,
    extendable,
    may_offer,
    may_transit,
)
from ioe_router.core.offers import OfferTable, key_of
from ioe_router.core.own_adverts import OwnAdverts
from ioe_router.core.paths import Path, Target, energy_flow, rating_va
from ioe_router.core.policy import OperatorPolicy
from ioe_router.core.rib import LocRib, OfferKey, Told
from ioe_router.model.envelope import Sealed
from ioe_router.model.ids import NodeId
from ioe_router.model.routing import Direction, Offer


class Selection:
    """What could be told to each neighbour, best first."""

    def __init__(
        self,
        config: RouterConfig,
        evidence: Evidence,
        known: tuple[LocRib, OfferTable, OwnAdverts],
        held_back: Container[OfferKey],
        policy: OperatorPolicy,
    ) -> None:
        """`held_back`: offers that are not to be told to anybody new, as damping has it at each moment."""
        self._config = config
        self._neighborhood = evidence.neighborhood
        self._policy = policy
        self._evidence = evidence
        self._loc_rib, self._offers, self._own = known
        self._held_back = held_back

    def offer(self, key: OfferKey) -> Sealed[Offer] | None:
        """The latest version of an offer, received or our own."""
        return self._own.get(key[1]) if key[0] == self._config.node else self._offers.get(key)

    def desired(self, neighbor: NodeId, target: Target) -> tuple[Path, ...]:
        """The best paths of others that a neighbour should be told."""
        return best_paths(self._tellable(neighbor, target), self._config.limits.told_paths_per_origin)

    def may_tell_own(self, neighbor: NodeId, target: Target) -> bool:
        """Whether a neighbour may be told this node's own path."""
        return self._policy.tells_path(neighbor, target)

    def may_tell(self, neighbor: NodeId, path: Path) -> bool:
        """Whether a neighbour may be told a path of others: transit, roles and export rules."""
        to, via = self._neighborhood.of(neighbor), self._neighborhood.get(path.neighbor)
        return (
            via is not None
            and extendable(path, neighbor, self._config.limits.path_links)
            and may_transit(to, via, only_to_customers=path.only_to_customers)
            and self._policy.tells_path(neighbor, path.target)
        )

    def may_tell_offer(self, neighbor: NodeId, offer: Offer) -> bool:
        """Whether a neighbour may be told an offer: its own mark and the export rules."""
        to = self._neighborhood.of(neighbor)
        return may_offer(to, offer) and self._policy.tells_offer(neighbor, offer)

    def _tellable(self, neighbor: NodeId, target: Target) -> tuple[Path, ...]:
        return tuple(path for path in self._loc_rib.to(target) if self.may_tell(neighbor, path))

    def choose(self, neighbor: NodeId, told: Told, direction: Direction) -> tuple[Candidate, ...]:
        """The offers of a direction to tell beside those that are told already."""
        link = self._evidence.own_link(neighbor)
        if link is None:
            return ()
        flow = energy_flow(link.body, self._config.node, direction)
        slot_s = self._config.parameters.slot_s
        candidates = self._candidates(neighbor, told, direction)
        return choose_offers(candidates, told.offers, rating_va(link.body, flow) * slot_s, slot_s)

    def _candidates(self, neighbor: NodeId, told: Told, direction: Direction) -> tuple[Candidate, ...]:
        to = self._neighborhood.of(neighbor)
        ranks: dict[NodeId, int | None] = {self._config.node: 0}
        found: list[Candidate] = []
        own = tuple(
            o
            for o in self._own.all()
            if o.body.direction is direction and self._own.is_for(o.body.offer_no, to.role)
        )
        for offer in (*own, *self._offers.alive(direction)):
            origin = offer.body.origin
            key = key_of(offer.body)
            if not self.may_tell_offer(neighbor, offer.body) or (
                key in self._held_back and key not in told.offers
            ):
                continue
            if origin not in ranks:
                ranks[origin] = self._best_rank(neighbor, (origin, direction))
            rank = ranks[origin]
            if rank is not None and origin != self._config.node and self._policy.imports.judges_offers:
                rank = self._best_rank(neighbor, (origin, direction), self._offers.tellers(key))
            if rank is not None:
                found.append(Candidate(offer=offer, rank=rank))
        return tuple(found)

    def _best_rank(
        self, neighbor: NodeId, target: Target, tellers: tuple[NodeId, ...] | None = None
    ) -> int | None:
        """Rank of the best path that may be told; only of those through one of the `tellers`, if given."""
        paths = self._tellable(neighbor, target)
        ranks = (path.rank for path in paths if tellers is None or path.neighbor in tellers)
        return next(ranks, None)
