"""Says everything that is wrong with a scenario folder."""

from __future__ import annotations

from pathlib import Path

from ioe_router.scenario.findings import Finding
from ioe_router.scenario.reading import read_folder


def validate(path: str | Path) -> tuple[Finding, ...]:
    """All findings in the folder `path`; empty exactly where `load_scenario` succeeds."""
    return read_folder(Path(path))[1]
