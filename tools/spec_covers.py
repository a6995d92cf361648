"""Which requirements the conformance kit's cases and the vectors say that they cover.

Cases are read without importing them: a function under the decorator `case`
covers the ids that stand in its decorators and in its body, and a line of
cases/**/*.toml or *.yaml the ids in it.  A vector covers the ids in its
`reqs`.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from spec_requirements import ID

CASES: Final = Path("interop") / "ioe_conformance" / "cases"
VECTORS: Final = Path("interop") / "vectors" / "v1"


def covers(root: Path) -> tuple[dict[str, list[str]], list[str]]:
    """Requirement id to the cases and vectors that cite it, and what could not be read."""
    covered: dict[str, list[str]] = {}
    findings: list[str] = []
    for where, ids in (*_cases(root), *_vectors(root, findings)):
        for one in ids:
            places = covered.setdefault(one, [])
            if where not in places:
                places.append(where)
    return covered, findings


def _cases(root: Path) -> Iterator[tuple[str, list[str]]]:
    for path in sorted((root / CASES).rglob("*")):
        if path.suffix == ".py":
            yield from _functions(path)
        elif path.suffix in {".toml", ".yaml"}:
            ids = [match[0] for match in ID.finditer(path.read_text(encoding="utf-8"))]
            yield f"case {path.stem}", ids


def _functions(path: Path) -> Iterator[tuple[str, list[str]]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and any(
            map(_is_case, node.decorator_list)
        ):
            texts = [
                one.value
                for one in ast.walk(node)
                if isinstance(one, ast.Constant) and isinstance(one.value, str)
            ]
            yield f"case {path.stem}:{node.name}", [match[0] for text in texts for match in ID.finditer(text)]


def _is_case(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    return name == "case"


def _vectors(root: Path, findings: list[str]) -> Iterator[tuple[str, list[str]]]:
    for path in sorted((root / VECTORS).glob("*.json")):
        for one in json.loads(path.read_text(encoding="utf-8")).get("vectors", ()):
            if not one["reqs"]:
                findings.append(f"vector {one['id']} cites no requirement")
            yield f"vector {one['id']}", one["reqs"]
