"""A crash between a record and its event: after the restart the host is told what it may have missed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from ioe_router.core.events import (
    Booked,
    BookingRestored,
    Curtailed,
    ImbalanceSettled,
    LinkSettled,
    SettlementRestored,
    Unbooked,
    UnbookingRestored,
)
from ioe_router.core.inputs import CurtailReservation, ReleaseReservation
from ioe_router.model.reservation import ReservationState
from ioe_router.sim.checkers.told import enter
from tests.simulation.crash_line import committed, line, meter, offer
from tests.simulation.crashing import crash, is_down, reconnect, restart
from tests.simulation.pair import KWH_J, SLOT_S, Sim

S = ReservationState
Act = Callable[[Sim, str], None]


def release(sim: Sim, _name: str) -> None:
    """The initiator gives its packet back."""
    reservation = sim.events("c", Booked)[0].reservation
    sim.wire.give(sim.node("c"), ReleaseReservation(reservation=reservation))
    sim.wire.settle()


def cut_to(remaining_j: int, *, in_s: int = 0, by: str = "b") -> Act:
    """Somebody cuts the packet, now or in a while."""

    def cut(sim: Sim, _name: str) -> None:
        (record,) = sim.records(by)
        order = CurtailReservation(
            reservation=record.key[0],
            remaining=((1, remaining_j),),
            effective_utc_ms=sim.wire.now.utc_ms + in_s * 1_000 if in_s else 0,
        )
        sim.wire.give(sim.node(by), order)
        sim.wire.settle()

    return cut


ACTS = {
    "release": release,
    "cut half": cut_to(KWH_J // 2),
    "cut all": cut_to(0),
    "cut by the initiator": cut_to(KWH_J // 3, by="c"),
    "cut by the origin": cut_to(KWH_J // 3, by="a"),
    "notice": cut_to(KWH_J // 2, in_s=20),
}


def crashes(name: str, act: Act, before_s: int = 500) -> Iterator[Sim]:
    """Worlds in which a node crashed after each effect in turn of an act, and has come back."""
    for effects in count():
        sim = committed(line())
        sim.at(before_s)
        crash(sim, name, after_effects=effects)
        act(sim, name)
        sim.wait(25)
        if not is_down(sim, name):
            return
        restart(sim, name)
        reconnect(sim)
        sim.wait(40)
        yield sim


def books_of(sim: Sim, name: str) -> dict[tuple[bytes, int], int]:
    """What a host that outlives crashes has on its books, by events alone."""
    books: dict[tuple[bytes, int], int] = {}
    for event in sim.all_events(name):
        assert enter(books, event) == ""
    return books


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS.keys())
@pytest.mark.parametrize("name", ["a", "c"])
def test_books_kept_by_events_are_those_of_the_router_after_any_crash(name: str, act: Act) -> None:
    """Whatever effect is the last of a life, the host ends with what is booked, cut or released."""
    worlds = 0
    for sim in crashes(name, act):
        worlds += 1
        booked = {
            (record.key[0], index): record.granted[index].energy_j
            for record in sim.records(name)
            if record.state is S.COMMITTED
            for index in record.accepted
        }
        assert books_of(sim, name) == booked
    assert worlds


@pytest.mark.parametrize("name", ["a", "c"])
def test_what_is_released_is_told_at_every_start(name: str) -> None:
    """A second crash does not make it forgotten; a node in transit has nothing to tell."""
    sim = committed(line())
    release(sim, name)
    for node in (name, "b"):
        for _ in range(2):
            crash(sim, node)
            restart(sim, node)
    told = sim.events(name, UnbookingRestored)
    assert [(one.reservation, one.index, one.remaining_j) for one in told] == [
        (sim.records(name)[0].key[0], 1, 0)
    ] * 2
    assert sim.events(name, BookingRestored) == []
    assert sim.events("b", UnbookingRestored) == []


def test_a_packet_that_was_never_touched_is_told_as_booked_only() -> None:
    """No news about what stands as it was committed."""
    sim = committed(line())
    crash(sim, "c")
    restart(sim, "c")
    assert len(sim.events("c", BookingRestored)) == 1
    assert sim.events("c", UnbookingRestored) == []
    assert sim.events("c", Curtailed) == []


def test_a_notice_is_told_again_until_its_instant() -> None:
    """Curtailed once more after the restart, with the same words; then the cut itself."""
    sim = committed(line())
    cut_to(KWH_J // 2, in_s=60)(sim, "b")
    crash(sim, "c")
    restart(sim, "c")
    first, again = sim.events("c", Curtailed)
    assert again == first
    reconnect(sim)
    sim.wait(80)
    assert [event.remaining_j for event in sim.events("c", Unbooked)] == [first.remaining_j]


@pytest.mark.parametrize("name", list("abc"))
def test_what_is_settled_is_told_whatever_effect_was_the_last(name: str) -> None:
    """Every link and every deviation that is settled was told to the host, each with one content only."""

    def settle(sim: Sim, _name: str) -> None:
        meter(sim, *(one for one in "abc" if sim.wire.nodes[sim.node(one)].alive))

    worlds = 0
    for sim in crashes(name, settle, before_s=-SLOT_S - 5):
        worlds += 1
        offer(sim, "a")  # the way to the balance-responsible party
        meter(sim, *"abc")
        sim.wait(130)
        told = [*sim.events(name, LinkSettled), *sim.events(name, ImbalanceSettled)]
        told += [event.settled for event in sim.events(name, SettlementRestored)]
        parts = sim.router(name)._parts
        settled = [*parts.settlement.settled(), *parts.imbalance.settled()]
        assert len([one for one in settled if isinstance(one, LinkSettled)]) >= (2 if name == "b" else 1)
        assert set(told) == set(settled)
    assert worlds
