"""What a reservation does when messages, sessions or time are lost: alike at every node."""

from __future__ import annotations

import pytest

from ioe_router.core.events import Booked, HoldAnswered
from ioe_router.core.inputs import ReleaseReservation
from ioe_router.model.envelope import ObjectType
from ioe_router.model.errors import ErrorCode, Persistence, Scope
from ioe_router.model.reservation import Failed, Receipt, Refuse, ReservationState
from tests.simulation.bent_wire import Passing, dropping
from tests.simulation.lossy_line import ask, cut, line, states
from tests.simulation.pair import KWH_J, SLOT
from tests.simulation.sold_over_b import nothing_booked

S = ReservationState
GRANT, REFUSE, COMMIT_HOP, COMMITTED = (
    ObjectType.GRANT,
    ObjectType.REFUSE,
    ObjectType.COMMIT_HOP,
    ObjectType.COMMITTED,
)


# ------------------------------------------------------------------ lost answers


def test_a_lost_grant_lets_every_node_go_at_its_own_deadline() -> None:
    """Holds end from the origin on; the initiator hears HOLD_EXPIRED; all capacity is free."""
    sim = line()
    sim.wire.on_object = dropping(GRANT, sender="b")
    ask(sim)
    assert states(sim) == [[S.HOLDING], [S.HELD], [S.HELD]]
    assert sim.used_j("a", "b") > 0
    sim.wait(43)
    assert states(sim) == [[S.HOLDING], [S.HELD], [S.EXPIRED]]
    sim.wait(1)
    sim.wire.on_object = lambda *_: []  # no second round
    sim.wait(2)
    assert [s[0] for s in states(sim)] == [S.EXPIRED, S.EXPIRED, S.EXPIRED]
    assert sim.events("c", HoldAnswered)[0].code is ErrorCode.HOLD_EXPIRED
    for one, other in ("ab", "ba", "bc"):
        assert sim.entries(one, other) == ()
    assert sim.free_j("a") == 100 * KWH_J
    sim.check()


def test_a_hop_that_hears_nothing_refuses_toward_the_initiator() -> None:
    """REFUSE HOLD_EXPIRED, about the reservation, from the node whose deadline passed."""
    sim = line()
    sim.wire.on_object = dropping(GRANT, sender="a")
    ask(sim)
    sim.wait(44)
    (refuse,) = sim.heard("b", "c", Refuse)
    assert (refuse.code, refuse.scope) == (ErrorCode.HOLD_EXPIRED, Scope.RESERVATION)
    assert refuse.failing_node == sim.node("b")


@pytest.mark.parametrize("late", [Refuse, Failed])
def test_an_answer_after_the_end_changes_nothing(late: type) -> None:
    """The initiator has given up; a REFUSE or FAILED that comes then is heard and does no harm."""
    sim = line()
    sim.wire.on_object = dropping(GRANT)
    ask(sim)
    sim.wait(46)
    (record, *_) = sim.records("c")
    assert record.state is S.FAILED
    answers = len(sim.events("c", HoldAnswered))
    values = {"reservation": record.core.body.reservation, "version": 1, "code": ErrorCode.HOLD_EXPIRED}
    if late is Refuse:
        values |= {
            "persistence": Persistence.PERMANENT,
            "scope": Scope.NODE,
            "failing_node": sim.node("b"),
            "retry_after_ms": 0,
            "items": (),
        }
    else:
        values |= {"node": sim.node("b")}
    sim.say("b", "c", late(**values))
    assert len(sim.events("c", HoldAnswered)) == answers
    sim.check()


def test_a_failure_after_a_release_does_not_take_the_energy_twice() -> None:
    """The want's cover falls by what was released, once, whatever the neighbour says afterwards."""
    sim = line()
    ask(sim)
    (booked,) = sim.events("c", Booked)
    sim.wire.on_object = dropping(ObjectType.HOLD)
    sim.wire.give(sim.node("c"), ReleaseReservation(reservation=booked.reservation))
    sim.wire.settle()
    failed = Failed(reservation=booked.reservation, version=1, code=ErrorCode.NO_ENERGY, node=sim.node("b"))
    sim.say("b", "c", failed)
    (deal,) = sim.router("c")._parts.desk.deals()
    assert (deal.covered_j, deal.open_j) == (0, KWH_J)
    assert sim.free_j("a") == 100 * KWH_J


