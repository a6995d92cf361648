"""report.md: each requirement with its verdict and its cases; and the matrix of several reports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ioe_conformance.model import RunResult, Verdict
from ioe_conformance.summary import counted, headline, lines


def as_markdown(result: RunResult) -> str:
    """The page."""
    target = result.target
    counts = ", ".join(f"{number} {verdict}" for verdict, number in counted(result).items() if number)
    page = [
        f"# Conformance of {cell(target.name)} {cell(target.version)}",
        "",
        f"**{headline(result)}**",
        "",
        f"SPEC.md version {result.spec}, kit {result.kit}, {result.started_utc}, seed {result.seed},"
        f" {len(result.cases)} cases: {counts}.",
        "",
    ]
    if result.aborted:
        page += [f"The run ended early: {cell(result.aborted)}", ""]
    page += [f"- {cell(finding)}" for finding in result.findings]
    page += ["", "| Requirement | Level | Section | Verdict | Cases |", "|---|---|---|---|---|"]
    for line in lines(result):
        one = line.requirement
        page.append(f"| {one.id} | {one.level} | {one.section} | {line.verdict} | {', '.join(line.cases)} |")
    told = [one for one in result.cases if one.verdict is not Verdict.PASS]
    if told:
        page += ["", "## Cases that did not pass", "", "| Case | Verdict | Why |", "|---|---|---|"]
        page += [f"| {one.case} | {one.verdict} | {cell(one.reason)} |" for one in told]
    return "\n".join(page) + "\n"


def write(result: RunResult, path: Path) -> None:
    """Write the page."""
    path.write_text(as_markdown(result), encoding="utf-8")


def matrix(reports: Sequence[dict[str, Any]]) -> str:
    """Requirements by target, of several report.json."""
    names = [cell(f"{one['target']['name']} {one['target']['version']}") for one in reports]
    by_id = [{line["id"]: line["verdict"] for line in one["requirements"]} for one in reports]
    ids = sorted({id_ for column in by_id for id_ in column})
    page = ["| Requirement | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    page.append("| all | " + " | ".join(one["headline"]["text"] for one in reports) + " |")
    page += [f"| {id_} | " + " | ".join(column.get(id_, "-") for column in by_id) + " |" for id_ in ids]
    return "\n".join(page) + "\n"


def cell(text: str) -> str:
    """Text that stays in its cell, whatever the target has said."""
    plain = "".join(c if c.isprintable() else "?" for c in text)
    return plain.replace("|", "\\|").replace("<", "&lt;")
