"""The attack list and the tests that play it cannot drift apart."""

from __future__ import annotations

from pathlib import Path

import pytest
from spec_attacks import check_attacks

PLAYED = "`test_rows.py::test_row_01_a`, `test_rows.py::test_row_01_b`"
HEAD = "## 16. Security considerations\n\n| # | Attack | Defence | Played | Shown |\n|---|---|---|---|---|\n"
ONE = f"| 1 | lies | IOE-EXAMPLE-010 | {PLAYED} | `vectors/lies.json` |\n"
TWO = "| 2 | collusion | out of scope: nobody can see it | none | none |\n"
TAIL = "\n## 17. Privacy\n\n| 9 | another table | x |\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with two tests of attack 1 and one vector."""
    tests, vectors = tmp_path / "tests" / "attacks", tmp_path / "interop" / "vectors" / "v1"
    tests.mkdir(parents=True)
    vectors.mkdir(parents=True)
    (vectors / "lies.json").write_text("{}", encoding="utf-8")
    text = "def test_row_01_a() -> None: ...\n\n\ndef test_row_01_b() -> None: ...\n"
    (tests / "test_rows.py").write_text(text, encoding="utf-8")
    return tmp_path


def found(spec: str, root: Path) -> list[str]:
    """The findings without their place."""
    return [one.text for one in check_attacks(spec, "SPEC.md", root)]


def test_a_sound_list_passes(repository: Path) -> None:
    """All tests named, all named tests there, and what is out of scope says so."""
    assert found(HEAD + ONE + TWO + TAIL, repository) == []


@pytest.mark.parametrize(
    ("rows", "finding"),
    [
        (ONE.replace("_a`", "_x`"), "attack 1 names test_rows.py::test_row_01_x, which does not exist"),
        (
            ONE.replace(", `test_rows.py::test_row_01_b`", ""),
            "attack 1 does not name test_rows.py::test_row_01_b",
        ),
        (ONE.replace("lies.json", "none.json"), "attack 1 names vectors/none.json, which does not exist"),
        (ONE.replace("IOE-EXAMPLE-010", "trust"), "attack 1 names no requirement that defends"),
        (ONE + TWO.replace("| 2 |", "| 3 |"), "the rows of the attack list are not numbered 1, 2, 3 ..."),
        (
            ONE + TWO.replace("out of scope", "IOE-EXAMPLE-020"),
            "attack 2 is played in no test; play it or say that it is out of scope, and why",
        ),
        (ONE.replace(" | `vectors/lies.json`", ""), "attack 1 has 3 cells instead of 4"),
    ],
)
def test_each_gap_is_found(repository: Path, rows: str, finding: str) -> None:
    """A finding for every way in which list and tests can differ."""
    assert finding in found(HEAD + rows + TAIL, repository)


def test_a_text_without_the_section_has_no_attacks(repository: Path) -> None:
    """The check is about section 16 alone."""
    assert found("## 1. Scope\n\n| 1 | a | b |\n", repository) == []
