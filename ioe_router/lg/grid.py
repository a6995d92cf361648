"""The grid as all nodes together tell it: every place once, every line once, and what is booked on it.

Two nodes tell of the same line, and every node on a path tells of lines far
away.  The one that knows best wins: an end's own ledger before the keeper's
coarse hint, the keeper's ledger before the mirror at the other end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import median_high

from ioe_router.lg.snapshot import Line, Load, Offer, Reservation, Side, Source
from ioe_router.lg.watch import State, Watched
from ioe_router.lg.words import short


class Answer(StrEnum):
    """How a place stands to the looking glass."""

    YES = "answers"
    NO = "silent"
    NEVER = "never"  # silent since the looking glass was started
    NOT_ASKED = "not-asked"  # known from others only


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A node of the grid. `node` is its id, or `?slug` of one that has never answered."""

    node: str
    name: str
    slug: str  # of its page; empty when it is not asked
    answer: Answer
    sources: tuple[Source, ...]  # of what it offers
    is_utility: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A line between two places, and what is booked on it in the chosen slot (None: nobody says)."""

    line: Line
    load: Load | None

    def share(self, slot_s: int) -> float:
        """Net flow over the rating in its direction; 0 when nothing is known."""
        if self.load is None or self.load.net_j == 0:
            return 0.0
        down = self.load.net_j > 0
        rating = self.line.rating_down_va if down else self.line.rating_up_va
        return abs(self.load.net_j) / (rating * slot_s) if rating else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Places and lines in one slot."""

    slot_utc_s: int
    slot_s: int
    currency: str
    network: str
    by_node: Mapping[str, Place]
    edges: tuple[Edge, ...]
    slots: tuple[int, ...]  # of which something is known

    @property
    def places(self) -> tuple[Place, ...]:
        """All of them, in the order of their ids."""
        return tuple(self.by_node.values())

    def place(self, node: str) -> Place:
        """A place by its id; one that nobody asks about is known by the beginning of its id."""
        return self.by_node.get(node) or _stranger(node)

    def name(self, node: str) -> str:
        """What to call a node."""
        return self.place(node).name

    def around(self, node: str) -> Grid:
        """The same with the lines of one node only."""
        return replace(self, edges=tuple(e for e in self.edges if node in (e.line.keeper, e.line.other)))


def grid_of(state: State, slot_utc_s: int | None = None) -> Grid:
    """Merge what all nodes say. `slot_utc_s`: whose loads to show; None for the slot that runs."""
    snapshots = [node.snapshot for node in state.nodes if node.snapshot is not None]
    slot_s = snapshots[0].slot_s if snapshots else 900
    slots = sorted({load.slot_utc_s for one in snapshots for load in one.loads})
    chosen = now_slot(state) if slot_utc_s is None else slot_utc_s
    lines = _lines(state)
    loads = _loads(state, chosen, lines)
    return Grid(
        slot_utc_s=chosen,
        slot_s=slot_s,
        currency=snapshots[0].currency if snapshots else "EUR",
        network=snapshots[0].network if snapshots else "",
        by_node={place.node: place for place in _places(state, lines.values())},
        edges=tuple(Edge(line=line, load=loads.get(line.link)) for line in lines.values()),
        slots=tuple(slots),
    )


def now_slot(state: State) -> int:
    """The slot that runs by most nodes' clocks: a single wrong one moves nothing. 0: none has answered."""
    fresh = [node.snapshot for node in state.nodes if node.snapshot and node.answers]
    told = fresh or [node.snapshot for node in state.nodes if node.snapshot]
    return median_high(one.slot() for one in told) if told else 0


def all_offers(state: State) -> tuple[Offer, ...]:
    """Every offer once; its origin's own word before what others heard."""
    found: dict[tuple[str, int], Offer] = {}
    for node in state.nodes:
        if node.snapshot is None:
            continue
        for offer in node.snapshot.offers:
            key = (offer.origin, offer.number)
            if key not in found or offer.own:
                found[key] = offer
    return tuple(found.values())


