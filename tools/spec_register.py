"""Write and check the register of requirements: interop/requirements/ioe-1.json.

    python tools/spec_register.py [--check]

The register is SPEC.md read requirement by requirement (id, section, role,
level, who sees it, how it is observed, sentence), joined with what
observed.toml says of those that a neighbour cannot simply see.  The check
fails unless every MUST and SHOULD is covered by a case of the conformance kit,
by a vector, or is marked untestable with a reason.  What is not covered yet
stands in uncovered.txt, which may only get shorter.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

from spec_blocks import report, update_file  # noqa: E402
from spec_covers import covers  # noqa: E402
from spec_requirements import read_requirements  # noqa: E402

FOLDER: Final = Path("interop") / "requirements"
UNTESTABLE_MUSTS_PERCENT: Final = 15
REASON_CHARACTERS_MIN: Final = 30
OBSERVED: Final = frozenset({"wire", "vector", "hook", "untestable"})
_KEY_WORD: Final = re.compile(r"\b(MUST NOT|MUST|SHOULD NOT|SHOULD|MAY)\b(?: \((wire|local)\))?")
_SECTION: Final = re.compile(r"^#{2,4} (?:Appendix )?([A-Z0-9]+(?:\.\d+)*)")
# The first word of these that stands before the key word, or at the beginning, names the role.
_ROLES: Final = (
    *("Sender", "Receiver", "dialler", "listener", "initiator", "origin", "keeper", "grantor", "hop"),
    *("border", "root", "party", "device", "Operators", "protection", "two ends", "Both ends", "Each end"),
    *("each end", "The other end", "reader"),
)
_BOTH_ENDS: Final = frozenset({"two ends", "Both ends", "Each end", "each end", "The other end"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One requirement of the register; `reason` is empty unless it is untestable."""

    id: str
    section: str
    role: str
    level: str
    seen: str
    observed: str
    reason: str
    text: str

    @property
    def binds(self) -> bool:
        """Whether it has to be covered, or justified: MAY demands nothing."""
        return self.level != "MAY"


def read_rows(spec: str, observed: Mapping[str, Mapping[str, str]]) -> list[Row]:
    """The living requirements in the order of SPEC.md."""
    requirements, _ = read_requirements(spec, "SPEC.md")
    sections = _sections(spec)
    rows = []
    for one in requirements.values():
        key_word = _KEY_WORD.search(one.text)
        if one.retired or key_word is None:
            continue
        seen = key_word[2] or "wire"
        said = observed.get(one.id, {})
        rows.append(
            Row(
                id=one.id,
                section=sections[one.line],
                role=_role(one.text[: key_word.start()]),
                level=key_word[1],
                seen=seen,
                observed=said.get("observed", seen),
                reason=said.get("reason", ""),
                text=one.text,
            )
        )
    return rows


def _sections(spec: str) -> dict[int, str]:
    """Line number to number of the section that it stands in."""
    found, section = {}, ""
    for number, line in enumerate(spec.splitlines(), start=1):
        if heading := _SECTION.match(line):
            section = heading[1]
        found[number] = section.rstrip(".")
    return found


def _role(subject: str) -> str:
    """Who is bound, by the words before the key word."""
    at = {name: subject.find(name) for name in _ROLES if name in subject}
    if not at:
        return "router"
    name = min(at, key=lambda one: at[one])
    return "both ends" if name in _BOTH_ENDS else name.lower()


def check(root: Path, rows: list[Row], observed: Mapping[str, Mapping[str, str]]) -> list[str]:
    """What is wrong with the register and with what covers it."""
    covered, findings = covers(root)
    known = {row.id for row in rows}
    findings += [
        f"{where} cites {one}, which SPEC.md does not have" for one, where in sorted(_first(covered, known))
    ]
    findings += [f"observed.toml: SPEC.md has no living {one}" for one in observed if one not in known]
    for row in rows:
        findings += _judge(row, row.id in covered)
    findings += _check_share(rows)
    return findings + _check_uncovered(root, rows, covered)


def _first(covered: Mapping[str, list[str]], known: set[str]) -> list[tuple[str, str]]:
    return [(one, places[0]) for one, places in covered.items() if one not in known]


