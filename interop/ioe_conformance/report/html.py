"""report.html: one file that needs nothing else, with the wire log of each case that did not pass.

Everything that came from the target is escaped, and the page runs no script.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Final

from ioe_conformance.model import CaseResult, Check, RunResult, Step, Verdict
from ioe_conformance.summary import Line, counted, headline, lines

_HEX_SHOWN: Final = 512  # characters of a frame's bytes; all are in its trace
_STYLE: Final = """
:root { color-scheme: light dark; --line: #8885; --soft: #8882;
  --good: #1a7f37; --bad: #c62828; --warn: #b06000; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
.head { font-size: 1.25rem; font-weight: 600; margin: .6rem 0; }
.facts { color: #888; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; padding: .25rem .6rem; vertical-align: top;
  border-bottom: 1px solid var(--line); } th { font-weight: 600; }
.wide { overflow-x: auto; }
.v { font: 600 .8rem ui-monospace, monospace; white-space: nowrap; }
.PASS { color: var(--good); } .FAIL, .ERROR, .XPASS, .FLAKY { color: var(--bad); }
.WARN, .XFAIL { color: var(--warn); } .NOT_TESTABLE, .NOT_APPLICABLE { color: #888; }
details { border: 1px solid var(--line); border-radius: 6px; margin: .5rem 0; padding: .4rem .8rem; }
summary { cursor: pointer; } code, .log { font: .8rem/1.45 ui-monospace, monospace; }
.log td { overflow-wrap: anywhere; } .log td:nth-child(-n+2) { white-space: nowrap; overflow-wrap: normal; }
.hex { color: #888; } .note { background: var(--soft); } .broken { color: var(--bad); font-weight: 600; }
.counts span { display: inline-block; margin-right: 1.2rem; }
"""


def as_html(result: RunResult) -> str:
    """The page."""
    target, notable = result.target, [one for one in result.cases if one.verdict is not Verdict.PASS]
    facts = (
        f"{target.address}, SPEC.md version {result.spec}, kit {result.kit}, {result.started_utc},"
        f" {result.duration_ms / 1_000:.1f} s, seed {result.seed}"
    )
    counts = "".join(
        f"<span>{_verdict(verdict)} {number}</span>" for verdict, number in counted(result).items() if number
    )
    return "\n".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>Conformance of {escape(target.name)}</title><style>{_STYLE}</style></head><body>",
            f"<h1>Conformance of {escape(target.name)} {escape(target.version)}</h1>",
            f'<p class="head">{escape(str(headline(result)))}</p>',
            f'<p class="facts">{escape(facts)}</p><p class="counts">{counts}</p>',
            f"<p><b>The run ended early:</b> {escape(result.aborted)}</p>" if result.aborted else "",
            *(f"<p><b>Finding:</b> {escape(finding)}</p>" for finding in result.findings),
            "<h2>Cases that did not pass</h2>" if notable else "<h2>Every case passed</h2>",
            *(_notable(one) for one in notable),
            "<h2>Requirements</h2>",
            _requirements(lines(result)),
            "<h2>All cases</h2>",
            _cases(result.cases),
            "</body></html>",
        )
    )


def write(result: RunResult, path: Path) -> None:
    """Write the page."""
    path.write_text(as_html(result), encoding="utf-8")


def _verdict(verdict: Verdict) -> str:
    return f'<span class="v {verdict}">{verdict}</span>'


def _notable(one: CaseResult) -> str:
    opened = " open" if one.verdict in {Verdict.FAIL, Verdict.ERROR} else ""
    checks = "".join(_check(check) for check in one.checks)
    return (
        f'<details id="{escape(one.case)}"{opened}><summary>{_verdict(one.verdict)} <b>{escape(one.case)}</b>'
        f" {escape(one.title)}</summary><p>{escape(one.reason)}</p>"
        + (
            f'<div class="wide"><table><tr><th>Check<th>Expected<th>Seen</tr>{checks}</table></div>'
            if checks
            else ""
        )
        + (
            f"<details><summary>Wire log, {len(one.steps)} steps</summary>{_log(one.steps)}</details>"
            if one.steps
            else ""
        )
        + "</details>"
    )


def _check(check: Check) -> str:
    word = '<span class="PASS">holds</span>' if check.ok else '<span class="broken">broken</span>'
    return (
        f"<tr><td><code>{escape(check.id)}</code> {check.level} {word}<td>{escape(check.expected)}"
        f"<td>{escape(check.actual)}</tr>"
    )


def _log(steps: Iterable[Step]) -> str:
    rows = []
    for step in steps:
        arrow = {"sent": f"{step.tester} → target", "heard": f"target → {step.tester}"}.get(step.way, "")
        kind = ' class="note"' if step.way == "note" else ""
        more = f"… {len(step.hex) // 2} bytes" if len(step.hex) > _HEX_SHOWN else ""
        hexed = f'<br><span class="hex">{step.hex[:_HEX_SHOWN]}{more}</span>' if step.hex else ""
        rows.append(f"<tr{kind}><td>{step.at_ms} ms<td>{escape(arrow)}<td>{escape(step.text)}{hexed}</tr>")
    return f'<div class="wide"><table class="log">{"".join(rows)}</table></div>'


def _requirements(found: Iterable[Line]) -> str:
    rows = "".join(
        f"<tr><td><code>{line.requirement.id}</code><td>{line.requirement.level}<td>{_verdict(line.verdict)}"
        f"<td>{escape(line.requirement.text)}<td>{escape(', '.join(line.cases))}</tr>"
        for line in found
    )
    return (
        '<div class="wide"><table><tr><th>Requirement<th>Level<th>Verdict<th>What SPEC.md says<th>Cases</tr>'
        f"{rows}</table></div>"
    )


def _cases(cases: Iterable[CaseResult]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(one.case)}</code><td>{_verdict(one.verdict)}<td>{escape(one.title)}"
        f"<td>{one.duration_ms} ms</tr>"
        for one in cases
    )
    return f'<div class="wide"><table><tr><th>Case<th>Verdict<th>Claim<th>Time</tr>{rows}</table></div>'
