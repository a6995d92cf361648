"""Write Appendix B of SPEC.md: every requirement by area, with its key word and its first words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from spec_requirements import Requirement

_KEYWORD: Final = re.compile(r"\b(MUST NOT|MUST|SHOULD NOT|SHOULD|MAY)\b")
_SHOWN_CHARACTERS: Final = 96
_LOWER: Final = {
    "MUST NOT": "must not",
    "MUST": "must",
    "SHOULD NOT": "should not",
    "SHOULD": "should",
    "MAY": "may",
}


def requirement_index(requirements: Iterable[Requirement]) -> str:
    """One table per area, in order; key words in lower case, because an index requires nothing."""
    areas: dict[str, list[Requirement]] = {}
    for one in sorted(requirements, key=_place):
        areas.setdefault(one.id.split("-")[1], []).append(one)
    return "\n\n".join(_area(name, found) for name, found in areas.items())


def _area(name: str, requirements: list[Requirement]) -> str:
    rows = "\n".join(f"| {one.id} | {_level(one)} | {_shown(one)} |" for one in requirements)
    return f"**{name}** ({len(requirements)})\n\n| Id | Level | Begins |\n|---|---|---|\n{rows}"


def _place(requirement: Requirement) -> tuple[str, int]:
    _, area, number = requirement.id.split("-")
    return area, int(number)


def _level(requirement: Requirement) -> str:
    found = _KEYWORD.search(requirement.text)
    return "retired" if requirement.retired or found is None else found[1].lower()


def _shown(requirement: Requirement) -> str:
    text = _KEYWORD.sub(lambda found: found[1].lower(), requirement.text).replace("|", "/")
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS].rsplit(" ", 1)[0] + " ..."
