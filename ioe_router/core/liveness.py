"""Whether a session still carries anything, in each of its directions (SPEC section 6.7).

The transport ends a connection that is dead (5.5).  What it cannot see is a
neighbour whose transport answers while its router does not, or a path on which
frames vanish in one direction.  Both are judged by the largest interval that a
neighbour may have configured, not by this node's own: nothing here ends a
session that merely has little to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ioe_router.model.clock import NS_PER_MS, Now

KEEPALIVE_MAX_MS: Final = 60_000
SILENT: Final = "nothing came from the neighbour for three of the longest keepalive intervals"
UNHEARD: Final = "nothing sent arrived at the neighbour for three of the longest keepalive intervals"
DEAD_AFTER_NS: Final = 3 * KEEPALIVE_MAX_MS * NS_PER_MS


@dataclass(slots=True)
class Liveness:
    """One session: up to which frame each direction is known to work, and since when."""

    heard_seq: int = 0
    heard_ns: int = 0  # when `heard_seq` was found to have risen
    sent_seq: int = 0
    sent_ns: int = 0  # this frame had been sent by then and is not acknowledged yet

    def begin(self, heard_seq: int, sent_seq: int, now: Now) -> None:
        """The session stands."""
        self.heard_seq, self.heard_ns = heard_seq, now.monotonic_ns
        self.sent_seq, self.sent_ns = sent_seq, now.monotonic_ns

    def hears(self, heard_seq: int, now: Now) -> bool:
        """Whether the neighbour may still be there; to be asked once per own interval or more often."""
        if heard_seq != self.heard_seq:
            self.heard_seq, self.heard_ns = heard_seq, now.monotonic_ns
        return now.monotonic_ns - self.heard_ns < DEAD_AFTER_NS

    def is_heard(self, acknowledged_seq: int, sent_seq: int, now: Now) -> bool:
        """Whether what is sent may still arrive, asked when the neighbour says what it has received."""
        if acknowledged_seq >= self.sent_seq:
            self.sent_seq, self.sent_ns = sent_seq, now.monotonic_ns
        return now.monotonic_ns - self.sent_ns < DEAD_AFTER_NS
