"""The way out: its order, what hangs in it, what fails in it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from ioe_router.cli.exit_codes import ExitCode
from ioe_router.daemon.stopping import EXIT_HUNG, Stopping

ROOT = Path(__file__).resolve().parents[3]
HANGS = """
import asyncio, time
from ioe_router.daemon.stopping import Stopping

async def deaf() -> None:
    time.sleep(60)

asyncio.run(Stopping(print, last_s=0.3).run((("neighbours", deaf),)))
"""


@pytest.mark.asyncio
async def test_steps_are_taken_in_order_though_one_hangs_and_one_fails() -> None:
    """The one that hangs is named, the one that fails is raised at the end; all others are taken."""
    taken: list[str] = []
    hung: list[str] = []

    async def quick() -> None:
        taken.append("quick")

    async def hangs() -> None:
        taken.append("hangs")
        await asyncio.sleep(60)

    async def fails() -> None:
        taken.append("fails")
        raise ValueError("no")

    async def last() -> None:
        taken.append("last")

    stopping = Stopping(hung.append, step_s=0.05)
    with pytest.raises(ValueError, match="no"):
        await stopping.run((("a", quick), ("b", hangs), ("c", fails), ("d", last)))
    assert taken == ["quick", "hangs", "fails", "last"]
    assert hung == ["b"]


def test_a_loop_that_does_not_turn_is_ended_and_named() -> None:
    """A step that blocks the event loop itself: the process ends by its watchdog and says in which step."""
    done = subprocess.run(
        [sys.executable, "-c", HANGS], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, EXIT_HUNG) == (ExitCode.HUNG, ExitCode.HUNG.value)
    assert "stopping hangs in 'neighbours'" in done.stderr
