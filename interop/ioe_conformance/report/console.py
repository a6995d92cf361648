"""What a run says while it goes on, and its last lines."""

from __future__ import annotations

from ioe_conformance.model import CaseResult, RunResult, Verdict
from ioe_conformance.summary import counted, headline


def case_line(one: CaseResult) -> str:
    """A case in one line."""
    reason = f"  {one.reason}" if one.reason else ""
    return f"{one.verdict:14} {one.case} ({one.duration_ms} ms){reason}"


def last_lines(result: RunResult) -> str:
    """Verdicts by number, then the headline."""
    counts = ", ".join(f"{number} {verdict}" for verdict, number in counted(result).items() if number)
    told = [f"target   {result.target.name} {result.target.version} at {result.target.address}"]
    told.append(
        f"cases    {len(result.cases)}: {counts}; {result.duration_ms / 1_000:.1f} s, seed {result.seed}"
    )
    told += [f"finding  {finding}" for finding in result.findings]
    if result.aborted:
        told.append(f"aborted  {result.aborted}")
    told.append(str(headline(result)))
    return "\n".join(told)


def worth_a_line(one: CaseResult, *, verbose: bool) -> bool:
    """Whether a case is shown while the run goes on."""
    return verbose or one.verdict is not Verdict.PASS
