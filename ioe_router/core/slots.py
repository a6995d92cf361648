"""When each step of a slot is due (SPEC section 9): the router's calendar of phases.

Slots follow each other without end; of each one the steps below come up in
order, once.  Band starts are not steps: wants have timers of their own.
"""

from __future__ import annotations

import heapq
from enum import IntEnum

from ioe_router.model.clock import MS_PER_S, NS_PER_MS, Now
from ioe_router.model.parameters import NetworkParameters
from ioe_router.model.slot import Slot, next_slot, slot_at


class Step(IntEnum):
    """What a router does about a slot by the clock alone."""

    OPENING = 0  # hosts publish offers and wants
    PROVISIONAL_GATE = 1  # bookings rest, the sweeps begin
    CORRECTION = 2  # the remaining standing loss is bought
    FINAL_GATE = 3  # set-points go to the devices
    START = 4
    END = 5


class SlotClock:
    """Hands out (slot, step) when their time has come, in order of time."""

    def __init__(self, parameters: NetworkParameters) -> None:
        """Not started: nothing is due."""
        self._parameters = parameters
        self._queue: list[tuple[int, int, Slot]] = []  # utc_s, step, slot
        self._next: Slot | None = None

    def start(self, now: Now, *, resumed: bool = False) -> None:
        """Begin with the first slot whose opening has not passed.

        `resumed`: this node may be bound in slots that opened before; their steps are taken up, too.
        """
        slot_s = self._parameters.slot_s
        slot = slot_at(now.utc_s, slot_s)
        while self._utc_s(slot, Step.OPENING) < now.utc_s:
            if resumed:
                self._resume(slot, now)
            slot = next_slot(slot, slot_s)
        self._next = slot
        self._add_next()

    def _resume(self, slot: Slot, now: Now) -> None:
        """What is left of a slot: its future steps, and of the past ones those that still have a purpose.

        Offers and wants are asked for again until the sweeps; set-points are published again until the end.
        """
        swept = self._utc_s(slot, Step.PROVISIONAL_GATE) <= now.utc_s
        for step in Step:
            at = self._utc_s(slot, step)
            again = step is Step.FINAL_GATE or (step is Step.OPENING and not swept)
            if at > now.utc_s or again:
                heapq.heappush(self._queue, (at, step, slot))

    def _add_next(self) -> None:
        if self._next is None:
            return
        for step in Step:
            heapq.heappush(self._queue, (self._utc_s(self._next, step), step, self._next))
        self._next = next_slot(self._next, self._parameters.slot_s)

    def _utc_s(self, slot: Slot, step: Step) -> int:
        table = self._parameters.timetable
        return {
            Step.OPENING: slot - table.offer_s,
            Step.PROVISIONAL_GATE: slot - table.provisional_gate_s,
            Step.CORRECTION: slot - table.correction_s,
            Step.FINAL_GATE: slot - table.final_gate_s,
            Step.START: slot,
            Step.END: slot + self._parameters.slot_s,
        }[step]

    def due(self, now: Now) -> list[tuple[Slot, Step]]:
        """Steps whose time has come, earliest first."""
        steps = []
        while self._queue and self._queue[0][0] <= now.utc_s:
            _, step, slot = heapq.heappop(self._queue)
            steps.append((slot, Step(step)))
            if step == Step.OPENING and next_slot(slot, self._parameters.slot_s) == self._next:
                self._add_next()
        return steps

    def deadline_ns(self, now: Now) -> int | None:
        """When the next step is due."""
        if not self._queue:
            return None
        return now.monotonic_ns + max(0, self._queue[0][0] * MS_PER_S - now.utc_ms) * NS_PER_MS
