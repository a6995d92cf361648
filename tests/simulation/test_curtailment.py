"""CURTAIL: cut anywhere on the path, the same books at both ends of every link, never more than before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Unpack

import pytest

from ioe_router.config import RouterConfig
from ioe_router.core.events import Booked, CommandRefused, Curtailed, PeerFault, Unbooked
from ioe_router.core.inputs import CurtailReservation
from ioe_router.model.errors import ErrorCode, UsageError
from ioe_router.model.grid import Exchange
from ioe_router.model.ids import NodeId, ReservationId
from ioe_router.model.reservation import Curtail, CurtailHop, PacketEnergy, ReservationState
from ioe_router.model.routing import Direction
from ioe_router.router import Router
from tests.simulation.objects import Puppet
from tests.simulation.pair import KWH_J, SLOT, Cable, Sim, build, decoded
from tests.simulation.test_replay import Given

S = ReservationState
PATH = "abcd"
BUY, SELL = Direction.SUPPLY, Direction.DEMAND


def chain(direction: Direction = BUY, make: Callable[..., Router] = Router) -> Sim:
    """Node a offers, d wants; b and c carry. Keepers alternate, so both ways of booking occur."""
    sim = build(Cable("b", "a"), Cable("b", "c", r_micro_ohm=100_000), Cable("d", "c"), make=make)
    sim.at(1_200)
    sim.offer("a", 100_000 if direction is BUY else 300_000, direction=direction)
    if direction is SELL:
        sim.offer("d", 50_000)
    sim.at(500)
    sim.want(
        "d",
        KWH_J,
        500_000 if direction is BUY else 100_000,
        direction=direction,
        own_offer_no=None if direction is BUY else 1,
    )
    sim.wait(4)
    assert [set(sim.states(name)) for name in PATH] == [{S.COMMITTED}] * 4
    sim.check_quiet()
    return sim


def booked(sim: Sim, name: str) -> tuple[ReservationId, int]:
    """The first reservation at a node and the energy of its packet at the busbar."""
    record = sim.records(name)[0]
    return record.core.body.reservation, record.granted[1].energy_j


def cut(
    sim: Sim, name: str, remaining_j: int, *, in_s: int = 0, code: ErrorCode = ErrorCode.CURTAILED
) -> None:
    """Let a node cut the first reservation's packet."""
    reservation, _ = booked(sim, name)
    at_ms = 0 if not in_s else sim.wire.now.utc_ms + in_s * 1_000
    order = CurtailReservation(
        reservation=reservation, remaining=((1, remaining_j),), code=code, effective_utc_ms=at_ms
    )
    sim.wire.give(sim.node(name), order)
    sim.wire.settle()


