"""Where unpredictable bytes come from (SPEC section 3): from outside, so that a run can be repeated."""

from __future__ import annotations

from typing import Protocol


class EntropySource(Protocol):
    """Gives bytes that a neighbour cannot guess; a recorded or seeded source makes a run repeatable."""

    def token(self, size: int) -> bytes:
        """`size` fresh bytes."""
        ...


def jittered_ms(entropy: EntropySource, interval_ms: int) -> int:
    """An interval times U(0.75, 1), so that the timers of many nodes do not fall into step."""
    quarter = interval_ms // 4
    return interval_ms - quarter * entropy.token(1)[0] // 255
