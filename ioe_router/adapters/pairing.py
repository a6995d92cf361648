"""Pairing over TCP: the listener that a code opens, the call that a typed code makes (SPEC section 6.1.2).

Plain sockets and a length before each message are all there is before the code
is proved; the conversation itself is codec/pairing.  The listener lives in the
process that shows the code and closes with it: there is no port that waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from ioe_router.adapters.peer_server import explain_bind_failure, split_address
from ioe_router.codec.pairing.conversation import ENTROPY_BYTES, Conversation, Initiator, Responder
from ioe_router.codec.pairing.desk import Desk
from ioe_router.codec.pairing.effects import Effect, Failed, Learned, Paired, Send
from ioe_router.codec.pairing.messages import LENGTH_BYTES, refused
from ioe_router.model.clock import NS_PER_S
from ioe_router.model.envelope import Envelope
from ioe_router.model.errors import ErrorCode, PeerError, UsageError
from ioe_router.model.pairing import PROOF_S, TRIES_MAX, Card

_CUT: Final = "the connection was cut"

# Judges what the other side said: returns the attestation to answer with, or raises PeerError to refuse it.
Judge = Callable[[Card, Envelope | None], Awaitable[Envelope | None]]
Clock = Callable[[], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A pairing that came about, and the address of the other side's connection."""

    paired: Paired
    host: str


@dataclass(frozen=True, slots=True)
class _Streams:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def read(self, bytes_max: int) -> bytes:
        """The next message without its length. PeerError (TOO_LARGE)."""
        size = int.from_bytes(await self.reader.readexactly(LENGTH_BYTES), "big")
        if size > bytes_max:
            raise PeerError(ErrorCode.TOO_LARGE, f"a pairing message of {size} bytes")
        return await self.reader.readexactly(size)

    async def close(self) -> None:
        """Close, and do not mind who had closed before."""
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except OSError:
            return

    @property
    def host(self) -> str:
        """Address of the other side."""
        return str(self.writer.get_extra_info("peername")[0])


class Listener:
    """Waits for the one box that has been told the code. `start` it, wait for its `outcome`, `stop` it."""

    def __init__(
        self, code: str, card: Card, judge: Judge, *, listen: str, clock_ns: Clock = time.monotonic_ns
    ) -> None:
        self.desk = Desk(code, clock_ns())
        self.port = 0
        self._card = card
        self._judge = judge
        self._listen = listen
        self._clock_ns = clock_ns
        self._server: asyncio.Server | None = None
        self._outcome: asyncio.Future[Result] | None = None
        self._talks: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """Listen and return the port. UsageError when the address cannot be bound."""
        host, port = split_address(self._listen)
        self._outcome = asyncio.get_running_loop().create_future()
        try:
            self._server = await asyncio.start_server(self._serve, host, port, limit=2**14)
        except OSError as error:
            raise UsageError(explain_bind_failure(self._listen)) from error
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self.port

    async def outcome(self) -> Result:
        """The pairing. UsageError: the code has run out or was tried too often, or the pairing broke off."""
        if self._outcome is None:
            raise UsageError("the listener has not been started")
        left_s = (self.desk.deadline_ns - self._clock_ns()) / NS_PER_S
        done, _ = await asyncio.wait((self._outcome,), timeout=max(left_s, 0))
        if not done and not self.desk.used:
            raise UsageError("nobody typed the code within five minutes; show a new one with 'ioe pair show'")
        return await self._outcome

    async def stop(self) -> None:
        """Close the port and every conversation."""
        if self._server is not None:
            self._server.close()
            for task in self._talks:
                task.cancel()
            await asyncio.gather(*self._talks, return_exceptions=True)
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        streams, task = _Streams(reader, writer), asyncio.current_task()
        if task is not None:
            self._talks.add(task)
            task.add_done_callback(self._talks.discard)
        with contextlib.suppress(asyncio.CancelledError):  # `stop` cuts off whoever is still talking
            try:
                await self._converse(streams)
            finally:
                await streams.close()

    async def _converse(self, streams: _Streams) -> None:
        try:
            self.desk.admit(self._clock_ns())
        except PeerError as error:
            streams.writer.write(refused(error.code))
            return
        try:
            talk = Responder(self.desk, self._card, secrets.token_bytes(ENTROPY_BYTES), self._clock_ns())
            end = await _carry(talk, streams, self._judge, self._clock_ns, talk.greet())
            self._conclude(talk, end, streams.host)
        except Exception as error:  # of the judge: the person at this box gave up, or cannot go on
            if self._outcome is not None and not self._outcome.done():
                self._outcome.set_exception(error)
        finally:
            self.desk.leave()

    def _conclude(self, talk: Responder, end: Paired | Failed, host: str) -> None:
        """A pairing is the outcome; so is the failure of a caller who knew the code, or the last try."""
        if self._outcome is None or self._outcome.done():
            return
        if isinstance(end, Paired):
            self._outcome.set_result(Result(paired=end, host=host))
        elif talk.proved:
            self._outcome.set_exception(UsageError(_sentence(end)))
        elif self.desk.tries_left == 0 and self.desk.callers == 1:  # nobody else is still at it
            self._outcome.set_exception(
                UsageError(
                    f"the code was tried {TRIES_MAX} times without success and is closed; if nobody mistyped"
                    " it, somebody else is trying: look around, then show a new one with 'ioe pair show'"
                )
            )


