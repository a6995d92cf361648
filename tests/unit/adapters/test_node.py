"""Nodes on one event loop, speaking real mutually authenticated gRPC over loopback."""

from __future__ import annotations

import asyncio
import random
import socket
from functools import partial

import pytest

from ioe_router.adapters.dialler import Patience, Transport, Trouble
from ioe_router.adapters.node import Host, lasting_duplicate
from ioe_router.core.effects import CloseSession, SendFrame
from ioe_router.core.inputs import Input, SessionUp
from ioe_router.model.errors import ErrorCode, UsageError
from tests.unit.adapters.rig import (
    QUICK,
    RecordingCore,
    greet_with,
    new_keys,
    node_of,
    sorted_keys,
    until,
)

pytestmark = pytest.mark.asyncio


async def test_frames_cross_unchanged_and_in_order() -> None:
    """What one router sends is what the other receives, byte for byte, in order, over both directions."""
    (a, a_op), (b, b_op) = sorted_keys()
    noise = random.Random(7)
    down = [noise.randbytes(noise.randrange(1, 5_000)) for _ in range(300)]
    up = [noise.randbytes(noise.randrange(1, 5_000)) for _ in range(300)]
    at_a, at_b = RecordingCore(greet_with(*down)), RecordingCore(greet_with(*up))
    two = node_of(at_b, b_op, [(a, None)])
    port = await two.start(epoch=1)
    one = node_of(at_a, a_op, [(b, f"127.0.0.1:{port}")])
    await one.start(epoch=1)
    one.dial()
    try:
        await until(lambda: len(at_b.frames()) == 300 and len(at_a.frames()) == 300)
        await until(lambda: one.activity().idle and two.activity().idle)
        assert at_b.frames() == down
        assert at_a.frames() == up
        assert [s.dialer for s in at_a.ups()] == [True]
        assert [s.dialer for s in at_b.ups()] == [False]
        assert one.activity().sent == {b.node: 300} == one.activity().received
        assert two.activity().sent == {a.node: 300} == two.activity().received
        assert one.traffic[b.node].bytes_sent == sum(map(len, down)) == two.traffic[a.node].bytes_received
    finally:
        await one.stop()
        await two.stop()
    assert [d.code for d in at_a.downs()] == [ErrorCode.SHUTTING_DOWN]
    assert len(at_b.downs()) == 1


@pytest.mark.parametrize("closer", [0, 1])
async def test_last_frames_arrive_before_a_close(closer: int) -> None:
    """CloseSession ends a session only after everything sent before it has arrived, from either end."""
    keys = sorted_keys()
    frames = [bytes([i]) * 1_000 for i in range(100)]

    def part(one: Input) -> list[SendFrame | CloseSession]:
        if not isinstance(one, SessionUp):
            return []
        sends = [SendFrame(neighbor=one.neighbor, frame=frame) for frame in frames]
        return [*sends, CloseSession(neighbor=one.neighbor, code=ErrorCode.POLICY, reason="enough")]

    cores = [RecordingCore(), RecordingCore()]
    cores[closer].script = part
    listener = node_of(cores[1], keys[1][1], [(keys[0][0], None)])
    port = await listener.start(epoch=1)
    slow = Transport(keepalive_ms=1_000, patience=Patience(first_ms=60_000, longest_ms=60_000))
    dialler = node_of(cores[0], keys[0][1], [(keys[1][0], f"127.0.0.1:{port}")], host=Host(transport=slow))
    await dialler.start(epoch=1)
    dialler.dial()
    try:
        await until(lambda: all(core.downs() for core in cores))
        assert cores[1 - closer].frames() == frames
        assert cores[closer].downs()[0].code is ErrorCode.POLICY
    finally:
        await dialler.stop()
        await listener.stop()


