"""A wire that a test can bend: drop, delay, repeat, corrupt, rewrite, inject.

The wire holds the keys of all routers on it, so a test can let any node say anything
with a valid signature: that is what a hostile neighbour can do.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass

from ioe_router.codec.frames import decode_frame, encode_frame
from ioe_router.core.effects import SendFrame
from ioe_router.core.inputs import FrameReceived
from ioe_router.model.clock import NS_PER_MS
from ioe_router.model.envelope import Envelope, ObjectType
from ioe_router.model.ids import NodeId
from ioe_router.sim.keys import SimIdentity
from ioe_router.sim.network import Network


@dataclass(frozen=True, slots=True)
class Passing:
    """One frame on its way."""

    sender: str
    receiver: str
    data: bytes
    delay_ms: int = 0


FrameRule = Callable[[Passing], list[Passing]]
ObjectRule = Callable[[str, str, Envelope], list[Envelope]]


class Wire(Network):
    """The network in memory with rules for what passes.

    `on_object` sees every envelope and says what takes its place; frames are
    then signed anew and numbered so that no gap shows.  `on_frame` sees the
    bytes of each frame afterwards; what it does is visible to the receiver.
    """

    def __init__(self, start_utc_ms: int, identities: dict[str, SimIdentity], network_id: str) -> None:
        """Perfect wires until a rule is set."""
        super().__init__(start_utc_ms)
        self._identities = identities
        self._network_id = network_id
        self._names = {one.node: name for name, one in identities.items()}
        self.faithful = False  # frames pass as their senders signed them, and no rule applies
        self.on_object: ObjectRule | None = None
        self.on_frame: FrameRule | None = None
        self.passed: list[tuple[str, str, Envelope]] = []
        self.log: list[bytes] = []  # every frame that was delivered, in order
        self._seq: dict[tuple[str, str], int] = {}
        self._session: dict[tuple[str, str], bytes] = {}
        self._late: list[tuple[int, int, NodeId, FrameReceived]] = []
        self._tie = itertools.count()

    def inject(self, sender: str, receiver: str, *envelopes: Envelope) -> None:
        """Let `sender` say this inside its session, whatever its router thinks."""
        wire = (sender, receiver)
        self._put(wire, self._session[wire], list(envelopes))
        self.settle()

    def inject_bytes(self, sender: str, receiver: str, data: bytes) -> None:
        """Let bytes arrive as they are."""
        self._arrive(Passing(sender, receiver, data))
        self.settle()

    def _deliver(self, node: NodeId, effect: SendFrame) -> None:
        if frozenset((node, effect.neighbor)) not in self._up:
            return
        wire = (self._names[node], self._names[effect.neighbor])
        frame = decode_frame(effect.frame)
        if self.faithful:
            self.passed.extend((*wire, one) for one in frame.envelopes)
            super()._deliver(node, effect)
            return
        if frame.seq == 1:
            self._seq[wire] = 0
        self._session[wire] = frame.session
        self._put(wire, frame.session, list(frame.envelopes))

    def _put(self, wire: tuple[str, str], session: bytes, envelopes: list[Envelope]) -> None:
        if self.on_object is not None:
            rule = self.on_object
            envelopes = [out for one in envelopes for out in rule(*wire, one)]
        if not envelopes:
            return
        self.passed.extend((*wire, one) for one in envelopes)
        self._seq[wire] = self._seq.get(wire, 0) + 1
        signer = self._identities[wire[0]].signer if session else None
        data = encode_frame(self._network_id, session, self._seq[wire], envelopes, signer)
        passing = Passing(*wire, data)
        for one in [passing] if self.on_frame is None else self.on_frame(passing):
            self._arrive(one)

    def _arrive(self, passing: Passing) -> None:
        self.frames += 1
        self.log.append(passing.data)
        sender, receiver = self._identities[passing.sender].node, self._identities[passing.receiver].node
        received = FrameReceived(neighbor=sender, frame=passing.data)
        if passing.delay_ms:
            at_ns = self.now.monotonic_ns + passing.delay_ms * NS_PER_MS
            heapq.heappush(self._late, (at_ns, next(self._tie), receiver, received))
        else:
            self.nodes[receiver].inbox.append(received)

    def _next_deadline_ns(self) -> int | None:
        times = [at for at in (super()._next_deadline_ns(), *(late[0] for late in self._late[:1])) if at]
        return min(times, default=None)

    def _move_to(self, utc_ms: int) -> None:
        super()._move_to(utc_ms)
        while self._late and self._late[0][0] <= self.now.monotonic_ns:
            _, _, receiver, received = heapq.heappop(self._late)
            if frozenset((receiver, received.neighbor)) in self._up:
                self.nodes[receiver].inbox.append(received)


def dropping(*types: ObjectType, sender: str | None = None, receiver: str | None = None) -> ObjectRule:
    """A rule that loses objects of these types (of one sender or to one receiver only)."""

    def rule(here: str, there: str, envelope: Envelope) -> list[Envelope]:
        hit = envelope.type in types and sender in (None, here) and receiver in (None, there)
        return [] if hit else [envelope]

    return rule
