"""What the routing tables offer a want, and where a label leads (SPEC sections 7 and 10).

This is the seam between routing and reservation: it reads the RIB, the offer
table and link state, and answers in the terms of the trade desk (candidates,
link hints) and of the hops (the way on from a label).
"""

from __future__ import annotations

from ioe_router.config import RouterConfig
from ioe_router.core.deal import OfferKey, Source
from ioe_router.core.export import best_paths
from ioe_router.core.hold_path import Onward
from ioe_router.core.inputs import Trade
from ioe_router.core.loss import LinkModel, signed
from ioe_router.core.own_offers import ask_at
from ioe_router.core.paths import Path, PathLink
from ioe_router.core.planner import SPREAD_PARTS, Candidate, Hop, LinkHint, Plan
from ioe_router.core.ports import Ports
from ioe_router.core.routing import Routing
from ioe_router.model.discovery import LinkAttestation
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.ids import LinkId, NodeId, PathHash
from ioe_router.model.routing import Direction, Flow, Offer
from ioe_router.model.slot import Slot

PATHS_TRIED = 4  # the best by rank; further ones would hardly ever be cheaper than another source
HOPS_REMEMBERED = 65_536  # a cache: when full it is emptied, nothing depends on it


class RibMarket:
    """Candidates and labels from the routing side's tables."""

    def __init__(self, config: RouterConfig, routing: Routing, ports: Ports) -> None:
        """Read these tables; keep none."""
        self._config = config
        self._routing = routing
        self._policy = routing.policy
        self._ports = ports
        self._attestations: dict[LinkId, LinkAttestation] = {}
        self._hops: dict[PathHash, tuple[Hop, ...]] = {}  # a path never changes under its hash

    def candidates(self, trade: Trade, excluded: set[Source], spent: dict[OfferKey, int]) -> list[Candidate]:
        """Every offer with energy in the slot that the want's policy allows, over every path to it."""
        found: list[Candidate] = []
        if self._policy.draining:
            return found
        for sealed in self._routing.offers(trade.direction):
            offer = sealed.body
            limit = self._limit(trade, offer)
            limit = None if limit is None else self._policy.capped(limit, trade.direction)
            run = ask_at(offer, trade.slot, self._config.parameters.slot_s)
            if limit is None or run is None or not run.energy_j or offer.origin == self._config.node:
                continue
            if spent.get((offer.origin, offer.offer_no), -1) >= offer.seq:
                continue
            found.extend(
                Candidate(
                    offer=offer,
                    path=path.hash,
                    hops=self._hops_of(path),
                    ask_micro_per_kwh=run.price_micro_per_kwh,
                    limit_micro_per_kwh=limit,
                    available_j=run.energy_j,
                    handicap_micro_per_kwh=self._policy.handicap_micro_per_kwh(offer),
                )
                for path in self._paths(offer, excluded)
            )
        return found

    def _paths(self, offer: Offer, excluded: set[Source]) -> tuple[Path, ...]:
        """The paths to try now: without those on which a link was full a moment ago."""
        paths = self._routing.paths_to(offer.origin, offer.direction)
        if self._policy.judges_trade:
            paths = tuple(path for path in paths if self._policy.allows(path, offer))
        if excluded:
            paths = tuple(p for p in paths if (offer.origin, offer.offer_no, p.hash) not in excluded)
        return best_paths(paths, PATHS_TRIED)

    def _limit(self, trade: Trade, offer: Offer) -> int | None:
        """The price limit that holds for an offer, None when the want's policy leaves it out."""
        if offer.is_default:
            return trade.default_limit_micro_per_kwh
        if trade.sources and offer.source not in trade.sources:
            return None
        most = trade.carbon_max_mg_per_kwh
        if most is not None and offer.carbon_mg_per_kwh > most:
            return None
        return trade.price_limit_micro_per_kwh

    def _hops_of(self, path: Path) -> tuple[Hop, ...]:
        hops = self._hops.get(path.hash)
        if hops is None:
            if len(self._hops) >= HOPS_REMEMBERED:
                self._hops.clear()
            hops = self._hops[path.hash] = tuple(map(self._hop, path.links))
        return hops

    def _hop(self, link: PathLink) -> Hop:
        self._attestations[link.link] = link.attestation
        return Hop(
            link=link.link,
            model=LinkModel.of(link.attestation, self._config.parameters.slot_s),
            flow=link.flow,
            fee_micro_per_kwh=link.fee_micro_per_kwh,
        )

    def plan(
        self, slot: Slot, candidates: list[Candidate], salt: bytes = b"", *, hopeful: bool = False
    ) -> Plan:
        """A search with what is believed of the links in the slot now.

        Link state rounds what is free down to a step; a `hopeful` plan counts on the step that may be there.
        """
        spread = abs(self._config.parameters.reference_price_micro_per_kwh) // SPREAD_PARTS if salt else 0
        return Plan(candidates, lambda hop: self._hint(hop, slot, hopeful), salt, spread)

    def _hint(self, hop: Hop, slot: Slot, hopeful: bool) -> LinkHint:
        port = self._ports.of(hop.link)
        ledger = None if port is None else self._ports.ledger(port, slot)
        if ledger is not None:
            return LinkHint(ledger.net_j, ledger.free_j(Flow.DOWN), ledger.free_j(Flow.UP))
        state = self._routing.link_state(hop.link, slot)
        if state is not None:
            net_j = signed(state.net_energy_j, state.net_flow)
            down_j, up_j = map(self._step_j, self._rated_j(hop.link)) if hopeful else (0, 0)
            return LinkHint(net_j, state.residual_down_j + down_j, state.residual_up_j + up_j)
        return LinkHint(0, *self._rated_j(hop.link))

    def _rated_j(self, link: LinkId) -> tuple[int, int]:
        """Energy of a slot at the link's ratings, down and up."""
        attestation, slot_s = self._attestations[link], self._config.parameters.slot_s
        return attestation.rating_down_va * slot_s, attestation.rating_up_va * slot_s

    def _step_j(self, rated_j: int) -> int:
        """The step in which link state tells the energy of a direction."""
        return rated_j // self._config.parameters.link_state_steps

    def first_hop(self, candidate: Candidate) -> tuple[NodeId, int]:
        """The neighbour that the candidate's path begins with, and the fee on that link."""
        for path in self._routing.paths_to(candidate.offer.origin, candidate.offer.direction):
            if path.hash == candidate.path:
                return path.neighbor, path.links[-1].fee_micro_per_kwh
        raise LookupError("a candidate's path is gone within one call")

    def way(self, origin: NodeId, direction: Direction) -> tuple[NodeId, PathHash, int, int] | None:
        """The best path to an origin: first neighbour, label, fee on the first link, number of links."""
        for path in self._routing.paths_to(origin, direction):
            return path.neighbor, path.hash, path.links[-1].fee_micro_per_kwh, len(path.links)
        return None

    def check_allowed(self, neighbor: NodeId, onward: Onward, offer_no: int) -> None:
        """PeerError names the rule by which an offer may not pass on the way of a label.

        NO_TRANSIT on the way, NO_OFFER where this node is the origin.  An offer that is not known here
        is for its origin to judge.
        """
        policy = self._policy
        code = ErrorCode.NO_OFFER if onward.neighbor is None else ErrorCode.NO_TRANSIT
        if policy.draining:
            raise PeerError(code, "this node is being taken out of service")
        offer = self._routing.known_offer(onward.origin, offer_no)
        if offer is None:
            return
        told = policy.exports.offer(neighbor, offer.body)
        if not told.accepted:
            raise PeerError(code, policy.exports.sentence(told, neighbor))
        if onward.neighbor is None:
            return
        heard = policy.imports.offer(onward.neighbor, offer.body)
        if not heard.accepted:
            raise PeerError(code, policy.imports.sentence(heard, onward.neighbor))

    def onward(self, neighbor: NodeId, label: PathHash) -> Onward | None:
        """The way on from a label that this node told `neighbor`."""
        told = self._routing.told(neighbor, label)
        if told is None:
            return None
        path: Path | None = told.incoming
        if path is not None and not self._routing.is_usable(path):
            return None
        return Onward(
            origin=told.origin,
            direction=told.direction,
            neighbor=None if path is None else path.neighbor,
            label=label if path is None else path.hash,
            fee_in_micro_per_kwh=told.fee_micro_per_kwh,
            fee_out_micro_per_kwh=0 if path is None else path.links[-1].fee_micro_per_kwh,
        )