@pytest.mark.parametrize("hop", [("c", "b"), ("b", "a")])
def test_a_lost_commit_is_repeated_until_the_origin_has_it(hop: tuple[str, str]) -> None:
    """COMMIT is sent again every two seconds; the reservation is committed everywhere, once."""
    sim = line()
    sim.wire.on_object = dropping(COMMIT_HOP, sender=hop[0], receiver=hop[1])
    ask(sim)
    assert sim.states("c") == [S.IN_DOUBT]
    sim.wait(5)
    sim.wire.on_object = None
    sim.wait(3)
    assert states(sim) == [[S.COMMITTED]] * 3
    assert len(sim.events("c", Booked)) == len(sim.events("a", Booked)) == 1
    sim.check_quiet()


@pytest.mark.parametrize("hop", [("a", "b"), ("b", "c")])
def test_a_lost_committed_is_given_again(hop: tuple[str, str]) -> None:
    """Who has the outcome repeats it to the repeated COMMIT, and gets its RECEIPT then."""
    sim = line()
    sim.wire.on_object = dropping(COMMITTED, sender=hop[0], receiver=hop[1])
    ask(sim)
    assert (sim.states("c"), sim.states("a")) == ([S.IN_DOUBT], [S.COMMITTED])
    sim.wire.on_object = None
    sim.wait(3)
    assert states(sim) == [[S.COMMITTED]] * 3
    assert len(sim.heard(hop[1], hop[0], Receipt)) == 1
    assert len(sim.events("c", Booked)) == 1
    sim.check_quiet()


def test_a_commit_that_is_lost_too_long_fails_everywhere() -> None:
    """The origin lets go at its deadline; the COMMIT that then arrives is FAILED back to the initiator."""
    sim = line()
    sim.wire.on_object = dropping(COMMIT_HOP, sender="b")
    ask(sim)
    sim.wait(46)
    assert states(sim) == [[S.IN_DOUBT], [S.IN_DOUBT], [S.EXPIRED]]
    sim.check()
    sim.wire.on_object = dropping(ObjectType.HOLD)
    sim.wait(3)
    assert [s[0] for s in states(sim)] == [S.FAILED, S.FAILED, S.EXPIRED]
    assert [f.code for f in sim.heard("b", "c", Failed)] == [ErrorCode.HOLD_EXPIRED]
    assert sim.events("c", Booked) == []
    for one, other in ("ab", "ba"):
        assert sim.entries(one, other) == ()
    assert sim.free_j("a") == 100 * KWH_J


def test_doubt_ends_with_the_slot() -> None:
    """Without any outcome the packets occupy their links to the end of the slot and not beyond."""
    sim = line()
    sim.wire.on_object = dropping(COMMIT_HOP, sender="b")
    ask(sim)
    sim.at(-890)
    assert states(sim)[:2] == [[S.IN_DOUBT], [S.IN_DOUBT]]
    assert sim.used_j("b", "c") > 0
    sim.at(-903)
    assert states(sim)[:2] == [[S.FAILED], [S.FAILED]]
    nothing_booked(sim)


def test_a_reservation_in_doubt_at_the_final_gate_is_not_dispatched() -> None:
    """Set-points are for what is committed: a packet without outcome moves nobody's devices."""
    sim = line()
    sim.wire.on_object = dropping(COMMIT_HOP, sender="b")
    ask(sim)
    sim.at(110)
    assert states(sim)[:2] == [[S.IN_DOUBT], [S.IN_DOUBT]]
    for name in "abc":
        schedules = [x for x in sim.wire.nodes[sim.node(name)].schedules if x.slot == SLOT]
        assert schedules
        assert all(x.energy_j == 0 for x in schedules), name


# ------------------------------------------------------------------ lost neighbours


def test_a_neighbour_lost_while_holding_refuses_the_hold() -> None:
    """The hop cannot get an answer any more and says NEIGHBOR_LOST at once."""
    sim = line()
    sim.wire.on_object = dropping(GRANT, sender="a")
    ask(sim)
    assert sim.states("b") == [S.HOLDING]
    cut(sim, "a", "b")
    assert [(r.code, r.scope) for r in sim.heard("b", "c", Refuse)] == [(ErrorCode.NEIGHBOR_LOST, Scope.NODE)]
    assert [s[0] for s in states(sim)][:2] == [S.FAILED, S.FAILED]
    sim.wait(46)
    nothing_booked(sim)


def test_a_neighbour_lost_while_held_fails_the_hold() -> None:
    """The promise of the far side is worth nothing now: FAILED NEIGHBOR_LOST toward the initiator."""
    sim = line()
    sim.wire.on_object = dropping(COMMIT_HOP, sender="c")
    ask(sim)
    assert sim.states("b") == [S.HELD]
    cut(sim, "a", "b")
    assert [f.code for f in sim.heard("b", "c", Failed)] == [ErrorCode.NEIGHBOR_LOST]
    assert [s[0] for s in states(sim)][:2] == [S.FAILED, S.FAILED]
    sim.wait(46)
    nothing_booked(sim)


