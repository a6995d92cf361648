"""The three tables of paths (SPEC section 7): heard, usable, told.

    Adj-RIB-In   per neighbour, every valid path that it has told and not withdrawn
    Loc-RIB      per (origin, direction), those in rank order that the import rules let in
    Adj-RIB-Out  per neighbour, the paths (labels), offers and links that it was told

Everything is bounded.  At a bound a new path is refused; what is in use is
never pushed out.  No table is ever searched by rank across origins, and no
iteration depends on a hash order: dictionaries keep the order of arrival.
"""

from __future__ import annotations

import heapq
from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, field

from ioe_router.config import RouterConfig
from ioe_router.core.paths import Path, Target
from ioe_router.core.policy import Filter
from ioe_router.model.clock import Now
from ioe_router.model.envelope import Envelope, Sealed
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.ids import LinkId, NodeId, PathHash
from ioe_router.model.routing import Direction, Offer
from ioe_router.model.shares import Shares

OfferKey = tuple[NodeId, int]


@dataclass(slots=True)
class _Heard:
    """What one neighbour has told."""

    paths: dict[PathHash, Path] = field(default_factory=dict)
    count: dict[Target, int] = field(default_factory=dict)
    stale: dict[PathHash, None] = field(default_factory=dict)  # not told again yet
    refreshing: bool = False  # between BEGIN and END


class AdjRibIn:
    """Paths as heard, per neighbour."""

    def __init__(self, config: RouterConfig) -> None:
        """Empty; a neighbour's share of the bound per origin does not depend on the other neighbours."""
        self._limits = config.limits
        self._heard: dict[NodeId, _Heard] = {}
        self.share_among(len(config.neighbors))

    def share_among(self, neighbors: int) -> None:
        """There are so many neighbours from now on."""
        share = self._limits.paths_per_origin // max(1, neighbors)
        self._per_target_max = max(self._limits.told_paths_per_origin, share)

    def add(self, path: Path) -> bool:
        """Take a path; False if it is known already. PeerError LIMIT_REACHED at the neighbour's bound."""
        heard = self._heard.setdefault(path.neighbor, _Heard())
        heard.stale.pop(path.hash, None)
        if path.hash in heard.paths:
            return False
        count = heard.count.get(path.target, 0)
        # one more than is told at a time, so that a replacement may come before what it replaces goes
        if count > self._per_target_max:
            raise PeerError(
                ErrorCode.LIMIT_REACHED, f"{count} paths to one origin are known from this neighbour"
            )
        heard.paths[path.hash] = path
        heard.count[path.target] = count + 1
        return True

    def remove(self, neighbor: NodeId, path_hash: PathHash) -> Path | None:
        """Forget a path; None if it was not known."""
        heard = self._heard.get(neighbor)
        path = heard.paths.pop(path_hash, None) if heard is not None else None
        if heard is None or path is None:
            return None
        heard.count[path.target] -= 1
        if not heard.count[path.target]:
            del heard.count[path.target]
        heard.stale.pop(path_hash, None)
        return path

    def has(self, neighbor: NodeId, target: Target) -> bool:
        """Whether a neighbour tells any path to a target."""
        heard = self._heard.get(neighbor)
        return heard is not None and target in heard.count

    def drop(self, neighbor: NodeId) -> tuple[Path, ...]:
        """Forget a neighbour; returns what it had told."""
        heard = self._heard.pop(neighbor, None)
        return () if heard is None else tuple(heard.paths.values())

    def begin_refresh(self, neighbor: NodeId, still_good: Callable[[Path], bool]) -> None:
        """Mark what was heard as stale, but for what counts as told again."""
        heard = self._heard.setdefault(neighbor, _Heard())
        heard.stale = {path.hash: None for path in heard.paths.values() if not still_good(path)}
        heard.refreshing = True

    def end_refresh(self, neighbor: NodeId) -> tuple[PathHash, ...]:
        """What was not told again since the begin. PeerError without one."""
        heard = self._heard.get(neighbor)
        if heard is None or not heard.refreshing:
            raise PeerError(ErrorCode.UNEXPECTED, "end of a refresh that has not begun")
        heard.refreshing = False
        return tuple(heard.stale)

    def suspend(self, neighbor: NodeId) -> None:
        """The neighbour restarts: all that it tells is stale until it is told again."""
        heard = self._heard.setdefault(neighbor, _Heard())
        heard.stale, heard.refreshing = dict.fromkeys(heard.paths), False

    def stale(self, neighbor: NodeId) -> tuple[PathHash, ...]:
        """What waits for being told again."""
        heard = self._heard.get(neighbor)
        return () if heard is None else tuple(heard.stale)

    def is_stale(self, path: Path) -> bool:
        """Whether a path waits for being told again."""
        heard = self._heard.get(path.neighbor)
        return heard is not None and path.hash in heard.stale

    def sizes(self) -> dict[NodeId, int]:
        """How many paths each neighbour tells."""
        return {neighbor: len(heard.paths) for neighbor, heard in self._heard.items()}

    def of(self, neighbor: NodeId) -> dict[PathHash, Path]:
        """What a neighbour tells."""
        heard = self._heard.get(neighbor)
        return {} if heard is None else dict(heard.paths)


