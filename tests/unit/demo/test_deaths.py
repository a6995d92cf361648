"""What a death cuts off, from the scenario's net alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ioe_router.analysis.quantities import actual_quantities
from ioe_router.demo.coordinator import DayFacts, DayPlan
from ioe_router.demo.day_records import cut_off
from ioe_router.scenario import load_scenario

TINY = Path(__file__).parents[2] / "scenarios" / "tiny"


@pytest.mark.parametrize(
    ("dead", "tie", "expected"),
    [
        (("house-a",), True, ()),
        (("square",), True, ("house-a", "house-b")),
        (("grid",), True, ()),
        (("square",), False, ("house-a", "house-b")),
        (("house-a", "square"), True, ("house-b",)),
    ],
)
def test_cut_off_is_who_cannot_reach_the_utility(
    dead: tuple[str, ...], tie: bool, expected: tuple[str, ...]
) -> None:
    """Behind the square both houses lose it; without the utility's router the rest stays together."""
    scenario = load_scenario(TINY)
    if not tie:
        scenario = replace(scenario, links=tuple(k for k in scenario.links if k.name != "tie"))
    day = scenario.days[0]
    plan = DayPlan(scenario=scenario, source="", day=0, slots=2, seed=1, first_port=0)
    facts = DayFacts(plan=plan, day=day, expected=actual_quantities(day))
    facts.killed_at_ms = dict.fromkeys(dead, 1_000)
    assert cut_off(facts, dead[0]) == expected
