"""The keeper's ledger of one link, slot by slot (SPEC section 9): who may use how much.

The keeper alone admits, in both directions, and numbers its decisions; the
other end keeps the same ledger from the signed entries as a mirror.  Admission
is gross per direction: a counter-flow makes energy cheaper, never room.

    sum of max(s, y) in the direction <= limit

The limit has the forecast margin taken off already (`ports.py`).
Netting affects the loss price only: `net_j` is the signed sum of the flows of
all live packets, and a packet is charged the increment at the net energy it
finds.  Leaving is an entry of -d at the then current net energy; what no live
packet carries is the link's loss account.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ioe_router.core.loss import Increment, LinkModel, signed
from ioe_router.model.errors import UsageError, invariant
from ioe_router.model.ids import ReservationId
from ioe_router.model.routing import Direction, Flow
from ioe_router.model.slot import Slot

PacketKey = tuple[ReservationId, int, int]  # reservation, version, index
BatchKey = tuple[ReservationId, int]  # reservation, version


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveEntry:
    """A packet that occupies the link: its energies, its sense and the keeper's number."""

    number: int
    flow: Flow
    increment: Increment
    price_micro_per_kwh: int | None = None  # at the end nearer the initiator, once committed
    direction: Direction | None = None  # of the offer, once committed
    uncut: Increment | None = None  # as it was committed, once it has been cut

    @property
    def gross_j(self) -> int:
        """What the packet takes of its direction's limit."""
        return max(self.increment.sent_j, self.increment.received_j)

    @property
    def committed(self) -> Increment:
        """The packet's energies before any cut."""
        return self.uncut or self.increment


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotLimits:
    """Most energy in a slot per direction, joules, after background and reactive flow."""

    down_j: int
    up_j: int

    def of(self, flow: Flow) -> int:
        """The limit of one direction."""
        return self.down_j if flow is Flow.DOWN else self.up_j


@dataclass(frozen=True, slots=True)
class Room:
    """What an admission finds on a link in one slot and direction."""

    free_j: int
    net_j: int


@dataclass(slots=True)
class SlotLedger:
    """All live packets of one link in one slot.

    Where a batch is to replace another (`pairs`, new to old), only the larger
    of the two counts, since only one of them will be there in the end.
    """

    limits: SlotLimits
    pairs: dict[BatchKey, BatchKey] = field(default_factory=dict)  # of the calendar
    net_j: int = 0
    used_down_j: int = 0
    used_up_j: int = 0
    changed: bool = False  # since somebody looked
    entries: dict[PacketKey, LiveEntry] = field(default_factory=dict)

    def used_j(self, flow: Flow) -> int:
        """Gross use of one direction."""
        if not self.pairs:
            return self.booked_j(flow)
        shared = sum(min(self.batch_j(new, flow), self.batch_j(old, flow)) for new, old in self.pairs.items())
        return self.booked_j(flow) - shared

    def booked_j(self, flow: Flow) -> int:
        """The sum over all live packets of one direction."""
        return self.used_down_j if flow is Flow.DOWN else self.used_up_j

    def batch_j(self, batch: BatchKey, flow: Flow) -> int:
        """Gross use of one reservation in one direction."""
        return sum(e.gross_j for key, e in self.entries.items() if key[:2] == batch and e.flow is flow)

    def room(self, flow: Flow, batch: BatchKey) -> Room:
        """What a packet of `batch` finds: without whatever the batch is to replace."""
        old = self.pairs.get(batch)
        if old is None:
            return Room(self.free_j(flow), self.net_j)
        more_j = max(0, self.batch_j(old, flow) - self.batch_j(batch, flow))
        replaced = [entry for key, entry in self.entries.items() if key[:2] == old]
        net_j = self.net_j - sum(signed(entry.increment.flow_j, entry.flow) for entry in replaced)
        return Room(max(0, self.limits.of(flow) - self.used_j(flow) + more_j), net_j)

    def free_j(self, flow: Flow) -> int:
        """Room left in one direction; never negative."""
        return max(0, self.limits.of(flow) - self.used_j(flow))

    def enter(self, key: PacketKey, entry: LiveEntry) -> None:
        """Book a packet. UsageError if the key is live already."""
        if key in self.entries:
            raise UsageError("packet is already booked on this link; withdraw it first")
        self.entries[key] = entry
        self._add(entry, 1)

    def withdraw(self, key: PacketKey) -> LiveEntry | None:
        """Take a packet out at the current net energy; None if it is not live (idempotent)."""
        entry = self.entries.pop(key, None)
        if entry is not None:
            self._add(entry, -1)
        return entry

    def price(self, key: PacketKey, price_micro_per_kwh: int, direction: Direction) -> None:
        """A live packet is committed: note its price at the end nearer the initiator."""
        self.entries[key] = replace(
            self.entries[key], price_micro_per_kwh=price_micro_per_kwh, direction=direction
        )

    def cut(self, key: PacketKey, increment: Increment) -> None:
        """A committed packet is curtailed to these energies; what it was committed with is kept."""
        old = self.entries[key]
        self._add(old, -1)
        self.entries[key] = replace(old, increment=increment, uncut=old.committed)
        self._add(self.entries[key], 1)

    def _add(self, entry: LiveEntry, sign: int) -> None:
        gross = sign * entry.gross_j
        self.changed = True
        self.net_j += sign * signed(entry.increment.flow_j, entry.flow)
        if entry.flow is Flow.DOWN:
            self.used_down_j += gross
        else:
            self.used_up_j += gross

    def check(self) -> None:
        """Sums equal the live entries and stay inside the limits (both ends, every slot)."""
        net = sum(signed(e.increment.flow_j, e.flow) for e in self.entries.values())
        invariant(net == self.net_j, "net energy differs from the live packets")
        for flow in (Flow.DOWN, Flow.UP):
            gross = sum(e.gross_j for e in self.entries.values() if e.flow is flow)
            invariant(gross == self.booked_j(flow), "gross use differs from the live packets")


