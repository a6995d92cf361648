"""The utility's agent: an ordinary node with a published tariff.

It sells at the retail price of each slot as a default route and buys at the
feed-in price, up to the power of its connection.  Both offers name the rest of
the day; they are published when the first neighbour is there and again long
before they run out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ioe_router.agents.assets import DeviceSetpoint
from ioe_router.core.events import Event, NeighborUp, SlotOpening
from ioe_router.core.inputs import Input, PublishOffer
from ioe_router.model.clock import Now
from ioe_router.model.routing import Direction, Firmness, OfferRun, SourceClass
from ioe_router.model.slot import Slot

SELLS: Final = 1
BUYS: Final = 2
LIFETIME_S: Final = 43_200


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """What the utility asks and pays in each slot of a day, micro-units per kWh, and how much it can move."""

    first_slot: Slot
    slot_s: int
    retail_micro_per_kwh: tuple[int, ...]
    feed_in_micro_per_kwh: tuple[int, ...]
    power_w: int
    carbon_mg_per_kwh: int


class Utility:
    """Publishes a tariff; wants nothing by itself."""

    def __init__(self, tariff: Tariff) -> None:
        """The tariff of the whole day."""
        self._tariff = tariff
        self._renew_utc_s: int | None = None

    def on_event(self, event: Event, now: Now) -> tuple[Input, ...]:
        """Publish once someone listens, and again when half of the offers' life is over."""
        if not isinstance(event, NeighborUp | SlotOpening):
            return ()
        if self._renew_utc_s is not None and now.utc_s < self._renew_utc_s:
            return ()
        self._renew_utc_s = now.utc_s + LIFETIME_S // 2
        return tuple(self._offers(now))

    def setpoints(self, _slot: Slot) -> tuple[DeviceSetpoint, ...]:
        """The grid outside takes what is left: it has no set-point."""
        return ()

    def _offers(self, now: Now) -> Iterator[PublishOffer]:
        tariff = self._tariff
        passed = max(0, (now.utc_s - tariff.first_slot) // tariff.slot_s)
        retail = tariff.retail_micro_per_kwh[passed:]
        if not retail:
            return
        first = Slot(tariff.first_slot + passed * tariff.slot_s)
        yield self._offer(SELLS, Direction.SUPPLY, first, retail)
        yield self._offer(BUYS, Direction.DEMAND, first, tariff.feed_in_micro_per_kwh[passed:])

    def _offer(self, number: int, direction: Direction, first: Slot, prices: Sequence[int]) -> PublishOffer:
        return PublishOffer(
            offer_no=number,
            direction=direction,
            source=SourceClass.GRID,
            firmness=Firmness.FIRM,
            first_slot=first,
            runs=_runs(prices, self._tariff.power_w * self._tariff.slot_s),
            energy_cap_j=0,
            carbon_mg_per_kwh=self._tariff.carbon_mg_per_kwh,
            is_default=True,
            lifetime_s=LIFETIME_S,
        )


def _runs(prices: Sequence[int], energy_j: int) -> tuple[OfferRun, ...]:
    """One run for each stretch of slots with the same price."""
    runs: list[OfferRun] = []
    for price in prices:
        if runs and runs[-1].price_micro_per_kwh == price:
            runs[-1] = OfferRun(slots=runs[-1].slots + 1, energy_j=energy_j, price_micro_per_kwh=price)
        else:
            runs.append(OfferRun(slots=1, energy_j=energy_j, price_micro_per_kwh=price))
    return tuple(runs)
