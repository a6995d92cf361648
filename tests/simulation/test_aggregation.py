"""A border offers its domain's supply as its own, holds inside before it grants, and stands in for it.

a1, a3 --- a2 (border, aggregates) --- b1 (border) --- b2
domain A                 |          domain B
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from ioe_router.config import AggregationConfig, RouterConfig
from ioe_router.core.deal import COVER_TRADE_NO, FIRST_STEP_NO
from ioe_router.core.events import Booked, HoldAnswered, PeerFault
from ioe_router.core.inputs import ReleaseReservation
from ioe_router.core.reservation import Reservation
from ioe_router.model.envelope import ObjectType
from ioe_router.model.errors import ErrorCode
from ioe_router.model.reservation import ReservationState
from ioe_router.model.routing import Direction
from ioe_router.router import Router
from ioe_router.sim.keys import SeededEntropy
from tests.simulation.bent_wire import dropping
from tests.simulation.domain_chain import Two, bring, reached
from tests.simulation.pair import KWH_J, SLOT, Cable, Sim, build

S = ReservationState
WHOLE = AggregationConfig(share_ppm=1_000_000, steps=2)


def border(stated: AggregationConfig = WHOLE, *, fee: int = 0, r_micro_ohm: int = 0) -> Sim:
    """The network of the drawing, a1 selling at 0.10 and a3 at 0.20."""
    two = Two()

    def adjust(name: str, config: RouterConfig) -> RouterConfig:
        return replace(config, aggregation=stated) if name == "a2" else config

    sim = build(
        Cable("a1", "a2", r_micro_ohm=r_micro_ohm, fee_micro_per_kwh=fee),
        Cable("a3", "a2", r_micro_ohm=r_micro_ohm, fee_micro_per_kwh=fee),
        Cable("a2", "b1", r_micro_ohm=0),
        Cable("b1", "b2", r_micro_ohm=0),
        configure=two.configure(adjust=adjust),
    )
    sim.offer("a1", 100_000, 2 * KWH_J)
    sim.offer("a3", 200_000, 2 * KWH_J)
    sim.wait(60)
    return sim


def steps(sim: Sim, name: str) -> list[tuple[int, int]]:
    """Energy and price of the border's steps in the slot, as a node knows them."""
    found = []
    for sealed in sim.router(name).inspect().routing.offers(Direction.SUPPLY):
        body = sealed.body
        if body.offer_no >= FIRST_STEP_NO:
            at = (SLOT - body.first_slot_utc_s) // 900
            runs = [run for run in body.runs for _ in range(run.slots)]
            if at < len(runs) and runs[at].energy_j:
                found.append((runs[at].energy_j, runs[at].price_micro_per_kwh))
    return sorted(found, key=lambda one: one[1])


def test_the_curve_crosses_and_its_sources_do_not() -> None:
    """Behind the border the domain is one origin with two steps; inside nobody hears of them."""
    sim = border()
    assert reached(sim, "b2") == {"a2"}
    assert steps(sim, "b2") == [(2 * KWH_J, 100_000), (2 * KWH_J, 200_000)]
    assert steps(sim, "a1") == steps(sim, "a3") == []


def test_what_it_costs_at_the_border_is_in_the_price() -> None:
    """Losses, fees and the margin stand on top of the asks, and a share is a share of every step."""
    stated = AggregationConfig(share_ppm=500_000, steps=2, margin_micro_per_kwh=7_000)
    sim = border(stated, fee=5_000, r_micro_ohm=200_000)
    (cheap_j, cheap), (dear_j, dear) = steps(sim, "b2")
    assert 112_000 < cheap < 115_000
    assert 212_000 < dear < 220_000
    assert 0.95 * KWH_J < cheap_j <= KWH_J
    assert 0.95 * KWH_J < dear_j <= KWH_J


def test_a_hold_outside_is_held_inside_before_it_is_granted() -> None:
    """The border sells just what it has bought at the same moment: its own balance is untouched."""
    sim = border()
    sim.want("b2", KWH_J, 300_000)
    sim.at(60)
    assert sim.states("b2") == [S.COMMITTED]
    assert sim.states("a1") == [S.COMMITTED]
    outer, inner = sim.records("b2")[0], sim.records("a1")[0]
    assert inner.core.body.initiator == outer.core.body.origin == sim.node("a2")
    assert sum(one.energy_j for one in inner.granted.values()) == KWH_J
    bought = sim.used_j("a2", "a1")
    sold = sim.used_j("a2", "b1")
    assert bought == sold == KWH_J
    assert [(event.initiator, event.for_domain) for event in sim.events("a2", Booked)] == [
        (False, True),
        (True, True),
    ]
    assert not any(event.for_domain for event in sim.events("b2", Booked))
    sim.check_quiet()


