"""Commands that things have overtaken: the host is told why, nothing changes, and the router goes on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable

import pytest

from ioe_router.adapters.clock import ScenarioClock
from ioe_router.adapters.journal import MemoryJournal
from ioe_router.adapters.runner import Runner
from ioe_router.core.events import Booked, CommandRefused, Event
from ioe_router.core.inputs import (
    CurtailReservation,
    Input,
    MeterRead,
    Overtakable,
    ReleaseReservation,
    ReplaceReservation,
    Shutdown,
    Started,
)
from ioe_router.core.steps import KEPT_SLOTS
from ioe_router.model.clock import Now
from ioe_router.model.errors import ErrorCode, UsageError
from ioe_router.model.ids import ReservationId
from ioe_router.model.reservation import ReservationState
from ioe_router.model.slot import Slot
from tests.simulation.pair import KWH_J, SLOT, SLOT_S, Cable, Sim, build
from tests.unit.adapters.rig import until

S = ReservationState
GONE = ReservationId(b"gone" * 4)
Order = Callable[[ReservationId], Overtakable]


def release(reservation: ReservationId) -> Overtakable:
    """Give it back."""
    return ReleaseReservation(reservation=reservation)


def replace_(reservation: ReservationId) -> Overtakable:
    """Want twice as much in its place."""
    return ReplaceReservation(
        reservation=reservation, energy_j=2 * KWH_J, energy_min_j=1, price_limit_micro_per_kwh=500_000
    )


def curtail(reservation: ReservationId) -> Overtakable:
    """Cut its packet to nothing."""
    return CurtailReservation(reservation=reservation, remaining=((1, 0),))


ORDERS = pytest.mark.parametrize("order", [release, replace_, curtail])


def line() -> Sim:
    """Node c buys from a, over b."""
    sim = build(Cable("b", "a"), Cable("b", "c"))
    sim.at(1_200)
    sim.offer("a", 100_000)
    sim.at(500)
    sim.want("c", KWH_J, 200_000)
    sim.wait(4)
    assert sim.states("c") == [S.COMMITTED]
    return sim


def reservation_of(sim: Sim) -> ReservationId:
    """What c has booked."""
    (booked,) = sim.events("c", Booked)
    return booked.reservation


def give(sim: Sim, name: str, command: Input) -> None:
    """Hand a command to a node and let what it causes happen."""
    sim.wire.give(sim.node(name), command)
    sim.wire.settle()


def refused(sim: Sim, name: str) -> list[tuple[Overtakable, ErrorCode]]:
    """What a host was refused, and why."""
    return [(no.command, no.code) for no in sim.events(name, CommandRefused)]


@ORDERS
def test_a_reservation_that_is_not_known_any_more(order: Order) -> None:
    """UNKNOWN_RESERVATION, and what stands still stands."""
    sim = line()
    give(sim, "c", order(GONE))
    assert refused(sim, "c") == [(order(GONE), ErrorCode.UNKNOWN_RESERVATION)]
    assert sim.states("c") == [S.COMMITTED]
    sim.check_quiet()


@ORDERS
def test_a_reservation_that_has_ended_meanwhile(order: Order) -> None:
    """Given back before: UNEXPECTED; to give it back once more is no news and no fault."""
    sim = line()
    one = reservation_of(sim)
    give(sim, "c", release(one))
    give(sim, "c", order(one))
    assert refused(sim, "c") == ([] if order is release else [(order(one), ErrorCode.UNEXPECTED)])
    assert sim.states("c") == [S.RELEASED]
    sim.check_quiet()


@ORDERS
def test_a_reservation_whose_gate_has_passed_meanwhile(order: Order) -> None:
    """GATE_CLOSED for a release and a replacement; a cut at once is still good until the slot is over."""
    sim = line()
    one = reservation_of(sim)
    sim.at(60)
    give(sim, "c", order(one))
    assert refused(sim, "c") == ([] if order is curtail else [(order(one), ErrorCode.GATE_CLOSED)])
    assert sim.states("c") == [S.COMMITTED]
    sim.check_quiet()


@pytest.mark.parametrize("order", [release, replace_])
@pytest.mark.parametrize("name", ["a", "b"])
def test_only_the_initiator_may(name: str, order: Order) -> None:
    """NOT_OWNER at the origin and on the way."""
    sim = line()
    one = reservation_of(sim)
    give(sim, name, order(one))
    assert refused(sim, name) == [(order(one), ErrorCode.NOT_OWNER)]
    assert sim.states("c") == sim.states(name) == [S.COMMITTED]
    sim.check_quiet()


def test_a_replacement_to_which_no_way_leads_any_more() -> None:
    """NO_PATH: the session was lost between decision and command."""
    sim = line()
    one = reservation_of(sim)
    sim.wire.disconnect(sim.node("b"), sim.node("c"))
    give(sim, "c", replace_(one))
    assert refused(sim, "c") == [(replace_(one), ErrorCode.NO_PATH)]
    assert sim.states("c") == [S.COMMITTED]


def test_too_many_announced_cuts() -> None:
    """LIMIT_REACHED: the ninth notice of a reservation is not taken."""
    sim = line()
    one = reservation_of(sim)
    for number in range(1, 10):
        at_ms = sim.wire.now.utc_ms + 100_000
        cut = CurtailReservation(reservation=one, remaining=((1, KWH_J - number),), effective_utc_ms=at_ms)
        give(sim, "c", cut)
    assert [code for _, code in refused(sim, "c")] == [ErrorCode.LIMIT_REACHED]
    sim.check_quiet()


def reading(sim: Sim, slot: Slot, imported_j: int = 5) -> MeterRead:
    """A reading of c's meter."""
    return MeterRead(link=sim.port("c", "b").link, slot=slot, imported_j=imported_j, exported_j=0)


