"""Which lines of the product a corpus reaches, counted by running every file of it once under a tracer."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

from tests.fuzz.engine import Crashes, guarded
from tests.fuzz.targets import Target

PACKAGE: Final = "ioe_router"


@dataclass(frozen=True, slots=True)
class Covered:
    """Lines with code in a module's functions, and how many of them were reached."""

    module: str
    lines: int
    reached: int


def covered(target: Target, corpus: Iterable[bytes], folder: Path) -> tuple[Covered, ...]:
    """Run the corpus; one row for each module that the target is about."""
    files = {_file(name): name for name in _modules(target)}
    seen: dict[str, set[int]] = {file: set() for file in files}
    run = guarded(target, Crashes(folder, target.name))
    sys.settrace(_tracer(seen))
    try:
        for data in corpus:
            run(data)
    finally:
        sys.settrace(None)
    rows = []
    for file, name in files.items():
        there = _lines_of(file)
        rows.append(Covered(module=name, lines=len(there), reached=len(there & seen[file])))
    return tuple(rows)


def _tracer(seen: dict[str, set[int]]) -> Any:  # noqa: ANN401 - what settrace wants
    """Notes lines in the files asked for and steps over all others."""

    def on_line(frame: FrameType, event: str, _: object) -> Any:  # noqa: ANN401
        if event == "line":
            seen[frame.f_code.co_filename].add(frame.f_lineno)
        return on_line

    def on_call(frame: FrameType, event: str, _: object) -> Any:  # noqa: ANN401
        return on_line if frame.f_code.co_filename in seen else None

    return on_call


def _modules(target: Target) -> list[str]:
    """The modules named, and those inside a package that is named."""
    found = []
    for name in target.modules:
        module = importlib.import_module(f"{PACKAGE}.{name}")
        if hasattr(module, "__path__"):
            inner = sorted(Path(module.__path__[0]).glob("*.py"))
            found += [f"{name}.{one.stem}" for one in inner if one.stem != "__init__"]
        else:
            found.append(name)
    return found


def _file(name: str) -> str:
    return str(importlib.import_module(f"{PACKAGE}.{name}").__file__)


def _lines_of(file: str) -> set[int]:
    """Lines inside functions; what runs on import says nothing about a fuzzer."""
    whole = compile(Path(file).read_text(encoding="utf-8"), file, "exec")
    found: set[int] = set()
    waiting = [one for one in whole.co_consts if isinstance(one, CodeType)]
    while waiting:
        code = waiting.pop()
        if not code.co_flags & 0x02:  # a class body: not optimised, runs on import
            waiting += [one for one in code.co_consts if isinstance(one, CodeType)]
            continue
        found |= {line for _, _, line in code.co_lines() if line and line != code.co_firstlineno}
        waiting += [one for one in code.co_consts if isinstance(one, CodeType)]
    return found