def all_reservations(state: State) -> tuple[Reservation, ...]:
    """Every reservation once, as the node tells it that delivers; else its buyer, else a node on the way."""
    found: dict[tuple[str, int], tuple[int, Reservation]] = {}
    for node in state.nodes:
        if node.snapshot is None:
            continue
        for one in node.snapshot.reservations:
            weight = _weight(one, node.snapshot.node)
            key = (one.id, one.version)
            if key not in found or weight > found[key][0]:
                found[key] = (weight, one)
    return tuple(one for _, one in found.values())


def source_of(reservation: Reservation, offers: dict[tuple[str, int], Offer]) -> Source:
    """Where a reservation's energy comes from: what the offer says that it draws on."""
    if reservation.side is Side.DEMAND:  # the initiator delivers: what it offers itself says from what
        sources = [
            offer.source
            for offer in offers.values()
            if offer.origin == reservation.initiator and offer.side is Side.SUPPLY
        ]
        return sources[0] if len(set(sources)) == 1 else Source.UNKNOWN
    offer = offers.get((reservation.origin, reservation.offer_no))
    return Source.UNKNOWN if offer is None else offer.source


def names_of(state: State) -> dict[str, str]:
    """Names of the configuration by node id."""
    return {node.snapshot.node: node.name for node in state.nodes if node.snapshot is not None}


def _weight(one: Reservation, teller: str) -> int:
    if teller == one.seller:
        return 2
    return 1 if teller in (one.origin, one.initiator) else 0


def _lines(state: State) -> dict[str, Line]:
    lines: dict[str, Line] = {}
    for node in state.nodes:
        for line in node.snapshot.lines if node.snapshot else ():
            if line.link not in lines or line.own:
                lines[line.link] = line
    return dict(sorted(lines.items()))


def _loads(state: State, slot: int, lines: dict[str, Line]) -> dict[str, Load]:
    best: dict[str, tuple[int, Load]] = {}
    for node in state.nodes:
        if node.snapshot is None:
            continue
        for load in node.snapshot.loads:
            line = lines.get(load.link)
            if load.slot_utc_s != slot or line is None:
                continue
            weight = 0 if not load.exact else 2 if line.keeper == node.snapshot.node else 1
            weight = weight * 2 + (1 if node.answers else 0)
            if load.link not in best or weight > best[load.link][0]:
                best[load.link] = (weight, load)
    return {link: load for link, (_, load) in best.items()}


def _places(state: State, lines: Iterable[Line]) -> tuple[Place, ...]:
    sources: dict[str, dict[Source, None]] = {}
    utilities: set[str] = set()
    for offer in all_offers(state):
        if offer.side is Side.SUPPLY and offer.source is not Source.UNKNOWN:
            sources.setdefault(offer.origin, {})[offer.source] = None
        if offer.is_default:
            utilities.add(offer.origin)
    asked = {node.snapshot.node if node.snapshot else f"?{node.slug}": node for node in state.nodes}
    ends = {end for line in lines for end in (line.keeper, line.other)}
    found: list[Place] = []
    for node in sorted({*asked, *ends}):
        stranger = _stranger(node)
        watched = asked.get(node)
        found.append(
            Place(
                node=node,
                name=watched.name if watched else stranger.name,
                slug=watched.slug if watched else "",
                answer=_answer(watched) if watched else Answer.NOT_ASKED,
                sources=tuple(sources.get(node, ())),
                is_utility=node in utilities,
            )
        )
    return tuple(found)


def _answer(watched: Watched) -> Answer:
    if watched.answers:
        return Answer.YES
    return Answer.NO if watched.snapshot is not None else Answer.NEVER


def _stranger(node: str) -> Place:
    return Place(
        node=node,
        name=short(node),
        slug="",
        answer=Answer.NOT_ASKED,
        sources=(),
        is_utility=False,
    )
