"""What this node signs as an origin: its offers and their withdrawals (SPEC section 7)."""

from __future__ import annotations

from ioe_router.config import RouterConfig
from ioe_router.core.deal import FIRST_STEP_NO
from ioe_router.core.evidence import Evidence
from ioe_router.core.inputs import PublishOffer
from ioe_router.core.offers import OFFER_SLOTS_MAX
from ioe_router.model.clock import Now
from ioe_router.model.discovery import Role
from ioe_router.model.envelope import Sealed, Sealer
from ioe_router.model.errors import UsageError
from ioe_router.model.routing import Direction, Offer, OfferWithdrawal
from ioe_router.model.slot import aligned_slot


class OwnAdverts:
    """The node's own offers in their latest version."""

    def __init__(self, config: RouterConfig, sealer: Sealer, evidence: Evidence) -> None:
        """Nothing is offered."""
        self._config = config
        self._sealer = sealer
        self._evidence = evidence
        self._epoch = 0
        self._seq = 0
        self._offers: dict[int, Sealed[Offer]] = {}
        self._abroad: set[int] = set()  # numbers of offers for other domains only

    def start(self, epoch: int) -> None:
        """Set the epoch; the sequence begins anew."""
        self._epoch, self._seq = epoch, 0

    def publish(self, stated: PublishOffer, now: Now) -> Sealed[Offer]:
        """Sign the next version of an offer. UsageError for terms that no neighbour would take."""
        self._check(stated)
        (self._abroad.add if stated.to_other_domains else self._abroad.discard)(stated.offer_no)
        self._seq += 1
        expires_utc_s = min(now.utc_s + stated.lifetime_s, self._evidence.own_key.body.expires_utc_s)
        body = Offer(
            origin=self._config.node,
            offer_no=stated.offer_no,
            epoch=self._epoch,
            seq=self._seq,
            direction=stated.direction,
            source=stated.source,
            firmness=stated.firmness,
            first_slot_utc_s=stated.first_slot,
            runs=stated.runs,
            energy_cap_j=stated.energy_cap_j,
            carbon_mg_per_kwh=stated.carbon_mg_per_kwh,
            is_default=stated.is_default,
            forward=False,
            only_to_customers=False,
            issued_utc_s=now.utc_s,
            expires_utc_s=expires_utc_s,
        )
        self._offers[stated.offer_no] = self._sealer.seal(body)
        return self._offers[stated.offer_no]

    def _check(self, stated: PublishOffer) -> None:
        aligned_slot(stated.first_slot, self._config.parameters.slot_s)
        slots = sum(run.slots for run in stated.runs)
        if not 1 <= slots <= OFFER_SLOTS_MAX or min(run.slots for run in stated.runs) < 1:
            raise UsageError(
                f"an offer covers {slots} slots; give 1 to {OFFER_SLOTS_MAX}, page longer horizons"
            )
        if any(run.energy_j < 0 for run in stated.runs) or stated.energy_cap_j < 0:
            raise UsageError("an offer's energy is negative; give its direction by SUPPLY or DEMAND")
        if stated.direction is Direction.UNSPECIFIED:
            raise UsageError("an offer needs a direction, SUPPLY or DEMAND")
        lifetime_max_s = self._config.timers.offer_lifetime_max_s
        if not 1 <= stated.lifetime_s <= lifetime_max_s:
            raise UsageError(f"an offer's lifetime is {stated.lifetime_s} s; give 1 to {lifetime_max_s}")
        if stated.offer_no >= FIRST_STEP_NO and not stated.to_other_domains:
            raise UsageError(f"offer {stated.offer_no} is for aggregation; number own offers below 2^31")
        limit = self._config.limits.offers_per_origin
        if stated.offer_no not in self._offers and len(self._offers) >= limit:
            raise UsageError(f"{limit} offers are published already; withdraw one or reuse its number")

    def withdraw(self, offer_no: int, now: Now) -> tuple[Sealed[Offer], Sealed[OfferWithdrawal]] | None:
        """Sign the withdrawal of an offer; returns what it ends and the withdrawal, if it was out."""
        ended = self._offers.pop(offer_no, None)
        if ended is None:
            return None
        self._seq += 1
        body = OfferWithdrawal(
            origin=self._config.node,
            offer_no=offer_no,
            epoch=self._epoch,
            seq=self._seq,
            issued_utc_s=now.utc_s,
        )
        return ended, self._sealer.seal(body)

    def expire(self, now: Now) -> tuple[Sealed[Offer], ...]:
        """Forget offers whose time has ended."""
        ended = tuple(o for o in self._offers.values() if o.body.expires_utc_s <= now.utc_s)
        for offer in ended:
            del self._offers[offer.body.offer_no]
        return ended

    def next_expiry_utc_s(self) -> int | None:
        """When the next own offer ends."""
        return min((o.body.expires_utc_s for o in self._offers.values()), default=None)

    def get(self, offer_no: int) -> Sealed[Offer] | None:
        """The latest version of an own offer."""
        return self._offers.get(offer_no)

    def is_for(self, offer_no: int, role: Role) -> bool:
        """Whether an own offer is meant for neighbours of this role."""
        return role is not Role.SIBLING or offer_no not in self._abroad

    def all(self) -> tuple[Sealed[Offer], ...]:
        """All own offers."""
        return tuple(self._offers.values())
