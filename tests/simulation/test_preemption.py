"""Soft pre-emption: urgent before less urgent, with notice, never what is held, never late."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ioe_router.core.events import Booked, Curtailed, TradeProgress, Unbooked
from ioe_router.model.errors import ErrorCode, UsageError
from ioe_router.model.parameters import NetworkParameters
from ioe_router.model.reservation import ReservationState
from tests.simulation import pair
from tests.simulation.objects import Puppet
from tests.simulation.pair import KWH_J, LAST_BAND, Cable, Sim, build
from tests.simulation.wants import want_of

S = ReservationState
GRACE_S = 30
LIMIT_J = 3_600_000  # of the link a-b


def star(monkeypatch: pytest.MonkeyPatch, gap: int = 3, before_s: int = 530) -> Sim:
    """Node a sells over b, whose link to a is narrow, to c and d."""
    monkeypatch.setattr(pair, "PARAMETERS", replace(pair.PARAMETERS, preemption_gap=gap))
    sim = build(
        Cable("b", "a", rating_va=4_445, r_micro_ohm=0),
        Cable("b", "c", r_micro_ohm=0),
        Cable("b", "d", r_micro_ohm=0),
    )
    sim.at(1_200)
    sim.offer("a", 100_000)
    sim.at(before_s)
    return sim


def ask(sim: Sim, name: str, energy_j: int, priority: int) -> Puppet:
    """A HOLD of a node with a priority."""
    changes = {"priority": priority, "band": LAST_BAND}
    return Puppet(sim, name, "b", "a", (energy_j,), changes=changes).ask()


def sold(sim: Sim, energy_j: int = LIMIT_J, priority: int = 1) -> Puppet:
    """Node c has the whole link, committed."""
    puppet = ask(sim, "c", energy_j, priority)
    puppet.commit()
    assert sim.states("b") == sim.states("a") == [S.COMMITTED]
    return puppet


def test_the_urgent_gets_the_capacity_after_the_grace_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_CAPACITY with the time to come again; then just what was missing has been cut."""
    sim = star(monkeypatch)
    sold(sim)
    refuse = ask(sim, "d", 1_000_000, 4).refused()
    assert (refuse.code, refuse.retry_after_ms) == (ErrorCode.NO_CAPACITY, GRACE_S * 1_000)
    assert sim.records("b")[0].granted[1].energy_j == LIMIT_J
    sim.wait(GRACE_S + 1)
    assert sim.records("b")[0].granted[1].energy_j == LIMIT_J - 1_000_000
    assert ask(sim, "d", 1_000_000, 4).granted()[0].energy_j == 1_000_000
    sim.check()


def test_who_gives_way_is_told_at_once_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """The origin's host (and the initiator) hear PREEMPTED with the instant; the energy goes only then."""
    sim = star(monkeypatch)
    sold(sim)
    at_ms = sim.wire.now.utc_ms + GRACE_S * 1_000
    ask(sim, "d", 1_000_000, 4)
    (told,) = sim.events("a", Curtailed)
    assert (told.code, told.node, told.effective_utc_ms) == (ErrorCode.PREEMPTED, sim.node("b"), at_ms)
    assert told.remaining_j == LIMIT_J - 1_000_000
    assert sim.events("a", Unbooked) == []
    sim.wait(GRACE_S + 1)
    (gone,) = sim.events("a", Unbooked)
    assert (gone.energy_j, gone.code) == (1_000_000, ErrorCode.PREEMPTED)


@pytest.mark.parametrize(
    ("gap", "low", "high"), [(0, 0, 7), (3, 2, 4), (7, 1, 7)], ids=["off", "too near", "wide gap"]
)
def test_without_the_gap_nobody_gives_way(
    monkeypatch: pytest.MonkeyPatch, gap: int, low: int, high: int
) -> None:
    """Off by default; and a priority that is not higher by the gap takes nothing."""
    sim = star(monkeypatch, gap)
    sold(sim, priority=low)
    refuse = ask(sim, "d", 1_000_000, high).refused()
    assert (refuse.code, refuse.retry_after_ms) == (ErrorCode.NO_CAPACITY, 0)
    sim.wait(GRACE_S + 1)
    assert sim.records("b")[0].granted[1].energy_j == LIMIT_J
    assert sim.events("a", Curtailed) == []


