"""The neighbour session: handshake, frames, signs of life, and every way to refuse."""

from __future__ import annotations

import hashlib

import pytest

from ioe_router.config import Timers
from ioe_router.core.effects import CloseSession
from ioe_router.core.events import NeighborDown, NeighborUp
from ioe_router.core.hello import session_id_of
from ioe_router.core.outbox import Outbox
from ioe_router.core.session_fsm import TRANSITIONS, SessionEvent, SessionState, advance
from ioe_router.model.clock import Now
from ioe_router.model.discovery import Hello, Keepalive, Role, SessionProof
from ioe_router.model.envelope import Frame, ObjectType, Sealed
from ioe_router.model.errors import ErrorCode, PeerError, UsageError
from ioe_router.model.ids import ObjectId
from tests.unit.core.plain_sealer import changed, node_named, operational_key, sealed_by
from tests.unit.core.routing_rig import START_UTC_S, Net, Node, Wire, config_of, own_key

PAIR = (Wire("a", "b"),)


def pair(**timers: int) -> Net:
    """Two nodes, nothing up yet."""
    return Net(PAIR, timers=Timers(**{"keepalive_ms": 0, **timers}))


def waiting() -> tuple[Net, Node, Sealed[Hello]]:
    """A node whose HELLO is out, with the key of its neighbour, and that neighbour's good HELLO."""
    net = pair()
    a, b = net.node("a"), net.node("b")
    b.sessions.up(a.id, False, net.now, out := Outbox())
    hello = next(w.envelope for w in out.wishes if w.envelope.type is ObjectType.HELLO)  # type: ignore[union-attr]
    a.sessions.up(b.id, True, net.now, Outbox())
    a.evidence.learn_key(own_key("b"), net.now)
    return net, a, b.sealer.open(hello, Hello)


@pytest.mark.parametrize("state", SessionState)
@pytest.mark.parametrize("event", SessionEvent)
def test_every_state_and_event_has_an_answer(state: SessionState, event: SessionEvent) -> None:
    """A pair is in the table, or the neighbour's mistake, or the caller's."""
    if (state, event) in TRANSITIONS:
        assert advance(state, event) is TRANSITIONS[state, event]
    elif event in (SessionEvent.HELLO, SessionEvent.PROOF):
        with pytest.raises(PeerError, match="UNEXPECTED"):
            advance(state, event)
    elif event is SessionEvent.CLOSE:
        assert state is SessionState.IDLE
    else:
        with pytest.raises(UsageError, match="SessionDown"):
            advance(state, event)


def test_every_state_can_be_reached_and_left() -> None:
    """No state of the table is a dead end or unreachable."""
    assert set(TRANSITIONS.values()) == set(SessionState)
    assert {state for state, event in TRANSITIONS if event is SessionEvent.DOWN} == set(SessionState)


def test_a_handshake_establishes_both_sides() -> None:
    """Both sides see the neighbour come up once and name frames by the same 32 bytes."""
    net = pair()
    net.connect("a", "b")
    net.drain()
    a, b = net.node("a"), net.node("b")
    assert a.events == [NeighborUp(neighbor=b.id)]
    assert b.events == [NeighborUp(neighbor=a.id)]
    assert a.sessions.session_id(b.id) == b.sessions.session_id(a.id)
    assert len(a.sessions.session_id(b.id)) == 32
    assert a.sessions.frame_key(b.id) == operational_key(b.id)
    assert a.established() == (b.id,)
    assert net.faults() == []


def test_the_session_id_is_made_of_both_hellos_in_order() -> None:
    """Dialler and listener are not interchangeable, and each HELLO counts."""
    one, other = ObjectId(bytes(32)), ObjectId(b"\x01" * 32)
    assert session_id_of(one, other) != session_id_of(other, one)
    assert session_id_of(one, other).hex() == (hashlib.sha256(b"IOE1 session" + one + other).hexdigest())


