"""All reports of a run, in one folder."""

from __future__ import annotations

from pathlib import Path

from ioe_conformance.errors import Exit, KitError
from ioe_conformance.model import RunResult
from ioe_conformance.report import html, json_report, junit, markdown, traces


def write_reports(result: RunResult, folder: Path) -> None:
    """report.json, junit.xml, report.md, report.html and trace/. KitError (2): they cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        json_report.write(result, folder / "report.json")
        junit.write(result, folder / "junit.xml")
        markdown.write(result, folder / "report.md")
        html.write(result, folder / "report.html")
        traces.write(result, folder / "trace")
    except OSError as error:
        raise KitError(
            Exit.USAGE,
            f"the reports cannot be written to {folder} ({error.strerror}); name another --report-dir",
        ) from None
