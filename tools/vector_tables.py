"""Vectors of registered numbers, budgets and whole sessions (SPEC sections 13 to 15, appendix A)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import make_spec_session
from vector_cast import ALICE
from vector_file import Json, Vector

from ioe_router.codec.frames import decode_frame, encode_frame
from ioe_router.codec.mapping import encode
from ioe_router.core.hello import session_id_of
from ioe_router.model.envelope import Frame, ObjectType
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import object_id_of

E = ErrorCode


# ------------------------------------------------------------------ registered numbers


def errors() -> list[Vector]:
    """Every number of the registry of codes up to 100, and of object types up to 60."""
    return [*_numbers("code", ErrorCode, 101), *_numbers("type", ObjectType, 61)]


def _numbers(kind: str, registry: type[ErrorCode] | type[ObjectType], end: int) -> Iterator[Vector]:
    known = {int(one): one.name for one in registry}
    for number in (*range(1, end), 255, 2**31, 2**32 - 1):
        name = known.get(number)
        yield Vector(
            id=f"errors-{kind}-{number}",
            notes="a registered number" if name else f"{number} is not registered as a {kind}",
            inputs={"registry": kind, "number": number},
            intermediates={"name": name} if name else {},
            code=None if name else (E.MALFORMED if kind == "code" else E.UNKNOWN_TYPE),
            reqs=("IOE-ERR-070", "IOE-SIG-140"),
        )


# ------------------------------------------------------------------ budgets

Charge = tuple[int, int]  # milliseconds, units
BUDGETS: Final[Sequence[tuple[str, str, int, int, int, tuple[Charge, ...]]]] = (
    ("one-burst", "the whole burst at once, and one more", 100, 2_000, 1, ((0, 2_000), (0, 1))),
    ("two-bursts", "two bursts before it refuses", 100, 2_000, 2, ((0, 2_000), (0, 2_000), (0, 1))),
    (
        "refill",
        "after a pause as much as the rate has refilled",
        100,
        2_000,
        1,
        ((0, 2_000), (10, 1), (10, 1), (20, 1)),
    ),
    (
        "not-more-than-full",
        "a long pause fills no more than the burst",
        100,
        2_000,
        1,
        ((60_000, 2_000), (60_000, 1)),
    ),
    (
        "refused-costs-nothing",
        "what is refused is not charged",
        100,
        1_000,
        1,
        ((0, 1_001), (0, 1_000), (0, 1)),
    ),
    ("too-much-ever", "more than a burst never fits", 100, 1_000, 1, ((0, 1_001), (10_000, 1_001))),
    ("uneven", "a rate that does not divide a second", 200, 4_096, 2, ((0, 8_192), (3, 1), (5, 1), (5, 1))),
)


def budgets() -> list[Vector]:
    """Charge of section 14.5 over sequences of charges."""
    return [_budget(*one) for one in BUDGETS]


def _budget(name: str, notes: str, rate: int, burst: int, bursts: int, charges: tuple[Charge, ...]) -> Vector:
    return Vector(
        id=f"timers-budget-{name}",
        notes=notes,
        inputs={
            "rate_per_s": rate,
            "burst": burst,
            "bursts": bursts,
            "charges": [{"at_ms": at_ms, "units": units} for at_ms, units in charges],
        },
        intermediates={"waits_ms": charged(rate, burst, bursts, charges)},
        reqs=("IOE-LIM-140", "IOE-LIM-150", "IOE-LIM-160", "IOE-LIM-180", "IOE-LIM-190"),
    )


def charged(rate: int, burst: int, bursts: int, charges: tuple[Charge, ...]) -> list[int]:
    """Per charge 0, or after how many milliseconds, rounded up, it would not be refused; exact."""
    used, waits = 0, []  # in 1/(1000 * rate) seconds
    for at_ms, units in charges:
        now = at_ms * rate
        after = max(used, now) + units * 1_000
        over = after - now - bursts * burst * 1_000
        waits.append(-(-max(0, over) // rate))
        used = used if over > 0 else after
    return waits


# ------------------------------------------------------------------ transcripts


def transcripts() -> list[Vector]:
    """The worked session of appendix A as it is, and bent in ways that a reader has to notice."""
    _, _, frames = make_spec_session.play()
    network = make_spec_session.PARAMETERS.network_id
    return [_good(network, frames), *_bent(network, frames)]


Frames = Sequence[tuple[str, bytes]]


def _vector(
    name: str, notes: str, network: str, frames: Frames, shown: Json, code: ErrorCode | None = None
) -> Vector:
    return Vector(
        id=f"transcript-{name}",
        notes=notes,
        inputs={"network_id": network, "frames": [{"from": who, "frame": raw.hex()} for who, raw in frames]},
        intermediates=shown,
        code=code,
        reqs=(
            *("IOE-TRN-210", "IOE-TRN-220", "IOE-TRN-225", "IOE-TRN-230", "IOE-SES-020", "IOE-SES-080"),
            *("IOE-SES-260", "IOE-SES-230", "IOE-SIG-210", "IOE-SIG-220"),
        ),
    )


def _good(network: str, frames: Frames) -> Vector:
    rows, hellos = [], {}
    for who, raw in frames:
        frame = decode_frame(raw)
        for one in frame.envelopes:
            if one.type is ObjectType.HELLO:
                hellos[who] = object_id_of(one.signed)
        rows.append(
            {
                "seq": frame.seq,
                "session": frame.session.hex(),
                "signed": frame.signature is not None,
                "objects": [[one.type.name, object_id_of(one.signed).hex()] for one in frame.envelopes],
            }
        )
    session = session_id_of(hellos["dialler"], hellos["listener"])
    return _vector(
        "worked", "the session of appendix A", network, frames, {"session": session.hex(), "frames": rows}
    )


def _bent(network: str, frames: Frames) -> Iterator[Vector]:
    at = next(i for i, (_, raw) in enumerate(frames) if decode_frame(raw).signature is not None)
    who, raw = frames[at]
    frame = decode_frame(raw)

    def bent(changed: Frame) -> list[tuple[str, bytes]]:
        return [*frames[:at], (who, encode(changed)), *frames[at + 1 :]]

    def case(name: str, notes: str, changed: Frame, code: ErrorCode) -> Vector:
        return _vector(f"bent-{name}", notes, network, bent(changed), {}, code)

    yield case(
        "unsigned", "the signature of a frame is taken away", replace(frame, signature=None), E.BAD_SIGNATURE
    )
    yield case(
        "renumbered", "a signed frame with another number", replace(frame, seq=frame.seq + 1), E.BAD_SIGNATURE
    )
    other = bytes([frame.session[0] ^ 1]) + frame.session[1:]
    yield case("session", "a signed frame of another session", replace(frame, session=other), E.BAD_SIGNATURE)
    twice = replace(frame, envelopes=(*frame.envelopes, frame.envelopes[-1]))
    yield case("added", "its last object is there twice", twice, E.BAD_SIGNATURE)
    if len(frame.envelopes) > 1:
        yield case(
            "dropped",
            "its last object is taken away",
            replace(frame, envelopes=frame.envelopes[:-1]),
            E.BAD_SIGNATURE,
        )
        yield case(
            "swapped",
            "its objects in another order",
            replace(frame, envelopes=frame.envelopes[::-1]),
            E.BAD_SIGNATURE,
        )
    signer = ALICE.operational
    foreign = decode_frame(encode_frame(network, frame.session, frame.seq, frame.envelopes, signer))
    yield case("signer", "signed by a node that is not the neighbour", foreign, E.WRONG_SIGNER)
    if foreign.signature is None or frame.signature is None:
        raise ValueError("the frame to be bent is not signed")
    named = replace(foreign, signature=replace(foreign.signature, key=frame.signature.key))
    yield case("forged", "somebody else's signature under the neighbour's key", named, E.BAD_SIGNATURE)
    yield _vector(
        "bent-cut",
        "the last byte of a frame is missing",
        network,
        [*frames[:at], (who, raw[:-1])],
        {},
        E.MALFORMED,
    )
