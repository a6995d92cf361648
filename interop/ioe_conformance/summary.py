"""What a run says about each requirement, and the headline: never one percentage.

A requirement is kept when at least one check looked at it and none was broken; it is not
testable when every case that cites it could not be carried out; where the PICS says that
the target lacks what it is about, it is not applicable.
"""

from __future__ import annotations

from dataclasses import dataclass

from ioe_conformance.model import CaseResult, Level, RunResult, Verdict
from ioe_conformance.requirements import Requirement, requirements

_UNDECIDED = (Verdict.ERROR, Verdict.NOT_TESTABLE, Verdict.NOT_APPLICABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One requirement in a report."""

    requirement: Requirement
    verdict: Verdict
    cases: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """Requirements kept of those that were decided, by level, and those that could not be tested."""

    must: tuple[int, int]
    should: tuple[int, int]
    not_testable: int

    def __str__(self) -> str:
        return (
            f"MUST {self.must[0]}/{self.must[1]}, SHOULD {self.should[0]}/{self.should[1]},"
            f" not testable {self.not_testable}"
        )


def lines(result: RunResult) -> tuple[Line, ...]:
    """Every requirement that a case of the run cites, in the order of SPEC.md."""
    by_requirement: dict[str, list[CaseResult]] = {}
    for one in result.cases:
        for requirement in one.requirements:
            by_requirement.setdefault(requirement, []).append(one)
    return tuple(
        Line(
            requirement=requirement,
            verdict=_verdict(id_, by_requirement[id_]),
            cases=tuple(one.case for one in by_requirement[id_]),
        )
        for id_, requirement in requirements().items()
        if id_ in by_requirement
    )


def _verdict(requirement: str, cases: list[CaseResult]) -> Verdict:
    verdicts = {one.verdict for one in cases}
    checks = [check for one in cases for check in one.checks if check.requirement == requirement]
    broken = {one.verdict for one in cases for c in one.checks if c.requirement == requirement and not c.ok}
    for verdict in (Verdict.FAIL, Verdict.FLAKY, Verdict.XFAIL, Verdict.WARN):
        if verdict in broken:
            return verdict
    if Verdict.FLAKY in verdicts or Verdict.XPASS in verdicts:
        return Verdict.FLAKY if Verdict.FLAKY in verdicts else Verdict.XPASS
    if checks:
        return Verdict.PASS
    # Broken before it was looked at: a case that ended early by another requirement decides nothing here.
    return next((verdict for verdict in _UNDECIDED if verdict in verdicts), Verdict.NOT_TESTABLE)


def headline(result: RunResult) -> Headline:
    """The one line that a run ends with."""
    counts = {Level.MUST: [0, 0], Level.SHOULD: [0, 0], Level.MAY: [0, 0]}
    undecided = 0
    for line in lines(result):
        if line.verdict in {Verdict.NOT_TESTABLE, Verdict.ERROR}:
            undecided += 1
        elif line.verdict is not Verdict.NOT_APPLICABLE:
            counts[line.requirement.level][0] += line.verdict is Verdict.PASS
            counts[line.requirement.level][1] += 1
    return Headline(
        must=(counts[Level.MUST][0], counts[Level.MUST][1]),
        should=(counts[Level.SHOULD][0], counts[Level.SHOULD][1]),
        not_testable=undecided,
    )


def counted(result: RunResult) -> dict[Verdict, int]:
    """How many cases had each verdict."""
    return {verdict: sum(one.verdict is verdict for one in result.cases) for verdict in Verdict}
