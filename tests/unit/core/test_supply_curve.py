"""The curve that a border offers: never below cost, never more than its share (SPEC section 7.13)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ioe_router.core.supply_curve import PPM, Share, curve

SHARES = st.lists(st.builds(Share, st.integers(-1_000_000, 1_000_000), st.integers(0, 10**9)), max_size=30)


def test_steps_are_cut_where_the_price_jumps() -> None:
    """Three steps of five sources: near prices stay together, and each step costs its dearest part."""
    shares = [Share(100, 1), Share(102, 1), Share(500, 4), Share(900, 2), Share(905, 2)]
    assert curve(reversed(shares), 3, PPM, 10) == (Share(112, 2), Share(510, 4), Share(915, 4))


def test_two_borders_with_a_half_each_offer_each_source_once() -> None:
    """The part of a border is even over the whole curve."""
    shares = [Share(100, 1_000), Share(300, 3_000)]
    half = curve(shares, 4, PPM // 2, 0)
    assert half == (Share(100, 500), Share(300, 1_500))


def test_nothing_makes_no_step() -> None:
    """Without energy there is no offer."""
    assert curve([], 4, PPM, 0) == curve([Share(5, 0)], 4, PPM, 0) == curve([Share(5, 1)], 4, 1, 0) == ()


@given(shares=SHARES, steps=st.integers(1, 8), share_ppm=st.integers(0, PPM), margin=st.integers(0, 10_000))
def test_no_step_is_below_cost_and_their_sum_is_within_the_share(
    shares: list[Share], steps: int, share_ppm: int, margin: int
) -> None:
    """Whatever the sources are: few steps, rising prices, energy within the share, cost covered."""
    found = curve(shares, steps, share_ppm, margin)
    assert len(found) <= steps
    prices = [one.price_micro_per_kwh for one in found]
    assert prices == sorted(set(prices))
    total_j = sum(one.energy_j for one in shares)
    assert sum(one.energy_j for one in found) * PPM <= total_j * share_ppm
    for limit in prices:
        offered_j = sum(one.energy_j for one in found if one.price_micro_per_kwh <= limit)
        there_j = sum(one.energy_j for one in shares if one.price_micro_per_kwh + margin <= limit)
        assert offered_j <= there_j
