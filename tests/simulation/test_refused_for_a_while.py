"""What a neighbour refuses only for a while is told to it again, and is known there in the end."""

from __future__ import annotations

from ioe_router.core.events import PeerFault
from ioe_router.model.discovery import Fault
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import ObjectId
from ioe_router.model.routing import Direction, PathAdvert
from tests.simulation.clocks import fall_behind
from tests.simulation.pair import KWH_J, Cable, Sim, build


def prices(sim: Sim, name: str) -> list[int]:
    """First price of every offer of others that a node knows."""
    offers = sim.router(name).inspect().routing.offers(Direction.SUPPLY)
    return [o.body.runs[0].price_micro_per_kwh for o in offers if o.body.origin != sim.node(name)]


def test_an_offer_from_the_future_is_known_once_the_clock_is_right() -> None:
    """Refused with the time when it is worth telling again; told again then, with what it needs."""
    sim = build(Cable("b", "a"))
    sim.at(1_200)
    sim.offer("a", 100_000)
    sim.wait(2)
    fall_behind(sim, "b", 65)
    sim.offer("a", 90_000)
    sim.wait(2)
    assert prices(sim, "b") == [100_000]
    (fault,) = sim.heard("b", "a", Fault)
    assert fault.code is ErrorCode.FROM_FUTURE
    assert 3_000 <= fault.retry_after_ms <= 5_000
    fall_behind(sim, "b", 0)
    sim.wait(7)
    assert prices(sim, "b") == [100_000]
    sim.wait(2)
    assert prices(sim, "b") == [90_000]
    assert len(sim.events("b", PeerFault)) == 1


def test_a_withdrawal_from_the_future_takes_effect_once_the_clock_is_right() -> None:
    """What is not told again is no more."""
    sim = build(Cable("b", "a"))
    sim.at(1_200)
    sim.offer("a", 100_000, KWH_J)
    sim.offer("a", 70_000, KWH_J, offer_no=2)
    sim.wait(2)
    fall_behind(sim, "b", 65)
    sim.offer("a", 100_000, 0)
    sim.wait(2)
    assert sorted(prices(sim, "b")) == [70_000, 100_000]
    fall_behind(sim, "b", 0)
    sim.wait(10)
    assert prices(sim, "b") == [70_000]


def test_what_is_known_already_is_no_news() -> None:
    """A neighbour that complains without cause gets the same again, at most every ten seconds."""
    sim = build(Cable("b", "a"))
    sim.at(1_200)
    sim.offer("a", 100_000)
    sim.wait(2)
    before = len(sim.heard("a", "b", PathAdvert))
    for _ in range(15):
        nothing = ObjectId(bytes(32))
        sim.say("b", "a", Fault(code=ErrorCode.LIMIT_REACHED, object=nothing, text="full", retry_after_ms=1))
        sim.wait(1)
    assert len(sim.heard("a", "b", PathAdvert)) == before + 1
    assert prices(sim, "b") == [100_000]
    assert not sim.events("b", PeerFault)
