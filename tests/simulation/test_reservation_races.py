"""The same HOLD again, another under its id, quotas and races: nothing is promised twice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ioe_router.config import Limits
from ioe_router.core.events import Booked, HoldAnswered
from ioe_router.model.errors import ErrorCode, Persistence, Scope
from ioe_router.model.reservation import Refuse, ReservationState
from ioe_router.model.routing import Direction
from tests.simulation.objects import Puppet
from tests.simulation.pair import KWH_J, Cable, build
from tests.simulation.sold_over_b import repair

S = ReservationState


# ------------------------------------------------------------------ the same again, or other content


def test_the_same_hold_again_gets_the_same_answer_and_enters_nothing() -> None:
    """A repeated HOLD is answered with the bytes of the first answer."""
    sim = repair()
    puppet = Puppet(sim, "c", "b", "a").ask()
    before = (sim.entries("b", "c"), sim.entries("b", "a"), sim.free_j("a"))
    puppet.ask()
    one, other = puppet.grants()
    assert one == other
    assert (sim.entries("b", "c"), sim.entries("b", "a"), sim.free_j("a")) == before


def test_other_content_under_the_same_id_is_a_conflict() -> None:
    """CONFLICT, and the first reservation stands and can be committed."""
    sim = repair()
    puppet = Puppet(sim, "c", "b", "a").ask()
    other = {"reservation": puppet.body.reservation, "priority": 5}
    assert Puppet(sim, "c", "b", "a", (2 * KWH_J,), other).ask().refused().code is ErrorCode.CONFLICT
    puppet.commit()
    assert sim.states("b") == sim.states("a") == [S.COMMITTED]


def test_a_hold_that_comes_again_another_way_is_a_conflict() -> None:
    """A neighbour that repeats somebody else's HOLD gets no answer that belongs to another link."""
    sim = build(Cable("b", "a"), Cable("b", "c"), Cable("b", "d"))
    sim.at(1_200)
    sim.offer("a", 100_000)
    sim.at(500)
    puppet = Puppet(sim, "c", "b", "a").ask()
    thief = Puppet(sim, "d", "b", "a")
    sim.say("d", "b", replace(thief.hold, core=puppet.core))
    assert [r.code for r in sim.heard("b", "d", Refuse)] == [ErrorCode.CONFLICT]
    assert sim.entries("d", "b") == ()


# ------------------------------------------------------------------ quotas and races


def test_the_quota_of_a_link_is_kept() -> None:
    """The third open HOLD over a link with room for two is QUOTA; a released one makes room."""
    sim = repair(Limits(holds_per_link=2))
    first, _ = Puppet(sim, "c", "b", "a").ask(), Puppet(sim, "c", "b", "a").ask()
    refuse = Puppet(sim, "c", "b", "a").ask().refused()
    assert (refuse.code, refuse.scope, refuse.persistence) == (
        ErrorCode.QUOTA,
        Scope.NODE,
        Persistence.TEMPORARY,
    )
    first.release()
    assert Puppet(sim, "c", "b", "a").ask().granted()[0].energy_j
    sim.check()


def test_the_quota_of_an_initiator_binds_its_own_router_too() -> None:
    """A router does not send more HOLDs than anybody would take, and books nothing for the rest."""
    sim = build(Cable("a", "b"), Cable("c", "b"), limits=Limits(holds_per_origin=1))
    sim.at(1_200)
    sim.offer("a", 100_000)
    sim.at(650)
    sim.wire.on_object = lambda *_: []  # nothing gets through, so the first one stays open
    first = sim.want("c", KWH_J, 200_000)
    second = sim.want("c", KWH_J, 200_000)
    assert first != second
    sim.at(540)
    assert len([s for s in sim.states("c") if s is S.HOLDING]) <= 1
    assert ErrorCode.QUOTA in {answer.code for answer in sim.events("c", HoldAnswered)}
    assert len(sim.entries("c", "b")) <= 1
    sim.check()


@pytest.mark.parametrize("scarce", ["energy", "capacity"])
def test_of_two_racers_exactly_one_wins_the_last_joules(scarce: str) -> None:
    """What is left goes to whoever is heard first; the other is refused and no joule is promised twice."""
    sim = build(
        Cable("b", "a", rating_va=50_000 if scarce == "energy" else 1_112), Cable("b", "c"), Cable("b", "d")
    )
    sim.at(1_200)
    sim.offer("a", 100_000, 900_000 if scarce == "energy" else 100 * KWH_J)
    sim.at(500)
    one, other = Puppet(sim, "c", "b", "a", (2_000_000,)), Puppet(sim, "d", "b", "a", (2_000_000,))
    one.ask()
    other.ask()
    assert one.granted()[0].energy_j > 0
    code = ErrorCode.NO_ENERGY if scarce == "energy" else ErrorCode.NO_CAPACITY
    assert other.refused().code is code
    assert sim.used_j("b", "a") <= 45_000 * 900
    assert sim.entries("b", "d") == ()
    sim.check()


@pytest.mark.parametrize("sells_first", [False, True])
def test_an_own_offer_is_never_promised_twice(sells_first: bool) -> None:
    """Energy that a buyer holds is not carried to a DEMAND offer as well, nor the reverse."""
    sim = build(Cable("b", "a"), Cable("b", "c"), Cable("b", "d"))
    sim.at(1_200)
    sim.offer("a", 50_000, KWH_J)
    sim.offer("d", 300_000, direction=Direction.DEMAND)
    sim.at(500)
    puppet = Puppet(sim, "c", "b", "a", (600_000,))
    if not sells_first:
        puppet.ask()
    sim.want("a", KWH_J, 100_000, direction=Direction.DEMAND, own_offer_no=1)
    sim.wait(1)
    if sells_first:
        assert puppet.ask().refused().code is ErrorCode.NO_ENERGY
    sold_j = sum(b.energy_j for b in sim.events("a", Booked) if b.own_offer_no == 1)
    held_j = sum(g.energy_j for r in sim.records("a") if r.state is S.HELD for g in r.granted.values())
    assert sold_j > 0
    assert (held_j > 0) is not sells_first
    assert sold_j + held_j == KWH_J - sim.free_j("a")
    assert sim.free_j("a") == 0
    if not sells_first:
        puppet.release()
        assert sim.free_j("a") == held_j
    sim.check()
