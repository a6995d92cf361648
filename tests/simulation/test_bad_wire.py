"""What reservations become on wires that are slow, repeat, corrupt or fall silent."""

from __future__ import annotations

import pytest

from ioe_router.core.events import Booked, PeerFault, TradeProgress
from ioe_router.model.envelope import ObjectType
from ioe_router.model.errors import ErrorCode
from ioe_router.model.reservation import CommitHop, Committed, ReservationState
from tests.simulation.bent_wire import FrameRule, Passing, dropping
from tests.simulation.lossy_line import ask, cut, line, states
from tests.simulation.objects import Puppet
from tests.simulation.pair import KWH_J, Cable, Sim, build
from tests.simulation.sold_over_b import nothing_booked

S = ReservationState


def spoil_one_frame(sim: Sim, spoilt: FrameRule) -> None:
    """Let node a publish twice; the first frame that it sends is spoilt on its way."""
    spent: list[Passing] = []

    def once(passing: Passing) -> list[Passing]:
        if passing.sender != "a" or spent:
            return [passing]
        spent.append(passing)
        return spoilt(passing)

    sim.wire.on_frame = once
    for price in (110_000, 120_000):
        sim.offer("a", price)
        sim.wait(2)
    assert spent


def test_a_slow_wire_changes_no_figure() -> None:
    """With 700 ms on every frame the same packet is booked as at once."""
    quick, slow = line(), line()
    slow.wire.on_frame = lambda p: [Passing(p.sender, p.receiver, p.data, 700)]
    for sim in (quick, slow):
        sim.want("c", KWH_J, 200_000)
        sim.wait(20)
        sim.check_quiet()
    assert [e.increment for e in quick.entries("b", "c")] == [e.increment for e in slow.entries("b", "c")]
    assert [b.price_micro_per_kwh for b in slow.events("c", Booked)] == [
        b.price_micro_per_kwh for b in quick.events("c", Booked)
    ]


@pytest.mark.parametrize("copies", [0, 2], ids=["lost", "repeated"])
def test_a_gap_or_repetition_of_frames_ends_its_session_and_no_other(copies: int) -> None:
    """The receiver closes with REPLAYED; what was committed stands, and the other link lives on."""
    sim = line()
    ask(sim)
    spoil_one_frame(sim, lambda passing: [passing] * copies)
    assert {f.code for f in sim.events("b", PeerFault)} == {ErrorCode.REPLAYED}
    up = {n: s.name for n, s in sim.router("b").snapshot().neighbors}
    assert up == {sim.node("a"): "IDLE", sim.node("c"): "ESTABLISHED"}
    assert states(sim) == [[S.COMMITTED]] * 3


@pytest.mark.parametrize("part", [0.2, 0.5, 0.8, 0.99])
def test_a_corrupted_frame_is_never_believed(part: float) -> None:
    """One flipped bit costs the object, the frame or the session; no altered offer is taken."""
    sim = line()
    ask(sim)

    def with_a_bit_flipped(passing: Passing) -> list[Passing]:
        broken = bytearray(passing.data)
        broken[int(len(broken) * part)] ^= 0x40
        return [Passing(passing.sender, passing.receiver, bytes(broken))]

    spoil_one_frame(sim, with_a_bit_flipped)
    assert sim.events("b", PeerFault)
    told = {run.price_micro_per_kwh for o in sim.router("b").snapshot().offers for run in o.body.runs}
    assert told <= {100_000, 120_000}
    assert states(sim) == [[S.COMMITTED]] * 3


def test_a_want_is_covered_after_all_when_the_session_comes_back() -> None:
    """NEIGHBOR_LOST in one band, a new path in the next: the want ends covered."""
    sim = build(Cable("a", "b"), Cable("c", "b"))
    sim.at(1_200)
    sim.offer("a", 100_000)
    sim.at(569)
    sim.wire.on_object = dropping(ObjectType.GRANT, sender="a")
    ask(sim)
    cut(sim, "a", "b")
    sim.wire.on_object = None
    sim.wait(2)
    sim.wire.connect(sim.node("a"), sim.node("b"))
    sim.at(200)
    progress = sim.events("c", TradeProgress)
    assert progress[-1].covered_j == KWH_J
    sim.check_quiet()


def test_a_puppet_that_holds_and_abandons_costs_its_hold_time_and_no_more() -> None:
    """Hold after hold without commit: each one frees everything by itself."""
    sim = build(Cable("b", "a"), Cable("b", "c"))
    sim.at(1_200)
    sim.offer("a", 100_000)
    sim.at(500)
    for _ in range(5):
        Puppet(sim, "c", "b", "a").ask()
    assert len(sim.entries("b", "a")) == 5
    sim.wait(46)
    nothing_booked(sim)
    assert sim.heard("c", "b", CommitHop) == []
    assert sim.heard("b", "c", Committed) == []
    assert ObjectType.REFUSE not in {
        e.type for here, there, e in sim.wire.passed if (here, there) == ("b", "c")
    }
