"""Read the requirements out of SPEC.md and find what is wrong with their form.

A requirement is a block of text that begins with its id,

    **[IOE-EXAMPLE-040]** Receiver MUST (wire): if its own id is in the path, drop the offer.

and ends at a blank line, a heading, a table row, a fence, the next id, or the
next item of the list it stands in. It holds exactly one key word: MUST, MUST
NOT, SHOULD, SHOULD NOT or MAY. A retired id leaves a tombstone,

    **[IOE-EXAMPLE-010]** retired: replaced by IOE-EXAMPLE-040.

and is never used again. Key words do not count in fenced or inline code, in
HTML comments, alone between quotation marks ("MUST"), and between the comments
`<!-- non-normative -->` and `<!-- /non-normative -->`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

EXAMPLE_AREA: Final = "EXAMPLE"  # ids of this area illustrate; they name nothing

ID: Final = re.compile(r"\bIOE-([A-Z][A-Z0-9]*)-(\d+)\b")
_LIST_MARK: Final = r"(?:[-*+]|\d+[.)])\s+"
_ID_LINE: Final = re.compile(rf"^(\s*)({_LIST_MARK}|\|\s*)?\*\*\[(IOE-[^\]]*)\]\*\*\s*(.*)$")
_WELL_FORMED: Final = re.compile(r"IOE-[A-Z][A-Z0-9]*-\d{3,}")
_LIST_ITEM: Final = re.compile(rf"^(\s*){_LIST_MARK}")
_KEYWORD: Final = re.compile(r"\b(?:MUST NOT|MUST|SHOULD NOT|SHOULD|MAY)\b")
_OTHER_KEYWORD: Final = re.compile(r"\b(?:SHALL NOT|SHALL|REQUIRED|NOT RECOMMENDED|RECOMMENDED|OPTIONAL)\b")
_INLINE_CODE: Final = re.compile(r"`[^`]*`")
_MENTION: Final = re.compile(r"[\"\u201c][A-Z ]+[\"\u201d]")
_COMMENT: Final = re.compile(r"<!--.*?-->", re.DOTALL)
_TOMBSTONE: Final = re.compile(r"retired\b:?\s*(.*)$")
_OPEN: Final = "<!-- non-normative -->"
_CLOSE: Final = "<!-- /non-normative -->"


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class Finding:
    """One thing to repair: where it is (path and line from 1) and what to do."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """A requirement of SPEC.md; `text` is what follows the id, with single spaces."""

    id: str
    line: int
    text: str
    retired: bool


@dataclass(slots=True, kw_only=True)
class _Block:
    """Consecutive lines that are read as one; `id` is empty outside requirements."""

    line: int
    id: str
    list_indent: int | None
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.lines).split())


def normalise(text: str) -> str:
    """Drop emphasis and code marks and fold white space, so that a quote may be typed plainly."""
    return " ".join(re.sub(r"[`*]", "", text).split())


def read_requirements(spec: str, path: str) -> tuple[dict[str, Requirement], list[Finding]]:
    """Return the requirements of the text `spec` by id, and the findings about their form."""
    lines, findings = _normative_lines(spec, path)
    requirements: dict[str, Requirement] = {}
    for block in _blocks(lines):
        findings += [
            Finding(path=path, line=block.line, text=text) for text in _judge_block(block, requirements)
        ]
        if block.id and block.id not in requirements:
            requirements[block.id] = Requirement(
                id=block.id,
                line=block.line,
                text=normalise(block.text),
                retired=_TOMBSTONE.match(block.text) is not None,
            )
    return requirements, findings


def _normative_lines(spec: str, path: str) -> tuple[list[str], list[Finding]]:
    """Blank out, line by line, everything that cannot require anything."""
    findings: list[Finding] = []
    kept: list[str] = []
    fence = ""
    opened_at = 0
    for number, line in enumerate(_without_comments(spec).splitlines(), start=1):
        mark = line.strip()[:3]
        if mark in {"```", "~~~"} and fence in {"", mark}:
            fence = "" if fence else mark
            kept.append("")
        elif fence:
            kept.append("")
        elif line.strip() in {_OPEN, _CLOSE}:
            if (line.strip() == _OPEN) == bool(opened_at):
                findings.append(Finding(path=path, line=number, text=f"{line.strip()} without its partner"))
            opened_at = number if line.strip() == _OPEN else 0
            kept.append("")
        else:
            kept.append("" if opened_at else line)
    if opened_at:
        findings.append(Finding(path=path, line=opened_at, text=f"{_OPEN} is never closed"))
    return kept, findings


def _without_comments(spec: str) -> str:
    """Replace HTML comments but our own marks by as many line ends as they had."""

    def blank(match: re.Match[str]) -> str:
        return match[0] if match[0] in {_OPEN, _CLOSE} else "\n" * match[0].count("\n")

    return _COMMENT.sub(blank, spec)


def _blocks(lines: list[str]) -> list[_Block]:
    blocks: list[_Block] = []
    current: _Block | None = None
    for number, line in enumerate(lines, start=1):
        stripped = line.strip()
        if id_line := _ID_LINE.match(line):
            indent, mark, name, rest = id_line.groups()
            in_list = mark is not None and not mark.startswith("|")
            current = _Block(line=number, id=name, list_indent=len(indent) if in_list else None, lines=[rest])
            blocks.append(current)
        elif not stripped:
            current = None
        elif current is not None and _continues(line, current):
            current.lines.append(stripped)
        else:
            current = _Block(line=number, id="", list_indent=_indent_of_item(line), lines=[stripped])
            blocks.append(current)
    return blocks


def _indent_of_item(line: str) -> int | None:
    item = _LIST_ITEM.match(line)
    return len(item[1]) if item else None


def _continues(line: str, block: _Block) -> bool:
    """Return whether a non-blank line goes on with `block` rather than beginning another."""
    if line.lstrip().startswith(("#", "|")):
        return False
    indent = _indent_of_item(line)
    return indent is None or block.list_indent is None or indent > block.list_indent


def _judge_block(block: _Block, earlier: dict[str, Requirement]) -> list[str]:
    """Say what is wrong with one block, given the requirements read before it."""
    spoken = _MENTION.sub("", _INLINE_CODE.sub("", block.text))
    keywords = _KEYWORD.findall(spoken)
    findings = [
        f"{word} is not one of our key words; say MUST, SHOULD or MAY, or write it in lower case"
        for word in _OTHER_KEYWORD.findall(spoken)
    ]
    if not block.id:
        return findings + [f"{word} without a requirement id" for word in keywords]
    if not _WELL_FORMED.fullmatch(block.id):
        findings.append(f"{block.id} is no requirement id; it reads IOE-AREA-nnn with three digits or more")
    if block.id in earlier:
        first = earlier[block.id]
        state = "retired" if first.retired else "used"
        findings.append(f"{block.id} is already {state} in line {first.line}; take a new number")
    tombstone = _TOMBSTONE.match(block.text)
    named = ", ".join(keywords) or "none"
    if tombstone and not tombstone[1]:
        findings.append(f"{block.id} is retired without saying why")
    elif tombstone and keywords:
        findings.append(f"{block.id} is retired and can require nothing ({named})")
    elif not tombstone and len(keywords) != 1:
        findings.append(f"{block.id} has {len(keywords)} key words ({named}); it needs exactly one")
    return findings
