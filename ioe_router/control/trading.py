"""Reserve and release: commands of the host, and waiting for what comes of them.

A want goes to the router's trade desk like any other (SPEC section 9): it waits
for the bands, chooses offers and paths, and is over when it is covered or the
slot closes.  Who stops listening ends the want; what has been reserved stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace
from itertools import count
from typing import Final

import grpc

from ioe_router.control import asking
from ioe_router.control._pb import control_pb2 as pb
from ioe_router.control.explaining import phase_text
from ioe_router.control.rendering import message_of, text_of
from ioe_router.control.served import Refused, Served
from ioe_router.core.deal import check_trade
from ioe_router.core.events import Booked, CommandRefused, Event, HoldAnswered, TradeProgress
from ioe_router.core.gates import Phase, phase_of
from ioe_router.core.inputs import ReleaseReservation, Trade
from ioe_router.core.reservation import Reservation
from ioe_router.model.clock import MS_PER_S
from ioe_router.model.errors import ErrorCode, UsageError
from ioe_router.model.ids import ReservationId
from ioe_router.model.reservation import ReservationState
from ioe_router.model.routing import Direction, SourceClass
from ioe_router.model.slot import Slot
from ioe_router.readout.prices import tradable_slot
from ioe_router.readout.reservations import PacketRow, reservation_row
from ioe_router.readout.values import NO_REASON, reason_of

FIRST_TRADE_NO: Final = 1 << 48  # agents number theirs below
WAIT_MS: Final = 10_000
LOOK_S: Final = 0.5
SHOWN: Final = 3
_numbers: Final = count()


async def reserve(served: Served, asked: pb.ReserveRequest) -> AsyncGenerator[pb.ReserveResponse, None]:
    """Take up a want and follow it."""
    trade = _trade(served, asked)
    watcher = served.witness.watch()
    end: TradeProgress | None = None
    try:
        served.node.submit(trade)
        yield pb.ReserveResponse(accepted=_accepted(served, trade))
        while end is None:
            await watcher.wait(LOOK_S)
            events, lost = watcher.take()
            for event, _ in events:
                for step in _steps(served, trade, event):
                    yield step
                if isinstance(event, TradeProgress) and event.trade_no == trade.trade_no and event.done:
                    end = event
            if lost and end is None:
                end = _as_it_stands(served, trade)
    finally:
        served.witness.leave(watcher)
        if end is None:
            served.node.submit(replace(trade, energy_j=0))
    yield pb.ReserveResponse(done=_done(served, trade, end))


def _trade(served: Served, asked: pb.ReserveRequest) -> Trade:
    parts, now = served.parts, served.now()
    slot = Slot(asked.slot_utc_s) or tradable_slot(parts, now)
    trade = Trade(
        trade_no=FIRST_TRADE_NO + now.utc_ms * (1 << 16) + next(_numbers) % (1 << 16),
        slot=slot,
        direction=Direction(asked.direction) or Direction.SUPPLY,
        energy_j=asked.energy_j,
        price_limit_micro_per_kwh=asked.price_limit_micro_per_kwh,
        default_limit_micro_per_kwh=asked.default_limit_micro_per_kwh if asked.use_defaults else None,
        own_offer_no=None,
        priority=asked.priority,
        sources=tuple(_sources(asked)),
        carbon_max_mg_per_kwh=asked.carbon_max_mg_per_kwh if asked.has_carbon_max else None,
    )
    try:
        check_trade(trade, parts.config.parameters.slot_s)
    except UsageError as error:
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from error
    if trade.energy_j == 0:
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "an energy of 0 J is wanted; name more")
    if phase_of(parts.config.parameters, slot, now) >= Phase.SWEEPS:
        sentence = f"slot {slot} is closed for trade; the next open one is {tradable_slot(parts, now)}"
        raise Refused(grpc.StatusCode.FAILED_PRECONDITION, sentence)
    return trade


def _sources(asked: pb.ReserveRequest) -> Iterator[SourceClass]:
    for named in asked.sources:
        source = asking.source_named(named)
        if source is not None:
            yield source


def _accepted(served: Served, trade: Trade) -> pb.ReserveAccepted:
    parameters = served.parts.config.parameters
    return pb.ReserveAccepted(
        trade_no=trade.trade_no,
        slot_utc_s=trade.slot,
        opens_utc_s=trade.slot - parameters.timetable.open_s,
        closes_utc_s=trade.slot - parameters.timetable.provisional_gate_s,
        phase=phase_text(phase_of(parameters, trade.slot, served.now())),
    )


def _steps(served: Served, trade: Trade, event: Event) -> Iterator[pb.ReserveResponse]:
    """What an event means to a want."""
    if isinstance(event, Booked) and event.trade_no == trade.trade_no:
        yield pb.ReserveResponse(booked=message_of(_packet(event), pb.Packet))
    elif isinstance(event, HoldAnswered):
        record = served.parts.reservations.newest(event.reservation)
        if record is not None and record.serves is not None and record.serves.trade_no == trade.trade_no:
            short = event.granted_j < event.asked_j
            reason = reason_of(event.code, "") if short else NO_REASON
            yield pb.ReserveResponse(
                hold=pb.HoldAnswered(
                    reservation=event.reservation.hex(),
                    asked_j=event.asked_j,
                    granted_j=event.granted_j,
                    reason=message_of(reason, pb.Reason),
                    failing_node="" if event.failing_node is None else text_of(event.failing_node),
                )
            )


def _packet(event: Booked) -> PacketRow:
    return PacketRow(
        index=event.index,
        slot_utc_s=event.slot,
        asked_j=event.energy_j,
        energy_j=event.energy_j,
        price_micro_per_kwh=event.price_micro_per_kwh,
        reason=NO_REASON,
        expected_j=event.energy_j,
    )


def _as_it_stands(served: Served, trade: Trade) -> TradeProgress | None:
    """The end of a want whose event was among those that came too fast; None while it goes on."""
    for deal in served.parts.desk.deals():
        if deal.trade.trade_no == trade.trade_no and deal.done:
            return TradeProgress(
                trade_no=trade.trade_no,
                slot=trade.slot,
                covered_j=deal.covered_j,
                open_j=deal.open_j,
                done=True,
                reason=ErrorCode.UNSPECIFIED,
            )
    return None


def _done(served: Served, trade: Trade, event: TradeProgress) -> pb.ReserveDone:
    records = [
        record
        for record in served.parts.reservations.all()
        if record.serves is not None and record.serves.trade_no == trade.trade_no
    ]
    return pb.ReserveDone(
        covered_j=event.covered_j,
        open_j=event.open_j,
        reason=message_of(reason_of(event.reason) if event.open_j else NO_REASON, pb.Reason),
        reservations=[message_of(reservation_row(served.parts, one), pb.Reservation) for one in records],
    )


# ------------------------------------------------------------------ release


async def release(served: Served, asked: pb.ReleaseRequest) -> pb.ReleaseResponse:
    """Give a reservation back and wait for the neighbour's word."""
    record = _own(served, asked.reservation)
    name = record.core.body.reservation
    watcher, loop = served.witness.watch(), asyncio.get_running_loop()
    end_s = loop.time() + (asked.wait_ms or WAIT_MS) / MS_PER_S
    try:
        served.node.submit(ReleaseReservation(reservation=name))
        while not _is_released(record) and loop.time() < end_s:
            await watcher.wait(min(LOOK_S, end_s - loop.time()) / 10)
            events, _ = watcher.take()
            for event, _ in events:
                _refuse_overtaken(event, name)
    finally:
        served.witness.leave(watcher)
    await served.rest()
    row = message_of(reservation_row(served.parts, record), pb.Reservation)
    return pb.ReleaseResponse(reservation=row, confirmed=_is_released(record))


