"""SPEC.md section 5: TLS, streams, frames."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import time
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID

from ioe_conformance.bench import Bench
from ioe_conformance.case import case
from ioe_conformance.rawh2 import (
    ACK,
    GOAWAY,
    MAX_CONCURRENT_STREAMS,
    MAX_HEADER_LIST_SIZE,
    PING,
    RST_STREAM,
    SETTINGS,
    frame,
    headers,
    message,
)
from ioe_conformance.timers import profile
from ioe_router.adapters.certificates import issue_leaf, issue_operational, tls_name
from ioe_router.codec import mapping
from ioe_router.codec.signing import Ed25519Signer, frame_input
from ioe_router.model.discovery import OperationalKey
from ioe_router.model.envelope import ObjectType, Signature
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


# ------------------------------------------------------------------ TLS


@case("transport.tls-1-2-refused", reqs=["IOE-TRN-060"], own="-")
async def tls_1_2_refused(t: Bench) -> None:
    """A neighbour that offers TLS 1.2 alone gets no connection."""
    refused = await t.connecting("c", version=ssl.TLSVersion.TLSv1_2)
    t.check("IOE-TRN-060", refused, expected="a failed handshake", actual="TLS 1.2 was negotiated")


@case("transport.client-certificate-demanded", reqs=["IOE-TRN-060"], own="-", attack="stranger")
async def client_certificate_demanded(t: Bench) -> None:
    """Who shows no certificate is not listened to."""
    refused = await t.connecting("")
    t.check("IOE-TRN-060", refused, expected="the end of the connection", actual="it was answered")


@case("transport.stranger-refused", reqs=["IOE-TRN-070"], own="-", attack="stranger")
async def stranger_refused(t: Bench) -> None:
    """Who shows a certificate of a node that is not configured is not listened to."""
    stranger, now_s = t.node(), int(time.time())
    public = stranger.operational.public_key().public_bytes_raw()
    operational = issue_operational(stranger.identity, public, 1, now_s, 3_600)
    leaf = issue_leaf(stranger.node, stranger.operational, operational, now_s)
    refused = await t.connecting("", leaf=leaf)
    t.check("IOE-TRN-070", refused, expected="the end of the connection", actual="it was answered")


@case("transport.name-of-another-neighbour", reqs=["IOE-TRN-070", "IOE-TRN-090"], own="-", attack="hijack")
async def name_of_another_neighbour(t: Bench) -> None:
    """A certificate that names A, issued by the operational key of C, is not taken for A's."""
    thief, now_s = t.tester("c"), int(time.time())
    leaf = issue_leaf(t.tester("a").node, thief.keys.operational, thief.certificate, now_s)
    refused = await t.connecting("", leaf=leaf, opens_stream=True)
    t.check("IOE-TRN-090", refused, expected="no stream", actual="a stream was taken")
    t.check("IOE-TRN-070", refused, expected="no stream", actual="a stream was taken")


@case("transport.expired-leaf", reqs=["IOE-TRN-070"], own="-")
async def expired_leaf(t: Bench) -> None:
    """A certificate that has ended is refused."""
    one = t.tester("c")
    leaf = issue_leaf(one.node, one.keys.operational, one.certificate, int(time.time()) - 7_200, 3_600)
    refused = await t.connecting("", leaf=leaf)
    t.check("IOE-TRN-070", refused, expected="the end of the connection", actual="it was answered")


