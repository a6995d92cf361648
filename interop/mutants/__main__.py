"""Run mutants against the conformance kit: `python -m mutants [NAME...] [--workers N] [--wide] [--out FILE]`.

Every mutant is run on the cases that it declares (`kills`), several at a time, and
each of these has to fail.  `--wide` runs it on all cases of their groups, which
also finds kills that are not declared.  The reference router without a defect
is run on all cases first and has to pass them; its MUST checks are those that
the kill matrix has to have a killer for.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from ioe_conformance.selftest.reference import Reference

from mutants.catalogue import MUTANTS
from mutants.daemon import load_all
from mutants.mutant import Mutant
from mutants.one import NOBODY, write_results

FORK: Final = multiprocessing.get_context("fork")
ONE_RUN_S: Final = 600
FAILED: Final = "FAIL"
NOTICED: Final = (FAILED, "WARN")  # WARN: a SHOULD
Results = Mapping[str, Any]


def run_one(name: str, base: Path, cases: Iterable[str]) -> Results:
    """The results of one router on some cases, in a process and a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        copy, out = Path(folder) / "router", Path(folder) / "out.json"
        shutil.copytree(base, copy)
        process = FORK.Process(target=write_results, args=(name, copy, tuple(cases), out))
        process.start()
        process.join(ONE_RUN_S)
        if process.is_alive():
            process.kill()
            process.join()
        if not out.is_file():
            return {"cases": {}, "trouble": f"its process ended with {process.exitcode}"}
        found: Results = json.loads(out.read_text(encoding="utf-8"))
        return found


def groups_of(one: Mutant) -> list[str]:
    """Globs of all cases in the groups of those that a mutant declares."""
    return sorted({f"{case.partition('.')[0]}.*" for case in one.kills})


def survivors(one: Mutant, results: Results) -> list[str]:
    """The declared cases that do not fail by a mutant."""
    cases = results["cases"]
    return [name for name in one.kills if cases.get(name, {}).get("verdict") not in NOTICED]


def matrix(reference: Results, mutants: Mapping[str, Results]) -> dict[str, list[str]]:
    """MUST check (`case/check`) to the mutants that it noticed."""
    checks = [f"{case}/{check}" for case, one in reference["cases"].items() for check in one["musts"]]
    found: dict[str, list[str]] = {check: [] for check in sorted(checks)}
    for name, results in mutants.items():
        for case, one in results["cases"].items():
            for check in one["failed"]:
                found.setdefault(f"{case}/{check}", []).append(name)
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run, print a line per mutant, and what no mutant was noticed by."""
    parser = argparse.ArgumentParser(prog="python -m mutants", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="mutants; all when none is named")
    parser.add_argument("--workers", type=int, default=4, help="how many routers run at a time")
    parser.add_argument("--wide", action="store_true", help="all cases of the groups, not the declared ones")
    parser.add_argument("--out", type=Path, help="write results and kill matrix as JSON")
    parser.add_argument("--no-reference", action="store_true", help="do not run the sound router first")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.names if name not in MUTANTS]
    if unknown:
        print(f"there is no mutant {unknown[0]}; see interop/mutants/catalogue.py", file=sys.stderr)
        return 2
    chosen = [MUTANTS[name] for name in given.names or MUTANTS]
    load_all()
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "base"
        Reference(base).prepare()
        return _run(chosen, base, given)


def _run(chosen: list[Mutant], base: Path, given: argparse.Namespace) -> int:
    begun, bad = time.monotonic(), 0
    reference: Results = {"cases": {}, "trouble": ""}
    if not given.no_reference:
        reference = run_one(NOBODY, base, ["*"])
        unsound = [name for name, one in reference["cases"].items() if one["verdict"] == FAILED]
        print(
            f"reference: {len(reference['cases'])} cases, failed: {' '.join(unsound) or 'none'}", flush=True
        )
        bad += bool(unsound or reference["trouble"])
    with ThreadPoolExecutor(given.workers) as pool:
        jobs = {
            one.name: pool.submit(run_one, one.name, base, groups_of(one) if given.wide else one.kills)
            for one in chosen
        }
        results = {}
        for one in chosen:
            results[one.name] = jobs[one.name].result()
            bad += _told(one, results[one.name])
    kills = matrix(reference, results)
    alone = [check for check, killers in kills.items() if not killers]
    if given.out is not None:
        content = {"reference": reference, "mutants": results, "matrix": kills}
        given.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(
        f"{len(chosen)} mutants, {bad} not as declared; {len(kills)} MUST checks, "
        f"{len(alone)} without a kill; {time.monotonic() - begun:.0f} s"
    )
    return 1 if bad else 0


def _told(one: Mutant, results: Results) -> bool:
    """Say what became of a mutant; whether it is not as declared."""
    alive = survivors(one, results)
    more = [
        name
        for name, case in results["cases"].items()
        if case["verdict"] in NOTICED and name not in one.kills
    ]
    line = f"{'SURVIVED' if alive else 'killed'} {one.name}"
    line += f"; not noticed by {' '.join(alive)}" if alive else ""
    line += f"; also {' '.join(more)}" if more else ""
    line += f"; {results['trouble']}" if results["trouble"] else ""
    print(line, flush=True)
    return bool(alive)


if __name__ == "__main__":
    sys.exit(main())
