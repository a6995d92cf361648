"""An agent whose offers and needs are written down once: the simplest one that trades.

It offers the same energy in every slot, and for every slot buys (or sells to
DEMAND offers) the same energy.  Good for a first pair of routers, a fixed feed
and tests; a household wants a forecasting agent.

Offers cover a horizon of slots and are published anew, with the same number,
once half of it is over.  A need becomes one Trade when its slot opens; the
router goes on with it through the bands.  The standing loss that the router
reports is added to the first need that buys; without one the node feeds it
from its own devices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ioe_router.agents.assets import DeviceSetpoint
from ioe_router.core.events import Event, SlotOpening
from ioe_router.core.inputs import Input, PublishOffer, Trade
from ioe_router.model.clock import Now
from ioe_router.model.parameters import NetworkParameters
from ioe_router.model.routing import Direction, Firmness, OfferRun, SourceClass
from ioe_router.model.slot import Slot, next_slot, slot_at

HORIZON_SLOTS: Final = 96
LIFETIME_MAX_S: Final = 86_400  # of an offer (SPEC section 14)
_TRADES_PER_SLOT: Final = 256  # trade numbers of one slot; a need's place is its number


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticOffer:
    """Energy offered in every slot: joules at the node's port, micro-units per kWh, milligrams per kWh."""

    direction: Direction
    energy_j: int
    price_micro_per_kwh: int
    source: SourceClass = SourceClass.UNSPECIFIED
    carbon_mg_per_kwh: int = 0
    is_default: bool = False
    energy_cap_j: int = 0  # of all slots together, as of a battery; 0: no such bound


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticNeed:
    """Energy wanted in every slot: joules and worst prices (micro-units per kWh) at the node's port."""

    direction: Direction  # of the offers to use: SUPPLY buys, DEMAND sells
    energy_j: int
    price_limit_micro_per_kwh: int
    default_limit_micro_per_kwh: int | None = None  # the same for DEFAULT offers; None does not use them
    priority: int = 4


class StaticAgent:
    """Turns the opening of a slot into commands. Offers are numbered from 1 in their order."""

    def __init__(
        self,
        parameters: NetworkParameters,
        *,
        offers: tuple[StaticOffer, ...] = (),
        needs: tuple[StaticNeed, ...] = (),
        lifetime_max_s: int = LIFETIME_MAX_S,
    ) -> None:
        """`lifetime_max_s` is the longest validity of an own offer (Timers.offer_lifetime_max_s)."""
        self._slot_s = parameters.slot_s
        self._horizon = max(1, min(HORIZON_SLOTS, lifetime_max_s // parameters.slot_s))
        self._lifetime_s = min(self._horizon * parameters.slot_s, lifetime_max_s)
        self._offers = offers
        self._needs = needs
        self._offered_until = Slot(0)

    def restate(
        self, offers: tuple[StaticOffer, ...], needs: tuple[StaticNeed, ...], now: Now
    ) -> tuple[Input, ...]:
        """Trade this from now on: offers are published anew, those that are no more are withdrawn."""
        before, self._offers, self._needs = self._offers, offers, needs
        if before == offers:
            return ()
        self._offered_until = Slot(0)
        first = next_slot(slot_at(now.utc_s, self._slot_s), self._slot_s)
        gone = tuple(
            self._offer(number, offer, first, 0)
            for number, offer in enumerate(before, start=1)
            if number > len(offers)
        )
        return (*gone, *self._publish(first))

    def start(self, now: Now) -> tuple[Input, ...]:
        """The first offers, to be given to the router after its Started."""
        return tuple(self._publish(next_slot(slot_at(now.utc_s, self._slot_s), self._slot_s)))

    def on_event(self, event: Event, _now: Now) -> tuple[Input, ...]:
        """The commands that follow from an event."""
        if isinstance(event, SlotOpening):
            return (*self._publish(event.slot), *self._trade(event))
        return ()

    def setpoints(self, _slot: Slot) -> tuple[DeviceSetpoint, ...]:
        """Nothing: this agent steers no devices."""
        return ()

    def _publish(self, first: Slot) -> Iterator[Input]:
        if not self._offers or first < next_slot(self._offered_until, self._slot_s, -(self._horizon // 2)):
            return
        self._offered_until = next_slot(first, self._slot_s, self._horizon)
        for number, offer in enumerate(self._offers, start=1):
            yield self._offer(number, offer, first, offer.energy_j)

    def _offer(self, number: int, offer: StaticOffer, first: Slot, energy_j: int) -> PublishOffer:
        """The offer with this much in every slot; nothing withdraws it."""
        run = OfferRun(slots=self._horizon, energy_j=energy_j, price_micro_per_kwh=offer.price_micro_per_kwh)
        return PublishOffer(
            offer_no=number,
            direction=offer.direction,
            source=offer.source,
            firmness=Firmness.FIRM,
            first_slot=first,
            runs=(run,),
            energy_cap_j=offer.energy_cap_j,
            carbon_mg_per_kwh=offer.carbon_mg_per_kwh,
            is_default=offer.is_default,
            lifetime_s=self._lifetime_s,
        )

    def _trade(self, opening: SlotOpening) -> Iterator[Input]:
        loss_j = opening.supply_j
        for place, need in enumerate(self._needs):
            extra_j = loss_j if need.direction is Direction.SUPPLY else 0
            loss_j -= extra_j
            yield Trade(
                trade_no=opening.slot // self._slot_s * _TRADES_PER_SLOT + place,
                slot=opening.slot,
                direction=need.direction,
                energy_j=need.energy_j + extra_j,
                price_limit_micro_per_kwh=need.price_limit_micro_per_kwh,
                default_limit_micro_per_kwh=need.default_limit_micro_per_kwh,
                own_offer_no=None,
                priority=need.priority,
                sources=(),
                carbon_max_mg_per_kwh=None,
            )
