"""The default agent of a household, plant, battery or factory.

Before each slot it looks at its forecasts and

1. serves its own load (and the loss supply of its link ends) from its own
   fuel-free sources, then from planned battery discharge;
2. wants what is missing: firm load at almost any price, but not dearer than
   the default route where there is one; flexible loads and charging up to
   their own value;
3. offers what is left, each source at its marginal cost, battery energy at
   what keeping it would be worth; what nobody in the community takes goes to
   the feed-in tariff.

A fuelled source runs for its own load only when nothing cheaper is to be had.
Operator policy (price cap, preferred sources, carbon limit, battery reserve)
only narrows what is wanted.
"""

from __future__ import annotations

from dataclasses import dataclass

from ioe_router.agents.area import AreaForecast, marginal_micro_per_kwh
from ioe_router.agents.assets import PPM, Battery, DeviceSetpoint, FlexibleLoad, OwnDevices, Source
from ioe_router.agents.slot_book import Purpose, SlotBook, purpose_of, trade_number
from ioe_router.agents.storage import StoragePlan, StoragePlanner
from ioe_router.core.events import (
    Booked,
    Event,
    LossCorrection,
    OfferLearned,
    OfferLost,
    OriginLost,
    SlotClosed,
    SlotOpening,
    Unbooked,
)
from ioe_router.core.inputs import ForecastReactive, Input, PublishOffer, ReleaseReservation, Trade
from ioe_router.core.own_offers import run_at
from ioe_router.model.clock import Now
from ioe_router.model.grid import Exchange
from ioe_router.model.ids import NodeId, ReservationId
from ioe_router.model.routing import Direction, Firmness, Offer, OfferRun, SourceClass
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


