"""The tables as messages: one function for each noun, lazy where a table is long."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Final

import grpc

from ioe_router.control import asking
from ioe_router.control._pb import control_pb2 as pb
from ioe_router.control.meanings import meaning_of, remedy_of
from ioe_router.control.rendering import enum_of, message_of, text_of
from ioe_router.control.served import Refused, Served
from ioe_router.control.version import CONTROL_VERSION
from ioe_router.core.refusals import Refusal
from ioe_router.model.bech32m import domain_text
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import NodeId
from ioe_router.model.slot import Slot, slot_at
from ioe_router.readout.fib import fib_rows
from ioe_router.readout.limits import LimitKind, limit_rows
from ioe_router.readout.links import link_rows
from ioe_router.readout.neighbors import NeighborRow, neighbor_rows
from ioe_router.readout.obligations import ObligationState, obligation_rows
from ioe_router.readout.offers import offer_view
from ioe_router.readout.reservations import reservation_rows
from ioe_router.readout.routes import route_view
from ioe_router.readout.values import reason_of

SLOTS_MAX: Final = 192  # of a range, where each slot makes rows of its own


def present_slot(served: Served) -> Slot:
    """The slot that is running."""
    return slot_at(served.now().utc_s, served.parts.config.parameters.slot_s)


def status(served: Served, access: pb.Access.ValueType) -> pb.GetStatusResponse:
    """How the node is doing."""
    parts, facts, now = served.parts, served.facts(), served.now()
    config, parameters = parts.config, parts.config.parameters
    targets = parts.routing.tables.loc_rib.targets()
    domain = parts.evidence.domains.own
    return pb.GetStatusResponse(
        version=facts.version,
        control_version=CONTROL_VERSION,
        protocol_version=facts.protocol_version,
        node=text_of(config.node),
        network_id=parameters.network_id,
        currency=parameters.currency,
        slot_s=parameters.slot_s,
        epoch=parts.sessions.epoch,
        started_utc_s=facts.started_utc_s,
        uptime_s=max(0, now.utc_s - facts.started_utc_s),
        now_utc_ms=now.utc_ms,
        neighbors=len(config.neighbors),
        sessions=sum(parts.sessions.established(one.node) for one in config.neighbors),
        destinations=len(targets),
        routes=len(parts.routing.all_paths()),
        offers=sum(len(parts.routing.tables.offers.alive(d)) for d in asking.DIRECTIONS),
        reservations=len(parts.reservations.all()),
        reservations_open=len(parts.reservations.open_records()),
        access=access,
        log_level=served.log.level,
        peer_port=served.node.port,
        config=facts.config,
        pid=facts.pid,
        domain="" if domain is None else domain_text(domain),
        connection_import_w=config.connection_import_w,
        connection_export_w=config.connection_export_w,
        counts=served.router.counts,
    )


# ------------------------------------------------------------------ nouns


def neighbors(served: Served, asked: pb.ListNeighborsRequest) -> Iterator[pb.Neighbor]:
    """Neighbours and the sessions with them."""
    only = asking.neighbor_named(served, asked.neighbor)
    faults: Counter[NodeId] = Counter()
    for (node, _), count in served.router.faults.items():
        faults[node] += count
    rows = [row for row in neighbor_rows(served.parts, faults) if only in (None, row.node)]
    messages = (_neighbor(served, row) for row in rows)
    return iter([one for one in messages if asked.state in (0, one.state)])


def _neighbor(served: Served, row: NeighborRow) -> pb.Neighbor:
    message, facts, witness = message_of(row, pb.Neighbor), served.facts(), served.witness
    message.name = facts.names.get(row.node, "")
    message.address = facts.addresses.get(row.node, "")
    message.since_utc_s = witness.up_since_utc_s.get(row.node, 0)
    message.round_trip_us = witness.round_trip_us.get(row.node, 0)
    traffic = served.node.traffic.get(row.node)
    if traffic is not None:
        for field in dataclasses.fields(traffic):
            setattr(message, field.name, getattr(traffic, field.name))
    error = witness.errors.get(row.node)
    if error is not None:
        message.last_error.CopyFrom(message_of(reason_of(error.code, error.text), pb.Reason))
        message.last_error_utc_s = error.at_utc_s
    return message


def links(served: Served, asked: pb.ListLinksRequest) -> Iterator[pb.Link]:
    """Links with their load."""
    parts = served.parts
    slot_s = parts.config.parameters.slot_s
    slots = asking.range_of(asked.slots).slots(present_slot(served), slot_s, SLOTS_MAX)
    end = asking.node_named(served, asked.neighbor)
    rows = tuple(link_rows(parts, slots, neighbor=end, own=asked.own))
    return (message_of(row, pb.Link) for row in rows)


def offers(served: Served, asked: pb.ListOffersRequest) -> Iterator[pb.Offer]:
    """Offers."""
    view = offer_view(served.parts, served.now(), asking.offer_filter(served, asked))
    return (message_of(row, pb.Offer) for row in view.rows())


def routes(served: Served, asked: pb.ListRoutesRequest) -> Iterator[pb.Route]:
    """Routes."""
    view = route_view(served.parts, asking.route_filter(served, asked))
    return (message_of(row, pb.Route) for row in islice(view.rows(), asked.limit or None))


def fib(served: Served, asked: pb.ListFibRequest) -> Iterator[pb.FibEntry]:
    """Set-points."""
    only, slots = asking.neighbor_named(served, asked.neighbor), asking.range_of(asked.slots)
    rows = tuple(fib_rows(served.parts, served.now(), slots=slots, neighbor=only))
    return (message_of(row, pb.FibEntry) for row in rows)


def reservations(served: Served, asked: pb.ListReservationsRequest) -> Iterator[pb.Reservation]:
    """Reservations."""
    rows = tuple(reservation_rows(served.parts, asking.reservation_filter(served, asked)))
    return (message_of(row, pb.Reservation) for row in rows)


def obligations(served: Served, asked: pb.ListObligationsRequest) -> Iterator[pb.Obligation]:
    """Obligations."""
    rows = tuple(
        obligation_rows(
            served.parts,
            neighbor=asking.node_named(served, asked.neighbor),
            state=enum_of(ObligationState, asked.state),
            slots=asking.range_of(asked.slots),
        )
    )
    return (message_of(row, pb.Obligation) for row in rows)


def limits(served: Served, asked: pb.ListLimitsRequest) -> Iterator[pb.Limit]:
    """Limits."""
    rows = tuple(
        limit_rows(
            served.parts,
            present_slot(served),
            kind=enum_of(LimitKind, asked.kind),
            neighbor=asking.neighbor_named(served, asked.neighbor),
            slots=asking.range_of(asked.slots),
        )
    )
    return (message_of(row, pb.Limit) for row in rows)


def refusals(served: Served, asked: pb.ListRefusalsRequest) -> Iterator[pb.Refusal]:
    """Refusals, newest first."""
    code = asked.code.upper()
    if code and code not in ErrorCode.__members__:
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, asking.unknown_code(asked.code))
    only = asking.node_named(served, asked.neighbor)
    rows = [
        row
        for row in served.parts.refusals.newest_first()
        if (only is None or only in (row.neighbor, row.failing_node))
        and code in ("", row.code.name)
        and row.about.hex().startswith(asked.about.lower())
    ]
    return (refusal(row) for row in rows)


def refusal(row: Refusal) -> pb.Refusal:
    """A refusal with what its code means."""
    message = message_of(row, pb.Refusal)
    message.about = row.about.hex()
    message.reason.CopyFrom(message_of(reason_of(row.code, row.detail), pb.Reason))
    message.meaning = meaning_of(row.code)
    message.remedy = remedy_of(row.code)
    return message
