"""Steps of reservations as they are told to the host, at every role (SPEC section 10).

Booked and Unbooked speak of this node's own packets.  Whoever watches a node
also wants to know what passes it: each step of the state machine, with its
reason.  A step is noted where it is taken and told at the end of the call,
with what then stands of the reservation.
"""

from __future__ import annotations

from ioe_router.core.events import ReservationMoved, ReservationRole
from ioe_router.core.reservation import Move, Reservation
from ioe_router.core.reservation_fsm import ReservationEvent
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import NodeId
from ioe_router.model.reservation import HoldCore, ReservationState
from ioe_router.model.slot import Slot


def moved_event(move: Move) -> ReservationMoved:
    """What the host is told of a step."""
    record, body = move.record, move.record.core.body
    near, far = record.toward_initiator, record.toward_origin
    stands = (one.energy_j for one in record.granted.values()) if record.granted else record.asked_j.values()
    return ReservationMoved(
        reservation=body.reservation,
        version=body.version,
        role=role_of(record),
        step=move.step,
        state=move.state,
        code=move.code,
        initiator=body.initiator,
        origin=body.origin,
        direction=body.direction,
        toward_initiator=None if near is None else near.port.neighbor,
        toward_origin=None if far is None else far.port.neighbor,
        slot=min(record.slots.values()),
        packets=len(record.granted or record.asked_j),
        energy_j=sum(stands),
    )


def unopened_event(body: HoldCore, neighbor: NodeId | None, me: NodeId, code: ErrorCode) -> ReservationMoved:
    """What the host is told of a HOLD that was refused before anything of it was kept.

    `neighbor` None: an own one.
    """
    if neighbor is None:
        role = ReservationRole.INITIATOR
    else:
        role = ReservationRole.ORIGIN if body.origin == me else ReservationRole.TRANSIT
    return ReservationMoved(
        reservation=body.reservation,
        version=body.version,
        role=role,
        step=ReservationEvent.REFUSE,
        state=ReservationState.UNSPECIFIED,
        code=code,
        initiator=body.initiator,
        origin=body.origin,
        direction=body.direction,
        toward_initiator=neighbor,
        toward_origin=None,
        slot=Slot(min(item.slot_utc_s for item in body.items)),
        packets=0,
        energy_j=0,
    )


def role_of(record: Reservation) -> ReservationRole:
    """What this node is in a reservation."""
    if record.toward_initiator is None:
        return ReservationRole.INITIATOR
    return ReservationRole.ORIGIN if record.toward_origin is None else ReservationRole.TRANSIT
