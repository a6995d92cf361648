"""SPEC.md section 5: TLS, streams, frames."""

from __future__ import annotations

from ioe_conformance.bench import Bench
from ioe_conformance.case import case
from ioe_router.model.envelope import ObjectType
from ioe_router.model.errors import ErrorCode


@case("transport.session-served", reqs=["IOE-TRN-010", "IOE-SES-020", "IOE-SES-080"], own="c")
async def session_served(t: Bench) -> None:
    """A neighbour that dials gets a stream, key and HELLO first, and a session."""
    s = await t.dial()
    t.demand("IOE-TRN-010", s.log, expected="a stream with objects on it", actual=str(s.end))
    kinds = [one.envelope.type for one in s.log[:2]]
    t.check(
        "IOE-SES-020",
        kinds == [ObjectType.OPERATIONAL_KEY, ObjectType.HELLO],
        expected="OPERATIONAL_KEY, then HELLO as the first objects",
        actual=f"first came {[kind.name for kind in kinds]}",
    )
    t.demand(
        "IOE-SES-080", await s.establish(), expected="a SESSION_PROOF after a sound HELLO", actual=str(s.end)
    )
    await t.fence(s, req="IOE-TRN-010")


@case("transport.second-stream-refused", reqs=["IOE-TRN-160", "IOE-TRN-190"], own="c")
async def second_stream_refused(t: Bench) -> None:
    """While a stream of a neighbour stands, a second one is refused with DUPLICATE_IDENTITY."""
    first = await t.established()
    second = await t.rig.dial("c", again=False)
    end = await second.ended()
    await second.close()
    t.check(
        "IOE-TRN-160",
        end and end.code is ErrorCode.DUPLICATE_IDENTITY,
        expected="status with DUPLICATE_IDENTITY",
        actual=str(end),
    )
    t.check("IOE-TRN-190", end and end.status == "ALREADY_EXISTS", expected="ALREADY_EXISTS", actual=str(end))
    await t.fence(first, req="IOE-TRN-160")


@case("transport.frame-number-gap", reqs=["IOE-TRN-230"], own="c", attack="replay")
async def frame_number_gap(t: Bench) -> None:
    """A frame whose number leaves one out ends the session with REPLAYED."""
    s = await t.established()
    s.sent_frames += 1
    await s.send(s.keepalive())
    await t.expect_close(s, ErrorCode.REPLAYED, req="IOE-TRN-230")


@case("transport.frame-repeated", reqs=["IOE-TRN-230"], own="c", attack="replay")
async def frame_repeated(t: Bench) -> None:
    """The same frame a second time ends the session with REPLAYED."""
    s = await t.established()
    raw = s.frame(s.keepalive())
    await s.send_raw(raw)
    await t.fence(s, req="IOE-TRN-230")
    await s.send_raw(raw)
    await t.expect_close(s, ErrorCode.REPLAYED, req="IOE-TRN-230")


@case("transport.frame-signature-flipped", reqs=["IOE-TRN-230"], own="c", attack="forgery")
async def frame_signature_flipped(t: Bench) -> None:
    """A frame with one bit of its signature changed ends the session with BAD_SIGNATURE."""
    s = await t.established()
    raw = bytearray(s.frame(s.keepalive()))
    raw[-t.random.randrange(1, 32)] ^= 1 << t.random.randrange(0, 3)
    await s.send_raw(bytes(raw))
    await t.expect_close(s, ErrorCode.BAD_SIGNATURE, req="IOE-TRN-230")


@case("transport.unknown-method", reqs=["IOE-TRN-020"], own="c")
async def unknown_method(t: Bench) -> None:
    """A call of another method gets the status UNIMPLEMENTED."""
    s = await t.dial(method="/ioe.v1.PeerService/Nothing")
    end = await s.ended()
    t.check("IOE-TRN-020", end and end.status == "UNIMPLEMENTED", expected="UNIMPLEMENTED", actual=str(end))
