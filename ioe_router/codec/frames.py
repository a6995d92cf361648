"""Frames (SPEC section 5): the unit of writing on a peer stream, signed once for what is unsigned in it.

A frame that cannot be read is lost as a whole; an object in it that cannot be
opened is refused alone.  Before the session stands frames carry no signature
and only those objects that establish it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ioe_router.codec import bounds, mapping
from ioe_router.codec.bound_rules import ENVELOPE_BYTES, FRAME_BYTES
from ioe_router.codec.registry import REGISTRY
from ioe_router.codec.signing import Signer, Verify, frame_input, verify
from ioe_router.model.envelope import Envelope, Frame, Signature
from ioe_router.model.errors import ErrorCode, PeerError, UsageError

NO_SESSION: Final = b""


def encode_frame(
    network_id: str, session: bytes, seq: int, envelopes: Sequence[Envelope], signer: Signer | None
) -> bytes:
    """The bytes of one frame; `signer` is None exactly when there is no session yet (`NO_SESSION`).

    It is signed only if something in it has no signature of its own.  Raises
    UsageError when the frame would break a limit.
    """
    if (session == NO_SESSION) != (signer is None):
        raise UsageError("a frame has a signer exactly when it has a session")
    signature = None
    if signer is not None and _needs_signature(envelopes):
        data = frame_input(network_id, session, seq, envelopes)
        signature = Signature(key=signer.public_key, signature=signer.sign(data))
    frame = Frame(session=session, seq=seq, envelopes=tuple(envelopes), signature=signature)
    try:
        _judge(frame)
    except PeerError as error:
        raise UsageError(f"cannot send this frame: {error.detail}") from None
    data = mapping.encode(frame)
    if len(data) > FRAME_BYTES:
        raise UsageError(f"a frame of {len(data)} bytes is above {FRAME_BYTES}; send fewer envelopes at once")
    return data


def decode_frame(data: bytes) -> Frame:
    """The frame in `data`, not yet verified. Raises PeerError; the whole frame is then lost."""
    if len(data) > FRAME_BYTES:
        raise PeerError(ErrorCode.TOO_LARGE, f"a frame of {len(data)} bytes")
    frame = mapping.decode(Frame, data)
    _judge(frame)
    return frame


def verify_frame(network_id: str, frame: Frame, neighbor_key: bytes, judge: Verify = verify) -> None:
    """Raise PeerError unless a signature that the frame has is by `neighbor_key`."""
    if frame.signature is None:
        return
    if frame.signature.key != neighbor_key:
        raise PeerError(ErrorCode.WRONG_SIGNER, "a frame signed by another key than the session's")
    if not judge(frame.signature, frame_input(network_id, frame.session, frame.seq, frame.envelopes)):
        raise PeerError(ErrorCode.BAD_SIGNATURE, "a frame with an invalid signature")


def _judge(frame: Frame) -> None:
    for envelope in frame.envelopes:
        if len(envelope.signed) > ENVELOPE_BYTES:
            raise PeerError(ErrorCode.TOO_LARGE, f"an envelope of {len(envelope.signed)} bytes in a frame")
    bounds.check(frame)
    needed = frame.session != NO_SESSION and _needs_signature(frame.envelopes)
    if needed != (frame.signature is not None):
        raise PeerError(ErrorCode.BAD_SIGNATURE, "a frame signature is missing or superfluous")
    if frame.session == NO_SESSION:
        for envelope in frame.envelopes:
            if not REGISTRY[envelope.type].unsigned_frame:
                raise PeerError(ErrorCode.UNEXPECTED, f"{envelope.type.name} before the session stands")


def _needs_signature(envelopes: Sequence[Envelope]) -> bool:
    """Whether some object has no signature of its own; an unknown type is refused later, by itself."""
    return any((row := REGISTRY.get(e.type)) is not None and not row.signatures_max for e in envelopes)
