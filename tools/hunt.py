"""Runs many seeds of the simulator and remembers which were green, so that a hunt can go on another day.

    python tools/hunt.py --seeds 2000 --scenario random20 --faults all --slots 2 --events 200

Each finished seed is one line of JSON in the file.  A seed that the file has as
green under the same plan is not run again; one that failed is run first.  The
first failure is printed with the command that repeats it; the hunt goes on and
ends with exit code 1.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ioe_router.sim.checkers.verdict import CheckFailed
from ioe_router.sim.run import Plan, run

Row = dict[str, Any]


def main() -> int:
    """Hunt; 0 when every seed is green."""
    asked = _arguments()
    plan = _plan(asked, 0)
    key = plan.command().replace(" --seed 0", "")
    asked.file.parent.mkdir(parents=True, exist_ok=True)
    known = _known(asked.file, key)
    seeds = [seed for seed in range(asked.first, asked.first + asked.seeds) if not known.get(seed, False)]
    seeds.sort(key=lambda seed: (seed not in known, seed))
    print(f"{key}: {asked.seeds - len(seeds)} of {asked.seeds} seeds are green already", flush=True)
    failed = _hunt(asked, key, seeds)
    print(f"{asked.seeds - failed} of {asked.seeds} seeds green, {failed} failed", flush=True)
    return 1 if failed else 0


def _hunt(asked: argparse.Namespace, key: str, seeds: list[int]) -> int:
    failed, began = 0, time.monotonic()
    with asked.file.open("a", encoding="utf-8") as file, _pool(asked.jobs) as pool:
        for done, row in enumerate(pool.imap_unordered(_one, [_plan(asked, seed) for seed in seeds]), 1):
            file.write(json.dumps({"plan": key, **row}) + "\n")
            file.flush()
            if not row["green"]:
                failed += 1
                print(f"FAILED: {row['why']}", flush=True)
            elif done % asked.every == 0:
                rate = done / (time.monotonic() - began)
                print(f"{done} of {len(seeds)} seeds, {failed} failed, {rate:.2f} a second", flush=True)
    return failed


def _pool(jobs: int) -> Any:  # noqa: ANN401 - the pool of a context has no public name
    """Fresh interpreters: nothing is inherited, and memory is given back now and then."""
    return multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=50)


def _one(plan: Plan) -> Row:
    """One seed, in a process of the pool."""
    began = time.process_time()
    row: Row = {"seed": plan.seed, "green": True}
    try:
        outcome = run(plan)
    except CheckFailed as failure:
        row.update(green=False, why=str(failure))
    else:
        row.update(
            digest=outcome.digest,
            routers=outcome.routers,
            injected=outcome.injected,
            simulated_s=outcome.simulated_s,
            reservations=outcome.reservations,
        )
    row["cpu_s"] = round(time.process_time() - began, 2)
    return row


def _plan(asked: argparse.Namespace, seed: int) -> Plan:
    return Plan(
        seed=seed, scenario=asked.scenario, faults=asked.faults, slots=asked.slots, events=asked.events
    )


def _known(file: Path, key: str) -> dict[int, bool]:
    """Whether a seed was green when it was last run."""
    return {row["seed"]: row["green"] for row in _rows(file) if row.get("plan") == key}


def _rows(file: Path) -> Iterator[Row]:
    if file.exists():
        for line in file.read_text(encoding="utf-8").splitlines():
            try:
                yield json.loads(line)
            except json.JSONDecodeError:  # a hunt was stopped in mid-line: that seed is run again
                continue


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run many seeds of the simulator; resumable.")
    parser.add_argument("--file", type=Path, default=Path("build/hunt.jsonl"))
    parser.add_argument("--first", type=int, default=1, help="first seed")
    parser.add_argument("--seeds", type=int, default=2000, help="how many seeds from there on")
    parser.add_argument("--scenario", default="random20")
    parser.add_argument("--faults", default="all")
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--events", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--every", type=int, default=20, help="seeds between two lines of progress")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
