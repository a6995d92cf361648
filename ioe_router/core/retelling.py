"""What a host is told again after a restart (SPEC section 10.10): everything durable that it may have missed.

A record is on the disk before its event is told, so a crash can come between the two.
Each event here says how things stand, not what has changed, and is told at every start:
a host that keeps books over crashes compares, one that begins anew takes it as it is.
"""

from __future__ import annotations

from collections.abc import Iterator

from ioe_router.core.curtailment import curtailed_event
from ioe_router.core.deal import booked_event
from ioe_router.core.events import (
    BookingRestored,
    Curtailed,
    EquivocationRestored,
    Event,
    SettlementRestored,
    UnbookingRestored,
)
from ioe_router.core.parts import Parts
from ioe_router.core.reservation import Reservation
from ioe_router.model.clock import Now
from ioe_router.model.errors import ErrorCode
from ioe_router.model.reservation import Curtail, ReservationState


def retold(parts: Parts, now: Now) -> Iterator[Event]:
    """The events of a start, from the records as they were read back."""
    for record in parts.reservations.all():
        if record.committed is None or record.is_transit:
            continue
        if record.state is ReservationState.COMMITTED:
            yield from _bookings(parts, record, now)
            yield from _notices(parts, record)
        yield from _unbookings(parts, record)
    yield from (SettlementRestored(settled=one) for one in parts.settlement.settled())
    yield from (SettlementRestored(settled=one) for one in parts.imbalance.settled())
    yield from (EquivocationRestored(proof=one) for one in parts.proofs.all())


def _bookings(parts: Parts, record: Reservation, now: Now) -> Iterator[BookingRestored]:
    """What is booked in slots that are not over."""
    for index in record.accepted:
        if record.slots[index] + parts.config.parameters.slot_s > now.utc_s:
            yield BookingRestored(booked=booked_event(record, index))


def _notices(parts: Parts, record: Reservation) -> Iterator[Curtailed]:
    """Cuts whose instant is to come."""
    for cut in record.notices:
        body = parts.sealer.recall(cut.curtail, Curtail).body
        for index, energy_j in parts.curtailments.remains(record, cut).items():
            yield curtailed_event(record, index, energy_j, cut, body)


def _unbookings(parts: Parts, record: Reservation) -> Iterator[UnbookingRestored]:
    """What was committed and stands no more, or no more whole."""
    code = ErrorCode.UNSPECIFIED
    if record.state is ReservationState.COMMITTED and record.curtail is not None:
        code = parts.sealer.recall(record.curtail, Curtail).body.code
    for index in record.commit.body.accepted if record.commit is not None else ():
        remaining_j = _remaining_j(record, index)
        if remaining_j is not None:
            yield UnbookingRestored(
                reservation=record.core.body.reservation,
                index=index,
                slot=record.slots[index],
                remaining_j=remaining_j,
                code=code,
            )


def _remaining_j(record: Reservation, index: int) -> int | None:
    """What remains of a committed packet here; None: all of it."""
    if record.state is not ReservationState.COMMITTED or index not in record.granted:
        return 0
    cut = any(index in said for said in record.cut_by.values())
    return record.granted[index].energy_j if cut else None
