"""trace/<case>.jsonl: what passed in a case, with all bytes; read again by `replay`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from ioe_conformance.errors import Exit, KitError
from ioe_conformance.model import CaseResult, RunResult, Step

FORMAT: Final = "ioe-conformance-trace-1"


def write(result: RunResult, folder: Path) -> None:
    """A file for each case that was carried out."""
    folder.mkdir(parents=True, exist_ok=True)
    for one in result.cases:
        if one.steps:
            write_case(result, one, folder / f"{one.case}.jsonl")


def write_case(result: RunResult, one: CaseResult, path: Path) -> None:
    """One trace: a line about the run, then a line a step."""
    head = {
        "format": FORMAT,
        "case": one.case,
        "verdict": one.verdict.value,
        "reason": one.reason,
        "seed": result.seed,
        "spec": result.spec,
        "target": result.target.name,
    }
    rows = [head, *(asdict(step) for step in one.steps)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def read(path: Path) -> tuple[dict[str, Any], tuple[Step, ...]]:
    """A trace that was written before. KitError (2) when the file is none."""
    try:
        head, *rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        if head["format"] != FORMAT:
            raise ValueError(f"format {head['format']!r}")
        str(head["case"] + head["verdict"])
        steps = tuple(Step(**row) for row in rows)
        for step in steps:
            bytes.fromhex(step.hex)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise KitError(
            Exit.USAGE, f"{path} is no trace of this kit ({error}); name a file of a report's trace folder"
        ) from None
    return dict(head), steps
