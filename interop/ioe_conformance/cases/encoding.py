"""SPEC.md sections 2.2, 4.5 and 14.3: strict reading, bounds and sizes, of objects and of frames.

Most of it is data: `malformed/objects.toml` and `malformed/frames.toml`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ioe_conformance.bench import Bench
from ioe_conformance.case import Case, add, case
from ioe_conformance.keys import framed, twice_signed
from ioe_conformance.rawpb import Edit, edited
from ioe_router.codec import mapping
from ioe_router.model.envelope import Envelope, Frame, ObjectType
from ioe_router.model.errors import ErrorCode
from ioe_router.model.reservation import OutcomeQuery

_FOLDER: Final = Path(__file__).parent / "malformed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """One row of the data."""

    id: str
    title: str
    base: str
    edits: Sequence[Edit]
    becomes: str
    codes: tuple[ErrorCode, ...]
    reqs: tuple[str, ...]


def rows(name: str) -> list[Malformed]:
    """The rows of one file. ValueError, KeyError or TypeError: a mistake in it."""
    found = tomllib.loads((_FOLDER / name).read_text(encoding="utf-8"))["malformed"]
    return [_row(one) for one in found]


def _row(fields: dict[str, Any]) -> Malformed:
    codes = tuple(ErrorCode[code] for code in fields.pop("codes"))
    return Malformed(codes=codes, reqs=tuple(fields.pop("reqs")), **fields)


def _register(row: Malformed, body: Callable[[Bench], Awaitable[None]], own: str) -> None:
    add(
        Case(
            id=row.id,
            title=row.title,
            requirements=row.reqs,
            body=body,
            own=own,
            phase="",
            supports=("transit",) if row.becomes == "accepted" else (),
            hook=(),
            apart=False,
            attack="",
        )
    )


# ------------------------------------------------------------------ objects


def _object_case(row: Malformed) -> Callable[[Bench], Awaitable[None]]:
    async def body(t: Bench) -> None:
        if row.base == "key":
            await _key(t, row)
        elif row.becomes == "accepted":
            await _accepted(t, row)
        else:
            await _refused(t, row)

    return body


async def _refused(t: Bench, row: Malformed) -> None:
    """The object is refused alone; the sound one behind it is taken, and it alone goes on."""
    a, b = await t.session("a"), await t.session("b")
    told, since, req = t.path("a"), b.mark(), row.reqs[0]
    sound = t.offer(told.origin)
    wrong = told.origin.sign(sound.type, edited(sound.signed, row.edits))
    await t.tell(a, told)
    await t.refused(a, wrong, code=row.codes, req=req)
    await t.tell(a, told, sound)
    heard = await t.told_offer(b, told.origin.node, since=since)
    t.check(
        row.reqs[-1],
        heard and heard.envelope == sound,
        expected="the sound offer behind it goes on to B",
        actual="it did not" if heard is None else "B was told the other one",
    )


async def _accepted(t: Bench, row: Malformed) -> None:
    """The object is taken as it is, and its bytes go on."""
    a, b = await t.session("a"), await t.session("b")
    told, since = t.path("a"), b.mark()
    sound = t.offer(told.origin)
    odd = told.origin.sign(sound.type, edited(sound.signed, row.edits))
    await t.tell(a, told, odd)
    heard = await t.told_offer(b, told.origin.node, since=since)
    fault = await a.fault_on(odd, within_ms=0)
    t.demand(
        row.reqs[0],
        heard,
        expected="the offer goes on to B",
        actual=f"Fault {ErrorCode(fault.body.code).name}: {fault.body.text}"
        if fault
        else "B was not told it",
    )
    t.check(
        row.reqs[1],
        heard and heard.envelope == odd,
        expected="the very bytes that were signed",
        actual="other bytes",
    )


async def _key(t: Bench, row: Malformed) -> None:
    """An OPERATIONAL_KEY is refused, and nothing that it signs is believed."""
    a, node = await t.session("a"), t.node()
    raw = edited(node.certificate.signed, row.edits)
    wrong = twice_signed(ObjectType.OPERATIONAL_KEY, t.network, raw, node.identity, node.operational)
    await t.refused(a, wrong, code=row.codes, req=row.reqs[0])
    await t.refused(a, t.offer(node), code=ErrorCode.UNKNOWN_KEY, req=row.reqs[0])
    await t.fence(a, req=row.reqs[0])


for _one in rows("objects.toml"):
    _register(_one, _object_case(_one), "")


# ------------------------------------------------------------------ frames


def _frame_case(row: Malformed) -> Callable[[Bench], Awaitable[None]]:
    async def body(t: Bench) -> None:
        s = await t.established()
        await t.fence(s, req=row.reqs[0])
        sound = s.frame(s.keepalive())
        await s.send_raw(edited(sound, row.edits))
        await t.expect_close(s, row.codes, req=row.reqs[0])

    return body


for _one in rows("frames.toml"):
    _register(_one, _frame_case(_one), "c")


@case("encoding.envelope-too-large", reqs=["IOE-SIG-040", "IOE-TRN-230", "IOE-LIM-060"], own="c")
async def envelope_too_large(t: Bench) -> None:
    """An envelope with 65 537 signed bytes ends the session with TOO_LARGE."""
    s = await t.established()
    await s.send(Envelope(type=ObjectType.OFFER, signed=bytes(65_537), signatures=()))
    await t.expect_close(s, ErrorCode.TOO_LARGE, req="IOE-SIG-040")


@case("encoding.envelope-at-limit", reqs=["IOE-LIM-070", "IOE-TRN-240"], own="c")
async def envelope_at_limit(t: Bench) -> None:
    """An envelope with 65 536 signed bytes is read, and what is wrong in it is refused alone."""
    s = await t.established()
    node = t.node()
    await s.send(node.certificate)
    await t.refused(
        s,
        node.sign(ObjectType.OFFER, bytes(65_536)),
        code=(ErrorCode.MALFORMED, ErrorCode.OUT_OF_BOUNDS),
        req="IOE-LIM-070",
    )
    await t.fence(s, req="IOE-TRN-240")


@case("encoding.frame-too-large", reqs=["IOE-TRN-040", "IOE-LIM-060"], own="c")
async def frame_too_large(t: Bench) -> None:
    """A gRPC message above 1 048 576 bytes ends the session."""
    s = await t.established()
    await s.send_raw(bytes(1_048_577))
    end = await s.ended()
    t.check(
        "IOE-TRN-040",
        end and (end.code is ErrorCode.TOO_LARGE or end.status == "RESOURCE_EXHAUSTED"),
        expected="TOO_LARGE, or the gRPC status RESOURCE_EXHAUSTED",
        actual=str(end),
    )
    t.check("IOE-LIM-060", end, expected="the end of the session", actual="it went on")


@case("encoding.frame-of-1024-envelopes", reqs=["IOE-LIM-070"], own="c")
async def frame_of_1024_envelopes(t: Bench) -> None:
    """A frame with as many envelopes as are allowed is taken."""
    s = await t.established()
    marks = [framed(OutcomeQuery(reservation=t.fresh_id(), version=1)) for _ in range(4)]
    await s.send(*(s.keepalive() for _ in range(1_020)), *marks)
    await t.fence(s, req="IOE-LIM-070")


@case("encoding.frame-of-1025-envelopes", reqs=["IOE-LIM-060", "IOE-TRN-230"], own="c")
async def frame_of_1025_envelopes(t: Bench) -> None:
    """A frame with one envelope too many ends the session with OUT_OF_BOUNDS."""
    s = await t.established()
    await s.send(*(s.keepalive() for _ in range(1_025)))
    await t.expect_close(s, ErrorCode.OUT_OF_BOUNDS, req="IOE-LIM-060")


@case("encoding.unknown-object-type", reqs=["IOE-SIG-140", "IOE-TRN-230"], own="c")
async def unknown_object_type(t: Bench) -> None:
    """An envelope of a type that is not registered is refused with UNKNOWN_TYPE."""
    s = await t.established()
    frame = Frame(
        session=s.id,
        seq=s.sent_frames + 1,
        envelopes=(Envelope(type=ObjectType.OFFER, signed=b"", signatures=()),),
        signature=None,
    )
    raw = edited(mapping.encode(frame), [{"inside": 3, "edits": [{"set": 1, "varint": 77}]}])
    await s.send_raw(raw)
    await t.expect_close(s, ErrorCode.UNKNOWN_TYPE, req="IOE-SIG-140")
