"""junit.xml: what CI systems read; a suite for each group, a test case for each case.

FAIL, FLAKY and XPASS are failures, ERROR is an error; what could not be tested and what
is expected to fail is skipped there, with its reason, because JUnit knows nothing better.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Final

from ioe_conformance.model import CaseResult, RunResult, Verdict

_FAILURES: Final = frozenset({Verdict.FAIL, Verdict.FLAKY, Verdict.XPASS})
_SKIPPED: Final = frozenset({Verdict.NOT_TESTABLE, Verdict.NOT_APPLICABLE, Verdict.XFAIL})
_CONTROL: Final = {number: "?" for number in range(32) if number not in {9, 10, 13}}


def as_xml(result: RunResult) -> ET.Element:
    """The report as an XML tree."""
    top = ET.Element("testsuites", {"name": "ioe-conformance", **_counts(result.cases)})
    for group in dict.fromkeys(one.group for one in result.cases):
        mine = tuple(one for one in result.cases if one.group == group)
        suite = ET.SubElement(
            top, "testsuite", {"name": group, "timestamp": result.started_utc, **_counts(mine)}
        )
        for one in mine:
            suite.append(_case(one))
    return top


def write(result: RunResult, path: Path) -> None:
    """Write the report."""
    tree = ET.ElementTree(as_xml(result))
    ET.indent(tree)
    tree.write(path, encoding="utf-8", xml_declaration=True)


def _counts(cases: tuple[CaseResult, ...]) -> dict[str, str]:
    return {
        "tests": str(len(cases)),
        "failures": str(sum(one.verdict in _FAILURES for one in cases)),
        "errors": str(sum(one.verdict is Verdict.ERROR for one in cases)),
        "skipped": str(sum(one.verdict in _SKIPPED for one in cases)),
        "time": f"{sum(one.duration_ms for one in cases) / 1_000:.3f}",
    }


def _case(one: CaseResult) -> ET.Element:
    element = ET.Element(
        "testcase", classname=f"ioe.{one.group}", name=one.case, time=f"{one.duration_ms / 1_000:.3f}"
    )
    reason = _printable(f"{one.verdict}: {one.reason}")
    checks = "\n".join(
        f"{'holds ' if check.ok else 'BROKEN'} {check.id} expected {check.expected}; {check.actual}"
        for check in one.checks
    )
    if one.verdict in _FAILURES:
        ET.SubElement(element, "failure", message=reason, type=one.verdict.value).text = _printable(checks)
    elif one.verdict is Verdict.ERROR:
        ET.SubElement(element, "error", message=reason, type=one.verdict.value).text = _printable(checks)
    elif one.verdict in _SKIPPED:
        ET.SubElement(element, "skipped", message=reason)
    elif one.verdict is Verdict.WARN:
        ET.SubElement(element, "system-out").text = _printable(f"{reason}\n{checks}")
    return element


def _printable(text: str) -> str:
    """XML has no room for control characters, and a hostile target may send some."""
    return text.translate(_CONTROL)
