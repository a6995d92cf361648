"""CURTAIL: cutting committed packets, and passing the cut on to both ends (SPEC section 10.11).

Any node on the path may cut what passes it.  It signs what remains at its own
busbar and tells both neighbours of the reservation; each of them works out
its own end of the link, lowers its books, and tells the next.

A cut takes effect at once, or at an instant that its signer names: then it is
a notice, with which the ends can provide for themselves before the energy is
gone.  The reservation stays COMMITTED, whatever is left of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final, Protocol

from ioe_router.core.cuts import Cut, cut_line, left_here, live_entry, there_j
from ioe_router.core.deal import unbooked_event
from ioe_router.core.events import Curtailed
from ioe_router.core.gates import Phase, final_gate_utc_ms, phase_of
from ioe_router.core.hop import Hop
from ioe_router.core.legs import Leg
from ioe_router.core.outbox import Outbox
from ioe_router.core.reservation import Reservation, ReservationKey
from ioe_router.core.reservation_fsm import ReservationEvent
from ioe_router.model.clock import CLOCK_TOLERANCE_S, MS_PER_S, NS_PER_MS, Now
from ioe_router.model.envelope import Envelope, Sealed
from ioe_router.model.errors import ErrorCode, Overtaken, PeerError, UsageError
from ioe_router.model.ids import NodeId
from ioe_router.model.reservation import Curtail, CurtailHop, PacketEnergy, Receipt, ReservationState
from ioe_router.model.slot import Slot

AT_ONCE_MS: Final = 1_000  # nearer instants are now
AHEAD_MS: Final = CLOCK_TOLERANCE_S * MS_PER_S  # by so much the clock of whoever cuts may be ahead of ours
NOTICES_MAX: Final = 8  # announced cuts of one reservation that wait for their instant


class CutListener(Protocol):
    """Who provides for what a reservation of this node's own will no longer bring."""

    def lowered(self, record: Reservation, energy_j: int, now: Now, out: Outbox) -> None:
        """So much of it is cut, or will be: it has to come from elsewhere."""
        ...

    def reduced(self, record: Reservation, index: int, remaining_j: int) -> None:
        """A packet is cut: own energy that it carried is free again but for what remains."""
        ...


