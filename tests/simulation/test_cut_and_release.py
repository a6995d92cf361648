"""Cuts that meet releases, and cuts by a clock that is ahead: the same books at both ends of every link."""

from __future__ import annotations

from itertools import pairwise

import pytest

from ioe_router.core.events import PeerFault
from ioe_router.core.inputs import ReleaseReservation
from ioe_router.model.clock import MS_PER_S, Now
from ioe_router.model.reservation import ReservationState
from tests.simulation.clocks import fall_behind
from tests.simulation.cutting import PATH, booked, chain, cut
from tests.simulation.pair import SLOT, Sim

S = ReservationState
GATE_S = 120  # final gate before a slot of 900 s


def lines(sim: Sim, one: str, other: str) -> tuple[list[object], list[object]]:
    """What both ends of a link have booked, by keeper's number and energies."""

    def seen(here: str, there: str) -> list[object]:
        return [(e.number, e.increment) for e in sim.entries(here, there, SLOT)]

    return seen(one, other), seen(other, one)


def release(sim: Sim, name: str = "d") -> None:
    """The initiator's host gives the first reservation back."""
    sim.wire.give(sim.node(name), ReleaseReservation(reservation=booked(sim, name)[0]))
    sim.wire.settle()


def link_down(sim: Sim, one: str, other: str) -> None:
    """Cut the wire between two nodes."""
    sim.wire.disconnect(sim.node(one), sim.node(other))
    sim.wire.settle()


def link_up(sim: Sim, one: str, other: str) -> None:
    """Mend it."""
    sim.wire.connect(sim.node(one), sim.node(other))
    sim.wire.settle()


def all_agree(sim: Sim) -> bool:
    """Whether both ends of every link have the same books."""
    pairs = (lines(sim, one, other) for one, other in pairwise(PATH))
    return all(here == there for here, there in pairs)


def released_too_late() -> Sim:
    """D has released, which c hears only after the gate: d stands in with its line of the link."""
    sim = chain()
    link_down(sim, "c", "d")
    release(sim)
    sim.at(GATE_S - 10)
    link_up(sim, "c", "d")
    sim.wait(5)
    return sim


def test_a_cut_reaches_the_line_that_a_released_node_stands_in_with() -> None:
    """The release came too late at c, d stands in: a cut from the origin lowers d's end of the link, too."""
    sim = released_too_late()
    assert (sim.states("d"), sim.states("c")) == ([S.RELEASED], [S.COMMITTED])
    full = lines(sim, "c", "d")[0]
    cut(sim, "a", booked(sim, "a")[1] // 2)
    sim.wait(5)
    assert lines(sim, "c", "d")[0] != full
    assert all_agree(sim)
    assert not any(sim.events(name, PeerFault) for name in "abd")


def test_a_cut_to_nothing_frees_that_line() -> None:
    """Cut to 0 at the origin: nobody has the packet any more, the released node included."""
    sim = released_too_late()
    cut(sim, "a", 0)
    sim.wait(5)
    assert [lines(sim, one, other) for one, other in pairwise(PATH)] == [([], [])] * 3


def test_a_cut_before_a_release_that_came_too_late_is_said_again() -> None:
    """Both were lost with the session; the release is refused after the gate, the cut counts."""
    sim = chain()
    link_down(sim, "c", "d")
    cut(sim, "d", booked(sim, "d")[1] // 2)
    release(sim)
    sim.at(GATE_S - 10)
    assert not all_agree(sim)
    link_up(sim, "c", "d")
    sim.wait(5)
    assert (sim.states("d"), sim.states("c")) == ([S.RELEASED], [S.COMMITTED])
    assert all_agree(sim)


def test_an_announced_cut_of_the_initiator_lowers_the_line_that_is_stood_in_with() -> None:
    """Announced to all, then released behind a dead session: both ends of that link carry the cut out."""
    sim = chain()
    cut(sim, "d", booked(sim, "d")[1] // 2, in_s=30)
    link_down(sim, "b", "c")
    release(sim)
    assert (sim.states("c"), sim.states("b")) == ([S.RELEASED], [S.COMMITTED])
    full = lines(sim, "b", "c")[0]
    sim.wait(40)
    assert lines(sim, "b", "c")[0] != full
    assert lines(sim, "b", "c")[0] == lines(sim, "b", "c")[1]
    sim.at(GATE_S - 10)
    link_up(sim, "b", "c")
    sim.wait(5)
    assert (sim.states("c"), sim.states("b")) == ([S.RELEASED], [S.COMMITTED])
    assert lines(sim, "b", "c")[0] == lines(sim, "b", "c")[1]


@pytest.mark.parametrize("ahead_s", [5, 59])
def test_a_cut_at_once_by_a_clock_that_is_ahead_is_at_once_after_the_gate(ahead_s: int) -> None:
    """After the gate there are no notices: an instant that the neighbour's clock may show is now."""
    sim = chain()
    sim.at(GATE_S - 10)
    cut(sim, "a", booked(sim, "a")[1] // 2, in_s=ahead_s)
    assert all_agree(sim)
    assert booked(sim, "d")[1] < booked(sim, "a")[1] + 10_000
    assert not any(sim.events(name, PeerFault) for name in PATH)


def test_a_cut_that_a_clock_far_behind_refused_is_said_again() -> None:
    """The session stood all the time: the neighbour takes the cut once its clock is right."""
    sim = chain()
    sim.at(GATE_S - 10)
    fall_behind(sim, "c", 75)
    cut(sim, "b", booked(sim, "b")[1] // 2)
    assert not all_agree(sim)
    fall_behind(sim, "c", 0)
    sim.wait(16)
    assert all_agree(sim)


@pytest.mark.parametrize("cutter", ["b", "c"])
def test_a_cut_by_a_clock_that_was_far_ahead_is_signed_anew_when_it_is_said_again(cutter: str) -> None:
    """Alone and minutes ahead it cuts; put right and among its neighbours again, it agrees with them."""
    sim = chain()
    sim.at(GATE_S - 10)
    ends = (PATH[PATH.index(cutter) - 1], PATH[PATH.index(cutter) + 1])
    for end in ends:
        link_down(sim, cutter, end)
    right = sim.wire.now
    sim.wire.now = Now(right.monotonic_ns, right.utc_ms + 150 * MS_PER_S)
    cut(sim, cutter, booked(sim, cutter)[1] // 2)
    sim.wire.now = right
    assert not all_agree(sim)
    for end in ends:
        link_up(sim, cutter, end)
    sim.wait(2)
    assert all_agree(sim)
    assert not any(sim.events(name, PeerFault) for name in PATH)
