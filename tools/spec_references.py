"""Check that code, tests, proto and docs refer to requirements that exist.

Two forms are read anywhere in a file. A bare id,

    IOE-EXAMPLE-040

must name a requirement that is not retired, but for the index of requirements, which
has a row for each retired one, too. A quote,

    # SPEC IOE-EXAMPLE-040: "if its own id is in the path,
    # drop the offer"

must also still occur in that requirement, apart from emphasis and line breaks:
when SPEC.md changes, everything that was built on the old words is listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from spec_requirements import EXAMPLE_AREA, ID, Finding, Requirement, normalise

FOLDERS: Final = ("ioe_router", "tests", "proto", "docs", "interop", "tools", "benchmarks")
ENDINGS: Final = frozenset({".py", ".proto", ".md", ".json", ".toml", ".yaml", ".txt", ".jsonl"})
_GENERATED: Final = "_pb"
_QUOTE_START: Final = re.compile(r"SPEC (IOE-[A-Z][A-Z0-9]*-\d+): ?\"")
_QUOTE_BODY: Final = re.compile(r"[^\"\n]*(?:\n[ \t]*(?:#|//|\*)?[^\"\n]+)*\"")
_RETIRED_ROW: Final = " | retired | "
_COMMENT_MARK: Final = re.compile(r"\n[ \t]*(?:#|//|\*)?[ \t]*")


def files_to_scan(root: Path) -> Iterator[Path]:
    """Yield the text files of the repository that may refer to requirements, SPEC.md among them."""
    yield from sorted(root.glob("*.md"))
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in ENDINGS and path.is_file() and _GENERATED not in path.parts:
                yield path


def check_references(text: str, path: str, requirements: dict[str, Requirement]) -> tuple[int, list[Finding]]:
    """Return how many references `text` holds, and what is wrong with them."""
    findings: list[Finding] = []
    count = 0
    for match in ID.finditer(text):
        if match[1] == EXAMPLE_AREA or _defines(text, match):
            continue
        count += 1
        if problem := _judge_id(match[0], requirements):
            findings.append(Finding(path=path, line=_line_of(text, match.start()), text=problem))
    for match in _QUOTE_START.finditer(text):
        if problem := _judge_quote(text, match, requirements):
            findings.append(Finding(path=path, line=_line_of(text, match.start()), text=problem))
    return count, findings


def _defines(text: str, match: re.Match[str]) -> bool:
    """Return whether an id stands in the brackets that define it, or in the index as retired."""
    if text.startswith(_RETIRED_ROW, match.end()):
        return True
    return text[: match.start()].endswith("**[") and text[match.end() :].startswith("]**")


def _line_of(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _judge_id(name: str, requirements: dict[str, Requirement]) -> str:
    if name not in requirements:
        return f"{name} is not in SPEC.md"
    if requirements[name].retired:
        return f"{name} is retired: {requirements[name].text.removeprefix('retired').lstrip(': ')}"
    return ""


def _judge_quote(text: str, start: re.Match[str], requirements: dict[str, Requirement]) -> str:
    requirement = requirements.get(start[1])
    if requirement is None or requirement.retired:
        return ""  # the id itself is reported
    body = _QUOTE_BODY.match(text, start.end())
    if body is None:
        return f"the quote of {start[1]} has no closing quotation mark"
    quoted = normalise(_COMMENT_MARK.sub(" ", body[0][:-1]))
    if not quoted:
        return f"the quote of {start[1]} is empty"
    if quoted not in requirement.text:
        return f'{start[1]} (SPEC.md line {requirement.line}) no longer says "{quoted}"'
    return ""
