"""The door of a router: whatever bytes a neighbour sends, it answers, counts and serves the others."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ioe_router.codec import mapping
from ioe_router.codec.bound_rules import FRAME_BYTES
from ioe_router.codec.frames import decode_frame, encode_frame
from ioe_router.core.effects import CloseSession, Effect, Emit, SendFrame
from ioe_router.core.events import Event, NeighborDown, PeerFault
from ioe_router.core.inputs import (
    DeadlineReached,
    FrameReceived,
    Input,
    SessionDown,
    SessionUp,
    Shutdown,
)
from ioe_router.core.session_fsm import SessionState
from ioe_router.model.clock import Now
from ioe_router.model.discovery import Close, Keepalive
from ioe_router.model.envelope import Envelope, Frame, ObjectType, Signature
from ioe_router.model.errors import ErrorCode, UsageError
from ioe_router.model.ids import ReservationId
from ioe_router.model.reservation import OutcomeQuery
from tests.simulation.pair import KWH_J, PARAMETERS, Cable, Sim, build

ROOT = Path(__file__).parents[2]


@pytest.fixture
def star() -> Iterator[Sim]:
    """A router b between a and c; whatever happens, b's sums hold at the end."""
    sim = build(Cable("b", "a"), Cable("b", "c"))
    yield sim
    sim.check()


def hear(sim: Sim, data: bytes, sender: str = "a") -> tuple[Effect, ...]:
    """Let b's door take these bytes as a frame of a neighbour."""
    return sim.router("b").handle(FrameReceived(neighbor=sim.node(sender), frame=data), sim.wire.now)


def faults(effects: tuple[Effect, ...]) -> list[ErrorCode]:
    """Codes of the faults that the host is told."""
    found: list[Event] = [e.event for e in effects if isinstance(e, Emit)]
    return [event.code for event in found if isinstance(event, PeerFault)]


def closed(effects: tuple[Effect, ...]) -> list[ErrorCode]:
    """Codes of the sessions that the shell is to end."""
    return [e.code for e in effects if isinstance(e, CloseSession)]


def answers(effects: tuple[Effect, ...]) -> list[ObjectType]:
    """What goes back on the wire."""
    frames = [decode_frame(e.frame) for e in effects if isinstance(e, SendFrame)]
    return [envelope.type for frame in frames for envelope in frame.envelopes]


def state(sim: Sim, neighbor: str) -> SessionState:
    """B's session with a neighbour."""
    return dict(sim.router("b").snapshot().neighbors)[sim.node(neighbor)]


def next_frame(sim: Sim, *envelopes: Envelope, sender: str = "a", session: bytes | None = None) -> bytes:
    """A right frame of `sender` to b with these objects, as the next one of its session."""
    wire = (sender, "b")
    session = sim.wire._session[wire] if session is None else session
    signer = sim.ids[sender].signer if session else None
    return encode_frame(PARAMETERS.network_id, session, sim.wire._seq[wire] + 1, envelopes, signer)


def query(sim: Sim, sender: str = "a") -> Envelope:
    """A harmless object under the frame's signature."""
    return sim.seal(sender, OutcomeQuery(reservation=ReservationId(b"r" * 16), version=1))


def lives(sim: Sim, neighbor: str) -> None:
    """A neighbour can still ask and is answered."""
    data = next_frame(sim, query(sim, neighbor), sender=neighbor)
    assert answers(hear(sim, data, neighbor)) == [ObjectType.OUTCOME]


# ------------------------------------------------------------------ bytes


@pytest.mark.parametrize("data", [b"", b"\x00", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 500], ids=range(4))
def test_garbage_ends_the_session_with_its_cause_and_no_other(star: Sim, data: bytes) -> None:
    """The fault is counted, told to the host and to the neighbour; the other neighbour notices nothing."""
    effects = hear(star, data)
    assert faults(effects)
    assert closed(effects) == faults(effects)
    assert answers(effects) == [ObjectType.CLOSE]
    counts = star.router("b").snapshot().counts
    assert counts[f"fault_{faults(effects)[0].name.lower()}"] == 1
    assert state(star, "a") is SessionState.CLOSING
    lives(star, "c")