def energies(sim: Sim) -> list[int]:
    """What is left of the packet at each busbar."""
    left = []
    for name in PATH:
        granted = sim.records(name)[0].granted.get(1)
        left.append(0 if granted is None else granted.energy_j)
    return left


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
    given: dict[NodeId, tuple[RouterConfig, Given]] = {}

    def make(config: RouterConfig, **rest: Unpack[Given]) -> Router:
        given[config.node] = config, rest
        return Router(config, **rest)

    sim = chain(make=make)
    full = energies(sim)
    cut(sim, "b", booked(sim, "b")[1] // 2, in_s=in_s)
    node = sim.node(name)
    sim.wire.crash(node)
    config, rest = given[node]
    rest["now"] = sim.wire.now
    sim.wire.restart(node, Router(config, **rest))
    for cable in sim.cables:
        if name in (cable.keeper, cable.other):
            sim.wire.connect(sim.node(cable.keeper), sim.node(cable.other))
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


# ------------------------------------------------------------------ refusals


def say_cut(
    sim: Sim, sender: str, receiver: str, remaining_j: int, *, signer: str = "", in_s: int = 0, index: int = 1
) -> None:
    """Let a node say a cut with a valid signature, whatever its router thinks."""
    reservation, _ = booked(sim, "a")
    items = (PacketEnergy(index=index, energy_j=remaining_j),)
    body = Curtail(
        reservation=reservation,
        version=1,
        node=sim.node(signer or sender),
        code=ErrorCode.CURTAILED,
        items=items,
        effective_utc_ms=sim.wire.now.utc_ms + in_s * 1_000,
    )
    sim.say(sender, receiver, CurtailHop(curtail=sim.seal(signer or sender, body), items=items))


@pytest.mark.parametrize(
    ("sender", "receiver", "signer", "code"),
    [
        ("a", "b", "d", ErrorCode.NOT_OWNER),
        ("c", "b", "a", ErrorCode.NOT_OWNER),
        ("a", "b", "b", ErrorCode.NOT_OWNER),
    ],
    ids=["initiator from the origin's side", "origin from the initiator's side", "the receiver itself"],
)
def test_a_cut_from_the_wrong_side_is_refused(
    sender: str, receiver: str, signer: str, code: ErrorCode
) -> None:
    """Nobody cuts in the name of an end that is elsewhere."""
    sim = chain()
    before = energies(sim)
    say_cut(sim, sender, receiver, 0, signer=signer)
    assert [f.code for f in sim.events(receiver, PeerFault)] == [code]
    assert energies(sim) == before
    sim.check_quiet()


def test_a_cut_by_a_neighbour_that_is_not_on_the_path_is_refused() -> None:
    """NOT_OWNER, and nothing changes."""
    sim = build(Cable("b", "a"), Cable("b", "c"), Cable("b", "d"))
    sim.at(1_200)
    sim.offer("a", 100_000)
    sim.at(500)
    Puppet(sim, "c", "b", "a").ask().commit()
    before = sim.entries("b", "a")
    say_cut(sim, "d", "b", 0)
    assert [f.code for f in sim.events("b", PeerFault)] == [ErrorCode.NOT_OWNER]
    assert sim.entries("b", "a") == before


@pytest.mark.parametrize(
    ("index", "raised_j", "code"),
    [(1, 1, ErrorCode.GRANT_CHANGED), (2, 0, ErrorCode.GRANT_CHANGED)],
    ids=["more than committed", "no such packet"],
)
def test_a_cut_never_raises_and_never_invents(index: int, raised_j: int, code: ErrorCode) -> None:
    """GRANT_CHANGED for more than was committed and for a packet that never was."""
    sim = chain()
    before = energies(sim)
    say_cut(sim, "a", "b", booked(sim, "a")[1] + raised_j, index=index)
    assert [f.code for f in sim.events("b", PeerFault)] == [code]
    assert energies(sim) == before
    sim.check_quiet()


def test_a_cut_after_the_slot_is_refused() -> None:
    """IN_PAST: what was delivered cannot be cut."""
    sim = chain()
    sim.at(-901)
    before = energies(sim)
    say_cut(sim, "a", "b", 0)
    assert [f.code for f in sim.events("b", PeerFault)] == [ErrorCode.IN_PAST]
    cut(sim, "a", 0)
    assert [no.code for no in sim.events("a", CommandRefused)] == [ErrorCode.IN_PAST]
    assert energies(sim) == before


def test_only_committed_packets_are_cut() -> None:
    """Held ones: UNEXPECTED on the wire and for the own host."""
    sim = build(Cable("b", "a"), Cable("b", "c"))
    sim.at(1_200)
    sim.offer("a", 100_000)
    sim.at(500)
    Puppet(sim, "c", "b", "a").ask()
    say_cut(sim, "a", "b", 0)
    assert [f.code for f in sim.events("b", PeerFault)] == [ErrorCode.UNEXPECTED]
    cut(sim, "b", 0)
    assert [no.code for no in sim.events("b", CommandRefused)] == [ErrorCode.UNEXPECTED]
    assert sim.states("b") == sim.states("a") == [S.HELD]


@pytest.mark.parametrize("remaining", [((2, 0),), ((1, 10**9),)], ids=["unknown", "more"])
def test_an_order_that_cuts_what_is_not_booked_is_refused(remaining: tuple[tuple[int, int], ...]) -> None:
    """GRANT_CHANGED for the own host, for the packet may have been cut meanwhile; nothing else happens."""
    sim = chain()
    before = energies(sim)
    order = CurtailReservation(reservation=booked(sim, "b")[0], remaining=remaining)
    sim.wire.give(sim.node("b"), order)
    sim.wire.settle()
    assert [(no.command, no.code) for no in sim.events("b", CommandRefused)] == [
        (order, ErrorCode.GRANT_CHANGED)
    ]
    assert energies(sim) == before


@pytest.mark.parametrize("remaining", [(), ((1, -1),)], ids=["nothing", "negative"])
def test_an_order_that_no_cut_can_state_is_a_mistake(remaining: tuple[tuple[int, int], ...]) -> None:
    """Whatever has happened meanwhile, such an order is wrong: one sentence for whoever wrote the host."""
    sim = chain()
    sim.wire.give(sim.node("b"), CurtailReservation(reservation=booked(sim, "b")[0], remaining=remaining))
    with pytest.raises(UsageError, match="packet"):
        sim.wire.settle()
