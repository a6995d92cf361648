"""What the operator lets in, lets out and buys: rules in order, the first that matches decides.

    neighbour tells --> import rules --> tables, own trade --> export rules --> neighbour is told

A rule about offers (source, price, carbon, default route) cannot judge a path, and a path
is needed before any offer of its origin.  So a path passes as long as *some* offer
over it could: rules about offers that reject are passed over, the first that accepts
lets it through.  A path that is refused therefore never has an offer that is accepted.

Promises are not touched by policy: what is committed stays, whatever the rules say
later.  Every verdict names its rule, and `sentence` puts it into words.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from ioe_router.config import FilterAction, FilterRule, Policy
from ioe_router.core.inputs import PublishOffer
from ioe_router.core.paths import Path, Target
from ioe_router.model.bech32m import node_short
from ioe_router.model.ids import NodeId
from ioe_router.model.routing import Direction, Offer, SourceClass

MG_PER_KG: Final = 1_000_000
EXHAUSTED_J: Final = 1  # the least cap that can be stated; 0 would mean none


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a filter says, and which rule says it: empty for the stated default."""

    accepted: bool
    rule: str = ""


PASSED: Final = Verdict(accepted=True)


@dataclass(frozen=True, slots=True)
class Filter:
    """The rules of one way, in order, and what holds when none of them matches."""

    way: str  # "import" or "export", for people
    rules: tuple[FilterRule, ...]
    default: FilterAction

    @property
    def is_open(self) -> bool:
        """Whether everything passes unseen."""
        return not self.rules and self.default is FilterAction.ACCEPT

    @property
    def judges_offers(self) -> bool:
        """Whether two offers of one origin can be judged differently."""
        return any(_is_about_offers(rule) for rule in self.rules)

    def path(self, neighbor: NodeId, target: Target) -> Verdict:
        """Whether anything of this origin and direction may pass from or to a neighbour."""
        if self.is_open:
            return PASSED
        for rule in self.rules:
            if not _matches_target(rule, neighbor, target):
                continue
            if not _is_about_offers(rule) or rule.action is FilterAction.ACCEPT:
                return Verdict(rule.action is FilterAction.ACCEPT, rule.name)
        return Verdict(self.default is FilterAction.ACCEPT)

    def offer(self, neighbor: NodeId, offer: Offer) -> Verdict:
        """Whether an offer may pass from or to a neighbour."""
        if self.is_open:
            return PASSED
        target = (offer.origin, offer.direction)
        for rule in self.rules:
            if _matches_target(rule, neighbor, target) and _matches_offer(rule, offer):
                return Verdict(rule.action is FilterAction.ACCEPT, rule.name)
        return Verdict(self.default is FilterAction.ACCEPT)

    def sentence(self, verdict: Verdict, neighbor: NodeId) -> str:
        """A verdict for people."""
        done = "accepted" if verdict.accepted else "filtered"
        by = f"{self.way} rule {verdict.rule!r}" if verdict.rule else f"the {self.way} default"
        return f"{done} by {by} of neighbour {node_short(neighbor)}"


class OperatorPolicy:
    """The policy in force; every part of the core that asks has the same one."""

    def __init__(self, policy: Policy) -> None:
        """Begin with this one."""
        self.draining = False  # nothing new is told or taken on: core/draining.py
        self.state(policy)

    def state(self, policy: Policy) -> None:
        """From now on it is this one."""
        self.stated = policy
        self.imports = Filter("import", policy.imports, policy.import_default)
        self.exports = Filter("export", policy.exports, policy.export_default)
        self._premium = dict(policy.source_premium_micro_per_kwh)

    # ------------------------------------------------------------- what may be told
    def tells_path(self, neighbor: NodeId, target: Target) -> bool:
        """Whether a neighbour may be told of an origin at all."""
        return not self.draining and self.exports.path(neighbor, target).accepted

    def tells_offer(self, neighbor: NodeId, offer: Offer) -> bool:
        """Whether a neighbour may be told an offer."""
        return not self.draining and self.exports.offer(neighbor, offer).accepted

    # ------------------------------------------------------------- own trade
    def capped(self, limit_micro_per_kwh: int, direction: Direction) -> int:
        """What may be paid at the own port where a want allows so much; selling knows no cap."""
        cap = self.stated.price_cap_micro_per_kwh
        if cap is None or direction is not Direction.SUPPLY:
            return limit_micro_per_kwh
        return min(cap, limit_micro_per_kwh)

    def allows_fees(self, path: Path) -> bool:
        """Whether the wheeling fees of a path are together within what the operator pays."""
        most = self.stated.fee_max_micro_per_kwh
        return most is None or sum(link.fee_micro_per_kwh for link in path.links) <= most

    @property
    def judges_trade(self) -> bool:
        """Whether some path or offer could be refused to this node's own wants."""
        return self.imports.judges_offers or self.stated.fee_max_micro_per_kwh is not None

    def allows(self, path: Path, offer: Offer) -> bool:
        """Whether this node may use an offer over a path."""
        return self.allows_fees(path) and self.imports.offer(path.neighbor, offer).accepted

    def handicap_micro_per_kwh(self, offer: Offer) -> int:
        """By how much an offer counts as dearer than it is, when sources are compared; never paid."""
        carbon = self.stated.carbon_price_micro_per_kg * offer.carbon_mg_per_kwh // MG_PER_KG
        return carbon - self._premium.get(offer.source, 0)

    def with_reserve(self, stated: PublishOffer) -> PublishOffer:
        """An own offer as it may be told: of shared energy from storage the reserve is kept back."""
        reserve_j = self.stated.storage_reserve_j
        if not reserve_j or stated.source is not SourceClass.STORAGE or not stated.energy_cap_j:
            return stated
        return replace(stated, energy_cap_j=max(EXHAUSTED_J, stated.energy_cap_j - reserve_j))


def _is_about_offers(rule: FilterRule) -> bool:
    bounds = (
        rule.is_default,
        rule.price_above_micro_per_kwh,
        rule.price_below_micro_per_kwh,
        rule.carbon_above_mg_per_kwh,
        rule.carbon_below_mg_per_kwh,
    )
    return bool(rule.sources) or any(bound is not None for bound in bounds)


def _matches_target(rule: FilterRule, neighbor: NodeId, target: Target) -> bool:
    origin, direction = target
    return (
        (not rule.neighbors or neighbor in rule.neighbors)
        and (not rule.origins or origin in rule.origins)
        and rule.direction in (None, direction)
    )


def _matches_offer(rule: FilterRule, offer: Offer) -> bool:
    prices = [run.price_micro_per_kwh for run in offer.runs if run.energy_j]
    above, below = rule.price_above_micro_per_kwh, rule.price_below_micro_per_kwh
    carbon_above, carbon_below = rule.carbon_above_mg_per_kwh, rule.carbon_below_mg_per_kwh
    return (
        (not rule.sources or offer.source in rule.sources)
        and rule.is_default in (None, offer.is_default)
        and (above is None or max(prices, default=above) > above)
        and (below is None or min(prices, default=below) < below)
        and (carbon_above is None or offer.carbon_mg_per_kwh > carbon_above)
        and (carbon_below is None or offer.carbon_mg_per_kwh < carbon_below)
    )
