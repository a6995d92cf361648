"""HOLD and GRANT at a hop: asking toward the origin, promising toward the initiator (SPEC section 10).

A HOLD goes from the initiator to the origin on the labelled path; on each link
the keeper enters every packet at the net energy it finds.  A GRANT returns
from the origin; each hop trims its far entry to what was granted, converts the
price, and promises the next hop what it was promised itself.  No hop re-routes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ioe_router.config import RouterConfig
from ioe_router.core.calendar import LiveEntry
from ioe_router.core.evidence import Prerequisites
from ioe_router.core.gates import refusal_of
from ioe_router.core.legs import Leg, LegBook
from ioe_router.core.outbox import Outbox
from ioe_router.core.ports import Ports
from ioe_router.core.reservation import Granted, Reservation, ReservationTable
from ioe_router.core.reservation_fsm import ReservationEvent
from ioe_router.model.clock import Now
from ioe_router.model.envelope import Envelope, Sealed, Sealer
from ioe_router.model.errors import ErrorCode, InvariantViolation, PeerError, Persistence, Scope
from ioe_router.model.ids import NodeId, PathHash
from ioe_router.model.reservation import (
    Grant,
    GrantItem,
    Hold,
    HoldCore,
    KeeperEntry,
    LedgerLine,
    PacketEnergy,
    Refuse,
)
from ioe_router.model.routing import Direction
from ioe_router.model.slot import Slot


@dataclass(frozen=True, slots=True, kw_only=True)
class Onward:
    """Where a label leads from here: `neighbor` None when this node is the origin."""

    neighbor: NodeId | None
    label: PathHash
    fee_in_micro_per_kwh: int  # of the link the HOLD came over
    fee_out_micro_per_kwh: int  # of the link it goes on over


class LabelLookup(Protocol):
    """What the routing side knows about a label that this node told a neighbour."""

    def onward(self, neighbor: NodeId, label: PathHash) -> Onward | None:
        """The way on, None when the label is not (any more) told to the neighbour."""
        ...


class OriginDesk(Protocol):
    """What an origin decides about packets of its own offers."""

    def grant(self, record: Reservation) -> bool:
        """Fill `record.granted` / `record.refused` from the own offers; False when nothing was granted."""
        ...

    def give_back(self, record: Reservation, indexes: tuple[int, ...]) -> None:
        """Return own energy of packets that end; idempotent, nothing at a node in transit."""
        ...


class RefusedHold(Exception):
    """A HOLD is answered with REFUSE; raised inside this file only."""

    def __init__(self, code: ErrorCode, scope: Scope) -> None:
        """Refuse with a registered code about `scope`."""
        super().__init__(code.name)
        self.code = code
        self.scope = scope


PERSISTENCE = {
    ErrorCode.TOO_EARLY: Persistence.TEMPORARY,
    ErrorCode.GATE_CLOSED: Persistence.TEMPORARY,
    ErrorCode.NOT_BOOKABLE: Persistence.TEMPORARY,
    ErrorCode.QUOTA: Persistence.TEMPORARY,
    ErrorCode.NEIGHBOR_LOST: Persistence.TEMPORARY,
    ErrorCode.NO_CAPACITY: Persistence.RELATIVE,
    ErrorCode.NO_ENERGY: Persistence.RELATIVE,
    ErrorCode.PRICE_LIMIT: Persistence.RELATIVE,
    ErrorCode.BELOW_MINIMUM: Persistence.RELATIVE,
}


class HoldPath:
    """HOLD and GRANT at every role; the initiator's side enters by `start`."""

    def __init__(
        self,
        config: RouterConfig,
        sealer: Sealer,
        prerequisites: Prerequisites,
        ports: Ports,
        table: ReservationTable,
        labels: LabelLookup,
        origin: OriginDesk,
        on_answer: Callable[[Reservation, Refuse | None, Now, Outbox], None],
    ) -> None:
        """`on_answer` is told when a reservation of our own is granted (None) or refused."""
        self._config = config
        self._sealer = sealer
        self._prerequisites = prerequisites
        self._ports = ports
        self._table = table
        self._labels = labels
        self._origin = origin
        self._on_answer = on_answer
        self.legs = LegBook(ports)

    # --- toward the origin

    def start(
        self, core: Sealed[HoldCore], neighbor: NodeId, fee_micro_per_kwh: int, now: Now, out: Outbox
    ) -> Reservation:
        """Initiate a reservation over the path whose first hop is `neighbor`."""
        body = core.body
        record = Reservation(
            core=core,
            toward_initiator=None,
            toward_origin=self._leg(body, neighbor, True, fee_micro_per_kwh, body.path),
            deadline_ns=now.after_ms(self._config.timers.hold_ms),
            asked_j={item.index: item.energy_j for item in body.items},
        )
        self._table.admit(record, None)
        record.advance(ReservationEvent.HOLD, now)
        self._ask_onward(record, self._config.timers.hold_ms, now, out)
        return record

    def hold(self, neighbor: NodeId, sealed: Sealed[Hold], now: Now, out: Outbox) -> None:
        """A HOLD from the initiator's side."""
        hold = sealed.body
        core = self._sealer.open(hold.core, HoldCore)
        known = self._table.get(core.body.reservation, core.body.version)
        if known is not None:
            self._repeat(known, core, neighbor, out)
            return
        try:
            record = self._open(neighbor, hold, core, now)
            self._enter_near(record, hold)
            self._go_on(record, hold.hold_ms, now, out)
        except RefusedHold as refusal:
            refuse = self._refusal(core.body, refusal.code, refusal.scope, ())
            out.send(neighbor, self._sealer.seal(refuse).envelope)

    def _repeat(self, known: Reservation, core: Sealed[HoldCore], neighbor: NodeId, out: Outbox) -> None:
        """Same id and content: the same answer again; other content: CONFLICT."""
        if known.core.object_id != core.object_id:
            refuse = self._refusal(core.body, ErrorCode.CONFLICT, Scope.RESERVATION, ())
            out.send(neighbor, self._sealer.seal(refuse).envelope)
        elif known.answer is not None:
            self._prerequisites.send(neighbor, known.answer, out)

    def _open(self, neighbor: NodeId, hold: Hold, core: Sealed[HoldCore], now: Now) -> Reservation:
        body = core.body
        onward = self._labels.onward(neighbor, hold.path)
        if core.signers != (body.initiator,):
            raise PeerError(ErrorCode.WRONG_SIGNER, "HOLD_CORE is not signed by its initiator")
        if onward is None:
            raise RefusedHold(ErrorCode.NO_PATH, Scope.NODE)
        self._check_gates(body, now)
        inward = self._leg(body, neighbor, False, onward.fee_in_micro_per_kwh, hold.path)
        outward = None
        if onward.neighbor is not None:
            outward = self._leg(body, onward.neighbor, True, onward.fee_out_micro_per_kwh, onward.label)
        record = Reservation(
            core=core,
            toward_initiator=inward,
            toward_origin=outward,
            deadline_ns=now.after_ms(min(hold.hold_ms, self._config.timers.hold_ms)),
        )
        quota = self._table.admit(record, neighbor)
        if quota is not None:
            raise RefusedHold(quota, Scope.NODE)
        record.advance(ReservationEvent.HOLD, now)
        return record

    def _check_gates(self, body: HoldCore, now: Now) -> None:
        for item in body.items:
            code = refusal_of(self._config.parameters, Slot(item.slot_utc_s), body.band, now, forward=False)
            if code is not None:
                raise RefusedHold(code, Scope.RESERVATION)

    def _enter_near(self, record: Reservation, hold: Hold) -> None:
        """Enter every packet on the link it came over: compute as keeper, else mirror."""
        leg = present(record.toward_initiator)
        lines = self._lines(leg, hold.keeper_entry) if not leg.port.keeper else {}
        for packet in hold.items:
            slot = record.slots.get(packet.index)
            if slot is None or packet.index in record.asked_j:
                raise PeerError(ErrorCode.MALFORMED, "HOLD names a packet that its core does not")
            if leg.port.keeper:
                entry = self.legs.admit(leg, slot, packet.index, packet.energy_j)
            else:
                entry = self._mirrored(leg, lines.get(packet.index), packet.energy_j)
            if entry is None:
                record.refuse_packet(packet.index, ErrorCode.NO_CAPACITY)
            else:
                record.asked_j[packet.index] = leg.far_j(entry.increment)

    def _mirrored(self, leg: Leg, line: LedgerLine | None, near_j: int) -> LiveEntry:
        if line is None:
            raise PeerError(ErrorCode.GRANT_CHANGED, "the keeper sent no entry for a packet")
        entry = self.legs.mirror(leg, line)
        if leg.near_j(entry.increment) != near_j:
            raise PeerError(ErrorCode.GRANT_CHANGED, "the keeper's entry differs from what is asked")
        return entry

    def _go_on(self, record: Reservation, hold_ms: int, now: Now, out: Outbox) -> None:
        if not record.asked_j:
            self._refuse_near(record, ErrorCode.NO_CAPACITY, Scope.LINK, now, out)
        elif record.toward_origin is None:
            self._decide(record, now, out)
        else:
            self._ask_onward(record, hold_ms - self._config.timers.hold_step_ms, now, out)

    def _ask_onward(self, record: Reservation, hold_ms: int, now: Now, out: Outbox) -> None:
        """Send the HOLD over the leg toward the origin, with our entries where we keep the ledger."""
        leg = present(record.toward_origin)
        if hold_ms <= 0:
            self._refuse_near(record, ErrorCode.HOLD_EXPIRED, Scope.RESERVATION, now, out)
            return
        entry = self._enter_far(record, leg) if leg.port.keeper else None
        packets = tuple(
            PacketEnergy(index=i, energy_j=j) for i, j in record.asked_j.items() if i not in record.refused
        )
        if not packets:
            self._refuse_near(record, ErrorCode.NO_CAPACITY, Scope.LINK, now, out)
            return
        hold = Hold(
            core=record.core.envelope, path=leg.label, hold_ms=hold_ms, items=packets, keeper_entry=entry
        )
        inside = (record.core.envelope,)
        self._prerequisites.send(leg.port.neighbor, self._sealer.seal(hold).envelope, out, inside)

    def _enter_far(self, record: Reservation, leg: Leg) -> Envelope:
        for index, needed in list(record.asked_j.items()):
            entry = self.legs.admit(leg, record.slots[index], index, needed)
            if entry is None:
                record.refuse_packet(index, ErrorCode.NO_CAPACITY)
                self._drop(record, index)
            else:
                record.asked_j[index] = leg.near_j(entry.increment)
        signed = self.legs.keeper_entry(leg, record.slots, record.live(), final=False)
        return self._sealer.seal(signed).envelope

    # --- toward the initiator

    def _decide(self, record: Reservation, now: Now, out: Outbox) -> None:
        """We are the origin."""
        if not self._origin.grant(record):
            code = next((item.reason for item in record.refused.values()), ErrorCode.NO_ENERGY)
            self._refuse_near(record, code, Scope.OFFER, now, out)
            return
        record.advance(ReservationEvent.GRANT, now)
        self._promise(record, now, out)

    def grant(self, neighbor: NodeId, sealed: Sealed[Grant], now: Now, out: Outbox) -> None:
        """A GRANT from the origin's side."""
        grant = sealed.body
        record = self._table.require(grant.reservation, grant.version)
        leg = self._from_origin_side(record, neighbor)
        if sealed.signers != (neighbor,) or grant.core != record.core.object_id:
            raise PeerError(ErrorCode.WRONG_SIGNER, "GRANT is not the neighbour's answer to our HOLD")
        record.advance(ReservationEvent.GRANT, now)
        lines = {} if leg.port.keeper else self._lines(leg, grant.keeper_entry)
        answered = {item.index: item for item in grant.items}
        for index in record.live():
            self._take_grant(record, leg, index, answered.get(index), lines.get(index))
        self._check_whole(record)
        if not record.granted:
            code = next((item.reason for item in record.refused.values()), ErrorCode.NO_ENERGY)
            self._refuse_near(record, code, Scope.OFFER, now, out)
        elif record.toward_initiator is None:
            self._on_answer(record, None, now, out)
        else:
            self._promise(record, now, out)

    def _take_grant(
        self, record: Reservation, leg: Leg, index: int, item: GrantItem | None, line: LedgerLine | None
    ) -> None:
        if item is None or item.energy_j == 0:
            record.refuse_packet(
                index,
                ErrorCode.NO_ENERGY if item is None else item.reason,
                0 if item is None else item.counter_offer_j,
            )
            self._drop(record, index)
            return
        entry = self._far_entry(record, leg, index, item.energy_j, line)
        if entry is None:
            record.refuse_packet(index, ErrorCode.ZERO_ENERGY)
            self._drop(record, index)
            return
        price = leg.near_price(item.price_micro_per_kwh, entry.increment)
        if beyond_limit(record.core.body, price):
            record.refuse_packet(index, ErrorCode.PRICE_LIMIT)
            self._drop(record, index)
            return
        record.granted[index] = Granted(
            energy_j=leg.near_j(entry.increment),
            price_micro_per_kwh=price,
            scarcity_micro_per_kwh=item.scarcity_micro_per_kwh,
        )

    def _far_entry(
        self, record: Reservation, leg: Leg, index: int, far_j: int, line: LedgerLine | None
    ) -> LiveEntry | None:
        """The entry on the link the GRANT came over, trimmed to what the far end gives."""
        slot = record.slots[index]
        if not leg.port.keeper:
            if line is None:
                raise PeerError(ErrorCode.GRANT_CHANGED, "the keeper granted without an entry")
            entry = self.legs.mirror(leg, line)
            if leg.far_j(entry.increment) != far_j or leg.near_j(entry.increment) > record.asked_j[index]:
                raise PeerError(ErrorCode.GRANT_CHANGED, "the keeper's entry differs from what is granted")
            return entry
        held = self.legs.entry(leg, slot, index)
        if held is None or far_j > leg.far_j(held.increment):
            raise PeerError(ErrorCode.GRANT_CHANGED, "more was granted than asked")
        return held if far_j == leg.far_j(held.increment) else self.legs.trim(leg, slot, index, far_j)

    def _check_whole(self, record: Reservation) -> None:
        """A partial all-or-nothing batch is worth nothing."""
        if record.core.body.all_or_nothing and record.refused:
            for index in list(record.granted):
                record.refuse_packet(index, ErrorCode.BELOW_MINIMUM)
                self._drop(record, index)

    def _promise(self, record: Reservation, now: Now, out: Outbox) -> None:
        """Send GRANT toward the initiator: what this node was granted, at its own port."""
        leg = present(record.toward_initiator)
        items = []
        for item in record.core.body.items:
            granted = record.granted.get(item.index)
            if granted is not None and self._fit_near(record, leg, item.index, granted):
                items.append(_granted_item(item.index, granted))
            else:
                items.append(record.refused.get(item.index) or _nothing(item.index))
        entry = None
        if leg.port.keeper:
            signed = self.legs.keeper_entry(leg, record.slots, record.granted, final=True)
            entry = self._sealer.seal(signed).envelope
        grant = Grant(
            reservation=record.core.body.reservation,
            version=record.core.body.version,
            core=record.core.object_id,
            link=leg.port.link,
            grantor=self._config.node,
            items=tuple(items),
            hold_ms=max(0, (record.deadline_ns - now.monotonic_ns) // 1_000_000),
            keeper_entry=entry,
        )
        self._answer(record, leg, self._sealer.seal(grant).envelope, out, durable=True)

    def _fit_near(self, record: Reservation, leg: Leg, index: int, granted: Granted) -> bool:
        """Trim the near link to what we have; False when nothing useful is left."""
        if not leg.port.keeper:
            return True
        entry = self.legs.entry(leg, record.slots[index], index)
        if entry is not None and leg.far_j(entry.increment) != granted.energy_j:
            entry = self.legs.trim(leg, record.slots[index], index, granted.energy_j)
        if entry is None:
            del record.granted[index]
            record.refuse_packet(index, ErrorCode.ZERO_ENERGY)
            self._drop(record, index)
        return entry is not None

    def refuse(self, neighbor: NodeId, sealed: Sealed[Refuse], now: Now, out: Outbox) -> None:
        """A REFUSE from the origin's side."""
        body = sealed.body
        record = self._table.require(body.reservation, body.version)
        self._from_origin_side(record, neighbor)
        record.advance(ReservationEvent.REFUSE, now)
        self._release_all(record)
        self._table.settle(record)
        if record.toward_initiator is None:
            self._on_answer(record, body, now, out)
        else:
            self._answer(
                record, record.toward_initiator, self._sealer.seal(body).envelope, out, durable=False
            )

    def _refuse_near(self, record: Reservation, code: ErrorCode, scope: Scope, now: Now, out: Outbox) -> None:
        """End the reservation here and say so toward the initiator."""
        record.advance(ReservationEvent.REFUSE, now)
        self._release_all(record)
        self._table.settle(record)
        refuse = self._refusal(record.core.body, code, scope, tuple(record.refused.values()))
        if record.toward_initiator is None:
            self._on_answer(record, refuse, now, out)
        else:
            self._answer(
                record, record.toward_initiator, self._sealer.seal(refuse).envelope, out, durable=False
            )

    def fail_near(self, record: Reservation, code: ErrorCode, now: Now, out: Outbox) -> None:
        """The way to the origin is lost while nothing is in doubt: refuse toward the initiator."""
        self._refuse_near(record, code, Scope.NODE, now, out)

    # --- shared

    def _leg(self, body: HoldCore, neighbor: NodeId, toward_origin: bool, fee: int, label: PathHash) -> Leg:
        return Leg(
            port=self._ports.to(neighbor),
            direction=body.direction,
            toward_origin=toward_origin,
            fee_micro_per_kwh=fee,
            label=label,
            reservation=body.reservation,
            version=body.version,
        )

    def _lines(self, leg: Leg, envelope: Envelope | None) -> dict[int, LedgerLine]:
        """The verified lines of a keeper's entry for this leg."""
        if envelope is None:
            raise PeerError(ErrorCode.GRANT_CHANGED, "the keeper sent no entry")
        sealed = self._sealer.open(envelope, KeeperEntry)
        body = sealed.body
        if sealed.signers != (leg.port.neighbor,) or body.link != leg.port.link or body.flow is not leg.flow:
            raise PeerError(
                ErrorCode.WRONG_SIGNER, "the entry is not the keeper's for this link and direction"
            )
        if (body.reservation, body.version) != (leg.reservation, leg.version):
            raise PeerError(ErrorCode.GRANT_CHANGED, "the entry belongs to another reservation")
        return {line.index: line for line in body.lines}

    def mirror_final(self, record: Reservation, envelope: Envelope | None) -> None:
        """Take over the near keeper's final entry, which comes with COMMIT."""
        leg = record.toward_initiator
        if leg is None or leg.port.keeper:
            return
        lines = self._lines(leg, envelope)
        for index in record.granted:
            line = lines.get(index)
            if line is None:
                continue
            entry = self.legs.mirror(leg, line)
            if leg.far_j(entry.increment) != record.granted[index].energy_j:
                raise PeerError(ErrorCode.GRANT_CHANGED, "the final entry differs from what was granted")

    def _from_origin_side(self, record: Reservation, neighbor: NodeId) -> Leg:
        leg = record.toward_origin
        if leg is None or leg.port.neighbor != neighbor:
            raise PeerError(ErrorCode.NOT_OWNER, "not the neighbour that this reservation went to")
        return leg

    def _answer(
        self, record: Reservation, leg: Leg, envelope: Envelope, out: Outbox, *, durable: bool
    ) -> None:
        if durable:
            out.persist(envelope.signed)
        record.answer = envelope
        self._prerequisites.send(leg.port.neighbor, envelope, out)

    def _drop(self, record: Reservation, index: int) -> None:
        """Withdraw one packet on both legs and forget its figures."""
        self._origin.give_back(record, (index,))
        record.asked_j.pop(index, None)
        record.granted.pop(index, None)
        for leg in record.legs():
            self.legs.withdraw(leg, record.slots[index], index)

    def _release_all(self, record: Reservation) -> None:
        for item in record.core.body.items:
            self._drop(record, item.index)

    def _refusal(self, body: HoldCore, code: ErrorCode, scope: Scope, items: tuple[GrantItem, ...]) -> Refuse:
        return Refuse(
            reservation=body.reservation,
            version=body.version,
            code=code,
            persistence=PERSISTENCE.get(code, Persistence.PERMANENT),
            scope=scope,
            failing_node=self._config.node,
            retry_after_ms=0,
            items=items,
        )


def present(leg: Leg | None) -> Leg:
    """The leg that the record's role guarantees."""
    if leg is None:
        raise InvariantViolation("a reservation lost the leg that its role needs")
    return leg


def beyond_limit(body: HoldCore, price_micro_per_kwh: int) -> bool:
    """Whether a price at some hop already breaks the initiator's limit."""
    if body.direction is Direction.SUPPLY:
        return price_micro_per_kwh > body.price_limit_micro_per_kwh
    return price_micro_per_kwh < body.price_limit_micro_per_kwh


def _granted_item(index: int, granted: Granted) -> GrantItem:
    return GrantItem(
        index=index,
        energy_j=granted.energy_j,
        price_micro_per_kwh=granted.price_micro_per_kwh,
        reason=ErrorCode.UNSPECIFIED,
        counter_offer_j=0,
        scarcity_micro_per_kwh=granted.scarcity_micro_per_kwh,
    )


def _nothing(index: int) -> GrantItem:
    return GrantItem(
        index=index,
        energy_j=0,
        price_micro_per_kwh=0,
        reason=ErrorCode.NO_ENERGY,
        counter_offer_j=0,
        scarcity_micro_per_kwh=0,
    )
