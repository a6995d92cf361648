"""One attacker of the flood test: a process that sends as much of one kind as it can.

.venv/bin/python -m benchmarks.flood_attacker KIND neighbor|stranger CONFIG PORT SECONDS

A stranger (`flood_stranger.py`) never gets beyond TLS.  A bad neighbour is configured,
completes the handshake of the protocol, and then goes on at ten times the
budget of frames, or with as many streams as it can open.  Prints what it has sent as JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import ssl
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import grpc

from benchmarks.flood_stranger import DATA, PATH, SLOW_LINES, dial, nested, stranger
from ioe_router.adapters.certificates import Leaf
from ioe_router.adapters.channel_options import MESSAGE_BYTES_MAX, channel_options
from ioe_router.adapters.peer_server import METHOD, SERVICE
from ioe_router.adapters.tls import channel_credentials
from ioe_router.codec import mapping
from ioe_router.config import Budgets
from ioe_router.core.effects import Effect, SendFrame
from ioe_router.core.gates import effective_band
from ioe_router.core.inputs import DeadlineReached, FrameReceived, Input, SessionUp, Started
from ioe_router.daemon.assembly import Plan, own_key, read_plan, router_config
from ioe_router.daemon.main import SystemEntropy
from ioe_router.model.envelope import Envelope, ObjectType
from ioe_router.model.ids import ReservationId
from ioe_router.model.reservation import Hold, HoldCore, HoldItem, PacketEnergy
from ioe_router.model.routing import Direction
from ioe_router.model.slot import Slot
from ioe_router.router import Router
from tests.attacks.http2 import PREFACE, RST_STREAM, SETTINGS, frame, headers

KINDS: Final = ("forged", "oversized", "nested", "slow", "reset", "ids")
TIMES: Final = 10  # of the budget of frames
OBJECTS_PER_FRAME: Final = 10
RESETS_AT_ONCE: Final = 100
CANCEL: Final = (8).to_bytes(4)
Call = grpc.aio.StreamStreamCall[bytes, bytes]


class BadNeighbor:
    """A router that keeps a session in good order, with somebody at its elbow."""

    def __init__(self, plan: Plan, port: int) -> None:
        self.plan, self.port = plan, port
        self.sent: Counter[str] = Counter()
        (self.victim,) = plan.neighbors
        self._key = own_key(plan, plan.clock.now(), int(time.time()), lambda: None)
        self._router = self._fresh()
        self._epoch = int(time.time())
        self._numbers = iter(range(1 << 62))
        self._turn = asyncio.Lock()

    def leaf(self) -> Leaf:
        """Its TLS certificate."""
        return self._key.leaf(int(time.time()))

    def _fresh(self) -> Router:
        now = self.plan.clock.now()
        config = router_config(self.plan, now)
        return Router(
            config, own_key=self._key.statement, signer=self._key.signer, entropy=SystemEntropy(), now=now
        )

    async def flood(self, kind: str, end_s: float) -> None:
        """Sessions with the flood in them, until the end."""
        options = channel_options(self.victim.node, 5_000)
        options = [one for one in options if one[0] != "grpc.max_send_message_length"]
        while time.monotonic() < end_s:
            credentials = channel_credentials(self.leaf(), self.victim.ca)
            async with grpc.aio.secure_channel(f"127.0.0.1:{self.port}", credentials, options) as channel:
                call: Call = channel.stream_stream(f"/{SERVICE}/{METHOD}")()
                self.sent["streams"] += 1
                with contextlib.suppress(
                    grpc.RpcError, grpc.aio.BaseError, asyncio.InvalidStateError, TimeoutError
                ):
                    async with asyncio.timeout(max(0.1, end_s - time.monotonic())):
                        await self._session(call, kind)
                call.cancel()
            await asyncio.sleep(0.05)

    async def _session(self, call: Call, kind: str) -> None:
        await call.wait_for_connection()
        self._router = self._fresh()
        self._epoch += 1
        up = SessionUp(neighbor=self.victim.node, dialer=True, transport_key=None)
        await self._answer(call, Started(epoch=self._epoch), up)
        reader = asyncio.create_task(self._read(call))
        try:
            frames = self._frames(kind)
            pause_s = 1 / (TIMES * Budgets().frames.per_s)
            while not reader.done():
                if self._ready(kind):
                    await self._write(call, frames)
                    self.sent["frames"] += 1
                else:
                    await self._answer(call, DeadlineReached())
                await asyncio.sleep(pause_s)
        finally:
            reader.cancel()

    def _ready(self, kind: str) -> bool:
        """Whether the session stands, and what the flood is made of has been heard in it."""
        if not self._router.inspect().sessions.established(self.victim.node):
            return False
        return kind in ("oversized", "nested") or bool(self._router.snapshot().offers)

    async def _read(self, call: Call) -> None:
        while isinstance(message := await call.read(), bytes):
            self.sent["answers"] += 1
            await self._answer(call, FrameReceived(neighbor=self.victim.node, frame=message))

    async def _write(self, call: Call, frames: Iterator[bytes]) -> None:
        """Frames are sealed and written one after the other, whoever makes them: they are numbered."""
        async with self._turn:
            await call.write(next(frames))

    async def _answer(self, call: Call, *inputs: Input) -> None:
        async with self._turn:
            effects: tuple[Effect, ...] = self._router.handle_all(inputs, self.plan.clock.now())
            for effect in effects:
                if isinstance(effect, SendFrame):
                    await call.write(effect.frame)

    def _frames(self, kind: str) -> Iterator[bytes]:
        """Endless frames of a flood, sealed as the session wants them."""
        if kind == "oversized":
            while True:
                yield bytes(MESSAGE_BYTES_MAX + 1)
        make: dict[str, Callable[[], Envelope | None]] = {
            "forged": self._forged,
            "nested": lambda: Envelope(type=ObjectType.HOLD, signed=nested(), signatures=()),
            "ids": self._hold,
        }
        while True:
            made = [one for one in (make[kind]() for _ in range(OBJECTS_PER_FRAME)) if one is not None]
            yield self._router._seal_frame(self.victim.node, made).frame if made else b""

    def _forged(self) -> Envelope | None:
        """A new version of somebody's offer that nobody has signed."""
        offers = self._router.snapshot().offers
        if not offers:
            return None
        body = replace(offers[0].body, seq=1_000_000 + next(self._numbers))
        bad = replace(offers[0].envelope.signatures[0], signature=os.urandom(32) + bytes(31) + b"\x01")
        return Envelope(type=ObjectType.OFFER, signed=mapping.encode(body), signatures=(bad,))

    def _hold(self) -> Envelope | None:
        """A good HOLD with an id that nobody has seen, for a little energy."""
        now, parameters = self.plan.clock.now(), self.plan.parameters
        slot = Slot((now.utc_s + 600) // parameters.slot_s * parameters.slot_s)
        view = self._router.snapshot()
        offers = [one.body for one in view.offers if one.body.direction is Direction.SUPPLY]
        paths = [one for one in view.paths if offers and one.target == (offers[0].origin, Direction.SUPPLY)]
        if not paths:
            return None
        core = HoldCore(
            reservation=ReservationId(os.urandom(16)),
            version=1,
            initiator=self.plan.node,
            origin=offers[0].origin,
            offer_no=offers[0].offer_no,
            offer_epoch=offers[0].epoch,
            offer_seq=offers[0].seq,
            direction=Direction.SUPPLY,
            path=paths[0].hash,
            band=effective_band(parameters, slot, now),
            price_limit_micro_per_kwh=10**6,
            priority=4,
            replaces=None,
            all_or_nothing=False,
            items=(HoldItem(index=1, slot_utc_s=slot, energy_j=100, energy_min_j=1),),
            issued_utc_ms=now.utc_ms,
            hold_fee_micro=0,
            bond_micro=0,
        )
        hold = Hold(
            core=self._router._sealer.seal(core).envelope,
            path=paths[0].hash,
            hold_ms=45_000,
            items=(PacketEnergy(index=1, energy_j=100),),
            keeper_entry=None,
        )
        return self._router._sealer.seal(hold).envelope


def rapid_reset(bad: BadNeighbor, port: int, end_s: float) -> None:
    """Open streams and reset them in the same write, as fast as the socket takes it."""
    while time.monotonic() < end_s:
        with contextlib.suppress(OSError), dial(port, bad.leaf()) as line:
            bad.sent["connections"] += 1
            line.sendall(PREFACE + frame(SETTINGS))
            line.setblocking(False)
            stream = 1
            while time.monotonic() < end_s:
                batch = b""
                for _ in range(RESETS_AT_ONCE):
                    batch += headers(stream, PATH) + frame(RST_STREAM, CANCEL, stream=stream)
                    stream += 2
                line.settimeout(5)
                line.sendall(batch)
                bad.sent["resets"] += RESETS_AT_ONCE
                line.settimeout(0)
                with contextlib.suppress(ssl.SSLWantReadError, BlockingIOError):
                    if not line.recv(65_536):
                        break


def slow_streams(bad: BadNeighbor, port: int, end_s: float) -> None:
    """Many connections, each with a stream on which a message of a megabyte comes byte by byte."""
    lines: list[ssl.SSLSocket] = []
    start = PREFACE + frame(SETTINGS) + headers(1, PATH) + frame(DATA, b"\0\0\x0f\0\0", stream=1)
    leaf = bad.leaf()
    while time.monotonic() < end_s:
        with contextlib.suppress(OSError):
            while len(lines) < SLOW_LINES and time.monotonic() < end_s:
                line = dial(port, leaf)
                bad.sent["connections"] += 1
                line.sendall(start)
                lines.append(line)
        for line in tuple(lines):
            try:
                line.sendall(frame(DATA, b"\0", stream=1))
            except OSError:
                lines.remove(line)
        time.sleep(0.5)


def main() -> int:
    """Attack, then say what was sent."""
    kind, who, config, port, seconds = sys.argv[1:6]
    began_s, used_s = time.monotonic(), time.process_time()
    end_s = began_s + float(seconds)
    sent = stranger(kind, int(port), end_s) if who == "stranger" else neighbor(kind, config, int(port), end_s)
    print(json.dumps([began_s, time.monotonic(), time.process_time() - used_s, sent]))
    return 0


def neighbor(kind: str, config: str, port: int, end_s: float) -> Counter[str]:
    """Flood as the neighbour of a configuration until the end."""
    bad = BadNeighbor(read_plan(Path(config)), port)
    if kind == "reset":
        rapid_reset(bad, port, end_s)
    elif kind == "slow":
        slow_streams(bad, port, end_s)
    else:
        asyncio.run(bad.flood(kind, end_s))
    return bad.sent


if __name__ == "__main__":
    sys.exit(main())
