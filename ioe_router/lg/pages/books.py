"""Sums over slots that several pages share: what is booked, from what, at which price.

A sum is left out where it would tell of one household (`privacy.may_show_sum`).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from ioe_router.lg import words
from ioe_router.lg.grid import all_offers, all_reservations, now_slot, source_of
from ioe_router.lg.privacy import Viewer, may_show_sum
from ioe_router.lg.snapshot import Offer, Packet, Reservation, Source
from ioe_router.lg.watch import State

PAST_SLOTS = 4
FUTURE_SLOTS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotBooks:
    """What is agreed for one slot. All figures are 0 where `withheld`."""

    slot_utc_s: int
    withheld: bool
    deals: int
    energy_j: int
    price_low: int | None  # micro-units per kWh; None: nothing is agreed
    price_mean: int | None
    price_high: int | None
    carbon_mg_per_kwh: int | None  # None: nothing is agreed
    sources: tuple[tuple[Source, int], ...]  # joules, in drawing order, none of them 0


def window(state: State) -> tuple[int, ...]:
    """The slots that pages show: an hour or so back, and what can be booked ahead."""
    now, slot_s = now_slot(state), slot_length_s(state)
    return tuple(now + step * slot_s for step in range(-PAST_SLOTS, FUTURE_SLOTS + 1)) if now else ()


def slot_length_s(state: State) -> int:
    """The network's slot length; 900 while nobody has said."""
    return next((node.snapshot.slot_s for node in state.nodes if node.snapshot), 900)


def currency(state: State) -> str:
    """The network's currency; EUR while nobody has said."""
    return next((node.snapshot.currency for node in state.nodes if node.snapshot), "EUR")


def slot_books(state: State, viewer: Viewer) -> tuple[SlotBooks, ...]:
    """The books of all slots of the window."""
    offers = {(offer.origin, offer.number): offer for offer in all_offers(state)}
    agreed: dict[int, list[tuple[Reservation, Packet]]] = defaultdict(list)
    for one in all_reservations(state):
        for packet in one.packets if one.agreed else ():
            if packet.energy_j:
                agreed[packet.slot_utc_s].append((one, packet))
    return tuple(_books(slot, agreed[slot], offers, viewer) for slot in window(state))


def price_text(price_micro_per_kwh: int | None, money: str) -> str:
    """A price, or a dash where there is none."""
    return "–" if price_micro_per_kwh is None else words.price(price_micro_per_kwh, money)


def _books(
    slot: int,
    booked: list[tuple[Reservation, Packet]],
    offers: dict[tuple[str, int], Offer],
    viewer: Viewer,
) -> SlotBooks:
    withheld = not may_show_sum([one for one, _ in booked], viewer)
    shown = [] if withheld else booked
    energy_j = sum(packet.energy_j for _, packet in shown)
    prices = [packet.price_micro_per_kwh for _, packet in shown]
    by_source: dict[Source, int] = defaultdict(int)
    carbon = 0
    for one, packet in shown:
        by_source[source_of(one, offers)] += packet.energy_j
        offer = offers.get((one.origin, one.offer_no))
        carbon += packet.energy_j * (offer.carbon_mg_per_kwh if offer else 0)
    cost = sum(packet.energy_j * packet.price_micro_per_kwh for _, packet in shown)
    return SlotBooks(
        slot_utc_s=slot,
        withheld=withheld,
        deals=len(shown),
        energy_j=energy_j,
        price_low=min(prices, default=None),
        price_mean=round(cost / energy_j) if energy_j else None,
        price_high=max(prices, default=None),
        carbon_mg_per_kwh=round(carbon / energy_j) if energy_j else None,
        sources=tuple((source, by_source[source]) for source in Source if by_source[source]),
    )