def test_each_session_has_its_own_id() -> None:
    """A session after another between the same two has a fresh id and numbers frames from 1."""
    net = pair()
    ids = set()
    for _ in range(3):
        net.connect("a", "b")
        net.drain()
        ids.add(net.node("a").sessions.session_id(net.node("b").id))
        net.cut("a", "b")
    assert len(ids) == 3
    assert net.faults() == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"network_id": "other"}, ErrorCode.NETWORK_MISMATCH),
        ({"node": node_named("c")}, ErrorCode.IDENTITY_MISMATCH),
        ({"neighbor": node_named("c")}, ErrorCode.IDENTITY_MISMATCH),
        ({"version_min": 2, "version_max": 3}, ErrorCode.VERSION_MISMATCH),
        ({"version_min": 0, "version_max": 0}, ErrorCode.VERSION_MISMATCH),
        ({"features": 1}, ErrorCode.FEATURE_REQUIRED),
        ({"features": 1 << 62}, ErrorCode.FEATURE_REQUIRED),
        ({"parameters": bytes(32)}, ErrorCode.PARAMETER_MISMATCH),
        ({"attestation": bytes(32)}, ErrorCode.UNKNOWN_LINK),
        ({"role": Role.PEER}, ErrorCode.POLICY),
        ({"nonce": bytes(31)}, ErrorCode.OUT_OF_BOUNDS),
        ({"clock_utc_ms": START_UTC_S * 1000 + 60_001}, ErrorCode.CLOCK_UNSYNCED),
        ({"clock_utc_ms": START_UTC_S * 1000 - 60_001}, ErrorCode.CLOCK_UNSYNCED),
        ({"last_seen_epoch": 2}, ErrorCode.STALE),
    ],
    ids=lambda value: value.name if isinstance(value, ErrorCode) else ",".join(value),
)
def test_a_hello_is_refused_with_its_reason(changes: dict[str, object], code: ErrorCode) -> None:
    """Each term of a HELLO that does not fit ends the session with that term's code, said to both sides."""
    net, a, hello = waiting()
    out = Outbox()
    signer = node_named("b")
    forged = sealed_by(changed(hello.body, changes), signer)
    with pytest.raises(PeerError) as caught:
        a.sessions.hello(node_named("b"), forged, net.now, out)
    assert caught.value.code is code
    assert a.sessions.state(node_named("b")) is SessionState.CLOSING
    assert [w.code for w in out.wishes if isinstance(w, CloseSession)] == [code]
    assert a.sessions.deadline_ns() is None


def test_a_hello_is_signed_with_the_key_of_its_connection() -> None:
    """Where the transport shows by which key the neighbour was proved, a HELLO under another is refused."""
    b = node_named("b")
    for transport_key, code in ((operational_key(b), None), (None, None), (bytes(32), "IDENTITY_MISMATCH")):
        net, a, hello = waiting()
        a.sessions.down(b, ErrorCode.NEIGHBOR_LOST, "again", Outbox())
        a.sessions.up(b, False, net.now, Outbox(), transport_key)
        if code is None:
            a.sessions.hello(b, hello, net.now, Outbox())
            assert a.sessions.state(b) is SessionState.PROOF_SENT
            continue
        with pytest.raises(PeerError, match=code):
            a.sessions.hello(b, hello, net.now, Outbox())
        assert a.sessions.state(b) is SessionState.CLOSING


@pytest.mark.parametrize("changes", [{"features": 8}, {"features": 1 << 63}, {"version_max": 9}], ids=str)
def test_what_is_optional_does_not_matter(changes: dict[str, int]) -> None:
    """Odd feature bits and later versions beside ours are no reason to refuse."""
    net, a, hello = waiting()
    a.sessions.hello(
        node_named("b"), sealed_by(changed(hello.body, changes), node_named("b")), net.now, Outbox()
    )
    assert a.sessions.state(node_named("b")) is SessionState.PROOF_SENT


def test_a_hello_of_another_signer_is_refused() -> None:
    """The transport's neighbour must itself have signed its HELLO."""
    net, a, hello = waiting()
    with pytest.raises(PeerError, match="IDENTITY_MISMATCH"):
        a.sessions.hello(node_named("b"), sealed_by(hello.body, node_named("c")), net.now, Outbox())


def test_an_epoch_below_one_seen_before_is_refused() -> None:
    """A neighbour that comes back with an older epoch was restored from an old copy."""
    net = pair()
    net.node("b").sessions.start(5)
    net.connect("a", "b")
    net.drain()
    net.cut("a", "b")
    net.node("b").sessions.start(4)
    net.connect("a", "b")
    net.drain()
    assert [f.code for f in net.node("a").faults] == [ErrorCode.STALE]
    assert not net.node("a").sessions.established(net.node("b").id)