async def test_both_dial_and_one_stream_stands() -> None:
    """When both sides know an address and dial at once, exactly one session comes up and stays."""
    (a, a_op), (b, b_op) = sorted_keys()
    eager = Transport(keepalive_ms=1_000, patience=Patience(grace_ms=0, first_ms=50, longest_ms=200))
    at_a, at_b = RecordingCore(), RecordingCore()
    one = node_of(at_a, a_op, [(b, None)], host=Host(transport=eager))
    two = node_of(at_b, b_op, [(a, None)], host=Host(transport=eager))
    port_a, port_b = await one.start(epoch=1), await two.start(epoch=1)
    one.dial({b.node: f"127.0.0.1:{port_b}"})
    two.dial({a.node: f"127.0.0.1:{port_a}"})
    try:
        await until(lambda: bool(at_a.up and at_b.up))
        await asyncio.sleep(1.0)
        assert len(at_a.ups()) == len(at_b.ups()) == 1
        assert at_a.ups()[0].dialer is not at_b.ups()[0].dialer
        assert not at_a.downs() + at_b.downs()
    finally:
        await one.stop()
        await two.stop()


def both_up(one: RecordingCore, other: RecordingCore) -> bool:
    """Whether both ends have a session."""
    return bool(one.up and other.up)


async def test_dials_that_cross_leave_one_stream_every_time() -> None:
    """However two dials meet, both ends end up on one stream, opened by one of them, and it stays."""
    (a, a_op), (b, b_op) = sorted_keys()
    eager = Transport(keepalive_ms=1_000, patience=Patience(grace_ms=0, first_ms=20, longest_ms=50))
    for turn in range(12):
        at_a, at_b = RecordingCore(), RecordingCore()
        one = node_of(at_a, a_op, [(b, None)], host=Host(transport=eager))
        two = node_of(at_b, b_op, [(a, None)], host=Host(transport=eager))
        port_a, port_b = await one.start(epoch=1), await two.start(epoch=1)
        try:
            one.dial({b.node: f"127.0.0.1:{port_b}"})
            await asyncio.sleep(turn % 4 * 0.003)  # the second dial meets the first at another point
            two.dial({a.node: f"127.0.0.1:{port_a}"})
            await until(partial(both_up, at_a, at_b))
            await asyncio.sleep(0.15)
            assert at_a.up
            assert at_b.up
            last_a, last_b = at_a.ups()[-1], at_b.ups()[-1]
            assert last_a.dialer is not last_b.dialer
            assert not at_a.downs() + at_b.downs()
        finally:
            await one.stop()
            await two.stop()


async def test_higher_id_dials_when_only_it_has_an_address() -> None:
    """The side that alone knows an address dials, whatever its id."""
    (a, a_op), (b, b_op) = sorted_keys()
    at_a, at_b = RecordingCore(), RecordingCore()
    one = node_of(at_a, a_op, [(b, None)])
    port = await one.start(epoch=1)
    two = node_of(at_b, b_op, [(a, f"127.0.0.1:{port}")])
    await two.start(epoch=1)
    two.dial()
    one.dial()
    try:
        await until(lambda: bool(at_a.up and at_b.up))
        assert at_b.ups()[0].dialer
    finally:
        await two.stop()
        await one.stop()


async def test_session_comes_back_after_a_restart() -> None:
    """A neighbour that goes away is reported down, and a new session stands once it is back."""
    (a, a_op), (b, b_op) = sorted_keys()
    at_a = RecordingCore()
    first = node_of(RecordingCore(), b_op, [(a, None)])
    port = await first.start(epoch=1)
    one = node_of(at_a, a_op, [(b, f"127.0.0.1:{port}")])
    await one.start(epoch=1)
    one.dial()
    await until(lambda: len(at_a.ups()) == 1)
    await first.stop()
    await until(lambda: len(at_a.downs()) == 1)
    again = node_of(RecordingCore(greet_with(b"back")), b_op, [(a, None)], listen=f"127.0.0.1:{port}")
    await again.start(epoch=2)
    try:
        await until(lambda: at_a.frames() == [b"back"])
        assert len(at_a.ups()) == 2
    finally:
        await one.stop()
        await again.stop()