def test_what_is_held_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hold is about to be paid for or to end: it stands."""
    sim = star(monkeypatch)
    ask(sim, "c", LIMIT_J, 0)
    refuse = ask(sim, "d", 1_000_000, 7).refused()
    assert refuse.retry_after_ms == 0
    assert sim.events("a", Curtailed) == []
    assert sim.states("b")[0] is S.HELD


def test_nobody_is_cut_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    """If all that would give way were not enough, nothing is cut."""
    sim = star(monkeypatch)
    sold(sim, LIMIT_J // 2, 1)
    ask(sim, "c", LIMIT_J // 2, 6).commit()
    refuse = ask(sim, "d", LIMIT_J, 7).refused()
    assert refuse.code is ErrorCode.NO_CAPACITY
    assert sim.events("a", Curtailed) == []


def test_the_least_urgent_and_newest_gives_way_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Priority 0 before 1, and of two equals the one that was admitted last."""
    sim = star(monkeypatch)
    parts = (LIMIT_J // 4,) * 4
    packets = [
        ask(sim, "c", energy_j, priority) for energy_j, priority in zip(parts, (1, 0, 0, 2), strict=True)
    ]
    for packet in packets:
        packet.commit()
    ask(sim, "d", LIMIT_J // 4 + 100, 5)
    cut = {told.reservation: told.remaining_j for told in sim.events("a", Curtailed)}
    assert cut == {packets[2].body.reservation: 0, packets[1].body.reservation: LIMIT_J // 4 - 100}


@pytest.mark.parametrize(("before_s", "cut"), [(451, True), (450, False)])
def test_no_notice_reaches_past_the_provisional_gate(
    monkeypatch: pytest.MonkeyPatch, before_s: int, cut: bool
) -> None:
    """With the gate 420 s before the slot, 30 s of grace have to end before it."""
    sim = star(monkeypatch, before_s=before_s)
    sold(sim)
    ask(sim, "d", 1_000_000, 4)
    assert bool(sim.events("a", Curtailed)) is cut


def test_freed_capacity_waits_for_the_one_it_was_freed_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others as little urgent as what was cut find it taken; after the grace time again it is for all."""
    sim = star(monkeypatch)
    sold(sim)
    ask(sim, "d", 1_000_000, 4)
    sim.wait(GRACE_S + 1)
    assert ask(sim, "c", 1_000_000, 1).refused().code is ErrorCode.NO_CAPACITY
    assert ask(sim, "c", 500_000, 5).granted()[0].energy_j == 500_000
    sim.wait(GRACE_S)
    assert ask(sim, "c", 400_000, 1).granted()[0].energy_j == 400_000


def test_asking_again_does_not_cut_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """During the grace time the same initiator is told what is left of it; nobody else is cut."""
    sim = star(monkeypatch)
    sold(sim, LIMIT_J // 2, 1)
    sold_too = ask(sim, "c", LIMIT_J // 2, 1)
    sold_too.commit()
    ask(sim, "d", 1_000_000, 4)
    sim.wait(10)
    refuse = ask(sim, "d", 1_000_000, 4).refused()
    assert refuse.retry_after_ms == (GRACE_S - 10) * 1_000
    assert len(sim.events("a", Curtailed)) == 1


def test_an_initiator_does_not_preempt_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own packets it can release."""
    sim = star(monkeypatch)
    sold(sim)
    ask(sim, "c", 1_000_000, 7)
    assert sim.events("a", Curtailed) == []


def test_the_preempted_want_is_bought_elsewhere_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Node c is told, buys from another seller during the notice, and has its energy without a gap."""
    monkeypatch.setattr(pair, "PARAMETERS", replace(pair.PARAMETERS, preemption_gap=3))
    sim = build(
        Cable("b", "a", rating_va=4_445, r_micro_ohm=0),
        Cable("b", "c", r_micro_ohm=0),
        Cable("b", "d", r_micro_ohm=0),
        Cable("e", "c", r_micro_ohm=0),
    )
    sim.at(1_200)
    sim.offer("a", 100_000)
    sim.offer("e", 400_000)
    sim.at(530)
    sim.wire.give(sim.node("c"), replace(want_of(9, LIMIT_J, 500_000), priority=1))
    sim.wait(4)
    assert {b.peer for b in sim.events("c", Booked)} == {sim.node("a")}
    ask(sim, "d", KWH_J // 2, 4)
    sim.wait(20)
    assert sum(b.energy_j for b in sim.events("c", Booked) if b.peer == sim.node("e")) == KWH_J // 2
    sim.wait(20)
    booked_j = sum(b.energy_j for b in sim.events("c", Booked))
    assert booked_j - sum(u.energy_j for u in sim.events("c", Unbooked)) == LIMIT_J
    assert sim.events("c", TradeProgress)[-1].open_j == 0
    sim.check()


@pytest.mark.parametrize(("gap", "grace_s"), [(8, 30), (3, 0), (3, 301)])
def test_impossible_parameters_are_refused(gap: int, grace_s: int) -> None:
    """A gap above the priorities, no grace at all and too much of it are named in one sentence."""
    with pytest.raises(UsageError, match="preemption"):
        replace(pair.PARAMETERS, preemption_gap=gap, preemption_grace_s=grace_s)


def test_the_parameters_are_part_of_the_digest() -> None:
    """Two nodes that pre-empt differently do not become neighbours."""
    one: NetworkParameters = pair.PARAMETERS
    assert one.digest() != replace(one, preemption_gap=3).digest()
    assert one.digest() != replace(one, preemption_grace_s=31).digest()
