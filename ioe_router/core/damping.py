"""Damping of offers that change too often (SPEC section 7).

Counted are new versions and withdrawals that an origin has signed, never the
changes of paths that a topology makes out of one event, so a well connected
origin is not punished.  A first version does not count: the number of offers
per origin is bounded.  The count halves every half-life; above the suppress threshold improvements
wait until it has fallen to the reuse threshold.  Reductions and withdrawals
never wait.
"""

from __future__ import annotations

from dataclasses import dataclass

from ioe_router.config import RouterConfig
from ioe_router.core.rib import OfferKey
from ioe_router.model.clock import NS_PER_S, Now

_UNIT = 1000  # one change, so that the decayed count keeps three digits


@dataclass(slots=True)
class _Count:
    value: int
    at_ns: int
    suppressed: bool = False


class Damping:
    """Decayed counts of changes per offer."""

    def __init__(self, config: RouterConfig) -> None:
        """Nothing has changed yet."""
        self._half_life_ns = config.timers.damping_half_life_s * NS_PER_S
        self._suppress = config.limits.damping_suppress_updates * _UNIT
        self._reuse = config.limits.damping_reuse_updates * _UNIT
        self._counts_max = config.limits.origins * config.limits.offers_per_origin
        self._counts: dict[OfferKey, _Count] = {}

    def change(self, key: OfferKey, now: Now) -> None:
        """Count one signed change of an offer."""
        if len(self._counts) >= self._counts_max:
            self._counts = {k: c for k, c in self._counts.items() if c.suppressed}
        count = self._counts.setdefault(key, _Count(0, now.monotonic_ns))
        count.value = self._decayed(count, now.monotonic_ns) + _UNIT
        count.at_ns = now.monotonic_ns
        count.suppressed = count.suppressed or count.value > self._suppress

    def suppressed(self, key: OfferKey, now: Now) -> bool:
        """Whether improvements of an offer have to wait."""
        count = self._counts.get(key)
        if count is None or not count.suppressed:
            return False
        if self._decayed(count, now.monotonic_ns) <= self._reuse:
            del self._counts[key]
            return False
        return True

    def reuse_at_ns(self, key: OfferKey) -> int:
        """When a suppressed offer's improvements may go on, monotonic nanoseconds."""
        count = self._counts[key]
        at_ns = count.at_ns
        while self._decayed(count, at_ns) > self._reuse:
            at_ns += max(1, self._half_life_ns // 16)
        return at_ns

    def _decayed(self, count: _Count, at_ns: int) -> int:
        """Halved per whole half-life, linear in between."""
        halvings, rest = divmod(at_ns - count.at_ns, self._half_life_ns)
        value = count.value >> min(halvings, 64)
        return value - value * rest // (2 * self._half_life_ns)
