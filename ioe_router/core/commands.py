"""What the host asks for, and what sessions do to every part (SPEC section 3)."""

from __future__ import annotations

from typing import assert_never

from ioe_router.core.belonging import bring_in
from ioe_router.core.booked import BookedLink
from ioe_router.core.draining import drain
from ioe_router.core.events import ClockJudged, CommandRefused
from ioe_router.core.inputs import (
    AskNeighbor,
    BringDomain,
    ClockError,
    Command,
    CurtailReservation,
    DeadlineReached,
    Drain,
    ForecastReactive,
    ImbalancePrices,
    MeterRead,
    Operation,
    Overtakable,
    PublishOffer,
    Reconfigure,
    ReleaseReservation,
    RenewKey,
    ReplaceReservation,
    RevokeKeys,
    SessionDown,
    SessionUp,
    Shutdown,
    Started,
    Trade,
)
from ioe_router.core.key_changes import renew_key, revoke_keys
from ioe_router.core.outbox import Outbox
from ioe_router.core.parts import Parts
from ioe_router.core.reconfiguration import reconfigure
from ioe_router.core.reservation import Reservation
from ioe_router.core.retelling import retold
from ioe_router.core.session import OWN_CLOCK
from ioe_router.core.settled import SettledPacket
from ioe_router.core.upkeep import publish
from ioe_router.model.clock import Now
from ioe_router.model.errors import ErrorCode, Overtaken, UsageError
from ioe_router.model.ids import LinkId, ReservationId
from ioe_router.model.slot import Slot

RESTART_S_MAX = 3_600


def command(parts: Parts, input_: Command, now: Now, out: Outbox) -> None:
    """Carry out one input that is not a frame. UsageError: the host asked for something impossible."""
    match input_:
        case Started():
            _start(parts, input_, now, out)
        case SessionUp():
            parts.sessions.up(input_.neighbor, input_.dialer, now, out, input_.transport_key)
        case SessionDown():
            session_down(parts, input_, now, out)
        case PublishOffer():
            publish(parts, parts.routing.policy.with_reserve(input_), now)
        case Trade():
            parts.desk.trade(input_, now, out)
        case ReleaseReservation() | ReplaceReservation() | CurtailReservation() | MeterRead() | AskNeighbor():
            _unless_overtaken(parts, input_, now, out)
        case ForecastReactive():
            parts.sweeps.forecast(input_.slot, input_.reactive, input_.reactive_vars)
        case ImbalancePrices():
            parts.imbalance.set_prices(input_)
        case DeadlineReached():
            pass  # what is due is looked at after every call
        case _:
            _operate(parts, input_, now, out)


def _operate(parts: Parts, input_: Operation, now: Now, out: Outbox) -> None:
    """What concerns the node itself."""
    match input_:
        case BringDomain():
            bring_in(parts, input_.envelopes, now, out)
        case ClockError():
            _judge_clock(parts, input_, out)
        case RenewKey():
            renew_key(parts, input_, now, out)
        case RevokeKeys():
            revoke_keys(parts, input_, now, out)
        case Reconfigure():
            reconfigure(parts, input_, now, out)
        case Drain():
            drain(parts, input_, now, out)
        case Shutdown():
            _shut_down(parts, input_, out)
        case _:
            assert_never(input_)


def _start(parts: Parts, started: Started, now: Now, out: Outbox) -> None:
    parts.sessions.start(started.epoch, started.last_epoch)
    parts.routing.start(started.epoch, now)
    parts.zone.start(started.epoch, now)
    parts.slots.start(now, resumed=parts.restored)
    for event in retold(parts, now) if parts.restored else ():
        out.emit(event)
    parts.replace_desk.resume(now, out)
    for deviation in parts.settlement.restored_deviations():  # settled already, unless the crash came between
        parts.imbalance.deviated(deviation, now, out)


