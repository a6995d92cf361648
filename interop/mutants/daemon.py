"""Run `ioe` with the defect of one mutant: `python -m mutants.daemon NAME ARGUMENTS...`."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from typing import Final

import ioe_router
from ioe_router.cli.main import main as ioe
from mutants.catalogue import MUTANTS
from mutants.patching import ForGood

PACKAGES: Final = ("adapters", "codec", "core", "daemon", "model")


def load_all() -> None:
    """Import what a daemon may import later, so that a changed function is changed wherever it is known."""
    for package in PACKAGES:
        top = importlib.import_module(f"ioe_router.{package}")
        for module in pkgutil.walk_packages(top.__path__, f"{top.__name__}."):
            try:
                importlib.import_module(module.name)
            except ImportError:
                continue  # an extra that is not installed: the daemon does without it, too
    importlib.import_module(f"{ioe_router.__name__}.router")


def main() -> None:
    """Put the defect in place and go on as `ioe`."""
    name, sys.argv[1:] = sys.argv[1], sys.argv[2:]
    load_all()
    for change in MUTANTS[name].changes:
        change.apply(ForGood())
    ioe()


if __name__ == "__main__":
    main()
