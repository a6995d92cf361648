"""Run one mutant, or the sound router, against cases: `python -m mutants.one NAME FOLDER CASES...`.

FOLDER is a prepared reference router (`Reference.prepare`).  Prints JSON: per
case its verdict, and the checks that failed.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any, Final

from ioe_conformance.case import chosen
from ioe_conformance.cli import make_rig
from ioe_conformance.errors import KitError
from ioe_conformance.model import CaseResult, Level
from ioe_conformance.runner import Plan
from ioe_conformance.runner import run as run_plan
from ioe_conformance.selftest.reference import Reference

NOBODY: Final = "reference"
_LISTEN: Final = re.compile(r"^listen = .*$", re.MULTILINE)


def started(name: str, folder: Path) -> Reference:
    """The router of a mutant, from a prepared folder, on a port of its own."""
    program = (sys.executable, "-m", "mutants.daemon", name)
    router = Reference(folder) if name == NOBODY else Reference(folder, program=program)
    config = folder / "target" / "node.toml"
    config.write_text(_LISTEN.sub(f'listen = "{router.address}"', config.read_text()))
    router.start()
    return router


def results(name: str, folder: Path, cases: tuple[str, ...]) -> dict[str, Any]:
    """What became of the cases, and what ended the run early, if something did."""
    router = started(name, folder)
    try:
        rig = make_rig(router.kit, None, router.address, seed=1, hook=None, clock_offset_ms=0)
        found, trouble = asyncio.run(run_plan(rig, Plan(cases=chosen(cases))))
    finally:
        router.stop()
    return {"cases": {one.case: _shown(one) for one in found.cases}, "trouble": str(trouble or "")}


def _shown(one: CaseResult) -> dict[str, Any]:
    musts = [check for check in one.checks if check.level is Level.MUST]
    return {
        "verdict": one.verdict.value,
        "reason": one.reason,
        "musts": sorted({check.id for check in musts}),
        "failed": sorted({check.id for check in musts if not check.ok}),
    }


def main() -> int:
    """Print the results of one run as JSON."""
    name, folder, *cases = sys.argv[1:]
    try:
        print(json.dumps(results(name, Path(folder), tuple(cases))))
    except KitError as error:
        print(json.dumps({"cases": {}, "trouble": str(error)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
