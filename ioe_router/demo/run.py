"""Runs the demo: day by day, then what the days come to.

Days are epochs of their own.  What is computed from a day's facts is computed
after its network is gone, so that the routers never wait for a solver.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ioe_router.demo.coordinator import Coordinator, DayFacts, DayPlan, Kill
from ioe_router.demo.day_records import day_record
from ioe_router.demo.fleet import Fleet, LocalFleet
from ioe_router.demo.processes import ProcessFleet
from ioe_router.demo.record import DayRecord, RunRecord, RunTotals
from ioe_router.model.errors import UsageError
from ioe_router.scenario.model import Scenario

GC_THRESHOLD: Final = (100_000, 20, 50)
_RSS_UNIT: Final = 1024  # Linux counts in KiB


class NodesIn(StrEnum):
    """Where the nodes run."""

    ONE_PROCESS = "one-process"
    PROCESSES = "processes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the demo is asked to do."""

    scenario: Scenario
    source: str  # bundled name or folder
    days: tuple[int, ...]  # indexes of the scenario's days
    slots: int | None  # of each day, None for all
    seed: int
    nodes_in: NodesIn
    first_port: int  # 0: any free ports
    kills: tuple[Kill, ...]


Progress = Callable[[str, int, int, str], None]  # day, slots over, slots in all, what is going on


def run_demo(options: Options, progress: Progress) -> RunRecord:
    """Run all days. UsageError: a port is taken, or the scenario is one that the demo cannot run."""
    _refuse(options)
    begun = time.monotonic()
    days: list[DayRecord] = []
    counts: Counter[str] = Counter()
    children_s, peak = 0.0, 0
    for day in options.days:
        facts = asyncio.run(_run_day(options, day, progress))
        progress(facts.day.label, facts.day.slots, facts.day.slots, "optimum and baselines")
        try:
            record, found = day_record(facts)
        except ValueError as error:
            raise UsageError(
                f"day {facts.day.label} cannot be compared with the alternatives: {error}"
            ) from error
        days.append(record)
        counts.update(found.counts)
        if facts.expense is not None and options.nodes_in is NodesIn.PROCESSES:
            children_s += facts.expense.cpu_s
            peak = max(peak, facts.expense.peak_rss_bytes)
    times = os.times()
    own_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT
    return RunRecord(
        scenario=options.scenario,
        seed=options.seed,
        nodes_in=options.nodes_in.value,
        days=tuple(days),
        totals=RunTotals(
            wall_s=time.monotonic() - begun,
            cpu_s=times.user + times.system + children_s,
            peak_rss_bytes=max(peak, own_peak),
            grpc_messages=counts["frames_sent"],
            grpc_bytes=counts["bytes_sent"],
            signatures_verified=counts["frame_signatures_verified"] + counts["object_signatures_verified"],
            offers_received=counts["received_offer"],
        ),
    )


def _refuse(options: Options) -> None:
    """Say what cannot be done before anything is started."""
    buses = {bus.name for bus in options.scenario.buses}
    for kill in options.kills:
        if kill.bus not in buses:
            raise UsageError(f"there is no bus {kill.bus!r} to kill; name one of {', '.join(sorted(buses))}")
        if options.nodes_in is NodesIn.ONE_PROCESS:
            raise UsageError("a node can be killed only in a process of its own; add --nodes-in processes")
        slots = options.slots or options.scenario.days[options.days[0]].slots
        if not 0 <= kill.slot_index < slots:
            raise UsageError(
                f"slot {kill.slot_index} is not among the {slots} slots of the run, counted from 0"
            )


async def _run_day(options: Options, day: int, progress: Progress) -> DayFacts:
    whole = options.scenario.days[day]
    slots = min(options.slots or whole.slots, whole.slots)
    plan = DayPlan(
        scenario=options.scenario,
        source=options.source,
        day=day,
        slots=slots,
        seed=options.seed,
        first_port=options.first_port,
        kills=options.kills if day == options.days[0] else (),
    )
    fleet: Fleet = LocalFleet(options.scenario) if options.nodes_in is NodesIn.ONE_PROCESS else ProcessFleet()
    with _rare_collections():
        coordinator = Coordinator(plan, fleet, lambda over, doing: progress(whole.label, over, slots, doing))
        return await coordinator.run()


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Look for cyclic garbage rarely: routers hold a million small values and make next to no cycles."""
    before = gc.get_threshold()
    gc.set_threshold(*GC_THRESHOLD)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.collect()
