"""Fuzzes every reader of bytes and the door of the router in slices, and keeps account of what was done.

    python tools/fuzz.py --minutes 60            all targets in turn, until the time is used up
    python tools/fuzz.py --target wire --runs 1000000
    python tools/fuzz.py --report                what the account says, with the lines that were reached
    python tools/fuzz.py --replay build/fuzz/crashes/wire-0123456789abcdef

A slice is one target in a process of its own for some minutes; when it has ended,
one line of JSON goes into the account, so a run can be stopped and gone on
with at any time, and the corpus under build/fuzz grows from run to run.  With
atheris (`make fuzz` fetches it) the corpus follows coverage, else changes are
drawn at random.  Exit code 1 when anything crashed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.fuzz.all_targets import TARGETS
from tests.fuzz.coverage import covered
from tests.fuzz.targets import Target

Row = dict[str, Any]
ROOT: Final = Path(__file__).resolve().parents[1]
_EXECUTED: Final = re.compile(r"stat::number_of_executed_units: (\d+)")
_PULSE: Final = re.compile(r"^#(\d+)\t.*?cov: (\d+)", re.MULTILINE)
_CRASH: Final = re.compile(r"^CRASH \S+ (\S+) (.*)$", re.MULTILINE)
_GRACE_S: Final = 300
_CORPUS_MAX: Final = 2_000  # files of a corpus that are run to count lines


def main() -> int:
    """Fuzz, report or replay; 0 when nothing crashed."""
    asked = _arguments()
    if asked.replay is not None:
        return _replay(asked.replay)
    asked.folder.mkdir(parents=True, exist_ok=True)
    if asked.report:
        _report(asked)
        return 0
    failed = _fuzz(asked)
    _print_totals(asked)
    return 1 if failed else 0


def _fuzz(asked: argparse.Namespace) -> bool:
    """Give slices until the bounds are reached; True when something crashed."""
    until, left = time.monotonic() + asked.minutes * 60, asked.runs or 1 << 60
    failed, seed = False, 1 + len(list(_rows(asked.folder)))
    while time.monotonic() < until and left > 0:
        name = asked.target or _least_served(asked.folder)
        seconds = max(1, min(asked.slice, int(until - time.monotonic())))
        row = _slice(asked, name, seconds, 0 if left >= 1 << 59 else left, seed)
        left, seed = left - row["runs"], seed + 1
        failed = failed or bool(row["crashes"])
    return failed


def _least_served(folder: Path) -> str:
    """The target that has had the least time for its share."""
    totals = _totals(folder)
    return min(TARGETS, key=lambda name: totals.get(name, {"seconds": 0.0})["seconds"] / TARGETS[name].share)


def _slice(asked: argparse.Namespace, name: str, seconds: int, runs: int, seed: int) -> Row:
    """One target for a while; its line in the account."""
    engine = "atheris" if importlib.util.find_spec("atheris") else "drawn"
    command = [sys.executable, "-m", "tests.fuzz.worker", name, "--seconds", str(seconds)]
    command += ["--runs", str(runs), "--seed", str(seed), "--folder", str(asked.folder), "--engine", engine]
    began, cpu = time.monotonic(), _children_cpu_s()
    with (asked.folder / f"{name}.log").open("w", encoding="utf-8") as log:
        try:
            code = subprocess.run(
                command, cwd=ROOT, stdout=log, stderr=log, timeout=seconds + _GRACE_S, check=False
            ).returncode
        except subprocess.TimeoutExpired:  # a busy machine; inputs that run away end the process themselves
            code = 0
    row = _row_of(name, engine, (asked.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace"))
    row.update(seconds=round(time.monotonic() - began, 1), cpu_s=round(_children_cpu_s() - cpu, 1), exit=code)
    if code not in (0, 1) and not row["crashes"]:
        row["crashes"] = [f"the process ended with {code}; see {asked.folder / name}.log"]
    with (asked.folder / "account.jsonl").open("a", encoding="utf-8") as account:
        account.write(json.dumps(row) + "\n")
    print(f"{name}: {row['runs']} executions in {row['seconds']} s, {row['edges']} edges", flush=True)
    for crash in row["crashes"]:
        print(f"CRASH {name}: {crash}", flush=True)
    return row


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _row_of(name: str, engine: str, log: str) -> Row:
    """What the log of a slice says; of one that was cut off, the last pulse."""
    executed, pulses = _EXECUTED.findall(log), _PULSE.findall(log)
    runs = int(executed[-1]) if executed else int(pulses[-1][0]) if pulses else 0
    return {
        "target": name,
        "engine": engine,
        "runs": runs,
        "edges": int(pulses[-1][1]) if pulses else None,
        "crashes": [f"{path} {place}" for path, place in _CRASH.findall(log)],
    }


def _rows(folder: Path) -> Iterator[Row]:
    account = folder / "account.jsonl"
    if account.exists():
        for line in account.read_text(encoding="utf-8").splitlines():
            try:
                yield json.loads(line)
            except json.JSONDecodeError:  # a run was stopped in mid-line
                continue


# ------------------------------------------------------------------ reports


def _totals(folder: Path) -> dict[str, Row]:
    totals: dict[str, Row] = {}
    for row in _rows(folder):
        total = totals.setdefault(
            row["target"], {"runs": 0, "seconds": 0.0, "cpu_s": 0.0, "edges": 0, "crashes": 0}
        )
        total["runs"] += row["runs"]
        total["seconds"] += row["seconds"]
        total["cpu_s"] += row["cpu_s"]
        total["edges"] = max(total["edges"], row["edges"] or 0)
        total["crashes"] += len(row["crashes"])
    return totals


def _print_totals(asked: argparse.Namespace) -> None:
    totals = _totals(asked.folder)
    runs, minutes, cpu = (sum(t[what] for t in totals.values()) for what in ("runs", "seconds", "cpu_s"))
    said = f"{minutes / 60:.0f} minutes ({cpu / 60:.0f} of processor time)"
    print(f"in all {runs} executions in {said}; account: {asked.folder}/account.jsonl")


def _report(asked: argparse.Namespace) -> None:
    """The table of docs/fuzzing.md."""
    totals = _totals(asked.folder)
    print("| Target | What | Executions | Minutes | Processor | Edges | Lines reached |")
    print("|---|---|---|---|---|---|---|")
    for name, target in TARGETS.items():
        total = totals.get(name, {"runs": 0, "seconds": 0.0, "cpu_s": 0.0, "edges": 0})
        lines, reached = _coverage(target, asked.folder)
        share = f"{reached} of {lines} ({100 * reached // max(1, lines)} %)"
        times = f"{total['seconds'] / 60:.1f} | {total['cpu_s'] / 60:.1f}"
        print(f"| {name} | {target.says} | {total['runs']} | {times} | {total['edges'] or '-'} | {share} |")
    _print_totals(asked)


def _coverage(target: Target, folder: Path) -> tuple[int, int]:
    """Lines of the target's modules, and how many its corpus reaches."""
    files = sorted((folder / "corpus" / target.name).glob("*"))[:_CORPUS_MAX]
    corpus = [*target.seeds(), *(one.read_bytes() for one in files)]
    rows = covered(target, corpus, folder / "crashes")
    return sum(row.lines for row in rows), sum(row.reached for row in rows)


