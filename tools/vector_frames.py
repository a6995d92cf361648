"""Vectors of frames (SPEC section 5): Merkle roots, signatures, and what may come before the session."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256

from vector_cast import ALICE, BOB, LINK_STATE, NETWORK, NOW, OFFER, sealer
from vector_file import Vector

from ioe_router.codec import mapping
from ioe_router.codec.frames import encode_frame
from ioe_router.codec.signing import frame_input, merkle_root
from ioe_router.model.discovery import Keepalive
from ioe_router.model.envelope import Envelope, Frame, Signature
from ioe_router.model.errors import ErrorCode

SESSION = sha256(b"session").digest()


def frames() -> list[Vector]:
    """Frames of one to seven envelopes, an unsigned one, and frames that are lost."""
    return [*_good(), *_damaged(), *_wrong_shape()]


def _objects(count: int) -> list[Envelope]:
    alive = sealer(ALICE).seal(Keepalive(received_seq=5, clock_utc_ms=NOW.utc_ms)).envelope
    offer = sealer(ALICE).seal(OFFER).envelope
    state = sealer(BOB).seal(LINK_STATE).envelope
    return ([alive, offer, state] * 3)[:count]


def _frame(
    name: str, notes: str, raw: bytes, shown: dict[str, str] | None = None, code: ErrorCode | None = None
) -> Vector:
    return Vector(
        id=f"frame-{name}",
        notes=notes,
        inputs={"network_id": NETWORK, "key": ALICE.operational.public_key.hex(), "frame": raw.hex()},
        intermediates=shown or {},
        code=code,
    )


def _shown(session: bytes, seq: int, envelopes: Sequence[Envelope]) -> dict[str, str]:
    root = merkle_root(envelopes)
    return {
        "merkle_root": root.hex(),
        "signature_input": frame_input(NETWORK, session, seq, envelopes).hex(),
    }


def _good() -> Iterator[Vector]:
    for count in (1, 2, 3, 5, 7):
        envelopes = _objects(count)
        raw = encode_frame(NETWORK, SESSION, count, envelopes, ALICE.operational)
        yield _frame(f"of-{count}", f"{count} envelopes, signed", raw, _shown(SESSION, count, envelopes))
    own = [_objects(2)[1]]
    raw = encode_frame(NETWORK, SESSION, 1, own, ALICE.operational)
    shown = {"merkle_root": merkle_root(own).hex()}
    yield _frame("own-signed", "an object with its own signature needs none of the frame", raw, shown)
    first = [ALICE.certificate.envelope]
    raw = encode_frame(NETWORK, b"", 1, first, None)
    yield _frame(
        "unsigned", "a certificate before the session stands", raw, {"merkle_root": merkle_root(first).hex()}
    )


def _signed(
    envelopes: Sequence[Envelope],
    *,
    seq: int = 1,
    over: Sequence[Envelope] | None = None,
    session: bytes = SESSION,
) -> bytes:
    """A frame of `envelopes` whose signature was made over others, when `over` is given."""
    data = frame_input(NETWORK, SESSION, 1, over if over is not None else envelopes)
    signature = Signature(key=ALICE.operational.public_key, signature=ALICE.operational.sign(data))
    return mapping.encode(Frame(session=session, seq=seq, envelopes=tuple(envelopes), signature=signature))


def _damaged() -> Iterator[Vector]:
    bad, two = ErrorCode.BAD_SIGNATURE, _objects(2)
    yield _frame("swapped", "the envelopes changed places", _signed(two[::-1], over=two), code=bad)
    yield _frame("dropped", "the second envelope is missing", _signed(two[:1], over=two), code=bad)
    three = _objects(3)
    notes = "the odd envelope is sent twice: the root must differ from that of three"
    yield _frame("odd-doubled", notes, _signed([*three, three[2]], over=three), code=bad)
    yield _frame("other-seq", "another frame number than signed", _signed(two, seq=2), code=bad)
    other = _signed(two, session=bytes(32))
    yield _frame("other-session", "another session than signed", other, code=bad)
    raw = encode_frame(NETWORK, SESSION, 1, two, BOB.operational)
    yield _frame("other-key", "signed by another neighbour", raw, code=ErrorCode.WRONG_SIGNER)
    raw = encode_frame("other.example", SESSION, 1, two, ALICE.operational)
    yield _frame("other-network", "signed for another network", raw, code=bad)


def _wrong_shape() -> Iterator[Vector]:
    one = tuple(_objects(1))
    signature = Signature(key=ALICE.operational.public_key, signature=bytes(64))

    def raw(session: bytes, seq: int, envelopes: tuple[Envelope, ...], by: Signature | None) -> bytes:
        return mapping.encode(Frame(session=session, seq=seq, envelopes=envelopes, signature=by))

    bounds, bad = ErrorCode.OUT_OF_BOUNDS, ErrorCode.BAD_SIGNATURE
    yield _frame("stripped", "a session without signature", raw(SESSION, 1, one, None), code=bad)
    own = (_objects(2)[1],)
    notes = "a signature over an object that has its own"
    yield _frame("superfluous", notes, raw(SESSION, 1, own, signature), code=bad)
    yield _frame("no-session", "a signature without session", raw(b"", 1, one, signature), code=bad)
    yield _frame("empty", "no envelopes", raw(SESSION, 1, (), signature), code=bounds)
    yield _frame("seq-zero", "frames are numbered from 1", raw(SESSION, 0, one, signature), code=bounds)
    yield _frame(
        "short-session", "a session id of 31 bytes", raw(SESSION[:31], 1, one, signature), code=bounds
    )
    hollow = raw(SESSION, 1, one, None) + b"\x22\x00"
    yield _frame("hollow-signature", "a signature of length 0 is there, and empty", hollow, code=bounds)
    short = raw(SESSION, 1, one, Signature(key=signature.key[:-1], signature=signature.signature))
    yield _frame("short-key", "a key of 31 bytes", short, code=bounds)
    early = raw(b"", 1, one, None)
    yield _frame("early", "a KEEPALIVE before the session stands", early, code=ErrorCode.UNEXPECTED)
    unknown = b"\x10\x01\x1a\x04\x08\x63\x12\x00"
    yield _frame("unknown-type", "object type 99", unknown, code=ErrorCode.UNKNOWN_TYPE)
    yield _frame("type-zero", "object type 0", b"\x10\x01\x1a\x02\x12\x00", code=bounds)
    many = b"\x10\x01" + b"\x1a\x00" * 1025
    yield _frame("1025", "1025 empty envelopes", many, code=bounds)
