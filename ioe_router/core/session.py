"""Sessions with neighbours: handshake, frame numbers, signs of life, closing (SPEC section 6).

As soon as the transport stands, each side sends its operational key and a
HELLO; each checks the other's HELLO against its own configuration and answers
with a proof that names both HELLOs, so that neither can be replayed or
changed.  From then on every frame carries the session id, which both sides
derive from the two HELLOs, and a number without gaps.

What is decided here: whether a HELLO is acceptable, whether a frame is the
next one, when a session ends.  What is not: frame signatures (codec), the
transport's own liveness (adapter), what is told to a neighbour (routing.py).

A refused handshake closes the session and then raises the PeerError that says
why; the shell may dial again.
"""

from __future__ import annotations

from typing import Final

from ioe_router.config import NeighborConfig, RouterConfig
from ioe_router.core.durable import to_record
from ioe_router.core.effects import RecordKind
from ioe_router.core.entropy import EntropySource, jittered_ms
from ioe_router.core.events import NeighborDown, NeighborUp, StoreOutdated
from ioe_router.core.evidence import Evidence, Prerequisites
from ioe_router.core.hello import (
    CLOCK_ERROR_MAX_MS,
    NONCE_BYTES,
    RESUME,
    check_epochs,
    check_hello,
    check_transport_key,
    close_text,
    own_hello,
)
from ioe_router.core.host_clock import HostClock
from ioe_router.core.liveness import SILENT, UNHEARD
from ioe_router.core.neighbor_session import NeighborSession, proof_problem
from ioe_router.core.outbox import Outbox
from ioe_router.core.session_fsm import SessionEvent, SessionState, advance
from ioe_router.core.session_keys import SessionKeys
from ioe_router.model.clock import MS_PER_S, Now
from ioe_router.model.discovery import (
    Close,
    Hello,
    Keepalive,
    LinkAttestation,
    SessionProof,
)
from ioe_router.model.envelope import Frame, Sealed, Sealer
from ioe_router.model.errors import ErrorCode, PeerError, UsageError
from ioe_router.model.ids import NodeId

OWN_CLOCK: Final = "the clock of this end is off by more than a minute; it has to be synchronised"
_KEY_EXPIRED: Final = "the neighbour's operational key has expired; renew it there"


