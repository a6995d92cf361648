"""Vectors of the reservation state machine: every state, every event, where it leads and what is sent."""

from __future__ import annotations

from vector_file import Vector

from ioe_router.core.reservation_fsm import TRANSITIONS, ReservationEvent, answers
from ioe_router.model.errors import ErrorCode
from ioe_router.model.reservation import ReservationState


def reservation() -> list[Vector]:
    """One vector per cell of the table, at a node in transit; CURTAIL comes from the origin's side."""
    return [_cell(state, event) for state in ReservationState for event in ReservationEvent]


def _cell(state: ReservationState, event: ReservationEvent) -> Vector:
    outcome = TRANSITIONS[state, event]
    code = outcome if isinstance(outcome, ErrorCode) else None
    return Vector(
        id=f"reservation-fsm-{state.name.lower()}-{event.value}".replace("_", "-"),
        notes="" if code is None else "refused, the state stays",
        inputs={"state": state.name, "event": event.name},
        intermediates={
            "next_state": (outcome if isinstance(outcome, ReservationState) else state).name,
            "sent": [{"object": one.kind, "toward": one.toward.value} for one in answers(state, event)],
        },
        code=code,
        reqs=("IOE-RSV-510", "IOE-RSV-520"),
    )
