"""A daemon that says for how long it will be gone: its neighbours keep what it told until it is back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.chain import NAMES, make_chain
from tests.e2e.daemons import Daemon, wait_for


def _announce(config: Path, restart_s: int) -> None:
    text = config.read_text()
    assert "keepalive_ms = 1000\n" in text
    config.write_text(
        text.replace("keepalive_ms = 1000\n", f"keepalive_ms = 1000\nrestart_s = {restart_s}\n")
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("restart_s", [100, 0], ids=["announced", "for good"])
def test_an_announced_restart_is_not_heard_beyond_the_neighbours(
    tmp_path: Path, start: Callable[[Path], Daemon], restart_s: int
) -> None:
    """The middle of three goes and comes back: the next one loses the far origin only if it was not told."""
    chain = make_chain(tmp_path)
    _announce(chain.config("mid"), restart_s)
    lives = {name: start(chain.config(name)) for name in NAMES}
    east = lives["east"]
    wait_for(lambda: east.said("OfferLearned"), within_s=120)
    assert lives["mid"].stop() == 0
    wait_for(lambda: east.said("NeighborDown"))
    assert {line["code"] for line in east.said("NeighborDown")} == {"SHUTTING_DOWN"}
    start(chain.config("mid"))
    wait_for(lambda: len(east.said("NeighborUp")) >= 2, within_s=120)
    wait_for(lambda: east.said("Booked"), within_s=150)
    assert bool(east.said("OriginLost")) is (restart_s == 0)
