"""Keep generated parts of Markdown files equal to the code that they describe.

A generated part stands between two comment lines,

    <!-- generated: NAME -->
    <!-- /generated: NAME -->

and is replaced as a whole. With `check`, nothing is written: what differs is
named, one line per file or part.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path


class MissingBlock(Exception):
    """A file has no pair of marks for a part that should stand in it."""


def marked(name: str, body: str) -> str:
    """`body` between the marks of the part `name`."""
    return f"<!-- generated: {name} -->\n{body.strip()}\n<!-- /generated: {name} -->"


def replaced(text: str, name: str, body: str) -> str:
    """`text` with the part `name` replaced. Raises MissingBlock unless the marks stand exactly once."""
    pattern = re.compile(
        rf"<!-- generated: {re.escape(name)} -->\n.*?<!-- /generated: {re.escape(name)} -->", re.DOTALL
    )
    if len(pattern.findall(text)) != 1:
        raise MissingBlock(f"the marks of the generated part {name!r} do not stand exactly once")
    return pattern.sub(lambda _: marked(name, body), text)


def update_parts(path: Path, parts: Mapping[str, str], *, check: bool) -> list[str]:
    """Put every part into the file at `path`; return one finding per part that differed or is missing."""
    text = path.read_text(encoding="utf-8")
    findings = []
    for name, body in parts.items():
        try:
            changed = replaced(text, name, body)
        except MissingBlock as missing:
            findings.append(f"{path.name}: {missing}")
            continue
        if changed != text:
            findings.append(f"{path.name}: the part {name!r} differs from the code")
        text = changed
    if not check:
        path.write_text(text, encoding="utf-8")
    return findings


def update_file(path: Path, text: str, *, check: bool) -> list[str]:
    """Write a wholly generated file; return a finding when it differed."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return []
    if not check:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return [f"{path.name}: differs from the code"]


def report(findings: list[str], *, check: bool, remedy: str) -> int:
    """Print the findings; 1 when something is wrong that this run has not repaired."""
    wrong = findings if check else [finding for finding in findings if "exactly once" in finding]
    for finding in wrong:
        print(f"{finding}; {remedy}")
    return 1 if wrong else 0
