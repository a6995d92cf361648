"""A host's two clocks on the simulator's one time line (SPEC section 2).

True time is nanoseconds since the simulation began.  A host's monotonic clock
starts anew with each boot and runs true; its UTC may be off by an offset, may
drift and may step.
"""

from __future__ import annotations

from typing import Final

from ioe_router.model.clock import NS_PER_MS, Now

_MILLION: Final = 1_000_000


class HostClock:
    """What one host reads off its clocks at a true instant."""

    def __init__(self, start_utc_ms: int) -> None:
        """Right until somebody bends it."""
        self._start_utc_ms = start_utc_ms
        self._boot_ns = 0
        self._since_ns = 0
        self._offset_ms = 0
        self._drift_ppm = 0

    def boot(self, at_ns: int, uptime_ns: int) -> None:
        """The machine has started `uptime_ns` before the true instant `at_ns`."""
        self._boot_ns = at_ns - uptime_ns

    def now(self, at_ns: int) -> Now:
        """Both readings at a true instant."""
        utc_ms = self._start_utc_ms + at_ns // NS_PER_MS + self._error_ms(at_ns)
        return Now(monotonic_ns=at_ns - self._boot_ns, utc_ms=utc_ms)

    def true_ns(self, monotonic_ns: int) -> int:
        """The true instant at which the monotonic clock shows this."""
        return monotonic_ns + self._boot_ns

    def step(self, at_ns: int, by_ms: int) -> None:
        """Set UTC forwards or back."""
        self._offset_ms, self._since_ns = self._error_ms(at_ns) + by_ms, at_ns

    def drift(self, at_ns: int, ppm: int) -> None:
        """Let UTC run fast or slow from now on."""
        self._offset_ms, self._since_ns, self._drift_ppm = self._error_ms(at_ns), at_ns, ppm

    def heal(self) -> None:
        """Right again, as after a synchronisation."""
        self._offset_ms = self._drift_ppm = 0

    def _error_ms(self, at_ns: int) -> int:
        return self._offset_ms + (at_ns - self._since_ns) * self._drift_ppm // (_MILLION * NS_PER_MS)
