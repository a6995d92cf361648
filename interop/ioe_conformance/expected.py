"""Expected failures: what is known not to conform yet, kept so that it cannot rot unseen.

    [[expected]]
    check = "adverts.path-loop:IOE-ADV-200"   # CASE, or CASE:CHECK
    message = "no Fault named it"             # how the broken check's text begins
    reason = "our ticket 12"
    date = 2026-11-22

The case runs all the same. A failure that is listed with its message is XFAIL; one that
passes is XPASS and fails the run, as an entry that matches no case or no check does.
"""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ioe_conformance.case import cases
from ioe_conformance.errors import Exit, KitError
from ioe_conformance.model import CaseResult, Check, RunResult, Verdict

_FIELDS = {"check": str, "message": str, "reason": str, "date": datetime.date}


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """One entry."""

    case: str
    check: str  # empty: any check of the case
    message: str
    reason: str

    def covers(self, check: Check) -> bool:
        """Whether a broken check is the one that is expected."""
        return self.check in {"", check.id} and check.actual.startswith(self.message)


def read_expected(path: Path) -> tuple[Expected, ...]:
    """The entries of a file. KitError (10) names the entry that is malformed."""
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise KitError(Exit.EXPECTED_MALFORMED, f"{path} cannot be read as TOML ({error})") from None
    entries = fields.get("expected")
    if set(fields) != {"expected"} or not isinstance(entries, list):
        raise KitError(Exit.EXPECTED_MALFORMED, f"{path} has to consist of [[expected]] tables")
    return tuple(_entry(entry, number, path) for number, entry in enumerate(entries, start=1))


def _entry(entry: object, number: int, path: Path) -> Expected:
    where = f"{path}, entry {number}"
    if not isinstance(entry, dict):
        raise KitError(Exit.EXPECTED_MALFORMED, f"{where} is no table; write [[expected]]")
    for name, kind in _FIELDS.items():
        if not isinstance(entry.get(name), kind) or entry[name] == "":
            raise KitError(Exit.EXPECTED_MALFORMED, f"{where} needs {name} ({kind.__name__})")
    if unknown := sorted(set(entry) - set(_FIELDS)):
        raise KitError(Exit.EXPECTED_MALFORMED, f"{where} has an unknown field {unknown[0]!r}")
    case, _, check = entry["check"].partition(":")
    if case not in cases():
        raise KitError(
            Exit.EXPECTED_STALE, f"{where} names the case {case!r}, which there is not; take it out"
        )
    return Expected(case=case, check=check, message=entry["message"], reason=entry["reason"])


def applied(result: RunResult, entries: Sequence[Expected]) -> RunResult:
    """The result with XFAIL and XPASS, and findings about entries that did not do what they say."""
    findings: list[str] = []
    done = []
    for one in result.cases:
        mine = [entry for entry in entries if entry.case == one.case]
        done.append(_judged(one, mine, findings) if mine else one)
    return replace(result, cases=tuple(done), findings=tuple(findings))


def _judged(one: CaseResult, mine: Sequence[Expected], findings: list[str]) -> CaseResult:
    broken = [check for check in one.checks if not check.ok]
    if one.verdict in {Verdict.PASS, Verdict.NOT_APPLICABLE}:
        findings.append(
            f"{one.case} is listed as an expected failure and is {one.verdict}; take the entry out"
        )
        return replace(one, verdict=Verdict.XPASS, reason=f"expected to fail: {mine[0].reason}")
    for entry in mine:
        if entry.check and entry.check not in {check.id for check in one.checks}:
            findings.append(f"{one.case} has no check {entry.check}; correct or take out the entry")
        elif broken and not any(entry.covers(check) for check in broken):
            findings.append(f"{one.case} fails otherwise than the entry says: {broken[0].actual}")
    listed = bool(broken) and all(any(entry.covers(check) for entry in mine) for check in broken)
    if one.verdict in {Verdict.FAIL, Verdict.WARN} and listed:
        return replace(one, verdict=Verdict.XFAIL, reason=f"{mine[0].reason} ({one.reason})")
    return one
