"""Which operational key stands behind each end of a session, and which may not (SPEC sections 4.11 and 6.5).

The key of an end is that of its HELLO until it tells a newer one of its own in
the session; that one signs every frame behind the one that tells it.  Once a
key is known to be revoked, what it has proved is over at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ioe_router.core.evidence import Evidence, Prerequisites
from ioe_router.core.neighbor_session import NeighborSession
from ioe_router.core.outbox import Outbox
from ioe_router.core.session_fsm import SessionState
from ioe_router.model.discovery import OperationalKey
from ioe_router.model.envelope import Sealed
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import NodeId

OWN_REVOKED: Final = "the operational key of this end is revoked; a new one has to be certified here"
IDENTITY_REVOKED: Final = "the identity of your node is revoked; make a new identity and pair it again"
KEY_REVOKED: Final = "your operational key is revoked; make another with 'ioe identity rotate'"
_RENEWED: Final = "the operational key was renewed during the handshake; dial again"

Close = Callable[[NodeId, ErrorCode, str, Outbox], None]


class SessionKeys:
    """The keys of all sessions."""

    def __init__(
        self,
        sessions: Mapping[NodeId, NeighborSession],
        evidence: Evidence,
        prerequisites: Prerequisites,
        close: Close,
    ) -> None:
        """`close` ends a session with a reason."""
        self._sessions = sessions
        self._evidence = evidence
        self._prerequisites = prerequisites
        self._close = close

    def renewed(self, out: Outbox) -> None:
        """This node signs with another key: tell it in every session; handshakes under way begin anew."""
        for neighbor, session in self._sessions.items():
            if session.state is SessionState.ESTABLISHED:
                self._prerequisites.tell_own_key(neighbor, out)
            else:
                self._close(neighbor, ErrorCode.KEY_EXPIRED, _RENEWED, out)

    def own(self, neighbor: NodeId) -> bytes | None:
        """The operational key that signs this node's next frame to a neighbour, None without a transport."""
        return self._sessions[neighbor].own_key

    def told(self, neighbor: NodeId, key: bytes) -> None:
        """A frame that tells a key of this node has been made: the key signs the frames behind it."""
        session = self._sessions[neighbor]
        if session.proved:
            session.renewed_key = key

    def heard(self, neighbor: NodeId, sealed: Sealed[OperationalKey]) -> None:
        """A neighbour tells a key; a newer one of its own signs its frames behind this one."""
        session = self._sessions[neighbor]
        if sealed.signers != (neighbor,) or session.state is not SessionState.ESTABLISHED:
            return
        before = None if session.peer_key is None else self._evidence.key(session.peer_key)
        if before is None or sealed.body.serial > before.body.serial:
            session.peer_renewed_key = sealed.body.operational_key

    def expire_utc_s(self, session: NeighborSession) -> int:
        """End of validity of the neighbour's key; 0 when it is not known or revoked."""
        key = session.peer_key
        return 0 if key is None else self._evidence.key_expires_utc_s(key) or 0

    # ------------------------------------------------------------- revocation
    def end_void(self, out: Outbox) -> None:
        """Keys have been revoked: close what they have proved, all sessions if it is this node's own."""
        for neighbor, session in self._sessions.items():
            hello = session.peer_hello
            proved_by = None if hello is None else hello.envelope.signatures[0].key
            why = self.why_void(neighbor, session.transport_key, proved_by)
            if why is not None:
                self._close(neighbor, ErrorCode.KEY_REVOKED, why, out)

    def why_void(self, neighbor: NodeId, *keys: bytes | None) -> str | None:
        """Why no session that these keys prove may stand, None when it may."""
        if self._evidence.is_void(self._evidence.own_key.body.operational_key):
            return OWN_REVOKED
        if self._evidence.is_revoked(neighbor):
            return IDENTITY_REVOKED
        if any(key is not None and self._evidence.is_void(key) for key in keys):
            return KEY_REVOKED
        return None
