"""The requirements of SPEC.md, read from the copy of it that the kit carries.

A wheel carries SPEC.md beside this module; in the repository it lies at the top. So a
report names the document that it was made against, and `explain` can quote it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from ioe_conformance.model import Level

_HERE: Final = Path(__file__).parent
_PARAGRAPH: Final = re.compile(
    r"^\*\*\[(IOE-[A-Z]{3}-\d{3})\]\*\* (.+?)(?=\n\s*\n)", re.MULTILINE | re.DOTALL
)
_KEY_WORD: Final = re.compile(r"\b(MUST NOT|MUST|SHOULD NOT|SHOULD|MAY)\b(?: \((wire|local)\))?")
_SECTION: Final = re.compile(r"^#{2,4} (\d+(?:\.\d+)*)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One requirement: who can see it (`wire` or `local`), and its sentence."""

    id: str
    level: Level
    seen: str
    section: str
    text: str


def spec_path() -> Path:
    """Where the SPEC.md of this kit is."""
    beside = _HERE / "SPEC.md"
    return beside if beside.is_file() else _HERE.parents[1] / "SPEC.md"


@cache
def spec_version() -> str:
    """What a report says about the document: the protocol's version and the beginning of a digest."""
    digest = hashlib.sha256(spec_path().read_bytes()).hexdigest()
    return f"1 ({digest[:12]})"


@cache
def requirements() -> dict[str, Requirement]:
    """All requirements by id, in the order of the document; those that are retired are left out."""
    text = spec_path().read_text(encoding="utf-8")
    sections = [(match.start(), match.group(1)) for match in _SECTION.finditer(text)]
    found: dict[str, Requirement] = {}
    for match in _PARAGRAPH.finditer(text):
        sentence = " ".join(match.group(2).split())
        key_word = _KEY_WORD.search(sentence)
        if key_word is None:
            continue
        section = [number for start, number in sections if start < match.start()][-1]
        found[match.group(1)] = Requirement(
            id=match.group(1),
            level=Level(key_word.group(1).removesuffix(" NOT")),
            seen=key_word.group(2) or "wire",
            section=section,
            text=sentence,
        )
    return found


def level_of(requirement: str) -> Level:
    """How strongly a requirement binds. KeyError when SPEC.md has none of this id."""
    return requirements()[requirement].level
