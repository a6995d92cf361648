"""How often streams may be opened (SPEC section 5.3), whatever becomes of them.

A stream that is opened and reset at once costs its sender nothing and the
listener some work.  So openings are counted first by the certificate that the
transport has already checked, which takes a hash, and only then is it traced whose it is.
"""

from __future__ import annotations

import hashlib
from typing import Final

from ioe_router.config import Rate
from ioe_router.core.budgets import Budget

OPENINGS: Final = Rate(per_s=2, burst=20)  # of one certificate, and of one neighbour
CALLERS_MAX: Final = 1_024


class Openings:
    """Budgets of stream openings, by certificate or by node id."""

    def __init__(self) -> None:
        """Nobody has opened anything."""
        self._budgets: dict[bytes, Budget] = {}

    def allows(self, caller: bytes, now_ns: int) -> bool:
        """Count an opening by `caller`; whether it is within the budget."""
        key = hashlib.sha256(caller).digest()
        budget = self._budgets.get(key)
        if budget is None:
            if len(self._budgets) >= CALLERS_MAX:
                self._budgets = {k: one for k, one in self._budgets.items() if not one.is_full(now_ns)}
            if len(self._budgets) >= CALLERS_MAX:
                return False
            budget = self._budgets[key] = Budget(OPENINGS)
        return budget.take(1, now_ns) == 0
