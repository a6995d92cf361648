"""Energy in is energy out plus loss, at every node and on every link, to the joule.

*At a node* a committed packet leaves with just what it arrived with: what the
link toward the origin delivers is what the link toward the initiator takes.
*At the gate* a node's devices are booked for what its ports bring.
*On a link* both ends have the same figures for every packet that both hold
as committed (`agreement.py` compares them).
"""

from __future__ import annotations

from collections.abc import Sequence

from ioe_router.core.calendar import LiveEntry
from ioe_router.core.effects import Effect, Emit
from ioe_router.core.events import SlotClosed
from ioe_router.core.legs import Leg
from ioe_router.core.reservation import Reservation
from ioe_router.model.reservation import ReservationState
from ioe_router.model.routing import Direction, Flow
from ioe_router.model.slot import Slot
from ioe_router.sim.checkers.verdict import require
from ioe_router.sim.checkers.watch import Change
from ioe_router.sim.host import Host


def check_energy(host: Host, change: Change, effects: Sequence[Effect]) -> None:
    """Judge the packets that became committed and the gates that closed."""
    for step in change.steps:
        if step.record.state is ReservationState.COMMITTED:
            _check_transit(host, step.record)
    for effect in effects:
        if isinstance(effect, Emit) and isinstance(effect.event, SlotClosed):
            _check_gate(host, effect.event)


def _entry(leg: Leg, slot: Slot, index: int) -> LiveEntry | None:
    ledger = leg.port.calendar.ledger(slot)
    return None if ledger is None else ledger.entries.get(leg.key(index))


def _check_transit(host: Host, record: Reservation) -> None:
    near, far = record.toward_initiator, record.toward_origin
    supply = record.core.body.direction is Direction.SUPPLY
    for index in record.accepted:
        slot = record.slots[index]
        name = f"packet {index} of {record.key[0].hex()[:8]}"
        for leg in record.legs():
            require(_entry(leg, slot, index) is not None, host, f"{name} is committed without capacity")
        if near is None or far is None:
            continue
        one, other = _entry(near, slot, index), _entry(far, slot, index)
        if one is None or other is None:
            continue
        leaves = one.increment.sent_j if supply else one.increment.received_j
        comes = other.increment.received_j if supply else other.increment.sent_j
        require(leaves == comes, host, f"{name}: {comes} J on the side of its origin, {leaves} J beyond")


def _check_gate(host: Host, closed: SlotClosed) -> None:
    assert host.router is not None  # noqa: S101 - looked at alive
    parts = host.router.inspect()
    net_j = 0
    for port in parts.ports.all():
        net_j -= parts.supply.booked(closed.slot)[port.link].supply_j
        ledger = port.calendar.ledger(closed.slot)
        outward = Flow.DOWN if port.keeper else Flow.UP
        for entry in () if ledger is None else ledger.entries.values():
            if entry.price_micro_per_kwh is None:
                continue
            out = entry.flow is outward
            net_j += -entry.increment.sent_j if out else entry.increment.received_j
    booked_j = closed.imported_j - closed.exported_j
    where = f"slot {closed.slot}"
    require(
        booked_j == net_j, host, f"{where}: devices are booked for {booked_j} J, the ports bring {net_j} J"
    )