def _is_released(record: Reservation) -> bool:
    return record.state is ReservationState.RELEASED and not record.release_open


def _refuse_overtaken(event: Event, name: ReservationId) -> None:
    match event:
        case CommandRefused(command=ReleaseReservation(reservation=refused)) if refused == name:
            sentence = f"the reservation cannot be given back: {event.detail} ({event.code.name})"
            raise Refused(grpc.StatusCode.FAILED_PRECONDITION, sentence)


def _own(served: Served, beginning: str) -> Reservation:
    """The reservation of this node's own that a beginning of its id names."""
    named = beginning.lower()
    found = {
        record.core.body.reservation: record
        for record in served.parts.reservations.all()
        if named and record.core.body.reservation.hex().startswith(named)
    }
    if not found:
        sentence = f"no reservation begins with {beginning!r}; 'ioe show reservations' lists them"
        raise Refused(grpc.StatusCode.NOT_FOUND, sentence)
    if len(found) > 1:
        shown = ", ".join(name.hex()[: len(named) + 4] for name in [*found][:SHOWN])
        sentence = f"{beginning!r} fits {len(found)} reservations ({shown} ...); write more of the id"
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, sentence)
    (name,) = found
    record = served.parts.reservations.newest(name)
    if record is None or record.toward_initiator is not None:
        initiator = text_of(found[name].core.body.initiator)
        sentence = f"only its initiator, {initiator}, gives this reservation back"
        raise Refused(grpc.StatusCode.FAILED_PRECONDITION, sentence)
    return record
