"""Whether a version of an offer takes anything back that the one before it has offered (SPEC section 7)."""

from __future__ import annotations

from ioe_router.model.clock import Now
from ioe_router.model.routing import Direction, Offer, OfferRun


def is_reduction(before: Offer, after: Offer, slot_s: int, now: Now) -> bool:
    """Whether a version takes anything back in a slot to come: energy, a better price, the shared limit."""
    if before.direction is not after.direction or _cap(after) < _cap(before):
        return True
    told, left = _by_slot(before, slot_s, now), _by_slot(after, slot_s, now)
    worse = 1 if after.direction is Direction.SUPPLY else -1
    for slot, run in told.items():
        new = left.get(slot)
        if new is None or new.energy_j < run.energy_j:
            return True
        if worse * (new.price_micro_per_kwh - run.price_micro_per_kwh) > 0:
            return True
    return False


def _cap(offer: Offer) -> int:
    return offer.energy_cap_j or 1 << 64


def _by_slot(offer: Offer, slot_s: int, now: Now) -> dict[int, OfferRun]:
    """The runs with energy by slot, for slots that have not begun."""
    runs: dict[int, OfferRun] = {}
    slot = offer.first_slot_utc_s
    for run in offer.runs:
        if run.energy_j:
            for start in range(slot, slot + run.slots * slot_s, slot_s):
                if start > now.utc_s:
                    runs[start] = run
        slot += run.slots * slot_s
    return runs