def _shut_down(parts: Parts, asked: Shutdown, out: Outbox) -> None:
    if not 0 <= asked.restart_s <= RESTART_S_MAX:
        raise UsageError(f"a restart of {asked.restart_s} s is announced; give 0 to {RESTART_S_MAX}")
    parts.sessions.close_all(ErrorCode.SHUTTING_DOWN, "the node is stopping", out, asked.restart_s)


def session_down(parts: Parts, event: SessionDown, now: Now, out: Outbox) -> None:
    """The transport to a neighbour is gone: what came from it, or waits for it, ends."""
    restart_s = parts.sessions.restart_s(event.neighbor)
    if not parts.sessions.down(event.neighbor, event.code, event.reason, out):
        return
    parts.routing.neighbor_down(event.neighbor, restart_s, now, out)
    parts.repeats.down(event.neighbor)
    parts.echoes.down(event.neighbor)
    parts.zone.neighbor_down(event.neighbor)
    parts.sweeps.neighbor_down(now, out)
    parts.commits.lost(event.neighbor, now, out)


def _judge_clock(parts: Parts, said: ClockError, out: Outbox) -> None:
    """The host's clock may be off by so much. UsageError: a negative error."""
    if said.error_ms < 0:
        raise UsageError(f"a clock error of {said.error_ms} ms; give 0 or more")
    clock = parts.clock
    before = clock.may_book, clock.may_sign
    clock.error_ms = said.error_ms
    if not clock.may_sign:
        parts.sessions.close_all(ErrorCode.CLOCK_UNSYNCED, OWN_CLOCK, out)
    if (clock.may_book, clock.may_sign) != before:
        out.emit(ClockJudged(error_ms=said.error_ms, books=clock.may_book, signs=clock.may_sign))


def _unless_overtaken(parts: Parts, asked: Overtakable, now: Now, out: Outbox) -> None:
    """Between a host's decision and its command the network goes on: then it hears why not."""
    try:
        match asked:
            case ReleaseReservation():
                parts.releases.order(_named(parts, asked.reservation), now, out)
            case ReplaceReservation():
                if not parts.clock.may_book:
                    raise Overtaken(ErrorCode.CLOCK_UNSYNCED, "the clock of this machine is not right")
                parts.replace_desk.replace(asked, _named(parts, asked.reservation), now, out)
            case CurtailReservation():
                record = _named(parts, asked.reservation)
                remaining = dict(asked.remaining)
                parts.curtailments.cut(record, remaining, asked.code, asked.effective_utc_ms, now, out)
            case MeterRead():
                _metered(parts, asked, now, out)
            case AskNeighbor():
                parts.echoes.ask(asked.neighbor, asked.number, out)
    except Overtaken as no:
        out.emit(CommandRefused(command=asked, code=no.code, detail=no.detail))


def _named(parts: Parts, reservation: ReservationId) -> Reservation:
    record = parts.reservations.newest(reservation)
    if record is None:
        raise Overtaken(ErrorCode.UNKNOWN_RESERVATION, "no such reservation is known here any more")
    return record


def _metered(parts: Parts, read: MeterRead, now: Now, out: Outbox) -> None:
    booked = parts.supply.booked(read.slot).get(read.link)
    if booked is None:
        booked = BookedLink(link=read.link, keeper=False)
    deviation = parts.settlement.metered(read, booked, settled_packets(parts, read.link, read.slot), now, out)
    if deviation is not None:
        parts.imbalance.deviated(deviation, now, out)


def settled_packets(parts: Parts, link: LinkId, slot: Slot) -> tuple[SettledPacket, ...]:
    """The committed packets of a link in a slot, as its ledger has them."""
    port = parts.ports.of(link)
    ledger = None if port is None else port.calendar.ledger(slot)
    if ledger is None:
        return ()
    return tuple(
        SettledPacket(
            flow=entry.flow,
            sent_j=entry.increment.sent_j,
            received_j=entry.increment.received_j,
            price_micro_per_kwh=entry.price_micro_per_kwh,
            direction=entry.direction,
        )
        for entry in ledger.entries.values()
        if entry.price_micro_per_kwh is not None and entry.direction is not None
    )