def test_a_frame_above_the_limit_is_refused_unread(star: Sim) -> None:
    """TOO_LARGE, whatever it holds."""
    effects = hear(star, bytes(FRAME_BYTES + 1))
    assert faults(effects) == closed(effects) == [ErrorCode.TOO_LARGE]
    lives(star, "c")


DAMAGED: list[Sim] = []  # one net for all examples; each one opens a new session


@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    cut=st.integers(0, 10_000),
    flips=st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 255)), max_size=4),
)
def test_no_damage_to_a_frame_makes_the_router_raise(cut: int, flips: list[tuple[int, int]]) -> None:
    """Cut and flipped frames are refused or harmless: no exception, sums hold, the other session lives."""
    sim = DAMAGED[0] if DAMAGED else build(Cable("b", "a"), Cable("b", "c"))
    DAMAGED[:] = [sim]
    hello_again(sim)
    right = next_frame(sim, query(sim))
    whole = bytearray(right)
    for place, mask in flips:
        whole[place % len(whole)] ^= mask
    sent = bytes(whole[: len(whole) - cut % len(whole)])
    effects = hear(sim, sent)
    assert (faults(effects) == []) is (sent == right)
    assert state(sim, "c") is SessionState.ESTABLISHED
    sim.check()


def hello_again(sim: Sim) -> None:
    """A fresh session between a and b."""
    sim.wire.disconnect(sim.node("a"), sim.node("b"))
    sim.wire.settle()
    sim.wire.connect(sim.node("a"), sim.node("b"))
    sim.wire.settle()
    assert state(sim, "a") is SessionState.ESTABLISHED


# ------------------------------------------------------------------ order and session


def test_a_replayed_frame_ends_the_session(star: Sim) -> None:
    """The same bytes a second time have an old number: REPLAYED."""
    data = next_frame(star, query(star))
    assert faults(hear(star, data)) == []
    effects = hear(star, data)
    assert faults(effects) == closed(effects) == [ErrorCode.REPLAYED]
    lives(star, "c")


def test_a_gap_in_the_numbers_ends_the_session(star: Sim) -> None:
    """A frame that was skipped is a message that was lost."""
    star.wire._seq["a", "b"] += 1
    effects = hear(star, next_frame(star, query(star)))
    assert faults(effects) == closed(effects) == [ErrorCode.REPLAYED]


def test_a_frame_of_another_session_ends_the_session(star: Sim) -> None:
    """Neither a made-up session id nor that of another neighbour counts here."""
    other = star.wire._session["c", "b"]
    effects = hear(star, next_frame(star, query(star), session=other))
    assert faults(effects) == closed(effects) == [ErrorCode.REPLAYED]
    lives(star, "c")


def test_a_frame_of_the_session_before_ends_the_session(star: Sim) -> None:
    """What was right before the session broke is worth nothing in the next one."""
    old = next_frame(star, query(star))
    hello_again(star)
    effects = hear(star, old)
    assert faults(effects) == closed(effects) == [ErrorCode.REPLAYED]


def test_a_frame_signed_by_another_node_ends_the_session(star: Sim) -> None:
    """The frame of a session is signed with its key."""
    wire = ("a", "b")
    seq, session = star.wire._seq[wire] + 1, star.wire._session[wire]
    data = encode_frame(PARAMETERS.network_id, session, seq, [query(star)], star.ids["c"].signer)
    effects = hear(star, data)
    assert faults(effects) == closed(effects) == [ErrorCode.WRONG_SIGNER]
    lives(star, "c")


def test_a_wrong_frame_signature_ends_the_session(star: Sim) -> None:
    """BAD_SIGNATURE, and nothing in the frame was taken."""
    frame = decode_frame(next_frame(star, query(star)))
    assert frame.signature is not None
    forged = replace(frame, signature=Signature(key=frame.signature.key, signature=b"\x01" * 64))
    effects = hear(star, mapping.encode(forged))
    assert faults(effects) == closed(effects) == [ErrorCode.BAD_SIGNATURE]
    assert ObjectType.OUTCOME not in answers(effects)


def test_frame_only_objects_without_a_frame_signature_are_refused(star: Sim) -> None:
    """Nobody vouches for them."""
    frame = replace(decode_frame(next_frame(star, query(star))), signature=None)
    effects = hear(star, mapping.encode(frame))
    assert faults(effects) == closed(effects) == [ErrorCode.BAD_SIGNATURE]


