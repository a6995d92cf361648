"""Long files and functions are exceptions, written down, and may only shrink.

A file of the product has at most 400 lines, a function at most 60. What is
longer stands in ratchet.json with its length; a longer one fails, and so does
a shorter one until its number is lowered, so that the gain is kept.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tidy.product import name_of, sources, tree_of

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
RATCHET = Path(__file__).with_name("ratchet.json")


def _functions(node: ast.AST, prefix: str = "") -> Iterator[tuple[str, int]]:
    """Yield qualified name and length in lines of each function under `node`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{prefix}{child.name}"
            if not isinstance(child, ast.ClassDef):
                yield name, (child.end_lineno or child.lineno) - child.lineno + 1
            yield from _functions(child, f"{name}.")
        else:
            yield from _functions(child, prefix)


def _long_files() -> dict[str, int]:
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in sources()}
    return {name: lines for name, lines in lengths.items() if lines > FILE_LINES_MAX}


def _long_functions() -> dict[str, int]:
    return {
        f"{name_of(path)}::{name}": lines
        for path in sources()
        for name, lines in _functions(tree_of(path))
        if lines > FUNCTION_LINES_MAX
    }


def _verdicts(found: dict[str, int], allowed: dict[str, int]) -> list[str]:
    """Say what differs between what is there and what ratchet.json allows."""
    grown = [
        f"{name} has {lines} lines, allowed are {allowed.get(name, 'none above the limit')}: split it"
        for name, lines in found.items()
        if lines > allowed.get(name, 0)
    ]
    shrunk = [
        f"{name} is down from {lines} lines to {found.get(name, 'the limit')}: lower it in ratchet.json"
        for name, lines in allowed.items()
        if found.get(name, 0) < lines
    ]
    return grown + shrunk


def test_long_files_only_shrink() -> None:
    """No file is over 400 lines but those listed, and none of these has grown."""
    assert _verdicts(_long_files(), json.loads(RATCHET.read_text())["files"]) == []


def test_long_functions_only_shrink() -> None:
    """No function is over 60 lines but those listed, and none of these has grown."""
    assert _verdicts(_long_functions(), json.loads(RATCHET.read_text())["functions"]) == []


@pytest.mark.parametrize(
    ("found", "allowed", "count"),
    [
        ({"a": 401}, {}, 1),
        ({"a": 500}, {"a": 450}, 1),
        ({"a": 450}, {"a": 500}, 1),
        ({}, {"a": 500}, 1),
        ({"a": 500}, {"a": 500}, 0),
    ],
)
def test_ratchet_turns_one_way(found: dict[str, int], allowed: dict[str, int], count: int) -> None:
    """New, grown and shrunken entries are reported; equal ones are not."""
    assert len(_verdicts(found, allowed)) == count


def test_functions_are_measured_with_their_nesting() -> None:
    """Methods and nested functions are measured under their qualified names."""
    tree = ast.parse("class A:\n    def f(self):\n        def g():\n            pass\n        return g\n")
    assert list(_functions(tree)) == [("A.f", 4), ("A.f.g", 2)]
