"""What changed at a host in its last call: reservations and ledgers, found without reading everything.

Checkers share one `Watch`.  It remembers the state of every reservation that
it has seen open and a fingerprint of every ledger of a slot that can still be
traded or delivered, so that a call that touches nothing costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ioe_router.core.calendar import SlotLedger
from ioe_router.core.effects import Effect, Persist, RecordKind
from ioe_router.core.ports import Port
from ioe_router.core.reservation import Reservation, ReservationKey
from ioe_router.model.clock import Now
from ioe_router.model.ids import LinkId, ReservationId
from ioe_router.model.reservation import ReservationState
from ioe_router.model.slot import Slot, slot_at
from ioe_router.sim.host import Host

_ID_BYTES = 16
Fingerprint = tuple[int, int, int, int]
LedgerKey = tuple[LinkId, Slot]


@dataclass(slots=True)
class Seen:
    """What is remembered of one life of a host."""

    life: int
    states: dict[ReservationKey, ReservationState] = field(default_factory=dict)
    open: dict[ReservationKey, None] = field(default_factory=dict)
    ledgers: dict[LedgerKey, Fingerprint] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """A reservation that has moved; `before` is None when it is new to the watch."""

    record: Reservation
    before: ReservationState | None


@dataclass(frozen=True, slots=True)
class Touched:
    """A ledger that has changed; `before` is its fingerprint then."""

    port: Port
    slot: Slot
    ledger: SlotLedger
    before: Fingerprint


@dataclass(frozen=True, slots=True)
class Change:
    """Everything that moved in one call."""

    reborn: bool  # first look at a new life
    steps: tuple[Step, ...]
    touched: tuple[Touched, ...]


def _restored(host: Host) -> dict[ReservationKey, ReservationState]:
    """What a new life took over as settled: nothing has happened to it yet."""
    assert host.router is not None  # noqa: S101 - only living hosts are looked at
    table = host.router.inspect().reservations
    under_way = {record.key for record in table.open_records()}
    return {record.key: record.state for record in table.all() if record.key not in under_way}


class Watch:
    """Finds changes, host by host."""

    def __init__(self, slot_s: int) -> None:
        """Nothing seen yet."""
        self._slot_s = slot_s
        self._seen: dict[str, Seen] = {}

    def look(self, host: Host, now: Now, effects: Sequence[Effect]) -> Change:
        """What has moved since the last look."""
        seen = self._seen.get(host.name)
        reborn = seen is None or seen.life != host.starts
        if seen is None or reborn:
            seen = self._seen[host.name] = Seen(host.starts, _restored(host))
        return Change(reborn, self._steps(host, seen, effects), self._ledgers(host, seen, now))

    def _steps(self, host: Host, seen: Seen, effects: Sequence[Effect]) -> tuple[Step, ...]:
        assert host.router is not None  # noqa: S101 - only living hosts are looked at
        table = host.router.inspect().reservations
        moved: dict[ReservationKey, Reservation] = {}
        for effect in effects:
            if isinstance(effect, Persist) and effect.kind is RecordKind.RESERVATION:
                record = table.get(
                    ReservationId(effect.key[:_ID_BYTES]), int.from_bytes(effect.key[_ID_BYTES:])
                )
                if record is not None and seen.states.get(record.key) is not record.state:
                    moved[record.key] = record
        now_open = table.open_records()
        for record in now_open:
            if seen.states.get(record.key) is not record.state:
                moved[record.key] = record
        for key in seen.open:
            closed = table.get(*key)
            if closed is not None and seen.states.get(key) is not closed.state:
                moved[key] = closed
        seen.open = {record.key: None for record in now_open}
        steps = tuple(Step(record, seen.states.get(key)) for key, record in moved.items())
        for key, record in moved.items():
            seen.states[key] = record.state
        return steps

    def _ledgers(self, host: Host, seen: Seen, now: Now) -> tuple[Touched, ...]:
        assert host.router is not None  # noqa: S101
        first = slot_at(now.utc_s, self._slot_s)
        slots = [Slot(first + i * self._slot_s) for i in (0, 1, 2)]
        touched = []
        for port in host.router.inspect().ports.all():
            for slot in slots:
                ledger = port.calendar.ledger(slot)
                if ledger is None:
                    continue
                key = (port.link, slot)
                fresh = (ledger.net_j, ledger.used_down_j, ledger.used_up_j, len(ledger.entries))
                before = seen.ledgers.get(key, (0, 0, 0, 0))
                if fresh != before:
                    seen.ledgers[key] = fresh
                    touched.append(Touched(port, slot, ledger, before))
        return tuple(touched)
