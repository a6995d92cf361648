"""What is counted as it happens: events of the router, troubles of dialling, barriers of the journal.

Counting is adding to a dictionary, on the event loop; nothing is formatted
before somebody asks.  The values are read by `reading.py` at a scrape.
"""

from __future__ import annotations

import bisect
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from ioe_router.adapters.dialler import Trouble
from ioe_router.adapters.journal import Journal
from ioe_router.adapters.metrics.table import COMMIT_BUCKETS_S
from ioe_router.core.effects import Persist
from ioe_router.core.events import (
    Booked,
    ClockJudged,
    CommandRefused,
    Event,
    ImbalanceSettled,
    LinkSettled,
    NeighborDown,
    NeighborUp,
    ReservationMoved,
    ReservationRole,
    SlotClosed,
    Unbooked,
)
from ioe_router.core.reservation_fsm import ReservationEvent
from ioe_router.core.sweep_events import LossCorrection, SlotSwept, VoltageOutOfBand
from ioe_router.model.bech32m import node_text
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import LinkId, NodeId
from ioe_router.model.reservation import ReservationState
from ioe_router.model.settlement import Deviation

MICRO: Final = 1_000_000
MILLI: Final = 1_000

Key = tuple[str, ...]  # values of a metric's labels, in the order of the table
NeighborOf = Callable[[LinkId], NodeId | None]


def code_text(code: ErrorCode) -> str:
    """An error code as the value of a label."""
    return code.name.lower()


class Counted:
    """Counters and last values by name and labels."""

    def __init__(self, neighbor_of: NeighborOf) -> None:
        """`neighbor_of` says who is at the other end of an own link."""
        self._values: dict[str, dict[Key, float]] = {"ioe_imbalance_currency": {(): 0.0}}
        self._neighbor_of = neighbor_of

    def add(self, name: str, *labels: str, by: float = 1) -> None:
        """Raise a counter."""
        values = self._values.setdefault(name, {})
        values[labels] = values.get(labels, 0) + by

    def put(self, name: str, value: float) -> None:
        """Set a last value that has no labels."""
        self._values.setdefault(name, {})[()] = value

    def values(self) -> dict[str, dict[Key, float]]:
        """Everything so far."""
        return {name: dict(values) for name, values in self._values.items()}

    # ------------------------------------------------------------- what happens

    def trouble(self, trouble: Trouble) -> None:
        """An attempt to reach a neighbour has failed."""
        self.add("ioe_dial_failures_total", code_text(trouble.code))

    def event(self, event: Event) -> None:
        """The router has told something."""
        match event:
            case ReservationMoved():
                self._moved(event)
            case Booked():
                self.add("ioe_booked_joules_total", _way_of(event), by=event.energy_j)
            case Unbooked():
                self.add("ioe_unbooked_joules_total", code_text(event.code), by=event.energy_j)
            case NeighborUp():
                self.add("ioe_sessions_started_total", node_text(event.neighbor))
            case NeighborDown():
                self.add("ioe_sessions_ended_total", code_text(event.code))
            case CommandRefused():
                self.add("ioe_commands_refused_total", code_text(event.code))
            case ClockJudged():
                self.put("ioe_clock_error_seconds", event.error_ms / MILLI)
            case SlotClosed() | SlotSwept() | VoltageOutOfBand() | LossCorrection():
                self._slot(event)
            case LinkSettled() | ImbalanceSettled():
                self._settled(event)
            case _:
                pass  # not counted, or counted by the router itself

    def _moved(self, event: ReservationMoved) -> None:
        labels = (event.role.value, event.step.value, code_text(event.code))
        self.add("ioe_reservation_steps_total", *labels)
        committed = event.step is ReservationEvent.COMMITTED and event.state is ReservationState.COMMITTED
        if committed and event.role is ReservationRole.TRANSIT:
            self.add("ioe_transit_joules_total", by=event.energy_j)

    def _slot(self, event: SlotClosed | SlotSwept | VoltageOutOfBand | LossCorrection) -> None:
        match event:
            case SlotClosed():
                self.add("ioe_device_joules_total", "imported", by=event.imported_j)
                self.add("ioe_device_joules_total", "exported", by=event.exported_j)
            case SlotSwept():
                self.put("ioe_voltage_ratio", event.voltage_micro_pu / MICRO)
            case VoltageOutOfBand():
                self.add("ioe_voltage_out_of_band_total")
            case LossCorrection():
                way = "short" if event.short else "long"
                self.add("ioe_loss_correction_joules_total", way, by=event.energy_j)

    def _settled(self, event: LinkSettled | ImbalanceSettled) -> None:
        if isinstance(event, LinkSettled):
            neighbor = self._neighbor_of(event.link)
            if neighbor is not None:
                name = node_text(neighbor)
                self.add("ioe_slots_settled_total", name, str(event.agreed).lower())
                self.add("ioe_obligations_currency", name, "to_us", by=event.owed_to_us_micro / MICRO)
                self.add("ioe_obligations_currency", name, "by_us", by=event.owed_by_us_micro / MICRO)
            return
        body = event.record.body
        sign = {Deviation.SHORT: 1, Deviation.LONG: -1}.get(body.deviation, 0)
        if sign:
            self.add("ioe_imbalance_joules_total", "short" if sign > 0 else "long", by=body.energy_j)
            self.add("ioe_imbalance_currency", by=sign * body.amount_micro / MICRO)


def _way_of(event: Booked) -> str:
    """Whether a booked packet of our own brings energy to our devices or takes it away."""
    from_origin = event.direction.name == "SUPPLY"
    return "imported" if from_origin == event.initiator else "exported"


class TimedJournal:
    """A journal whose barriers are timed."""

    def __init__(self, journal: Journal, now_s: Callable[[], float] = time.perf_counter) -> None:
        """Pass everything on to `journal`."""
        self._journal = journal
        self._now_s = now_s
        self.instant = journal.instant
        self.records: Counter[str] = Counter()
        self.buckets = [0] * (len(COMMIT_BUCKETS_S) + 1)  # not cumulative; the last one has no bound
        self.seconds = 0.0

    def append(self, record: Persist) -> None:
        """Add a record."""
        self.records[record.kind.value] += 1
        self._journal.append(record)

    def sync(self) -> None:
        """Make everything appended durable; a barrier that fails is not counted."""
        began_s = self._now_s()
        self._journal.sync()
        took_s = self._now_s() - began_s
        self.buckets[bisect.bisect_left(COMMIT_BUCKETS_S, took_s)] += 1
        self.seconds += took_s

    def rows(self) -> tuple[Persist, ...]:
        """What is durable."""
        return self._journal.rows()

    def close(self) -> None:
        """Sync and let go."""
        self._journal.close()
