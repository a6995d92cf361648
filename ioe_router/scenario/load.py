"""Loads a scenario folder, or one of the scenarios that come with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ioe_router.scenario.findings import Finding, ScenarioError, nearest
from ioe_router.scenario.model import Scenario
from ioe_router.scenario.reading import read_folder
from ioe_router.scenario.schema import HEADER_FILE

# beside this package: ioe_router/scenarios/<name>/
_BUNDLED: Final = Path(__file__).resolve().parent.parent / "scenarios"


def load_scenario(path: str | Path) -> Scenario:
    """The scenario in the folder `path`.

    Raises ScenarioError with every finding if anything in the folder is wrong.
    """
    scenario, findings = read_folder(Path(path))
    if scenario is None:
        raise ScenarioError(findings)
    return scenario


def bundled_names() -> tuple[str, ...]:
    """The names of the scenarios that come with the package, sorted."""
    root = bundled_path("")
    if not root.is_dir():
        return ()
    return tuple(sorted(entry.name for entry in root.iterdir() if (entry / HEADER_FILE).is_file()))


def bundled(name: str) -> Scenario:
    """The bundled scenario `name`; raises ScenarioError if there is none of that name."""
    names = bundled_names()
    if name not in names:
        cause = f'there is no bundled scenario "{name}"'
        remedy = nearest(name, names)
        finding = Finding(file=name, line=0, field="", cause=cause, remedy=remedy)
        raise ScenarioError((finding,))
    return load_scenario(bundled_path(name))


def bundled_path(name: str) -> Path:
    """The folder of the bundled scenario `name`."""
    return _BUNDLED / name
