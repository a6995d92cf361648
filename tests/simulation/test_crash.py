"""What a node has promised survives its crash: at every role, in every state, at every instant."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ioe_router.core.durable_settlement import IMBALANCE, OWN, PRICES
from ioe_router.core.effects import Persist, RecordKind
from ioe_router.core.events import Booked, BookingRestored, ImbalanceSettled, LinkSettled, PeerFault
from ioe_router.core.inputs import (
    ImbalancePrices,
    MeterRead,
    ReleaseReservation,
    Started,
)
from ioe_router.core.steps import KEPT_SLOTS
from ioe_router.model.envelope import ObjectType
from ioe_router.model.errors import ErrorCode, UsageError
from ioe_router.model.reservation import ReservationState
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
from tests.simulation.pair import KWH_J, SLOT, SLOT_S, Cable, Sim, build, dropping
from tests.simulation.wants import offer_of, want_of

S = ReservationState
OFFERED_J = 10 * KWH_J


def offer(sim: Sim, name: str) -> None:
    """What the host of the origin states at every start."""
    sim.wire.give(sim.node(name), offer_of(OFFERED_J))
    sim.wire.settle()


def want(sim: Sim, name: str, energy_j: int = KWH_J, number: int = 7) -> None:
    """What the host of the initiator states at every start, under the same number."""
    sim.wire.give(sim.node(name), want_of(number, energy_j, 200_000))
    sim.wire.settle()


def line() -> Sim:
    """Node a offers, b stands between, c wants; a keeps ab, c keeps bc; the last phase before the gate."""
    sim = build(Cable("a", "b"), Cable("c", "b", r_micro_ohm=100_000))
    sim.at(1_200)
    offer(sim, "a")
    sim.at(535)
    return sim


def committed(sim: Sim) -> Sim:
    """One packet of c from a, committed everywhere."""
    want(sim, "c")
    sim.wait(4)
    assert [sim.states(name) for name in "abc"] == [[S.COMMITTED]] * 3
    return sim


def come_back(sim: Sim, name: str, after_s: int = 3) -> None:
    """Restart a crashed node after a while; its host states again what it offers and wants."""
    sim.wait(after_s)
    restart(sim, name)
    reconnect(sim)
    if name == "a":
        offer(sim, "a")
    if name == "c":
        want(sim, "c")
    sim.wait(5)


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


# ------------------------------------------------------------------ settlement


def meter(sim: Sim, *names: str) -> None:
    """Every meter shows what is booked on its link."""
    for name in names:
        for booked in sim.router(name).slot_view(SLOT).booked:
            read = MeterRead(
                link=booked.link, slot=SLOT, imported_j=booked.imported_j, exported_j=booked.exported_j + 5
            )
            sim.wire.give(sim.node(name), read)
    sim.wire.settle()


@pytest.mark.parametrize("name", list("abc"))
@pytest.mark.parametrize("read_before", [True, False])
def test_a_slot_is_settled_once_whoever_crashes(name: str, read_before: bool) -> None:
    """One statement per end and slot, equal figures, one imbalance record, an unbroken chain."""
    sim = committed(line())
    sim.at(-SLOT_S - 5)
    if read_before:
        meter(sim, *"abc")
    crash(sim, name)
    sim.wait(3)
    restart(sim, name)
    reconnect(sim)
    offer(sim, "a")  # the way to the balance-responsible party
    sim.wait(3)
    meter(sim, *"abc")
    sim.wait(130)
    for one in "abc":
        settled = [event for event in sim.events(one, LinkSettled) if event.slot == SLOT]
        assert len(settled) == len({event.link for event in settled}) == (2 if one == "b" else 1)
        assert all(event.agreed for event in settled)
        slots = [row for row in sim.router(one)._parts.settlement.rows if row[0] == SLOT]
        assert len(slots) == len(set(slots))
    records = [event.record.body for event in sim.events("a", ImbalanceSettled)]
    assert len({(body.node, body.slot_utc_s) for body in records}) == len(records) == 2
    assert sim.router(name)._parts.settlement.restored_deviations()


def test_a_crash_between_metering_and_the_deviation_loses_neither() -> None:
    """The store ends behind the last meter record: the restarted node still settles its deviation, once."""
    sim = committed(line())
    sim.at(-SLOT_S - 5)
    meter(sim, *"abc")
    rows = [row for row in rows_of(sim, "b") if not row.key.startswith((OWN, IMBALANCE))]
    assert len(rows) < len(rows_of(sim, "b"))
    router = new_router(sim, "b")
    router.restore(tuple(rows), sim.wire.now)
    router.handle(Started(epoch=2), sim.wire.now)
    (own,) = router.inspect().imbalance.own
    before = sim.router("b").inspect().imbalance.own[0].record.body
    assert own.record.body == before


def set_prices(sim: Sim) -> ImbalancePrices:
    """Prices of the slot that are not those of the configuration, at every node."""
    prices = ImbalancePrices(slot=SLOT, short_micro_per_kwh=777_000, long_micro_per_kwh=11_000)
    for name in "abc":
        sim.wire.give(sim.node(name), prices)
    sim.wire.settle()
    return prices


@pytest.mark.parametrize("name", ["a", "b"], ids=["party", "member"])
def test_imbalance_prices_survive_a_crash_of_the_party_and_of_a_member(name: str) -> None:
    """Prices that the host has set once are in force after a restart: both sides sign at them."""
    sim = committed(line())
    prices = set_prices(sim)
    crash(sim, name)
    restart(sim, name)
    reconnect(sim)
    offer(sim, "a")  # the way to the balance-responsible party
    sim.at(-SLOT_S - 5)
    meter(sim, *"abc")
    sim.wait(130)
    records = [event.record.body for event in sim.events("a", ImbalanceSettled)]
    assert {body.node for body in records} == {sim.node("b"), sim.node("c")}
    assert {body.price_micro_per_kwh for body in records} == {prices.long_micro_per_kwh}
    assert sim.events("a", PeerFault) == []


def test_imbalance_prices_are_durable_before_a_record_that_has_them_leaves() -> None:
    """The row is written once, with the call that sets them, and dropped when the slot is forgotten."""
    sim = committed(line())
    before = len(rows_of(sim, "b"))
    prices = set_prices(sim)
    (row,) = [row for row in rows_of(sim, "b") if row.key.startswith(PRICES)]
    assert len(rows_of(sim, "b")) == before + 1
    again = sim.router("b").handle(prices, sim.wire.now)
    assert [effect for effect in again if isinstance(effect, Persist)] == []
    crash(sim, "b")
    restart(sim, "b")
    sim.at(-(KEPT_SLOTS + 2) * SLOT_S)
    assert row.key not in {row.key for row in rows_of(sim, "b")}


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


# ------------------------------------------------------------------ damage


def rows_of(sim: Sim, name: str) -> list[Persist]:
    """The rows of a node's store."""
    return list(sim.wire.nodes[sim.node(name)].store.values())