class Curtailments:
    """Cuts made and heard, at every role."""

    def __init__(self, hop: Hop, listener: CutListener) -> None:
        """`listener` hears of cuts of this node's own reservations."""
        self._hop = hop
        self._listener = listener
        self._waiting: dict[ReservationKey, Reservation] = {}
        self._changed: dict[Slot, None] = {}

    # --- made here

    def cut(
        self,
        record: Reservation,
        remaining: Mapping[int, int],
        code: ErrorCode,
        effective_utc_ms: int,
        now: Now,
        out: Outbox,
    ) -> None:
        """Cut packets to what remains at this node's busbar. Overtaken; UsageError: it names nothing."""
        self._check_own(record, remaining, effective_utc_ms, now)
        items = tuple(PacketEnergy(index=i, energy_j=remaining[i]) for i in sorted(remaining))
        reservation, version = record.key
        sealed = self._hop.sealer.seal(
            Curtail(
                reservation=reservation,
                version=version,
                node=self._hop.config.node,
                code=code,
                items=items,
                effective_utc_ms=max(now.utc_ms, effective_utc_ms),
            )
        )
        self._take(record, sealed, None, items, now, out)

    def _check_own(
        self, record: Reservation, remaining: Mapping[int, int], effective_utc_ms: int, now: Now
    ) -> None:
        if not remaining or min(remaining.values()) < 0:
            raise UsageError("name at least one packet, with what remains of it: 0 J or more")
        if record.state is not ReservationState.COMMITTED:
            why = f"the reservation is {record.state.name}; only a committed one can be cut"
            raise Overtaken(ErrorCode.UNEXPECTED, why)
        for index, energy_j in remaining.items():
            granted = record.granted.get(index)
            if granted is None or energy_j > granted.energy_j:
                has = "is not booked" if granted is None else f"has {granted.energy_j} J"
                why = f"packet {index} cannot be cut to {energy_j} J: it {has}"
                raise Overtaken(ErrorCode.GRANT_CHANGED, why)
            late = self._too_late(record.slots[index], effective_utc_ms, now)
            if late is not None:
                raise Overtaken(late, f"packet {index} cannot be cut any more")
        at_once = self._is_at_once((record.slots[i] for i in remaining), effective_utc_ms, now)
        if not at_once and len(record.notices) >= NOTICES_MAX:
            raise Overtaken(ErrorCode.LIMIT_REACHED, "too many announced cuts of this reservation")

    # --- heard

    def hear(self, neighbor: NodeId, sealed: Sealed[CurtailHop], now: Now, out: Outbox) -> None:
        """A cut from one side of the reservation. PeerError changes nothing."""
        curtail = self._hop.sealer.open(sealed.body.curtail, Curtail)
        body = curtail.body
        record = self._hop.table.require(body.reservation, body.version)
        leg = self._side(record, neighbor, body.node)
        record.advance(ReservationEvent.CURTAIL, now)
        items = sealed.body.items
        if record.state is ReservationState.RELEASED:
            items = tuple(item for item in items if self._still_stands(record, leg, item.index))
        for item in items:
            self._check_item(record, leg, item, body.effective_utc_ms, now)
        if items:
            self._take(record, curtail, leg, items, now, out)

    def _still_stands(self, record: Reservation, leg: Leg, index: int) -> bool:
        """Whether a packet of a released reservation is still booked on a leg, its release not confirmed."""
        return index in record.slots and live_entry(leg, record.slots[index], index) is not None

    def _side(self, record: Reservation, neighbor: NodeId, cutter: NodeId) -> Leg:
        """The leg that a cut may come over. PeerError NOT_OWNER when it is not of the reservation's path."""
        leg = next((one for one in record.legs() if one.port.neighbor == neighbor), None)
        if leg is None or cutter == self._hop.config.node:
            raise PeerError(ErrorCode.NOT_OWNER, "CURTAIL is not from a side of this reservation")
        core = record.core.body
        if cutter == (core.initiator if leg.toward_origin else core.origin):
            raise PeerError(ErrorCode.NOT_OWNER, "CURTAIL came from the other side than its signer is on")
        return leg

    def _check_item(
        self, record: Reservation, leg: Leg, item: PacketEnergy, effective_utc_ms: int, now: Now
    ) -> None:
        if record.commit is None or item.index not in record.commit.body.accepted:
            raise PeerError(ErrorCode.GRANT_CHANGED, f"CURTAIL names packet {item.index}, not committed")
        slot = record.slots[item.index]
        late = self._too_late(slot, effective_utc_ms, now)
        if late is not None:
            ahead_ms = max(0, effective_utc_ms - AHEAD_MS - now.utc_ms)  # then it is at once
            raise PeerError(late, f"slot {slot} of packet {item.index} cannot be cut any more", ahead_ms)
        entry = self._hop.legs.entry(leg, slot, item.index)
        if entry is not None and item.energy_j > there_j(leg, entry.committed):
            raise PeerError(ErrorCode.GRANT_CHANGED, f"CURTAIL would raise packet {item.index}")

    def _too_late(self, slot: Slot, effective_utc_ms: int, now: Now) -> ErrorCode | None:
        """Why a cut comes too late: the slot is over, or a notice would not end before the final gate."""
        parameters = self._hop.config.parameters
        if phase_of(parameters, slot, now) >= Phase.OVER:
            return ErrorCode.IN_PAST
        in_notice = effective_utc_ms < final_gate_utc_ms(parameters, slot)
        return None if in_notice or effective_utc_ms <= now.utc_ms + AHEAD_MS else ErrorCode.GATE_CLOSED

    def _is_at_once(self, slots: Iterable[Slot], effective_utc_ms: int, now: Now) -> bool:
        """Whether a cut takes effect at once, by whatever clock near ours its instant was set.

        After the gate there are no notices, so an instant there that a clock ahead of ours may show is now.
        """
        if effective_utc_ms <= now.utc_ms + AT_ONCE_MS:
            return True
        gate_utc_ms = final_gate_utc_ms(self._hop.config.parameters, min(slots))
        return gate_utc_ms <= effective_utc_ms <= now.utc_ms + AHEAD_MS

    # --- taking effect

    def _take(
        self,
        record: Reservation,
        sealed: Sealed[Curtail],
        leg: Leg | None,
        items: tuple[PacketEnergy, ...],
        now: Now,
        out: Outbox,
    ) -> None:
        """Note a cut and carry it out, now or at its instant."""
        cut = Cut(
            curtail=sealed.envelope,
            effective_utc_ms=sealed.body.effective_utc_ms,
            source=None if leg is None else leg.port.neighbor,
            items=items,
        )
        slots = [record.slots[item.index] for item in items]
        later = not self._is_at_once(slots, cut.effective_utc_ms, now)
        if later and len(record.notices) >= NOTICES_MAX:
            raise PeerError(ErrorCode.LIMIT_REACHED, "too many announced cuts of this reservation")
        remains = self._announce(record, cut, sealed.body, now, out)
        if not later:
            self._apply(record, cut, sealed.body.code, out)
        elif remains or record.state is ReservationState.RELEASED:
            record.notices = (*record.notices, cut)
            record.touch()
            self._waiting[record.key] = record
            self._pass_on(record, cut, remains, out)

    def _announce(
        self, record: Reservation, cut: Cut, body: Curtail, now: Now, out: Outbox
    ) -> dict[int, int]:
        """Tell our host, at either end, what will remain; returns the packets that the cut lowers."""
        remains = {
            i: energy_j
            for i, energy_j in self.remains(record, cut).items()
            if energy_j < record.expected_j(i)
        }
        gone_j = 0
        for index, energy_j in remains.items():
            gone_j += record.expected_j(index) - energy_j
            record.expected[index] = energy_j
            if not record.is_transit:
                out.emit(curtailed_event(record, index, energy_j, cut, body))
        if gone_j and not record.is_transit:
            self._listener.lowered(record, gone_j, now, out)
        return remains

    def remains(self, record: Reservation, cut: Cut) -> dict[int, int]:
        """What a cut leaves of each packet at this node's busbar, whatever other cuts leave."""
        leg, remains = _leg_to(record, cut.source), {}
        for item in cut.items:
            if item.index in record.granted:
                entry = None if leg is None else live_entry(leg, record.slots[item.index], item.index)
                remains[item.index] = (
                    item.energy_j if leg is None or entry is None else left_here(leg, entry, item.energy_j)
                )
        return remains

    def _apply(self, record: Reservation, cut: Cut, code: ErrorCode, out: Outbox) -> None:
        """Lower the books; a line that has changed at this end is news for the other end of its link."""
        if record.state is ReservationState.RELEASED:
            self._cut_standing(record, cut)
            return
        source, news = _leg_to(record, cut.source), dict[NodeId, dict[int, int]]()
        said = record.cut_by.setdefault(cut.source, {})
        stated = {item.index: item.energy_j for item in cut.items}
        lowered = False
        for index, left_j in self.remains(record, cut).items():
            before_j, slot = record.granted[index].energy_j, record.slots[index]
            said[index] = min(left_j, said.get(index, left_j))
            if source is not None and left_j:
                cut_line(source, slot, index, there=stated[index])
            for leg in record.legs():
                if leg is not source and (left_j == 0 or cut_line(leg, slot, index, here=left_j)):
                    news.setdefault(leg.port.neighbor, {})[index] = left_j
            if left_j < before_j:
                self._lower(record, index, left_j)
                self._tell(record, index, before_j - left_j, code, out)
                record.curtail, lowered = cut.curtail, True
        if lowered:
            record.note(ReservationEvent.CURTAIL, code)
        record.curtail = cut.curtail if news or record.curtail is None else record.curtail
        record.touch()
        for leg in record.legs():
            self._send(leg, cut.curtail, news.get(leg.port.neighbor, {}), out)

    def _cut_standing(self, record: Reservation, cut: Cut) -> None:
        """Released here, but not yet there: the line that we stand in with is cut like the neighbour's."""
        record.touch()
        leg = record.toward_origin
        if leg is None:
            return
        from_there = cut.source == leg.port.neighbor
        for item in cut.items:
            slot = record.slots[item.index]
            announced_j = record.expected_j(item.index) if item.index in record.granted else 0
            left_j = item.energy_j if from_there else announced_j
            self._changed[slot] = None
            if not left_j:
                self._hop.legs.withdraw(leg, slot, item.index)
            else:  # from the near side: as it was announced to the neighbour before the release
                here, there = (None, left_j) if from_there else (left_j, None)
                cut_line(leg, slot, item.index, here=here, there=there)

    def _lower(self, record: Reservation, index: int, left_j: int) -> None:
        """Less of a packet at this node's busbar, and of the own offer that it is from."""
        self._changed[record.slots[index]] = None
        if left_j == 0:
            self._hop.drop(record, index)
            record.accepted = tuple(one for one in record.accepted if one != index)
        else:
            record.granted[index] = replace(record.granted[index], energy_j=left_j)
            self._hop.origin.keep(record, index, left_j)

    def _tell(self, record: Reservation, index: int, gone_j: int, code: ErrorCode, out: Outbox) -> None:
        if record.is_transit:
            return
        remaining = record.granted.get(index)
        remaining_j = 0 if remaining is None else remaining.energy_j
        self._listener.reduced(record, index, remaining_j)
        out.emit(unbooked_event(record, index, gone_j, code, remaining_j))

    def _pass_on(self, record: Reservation, cut: Cut, remains: Mapping[int, int], out: Outbox) -> None:
        for leg in record.legs():
            if leg.port.neighbor != cut.source:
                self._send(leg, cut.curtail, remains, out)

    def _send(self, leg: Leg, curtail: Envelope, remains: Mapping[int, int], out: Outbox) -> None:
        items = tuple(PacketEnergy(index=i, energy_j=remains[i]) for i in sorted(remains))
        if items:
            self._hop.send(leg.port.neighbor, CurtailHop(curtail=curtail, items=items), out, (curtail,))

    # --- time, and neighbours that come back

    def due(self, now: Now, out: Outbox) -> None:
        """Carry out the announced cuts whose instant has come."""
        for record in list(self._waiting.values()):
            ripe = [n for n in record.notices if n.effective_utc_ms <= now.utc_ms]
            standing = record.state in (ReservationState.COMMITTED, ReservationState.RELEASED)
            if ripe or not standing:
                record.notices = tuple(n for n in record.notices if n not in ripe) if standing else ()
                record.touch()
            for cut in ripe if standing else ():
                body = self._hop.sealer.open(cut.curtail, Curtail).body
                self._apply(record, cut, body.code, out)
            if not record.notices:
                del self._waiting[record.key]

    def deadline_ns(self, now: Now) -> int | None:
        """When the next announced cut takes effect."""
        at_ms = (n.effective_utc_ms for record in self._waiting.values() for n in record.notices)
        first = min(at_ms, default=None)
        return None if first is None else now.monotonic_ns + max(0, first - now.utc_ms) * NS_PER_MS

    def neighbor_up(self, neighbor: NodeId, now: Now, out: Outbox) -> None:
        """A session stands again: say once more what was cut while it was down."""
        for record in self._hop.table.all():
            leg = _leg_to(record, neighbor)
            if leg is not None and (leg.toward_origin or record.receipt):
                self._repeat(record, leg, now, out)

    def receipt(self, body: Receipt, now: Now, out: Outbox) -> None:
        """The near neighbour has COMMITTED only now: what was cut since then it has not heard."""
        record = self._hop.table.require(body.reservation, body.version)
        if record.toward_initiator is not None:
            self._repeat(record, record.toward_initiator, now, out)

    def _repeat(self, record: Reservation, leg: Leg, now: Now, out: Outbox) -> None:
        """Tell one side of a reservation all its cuts again."""
        if record.state is not ReservationState.COMMITTED and not record.release_open:
            return
        if record.curtail is not None:
            curtail = self._in_our_time(record, record.curtail, now)
            self._send(leg, curtail, self._cut_elsewhere(record, leg, now), out)
        for notice in record.notices:
            if notice.source != leg.port.neighbor:
                self._send(leg, notice.curtail, self.remains(record, notice), out)

    def _in_our_time(self, record: Reservation, curtail: Envelope, now: Now) -> Envelope:
        """A cut that stands; one of our own anew when our clock was far ahead: nobody else would take it."""
        body = self._hop.sealer.open(curtail, Curtail).body
        if body.node != self._hop.config.node or body.effective_utc_ms <= now.utc_ms + AHEAD_MS:
            return curtail
        record.curtail = self._hop.sealer.seal(replace(body, effective_utc_ms=now.utc_ms)).envelope
        record.touch()
        return record.curtail

    def _cut_elsewhere(self, record: Reservation, leg: Leg, now: Now) -> dict[int, int]:
        """What cuts have left here, but for those that came over this leg: they are known there."""
        left: dict[int, int] = {}
        for source, said in record.cut_by.items():
            for index, energy_j in said.items() if source != leg.port.neighbor else ():
                phase = phase_of(self._hop.config.parameters, record.slots[index], now)
                if phase < Phase.OVER:
                    left[index] = min(energy_j, left.get(index, energy_j))
        return left

    def restore(self, record: Reservation) -> None:
        """A record of an earlier life: its announced cuts still wait for their instant."""
        for notice in record.notices:
            for index, energy_j in self.remains(record, notice).items():
                record.expected[index] = min(record.expected_j(index), energy_j)
            self._waiting[record.key] = record

    def changed_slots(self) -> tuple[Slot, ...]:
        """Slots of which something was cut since the last call."""
        changed = tuple(self._changed)
        self._changed.clear()
        return changed


def curtailed_event(record: Reservation, index: int, energy_j: int, cut: Cut, body: Curtail) -> Curtailed:
    """What the host is told about a cut of one of its own packets."""
    return Curtailed(
        reservation=body.reservation,
        index=index,
        slot=record.slots[index],
        remaining_j=energy_j,
        effective_utc_ms=cut.effective_utc_ms,
        node=body.node,
        code=body.code,
    )


def _leg_to(record: Reservation, neighbor: NodeId | None) -> Leg | None:
    return next((leg for leg in record.legs() if leg.port.neighbor == neighbor), None)
