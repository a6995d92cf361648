"""Compare the registries of SPEC.md with the enums in proto/.

A registry is the table after a comment that names the enum:

    <!-- registry: ErrorCode -->
    | Code | Name | When |
    |---|---|---|
    | 1 | LOOP | the receiver's own id is in the path |

Its first two columns are number and name; the name may carry the prefix that
proto style demands (ERROR_CODE_LOOP). The zero value UNSPECIFIED may be left
out. A row whose number is a range (`1000-1999`), or whose name is `reserved`,
`unassigned` or `retired`, says that the enum has no value there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from spec_requirements import Finding

_MARK: Final = re.compile(r"<!--\s*registry:\s*(\w+)\s*-->")
_ENUM: Final = re.compile(r"\benum\s+(\w+)\s*\{([^}]*)\}")
_VALUE: Final = re.compile(r"\b([A-Za-z]\w*)\s*=\s*(-?(?:0x[0-9a-fA-F]+|\d+))\s*(?:\[[^\]]*\])?\s*;")
_PROTO_COMMENT: Final = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_RANGE: Final = re.compile(r"(\d+)\s*(?:-|\.\.|\u2013|to)\s*(\d+)")
_EMPTY_NAMES: Final = frozenset({"reserved", "unassigned", "retired"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    line: int
    number: str
    name: str


def read_enums(protos: dict[str, str]) -> dict[str, dict[int, str]]:
    """Return {enum: {number: name without prefix}} of the .proto texts {path: text}."""
    enums: dict[str, dict[int, str]] = {}
    for text in protos.values():
        for enum, body in _ENUM.findall(_PROTO_COMMENT.sub("", text)):
            values = _VALUE.findall(body)
            enums[enum] = {int(number, 0): name.removeprefix(_prefix(enum)) for name, number in values}
    return enums


def _prefix(enum: str) -> str:
    """Return what every value of an enum begins with: ErrorCode -> ERROR_CODE_."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", enum).upper() + "_"


def check_registries(spec: str, path: str, protos: dict[str, str]) -> tuple[int, list[Finding]]:
    """Return how many registries `spec` has, and where they and the enums disagree."""
    enums = read_enums(protos)
    lines = spec.splitlines()
    findings: list[Finding] = []
    count = 0
    for number, line in enumerate(lines, start=1):
        for enum in _MARK.findall(line):
            count += 1
            if enum not in enums:
                findings.append(Finding(path=path, line=number, text=f"proto/ has no enum {enum}"))
            elif not (rows := _rows(lines, number)):
                findings.append(Finding(path=path, line=number, text=f"no table follows registry {enum}"))
            else:
                findings += _compare(rows, enum, enums[enum], path, number)
    return count, findings


def _rows(lines: list[str], after: int) -> list[_Row]:
    """Read the table that begins at the first non-blank line after line `after` (from 1)."""
    position = after
    while position < len(lines) and not lines[position].strip():
        position += 1
    rows: list[_Row] = []
    while position < len(lines) and lines[position].lstrip().startswith("|"):
        cells = [cell.strip(" `*[]") for cell in lines[position].strip().strip("|").split("|")]
        if len(cells) >= 2:  # noqa: PLR2004  number and name
            rows.append(_Row(line=position + 1, number=cells[0], name=cells[1]))
        position += 1
    return rows[2:]  # without the head and the rule under it


def _compare(rows: list[_Row], enum: str, values: dict[int, str], path: str, at: int) -> list[Finding]:
    findings: list[Finding] = []
    seen: set[int] = set()
    for row in rows:
        if problem := _judge_row(row, enum, values, seen):
            findings.append(Finding(path=path, line=row.line, text=problem))
    missing = [
        f"{number} {name}"
        for number, name in values.items()
        if number not in seen and (number, name) != (0, "UNSPECIFIED")
    ]
    if missing:
        text = f"registry {enum} lacks what proto/ has: {', '.join(missing)}"
        findings.append(Finding(path=path, line=at, text=text))
    return findings


def _judge_row(row: _Row, enum: str, values: dict[int, str], seen: set[int]) -> str:
    """Say what is wrong with one row; numbers that it settles are added to `seen`."""
    bounds = _RANGE.fullmatch(row.number)
    if not bounds and not row.number.isdecimal():
        return f"registry {enum}: {row.number!r} is neither a number nor a range"
    first, last = (int(bounds[1]), int(bounds[2])) if bounds else (int(row.number), int(row.number))
    if bounds or row.name.split(" ")[0].lower() in _EMPTY_NAMES:
        taken = [f"{number} {values[number]}" for number in sorted(values) if first <= number <= last]
        return f"registry {enum} keeps {row.number} free, proto/ has {', '.join(taken)}" if taken else ""
    if first in seen:
        return f"registry {enum} lists {first} twice"
    seen.add(first)
    if first not in values:
        return f"registry {enum} has {first} {row.name}, proto/ has no such value"
    if values[first] != row.name.removeprefix(_prefix(enum)):
        return f"registry {enum} calls {first} {row.name}, proto/ calls it {values[first]}"
    return ""
