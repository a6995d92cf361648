"""A session carries each frame once, in order, whole and signed, or it ends (SPEC section 5).

What comes in is looked at apart from the router: a frame that is damaged,
not signed, not the next one of its session, has to be followed by the end of
the session in the same call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ioe_router.codec.frames import decode_frame, verify_frame
from ioe_router.core.effects import CloseSession, Effect
from ioe_router.core.inputs import FrameReceived, Input, SessionDown, SessionUp
from ioe_router.model.envelope import Frame
from ioe_router.model.errors import PeerError
from ioe_router.model.ids import NodeId
from ioe_router.sim.checkers.verdict import require
from ioe_router.sim.host import Host
from ioe_router.sim.notary import Notary


@dataclass(slots=True)
class _Stream:
    life: int
    last_seq: int = 0
    open: bool = True


class Streams:
    """What has come to each host from each neighbour."""

    def __init__(self, notary: Notary) -> None:
        """Nothing has come."""
        self._notary = notary
        self._streams: dict[tuple[str, NodeId], _Stream] = {}

    def after(self, host: Host, inputs: Sequence[Input], effects: Sequence[Effect]) -> None:
        """Judge one call."""
        closed = {effect.neighbor for effect in effects if isinstance(effect, CloseSession)}
        for given in inputs:
            match given:
                case SessionUp():
                    self._streams[host.name, given.neighbor] = _Stream(host.starts)
                case SessionDown():
                    self._streams.pop((host.name, given.neighbor), None)
                case FrameReceived():
                    self._received(host, given, closed)
                case _:
                    pass
        for neighbor in closed:
            stream = self._streams.get((host.name, neighbor))
            if stream is not None:
                stream.open = False

    def _received(self, host: Host, given: FrameReceived, closed: set[NodeId]) -> None:
        stream = self._streams.get((host.name, given.neighbor))
        if stream is None or not stream.open or stream.life != host.starts:
            return
        wrong = self._wrong(given, stream)
        if not wrong:
            stream.last_seq += 1
            return
        stream.open = False
        told = f"{wrong} from {given.neighbor.hex()[:8]}, and the session goes on"
        require(given.neighbor in closed, host, told)

    def _wrong(self, given: FrameReceived, stream: _Stream) -> str:
        try:
            frame = decode_frame(given.frame)
        except PeerError:
            return "a damaged frame came"
        if frame.seq != stream.last_seq + 1:
            return f"frame {frame.seq} came in place of {stream.last_seq + 1}"
        return "" if self._is_signed(frame, given.neighbor) else "a frame came that is not signed"

    def _is_signed(self, frame: Frame, neighbor: NodeId) -> bool:
        if not frame.session:
            return True
        try:
            verify_frame(self._notary.network_id, frame, self._notary.key_of(neighbor), self._notary.judge)
        except PeerError:
            return False
        return True
