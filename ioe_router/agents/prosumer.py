"""The default agent of a household, plant, battery or factory.

Before each slot it plans (`slot_plan.py`) and tells the router what it offers
and wants; then it keeps the books of what was bought and sold, buys the losses
that the sweeps found, and at the final gate knows what each device has to do.

A fuelled source runs for the own load only when nothing cheaper was to be had.
Operator policy (price cap, preferred sources, carbon limit, battery reserve)
only narrows what is wanted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ioe_router.agents.area import AreaForecast
from ioe_router.agents.assets import PPM, Battery, DeviceSetpoint, OwnDevices
from ioe_router.agents.slot_book import Purpose, SlotBook, purpose_of
from ioe_router.agents.slot_plan import ProsumerPolicy, SlotPlanner, offer_numbers
from ioe_router.agents.storage import AT_REST, StoragePlan, StoragePlanner
from ioe_router.core.events import (
    Booked,
    BookingRestored,
    Event,
    OfferLearned,
    OfferLost,
    OriginLost,
    SlotClosed,
    SlotOpening,
    Unbooked,
    UnbookingRestored,
)
from ioe_router.core.inputs import Input, ReleaseReservation, Trade
from ioe_router.core.own_offers import run_at
from ioe_router.core.sweep_events import LossCorrection
from ioe_router.model.clock import Now
from ioe_router.model.ids import NodeId, ReservationId
from ioe_router.model.routing import Direction, Offer, SourceClass
from ioe_router.model.slot import Slot


@dataclass(frozen=True, slots=True)
class _Known:
    """A packet as our books have it."""

    slot: Slot
    trade_no: int
    own_offer_no: int
    energy_j: int


class Prosumer:
    """One node's agent."""

    def __init__(
        self, devices: OwnDevices, policy: ProsumerPolicy, slot_s: int, area: AreaForecast | None
    ) -> None:
        """`area` is needed for batteries only: without it they stay at rest."""
        self._devices = devices
        self._policy = policy
        self._slot_s = slot_s
        self._planner = SlotPlanner(devices, policy, slot_s, area)
        self._books: dict[Slot, SlotBook] = {}
        self._reservations: dict[tuple[bytes, int], _Known] = {}
        self._storage = {} if area is None else {b.name: StoragePlanner(b, area) for b in devices.batteries}
        self._stored_j = {battery.name: battery.start_j for battery in devices.batteries}
        self._suppliers: dict[NodeId, dict[ReservationId, Slot]] = {}
        self._wanted: dict[int, Trade] = {}
        self._closed: set[Slot] = set()
        self._default: dict[tuple[NodeId, int], Offer] = {}
        self._offer_no = offer_numbers(devices)

    # --- events

    def on_event(self, event: Event, now: Now) -> tuple[Input, ...]:  # noqa: ARG002 - part of the seam
        """Answer the events that matter to an owner."""
        match event:
            case SlotOpening():
                return self._open(event)
            case Booked() if not event.for_domain:
                self._note(event)
            case BookingRestored() if self._is_new(event.booked) and not event.booked.for_domain:
                self._note(event.booked)
            case Unbooked() | UnbookingRestored():
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

    def _is_new(self, booked: Booked) -> bool:
        """Whether an earlier life of the router has booked this without our having heard of it."""
        return (booked.reservation, booked.index) not in self._reservations

    def _note(self, event: Booked) -> None:
        book = self._books.setdefault(event.slot, SlotBook())
        if event.initiator and event.direction is Direction.SUPPLY:
            purpose = purpose_of(event.trade_no)
            book.bought_j[purpose] = book.bought(purpose) + event.energy_j
            self._suppliers.setdefault(event.peer, {})[event.reservation] = event.slot
        else:
            number = event.own_offer_no
            book.sold_j[number] = book.sold_j.get(number, 0) + event.energy_j
        self._reservations[event.reservation, event.index] = _Known(
            event.slot, event.trade_no, event.own_offer_no, event.energy_j
        )

    def _unnote(self, event: Unbooked | UnbookingRestored) -> tuple[Input, ...]:
        """A packet is gone, or less; what it brought is wanted again while the slot can still be traded."""
        key = (event.reservation, event.index)
        known = self._reservations.pop(key, None)
        if known is None:
            return ()
        gone_j = known.energy_j - event.remaining_j  # by our own books: what was heard before counts once
        if event.remaining_j:
            self._reservations[key] = replace(known, energy_j=event.remaining_j)
        book = self._books.get(event.slot)
        if book is None or gone_j <= 0:
            return ()
        if known.own_offer_no in book.sold_j:
            book.sold_j[known.own_offer_no] -= gone_j
            return ()
        book.bought_j[purpose_of(known.trade_no)] -= gone_j
        wanted = self._wanted.get(known.trade_no)
        return () if wanted is None or event.slot in self._closed else (wanted,)

    def _give_up(self, origin: NodeId) -> tuple[Input, ...]:
        """Nobody leads to a supplier any more: release what it promised where that can still be repaired."""
        promised = self._suppliers.pop(origin, {})
        return tuple(
            ReleaseReservation(reservation=reservation)
            for reservation, slot in promised.items()
            if slot not in self._closed
        )

    # --- opening a slot

    def _open(self, event: SlotOpening) -> tuple[Input, ...]:
        slot = event.slot
        storage = {battery.name: self._plan(battery, slot) for battery in self._devices.batteries}
        plan = self._planner.plan(slot, event.supply_j, storage, self._default_ask(slot))
        known = self._books.get(slot)
        if known is not None:  # opened again after a restart: what was traded stays traded
            plan.book.bought_j.update(known.bought_j)
            plan.book.sold_j.update(known.sold_j)
        self._books[slot] = plan.book
        self._wanted.update({want.trade_no: want for want in plan.wants})
        return (plan.reactive, *plan.offers, *plan.wants, *plan.sales)

    def _plan(self, battery: Battery, slot: Slot) -> StoragePlan:
        planner = self._storage.get(battery.name)
        plan = None if planner is None else planner.plan(self._stored_j[battery.name], slot)
        return plan or AT_REST

    def _default_ask(self, slot: Slot) -> int | None:
        """What the default route asks in a slot, None without one."""
        asks = [
            run.price_micro_per_kwh
            for offer in self._default.values()
            if offer.direction is Direction.SUPPLY
            and (run := run_at(offer.runs, offer.first_slot_utc_s, slot, self._slot_s)) is not None
        ]
        return min(asks, default=None)

    def _correct(self, event: LossCorrection) -> tuple[Input, ...]:
        """Buy the loss that the sweeps found; what was bought too much stays with the balance party.

        Where there is a default route it comes from there, where it flows from
        anyway: bought from a neighbour it would change the flows that were swept.
        """
        if not event.short:
            return ()
        cap = self._policy.price_cap_micro_per_kwh
        want = self._planner.want(event.slot, Purpose.CORRECTION, event.energy_j, cap, cap)
        if self._default_ask(event.slot) is not None:
            want = replace(want, sources=(SourceClass.GRID,))
        self._wanted[want.trade_no] = want
        return (want,)

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
        self._reservations = {key: known for key, known in self._reservations.items() if known.slot >= slot}
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


def _stored_change(battery: Battery, point: DeviceSetpoint) -> int:
    return point.drawn_j * battery.charge_ppm // PPM - -(-point.given_j * PPM // battery.discharge_ppm)