class LinkCalendar:
    """Ledgers of one link. `limits_for(slot)` is asked once, when a slot is first touched."""

    def __init__(self, model: LinkModel) -> None:
        """An empty calendar of a link with this loss model."""
        self.model = model
        self.pairs: dict[BatchKey, BatchKey] = {}  # what is to replace what
        self._slots: dict[Slot, SlotLedger] = {}
        self._number = 0

    def next_number(self) -> int:
        """The next line number of this keeper on this link."""
        self._number += 1
        return self._number

    def ledger(self, slot: Slot) -> SlotLedger | None:
        """The ledger of a slot, None if nothing was ever opened for it."""
        return self._slots.get(slot)

    def open(self, slot: Slot, limits: SlotLimits) -> SlotLedger:
        """The ledger of a slot, with these limits from now on; lower limits never remove live packets."""
        ledger = self._slots.get(slot)
        if ledger is None:
            ledger = self._slots[slot] = SlotLedger(limits, self.pairs)
        if ledger.limits != limits:
            ledger.limits, ledger.changed = limits, True
        return ledger

    def restore(self, slot: Slot, key: PacketKey, entry: LiveEntry) -> None:
        """Book a packet of an earlier life, whatever the limits are by now. UsageError if it is booked.

        Until the slot's limits are known nothing else fits beside what is restored.
        """
        ledger = self._slots.get(slot)
        if ledger is None:
            ledger = self._slots[slot] = SlotLedger(SlotLimits(down_j=0, up_j=0), self.pairs)
        ledger.enter(key, entry)
        limits = ledger.limits
        ledger.limits = SlotLimits(
            down_j=max(limits.down_j, ledger.used_down_j), up_j=max(limits.up_j, ledger.used_up_j)
        )
        self.number_from(entry.number)

    def number_from(self, number: int) -> None:
        """Numbers up to this one have been used; none is used twice."""
        self._number = max(self._number, number)

    @property
    def last_number(self) -> int:
        """The highest line number used so far."""
        return self._number

    def slots(self) -> tuple[Slot, ...]:
        """All slots with a ledger, in ascending order."""
        return tuple(sorted(self._slots))

    def changed(self) -> list[tuple[Slot, SlotLedger]]:
        """Ledgers that have changed since the last call."""
        changed = [(slot, ledger) for slot, ledger in self._slots.items() if ledger.changed]
        for _, ledger in changed:
            ledger.changed = False
        return changed

    def forget_before(self, slot: Slot) -> None:
        """Drop ledgers of slots before `slot` (settled, outcome retention over)."""
        for old in [s for s in self._slots if s < slot]:
            del self._slots[old]

    def admit_received(
        self, ledger: SlotLedger, received_j: int, flow: Flow, room: Room | None = None
    ) -> Increment | None:
        """The packet that delivers `received_j`, or the largest smaller one that fits; None if none does."""
        if received_j <= 0:
            return None
        room = room or Room(ledger.free_j(flow), ledger.net_j)
        wanted = self.model.for_received(room.net_j, received_j, flow, 2 * received_j + 2)
        if wanted is not None and wanted.sent_j <= 0:
            return None  # so far against the flow that nothing would have to be sent: no packet is free
        if wanted is not None and max(wanted.sent_j, wanted.received_j) <= room.free_j:
            return wanted
        found = self.largest(room, flow)
        return found if found is not None and found.received_j <= received_j else None

    def admit_sent(
        self, ledger: SlotLedger, sent_j: int, flow: Flow, room: Room | None = None
    ) -> Increment | None:
        """The packet that takes `sent_j`, or the largest smaller one that fits; None if none does."""
        if sent_j <= 0:
            return None
        room = room or Room(ledger.free_j(flow), ledger.net_j)
        wanted = self.model.for_sent(room.net_j, sent_j, flow)
        if wanted is None or wanted.received_j <= 0:
            return None
        if max(wanted.sent_j, wanted.received_j) <= room.free_j:
            return wanted
        found = self.largest(room, flow)
        return found if found is not None and found.sent_j <= sent_j else None

    def largest(self, room: Room, flow: Flow) -> Increment | None:
        """The largest packet whose both port energies fit the room and are above 0."""
        low, high = 0, room.free_j + abs(self.model.loss_j(room.net_j)) + 2
        while high - low > 1:
            middle = (low + high) // 2
            entry = self.model.entry(room.net_j, middle, flow)
            if max(entry.sent_j, entry.received_j) <= room.free_j:
                low = middle
            else:
                high = middle
        found = self.model.entry(room.net_j, low, flow)
        return found if low and found.received_j > 0 and found.sent_j > 0 else None
