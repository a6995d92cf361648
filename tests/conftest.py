"""Shared test settings: the gate runs the same examples every time, the hunt looks for new ones.

HYPOTHESIS_PROFILE=hunt make test PYTEST_ARGS="tests/property"
"""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("gate", derandomize=True, deadline=None)
settings.register_profile("hunt", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "gate"))
