"""COMMIT, its outcome and loss of contact at a hop (SPEC section 10).

A COMMIT travels from the initiator to the origin.  A hop that has made it
durable and passed it on is IN_DOUBT: its hold timer is off and only a signed
outcome ends it.  The origin's COMMITTED is the commit point; a COMMIT that
reaches the origin after the origin's own deadline is answered with FAILED.
COMMITTED returns the same way; every hop confirms it with a RECEIPT, which is
where the obligation on that link begins.
"""

from __future__ import annotations

from typing import Protocol

from ioe_router.core.grant_path import GrantPath
from ioe_router.core.hop import Hop, present
from ioe_router.core.outbox import Outbox
from ioe_router.core.reservation import Reservation
from ioe_router.core.reservation_fsm import ENDED, TERMINAL, ReservationEvent, allows
from ioe_router.model.clock import Now
from ioe_router.model.envelope import Envelope, Sealed
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.ids import NodeId
from ioe_router.model.reservation import (
    Commit,
    CommitHop,
    Committed,
    Failed,
    HoldCore,
    Receipt,
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

    def __init__(self, hop: Hop, grants: GrantPath, listener: OutcomeListener) -> None:
        """`listener` hears outcomes of this node's own reservations."""
        self._hop = hop
        self._grants = grants
        self._listener = listener

    # --- COMMIT

    def start(self, record: Reservation, accepted: tuple[int, ...], now: Now, out: Outbox) -> None:
        """The initiator takes granted packets."""
        body = record.core.body
        commit = self._hop.sealer.seal(
            Commit(
                reservation=body.reservation,
                version=body.version,
                core=record.core.object_id,
                initiator=self._hop.config.node,
                accepted=accepted,
            )
        )
        record.advance(ReservationEvent.COMMIT, now)
        self._take_over(record, commit, now, out)

    def commit(self, neighbor: NodeId, sealed: Sealed[CommitHop], now: Now, out: Outbox) -> None:
        """A COMMIT from the initiator's side; what it breaks is found before anything changes."""
        commit = self._hop.sealer.open(sealed.body.commit, Commit)
        body = commit.body
        record = self._hop.table.get(body.reservation, body.version)
        if record is None:
            self._send_failed(neighbor, body, ErrorCode.UNKNOWN_RESERVATION, out)
            return
        self._check_commit(record, neighbor, commit)
        if record.commit is not None:
            self._repeat_outcome(record, commit, out)
        elif record.state in ENDED:
            self._send_failed(neighbor, body, ErrorCode.HOLD_EXPIRED, out)
        elif not allows(record.state, ReservationEvent.COMMIT):
            record.advance(ReservationEvent.COMMIT, now)
        elif now.monotonic_ns >= record.deadline_ns or self._hop.gate_is_closed(record, now):
            code = ErrorCode.GATE_CLOSED if self._hop.gate_is_closed(record, now) else ErrorCode.HOLD_EXPIRED
            self.expire(record, now, out)
            self._send_failed(neighbor, body, code, out)
        else:
            unknown = [index for index in body.accepted if index not in record.granted]
            if unknown:
                raise PeerError(ErrorCode.GRANT_CHANGED, f"COMMIT takes packet {unknown[0]}, not granted")
            self._grants.mirror_final(record, sealed.body.keeper_entry, body.accepted)
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
            self._hop.pass_on(present(record.toward_initiator).port.neighbor, record.answer, out)

    def _take_over(self, record: Reservation, commit: Sealed[Commit], now: Now, out: Outbox) -> None:
        """Keep the accepted packets, drop the others, and go on (or accept, as the origin)."""
        record.commit, record.accepted = commit, commit.body.accepted
        for index in [i for i in record.granted if i not in record.accepted]:
            self._hop.drop(record, index)
        if record.toward_origin is None:
            self._accept(record, commit, now, out)
        else:
            self.send_commit(record, commit, now, out)

    def send_commit(self, record: Reservation, commit: Sealed[Commit], now: Now, out: Outbox) -> None:
        """Pass COMMIT on, or say it again, with the final entry where we keep the ledger."""
        leg = present(record.toward_origin)
        entry = self._hop.entry_envelope(record, leg, list(record.accepted), final=True)
        hop_commit = CommitHop(commit=commit.envelope, keeper_entry=entry)
        self._hop.send(leg.port.neighbor, hop_commit, out, (commit.envelope,))
        record.retry_ns = now.after_ms(self._hop.config.timers.commit_retry_ms)

    # --- outcome

    def _accept(self, record: Reservation, commit: Sealed[Commit], now: Now, out: Outbox) -> None:
        """We are the origin: this signature is the commit point."""
        body, config = record.core.body, self._hop.config
        committed = self._hop.sealer.seal(
            Committed(
                reservation=body.reservation,
                version=body.version,
                commit=commit.object_id,
                origin=config.node,
                accepted_utc_ms=now.utc_ms,
                balance_party=config.balance_party or config.node,
            )
        )
        self._conclude(record, committed, now, out)

    def committed(self, neighbor: NodeId, sealed: Sealed[Committed], now: Now, out: Outbox) -> None:
        """COMMITTED from the origin's side."""
        body = sealed.body
        record = self._hop.table.require(body.reservation, body.version)
        leg = self._hop.from_origin_side(record, neighbor)
        if sealed.signers != (record.core.body.origin,):
            raise PeerError(ErrorCode.NOT_OWNER, "COMMITTED is not signed by the origin")
        if not allows(record.state, ReservationEvent.COMMITTED):
            record.advance(ReservationEvent.COMMITTED, now)
        if record.commit is None or body.commit != record.commit.object_id:
            raise PeerError(ErrorCode.CONFLICT, "COMMITTED answers another COMMIT")
        if record.state is not ReservationState.COMMITTED:
            self._conclude(record, sealed, now, out)
        receipt = Receipt(
            reservation=body.reservation,
            version=body.version,
            committed=sealed.object_id,
            link=leg.port.link,
            node=self._hop.config.node,
        )
        self._hop.send(leg.port.neighbor, receipt, out)

    def _conclude(self, record: Reservation, committed: Sealed[Committed], now: Now, out: Outbox) -> None:
        """COMMITTED stands here: prices enter the ledgers, the answer goes on."""
        record.advance(ReservationEvent.COMMITTED, now)
        record.committed = committed
        for index in record.accepted:
            self._settle_far(record, index)
        self._hop.replacements.committed(record)
        self._hop.table.settle(record)
        if record.toward_initiator is not None:
            self._hop.answer(record, committed.envelope, out)
            record.retry_ns = now.after_ms(self._hop.config.timers.commit_retry_ms)
        if not record.is_transit:
            self._listener.booked(record, now, out)

    def _settle_far(self, record: Reservation, index: int) -> None:
        """We hold COMMITTED, so we owe (or are owed) on the link that it came over."""
        if record.toward_origin is not None:
            price = record.granted[index].price_micro_per_kwh
            self._hop.legs.settle_price(record.toward_origin, record.slots[index], index, price)

    def _settle_near(self, record: Reservation, index: int) -> None:
        """The near neighbour holds COMMITTED, too: from here on the packet counts on the link between us."""
        near, slot, legs = present(record.toward_initiator), record.slots[index], self._hop.legs
        entry = legs.entry(near, slot, index)
        if entry is not None:
            price = near.near_price(record.granted[index].price_micro_per_kwh, entry.committed)
            legs.settle_price(near, slot, index, price)

    def receipt(self, neighbor: NodeId, sealed: Sealed[Receipt]) -> None:
        """The near neighbour confirms that it holds COMMITTED."""
        body = sealed.body
        record = self._hop.table.require(body.reservation, body.version)
        leg = record.toward_initiator
        if leg is None or leg.port.neighbor != neighbor or sealed.signers != (neighbor,):
            raise PeerError(ErrorCode.NOT_OWNER, "RECEIPT is not from the neighbour that was answered")
        if record.committed is None or body.committed != record.committed.object_id:
            raise PeerError(ErrorCode.UNEXPECTED, "RECEIPT for an answer that was not given")
        if record.state is ReservationState.COMMITTED and not record.receipt:
            record.receipt = True
            record.touch()
            record.retry_ns = None
            for index in record.accepted:
                self._settle_near(record, index)
            self._hop.replacements.confirmed(record)
            self._hop.table.settle(record)

    def failed(self, neighbor: NodeId, sealed: Sealed[Failed], now: Now, out: Outbox) -> None:
        """A signed failure from the origin's side."""
        body = sealed.body
        record = self._hop.table.require(body.reservation, body.version)
        self._hop.from_origin_side(record, neighbor)
        already_over = record.state in ENDED
        record.advance(ReservationEvent.FAILED, now, body.code)
        if already_over:
            return
        self.end(record, body.code, now, out)
        if record.toward_initiator is not None:
            self._hop.answer(record, sealed.envelope, out)

    def _send_failed(
        self, neighbor: NodeId, about: Commit | HoldCore, code: ErrorCode, out: Outbox
    ) -> Envelope:
        failed = Failed(
            reservation=about.reservation, version=about.version, code=code, node=self._hop.config.node
        )
        return self._hop.send(neighbor, failed, out)

    # --- expiry, lost neighbours

    def expire(self, record: Reservation, now: Now, out: Outbox) -> None:
        """The hold time is over here; each node judges its own clock."""
        if record.state is ReservationState.HOLDING:
            expired = ReservationEvent.EXPIRE
            self._hop.refuse_near(record, ErrorCode.HOLD_EXPIRED, now, out, event=expired)
            return
        record.advance(ReservationEvent.EXPIRE, now, ErrorCode.HOLD_EXPIRED)
        self.end(record, ErrorCode.HOLD_EXPIRED, now, out)

    def end(self, record: Reservation, code: ErrorCode, now: Now, out: Outbox) -> None:
        """Nothing of the reservation stands here any more, but for a release that is not confirmed."""
        if not record.is_transit:
            self._listener.ended(record, code, now, out)
        if record.release_open:
            self._hop.drop_near(record)
        else:
            self._hop.drop_all(record)
        self._hop.table.settle(record)

    def lost(self, neighbor: NodeId, now: Now, out: Outbox) -> None:
        """The session with a neighbour is gone: what only waits for it ends, what is in doubt stays."""
        for record in self._hop.table.open_records():
            leg = record.toward_origin
            if leg is None or leg.port.neighbor != neighbor:
                continue
            if record.state is ReservationState.HOLDING:
                self._hop.refuse_near(record, ErrorCode.NEIGHBOR_LOST, now, out, event=ReservationEvent.LOST)
            elif record.state is ReservationState.HELD:
                record.advance(ReservationEvent.LOST, now, ErrorCode.NEIGHBOR_LOST)
                self._fail(record, ErrorCode.NEIGHBOR_LOST, now, out)

    def _fail(self, record: Reservation, code: ErrorCode, now: Now, out: Outbox) -> None:
        """End a promised reservation here and say so toward the initiator."""
        self.end(record, code, now, out)
        if record.toward_initiator is not None:
            near = record.toward_initiator.port.neighbor
            record.answer = self._send_failed(near, record.core.body, code, out)

    def due(self, now: Now, out: Outbox) -> None:
        """Expire holds whose time is over; repeat COMMITs without outcome; end what a slot has overtaken."""
        for record in self._hop.table.open_records():
            if record.state in TERMINAL:
                self._hop.table.settle(record)
            elif record.state is ReservationState.IN_DOUBT:
                self._due_in_doubt(record, now, out)
            elif record.deadline_ns <= now.monotonic_ns:
                self.expire(record, now, out)

    def _due_in_doubt(self, record: Reservation, now: Now, out: Outbox) -> None:
        if now.utc_s >= record.last_slot + self._hop.config.parameters.slot_s:
            record.advance(ReservationEvent.SLOT_END, now, ErrorCode.NEIGHBOR_LOST)
            self._fail(record, ErrorCode.NEIGHBOR_LOST, now, out)
        elif (
            record.retry_ns is not None and record.retry_ns <= now.monotonic_ns and record.commit is not None
        ):
            self.send_commit(record, record.commit, now, out)
