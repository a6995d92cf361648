"""Reservations on a timeline: a row for each pair of nodes, a column for each slot, and the sums below."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from ioe_router.lg import words
from ioe_router.lg.grid import all_offers, all_reservations, names_of, now_slot, source_of
from ioe_router.lg.pages.books import currency, slot_books, slot_length_s, window
from ioe_router.lg.privacy import Viewer
from ioe_router.lg.snapshot import Reservation, Source
from ioe_router.lg.watch import State

ROWS_MAX = 100
ENDED_MAX = 30
ENDED = ("FAILED", "RELEASED", "EXPIRED")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One reservation in one slot."""

    state: str  # its class
    words: str
    energy: str
    price: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one node sells to another."""

    seller: str
    buyer: str
    source: Source
    cells: tuple[tuple[Block, ...], ...]  # one for each column


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A reservation that came to nothing, and why."""

    slot_utc_s: int
    seller: str
    buyer: str
    words: str
    energy: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One slot with its sums."""

    slot_utc_s: int
    when: str  # past, now or coming
    distance: int  # slots from now
    deals: int
    energy: str
    withheld: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The table, and what is said below it."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    of: int  # rows before the bound
    ended: tuple[Ended, ...]  # the newest first
    allowed: bool  # whether this viewer may see single reservations


def timeline(state: State, viewer: Viewer, query: str, only: str) -> Timeline:
    """The reservations of the window. `only`: agreed, open or ended; else all."""
    slots, now, slot_s = window(state), now_slot(state), slot_length_s(state)
    columns = tuple(
        Column(
            slot_utc_s=books.slot_utc_s,
            when="now" if books.slot_utc_s == now else "past" if books.slot_utc_s < now else "coming",
            distance=(books.slot_utc_s - now) // slot_s,
            deals=books.deals,
            energy=words.kwh_number(books.energy_j) if books.energy_j else "",
            withheld=books.withheld,
        )
        for books in slot_books(state, viewer)
    )
    chosen = _chosen(state, slots, query, only) if viewer.operator else []
    rows = _rows(state, slots, chosen)
    return Timeline(
        columns=columns,
        rows=tuple(rows[:ROWS_MAX]),
        of=len(rows),
        ended=_ended(state, chosen),
        allowed=viewer.operator,
    )


def _chosen(state: State, slots: tuple[int, ...], query: str, only: str) -> list[Reservation]:
    names, asked = names_of(state), query.casefold().split()
    return [
        one
        for one in all_reservations(state)
        if any(packet.slot_utc_s in slots for packet in one.packets)
        and _is(one, only)
        and all(word in _text(one, names) for word in asked)
    ]


def _is(one: Reservation, only: str) -> bool:
    match only:
        case "agreed":
            return one.agreed
        case "open":
            return one.state in ("HOLDING", "HELD", "IN_DOUBT")
        case "ended":
            return one.state in ENDED
        case _:
            return True


def _rows(state: State, slots: tuple[int, ...], chosen: list[Reservation]) -> list[Row]:
    """One row for each seller, buyer and source."""
    offers = {(offer.origin, offer.number): offer for offer in all_offers(state)}
    names, money = names_of(state), currency(state)
    groups: dict[tuple[str, str, Source], list[Reservation]] = defaultdict(list)
    for one in chosen:
        groups[_name(one.seller, names), _name(one.buyer, names), source_of(one, offers)].append(one)
    return [
        Row(
            seller=seller,
            buyer=buyer,
            source=source,
            cells=tuple(tuple(_blocks(found, slot, money)) for slot in slots),
        )
        for (seller, buyer, source), found in sorted(groups.items())
    ]


def _blocks(found: list[Reservation], slot: int, money: str) -> Iterator[Block]:
    for one in sorted(found, key=lambda each: (each.state in ENDED, each.id)):
        for packet in one.packets:
            if packet.slot_utc_s == slot:
                yield Block(
                    state=one.state.lower().replace("_", "-"),
                    words=words.STATE_WORDS.get(one.state, one.state.lower()),
                    energy=words.kwh_number(packet.energy_j),
                    price=words.price_number(packet.price_micro_per_kwh, money),
                )


def _ended(state: State, chosen: list[Reservation]) -> tuple[Ended, ...]:
    names = names_of(state)
    gone = [one for one in chosen if one.state in ENDED or one.reason]
    gone.sort(key=lambda one: (-max(packet.slot_utc_s for packet in one.packets), one.id))
    return tuple(
        Ended(
            slot_utc_s=max(packet.slot_utc_s for packet in one.packets),
            seller=_name(one.seller, names),
            buyer=_name(one.buyer, names),
            words=words.STATE_WORDS.get(one.state, one.state.lower()),
            energy=words.energy(sum(packet.energy_j for packet in one.packets)),
            reason=one.reason or words.reason(one.code),
        )
        for one in gone[:ENDED_MAX]
    )


def _name(node: str, names: dict[str, str]) -> str:
    return names.get(node, words.short(node))


def _text(one: Reservation, names: dict[str, str]) -> str:
    said = words.STATE_WORDS.get(one.state, "")
    return f"{one.id} {_name(one.seller, names)} {_name(one.buyer, names)} {said} {one.reason}".casefold()
