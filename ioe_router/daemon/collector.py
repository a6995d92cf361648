"""Whether the collector of traces that [telemetry] names can be used; the extra [otel] may be absent."""

from __future__ import annotations

import importlib.util

from ioe_router.daemon.settings import TelemetrySection
from ioe_router.model.errors import UsageError


def check_telemetry(section: TelemetrySection) -> None:
    """UsageError when [telemetry] asks for what is not installed or not possible."""
    if section.traces is None:
        return
    if importlib.util.find_spec("opentelemetry") is None:
        raise UsageError(
            "telemetry.traces needs the package 'opentelemetry-sdk', which is not installed;"
            " install it with pip install 'ioe-router[otel]'"
        )
    if not section.traces.startswith(("http://", "https://")):
        raise UsageError(
            f"telemetry.traces is {section.traces!r}; write the address of an OTLP collector,"
            " for example http://127.0.0.1:4318"
        )
