"""What the routing tables offer a want: paths, room, and what is not asked again (SPEC sections 7 and 9)."""

from __future__ import annotations

import pytest

from ioe_router.core.events import HoldAnswered
from ioe_router.core.market import PATHS_TRIED, RibMarket
from ioe_router.core.planner import Candidate
from ioe_router.model.envelope import ObjectType
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import PathHash
from ioe_router.model.routing import Flow
from tests.simulation.bent_wire import dropping
from tests.simulation.pair import KWH_J, PARAMETERS, SLOT, SLOT_S, Cable, Sim, build
from tests.simulation.wants import want_of

PRICE = 100_000
LIMIT = 300_000
RATING_VA = 50_000
STEP_J = RATING_VA * SLOT_S // PARAMETERS.link_state_steps
LANES = "pqrst"  # neighbours of the buyer; each of them is one way to the seller
DETOUR_FEE = 5_000


def market_of(sim: Sim) -> RibMarket:
    """The market of the buyer, `a`."""
    return sim.router("a")._parts.market


def candidates(
    sim: Sim, excluded: set[PathHash] | None = None, spent_seq: int | None = None
) -> dict[PathHash, Candidate]:
    """What the buyer may ask the seller `z` for, by path; paths and a version of the offer left out."""
    trade = want_of(1, KWH_J, LIMIT, LIMIT)
    seller = sim.node("z")
    found = market_of(sim).candidates(
        trade,
        {(seller, 1, path) for path in excluded or ()},
        {} if spent_seq is None else {(seller, 1): spent_seq},
    )
    return {candidate.path: candidate for candidate in found}


# ------------------------------------------------------------------ paths


@pytest.fixture(scope="module")
def lanes() -> Sim:
    """Five ways from buyer to seller, each dearer than the one before; the last is the only wide one."""
    cables = []
    for place, lane in enumerate(LANES):
        rating_va = RATING_VA * (2 if lane == LANES[-1] else 1)
        cables.append(Cable(lane, "a", fee_micro_per_kwh=DETOUR_FEE * place, rating_va=rating_va))
        cables.append(Cable(lane, "z", rating_va=rating_va))
    sim = build(*cables)
    sim.offer("z", PRICE)
    sim.wait(30)
    return sim


def lanes_of(sim: Sim, found: dict[PathHash, Candidate]) -> str:
    """The ways of these candidates, by letter."""
    first_links = {candidate.hops[-1].link for candidate in found.values()}
    return "".join(lane for lane in LANES if sim.port("a", lane).link in first_links)


def test_the_cheapest_ways_are_tried_and_the_widest_among_them(lanes: Sim) -> None:
    """Of five ways four are tried; the dearest takes a place because no other is as wide."""
    found = candidates(lanes)
    assert len(found) == PATHS_TRIED
    assert lanes_of(lanes, found) == "pqrt"


def test_a_way_that_was_full_makes_room_for_the_next(lanes: Sim) -> None:
    """What is excluded is left out before the best are chosen, so a fifth way comes into sight."""
    first = next(path for path, one in candidates(lanes).items() if lanes_of(lanes, {path: one}) == "p")
    assert lanes_of(lanes, candidates(lanes, {first})) == "qrst"


def test_no_way_is_left_once_all_were_full(lanes: Sim) -> None:
    """With every way excluded there is nothing to ask for."""
    found = candidates(lanes)
    rest = candidates(lanes, set(found))
    assert lanes_of(lanes, rest) == "s"
    assert candidates(lanes, {*found, *rest}) == {}


# ------------------------------------------------------------------ room


def test_a_hopeful_plan_counts_on_the_step_that_link_state_rounds_away() -> None:
    """What is free on a far link lies between what is told and what a hopeful plan reckons with."""
    sim = build(Cable("b", "a", rating_va=2 * RATING_VA), Cable("b", "z", rating_va=RATING_VA))
    sim.offer("z", PRICE)
    sim.want("b", 5 * KWH_J, LIMIT)
    sim.at(450)  # after the bands, before the provisional gate
    booked = sim.ledger("b", "z")
    assert booked is not None
    assert booked.entries
    told_j, hoped_j = (room_j(sim, hopeful=hopeful) for hopeful in (False, True))
    assert told_j <= booked.free_j(Flow.UP) < hoped_j
    assert hoped_j - told_j == STEP_J


def room_j(sim: Sim, *, hopeful: bool) -> int:
    """How much the buyer believes it can have over its only path."""
    plan = market_of(sim).plan(SLOT, list(candidates(sim).values()), hopeful=hopeful)
    return sum(allocation.energy_j for allocation in plan.search(100 * KWH_J))


# ------------------------------------------------------------------ sold out


def two_ways(offered_j: int) -> Sim:
    """A seller behind `b` and, dearer, behind `c`."""
    sim = build(
        Cable("b", "a"), Cable("b", "z"), Cable("c", "a", fee_micro_per_kwh=DETOUR_FEE), Cable("c", "z")
    )
    sim.offer("z", PRICE, offered_j)
    sim.wait(30)
    return sim


def test_an_offer_in_the_book_of_the_spent_needs_a_newer_version() -> None:
    """It is no candidate at the version that was sold out, and one again at the next."""
    sim = two_ways(KWH_J)
    (seq,) = {candidate.offer.seq for candidate in candidates(sim).values()}
    assert candidates(sim, spent_seq=seq) == {}
    assert candidates(sim, spent_seq=seq - 1) == candidates(sim) != {}


def test_a_sold_out_offer_is_not_asked_again_over_another_path() -> None:
    """The seller has sold all, which the buyer has not heard: it asks once, not once a path and round."""
    sim = two_ways(KWH_J)
    sim.want("b", KWH_J, LIMIT)
    sim.wire.on_object = dropping(ObjectType.OFFER, ObjectType.OFFER_WITHDRAWAL, receiver="a")
    sim.at(500)
    assert sim.free_j("z") == 0
    sim.want("a", KWH_J, LIMIT)
    sim.at(430)
    (answer,) = sim.events("a", HoldAnswered)
    assert (answer.code, answer.granted_j) == (ErrorCode.NO_ENERGY, 0)


def test_a_sold_out_offer_is_asked_again_once_it_has_energy() -> None:
    """A newer version of the offer opens it again, and the want is served."""
    sim = two_ways(KWH_J)
    sim.want("b", KWH_J, LIMIT)
    sim.wire.on_object = dropping(ObjectType.OFFER, ObjectType.OFFER_WITHDRAWAL, receiver="a")
    sim.at(590)
    sim.want("a", KWH_J, LIMIT)
    sim.at(560)
    sim.wire.on_object = None
    sim.offer("z", PRICE, 20 * KWH_J)
    sim.at(430)
    answers = sim.events("a", HoldAnswered)
    assert [answer.code for answer in answers] == [ErrorCode.NO_ENERGY, ErrorCode.UNSPECIFIED]
    assert answers[-1].granted_j == KWH_J
