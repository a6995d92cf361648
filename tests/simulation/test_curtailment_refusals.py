"""Which CURTAILs and which orders to cut are refused: by whom they are, what they say, and when."""

from __future__ import annotations

import pytest

from ioe_router.core.events import CommandRefused, PeerFault
from ioe_router.core.inputs import CurtailReservation
from ioe_router.model.errors import ErrorCode, UsageError
from ioe_router.model.reservation import ReservationState
from tests.simulation.cutting import booked, chain, cut, energies, say_cut
from tests.simulation.objects import Puppet
from tests.simulation.pair import Cable, build

S = ReservationState


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
