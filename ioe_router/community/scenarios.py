"""Finds the scenario that somebody names: a bundled one, or a folder."""

from __future__ import annotations

from pathlib import Path

from ioe_router.scenario import bundled, bundled_names, load_scenario
from ioe_router.scenario.model import Scenario


def read_scenario(name: str) -> Scenario:
    """The bundled scenario of that name, else the one in that folder.

    Raises ScenarioError; for a name that is neither it names the nearest bundled one.
    """
    if name in bundled_names() or not Path(name).exists():
        return bundled(name)
    return load_scenario(name)
