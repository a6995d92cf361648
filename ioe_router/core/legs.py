"""One packet batch on one link: admission, mirror, trim and withdrawal (SPEC sections 8 to 10).

A reservation crosses a node on two legs, one toward the initiator and one
toward the origin.  On each link the *near* end is the initiator's side and the
*far* end the origin's side; what is fixed at the near end follows from the
direction of the offer:

    SUPPLY   energy flows far -> near:   near = received (y), far = sent (s)
    DEMAND   energy flows near -> far:   near = sent (s),     far = received (y)

so the hop code is the same for both.  Only the keeper computes entries; the
other end mirrors what the keeper signed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ioe_router.core.calendar import BatchKey, LiveEntry, PacketKey, Room, SlotLedger
from ioe_router.core.loss import Increment, opposite, price_after_link, price_before_link
from ioe_router.core.ports import Port, Ports
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.ids import PathHash, ReservationId
from ioe_router.model.reservation import KeeperEntry, LedgerLine
from ioe_router.model.routing import Direction, Flow
from ioe_router.model.slot import Slot


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """A reservation's way over one link, seen from this node's end."""

    port: Port
    direction: Direction
    toward_origin: bool  # we are the near end
    fee_micro_per_kwh: int
    label: PathHash  # path hash that the far end knows the rest of the path by
    reservation: ReservationId
    version: int

    def key(self, index: int) -> PacketKey:
        """Ledger key of one packet."""
        return (self.reservation, self.version, index)

    @property
    def batch(self) -> BatchKey:
        """The reservation's name in the ledger."""
        return (self.reservation, self.version)

    @property
    def flow(self) -> Flow:
        """Sense of the energy on the link."""
        outward = self.toward_origin is (self.direction is Direction.DEMAND)
        here = self.port.flow_from_here()
        return here if outward else opposite(here)

    def near_j(self, increment: Increment) -> int:
        """Energy at the initiator's side of the link."""
        return increment.received_j if self.direction is Direction.SUPPLY else increment.sent_j

    def far_j(self, increment: Increment) -> int:
        """Energy at the origin's side of the link."""
        return increment.sent_j if self.direction is Direction.SUPPLY else increment.received_j

    def near_of_line(self, line: LedgerLine) -> int:
        """Energy at the initiator's side by a keeper's line."""
        return line.received_j if self.direction is Direction.SUPPLY else line.sent_j

    def far_of_line(self, line: LedgerLine) -> int:
        """Energy at the origin's side by a keeper's line."""
        return line.sent_j if self.direction is Direction.SUPPLY else line.received_j

    def live(self, slots: dict[int, Slot]) -> tuple[tuple[int, LiveEntry], ...]:
        """This node's ledger lines of the batch on the leg's link, by index."""
        found = []
        for index, slot in sorted(slots.items()):
            ledger = self.port.calendar.ledger(slot)
            entry = None if ledger is None else ledger.entries.get(self.key(index))
            if entry is not None:
                found.append((index, entry))
        return tuple(found)

    def near_price(self, far_price: int, increment: Increment) -> int:
        """Price at the near end, from the price at the far end."""
        convert = price_after_link if self.direction is Direction.SUPPLY else price_before_link
        return convert(far_price, increment, self.fee_micro_per_kwh)


