"""report.json: all of a run for machines, in the form of `report.schema.json`; read again by `matrix`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from ioe_conformance.errors import Exit, KitError
from ioe_conformance.model import RunResult, Verdict
from ioe_conformance.summary import counted, headline, lines

FORMAT: Final = "ioe-conformance-report-1"


def as_json(result: RunResult) -> dict[str, Any]:
    """The report as JSON values."""
    head = headline(result)
    return {
        "format": FORMAT,
        "headline": {
            "text": str(head),
            "must": {"kept": head.must[0], "decided": head.must[1]},
            "should": {"kept": head.should[0], "decided": head.should[1]},
            "not_testable": head.not_testable,
        },
        "spec": result.spec,
        "kit": result.kit,
        "target": {
            "address": result.target.address,
            "node": result.target.node,
            "name": result.target.name,
            "version": result.target.version,
        },
        "pics": result.pics,
        "seed": result.seed,
        "run_id": result.run_id,
        "strict": result.strict,
        "started_utc": result.started_utc,
        "duration_ms": result.duration_ms,
        "aborted": result.aborted,
        "findings": list(result.findings),
        "verdicts": {verdict.value: number for verdict, number in counted(result).items()},
        "requirements": [
            {
                "id": line.requirement.id,
                "level": line.requirement.level.value,
                "section": line.requirement.section,
                "verdict": line.verdict.value,
                "cases": list(line.cases),
            }
            for line in lines(result)
        ],
        "cases": [
            {
                "id": one.case,
                "group": one.group,
                "title": one.title,
                "requirements": list(one.requirements),
                "verdict": one.verdict.value,
                "reason": one.reason,
                "duration_ms": one.duration_ms,
                "checks": [
                    {
                        "id": check.id,
                        "requirement": check.requirement,
                        "level": check.level.value,
                        "ok": check.ok,
                        "expected": check.expected,
                        "actual": check.actual,
                    }
                    for check in one.checks
                ],
            }
            for one in result.cases
        ],
    }


def write(result: RunResult, path: Path) -> None:
    """Write the report."""
    path.write_text(json.dumps(as_json(result), indent=1) + "\n", encoding="utf-8")


def verdicts(path: Path) -> dict[str, Any]:
    """A report that was written before. KitError (2) when the file is none."""
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        if report["format"] != FORMAT:
            raise ValueError(f"format {report['format']!r}")
        for one in report["requirements"]:
            Verdict(one["verdict"])
            str(one["id"])
        str(report["target"]["name"] + report["target"]["version"] + report["headline"]["text"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise KitError(
            Exit.USAGE, f"{path} is no report of this kit ({error}); name a report.json of a run"
        ) from None
    return dict(report)
