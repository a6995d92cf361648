"""Make a release in dist/: sdist, wheel, bill of materials, checksums - each shown to be what it should be.

    python tools/dist.py              make dist
    python tools/dist.py --audit later

1  built twice from the commit, in different places: the same bytes
2  installed into empty environments, one per set of extras; what they promise imports and runs
3  a CycloneDX bill of materials of the environment with all extras
4  an audit of every package in it against published advisories

Exit code 1: something failed, dist/ is not a release.  3: all is there, but the audit could not be done
here (the message says why); `--audit later` accepts that.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path
from typing import Final

import dist_audit
import dist_build
import dist_install
from dist_build import DistFailed

ROOT: Final = Path(__file__).resolve().parents[1]
TARGET: Final = ROOT / "dist"
WORK: Final = ROOT / "build" / "dist"
TOOLS: Final = ROOT / "build" / "dist-tools"
EXIT_FAILED: Final = 1
EXIT_UNAUDITED: Final = 3


def main(arguments: list[str] | None = None) -> int:
    """Make the release; see above for the exit codes."""
    parser = argparse.ArgumentParser(description="make a release in dist/")
    parser.add_argument("--audit", choices=("now", "later"), default="now")
    asked = parser.parse_args(arguments)
    try:
        audited = _release()
    except DistFailed as error:
        print(f"dist: {error}", file=sys.stderr)
        return EXIT_FAILED
    if not audited and asked.audit == "now":
        print(
            "dist: all is built, but not audited; make dist DIST_ARGS='--audit later' accepts that",
            file=sys.stderr,
        )
        return EXIT_UNAUDITED
    return 0


def _release() -> bool:
    """Everything in order; returns whether the audit was done."""
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    if changed := dist_build.changed_files(ROOT):
        print(f"dist: {len(changed)} changed files are not in the commit and so not in the release")
    built, commit = dist_build.build_twice(ROOT, WORK)
    built = dist_build.place(built, TARGET)
    print(f"dist: commit {commit[:12]}, built three times with the same bytes")
    source = WORK / "one"
    python = _install(built, (source / "requirements.txt").read_text(encoding="utf-8"))
    tools = dist_audit.make_tools(source / "requirements-dist.txt", TOOLS)
    bill = TARGET / built.wheel.name.replace("-py3-none-any.whl", ".cdx.json")
    time_s = dist_build.commit_of(ROOT)[1]
    count = dist_audit.write_sbom(tools, python, source / "pyproject.toml", bill, time_s)
    print(f"dist: {bill.name} names {count} components")
    _write_sums(TARGET)
    everything = WORK / f"requirements-{dist_install.PROMISES[-1].name}.txt"
    outcome = dist_audit.audit(tools, everything.read_text(encoding="utf-8"), WORK)
    print(f"dist: {dist_audit.explain(outcome)}", file=sys.stdout if outcome.done else sys.stderr)
    if outcome.vulnerable:
        raise DistFailed("packages with known vulnerabilities are not released")
    return outcome.done


def _install(built: dist_build.Built, pins: str) -> Path:
    """Keep every promise in an environment of its own; returns the Python of the last, with all extras."""
    python = Path()
    for promise in dist_install.PROMISES:
        began = time.monotonic()
        python = dist_install.install(promise, built.wheel, pins, WORK)
        count = dist_install.keep(promise, python, WORK)
        took_s = time.monotonic() - began
        print(f"dist: {promise.name}: {count} modules imported in an empty environment ({took_s:.0f} s)")
    return python


def _write_sums(folder: Path) -> None:
    lines = [f"{dist_build.digest(path)}  {path.name}" for path in sorted(folder.iterdir())]
    (folder / "SHA256SUMS").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    raise SystemExit(main())
