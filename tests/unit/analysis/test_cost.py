"""The definition of community cost and the figures that are made of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ioe_router.analysis.cost import (
    DayEnergy,
    LossError,
    amount_micro,
    community_cost,
    excess_loss_ppm,
    gain_gap_ppm,
    gap_ppm,
    loss_error,
)
from ioe_router.scenario.model import AssetKind, Scenario
from tests.unit.analysis import grids

KWH = 3_600_000


@pytest.fixture
def grid() -> Scenario:
    """A roof, a charger and a battery behind one line, two slots."""
    return grids.scenario(
        [grids.bus("a"), grids.bus("b")],
        [grids.link("a", "b")],
        [
            grids.asset("roof", "b", AssetKind.SOLAR, price=40_000),
            grids.asset("charger", "b", AssetKind.FLEXIBLE, price=150_000),
            grids.asset("battery", "b", AssetKind.BATTERY),
        ],
        retail=(300_000, 200_000),
        feed_in=(80_000, 60_000),
    )


@pytest.fixture
def energy() -> DayEnergy:
    """Round figures, so that every part can be checked in the head."""
    return DayEnergy(
        import_j=(2 * KWH, KWH),
        export_j=(0, 3 * KWH),
        source_j={"roof": 5 * KWH},
        flexible_unserved_j={"charger": 2 * KWH},
        battery_start_j={"battery": 4 * KWH},
        battery_end_j={"battery": KWH},
        unserved_j=7 * KWH,
        loss_j=KWH,
        fees_micro=1_234,
    )


def test_the_cost_of_a_day_is_the_sum_of_its_parts(grid: Scenario, energy: DayEnergy) -> None:
    """Each part is energy times its own price; firm unserved energy is not in it."""
    cost = community_cost(grid, grid.days[0], energy)
    assert cost.purchases_micro == 2 * 300_000 + 200_000
    assert cost.sales_micro == 3 * 60_000
    assert cost.sources_micro == 5 * 40_000
    assert cost.flexible_micro == 2 * 150_000
    assert cost.battery_micro == 3 * grids.REFERENCE
    assert cost.without_fees_micro == 800_000 - 180_000 + 200_000 + 300_000 + 600_000
    assert cost.with_fees_micro == cost.without_fees_micro + 1_234


def test_a_fuller_battery_is_an_asset(grid: Scenario, energy: DayEnergy) -> None:
    """Energy left in the store at the reference price lowers the cost."""
    fuller = replace(energy, battery_end_j={"battery": 5 * KWH})
    assert community_cost(grid, grid.days[0], fuller).battery_micro == -grids.REFERENCE


def test_misplaced_assets_and_slots_are_refused(grid: Scenario, energy: DayEnergy) -> None:
    """An energy under the wrong heading, or a day of another length, is not priced."""
    with pytest.raises(ValueError, match="'charger' does not belong under source_j"):
        community_cost(grid, grid.days[0], replace(energy, source_j={"charger": 1}))
    with pytest.raises(ValueError, match="2 slots"):
        community_cost(grid, grid.days[0], replace(energy, import_j=(1,)))


@given(st.integers(-(10**24), 10**24))
def test_amounts_are_exact_to_half_a_micro_unit(total: int) -> None:
    """Rounding is to nearest, symmetric, and needs no floats."""
    assert abs(2 * (amount_micro(total) * KWH - total)) <= KWH
    assert amount_micro(-total) == -amount_micro(total)


def test_gaps_are_parts_per_million_of_the_reference() -> None:
    """A gap keeps its sign, also where the community earns."""
    assert gap_ppm(1_005_000, 1_000_000) == 5_000
    assert gap_ppm(-990, -1_000) == 10_000
    assert gap_ppm(0, 0) == 0
    assert excess_loss_ppm(103, 100) == 30_000
    with pytest.raises(ValueError, match="relative to zero"):
        gap_ppm(1, 0)


def test_the_gain_gap_is_measured_against_what_could_be_gained() -> None:
    """Half of the possible gain missed is half a million ppm."""
    assert gain_gap_ppm(150, 100, 200) == 500_000
    with pytest.raises(ValueError, match="nothing to gain"):
        gain_gap_ppm(150, 100, 100)


def test_loss_error_reports_the_worst_slot_and_the_day() -> None:
    """Errors of opposite sign cancel over the day, not in the worst slot."""
    assert loss_error([101, 99], [100, 100]) == LossError(worst_slot_ppm=10_000, day_ppm=0)
    assert loss_error([0, 3], [0, 3]) == LossError(worst_slot_ppm=0, day_ppm=0)
    assert loss_error([2], [0]).worst_slot_ppm == 2_000_000
    with pytest.raises(ValueError, match="same slots"):
        loss_error([1], [1, 2])
