"""One mutant, or the sound router, against cases: a daemon in a process of its own, the kit's testers in this one.

Both are forked from a process that has everything imported already, since a
hundred mutants would else spend most of their time importing.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import time
from pathlib import Path
from typing import Any, Final

from ioe_conformance.case import chosen
from ioe_conformance.cli import make_rig
from ioe_conformance.errors import Exit, KitError
from ioe_conformance.model import CaseResult, Level
from ioe_conformance.rig import cannot_connect
from ioe_conformance.runner import Plan
from ioe_conformance.runner import run as run_plan
from ioe_conformance.selftest.reference import Reference, clock_offset_ms

from mutants.daemon import become

NOBODY: Final = "reference"
START_S: Final = 60.0
STOP_S: Final = 10.0
OPENS_IN_S: Final = 4  # how long after its start slots can be booked
_LISTEN: Final = re.compile(r"^listen = .*$", re.MULTILINE)
_OFFSET: Final = re.compile(r"^clock_offset_ms = .*$", re.MULTILINE)


class Forked:
    """The router of a mutant, from a prepared folder, on a port of its own."""

    def __init__(self, name: str, folder: Path) -> None:
        """Nothing runs yet."""
        self.router = Reference(folder, offset_ms=clock_offset_ms(OPENS_IN_S))
        config = folder / "target" / "node.toml"
        text = _LISTEN.sub(f'listen = "{self.router.address}"', config.read_text())
        config.write_text(_OFFSET.sub(f"clock_offset_ms = {self.router.offset_ms}", text))
        self._name = name
        self._pid = 0

    def start(self) -> None:
        """Run it; returns when its port is open. KitError (3) when it does not come up."""
        self._pid = os.fork()
        if not self._pid:
            self._be_it()
        end = time.monotonic() + START_S
        while cannot_connect(self.router.address, 0.5):
            if os.waitpid(self._pid, os.WNOHANG)[0] or time.monotonic() > end:
                raise KitError(Exit.UNREACHABLE, f"the mutant does not start: {_last_line(self.router.log)}")
            time.sleep(0.1)

    def _be_it(self) -> None:
        """The rest of the life of the forked process."""
        code = 1
        try:
            os.chdir(self.router.folder / "target")
            log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(log, 1)
            os.dup2(log, 2)
            code = become(None if self._name == NOBODY else self._name, ["run", "--config", "node.toml"])
        finally:
            os._exit(code)

    def stop(self) -> None:
        """End it, whatever it does."""
        if not self._pid:
            return
        for how in (signal.SIGTERM, signal.SIGKILL):
            os.kill(self._pid, how)
            end = time.monotonic() + STOP_S
            while time.monotonic() < end:
                if os.waitpid(self._pid, os.WNOHANG)[0]:
                    self._pid = 0
                    return
                time.sleep(0.05)


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.is_file() else []
    return lines[-1] if lines else "it says nothing"


def results(name: str, folder: Path, cases: tuple[str, ...]) -> dict[str, Any]:
    """What became of the cases, and what ended the run early, if something did."""
    mutant = Forked(name, folder)
    try:
        mutant.start()
        router = mutant.router
        rig = make_rig(router.kit, None, router.address, seed=1, hook=None, clock_offset_ms=router.offset_ms)
        found, trouble = asyncio.run(run_plan(rig, Plan(cases=chosen(cases))))
    except KitError as error:
        return {"cases": {}, "trouble": str(error)}
    finally:
        mutant.stop()
    return {"cases": {one.case: _shown(one) for one in found.cases}, "trouble": str(trouble or "")}


def _shown(one: CaseResult) -> dict[str, Any]:
    musts = [check for check in one.checks if check.level is Level.MUST]
    return {
        "verdict": one.verdict.value,
        "reason": one.reason,
        "musts": sorted({check.id for check in musts}),
        "failed": sorted({check.id for check in musts if not check.ok}),
    }


def write_results(name: str, folder: Path, cases: tuple[str, ...], out: Path) -> None:
    """Carry one run out, as the whole life of a forked process."""
    sys.stdin = open(os.devnull)  # noqa: PTH123, SIM115 - for as long as the process lives
    out.write_text(json.dumps(results(name, folder, cases)), encoding="utf-8")
