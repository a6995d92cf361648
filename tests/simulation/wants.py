"""What hosts state, and state again after a crash: a want and an offer, by number."""

from __future__ import annotations

from ioe_router.core.inputs import PublishOffer, Trade
from ioe_router.model.routing import Direction, Firmness, OfferRun, SourceClass
from tests.simulation.pair import SLOT


def want_of(
    number: int, energy_j: int, limit_micro_per_kwh: int, default_limit_micro_per_kwh: int | None = None
) -> Trade:
    """A want of supply in the slot; without a limit for it, nothing of the default route."""
    return Trade(
        trade_no=number,
        slot=SLOT,
        direction=Direction.SUPPLY,
        energy_j=energy_j,
        price_limit_micro_per_kwh=limit_micro_per_kwh,
        default_limit_micro_per_kwh=default_limit_micro_per_kwh,
        own_offer_no=None,
        priority=4,
        sources=(),
        carbon_max_mg_per_kwh=None,
    )


def offer_of(energy_j: int, price_micro_per_kwh: int = 100_000) -> PublishOffer:
    """An offer of sun in two slots from the slot on."""
    return PublishOffer(
        offer_no=1,
        direction=Direction.SUPPLY,
        source=SourceClass.SOLAR,
        firmness=Firmness.FIRM,
        first_slot=SLOT,
        runs=(OfferRun(slots=2, energy_j=energy_j, price_micro_per_kwh=price_micro_per_kwh),),
        energy_cap_j=0,
        carbon_mg_per_kwh=0,
        is_default=False,
        lifetime_s=36_000,
    )
