"""What is known about the packages of a release: a bill of materials, and an audit that does not pretend.

pip-audit ends with 0 and "no known vulnerabilities" also when its source of
advisories knows none of the packages it was asked about, as behind a mirror
that serves files only.  So its answer counts package by package: what was
skipped has not been audited, and the whole is done only when nothing was.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dist_build import DistFailed, run

_TIMEOUT_S: Final = 20
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """The outcome: packages with known vulnerabilities, and those that nobody could say anything about."""

    asked: int
    vulnerable: tuple[str, ...]
    unaudited: tuple[str, ...]
    cause: str = ""

    @property
    def done(self) -> bool:
        """Whether every package has been audited."""
        return not self.unaudited and not self.cause


def make_tools(requirements: Path, folder: Path) -> Path:
    """The environment of the tools, made from hashed requirements; returns its Python."""
    python = folder / "bin" / "python"
    if not python.exists():
        run([sys.executable, "-m", "venv", str(folder)], requirements.parent)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--require-hashes"]
    run([*pip, "-r", str(requirements)], requirements.parent)
    return python


def write_sbom(tools: Path, environment: Path, project: Path, target: Path, time_s: int) -> int:
    """Write a CycloneDX bill of materials of an environment; returns how many components it names."""
    command = [
        str(tools.with_name("cyclonedx-py")),
        "environment",
        *("--pyproject", str(project), "--output-reproducible", "--of", "JSON", "-o", str(target)),
        str(environment),
    ]
    run(command, target.parent, SOURCE_DATE_EPOCH=str(time_s))
    bill = json.loads(target.read_text(encoding="utf-8"))
    if bill.get("bomFormat") != "CycloneDX" or not bill.get("components"):
        raise DistFailed(f"{target.name} names no components; look at what cyclonedx-py has written")
    return len(bill["components"])


def audit(tools: Path, requirements: str, work: Path) -> Audit:
    """Ask for advisories about every pinned package, first about one alone: does anybody answer?"""
    blocks = _blocks(requirements)
    probe = _ask(tools, blocks[:1], work)
    if not probe.done:
        return Audit(asked=len(blocks), vulnerable=(), unaudited=_names(blocks), cause=probe.cause)
    return _ask(tools, blocks, work)


def explain(outcome: Audit) -> str:
    """An outcome as a sentence, with the remedy."""
    if outcome.vulnerable:
        return "known vulnerabilities: " + "; ".join(outcome.vulnerable) + "; raise these pins (make lock)"
    if not outcome.done:
        some = ", ".join(outcome.unaudited[:_SHOWN]) + (" ..." if len(outcome.unaudited) > _SHOWN else "")
        why = f" ({outcome.cause})" if outcome.cause else ""
        return (
            f"NOT AUDITED: no advisories could be had for {len(outcome.unaudited)} of {outcome.asked}"
            f" packages: {some}{why}; run make dist where the advisory source of pip-audit can be reached"
        )
    return f"{outcome.asked} packages audited, none has a known vulnerability"


def judge(answer: str, asked: int) -> Audit:
    """What pip-audit's JSON says. DistFailed when it is none."""
    try:
        rows: list[dict[str, Any]] = json.loads(answer)["dependencies"]
    except (ValueError, KeyError, TypeError) as error:
        raise DistFailed(f"pip-audit gave no readable answer ({error})") from error
    vulnerable = tuple(
        f"{row['name']} {row['version']} ({', '.join(one['id'] for one in row['vulns'])})"
        for row in rows
        if row.get("vulns")
    )
    skipped = [row for row in rows if "vulns" not in row]
    unaudited = (*(row["name"] for row in skipped), *["unnamed"] * (asked - len(rows)))
    cause = str(skipped[0].get("skip_reason", "")) if skipped else ""
    return Audit(asked=asked, vulnerable=vulnerable, unaudited=unaudited, cause=cause)


def _ask(tools: Path, blocks: Sequence[str], work: Path) -> Audit:
    file = work / "audited.txt"
    file.write_text("".join(blocks), encoding="utf-8")
    options = ("--disable-pip", "--require-hashes", "-f", "json", "--progress-spinner", "off")
    command = [str(tools.with_name("pip-audit")), *options, "--timeout", str(_TIMEOUT_S), "-r", str(file)]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
    if not done.stdout.strip():
        said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return Audit(asked=len(blocks), vulnerable=(), unaudited=_names(blocks), cause=said[:200])
    return judge(done.stdout, len(blocks))


def _blocks(requirements: str) -> list[str]:
    """The packages of a hashed requirements file, each with its hashes."""
    blocks: list[str] = []
    for line in requirements.splitlines(keepends=True):
        if not line.startswith((" ", "#")):
            blocks.append(line)
        elif blocks:
            blocks[-1] += line
    return blocks


def _names(blocks: Sequence[str]) -> tuple[str, ...]:
    return tuple(block.split("==", 1)[0] for block in blocks)
