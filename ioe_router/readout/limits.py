"""Limits: what bounds a link in a slot, the own devices, and every table; and how much of it is used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from ioe_router.core.parts import Parts
from ioe_router.core.ports import Port
from ioe_router.model.grid import Exchange
from ioe_router.model.ids import LinkId, NodeId
from ioe_router.model.routing import Flow
from ioe_router.model.slot import Slot
from ioe_router.readout.values import ALL_SLOTS, Reason, SlotRange


class LimitKind(IntEnum):
    """What a limit bounds; the numbers are those of the control service."""

    LINK = 1
    CONNECTION = 2
    TABLE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRow:
    """A bound and what is used of it, in `unit`: J, W or rows."""

    kind: LimitKind
    name: str
    link: LinkId | None = None
    neighbor: NodeId | None = None
    slot_utc_s: int = 0
    direction: Exchange = Exchange.UNSPECIFIED
    used: int
    bound: int
    unit: str
    reason: Reason


def limit_rows(
    parts: Parts,
    present: Slot,
    *,
    kind: LimitKind | None = None,
    neighbor: NodeId | None = None,
    slots: SlotRange = ALL_SLOTS,
) -> Iterator[LimitRow]:
    """Links first, slot by slot, then the connection, then tables; without a range the open slots."""
    if kind in (None, LimitKind.LINK):
        yield from _links(parts, present, neighbor, slots)
    if kind in (None, LimitKind.CONNECTION) and neighbor is None:
        yield from _connection(parts, present)
    if kind in (None, LimitKind.TABLE) and neighbor is None:
        yield from _tables(parts)


def _links(parts: Parts, present: Slot, neighbor: NodeId | None, slots: SlotRange) -> Iterator[LimitRow]:
    for port in parts.ports.all():
        if neighbor not in (None, port.neighbor):
            continue
        known = {slot for slot in port.calendar.slots() if slot >= present or not slots.is_open}
        for slot in sorted(known | {present}):
            if slots.has(slot):
                yield _link(parts, port, slot, Exchange.IMPORT)
                yield _link(parts, port, slot, Exchange.EXPORT)


def _link(parts: Parts, port: Port, slot: Slot, direction: Exchange) -> LimitRow:
    ledger, limits = port.calendar.ledger(slot), parts.ports.limits(port, slot)
    out = port.flow_from_here()
    flow = out if direction is Exchange.EXPORT else Flow.UP if out is Flow.DOWN else Flow.DOWN
    return LimitRow(
        kind=LimitKind.LINK,
        name="link",
        link=port.link,
        neighbor=port.neighbor,
        slot_utc_s=slot,
        direction=direction,
        used=0 if ledger is None else ledger.used_j(flow),
        bound=0 if limits is None else limits.of(flow),
        unit="J",
        reason=_bounded_by(port, bookable=limits is not None),
    )


def _bounded_by(port: Port, *, bookable: bool) -> Reason:
    if not bookable:
        return Reason(code="NOT_BOOKABLE", text="no valid operating envelope of the zone for this slot")
    if port.radial:
        return Reason(code="envelope", text="the zone's operating envelope and the link's rating")
    return Reason(code="rating", text="the link's rating")


def _connection(parts: Parts, present: Slot) -> Iterator[LimitRow]:
    config = parts.config
    own = next((e for e in parts.fib.entries if e.link is None and e.slot == present), None)
    for direction, bound in (
        (Exchange.IMPORT, config.connection_import_w),
        (Exchange.EXPORT, config.connection_export_w),
    ):
        used_j = own.energy_j if own is not None and own.direction is direction else 0
        yield LimitRow(
            kind=LimitKind.CONNECTION,
            name=f"connection.{direction.name.lower()}_w",
            slot_utc_s=present,
            direction=direction,
            used=used_j // config.parameters.slot_s,
            bound=bound,
            unit="W",
            reason=Reason(code="configured", text="[connection] of the configuration"),
        )


def _tables(parts: Parts) -> Iterator[LimitRow]:
    limits, tables = parts.config.limits, parts.routing.tables
    origins = {origin for origin, _ in tables.loc_rib.targets()}
    keys, attestations = parts.evidence.sizes()
    for name, used in (
        ("neighbors", len(parts.config.neighbors)),
        ("origins", len(origins)),
        ("reservations", len(parts.reservations.all())),
        ("packets", parts.reservations.open_packets),
        ("keys", keys),
        ("attestations", attestations),
        ("link_states", parts.routing.link_states_known),
    ):
        yield LimitRow(
            kind=LimitKind.TABLE,
            name=f"limits.{name}",
            used=used,
            bound=getattr(limits, name),
            unit="rows",
            reason=Reason(code="configured", text="[limits] of the configuration"),
        )
