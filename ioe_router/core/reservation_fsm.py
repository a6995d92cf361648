"""The reservation state machine as data (SPEC section 10).

Every pair of state and event has an answer: a next state, or a refusal code.
`advance` is the only way a state changes.  What is sent and booked on a
transition is decided by the caller (reservation.py); the table decides only
whether the event is allowed and where it leads.

    NEW --hold--> HOLDING --grant--> HELD --commit--> IN_DOUBT --committed--> COMMITTED
                     |                 |                  |                      |
                  refuse/expire     expire/release      failed                release/curtail
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.reservation import ReservationState as S


class ReservationEvent(StrEnum):
    """What can happen to a reservation at one node."""

    HOLD = "hold"  # a HOLD that was not seen before
    GRANT = "grant"  # GRANT from the origin's side, or the origin's own decision to grant
    REFUSE = "refuse"  # REFUSE from the origin's side, or the node's own decision to refuse
    COMMIT = "commit"  # COMMIT from the initiator's side, or the initiator's own decision
    COMMITTED = "committed"  # signed acceptance from the origin's side, or the origin's own
    FAILED = "failed"  # signed failure from the origin's side
    RELEASE = "release"  # signed by the initiator
    EXPIRE = "expire"  # the node's own hold deadline
    LOST = "lost"  # the session towards the origin is gone
    CURTAIL = "curtail"  # a cut of committed packets
    SLOT_END = "slot_end"  # the last slot of the reservation is over


E = ReservationEvent
R = ErrorCode

# (state, event) -> next state, or the code that answers the event while the state stays
TRANSITIONS: Final[dict[tuple[S, ReservationEvent], S | ErrorCode]] = {
    (S.UNSPECIFIED, E.HOLD): S.HOLDING,
    (S.UNSPECIFIED, E.GRANT): R.UNKNOWN_RESERVATION,
    (S.UNSPECIFIED, E.REFUSE): R.UNKNOWN_RESERVATION,
    (S.UNSPECIFIED, E.COMMIT): R.UNKNOWN_RESERVATION,
    (S.UNSPECIFIED, E.COMMITTED): R.UNKNOWN_RESERVATION,
    (S.UNSPECIFIED, E.FAILED): R.UNKNOWN_RESERVATION,
    (S.UNSPECIFIED, E.RELEASE): R.UNKNOWN_RESERVATION,
    (S.UNSPECIFIED, E.EXPIRE): R.UNKNOWN_RESERVATION,
    (S.UNSPECIFIED, E.LOST): R.UNKNOWN_RESERVATION,
    (S.UNSPECIFIED, E.CURTAIL): R.UNKNOWN_RESERVATION,
    (S.UNSPECIFIED, E.SLOT_END): R.UNKNOWN_RESERVATION,
    (S.HOLDING, E.HOLD): R.CONFLICT,
    (S.HOLDING, E.GRANT): S.HELD,
    (S.HOLDING, E.REFUSE): S.FAILED,
    (S.HOLDING, E.COMMIT): R.UNEXPECTED,
    (S.HOLDING, E.COMMITTED): R.UNEXPECTED,
    (S.HOLDING, E.FAILED): S.FAILED,
    (S.HOLDING, E.RELEASE): S.RELEASED,
    (S.HOLDING, E.EXPIRE): S.EXPIRED,
    (S.HOLDING, E.LOST): S.FAILED,
    (S.HOLDING, E.CURTAIL): R.UNEXPECTED,
    (S.HOLDING, E.SLOT_END): S.EXPIRED,
    (S.HELD, E.HOLD): R.CONFLICT,
    (S.HELD, E.GRANT): R.UNEXPECTED,
    (S.HELD, E.REFUSE): S.FAILED,
    (S.HELD, E.COMMIT): S.IN_DOUBT,
    (S.HELD, E.COMMITTED): R.UNEXPECTED,
    (S.HELD, E.FAILED): S.FAILED,
    (S.HELD, E.RELEASE): S.RELEASED,
    (S.HELD, E.EXPIRE): S.EXPIRED,
    (S.HELD, E.LOST): S.FAILED,
    (S.HELD, E.CURTAIL): R.UNEXPECTED,
    (S.HELD, E.SLOT_END): S.EXPIRED,
    (S.IN_DOUBT, E.HOLD): R.CONFLICT,
    (S.IN_DOUBT, E.GRANT): R.UNEXPECTED,
    (S.IN_DOUBT, E.REFUSE): R.UNEXPECTED,
    (S.IN_DOUBT, E.COMMIT): S.IN_DOUBT,
    (S.IN_DOUBT, E.COMMITTED): S.COMMITTED,
    (S.IN_DOUBT, E.FAILED): S.FAILED,
    (S.IN_DOUBT, E.RELEASE): R.UNEXPECTED,
    (S.IN_DOUBT, E.EXPIRE): S.IN_DOUBT,
    (S.IN_DOUBT, E.LOST): S.IN_DOUBT,
    (S.IN_DOUBT, E.CURTAIL): R.UNEXPECTED,
    (S.IN_DOUBT, E.SLOT_END): S.FAILED,
    (S.COMMITTED, E.HOLD): R.CONFLICT,
    (S.COMMITTED, E.GRANT): R.UNEXPECTED,
    (S.COMMITTED, E.REFUSE): R.UNEXPECTED,
    (S.COMMITTED, E.COMMIT): S.COMMITTED,
    (S.COMMITTED, E.COMMITTED): S.COMMITTED,
    (S.COMMITTED, E.FAILED): R.UNEXPECTED,
    (S.COMMITTED, E.RELEASE): S.RELEASED,
    (S.COMMITTED, E.EXPIRE): S.COMMITTED,
    (S.COMMITTED, E.LOST): S.COMMITTED,
    (S.COMMITTED, E.CURTAIL): S.COMMITTED,
    (S.COMMITTED, E.SLOT_END): S.COMMITTED,
}
for _ended, _commit_code in (
    (S.FAILED, R.HOLD_EXPIRED),
    (S.RELEASED, R.UNEXPECTED),
    (S.EXPIRED, R.HOLD_EXPIRED),
):
    TRANSITIONS.update(
        {
            (_ended, E.HOLD): R.CONFLICT,
            (_ended, E.GRANT): R.HOLD_EXPIRED,
            (_ended, E.REFUSE): _ended,
            (_ended, E.COMMIT): _commit_code,
            (_ended, E.COMMITTED): R.UNEXPECTED,
            (_ended, E.FAILED): _ended,
            (_ended, E.RELEASE): _ended,
            (_ended, E.EXPIRE): _ended,
            (_ended, E.LOST): _ended,
            (_ended, E.CURTAIL): R.UNEXPECTED,
            (_ended, E.SLOT_END): _ended,
        }
    )

ENDED: Final = frozenset({S.FAILED, S.RELEASED, S.EXPIRED})
TERMINAL: Final = ENDED | {S.COMMITTED}


def advance(state: S, event: ReservationEvent) -> S:
    """The next state. Raises PeerError with the registered code when the table refuses the event."""
    outcome = TRANSITIONS[state, event]
    if isinstance(outcome, ErrorCode):
        raise PeerError(outcome, f"{event.value} is not allowed while {state.name}")
    return outcome


def allows(state: S, event: ReservationEvent) -> bool:
    """Whether the table has a next state for the event."""
    return isinstance(TRANSITIONS[state, event], S)