def test_a_reading_after_the_clock_was_set_back() -> None:
    """FROM_FUTURE: by the present clock the slot is not over; at its end the reading is good."""
    sim = line()
    sim.at(-10)
    give(sim, "c", reading(sim, SLOT))
    assert [code for _, code in refused(sim, "c")] == [ErrorCode.FROM_FUTURE]
    sim.at(-SLOT_S - 5)
    give(sim, "c", reading(sim, SLOT))
    assert len(refused(sim, "c")) == 1
    assert SLOT in {slot for slot, _ in sim.router("c")._parts.settlement.rows}


def test_a_second_reading_that_differs() -> None:
    """CONFLICT: the first one is signed; the same one again is nothing new."""
    sim = line()
    sim.at(-SLOT_S - 5)
    for imported_j in (5, 5, 6):
        give(sim, "c", reading(sim, SLOT, imported_j))
    assert refused(sim, "c") == [(reading(sim, SLOT, 6), ErrorCode.CONFLICT)]


def test_a_reading_of_a_slot_that_is_settled_and_forgotten() -> None:
    """IN_PAST: the meter's counter is not raised twice for one slot, however late a host reads it again."""
    sim = line()
    sim.at(-SLOT_S - 5)
    give(sim, "c", reading(sim, SLOT))
    settlement = sim.router("c")._parts.settlement
    before = settlement.heads(sim.port("c", "b").link)
    sim.at(-(KEPT_SLOTS + 3) * SLOT_S)
    give(sim, "c", reading(sim, SLOT))
    assert [code for _, code in refused(sim, "c")] == [ErrorCode.IN_PAST]
    assert settlement.heads(sim.port("c", "b").link).imported_j == before.imported_j


@pytest.mark.asyncio
async def test_the_runner_goes_on() -> None:
    """A router under its shell is handed an overtaken command: the agent hears of it, the next one is met."""
    router = build(Cable("b", "a"), Cable("b", "c"), connect=False).router("c")
    clock = ScenarioClock((SLOT - 3_000) * 1_000)
    heard: list[Event] = []

    def agent(event: Event, _now: Now) -> Iterable[Input]:
        heard.append(event)
        return [Shutdown()] if isinstance(event, CommandRefused) else []

    runner = Runner(router, clock=clock, journal=MemoryJournal(), on_event=agent)
    task = asyncio.create_task(runner.run())
    runner.submit(Started(epoch=1))
    for command in (release(GONE), replace_(GONE), curtail(GONE)):
        runner.submit(command)
    try:
        await until(lambda: runner.idle and runner.tally.inputs >= 7)  # four, and what the agent answered
        assert not task.done()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    refusals = [no for no in heard if isinstance(no, CommandRefused)]
    assert [no.command for no in refusals] == [release(GONE), replace_(GONE), curtail(GONE)]


def test_what_no_time_can_make_right_is_still_a_mistake() -> None:
    """UsageError is kept for orders that were wrong from the start; it leaves the router as it was."""
    sim = line()
    router, before = sim.router("c"), sim.states("c")
    with pytest.raises(UsageError, match="negative"):
        router.handle(reading(sim, SLOT, -1), sim.wire.now)
    assert sim.states("c") == before
