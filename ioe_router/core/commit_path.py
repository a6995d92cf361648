"""COMMIT, its outcome, release and loss of contact at a hop (SPEC section 10).

A COMMIT travels from the initiator to the origin.  A hop that has made it
durable and passed it on is IN_DOUBT: its hold timer is off and only a signed
outcome ends it.  The origin's COMMITTED is the commit point; a COMMIT that
reaches the origin after the origin's own deadline is answered with FAILED.
COMMITTED returns the same way; every hop confirms it with a RECEIPT, which is
where the obligation on that link begins.
"""

from __future__ import annotations

from typing import Protocol

from ioe_router.config import RouterConfig
from ioe_router.core.evidence import Prerequisites
from ioe_router.core.hold_path import HoldPath, OriginDesk, present
from ioe_router.core.legs import Leg
from ioe_router.core.outbox import Outbox
from ioe_router.core.reservation import Reservation, ReservationTable
from ioe_router.core.reservation_fsm import TERMINAL, ReservationEvent, allows
from ioe_router.model.clock import Now
from ioe_router.model.envelope import Envelope, Sealed, Sealer
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.ids import NodeId, ReservationId
from ioe_router.model.reservation import (
    Commit,
    CommitHop,
    Committed,
    Failed,
    Outcome,
    OutcomeQuery,
    Receipt,
    Release,
    ReservationState,
)


class OutcomeListener(Protocol):
    """Who is told when a reservation of this node's own (either end) reaches an outcome."""

    def booked(self, record: Reservation, now: Now, out: Outbox) -> None:
        """Accepted packets are committed."""
        ...

    def ended(self, record: Reservation, code: ErrorCode, now: Now, out: Outbox) -> None:
        """Nothing (more) of the reservation stands."""
        ...


