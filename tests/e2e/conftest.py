"""Daemons that end with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.e2e.daemons import Daemon
from tests.e2e.node_files import ENVIRONMENT


@pytest.fixture
def start() -> Iterator[Callable[..., Daemon]]:
    """Start daemons; whatever still runs at the end of the test is killed."""
    started: list[Daemon] = []

    def begin(config: Path, environment: Mapping[str, str] = ENVIRONMENT) -> Daemon:
        started.append(Daemon(config, environment=environment))
        return started[-1]

    yield begin
    for daemon in started:
        if daemon.process.poll() is None:
            daemon.process.kill()
            daemon.process.wait()
