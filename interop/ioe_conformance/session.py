"""One stream from a tester to the target: what is said, what is heard, how it ends.

The tester dials. It does by itself only what a conformant neighbour does without being
asked: keepalives, and the markers of its refresh. Everything else a case says with `send`;
`send_raw` writes any bytes. What is heard stays in a log, so several cases can look for
what concerns them.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, TypeVar

import grpc

from ioe_conformance.clock import Clock
from ioe_conformance.keys import NodeKeys, framed, object_id
from ioe_conformance.kitdir import Kit, TesterKeys
from ioe_conformance.monitor import Monitor
from ioe_conformance.timers import GRACE_MS
from ioe_conformance.trace import Trace
from ioe_router.adapters.certificates import Leaf, pem, tls_name
from ioe_router.codec import mapping
from ioe_router.codec.registry import REGISTRY
from ioe_router.codec.signing import Ed25519Signer, frame_input
from ioe_router.model.discovery import (
    Close,
    Fault,
    Hello,
    Keepalive,
    Refresh,
    RefreshPhase,
    SessionProof,
)
from ioe_router.model.envelope import Envelope, Frame, Signature
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.reservation import Outcome, OutcomeQuery

T = TypeVar("T")
METHOD: Final = "/ioe.v1.PeerService/Session"
EXERCISED_FEATURE: Final = 1 << 57  # without meaning (SPEC 15.2), so that ignoring it is tested all the time
KEEPALIVE_S: Final = 0.8
FLOOD_FRAMES: Final = 20_000  # in one session: two bursts of any budget and more
_OPTIONS: Final = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),
    ("grpc.max_receive_message_length", 8 * 1_048_576),
    ("grpc.max_send_message_length", 8 * 1_048_576),
    ("grpc.service_config_disable_resolution", 1),
    ("grpc.keepalive_time_ms", 10_000),
)


@dataclass(frozen=True, slots=True)
class Heard(Generic[T]):
    """One object from the target."""

    at_ms: int  # monotonic
    frame: int  # number of its frame
    envelope: Envelope
    body: T


@dataclass(frozen=True, slots=True)
class End:
    """How a stream ended: the Close that came before, if one did, and the gRPC status."""

    at_ms: int
    close: Close | None
    status: str
    details: str

    @property
    def code(self) -> ErrorCode | None:
        """The registered code that the target gave, by Close or else by the status' details."""
        if self.close is not None:
            return ErrorCode(self.close.code)
        return ErrorCode.__members__.get(self.details.partition(":")[0])

    def __str__(self) -> str:
        said = "without a Close" if self.close is None else f"with Close {ErrorCode(self.close.code).name}"
        return f"the stream ended {said} (gRPC status {self.status}: {self.details[:80] or 'no details'})"


def now_ms() -> int:
    """The kit's monotonic clock."""
    return time.monotonic_ns() // 1_000_000


