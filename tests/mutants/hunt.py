"""Runs the simulator on a mutant until a checker speaks up, and on the sound product with the same seed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import PurePath
from time import perf_counter
from traceback import walk_tb

import pytest
from mutants.patching import Change

from ioe_router.core.effects import Effect
from ioe_router.core.inputs import Input
from ioe_router.model.clock import Now
from ioe_router.router import Router
from ioe_router.sim.checkers.verdict import CheckFailed
from ioe_router.sim.run import Plan, run

ROUTER = "router"  # the product itself has raised: its own invariants speak up


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A deliberate bug, the smallest runs that show it, and who must notice."""

    name: str
    says: str  # what is wrong in the product
    changes: tuple[Change, ...]
    finders: frozenset[str]  # checkers, by module, one of which has to find it
    faults: str
    scenario: str = "random5"
    slots: int = 2
    events: int | None = None
    seeds: range = range(1, 13)  # the budget
    slow: bool = False  # left to `make mutants`

    def plan(self, seed: int) -> Plan:
        """One run."""
        return Plan(
            seed=seed, scenario=self.scenario, faults=self.faults, slots=self.slots, events=self.events
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Find:
    """How a mutant came to light."""

    seed: int
    finder: str
    sentence: str
    calls: int  # of routers, over all seeds until it was found
    seconds: float


def hunt(mutant: Mutant, seeds: Iterable[int] | None = None) -> Find | None:
    """Run the mutant's seeds in order until one of its finders speaks up; None when the budget is spent."""
    began, calls = perf_counter(), 0
    for seed in mutant.seeds if seeds is None else seeds:
        with pytest.MonkeyPatch.context() as patch:
            for change in mutant.changes:
                change.apply(patch)
            failure, made = _run(mutant.plan(seed))
        calls += made
        if failure is not None:
            return Find(
                seed=seed,
                finder=finder_of(failure),
                sentence=failure.sentence,
                calls=calls,
                seconds=perf_counter() - began,
            )
    return None


@cache
def control(plan: Plan) -> str:
    """What the checkers say of the product as it is under the same plan: nothing, or a sentence."""
    failure, _ = _run(plan)
    return "" if failure is None else str(failure)


def finder_of(failure: CheckFailed) -> str:
    """The module of the checker that spoke up, ROUTER when the product raised an exception."""
    cause = failure.__cause__
    if not isinstance(cause, CheckFailed):
        return ROUTER
    paths = [PurePath(frame.f_code.co_filename) for frame, _ in walk_tb(cause.__traceback__)]
    return [path.stem for path in paths if path.parent.name == "checkers" and path.stem not in _PLUMBING][-1]


_PLUMBING = ("verdict",)


def _run(plan: Plan) -> tuple[CheckFailed | None, int]:
    calls = 0

    class Counted(Router):
        def handle_all(self, inputs: Sequence[Input], now: Now) -> tuple[Effect, ...]:
            nonlocal calls
            calls += 1
            return super().handle_all(inputs, now)

    try:
        run(plan, make_router=Counted)
    except CheckFailed as failure:
        return failure, calls
    return None, calls
