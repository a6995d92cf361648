"""`ioe-conformance selftest`: is the kit to be believed?

    quick    the reference router passes everything in two identical runs; the servers that are no
             routers come out as `nulls.toml` lists, case by case
    --full   twenty identical runs, and the mutants, if they are installed beside the kit; what has
             been done is kept in a state file, so that a run that was interrupted goes on

Each run is one of the command line as a vendor has it, in a process of its own.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from ioe_conformance.errors import Exit, KitError
from ioe_conformance.selftest import null
from ioe_conformance.selftest.reference import Reference, clock_offset_ms, free_port, wait_for_port

QUICK_RUNS: Final = 2
FULL_RUNS: Final = 20
_NULL_GRACE_MS: Final = 300
_LISTED: Final = Path(__file__).parent / "nulls.toml"
Say = Callable[[str], None]


def selftest(*, full: bool, state: Path, say: Say) -> int:
    """Do what is not done yet. 0: the kit is to be believed; 1: it is not, and why has been said."""
    done = _read_state(state) if full else {}
    with tempfile.TemporaryDirectory(prefix="ioe-conformance-") as name:
        found = [
            _references(Path(name), FULL_RUNS if full else QUICK_RUNS, done, state, say),
            *(_null(Path(name), kind, done, state, say) for kind in null.KINDS),
        ]
        if full:
            found.append(_mutants(say))
    say("selftest: " + ("the kit can pass and can fail" if all(found) else "NOT passed, see above"))
    return int(Exit.CONFORMS if all(found) else Exit.DOES_NOT_CONFORM)


# ------------------------------------------------------------------ the reference router


def _references(folder: Path, runs: int, done: dict[str, Any], state: Path, say: Say) -> bool:
    verdicts: dict[str, dict[str, str]] = done.setdefault("reference", {})
    for number in range(1, runs + 1):
        if str(number) in verdicts:
            say(f"reference run {number}: done before")
            continue
        router = Reference(folder / f"reference-{number}", offset_ms=clock_offset_ms())
        router.prepare()
        router.start()
        try:
            code, found = run_kit(router.kit, router.address, offset_ms=router.offset_ms, hook=router.hook)
        finally:
            router.stop()
        bad = {case: verdict for case, verdict in found.items() if verdict not in _WELL}
        say(f"reference run {number}: exit {code}, {len(found)} cases{f', not passed: {bad}' if bad else ''}")
        if code or bad:
            return False
        verdicts[str(number)] = found
        _write_state(state, done)
    same = len({json.dumps(one, sort_keys=True) for one in verdicts.values()}) == 1
    say(f"reference: {len(verdicts)} runs, {'all alike' if same else 'NOT alike'}")
    return same


_WELL: Final = frozenset({"PASS", "NOT_TESTABLE", "NOT_APPLICABLE"})


# ------------------------------------------------------------------ servers that are no routers


def _null(folder: Path, kind: str, done: dict[str, Any], state: Path, say: Say) -> bool:
    if kind in done:
        say(f"{kind}: done before")
        return True
    code, passed = run_null(folder / kind, kind)
    listed = tomllib.loads(_LISTED.read_text(encoding="utf-8"))[kind]
    more, less = sorted(passed - set(listed["passes"])), sorted(set(listed["passes"]) - passed)
    if code not in {Exit.CONFORMS, Exit.DOES_NOT_CONFORM}:
        less = []  # the run ended early, and not always at the same case
    right = code == listed["exit"] and not more and not less
    said = f"{kind}: exit {code}, {len(passed)} cases pass"
    if code != listed["exit"]:
        said += f"; exit {listed['exit']} is listed"
    said += f"; NOT listed: {', '.join(more)}" if more else ""
    said += f"; listed and not passed: {', '.join(less)}" if less else ""
    say(said)
    if right:
        done[kind] = True
        _write_state(state, done)
    return right


def run_null(folder: Path, kind: str) -> tuple[int, set[str]]:
    """A whole run against one of the servers: its exit code, and the cases that passed."""
    null.prepare(folder)
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-m", "ioe_conformance.selftest.null", kind, str(folder), str(port)],
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            wait_for_port(f"127.0.0.1:{port}")
            address, offset_ms = f"127.0.0.1:{port}", clock_offset_ms()
            code, found = run_kit(folder / "kit", address, offset_ms=offset_ms, grace_ms=_NULL_GRACE_MS)
        finally:
            server.kill()
    return code, {case for case, verdict in found.items() if verdict == "PASS"}


# ------------------------------------------------------------------ mutants


def _mutants(say: Say) -> bool:
    """The mutants are a package of their own, outside the product."""
    try:
        kill = importlib.import_module("mutants.__main__").main
    except ImportError:
        say("mutants: NOT RUN, the package interop/mutants is not on the path")
        return False
    code = int(kill([]) or 0)
    say(f"mutants: {'every one is killed as listed' if not code else 'NOT all killed as listed'}")
    return not code


# ------------------------------------------------------------------ a run in a process of its own


def run_kit(
    kit: Path,
    address: str,
    *,
    offset_ms: int = 0,
    grace_ms: int | None = None,
    hook: str = "",
    globs: tuple[str, ...] = (),
) -> tuple[int, dict[str, str]]:
    """Exit code and the verdict of each case; none when the run left no report."""
    environment = _environment()
    if grace_ms is not None:
        environment["IOE_CONFORMANCE_GRACE_MS"] = str(grace_ms)
    with tempfile.TemporaryDirectory(prefix="ioe-report-") as report:
        hooked = ("--hook", hook) if hook else ()
        chosen = [word for glob in globs for word in ("--case", glob)]
        done = subprocess.run(
            [
                *(sys.executable, "-m", "ioe_conformance", "run", "--target", address, "--kit", str(kit)),
                *("--clock-offset-ms", str(offset_ms), "--report-dir", report, *hooked, *chosen),
            ],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=1_800,
        )
        if "Traceback" in done.stdout + done.stderr:
            raise KitError(Exit.KIT_ERROR, f"a run ended in a traceback: {done.stderr.strip()[-300:]}")
        path = Path(report) / "report.json"
        cases = json.loads(path.read_text(encoding="utf-8"))["cases"] if path.is_file() else []
    return done.returncode, {one["id"]: one["verdict"] for one in cases}


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def _read_state(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise KitError(
            Exit.USAGE, f"{path} is no state of a selftest ({error}); name another --state, or delete it"
        ) from None


def _write_state(path: Path, done: dict[str, Any]) -> None:
    if "reference" in done:
        path.write_text(json.dumps(done, indent=1) + "\n", encoding="utf-8")
