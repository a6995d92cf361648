"""The router: one door in, effects out (SPEC section 3).

`handle` takes what has happened and the time, and answers with what is to be
done.  It never waits, never raises for anything a neighbour sent, and reads no
clock.  This file opens and seals frames around the core and is the only place
where a neighbour's mistake (`PeerError`) is caught: it is counted, told to the
host, and answered; the session lives unless the frame itself is of no use.

    frame bytes -> budget, size, wire, session, number, frame signature
                -> each object: budget, bounds, signers, budget, signature, budget of the signer -> dispatch
    wishes      -> one frame (or more) per neighbour, then the other effects in order

Not thread-safe: one owner.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from ioe_router.codec.bound_rules import FRAME_BYTES
from ioe_router.codec.bounds import clipped_text
from ioe_router.codec.frames import decode_frame, encode_frame, verify_frame
from ioe_router.codec.keys import KeyRing
from ioe_router.codec.registry import REGISTRY
from ioe_router.codec.sealing import CodecSealer, charge_nobody
from ioe_router.codec.signing import Signer, Verify, verify
from ioe_router.config import RouterConfig
from ioe_router.core import belonging
from ioe_router.core.budgets import Accounts, Answer, Signers
from ioe_router.core.commands import command
from ioe_router.core.dispatch import dispatch
from ioe_router.core.effects import Effect, Emit, Persist, RecordKind, SendFrame
from ioe_router.core.entropy import EntropySource
from ioe_router.core.events import Event, PeerFault
from ioe_router.core.inputs import FrameReceived, Input, Reconfigure
from ioe_router.core.outbox import Outbox, ToNeighbor
from ioe_router.core.parts import Parts
from ioe_router.core.repeats import retry_after_ms
from ioe_router.core.restart import restore
from ioe_router.core.steps import take_steps
from ioe_router.core.upkeep import repeat_refused, tell_changes, tell_moves
from ioe_router.model.clock import Now
from ioe_router.model.discovery import Close, Fault, OperationalKey
from ioe_router.model.envelope import Envelope, Frame, ObjectType, Sealed
from ioe_router.model.errors import ErrorCode, PeerError, UsageError
from ioe_router.model.ids import NodeId, object_id_of
from ioe_router.model.proof import Equivocated
from ioe_router.model.reservation import Hold, OutcomeQuery, Release
from ioe_router.model.slot import Slot
from ioe_router.readout.refused import refusal_of
from ioe_router.view import RouterView, SlotView, slot_view_of, view_of

NOT_AHEAD_OF_HOLDS = (Release, OutcomeQuery, Close)  # may speak of a HOLD that came just before
# Statements that travel far: their signers have budgets of their own.
BY_SIGNER = frozenset({ObjectType.OFFER, ObjectType.OFFER_WITHDRAWAL, ObjectType.LINK_STATE})
ABUSED = "too much that is refused; this node dials and accepts again after a pause"
FRAME_ENVELOPES = 512
FRAME_PAYLOAD_BYTES = FRAME_BYTES // 2


class Router:
    """One node's router."""

    def __init__(
        self,
        config: RouterConfig,
        *,
        own_key: Sealed[OperationalKey],
        signer: Signer,
        entropy: EntropySource,
        now: Now,
        judge: Verify = verify,
    ) -> None:
        """`signer` holds the operational key that `own_key` certifies. UsageError: unusable configuration."""
        self._config = config
        self._network_id = config.parameters.network_id
        ring = KeyRing(network_id=self._network_id, limit=config.limits.keys, parties=len(config.neighbors))
        ring.learn(own_key, now)
        self._judge = judge
        self._accounts = Accounts(config.budgets, tuple(one.node for one in config.neighbors))
        self._signers = Signers(config.budgets, config.limits.origins)
        self._sealer = CodecSealer(ring=ring, signer=signer, node=config.node, now=now, judge=judge)
        self._parts = Parts(config, self._sealer, entropy, own_key)
        self._now = now
        self._deadline_ns: int | None = None
        self._holds: list[tuple[NodeId, Sealed[Hold]]] = []  # of this batch, not served yet
        self.counts: Counter[str] = Counter()
        self.faults: Counter[tuple[NodeId, ErrorCode]] = Counter()

    def add_signer(self, signer: Signer) -> None:
        """Hold the signer of this node's next operational key ready for `RenewKey`."""
        self._sealer.add_signer(signer)

    # --- the door

    def handle(self, input_: Input, now: Now) -> tuple[Effect, ...]:
        """Take one input. UsageError: the host asked for something impossible."""
        return self.handle_all((input_,), now)

    def handle_all(self, inputs: Sequence[Input], now: Now) -> tuple[Effect, ...]:
        """Take inputs in order; what they want sent to a neighbour goes out in one frame."""
        if now.monotonic_ns < self._now.monotonic_ns:
            raise UsageError("the monotonic clock went back; pass a clock that never decreases")
        self._now = self._sealer.now = now
        out = Outbox()
        for input_ in inputs:
            if isinstance(input_, FrameReceived):
                self._frame(input_, now, out)
            else:
                self._command(input_, now, out)
        self._serve_holds(now, out)
        self._due(now, out)
        self.counts["object_signatures_verified"] = self._sealer.signatures_verified
        self._deadline_ns = self._next_deadline_ns()
        return self._effects(out)

    def restore(self, records: Sequence[Persist], now: Now) -> None:
        """Take up what an earlier life has made durable: the rows of its store, before `Started`.

        UsageError names a record that is damaged or contradicts itself, and says what to do.
        """
        self._now = self._sealer.now = now
        restore(self._parts, records, self._sealer.ring.learn, now)
        self._deadline_ns = self._next_deadline_ns()

    def ready_at_ns(self, neighbor: NodeId) -> int:
        """Until when the host should hand over no more frames of a neighbour, monotonic nanoseconds.

        It has used up a budget; what comes nevertheless is served for a while, and then refused.
        """
        return self._accounts.ready_at_ns(neighbor)

    def next_deadline_ns(self) -> int | None:
        """When the router wants DeadlineReached at the latest, monotonic nanoseconds."""
        return self._deadline_ns

    def _next_deadline_ns(self) -> int | None:
        parts = self._parts
        deadlines = (
            parts.sessions.deadline_ns(),
            parts.routing.deadline_ns(),
            parts.repeats.deadline_ns(),
            parts.zone.next_deadline_ns(),
            parts.sweeps.next_deadline_ns(),
            parts.slots.deadline_ns(self._now),
            parts.desk.deadline_ns(),
            parts.reservations.deadline_ns(),
            parts.curtailments.deadline_ns(self._now),
            parts.imbalance.next_deadline_ns(),
            belonging.deadline_ns(parts, self._now),
            parts.aggregation.deadline_ns(),
        )
        return min((at for at in deadlines if at is not None), default=None)

    def snapshot(self) -> RouterView:
        """The tables as they stand, frozen."""
        return view_of(self._parts, dict(self.counts))

    def slot_view(self, slot: Slot) -> SlotView:
        """The books of one slot, frozen."""
        return slot_view_of(self._parts, slot)

    def inspect(self) -> Parts:
        """The live tables, for tools that judge a router from outside; they are to be read, not changed."""
        return self._parts

    def check_invariants(self) -> None:
        """Raise InvariantViolation when the ledgers contradict themselves."""
        for port in self._parts.ports.all():
            for slot in port.calendar.slots():
                ledger = port.calendar.ledger(slot)
                if ledger is not None:
                    ledger.check()

    # --- inputs

    def _command(self, input_: Input, now: Now, out: Outbox) -> None:
        if isinstance(input_, FrameReceived):
            return
        self._serve_holds(now, out)
        try:
            command(self._parts, input_, now, out)
            if isinstance(input_, Reconfigure):
                self._accounts.follow(tuple(one.node for one in input_.config.neighbors))
                self._sealer.ring.share_among(len(input_.config.neighbors))
        except PeerError as error:
            neighbor = getattr(input_, "neighbor", self._config.node)
            self._fault(neighbor, error, out)

    def _frame(self, received: FrameReceived, now: Now, out: Outbox) -> None:
        neighbor = received.neighbor
        self.counts["frames_received"] += 1
        self.counts["bytes_received"] += len(received.frame)
        account = self._accounts.of(neighbor)
        try:
            if account is not None:
                account.frame(len(received.frame), now.monotonic_ns)
            frame = self._open_frame(neighbor, received.frame)
        except PeerError as error:
            self._serve_holds(now, out)
            self._fault(neighbor, error, out)
            self._parts.sessions.close(neighbor, error.code, error.detail, out)
            return
        sender = neighbor if frame.session else None
        for envelope in sorted(frame.envelopes, key=_is_no_revocation):
            self._envelope(neighbor, sender, envelope, now, out)
        self._sealer.charge = charge_nobody

    def _open_frame(self, neighbor: NodeId, data: bytes) -> Frame:
        frame = decode_frame(data)
        if frame.session:
            key = self._parts.sessions.frame_key(neighbor)
            if key is None:
                raise PeerError(ErrorCode.UNEXPECTED, "a session frame before HELLO")
            self.counts["frame_signatures_verified"] += frame.signature is not None
            verify_frame(self._network_id, frame, key, self._judge)
        self._parts.sessions.check_frame(neighbor, frame)
        return frame

    def _envelope(
        self, neighbor: NodeId, sender: NodeId | None, envelope: Envelope, now: Now, out: Outbox
    ) -> None:
        self.counts[f"received_{envelope.type.name.lower()}"] += 1
        try:
            sealed = self._open(neighbor, sender, envelope, now)
        except PeerError as error:
            self._refuse(neighbor, envelope, error, out)
            return
        if isinstance(sealed.body, Hold):
            self._holds.append((neighbor, sealed))
            return
        if isinstance(sealed.body, NOT_AHEAD_OF_HOLDS):
            self._serve_holds(now, out)
        self._serve(neighbor, sealed, now, out)

    def _open(self, neighbor: NodeId, sender: NodeId | None, envelope: Envelope, now: Now) -> Sealed[Any]:
        """Open an object, each step charged to who asks for it, before it is made. PeerError."""
        account = self._accounts.of(neighbor)
        self._sealer.charge = charge_nobody
        if account is not None:
            account.open(envelope.type, now.monotonic_ns)
            self._sealer.charge = account.verify
        verified = self._sealer.signatures_verified
        sealed = self._sealer.open_any(envelope, frame_sender=sender, now=now)
        if isinstance(sealed.body, OperationalKey):
            self._sealer.ring.learn(sealed, now, neighbor)
        elif envelope.type in BY_SIGNER and self._sealer.signatures_verified > verified:
            self._signers.charge(sealed.signers[0], envelope.type, now.monotonic_ns)
        return sealed

    def _serve_holds(self, now: Now, out: Outbox) -> None:
        """HOLDs take what promises have left: they wait until the rest of the batch is served."""
        holds, self._holds = self._holds, []
        for neighbor, sealed in holds:
            account = self._accounts.of(neighbor)
            if account is not None:
                account.resume(sealed.envelope.type, now.monotonic_ns)
                self._sealer.charge = account.verify
            self._serve(neighbor, sealed, now, out)
        self._sealer.charge = charge_nobody

    def _serve(self, neighbor: NodeId, sealed: Sealed[Any], now: Now, out: Outbox) -> None:
        try:
            dispatch(self._parts, neighbor, sealed, now, out)
        except PeerError as error:
            self._refuse(neighbor, sealed.envelope, error, out)

    def _refuse(self, neighbor: NodeId, envelope: Envelope, error: PeerError, out: Outbox) -> None:
        account = self._accounts.of(neighbor)
        answer = Answer.TELL if account is None else account.refused(error, self._now.monotonic_ns)
        if answer is Answer.TELL or isinstance(error, Equivocated):
            self._parts.refusals.note(refusal_of(neighbor, envelope, error, self._now))
            self._fault(neighbor, error, out)
            self._answer_fault(neighbor, envelope, error, out)
            return
        self._count(PeerFault(neighbor=neighbor, code=error.code, detail=error.detail))
        if answer is Answer.CLOSE:
            self._parts.sessions.close(neighbor, ErrorCode.LIMIT_REACHED, ABUSED, out)

    def _fault(self, neighbor: NodeId, error: PeerError, out: Outbox) -> None:
        if isinstance(error, Equivocated):
            self._parts.proofs.keep(error.proof, out)
        out.emit(PeerFault(neighbor=neighbor, code=error.code, detail=error.detail))

    def _answer_fault(self, neighbor: NodeId, envelope: Envelope, error: PeerError, out: Outbox) -> None:
        """Name the refused object inside a session; before it stands, what fails ends the handshake."""
        if not self._parts.sessions.established(neighbor):
            self._parts.sessions.close(neighbor, error.code, error.detail, out)
        elif envelope.type is not ObjectType.FAULT:
            fault = Fault(
                code=error.code,
                object=object_id_of(envelope.signed),
                text=clipped_text(error.detail),
                retry_after_ms=retry_after_ms(error),
            )
            out.send(neighbor, self._sealer.seal(fault).envelope)

    def _count(self, event: Event) -> None:
        self._parts.refusals.hear(event, self._now)
        if isinstance(event, PeerFault):
            self.counts[f"fault_{event.code.name.lower()}"] += 1
            self.faults[event.neighbor, event.code] += 1

    # --- time

    def _due(self, now: Now, out: Outbox) -> None:
        """Look at everything that time alone makes happen, then at what the inputs have left to tell."""
        parts = self._parts
        belonging.due(parts, now, out)
        parts.sessions.due(now, out)
        parts.commits.due(now, out)
        parts.releases.due(now, out)
        parts.curtailments.due(now, out)
        take_steps(parts, now, out)
        parts.desk.due(now, out)
        parts.zone.tick(now, out)
        parts.sweeps.tick(now, out)
        parts.imbalance.tick(now, out)
        repeat_refused(parts, now, out)
        tell_changes(parts, now, out)
        parts.routing.due(now, out)
        tell_moves(parts, out)
        parts.promises.write(now, out)

    # --- effects

    def _effects(self, out: Outbox) -> tuple[Effect, ...]:
        """Turn wishes into effects: records first, then all else in order.

        What a call promises is known only at its end, and nothing of the call may leave before it is
        durable.  Of several records of one row the last counts.  Envelopes of one neighbour become
        frames where its first one stood.
        """
        records: dict[tuple[RecordKind, bytes], Persist] = {}
        effects: list[Effect] = []
        waiting: dict[NodeId, list[Envelope]] = {}
        for wish in out.wishes:
            if isinstance(wish, Persist):
                records[wish.kind, wish.key] = wish
            elif isinstance(wish, ToNeighbor):
                waiting.setdefault(wish.neighbor, []).append(wish.envelope)
            elif isinstance(wish, Emit):
                self._count(wish.event)
                effects.append(wish)
            else:
                effects.extend(self._flush(waiting))
                effects.append(wish)
        effects.extend(self._flush(waiting))
        return (*records.values(), *effects)

    def _flush(self, waiting: dict[NodeId, list[Envelope]]) -> Iterable[SendFrame]:
        frames = []
        for neighbor, envelopes in waiting.items():
            envelopes.sort(key=_is_no_revocation)
            for batch in _batches(self._sendable(neighbor, envelopes)):
                frames.append(self._seal_frame(neighbor, batch))
        waiting.clear()
        return frames

    def _sendable(self, neighbor: NodeId, envelopes: list[Envelope]) -> list[Envelope]:
        """Without a session only what makes one; the rest is lost as on a cut wire and repeated after it."""
        if self._parts.sessions.session_id(neighbor):
            return envelopes
        return [envelope for envelope in envelopes if REGISTRY[envelope.type].unsigned_frame]

    def _seal_frame(self, neighbor: NodeId, envelopes: list[Envelope]) -> SendFrame:
        session = self._parts.sessions.session_id(neighbor)
        seq = self._parts.sessions.next_frame_seq(neighbor, self._sealer.now)
        key = self._parts.sessions.keys.own(neighbor)
        signer = self._sealer.signer_of(key) if session and key is not None else None
        data = encode_frame(self._network_id, session, seq, envelopes, signer)
        own = self._parts.evidence.own_key
        if key != own.body.operational_key and own.envelope in envelopes:
            self._parts.sessions.keys.told(neighbor, own.body.operational_key)
        self.counts["frames_sent"] += 1
        self.counts["bytes_sent"] += len(data)
        return SendFrame(neighbor=neighbor, frame=data)


def _is_no_revocation(envelope: Envelope) -> bool:
    """Sorts revocations in front of everything else, which stays in its order."""
    return envelope.type is not ObjectType.REVOCATION


def _batches(envelopes: list[Envelope]) -> Iterable[list[Envelope]]:
    """Split by count and size so that every frame is well inside its limit."""
    batch: list[Envelope] = []
    size = 0
    for envelope in envelopes:
        length = len(envelope.signed) + 256
        if batch and (len(batch) >= FRAME_ENVELOPES or size + length > FRAME_PAYLOAD_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(envelope)
        size += length
    if batch:
        yield batch