def test_the_steps_are_told_anew_with_what_is_left() -> None:
    """What is sold outside is neither offered twice nor missing twice."""
    sim = border()
    sim.want("b2", KWH_J, 150_000)
    sim.at(450)
    assert S.COMMITTED in sim.states("b2")
    left_j = sum(energy_j for energy_j, _ in steps(sim, "b2"))
    assert left_j == 3 * KWH_J


def test_what_is_sold_inside_meanwhile_is_not_granted_outside() -> None:
    """The offer outside may be old; the grant is what the sources grant now."""
    sim = border()
    told = steps(sim, "b2")
    sim.at(570)
    sim.want("a2", 2 * KWH_J, 150_000)
    sim.want("b2", 2 * KWH_J, 150_000)
    sim.at(60)
    assert told[0] == (2 * KWH_J, 100_000)
    taken = sum(
        one.energy_j
        for record in sim.records("a1")
        if record.state is S.COMMITTED
        for one in record.granted.values()
    )
    assert taken <= 2 * KWH_J
    sim.check_quiet()


def test_the_border_never_sells_below_what_it_pays() -> None:
    """While the floor of a band is above the price of a step, inside would cost more: TOO_EARLY."""
    sim = border(fee=5_000)
    sim.want("b2", KWH_J, 700_000)
    sim.at(60)
    assert ErrorCode.TOO_EARLY in {event.code for event in sim.events("b2", HoldAnswered)}
    assert S.COMMITTED in sim.states("b2")
    for record in sim.records("a1") + sim.records("a3"):
        if record.state is S.COMMITTED:
            paid = next(
                one for one in sim.records("a2") if one.core.object_id == record.core.object_id
            ).granted[1]
            got = [
                one.granted[1].price_micro_per_kwh
                for one in sim.records("a2")
                if one.core.body.origin == sim.node("a2") and one.state is S.COMMITTED
            ]
            assert paid.price_micro_per_kwh <= max(got)
    sim.check_quiet()


def test_a_hold_that_is_not_committed_outside_lets_the_inside_go() -> None:
    """When COMMIT never comes, both holds end and nothing is booked anywhere."""
    sim = border()
    sim.at(500)
    sim.wire.on_object = dropping(ObjectType.COMMIT_HOP, sender="b1", receiver="a2")
    sim.want("b2", KWH_J, 300_000)
    sim.wait(120)
    sim.wire.on_object = None
    sim.wait(60)
    assert sim.used_j("a2", "a1") == 0
    assert S.COMMITTED not in sim.states("a1")


def test_a_release_outside_releases_inside() -> None:
    """What another domain gives back goes back to its source."""
    sim = border()
    sim.want("b2", KWH_J, 300_000)
    sim.at(400)
    (record,) = [one for one in sim.records("b2") if one.state is S.COMMITTED]
    assert sim.used_j("a2", "a1") == KWH_J
    order = ReleaseReservation(reservation=record.core.body.reservation)
    sim.wire.give(sim.node("b2"), order)
    sim.wire.settle()
    sim.wait(5)
    assert sim.used_j("a2", "a1") == sim.used_j("a2", "b1") == 0
    sim.check_quiet()


def test_without_its_sources_the_border_grants_nothing() -> None:
    """When inside is silent, the hold outside runs out with a REFUSE and is granted by nobody."""
    sim = border()
    sim.at(500)
    sim.wire.on_object = dropping(ObjectType.GRANT, receiver="a2")
    sim.want("b2", KWH_J, 300_000)
    sim.wait(120)
    assert S.COMMITTED not in sim.states("b2")
    assert ErrorCode.HOLD_EXPIRED in {event.code for event in sim.events("b2", HoldAnswered)}
    sim.wire.on_object = None
    sim.wait(120)
    assert sim.used_j("a2", "b1") == 0


def test_a_removed_source_leaves_the_curve() -> None:
    """Within half a minute of a removal the border offers what is left of its domain."""
    two = Two()

    def adjust(name: str, config: RouterConfig) -> RouterConfig:
        return replace(config, aggregation=WHOLE) if name == "a2" else config

    cables = [Cable(one, "a2", r_micro_ohm=0) for one in ("a1", "a3")]
    sim = build(*cables, Cable("a2", "b1", r_micro_ohm=0), configure=two.configure(adjust=adjust))
    sim.offer("a1", 100_000, KWH_J)
    sim.offer("a3", 200_000, KWH_J)
    sim.wait(60)
    assert steps(sim, "b1") == [(KWH_J, 100_000), (KWH_J, 200_000)]
    bring(sim, "a2", two.realms["a"].remove(sim.node("a1")))
    sim.wait(60)
    assert steps(sim, "b1") == [(KWH_J, 200_000)]