def _replay(path: Path) -> int:
    """Run the bytes of one crash again; its traceback, or a word that it is gone."""
    name = max((n for n in TARGETS if path.name.startswith(n)), key=len, default=None)
    if name is None:
        print(f"fuzz: {path.name} names no target; known are {', '.join(TARGETS)}", file=sys.stderr)
        return 2
    TARGETS[name].run(path.read_bytes())
    print(f"{name}: these bytes crash no more")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Fuzz every reader of bytes and the door of the router.")
    parser.add_argument("--target", choices=sorted(TARGETS), help="only this one")
    parser.add_argument("--minutes", type=float, default=10.0, help="time for all of it")
    parser.add_argument("--runs", type=int, default=0, help="executions of all of it; 0: by time alone")
    parser.add_argument("--slice", type=int, default=120, help="seconds of one process")
    parser.add_argument("--folder", type=Path, default=Path("build/fuzz"))
    parser.add_argument("--report", action="store_true", help="say what was done, and count lines")
    parser.add_argument("--replay", type=Path, help="run the bytes of one crash again")
    asked = parser.parse_args()
    asked.folder = Path(os.path.abspath(asked.folder))  # noqa: PTH100 - workers start elsewhere
    return asked


if __name__ == "__main__":
    sys.exit(main())
