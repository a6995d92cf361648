"""Whether an object may have been issued already (SPEC section 4.9)."""

from __future__ import annotations

from ioe_router.model.clock import CLOCK_TOLERANCE_S, MS_PER_S, Now
from ioe_router.model.errors import ErrorCode, PeerError


def check_issued(issued_utc_s: int, now: Now) -> None:
    """Refuse what is from further ahead than clocks may differ, saying when it no longer is.

    PeerError FROM_FUTURE: either clock may be the wrong one, and may be put right.
    """
    ahead_ms = (issued_utc_s - CLOCK_TOLERANCE_S) * MS_PER_S - now.utc_ms
    if issued_utc_s > now.utc_s + CLOCK_TOLERANCE_S:
        raise PeerError(ErrorCode.FROM_FUTURE, "issued later than the clock tolerance allows", ahead_ms)
