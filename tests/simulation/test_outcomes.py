"""OUTCOME: what a neighbour says about a reservation counts only with evidence, or for an open RELEASE."""

from __future__ import annotations

import pytest

from ioe_router.core.events import Booked, CommandRefused, PeerFault
from ioe_router.core.inputs import ReleaseReservation
from ioe_router.model.envelope import Envelope, ObjectType
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import ReservationId
from ioe_router.model.reservation import Failed, Outcome, OutcomeQuery, Release, ReservationState
from tests.simulation.bent_wire import dropping
from tests.simulation.pair import KWH_J, Cable, Sim, build

S = ReservationState
ANSWERS = (ObjectType.COMMITTED, ObjectType.FAILED, ObjectType.OUTCOME)


def line() -> Sim:
    """Node a offers, b stands between, c wants; a keeps ab, c keeps bc; after the bands."""
    sim = build(Cable("a", "b"), Cable("c", "b"))
    sim.at(1_200)
    sim.offer("a", 100_000)
    sim.at(500)
    return sim


def doubtful(sim: Sim) -> None:
    """One reservation of c that the origin has committed, and no answer gets through."""
    sim.wire.on_object = dropping(*ANSWERS)
    sim.want("c", KWH_J, 200_000)
    sim.wait(4)
    assert [sim.states(name) for name in "abc"] == [[S.COMMITTED], [S.IN_DOUBT], [S.IN_DOUBT]]
    sim.wire.on_object = dropping(ObjectType.HOLD, ObjectType.COMMIT_HOP)


def outcome(sim: Sim, state: ReservationState, evidence: Envelope | None = None) -> Outcome:
    """What somebody says about the reservation."""
    (record, *_) = sim.records("c")
    reservation, version = record.key
    return Outcome(reservation=reservation, version=version, state=state, evidence=evidence)


def codes(sim: Sim, name: str) -> list[ErrorCode]:
    """Faults of a node's neighbours, as codes."""
    return [fault.code for fault in sim.events(name, PeerFault)]


def test_evidence_of_commitment_ends_doubt() -> None:
    """COMMITTED inside an OUTCOME counts as if it had come by itself, and is confirmed."""
    sim = line()
    doubtful(sim)
    (at_origin,) = sim.records("a")
    assert at_origin.committed is not None
    sim.say("a", "b", outcome(sim, S.COMMITTED, at_origin.committed.envelope))
    assert [sim.states(name) for name in "abc"] == [[S.COMMITTED]] * 3
    sim.wait(3)
    sim.check_quiet()


def test_evidence_of_failure_ends_doubt() -> None:
    """A signed FAILED inside an OUTCOME fails the reservation and goes on toward the initiator."""
    sim = line()
    doubtful(sim)
    reservation, version = sim.records("c")[0].key
    failed = Failed(reservation=reservation, version=version, code=ErrorCode.HOLD_EXPIRED, node=sim.node("a"))
    sim.say("a", "b", outcome(sim, S.FAILED, sim.seal("a", failed)))
    assert [sim.states(name)[0] for name in "bc"] == [S.FAILED, S.FAILED]


@pytest.mark.parametrize("state", list(S))
def test_a_state_without_evidence_changes_nothing(state: ReservationState) -> None:
    """Whatever a neighbour claims, doubt ends by a signature only."""
    sim = line()
    doubtful(sim)
    sim.say("a", "b", outcome(sim, state))
    assert [sim.states(name) for name in "abc"] == [[S.COMMITTED], [S.IN_DOUBT], [S.IN_DOUBT]]
    assert codes(sim, "b") == []


def test_an_outcome_from_the_initiators_side_is_refused() -> None:
    """Only the neighbour that was asked may tell."""
    sim = line()
    doubtful(sim)
    sim.say("c", "b", outcome(sim, S.FAILED))
    assert codes(sim, "b") == [ErrorCode.NOT_OWNER]


