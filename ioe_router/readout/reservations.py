"""Reservations: where each stands here, what it has come to, and the signed object that proves it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from ioe_router.codec import mapping
from ioe_router.codec.registry import REGISTRY
from ioe_router.core.loss import amount_micro
from ioe_router.core.parts import Parts
from ioe_router.core.release_path import evidence_of
from ioe_router.core.reservation import Reservation
from ioe_router.model.envelope import Envelope, ObjectType
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.ids import NodeId, ObjectId, ReservationId, object_id_of
from ioe_router.model.reservation import Failed, Refuse, ReservationState
from ioe_router.model.routing import Direction
from ioe_router.readout.values import ALL_SLOTS, NO_REASON, Reason, SlotRange, reason_of


class Part(IntEnum):
    """What this node is to a reservation; the numbers are those of the control service."""

    INITIATOR = 1
    TRANSIT = 2
    ORIGIN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationFilter:
    """Which reservations; None, UNSPECIFIED and empty are no condition."""

    neighbor: NodeId | None = None
    destination: NodeId | None = None  # its initiator or origin
    direction: Direction = Direction.UNSPECIFIED
    state: ReservationState = ReservationState.UNSPECIFIED
    part: Part | None = None
    slots: SlotRange = ALL_SLOTS
    beginning: str = ""  # of its id, hexadecimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketRow:
    """One packet; energies in joules, `asked_j` at the initiator's port, the rest at this node."""

    index: int
    slot_utc_s: int
    asked_j: int
    energy_j: int
    price_micro_per_kwh: int
    reason: Reason
    expected_j: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceRow:
    """A signed object."""

    type: str
    object: ObjectId
    signers: tuple[NodeId, ...]
    envelope: Envelope


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationRow:
    """One version of a reservation, as this node knows it."""

    reservation: ReservationId
    version: int
    state: ReservationState
    part: Part
    initiator: NodeId
    origin: NodeId
    direction: Direction
    offer_no: int
    toward_initiator: NodeId | None
    toward_origin: NodeId | None
    price_limit_micro_per_kwh: int
    priority: int
    band: int
    issued_utc_ms: int
    packets: tuple[PacketRow, ...]
    energy_j: int
    price_micro_per_kwh: int
    amount_micro: int
    first_slot_utc_s: int
    last_slot_utc_s: int
    trade_no: int
    replaces: ReservationId | None
    reason: Reason
    evidence: EvidenceRow | None


def reservation_rows(parts: Parts, wanted: ReservationFilter | None = None) -> Iterator[ReservationRow]:
    """The reservations that pass the filter, in order of arrival."""
    wanted = wanted or ReservationFilter()
    for record in parts.reservations.all():
        if _passes(record, wanted):
            yield reservation_row(parts, record)


def reservation_row(parts: Parts, record: Reservation) -> ReservationRow:
    """A copy of one record."""
    body = record.core.body
    packets = tuple(_packets(record))
    counted = [p for p in packets if p.index in record.granted]
    energy_j = sum(p.energy_j for p in counted)
    weighted = sum(p.price_micro_per_kwh * p.energy_j for p in counted)
    slots = record.slots.values()
    return ReservationRow(
        reservation=body.reservation,
        version=body.version,
        state=record.state,
        part=_part(record),
        initiator=body.initiator,
        origin=body.origin,
        direction=body.direction,
        offer_no=body.offer_no,
        toward_initiator=_neighbor(record.toward_initiator),
        toward_origin=_neighbor(record.toward_origin),
        price_limit_micro_per_kwh=body.price_limit_micro_per_kwh,
        priority=body.priority,
        band=body.band,
        issued_utc_ms=body.issued_utc_ms,
        packets=packets,
        energy_j=energy_j,
        price_micro_per_kwh=weighted // energy_j if energy_j else 0,
        amount_micro=sum(amount_micro(p.price_micro_per_kwh, p.energy_j) for p in counted),
        first_slot_utc_s=min(slots),
        last_slot_utc_s=max(slots),
        trade_no=0 if record.serves is None else max(0, record.serves.trade_no),
        replaces=body.replaces,
        reason=_reason(record),
        evidence=_evidence(parts, record),
    )


def _neighbor(leg: object) -> NodeId | None:
    port = getattr(leg, "port", None)
    return None if port is None else NodeId(port.neighbor)


def _part(record: Reservation) -> Part:
    if record.toward_initiator is None:
        return Part.INITIATOR
    return Part.ORIGIN if record.toward_origin is None else Part.TRANSIT


def _passes(record: Reservation, wanted: ReservationFilter) -> bool:
    body = record.core.body
    near = (_neighbor(record.toward_initiator), _neighbor(record.toward_origin))
    return (
        (wanted.neighbor is None or wanted.neighbor in near)
        and wanted.destination in (None, body.origin, body.initiator)
        and wanted.direction in (Direction.UNSPECIFIED, body.direction)
        and wanted.state in (ReservationState.UNSPECIFIED, record.state)
        and wanted.part in (None, _part(record))
        and (wanted.slots.is_open or any(wanted.slots.has(slot) for slot in record.slots.values()))
        and body.reservation.hex().startswith(wanted.beginning)
    )


def _packets(record: Reservation) -> Iterator[PacketRow]:
    for item in record.core.body.items:
        granted, refused = record.granted.get(item.index), record.refused.get(item.index)
        yield PacketRow(
            index=item.index,
            slot_utc_s=item.slot_utc_s,
            asked_j=item.energy_j,
            energy_j=record.asked_j.get(item.index, 0) if granted is None else granted.energy_j,
            price_micro_per_kwh=0 if granted is None else granted.price_micro_per_kwh,
            reason=NO_REASON if refused is None else reason_of(refused.reason),
            expected_j=0 if granted is None else record.expected_j(item.index),
        )


def _reason(record: Reservation) -> Reason:
    """Why it ended or what is missing of it, from the last answer toward the initiator."""
    body = _answer(record.answer)
    if body is not None:
        where = f"refused by {'this node' if body.node == record.core.body.origin else 'a node on the way'}"
        return reason_of(body.code, where)
    refused = {one.reason for one in record.refused.values() if one.reason is not ErrorCode.UNSPECIFIED}
    if refused:
        names = ", ".join(sorted(code.name for code in refused))
        text = f"{len(record.refused)} of {len(record.core.body.items)} packets: {names}"
        return reason_of(min(refused), text)
    if record.state is ReservationState.EXPIRED:
        return reason_of(ErrorCode.HOLD_EXPIRED, "the hold time ran out before a commit came")
    return NO_REASON


@dataclass(frozen=True, slots=True)
class _No:
    code: ErrorCode
    node: NodeId


def _answer(envelope: Envelope | None) -> _No | None:
    """The refusal in an answer, None when it is none."""
    if envelope is None or envelope.type not in (ObjectType.REFUSE, ObjectType.FAILED):
        return None
    try:
        body: Any = mapping.decode(REGISTRY[envelope.type].body, envelope.signed)
    except PeerError:
        return None
    if isinstance(body, Refuse):
        return _No(body.code, body.failing_node)
    return _No(body.code, body.node) if isinstance(body, Failed) else None


def _evidence(parts: Parts, record: Reservation) -> EvidenceRow | None:
    envelope = evidence_of(record)
    if envelope is None:
        return None
    keys = (parts.evidence.key(one.key) for one in envelope.signatures)
    return EvidenceRow(
        type=envelope.type.name,
        object=object_id_of(envelope.signed),
        signers=tuple(key.signers[0] for key in keys if key is not None),
        envelope=envelope,
    )
