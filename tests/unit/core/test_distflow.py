"""One link's arithmetic: against the closed form, and the same from both ends."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from ioe_router.core.distflow import (
    HIGHEST_MICRO_PU,
    LOWEST_MICRO_PU,
    EndEnergy,
    child_voltage,
    nearest,
    parent_end,
    swept_loss_j,
)
from tests.links import loss_model
from tests.unit.core.grid_rig import SLOT_S

MEGA = 1_000_000


def test_a_line_matches_the_closed_form() -> None:
    """A loaded line has the voltage and the loss of the quadratic equation of its circle diagram."""
    line = loss_model(r_ohm=0.1, x_ohm=0.05)
    p, q, r, x, v1 = 20_000.0, 5_000.0, 0.1, 0.05, 400.0
    half = v1**2 / 2 - (r * p + x * q)
    v2_squared = half + math.sqrt(half**2 - (r**2 + x**2) * (p**2 + q**2))
    below = EndEnergy(20_000 * SLOT_S, 5_000 * SLOT_S)
    v2_micro = round(math.sqrt(v2_squared) / v1 * MEGA)
    above = parent_end(line, below, v2_micro, MEGA, SLOT_S)
    assert abs(child_voltage(line, above, MEGA, SLOT_S) - v2_micro) <= 1
    loss_j = r * (p**2 + q**2) / v2_squared * SLOT_S
    assert abs(swept_loss_j(line, above, MEGA, SLOT_S) - loss_j) < loss_j * 1e-5
    assert abs(above.active_j - below.active_j - loss_j) < loss_j * 1e-5


def test_an_idle_transformer_loses_its_iron_and_shows_its_tap() -> None:
    """At no load iron and magnetising power go with the square of the voltage, and the tap is seen below."""
    transformer = loss_model(iron_w=250.0, magnetising_var=900, tap=1.025)
    above = parent_end(transformer, EndEnergy(0, 0), 1_045_500, 1_020_000, SLOT_S)
    assert above == EndEnergy(round(250 * 1.02**2 * SLOT_S), round(900 * 1.02**2 * SLOT_S))
    assert child_voltage(transformer, above, 1_020_000, SLOT_S) == 1_045_500
    assert swept_loss_j(transformer, above, 1_020_000, SLOT_S) == above.active_j


def test_charging_supplies_reactive_power_half_at_each_end() -> None:
    """A cable's charging is given at both ends at their own voltages."""
    cable = loss_model(r_ohm=0.0, x_ohm=0.0, charging_var=1_000)
    above = parent_end(cable, EndEnergy(0, 0), 1_100_000, 1_000_000, SLOT_S)
    assert above == EndEnergy(0, -round(500 * SLOT_S * (1 + 1.21)))


def test_an_impossible_flow_is_a_voltage_outside_every_band() -> None:
    """A flow that no voltage can carry gives half of nominal, an absurd feed-in twice nominal."""
    line = loss_model(r_ohm=5.0)
    assert child_voltage(line, EndEnergy(10**9, 0), MEGA, SLOT_S) == LOWEST_MICRO_PU
    assert child_voltage(line, EndEnergy(-(10**9), 0), MEGA, SLOT_S) == HIGHEST_MICRO_PU


@given(
    p=st.integers(-30_000 * SLOT_S, 30_000 * SLOT_S),
    q=st.integers(-10_000 * SLOT_S, 10_000 * SLOT_S),
    parent=st.integers(950_000, 1_050_000),
    tap=st.sampled_from([0.975, 1.0, 1.05]),
)
def test_rounds_of_a_single_link_converge_to_agreement(p: int, q: int, parent: int, tap: float) -> None:
    """Going up and down again the loss found from above is the energy that got lost on the way."""
    link = loss_model(r_ohm=0.05, x_ohm=0.03, iron_w=40, magnetising_var=300, charging_var=200, tap=tap)
    below, child = EndEnergy(p, q), MEGA
    above = below
    for _ in range(6):
        above = parent_end(link, below, child, parent, SLOT_S)
        child = child_voltage(link, above, parent, SLOT_S)
    lost_j = above.active_j - below.active_j
    assert abs(swept_loss_j(link, above, parent, SLOT_S) - lost_j) <= 2 + lost_j * 2e-5


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**9))
def test_nearest_is_within_a_half(numerator: int, denominator: int) -> None:
    """Rounding to nearest is never off by more than one half, and a half goes up."""
    twice = 2 * (numerator - nearest(numerator, denominator) * denominator)
    assert -denominator <= twice < denominator