class CommitPath:
    """COMMIT and everything after it, at every role."""

    def __init__(
        self,
        config: RouterConfig,
        sealer: Sealer,
        prerequisites: Prerequisites,
        holds: HoldPath,
        table: ReservationTable,
        origin: OriginDesk,
        listener: OutcomeListener,
    ) -> None:
        """Share the holds' legs and table; `listener` hears outcomes of this node's own reservations."""
        self._config = config
        self._sealer = sealer
        self._prerequisites = prerequisites
        self._holds = holds
        self._table = table
        self._listener = listener
        self._give_back = origin.give_back

    # --- COMMIT

    def start(self, record: Reservation, accepted: tuple[int, ...], now: Now, out: Outbox) -> None:
        """The initiator takes granted packets."""
        body = record.core.body
        commit = self._sealer.seal(
            Commit(
                reservation=body.reservation,
                version=body.version,
                core=record.core.object_id,
                initiator=self._config.node,
                accepted=accepted,
            )
        )
        record.advance(ReservationEvent.COMMIT, now)
        self._take_over(record, commit, now, out)

    def commit(self, neighbor: NodeId, sealed: Sealed[CommitHop], now: Now, out: Outbox) -> None:
        """A COMMIT from the initiator's side."""
        commit = self._sealer.open(sealed.body.commit, Commit)
        body = commit.body
        record = self._table.get(body.reservation, body.version)
        if record is None:
            self._send_failed(neighbor, body.reservation, body.version, ErrorCode.UNKNOWN_RESERVATION, out)
            return
        self._check_commit(record, neighbor, commit)
        if record.commit is not None:
            self._repeat_outcome(record, commit, out)
            return
        if not allows(record.state, ReservationEvent.COMMIT):
            self._send_failed(neighbor, body.reservation, body.version, ErrorCode.HOLD_EXPIRED, out)
            return
        if now.monotonic_ns >= record.deadline_ns:
            self.expire(record, now, out)
            self._send_failed(neighbor, body.reservation, body.version, ErrorCode.HOLD_EXPIRED, out)
            return
        self._holds.mirror_final(record, sealed.body.keeper_entry)
        record.advance(ReservationEvent.COMMIT, now)
        self._take_over(record, commit, now, out)

    def _check_commit(self, record: Reservation, neighbor: NodeId, commit: Sealed[Commit]) -> None:
        leg = record.toward_initiator
        if leg is None or leg.port.neighbor != neighbor:
            raise PeerError(ErrorCode.NOT_OWNER, "COMMIT came from another neighbour than the HOLD")
        if commit.signers != (record.core.body.initiator,):
            raise PeerError(ErrorCode.NOT_OWNER, "COMMIT is not signed by the initiator")
        if commit.body.core != record.core.object_id:
            raise PeerError(ErrorCode.CONFLICT, "COMMIT belongs to another HOLD of this reservation")

    def _repeat_outcome(self, record: Reservation, commit: Sealed[Commit], out: Outbox) -> None:
        if record.commit is not None and record.commit.object_id != commit.object_id:
            raise PeerError(ErrorCode.CONFLICT, "COMMIT differs from the one taken before")
        if record.state is not ReservationState.IN_DOUBT and record.answer is not None:
            self._prerequisites.send(present(record.toward_initiator).port.neighbor, record.answer, out)

    def _take_over(self, record: Reservation, commit: Sealed[Commit], now: Now, out: Outbox) -> None:
        """Keep the accepted packets, drop the others, and go on (or accept, as the origin)."""
        unknown = [index for index in commit.body.accepted if index not in record.granted]
        if unknown:
            raise PeerError(
                ErrorCode.GRANT_CHANGED, f"COMMIT takes packet {unknown[0]}, which was not granted"
            )
        record.commit, record.accepted = commit, commit.body.accepted
        dropped = tuple(index for index in record.granted if index not in record.accepted)
        self._give_back(record, dropped)
        for index in dropped:
            self._withdraw(record, index)
        out.persist(commit.envelope.signed)
        if record.toward_origin is None:
            self._accept(record, now, out)
        else:
            self._send_commit(record, record.toward_origin, now, out)

    def _withdraw(self, record: Reservation, index: int) -> None:
        record.granted.pop(index, None)
        for leg in record.legs():
            self._holds.legs.withdraw(leg, record.slots[index], index)

    def _send_commit(self, record: Reservation, leg: Leg, now: Now, out: Outbox) -> None:
        if record.commit is None:
            return
        entry = None
        if leg.port.keeper:
            signed = self._holds.legs.keeper_entry(leg, record.slots, record.accepted, final=True)
            entry = self._sealer.seal(signed).envelope
        hop = CommitHop(commit=record.commit.envelope, keeper_entry=entry)
        self._prerequisites.send(
            leg.port.neighbor, self._sealer.seal(hop).envelope, out, (record.commit.envelope,)
        )
        record.retry_ns = now.after_ms(self._config.timers.commit_retry_ms)

    # --- outcome

    def _accept(self, record: Reservation, now: Now, out: Outbox) -> None:
        """We are the origin: this signature is the commit point."""
        body = record.core.body
        commit = record.commit
        if commit is None:
            return
        committed = self._sealer.seal(
            Committed(
                reservation=body.reservation,
                version=body.version,
                commit=commit.object_id,
                origin=self._config.node,
                accepted_utc_ms=now.utc_ms,
                balance_party=self._config.balance_party or self._config.node,
            )
        )
        self._conclude(record, committed, now, out)

    def committed(self, neighbor: NodeId, sealed: Sealed[Committed], now: Now, out: Outbox) -> None:
        """COMMITTED from the origin's side."""
        body = sealed.body
        record = self._table.require(body.reservation, body.version)
        leg = record.toward_origin
        if leg is None or leg.port.neighbor != neighbor or sealed.signers != (record.core.body.origin,):
            raise PeerError(ErrorCode.NOT_OWNER, "COMMITTED is not the origin's or came another way")
        if record.commit is None or body.commit != record.commit.object_id:
            raise PeerError(ErrorCode.CONFLICT, "COMMITTED answers another COMMIT")
        if record.state is not ReservationState.COMMITTED:
            self._conclude(record, sealed, now, out)
        self._send_receipt(leg, sealed, out)

    def _conclude(self, record: Reservation, committed: Sealed[Committed], now: Now, out: Outbox) -> None:
        """COMMITTED stands here: prices enter the ledgers, the answer goes on."""
        record.advance(ReservationEvent.COMMITTED, now)
        record.committed = committed
        out.persist(committed.envelope.signed)
        for index in record.accepted:
            self._settle_prices(record, index)
        self._table.settle(record)
        if record.toward_initiator is not None:
            record.answer = committed.envelope
            self._prerequisites.send(record.toward_initiator.port.neighbor, committed.envelope, out)
        if record.toward_initiator is None or record.toward_origin is None:
            self._listener.booked(record, now, out)

    def _settle_prices(self, record: Reservation, index: int) -> None:
        granted, slot = record.granted[index], record.slots[index]
        legs = self._holds.legs
        if record.toward_origin is not None:
            legs.settle_price(record.toward_origin, slot, index, granted.price_micro_per_kwh)
        near = record.toward_initiator
        entry = None if near is None else legs.entry(near, slot, index)
        if near is not None and entry is not None:
            price = near.near_price(granted.price_micro_per_kwh, entry.increment)
            legs.settle_price(near, slot, index, price)

    def _send_receipt(self, leg: Leg, committed: Sealed[Committed], out: Outbox) -> None:
        receipt = Receipt(
            reservation=committed.body.reservation,
            version=committed.body.version,
            committed=committed.object_id,
            link=leg.port.link,
            node=self._config.node,
        )
        out.send(leg.port.neighbor, self._sealer.seal(receipt).envelope)

    def receipt(self, neighbor: NodeId, sealed: Sealed[Receipt]) -> None:
        """The near neighbour confirms that it holds COMMITTED."""
        body = sealed.body
        record = self._table.require(body.reservation, body.version)
        leg = record.toward_initiator
        if leg is None or leg.port.neighbor != neighbor or sealed.signers != (neighbor,):
            raise PeerError(ErrorCode.NOT_OWNER, "RECEIPT is not from the neighbour that was answered")
        if record.committed is None or body.committed != record.committed.object_id:
            raise PeerError(ErrorCode.UNEXPECTED, "RECEIPT for an answer that was not given")
        record.receipt = True

    def failed(self, neighbor: NodeId, sealed: Sealed[Failed], now: Now, out: Outbox) -> None:
        """A signed failure from the origin's side."""
        body = sealed.body
        record = self._table.require(body.reservation, body.version)
        leg = record.toward_origin
        if leg is None or leg.port.neighbor != neighbor:
            raise PeerError(ErrorCode.NOT_OWNER, "FAILED came another way than the HOLD went")
        record.advance(ReservationEvent.FAILED, now)
        self._end(record, body.code, now, out)
        if record.toward_initiator is not None:
            record.answer = sealed.envelope
            self._prerequisites.send(record.toward_initiator.port.neighbor, sealed.envelope, out)

    def _send_failed(
        self, neighbor: NodeId, reservation: ReservationId, version: int, code: ErrorCode, out: Outbox
    ) -> None:
        failed = Failed(reservation=reservation, version=version, code=code, node=self._config.node)
        out.send(neighbor, self._sealer.seal(failed).envelope)

    # --- release, expiry, lost neighbours, questions

    def give_up(self, record: Reservation, code: ErrorCode, now: Now, out: Outbox) -> None:
        """The initiator gives a reservation back, held or committed."""
        body = record.core.body
        release = self._sealer.seal(
            Release(reservation=body.reservation, version=body.version, initiator=self._config.node)
        )
        record.advance(ReservationEvent.RELEASE, now)
        out.persist(release.envelope.signed)
        self._prerequisites.send(present(record.toward_origin).port.neighbor, release.envelope, out)
        self._end(record, code, now, out)

    def release(self, neighbor: NodeId, sealed: Sealed[Release], now: Now, out: Outbox) -> None:
        """RELEASE from the initiator's side."""
        body = sealed.body
        record = self._table.require(body.reservation, body.version)
        leg = record.toward_initiator
        if leg is None or leg.port.neighbor != neighbor or sealed.signers != (record.core.body.initiator,):
            raise PeerError(ErrorCode.NOT_OWNER, "RELEASE is not the initiator's or came another way")
        if record.state in (ReservationState.RELEASED, ReservationState.FAILED, ReservationState.EXPIRED):
            return
        record.advance(ReservationEvent.RELEASE, now)
        out.persist(sealed.envelope.signed)
        if record.toward_origin is not None:
            self._prerequisites.send(record.toward_origin.port.neighbor, sealed.envelope, out)
        self._end(record, ErrorCode.UNSPECIFIED, now, out)

    def expire(self, record: Reservation, now: Now, out: Outbox) -> None:
        """The hold time is over here; each node judges its own clock."""
        was_holding = record.state is ReservationState.HOLDING
        if was_holding and record.toward_origin is not None:
            self._holds.fail_near(record, ErrorCode.HOLD_EXPIRED, now, out)
            return
        record.advance(ReservationEvent.EXPIRE, now)
        self._end(record, ErrorCode.HOLD_EXPIRED, now, out)

    def _end(self, record: Reservation, code: ErrorCode, now: Now, out: Outbox) -> None:
        indexes = tuple(record.granted)
        self._give_back(record, indexes)
        for item in record.core.body.items:
            for leg in record.legs():
                self._holds.legs.withdraw(leg, record.slots[item.index], item.index)
        self._table.settle(record)
        if record.toward_initiator is None or record.toward_origin is None:
            self._listener.ended(record, code, now, out)

    def lost(self, neighbor: NodeId, now: Now, out: Outbox) -> None:
        """The session with a neighbour is gone: what only waits for it ends, what is in doubt stays."""
        for record in self._table.open_records():
            leg = record.toward_origin
            waiting = record.state in (ReservationState.HOLDING, ReservationState.HELD)
            if waiting and leg is not None and leg.port.neighbor == neighbor:
                self._lost_origin_side(record, now, out)

    def _lost_origin_side(self, record: Reservation, now: Now, out: Outbox) -> None:
        if record.state is ReservationState.HOLDING:
            self._holds.fail_near(record, ErrorCode.NEIGHBOR_LOST, now, out)
            return
        record.advance(ReservationEvent.LOST, now)
        self._end(record, ErrorCode.NEIGHBOR_LOST, now, out)
        if record.toward_initiator is not None:
            near = record.toward_initiator.port.neighbor
            body = record.core.body
            self._send_failed(near, body.reservation, body.version, ErrorCode.NEIGHBOR_LOST, out)

    def due(self, now: Now, out: Outbox) -> None:
        """Expire holds whose time is over; repeat COMMITs without outcome; end what a slot has overtaken."""
        for record in self._table.open_records():
            if record.state in TERMINAL:
                self._table.settle(record)
            elif record.state is ReservationState.IN_DOUBT:
                self._due_in_doubt(record, now, out)
            elif record.deadline_ns <= now.monotonic_ns:
                self.expire(record, now, out)

    def _due_in_doubt(self, record: Reservation, now: Now, out: Outbox) -> None:
        if now.utc_s >= record.last_slot + self._config.parameters.slot_s:
            record.advance(ReservationEvent.SLOT_END, now)
            self._end(record, ErrorCode.NEIGHBOR_LOST, now, out)
        elif (
            record.retry_ns is not None
            and record.retry_ns <= now.monotonic_ns
            and record.toward_origin is not None
        ):
            self._send_commit(record, record.toward_origin, now, out)

    def query(self, neighbor: NodeId, sealed: Sealed[OutcomeQuery], out: Outbox) -> None:
        """Tell a neighbour how a reservation stands, with the signed evidence there is."""
        body = sealed.body
        record = self._table.get(body.reservation, body.version)
        outcome = Outcome(
            reservation=body.reservation,
            version=body.version,
            state=ReservationState.UNSPECIFIED if record is None else record.state,
            evidence=_evidence(record),
        )
        out.send(neighbor, self._sealer.seal(outcome).envelope)


def _evidence(record: Reservation | None) -> Envelope | None:
    return None if record is None or record.committed is None else record.committed.envelope
