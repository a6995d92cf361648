"""Where the product's source lies, for the tests of this folder."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ROOT / "ioe_router"


def sources(folder: Path = PRODUCT) -> list[Path]:
    """Return the hand-written modules under `folder`, in order; generated code is left out."""
    return sorted(path for path in folder.rglob("*.py") if "_pb" not in path.parts)


def tree_of(path: Path) -> ast.Module:
    """Parse one module."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def name_of(path: Path) -> str:
    """Return a path as it is written in findings: relative to the repository, with slashes."""
    return path.relative_to(ROOT).as_posix()
