"""RELEASE, and asking and telling how a reservation stands (SPEC section 10.8).

A release is a decision of the initiator.  It ends the reservation at each node as it
comes by, and each neighbour confirms it with OUTCOME.  Of committed packets the line on
the link toward the origin stays booked until then: a node that has let the initiator go
stands in for what the next one has not heard of.  So a RELEASE that is lost with its
session is repeated, and whatever becomes of it, both ends of every link have the same
books.

After a lost session, what the neighbour may have missed is said again: COMMIT that has
no outcome, RELEASE that is not confirmed, COMMITTED without RECEIPT.
"""

from __future__ import annotations

from ioe_router.core.commit_path import CommitPath
from ioe_router.core.hop import Hop, present
from ioe_router.core.outbox import Outbox
from ioe_router.core.reservation import Reservation
from ioe_router.core.reservation_fsm import ENDED, ReservationEvent
from ioe_router.model.clock import Now
from ioe_router.model.envelope import Envelope, ObjectType, Sealed
from ioe_router.model.errors import ErrorCode, Overtaken, PeerError
from ioe_router.model.ids import NodeId
from ioe_router.model.reservation import (
    Committed,
    Failed,
    Outcome,
    OutcomeQuery,
    Release,
    ReservationState,
)


class ReleasePath:
    """Releases given and taken, outcomes asked and told, at every role."""

    def __init__(self, hop: Hop, commits: CommitPath) -> None:
        """`commits` takes the evidence that an OUTCOME brings."""
        self._hop = hop
        self._commits = commits

    # --- the initiator

    def order(self, record: Reservation, now: Now, out: Outbox) -> None:
        """The host gives one of its reservations back; once more changes nothing. Overtaken."""
        if record.toward_initiator is not None:
            raise Overtaken(ErrorCode.NOT_OWNER, "only its initiator gives a reservation back")
        if record.state is ReservationState.RELEASED:
            return
        if record.state not in (ReservationState.HELD, ReservationState.COMMITTED):
            raise Overtaken(ErrorCode.UNEXPECTED, f"the reservation is {record.state.name}")
        try:
            self.give_up(record, ErrorCode.UNSPECIFIED, now, out)
        except PeerError as error:  # the rule that a neighbour's RELEASE is held to
            raise Overtaken(error.code, error.detail) from None

    def give_up(self, record: Reservation, code: ErrorCode, now: Now, out: Outbox) -> None:
        """Give an own reservation back. PeerError GATE_CLOSED when it is committed and dispatched."""
        self._check_gate(record, now)
        body = record.core.body
        release = self._hop.sealer.seal(
            Release(reservation=body.reservation, version=body.version, initiator=self._hop.config.node)
        )
        self._release(record, release, code, now, out)

    # --- RELEASE from the initiator's side

    def release(self, neighbor: NodeId, sealed: Sealed[Release], now: Now, out: Outbox) -> None:
        """End the reservation here and say so. PeerError: not the initiator's, unknown, or too late."""
        body = sealed.body
        record = self._hop.table.get(body.reservation, body.version)
        if record is None:
            self._tell(neighbor, sealed.body, None, out)
            raise PeerError(ErrorCode.UNKNOWN_RESERVATION, "no such reservation here")
        leg = record.toward_initiator
        if leg is None or leg.port.neighbor != neighbor or sealed.signers != (record.core.body.initiator,):
            raise PeerError(ErrorCode.NOT_OWNER, "RELEASE is not the initiator's or came another way")
        try:
            if record.state not in ENDED:
                self._check_gate(record, now)
                self._release(record, sealed, ErrorCode.UNSPECIFIED, now, out)
        finally:
            self._tell(neighbor, sealed.body, record, out)

    def _check_gate(self, record: Reservation, now: Now) -> None:
        if record.state is ReservationState.COMMITTED and self._hop.gate_is_closed(record, now):
            raise PeerError(
                ErrorCode.GATE_CLOSED, "committed packets cannot be released after the final gate"
            )

    def _release(
        self, record: Reservation, release: Sealed[Release], code: ErrorCode, now: Now, out: Outbox
    ) -> None:
        """End it toward the initiator; toward the origin pass it on, and keep what is committed there."""
        onward = record.toward_origin
        record.release_open = record.state is ReservationState.COMMITTED and onward is not None
        record.advance(ReservationEvent.RELEASE, now, code)
        record.release = release
        if onward is not None:
            self._send(record, release, now, out)
        self._commits.end(record, code, now, out)

    def _send(self, record: Reservation, release: Sealed[Release], now: Now, out: Outbox) -> None:
        self._hop.pass_on(present(record.toward_origin).port.neighbor, release.envelope, out)
        if record.release_open:
            record.retry_ns = now.after_ms(self._hop.config.timers.commit_retry_ms)

    # --- OUTCOME

    def query(self, neighbor: NodeId, sealed: Sealed[OutcomeQuery], out: Outbox) -> None:
        """Tell a neighbour, on the path or not, how a reservation stands, and the signed evidence of it."""
        body = sealed.body
        self._tell(neighbor, body, self._hop.table.get(body.reservation, body.version), out)

    def _tell(
        self, neighbor: NodeId, about: OutcomeQuery | Release, record: Reservation | None, out: Outbox
    ) -> None:
        outcome = Outcome(
            reservation=about.reservation,
            version=about.version,
            state=ReservationState.UNSPECIFIED if record is None else record.state,
            evidence=None if record is None else evidence_of(record),
        )
        inside = () if outcome.evidence is None else (outcome.evidence,)
        self._hop.send(neighbor, outcome, out, inside)

    def outcome(self, neighbor: NodeId, sealed: Sealed[Outcome], now: Now, out: Outbox) -> None:
        """How a reservation stands toward the origin. PeerError: unknown here, or from elsewhere."""
        body = sealed.body
        record = self._hop.table.require(body.reservation, body.version)
        self._hop.from_origin_side(record, neighbor)
        if record.release_open:
            self._released(record, body.state, now)
        elif body.evidence is not None and record.state not in ENDED:
            self._take(neighbor, body.evidence, now, out)

    def _released(self, record: Reservation, there: ReservationState, now: Now) -> None:
        """The neighbour has let go, or it came too late: then we stand in for the committed packets.

        Before the final gate nobody may refuse a RELEASE, whatever the neighbour says.
        """
        if there in ENDED or there is ReservationState.UNSPECIFIED:
            self._hop.withdraw_far(record)
            self._close(record)
        elif there is ReservationState.COMMITTED and self._hop.gate_is_closed(record, now):
            self._close(record)

    def _close(self, record: Reservation) -> None:
        """Nothing more is to be heard about it."""
        record.release_open, record.retry_ns = False, None
        record.touch()
        self._hop.table.close(record)

    def _take(self, neighbor: NodeId, evidence: Envelope, now: Now, out: Outbox) -> None:
        """Evidence is what counts, not who brings it: it is judged as if it had come by itself."""
        if evidence.type is ObjectType.COMMITTED:
            self._commits.committed(neighbor, self._hop.sealer.open(evidence, Committed), now, out)
        elif evidence.type is ObjectType.FAILED:
            self._commits.failed(neighbor, self._hop.sealer.open(evidence, Failed), now, out)

    # --- time and sessions

    def due(self, now: Now, out: Outbox) -> None:
        """Repeat what a neighbour has not confirmed; from the end of the last slot on, stand in for it."""
        for record in self._hop.table.open_records():
            if not record.unconfirmed:
                continue
            if self._is_over(record, now):
                self._close(record)
            elif record.retry_ns is not None and record.retry_ns <= now.monotonic_ns:
                self._say_again(record, now, out)

    def neighbor_up(self, neighbor: NodeId, now: Now, out: Outbox) -> None:
        """A session stands again: say what the neighbour may have missed."""
        for record in self._hop.table.open_records():
            in_doubt = record.state is ReservationState.IN_DOUBT
            asked = in_doubt or record.release_open
            leg = record.toward_origin if asked else record.toward_initiator
            if leg is None or leg.port.neighbor != neighbor:
                continue
            if in_doubt and record.commit is not None:
                self._commits.send_commit(record, record.commit, now, out)
            elif record.unconfirmed:
                self._say_again(record, now, out)

    def _say_again(self, record: Reservation, now: Now, out: Outbox) -> None:
        if record.release_open and record.release is not None:
            self._send(record, record.release, now, out)
        elif record.committed is not None:
            near = present(record.toward_initiator).port.neighbor
            self._hop.pass_on(near, record.committed.envelope, out)
            record.retry_ns = now.after_ms(self._hop.config.timers.commit_retry_ms)

    def _is_over(self, record: Reservation, now: Now) -> bool:
        return now.utc_s >= record.last_slot + self._hop.config.parameters.slot_s


def evidence_of(record: Reservation) -> Envelope | None:
    """The signed object that proves how a reservation ended here, None where nothing was signed."""
    match record.state:
        case ReservationState.COMMITTED if record.committed is not None:
            return record.committed.envelope
        case ReservationState.RELEASED if record.release is not None:
            return record.release.envelope
        case ReservationState.FAILED if record.answer is not None:
            return record.answer if record.answer.type is ObjectType.FAILED else None
        case _:
            return None
