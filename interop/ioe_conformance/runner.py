"""Carrying out the cases of a run, and what becomes of each.

Three lanes run beside each other: cases of the standing sessions of A and B, one after the
other; cases that open and cut streams of C; and cases that look at connections without a
session. Nothing that they look at is shared: each case has nodes, offers and reservations
of its own. Cases that need a phase of a slot wait for it; the others go first.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from ioe_conformance import __version__
from ioe_conformance.bench import Bench
from ioe_conformance.case import Case
from ioe_conformance.errors import Broken, Exit, KitError, NotTestable
from ioe_conformance.model import BAD, CaseResult, RunResult, Target, Verdict, verdict_of
from ioe_conformance.requirements import spec_version
from ioe_conformance.rig import Rig, cannot_connect
from ioe_conformance.session import now_ms
from ioe_conformance.trace import Trace
from ioe_router.model.bech32m import node_text

CASE_LIMIT_S: Final = 60.0
_ROOM_S: Final = {"book": 12, "gate": 8}
Progress = Callable[[CaseResult], None]


@dataclass(slots=True, kw_only=True)
class Plan:
    """What to run, and how."""

    cases: Sequence[Case]
    strict: bool = False
    retries: int = 0
    repeat: int = 1
    progress: Progress = lambda _result: None
    results: dict[str, list[CaseResult]] = field(default_factory=dict)
    aborted: KitError | None = None


async def run(rig: Rig, plan: Plan) -> tuple[RunResult, KitError | None]:
    """Carry out the plan; what ended it early, if something did, comes beside the result."""
    begun, started = time.monotonic(), datetime.now(UTC)
    try:
        for _ in range(plan.repeat):
            rig.forget_failures()
            await _round(rig, plan)
    except KitError as error:
        plan.aborted = error
    finally:
        await rig.close()
    result = RunResult(
        target=Target(
            address=rig.address, node=node_text(rig.kit.target), name=rig.pics.name, version=rig.pics.version
        ),
        spec=spec_version(),
        kit=__version__,
        seed=rig.seed,
        run_id=rig.run_id,
        started_utc=started.isoformat(timespec="seconds").replace("+00:00", "Z"),
        duration_ms=int((time.monotonic() - begun) * 1_000),
        strict=plan.strict,
        pics=rig.pics.values(),
        cases=tuple(_merged(one, plan) for one in plan.cases),
        aborted=str(plan.aborted) if plan.aborted else "",
    )
    return result, plan.aborted


async def _round(rig: Rig, plan: Plan) -> None:
    apart = [one for one in plan.cases if one.apart]
    gated = [one for one in plan.cases if one.phase == "gate" and not one.apart]
    together = [one for one in plan.cases if not one.apart and one not in gated]
    lanes = [[one for one in together if one.own == own] for own in sorted({one.own for one in together})]
    tasks = [asyncio.create_task(_lane(rig, plan, lane)) for lane in lanes if lane]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await _lane(rig, plan, apart)
    await _lane(rig, plan, gated)  # a slot's gates close behind the time in which it can be booked


async def _lane(rig: Rig, plan: Plan, cases: Sequence[Case]) -> None:
    """One case after the other; those of a phase as soon as it lasts."""
    waiting = list(cases)
    while waiting:
        one = _next(rig, waiting)
        if one is None:
            await asyncio.sleep(min(rig.clock.wait_s(case.phase) for case in waiting) + 0.2)
            continue
        waiting.remove(one)
        result = await _tried(rig, plan, one)
        plan.results.setdefault(one.id, []).append(result)
        plan.progress(result)
        refuse_to_go_on(rig, plan)


def _next(rig: Rig, waiting: Sequence[Case]) -> Case | None:
    """A case whose phase lasts is before one that can run at any time."""
    for phase, lasts in (
        ("book", rig.clock.bookable(_ROOM_S["book"])),
        ("gate", rig.clock.gated(_ROOM_S["gate"])),
    ):
        if lasts is not None and (found := [one for one in waiting if one.phase == phase]):
            return found[0]
    # Without sessions there is nothing to wait for: the cases of a phase fail as well now.
    return next((one for one in waiting if not one.phase or rig.has_no_sessions), None)


def refuse_to_go_on(rig: Rig, plan: Plan) -> None:
    """KitError when the target floods, answers garbage, or answers nothing at all."""
    if rig.monitor.flooded:
        raise KitError(Exit.FLOODS, "the target floods its neighbours with frames; look at what it repeats")
    if rig.monitor.garbage > _GARBAGE:
        raise KitError(
            Exit.GARBAGE,
            "what the target sends are no frames of SPEC.md 5.4; look at the traces of the cases",
        )
    apart = {one.id for one in plan.cases if one.own == "-"}  # they need no answer above TLS
    last = [results[-1] for id_, results in plan.results.items() if id_ not in apart]
    silent = [one for one in last if one.verdict is Verdict.FAIL and not _answered(one)]
    if len(last) >= _SILENT and len(silent) == len(last):
        if why := cannot_connect(rig.address):
            raise KitError(Exit.GONE, f"the target went away during the run ({why}); start it again")
        raise KitError(
            Exit.HANGS, "the target takes connections and answers nothing; look whether it is still at work"
        )


def _answered(one: CaseResult) -> bool:
    """Whether the target did anything at all: it said something, or it ended a stream."""
    return any(step.way == "heard" or "the stream ended" in step.text for step in one.steps)


_GARBAGE: Final = 20
_SILENT: Final = 8


# ------------------------------------------------------------------ one case


async def _tried(rig: Rig, plan: Plan, one: Case) -> CaseResult:
    """A case, again if it failed and that is allowed; what passes only then is FLAKY."""
    result = await carry_out(rig, one, strict=plan.strict)
    for _ in range(plan.retries):
        if result.verdict not in {Verdict.FAIL, Verdict.WARN}:
            break
        again = await carry_out(rig, one, strict=plan.strict)
        if again.verdict is Verdict.PASS:
            reason = f"failed, then passed when it was tried again: {result.reason}"
            return replace(result, verdict=Verdict.FLAKY, reason=reason)
    return result


async def carry_out(rig: Rig, one: Case, *, strict: bool) -> CaseResult:
    """One case, once."""
    begun, trace = now_ms(), Trace()
    bench = Bench(rig, one, trace)
    verdict, reason = _hindered(rig, one)
    if verdict is None:
        names = set(one.own) or {"a", "b"}
        rig.traces.update(dict.fromkeys(names, trace))
        try:
            verdict, reason = await _judged(bench, strict=strict)
        finally:
            for name in names:
                rig.traces.pop(name, None)
    return CaseResult(
        case=one.id,
        group=one.group,
        title=one.title,
        requirements=one.requirements,
        verdict=verdict,
        reason=reason,
        checks=tuple(bench.checks),
        steps=trace.steps(),
        duration_ms=now_ms() - begun,
    )


def _hindered(rig: Rig, one: Case) -> tuple[Verdict | None, str]:
    if absent := [name for name in one.supports if not rig.pics.supports[name]]:
        return Verdict.NOT_APPLICABLE, f"the PICS says that the target does not have: {', '.join(absent)}"
    if one.hook and rig.hook is None:
        return Verdict.NOT_TESTABLE, f"needs --hook for: {', '.join(one.hook)}"
    return None, ""


async def _judged(bench: Bench, *, strict: bool) -> tuple[Verdict, str]:
    try:
        try:
            async with asyncio.timeout(CASE_LIMIT_S):
                await bench.case.body(bench)
        finally:
            await bench.finish()
    except Broken:
        pass  # the check that broke it has been recorded
    except NotTestable as missing:
        if all(check.ok for check in bench.checks):
            return Verdict.NOT_TESTABLE, str(missing)
    except KitError:
        raise
    except TimeoutError:
        return Verdict.ERROR, f"the case did not end within {CASE_LIMIT_S:.0f} s"
    except Exception as error:  # noqa: BLE001 - a mistake in one case must not end the run
        return Verdict.ERROR, f"the kit went wrong in this case: {type(error).__name__}: {error}"
    return verdict_of(bench.checks, strict=strict)


def _merged(one: Case, plan: Plan) -> CaseResult:
    """All rounds of a case as one result."""
    results = plan.results.get(one.id, [])
    if not results:
        return CaseResult(
            case=one.id,
            group=one.group,
            title=one.title,
            requirements=one.requirements,
            verdict=Verdict.NOT_TESTABLE,
            reason=f"the run ended before it: {plan.aborted}",
        )
    verdicts = {result.verdict for result in results}
    worst = next((result for result in results if result.verdict in BAD), results[0])
    if len(verdicts) > 1:
        reason = f"came out differently in {len(results)} rounds: {', '.join(sorted(verdicts))}"
        return replace(worst, verdict=Verdict.FLAKY, reason=reason)
    return worst