# ------------------------------------------------------------------ objects


def test_objects_before_the_session_stands_end_the_attempt() -> None:
    """A frame without session that carries more than the handshake is UNEXPECTED."""
    sim = build(Cable("b", "a"), Cable("b", "c"), connect=False)
    b = sim.router("b")
    b.handle(SessionUp(neighbor=sim.node("a"), dialer=False), sim.wire.now)
    frame = Frame(session=b"", seq=1, envelopes=(query(sim),), signature=None)
    effects = hear(sim, mapping.encode(frame))
    assert faults(effects) == closed(effects) == [ErrorCode.UNEXPECTED]


def test_an_unregistered_type_ends_the_session(star: Sim) -> None:
    """A number that the registry does not have makes the frame unreadable for this version."""
    known = mapping.encode(query(star))
    assert known.startswith(b"\x08\x20")  # field 1, OUTCOME_QUERY
    frame = next_frame(star, query(star))
    effects = hear(star, frame.replace(known, b"\x08\x63" + known[2:]))
    assert faults(effects) == closed(effects)
    assert faults(effects)[0] in (ErrorCode.MALFORMED, ErrorCode.UNKNOWN_TYPE)
    lives(star, "c")


@pytest.mark.parametrize("signed", [b"", b"\x08\x01", b"\xff" * 40], ids=["empty", "short", "garbage"])
def test_an_object_that_cannot_be_read_is_refused_alone(star: Sim, signed: bytes) -> None:
    """A Fault names it, the object behind it in the frame is taken, the session lives."""
    bad = Envelope(type=ObjectType.OUTCOME_QUERY, signed=signed, signatures=())
    effects = hear(star, next_frame(star, bad, query(star)))
    assert len(faults(effects)) == 1
    assert closed(effects) == []
    assert answers(effects) == [ObjectType.FAULT, ObjectType.OUTCOME]


@pytest.mark.parametrize("kind", [ObjectType.HOLD, ObjectType.PATH_ADVERT, ObjectType.OFFER])
def test_an_object_without_its_parts_is_refused_alone(star: Sim, kind: ObjectType) -> None:
    """Whatever is missing inside, the refusal is listed, and the object behind it is taken."""
    bad = Envelope(type=kind, signed=b"", signatures=query(star).signatures)
    effects = hear(star, next_frame(star, bad, query(star)))
    assert len(faults(effects)) == 1
    assert ObjectType.OUTCOME in answers(effects)


def test_an_inner_object_alone_is_refused(star: Sim) -> None:
    """What travels only inside others has no meaning of its own."""
    core = Envelope(type=ObjectType.HOLD_CORE, signed=b"\x08\x01", signatures=query(star).signatures)
    effects = hear(star, next_frame(star, core, query(star)))
    assert faults(effects) == [ErrorCode.UNEXPECTED]
    assert answers(effects) == [ObjectType.FAULT, ObjectType.OUTCOME]


def test_a_wrong_keepalive_is_refused_and_a_far_clock_ends_the_session(star: Sim) -> None:
    """Acknowledging what was never sent is OUT_OF_BOUNDS; a clock a minute off is CLOCK_UNSYNCED."""
    ahead = Keepalive(received_seq=10_000, clock_utc_ms=star.wire.now.utc_ms)
    effects = hear(star, next_frame(star, star.seal("a", ahead)))
    assert (faults(effects), closed(effects)) == ([ErrorCode.OUT_OF_BOUNDS], [])
    star.wire._seq["a", "b"] += 1
    far = Keepalive(received_seq=1, clock_utc_ms=star.wire.now.utc_ms + 60_001)
    effects = hear(star, next_frame(star, star.seal("a", far)))
    assert faults(effects) == closed(effects) == [ErrorCode.CLOCK_UNSYNCED]
    lives(star, "c")


