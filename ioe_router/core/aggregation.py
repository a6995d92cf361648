"""A border offers its domain's supply to other domains, as offers of its own (SPEC section 7.13).

Looked at again every half minute: what the members of the own domain sell in the slots
ahead, what it costs here, and how much of it is promised already.  Only what has changed is
published.  The offers go to neighbours of other domains only: a sibling knows the sources.

The border is liable for what it offers; how it covers a HOLD is cover.py's business.
"""

from __future__ import annotations

from typing import Final

from ioe_router.config import AggregationConfig, RouterConfig
from ioe_router.core.deal import FIRST_STEP_NO
from ioe_router.core.domains import Domains
from ioe_router.core.gates import Phase, phase_of
from ioe_router.core.hop import PRICE_MOST
from ioe_router.core.inputs import PublishOffer, Trade
from ioe_router.core.market import RibMarket
from ioe_router.core.own_offers import OwnOffers
from ioe_router.core.planner import Candidate
from ioe_router.core.routing import Routing
from ioe_router.core.supply_curve import Share, curve
from ioe_router.model.clock import Now
from ioe_router.model.discovery import Role
from ioe_router.model.errors import UsageError
from ioe_router.model.routing import Direction, Firmness, OfferRun, SourceClass
from ioe_router.model.slot import Slot, next_slot, slot_at

REFRESH_MS: Final = 30_000
LIFETIME_S: Final = 7_200


class Aggregation:
    """The curve that this border offers."""

    def __init__(
        self, config: RouterConfig, domains: Domains, routing: Routing, market: RibMarket, own: OwnOffers
    ) -> None:
        """Nothing is offered yet. UsageError: aggregation without a domain, or without a border."""
        self._config = config
        self._domains = domains
        self._routing = routing
        self._market = market
        self._own = own
        self._lifetime_s = min(LIFETIME_S, config.timers.offer_lifetime_max_s)
        self._next_ns: int | None = None
        self._stated: dict[int, tuple[Slot, tuple[OfferRun, ...]]] = {}
        check_aggregation(config)
        if config.aggregation is not None:
            self._next_ns = 0

    def deadline_ns(self) -> int | None:
        """When to look again."""
        return self._next_ns

    def is_step(self, offer_no: int) -> bool:
        """Whether an own offer is a step of the curve."""
        stated = self._config.aggregation
        return stated is not None and 0 <= offer_no - FIRST_STEP_NO < stated.steps

    def due(self, now: Now) -> tuple[PublishOffer, ...]:
        """The steps that have changed since they were published."""
        stated = self._config.aggregation
        if stated is None or self._next_ns is None or self._next_ns > now.monotonic_ns:
            return ()
        self._next_ns = now.after_ms(REFRESH_MS)
        slots = self._slots(stated, now)
        if not slots:
            return ()
        curves = [
            curve(self._shares(s), stated.steps, stated.share_ppm, stated.margin_micro_per_kwh) for s in slots
        ]
        found = []
        for step in range(stated.steps):
            runs = self._runs(step, slots, curves)
            before = self._stated.get(step)
            if before == (slots[0], runs) or (before is None and not any(run.energy_j for run in runs)):
                continue
            self._stated[step] = (slots[0], runs)
            found.append(_offer(step, slots[0], runs, self._lifetime_s))
        return tuple(found)

    def _slots(self, stated: AggregationConfig, now: Now) -> list[Slot]:
        """Slots ahead that can still be traded."""
        slot_s = self._config.parameters.slot_s
        first = next_slot(slot_at(now.utc_s, slot_s), slot_s)
        ahead = [next_slot(first, slot_s, step) for step in range(stated.horizon_slots)]
        return [slot for slot in ahead if phase_of(self._config.parameters, slot, now) < Phase.SWEEPS]

    def _shares(self, slot: Slot) -> tuple[Share, ...]:
        """What the domain's own sources have in a slot, at their cost here."""
        found = [
            one
            for one in self._market.candidates(want_of(slot, 0, PRICE_MOST), set(), {})
            if self.is_inside(one)
        ]
        if not found:
            return ()
        probe, plan = self._market.plan(slot, found), self._market.plan(slot, found)
        taken = plan.search(sum({_source(one): one.available_j for one in found}.values()))
        return tuple(
            Share(
                price_micro_per_kwh=probe.delivered(one.candidate, one.energy_j),
                energy_j=one.energy_j,
            )
            for one in taken
        )

    def is_inside(self, candidate: Candidate) -> bool:
        """Whether a source and the whole way to it belong to the own domain."""
        path = self._routing.path(candidate.path)
        if path is None or candidate.offer.is_default:
            return False
        return all(self._domains.member(node) is not None for node in path.nodes)

    def _runs(self, step: int, slots: list[Slot], curves: list[tuple[Share, ...]]) -> tuple[OfferRun, ...]:
        """One run per slot; what is promised already is offered on top of what the sources still show."""
        offer = self._own.get(FIRST_STEP_NO + step)
        runs = []
        for slot, found in zip(slots, curves, strict=True):
            share = found[step] if step < len(found) else Share(price_micro_per_kwh=0, energy_j=0)
            taken_j = 0 if offer is None else offer.taken_j(slot)
            price = share.price_micro_per_kwh
            if not share.energy_j and offer is not None and taken_j:
                before = self._own.run(offer, slot)
                price = price if before is None else before.price_micro_per_kwh
            runs.append(OfferRun(slots=1, energy_j=share.energy_j + taken_j, price_micro_per_kwh=price))
        return tuple(runs)


def check_aggregation(config: RouterConfig) -> None:
    """UsageError when a node is configured to aggregate and cannot."""
    stated = config.aggregation
    if stated is None:
        return
    if config.domain is None:
        raise UsageError("aggregation offers a domain's supply; configure [domain], or leave it out")
    if all(neighbor.role is Role.SIBLING for neighbor in config.neighbors):
        raise UsageError("aggregation is for borders; give it to a node with a neighbour in another domain")
    if not 1 <= stated.steps <= config.limits.offers_per_origin:
        raise UsageError(f"aggregation.steps is {stated.steps}; give 1 to limits.offers_per_origin")


def want_of(slot: Slot, energy_j: int, price_limit_micro_per_kwh: int) -> Trade:
    """A want that takes any source but default routes."""
    return Trade(
        trade_no=0,
        slot=slot,
        direction=Direction.SUPPLY,
        energy_j=energy_j,
        price_limit_micro_per_kwh=price_limit_micro_per_kwh,
        default_limit_micro_per_kwh=None,
        own_offer_no=None,
        priority=0,
        sources=(),
        carbon_max_mg_per_kwh=None,
    )


def _source(candidate: Candidate) -> tuple[bytes, int]:
    return candidate.offer.origin, candidate.offer.offer_no


def _offer(step: int, first_slot: Slot, runs: tuple[OfferRun, ...], lifetime_s: int) -> PublishOffer:
    return PublishOffer(
        offer_no=FIRST_STEP_NO + step,
        direction=Direction.SUPPLY,
        source=SourceClass.UNSPECIFIED,
        firmness=Firmness.FIRM,
        first_slot=first_slot,
        runs=runs,
        energy_cap_j=0,
        carbon_mg_per_kwh=0,
        is_default=False,
        lifetime_s=lifetime_s,
        to_other_domains=True,
    )
