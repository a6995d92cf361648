"""What is remembered of the session with one neighbour (SPEC section 6); decisions are in session.py."""

from __future__ import annotations

from dataclasses import dataclass, field

from ioe_router.config import NeighborConfig
from ioe_router.core.hello import session_id_of
from ioe_router.core.liveness import Liveness
from ioe_router.core.session_fsm import SessionState
from ioe_router.model.clock import NS_PER_MS
from ioe_router.model.discovery import Hello, SessionProof
from ioe_router.model.envelope import Sealed
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.ids import ObjectId


@dataclass(slots=True)
class NeighborSession:
    """One neighbour; everything but `former` and `seen_epoch` starts anew with each transport."""

    neighbor: NeighborConfig
    former: bool = False  # the operator has taken it out: no more sessions
    state: SessionState = SessionState.IDLE
    dialer: bool = False
    transport_key: bytes | None = None  # by which the transport was proved, if it tells
    hello: Sealed[Hello] | None = None
    peer_hello: Sealed[Hello] | None = None
    sent_seq: int = 0
    received_seq: int = 0
    handshake_until_ns: int = 0
    check_at_ns: int = 0  # next sign of life, or the end of the neighbour's key
    silent_at_seq: int = 0  # nothing was sent since the last check if `sent_seq` still is this
    sent_ns: int = 0  # when the last frame was sent
    proved: bool = False
    seen_epoch: int = 0
    closed: tuple[ErrorCode, str] | None = None
    restart_s: int = 0  # announced by the neighbour's Close
    renewed_key: bytes | None = None  # of this node, told in this session
    peer_renewed_key: bytes | None = None  # of the neighbour, told in this session
    liveness: Liveness = field(default_factory=Liveness)

    def reset(self) -> None:
        """Forget the transport that has gone."""
        self.hello = self.peer_hello = self.closed = None
        self.renewed_key = self.peer_renewed_key = None
        self.sent_seq = self.received_seq = self.silent_at_seq = self.restart_s = 0
        self.proved = False

    def next_check_ns(self, keepalive_ms: int) -> int:
        """When to look next: as drawn, or earlier when this end has then been silent for long enough."""
        silence_ends_ns = self.sent_ns + keepalive_ms * NS_PER_MS
        return min(self.check_at_ns, silence_ends_ns) if keepalive_ms else self.check_at_ns

    @property
    def own_key(self) -> bytes | None:
        """The operational key that signs this node's frames: that of its HELLO, or one told since."""
        if self.renewed_key is not None:
            return self.renewed_key
        return None if self.hello is None else self.hello.envelope.signatures[0].key

    @property
    def peer_key(self) -> bytes | None:
        """The operational key that signs the neighbour's frames: that of its HELLO, or one told since."""
        if self.peer_renewed_key is not None:
            return self.peer_renewed_key
        return None if self.peer_hello is None else self.peer_hello.envelope.signatures[0].key

    def proof(self) -> SessionProof | None:
        """What both sides have to prove, once both HELLOs are known."""
        hellos = self._hellos()
        return None if hellos is None else SessionProof(dialer_hello=hellos[0], listener_hello=hellos[1])

    def _hellos(self) -> tuple[ObjectId, ObjectId] | None:
        """The dialer's and the listener's HELLO."""
        if self.hello is None or self.peer_hello is None:
            return None
        mine, theirs = self.hello.object_id, self.peer_hello.object_id
        return (mine, theirs) if self.dialer else (theirs, mine)

    def in_effect(self, feature: int) -> bool:
        """Whether both HELLOs set a feature bit."""
        mine, theirs = self.hello, self.peer_hello
        return (
            mine is not None
            and theirs is not None
            and bool(mine.body.features & theirs.body.features & feature)
        )

    def session_id(self) -> bytes:
        """The session id, empty while only one HELLO is known."""
        hellos = self._hellos()
        return b"" if hellos is None else session_id_of(*hellos)


def proof_problem(session: NeighborSession, sealed: Sealed[SessionProof]) -> PeerError | None:
    """What is wrong with a neighbour's proof, None when it is good."""
    hello = session.peer_hello
    if sealed.signers != (session.neighbor.node,):
        return PeerError(ErrorCode.IDENTITY_MISMATCH, "the proof is signed by another node")
    if hello is None or sealed.envelope.signatures[0].key != hello.envelope.signatures[0].key:
        return PeerError(ErrorCode.WRONG_SIGNER, "the proof is signed with another key than the HELLO")
    if sealed.body != session.proof():
        return PeerError(ErrorCode.REPLAYED, "the proof names other HELLOs than those of this session")
    return None
