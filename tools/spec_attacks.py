"""Check the attack list of SPEC.md, section 16, against the tests that play it.

The table has one row for each number from 1 on.  A row names requirements
that defend, tests in which the attack is played (`tests/attacks`), and what
else shows it.  Everything named has to exist, and every test of an attack has
to be named in its row.  A row in which nothing is played says why, with the
words "out of scope".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from spec_requirements import ID, Finding

PLAYED: Final = "tests/attacks"
TESTS: Final = ("tests", "tests/unit", PLAYED)
VECTORS: Final = "interop/vectors"
_HEADING: Final = re.compile(r"^## \d+\. Security considerations$", re.MULTILINE)
_NEXT: Final = re.compile(r"^## ", re.MULTILINE)
_ROW: Final = re.compile(r"^\| (\d+) \|(.*)\|$", re.MULTILINE)
_TEST: Final = re.compile(r"`([\w/]+\.py)::(\w+)`")
_FILE: Final = re.compile(r"`(vectors/[\w./-]+|benchmarks/[\w./-]+)`")
_FUNCTION: Final = re.compile(r"^def (test_row_(\d\d)_\w+)\(", re.MULTILINE)
_CELLS: Final = 4  # attack, defence, played, shown otherwise


@dataclass(frozen=True, slots=True)
class Row:
    """One attack; the cells are attack, defence, played, shown otherwise."""

    number: int
    line: int
    cells: tuple[str, ...]


def check_attacks(spec: str, path: str, root: Path) -> list[Finding]:
    """What is wrong with the attack list of a specification; nothing when it has no such section."""
    heading = _HEADING.search(spec)
    if heading is None:
        return []
    end = _NEXT.search(spec, heading.end())
    rows = list(_rows(spec, heading.end(), end.start() if end else len(spec)))
    findings = [Finding(path=path, line=row.line, text=text) for row in rows for text in _judge(row, root)]
    line = spec.count("\n", 0, heading.start()) + 1
    if [row.number for row in rows] != list(range(1, len(rows) + 1)) or not rows:
        text = "the rows of the attack list are not numbered 1, 2, 3 ..."
        findings.append(Finding(path=path, line=line, text=text))
    findings += [Finding(path=path, line=line, text=text) for text in _unnamed(rows, root)]
    return findings


def _rows(spec: str, start: int, end: int) -> Iterator[Row]:
    for match in _ROW.finditer(spec, start, end):
        cells = tuple(cell.strip() for cell in match[2].split("|"))
        yield Row(int(match[1]), spec.count("\n", 0, match.start()) + 1, cells)


def _judge(row: Row, root: Path) -> Iterator[str]:
    if len(row.cells) != _CELLS:
        yield f"attack {row.number} has {len(row.cells)} cells instead of {_CELLS}"
        return
    _, defence, played, shown = row.cells
    excluded = "out of scope" in defence
    if not excluded and not ID.search(defence):
        yield f"attack {row.number} names no requirement that defends"
    if not excluded and not _TEST.search(played):
        yield f"attack {row.number} is played in no test; play it or say that it is out of scope, and why"
    for file, function in _TEST.findall(played + shown):
        if not _has_test(root, file, function):
            yield f"attack {row.number} names {file}::{function}, which does not exist"
    for file in _FILE.findall(played + shown):
        if not _has_file(root, file):
            yield f"attack {row.number} names {file}, which does not exist"


def _has_test(root: Path, file: str, function: str) -> bool:
    found = (root / folder / file for folder in TESTS)
    pattern = re.compile(rf"^(async )?def {function}\(", re.MULTILINE)
    return any(path.is_file() and pattern.search(path.read_text(encoding="utf-8")) for path in found)


def _has_file(root: Path, file: str) -> bool:
    if not file.startswith("vectors/"):
        return (root / file).is_file()
    return any((root / VECTORS).rglob(file.removeprefix("vectors/")))


def _unnamed(rows: list[Row], root: Path) -> Iterator[str]:
    """Tests of attacks that their row does not name."""
    named = {(row.number, function) for row in rows for _, function in _TEST.findall("".join(row.cells))}
    for path in sorted((root / PLAYED).glob("test_*.py")):
        for function, number in _FUNCTION.findall(path.read_text(encoding="utf-8")):
            if (int(number), function) not in named:
                yield f"attack {int(number)} does not name {path.name}::{function}"
