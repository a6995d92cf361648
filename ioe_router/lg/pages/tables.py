"""Neighbours, offers and routes: rows with search, and the reason for every choice and refusal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from ioe_router.lg import words
from ioe_router.lg.grid import names_of
from ioe_router.lg.privacy import Viewer
from ioe_router.lg.snapshot import Neighbor, Offer, Route, Side, Source
from ioe_router.lg.watch import State, Watched

SHOWN_MAX = 200  # rows on one page; a search narrows them


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighborRow:
    """One side's view of a session."""

    node: str  # name of the node that tells
    slug: str
    stale: bool  # that node does not answer any more
    other: str
    neighbor: Neighbor
    error: str  # empty where it is not for this viewer


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """How many rows there are and how many of them are shown."""

    rows: int
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRow:
    """An offer with names instead of ids."""

    offer: Offer
    origin: str
    state: str  # usable, own or refused
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRow:
    """A route with names instead of ids."""

    route: Route
    via: str
    hops: tuple[str, ...]
    state: str  # best, usable, refused
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """All routes to one destination for one direction."""

    name: str
    node: str
    side: Side
    rows: tuple[RouteRow, ...]


def neighbor_rows(state: State, viewer: Viewer, query: str, only: str) -> tuple[NeighborRow, ...]:
    """Sessions as each node tells them. `only`: up or down; else all."""
    names = names_of(state)
    rows = [
        NeighborRow(
            node=node.name,
            slug=node.slug,
            stale=not node.answers,
            other=names.get(neighbor.node, words.short(neighbor.node)),
            neighbor=neighbor,
            error=neighbor.error if viewer.operator else "",
        )
        for node in state.nodes
        if node.snapshot is not None
        for neighbor in node.snapshot.neighbors
    ]
    wanted = {"up": True, "down": False}.get(only)
    return tuple(
        row
        for row in rows
        if (wanted is None or row.neighbor.up is wanted)
        and _matches(query, (row.node, row.other, row.neighbor.node, row.neighbor.role))
    )


def offer_rows(
    state: State, offers: Iterable[Offer], query: str, side: str, source: str
) -> tuple[tuple[OfferRow, ...], Shown]:
    """Offers, the cheapest supply first, then the best paid demand; what is refused comes last."""
    names = names_of(state)
    rows = [_offer_row(offer, names) for offer in offers]
    found = [
        row
        for row in rows
        if (side not in list(Side) or row.offer.side == side)
        and (source not in list(Source) or row.offer.source == source)
        and _matches(query, (row.origin, row.offer.origin, words.SOURCE_WORDS[row.offer.source], row.reason))
    ]
    found.sort(key=_offer_order)
    return tuple(found[:SHOWN_MAX]), Shown(rows=min(len(found), SHOWN_MAX), of=len(found))


def destinations(
    state: State, teller: Watched, routes: Iterable[Route], query: str, only: str
) -> tuple[tuple[Destination, ...], Shown]:
    """Routes by destination, the best first, refused ones last. `only`: best or refused; else all."""
    names = names_of(state)
    rows = [_route_row(route, names, teller.name) for route in routes]
    found = [
        row
        for row in rows
        if (only not in ("best", "refused") or row.state == only)
        and _matches(query, (*row.hops, row.route.destination, row.reason))
    ]
    found.sort(
        key=lambda row: (_name(row.route.destination, names), row.route.side, row.route.place or 1 << 30)
    )
    shown = found[:SHOWN_MAX]
    groups = tuple(
        Destination(name=_name(key[0], names), node=key[0], side=key[1], rows=tuple(group))
        for key, group in groupby(shown, key=lambda row: (row.route.destination, row.route.side))
    )
    return groups, Shown(rows=len(shown), of=len(found))


def _offer_row(offer: Offer, names: dict[str, str]) -> OfferRow:
    state = "own" if offer.own else "refused" if "filtered" in offer.stages else "usable"
    return OfferRow(offer=offer, origin=_name(offer.origin, names), state=state, reason=offer.reason)


def _offer_order(row: OfferRow) -> tuple[bool, bool, int, str]:
    offer = row.offer
    price = (
        offer.price_micro_per_kwh if offer.delivered_micro_per_kwh is None else offer.delivered_micro_per_kwh
    )
    buys = offer.side is Side.DEMAND
    return (row.state == "refused", buys, -price if buys else price, row.origin)


def _route_row(route: Route, names: dict[str, str], teller: str) -> RouteRow:
    state = "best" if route.place == 1 else "usable" if route.place else "refused"
    hops = (teller, *(_name(hop, names) for hop in route.hops))
    via = _name(route.via, names)
    return RouteRow(route=route, via=via, hops=hops, state=state, reason=route.reason)


def _name(node: str, names: dict[str, str]) -> str:
    return names.get(node, words.short(node))


def _matches(query: str, texts: Iterable[str]) -> bool:
    """Whether every word of the query is in one of the texts."""
    everything = " ".join(texts).casefold()
    return all(word in everything for word in query.casefold().split())