def test_the_answer_to_a_query_carries_the_evidence() -> None:
    """COMMITTED, RELEASE or FAILED, as the reservation has ended; nothing for what is not known."""
    sim = line()
    sim.want("c", KWH_J, 200_000)
    sim.wait(4)
    (record,) = sim.records("c")
    reservation, version = record.key
    sim.wire.on_object = dropping(ObjectType.HOLD)
    sim.say("c", "b", OutcomeQuery(reservation=reservation, version=version))
    sim.wire.give(sim.node("c"), ReleaseReservation(reservation=reservation))
    sim.wire.settle()
    sim.say("c", "b", OutcomeQuery(reservation=reservation, version=version))
    sim.say("c", "b", OutcomeQuery(reservation=reservation, version=version + 1))
    told = [(o.state, None if o.evidence is None else o.evidence.type) for o in sim.heard("b", "c", Outcome)]
    assert told == [
        (S.COMMITTED, ObjectType.COMMITTED),
        (S.RELEASED, ObjectType.RELEASE),  # confirms the RELEASE
        (S.RELEASED, ObjectType.RELEASE),
        (S.UNSPECIFIED, None),
    ]


# ------------------------------------------------------------------ RELEASE


def released_in_vain(sim: Sim) -> None:
    """The initiator gives back what is committed; its neighbour does not hear of it."""
    sim.want("c", KWH_J, 200_000)
    sim.wait(4)
    (booked,) = sim.events("c", Booked)
    sim.wire.on_object = dropping(ObjectType.HOLD, ObjectType.RELEASE)
    sim.wire.give(sim.node("c"), ReleaseReservation(reservation=booked.reservation))
    sim.wire.settle()
    assert sim.states("c") == [S.RELEASED]


@pytest.mark.parametrize("state", [S.RELEASED, S.FAILED, S.EXPIRED, S.UNSPECIFIED])
def test_an_open_release_is_closed_by_the_neighbour_letting_go(state: ReservationState) -> None:
    """The line toward the origin is free as soon as the neighbour says that nothing stands there."""
    sim = line()
    released_in_vain(sim)
    assert len(sim.entries("c", "b")) == 1
    sim.say("b", "c", outcome(sim, state))
    assert sim.entries("c", "b") == ()


@pytest.mark.parametrize("state", [S.COMMITTED, S.IN_DOUBT, S.HELD, S.HOLDING])
def test_nobody_may_refuse_a_release_before_the_gate(state: ReservationState) -> None:
    """The RELEASE is repeated whatever the neighbour says, and then ends the reservation."""
    sim = line()
    released_in_vain(sim)
    sim.say("b", "c", outcome(sim, state))
    assert len(sim.entries("c", "b")) == 1
    sim.wire.on_object = dropping(ObjectType.HOLD)
    sim.wait(3)
    assert [sim.states(name)[0] for name in "abc"] == [S.RELEASED] * 3
    assert sim.entries("c", "b") == ()


def test_a_release_that_never_gets_through_leaves_the_line_booked() -> None:
    """To the end of the slot the neighbour heard nothing: both ends have the packet on their books."""
    sim = line()
    released_in_vain(sim)
    sim.at(-903)
    assert [sim.states(name)[0] for name in "abc"] == [S.COMMITTED, S.COMMITTED, S.RELEASED]
    assert sim.entries("c", "b") == sim.entries("b", "c") != ()
    sent = len(sim.wire.log)
    sim.wait(20)
    assert len(sim.wire.log) == sent  # and it is not repeated any more


def test_a_release_after_the_gate_is_refused_at_home() -> None:
    """The host asks too late: nothing is sent, nothing changes, and the event says why."""
    sim = line()
    sim.want("c", KWH_J, 200_000)
    sim.wait(4)
    (booked,) = sim.events("c", Booked)
    sim.at(60)
    sim.wire.give(sim.node("c"), ReleaseReservation(reservation=booked.reservation))
    sim.wire.settle()
    assert sim.states("c") == [S.COMMITTED]
    assert [no.code for no in sim.events("c", CommandRefused)] == [ErrorCode.GATE_CLOSED]
    assert codes(sim, "c") == []
    assert sim.heard("c", "b", Release) == []


def test_a_release_of_the_unknown_is_answered() -> None:
    """A neighbour that has lost the reservation says so, and the sender need not ask again."""
    sim = line()
    body = Release(reservation=ReservationId(b"r" * 16), version=1, initiator=sim.node("c"))
    sim.wire.inject("c", "b", sim.seal("c", body))
    assert [o.state for o in sim.heard("b", "c", Outcome)] == [S.UNSPECIFIED]
    assert codes(sim, "b") == [ErrorCode.UNKNOWN_RESERVATION]
