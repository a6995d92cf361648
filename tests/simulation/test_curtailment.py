"""CURTAIL: cut anywhere on the path, the same books at both ends of every link, never more than before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ioe_router.core.events import Booked, CommandRefused, Curtailed, PeerFault, Unbooked
from ioe_router.core.inputs import CurtailReservation
from ioe_router.model.errors import ErrorCode
from ioe_router.model.grid import Exchange
from ioe_router.model.reservation import Curtail, CurtailHop, PacketEnergy, ReservationState
from ioe_router.model.routing import Direction
from tests.simulation.crashing import crash, reconnect, restart
from tests.simulation.cutting import BUY, PATH, SELL, booked, chain, cut, energies, say_cut
from tests.simulation.objects import Puppet
from tests.simulation.pair import KWH_J, SLOT, Cable, build, decoded

S = ReservationState


@pytest.mark.parametrize("cutter", PATH)
@pytest.mark.parametrize("direction", [BUY, SELL], ids=["buy", "sell"])
def test_a_cut_anywhere_lowers_the_packet_everywhere(cutter: str, direction: Direction) -> None:
    """Every busbar has about half, both ends of every link agree to the joule, and it stays COMMITTED."""
    sim = chain(direction)
    before = energies(sim)
    half_j = booked(sim, cutter)[1] // 2
    cut(sim, cutter, half_j)
    after = energies(sim)
    assert after[PATH.index(cutter)] == half_j
    assert all(abs(2 * now - then) <= 6 for now, then in zip(after, before, strict=True))
    assert [set(sim.states(name)) for name in PATH] == [{S.COMMITTED}] * 4
    sim.check_quiet()


@pytest.mark.parametrize("cutter", PATH)
@pytest.mark.parametrize("direction", [BUY, SELL], ids=["buy", "sell"])
def test_a_cut_to_nothing_frees_every_link_and_the_offers(cutter: str, direction: Direction) -> None:
    """No link has the packet any more, own energy is back, the reservation stays COMMITTED without it."""
    sim = chain(direction)
    cut(sim, cutter, 0)
    first = sim.records("a")[0].core.body.reservation
    for name in PATH:
        record = next(r for r in sim.records(name) if r.core.body.reservation == first)
        assert (record.state, record.accepted, record.granted) == (S.COMMITTED, (), {})
    sim.check_quiet()
    sim.check()


def test_both_hosts_are_told_what_is_gone() -> None:
    """Initiator and origin hear how much is left and who cut it; a node in transit hears nothing."""
    sim = chain()
    d_j, a_j = booked(sim, "d")[1], booked(sim, "a")[1]
    cut(sim, "b", booked(sim, "b")[1] // 4)
    for name, had_j in (("d", d_j), ("a", a_j)):
        (told,) = sim.events(name, Curtailed)
        (gone,) = sim.events(name, Unbooked)
        assert (told.node, told.code, told.remaining_j) == (
            sim.node("b"),
            ErrorCode.CURTAILED,
            energies(sim)[PATH.index(name)],
        )
        assert (gone.energy_j + gone.remaining_j, gone.code) == (had_j, ErrorCode.CURTAILED)
    assert sim.events("b", Curtailed) == sim.events("c", Curtailed) == []


def test_the_want_of_a_cut_packet_is_open_again() -> None:
    """What is cut for the initiator is bought again while the slot is still traded."""
    sim = chain()
    cut(sim, "a", 0)
    sim.wait(30)
    booked_j = sum(e.energy_j for e in sim.events("d", Booked))
    gone_j = sum(e.energy_j for e in sim.events("d", Unbooked))
    assert gone_j == KWH_J
    assert booked_j - gone_j == KWH_J
    sim.check_quiet()


def test_what_the_origin_has_left_is_for_sale_again() -> None:
    """A cut gives the origin's offer back just what the packet lost."""
    sim = chain()
    before_j = sim.free_j("a")
    had_j = booked(sim, "a")[1]
    cut(sim, "a", had_j - 1_000_000)
    assert sim.free_j("a") == before_j + 1_000_000 - sum(
        r.granted[1].energy_j for r in sim.records("a")[1:] if r.granted
    )


