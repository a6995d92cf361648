"""[telemetry] that cannot be: each is one sentence with the remedy."""

from __future__ import annotations

import importlib.util

import pytest

from ioe_router.daemon.collector import check_telemetry
from ioe_router.daemon.settings import TelemetrySection
from ioe_router.model.errors import UsageError


def test_no_collector_needs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node without traces runs without the extra."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    check_telemetry(TelemetrySection())


def test_traces_without_the_extra_name_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing, and how it is installed."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(UsageError, match=r"install it with pip install 'ioe-router\[otel\]'"):
        check_telemetry(TelemetrySection(traces="http://127.0.0.1:4318"))


@pytest.mark.parametrize("address", ["127.0.0.1:4318", "grpc://127.0.0.1:4317"])
def test_a_collector_that_speaks_something_else_is_refused(address: str) -> None:
    """OTLP goes over HTTP; the sentence has an example."""
    with pytest.raises(UsageError, match=r"for example http://127\.0\.0\.1:4318"):
        check_telemetry(TelemetrySection(traces=address))
