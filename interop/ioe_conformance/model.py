"""What a run finds: checks, the verdict of a case, the result of a run.

A check is one sentence about the target with the requirement that demands it. The
verdict of a case follows from its checks; nothing is green because it was not looked
at: a case that cannot be carried out is NOT_TESTABLE and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Level(StrEnum):
    """How strongly a requirement binds, by its key word; a prohibition counts as its key word."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    MAY = "MAY"


class Verdict(StrEnum):
    """What became of a case."""

    PASS = "PASS"  # noqa: S105 - every check held
    FAIL = "FAIL"  # a check of a MUST did not
    WARN = "WARN"  # only checks of a SHOULD did not
    NOT_TESTABLE = "NOT_TESTABLE"  # something that the case needs is not there
    NOT_APPLICABLE = "NOT_APPLICABLE"  # the PICS says that the target does not have the feature
    XFAIL = "XFAIL"  # failed, as the file of expected failures says
    XPASS = "XPASS"  # passed, although that file says that it fails
    FLAKY = "FLAKY"  # came out differently when it was repeated
    ERROR = "ERROR"  # the kit went wrong, which says nothing about the target


BAD = frozenset({Verdict.FAIL, Verdict.XPASS, Verdict.FLAKY, Verdict.ERROR})


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at; `id` is stable within its case."""

    id: str
    requirement: str
    level: Level
    ok: bool
    expected: str
    actual: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of a trace: what passed between a tester and the target, or a note of the kit."""

    at_ms: int  # since the start of the case
    tester: str  # a, b, c, or empty for a note
    way: str  # "sent", "heard" or "note"
    text: str
    hex: str = ""  # the bytes of the frame


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """A case that was carried out, or could not be."""

    case: str
    group: str
    title: str
    requirements: tuple[str, ...]
    verdict: Verdict
    reason: str  # one sentence; empty for PASS
    checks: tuple[Check, ...] = ()
    steps: tuple[Step, ...] = ()
    duration_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Who was tested."""

    address: str
    node: str
    name: str  # by its PICS
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """All of a run."""

    target: Target
    spec: str  # version and digest of the SPEC.md that the kit was made from
    kit: str
    seed: int
    run_id: str
    started_utc: str
    duration_ms: int
    strict: bool
    pics: dict[str, object]
    cases: tuple[CaseResult, ...]
    aborted: str = ""  # why the run ended early, one sentence
    findings: tuple[str, ...] = field(default=())  # stale or unmatched expected failures


def verdict_of(checks: Sequence[Check], *, strict: bool) -> tuple[Verdict, str]:
    """The verdict that follows from the checks of a case, and its reason."""
    if not checks:
        return Verdict.ERROR, "the case ended without a single check"
    broken = [check for check in checks if not check.ok]
    if not broken:
        return Verdict.PASS, ""
    musts = [check for check in broken if check.level is Level.MUST or strict]
    first = (musts or broken)[0]
    reason = f"{first.requirement}: expected {first.expected}; {first.actual}"
    return (Verdict.FAIL if musts else Verdict.WARN), reason
