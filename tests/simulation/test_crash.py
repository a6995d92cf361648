"""What a node has promised survives its crash: at every role, in every state, at every instant."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ioe_router.core.effects import RecordKind
from ioe_router.core.events import Booked, BookingRestored, PeerFault
from ioe_router.core.inputs import ReleaseReservation
from ioe_router.core.steps import KEPT_SLOTS
from ioe_router.model.envelope import ObjectType
from ioe_router.model.errors import ErrorCode
from ioe_router.model.reservation import ReservationState
from tests.simulation.bent_wire import dropping
from tests.simulation.crash_line import OFFERED_J, come_back, committed, line, want
from tests.simulation.crashing import (
    crash,
    disagreements,
    is_down,
    new_router,
    reconnect,
    restart,
    stored,
    watch_barriers,
)
from tests.simulation.pair import KWH_J, SLOT, SLOT_S

S = ReservationState


# ------------------------------------------------------------------ each state, each role


@pytest.mark.parametrize("name", list("abc"))
def test_a_committed_packet_survives_the_crash_of_any_node(name: str) -> None:
    """It stays booked at both ends of every link, with its price; nothing is bought twice."""
    sim = committed(line())
    before = [sim.entries(one, other) for one, other in ("ab", "ba", "bc", "cb")]
    crash(sim, name)
    come_back(sim, name)
    assert [sim.states(one) for one in "abc"] == [[S.COMMITTED]] * 3
    assert [sim.entries(one, other) for one, other in ("ab", "ba", "bc", "cb")] == before
    assert sim.free_j("a") == OFFERED_J - sum(g.energy_j for g in sim.records("a")[0].granted.values())
    sim.check_quiet()


@pytest.mark.parametrize(("name", "is_told"), [("a", True), ("b", False), ("c", True)])
def test_the_host_of_either_end_is_told_again_what_is_booked(name: str, is_told: bool) -> None:
    """BookingRestored repeats the Booked of before; a node in transit has nothing to tell."""
    sim = committed(line())
    crash(sim, name)
    restart(sim, name)
    booked = sim.events(name, Booked)
    assert [event.booked for event in sim.events(name, BookingRestored)] == booked
    assert len(booked) == is_told


def test_a_want_that_is_stated_again_buys_nothing_twice() -> None:
    """What a want has got counts as covered under its number, and only the rest is bought."""
    sim = committed(line())
    crash(sim, "c")
    restart(sim, "c")
    reconnect(sim)
    want(sim, "c", 3 * KWH_J)
    sim.wait(100)
    (deal,) = sim.router("c")._parts.desk.deals()
    assert deal.covered_j == 3 * KWH_J
    assert sum(e.increment.received_j for e in sim.entries("c", "b")) == 3 * KWH_J
    sim.check_quiet()


@pytest.mark.parametrize("early", [True, False])
def test_a_hold_that_survives_a_crash_keeps_its_deadline(early: bool) -> None:
    """Restarted after 20 s it ends 45 s after the HOLD; restarted after 60 s it has ended already."""
    sim = line()
    sim.wire.on_object = dropping(ObjectType.COMMIT_HOP, ObjectType.FAILED, sender="c")
    want(sim, "c")
    sim.wait(1)
    (record,) = sim.records("a")
    ends_s = sim.wire.now.utc_s + 43 - 1  # the second hop has 43 s
    assert [sim.states(name) for name in "ab"] == [[S.HELD]] * 2
    crash(sim, "a")
    sim.wait(20 if early else 60)
    restart(sim, "a")
    if early:
        assert sim.states("a") == [S.HELD]
        sim.wire.run_until(ends_s - 1)
        assert sim.states("a") == [S.HELD]
        sim.wire.run_until(ends_s + 1)
    assert sim.states("a") == [S.EXPIRED]
    assert sim.entries("a", "b") == ()
    assert record.state is S.HELD  # the old life never learned of it


def test_a_clock_that_was_set_back_does_not_lengthen_a_hold() -> None:
    """However early the wall clock says it is, a restored hold lasts no longer than a new one."""
    sim = line()
    sim.wire.on_object = dropping(ObjectType.COMMIT_HOP, sender="c")
    want(sim, "c")
    crash(sim, "a")
    early = replace(sim.wire.now, utc_ms=sim.wire.now.utc_ms - 600_000)
    router = new_router(sim, "a")
    router.restore(tuple(sim.wire.nodes[sim.node("a")].store.values()), early)
    (record,) = router._parts.reservations.all()
    assert record.deadline_ns <= early.after_ms(router._config.timers.hold_ms)


@pytest.mark.parametrize("name", list("bc"))
def test_doubt_survives_a_crash_and_ends_by_asking_again(name: str) -> None:
    """The COMMIT is durable; after the restart it is repeated and brings the origin's answer."""
    sim = line()
    sim.wire.on_object = dropping(ObjectType.COMMITTED, sender="a")
    want(sim, "c")
    assert [sim.states(one) for one in "abc"] == [[S.COMMITTED], [S.IN_DOUBT], [S.IN_DOUBT]]
    crash(sim, name)
    sim.wire.on_object = None
    come_back(sim, name)
    assert [sim.states(one) for one in "abc"] == [[S.COMMITTED]] * 3
    sim.check_quiet()


