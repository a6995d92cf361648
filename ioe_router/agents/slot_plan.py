"""What a prosumer does with one slot: what it uses at home, offers and wants (house rules, not protocol).

1. Own fuel-free energy serves the own firm load (and the loss supply of the
   node's link ends), then planned charging, then flexible loads that value it
   more than others would; planned battery discharge serves firm load, too.
2. What is missing is wanted: firm load up to the price of the default route,
   and at almost any price on that; flexible loads and charging up to their own
   value.  Bids are true values: the descending clock serves the highest first,
   with energy and with room on the links.
3. What is left is offered: each source at its marginal cost, battery energy at
   what keeping it would be worth.  What nobody takes is sold to DEMAND offers.
"""

from __future__ import annotations

from dataclasses import dataclass

from ioe_router.agents.area import AreaForecast, marginal_micro_per_kwh
from ioe_router.agents.assets import PPM, Battery, FlexibleLoad, OwnDevices, Source
from ioe_router.agents.slot_book import Purpose, SlotBook, trade_number
from ioe_router.agents.storage import StoragePlan
from ioe_router.core.inputs import ForecastReactive, PublishOffer, Trade
from ioe_router.model.grid import Exchange
from ioe_router.model.routing import Direction, Firmness, OfferRun, SourceClass
from ioe_router.model.slot import Slot

FIRST_OFFER = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ProsumerPolicy:
    """What the operator has decided; prices in micro-units per kWh."""

    price_cap_micro_per_kwh: int  # most to pay for firm load when there is no default route
    default_margin_ppm: int = 60_000  # delivered price of the default route above its ask, at most
    sources: tuple[SourceClass, ...] = ()
    carbon_max_mg_per_kwh: int | None = None
    offer_lifetime_s: int = 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotPlan:
    """The outcome: the slot's book as planned, and what to tell the router."""

    book: SlotBook
    reactive: ForecastReactive
    offers: tuple[PublishOffer, ...]
    wants: tuple[Trade, ...]
    sales: tuple[Trade, ...]


def offer_numbers(devices: OwnDevices) -> dict[str, int]:
    """The offer number of each device that gives energy."""
    names = [*(s.name for s in devices.sources), *(b.name for b in devices.batteries)]
    return {name: FIRST_OFFER + i for i, name in enumerate(names)}


