"""Routes: what was heard, what is chosen and told, and why (SPEC sections 7.6 to 7.9).

received    sound, and in Adj-RIB-In
accepted    usable: in the Loc-RIB, and its neighbour is not restarting
best        first in the total order of its destination: rank, links, path hash
advertised  told to some neighbour: in Adj-RIB-Out
filtered    sound but kept out by import rules, or refused (then kept as a refusal)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from ioe_router.config import NeighborConfig, Transit
from ioe_router.core.export import best_paths, extendable, may_transit
from ioe_router.core.parts import Parts
from ioe_router.core.paths import Path, Target
from ioe_router.core.refusals import Refusal
from ioe_router.core.rib import ToldPath
from ioe_router.model.envelope import ObjectType
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import LinkId, NodeId, PathHash
from ioe_router.model.routing import Direction
from ioe_router.readout.values import Entry, Reason, Stage, reason_of

_DIRECTIONS = (Direction.SUPPLY, Direction.DEMAND)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteFilter:
    """Which routes; None and 0 are no condition."""

    neighbor: NodeId | None = None
    destination: NodeId | None = None
    direction: Direction = Direction.UNSPECIFIED
    stage: Stage | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteHop:
    """One link of a route; `node` is the end nearer the destination."""

    node: NodeId
    link: LinkId
    fee_micro_per_kwh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRow:
    """A path to a destination."""

    destination: NodeId | None
    direction: Direction
    neighbor: NodeId | None
    path: PathHash | None
    stages: tuple[Stage, ...]
    rank: int = 0
    hops: tuple[RouteHop, ...] = ()
    fee_micro_per_kwh: int = 0
    width_va: int = 0
    not_after_utc_s: int = 0
    only_to_customers: bool = False
    advertised_to: tuple[NodeId, ...] = ()
    reason: Reason
    place: int = 0


@dataclass(frozen=True, slots=True)
class _Seen:
    """A path as one moment shows it; everything in it is frozen."""

    path: Path
    place: int
    best: Path
    count: int
    usable: bool
    told: tuple[NodeId, ...]


Told = dict[tuple[Target, PathHash | None], list[NodeId]]


@dataclass(frozen=True, slots=True)
class RouteView:
    """The routes of one moment; `rows` may be asked for as slowly as one likes."""

    seen: tuple[_Seen, ...]
    own: tuple[tuple[ToldPath, tuple[NodeId, ...]], ...]
    barred: tuple[tuple[Path, str], ...]  # by the import rules, with the sentence of the rule
    refused: tuple[Refusal, ...]
    filter: RouteFilter = field(default_factory=RouteFilter)

    def rows(self) -> Iterator[RouteRow]:
        """The rows that pass the filter: destination by destination, best first; refused ones last."""
        return (entry.row() for entry in self.entries())

    def entries(self) -> Iterator[Entry[RouteRow]]:
        """The same, not made yet."""
        for seen in self.seen:
            mark = (seen.place, seen.usable, seen.told, seen.best.hash, seen.count)
            yield Entry(seen.path.hash, mark, partial(_row, seen))
        for told, to in self.own:
            yield Entry(("own", told.direction), (told.hash, to), partial(_own_row, told, to))
        for path, sentence in self.barred:
            yield Entry(path.hash, sentence, partial(_barred_row, path, sentence))
        for refusal in self.refused:
            key = ("refused", refusal.neighbor, refusal.about)
            yield Entry(key, refusal, partial(_refused_row, refusal))


def route_view(parts: Parts, wanted: RouteFilter | None = None) -> RouteView:
    """The routes as they stand."""
    wanted = wanted or RouteFilter()
    told = _told(parts)
    return RouteView(
        seen=tuple(seen for seen in _seen(parts, wanted, told) if _passes(seen, wanted)),
        own=tuple(_own(parts, wanted)),
        barred=tuple(_barred(parts, wanted)),
        refused=tuple(_refused(parts, wanted)),
        filter=wanted,
    )


def _targets(parts: Parts, wanted: RouteFilter) -> tuple[Target, ...]:
    if wanted.destination is None:
        return parts.routing.tables.loc_rib.targets()
    return tuple((wanted.destination, direction) for direction in _DIRECTIONS)


def _seen(parts: Parts, wanted: RouteFilter, told: Told) -> Iterator[_Seen]:
    if wanted.stage is Stage.FILTERED:
        return
    routing, none = parts.routing, ()
    for target in _targets(parts, wanted):
        if wanted.direction not in (Direction.UNSPECIFIED, target[1]):
            continue
        paths = routing.tables.loc_rib.to(target)
        usable = [path for path in paths if routing.is_usable(path)]
        best, place = (usable or [*paths])[:1], 0
        for path in paths:
            is_usable = routing.is_usable(path)
            place += is_usable
            to = told.get((target, path.hash), none)
            yield _Seen(path, place if is_usable else 0, best[0], len(usable), is_usable, tuple(to))


def _passes(seen: _Seen, wanted: RouteFilter) -> bool:
    match wanted.stage:
        case Stage.ADVERTISED:
            return bool(seen.told) if wanted.neighbor is None else wanted.neighbor in seen.told
        case Stage.BEST if seen.place != 1:
            return False
        case Stage.ACCEPTED if not seen.usable:
            return False
    return wanted.neighbor is None or seen.path.neighbor == wanted.neighbor


def _told(parts: Parts) -> Told:
    """Who was told what extends which path (None: this node's own)."""
    table = parts.routing.tables.told
    found: Told = {}
    for neighbor in table.neighbors():
        for told in table.of(neighbor).labels.values():
            extends = None if told.incoming is None else told.incoming.hash
            found.setdefault((told.target, extends), []).append(neighbor)
    return found


def _own(parts: Parts, wanted: RouteFilter) -> Iterator[tuple[ToldPath, tuple[NodeId, ...]]]:
    """This node's own paths, which it has told: one row for each direction."""
    if wanted.stage not in (None, Stage.ADVERTISED):
        return
    if wanted.destination not in (None, parts.config.node):
        return
    table = parts.routing.tables.told
    found: dict[Direction, list[ToldPath]] = {}
    for neighbor in table.neighbors():
        for told in table.of(neighbor).labels.values():
            if told.incoming is None and wanted.direction in (Direction.UNSPECIFIED, told.direction):
                found.setdefault(told.direction, []).append(told)
    for paths in found.values():
        to = tuple(told.neighbor for told in paths)
        if wanted.neighbor is None or (wanted.stage is Stage.ADVERTISED and wanted.neighbor in to):
            yield paths[0], to


def _barred(parts: Parts, wanted: RouteFilter) -> Iterator[tuple[Path, str]]:
    """What the import rules keep out."""
    if wanted.stage not in (None, Stage.FILTERED, Stage.RECEIVED):
        return
    imports = parts.routing.policy.imports
    for path in parts.routing.tables.loc_rib.barred():
        if (
            wanted.neighbor in (None, path.neighbor)
            and wanted.destination in (None, path.origin)
            and wanted.direction in (Direction.UNSPECIFIED, path.direction)
        ):
            yield path, imports.sentence(imports.path(path.neighbor, path.target), path.neighbor)


def _refused(parts: Parts, wanted: RouteFilter) -> Iterator[Refusal]:
    if wanted.stage not in (None, Stage.FILTERED):
        return
    for refusal in parts.refusals.newest_first():
        if (
            refusal.by_us
            and refusal.type == ObjectType.PATH_ADVERT.name
            and wanted.neighbor in (None, refusal.neighbor)
            and wanted.destination in (None, refusal.destination)
            and wanted.direction in (Direction.UNSPECIFIED, refusal.direction)
        ):
            yield refusal


# ------------------------------------------------------------------ rows


def _row(seen: _Seen) -> RouteRow:
    return _path_row(seen.path, _stages(seen), _why(seen), told=seen.told, place=seen.place)


def _barred_row(path: Path, sentence: str) -> RouteRow:
    reason = Reason(code=ErrorCode.POLICY.name, text=sentence)
    return _path_row(path, (Stage.RECEIVED, Stage.FILTERED), reason)


def _path_row(
    path: Path, stages: tuple[Stage, ...], reason: Reason, *, told: tuple[NodeId, ...] = (), place: int = 0
) -> RouteRow:
    hops = tuple(
        RouteHop(node=path.nodes[i], link=link.link, fee_micro_per_kwh=link.fee_micro_per_kwh)
        for i, link in reversed(tuple(enumerate(path.links)))
    )
    return RouteRow(
        destination=path.origin,
        direction=path.direction,
        neighbor=path.neighbor,
        path=path.hash,
        stages=stages,
        rank=path.rank,
        hops=hops,
        fee_micro_per_kwh=sum(link.fee_micro_per_kwh for link in path.links),
        width_va=path.width_va,
        not_after_utc_s=path.not_after_utc_s,
        only_to_customers=path.only_to_customers,
        advertised_to=told,
        reason=reason,
        place=place,
    )


def _stages(seen: _Seen) -> tuple[Stage, ...]:
    stages = [Stage.RECEIVED]
    if seen.usable:
        stages.append(Stage.ACCEPTED)
    if seen.place == 1:
        stages.append(Stage.BEST)
    if seen.told:
        stages.append(Stage.ADVERTISED)
    return tuple(stages)


def _why(seen: _Seen) -> Reason:
    """Why a path is, or is not, the first choice."""
    path, best = seen.path, seen.best
    if not seen.usable:
        text = "its neighbour is restarting; it is used again once the neighbour has told it again"
        return Reason(code="restarting", text=text)
    if seen.place == 1:
        among = "the only route" if seen.count == 1 else f"the lowest rank of {seen.count} routes"
        return Reason(code="best", text=f"{among}, {path.rank} micro-units per kWh")
    if path.rank != best.rank:
        return Reason(code="rank", text=f"rank {path.rank} against {best.rank} of the first choice")
    if len(path.links) != len(best.links):
        text = f"of the same rank, but {len(path.links)} links against {len(best.links)}"
        return Reason(code="links", text=text)
    return Reason(code="hash", text="as good and as short as the first choice; the path hash decides")


def _own_row(told: ToldPath, to: tuple[NodeId, ...]) -> RouteRow:
    return RouteRow(
        destination=told.origin,
        direction=told.direction,
        neighbor=None,
        path=None,
        stages=(Stage.ADVERTISED,),
        not_after_utc_s=told.not_after_utc_s,
        advertised_to=to,
        reason=Reason(code="own", text="leads to this node"),
    )


def _refused_row(refusal: Refusal) -> RouteRow:
    return RouteRow(
        destination=refusal.destination,
        direction=refusal.direction,
        neighbor=refusal.neighbor,
        path=None,
        stages=(Stage.RECEIVED, Stage.FILTERED),
        reason=reason_of(refusal.code, refusal.detail),
    )


# ------------------------------------------------------------------ explanations


@dataclass(frozen=True, slots=True, kw_only=True)
class TellingRow:
    """Why a route is, or is not, told to a neighbour."""

    neighbor: NodeId
    told: bool
    reason: Reason


def tellings(parts: Parts, path: Path) -> tuple[TellingRow, ...]:
    """Whom a route is told, and why not the others."""
    return tuple(_telling(parts, to, path) for to in parts.config.neighbors)


def _telling(parts: Parts, to: NeighborConfig, path: Path) -> TellingRow:
    table = parts.routing.tables.told
    if to.node not in table.neighbors():
        return _untold(to, "no_session", "there is no session with it")
    if parts.routing.policy.draining:
        return _untold(to, "draining", "this node is being drained and tells nothing new")
    if path.hash in table.of(to.node).paths.get(path.target, {}):
        reason = Reason(code="told", text=f"with a fee of {to.fee_micro_per_kwh} micro-units per kWh")
        return TellingRow(neighbor=to.node, told=True, reason=reason)
    if to.node in path.nodes:
        return _untold(to, "LOOP", "the route leads through it")
    links_max = parts.config.limits.path_links
    if not extendable(path, to.node, links_max):
        return _untold(to, "PATH_TOO_LONG", f"a route has at most {links_max} links")
    exports = parts.routing.policy.exports
    verdict = exports.path(to.node, path.target)
    if not verdict.accepted:
        return _untold(to, "POLICY", exports.sentence(verdict, to.node))
    if not _may_transit(parts, to, path):
        return _untold(to, "POLICY", _policy_text(to, path))
    count = parts.config.limits.told_paths_per_origin
    tellable = [
        other
        for other in parts.routing.tables.loc_rib.to(path.target)
        if extendable(other, to.node, links_max)
        and _may_transit(parts, to, other)
        and exports.path(to.node, other.target).accepted
    ]
    if path not in best_paths(tellable, count):
        return _untold(to, "displaced", f"it is told the best {count} routes, and this is none of them")
    return _untold(to, "waiting", "it is told with the next batch")


def _may_transit(parts: Parts, to: NeighborConfig, path: Path) -> bool:
    by_node = {one.node: one for one in parts.config.neighbors}
    return may_transit(to, by_node[path.neighbor], only_to_customers=path.only_to_customers)


def _policy_text(to: NeighborConfig, path: Path) -> str:
    if to.transit_in_force is Transit.NONE:
        return "transit = none: energy of others does not cross this node into that link"
    if to.transit_in_force is Transit.CUSTOMERS:
        return "transit = customers, and the route does not come from a customer"
    if path.only_to_customers:
        return f"the route may go on to customers only, and this is a {to.role.name.lower()}"
    return f"between a {to.role.name.lower()} and another provider or peer this node gives no transit"


def _untold(to: NeighborConfig, code: str, text: str) -> TellingRow:
    return TellingRow(neighbor=to.node, told=False, reason=Reason(code=code, text=text))