async def call(
    address: str, code: str, card: Card, judge: Judge, clock_ns: Clock = time.monotonic_ns
) -> Result:
    """Pair with the box that shows this code. UsageError says in a sentence why it did not come about."""
    host, port = split_address(address)
    try:
        async with asyncio.timeout(PROOF_S):
            reader, writer = await asyncio.open_connection(host, port, limit=2**14)
    except (OSError, TimeoutError) as error:
        raise UsageError(
            f"nothing answers at {address}; show a code there with 'ioe pair show' (it listens for five"
            " minutes) or correct the address"
        ) from error
    streams = _Streams(reader, writer)
    try:
        talk = Initiator(code, card, secrets.token_bytes(ENTROPY_BYTES), clock_ns())
        end = await _carry(talk, streams, judge, clock_ns, ())
    finally:
        await streams.close()
    if isinstance(end, Failed):
        raise UsageError(_sentence(end))
    return Result(paired=end, host=streams.host)


async def _carry(
    talk: Conversation, streams: _Streams, judge: Judge, clock_ns: Clock, first: tuple[Effect, ...]
) -> Paired | Failed:
    """Run a conversation to its end."""
    effects = first
    while True:
        try:
            end = await _perform(effects, talk, streams, judge)
            if end is not None:
                return end
            effects = talk.receive(await _next(talk, streams, clock_ns), clock_ns())
        except TimeoutError:
            effects = talk.expire(max(clock_ns(), talk.next_deadline_ns() or 0))
        except PeerError as error:
            effects = talk.refuse(error.code, error.detail)
        except (EOFError, OSError):
            return Failed(code=ErrorCode.NEIGHBOR_LOST, detail=_CUT, told=False)


async def _next(talk: Conversation, streams: _Streams, clock_ns: Clock) -> bytes:
    """The next message. TimeoutError at the conversation's deadline, PeerError (TOO_LARGE)."""
    left_ns = (talk.next_deadline_ns() or 0) - clock_ns()
    async with asyncio.timeout(max(left_ns, 0) / NS_PER_S):
        return await streams.read(talk.bytes_max)


async def _perform(
    effects: tuple[Effect, ...], talk: Conversation, streams: _Streams, judge: Judge
) -> Paired | Failed | None:
    """Do what a conversation wants; its end, if that is among it. PeerError when the judge refuses."""
    for effect in effects:
        match effect:
            case Send():
                streams.writer.write(effect.data)
                await streams.writer.drain()
            case Learned():
                return await _perform(
                    talk.answer(await judge(effect.card, effect.link)), talk, streams, judge
                )
            case Paired() | Failed():
                return effect
    return None


_SENTENCES: Final = {
    ErrorCode.WRONG_CODE: (
        "the code is not the one that the other box shows; read it again and type it once more"
        " (a code can be tried three times)"
    ),
    ErrorCode.CODE_CLOSED: (
        "that code is no longer valid (five minutes are over, it was tried three times, or it has been used);"
        " show a new one with 'ioe pair show'"
    ),
    ErrorCode.LIMIT_REACHED: "too many are calling the other box; wait a few seconds and try again",
    ErrorCode.VERSION_MISMATCH: (
        "the other box speaks another version of pairing; bring both to the same release of the software"
    ),
    ErrorCode.KEEPALIVE_TIMEOUT: "the other box did not answer in time; try again with a new code",
    ErrorCode.NEIGHBOR_LOST: (
        "the connection was cut before both boxes were sure, and nothing was stored here; try again with a"
        " new code"
    ),
    ErrorCode.NETWORK_MISMATCH: (
        "the two boxes belong to different networks; set the same network_id on both and pair again"
    ),
    ErrorCode.IDENTITY_MISMATCH: (
        "the certificate that was shown is not one of another node that is valid now; check both clocks and"
        " that each box has an identity of its own, then pair again"
    ),
    ErrorCode.POLICY: "the link was not agreed to as stated; talk to the other operator and pair again",
}


def _sentence(end: Failed) -> str:
    """Why a pairing did not come about, for people."""
    who = "the other box refused" if end.told else end.detail
    return _SENTENCES.get(
        end.code,
        f"the pairing broke off ({end.code.name}: {who}); check that the address is that of a pairing port"
        " and try again with a new code",
    )
