"""Promises outlive crashes, holds end at their time, and nothing is booked or settled twice.

* After a restart every reservation that this node had promised toward the
  initiator is known; what was COMMITTED still is; no hold has gained time.
* A hold is over once its deadline has passed on the host's own monotonic clock,
  and not before; the origin accepts nothing after it.
* A packet is Booked once, a slot is settled once per link.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ioe_router.core.effects import Effect, Emit
from ioe_router.core.events import Booked, LinkSettled, Unbooked
from ioe_router.core.reservation import Reservation, ReservationKey
from ioe_router.model.clock import NS_PER_MS, Now
from ioe_router.model.envelope import ObjectType
from ioe_router.model.parameters import NetworkParameters
from ioe_router.model.reservation import ReservationState
from ioe_router.sim.checkers.verdict import require
from ioe_router.sim.checkers.watch import Change
from ioe_router.sim.host import Host

TOLERANCE_NS = 1_000 * NS_PER_MS
PROMISED = (ReservationState.HELD, ReservationState.IN_DOUBT, ReservationState.COMMITTED)
_GIVEN_UP = (ReservationState.FAILED, ReservationState.EXPIRED)
RUNNING = (ReservationState.HOLDING, ReservationState.HELD)


@dataclass(frozen=True, slots=True)
class _Promise:
    state: ReservationState
    deadline_true_ns: int
    over_utc_s: int  # end of the last slot
    durable: bool  # towards an initiator, or committed


class Promises:
    """What hosts have promised."""

    def __init__(self, parameters: NetworkParameters) -> None:
        """Nobody has promised anything."""
        self._slot_s = parameters.slot_s
        self._gate_s = parameters.timetable.final_gate_s
        self._promised: dict[str, dict[ReservationKey, _Promise]] = {}
        self._booked: dict[tuple[str, bytes, int], bool] = {}
        self._settled: set[tuple[str, bytes, int]] = set()
        self.bent: set[str] = set()  # hosts whose UTC was touched: stored deadlines move with it

    def after(self, host: Host, now: Now, change: Change, effects: Sequence[Effect]) -> None:
        """Judge one call."""
        if change.reborn:
            self._check_reborn(host, now)
        mine = self._promised.setdefault(host.name, {})
        for step in change.steps:
            self._check_step(host, now, step.record, step.before)
            self._note(host, mine, step.record)
        self._check_deadlines(host, now)
        for effect in effects:
            if isinstance(effect, Emit):
                self._check_event(host, effect.event)

    def _note(self, host: Host, mine: dict[ReservationKey, _Promise], record: Reservation) -> None:
        mine.pop(record.key, None)
        if record.state in PROMISED:
            mine[record.key] = _Promise(
                state=record.state,
                deadline_true_ns=host.clock.true_ns(record.deadline_ns),
                over_utc_s=record.last_slot + self._slot_s,
                durable=record.toward_initiator is not None or record.state is not ReservationState.HELD,
            )

    # ------------------------------------------------------------ restart

    def _check_reborn(self, host: Host, now: Now) -> None:
        assert host.router is not None  # noqa: S101 - looked at alive
        table = host.router.inspect().reservations
        for key, promise in self._promised.pop(host.name, {}).items():
            if not promise.durable or promise.over_utc_s <= now.utc_s or self._moot(host, promise, now):
                continue
            record = table.get(*key)
            name = f"{key[0].hex()[:8]} v{key[1]}"
            if record is None:
                require(False, host, f"{name} was {promise.state.name} and is forgotten after a restart")
                return
            if promise.state is ReservationState.COMMITTED:
                kept = record.state in (ReservationState.COMMITTED, ReservationState.RELEASED)
                require(kept, host, f"{name} was COMMITTED and is {record.state.name} after a restart")
            if record.state in RUNNING and host.name not in self.bent:
                deadline = host.clock.true_ns(record.deadline_ns)
                later = deadline - promise.deadline_true_ns
                require(later <= TOLERANCE_NS, host, f"the hold of {name} has gained {later} ns by a restart")

    @staticmethod
    def _moot(host: Host, promise: _Promise, now: Now) -> bool:
        """A hold whose time was over when the host came back."""
        if promise.state is not ReservationState.HELD:
            return False
        return promise.deadline_true_ns <= host.clock.true_ns(now.monotonic_ns) + TOLERANCE_NS

    # ------------------------------------------------------------ time

    def _check_step(self, host: Host, now: Now, record: Reservation, before: ReservationState | None) -> None:
        name = f"{record.key[0].hex()[:8]} v{record.key[1]}"
        if record.state is ReservationState.EXPIRED and before in RUNNING:
            early = record.deadline_ns - now.monotonic_ns
            over = now.utc_s >= min(record.slots.values()) - self._gate_s
            require(early <= 0 or over, host, f"{name} expired {early} ns before its deadline")
        if record.state is ReservationState.COMMITTED:
            if record.toward_origin is None and before is ReservationState.HELD:
                late = now.monotonic_ns - record.deadline_ns
                require(late < 0, host, f"{name} was accepted {late} ns after the hold's deadline")
                past_s = now.utc_s - min(record.slots.values()) + self._gate_s
                require(past_s < 0, host, f"{name} was accepted {past_s} s after the final gate")
            require(record.committed is not None, host, f"{name} is COMMITTED without the origin's signature")
        if before is ReservationState.IN_DOUBT and record.state in _GIVEN_UP:
            told = record.answer is not None and record.answer.type is ObjectType.FAILED
            over = now.utc_s >= record.last_slot + self._slot_s
            signed = told or record.toward_initiator is None  # an initiator keeps no answer
            ended = record.state is not ReservationState.EXPIRED
            require(over or (signed and ended), host, f"{name} was IN_DOUBT and became {record.state.name}")
        if before is ReservationState.COMMITTED:
            kept = record.state in (ReservationState.COMMITTED, ReservationState.RELEASED)
            require(kept, host, f"{name} was COMMITTED and became {record.state.name}")

    def _check_deadlines(self, host: Host, now: Now) -> None:
        assert host.router is not None  # noqa: S101
        for record in host.router.inspect().reservations.open_records():
            if record.state in RUNNING:
                late = now.monotonic_ns - record.deadline_ns
                name = f"{record.key[0].hex()[:8]} v{record.key[1]}"
                require(
                    late < TOLERANCE_NS, host, f"{name} is {record.state.name} {late} ns after its deadline"
                )

    # ------------------------------------------------------------ once

    def _check_event(self, host: Host, event: object) -> None:
        match event:
            case Booked():
                key = (host.name, event.reservation, event.index)
                name = f"packet {event.index} of {event.reservation.hex()[:8]}"
                require(not self._booked.get(key, False), host, f"{name} was booked twice")
                self._booked[key] = True
            case Unbooked():
                self._booked[host.name, event.reservation, event.index] = False
            case LinkSettled():
                once = (host.name, event.link, event.slot)
                where = f"slot {event.slot}, link {event.link.hex()[:8]}"
                require(once not in self._settled, host, f"{where} was settled twice")
                self._settled.add(once)
            case _:
                pass
