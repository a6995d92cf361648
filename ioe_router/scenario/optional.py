"""Packages that only the importers need, imported when an importer runs."""

from __future__ import annotations

import importlib
from types import ModuleType

from ioe_router.scenario.findings import Finding, ScenarioError


def refuse(file: str, field: str, cause: str, remedy: str) -> ScenarioError:
    """The error of an importer that cannot go on: one finding about one input."""
    finding = Finding(file=file, line=0, field=field, cause=cause, remedy=remedy)
    return ScenarioError((finding,))


def require(name: str) -> ModuleType:
    """The module `name`; raises ScenarioError naming the extra to install if it is missing."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        cause = f"the import needs a package that is not installed ({error.name or name})"
        raise refuse(name, "", cause, "run pip install 'ioe-router[import]'") from error