def test_doubt_ends_with_failure_when_the_origin_has_let_go() -> None:
    """The COMMIT that a restarted hop repeats comes too late: FAILED goes back to the initiator."""
    sim = line()
    sim.wire.on_object = dropping(ObjectType.COMMIT_HOP, sender="b")
    want(sim, "c")
    assert [sim.states(one) for one in "abc"] == [[S.HELD], [S.IN_DOUBT], [S.IN_DOUBT]]
    crash(sim, "b")
    sim.wait(60)
    sim.wire.on_object = dropping(ObjectType.HOLD)
    restart(sim, "b")
    assert sim.states("b") == [S.IN_DOUBT]
    reconnect(sim)
    sim.wait(3)
    assert [sim.states(one)[0] for one in "abc"] == [S.EXPIRED, S.FAILED, S.FAILED]
    assert [sim.entries(one, other) for one, other in ("ab", "ba", "bc")] == [()] * 3


def test_the_origin_answers_a_commit_of_before_its_crash() -> None:
    """It has signed COMMITTED and crashed before that left: the repeated COMMIT gets the same bytes."""
    sim = line()
    sim.wire.on_object = dropping(ObjectType.COMMITTED, sender="a")
    want(sim, "c")
    (before,) = sim.records("a")
    crash(sim, "a")
    sim.wire.on_object = None
    come_back(sim, "a")
    (after,) = sim.records("c")
    assert before.committed is not None
    assert after.committed is not None
    assert after.committed.envelope == before.committed.envelope
    sim.check_quiet()


@pytest.mark.parametrize("name", list("abc"))
def test_a_release_is_not_lost_with_a_crash(name: str) -> None:
    """Given back while a node is down, or crashed after: all nodes end RELEASED, all links free."""
    sim = committed(line())
    (booked,) = sim.events("c", Booked)
    release = ReleaseReservation(reservation=booked.reservation)
    sim.wire.on_object = dropping(ObjectType.HOLD)
    if name == "c":
        sim.wire.disconnect(sim.node("b"), sim.node("c"))
        sim.wire.give(sim.node("c"), release)
        sim.wire.settle()
        crash(sim, "c")
    else:
        crash(sim, name)
        sim.wire.give(sim.node("c"), release)
        sim.wire.settle()
    sim.wait(3)
    restart(sim, name)
    reconnect(sim)
    sim.wait(5)
    assert [sim.states(one)[0] for one in "abc"] == [S.RELEASED] * 3
    assert [sim.entries(one, other) for one, other in ("ab", "ba", "bc", "cb")] == [()] * 4


def test_who_cannot_pass_a_release_on_before_the_gate_stands_in() -> None:
    """The hop has let the initiator go; the origin hears too late and keeps its sale to the hop."""
    sim = committed(line())
    (booked,) = sim.events("c", Booked)
    sim.wire.on_object = dropping(ObjectType.HOLD)
    sim.wire.disconnect(sim.node("a"), sim.node("b"))
    sim.wire.give(sim.node("c"), ReleaseReservation(reservation=booked.reservation))
    sim.wire.settle()
    sim.at(60)
    reconnect(sim)
    sim.wait(5)
    assert [sim.states(one)[0] for one in "abc"] == [S.COMMITTED, S.RELEASED, S.RELEASED]
    assert [len(sim.entries(one, other)) for one, other in ("ab", "ba", "bc", "cb")] == [1, 1, 0, 0]
    assert ErrorCode.GATE_CLOSED in [fault.code for fault in sim.events("a", PeerFault)]
    sim.check_quiet()


def test_committed_without_receipt_is_said_again_after_a_restart() -> None:
    """Who crashed before it had the RECEIPT repeats COMMITTED; from then on the link counts the packet."""
    sim = line()
    sim.wire.on_object = dropping(ObjectType.RECEIPT, sender="b")
    want(sim, "c")
    assert [record["receipt"] for record in stored(sim, "a")] == [False]
    assert [entry.price_micro_per_kwh for entry in sim.entries("a", "b")] == [None]
    crash(sim, "a")
    sim.wire.on_object = None
    come_back(sim, "a")
    assert [record["receipt"] for record in stored(sim, "a")] == [True]
    sim.check_quiet()


def test_a_packet_in_doubt_at_the_final_gate_is_not_dispatched_by_a_restarted_node() -> None:
    """Its capacity stays blocked, no set-point moves, and it ends with the slot."""
    sim = line()
    sim.wire.on_object = dropping(ObjectType.COMMIT_HOP, sender="b")
    want(sim, "c")
    crash(sim, "b")
    sim.at(150)
    restart(sim, "b")
    sim.at(60)
    schedules = [x for x in sim.wire.nodes[sim.node("b")].schedules if x.slot == SLOT]
    assert schedules
    assert all(x.energy_j == 0 for x in schedules)
    assert sim.used_j("b", "c") > 0
    sim.at(-SLOT_S - 3)
    assert sim.states("b") == [S.FAILED]
    assert sim.used_j("b", "c") == 0


