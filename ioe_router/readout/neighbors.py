"""Neighbours: the session with each, its link, and how much is heard from it and told to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ioe_router.core.parts import Parts
from ioe_router.core.rib import Told
from ioe_router.core.session_fsm import SessionState
from ioe_router.model.ids import LinkId, NodeId


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighborRow:
    """What the router knows of a neighbour; what surrounds the router is added by whoever serves it."""

    node: NodeId
    role: str
    transit: str
    state: SessionState
    dialed: bool
    link: LinkId
    keeper: bool
    fee_micro_per_kwh: int
    epoch: int
    routes_received: int
    routes_best: int
    routes_advertised: int
    offers_received: int
    offers_advertised: int
    refusals: int


def neighbor_rows(parts: Parts, faults: Mapping[NodeId, int]) -> Iterator[NeighborRow]:
    """One row for each configured neighbour; `faults`: objects of each that were refused."""
    best = _best(parts)
    for one in parts.config.neighbors:
        session = parts.sessions.session(one.node)
        port = parts.ports.to(one.node)
        told = _told(parts, one.node)
        yield NeighborRow(
            node=one.node,
            role=one.role.name.lower(),
            transit=one.transit_in_force.value,
            state=session.state,
            dialed=session.dialer and session.state is not SessionState.IDLE,
            link=port.link,
            keeper=port.keeper,
            fee_micro_per_kwh=one.fee_micro_per_kwh,
            epoch=session.seen_epoch,
            routes_received=len(parts.routing.tables.heard.of(one.node)),
            routes_best=best[one.node],
            routes_advertised=len(told.labels),
            offers_received=len(parts.routing.tables.offers.heard_from(one.node)),
            offers_advertised=len(told.offers),
            refusals=faults.get(one.node, 0),
        )


def _best(parts: Parts) -> Counter[NodeId]:
    """How many destinations' first choice leads through each neighbour."""
    loc_rib = parts.routing.tables.loc_rib
    firsts = (parts.routing.paths_to(*target)[:1] for target in loc_rib.targets())
    return Counter(path.neighbor for first in firsts for path in first)


def _told(parts: Parts, neighbor: NodeId) -> Told:
    table = parts.routing.tables.told
    return table.of(neighbor) if neighbor in table.neighbors() else Told()