def damage_core(text: bytes) -> bytes:
    """Cut the signed HOLD_CORE short."""
    return text.replace(b'"core":[20,"', b'"core":[20,"00')


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda text: text[:-4], "not JSON"),
        (lambda text: text.replace(b'"format":1', b'"format":9'), "format is 9"),
        (lambda text: text.replace(b'"receipt":true', b'"receipt":7'), "'receipt' is damaged"),
        (lambda text: text.replace(b'"accepted":[1],', b""), "'accepted' is missing"),
        (lambda text: text.replace(b'"accepted":[1]', b'"accepted":[2]'), "not granted"),
        (lambda text: text.replace(b'"state":4', b'"state":1'), "no promise"),
        (lambda text: text.replace(b'"state":4', b'"state":3'), "contradict"),
        (damage_core, "core cannot be decoded"),
    ],
)
def test_a_damaged_record_stops_the_start_and_says_which(spoil: object, why: str) -> None:
    """The sentence names the reservation, what is wrong with its record, and what to do."""
    assert callable(spoil)
    sim = committed(line())
    rows = [
        replace(row, record=spoil(row.record)) if row.kind is RecordKind.RESERVATION else row
        for row in rows_of(sim, "b")
    ]
    (record,) = sim.records("b")
    with pytest.raises(UsageError, match=why) as error:
        new_router(sim, "b").restore(tuple(rows), sim.wire.now)
    assert record.core.body.reservation.hex() in str(error.value)
    assert "backup" in str(error.value)


def test_a_store_that_books_a_packet_twice_is_refused() -> None:
    """Two rows for one reservation cannot both be right."""
    sim = committed(line())
    row = next(row for row in rows_of(sim, "b") if row.kind is RecordKind.RESERVATION)
    with pytest.raises(UsageError, match="booked twice"):
        new_router(sim, "b").restore((*rows_of(sim, "b"), row), sim.wire.now)


def test_the_record_of_another_reservation_under_a_key_is_refused() -> None:
    """A row has to be about the reservation that its key names."""
    sim = committed(line())
    rows = [
        replace(row, key=bytes(20)) if row.kind is RecordKind.RESERVATION else row
        for row in rows_of(sim, "b")
    ]
    with pytest.raises(UsageError, match="another reservation"):
        new_router(sim, "b").restore(tuple(rows), sim.wire.now)


def test_the_same_state_gives_the_same_record() -> None:
    """Restored and written again, a record has the bytes that it had."""
    sim = committed(line())
    before = {key: row.record for key, row in sim.wire.nodes[sim.node("b")].store.items()}
    crash(sim, "b")
    restart(sim, "b")
    for record in sim.records("b"):
        record.touch()
    sim.wire.give(sim.node("b"))
    sim.wait(1)
    after = {key: row.record for key, row in sim.wire.nodes[sim.node("b")].store.items()}
    reservations = [key for key in before if key[0] is RecordKind.RESERVATION]
    assert [after[key] for key in reservations] == [before[key] for key in reservations]
