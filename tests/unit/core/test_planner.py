"""How a want is spread over offers and paths (SPEC section 7)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ioe_router.core.planner import Candidate, LinkHint, Plan
from ioe_router.model.routing import Direction
from tests.unit.core.planning import KWH, LIMIT, candidate, offer


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
