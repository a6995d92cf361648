"""The pairing port over real sockets: who gets in, who does not, and what each of them is told."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from ioe_router.adapters.pairing import Judge, Listener, Result, call
from ioe_router.codec.pairing import messages
from ioe_router.model.envelope import Envelope, ObjectType, Signature
from ioe_router.model.errors import ErrorCode, PeerError, UsageError
from ioe_router.model.pairing import CODE_LIFETIME_S, CONVERSATIONS_MAX, PROOF_S, Card, Kind
from ioe_router.model.pairing_code import make_code

pytestmark = pytest.mark.asyncio

S = 1_000_000_000
CODE, OTHER = make_code(bytes(range(16))), make_code(b"\xff" * 16)
A_CARD = Card(network_id="village", ca_der=b"certificate of A" * 20, port=7443)
B_CARD = Card(network_id="village", ca_der=b"certificate of B" * 20, port=7444)
LINK = Envelope(
    type=ObjectType.LINK_ATTESTATION,
    signed=b"link",
    signatures=(Signature(key=bytes(32), signature=bytes(64)),),
)


class HandClock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        """Monotonic nanoseconds."""
        return self.now_ns


class SteppingClock(HandClock):
    """A clock that is ten seconds later whenever it is read."""

    def __call__(self) -> int:
        """Monotonic nanoseconds."""
        self.now_ns += PROOF_S * S
        return self.now_ns


async def _agree(_card: Card, link: Envelope | None) -> Envelope | None:
    return link


async def _state(_card: Card, _link: Envelope | None) -> Envelope | None:
    return LINK


@contextlib.asynccontextmanager
async def _listening(clock: HandClock | None = None, judge: Judge = _agree) -> AsyncIterator[Listener]:
    listener = Listener(CODE, B_CARD, judge, listen="127.0.0.1:0", clock_ns=clock or HandClock())
    await listener.start()
    try:
        yield listener
    finally:
        await listener.stop()


async def _call(listener: Listener, code: str = CODE, judge: Judge = _state) -> Result:
    return await call(f"127.0.0.1:{listener.port}", code, A_CARD, judge)


async def _read(reader: asyncio.StreamReader) -> tuple[Kind, bytes]:
    size = int.from_bytes(await reader.readexactly(2), "big")
    return messages.decode(await reader.readexactly(size))


async def test_both_boxes_learn_card_and_link() -> None:
    """Over a real connection both get the other's card, the link, and the other's address."""
    async with _listening() as listener:
        theirs = await _call(listener)
        ours = await listener.outcome()
    assert (theirs.paired.card, theirs.paired.link, theirs.host) == (B_CARD, LINK, "127.0.0.1")
    assert (ours.paired.card, ours.paired.link, ours.host) == (A_CARD, LINK, "127.0.0.1")


async def test_after_a_pairing_the_port_is_closed() -> None:
    """Once the listener is stopped, nothing answers any more, and the caller is told what to do."""
    async with _listening() as listener:
        await _call(listener)
        await listener.outcome()
    with pytest.raises(
        UsageError, match=r"nothing answers at 127.0.0.1:.*show a code there with 'ioe pair show'"
    ):
        await _call(listener)


async def test_a_second_caller_finds_the_code_used() -> None:
    """A code that has paired two boxes is refused to a third one."""
    async with _listening() as listener:
        await _call(listener)
        with pytest.raises(UsageError, match=r"no longer valid .*it has been used"):
            await _call(listener)


async def test_wrong_codes_are_told_and_then_closed() -> None:
    """Each wrong code is one sentence; after three the right one is refused, and the shower learns why."""
    async with _listening() as listener:
        for _ in range(3):
            with pytest.raises(UsageError, match="the code is not the one that the other box shows"):
                await _call(listener, OTHER)
        with pytest.raises(UsageError, match="that code is no longer valid"):
            await _call(listener)
        with pytest.raises(
            UsageError, match=r"tried 3 times without success and is closed; .* somebody else"
        ):
            await listener.outcome()


async def test_a_late_code_is_told() -> None:
    """After five minutes the caller is told that the code is no longer valid, the shower that nobody came."""
    clock = HandClock()
    async with _listening(clock) as listener:
        clock.now_ns = CODE_LIFETIME_S * S
        with pytest.raises(UsageError, match=r"no longer valid .five minutes are over"):
            await _call(listener)
        with pytest.raises(UsageError, match="nobody typed the code within five minutes"):
            await listener.outcome()


async def test_a_stranger_learns_a_version_and_nothing_else() -> None:
    """Who connects without the code sees 27 bytes; to whatever it sends, a refusal of three and the end."""
    for garbage in (b"\0\x10" + b"GET / HTTP/1.1\r\n", b"\x16\x03\x01\x02\0", b"\xff" * 40, b"\0\0"):
        async with _listening() as listener:
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
            kind, body = await _read(reader)
            assert (kind, body[:10], len(body)) == (Kind.GREETING, messages.MAGIC + b"\x01", 26)
            writer.write(garbage)
            kind, _ = await _read(reader)
            assert kind is Kind.REFUSED
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()
            assert listener.desk.tries_left == 3, "garbage is no try"


async def test_long_messages_are_refused_unread() -> None:
    """Before the code is proved, a message of more than 65 bytes is refused by its length alone."""
    async with _listening() as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        await _read(reader)
        writer.write((66).to_bytes(2, "big"))
        kind, body = await _read(reader)
        assert (kind, messages.read_refused(body)) == (Kind.REFUSED, ErrorCode.TOO_LARGE)
        writer.close()


async def test_a_fifth_caller_waits() -> None:
    """A fifth caller is refused while four are in, and served when one of them has gone."""
    async with _listening() as listener:
        silent = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in range(CONVERSATIONS_MAX)]
        for reader, _ in silent:
            await _read(reader)
        with pytest.raises(UsageError, match="too many are calling the other box"):
            await _call(listener)
        for _, writer in silent:
            writer.close()
        while listener.desk.callers:
            await asyncio.sleep(0.01)
        assert (await _call(listener)).paired.card == B_CARD


async def test_a_listener_that_stops_cuts_everybody_off(caplog: pytest.LogCaptureFixture) -> None:
    """When the wait ends, open conversations end with it at once, and nothing is left to say about them."""
    async with _listening() as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        await _read(reader)
    assert await reader.read() == b""
    writer.close()
    await asyncio.sleep(0)
    assert caplog.records == []


async def test_a_silent_caller_is_sent_away() -> None:
    """A caller that has said nothing when its ten seconds are over gets KEEPALIVE_TIMEOUT and the end."""
    async with _listening(SteppingClock()) as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        assert (await _read(reader))[0] is Kind.GREETING
        kind, body = await _read(reader)
        assert (kind, messages.read_refused(body)) == (Kind.REFUSED, ErrorCode.KEEPALIVE_TIMEOUT)
        assert await reader.read() == b""
        writer.close()
        assert listener.desk.tries_left == 3


async def test_a_caller_that_hangs_up_has_spent_a_try() -> None:
    """Who sends a share and closes has used one of the three tries."""
    async with _listening() as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        await _read(reader)
        writer.write(messages.share_a(bytes(16), b"\x09" + bytes(31)))
        assert (await _read(reader))[0] is Kind.SHARE_B
        writer.close()
        while listener.desk.callers:
            await asyncio.sleep(0.01)
        assert listener.desk.tries_left == 2


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (ErrorCode.NETWORK_MISMATCH, "belong to different networks; set the same network_id on both"),
        (ErrorCode.IDENTITY_MISMATCH, "certificate that was shown is not one of another node"),
        (ErrorCode.POLICY, "the link was not agreed to as stated"),
        (ErrorCode.CONFLICT, "the pairing broke off .CONFLICT: "),
    ],
)
@pytest.mark.parametrize("side", ["A", "B"])
async def test_a_refusal_of_one_operator_reaches_both(code: ErrorCode, sentence: str, side: str) -> None:
    """When one box refuses what it learned, both operators get the same sentence, and nothing is paired."""

    async def refuse(_card: Card, _link: Envelope | None) -> Envelope | None:
        raise PeerError(code, "seen here")

    judges = (refuse, _agree) if side == "A" else (_state, refuse)
    async with _listening(judge=judges[1]) as listener:
        with pytest.raises(UsageError, match=sentence):
            await _call(listener, judge=judges[0])
        with pytest.raises(UsageError, match=sentence):
            await listener.outcome()


async def test_an_operator_who_gives_up_ends_the_listener() -> None:
    """When the person at the showing box breaks off, the wait ends, and the other box hears of it."""

    async def give_up(_card: Card, _link: Envelope | None) -> Envelope | None:
        raise UsageError("interrupted")

    async with _listening(judge=give_up) as listener:
        with pytest.raises(UsageError, match="connection was cut before both boxes were sure"):
            await _call(listener)
        with pytest.raises(UsageError, match="interrupted"):
            await listener.outcome()


async def test_another_program_is_not_a_pairing_port() -> None:
    """A port that speaks something else is named as such, without a traceback."""

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(UsageError, match="check that the address is that of a pairing port"):
        await call(f"127.0.0.1:{port}", CODE, A_CARD, _state)
    server.close()
    await server.wait_closed()


async def test_a_cut_connection_stores_nothing() -> None:
    """A connection that ends early is one sentence that says that nothing was stored."""

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(messages.greeting(bytes(16)))
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(
        UsageError, match="connection was cut before both boxes were sure, and nothing was stored"
    ):
        await call(f"127.0.0.1:{port}", CODE, A_CARD, _state)
    server.close()
    await server.wait_closed()


async def test_a_taken_port_is_named() -> None:
    """A listener whose port is taken says so with the remedy."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        listener = Listener(CODE, B_CARD, _agree, listen=address)
        with pytest.raises(UsageError, match=f"port of {address} is already in use; stop the program"):
            await listener.start()
