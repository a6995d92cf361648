"""From what a request names to what the tables are asked for.

A node is named by its text form, by a beginning of it that fits one known node
only, or by what the configuration calls it.  What fits nothing, or too much,
is refused with what would have fitted.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

import grpc

from ioe_router.control._pb import control_pb2 as pb
from ioe_router.control.rendering import enum_of, text_of
from ioe_router.control.served import Refused, Served
from ioe_router.model.bech32m import parse_node
from ioe_router.model.errors import ErrorCode, UsageError
from ioe_router.model.ids import NodeId
from ioe_router.model.reservation import ReservationState
from ioe_router.model.routing import Direction, SourceClass
from ioe_router.readout.offers import OfferFilter
from ioe_router.readout.reservations import Part, ReservationFilter
from ioe_router.readout.routes import RouteFilter
from ioe_router.readout.values import SlotRange, Stage

SHOWN: Final = 3
DIRECTIONS: Final = (Direction.SUPPLY, Direction.DEMAND)


def known_nodes(served: Served) -> dict[NodeId, None]:
    """Every node that this one has heard of, neighbours first."""
    parts = served.parts
    nodes: dict[NodeId, None] = dict.fromkeys(one.node for one in parts.config.neighbors)
    nodes[parts.config.node] = None
    nodes.update(dict.fromkeys(origin for origin, _ in parts.routing.tables.loc_rib.targets()))
    for sealed in parts.evidence.links():
        nodes.update(dict.fromkeys((sealed.body.keeper, sealed.body.other)))
    for record in parts.reservations.all():
        nodes.update(dict.fromkeys((record.core.body.initiator, record.core.body.origin)))
    return nodes


def node_named(served: Served, named: str, *, of: Iterable[NodeId] | None = None) -> NodeId | None:
    """The node that a text names, among `of` if given; None for an empty text. Refused: none or several."""
    if not named:
        return None
    by_name = [node for node, name in served.facts().names.items() if name == named]
    if len(by_name) == 1:
        return by_name[0]
    whole = _whole(named)
    if whole is not None and of is None:
        return whole
    among = list(known_nodes(served) if of is None else of)
    found = [node for node in among if text_of(node).startswith(named)]
    if len(found) == 1:
        return found[0]
    if found:
        shown = ", ".join(text_of(node)[: len(named) + 4] for node in found[:SHOWN])
        sentence = f"{named!r} fits {len(found)} nodes ({shown} ...); write more of the id"
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, sentence)
    raise Refused(grpc.StatusCode.NOT_FOUND, _unknown(served, named, among, neighbors=of is not None))


def neighbor_named(served: Served, named: str) -> NodeId | None:
    """The neighbour that a text names; None for an empty text."""
    return node_named(served, named, of=[one.node for one in served.parts.config.neighbors])


def _whole(named: str) -> NodeId | None:
    try:
        return parse_node(named)
    except UsageError:
        return None


def _unknown(served: Served, named: str, among: list[NodeId], *, neighbors: bool) -> str:
    what = "no neighbour" if neighbors else "no node that is known here"
    names = [*served.facts().names.values(), *(text_of(node) for node in among)]
    near = difflib.get_close_matches(named, names, n=1, cutoff=0.5)
    advice = f"did you mean {near[0]}?" if near else "'ioe show neighbors' and 'ioe show routes' list them"
    return f"{named!r} is {what}; {advice}"


def range_of(asked: pb.SlotRange) -> SlotRange:
    """A range of slots; 0 is no bound."""
    return SlotRange(first_utc_s=asked.first_utc_s or None, last_utc_s=asked.last_utc_s or None)


def source_named(named: str) -> SourceClass | None:
    """The source class of a name; None for an empty one. Refused: there is none."""
    if not named:
        return None
    known = [one.name.lower() for one in SourceClass]
    if named.lower() not in known:
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, f"{named!r} is no source; one of {', '.join(known)}")
    return SourceClass[named.upper()]


def unknown_code(named: str) -> str:
    """The sentence about a code that is not registered."""
    near = difflib.get_close_matches(named.upper(), ErrorCode.__members__, n=1, cutoff=0.5)
    advice = f"did you mean {near[0]}?" if near else "SPEC section 13 lists them"
    return f"{named!r} is no registered code; {advice}"


def route_filter(served: Served, asked: pb.ListRoutesRequest) -> RouteFilter:
    """Which routes."""
    return RouteFilter(
        neighbor=neighbor_named(served, asked.neighbor),
        destination=node_named(served, asked.destination),
        direction=Direction(asked.direction),
        stage=enum_of(Stage, asked.stage),
    )


def offer_filter(served: Served, asked: pb.ListOffersRequest) -> OfferFilter:
    """Which offers."""
    return OfferFilter(
        neighbor=neighbor_named(served, asked.neighbor),
        destination=node_named(served, asked.destination),
        direction=Direction(asked.direction),
        stage=enum_of(Stage, asked.stage),
        slots=range_of(asked.slots),
        source=source_named(asked.source),
    )


def reservation_filter(served: Served, asked: pb.ListReservationsRequest) -> ReservationFilter:
    """Which reservations."""
    return ReservationFilter(
        neighbor=neighbor_named(served, asked.neighbor),
        destination=node_named(served, asked.destination),
        direction=Direction(asked.direction),
        state=ReservationState(asked.state),
        part=enum_of(Part, asked.part),
        slots=range_of(asked.slots),
        beginning=asked.reservation.lower(),
    )
