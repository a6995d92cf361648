"""How a want is spread over offers and paths (SPEC section 7)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ioe_router.core.loss import J_PER_KWH, LinkModel
from ioe_router.core.planner import Candidate, Hop, LinkHint, Plan
from ioe_router.model.ids import LinkId, PathHash
from ioe_router.model.routing import Direction, Firmness, Flow, Offer, OfferRun, SourceClass
from tests.unit.core.plain_sealer import node_named
from tests.unit.core.routing_rig import SLOT_S, START_UTC_S, Wire, attest

MODEL = LinkModel.of(attest(Wire("a", "b")).body, SLOT_S)
KWH = J_PER_KWH
LIMIT = 1_000_000


def offer(origin: str, direction: Direction = Direction.SUPPLY, *, default: bool = False) -> Offer:
    """An offer of which only origin, direction and the DEFAULT mark matter here."""
    return Offer(
        origin=node_named(origin),
        offer_no=1,
        epoch=1,
        seq=1,
        direction=direction,
        source=SourceClass.SOLAR,
        firmness=Firmness.FIRM,
        first_slot_utc_s=START_UTC_S,
        runs=(OfferRun(slots=1, energy_j=KWH, price_micro_per_kwh=0),),
        energy_cap_j=0,
        carbon_mg_per_kwh=0,
        is_default=default,
        forward=False,
        only_to_customers=False,
        issued_utc_s=START_UTC_S,
        expires_utc_s=START_UTC_S + SLOT_S,
    )


def candidate(of: Offer, ask: int, *links: str, available_j: int = 100 * KWH) -> Candidate:
    """`of` over a path of links that are named by a letter each."""
    hops = tuple(
        Hop(link=LinkId(name.encode() * 32), model=MODEL, flow=Flow.DOWN, fee_micro_per_kwh=0)
        for name in links
    )
    return Candidate(
        offer=of,
        path=PathHash("".join(links).encode().ljust(32)),
        hops=hops,
        ask_micro_per_kwh=ask,
        limit_micro_per_kwh=0 if of.direction is Direction.DEMAND else LIMIT,
        available_j=available_j,
    )


def plan(*candidates: Candidate, room_j: int = 1_000 * KWH, salt: bytes = b"", spread: int = 0) -> Plan:
    """A search on links that carry nothing yet."""
    return Plan(list(candidates), lambda _: LinkHint(0, room_j, room_j), salt, spread)


def shares(found: Plan, need_j: int) -> list[int]:
    """Energy by candidate, in the order given; 0 for those not taken."""
    found.search(need_j)
    return [
        found.taken[i].energy_j if i in found.taken else 0 for i in range(max(found.taken, default=-1) + 1)
    ]


def test_the_cheapest_delivered_energy_comes_first() -> None:
    """Price at the own port decides, and the next source begins where one is used up."""
    cheap = candidate(offer("cheap"), 50_000, "a", available_j=3 * KWH)
    dear = candidate(offer("dear"), 80_000, "b")
    assert shares(plan(dear, cheap), 2 * KWH) == [0, 2 * KWH]
    assert shares(plan(dear, cheap), 8 * KWH) == [5 * KWH, 3 * KWH]


def test_equal_paths_share_the_load() -> None:
    """Two like paths to one source carry half each: losses rise with the square."""
    source = offer("sun")
    one, other = shares(plan(candidate(source, 100_000, "a"), candidate(source, 100_000, "b")), 16 * KWH)
    assert one == other == 8 * KWH


def test_a_path_takes_no_more_than_its_room() -> None:
    """What a link has no room for stays open."""
    only = plan(candidate(offer("sun"), 10_000, "a", "b"), room_j=5 * KWH)
    assert sum(shares(only, 9 * KWH)) == 5 * KWH


def test_an_ask_above_the_limit_is_left_out() -> None:
    """A source that costs more than the want may pay is not taken, however much is missing."""
    assert shares(plan(candidate(offer("dear"), LIMIT + 1, "a")), KWH) == []


def test_selling_goes_to_the_highest_bid() -> None:
    """With DEMAND the dearest buyer is the best one."""
    low = candidate(offer("low", Direction.DEMAND), 60_000, "a")
    high = candidate(offer("high", Direction.DEMAND), 90_000, "b")
    assert shares(plan(low, high), 2 * KWH) == [0, 2 * KWH]


def test_salt_spreads_buyers_over_sources_of_nearly_one_price() -> None:
    """Different salts lead to different first choices among sources inside the spread."""
    rivals = [candidate(offer(f"sun{i}"), 40_000 + 1_000 * i, chr(97 + i)) for i in range(6)]
    first = set()
    for salt in range(40):
        taken = plan(*rivals, salt=salt.to_bytes(8), spread=20_000)
        taken.search(KWH)
        first.add(min(taken.taken))
    assert len(first) >= 4


@pytest.mark.parametrize("default", [True, False])
def test_salt_never_prefers_a_source_dearer_by_more_than_the_spread(default: bool) -> None:
    """A random disadvantage is bounded by the spread, and a default route has none."""
    cheap = candidate(offer("cheap"), 50_000, "a")
    dear = candidate(offer("dear", default=default), 71_000, "b")
    for salt in range(40):
        assert shares(plan(cheap, dear, salt=salt.to_bytes(8), spread=20_000), KWH) == [KWH]


def test_a_source_is_not_promised_twice_over_two_paths() -> None:
    """What an origin has is counted once, over however many paths it is reached."""
    source = offer("sun")
    both = plan(
        candidate(source, 50_000, "a", available_j=3 * KWH),
        candidate(replace(source), 50_000, "b", available_j=3 * KWH),
    )
    assert sum(shares(both, 9 * KWH)) == 3 * KWH
