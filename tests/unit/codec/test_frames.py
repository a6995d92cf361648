"""Frames, and any bytes in the place of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ioe_router.codec import mapping
from ioe_router.codec.bounds import clipped_text
from ioe_router.codec.frames import decode_frame, encode_frame, verify_frame
from ioe_router.codec.registry import REGISTRY
from ioe_router.model.discovery import (
    Close,
)
from ioe_router.model.envelope import Envelope, ObjectType, Signature
from ioe_router.model.errors import ErrorCode, PeerError, UsageError
from tests.unit.codec.cast import ALICE, BOB, CAROL, NETWORK, NOW, sealer
from tests.unit.codec.sealing_rig import (
    KEEPALIVE,
    OFFER,
    SESSION,
)


def test_frames_round_trip() -> None:
    """A frame decodes to what was encoded and verifies with the sender's operational key alone."""
    offers = (sealer(ALICE).seal(replace(OFFER, seq=seq)).envelope for seq in range(5))
    envelopes = (*offers, sealer(ALICE).seal(KEEPALIVE).envelope)
    frame = decode_frame(encode_frame(NETWORK, SESSION, 9, envelopes, ALICE.operational))
    verify_frame(NETWORK, frame, ALICE.operational.public_key)
    assert (frame.session, frame.seq, frame.envelopes) == (SESSION, 9, envelopes)
    with pytest.raises(PeerError, match="WRONG_SIGNER"):
        verify_frame(NETWORK, frame, BOB.operational.public_key)


def test_a_frame_is_signed_only_where_something_in_it_is_not() -> None:
    """Objects with signatures of their own need none of the frame, and one too many is refused."""
    offer = sealer(ALICE).seal(OFFER).envelope
    frame = decode_frame(encode_frame(NETWORK, SESSION, 1, (offer,), ALICE.operational))
    assert frame.signature is None
    verify_frame(NETWORK, frame, BOB.operational.public_key)
    spare = Signature(key=ALICE.operational.public_key, signature=bytes(64))
    with pytest.raises(PeerError, match="superfluous"):
        decode_frame(mapping.encode(replace(frame, signature=spare)))


def test_frames_are_bounded() -> None:
    """A frame above 1 MiB is refused on both sides, and so is an envelope above 64 KiB in one."""
    large = Envelope(type=ObjectType.OFFER, signed=bytes(65_536), signatures=())
    with pytest.raises(UsageError, match="fewer envelopes"):
        encode_frame(NETWORK, SESSION, 1, [large] * 16, ALICE.operational)
    with pytest.raises(PeerError, match="TOO_LARGE"):
        decode_frame(bytes(1_048_577))
    with pytest.raises(UsageError, match="65537"):
        encode_frame(NETWORK, SESSION, 1, [replace(large, signed=bytes(65_537))], ALICE.operational)
    assert len(encode_frame(NETWORK, SESSION, 1, [large] * 15, ALICE.operational)) < 1_048_576


def test_unsigned_frames_carry_the_handshake_alone() -> None:
    """Without a session only the objects that establish one are sent or accepted."""
    certificate = ALICE.certificate().envelope
    assert decode_frame(encode_frame(NETWORK, b"", 1, [certificate], None)).signature is None
    with pytest.raises(UsageError, match="KEEPALIVE"):
        encode_frame(NETWORK, b"", 1, [sealer(ALICE).seal(KEEPALIVE).envelope], None)
    with pytest.raises(UsageError, match="exactly when"):
        encode_frame(NETWORK, SESSION, 1, [certificate], None)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_as_a_frame(raw: bytes) -> None:
    """Any bytes give a frame or a PeerError."""
    try:
        frame = decode_frame(raw)
    except PeerError:
        return
    assert frame.envelopes


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(list(ObjectType)), st.binary(max_size=120), st.integers(0, 2), st.booleans())
def test_any_envelope(kind: ObjectType, signed: bytes, signatures: int, framed: bool) -> None:
    """Any envelope with invented content opens as a frame-only object or is refused as a PeerError."""
    invented = Signature(key=ALICE.operational.public_key, signature=bytes(64))
    envelope = Envelope(type=kind, signed=signed, signatures=(invented,) * signatures)
    try:
        opened = sealer(BOB, ALICE).open_any(envelope, frame_sender=CAROL.node if framed else None, now=NOW)
    except PeerError:
        return
    assert REGISTRY[kind].signatures_max == 0
    assert opened.signers == ((CAROL.node,) if framed else ())


@given(st.text(max_size=300))
def test_clipped_text_may_always_be_sent(text: str) -> None:
    """Whatever an error says can be told to a neighbour once it is clipped."""
    made = sealer(ALICE).seal(Close(code=ErrorCode.POLICY, text=clipped_text(text)))
    assert len(made.body.text) == min(len(text), 128)
