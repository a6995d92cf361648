"""How the command line writes instants and quantities for people."""

from __future__ import annotations

from datetime import UTC, datetime


def instant(utc_s: int) -> str:
    """A UTC second as people read it."""
    return datetime.fromtimestamp(utc_s, UTC).strftime("%Y-%m-%d %H:%M UTC")
