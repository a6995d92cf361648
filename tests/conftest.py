"""Shared test settings: the gate runs the same examples every time, the hunt looks for new ones.

HYPOTHESIS_PROFILE=hunt make test PYTEST_ARGS="tests/property"
"""

from __future__ import annotations

import os
from typing import Final

import pytest
from hypothesis import settings

WAITING: Final = frozenset({"e2e", "documents"})

settings.register_profile("gate", derandomize=True, deadline=None)
settings.register_profile("hunt", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "gate"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin each worker's share with its part of the tests that mostly wait; none is left with all."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    waiting = [item for item in items if set(item.path.parts) & WAITING]
    others = [item for item in items if not set(item.path.parts) & WAITING]
    share = -(-len(others) // workers)
    items[:] = [
        item
        for worker in range(workers)
        for item in (*waiting[worker::workers], *others[worker * share : (worker + 1) * share])
    ]
