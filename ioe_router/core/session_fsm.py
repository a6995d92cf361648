"""The state machine of a neighbour session as data (SPEC section 6).

    IDLE --up--> HELLO_SENT --hello--> PROOF_SENT --proof--> ESTABLISHED
      ^              |                     |                     |
      +---- down ----+------ close --> CLOSING <---- close ------+

Both ends run the same machine: each sends its HELLO as soon as the transport
stands, answers the other's HELLO with a proof over both, and is established
by the other's proof.  What is sent on a transition is decided by the caller
(session.py); the table decides only whether the event is allowed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from ioe_router.model.errors import ErrorCode, PeerError, UsageError


class SessionState(StrEnum):
    """Where the session with one neighbour stands."""

    IDLE = "idle"  # no transport
    HELLO_SENT = "hello_sent"  # transport stands, our HELLO is out
    PROOF_SENT = "proof_sent"  # their HELLO was good, our proof is out
    ESTABLISHED = "established"  # their proof was good
    CLOSING = "closing"  # closed by us or them, the transport is still there


class SessionEvent(StrEnum):
    """What can happen to a session."""

    UP = "up"  # the transport stands
    HELLO = "hello"  # a good HELLO from the neighbour
    PROOF = "proof"  # a good proof from the neighbour
    CLOSE = "close"  # either side ends the session, or a deadline has passed
    DOWN = "down"  # the transport is gone


S = SessionState
E = SessionEvent

TRANSITIONS: Final[dict[tuple[SessionState, SessionEvent], SessionState]] = {
    (S.IDLE, E.UP): S.HELLO_SENT,
    (S.IDLE, E.DOWN): S.IDLE,
    (S.HELLO_SENT, E.HELLO): S.PROOF_SENT,
    (S.HELLO_SENT, E.CLOSE): S.CLOSING,
    (S.HELLO_SENT, E.DOWN): S.IDLE,
    (S.PROOF_SENT, E.PROOF): S.ESTABLISHED,
    (S.PROOF_SENT, E.CLOSE): S.CLOSING,
    (S.PROOF_SENT, E.DOWN): S.IDLE,
    (S.ESTABLISHED, E.CLOSE): S.CLOSING,
    (S.ESTABLISHED, E.DOWN): S.IDLE,
    (S.CLOSING, E.HELLO): S.CLOSING,  # ignored, like everything that was on the way
    (S.CLOSING, E.PROOF): S.CLOSING,
    (S.CLOSING, E.CLOSE): S.CLOSING,
    (S.CLOSING, E.DOWN): S.IDLE,
}
_FROM_PEER: Final = (E.HELLO, E.PROOF)


def advance(state: SessionState, event: SessionEvent) -> SessionState:
    """The next state.

    A pair that the table does not have is PeerError UNEXPECTED when the
    neighbour caused the event, else UsageError.
    """
    following = TRANSITIONS.get((state, event))
    if following is not None:
        return following
    if event in _FROM_PEER:
        raise PeerError(ErrorCode.UNEXPECTED, f"{event.upper()} in session state {state}")
    raise UsageError(f"session event {event} in state {state}; report SessionDown before the next SessionUp")
