"""What one code allows (SPEC section 6.1.2): five minutes, three tries, one pairing, a few callers at once.

A try is spent when an exchange begins, not when it fails: who hangs up before
the answer has made a guess all the same.
"""

from __future__ import annotations

from ioe_router.model.clock import NS_PER_S
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.pairing import CALLS_MAX, CODE_LIFETIME_S, CONVERSATIONS_MAX, TRIES_MAX


class Desk:
    """The state of one shown code. Times are monotonic nanoseconds."""

    def __init__(self, code: str, opened_ns: int) -> None:
        self.code = code
        self.deadline_ns = opened_ns + CODE_LIFETIME_S * NS_PER_S
        self.tries_left = TRIES_MAX
        self.used = False
        self._open = 0
        self._calls = 0

    def is_open(self, now_ns: int) -> bool:
        """Whether the code can still be tried."""
        return not self.used and self.tries_left > 0 and now_ns < self.deadline_ns

    @property
    def callers(self) -> int:
        """Conversations open at this moment."""
        return self._open

    def admit(self, now_ns: int) -> None:
        """Count a caller in. PeerError (CODE_CLOSED, LIMIT_REACHED); `leave` once for each that came in."""
        self._refuse_closed(now_ns)
        if self._open >= CONVERSATIONS_MAX or self._calls >= CALLS_MAX:
            raise PeerError(ErrorCode.LIMIT_REACHED, "too many callers on the pairing port")
        self._open += 1
        self._calls += 1

    def leave(self) -> None:
        """A caller who had come in has gone."""
        self._open -= 1

    def spend(self, now_ns: int) -> None:
        """Take one try. PeerError (CODE_CLOSED) when there is none left."""
        self._refuse_closed(now_ns)
        self.tries_left -= 1

    def use(self) -> None:
        """Somebody has proved to know the code; it is good for nobody else. PeerError (CODE_CLOSED)."""
        if self.used:
            raise PeerError(ErrorCode.CODE_CLOSED, "the code has been used by another box")
        self.used = True

    def _refuse_closed(self, now_ns: int) -> None:
        if self.used:
            raise PeerError(ErrorCode.CODE_CLOSED, "the code has been used by another box")
        if self.tries_left == 0:
            raise PeerError(ErrorCode.CODE_CLOSED, f"the code was tried {TRIES_MAX} times")
        if now_ns >= self.deadline_ns:
            raise PeerError(ErrorCode.CODE_CLOSED, "the code has run out")
