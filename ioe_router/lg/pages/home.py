"""A member's own page: what their home did, in words that need no explanation.

The figures are the home's own: energy and price at its own connection, as its
own node tells them.  "The last hour" are the slots that have ended within the
last 60 minutes, whole slots only.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import tzinfo

from ioe_router.lg import words
from ioe_router.lg.grid import all_offers, names_of, source_of
from ioe_router.lg.snapshot import Offer, Snapshot, Source
from ioe_router.lg.watch import State, Watched

HOUR_S = 3_600

_MADE = {
    Source.SOLAR: "your roof made",
    Source.WIND: "your wind turbine made",
    Source.HYDRO: "your water turbine made",
    Source.GEOTHERMAL: "your geothermal plant made",
    Source.STORAGE: "your battery gave",
    Source.FUEL: "your generator made",
    Source.GRID: "you passed on",
    Source.UNKNOWN: "your home gave",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Deal:
    """Energy sold or bought by the home in one slot."""

    slot_utc_s: int
    sold: bool
    other: str
    source: Source
    energy_j: int
    cost_micro: int
    price_micro_per_kwh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HomePage:
    """All that stands on the page."""

    name: str
    answers: bool
    lead: tuple[str, ...]  # the last hour
    now: str
    coming: tuple[str, ...]
    sold: str
    sold_for: str
    bought: str
    bought_for: str
    balance_words: str
    balance: str
    connection: str
    contact_utc_s: int | None
    deals: tuple[Deal, ...]  # newest slot first
    slot_s: int
    currency: str
    meter: str


def home_page(state: State, home: Watched, zone: tzinfo) -> HomePage | None:
    """The page of a home; None while its node has never answered."""
    own = home.snapshot
    if own is None:
        return None
    deals = _deals(state, own)
    now = own.slot()
    hour = [deal for deal in deals if now - HOUR_S <= deal.slot_utc_s < now]
    sold, bought = [d for d in hour if d.sold], [d for d in hour if not d.sold]
    earned = sum(d.cost_micro for d in sold) - sum(d.cost_micro for d in bought)
    return HomePage(
        name=home.name,
        answers=home.answers,
        lead=_lead(sold, bought, own.currency),
        now=_span_words("Right now", now, [d for d in deals if d.slot_utc_s == now], own, zone),
        coming=tuple(
            _span_words("", slot, [d for d in deals if d.slot_utc_s == slot], own, zone)
            for slot in sorted({d.slot_utc_s for d in deals if d.slot_utc_s > now})
        ),
        sold=words.energy(_energy(sold)),
        sold_for=words.money(_cost(sold), own.currency),
        bought=words.energy(_energy(bought)),
        bought_for=words.money(_cost(bought), own.currency),
        balance_words="You earned" if earned > 0 else "You spent" if earned < 0 else "You are even",
        balance=words.money(abs(earned), own.currency),
        connection=_connection(own),
        contact_utc_s=home.contact_utc_s,
        deals=tuple(sorted(deals, key=lambda d: (-d.slot_utc_s, not d.sold, d.other))),
        slot_s=own.slot_s,
        currency=own.currency,
        meter=_meter(own, now),
    )


def _deals(state: State, own: Snapshot) -> list[Deal]:
    """What the home has agreed on, from its own reservations; several with one partner become one."""
    offers = {(offer.origin, offer.number): offer for offer in all_offers(state)}
    names = names_of(state)
    sums: dict[tuple[int, bool, str, Source], list[int]] = defaultdict(lambda: [0, 0])
    for one in own.reservations:
        if not one.agreed or own.node not in (one.seller, one.buyer):
            continue
        sold = one.seller == own.node
        other = one.buyer if sold else one.seller
        source = source_of(one, offers)
        for packet in one.packets:
            both = sums[packet.slot_utc_s, sold, other, source]
            both[0] += packet.energy_j
            both[1] += words.cost_micro(packet.energy_j, packet.price_micro_per_kwh)
    return [
        Deal(
            slot_utc_s=slot,
            sold=sold,
            other=_called(other, names, offers),
            source=source,
            energy_j=energy_j,
            cost_micro=cost,
            price_micro_per_kwh=round(cost * words.J_PER_KWH / energy_j),
        )
        for (slot, sold, other, source), (energy_j, cost) in sums.items()
        if energy_j
    ]


def _called(node: str, names: dict[str, str], offers: dict[tuple[str, int], Offer]) -> str:
    if node in names:
        return names[node]
    if any(offer.is_default for (origin, _), offer in offers.items() if origin == node):
        return "the utility"
    return words.short(node)


def _lead(sold: list[Deal], bought: list[Deal], money: str) -> tuple[str, ...]:
    """The last hour in two or three sentences."""
    if not sold and not bought:
        return ("In the last hour your home neither bought nor sold energy through the network.",)
    said = []
    if sold:
        made = words.listing(
            [f"{_MADE[source]} {words.energy(total)}" for source, total in _by_source(sold).items()]
        )
        said.append(
            f"In the last hour {made} for the network. You sold {_partners(sold, 'to')}, "
            f"for {words.money(_cost(sold), money)} in all."
        )
    if bought:
        begin = "You also bought" if sold else "In the last hour you bought"
        said.append(f"{begin} {_partners(bought, 'from')}, for {words.money(_cost(bought), money)} in all.")
    return tuple(said)


def _span_words(begin: str, slot: int, deals: list[Deal], own: Snapshot, zone: tzinfo) -> str:
    """One slot in a sentence."""
    ends = words.clock(slot + own.slot_s, zone)
    span = f"{words.clock(slot, zone)} to {ends}"
    when = f"{begin}, from {span}," if begin else f"From {span}"
    sold, bought = [d for d in deals if d.sold], [d for d in deals if not d.sold]
    parts = []
    tense = ("are selling", "are buying") if begin else ("will sell", "will buy")
    if sold:
        parts.append(f"{tense[0]} {_partners(sold, 'to')} for {words.money(_cost(sold), own.currency)}")
    if bought:
        parts.append(f"{tense[1]} {_partners(bought, 'from')} for {words.money(_cost(bought), own.currency)}")
    if not parts:
        return f"{when} nothing is agreed."
    return f"{when} you {' and '.join(parts)}."


def _partners(deals: list[Deal], word: str) -> str:
    """`0.50 kWh to Mill and 0.42 kWh to Ada`, the largest first."""
    sums: dict[str, int] = defaultdict(int)
    for deal in deals:
        sums[deal.other] += deal.energy_j
    ranked = sorted(sums.items(), key=lambda item: (-item[1], item[0]))
    return words.listing([f"{words.energy(energy_j)} {word} {other}" for other, energy_j in ranked])


def _by_source(deals: list[Deal]) -> dict[Source, int]:
    sums: dict[Source, int] = defaultdict(int)
    for deal in deals:
        sums[deal.source] += deal.energy_j
    return {source: sums[source] for source in Source if sums[source]}


def _energy(deals: list[Deal]) -> int:
    return sum(deal.energy_j for deal in deals)


def _cost(deals: list[Deal]) -> int:
    return sum(deal.cost_micro for deal in deals)


def _connection(own: Snapshot) -> str:
    up, of = sum(neighbor.up for neighbor in own.neighbors), len(own.neighbors)
    if of == 0:
        return "Your box knows no neighbour yet."
    if up == of:
        return (
            f"Your box is connected to all of its {words.count(of, 'neighbour')}."
            if of > 1
            else ("Your box is connected to its neighbour.")
        )
    return f"Your box is connected to {up} of its {words.count(of, 'neighbour')}."


def _meter(own: Snapshot, now: int) -> str:
    """What the meter counted in the last hour; empty when it has told nothing."""
    hour = [one for one in own.metered if now - HOUR_S <= one.slot_utc_s < now]
    if not hour:
        return ""
    out_j, in_j = sum(one.export_j for one in hour), sum(one.import_j for one in hour)
    return f"Your meter counted {words.energy(out_j)} going out and {words.energy(in_j)} coming in."
