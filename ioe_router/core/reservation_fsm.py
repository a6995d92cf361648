"""The reservation state machine as data (SPEC section 10).

Every pair of state and event has an answer: a next state, or a refusal code.
`advance` is the only way a state changes.  The table decides whether an event
is allowed and where it leads; `answers` says what a node in transit then sends.
What is booked is decided by the paths (hold, grant, commit, release, curtail).

    NEW --hold--> HOLDING --grant--> HELD --commit--> IN_DOUBT --committed--> COMMITTED
                     |                 |                  |                      |
                  refuse/expire     expire/release      failed                release/curtail
"""

from __future__ import annotations

from dataclasses import dataclass
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


class Toward(StrEnum):
    """Where a node in transit sends what an event makes it say."""

    INITIATOR = "initiator"
    ORIGIN = "origin"
    SENDER = "sender"  # of the object that is refused


@dataclass(frozen=True, slots=True)
class Answer:
    """One object that goes out because of an event: its type by name, and the way it takes."""

    kind: str
    toward: Toward


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
for _ended in (S.FAILED, S.RELEASED, S.EXPIRED):
    TRANSITIONS.update(
        {
            (_ended, E.HOLD): R.CONFLICT,
            (_ended, E.GRANT): R.HOLD_EXPIRED,
            (_ended, E.REFUSE): _ended,
            (_ended, E.COMMIT): R.HOLD_EXPIRED,
            (_ended, E.COMMITTED): R.UNEXPECTED,
            (_ended, E.FAILED): _ended,
            (_ended, E.RELEASE): _ended,
            (_ended, E.EXPIRE): _ended,
            (_ended, E.LOST): _ended,
            (_ended, E.CURTAIL): R.UNEXPECTED,
            (_ended, E.SLOT_END): _ended,
        }
    )

_TO_INITIATOR, _TO_ORIGIN, _TO_SENDER = Toward.INITIATOR, Toward.ORIGIN, Toward.SENDER
_MOVES: Final[dict[tuple[S, ReservationEvent], tuple[Answer, ...]]] = {
    (S.UNSPECIFIED, E.HOLD): (Answer("HOLD", _TO_ORIGIN),),
    (S.HOLDING, E.GRANT): (Answer("GRANT", _TO_INITIATOR),),
    (S.HOLDING, E.REFUSE): (Answer("REFUSE", _TO_INITIATOR),),
    (S.HOLDING, E.FAILED): (Answer("FAILED", _TO_INITIATOR),),
    (S.HOLDING, E.EXPIRE): (Answer("REFUSE", _TO_INITIATOR),),
    (S.HOLDING, E.LOST): (Answer("REFUSE", _TO_INITIATOR),),
    (S.HOLDING, E.SLOT_END): (Answer("REFUSE", _TO_INITIATOR),),
    (S.HELD, E.REFUSE): (Answer("REFUSE", _TO_INITIATOR),),
    (S.HELD, E.COMMIT): (Answer("COMMIT_HOP", _TO_ORIGIN),),
    (S.HELD, E.FAILED): (Answer("FAILED", _TO_INITIATOR),),
    (S.HELD, E.LOST): (Answer("FAILED", _TO_INITIATOR),),
    (S.IN_DOUBT, E.COMMITTED): (Answer("COMMITTED", _TO_INITIATOR), Answer("RECEIPT", _TO_ORIGIN)),
    (S.IN_DOUBT, E.FAILED): (Answer("FAILED", _TO_INITIATOR),),
    (S.IN_DOUBT, E.SLOT_END): (Answer("FAILED", _TO_INITIATOR),),
    (S.COMMITTED, E.COMMIT): (Answer("COMMITTED", _TO_INITIATOR),),
    (S.COMMITTED, E.COMMITTED): (Answer("RECEIPT", _TO_ORIGIN),),
    (S.COMMITTED, E.CURTAIL): (Answer("CURTAIL_HOP", _TO_INITIATOR),),
}
_OWN: Final = frozenset({E.EXPIRE, E.LOST, E.SLOT_END})  # of the node itself: nobody is answered


def answers(state: S, event: ReservationEvent) -> tuple[Answer, ...]:
    """What a node in transit says on an event; CURTAIL is one from the origin's side."""
    outcome = TRANSITIONS[state, event]
    if event is E.RELEASE:
        told = (Answer("OUTCOME", _TO_INITIATOR),)
        if isinstance(outcome, ErrorCode):
            return (*told, Answer("FAULT", _TO_SENDER))
        return told if outcome is state else (*told, Answer("RELEASE", _TO_ORIGIN))
    if not isinstance(outcome, ErrorCode):
        return _MOVES.get((state, event), ())
    if event in _OWN:
        return ()
    if event is E.HOLD:
        return (Answer("REFUSE", _TO_INITIATOR),)
    if event is E.COMMIT and outcome is not R.UNEXPECTED:
        return (Answer("FAILED", _TO_INITIATOR),)
    return (Answer("FAULT", _TO_SENDER),)


# what is released here stays booked toward the origin until it is confirmed, and may be cut meanwhile
TRANSITIONS[S.RELEASED, E.CURTAIL] = S.RELEASED

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
