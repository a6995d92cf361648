"""Become `ioe` with the defect of one mutant: `python -m mutants.daemon NAME ARGUMENTS...`."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Sequence
from typing import Final

import ioe_router
from ioe_router.cli.main import main as ioe
from mutants.catalogue import MUTANTS
from mutants.patching import ForGood

PACKAGES: Final = ("adapters", "cli", "codec", "control", "core", "daemon", "model")


def load_all() -> None:
    """Import what a daemon may import later, so that a changed function is changed wherever it is known."""
    for package in PACKAGES:
        try:
            top = importlib.import_module(f"ioe_router.{package}")
        except ImportError:
            continue
        for module in pkgutil.walk_packages(top.__path__, f"{top.__name__}."):
            try:
                importlib.import_module(module.name)
            except ImportError:
                continue  # an extra that is not installed: the daemon does without it, too
    importlib.import_module(f"{ioe_router.__name__}.router")


def become(name: str | None, arguments: Sequence[str]) -> int:
    """Put the defect of a mutant in place, or none, and go on as `ioe`; returns its exit code."""
    load_all()
    for change in MUTANTS[name].changes if name else ():
        change.apply(ForGood())
    sys.argv = ["ioe", *arguments]
    try:
        ioe()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    return 0


if __name__ == "__main__":
    sys.exit(become(sys.argv[1], sys.argv[2:]))