def test_after_its_close_a_neighbour_is_not_heard_any_more(star: Sim) -> None:
    """Objects behind Close change nothing and are not answered; the cause reaches the host."""
    close = star.seal("a", Close(code=ErrorCode.SHUTTING_DOWN, text="good night"))
    effects = hear(star, next_frame(star, close, query(star)))
    assert closed(effects) == [ErrorCode.SHUTTING_DOWN]
    assert ObjectType.OUTCOME not in answers(effects)
    down = SessionDown(neighbor=star.node("a"), code=ErrorCode.NEIGHBOR_LOST, reason="transport")
    told = [e.event for e in star.router("b").handle(down, star.wire.now) if isinstance(e, Emit)]
    assert [(t.code, t.reason) for t in told if isinstance(t, NeighborDown)] == [
        (ErrorCode.SHUTTING_DOWN, "good night")
    ]


# ------------------------------------------------------------------ the host


def test_a_monotonic_clock_that_goes_back_is_the_hosts_mistake(star: Sim) -> None:
    """UsageError says what to do, and the router is as it was."""
    now = star.wire.now
    star.router("b").handle(DeadlineReached(), Now(now.monotonic_ns + 1, now.utc_ms))
    with pytest.raises(UsageError, match="never decreases"):
        star.router("b").handle(DeadlineReached(), now)
    star.wire.now = Now(now.monotonic_ns + 1, now.utc_ms)
    lives(star, "c")


def test_a_utc_clock_that_steps_back_is_not_a_mistake(star: Sim) -> None:
    """UTC may be corrected; timers run on the other clock."""
    now = star.wire.now
    star.router("b").handle(DeadlineReached(), Now(now.monotonic_ns + 1, now.utc_ms - 5_000))
    star.wire.now = Now(now.monotonic_ns + 1, now.utc_ms)
    lives(star, "c")


def test_a_neighbour_that_is_not_configured_is_closed(star: Sim) -> None:
    """NOT_A_NEIGHBOR to the shell and to the host."""
    stranger = type(star.node("a"))(b"s" * 32)
    effects = star.router("b").handle(SessionUp(neighbor=stranger, dialer=False), star.wire.now)
    assert faults(effects) == closed(effects) == [ErrorCode.NOT_A_NEIGHBOR]


def test_shutdown_closes_every_session_in_good_order(star: Sim) -> None:
    """Each neighbour is told SHUTTING_DOWN before its transport ends."""
    effects = star.router("b").handle(Shutdown(), star.wire.now)
    assert closed(effects) == [ErrorCode.SHUTTING_DOWN] * 2
    assert answers(effects) == [ObjectType.CLOSE] * 2
    order = [type(e) for e in effects if isinstance(e, SendFrame | CloseSession)]
    assert order in ([SendFrame, CloseSession] * 2, [SendFrame] * 2 + [CloseSession] * 2)


def test_inputs_of_one_call_share_one_frame_per_neighbour(star: Sim) -> None:
    """Two questions of one moment are answered in one frame."""
    inputs: list[Input] = []
    for _ in range(2):
        inputs.append(FrameReceived(neighbor=star.node("a"), frame=next_frame(star, query(star))))
        star.wire._seq["a", "b"] += 1
    effects = star.router("b").handle_all(inputs, star.wire.now)
    frames = [e for e in effects if isinstance(e, SendFrame)]
    assert len(frames) == 1
    assert answers(effects) == [ObjectType.OUTCOME] * 2


# ------------------------------------------------------------------ the same again


def digest_of_a_run(seed: int) -> str:
    """SHA-256 over every frame of a small market, in order."""
    sim = build(Cable("a", "b"), Cable("c", "b", r_micro_ohm=100_000), Cable("b", "d"), seed=seed)
    sim.at(1_200)
    sim.offer("a", 100_000)
    sim.offer("d", 120_000, 2 * KWH_J)
    sim.at(650)
    sim.want("c", 3 * KWH_J, 700_000)
    sim.want("d", KWH_J, 300_000)
    sim.at(-30)
    sim.check()
    return hashlib.sha256(b"".join(len(x).to_bytes(4) + x for x in sim.wire.log)).hexdigest()


def test_the_same_seed_gives_the_same_frames_in_any_process() -> None:
    """Two runs here and one in each of two processes with other hash seeds agree to the byte."""
    here = digest_of_a_run(7)
    assert digest_of_a_run(7) == here
    assert digest_of_a_run(8) != here
    code = "from tests.unit.test_router import digest_of_a_run; print(digest_of_a_run(7))"
    for hash_seed in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout.strip() == here