class LegBook:
    """Ledger operations on legs; knows the ports, keeps no state of its own."""

    def __init__(self, ports: Ports) -> None:
        """Operate on the calendars behind these ports."""
        self._ports = ports

    def entry(self, leg: Leg, slot: Slot, index: int) -> LiveEntry | None:
        """The live entry of a packet on the leg's link."""
        ledger = leg.port.calendar.ledger(slot)
        return None if ledger is None else ledger.entries.get(leg.key(index))

    def room(self, leg: Leg, slot: Slot) -> Room:
        """As keeper: what a packet of the leg's reservation finds on the link.

        PeerError NOT_BOOKABLE without a valid envelope, whatever is booked already.
        """
        ledger = self.ledger(leg, slot)
        if self._ports.limits(leg.port, slot) is None:
            raise PeerError(ErrorCode.NOT_BOOKABLE, "the link's operating envelope has ended")
        return ledger.room(leg.flow, leg.batch)

    def admit(self, leg: Leg, slot: Slot, index: int, near_j: int, room: Room) -> LiveEntry | None:
        """As keeper: enter the packet, or the largest smaller one that fits `room`; None if nothing fits."""
        ledger = self.ledger(leg, slot)
        admit = (
            leg.port.calendar.admit_received
            if leg.direction is Direction.SUPPLY
            else leg.port.calendar.admit_sent
        )
        increment = admit(ledger, near_j, leg.flow, room)
        if increment is None:
            return None
        return self._enter(leg, ledger, index, increment)

    def trim(self, leg: Leg, slot: Slot, index: int, far_j: int) -> LiveEntry | None:
        """As keeper: re-enter the packet at the current net energy so that the far end has just `far_j`.

        Others have come and gone since it was admitted, so its loss may have
        changed either way: the near end never has more than before.
        """
        ledger = self.ledger(leg, slot)
        old = ledger.withdraw(leg.key(index))
        if old is None or far_j <= 0:
            return None
        most_j, room = leg.near_j(old.increment), ledger.room(leg.flow, leg.batch)
        if leg.direction is Direction.SUPPLY:
            increment = leg.port.model.for_sent(room.net_j, far_j, leg.flow)
            if increment is not None and increment.received_j > most_j:
                increment = replace(increment, received_j=most_j)
        else:
            increment = leg.port.model.for_received(room.net_j, far_j, leg.flow, 2 * far_j + 2)
        if increment is None or not 0 < leg.near_j(increment) <= most_j:
            return None
        if max(increment.sent_j, increment.received_j) > room.free_j:
            return None
        return self._enter(leg, ledger, index, increment)

    def mirror(self, leg: Leg, slot: Slot, line: LedgerLine) -> LiveEntry:
        """As the other end: enter what the keeper signed, in place of an earlier entry of the packet."""
        if line.slot_utc_s != slot:
            raise PeerError(ErrorCode.GRANT_CHANGED, "the keeper's entry is for another slot")
        if line.flow_j == 0 or line.sent_j == 0 or line.received_j == 0:
            raise PeerError(ErrorCode.ZERO_ENERGY, "keeper entry with zero energy")
        ledger = self.ledger(leg, slot)
        ledger.withdraw(leg.key(line.index))
        entry = LiveEntry(
            number=line.number,
            flow=leg.flow,
            increment=Increment(flow_j=line.flow_j, sent_j=line.sent_j, received_j=line.received_j),
        )
        ledger.enter(leg.key(line.index), entry)
        return entry

    def withdraw(self, leg: Leg, slot: Slot, index: int) -> None:
        """Take the packet out of the ledger; idempotent."""
        ledger = leg.port.calendar.ledger(slot)
        if ledger is not None:
            ledger.withdraw(leg.key(index))

    def settle_price(self, leg: Leg, slot: Slot, index: int, near_price: int) -> None:
        """Note the price of a committed packet, from which its obligation follows."""
        ledger = leg.port.calendar.ledger(slot)
        if ledger is not None and leg.key(index) in ledger.entries:
            ledger.price(leg.key(index), near_price, leg.direction)

    def keeper_entry(
        self, leg: Leg, slots: dict[int, Slot], indexes: Iterable[int], *, final: bool
    ) -> KeeperEntry:
        """What the keeper signs for the live packets among `indexes`."""
        lines = []
        for index in indexes:
            entry = self.entry(leg, slots[index], index)
            if entry is not None:
                lines.append(_line(index, slots[index], entry))
        return KeeperEntry(
            link=leg.port.link,
            reservation=leg.reservation,
            version=leg.version,
            flow=leg.flow,
            final=final,
            lines=tuple(lines),
        )

    def ledger(self, leg: Leg, slot: Slot) -> SlotLedger:
        """The slot's ledger on the leg's link. PeerError NOT_BOOKABLE while nothing may be booked."""
        ledger = self._ports.ledger(leg.port, slot)
        if ledger is None:
            raise PeerError(ErrorCode.NOT_BOOKABLE, "no valid operating envelope for the link in this slot")
        return ledger

    def _enter(self, leg: Leg, ledger: SlotLedger, index: int, increment: Increment) -> LiveEntry:
        entry = LiveEntry(number=leg.port.calendar.next_number(), flow=leg.flow, increment=increment)
        ledger.enter(leg.key(index), entry)
        return entry


def _line(index: int, slot: Slot, entry: LiveEntry) -> LedgerLine:
    return LedgerLine(
        index=index,
        number=entry.number,
        slot_utc_s=slot,
        flow_j=entry.increment.flow_j,
        sent_j=entry.increment.sent_j,
        received_j=entry.increment.received_j,
    )
