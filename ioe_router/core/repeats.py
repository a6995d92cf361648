"""When what a neighbour has refused for a while is told to it again (SPEC section 13.1).

A clock that was wrong for a moment, a burst beyond a budget, bytes that came
damaged: the Fault says when the object has a chance.  Which one it was need not be found out: what
stands is repeated, as at the begin of a session, and what is known already
costs the neighbour next to nothing.
"""

from __future__ import annotations

from typing import Final

from ioe_router.core.budgets import RETRY_MAX_MS
from ioe_router.model.clock import Now
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.ids import NodeId

REPEAT_MS: Final = 10_000  # nothing is repeated sooner
DAMAGED_RETRY_MS: Final = 60_000
# What nobody passes on who has judged it, and what is left without a key or certificate that was refused so.
DAMAGED: Final = frozenset({ErrorCode.BAD_SIGNATURE, ErrorCode.MALFORMED, ErrorCode.UNKNOWN_KEY})


def retry_after_ms(error: PeerError) -> int:
    """When a refused object has a chance; 0: never. What came damaged may come whole (IOE-ERR-036)."""
    if error.code in DAMAGED and not error.retry_after_ms:
        return DAMAGED_RETRY_MS
    return min(error.retry_after_ms, RETRY_MAX_MS)


class Repeats:
    """To whom something is told again, and when."""

    def __init__(self) -> None:
        """Nobody waits."""
        self._at_ns: dict[NodeId, int] = {}

    def refused(self, neighbor: NodeId, retry_after_ms: int, now: Now) -> None:
        """A neighbour has refused something that it may take later; 0 when it never will."""
        if retry_after_ms:
            self._at_ns.setdefault(neighbor, now.after_ms(max(retry_after_ms, REPEAT_MS)))

    def down(self, neighbor: NodeId) -> None:
        """The session has ended; the next one begins with everything."""
        self._at_ns.pop(neighbor, None)

    def due(self, now: Now) -> tuple[NodeId, ...]:
        """Whose time has come; once."""
        ripe = tuple(neighbor for neighbor, at_ns in self._at_ns.items() if at_ns <= now.monotonic_ns)
        for neighbor in ripe:
            del self._at_ns[neighbor]
        return ripe

    def deadline_ns(self) -> int | None:
        """When the next one is due."""
        return min(self._at_ns.values(), default=None)