def test_the_same_cut_twice_is_one() -> None:
    """A repeated CURTAIL changes nothing and goes no further."""
    sim = chain()
    cut(sim, "a", booked(sim, "a")[1] // 2)
    hop = sim.heard("a", "b", CurtailHop)[-1]
    before, count = energies(sim), len(sim.heard("b", "c", CurtailHop))
    sim.say("a", "b", hop)
    assert energies(sim) == before
    assert len(sim.heard("b", "c", CurtailHop)) == count
    assert sim.events("b", PeerFault) == []
    sim.check_quiet()


@pytest.mark.parametrize(("at_a", "at_d"), [(3, 2), (2, 3), (5, 5), (100, 7)])
def test_cuts_that_cross_end_in_the_same_books(at_a: int, at_d: int) -> None:
    """Origin and initiator cut at one instant; whatever arrives first, all ends agree on the smaller."""
    sim = chain()
    a_j, d_j = booked(sim, "a")[1] // at_a, booked(sim, "d")[1] // at_d
    for name, left in (("a", a_j), ("d", d_j)):
        order = CurtailReservation(reservation=booked(sim, name)[0], remaining=((1, left),))
        sim.wire.give(sim.node(name), order)
    sim.wire.settle()
    left_a, _, _, left_d = energies(sim)
    assert left_a <= a_j
    assert left_d <= d_j
    sim.check_quiet()


def test_a_second_cut_only_lowers() -> None:
    """A half after a third changes nothing, and is no fault: it may have been on its way before."""
    sim = chain()
    full_j = booked(sim, "a")[1]
    cut(sim, "a", full_j // 3)
    after = energies(sim)
    hop = sim.heard("a", "b", CurtailHop)[-1]
    body = decoded(hop.curtail, Curtail)
    weaker = replace(body, items=(PacketEnergy(index=1, energy_j=full_j // 2),))
    sim.say("a", "b", CurtailHop(curtail=sim.seal("a", weaker), items=weaker.items))
    assert energies(sim) == after
    assert sim.events("b", PeerFault) == []
    sim.check_quiet()


# ------------------------------------------------------------------ notices


def test_an_announced_cut_waits_for_its_instant() -> None:
    """Both ends hear of it at once; the books change at the instant, at every node, and not before."""
    sim = chain()
    before = energies(sim)
    cut(sim, "b", booked(sim, "b")[1] // 2, in_s=20)
    assert [len(sim.events(name, Curtailed)) for name in "ad"] == [1, 1]
    assert energies(sim) == before
    sim.wait(19)
    assert energies(sim) == before
    assert sim.events("d", Unbooked) == []
    sim.wait(2)
    assert all(abs(2 * now - then) <= 6 for now, then in zip(energies(sim), before, strict=True))
    assert [len(sim.events(name, Unbooked)) for name in "ad"] == [1, 1]
    assert [len(sim.events(name, Curtailed)) for name in "ad"] == [1, 1]
    sim.check_quiet()


def test_the_initiator_buys_elsewhere_during_the_notice() -> None:
    """The want is open from the notice on: at the instant the energy is there, once."""
    sim = chain()
    cut(sim, "b", 0, in_s=30)
    sim.wait(20)
    assert sum(e.energy_j for e in sim.events("d", Booked)) == 2 * KWH_J
    sim.wait(15)
    bought_j = sum(e.energy_j for e in sim.events("d", Booked))
    assert bought_j - sum(e.energy_j for e in sim.events("d", Unbooked)) == KWH_J
    sim.check_quiet()


def test_a_release_before_the_instant_ends_the_notice() -> None:
    """What was given back is not cut as well: nothing is counted twice."""
    sim = chain()
    cut(sim, "b", 0, in_s=30)
    reservation, _ = booked(sim, "d")
    release = Puppet(sim, "d", "c", "a", changes={"reservation": reservation})
    release.release()
    sim.wait(40)
    assert sim.states("a")[0] is S.RELEASED
    assert all(r.notices == () for name in "abc" for r in sim.records(name))
    sim.check()


def test_a_notice_beyond_the_final_gate_is_refused() -> None:
    """What is dispatched is not cut by appointment: GATE_CLOSED on the wire and for the own host."""
    sim = chain()
    before = energies(sim)
    cut(sim, "b", 0, in_s=480)
    assert [no.code for no in sim.events("b", CommandRefused)] == [ErrorCode.GATE_CLOSED]
    say_cut(sim, "a", "b", 0, in_s=480)
    assert [f.code for f in sim.events("b", PeerFault)] == [ErrorCode.GATE_CLOSED]
    assert energies(sim) == before


# ------------------------------------------------------------------ lost contact


@pytest.mark.parametrize("in_s", [0, 30], ids=["at once", "announced"])
def test_a_cut_that_was_lost_with_the_session_is_said_again(in_s: int) -> None:
    """After a new session both sides of the broken link have the same books."""
    sim = chain()
    sim.wire.disconnect(sim.node("b"), sim.node("c"))
    sim.wire.settle()
    cut(sim, "a", booked(sim, "a")[1] // 2, in_s=in_s)
    assert energies(sim)[2:] == [r.granted[1].energy_j for r in (sim.records("c")[0], sim.records("d")[0])]
    sim.wire.connect(sim.node("b"), sim.node("c"))
    sim.wait(40)
    assert abs(2 * energies(sim)[3] - KWH_J) <= 6
    sim.check_quiet()


@pytest.mark.parametrize("in_s", [0, 20], ids=["at once", "announced"])
@pytest.mark.parametrize("name", PATH)
def test_a_cut_survives_a_crash(name: str, in_s: int) -> None:
    """A node that restarts has what the cut left, carries out what was announced, and agrees with all."""
    sim = chain()
    full = energies(sim)
    cut(sim, "b", booked(sim, "b")[1] // 2, in_s=in_s)
    crash(sim, name)
    restart(sim, name)
    reconnect(sim)
    before = energies(sim)
    if in_s:
        assert before == full
    sim.wait(40)
    assert all(abs(2 * now - then) <= 6 for now, then in zip(energies(sim), full, strict=True))
    sim.check_quiet()


def test_a_cut_while_the_near_side_still_doubts_reaches_it_after_committed() -> None:
    """COMMITTED was lost, then the packet is cut: the repeated COMMITTED brings the cut behind it."""
    sim = build(Cable("b", "a"), Cable("b", "c"))
    sim.at(1_200)
    sim.offer("a", 100_000)
    sim.at(500)
    puppet = Puppet(sim, "c", "b", "a").ask()
    lost = {"on": True}
    sim.wire.on_object = lambda here, there, e: (
        [] if lost["on"] and here == "a" and e.type.name in ("COMMITTED", "CURTAIL_HOP") else [e]
    )
    puppet.commit()
    assert (sim.states("b"), sim.states("a")) == ([S.IN_DOUBT], [S.COMMITTED])
    left_j = sim.records("a")[0].granted[1].energy_j // 2
    order = CurtailReservation(reservation=puppet.body.reservation, remaining=((1, left_j),))
    sim.wire.give(sim.node("a"), order)
    sim.wire.settle()
    lost["on"] = False
    sim.wait(3)
    assert sim.states("b") == [S.COMMITTED]
    assert sim.entries("b", "a") == sim.entries("a", "b")
    assert sim.records("a")[0].granted[1].energy_j == left_j


# ------------------------------------------------------------------ the slot


def test_a_cut_in_the_running_slot_moves_the_set_points() -> None:
    """Set-points that are out already are published again with what is left."""
    sim = chain()
    sim.at(-300)
    node = sim.wire.nodes[sim.node("d")]
    out = [s for s in node.schedules if s.slot == SLOT and s.link is None]
    assert [s.direction for s in out] == [Exchange.IMPORT]
    cut(sim, "a", 0)
    out = [s for s in node.schedules if s.slot == SLOT and s.link is None]
    assert [s.energy_j for s in out[1:]] == [0]
    sim.check_quiet()