@pytest.mark.parametrize("forge", ["hashes", "signer", "early"])
def test_a_proof_must_name_both_hellos(forge: str) -> None:
    """A proof over other HELLOs, by another node, or before the HELLO does not establish a session."""
    net, a, hello = waiting()
    b = node_named("b")
    if forge != "early":
        a.sessions.hello(b, hello, net.now, Outbox())
    body = SessionProof(dialer_hello=ObjectId(bytes(32)), listener_hello=hello.object_id)
    signer = node_named("c") if forge == "signer" else b
    with pytest.raises(PeerError) as caught:
        a.sessions.proof(b, sealed_by(body, signer), net.now, Outbox())
    expected = {
        "hashes": ErrorCode.REPLAYED,
        "signer": ErrorCode.IDENTITY_MISMATCH,
        "early": ErrorCode.UNEXPECTED,
    }
    assert caught.value.code is expected[forge]
    assert not a.sessions.established(b)


@pytest.mark.parametrize("problem", ["gap", "repeat", "session", "unsigned"])
def test_frames_come_in_order_and_in_their_session(problem: str) -> None:
    """A frame that is missing, repeated, of another session or of none is refused."""
    net = pair()
    net.connect("a", "b")
    net.drain()
    a, b = net.node("a"), net.node("b")
    session = b.sessions.session_id(a.id)
    seq = b.sessions.next_frame_seq(a.id, net.now)
    seq += {"gap": 1, "repeat": -1}.get(problem, 0)
    session = {"session": bytes(32), "unsigned": b""}.get(problem, session)
    with pytest.raises(PeerError, match="REPLAYED"):
        a.sessions.check_frame(b.id, Frame(session=session, seq=seq, envelopes=(), signature=None))


def test_a_handshake_that_hangs_is_closed() -> None:
    """Without an answer to its HELLO a node closes after the handshake time."""
    net = pair(handshake_ms=5_000)
    a, b = net.node("a"), net.node("b").id
    a.sessions.up(b, True, net.now, Outbox())
    assert a.sessions.deadline_ns() == 5_000_000_000
    a.sessions.due(Now(5_000_000_000, START_UTC_S * 1000 + 5_000), out := Outbox())
    assert [w.code for w in out.wishes if isinstance(w, CloseSession)] == [ErrorCode.KEEPALIVE_TIMEOUT]
    assert a.sessions.down(b, ErrorCode.NEIGHBOR_LOST, "gone", out)
    assert a.sessions.state(b) is SessionState.IDLE
    assert a.sessions.deadline_ns() is None


def test_a_silent_session_shows_signs_of_life() -> None:
    """Each side sends a keepalive per interval in which it has sent nothing else, and no more."""
    net = pair(keepalive_ms=20_000)
    net.connect("a", "b")
    net.run(200_000)
    assert 2 * 9 <= net.sent[ObjectType.KEEPALIVE] <= 2 * 200 // 15
    assert net.faults() == []


def test_no_silence_is_longer_than_the_interval() -> None:
    """A frame sent just behind a check does not put the next sign of life off beyond keepalive_ms."""
    net = pair(keepalive_ms=20_000)
    net.connect("a", "b")
    net.drain()
    a, b = net.node("a"), net.node("b").id
    out = Outbox()
    a.sessions.next_frame_seq(b, Now(net.now.monotonic_ns + 1 * 10**9, net.now.utc_ms))
    a.sessions.due(Now(net.now.monotonic_ns + 20 * 10**9, net.now.utc_ms), out)
    assert out.wishes == []
    due_ns = a.sessions.deadline_ns()
    assert due_ns is not None
    assert due_ns <= net.now.monotonic_ns + 21 * 10**9
    a.sessions.due(Now(due_ns, net.now.utc_ms), out)
    assert [w.envelope.type for w in out.wishes] == [ObjectType.KEEPALIVE]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (Keepalive(received_seq=99, clock_utc_ms=START_UTC_S * 1000), ErrorCode.OUT_OF_BOUNDS),
        (Keepalive(received_seq=1, clock_utc_ms=START_UTC_S * 1000 + 60_001), ErrorCode.CLOCK_UNSYNCED),
    ],
)
def test_a_keepalive_may_be_wrong(body: Keepalive, code: ErrorCode) -> None:
    """A keepalive that acknowledges the future is refused; one with a wrong clock ends the session."""
    net = pair()
    net.connect("a", "b")
    net.drain()
    a, b = net.node("a"), net.node("b").id
    with pytest.raises(PeerError) as caught:
        a.sessions.keepalive(b, sealed_by(body, b), net.now, Outbox())
    assert caught.value.code is code
    assert a.sessions.established(b) is (code is ErrorCode.OUT_OF_BOUNDS)


