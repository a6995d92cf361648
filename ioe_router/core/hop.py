"""What HOLD, GRANT and COMMIT share at a hop: legs, keeper entries, answers, undoing (SPEC section 10).

One `Hop` stands for this node in every reservation that passes it.  It keeps
no state of its own: records are in the table, packets in the ledgers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ioe_router.config import RouterConfig
from ioe_router.core.calendar import LiveEntry
from ioe_router.core.evidence import Prerequisites
from ioe_router.core.gates import any_closed
from ioe_router.core.legs import Leg, LegBook
from ioe_router.core.outbox import Outbox
from ioe_router.core.paths import rating_va
from ioe_router.core.ports import Ports
from ioe_router.core.replacement import Replacements
from ioe_router.core.reservation import Reservation, ReservationTable
from ioe_router.core.reservation_fsm import ReservationEvent
from ioe_router.model.clock import Now
from ioe_router.model.envelope import Envelope, Sealer
from ioe_router.model.errors import ErrorCode, InvariantViolation, PeerError, Persistence, Scope
from ioe_router.model.ids import NodeId, PathHash
from ioe_router.model.reservation import GrantItem, HoldCore, KeeperEntry, LedgerLine, Refuse
from ioe_router.model.routing import Direction

PERSISTENCE = {
    ErrorCode.TOO_EARLY: Persistence.TEMPORARY,
    ErrorCode.GATE_CLOSED: Persistence.TEMPORARY,
    ErrorCode.NOT_BOOKABLE: Persistence.TEMPORARY,
    ErrorCode.QUOTA: Persistence.TEMPORARY,
    ErrorCode.NEIGHBOR_LOST: Persistence.TEMPORARY,
    ErrorCode.TRUST_STALE: Persistence.TEMPORARY,
    ErrorCode.NO_CAPACITY: Persistence.RELATIVE,
    ErrorCode.NO_ENERGY: Persistence.RELATIVE,
    ErrorCode.PRICE_LIMIT: Persistence.RELATIVE,
    ErrorCode.BELOW_MINIMUM: Persistence.RELATIVE,
}

PRICE_MOST = 10**12  # micro-units per kWh; losses carry a price at the edge beyond it

# What a refusal is about; RESERVATION for all other codes, and OFFER for whatever an origin refuses.
SCOPES = {
    ErrorCode.NO_PATH: Scope.NODE,
    ErrorCode.QUOTA: Scope.NODE,
    ErrorCode.NEIGHBOR_LOST: Scope.NODE,
    ErrorCode.TRUST_STALE: Scope.NODE,
    ErrorCode.NO_CAPACITY: Scope.LINK,
    ErrorCode.NOT_BOOKABLE: Scope.LINK,
}

OnAnswer = Callable[[Reservation, Refuse | None, Now, Outbox], None]


class OriginDesk(Protocol):
    """What an origin decides about packets of its own offers."""

    def grant(self, record: Reservation) -> bool:
        """Fill `record.granted` / `record.refused` from the own offers; False when nothing was granted."""
        ...

    def give_back(self, record: Reservation, indexes: tuple[int, ...]) -> None:
        """Return own energy of packets that end; idempotent, nothing at a node in transit."""
        ...

    def keep(self, record: Reservation, index: int, energy_j: int) -> None:
        """Return own energy of a packet but for what remains of it; nothing at a node in transit."""
        ...


class Hop:
    """This node, as reservations see it."""

    def __init__(
        self,
        config: RouterConfig,
        sealer: Sealer,
        prerequisites: Prerequisites,
        ports: Ports,
        table: ReservationTable,
        origin: OriginDesk,
        replacements: Replacements,
        on_answer: OnAnswer,
    ) -> None:
        """`on_answer` is told when a reservation of our own is granted (None) or refused."""
        self.config = config
        self.sealer = sealer
        self.table = table
        self.origin = origin
        self.replacements = replacements
        self.on_answer = on_answer
        self.legs = LegBook(ports)
        self.domains = prerequisites.domains
        self._prerequisites = prerequisites
        self._ports = ports

    # --- legs

    def leg(self, body: HoldCore, neighbor: NodeId, toward_origin: bool, fee: int, label: PathHash) -> Leg:
        """The leg of a reservation over the link to a neighbour."""
        return Leg(
            port=self._ports.to(neighbor),
            direction=body.direction,
            toward_origin=toward_origin,
            fee_micro_per_kwh=fee,
            label=label,
            reservation=body.reservation,
            version=body.version,
        )

    def from_origin_side(self, record: Reservation, neighbor: NodeId) -> Leg:
        """The leg toward the origin, if that is where the neighbour is. PeerError NOT_OWNER otherwise."""
        leg = record.toward_origin
        if leg is None or leg.port.neighbor != neighbor:
            raise PeerError(ErrorCode.NOT_OWNER, "not the neighbour that this reservation went to")
        return leg

    def lines(self, leg: Leg, envelope: Envelope | None) -> dict[int, LedgerLine]:
        """The verified lines of a keeper's entry for a leg; where we keep the ledger there must be none."""
        if envelope is None:
            if leg.port.keeper:
                return {}
            raise PeerError(ErrorCode.GRANT_CHANGED, "the keeper sent no entry")
        sealed = self.sealer.open(envelope, KeeperEntry)
        body = sealed.body
        if leg.port.keeper:
            raise PeerError(ErrorCode.WRONG_SIGNER, "an entry from an end that does not keep the link")
        if sealed.signers != (leg.port.neighbor,) or body.link != leg.port.link or body.flow is not leg.flow:
            raise PeerError(
                ErrorCode.WRONG_SIGNER, "the entry is not the keeper's for this link and direction"
            )
        if (body.reservation, body.version) != (leg.reservation, leg.version):
            raise PeerError(ErrorCode.GRANT_CHANGED, "the entry belongs to another reservation")
        most_j = rating_va(leg.port.attestation.body, leg.flow) * self.config.parameters.slot_s
        if any(max(line.flow_j, line.sent_j, line.received_j) > most_j for line in body.lines):
            raise PeerError(ErrorCode.GRANT_CHANGED, "a line is above what the link is rated for")
        return {line.index: line for line in body.lines}

    def mirrored(self, record: Reservation, leg: Leg, index: int, line: LedgerLine | None) -> LiveEntry:
        """Take over the keeper's line of a packet. PeerError when there is none or its slot differs."""
        if line is None:
            raise PeerError(ErrorCode.GRANT_CHANGED, "the keeper sent no entry for a packet")
        return self.legs.mirror(leg, record.slots[index], line)

    def entry_envelope(
        self, record: Reservation, leg: Leg, indexes: list[int], *, final: bool
    ) -> Envelope | None:
        """Our signed entry for the packets, None where the other end keeps the ledger."""
        if not leg.port.keeper:
            return None
        entry = self.legs.keeper_entry(leg, record.slots, sorted(indexes), final=final)
        return self.sealer.seal(entry).envelope if entry.lines else None

    # --- undoing

    def drop(self, record: Reservation, index: int) -> None:
        """End one packet here: own energy back, both links free, figures forgotten."""
        self.origin.give_back(record, (index,))
        record.asked_j.pop(index, None)
        record.granted.pop(index, None)
        for leg in record.legs():
            self.legs.withdraw(leg, record.slots[index], index)

    def drop_all(self, record: Reservation) -> None:
        """End every packet here."""
        for item in record.core.body.items:
            self.drop(record, item.index)
        self.replacements.part(record)

    def drop_near(self, record: Reservation) -> None:
        """End every packet toward the initiator only; the link toward the origin stays booked."""
        for index, slot in record.slots.items():
            self.origin.give_back(record, (index,))
            if record.toward_initiator is not None:
                self.legs.withdraw(record.toward_initiator, slot, index)
        self.replacements.part(record)
        self.replacements.part(record)

    def withdraw_far(self, record: Reservation) -> None:
        """Free the link toward the origin."""
        for index, slot in record.slots.items():
            self.legs.withdraw(present(record.toward_origin), slot, index)

    # --- answers

    def send(
        self, neighbor: NodeId, body: object, out: Outbox, inside: tuple[Envelope, ...] = ()
    ) -> Envelope:
        """Seal and send an object with the evidence it needs."""
        envelope = self.sealer.seal(body).envelope
        self._prerequisites.send(neighbor, envelope, out, inside)
        return envelope

    def pass_on(self, neighbor: NodeId, envelope: Envelope, out: Outbox) -> None:
        """Send an envelope as it is."""
        self._prerequisites.send(neighbor, envelope, out)

    def answer(self, record: Reservation, envelope: Envelope, out: Outbox) -> None:
        """Answer toward the initiator; the same question will get the same answer again."""
        record.answer = envelope
        record.touch()
        self.pass_on(present(record.toward_initiator).port.neighbor, envelope, out)

    def refusal(
        self,
        body: HoldCore,
        code: ErrorCode,
        items: tuple[GrantItem, ...] = (),
        scope: Scope | None = None,
        retry_after_ms: int = 0,
    ) -> Refuse:
        """A REFUSE of this node; what it is about follows from the code unless `scope` says otherwise."""
        return Refuse(
            reservation=body.reservation,
            version=body.version,
            code=code,
            persistence=PERSISTENCE.get(code, Persistence.PERMANENT),
            scope=scope or SCOPES.get(code, Scope.RESERVATION),
            failing_node=self.config.node,
            retry_after_ms=retry_after_ms,
            items=tuple(sorted(items, key=lambda item: item.index)),
        )

    def refuse_near(
        self,
        record: Reservation,
        code: ErrorCode,
        now: Now,
        out: Outbox,
        scope: Scope | None = None,
        event: ReservationEvent = ReservationEvent.REFUSE,
    ) -> None:
        """End the reservation here because of `event` and say so toward the initiator."""
        record.advance(event, now, code)
        items = tuple(record.refused.values())
        refuse = self.refusal(record.core.body, code, items, scope, record.retry_after_ms)
        self.drop_all(record)
        self.table.settle(record)
        if record.toward_initiator is None:
            self.on_answer(record, refuse, now, out)
        else:
            self.answer(record, self.sealer.seal(refuse).envelope, out)

    def gate_is_closed(self, record: Reservation, now: Now) -> bool:
        """The final gate of some slot of the reservation, or of one whose place it takes, has passed."""
        closed = any_closed(self.config.parameters, record.slots.values(), now)
        return closed or self.replacements.gate_is_closed(record, now)


def present(leg: Leg | None) -> Leg:
    """The leg that the record's role guarantees."""
    if leg is None:
        raise InvariantViolation("a reservation lost the leg that its role needs")
    return leg


def beyond_limit(body: HoldCore, price_micro_per_kwh: int) -> bool:
    """Whether a price at some hop already breaks the initiator's limit, or what a message can state."""
    if abs(price_micro_per_kwh) > PRICE_MOST:
        return True
    if body.direction is Direction.SUPPLY:
        return price_micro_per_kwh > body.price_limit_micro_per_kwh
    return price_micro_per_kwh < body.price_limit_micro_per_kwh
