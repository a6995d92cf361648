"""Scenario folders: what a community looks like, read from files.

`model` holds the values, `load` reads a folder, `validate` reports everything
that is wrong with one, `write` is the inverse of `load`, and the two importers
convert other people's grids.  The files are described in docs/scenarios.md.
"""

from __future__ import annotations

from ioe_router.scenario.findings import Finding, ScenarioError
from ioe_router.scenario.load import bundled, bundled_names, load_scenario
from ioe_router.scenario.validate import validate
from ioe_router.scenario.write import write_scenario

__all__ = [
    "Finding",
    "ScenarioError",
    "bundled",
    "bundled_names",
    "load_scenario",
    "validate",
    "write_scenario",
]