def test_a_restarted_node_dispatches_what_it_has_promised() -> None:
    """A crash across the final gate: after the restart the set-points are those of the booked packets."""
    sim = committed(line())
    crash(sim, "b")
    sim.at(30)
    restart(sim, "b")
    schedules = {x.link: x.energy_j for x in sim.wire.nodes[sim.node("b")].schedules if x.slot == SLOT}
    assert schedules[sim.port("b", "a").link] > 0
    assert schedules[sim.port("b", "c").link] > 0


# ------------------------------------------------------------------ numbers, epochs, retention


def test_line_numbers_are_never_used_twice() -> None:
    """After a restart the keeper numbers go on above every number that may have been signed."""
    sim = committed(line())
    used = {entry.number for entry in sim.entries("c", "b")}
    crash(sim, "c")
    restart(sim, "c")
    reconnect(sim)
    want(sim, "c", 2 * KWH_J)
    sim.wait(60)
    numbers = [entry.number for entry in sim.entries("c", "b")]
    assert len(numbers) == len(set(numbers)) == 2
    assert min(set(numbers) - used) > 1_000


def test_epochs_of_neighbours_are_remembered() -> None:
    """A neighbour that comes with a lower epoch than before our restart is refused."""
    sim = line()
    crash(sim, "a")
    restart(sim, "a")
    reconnect(sim)
    crash(sim, "b")
    restart(sim, "b")
    sim.router("a")._parts.sessions.start(1)
    reconnect(sim)
    assert ErrorCode.STALE in [fault.code for fault in sim.events("b", PeerFault)]


def test_records_are_dropped_when_their_retention_is_over() -> None:
    """Once the outcome retention is over nothing of the slot is left in any store."""
    sim = committed(line())
    kept_s = 2 * KEPT_SLOTS * SLOT_S  # twice the settlement window
    sim.at(-kept_s + 2 * SLOT_S)
    assert len(stored(sim, "b")) == 1
    sim.at(-kept_s - 2 * SLOT_S)
    assert [stored(sim, name) for name in "abc"] == [[]] * 3
    kinds = {kind for kind, _ in sim.wire.nodes[sim.node("b")].store}
    assert RecordKind.RESERVATION not in kinds


# ------------------------------------------------------------------ every instant


@pytest.mark.parametrize("name", list("abc"))
@pytest.mark.parametrize("down_s", [3, 50])
def test_a_crash_after_any_effect_loses_nothing_and_doubles_nothing(name: str, down_s: int) -> None:
    """Crash after each effect in turn of a reservation, restart, run on: both ends of every link agree."""
    crashed = True
    effects = 0
    while crashed:
        sim = line()
        crash(sim, name, after_effects=effects)
        want(sim, "c")
        sim.wait(2)
        crashed = is_down(sim, name)
        if crashed:
            come_back(sim, name, down_s)
        where = f"{name} after {effects} effects"
        bought = sum(e.increment.received_j for e in sim.entries("c", "b") if e.price_micro_per_kwh)
        assert bought == KWH_J or (name != "c" and bought == 0), where
        want(sim, "c", number=8)  # and the market goes on
        sim.wait(10)
        more = sum(e.increment.received_j for e in sim.entries("c", "b") if e.price_micro_per_kwh)
        assert more == bought + KWH_J, where
        sim.at(300)
        assert disagreements(sim) == [], where
        sim.check_quiet()
        sold = sum(g.energy_j for r in sim.records("a") if r.state is S.COMMITTED for g in r.granted.values())
        assert sim.free_j("a") == OFFERED_J - sold, where
        effects += 1
    assert effects > 5


def test_nothing_leaves_before_its_record_is_durable() -> None:
    """GRANT, COMMIT, COMMITTED, RECEIPT, RELEASE and FAILED: at each the sender's store holds it already."""
    sim = line()
    found = watch_barriers(sim)
    want(sim, "c")
    sim.wait(2)
    for booked in sim.events("c", Booked):
        sim.wire.give(sim.node("c"), ReleaseReservation(reservation=booked.reservation))
    sim.wait(40)
    sim.wire.on_object = dropping(ObjectType.COMMIT_HOP, sender="b")
    want(sim, "c", 2 * KWH_J)
    sim.wait(50)
    sim.wire.on_object = None
    sim.wait(20)
    seen = {envelope.type for _, _, envelope in sim.wire.passed}
    promised = {
        ObjectType.GRANT,
        ObjectType.COMMIT_HOP,
        ObjectType.COMMITTED,
        ObjectType.RECEIPT,
        ObjectType.RELEASE,
        ObjectType.FAILED,
    }
    assert promised <= seen
    assert found == []