class Prosumer:
    """One node's agent."""

    def __init__(
        self, devices: OwnDevices, policy: ProsumerPolicy, slot_s: int, area: AreaForecast | None
    ) -> None:
        """`area` is needed for batteries only: without it they stay at rest."""
        self._devices = devices
        self._policy = policy
        self._slot_s = slot_s
        self._area = area
        self._books: dict[Slot, SlotBook] = {}
        self._reservations: dict[
            tuple[bytes, int], tuple[Slot, int, int]
        ] = {}  # -> slot, purpose/offer, sign
        self._planners = {} if area is None else {b.name: StoragePlanner(b, area) for b in devices.batteries}
        self._stored_j = {battery.name: battery.start_j for battery in devices.batteries}
        self._suppliers: dict[NodeId, dict[ReservationId, Slot]] = {}
        self._wanted: dict[int, Trade] = {}
        self._closed: set[Slot] = set()
        self._default: dict[tuple[NodeId, int], Offer] = {}
        names = [*(s.name for s in devices.sources), *(b.name for b in devices.batteries)]
        self._offer_no = {name: FIRST_OFFER + i for i, name in enumerate(names)}
        self._by_offer = {number: name for name, number in self._offer_no.items()}

    # --- events

    def on_event(self, event: Event, now: Now) -> tuple[Input, ...]:  # noqa: ARG002 - part of the seam
        """Answer the events that matter to an owner."""
        match event:
            case SlotOpening():
                return self._open(event)
            case Booked():
                self._note(event)
            case Unbooked():
                return self._unnote(event)
            case OriginLost() if event.direction is Direction.SUPPLY:
                return self._give_up(event.origin)
            case LossCorrection():
                return self._correct(event)
            case SlotClosed():
                self._close(event.slot)
            case OfferLearned() if event.offer.body.is_default:
                self._default[event.offer.body.origin, event.offer.body.offer_no] = event.offer.body
            case OfferLost():
                self._default.pop((event.origin, event.offer_no), None)
            case _:
                pass
        return ()

    def _note(self, event: Booked) -> None:
        book = self._books.setdefault(event.slot, SlotBook())
        if event.initiator and event.direction is Direction.SUPPLY:
            purpose = purpose_of(event.trade_no)
            book.bought_j[purpose] = book.bought(purpose) + event.energy_j
            self._suppliers.setdefault(event.peer, {})[event.reservation] = event.slot
        else:
            number = event.own_offer_no
            book.sold_j[number] = book.sold_j.get(number, 0) + event.energy_j
        self._reservations[event.reservation, event.index] = (event.slot, event.trade_no, event.own_offer_no)

    def _unnote(self, event: Unbooked) -> tuple[Input, ...]:
        """A packet is gone; what was bought with it is wanted again while the slot can still be traded."""
        known = self._reservations.pop((event.reservation, event.index), None)
        book = None if known is None else self._books.get(event.slot)
        if known is None or book is None:
            return ()
        _, trade_no, offer_no = known
        if offer_no in book.sold_j:
            book.sold_j[offer_no] -= event.energy_j
            return ()
        book.bought_j[purpose_of(trade_no)] -= event.energy_j
        wanted = self._wanted.get(trade_no)
        return () if wanted is None or event.slot in self._closed else (wanted,)

    def _give_up(self, origin: NodeId) -> tuple[Input, ...]:
        """Nobody leads to a supplier any more: release what it promised for slots that can still be repaired."""
        promised = self._suppliers.pop(origin, {})
        return tuple(
            ReleaseReservation(reservation=reservation)
            for reservation, slot in promised.items()
            if slot not in self._closed
        )

    # --- opening a slot

    def _open(self, event: SlotOpening) -> tuple[Input, ...]:
        slot = event.slot
        book = self._books[slot] = SlotBook(firm_j=self._devices.firm_w(slot) * self._slot_s + event.supply_j)
        plans = {battery.name: self._plan(battery, slot) for battery in self._devices.batteries}
        left = {s.name: max(0, s.forecast_w(slot)) * self._slot_s for s in self._devices.sources}
        missing_j = self._serve_home(slot, book, left, plans)
        book.missing_j = missing_j
        inputs: list[Input] = [self._reactive(slot)]
        inputs.extend(self._offers(slot, book, left, plans, missing_j))
        inputs.extend(self._wants(slot, book, left, plans, missing_j))
        inputs.extend(self._sales(slot, book))
        return tuple(inputs)

    def _plan(self, battery: Battery, slot: Slot) -> StoragePlan | None:
        planner = self._planners.get(battery.name)
        return None if planner is None else planner.plan(self._stored_j[battery.name], slot)

    def _serve_home(
        self, slot: Slot, book: SlotBook, left: dict[str, int], plans: dict[str, StoragePlan | None]
    ) -> int:
        """Use own fuel-free energy at home where it is worth most; returns the firm energy still missing."""
        missing_j = book.firm_j
        free = sorted(
            (s for s in self._devices.sources if not s.fuelled), key=lambda s: s.price_micro_per_kwh
        )
        for source in free:
            missing_j -= _use(book.home_j, left, source.name, missing_j)
        for battery in self._devices.batteries:
            plan = plans[battery.name]
            if plan is not None and plan.discharge_j:
                used = min(missing_j, plan.discharge_j)
                book.home_j[battery.name] = used
                missing_j -= used
        self._use_surplus(slot, book, left, plans, [source.name for source in free])
        return missing_j

    def _use_surplus(
        self,
        slot: Slot,
        book: SlotBook,
        left: dict[str, int],
        plans: dict[str, StoragePlan | None],
        free: list[str],
    ) -> None:
        """Fuel-free energy beyond firm load: planned charging, then flexible loads that value it most."""
        for battery in self._devices.batteries:
            plan = plans[battery.name]
            for name in free if plan is not None else ():
                wanted_j = plan.charge_j - book.charge_home_j.get(battery.name, 0) if plan is not None else 0
                book.charge_home_j[battery.name] = book.charge_home_j.get(battery.name, 0) + _use(
                    book.home_j, left, name, wanted_j
                )
        worth = self._worth(slot)
        for load in self._devices.flexible:
            for name in free if load.bid_micro_per_kwh >= worth else ():
                wanted_j = self._flexible_j(load, slot) - book.flexible_home_j.get(load.name, 0)
                book.flexible_home_j[load.name] = book.flexible_home_j.get(load.name, 0) + _use(
                    book.home_j, left, name, wanted_j
                )

    def _flexible_j(self, load: FlexibleLoad, slot: Slot) -> int:
        return max(0, load.forecast_w(slot)) * self._slot_s

    def _worth(self, slot: Slot) -> int:
        """What others would probably pay for surplus: the area's marginal price, else the default route's."""
        index = None if self._area is None else self._area.index(slot)
        if self._area is None or index is None:
            return self._default_price(slot) or 0
        return marginal_micro_per_kwh(self._area, index)

    def _offers(
        self,
        slot: Slot,
        book: SlotBook,
        left: dict[str, int],
        plans: dict[str, StoragePlan | None],
        missing_j: int,
    ) -> list[Input]:
        offers: list[Input] = []
        for source in self._devices.sources:
            energy_j = left[source.name]
            if source.fuelled:
                energy_j = max(0, energy_j - max(0, missing_j))
            book.offered_j[source.name] = energy_j
            offers.append(self._offer(slot, source.name, source, energy_j, source.price_micro_per_kwh))
        for battery in self._devices.batteries:
            plan = plans[battery.name]
            energy_j = 0 if plan is None else plan.discharge_j - book.home_j.get(battery.name, 0)
            book.offered_j[battery.name] = energy_j
            ask = 0 if plan is None else plan.discharge_ask_micro_per_kwh
            offers.append(self._offer(slot, battery.name, battery, energy_j, ask))
        return offers

    def _offer(
        self, slot: Slot, name: str, device: Source | Battery, energy_j: int, ask: int
    ) -> PublishOffer:
        return PublishOffer(
            offer_no=self._offer_no[name],
            direction=Direction.SUPPLY,
            source=device.source if isinstance(device, Source) else SourceClass.STORAGE,
            firmness=Firmness.FIRM,
            first_slot=slot,
            runs=(OfferRun(slots=1, energy_j=energy_j, price_micro_per_kwh=ask),),
            energy_cap_j=0,
            carbon_mg_per_kwh=device.carbon_mg_per_kwh,
            is_default=False,
            lifetime_s=self._policy.offer_lifetime_s,
        )

    # --- wants

    def _wants(
        self,
        slot: Slot,
        book: SlotBook,
        left: dict[str, int],
        plans: dict[str, StoragePlan | None],
        missing_j: int,
    ) -> list[Input]:
        wants: list[Input] = []
        if missing_j:
            wants.append(self._want_firm(slot, missing_j, left))
        for i, load in enumerate(self._devices.flexible):
            energy_j = self._flexible_j(load, slot) - book.flexible_home_j.get(load.name, 0)
            bid = load.bid_micro_per_kwh
            wants.append(self._want(slot, Purpose.FLEXIBLE + i, energy_j, bid, bid))
        for i, battery in enumerate(self._devices.batteries):
            plan = plans[battery.name]
            if plan is not None and plan.charge_j:
                limit = plan.charge_limit_micro_per_kwh
                energy_j = plan.charge_j - book.charge_home_j.get(battery.name, 0)
                wants.append(self._want(slot, Purpose.CHARGE + i, energy_j, limit, limit))
        return [want for want in wants if isinstance(want, Trade) and want.energy_j]

    def _want_firm(self, slot: Slot, missing_j: int, left: dict[str, int]) -> Trade:
        """Firm load: up to the default route's delivered price, or to the cost of an own fuelled source."""
        cap = self._policy.price_cap_micro_per_kwh
        limit = self._default_price(slot)
        fuelled = [
            s.price_micro_per_kwh for s in self._devices.sources if s.fuelled and left[s.name] >= missing_j
        ]
        if fuelled:
            limit = min(fuelled) if limit is None else min(limit, *fuelled)
            return self._want(slot, Purpose.FIRM, missing_j, limit, limit)
        return self._want(slot, Purpose.FIRM, missing_j, cap if limit is None else limit, cap)

    def _default_price(self, slot: Slot) -> int | None:
        """What the default route may cost delivered, None without one."""
        asks = [
            run.price_micro_per_kwh
            for offer in self._default.values()
            if offer.direction is Direction.SUPPLY
            and (run := run_at(offer.runs, offer.first_slot_utc_s, slot, self._slot_s)) is not None
        ]
        return min(asks) * (PPM + self._policy.default_margin_ppm) // PPM if asks else None

    def _want(self, slot: Slot, purpose: int, energy_j: int, limit: int, default_limit: int | None) -> Trade:
        trade = Trade(
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
        self._wanted[trade.trade_no] = trade
        return trade

    def _sales(self, slot: Slot, book: SlotBook) -> list[Input]:
        """What nobody took goes to DEMAND offers (feed-in), unless keeping or not running is worth more."""
        sales: list[Input] = []
        for source in self._devices.sources:
            if book.offered_j.get(source.name):
                ask = source.price_micro_per_kwh
                number = self._offer_no[source.name]
                sales.append(self._sale(slot, number, book.offered_j[source.name], ask))
        return sales

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

    def _reactive(self, slot: Slot) -> ForecastReactive:
        var = self._devices.reactive_var(slot)
        return ForecastReactive(
            slot=slot,
            reactive=Exchange.IMPORT if var >= 0 else Exchange.EXPORT,
            reactive_vars=abs(var) * self._slot_s,
        )

    def _correct(self, event: LossCorrection) -> tuple[Input, ...]:
        """Buy the loss that the sweeps found; what was bought too much stays with the balance party."""
        if not event.short:
            return ()
        cap = self._policy.price_cap_micro_per_kwh
        return (self._want(event.slot, Purpose.CORRECTION, event.energy_j, cap, cap),)

    # --- closing a slot

    def _close(self, slot: Slot) -> None:
        """Final gate: move the batteries' forecast state on."""
        for point in self.setpoints(slot):
            battery = next((b for b in self._devices.batteries if b.name == point.name), None)
            if battery is not None and slot not in self._closed:
                self._stored_j[battery.name] += _stored_change(battery, point)
        self._closed.add(slot)
        self._forget_before(Slot(slot - 8 * self._slot_s))

    def _forget_before(self, slot: Slot) -> None:
        """Drop what concerns slots before `slot`."""
        self._books = {s: book for s, book in self._books.items() if s >= slot}
        self._reservations = {key: known for key, known in self._reservations.items() if known[0] >= slot}
        self._wanted = {number: trade for number, trade in self._wanted.items() if trade.slot >= slot}
        self._suppliers = {
            origin: kept
            for origin, promised in self._suppliers.items()
            if (kept := {reservation: s for reservation, s in promised.items() if s >= slot})
        }

    def setpoints(self, slot: Slot) -> tuple[DeviceSetpoint, ...]:
        """What each device does, from what was booked; firm load just follows its forecast."""
        book = self._books.get(slot)
        if book is None:
            return ()
        points = [self._given(source.name, book, slot) for source in self._devices.sources]
        for i, battery in enumerate(self._devices.batteries):
            given = self._given(battery.name, book, slot)
            drawn_j = book.bought(Purpose.CHARGE + i) + book.charge_home_j.get(battery.name, 0)
            points.append(DeviceSetpoint(name=battery.name, drawn_j=drawn_j, given_j=given.given_j))
        for i, load in enumerate(self._devices.flexible):
            drawn_j = book.bought(Purpose.FLEXIBLE + i) + book.flexible_home_j.get(load.name, 0)
            points.append(DeviceSetpoint(name=load.name, drawn_j=drawn_j, given_j=0))
        return tuple(points)

    def _given(self, name: str, book: SlotBook, slot: Slot) -> DeviceSetpoint:
        """Own use plus sales; a fuelled source also covers own firm load that was not bought cheaper."""
        given_j = book.home_j.get(name, 0) + book.sold_j.get(self._offer_no[name], 0)
        source = next((s for s in self._devices.sources if s.name == name), None)
        if source is not None and source.fuelled:
            open_j = book.missing_j - book.bought(Purpose.FIRM)
            room_j = max(0, source.forecast_w(slot)) * self._slot_s - given_j
            given_j += max(0, min(open_j, room_j))
        return DeviceSetpoint(name=name, drawn_j=0, given_j=given_j)


def _use(used: dict[str, int], left: dict[str, int], name: str, wanted_j: int) -> int:
    taken = min(wanted_j, left[name])
    left[name] -= taken
    used[name] = used.get(name, 0) + taken
    return taken


def _stored_change(battery: Battery, point: DeviceSetpoint) -> int:
    return point.drawn_j * battery.charge_ppm // PPM - -(-point.given_j * PPM // battery.discharge_ppm)
