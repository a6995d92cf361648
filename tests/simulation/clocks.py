"""A host of the network in memory whose clock is behind everybody's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from ioe_router.core.effects import Effect
from ioe_router.core.inputs import Input
from ioe_router.model.clock import MS_PER_S, Now
from ioe_router.router import Router
from tests.simulation.pair import Sim


class Behind(Router):
    """The clock of this router's host is behind; its timers run as everybody's."""

    __slots__ = ()
    behind_s: ClassVar[int] = 0

    def handle_all(self, inputs: Sequence[Input], now: Now) -> tuple[Effect, ...]:
        """Hand on, with the time that this host has."""
        return super().handle_all(inputs, Now(now.monotonic_ns, now.utc_ms - self.behind_s * MS_PER_S))


def fall_behind(sim: Sim, name: str, by_s: int) -> None:
    """Set one node's clock back by so much; 0 puts it right."""
    sim.router(name).__class__ = Behind
    Behind.behind_s = by_s
