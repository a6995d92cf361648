"""Obligations: who owes whom for a slot, per link and with the balance party (SPEC section 12)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from ioe_router.core.commands import settled_packets
from ioe_router.core.parts import Parts
from ioe_router.core.ports import Port
from ioe_router.core.settled import SettledPacket, SlotOnLink
from ioe_router.model.ids import LinkId, NodeId
from ioe_router.model.settlement import Deviation, ImbalanceRecord
from ioe_router.model.slot import Slot
from ioe_router.readout.values import ALL_SLOTS, SlotRange


class ObligationKind(IntEnum):
    """What it is about; the numbers are those of the control service."""

    LINK = 1
    IMBALANCE = 2


class ObligationState(IntEnum):
    """How far it is settled; the numbers are those of the control service."""

    BOOKED = 1
    STATED = 2
    AGREED = 3
    DISPUTED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ObligationRow:
    """Amounts in micro-units, energies in joules; `link` None for an imbalance."""

    slot_utc_s: int
    kind: ObligationKind
    counterparty: NodeId
    link: LinkId | None = None
    state: ObligationState
    packets: int = 0
    owed_to_us_micro: int
    owed_by_us_micro: int
    booked_import_j: int = 0
    booked_export_j: int = 0
    metered_import_j: int = 0
    metered_export_j: int = 0
    metered: bool = False
    deviation_j: int = 0
    price_micro_per_kwh: int = 0


def obligation_rows(
    parts: Parts,
    *,
    neighbor: NodeId | None = None,
    state: ObligationState | None = None,
    slots: SlotRange = ALL_SLOTS,
) -> Iterator[ObligationRow]:
    """Slot by slot, links before imbalances."""
    rows = sorted((*_links(parts), *_imbalances(parts)), key=lambda row: (row.slot_utc_s, row.kind))
    for row in rows:
        if neighbor in (None, row.counterparty) and state in (None, row.state) and slots.has(row.slot_utc_s):
            yield row


def _links(parts: Parts) -> Iterator[ObligationRow]:
    settled = parts.settlement.rows
    for port in parts.ports.all():
        slots = {slot for slot, link in settled if link == port.link} | set(port.calendar.slots())
        for slot in slots:
            row = settled.get((slot, port.link), SlotOnLink())
            packets = row.packets or settled_packets(parts, port.link, slot)
            if packets or row.booked is not None:
                yield _link_row(parts, port, slot, row, packets)


def _link_row(
    parts: Parts, port: Port, slot: Slot, row: SlotOnLink, packets: tuple[SettledPacket, ...]
) -> ObligationRow:
    booked = row.booked or parts.supply.booked(slot)[port.link]
    here = port.flow_from_here()
    meter = None if row.own_meter is None else row.own_meter.body
    return ObligationRow(
        slot_utc_s=slot,
        kind=ObligationKind.LINK,
        counterparty=port.neighbor,
        link=port.link,
        state=_state(row),
        packets=len(packets),
        owed_to_us_micro=_sum(p for p in packets if p.flow is here),
        owed_by_us_micro=_sum(p for p in packets if p.flow is not here),
        booked_import_j=booked.imported_j,
        booked_export_j=booked.exported_j,
        metered_import_j=0 if meter is None else meter.imported_j,
        metered_export_j=0 if meter is None else meter.exported_j,
        metered=meter is not None,
    )


def _sum(packets: Iterable[SettledPacket]) -> int:
    return sum(packet.obligation_micro for packet in packets)


def _state(row: SlotOnLink) -> ObligationState:
    if row.agreed is not None:
        return ObligationState.AGREED if row.agreed else ObligationState.DISPUTED
    return ObligationState.BOOKED if row.own_statement is None else ObligationState.STATED


def _imbalances(parts: Parts) -> Iterator[ObligationRow]:
    for own in parts.imbalance.own:
        state = ObligationState.AGREED if own.settled else ObligationState.STATED
        yield _imbalance(own.record.body, own.record.body.party, state, ours=True)
    for held in parts.imbalance.held:
        yield _imbalance(held.body, held.body.node, ObligationState.AGREED, ours=False)


def _imbalance(
    body: ImbalanceRecord, counterparty: NodeId, state: ObligationState, *, ours: bool
) -> ObligationRow:
    """SHORT: the node pays its party; LONG: it is paid."""
    by_us = (body.deviation is Deviation.SHORT) is ours
    return ObligationRow(
        slot_utc_s=body.slot_utc_s,
        kind=ObligationKind.IMBALANCE,
        counterparty=counterparty,
        state=state,
        owed_to_us_micro=0 if by_us else body.amount_micro,
        owed_by_us_micro=body.amount_micro if by_us else 0,
        deviation_j=body.energy_j,
        price_micro_per_kwh=body.price_micro_per_kwh,
    )
