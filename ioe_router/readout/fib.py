"""The FIB: what each port does in the slots to come, as booked, and since its final gate as applied."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from ioe_router.core.effects import ApplySchedule
from ioe_router.core.fib import controlled_import_j, devices_import_j, exchange_of
from ioe_router.core.gates import Phase, phase_of
from ioe_router.core.parts import Parts
from ioe_router.model.clock import Now
from ioe_router.model.grid import Exchange
from ioe_router.model.ids import LinkId, NodeId
from ioe_router.model.slot import Slot
from ioe_router.readout.values import ALL_SLOTS, SlotRange


class FibState(IntEnum):
    """How certain an entry is; the numbers are those of the control service."""

    BOOKED = 1
    APPLIED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class FibRow:
    """One port in one slot; `link` None: the node's own devices."""

    slot_utc_s: int
    link: LinkId | None
    neighbor: NodeId | None
    state: FibState
    direction: Exchange
    energy_j: int
    power_w: int
    reactive: Exchange = Exchange.UNSPECIFIED
    reactive_vars: int = 0


def fib_rows(
    parts: Parts, now: Now, *, slots: SlotRange = ALL_SLOTS, neighbor: NodeId | None = None
) -> Iterator[FibRow]:
    """Slot by slot, links before the own devices; slots that are over are left out unless asked for."""
    slot_s = parts.config.parameters.slot_s
    known = {slot for port in parts.ports.all() for slot in port.calendar.slots()}
    known |= {entry.slot for entry in parts.fib.entries}
    for slot in sorted(known):
        over = slot + slot_s <= now.utc_s
        if slots.has(slot) and not (over and slots.is_open):
            yield from (row for row in _slot(parts, slot, now) if neighbor in (None, row.neighbor))


def _slot(parts: Parts, slot: Slot, now: Now) -> Iterator[FibRow]:
    booked = parts.supply.booked(slot)
    applied = {entry.link: entry for entry in parts.fib.entries if entry.slot == slot}
    closed = phase_of(parts.config.parameters, slot, now) >= Phase.CLOSED
    state = FibState.APPLIED if closed else FibState.BOOKED
    for port in parts.ports.all():
        sums = booked[port.link]
        signed = sums.net_import_j if port.radial else controlled_import_j(port, sums)
        yield _row(parts, slot, port.link, port.neighbor, state, signed, applied.get(port.link))
    own_j = devices_import_j(booked)
    yield _row(parts, slot, None, None, state, own_j, applied.get(None))


def _row(
    parts: Parts,
    slot: Slot,
    link: LinkId | None,
    neighbor: NodeId | None,
    state: FibState,
    signed_j: int,
    applied: ApplySchedule | None,
) -> FibRow:
    """What was handed to the devices, where that is still known; else what follows from the bookings."""
    direction, energy_j = exchange_of(signed_j)
    if applied is not None:
        direction, energy_j, state = applied.direction, applied.energy_j, FibState.APPLIED
    return FibRow(
        slot_utc_s=slot,
        link=link,
        neighbor=neighbor,
        state=state,
        direction=direction,
        energy_j=energy_j,
        power_w=energy_j // parts.config.parameters.slot_s,
        reactive=Exchange.UNSPECIFIED if applied is None else applied.reactive,
        reactive_vars=0 if applied is None else applied.reactive_vars,
    )