class LocRib:
    """All usable paths, best first; beside them those that the operator's import rules keep out."""

    def __init__(self, config: RouterConfig) -> None:
        """Empty."""
        self._by_target: dict[Target, list[Path]] = {}
        self._by_hash: dict[PathHash, Path] = {}
        self._origins: dict[NodeId, int] = {}
        self._shares: Shares[NodeId, NodeId] = Shares(config.limits.origins, len(config.neighbors))
        self._expiry: list[tuple[int, PathHash]] = []
        self._barred: dict[PathHash, Path] = {}

    def share_among(self, neighbors: int) -> None:
        """There are so many neighbours from now on."""
        self._shares.share_among(neighbors)

    def add(self, path: Path, *, barred: bool = False) -> None:
        """Take a path that is not there yet. PeerError LIMIT_REACHED for an origin too many."""
        if path.origin not in self._origins:
            if not self._shares.admits(path.neighbor):
                raise PeerError(ErrorCode.LIMIT_REACHED, f"paths to {len(self._origins)} origins are known")
            self._shares.hold(path.origin, path.neighbor)
        self._origins[path.origin] = self._origins.get(path.origin, 0) + 1
        if barred:
            self._barred[path.hash] = path
        else:
            self.admit(path)
        heapq.heappush(self._expiry, (path.not_after_utc_s, path.hash))

    def admit(self, path: Path) -> None:
        """The rules let a path in."""
        self._barred.pop(path.hash, None)
        insort(self._by_target.setdefault(path.target, []), path, key=_order)
        self._by_hash[path.hash] = path

    def judge_again(self, imports: Filter) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
        """The import rules have changed: what becomes usable by that, and what is kept out."""
        usable = tuple(self._by_hash.values())
        gained = tuple(p for p in self.barred() if imports.path(p.neighbor, p.target).accepted)
        lost = tuple(p for p in usable if not imports.path(p.neighbor, p.target).accepted)
        for path in gained:
            self.admit(path)
        for path in lost:
            self._take_out(path)
            self._barred[path.hash] = path
        return gained, lost

    def _take_out(self, path: Path) -> None:
        del self._by_hash[path.hash]
        rest = self._by_target[path.target]
        rest.remove(path)
        if not rest:
            del self._by_target[path.target]

    def remove(self, path: Path) -> bool:
        """Forget a path that is there; whether it was usable."""
        usable = self._barred.pop(path.hash, None) is None
        if usable:
            self._take_out(path)
        self._origins[path.origin] -= 1
        if not self._origins[path.origin]:
            del self._origins[path.origin]
            self._shares.drop(path.origin)
        return usable

    def barred(self) -> tuple[Path, ...]:
        """The paths that the rules keep out."""
        return tuple(self._barred.values())

    def to(self, target: Target) -> tuple[Path, ...]:
        """The paths to a target, best first."""
        return tuple(self._by_target.get(target, ()))

    def has(self, target: Target) -> bool:
        """Whether a target can be reached."""
        return target in self._by_target

    def path(self, path_hash: PathHash) -> Path | None:
        """The usable path with this hash."""
        return self._by_hash.get(path_hash)

    @property
    def size(self) -> int:
        """How many paths there are."""
        return len(self._by_hash)

    def targets(self) -> tuple[Target, ...]:
        """Everything that can be reached."""
        return tuple(self._by_target)

    def expired(self, now: Now) -> tuple[Path, ...]:
        """Paths whose validity has ended; the caller removes them."""
        ended: list[Path] = []
        while self._expiry and self._expiry[0][0] <= now.utc_s:
            path_hash = heapq.heappop(self._expiry)[1]
            path = self._by_hash.get(path_hash) or self._barred.get(path_hash)
            if path is not None and path not in ended:
                ended.append(path)
        return tuple(ended)

    def next_expiry_utc_s(self) -> int | None:
        """When the next path ends."""
        return self._expiry[0][0] if self._expiry else None


