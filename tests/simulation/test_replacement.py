"""Replacing a reservation: never both, never neither, and the old one untouched by a failure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ioe_router.core.events import Booked, HoldAnswered, PeerFault, Unbooked
from ioe_router.core.inputs import ReplaceReservation
from ioe_router.core.reservation import Reservation
from ioe_router.model.envelope import ObjectType
from ioe_router.model.errors import ErrorCode, UsageError
from ioe_router.model.ids import ReservationId
from ioe_router.model.reservation import ReservationState
from ioe_router.model.routing import Direction
from tests.simulation.bent_wire import dropping
from tests.simulation.crashing import crash, reconnect, restart
from tests.simulation.objects import Puppet
from tests.simulation.pair import KWH_J, LAST_BAND, SLOT, SLOT_S, Cable, Sim, build

S = ReservationState
LIMIT = 500_000


def diamond(*, ab_va: int = 50_000, bd_va: int = 50_000, offer_j: int = 100 * KWH_J) -> Sim:
    """Node a offers, d wants: over b, or over c; the way over b is the better one."""
    sim = build(
        Cable("a", "b", rating_va=ab_va, r_micro_ohm=1_000),
        Cable("b", "d", rating_va=bd_va, r_micro_ohm=1_000),
        Cable("a", "c"),
        Cable("c", "d"),
    )
    sim.at(1_200)
    sim.offer("a", 100_000, offer_j)
    sim.at(500)
    sim.want("d", KWH_J, LIMIT)
    sim.wait(4)
    assert sim.states("d") == sim.states("b") == sim.states("a") == [S.COMMITTED]
    return sim


def order(
    sim: Sim, energy_j: int, *, least_j: int = 1, limit: int = LIMIT, offer_no: int | None = None
) -> None:
    """Let d replace its first reservation."""
    old = sim.records("d")[0].core.body.reservation
    sim.wire.give(
        sim.node("d"),
        ReplaceReservation(
            reservation=old,
            energy_j=energy_j,
            energy_min_j=least_j,
            price_limit_micro_per_kwh=limit,
            offer_no=offer_no,
        ),
    )
    sim.wire.settle()


def live(sim: Sim, name: str) -> list[Reservation]:
    """Committed reservations of a node."""
    return [record for record in sim.records(name) if record.state is S.COMMITTED]


def switched(sim: Sim, *names: str) -> None:
    """At each of these nodes the old one is released and the new one committed; all books agree."""
    for name in names:
        assert [r.state for r in sim.records(name)] == [S.RELEASED, S.COMMITTED], name
    sim.wait(5)
    sim.check_quiet()


@pytest.mark.parametrize("energy_j", [KWH_J // 2, KWH_J, 3 * KWH_J])
def test_the_new_one_takes_the_place_of_the_old_one(energy_j: int) -> None:
    """Less, as much or more: in the end just the new one is booked, on every link and with the offer."""
    sim = diamond()
    order(sim, energy_j)
    switched(sim, "d", "b", "a")
    assert [sum(g.energy_j for g in r.granted.values()) for r in live(sim, "d")] == [energy_j]
    (at_origin,) = live(sim, "a")
    assert sim.free_j("a") == 100 * KWH_J - at_origin.granted[1].energy_j


def test_hosts_hear_of_the_new_one_before_the_old_one_is_gone() -> None:
    """At both ends Booked comes before Unbooked: at no moment there is neither."""
    sim = diamond()
    order(sim, 2 * KWH_J)
    for name in "da":
        kinds = [type(e) for e in sim.all_events(name) if isinstance(e, Booked | Unbooked)]
        assert kinds == [Booked, Booked, Unbooked]
    assert sim.events("d", Unbooked)[0].energy_j == KWH_J


def test_a_full_link_and_a_sold_out_offer_count_the_larger_of_both() -> None:
    """Where old and new would not fit together, the new one finds the old one's place free."""
    sim = diamond(ab_va=5_000, bd_va=5_000, offer_j=KWH_J * 11 // 10)
    sim.wire.on_object = dropping(ObjectType.COMMITTED)
    order(sim, KWH_J + 50_000)
    assert S.IN_DOUBT in sim.states("b")
    ledger = sim.ledger("a", "b")
    assert ledger is not None
    assert ledger.used_j(sim.entries("a", "b")[0].flow) < KWH_J + 100_000
    assert sim.free_j("a") < KWH_J // 10
    sim.check()
    sim.wire.on_object = None
    sim.wait(10)
    switched(sim, "d", "b", "a")


def test_the_room_of_the_old_one_is_not_for_others() -> None:
    """While both are there, a third reservation finds only what the larger one leaves."""
    sim = diamond(offer_j=2 * KWH_J)
    sim.wire.on_object = dropping(ObjectType.COMMITTED)
    order(sim, KWH_J * 3 // 2)
    third = Puppet(sim, "b", "a", "a", (2 * KWH_J,)).ask()
    item = third.granted()[0]
    assert 0 < item.energy_j < KWH_J // 2
    sim.check()


def test_another_path_moves_the_reservation() -> None:
    """With the first way gone the new one goes over c; what only the old one used is released."""
    sim = diamond()
    sim.wire.disconnect(sim.node("a"), sim.node("b"))
    sim.wait(2)
    order(sim, KWH_J)
    assert [r.state for r in sim.records("d")] == [S.RELEASED, S.COMMITTED]
    assert [r.state for r in sim.records("c")] == [S.COMMITTED]
    sim.wire.connect(sim.node("a"), sim.node("b"))
    sim.wait(20)
    assert [r.state for r in sim.records("b")] == [S.RELEASED]
    assert [r.state for r in sim.records("a")] == [S.RELEASED, S.COMMITTED]
    assert sim.entries("a", "b") == sim.entries("b", "a") == sim.entries("b", "d") == ()
    sim.check_quiet()


def test_another_offer_of_the_same_origin() -> None:
    """The energy moves from one offer to the other."""
    sim = diamond()
    sim.offer("a", 90_000, offer_no=2)
    sim.wait(2)
    order(sim, KWH_J, offer_no=2)
    switched(sim, "d", "b", "a")
    assert sim.free_j("a") == 100 * KWH_J
    assert sim.free_j("a", 2) < 99 * KWH_J


def test_a_replacement_of_a_sale_keeps_own_energy_once() -> None:
    """Energy of an own offer that is carried to a DEMAND offer is taken once, by the larger of both."""
    sim = build(Cable("b", "a"), Cable("b", "c"))
    sim.at(1_200)
    sim.offer("a", 300_000, direction=Direction.DEMAND)
    sim.offer("c", 500_000, 2 * KWH_J)
    sim.at(500)
    sim.want("c", KWH_J, 100_000, direction=Direction.DEMAND, own_offer_no=1)
    sim.wait(4)
    old = sim.records("c")[0].core.body.reservation
    sim.wire.give(
        sim.node("c"),
        ReplaceReservation(
            reservation=old, energy_j=2 * KWH_J, energy_min_j=1, price_limit_micro_per_kwh=100_000
        ),
    )
    sim.wire.settle()
    switched(sim, "c", "b", "a")
    assert sim.free_j("c") == 2 * KWH_J - live(sim, "c")[0].granted[1].energy_j == 0


# ------------------------------------------------------------------ failures leave the old one alone


@pytest.mark.parametrize(
    ("energy_j", "least_j", "limit", "code"),
    [
        (KWH_J, 1, 1, ErrorCode.PRICE_LIMIT),
        (500 * KWH_J, 500 * KWH_J, LIMIT, ErrorCode.BELOW_MINIMUM),
    ],
)
def test_a_refused_replacement_leaves_the_old_one(
    energy_j: int, least_j: int, limit: int, code: ErrorCode
) -> None:
    """Books, offer and host are as before; the host hears why."""
    sim = diamond()
    before = [sim.entries(x, y) for x, y in ("ab", "ba", "bd", "db")]
    free_j = sim.free_j("a")
    order(sim, energy_j, least_j=least_j, limit=limit)
    sim.wait(60)
    assert sim.events("d", HoldAnswered)[-1].code is code
    assert [sim.entries(x, y) for x, y in ("ab", "ba", "bd", "db")] == before
    assert sim.free_j("a") == free_j
    assert sim.events("d", Unbooked) == []
    sim.check_quiet()


@pytest.mark.parametrize("lost", [ObjectType.HOLD, ObjectType.GRANT, ObjectType.COMMIT_HOP])
def test_a_replacement_that_is_lost_leaves_the_old_one(lost: ObjectType) -> None:
    """Whatever is lost before the origin accepts: after the slot's gate the old one stands as before."""
    sim = diamond()
    before = [sim.entries(x, y) for x, y in ("ab", "ba")]
    sim.wire.on_object = dropping(lost, sender="b" if lost is not ObjectType.GRANT else "a")
    order(sim, 2 * KWH_J)
    sim.at(-901)
    assert sim.records("d")[0].state is S.COMMITTED
    assert [sim.entries(x, y) for x, y in ("ab", "ba")] == before
    assert len(live(sim, "a")) == len(live(sim, "b")) == len(live(sim, "d")) == 1
    sim.check()


@pytest.mark.parametrize("name", "abd")
@pytest.mark.parametrize("seen", [ObjectType.GRANT, ObjectType.COMMITTED, ObjectType.RECEIPT])
def test_a_crash_in_the_middle_of_the_switch_is_finished(name: str, seen: ObjectType) -> None:
    """A node dies when an answer is about to pass; with it back, all agree on one reservation."""
    sim = build(Cable("a", "b"), Cable("b", "d"))
    sim.at(1_200)
    sim.offer("a", 100_000)
    sim.at(500)
    sim.want("d", KWH_J, LIMIT)
    sim.wait(4)
    sim.wire.on_object = dropping(seen)
    order(sim, 2 * KWH_J)
    crash(sim, name)
    sim.wire.on_object = None
    restart(sim, name)
    reconnect(sim)
    sim.wait(60)
    assert len(live(sim, "a")) == len(live(sim, "b")) == len(live(sim, "d")) == 1
    assert {r.key for r in live(sim, "a")} == {r.key for r in live(sim, "d")}
    sim.check_quiet()


# ------------------------------------------------------------------ refusals


def star() -> tuple[Sim, ReservationId]:
    """Node c has a committed reservation with a over b; d is another initiator."""
    sim = build(Cable("b", "a"), Cable("b", "c"), Cable("b", "d"))
    sim.at(1_200)
    sim.offer("a", 100_000, slots=3)
    sim.at(500)
    puppet = Puppet(sim, "c", "b", "a").ask()
    puppet.commit()
    return sim, puppet.body.reservation


def test_an_unknown_reservation_is_refused_by_the_origin() -> None:
    """UNKNOWN_RESERVATION; nodes in transit need not know it."""
    sim, _ = star()
    refuse = Puppet(sim, "c", "b", "a", changes={"replaces": ReservationId(b"x" * 16)}).ask().refused()
    assert (refuse.code, refuse.failing_node) == (ErrorCode.UNKNOWN_RESERVATION, sim.node("a"))


def test_another_initiators_reservation_is_refused_and_counted() -> None:
    """NOT_OWNER, a fault of the neighbour, and the reservation is untouched."""
    sim, reservation = star()
    before = sim.entries("b", "a")
    refuse = Puppet(sim, "d", "b", "a", changes={"replaces": reservation}).ask().refused()
    assert refuse.code is ErrorCode.NOT_OWNER
    assert [f.code for f in sim.events("b", PeerFault)] == [ErrorCode.NOT_OWNER]
    assert sim.entries("b", "a") == before


def test_an_ended_reservation_is_refused() -> None:
    """UNEXPECTED: there is nothing to take the place of."""
    sim, reservation = star()
    release = Puppet(sim, "c", "b", "a")
    release.body = replace(release.body, reservation=reservation)
    release.release()
    refuse = Puppet(sim, "c", "b", "a", changes={"replaces": reservation}).ask().refused()
    assert refuse.code is ErrorCode.UNEXPECTED


def test_a_held_reservation_is_refused() -> None:
    """UNEXPECTED: it is not committed yet."""
    sim, _ = star()
    held = Puppet(sim, "c", "b", "a").ask()
    refuse = Puppet(sim, "c", "b", "a", changes={"replaces": held.body.reservation}).ask().refused()
    assert refuse.code is ErrorCode.UNEXPECTED


def test_the_same_reservation_is_replaced_by_one_at_a_time() -> None:
    """CONFLICT while another replacement is open."""
    sim, reservation = star()
    Puppet(sim, "c", "b", "a", changes={"replaces": reservation}).ask()
    second = Puppet(sim, "c", "b", "a", changes={"replaces": reservation}).ask()
    assert second.refused().code is ErrorCode.CONFLICT


def test_another_direction_is_refused() -> None:
    """CONFLICT: a purchase does not take the place of a sale."""
    sim, reservation = star()
    sim.offer("a", 300_000, direction=Direction.DEMAND, offer_no=2)
    sim.wait(2)
    changes = {
        "replaces": reservation,
        "direction": Direction.DEMAND,
        "offer_no": 2,
        "price_limit_micro_per_kwh": 0,
    }
    assert Puppet(sim, "c", "b", "a", changes=changes).ask().refused().code is ErrorCode.CONFLICT


def test_a_dispatched_reservation_is_refused() -> None:
    """GATE_CLOSED: the new one is of the next slot, but the old one's set-points are out."""
    sim, reservation = star()
    sim.at(-400)
    item = Puppet(sim, "c", "b", "a").body.items[0]
    changes = {
        "replaces": reservation,
        "band": LAST_BAND,
        "items": (replace(item, slot_utc_s=SLOT + SLOT_S),),
    }
    assert Puppet(sim, "c", "b", "a", changes=changes).ask().refused().code is ErrorCode.GATE_CLOSED


def test_a_release_of_the_old_one_makes_the_new_one_an_ordinary_one() -> None:
    """The initiator gives the old one back while the new one is held: COMMIT takes the new one as it is."""
    sim, reservation = star()
    new = Puppet(sim, "c", "b", "a", (2 * KWH_J,), changes={"replaces": reservation}).ask()
    release = Puppet(sim, "c", "b", "a")
    release.body = replace(release.body, reservation=reservation)
    release.release()
    new.commit()
    assert [r.state for r in sim.records("a")] == [S.RELEASED, S.COMMITTED]
    assert len(sim.entries("b", "a")) == 1
    sim.check()


@pytest.mark.parametrize(("energy_j", "least_j"), [(0, 0), (1, 2)], ids=["zero", "least"])
def test_an_impossible_order_is_refused_with_a_sentence(energy_j: int, least_j: int) -> None:
    """No energy, or a least above the most."""
    sim = diamond()
    old = sim.records("d")[0].core.body.reservation
    sim.wire.give(
        sim.node("d"),
        ReplaceReservation(
            reservation=old, energy_j=energy_j, energy_min_j=least_j, price_limit_micro_per_kwh=LIMIT
        ),
    )
    with pytest.raises(UsageError):
        sim.wire.settle()
    assert sim.states("d") == [S.COMMITTED]
