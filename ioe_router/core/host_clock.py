"""How far the host's UTC may be off, and what a node does no more when that is too much (SPEC section 2.4).

The host says so (`ClockError`); without a word the clock counts as right, and
only the neighbours' clocks are compared with it.
"""

from __future__ import annotations

from typing import Final

BOOKING_ERROR_MAX_MS: Final = 1_000
SIGNING_ERROR_MAX_MS: Final = 60_000


class HostClock:
    """The last word of the host."""

    def __init__(self) -> None:
        """The clock is right."""
        self.error_ms = 0

    @property
    def may_book(self) -> bool:
        """Whether reservations may be started."""
        return self.error_ms <= BOOKING_ERROR_MAX_MS

    @property
    def may_sign(self) -> bool:
        """Whether anything but a Close may be said."""
        return self.error_ms <= SIGNING_ERROR_MAX_MS
