"""The state machine of a reservation: complete, closed, and as SPEC section 10.9 draws it."""

from __future__ import annotations

import pytest

from ioe_router.core.reservation_fsm import (
    ENDED,
    TERMINAL,
    TRANSITIONS,
    ReservationEvent,
    advance,
    allows,
)
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.reservation import ReservationState

S = ReservationState
E = ReservationEvent
CELLS = [(state, event) for state in ReservationState for event in ReservationEvent]

# Written down apart from the code, from the prose of section 10: rows are states, columns in this order.
COLUMNS = (
    E.HOLD,
    E.GRANT,
    E.REFUSE,
    E.COMMIT,
    E.COMMITTED,
    E.FAILED,
    E.RELEASE,
    E.EXPIRE,
    E.LOST,
    E.CURTAIL,
    E.SLOT_END,
)
NONE = "UNKNOWN_RESERVATION"
NOT_NOW = "UNEXPECTED"
TABLE = {
    S.UNSPECIFIED: f"HOLDING {NONE} {NONE} {NONE} {NONE} {NONE} {NONE} {NONE} {NONE} {NONE} {NONE}",
    S.HOLDING: "CONFLICT HELD FAILED UNEXPECTED UNEXPECTED FAILED RELEASED EXPIRED FAILED UNEXPECTED EXPIRED",
    S.HELD: f"CONFLICT {NOT_NOW} FAILED IN_DOUBT {NOT_NOW} FAILED RELEASED EXPIRED FAILED {NOT_NOW} EXPIRED",
    S.IN_DOUBT: "CONFLICT UNEXPECTED UNEXPECTED = COMMITTED FAILED UNEXPECTED = = UNEXPECTED FAILED",
    S.COMMITTED: "CONFLICT UNEXPECTED UNEXPECTED = = UNEXPECTED RELEASED = = = =",
    S.FAILED: "CONFLICT HOLD_EXPIRED = HOLD_EXPIRED UNEXPECTED = = = = UNEXPECTED =",
    S.RELEASED: "CONFLICT HOLD_EXPIRED = HOLD_EXPIRED UNEXPECTED = = = = = =",
    S.EXPIRED: "CONFLICT HOLD_EXPIRED = HOLD_EXPIRED UNEXPECTED = = = = UNEXPECTED =",
}


def expected(state: ReservationState, event: ReservationEvent) -> ReservationState | ErrorCode:
    """One cell of the table above."""
    word = TABLE[state].split()[COLUMNS.index(event)]
    if word == "=":
        return state
    return ReservationState[word] if word in ReservationState.__members__ else ErrorCode[word]


def test_every_pair_of_state_and_event_has_an_answer_and_no_other_has() -> None:
    """The table is total over both enumerations and holds nothing beside them."""
    assert set(TRANSITIONS) == set(CELLS)
    assert set(COLUMNS) == set(ReservationEvent)


@pytest.mark.parametrize(("state", "event"), CELLS, ids=[f"{s.name}-{e.value}" for s, e in CELLS])
def test_each_cell_does_what_the_table_says(state: ReservationState, event: ReservationEvent) -> None:
    """`advance` gives the next state, or raises with the code of the cell; `allows` agrees with it."""
    cell = expected(state, event)
    assert allows(state, event) is isinstance(cell, ReservationState)
    if isinstance(cell, ReservationState):
        assert advance(state, event) is cell
    else:
        with pytest.raises(PeerError) as refused:
            advance(state, event)
        assert refused.value.code is cell
        assert state.name in refused.value.detail


def reachable(state: ReservationState) -> set[ReservationState]:
    """All states that some sequence of events leads to."""
    found, queue = {state}, [state]
    while queue:
        here = queue.pop()
        for event in ReservationEvent:
            if allows(here, event) and (there := advance(here, event)) not in found:
                found.add(there)
                queue.append(there)
    return found


def test_every_state_can_be_reached() -> None:
    """From a new reservation some sequence of events leads to each state."""
    assert reachable(S.UNSPECIFIED) == set(ReservationState)


def test_every_open_state_can_end_by_time_alone() -> None:
    """No node waits for a neighbour for ever: EXPIRE or SLOT_END ends whatever is open."""
    for state in set(ReservationState) - TERMINAL - {S.UNSPECIFIED}:
        ends = {advance(state, e) for e in (E.EXPIRE, E.SLOT_END)}
        assert ends & ENDED, state


def test_what_has_ended_never_comes_back() -> None:
    """FAILED, RELEASED and EXPIRED lead nowhere; COMMITTED leads to RELEASED alone."""
    for state in ENDED:
        assert reachable(state) == {state}
    assert reachable(S.COMMITTED) == {S.COMMITTED, S.RELEASED}
    assert ENDED | {S.COMMITTED} == TERMINAL


def test_nothing_is_committed_without_having_been_in_doubt() -> None:
    """COMMITTED is entered from IN_DOUBT only, and IN_DOUBT from HELD only: no promise, no commitment."""
    into = {
        there: {s for s, e in CELLS if s is not there and allows(s, e) and advance(s, e) is there}
        for there in (S.COMMITTED, S.IN_DOUBT, S.HELD)
    }
    assert into == {S.COMMITTED: {S.IN_DOUBT}, S.IN_DOUBT: {S.HELD}, S.HELD: {S.HOLDING}}


def test_doubt_is_ended_by_outcomes_and_the_end_of_the_slot_only() -> None:
    """Neither a timer nor a lost session may guess what the origin has signed."""
    leaving = {
        e for e in ReservationEvent if allows(S.IN_DOUBT, e) and advance(S.IN_DOUBT, e) is not S.IN_DOUBT
    }
    assert leaving == {E.COMMITTED, E.FAILED, E.SLOT_END}