def _order(path: Path) -> tuple[int, int, bytes]:
    return path.order


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldPath:
    """A path as told to one neighbour; `hash` is the label that its HOLDs name."""

    hash: PathHash
    neighbor: NodeId
    origin: NodeId
    direction: Direction
    incoming: Path | None  # what our entry extends; None when we are the origin
    entry: Envelope
    link: LinkId
    fee_micro_per_kwh: int
    not_after_utc_s: int

    @property
    def target(self) -> Target:
        """What the path leads to."""
        return (self.origin, self.direction)

    @property
    def rank(self) -> int:
        """Rank up to this node."""
        return 0 if self.incoming is None else self.incoming.rank

    def links(self) -> tuple[LinkId, ...]:
        """All links from the origin to the neighbour."""
        before = () if self.incoming is None else tuple(link.link for link in self.incoming.links)
        return (*before, self.link)


@dataclass(slots=True)
class Told:
    """What one neighbour was told and has not been withdrawn."""

    paths: dict[Target, dict[PathHash, ToldPath]] = field(default_factory=dict)  # by hash of what they extend
    labels: dict[PathHash, ToldPath] = field(default_factory=dict)
    offers: dict[OfferKey, Sealed[Offer]] = field(default_factory=dict)
    links: dict[LinkId, int] = field(default_factory=dict)  # how many of the told paths use a link


class AdjRibOut:
    """What every neighbour with a session was told."""

    def __init__(self) -> None:
        """Nobody was told anything."""
        self._told: dict[NodeId, Told] = {}

    def open(self, neighbor: NodeId) -> None:
        """A session stands: start from nothing."""
        self._told[neighbor] = Told()

    def drop(self, neighbor: NodeId) -> Told | None:
        """The session has ended; returns what the neighbour was told."""
        return self._told.pop(neighbor, None)

    def neighbors(self) -> tuple[NodeId, ...]:
        """Everybody with a session."""
        return tuple(self._told)

    def of(self, neighbor: NodeId) -> Told:
        """What one neighbour was told. KeyError without a session."""
        return self._told[neighbor]

    def add(self, told: ToldPath, extends: PathHash) -> tuple[LinkId, ...]:
        """Note a told path; returns the links that the neighbour had no path over before."""
        table = self._told[told.neighbor]
        table.paths.setdefault(told.target, {})[extends] = told
        table.labels[told.hash] = told
        fresh = tuple(link for link in told.links() if link not in table.links)
        for link in told.links():
            table.links[link] = table.links.get(link, 0) + 1
        return fresh

    def remove(self, told: ToldPath) -> None:
        """Note the withdrawal of a told path; with the last path to a target its offers are gone, too."""
        table = self._told[told.neighbor]
        del table.labels[told.hash]
        rest = table.paths[told.target]
        for extends in [k for k, v in rest.items() if v.hash == told.hash]:
            del rest[extends]
        for link in told.links():
            table.links[link] -= 1
            if not table.links[link]:
                del table.links[link]
        if not rest:
            del table.paths[told.target]
            gone = [k for k, o in table.offers.items() if (o.body.origin, o.body.direction) == told.target]
            for key in gone:
                del table.offers[key]

    def told(self, neighbor: NodeId, path_hash: PathHash) -> ToldPath | None:
        """The told path with this label."""
        table = self._told.get(neighbor)
        return None if table is None else table.labels.get(path_hash)

    def covers(self, neighbor: NodeId, link: LinkId) -> bool:
        """Whether a neighbour was told any path over a link."""
        table = self._told.get(neighbor)
        return table is not None and link in table.links
