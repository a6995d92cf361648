"""Why a destination is reached as it is, how a price comes about, what the way is like."""

from __future__ import annotations

from typing import Final

import grpc

from ioe_router.control import asking
from ioe_router.control._pb import control_pb2 as pb
from ioe_router.control.rendering import message_of, text_of
from ioe_router.control.served import Refused, Served
from ioe_router.core.gates import Phase
from ioe_router.core.paths import Path
from ioe_router.model.bech32m import node_short
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import NodeId
from ioe_router.model.routing import Direction
from ioe_router.model.slot import Slot
from ioe_router.readout.offers import PROBE_J
from ioe_router.readout.prices import Moment, PriceRow, moment_of, price_rows, trace, tradable_slot
from ioe_router.readout.routes import RouteFilter, route_view, tellings
from ioe_router.readout.values import reason_of

ENERGY_MAX_J: Final = 1 << 50


def explain_route(served: Served, asked: pb.ExplainRouteRequest) -> pb.ExplainRouteResponse:
    """All that is known about the ways to a destination."""
    destination = _destination(served, asked.destination)
    wanted = RouteFilter(destination=destination, direction=Direction(asked.direction))
    parts = served.parts
    explained = []
    for row in route_view(parts, wanted).rows():
        path = None if row.path is None else parts.routing.path(row.path)
        told = () if path is None else tellings(parts, path)
        explained.append(
            pb.ExplainedRoute(
                route=message_of(row, pb.Route), tellings=[message_of(one, pb.Telling) for one in told]
            )
        )
    return pb.ExplainRouteResponse(
        destination=text_of(destination), routes=explained, summary=_routes_in_words(served, destination)
    )


def _routes_in_words(served: Served, destination: NodeId) -> str:
    if destination == served.parts.config.node:
        return "This is the node that you are asking."
    told = []
    for direction in asking.DIRECTIONS:
        paths = served.parts.routing.paths_to(destination, direction)
        if paths:
            first, links = paths[0], len(paths[0].links)
            hops = "directly" if links == 1 else f"over {links} links"
            told.append(
                f"{direction.name.lower()} goes {hops} by {node_short(first.neighbor)}"
                f" ({len(paths)} usable {'route' if len(paths) == 1 else 'routes'})"
            )
    if told:
        return f"{'; '.join(told)}.".capitalize()
    sessions = sum(served.parts.sessions.established(one.node) for one in served.parts.config.neighbors)
    if not sessions:
        return "No route is known: this node has no session with any neighbour ('ioe show neighbors')."
    return f"No route is known: none of {sessions} neighbours with a session tells one that is accepted here."


# ------------------------------------------------------------------ prices


def explain_price(served: Served, asked: pb.ExplainPriceRequest) -> pb.ExplainPriceResponse:
    """How the prices of the offers of a slot come about at this node."""
    parts, now = served.parts, served.now()
    slot = _slot(served, asked.slot_utc_s) or tradable_slot(parts, now)
    direction = Direction(asked.direction) or Direction.SUPPLY
    moment = moment_of(parts, slot, now)
    rows = price_rows(
        parts,
        moment,
        direction,
        _energy(asked.energy_j),
        origin=asking.node_named(served, asked.destination),
        limit=asked.price_limit_micro_per_kwh if asked.has_limit else None,
    )
    return pb.ExplainPriceResponse(
        slot_utc_s=slot,
        phase=phase_text(moment.phase),
        band=moment.band,
        floor_micro_per_kwh=moment.floor_micro_per_kwh or 0,
        has_floor=moment.floor_micro_per_kwh is not None,
        prices=[message_of(row, pb.ExplainedPrice) for row in rows],
        summary=_prices_in_words(rows, moment, direction, parts.config.parameters.floor_micro_per_kwh),
    )


def phase_text(phase: Phase) -> str:
    """A phase as the service names it."""
    return phase.name.lower()


def _prices_in_words(
    rows: tuple[PriceRow, ...], moment: Moment, direction: Direction, floors: tuple[int, ...]
) -> str:
    if not rows:
        return f"No {direction.name.lower()} is offered for this slot."
    bookable = [row for row in rows if row.bookable]
    of = "The one offer" if len(rows) == 1 else f"{len(bookable) or 'None'} of {len(rows)} offers"
    if bookable:
        best = bookable[0]
        return (
            f"{of} could be booked now; the best is {node_short(best.origin)}/{best.offer_no},"
            f" {best.delivered_micro_per_kwh} micro-units per kWh."
        )
    if moment.phase is Phase.BEFORE and direction is Direction.SUPPLY:
        fall = ", ".join(map(str, floors))
        return (
            f"The bands of the slot are not open yet; nobody sells below their floors, {fall} and then none"
            " (micro-units per kWh)."
        )
    verb = "could not" if len(rows) == 1 else "could"
    return f"{of} {verb} be booked now; the slot is in the phase {phase_text(moment.phase)}."


# ------------------------------------------------------------------ traces


def trace_to(served: Served, asked: pb.TraceRequest) -> pb.TraceResponse:
    """The best way to a destination."""
    parts, now = served.parts, served.now()
    destination = _destination(served, asked.destination)
    direction = Direction(asked.direction) or Direction.SUPPLY
    slot = _slot(served, asked.slot_utc_s) or tradable_slot(parts, now)
    answer = pb.TraceResponse(
        destination=text_of(destination), direction=pb.Direction.ValueType(direction), slot_utc_s=slot
    )
    path = _best(served, destination, direction)
    if path is None:
        text = _routes_in_words(served, destination)
        answer.reason.CopyFrom(message_of(reason_of(ErrorCode.NO_PATH, text), pb.Reason))
        return answer
    answer.MergeFrom(message_of(trace(parts, path, slot, _energy(asked.energy_j)), pb.TraceResponse))
    return answer


def _best(served: Served, destination: NodeId, direction: Direction) -> Path | None:
    paths = served.parts.routing.paths_to(destination, direction)
    return paths[0] if paths else None


# ------------------------------------------------------------------ what is asked


def _destination(served: Served, named: str) -> NodeId:
    found = asking.node_named(served, named)
    if found is None:
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "name a destination: a node id, or its beginning")
    return found


def _slot(served: Served, utc_s: int) -> Slot | None:
    slot_s = served.parts.config.parameters.slot_s
    if utc_s % slot_s:
        sentence = f"slot {utc_s} is not aligned; slots begin at multiples of {slot_s} s"
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, sentence)
    return Slot(utc_s) if utc_s else None


def _energy(energy_j: int) -> int:
    if energy_j > ENERGY_MAX_J:
        sentence = f"{energy_j} J is beyond {ENERGY_MAX_J} J; ask for less"
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, sentence)
    return energy_j or PROBE_J
