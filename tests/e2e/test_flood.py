"""Floods of a real daemon, a few seconds each: an honest neighbour's reservations end, memory stays bounded.

How fast they end is measured by `make flood` and asserted by nobody here.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.flood_attacker import KINDS

ROOT = Path(__file__).parents[2]
GROWTH_MB = 200


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("who", ["stranger", "neighbor"])
def test_honest_reservations_end_beside_floods(who: str, tmp_path: Path) -> None:
    """Six floods one after the other: no reservation is left open, and the daemon neither dies nor bloats."""
    file = tmp_path / "figures.json"
    options = ["--short", "--seconds", "3", "--who", who, "--json", str(file)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.flood", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
    )
    assert file.exists(), done.stderr
    figures = json.loads(file.read_text())
    assert [(one["kind"], one["who"]) for one in figures] == [(kind, who) for kind in KINDS]
    assert all(sum(one["sent"].values()) > 0 for one in figures), figures
    assert sum(one["booked"] for one in figures) > 0, figures
    assert sum(one["late"] for one in figures) == 0, figures
    assert all(one["grown_mb"] < GROWTH_MB for one in figures), figures