async def test_second_node_with_the_same_identity_is_refused() -> None:
    """A second live stream of one identity is refused with DUPLICATE_IDENTITY and leaves the first alone."""
    (a, a_op), (b, b_op) = sorted_keys()
    at_b = RecordingCore()
    two = node_of(at_b, b_op, [(a, None)])
    port = await two.start(epoch=1)
    troubles: list[Trouble] = []
    brief = Transport(keepalive_ms=50, patience=QUICK.patience)
    one = node_of(RecordingCore(), a_op, [(b, f"127.0.0.1:{port}")])
    twin = node_of(
        RecordingCore(),
        a_op,
        [(b, f"127.0.0.1:{port}")],
        host=Host(transport=QUICK, on_trouble=troubles.append),
    )
    await one.start(epoch=1)
    await twin.start(epoch=1)
    one.dial()
    await until(lambda: bool(at_b.up))
    twin.dial()
    try:
        await until(lambda: any(lasting_duplicate(trouble, brief) for trouble in troubles))
        assert {trouble.code for trouble in troubles} == {ErrorCode.DUPLICATE_IDENTITY}
        assert "stop the second node with this identity" in troubles[0].sentence
        assert two.port_counts().refused[ErrorCode.DUPLICATE_IDENTITY] >= 2
        assert not at_b.downs()
    finally:
        for node in (one, twin, two):
            await node.stop()


async def test_port_in_use_is_one_sentence() -> None:
    """Starting on a taken port raises one sentence that names the port and the remedy."""
    _, operational = new_keys()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        node = node_of(RecordingCore(), operational, [], listen=f"127.0.0.1:{port}")
        with pytest.raises(UsageError, match=f"{port} is already in use; stop the program"):
            await node.start(epoch=1)
    with pytest.raises(UsageError, match="no address of this machine"):
        await node_of(RecordingCore(), operational, [], listen="192.0.2.1:7443").start(epoch=1)


async def test_neighbour_that_does_not_read_is_dropped() -> None:
    """A queue that overflows ends the session with LIMIT_REACHED instead of growing or leaving frames out."""
    (a, a_op), (b, b_op) = sorted_keys()
    burst = [bytes(1_000_000)] * 40
    at_a, at_b = RecordingCore(greet_with(*burst)), RecordingCore()
    two = node_of(at_b, b_op, [(a, None)])
    port = await two.start(epoch=1)
    one = node_of(at_a, a_op, [(b, f"127.0.0.1:{port}")])
    await one.start(epoch=1)
    one.dial()
    try:
        await until(lambda: bool(at_a.downs()))
        assert at_a.downs()[0].code is ErrorCode.LIMIT_REACHED
        assert len(at_b.frames()) < len(burst)
    finally:
        await one.stop()
        await two.stop()


async def wire_to(port: int, passing: asyncio.Event) -> tuple[asyncio.Server, str]:
    """A wire to a port that carries bytes while `passing` is set, and holds them without a word while not."""

    async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while chunk := await source.read(65_536):
            await passing.wait()
            sink.write(chunk)

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward_reader, onward_writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            await asyncio.gather(carry(reader, onward_writer), carry(onward_reader, writer))
        except OSError:
            pass
        finally:
            onward_writer.close()
            writer.close()

    proxy = await asyncio.start_server(relay, "127.0.0.1", 0)
    return proxy, f"127.0.0.1:{proxy.sockets[0].getsockname()[1]}"