def test_a_session_ends_with_the_neighbours_key() -> None:
    """A node does not talk on with a neighbour whose operational key has expired."""
    net = pair()
    a, b = net.node("a"), net.node("b").id
    net.nodes["b"].evidence.own_key = own_key("b", expires_utc_s=START_UTC_S + 100)
    net.connect("a", "b")
    net.drain()
    assert a.sessions.established(b)
    net.run(100_001)
    assert a.sessions.state(b) is SessionState.CLOSING


def test_the_reason_of_a_close_reaches_both_hosts() -> None:
    """After a close in good order both NeighborDown events carry its code."""
    net = pair()
    net.connect("a", "b")
    net.drain()
    a, b = net.node("a"), net.node("b")
    a.sessions.close_all(ErrorCode.SHUTTING_DOWN, "bye", out := Outbox())
    net.carry_out(a, out)
    net.drain()
    net.cut("a", "b")
    for node in (a, b):
        downs = [e for e in node.events if isinstance(e, NeighborDown)]
        assert [(e.code, e.reason) for e in downs] == [(ErrorCode.SHUTTING_DOWN, "bye")]
    assert net.faults() == []


def test_a_stranger_is_no_neighbour() -> None:
    """A transport to a node that is not configured is closed at once."""
    net = pair()
    out = Outbox()
    with pytest.raises(PeerError, match="NOT_A_NEIGHBOR"):
        net.node("a").sessions.up(node_named("c"), True, net.now, out)
    assert [w.code for w in out.wishes if isinstance(w, CloseSession)] == [ErrorCode.NOT_A_NEIGHBOR]


def test_a_second_transport_needs_the_first_to_be_gone() -> None:
    """The shell reports the loss of a transport before it reports the next."""
    net = pair()
    net.connect("a", "b")
    with pytest.raises(UsageError, match="SessionDown"):
        net.connect("a", "b")


@pytest.mark.parametrize("muted", [("a", "b"), ("b", "a")])
def test_frames_that_vanish_in_one_direction_end_the_session_at_both_ends(muted: tuple[str, str]) -> None:
    """After 180 s the end that hears nothing closes, and so does the end whose frames do not arrive."""
    net = pair(keepalive_ms=20_000)
    net.connect("a", "b")
    net.run(30_000)
    net.mute.add(muted)
    net.run(170_000)
    assert all(node.established() for node in net.nodes.values())
    net.run(50_000)
    speaker, listener = net.node(muted[0]), net.node(muted[1])
    assert listener.sessions.state(speaker.id) is SessionState.CLOSING
    assert speaker.sessions.state(listener.id) is SessionState.CLOSING
    net.cut("a", "b")
    for node in (speaker, listener):
        downs = [e for e in node.events if isinstance(e, NeighborDown)]
        assert [e.code for e in downs] == [ErrorCode.KEEPALIVE_TIMEOUT]


def test_the_end_whose_frames_vanish_finds_out_by_itself() -> None:
    """Keepalives that acknowledge nothing new for 180 s end the session, however lively they come."""
    net = pair(keepalive_ms=20_000)
    net.connect("a", "b")
    net.run(30_000)
    a, b = net.node("a"), net.node("b")
    last_heard = a.sessions.next_frame_seq(b.id, net.now)
    body = Keepalive(received_seq=last_heard, clock_utc_ms=net.now.utc_ms)
    for passed_s in range(0, 200, 10):
        now = Now(net.now.monotonic_ns + passed_s * 10**9, net.now.utc_ms)
        a.sessions.next_frame_seq(b.id, now)
        a.sessions.keepalive(b.id, sealed_by(body, b.id), now, Outbox())
        assert a.sessions.established(b.id) is (passed_s < 180)
        if passed_s >= 180:
            break


def test_a_quiet_neighbour_is_not_taken_for_a_dead_one() -> None:
    """The longest allowed interval at the neighbour is not too long for a node with a short one."""
    slow, fast = Timers(keepalive_ms=60_000), Timers(keepalive_ms=1_000)
    net = Net(PAIR, {"a": config_of("a", PAIR, slow), "b": config_of("b", PAIR, fast)})
    net.connect("a", "b")
    net.run(1_800_000)
    assert all(node.established() for node in net.nodes.values())
    assert net.faults() == []