def test_a_path_does_not_come_back_into_its_domain() -> None:
    """What has left a domain is not taken at another border, where it would look like foreign supply."""
    sim = border()
    domains = sim.router("b1").inspect().evidence.domains
    adverts = [
        envelope
        for sender, receiver, envelope in sim.wire.passed
        if (sender, receiver, envelope.type) == ("a2", "b1", ObjectType.PATH_ADVERT)
    ]
    known = domains._members
    known[sim.node("a2")][domains.own or sim.node("a2")] = next(iter(known[sim.node("b1")].values()))  # type: ignore[index]
    sim.wire.inject("a2", "b1", *adverts)
    assert {event.code for event in sim.events("b1", PeerFault)} == {ErrorCode.LOOP}


@pytest.mark.parametrize("where", ["grant", "commit"])
def test_an_answer_that_is_lost_outside_parts_nothing(where: str) -> None:
    """Whether the border's GRANT or its COMMITTED is lost, as much is booked inside as outside."""
    sim = border()
    sim.at(500)
    kind = ObjectType.GRANT if where == "grant" else ObjectType.COMMITTED
    sim.wire.on_object = dropping(kind, sender="a2", receiver="b1")
    sim.want("b2", KWH_J, 300_000)
    sim.wait(1)
    sim.wire.on_object = None
    sim.wait(130)
    sim.check()
    inside, outside = sim.used_j("a2", "a1"), sim.used_j("a2", "b1")
    assert inside == outside


def test_a_border_that_has_crashed_stands_by_both_sides() -> None:
    """A restart between the commit and the slot leaves what is booked inside and outside as it was."""
    sim = border()
    sim.want("b2", KWH_J, 300_000)
    sim.at(400)
    mine, old = sim.ids["a2"], sim.router("a2")
    sim.wire.crash(mine.node)
    router = Router(
        old.inspect().config,
        own_key=mine.own_key,
        signer=mine.signer,
        entropy=SeededEntropy(b"again"),
        now=sim.wire.now,
    )
    sim.wire.restart(mine.node, router)
    sim.wire.settle()
    for other in ("a1", "a3", "b1"):
        sim.wire.connect(mine.node, sim.node(other))
    sim.wait(60)
    assert sim.used_j("a2", "a1") == sim.used_j("a2", "b1") == KWH_J
    sim.check_quiet()


LOST = frozenset(
    {
        ObjectType.HOLD,
        ObjectType.GRANT,
        ObjectType.REFUSE,
        ObjectType.COMMIT_HOP,
        ObjectType.COMMITTED,
        ObjectType.RECEIPT,
        ObjectType.RELEASE,
        ObjectType.OUTCOME,
        ObjectType.FAILED,
    }
)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_lost_the_border_ends_up_even(seed: int) -> None:
    """With an eighth of all answers lost for two minutes, as much is bought inside as is sold outside."""
    draw = random.Random(seed)
    sim = border()
    sim.at(590)
    sim.wire.on_object = lambda _here, _there, one: (
        [] if one.type in LOST and draw.random() < 0.125 else [one]
    )
    for _ in range(4):
        sim.want("b2", draw.choice([KWH_J // 2, KWH_J]), draw.choice([150_000, 300_000, 700_000]))
        if draw.random() < 0.5:
            sim.want("a2", KWH_J // 2, 250_000)
        sim.wait(draw.randrange(5, 40))
    sim.at(440)
    sim.wire.on_object = None
    sim.at(20)
    sold = committed_j(sim, lambda record: record.core.body.origin == sim.node("a2"))
    bought = committed_j(
        sim, lambda record: record.serves is not None and record.serves.trade_no == COVER_TRADE_NO
    )
    assert sold == bought > 0
    assert all(cover.inner for cover in sim.router("a2").inspect().cover._covers.values())
    sim.check_quiet()


def committed_j(sim: Sim, which: Callable[[Reservation], bool]) -> int:
    """Energy of the border's committed reservations of one kind."""
    return sum(
        record.granted[index].energy_j
        for record in sim.records("a2")
        if record.state is S.COMMITTED and which(record)
        for index in record.accepted
    )
