"""Questions to a neighbour that only measure the way there and back (SPEC section 10.7).

A node asks how a reservation ended that it has only just named; the neighbour
knows of none and says so (state 0, no evidence).  The answer has gone through both
routers, their queues and their signatures, so its time is that of the session,
not of the wire.  Nothing is decided by it.
"""

from __future__ import annotations

from typing import Final

from ioe_router.core.entropy import EntropySource
from ioe_router.core.events import NeighborAnswered
from ioe_router.core.outbox import Outbox
from ioe_router.core.session import Sessions
from ioe_router.model.envelope import Sealer
from ioe_router.model.errors import ErrorCode, Overtaken
from ioe_router.model.ids import RESERVATION_ID_BYTES, NodeId, ReservationId
from ioe_router.model.reservation import Outcome, OutcomeQuery

WAITING_MAX: Final = 64


class Echoes:
    """What was asked and not answered yet."""

    def __init__(self, sealer: Sealer, entropy: EntropySource, sessions: Sessions) -> None:
        """Nothing was asked."""
        self._sealer = sealer
        self._entropy = entropy
        self._sessions = sessions
        self._waiting: dict[ReservationId, tuple[NodeId, int]] = {}

    def ask(self, neighbor: NodeId, number: int, out: Outbox) -> None:
        """Send a question. Overtaken: there is no session. The oldest unanswered one makes room."""
        if not self._sessions.established(neighbor):
            raise Overtaken(ErrorCode.NEIGHBOR_LOST, "there is no session with the neighbour")
        while len(self._waiting) >= WAITING_MAX:
            del self._waiting[next(iter(self._waiting))]
        name = ReservationId(self._entropy.token(RESERVATION_ID_BYTES))
        self._waiting[name] = neighbor, number
        out.send(neighbor, self._sealer.seal(OutcomeQuery(reservation=name, version=1)).envelope)

    def answered(self, neighbor: NodeId, body: Outcome, out: Outbox) -> bool:
        """Whether an OUTCOME answers a question of this kind; the host is told."""
        asked = self._waiting.get(body.reservation)
        if asked is None or asked[0] != neighbor:
            return False
        del self._waiting[body.reservation]
        out.emit(NeighborAnswered(neighbor=neighbor, number=asked[1]))
        return True

    def down(self, neighbor: NodeId) -> None:
        """The session has ended: nothing will be answered any more."""
        for name in [name for name, (node, _) in self._waiting.items() if node == neighbor]:
            del self._waiting[name]