def test_a_neighbour_lost_while_in_doubt_leaves_the_doubt_and_coming_back_ends_it() -> None:
    """Only the origin knows; when the session stands again the repeated COMMIT brings its answer."""
    sim = line()
    sim.wire.on_object = dropping(COMMITTED, sender="a")
    ask(sim)
    assert (sim.states("b"), sim.states("a")) == ([S.IN_DOUBT], [S.COMMITTED])
    cut(sim, "a", "b")
    sim.wait(60)
    assert sim.states("b") == [S.IN_DOUBT]
    assert sim.used_j("a", "b") > 0
    sim.wire.on_object = None
    sim.wire.connect(sim.node("a"), sim.node("b"))
    sim.wait(5)
    assert states(sim)[0][0] is states(sim)[1][0] is states(sim)[2][0] is S.COMMITTED
    sim.check_quiet()


def test_a_neighbour_lost_after_commitment_changes_nothing() -> None:
    """What is committed stays booked at both ends of every link."""
    sim = line()
    ask(sim)
    cut(sim, "a", "b")
    cut(sim, "b", "c")
    sim.wait(60)
    assert states(sim) == [[S.COMMITTED]] * 3
    sim.check_quiet()


@pytest.mark.parametrize("lost", [GRANT, COMMIT_HOP], ids=["holding", "held"])
def test_the_side_of_the_initiator_lost_lets_holds_run_out(lost: ObjectType) -> None:
    """A hop whose near neighbour is gone has nobody to tell: the hold ends by its deadline, without error."""
    sim = line()
    sim.wire.on_object = dropping(lost, sender="a" if lost is GRANT else "c")
    ask(sim)
    cut(sim, "b", "c")
    sim.wait(50)
    assert sim.states("b")[0] in (S.FAILED, S.EXPIRED)
    free_of_b = [sim.entries("b", "a"), sim.entries("b", "c"), sim.entries("a", "b")]
    assert free_of_b == [(), (), ()]


def test_a_grant_for_a_neighbour_that_is_gone_is_no_reason_to_fall_over() -> None:
    """The answer arrives after the asker's session was lost; the hop keeps it and goes on working."""
    sim = line()
    held: list[Passing] = []

    def slow(passing: Passing) -> list[Passing]:
        if passing.sender != "a":
            return [passing]
        late = Passing(passing.sender, passing.receiver, passing.data, 3_000)
        held.append(late)
        return [late]

    sim.wire.on_frame = slow
    ask(sim)
    assert sim.states("b") == [S.HOLDING]
    cut(sim, "b", "c")
    sim.wait(5)
    assert held
    assert sim.states("b") == [S.HELD]
    sim.wire.on_frame = None
    sim.wait(50)
    assert sim.entries("b", "a") == sim.entries("b", "c") == ()
    sim.check()


def test_an_outcome_for_a_neighbour_that_is_gone_waits_for_its_question() -> None:
    """COMMITTED arrives while the near side is away; coming back it asks again and is told."""
    sim = line()
    sim.wire.on_frame = lambda p: [Passing(p.sender, p.receiver, p.data, 2_000 if p.sender == "a" else 0)]
    sim.want("c", KWH_J, 200_000)
    while not sim.records("c"):
        sim.wait(1)
    sim.wait(2)
    assert (sim.states("c"), sim.states("b")) == ([S.IN_DOUBT], [S.IN_DOUBT])
    cut(sim, "b", "c")
    sim.wait(3)
    assert (sim.states("c"), sim.states("b")) == ([S.IN_DOUBT], [S.COMMITTED])
    sim.wire.on_frame = None
    sim.wire.connect(sim.node("c"), sim.node("b"))
    sim.wait(5)
    assert sim.states("c")[0] is S.COMMITTED
    sim.check_quiet()


def test_a_release_while_the_way_to_the_origin_is_gone_ends_at_home() -> None:
    """What is given back ends at once; the first link stays booked until the neighbour has heard of it."""
    sim = line()
    ask(sim)
    (booked,) = sim.events("c", Booked)
    cut(sim, "b", "c")
    sim.wire.give(sim.node("c"), ReleaseReservation(reservation=booked.reservation))
    sim.wire.settle()
    assert sim.states("c") == [S.RELEASED]
    assert len(sim.entries("c", "b")) == 1
    sim.check()
    sim.wire.on_object = dropping(ObjectType.HOLD)  # the want is open again, and stays so
    sim.wire.connect(sim.node("c"), sim.node("b"))
    sim.wait(3)
    assert [s[0] for s in states(sim)] == [S.RELEASED] * 3
    nothing_booked(sim)