class SlotPlanner:
    """Plans slots of one node."""

    def __init__(
        self, devices: OwnDevices, policy: ProsumerPolicy, slot_s: int, area: AreaForecast | None
    ) -> None:
        """`area` lets the node judge prices; without it the default route's price is all it knows."""
        self._devices = devices
        self._policy = policy
        self._slot_s = slot_s
        self._area = area
        self._offer_no = offer_numbers(devices)

    def plan(
        self, slot: Slot, supply_j: int, storage: dict[str, StoragePlan], default_ask: int | None
    ) -> SlotPlan:
        """Plan a slot: `supply_j` of link losses to feed, `default_ask` of the default route if any."""
        book = SlotBook(firm_j=self._devices.firm_w(slot) * self._slot_s + supply_j)
        left = {s.name: self._energy_j(s, slot) for s in self._devices.sources}
        book.missing_j = self._serve_firm(book, left, storage)
        self._use_surplus(slot, book, left, storage, default_ask)
        return SlotPlan(
            book=book,
            reactive=self._reactive(slot),
            offers=tuple(self._offers(slot, book, left, storage)),
            wants=tuple(w for w in self._wants(slot, book, left, storage, default_ask) if w.energy_j),
            sales=tuple(self._sales(slot, book)),
        )

    # --- at home

    def _free(self) -> list[Source]:
        free = (s for s in self._devices.sources if not s.fuelled)
        return sorted(free, key=lambda s: s.price_micro_per_kwh)

    def _serve_firm(self, book: SlotBook, left: dict[str, int], storage: dict[str, StoragePlan]) -> int:
        """Serve firm load at home; returns what is missing."""
        missing_j = book.firm_j
        for source in self._free():
            missing_j -= _use(book.home_j, left, source.name, missing_j)
        for battery in self._devices.batteries:
            used_j = min(missing_j, storage[battery.name].discharge_j)
            book.home_j[battery.name] = used_j
            missing_j -= used_j
        return missing_j

    def _use_surplus(
        self,
        slot: Slot,
        book: SlotBook,
        left: dict[str, int],
        storage: dict[str, StoragePlan],
        default_ask: int | None,
    ) -> None:
        """Fuel-free energy beyond firm load: planned charging, then flexible loads that value it most."""
        for battery in self._devices.batteries:
            wanted_j = storage[battery.name].charge_j
            book.charge_home_j[battery.name] = self._serve(book, left, wanted_j)
        worth = self._worth(slot, default_ask)
        for load in self._devices.flexible:
            wanted_j = self._flexible_j(load, slot) if load.bid_micro_per_kwh >= worth else 0
            book.flexible_home_j[load.name] = self._serve(book, left, wanted_j)

    def _serve(self, book: SlotBook, left: dict[str, int], wanted_j: int) -> int:
        """Take up to `wanted_j` from the own fuel-free sources; returns what was found."""
        found_j = 0
        for source in self._free():
            found_j += _use(book.home_j, left, source.name, wanted_j - found_j)
        return found_j

    def _energy_j(self, source: Source, slot: Slot) -> int:
        return max(0, source.forecast_w(slot)) * self._slot_s

    def _flexible_j(self, load: FlexibleLoad, slot: Slot) -> int:
        return max(0, load.forecast_w(slot)) * self._slot_s

    def _worth(self, slot: Slot, default_ask: int | None) -> int:
        """What others would probably pay for surplus: the area's marginal price, else the default route's."""
        index = None if self._area is None else self._area.index(slot)
        if self._area is None or index is None:
            return default_ask or 0
        return marginal_micro_per_kwh(self._area, index)

    # --- offers and sales

    def _offers(
        self, slot: Slot, book: SlotBook, left: dict[str, int], storage: dict[str, StoragePlan]
    ) -> list[PublishOffer]:
        offers = []
        for source in self._devices.sources:
            kept_j = book.missing_j if source.fuelled else 0
            book.offered_j[source.name] = max(0, left[source.name] - kept_j)
            offers.append(self._offer(slot, source, source.source, book, source.price_micro_per_kwh))
        for battery in self._devices.batteries:
            plan = storage[battery.name]
            book.offered_j[battery.name] = plan.discharge_j - book.home_j.get(battery.name, 0)
            ask = plan.discharge_ask_micro_per_kwh
            offers.append(self._offer(slot, battery, SourceClass.STORAGE, book, ask))
        return offers

    def _offer(
        self, slot: Slot, device: Source | Battery, source: SourceClass, book: SlotBook, ask: int
    ) -> PublishOffer:
        run = OfferRun(slots=1, energy_j=book.offered_j[device.name], price_micro_per_kwh=ask)
        return PublishOffer(
            offer_no=self._offer_no[device.name],
            direction=Direction.SUPPLY,
            source=source,
            firmness=Firmness.FIRM,
            first_slot=slot,
            runs=(run,),
            energy_cap_j=0,
            carbon_mg_per_kwh=device.carbon_mg_per_kwh,
            is_default=False,
            lifetime_s=self._policy.offer_lifetime_s,
        )

    def _sales(self, slot: Slot, book: SlotBook) -> list[Trade]:
        """What nobody took goes to DEMAND offers (feed-in) that pay at least the marginal cost."""
        return [
            self._sale(slot, self._offer_no[source.name], energy_j, source.price_micro_per_kwh)
            for source in self._devices.sources
            if (energy_j := book.offered_j[source.name])
        ]

    def _sale(self, slot: Slot, offer_no: int, energy_j: int, ask: int) -> Trade:
        return Trade(
            trade_no=trade_number(slot, self._slot_s, Purpose.SELL + offer_no),
            slot=slot,
            direction=Direction.DEMAND,
            energy_j=energy_j,
            price_limit_micro_per_kwh=ask,
            default_limit_micro_per_kwh=ask,
            own_offer_no=offer_no,
            priority=2,
            sources=(),
            carbon_max_mg_per_kwh=None,
        )

    # --- wants

    def _wants(
        self,
        slot: Slot,
        book: SlotBook,
        left: dict[str, int],
        storage: dict[str, StoragePlan],
        default_ask: int | None,
    ) -> list[Trade]:
        wants = [self._want_firm(slot, book.missing_j, left, default_ask)]
        for i, load in enumerate(self._devices.flexible):
            energy_j = self._flexible_j(load, slot) - book.flexible_home_j[load.name]
            bid = load.bid_micro_per_kwh
            wants.append(self.want(slot, Purpose.FLEXIBLE + i, energy_j, bid, bid))
        for i, battery in enumerate(self._devices.batteries):
            plan = storage[battery.name]
            limit = plan.charge_limit_micro_per_kwh
            energy_j = plan.charge_j - book.charge_home_j[battery.name]
            wants.append(self.want(slot, Purpose.CHARGE + i, energy_j, limit, limit))
        return wants

    def _want_firm(self, slot: Slot, missing_j: int, left: dict[str, int], default_ask: int | None) -> Trade:
        """Firm load: up to what the default route (or an own fuelled source) costs; that one at any price."""
        cap = self._policy.price_cap_micro_per_kwh
        limit = cap
        if default_ask is not None:
            limit = min(cap, default_ask * (PPM + self._policy.default_margin_ppm) // PPM)
        own = [
            s.price_micro_per_kwh for s in self._devices.sources if s.fuelled and left[s.name] >= missing_j
        ]
        if own:
            return self.want(slot, Purpose.FIRM, missing_j, min(limit, *own), min(limit, *own))
        return self.want(slot, Purpose.FIRM, missing_j, limit, cap)

    def want(self, slot: Slot, purpose: int, energy_j: int, limit: int, default_limit: int) -> Trade:
        """A want of this node, under the operator's policy."""
        return Trade(
            trade_no=trade_number(slot, self._slot_s, purpose),
            slot=slot,
            direction=Direction.SUPPLY,
            energy_j=energy_j,
            price_limit_micro_per_kwh=limit,
            default_limit_micro_per_kwh=default_limit,
            own_offer_no=None,
            priority=4 if purpose == Purpose.FIRM else 2,
            sources=self._policy.sources,
            carbon_max_mg_per_kwh=self._policy.carbon_max_mg_per_kwh,
        )

    def _reactive(self, slot: Slot) -> ForecastReactive:
        var = self._devices.reactive_var(slot)
        return ForecastReactive(
            slot=slot,
            reactive=Exchange.IMPORT if var >= 0 else Exchange.EXPORT,
            reactive_vars=abs(var) * self._slot_s,
        )


def _use(used: dict[str, int], left: dict[str, int], name: str, wanted_j: int) -> int:
    taken = max(0, min(wanted_j, left[name]))
    left[name] -= taken
    used[name] = used.get(name, 0) + taken
    return taken