def _judge(row: Row, covered: bool) -> list[str]:
    findings = []
    if row.observed not in OBSERVED:
        findings.append(f"{row.id} is marked (local); observed.toml has to say how it is observed")
    if row.observed == "untestable" and len(row.reason) < REASON_CHARACTERS_MIN:
        findings.append(f"{row.id} is untestable; observed.toml has to give a reason in a sentence")
    if row.observed == "untestable" and covered:
        findings.append(f"{row.id} is called untestable in observed.toml, but something tests it")
    if row.observed != "untestable" and row.reason:
        findings.append(f"{row.id} has a reason in observed.toml, but is not untestable")
    return findings


def _check_share(rows: list[Row]) -> list[str]:
    musts = [row for row in rows if row.level.startswith("MUST")]
    untestable = sum(row.observed == "untestable" for row in musts)
    if untestable * 100 > UNTESTABLE_MUSTS_PERCENT * len(musts):
        return [f"{untestable} of {len(musts)} MUSTs are untestable; {UNTESTABLE_MUSTS_PERCENT} % may be"]
    return []


def _check_uncovered(root: Path, rows: list[Row], covered: Mapping[str, list[str]]) -> list[str]:
    """The ratchet: what is uncovered stands in the file, to which nothing is added."""
    waiting = set((root / FOLDER / "uncovered.txt").read_text(encoding="utf-8").split())
    missing = set(uncovered(rows, covered))
    findings = [
        f"{one} is covered by no case and no vector, and observed.toml does not call it untestable"
        for one in sorted(missing - waiting)
    ]
    return findings + [
        f"uncovered.txt: {one} is covered now; take it out" for one in sorted(waiting - missing)
    ]


def uncovered(rows: list[Row], covered: Mapping[str, list[str]]) -> list[str]:
    """The MUSTs and SHOULDs that nothing covers and that are not untestable."""
    return [row.id for row in rows if row.binds and row.observed != "untestable" and row.id not in covered]


def rendered(rows: list[Row]) -> str:
    """The register as it is committed."""
    names = ("id", "section", "role", "level", "seen", "observed", "reason", "text")
    content: dict[str, Any] = {
        "schema": "ioe-requirements-1",
        "source": "SPEC.md and observed.toml, by tools/spec_register.py",
        "requirements": [{name: getattr(row, name) for name in names if getattr(row, name)} for row in rows],
    }
    return json.dumps(content, indent=1, ensure_ascii=True) + "\n"


def summary(root: Path, rows: list[Row]) -> str:
    """How much is covered, in one line per level."""
    covered, _ = covers(root)
    lines = []
    for level in ("MUST", "SHOULD"):
        mine = [row for row in rows if row.level.startswith(level)]
        counts = Counter(
            "untestable" if row.observed == "untestable" else "covered" if row.id in covered else "open"
            for row in mine
        )
        lines.append(
            f"{level} {len(mine)}: covered {counts['covered']}, untestable {counts['untestable']}, "
            f"open {counts['open']}"
        )
    return "; ".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Write the register and shorten the list of what is uncovered, or check both."""
    parser = argparse.ArgumentParser(description="write or check the register of requirements")
    parser.add_argument("--check", action="store_true", help="write nothing, fail on differences")
    parser.add_argument("--root", type=Path, default=ROOT, help="repository to work on")
    given = parser.parse_args(arguments)
    root: Path = given.root
    observed = tomllib.loads((root / FOLDER / "observed.toml").read_text(encoding="utf-8"))
    rows = read_rows((root / "SPEC.md").read_text(encoding="utf-8"), observed)
    if not given.check:
        _shorten(root, rows)
    findings = update_file(root / FOLDER / "ioe-1.json", rendered(rows), check=given.check)
    code = report(findings, check=given.check, remedy="run .venv/bin/python tools/spec_register.py")
    wrong = check(root, rows, observed)
    for line in wrong:
        print(f"spec-register: {line}")
    print(f"spec-register: {summary(root, rows)}")
    return 1 if wrong or code else 0


def _shorten(root: Path, rows: list[Row]) -> None:
    """Take out of uncovered.txt what is covered now; nothing is ever put in."""
    path = root / FOLDER / "uncovered.txt"
    covered, _ = covers(root)
    missing = set(uncovered(rows, covered))
    left = [one for one in path.read_text(encoding="utf-8").split() if one in missing]
    path.write_text("".join(f"{one}\n" for one in left), encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
