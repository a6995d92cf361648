"""Taking a node out of service: nothing new is taken on, what was promised is kept (SPEC section 10.16).

    Drain   own offers and all paths are taken back, HOLDs are refused, own wants find nothing
    then    what is committed runs its course, or its initiator releases it
    empty   the node can be stopped for good: nobody waits for it

Sessions stay up all the while, for curtailment, metering and settlement need them.  It
can be called off; then everything is told again.  A restart calls it off, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ioe_router.core.inputs import Drain
from ioe_router.core.operation_events import Draining
from ioe_router.core.outbox import Outbox
from ioe_router.core.parts import Parts
from ioe_router.core.reservation import Reservation
from ioe_router.core.reservation_fsm import ENDED
from ioe_router.model.clock import Now
from ioe_router.model.ids import NodeId, ReservationId


class Part(StrEnum):
    """What this node is in a reservation."""

    INITIATOR = "initiator"
    TRANSIT = "transit"
    ORIGIN = "origin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remaining:
    """One reservation that keeps a node from being taken out."""

    reservation: ReservationId
    part: Part
    initiator: NodeId
    origin: NodeId
    ends_utc_s: int  # end of its last slot
    energy_j: int  # asked for, at the initiator's port


def drain(parts: Parts, asked: Drain, now: Now, out: Outbox) -> None:
    """Take nothing more on, or do again; said once more it changes nothing."""
    policy = parts.routing.policy
    if policy.draining == asked.draining:
        return
    policy.draining = asked.draining
    parts.routing.judge_again(now, out)
    out.emit(Draining(draining=asked.draining, remaining=len(remaining(parts, now))))


def remaining(parts: Parts, now: Now) -> tuple[Remaining, ...]:
    """The reservations that are not over, by the end of their last slot."""
    slot_s = parts.config.parameters.slot_s
    open_ones = (
        _remaining(record, record.last_slot + slot_s)
        for record in parts.reservations.all()
        if record.state not in ENDED and record.last_slot + slot_s > now.utc_s
    )
    return tuple(sorted(open_ones, key=lambda one: (one.ends_utc_s, one.reservation)))


def _remaining(record: Reservation, ends_utc_s: int) -> Remaining:
    body = record.core.body
    part = Part.TRANSIT
    if record.toward_initiator is None:
        part = Part.INITIATOR
    elif record.toward_origin is None:
        part = Part.ORIGIN
    return Remaining(
        reservation=body.reservation,
        part=part,
        initiator=body.initiator,
        origin=body.origin,
        ends_utc_s=ends_utc_s,
        energy_j=sum(item.energy_j for item in body.items),
    )
