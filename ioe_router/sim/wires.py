"""The transport between two hosts: an ordered stream in each direction, its defects, and dialling anew.

A healthy wire keeps order and loses nothing; what real networks lose shows as
delay or as the end of the connection.  A frame that is lost, doubled, swapped
or changed *inside* a session is an attack or a defect of the transport: the
frame numbers and signatures have to notice.

Each end has its own view of whether the wire is up.  The end that dials waits
after an end or a failure, each time longer, as the daemon's dialler does.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Final

from ioe_router.model.clock import NS_PER_MS
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import NodeId

FIRST_WAIT_MS: Final = 500
LONGEST_WAIT_MS: Final = 15_000
SILENCE_MS: Final = (10_000, 20_000)  # until a transport that hears nothing gives up


class Mangling(StrEnum):
    """What may happen to one frame inside a session."""

    LOSE = "lose"
    DOUBLE = "double"
    SWAP = "swap"  # with the frame behind it
    FLIP = "flip"  # one bit


@dataclass(slots=True)
class Lane:
    """One direction of a wire."""

    sender: NodeId
    receiver: NodeId
    latency_ns: int
    last_ns: int = 0  # arrival of the frame before
    blocks: int = 0  # how many faults hold it
    held: list[bytes] = field(default_factory=list)
    mangling: Mangling | None = None  # of the next frame
    swapped: bytes | None = None


Later = Callable[[int, Callable[[], None]], None]
OnFrame = Callable[[NodeId, NodeId, bytes], None]
OnUp = Callable[[NodeId, NodeId, bool], None]
OnDown = Callable[[NodeId, NodeId, ErrorCode, str], None]


@dataclass(frozen=True, slots=True)
class WireEnds:
    """What a wire tells the hosts at its ends."""

    frame: OnFrame  # receiver, sender, bytes
    up: OnUp  # host, neighbour, whether the host dialled
    down: OnDown  # host, neighbour, why
    alive: Callable[[NodeId], bool]


class Wire:
    """One pair of neighbours; `dialer` calls, `listener` answers."""

    def __init__(
        self,
        dialer: NodeId,
        listener: NodeId,
        *,
        latency_ns: int,
        rng: random.Random,
        clock: Callable[[], int],
        later: Later,
        ends: WireEnds,
    ) -> None:
        """Down until `dial`."""
        self.dialer, self.listener = dialer, listener
        self.up = {dialer: False, listener: False}
        self.refused = 0  # dials while the listener still had a stream
        self.lanes = {
            dialer: Lane(dialer, listener, latency_ns),
            listener: Lane(listener, dialer, latency_ns),
        }
        self._rng, self._clock, self._later, self._ends = rng, clock, later, ends
        self._generation = 0
        self._broken = 0  # the last generation that was cut: what is written into it is lost
        self._wait_ms = FIRST_WAIT_MS
        self._dialing = False

    def other(self, node: NodeId) -> NodeId:
        """The node at the opposite end."""
        return self.listener if node == self.dialer else self.dialer

    # ------------------------------------------------------------ connecting

    def dial(self, after_ms: int = 0) -> None:
        """Let the dialling end try, once, after a while; it tries again by itself."""
        if not self._dialing:
            self._dialing = True
            self._later(after_ms * NS_PER_MS, self._try)

    def _try(self) -> None:
        self._dialing = False
        if not self._ends.alive(self.dialer) or self.up[self.dialer]:
            return
        blocked = any(lane.blocks for lane in self.lanes.values())
        if blocked or not self._ends.alive(self.listener) or self._refused():
            self._redial()
            return
        self._wait_ms = FIRST_WAIT_MS
        self._generation += 1
        generation, latency = self._generation, self.lanes[self.dialer].latency_ns
        for lane in self.lanes.values():
            lane.held.clear()
            lane.last_ns, lane.swapped = self._clock() + latency, None
        self._rise(self.listener, generation)
        self._later(latency, lambda: self._rise(self.dialer, generation))

    def _refused(self) -> bool:
        """The listener refuses a second stream as long as it takes the first one for alive (SPEC 5.3)."""
        self.refused += self.up[self.listener]
        return self.up[self.listener]

    def _redial(self) -> None:
        wait_ms = self._rng.randint(self._wait_ms // 2, self._wait_ms)
        self._wait_ms = min(2 * self._wait_ms, LONGEST_WAIT_MS)
        self.dial(wait_ms)

    def _rise(self, node: NodeId, generation: int) -> None:
        """One end learns that the connection stands."""
        if generation != self._generation or not self._ends.alive(node):
            return
        self.up[node] = True
        self._ends.up(node, self.other(node), node == self.dialer)

    # ------------------------------------------------------------ ending

    def end_at(self, node: NodeId, code: ErrorCode, reason: str) -> None:
        """One end closes: it is told at once, the other when it has read what was on the way."""
        if not self.up[node]:
            return
        self.up[node] = False
        self._ends.down(node, self.other(node), code, reason)
        self._fall_later(self.other(node), max(0, self.lanes[node].last_ns - self._clock()))
        if node == self.dialer:
            self._redial()

    def cut(self, delay_ns: tuple[int, int]) -> None:
        """The connection breaks; the ends notice after these delays (dialler, listener)."""
        for node, delay in zip((self.dialer, self.listener), delay_ns, strict=True):
            self._fall_later(node, delay)
        self._broken = self._generation

    def gone(self, node: NodeId, notice_ns: int) -> None:
        """A host has died: it is told nothing, its neighbour notices after a while."""
        self.up[node] = False
        self._fall_later(self.other(node), notice_ns)

    def back(self, node: NodeId) -> None:
        """A host has been started again."""
        if node == self.dialer:
            self.dial(self._rng.randint(0, FIRST_WAIT_MS))

    def _fall_later(self, node: NodeId, delay_ns: int) -> None:
        generation = self._generation
        self._later(delay_ns, lambda: self._fall(node, generation))

    def _fall(self, node: NodeId, generation: int) -> None:
        if generation != self._generation or not self.up[node] or not self._ends.alive(node):
            return
        self.up[node] = False
        self._ends.down(node, self.other(node), ErrorCode.NEIGHBOR_LOST, "transport lost")
        if self.up[self.other(node)]:  # at the latest its own silence tells it
            self._fall_later(self.other(node), SILENCE_MS[0] * NS_PER_MS)
        if node == self.dialer:
            self._redial()

    # ------------------------------------------------------------ frames

    def send(self, sender: NodeId, frame: bytes) -> None:
        """Write a frame; what is written to an end that is down is lost with it."""
        if not self.up[sender] or self._broken == self._generation:
            return
        lane = self.lanes[sender]
        if lane.blocks:
            lane.held.append(frame)
        else:
            self._transmit(lane, frame)

    def _transmit(self, lane: Lane, frame: bytes) -> None:
        for one in self._mangled(lane, frame):
            lane.last_ns = max(lane.last_ns, self._clock() + lane.latency_ns)
            arrival = partial(self._arrive, lane, self._generation, one)
            self._later(lane.last_ns - self._clock(), arrival)

    def _mangled(self, lane: Lane, frame: bytes) -> list[bytes]:
        frames = [frame]
        if lane.swapped is not None:
            frames, lane.swapped = [frame, lane.swapped], None
        mangling, lane.mangling = lane.mangling, None
        match mangling:
            case None:
                return frames
            case Mangling.LOSE:
                return frames[1:]
            case Mangling.DOUBLE:
                return [frames[0], *frames]
            case Mangling.SWAP:
                lane.swapped = frames[0]
                return frames[1:]
            case Mangling.FLIP:
                return [_flipped(frames[0], self._rng), *frames[1:]]

    def _arrive(self, lane: Lane, generation: int, frame: bytes) -> None:
        if generation != self._generation or generation == self._broken:
            return
        if self.up[lane.receiver] and self._ends.alive(lane.receiver):
            self._ends.frame(lane.receiver, lane.sender, frame)

    # ------------------------------------------------------------ faults

    def block(self, senders: tuple[NodeId, ...], for_ns: int, *, silent: bool) -> None:
        """Hold what these ends send for a while; `silent`: signs of life, too, so that both ends give up."""
        for sender in senders:
            self.lanes[sender].blocks += 1
            self._later(for_ns, partial(self._unblock, sender))
        if silent:
            low, high = SILENCE_MS
            waits = [self._rng.randint(low, high) * NS_PER_MS for _ in range(2)]
            for node, wait in zip((self.dialer, self.listener), waits, strict=True):
                if wait < for_ns:
                    self._fall_later(node, wait)

    def _unblock(self, sender: NodeId) -> None:
        lane = self.lanes[sender]
        lane.blocks -= 1
        if not lane.blocks:
            held, lane.held = lane.held, []
            if self.up[sender]:
                for frame in held:
                    self._transmit(lane, frame)

    def slow_down(self, more_ns: int, for_ns: int) -> None:
        """Add latency for a while."""
        for lane in self.lanes.values():
            lane.latency_ns += more_ns
        if more_ns > 0:
            self._later(for_ns, lambda: self.slow_down(-more_ns, 0))


def _flipped(frame: bytes, rng: random.Random) -> bytes:
    bit = rng.randrange(len(frame) * 8)
    out = bytearray(frame)
    out[bit // 8] ^= 1 << bit % 8
    return bytes(out)
