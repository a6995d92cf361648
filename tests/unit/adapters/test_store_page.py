"""docs/store.md names every refusal by words that the program really uses."""

from __future__ import annotations

import re
from pathlib import Path

from ioe_router.core.effects import RecordKind

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "store.md"


def _first_cells(heading: str) -> list[str]:
    """What stands in code marks at the start of each table row of a section."""
    section = PAGE.read_text().split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^\| `([^`]+)`", section, re.MULTILINE)


def test_refusals_are_those_of_the_program() -> None:
    """Each sentence of the page is in the sources, but for the name of the file."""
    sources = "".join(path.read_text() for path in (ROOT / "ioe_router" / "adapters").glob("store*.py"))
    named = _first_cells("When a start is refused")
    assert len(named) >= 10
    for words in named:
        assert words.replace("store.db", "{path.name}") in sources, words


def test_kinds_of_rows_are_those_of_the_program() -> None:
    """The page explains each kind of record, and no other."""
    assert sorted(_first_cells("What is in it")) == sorted(kind.value for kind in RecordKind)
