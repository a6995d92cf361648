"""What a cut makes of a committed packet, as numbers (SPEC section 10.11).

A cut states what remains of a packet at one end of a link.  The other end
follows in proportion to the packet as it was committed, so that both ends of
the link compute the same line without asking each other:

    other' = max(1, floor(other * remains / committed))        nothing remains: the packet is gone

Cuts only ever lower.  Two that cross on their way are joined by the smaller
figure at each end; since each is taken from the committed packet, the result
does not depend on their order, and the same cut twice is one.
"""

from __future__ import annotations

from dataclasses import dataclass

from ioe_router.core.calendar import LiveEntry
from ioe_router.core.legs import Leg
from ioe_router.core.loss import Increment
from ioe_router.model.envelope import Envelope
from ioe_router.model.ids import NodeId
from ioe_router.model.reservation import PacketEnergy
from ioe_router.model.routing import Direction
from ioe_router.model.slot import Slot


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A signed CURTAIL, and what whoever told us says of its own port; `source` None: this node cuts."""

    curtail: Envelope
    effective_utc_ms: int
    source: NodeId | None
    items: tuple[PacketEnergy, ...]


def cut_near(leg: Leg, entry: LiveEntry, near_j: int) -> Increment:
    """The packet once no more than `near_j` (above 0) remains at the near end of the link."""
    far_j = _share(leg.far_j(entry.committed), near_j, leg.near_j(entry.committed))
    return _joined(leg, entry, near_j, far_j)


def cut_far(leg: Leg, entry: LiveEntry, far_j: int) -> Increment:
    """The packet once no more than `far_j` (above 0) remains at the far end of the link."""
    near_j = _share(leg.near_j(entry.committed), far_j, leg.far_j(entry.committed))
    return _joined(leg, entry, near_j, far_j)


def cut_here(leg: Leg, entry: LiveEntry, energy_j: int) -> Increment:
    """The packet once no more than `energy_j` remains at this node's end."""
    return (cut_near if leg.toward_origin else cut_far)(leg, entry, energy_j)


def cut_there(leg: Leg, entry: LiveEntry, energy_j: int) -> Increment:
    """The packet once no more than `energy_j` remains at the neighbour's end."""
    return (cut_far if leg.toward_origin else cut_near)(leg, entry, energy_j)


def left_here(leg: Leg, entry: LiveEntry, energy_j: int) -> int:
    """What a cut to `energy_j` at the neighbour's end leaves at this node's end."""
    if energy_j == 0:
        return 0
    near_j, far_j = leg.near_j(entry.committed), leg.far_j(entry.committed)
    return _share(near_j, energy_j, far_j) if leg.toward_origin else _share(far_j, energy_j, near_j)


def there_j(leg: Leg, increment: Increment) -> int:
    """Energy of a packet at the neighbour's end."""
    return leg.far_j(increment) if leg.toward_origin else leg.near_j(increment)


def _joined(leg: Leg, entry: LiveEntry, near_j: int, far_j: int) -> Increment:
    """This cut together with the earlier ones: the smaller figure at each end."""
    near_j = min(near_j, leg.near_j(entry.increment))
    far_j = min(far_j, leg.far_j(entry.increment))
    flow_j = _share(entry.committed.flow_j, near_j, leg.near_j(entry.committed))
    supply = leg.direction is Direction.SUPPLY
    return Increment(
        flow_j=flow_j, sent_j=far_j if supply else near_j, received_j=near_j if supply else far_j
    )


def _share(whole_j: int, remains_j: int, committed_j: int) -> int:
    return max(1, whole_j * remains_j // committed_j)


def cut_line(leg: Leg, slot: Slot, index: int, *, here: int | None = None, there: int | None = None) -> bool:
    """Lower a booked packet on one link, as stated at our end or the neighbour's; whether that changed it."""
    entry, ledger = live_entry(leg, slot, index), leg.port.calendar.ledger(slot)
    if ledger is None or entry is None:
        return False  # replaced on this link in the meantime
    increment = cut_here(leg, entry, here) if here is not None else cut_there(leg, entry, there or 1)
    if increment == entry.increment:
        return False
    ledger.cut(leg.key(index), increment)
    return True


def live_entry(leg: Leg, slot: Slot, index: int) -> LiveEntry | None:
    """The booked packet on a leg's link, None when it is not booked there."""
    ledger = leg.port.calendar.ledger(slot)
    return None if ledger is None else ledger.entries.get(leg.key(index))