async def test_silent_wire_ends_the_session() -> None:
    """When bytes stop crossing without an end of the connection, both sides report the loss by keepalive."""
    (a, a_op), (b, b_op) = sorted_keys()
    brief = Transport(keepalive_ms=500, patience=QUICK.patience)
    at_a, at_b = RecordingCore(greet_with(b"hello")), RecordingCore()
    two = node_of(at_b, b_op, [(a, None)], host=Host(transport=brief))
    port = await two.start(epoch=1)
    passing = asyncio.Event()
    passing.set()

    proxy, address = await wire_to(port, passing)
    one = node_of(at_a, a_op, [(b, address)], host=Host(transport=brief))
    await one.start(epoch=1)
    one.dial()
    try:
        await until(lambda: at_b.frames() == [b"hello"])
        passing.clear()
        await until(lambda: bool(at_a.downs() and at_b.downs()))
        assert at_a.downs()[0].code is ErrorCode.KEEPALIVE_TIMEOUT
    finally:
        passing.set()
        await one.stop()
        await two.stop()
        proxy.close()


async def test_a_dead_stream_is_replaced_only_once_it_is_known_to_be_dead() -> None:
    """While a silent stream still counts as alive a new one is refused; after its keepalive it is taken."""
    (a, a_op), (b, b_op) = sorted_keys()
    brief = Transport(keepalive_ms=500, patience=QUICK.patience)
    at_b = RecordingCore()
    two = node_of(at_b, b_op, [(a, None)], host=Host(transport=brief))
    port = await two.start(epoch=1)
    passing = asyncio.Event()
    passing.set()
    proxy, address = await wire_to(port, passing)
    first = node_of(RecordingCore(), a_op, [(b, address)])
    await first.start(epoch=1)
    first.dial()
    await until(lambda: bool(at_b.up))
    passing.clear()  # the machine of `first` is gone, without a word
    troubles: list[Trouble] = []
    host = Host(transport=QUICK, on_trouble=troubles.append)
    again = node_of(RecordingCore(), a_op, [(b, f"127.0.0.1:{port}")], host=host)
    await again.start(epoch=2)
    again.dial()
    try:
        await until(lambda: len(at_b.ups()) == 2)
        assert {trouble.code for trouble in troubles} == {ErrorCode.DUPLICATE_IDENTITY}
        kinds = [type(one).__name__ for one in at_b.inputs]
        assert [k for k in kinds if k.startswith("Session")] == ["SessionUp", "SessionDown", "SessionUp"]
    finally:
        passing.set()
        for node in (again, two, first):
            await node.stop()
        proxy.close()


async def test_failure_of_the_router_ends_the_node() -> None:
    """An exception from the router surfaces in `wait` instead of being swallowed."""
    _, operational = new_keys()

    def broken(_one: Input) -> list[SendFrame]:
        raise RuntimeError("a defect")

    node = node_of(RecordingCore(broken), operational, [])
    await node.start(epoch=1)
    with pytest.raises(RuntimeError, match="a defect"):
        await node.wait()
    await node.stop()


async def test_thirty_three_nodes_on_one_loop() -> None:
    """A chain of 33 nodes in one process brings all its sessions up and passes a frame along each link."""
    keys = [new_keys() for _ in range(33)]
    cores = [RecordingCore(greet_with(b"hello")) for _ in keys]
    nodes = []
    for i, (_, operational) in enumerate(keys):
        peers = [(keys[j][0], None) for j in (i - 1, i + 1) if 0 <= j < len(keys)]
        nodes.append(node_of(cores[i], operational, peers))
    ports = [await node.start(epoch=1) for node in nodes]
    for i, node in enumerate(nodes[:-1]):
        node.dial({keys[i + 1][0].node: f"127.0.0.1:{ports[i + 1]}"})
    try:
        await until(
            lambda: (
                all(len(core.frames()) == len(core.up) == len(core.ups()) for core in cores)
                and sum(len(core.up) for core in cores) == 64
            )
        )
        assert all(frame == b"hello" for core in cores for frame in core.frames())
    finally:
        await asyncio.gather(*(node.stop() for node in nodes))