@case("transport.certificates-shown", reqs=["IOE-TRN-095", "IOE-TRN-100", "IOE-TRN-110"], own="-")
async def certificates_shown(t: Bench) -> None:
    """The target shows a P-256 leaf of its name and the operational certificate that issued it."""
    chain = await asyncio.to_thread(_chain, t)
    t.demand(
        "IOE-TRN-095", len(chain) >= 2, expected="leaf and operational certificate", actual=f"{len(chain)}"
    )
    leaf, operational = chain[0], chain[1]
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    usage = set(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    t.check(
        "IOE-TRN-095",
        isinstance(leaf.public_key(), ec.EllipticCurvePublicKey)
        and names.get_values_for_type(x509.DNSName) == [tls_name(t.target)]
        and {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH} <= usage,
        expected=f"an EC leaf for {tls_name(t.target)}, for server and client",
        actual=f"{type(leaf.public_key()).__name__} {names} {usage}",
    )
    session = await t.session("a")
    signer = mapping.decode(OperationalKey, session.log[0].envelope.signed).operational_key
    key = operational.public_key()
    shown = key.public_bytes_raw() if isinstance(key, Ed25519PublicKey) else b""
    t.check(
        "IOE-TRN-095",
        shown == signer,
        expected="the operational certificate of the key that signs HELLO",
        actual=f"{shown.hex()[:16]} and {signer.hex()[:16]}",
    )
    t.check(
        "IOE-TRN-100",
        leaf.not_valid_after_utc <= operational.not_valid_after_utc,
        expected="a leaf that ends with its issuer",
        actual=f"{leaf.not_valid_after_utc} after {operational.not_valid_after_utc}",
    )
    back = datetime.now(UTC) - leaf.not_valid_before_utc
    t.check(
        "IOE-TRN-110",
        back >= timedelta(seconds=118),
        expected="valid from 120 s before it was issued",
        actual=f"valid for {back} so far",
    )


# ------------------------------------------------------------------ HTTP/2 and gRPC


@case("transport.bounds-of-streams", reqs=["IOE-TRN-050"], own="-")
async def bounds_of_streams(t: Bench) -> None:
    """The target's settings allow 8 streams on a connection and 8 192 bytes of metadata at most."""

    def look() -> dict[int, int]:
        with t.connection("c") as one:
            one.begin()
            payload = next((f.payload for f in one.frames(5) if f.kind == SETTINGS), b"")
        pairs = [payload[at : at + 6] for at in range(0, len(payload), 6)]
        return {int.from_bytes(pair[:2]): int.from_bytes(pair[2:]) for pair in pairs}

    found = await asyncio.to_thread(look)
    for name, setting, most in (
        ("MAX_CONCURRENT_STREAMS", MAX_CONCURRENT_STREAMS, 8),
        ("MAX_HEADER_LIST_SIZE", MAX_HEADER_LIST_SIZE, 8_192),
    ):
        value = found.get(setting)
        t.check(
            "IOE-TRN-050",
            value is not None and value <= most,
            expected=f"{name} of at most {most}",
            actual=f"{value}",
        )


@case("transport.long-metadata-refused", reqs=["IOE-TRN-050"], own="c", attack="flood")
async def long_metadata_refused(t: Bench) -> None:
    """A stream with more than 8 192 bytes of metadata is refused."""
    s = await t.dial(metadata=(("x-long", "x" * 9_000),), again=False)
    end = await s.ended()
    t.check("IOE-TRN-050", end and not s.log, expected="a refused stream", actual="it was taken")


@case("transport.compressed-message", reqs=["IOE-TRN-035"], own="c", attack="flood")
async def compressed_message(t: Bench) -> None:
    """A message with the mark of compression ends its stream, and is not unpacked."""
    await t.rig.leave("c")

    def look() -> bool:
        with t.connection("c") as one:
            one.begin()
            one.send(headers(1, grpc_encoding="gzip"))
            one.send(message(1, gzip.compress(bytes(100_000)), compressed=True))
            return any(f.stream == 1 and (f.kind == RST_STREAM or f.flags & 1) for f in one.frames(5))

    ended = await asyncio.to_thread(look)
    t.check("IOE-TRN-035", ended, expected="the end of the stream", actual="it went on")


@case("transport.silent-handshake", reqs=["IOE-TRN-052"], own="-", attack="flood")
async def silent_handshake(t: Bench) -> None:
    """A connection that says nothing is closed within 10 s."""

    def look() -> float:
        host, _, port = t.rig.address.rpartition(":")
        begun = time.monotonic()
        with socket.create_connection((host.strip("[]"), int(port)), 5) as plain:
            plain.settimeout(15)
            try:
                while plain.recv(4_096):
                    pass
            except TimeoutError:
                return 99.0
            except OSError:
                pass
        return time.monotonic() - begun

    passed = await asyncio.to_thread(look)
    t.check(
        "IOE-TRN-052", passed < 13, expected="closed after 10 s at most", actual=f"open after {passed:.1f} s"
    )


@case("transport.pings-tolerated", reqs=["IOE-TRN-300"], own="-")
async def pings_tolerated(t: Bench) -> None:
    """Transport pings 600 ms apart are answered and do no harm."""

    def look() -> tuple[int, bool]:
        answered, gone = 0, False
        with t.connection("c") as one:
            one.begin()
            for _ in range(6):
                one.send(frame(PING, bytes(8)))
                for got in one.frames(0.6):
                    answered += got.kind == PING and got.flags & ACK
                    gone |= got.kind == GOAWAY
        return answered, gone

    answered, gone = await asyncio.to_thread(look)
    t.check(
        "IOE-TRN-300",
        answered >= 5 and not gone,
        expected="an answer to each of 6 pings, no GOAWAY",
        actual=f"{answered} answers{', GOAWAY' if gone else ''}",
    )


@case(
    "transport.target-pings-and-gives-up",
    reqs=["IOE-TRN-280", "IOE-TRN-290"],
    own="c",
    supports=["conformance_timers"],
)
async def target_pings_and_gives_up(t: Bench) -> None:
    """On a silent transport the target pings after keepalive_ms and ends it after three times that."""
    keepalive_s = profile("keepalive_ms") / 1_000
    await t.rig.leave("c")

    def look() -> tuple[float | None, float]:
        pinged = None
        with t.connection("c") as one:
            one.begin()
            one.send(headers(1))
            begun = time.monotonic()
            for got in one.frames(3 * keepalive_s + 6):
                if got.kind == PING and not got.flags & ACK and pinged is None:
                    pinged = time.monotonic() - begun
            return pinged, time.monotonic() - begun

    pinged, ended = await asyncio.to_thread(look)
    t.check(
        "IOE-TRN-280",
        pinged is not None and pinged < keepalive_s + 2.5,
        expected=f"a ping after {keepalive_s} s",
        actual=f"a ping after {pinged} s",
    )
    t.check(
        "IOE-TRN-290",
        ended < 3 * keepalive_s + 5,
        expected=f"the end after {3 * keepalive_s} s",
        actual=f"the connection stood for {ended:.1f} s",
    )


@case("transport.back-after-a-cut", reqs=["IOE-TRN-200", "IOE-TRN-010"], own="c")
async def back_after_a_cut(t: Bench) -> None:
    """After a stream that was cut without a Close the neighbour gets a new session."""
    first = await t.established()
    await first.close()
    second = await t.established()
    await t.fence(second, req="IOE-TRN-010")
    t.check("IOE-TRN-200", second.id != first.id, expected="a new session", actual="the old one")


@case("transport.frame-of-another-session", reqs=["IOE-TRN-230"], own="c", attack="replay")
async def frame_of_another_session(t: Bench) -> None:
    """A frame under the id of another session ends this one with REPLAYED."""
    first = await t.established()
    old = first.id
    await first.part()
    second = await t.established()
    await second.send_raw(second.frame(second.keepalive(), session=old))
    await t.expect_close(second, ErrorCode.REPLAYED, req="IOE-TRN-230")


@case("transport.frame-of-another-key", reqs=["IOE-TRN-230"], own="c", attack="forgery")
async def frame_of_another_key(t: Bench) -> None:
    """A frame signed with another key than the session's ends the session with WRONG_SIGNER."""
    s = await t.established()
    await s.send_raw(s.frame(s.keepalive(), signer=t.node().operational))
    await t.expect_close(s, ErrorCode.WRONG_SIGNER, req="IOE-TRN-230")


@case("transport.superfluous-frame-signature", reqs=["IOE-TRN-230", "IOE-TRN-225"], own="c")
async def superfluous_frame_signature(t: Bench) -> None:
    """A frame that needs no signature and has one ends the session with BAD_SIGNATURE."""
    s = await t.established()
    envelopes = (t.node().certificate,)
    data = frame_input(t.network, s.id, s.sent_frames + 1, envelopes)
    key = Ed25519Signer(s.keys.operational)
    await s.send_raw(s.frame(*envelopes, signature=Signature(key=key.public_key, signature=key.sign(data))))
    await t.expect_close(s, ErrorCode.BAD_SIGNATURE, req="IOE-TRN-230")


@case("transport.one-bad-object-among-good", reqs=["IOE-TRN-240", "IOE-TRN-250"], attack="malformed")
async def one_bad_object_among_good(t: Bench) -> None:
    """In a frame with a refused object the others are taken, and the session goes on."""
    a, b = await t.session("a"), await t.session("b")
    told, since = t.path("a"), b.mark()
    sound, wrong = t.offer(told.origin), t.offer(told.origin, offer_no=2, epoch=0)
    mark = a.mark()
    await t.tell(a, told, wrong, sound)
    await t.expect_fault(a, wrong, ErrorCode.OUT_OF_BOUNDS, req="IOE-TRN-240", since=mark)
    heard = await t.told_offer(b, told.origin.node, since=since)
    t.check("IOE-TRN-250", heard, expected="the sound offer of the frame goes on", actual="it did not")
    await t.fence(a, req="IOE-TRN-240")


@case("transport.openings-bounded", reqs=["IOE-TRN-056", "IOE-TRN-190"], own="c", apart=True, attack="flood")
async def openings_bounded(t: Bench) -> None:
    """More streams at once than the budget of openings allows are refused with LIMIT_REACHED."""
    first = await t.established()
    ends = await asyncio.gather(*(t.brief_stream("c") for _ in range(40)))
    t.rig.spent("c")
    refused = [end for end in ends if end is not None and end.code is ErrorCode.LIMIT_REACHED]
    t.check(
        "IOE-TRN-056",
        refused,
        expected="LIMIT_REACHED within 40 streams at once",
        actual=f"the last of 40 ended so: {ends[-1]}",
    )
    t.check(
        "IOE-TRN-190",
        all(end.status == "RESOURCE_EXHAUSTED" for end in refused),
        expected="RESOURCE_EXHAUSTED",
        actual=str(refused[:1]),
    )
    await t.fence(first, req="IOE-TRN-056")


def _chain(t: Bench) -> list[x509.Certificate]:
    with t.connection("c") as one:
        return one.chain()