class Sessions:
    """The sessions with all configured neighbours."""

    def __init__(
        self,
        config: RouterConfig,
        sealer: Sealer,
        entropy: EntropySource,
        evidence: Evidence,
        prerequisites: Prerequisites,
    ) -> None:
        """All sessions IDLE; `start` before the first `up`."""
        self._config = config
        self._sealer = sealer
        self._entropy = entropy
        self._evidence = evidence
        self._prerequisites = prerequisites
        self._epoch = 0
        self._last_epoch: int | None = None
        self._sessions = {n.node: NeighborSession(n) for n in config.neighbors}
        self.clock = HostClock()
        self.keys = SessionKeys(self._sessions, evidence, prerequisites, self.close)

    # ------------------------------------------------------------- handshake
    def start(self, epoch: int, last_epoch: int | None = None) -> None:
        """Set the epoch that HELLOs state; `last_epoch` is that of the start before, as the store has it."""
        self._epoch, self._last_epoch = epoch, last_epoch

    def restore_epoch(self, neighbor: NodeId, epoch: int) -> None:
        """The highest epoch of a neighbour that an earlier life of this node has seen."""
        session = self._sessions.get(neighbor)
        if session is not None:
            session.seen_epoch = max(session.seen_epoch, epoch)

    def up(
        self, neighbor: NodeId, dialer: bool, now: Now, out: Outbox, transport_key: bytes | None = None
    ) -> None:
        """The transport stands: send key and HELLO. UsageError if it already stood."""
        session = self._sessions.get(neighbor)
        if session is None or session.former:
            out.close(neighbor, ErrorCode.NOT_A_NEIGHBOR, "not configured as a neighbour")
            raise PeerError(ErrorCode.NOT_A_NEIGHBOR, "not configured as a neighbour")
        void = self.keys.why_void(neighbor, transport_key)
        if void is not None:
            out.close(neighbor, ErrorCode.KEY_REVOKED, void)
            raise PeerError(ErrorCode.KEY_REVOKED, void)
        if not self.clock.may_sign:
            out.close(neighbor, ErrorCode.CLOCK_UNSYNCED, OWN_CLOCK)
            raise PeerError(ErrorCode.CLOCK_UNSYNCED, OWN_CLOCK)
        session.state = advance(session.state, SessionEvent.UP)
        session.reset()
        session.dialer, session.transport_key = dialer, transport_key
        session.handshake_until_ns = now.after_ms(self._config.timers.handshake_ms)
        hello = own_hello(
            self._config,
            session.neighbor,
            epoch=self._epoch,
            last_seen_epoch=session.seen_epoch,
            nonce=self._entropy.token(NONCE_BYTES),
            domain=self._evidence.domains.own or b"",
            now=now,
        )
        session.hello = self._sealer.seal(hello)
        self._prerequisites.forget(neighbor)
        self._prerequisites.introduce(neighbor, out)
        self._prerequisites.send(neighbor, session.hello.envelope, out)

    def hello(self, neighbor: NodeId, sealed: Sealed[Hello], now: Now, out: Outbox) -> None:
        """Check the neighbour's HELLO and answer with the proof. PeerError: refused and closed."""
        session = self._session(neighbor)
        following = advance(session.state, SessionEvent.HELLO)
        if following is SessionState.CLOSING:
            return
        try:
            check_hello(self._config, session.neighbor, sealed, now)
            self._evidence.domains.check_neighbor(session.neighbor, sealed.body.domain, now)
            check_transport_key(sealed, session.transport_key)
            check_epochs(sealed.body, seen_epoch=session.seen_epoch, own_epoch=self._epoch)
            if self._evidence.signers_expire_utc_s(sealed.envelope) <= now.utc_s:
                raise PeerError(ErrorCode.KEY_EXPIRED, _KEY_EXPIRED)
            self._adopt_link(session, now)
        except PeerError as error:
            self.close(neighbor, error.code, error.detail, out)
            raise
        self._compare_store(sealed.body, out)
        session.state = following
        session.peer_hello = sealed
        proof = session.proof()
        if proof is not None:
            self._prerequisites.send(neighbor, self._sealer.seal(proof).envelope, out)

    def _compare_store(self, hello: Hello, out: Outbox) -> None:
        """Tell the host when a neighbour remembers a start of this node that its store does not."""
        seen = hello.last_seen_epoch
        if self._last_epoch is not None and self._last_epoch < seen < self._epoch:
            out.emit(StoreOutdated(neighbor=hello.node, seen_epoch=seen, last_epoch=self._last_epoch))

    def _adopt_link(self, session: NeighborSession, now: Now) -> None:
        """Verify the attestation of the link now that both ends' keys are known."""
        neighbor = session.neighbor
        if self._evidence.own_link(neighbor.node) is None:
            sealed = self._sealer.open(neighbor.attestation, LinkAttestation)
            if {sealed.body.keeper, sealed.body.other} != {self._config.node, neighbor.node}:
                raise PeerError(ErrorCode.UNKNOWN_LINK, "the configured attestation names other nodes")
            self._evidence.learn_attestation(sealed, now)
        attestation = self._evidence.own_link(neighbor.node)
        if attestation is None or attestation.body.expires_utc_s <= now.utc_s:
            raise PeerError(
                ErrorCode.UNKNOWN_LINK, "the attestation of the link has expired; renew it with both ends"
            )

    def proof(self, neighbor: NodeId, sealed: Sealed[SessionProof], now: Now, out: Outbox) -> None:
        """Check the neighbour's proof; the session is then ESTABLISHED. PeerError: refused and closed."""
        session = self._session(neighbor)
        following = advance(session.state, SessionEvent.PROOF)
        if following is SessionState.CLOSING:
            return
        problem = proof_problem(session, sealed)
        if problem is not None:
            self.close(neighbor, problem.code, problem.detail, out)
            raise problem
        session.state, session.proved = following, True
        if session.peer_hello is not None:
            self._note_epoch(session, session.peer_hello.body.epoch, out)
        session.liveness.begin(session.received_seq, session.sent_seq, now)
        self._arm(session, now)
        out.emit(NeighborUp(neighbor=neighbor))

    def _note_epoch(self, session: NeighborSession, epoch: int, out: Outbox) -> None:
        """Remember the highest epoch of a neighbour beyond our own restart."""
        if epoch > session.seen_epoch:
            out.persist(RecordKind.NEIGHBOR, session.neighbor.node, to_record({"epoch": epoch}))
        session.seen_epoch = epoch

    # ------------------------------------------------------------- ending
    def close(self, neighbor: NodeId, code: ErrorCode, text: str, out: Outbox, restart_s: int = 0) -> None:
        """Tell the neighbour why, then ask the shell to close. No effect while IDLE or CLOSING."""
        session = self._session(neighbor)
        if session.state in (SessionState.IDLE, SessionState.CLOSING):
            return
        session.state = advance(session.state, SessionEvent.CLOSE)
        session.closed = (code, text)
        body = Close(
            code=code, text=close_text(text), restart_s=restart_s if session.in_effect(RESUME) else 0
        )
        self._prerequisites.send(neighbor, self._sealer.seal(body).envelope, out)
        out.close(neighbor, code, text)

    # ------------------------------------------------------------- the operator's terms
    def enter(self, neighbor: NeighborConfig) -> None:
        """A neighbour that is new, or was one before, or has other terms from its next session on."""
        session = self._sessions.get(neighbor.node)
        if session is None:
            self._sessions[neighbor.node] = NeighborSession(neighbor)
        else:
            session.neighbor, session.former = neighbor, False

    def dismiss(self, neighbor: NodeId, out: Outbox) -> None:
        """A node is no neighbour any more: end its session; it gets no other."""
        self._session(neighbor).former = True
        self.close(neighbor, ErrorCode.NOT_A_NEIGHBOR, "the operator has taken this neighbour out", out)

    def close_all(self, code: ErrorCode, text: str, out: Outbox, restart_s: int = 0) -> None:
        """End all sessions in good order; neighbours may wait for a restart (0: they need not)."""
        for neighbor in self._sessions:
            self.close(neighbor, code, text, out, restart_s)

    def peer_close(self, neighbor: NodeId, sealed: Sealed[Close], out: Outbox) -> None:
        """The neighbour ends the session; its reason becomes that of NeighborDown."""
        session = self._session(neighbor)
        if session.state in (SessionState.IDLE, SessionState.CLOSING):
            return
        session.state = advance(session.state, SessionEvent.CLOSE)
        session.closed = (sealed.body.code, sealed.body.text)
        if session.proved and session.in_effect(RESUME) and sealed.body.code is ErrorCode.SHUTTING_DOWN:
            session.restart_s = min(sealed.body.restart_s, self._config.timers.retain_s)
        out.close(neighbor, sealed.body.code, sealed.body.text)

    def down(self, neighbor: NodeId, code: ErrorCode, reason: str, out: Outbox) -> bool:
        """The transport is gone. Emits NeighborDown; True if there was one (then withdraw what was heard)."""
        session = self._session(neighbor)
        before = session.state
        session.state = advance(before, SessionEvent.DOWN)
        if before is SessionState.IDLE:
            return False
        code, reason = session.closed or (code, reason)
        session.reset()
        self._prerequisites.forget(neighbor)
        out.emit(NeighborDown(neighbor=neighbor, code=code, reason=reason))
        return True

    # ------------------------------------------------------------- frames
    def session_id(self, neighbor: NodeId) -> bytes:
        """What an outgoing frame names: the session id once ESTABLISHED, else nothing."""
        session = self._session(neighbor)
        return session.session_id() if session.proved else b""

    def next_frame_seq(self, neighbor: NodeId, now: Now) -> int:
        """The number of the next outgoing frame, from 1; counts up with every call."""
        session = self._session(neighbor)
        session.sent_seq += 1
        session.sent_ns = now.monotonic_ns
        return session.sent_seq

    def check_frame(self, neighbor: NodeId, frame: Frame) -> None:
        """Check that this is the neighbour's next frame. PeerError REPLAYED: the session is of no more use.

        The session id is expected from the neighbour's first frame after its
        proof on, and allowed as soon as both HELLOs are known.
        """
        session = self._session(neighbor)
        expected = session.session_id()
        allowed = (expected,) if session.state is SessionState.ESTABLISHED else (b"", expected)
        if session.state is SessionState.CLOSING:
            allowed = (frame.session,)
        if frame.session not in allowed:
            raise PeerError(ErrorCode.REPLAYED, "the frame names another session")
        if frame.seq != session.received_seq + 1:
            raise PeerError(
                ErrorCode.REPLAYED, f"frame number {frame.seq} instead of {session.received_seq + 1}"
            )
        session.received_seq = frame.seq

    def frame_key(self, neighbor: NodeId) -> bytes | None:
        """The operational key that signs the neighbour's next frame, None before its HELLO."""
        return self._session(neighbor).peer_key

    # ------------------------------------------------------------- time
    def keepalive(self, neighbor: NodeId, sealed: Sealed[Keepalive], now: Now, out: Outbox) -> None:
        """Check the neighbour's clock and count. PeerError: clock too far off (closed), or a wrong count."""
        session = self._session(neighbor)
        if sealed.body.received_seq > session.sent_seq:
            raise PeerError(ErrorCode.OUT_OF_BOUNDS, "acknowledges a frame that was never sent")
        if abs(sealed.body.clock_utc_ms - now.utc_ms) > CLOCK_ERROR_MAX_MS:
            text = "the clocks have drifted apart by more than 60 s; synchronise them"
            self.close(neighbor, ErrorCode.CLOCK_UNSYNCED, text, out)
            raise PeerError(ErrorCode.CLOCK_UNSYNCED, text)
        if not session.liveness.is_heard(sealed.body.received_seq, session.sent_seq, now):
            self.close(neighbor, ErrorCode.KEEPALIVE_TIMEOUT, UNHEARD, out)

    def deadline_ns(self) -> int | None:
        """The next handshake or keepalive deadline."""
        return min(
            (at for s in self._sessions.values() if (at := self._deadline_of(s)) is not None), default=None
        )

    def _deadline_of(self, session: NeighborSession) -> int | None:
        if session.state in (SessionState.HELLO_SENT, SessionState.PROOF_SENT):
            return session.handshake_until_ns
        established = session.state is SessionState.ESTABLISHED
        return session.next_check_ns(self._config.timers.keepalive_ms) if established else None

    def due(self, now: Now, out: Outbox) -> None:
        """Close handshakes that took too long and sessions whose key has ended; send signs of life."""
        for neighbor, session in self._sessions.items():
            at = self._deadline_of(session)
            if at is None or at > now.monotonic_ns:
                continue
            ending = self._ending(session, now)
            if ending is not None:
                self.close(neighbor, *ending, out)
            else:
                self._keep_alive(session, now, out)

    def _ending(self, session: NeighborSession, now: Now) -> tuple[ErrorCode, str] | None:
        """Why a session whose deadline has come is over, None when it is not."""
        timers = self._config.timers
        if session.state is not SessionState.ESTABLISHED:
            text = f"no complete handshake within {timers.handshake_ms} ms"
            return ErrorCode.KEEPALIVE_TIMEOUT, text
        if self._key_left_ms(session, now) <= 0:
            return ErrorCode.KEY_EXPIRED, _KEY_EXPIRED
        if timers.keepalive_ms and not session.liveness.hears(session.received_seq, now):
            return ErrorCode.KEEPALIVE_TIMEOUT, SILENT
        return None

    def _keep_alive(self, session: NeighborSession, now: Now, out: Outbox) -> None:
        """A sign of life when nothing was sent since the last check, or for as long as may be."""
        overdue = now.monotonic_ns < session.check_at_ns
        silent = session.sent_seq == session.silent_at_seq
        if not overdue:
            self._arm(session, now)
        if (silent or overdue) and self._config.timers.keepalive_ms:
            body = Keepalive(received_seq=session.received_seq, clock_utc_ms=now.utc_ms)
            out.send(session.neighbor.node, self._sealer.seal(body).envelope)
            session.sent_ns = now.monotonic_ns
            session.silent_at_seq += not overdue  # the frame that carries it

    def _arm(self, session: NeighborSession, now: Now) -> None:
        session.silent_at_seq = session.sent_seq
        wait_ms = self._key_left_ms(session, now)
        if self._config.timers.keepalive_ms:
            wait_ms = min(wait_ms, jittered_ms(self._entropy, self._config.timers.keepalive_ms))
        session.check_at_ns = now.after_ms(wait_ms)

    def _key_left_ms(self, session: NeighborSession, now: Now) -> int:
        return self.keys.expire_utc_s(session) * MS_PER_S - now.utc_ms

    # ------------------------------------------------------------- views
    @property
    def epoch(self) -> int:
        """Number of this start, as HELLOs state it; 0 before it."""
        return self._epoch

    def neighbors(self) -> tuple[NodeId, ...]:
        """All configured neighbours."""
        return tuple(self._sessions)

    def state(self, neighbor: NodeId) -> SessionState:
        """Where the session with a neighbour stands."""
        return self._session(neighbor).state

    def session(self, neighbor: NodeId) -> NeighborSession:
        """What is remembered of the session with a neighbour, to be read and not changed."""
        return self._session(neighbor)

    def established(self, neighbor: NodeId) -> bool:
        """Whether objects other than those of the handshake may be exchanged."""
        session = self._sessions.get(neighbor)
        return session is not None and session.state is SessionState.ESTABLISHED

    def resumes(self, neighbor: NodeId) -> bool:
        """Whether the feature RESUME is in effect in the established session."""
        return self.established(neighbor) and self._sessions[neighbor].in_effect(RESUME)

    def seen_epoch(self, neighbor: NodeId) -> int:
        """The highest epoch of a neighbour that was seen."""
        session = self._sessions.get(neighbor)
        return 0 if session is None else session.seen_epoch

    def restart_s(self, neighbor: NodeId) -> int:
        """For how long to wait for a neighbour that has announced its restart; 0: it has not."""
        session = self._sessions.get(neighbor)
        return 0 if session is None else session.restart_s

    def _session(self, neighbor: NodeId) -> NeighborSession:
        session = self._sessions.get(neighbor)
        if session is None:
            raise UsageError(
                f"node {neighbor.hex()[:12]} is not configured as a neighbour; add it to the configuration"
            )
        return session