class Session:
    """A stream of one tester. `open`, then `greet` and `prove`, or `establish` for all of it."""

    def __init__(
        self,
        tester: TesterKeys,
        kit: Kit,
        address: str,
        clock: Clock,
        *,
        trace: Callable[[], Trace],
        monitor: Monitor,
        leaf: Leaf | None = None,
    ) -> None:
        self.tester = tester
        self.kit = kit
        self.log: list[Heard[Any]] = []
        self.end: End | None = None
        self.id = b""
        self.my_hello: Envelope | None = None
        self.their_hello: Heard[Hello] | None = None
        self.sent_frames = 0
        self.heard_frames = 0
        self.sent_at_ms: dict[int, int] = {}
        self.keys: NodeKeys = tester.keys
        self.fence_asked = b""  # object id of the last question of a fence
        self.quiet = False  # True: no keepalives by itself
        self.last_sent_ms = 0
        self._address = address
        self._clock = clock
        self._trace = trace
        self._monitor = monitor
        self._leaf = leaf or tester.leaf()
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._channel: grpc.aio.Channel | None = None
        self._call: grpc.aio.StreamStreamCall[bytes, bytes] | None = None
        self._write_lock = asyncio.Lock()

    # ------------------------------------------------------------------ the stream

    async def open(self, metadata: Sequence[tuple[str, str]] = (), method: str = METHOD) -> None:
        """Connect and begin a stream; whether the target takes it is seen by what comes."""
        credentials = grpc.ssl_channel_credentials(
            root_certificates=pem(self.kit.target_ca),
            private_key=self._leaf.key_pem,
            certificate_chain=self._leaf.chain_pem,
        )
        options = [*_OPTIONS, ("grpc.ssl_target_name_override", tls_name(self.kit.target))]
        self._channel = grpc.aio.secure_channel(self._address, credentials, options)
        self._call = self._channel.stream_stream(method)(metadata=tuple(metadata) or None)
        self._tasks.append(asyncio.create_task(self._read()))

    async def close(self) -> None:
        """Hang up, whatever has been said."""
        for task in self._tasks:
            task.cancel()
        if self._call is not None:
            self._call.cancel()
        if self._channel is not None:
            await self._channel.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.end is None:
            self.end = End(now_ms(), None, "CANCELLED", "hung up by the tester")

    async def part(self, code: ErrorCode = ErrorCode.SHUTTING_DOWN, restart_s: int = 0) -> None:
        """End the session in good order."""
        if self.end is None:
            await self.send(framed(Close(code=code, text="the tester parts", restart_s=restart_s)))
            await self.ended(min(2_000, GRACE_MS))
        await self.close()

    async def done_writing(self) -> None:
        """Say no more."""
        if self._call is not None:
            await self._call.done_writing()

    # ------------------------------------------------------------------ saying

    def frame(self, *envelopes: Envelope, **changes: Any) -> bytes:
        """The next frame as it has to be, then with `changes` to its fields; `seq` counts by itself."""
        self.sent_frames += 1
        frame = Frame(session=self.id, seq=self.sent_frames, envelopes=envelopes, signature=None)
        signer = changes.pop("signer", self.keys.operational)
        frame = replace(frame, **changes)
        if self.id and "signature" not in changes and any(_frame_only(e) for e in envelopes):
            data = frame_input(self.keys.network, frame.session, frame.seq, frame.envelopes)
            key = Ed25519Signer(signer)
            frame = replace(frame, signature=Signature(key=key.public_key, signature=key.sign(data)))
        return mapping.encode(frame)

    async def send(self, *envelopes: Envelope) -> int:
        """Say something in a frame of its own; the number of that frame."""
        async with self._write_lock:
            await self._write(self.frame(*envelopes))
            return self.sent_frames

    async def send_raw(self, raw: bytes) -> None:
        """Write bytes as they are."""
        async with self._write_lock:
            await self._write(raw)

    async def _write(self, raw: bytes) -> None:
        self._trace().sent(self.tester.name, raw)
        self.last_sent_ms = now_ms()
        self.sent_at_ms[self.sent_frames] = self.last_sent_ms
        if self._call is None or self.end is not None:
            return
        try:
            await asyncio.wait_for(self._call.write(raw), GRACE_MS / 1_000)
        except (grpc.aio.BaseError, asyncio.InvalidStateError, TimeoutError):
            return  # the reader finds out why

    # ------------------------------------------------------------------ the handshake

    def hello(self, **changes: Any) -> Envelope:
        """This tester's HELLO, signed; `changes` are other values of its fields."""
        body = Hello(
            network_id=self.kit.network.network_id,
            node=self.tester.node,
            neighbor=self.kit.target,
            version_min=1,
            version_max=1,
            nonce=secrets.token_bytes(32),
            features=EXERCISED_FEATURE,
            role=self.tester.role,
            epoch=self._clock.utc_s(),
            last_seen_epoch=0,
            attestation=self.tester.attestation_id,
            parameters=self.kit.network.digest(),
            clock_utc_ms=self._clock.utc_ms(),
        )
        return self.keys.seal(replace(body, **changes))

    async def greet(self, **changes: Any) -> Heard[Hello] | None:
        """Send key and HELLO, wait for the target's HELLO."""
        self.my_hello = self.hello(**changes)
        await self.send(self.keys.certificate, self.my_hello)
        return await self.hello_heard()

    async def hello_heard(self) -> Heard[Hello] | None:
        """The target's HELLO, None when none came."""
        self.their_hello = await self.expect(Hello)
        return self.their_hello

    def proof(self, **changes: Any) -> Envelope:
        """The SESSION_PROOF that belongs to both HELLOs."""
        if self.my_hello is None or self.their_hello is None:
            raise RuntimeError("a proof needs both HELLOs")
        body = SessionProof(
            dialer_hello=object_id(self.my_hello), listener_hello=object_id(self.their_hello.envelope)
        )
        return self.keys.seal(replace(body, **changes))

    async def prove(self) -> Heard[SessionProof] | None:
        """Exchange the proofs; from then on frames carry the session."""
        await self.send(self.proof())
        proof = await self.expect(SessionProof)
        if proof is not None and self.my_hello is not None and self.their_hello is not None:
            both = object_id(self.my_hello) + object_id(self.their_hello.envelope)
            self.id = hashlib.sha256(b"IOE1 session" + both).digest()
        return proof

    async def establish(self, *, refresh: bool = True, **changes: Any) -> bool:
        """All of the handshake and an empty refresh; whether the session stands."""
        if await self.greet(**changes) is None or await self.prove() is None:
            return False
        if refresh:
            await self.refresh()
        self._tasks.append(asyncio.create_task(self._keep_alive()))
        return True

    async def refresh(self, *envelopes: Envelope) -> None:
        """Refresh BEGIN, what is told, Refresh END."""
        begin, end = (
            framed(Refresh(phase=phase, kept=0)) for phase in (RefreshPhase.BEGIN, RefreshPhase.END)
        )
        await self.send(begin, *envelopes, end)

    def keepalive(self, **changes: Any) -> Envelope:
        """A sign of life."""
        body = Keepalive(received_seq=self.heard_frames, clock_utc_ms=self._clock.utc_ms())
        return framed(replace(body, **changes))

    # ------------------------------------------------------------------ hearing

    def mark(self) -> int:
        """Where the log ends now."""
        return len(self.log)

    async def expect(
        self,
        kind: type[T],
        where: Callable[[T], bool] = lambda _: True,
        *,
        since: int = 0,
        within_ms: int = GRACE_MS,
    ) -> Heard[T] | None:
        """The first object of a kind in the log behind `since`; None when none comes in time."""
        deadline, at = now_ms() + within_ms, since
        while True:
            while at < len(self.log):
                one = self.log[at]
                at += 1
                if isinstance(one.body, kind) and where(one.body):
                    return one
            left = deadline - now_ms()
            if self.end is not None or left <= 0:
                return None
            await self._wait(left)

    def all(
        self, kind: type[T], where: Callable[[T], bool] = lambda _: True, since: int = 0
    ) -> list[Heard[T]]:
        """All objects of a kind in the log behind `since`."""
        return [one for one in self.log[since:] if isinstance(one.body, kind) and where(one.body)]

    async def fault_on(
        self, envelope: Envelope, since: int = 0, within_ms: int = GRACE_MS
    ) -> Heard[Fault] | None:
        """The Fault that names this object."""
        wanted = object_id(envelope)
        return await self.expect(Fault, lambda f: f.object == wanted, since=since, within_ms=within_ms)

    async def ended(self, within_ms: int = GRACE_MS) -> End | None:
        """How the stream ended; None while it stands."""
        deadline = now_ms() + within_ms
        while self.end is None and (left := deadline - now_ms()) > 0:
            await self._wait(left)
        return self.end

    async def fence(self, within_ms: int = GRACE_MS) -> bool:
        """Whether the target has handled all that was said before: it answers a question behind it.

        The question is an OUTCOME_QUERY of a reservation that nobody has; an Outcome or a Fault is an answer.
        """
        since, query = self.mark(), OutcomeQuery(reservation=_fresh_id(), version=1)
        asked = framed(query)
        self.fence_asked = object_id(asked)
        await self.send(asked)

        def answers(body: object) -> bool:
            if isinstance(body, Outcome):
                return body.reservation == query.reservation
            return isinstance(body, Fault) and body.object == object_id(asked)

        return await self.expect(object, answers, since=since, within_ms=within_ms) is not None

    async def _wait(self, left_ms: float) -> None:
        self._changed.clear()
        try:
            await asyncio.wait_for(self._changed.wait(), left_ms / 1_000)
        except TimeoutError:
            return

    async def _read(self) -> None:
        call = self._call
        if call is None:
            return
        close: Close | None = None
        try:
            while True:
                raw = await call.read()
                if not isinstance(raw, bytes):
                    break
                self._take(raw)
                close = next((one.body for one in self.log[-4:] if isinstance(one.body, Close)), close)
            status, details = await call.code(), await call.details()
            self.end = End(now_ms(), close, status.name, details or "")
        except grpc.aio.AioRpcError as error:
            self.end = End(now_ms(), close, error.code().name, error.details() or "")
        finally:
            self._trace().note(f"{self.tester.name}: {self.end}")
            self._changed.set()

    def _take(self, raw: bytes) -> None:
        at_ms = now_ms()
        self.heard_frames += 1
        if self.heard_frames > FLOOD_FRAMES:
            self._monitor.flooded = True
            return
        self._trace().heard(self.tester.name, raw)
        frame = self._monitor.frame(self, raw)
        if frame is None:
            self._changed.set()
            return
        for envelope in frame.envelopes:
            row = REGISTRY.get(envelope.type)
            if row is None:
                continue
            try:
                body: Any = mapping.decode(row.body, envelope.signed)
            except PeerError:
                continue  # the monitor has noted it
            self.log.append(Heard(at_ms, frame.seq, envelope, body))
        self._changed.set()

    async def _keep_alive(self) -> None:
        while self.end is None:
            await asyncio.sleep(KEEPALIVE_S / 8)
            if self.id and not self.quiet and now_ms() - self.last_sent_ms > KEEPALIVE_S * 1_000:
                await self.send(self.keepalive())


def _frame_only(envelope: Envelope) -> bool:
    row = REGISTRY.get(envelope.type)
    return row is not None and not row.signatures_max


def _fresh_id() -> Any:
    return secrets.token_bytes(16)
