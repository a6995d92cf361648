"""What a COMMIT, a RELEASE or a question is answered with: the code, the evidence, and who may say it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ioe_router.config import Timers
from ioe_router.core.events import Booked, PeerFault
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import ObjectId
from ioe_router.model.parameters import NO_BAND
from ioe_router.model.reservation import Committed, Failed, Outcome, OutcomeQuery, ReservationState
from tests.simulation.objects import Puppet
from tests.simulation.pair import KWH_J, Cable, build
from tests.simulation.sold_over_b import line, nothing_booked, repair

S = ReservationState


# ------------------------------------------------------------------ COMMIT


def test_a_commit_for_nothing_known_is_failed() -> None:
    """FAILED UNKNOWN_RESERVATION."""
    sim = repair()
    Puppet(sim, "c", "b", "a").commit()
    assert [f.code for f in sim.heard("b", "c", Failed)] == [ErrorCode.UNKNOWN_RESERVATION]


def test_a_commit_twice_is_answered_twice_and_books_once() -> None:
    """The second COMMIT gets the same COMMITTED; energy and events do not double."""
    sim = repair()
    puppet = Puppet(sim, "c", "b", "a").ask()
    puppet.commit()
    puppet.commit()
    one, other = sim.heard("b", "c", Committed)
    assert one == other
    assert len(sim.events("a", Booked)) == 1
    assert len(sim.entries("b", "a")) == 1


@pytest.mark.parametrize(
    ("accepted", "code"),
    [((2,), ErrorCode.GRANT_CHANGED), ((1, 2), ErrorCode.GRANT_CHANGED)],
)
def test_a_commit_of_a_packet_that_was_not_granted_changes_nothing(
    accepted: tuple[int, ...], code: ErrorCode
) -> None:
    """It is refused with its code, the hold stands, and a right COMMIT still succeeds."""
    sim = repair()
    puppet = Puppet(sim, "c", "b", "a").ask()
    puppet.commit(accepted)
    assert [f.code for f in sim.events("b", PeerFault)] == [code]
    assert sim.states("b") == sim.states("a") == [S.HELD]
    puppet.commit()
    assert sim.states("b") == sim.states("a") == [S.COMMITTED]


def test_a_commit_by_a_stranger_is_not_owner() -> None:
    """Only the initiator's signature takes what was granted to it."""
    sim = repair()
    puppet = Puppet(sim, "c", "b", "a").ask()
    puppet.commit(signer="a")
    assert [f.code for f in sim.events("b", PeerFault)] == [ErrorCode.NOT_OWNER]
    assert sim.states("b") == [S.HELD]


def test_a_commit_of_another_hold_is_a_conflict() -> None:
    """The object id of the HOLD_CORE ties COMMIT to what was asked."""
    sim = repair()
    puppet = Puppet(sim, "c", "b", "a").ask()
    puppet.commit(core=ObjectId(b"x" * 32))
    assert [f.code for f in sim.events("b", PeerFault)] == [ErrorCode.CONFLICT]
    assert sim.states("b") == [S.HELD]


def test_another_commit_after_the_first_is_a_conflict() -> None:
    """What was taken stays taken as it was."""
    sim = repair()
    puppet = Puppet(sim, "c", "b", "a", (KWH_J, KWH_J)).ask()
    puppet.commit((1, 2))
    puppet.commit((1,))
    assert [f.code for f in sim.events("b", PeerFault)] == [ErrorCode.CONFLICT]
    assert len(sim.entries("b", "a")) == 2


def test_a_commit_after_the_deadline_fails_at_the_hop() -> None:
    """HOLD_EXPIRED, everything is free, and the same COMMIT again gets the same answer."""
    sim = repair()
    puppet = Puppet(sim, "c", "b", "a").ask()
    sim.wait(46)
    assert sim.states("b") == sim.states("a") == [S.EXPIRED]
    nothing_booked(sim)
    puppet.commit()
    puppet.commit()
    assert [f.code for f in sim.heard("b", "c", Failed)] == [ErrorCode.HOLD_EXPIRED] * 2
    nothing_booked(sim)


