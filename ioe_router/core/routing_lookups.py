"""What the routing tables say, for whoever decides by them or shows them (SPEC section 7.8)."""

from __future__ import annotations

from dataclasses import dataclass

from ioe_router.core.link_state import LinkStates
from ioe_router.core.offers import OfferTable
from ioe_router.core.own_adverts import OwnAdverts
from ioe_router.core.paths import Path
from ioe_router.core.rib import AdjRibIn, AdjRibOut, LocRib, ToldPath
from ioe_router.model.envelope import Sealed
from ioe_router.model.ids import LinkId, NodeId, PathHash
from ioe_router.model.routing import Direction, LinkState, Offer
from ioe_router.model.slot import Slot


@dataclass(frozen=True, slots=True)
class Tables:
    """The live tables, to be read and not changed."""

    heard: AdjRibIn
    loc_rib: LocRib
    told: AdjRibOut
    offers: OfferTable
    own: OwnAdverts


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSizes:
    """How many routes and offers are in which stage."""

    received: dict[NodeId, int]
    usable: int
    targets: int
    advertised: dict[NodeId, int]
    offers: int
    offers_advertised: int


class RoutingLookups:
    """Paths, offers and link states as they stand."""

    def __init__(self, me: NodeId, tables: Tables, link_states: LinkStates) -> None:
        """Read these tables."""
        self._me = me
        self.tables = tables  # what was heard, what is usable, what was told; for read-outs
        self._heard, self._loc_rib, self._told = tables.heard, tables.loc_rib, tables.told
        self._offers, self._own = tables.offers, tables.own
        self._link_states = link_states
        self._restarting: dict[NodeId, int] = {}  # who has announced a restart: waited for until then

    def paths_to(self, origin: NodeId, direction: Direction) -> tuple[Path, ...]:
        """The usable paths to an origin, best first."""
        paths = self._loc_rib.to((origin, direction))
        return tuple(filter(self.is_usable, paths)) if self._restarting else paths

    def is_usable(self, path: Path) -> bool:
        """Whether energy may be asked for over a path: not while its neighbour restarts."""
        return not (path.neighbor in self._restarting and self._heard.is_stale(path))

    def all_paths(self) -> tuple[Path, ...]:
        """Every usable path, best first per target."""
        return tuple(path for target in self._loc_rib.targets() for path in self._loc_rib.to(target))

    def path(self, path_hash: PathHash) -> Path | None:
        """The usable path with this hash."""
        return self._loc_rib.path(path_hash)

    def told(self, neighbor: NodeId, path_hash: PathHash) -> ToldPath | None:
        """What a label in a neighbour's HOLD stands for."""
        return self._told.told(neighbor, path_hash)

    def offers(self, direction: Direction) -> tuple[Sealed[Offer], ...]:
        """All received offers of a direction that can be reached."""
        return self._offers.alive(direction)

    def offer(self, origin: NodeId, offer_no: int) -> Sealed[Offer] | None:
        """The latest version of an offer, received or our own."""
        return self._own.get(offer_no) if origin == self._me else self._offers.get((origin, offer_no))

    def known_offer(self, origin: NodeId, offer_no: int) -> Sealed[Offer] | None:
        """The same, let in by the import rules or not."""
        return self._own.get(offer_no) if origin == self._me else self._offers.known((origin, offer_no))

    def link_state(self, link: LinkId, slot: Slot) -> LinkState | None:
        """The latest state of a link in a slot."""
        return self._link_states.get(link, slot)

    @property
    def link_states_known(self) -> int:
        """How many link states are held."""
        return self._link_states.known

    def sizes(self) -> TableSizes:
        """How much each table holds, counted without copying it."""
        told = {neighbor: self._told.of(neighbor) for neighbor in self._told.neighbors()}
        return TableSizes(
            received=self._heard.sizes(),
            usable=self._loc_rib.size,
            targets=len(self._loc_rib.targets()),
            advertised={neighbor: len(table.labels) for neighbor, table in told.items()},
            offers=sum(len(self._offers.alive(one)) for one in (Direction.SUPPLY, Direction.DEMAND)),
            offers_advertised=sum(len(table.offers) for table in told.values()),
        )
