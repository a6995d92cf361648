"""One run from a seed: a safety phase with faults, healing, a liveness phase, and the verdict.

    start -- sessions -- | faults over all slots but the last | heal | last slot | judge

`run_seed` is the whole of it as a function, for tests, tools and the command.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from ioe_router.community.layout import network_parameters
from ioe_router.model.clock import NS_PER_S
from ioe_router.model.errors import IoeError, UsageError
from ioe_router.router import Router
from ioe_router.scenario.model import Scenario
from ioe_router.sim.assembly import Community, RouterMaker, assemble, scenario_of
from ioe_router.sim.checkers.panel import Panel
from ioe_router.sim.checkers.verdict import CheckFailed
from ioe_router.sim.engine import Engine
from ioe_router.sim.faults import Chaos, menu_of
from ioe_router.sim.trace import LineSink, Trace

SLOTS_WITH_FAULTS_MIN: Final = 2
CALM_S: Final = 20  # sessions come up undisturbed
HEAL_BEFORE_S: Final = 60  # the last slot's offers are made after everything has healed
SETTLE_S: Final = 60  # after the end of the last slot, until the verdict
EVENTS_PER_SLOT: Final = 20
COLLECTION_THRESHOLDS: Final = (50_000, 20, 100)

Progress = Callable[[int, int], None]  # slots that are over, of how many


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is run."""

    seed: int
    scenario: str
    faults: str = "default"
    slots: int = 3
    events: int | None = None  # injected faults; None: EVENTS_PER_SLOT for each slot with faults
    trusting: bool = True  # signatures made in the simulation count as verified

    def command(self) -> str:
        """The command that repeats it."""
        events = "" if self.events is None else f" --events {self.events}"
        earnest = "" if self.trusting else " --verify-all"
        return (
            f"ioe sim {self.scenario} --seed {self.seed} --faults {self.faults} --slots {self.slots}"
            f"{events}{earnest}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a run that was green."""

    plan: Plan
    routers: int
    simulated_s: int
    digest: str
    faults: dict[str, int]
    calls: int
    frames: int
    signatures_verified: int  # in earnest
    reservations: dict[str, int]  # records by state, over all nodes
    disputed: int  # link statements that differed

    @property
    def injected(self) -> int:
        """Faults that struck."""
        return sum(self.faults.values())


def run_seed(
    seed: int,
    scenario: str,
    faults: str = "default",
    slots: int = 3,
    *,
    events: int | None = None,
) -> Outcome:
    """Run a seed to its verdict. CheckFailed carries the command that repeats it."""
    return run(Plan(seed=seed, scenario=scenario, faults=faults, slots=slots, events=events))


def run(
    plan: Plan,
    *,
    make_router: RouterMaker = Router,
    progress: Progress | None = None,
    lines: LineSink | None = None,
) -> Outcome:
    """Run a plan. CheckFailed: something did not hold. UsageError: there is no such run."""
    menu = menu_of(plan.faults)
    if menu and plan.slots < SLOTS_WITH_FAULTS_MIN:
        raise UsageError("a run with faults needs a last slot in which all has healed; ask for --slots 2")
    scenario = scenario_of(plan.scenario, plan.seed)
    community = assemble(scenario, plan.seed, plan.slots, trusting=plan.trusting, make_router=make_router)
    trace = Trace(lines)
    try:
        with _few_collections():
            return _Run(plan, scenario, community, trace).through(progress)
    except CheckFailed as failure:
        raise CheckFailed(failure.sentence, plan.command()) from failure
    except Exception as error:
        kind = type(error).__name__
        raise CheckFailed(f"a router or its host raised {kind}: {error}", plan.command()) from error


@contextmanager
def _few_collections() -> Iterator[None]:
    """Routers keep much and leave few cycles: to look for these at the usual rate takes 6 % of a run."""
    usual = gc.get_threshold()
    gc.set_threshold(*COLLECTION_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


class _Run:
    def __init__(self, plan: Plan, scenario: Scenario, community: Community, trace: Trace) -> None:
        self._plan, self._community, self._trace = plan, community, trace
        self._slot_s = scenario.market.slot_s
        parameters = network_parameters(scenario.market)
        self._timetable = parameters.timetable
        self.engine = Engine(community, plan.seed, trace)
        self.panel = Panel(community.notary, parameters)
        self.chaos = Chaos(self.engine, plan.seed, menu_of(plan.faults))
        self.panel.liars = frozenset(self.engine.by_name[name].node for name in self.chaos.liars)
        self.panel.numbers.liars = self.panel.liars
        self.panel.promises.bent = self.chaos.bent
        self.engine.checkers.append(self.panel)

    def through(self, progress: Progress | None) -> Outcome:
        """All phases."""
        plan, engine, day = self._plan, self.engine, self._community.day
        last = engine.slot(plan.slots - 1)
        heal_ns = engine.ns_of(last - self._timetable.offer_s - HEAL_BEFORE_S)
        events = plan.events if plan.events is not None else EVENTS_PER_SLOT * (plan.slots - 1)
        self.chaos.schedule(CALM_S * NS_PER_S, max(CALM_S * NS_PER_S, heal_ns - NS_PER_S), events)
        engine.later(heal_ns - engine.now_ns, self.chaos.heal)
        for index in range(plan.slots):
            engine.run_until(engine.ns_of(day.start_utc_s + (index + 1) * self._slot_s))
            if progress is not None:
                progress(index + 1, plan.slots)
        engine.run_until(engine.ns_of(last + self._slot_s + SETTLE_S))
        self._judge(last)
        return self._outcome()

    def _judge(self, last: int) -> None:
        engine = self.engine
        hosts = [*engine.hosts.values()]
        pairs = [(engine.hosts[wire.dialer], engine.hosts[wire.listener]) for wire in engine.pairs]
        self.panel.at_end(hosts, pairs, engine.slot((last - self._community.day.start_utc_s) // self._slot_s))

    def _outcome(self) -> Outcome:
        engine, states = self.engine, dict[str, int]()
        for host in engine.hosts.values():
            if host.router is None:
                raise IoeError(f"{host.name} is down at the end")
            for record in host.router.inspect().reservations.all():
                states[record.state.name] = states.get(record.state.name, 0) + 1
        return Outcome(
            plan=self._plan,
            routers=len(engine.hosts),
            simulated_s=engine.now_ns // NS_PER_S,
            digest=self._trace.digest(),
            faults=dict(sorted(self.chaos.done.items())),
            calls=self._trace.calls,
            frames=self._trace.frames,
            signatures_verified=self._community.notary.verified,
            reservations=dict(sorted(states.items())),
            disputed=len(self.panel.statements.disputed),
        )