def test_a_commit_that_reaches_the_origin_late_is_failed_there_and_undone_everywhere() -> None:
    """The hop is in time, the origin is not: FAILED comes back and both let go."""
    timers = replace(Timers(), keepalive_ms=0, hold_ms=45_000, hold_step_ms=10_000)
    sim = build(Cable("b", "a"), Cable("b", "c"), timers=timers)
    sim.at(1_200)
    sim.offer("a", 100_000)
    sim.at(500)
    puppet = Puppet(sim, "c", "b", "a").ask()
    sim.wait(40)
    assert (sim.states("b"), sim.states("a")) == ([S.HELD], [S.EXPIRED])
    puppet.commit()
    assert [f.code for f in sim.heard("b", "c", Failed)] == [ErrorCode.HOLD_EXPIRED]
    assert sim.states("b") == [S.FAILED]
    nothing_booked(sim)


def test_a_commit_after_the_final_gate_is_refused() -> None:
    """A packet held across the gate cannot be taken any more: set-points are out."""
    sim = line()
    sim.at(125)
    puppet = Puppet(sim, "c", "b", "a", changes={"band": NO_BAND}).ask()
    assert puppet.granted()[0].energy_j
    sim.at(119)
    puppet.commit()
    assert [f.code for f in sim.heard("b", "c", Failed)] == [ErrorCode.GATE_CLOSED]
    assert sim.entries("b", "a") == sim.entries("b", "c") == ()


# ------------------------------------------------------------------ RELEASE, questions


@pytest.mark.parametrize("committed", [False, True])
def test_a_release_frees_every_link_and_the_offer(committed: bool) -> None:
    """Held or committed, at every node at once; a second RELEASE changes nothing."""
    sim = repair()
    puppet = Puppet(sim, "c", "b", "a").ask()
    if committed:
        puppet.commit()
    puppet.release()
    assert sim.states("b") == sim.states("a") == [S.RELEASED]
    nothing_booked(sim)
    puppet.release()
    assert sim.states("b") == sim.states("a") == [S.RELEASED]
    assert sim.events("b", PeerFault) == []


def test_a_release_by_a_stranger_is_not_owner() -> None:
    """Neither another node's signature nor another neighbour can give back what is not theirs."""
    sim = build(Cable("b", "a"), Cable("b", "c"), Cable("b", "d"))
    sim.at(1_200)
    sim.offer("a", 100_000)
    sim.at(500)
    puppet = Puppet(sim, "c", "b", "a").ask()
    puppet.commit()
    puppet.release(signer="d")
    release = Puppet(sim, "d", "b", "a")
    release.body = puppet.body
    release.release()
    release.release(signer="c")
    assert [f.code for f in sim.events("b", PeerFault)] == [ErrorCode.NOT_OWNER] * 3
    assert sim.states("b") == sim.states("a") == [S.COMMITTED]


def test_a_committed_reservation_is_not_released_after_the_final_gate() -> None:
    """GATE_CLOSED, and it stays booked."""
    sim = repair()
    puppet = Puppet(sim, "c", "b", "a").ask()
    puppet.commit()
    sim.at(100)
    puppet.release()
    assert [f.code for f in sim.events("b", PeerFault)] == [ErrorCode.GATE_CLOSED]
    assert sim.states("b") == sim.states("a") == [S.COMMITTED]
    assert len(sim.entries("b", "a")) == 1


def test_a_question_about_an_outcome_is_answered_with_the_evidence() -> None:
    """Unknown here, HELD without evidence, COMMITTED with the origin's signature."""
    sim = repair()
    puppet = Puppet(sim, "c", "b", "a")
    question = OutcomeQuery(reservation=puppet.body.reservation, version=1)
    sim.say("c", "b", question)
    puppet.ask()
    sim.say("c", "b", question)
    puppet.commit()
    sim.say("c", "b", question)
    outcomes = sim.heard("b", "c", Outcome)
    assert [o.state for o in outcomes] == [S.UNSPECIFIED, S.HELD, S.COMMITTED]
    assert [o.evidence is None for o in outcomes] == [True, True, False]
