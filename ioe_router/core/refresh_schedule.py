"""When the refresh of a new session begins and when it ends (SPEC sections 6.9 and 6.10).

It begins once the neighbour has said what it retains; one that does not say so in
time is told everything.  It ends at once, but for one case: a router that has
just started first hears what its other neighbours have to tell, because the end of a
refresh sweeps what was not told again, and what it had told before it
restarted came mostly from them.  That wait is bounded, too.
"""

from __future__ import annotations

from ioe_router.config import RouterConfig
from ioe_router.core.neighborhood import Neighborhood
from ioe_router.model.clock import Now
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.ids import NodeId


class RefreshSchedule:
    """Whom to tell everything, and whom to tell that it was everything."""

    def __init__(self, config: RouterConfig, neighborhood: Neighborhood) -> None:
        """Nobody waits; `start` before anything else."""
        self._wait_ms = config.timers.handshake_ms
        self._neighborhood = neighborhood
        self._learning_until_ns = 0
        self._heard_end: dict[NodeId, None] = {}  # in the session that stands
        self._awaited: dict[NodeId, int] = {}  # who has still to say what it retains, and until when
        self._begin: dict[NodeId, bytes] = {}  # with the digests of what it retains
        self._open: dict[NodeId, None] = {}  # begun, not ended

    def start(self, now: Now) -> None:
        """The router starts: from here on it learns what it knew."""
        self._learning_until_ns = now.after_ms(self._wait_ms)

    def up(self, neighbor: NodeId, now: Now, *, resumes: bool) -> None:
        """A session stands."""
        if resumes:
            self._awaited[neighbor] = now.after_ms(self._wait_ms)
        else:
            self._begin[neighbor] = b""

    def down(self, neighbor: NodeId) -> None:
        """A session has ended."""
        for table in (self._heard_end, self._awaited, self._begin, self._open):
            table.pop(neighbor, None)

    def retained(self, neighbor: NodeId, digests: bytes) -> None:
        """A neighbour says what it retains. PeerError when it has done so before, or too late."""
        if self._awaited.pop(neighbor, None) is None:
            raise PeerError(ErrorCode.UNEXPECTED, "what is retained was stated before, or too late")
        self._begin[neighbor] = digests

    def heard_end(self, neighbor: NodeId) -> None:
        """A neighbour has told everything."""
        self._heard_end[neighbor] = None

    def is_open(self, neighbor: NodeId) -> bool:
        """Whether a refresh has begun and not ended, or is about to begin."""
        return any(neighbor in table for table in (self._awaited, self._begin, self._open))

    def beginning(self, now: Now) -> dict[NodeId, bytes]:
        """Whose refresh begins now, with the digests of what each retains; once."""
        late = [neighbor for neighbor, until_ns in self._awaited.items() if until_ns <= now.monotonic_ns]
        for neighbor in late:
            self.retained(neighbor, b"")
        begin, self._begin = self._begin, {}
        self._open.update(dict.fromkeys(begin))
        return begin

    def ending(self, now: Now) -> tuple[NodeId, ...]:
        """Whose refresh ends now; once."""
        ends = tuple(neighbor for neighbor in self._open if self._may_end(neighbor, now))
        for neighbor in ends:
            del self._open[neighbor]
        return ends

    def _may_end(self, neighbor: NodeId, now: Now) -> bool:
        return now.monotonic_ns >= self._learning_until_ns or all(
            other.node in self._heard_end for other in self._neighborhood if other.node != neighbor
        )

    def deadline_ns(self) -> int | None:
        """When somebody has been waited for long enough."""
        ends = (self._learning_until_ns,) if self._open else ()
        return min((*self._awaited.values(), *ends), default=None)
