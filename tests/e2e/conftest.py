"""Daemons that end with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.daemons import Daemon


@pytest.fixture
def start() -> Iterator[Callable[[Path], Daemon]]:
    """Start daemons; whatever still runs at the end of the test is killed."""
    started: list[Daemon] = []

    def begin(config: Path) -> Daemon:
        started.append(Daemon(config))
        return started[-1]

    yield begin
    for daemon in started:
        if daemon.process.poll() is None:
            daemon.process.kill()
            daemon.process.wait()
