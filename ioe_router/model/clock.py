"""The two clocks (SPEC section 2): one for timers, one for evidence and slot edges.

Nothing inside the router reads a clock.  The shell passes `Now` with every
input; in a simulation or demo both fields come from the scenario clock.
"""

from __future__ import annotations

from dataclasses import dataclass

NS_PER_MS = 1_000_000
MS_PER_S = 1000
NS_PER_S = MS_PER_S * NS_PER_MS
CLOCK_TOLERANCE_S = 60  # what is issued later than now plus this is refused


@dataclass(frozen=True, slots=True)
class Now:
    """An instant: `monotonic_ns` never decreases, `utc_ms` is wall time and may step."""

    monotonic_ns: int
    utc_ms: int

    @property
    def utc_s(self) -> int:
        """Wall time in whole seconds, rounded down."""
        return self.utc_ms // MS_PER_S

    def after_ms(self, delay_ms: int) -> int:
        """The monotonic deadline `delay_ms` from now, in nanoseconds."""
        return self.monotonic_ns + delay_ms * NS_PER_MS
