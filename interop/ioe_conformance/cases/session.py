"""SPEC.md section 6: HELLO, handshake, keepalive, close, refresh."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ioe_conformance.bench import Bench
from ioe_conformance.case import case
from ioe_conformance.keys import framed
from ioe_conformance.session import Session, now_ms
from ioe_conformance.timers import EARLY_MS, GRACE_MS, profile
from ioe_router.codec import mapping
from ioe_router.model.discovery import (
    Close,
    Fault,
    Hello,
    Refresh,
    RefreshPhase,
    Retained,
    Role,
    SessionProof,
)
from ioe_router.model.envelope import ObjectType
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import ObjectId
from ioe_router.model.routing import Offer, PathWithdrawal

# ------------------------------------------------------------------ HELLO


async def _hello_refused(t: Bench, code: ErrorCode, req: str, **changes: Any) -> None:
    """A HELLO with these changes ends the session with this code, and the next sound one is taken."""
    s = await t.greeted()
    await s.greet(**changes)
    await t.expect_close(s, code, req=req)
    t.check(req, not s.all(SessionProof), expected="no SESSION_PROOF", actual="one was sent")


@case("session.version-mismatch", reqs=["IOE-VER-030", "IOE-SES-050"], own="c")
async def version_mismatch(t: Bench) -> None:
    """A HELLO without a common version ends with VERSION_MISMATCH."""
    await _hello_refused(t, ErrorCode.VERSION_MISMATCH, "IOE-VER-030", version_min=2, version_max=9)


@case("session.highest-common-version", reqs=["IOE-VER-020"], own="c")
async def highest_common_version(t: Bench) -> None:
    """A HELLO with more versions than the target's is taken: the highest common one is used."""
    s = await t.greeted()
    stands = await s.establish(version_max=65_535)
    t.demand("IOE-VER-020", stands, expected="a session", actual=str(s.end))
    await t.fence(s, req="IOE-VER-020")


@case("session.unknown-even-feature", reqs=["IOE-VER-060"], own="c")
async def unknown_even_feature(t: Bench) -> None:
    """An even feature bit that nobody knows ends with FEATURE_REQUIRED."""
    await _hello_refused(t, ErrorCode.FEATURE_REQUIRED, "IOE-VER-060", features=1 << 40)


@case("session.unknown-odd-features", reqs=["IOE-VER-050"], own="c")
async def unknown_odd_features(t: Bench) -> None:
    """Odd feature bits that nobody knows are ignored."""
    s = await t.greeted()
    odd = sum(1 << bit for bit in range(3, 64, 2))
    t.demand("IOE-VER-050", await s.establish(features=odd), expected="a session", actual=str(s.end))
    await t.fence(s, req="IOE-VER-050")


@case("session.hello-of-another-node", reqs=["IOE-SES-050"], own="c", attack="hijack")
async def hello_of_another_node(t: Bench) -> None:
    """A HELLO in the name of another neighbour, on this one's stream, ends with IDENTITY_MISMATCH."""
    s = await t.greeted()
    other = t.tester("a")
    s.my_hello = other.keys.seal(mapping.decode(Hello, s.hello(node=other.node).signed))
    await s.send(other.keys.certificate, s.my_hello)
    await t.expect_close(s, ErrorCode.IDENTITY_MISMATCH, req="IOE-SES-050")


@case("session.hello-in-anothers-name", reqs=["IOE-SES-050", "IOE-SIG-070"], own="c", attack="hijack")
async def hello_in_anothers_name(t: Bench) -> None:
    """A HELLO that names another node than its signer ends with WRONG_SIGNER or IDENTITY_MISMATCH."""
    s = await t.greeted()
    await s.greet(node=t.tester("a").node)
    await t.expect_close(s, (ErrorCode.WRONG_SIGNER, ErrorCode.IDENTITY_MISMATCH), req="IOE-SES-050")
    t.check("IOE-SIG-070", not s.all(SessionProof), expected="no SESSION_PROOF", actual="one was sent")


@case("session.hello-for-another-node", reqs=["IOE-SES-050"], own="c", attack="reflection")
async def hello_for_another_node(t: Bench) -> None:
    """A HELLO for another receiver ends with IDENTITY_MISMATCH."""
    await _hello_refused(t, ErrorCode.IDENTITY_MISMATCH, "IOE-SES-050", neighbor=t.tester("b").node)


@case("session.hello-reflected", reqs=["IOE-SES-050"], own="c", attack="reflection")
async def hello_reflected(t: Bench) -> None:
    """The target's own HELLO, sent back to it, is refused."""
    s = await t.greeted()
    await s.send(*(one.envelope for one in s.log[:2]))
    await t.expect_close(
        s, (ErrorCode.IDENTITY_MISMATCH, ErrorCode.WRONG_SIGNER, ErrorCode.UNEXPECTED), req="IOE-SES-050"
    )


@case("session.other-network", reqs=["IOE-IDN-110", "IOE-SES-050"], own="c")
async def other_network(t: Bench) -> None:
    """A HELLO of another network ends with NETWORK_MISMATCH."""
    await _hello_refused(t, ErrorCode.NETWORK_MISMATCH, "IOE-IDN-110", network_id="elsewhere")


@case("session.other-parameters", reqs=["IOE-SES-050", "IOE-CNV-190"], own="c")
async def other_parameters(t: Bench) -> None:
    """A HELLO with another parameter digest ends with PARAMETER_MISMATCH; the target's is right."""
    await _hello_refused(t, ErrorCode.PARAMETER_MISMATCH, "IOE-SES-050", parameters=bytes(32))
    s = await t.greeted()
    heard = s.all(Hello)[0].body
    t.check(
        "IOE-CNV-190",
        heard.parameters == t.rig.kit.network.digest(),
        expected=f"the digest {t.rig.kit.network.digest().hex()}",
        actual=heard.parameters.hex(),
    )


@case("session.other-attestation", reqs=["IOE-SES-050"], own="c")
async def other_attestation(t: Bench) -> None:
    """A HELLO that names another attestation of the link ends with UNKNOWN_LINK."""
    await _hello_refused(t, ErrorCode.UNKNOWN_LINK, "IOE-SES-050", attestation=bytes(32))


@case("session.other-role", reqs=["IOE-SES-050"], own="c", attack="leak")
async def other_role(t: Bench) -> None:
    """A HELLO with another role than is configured ends with POLICY."""
    await _hello_refused(t, ErrorCode.POLICY, "IOE-SES-050", role=Role.PROVIDER)


@case("session.unknown-domain", reqs=["IOE-SES-050", "IOE-SES-015"], own="c")
async def unknown_domain(t: Bench) -> None:
    """A HELLO with a domain, where the target has none, ends with DOMAIN_MISMATCH."""
    await _hello_refused(t, ErrorCode.DOMAIN_MISMATCH, "IOE-SES-050", domain=bytes(32))
    s = await t.greeted()
    own = s.all(Hello)[0].body.domain
    t.check("IOE-SES-015", own == b"", expected="no domain in its own HELLO", actual=own.hex())


@case("session.clock-61-s-ahead", reqs=["IOE-SES-050"], own="c", attack="clock")
async def clock_ahead(t: Bench) -> None:
    """A neighbour whose clock is 63 s ahead is refused with CLOCK_UNSYNCED."""
    await _hello_refused(t, ErrorCode.CLOCK_UNSYNCED, "IOE-SES-050", clock_utc_ms=t.clock.utc_ms() + 63_000)


@case("session.clock-61-s-behind", reqs=["IOE-SES-050"], own="c", attack="clock")
async def clock_behind(t: Bench) -> None:
    """A neighbour whose clock is 63 s behind is refused with CLOCK_UNSYNCED."""
    await _hello_refused(t, ErrorCode.CLOCK_UNSYNCED, "IOE-SES-050", clock_utc_ms=t.clock.utc_ms() - 63_000)


@case("session.clock-within-tolerance", reqs=["IOE-SES-050"], own="c")
async def clock_within_tolerance(t: Bench) -> None:
    """A neighbour whose clock is 50 s off is taken."""
    s = await t.greeted()
    stands = await s.establish(clock_utc_ms=t.clock.utc_ms() + 50_000)
    t.check("IOE-SES-050", stands, expected="a session", actual=str(s.end))


@case("session.epoch-of-an-earlier-life", reqs=["IOE-SES-050"], own="c", attack="rollback")
async def epoch_of_an_earlier_life(t: Bench) -> None:
    """A neighbour with an epoch below one that was seen is refused with STALE."""
    first = await t.established()
    await first.part()
    await _hello_refused(t, ErrorCode.STALE, "IOE-SES-050", epoch=t.clock.utc_s() - 100_000)


@case("session.epoch-nobody-has-had", reqs=["IOE-SES-050"], own="c", attack="rollback")
async def epoch_nobody_has_had(t: Bench) -> None:
    """A neighbour that has seen a higher epoch of the target than its present one is refused with STALE."""
    await _hello_refused(t, ErrorCode.STALE, "IOE-SES-050", last_seen_epoch=2**62)


@case("session.last-seen-epoch", reqs=["IOE-SES-040"], own="c")
async def last_seen_epoch(t: Bench) -> None:
    """The target's HELLO names the highest epoch of the neighbour that it has seen in a session."""
    first = await t.greeted()
    epoch = t.clock.utc_s() + 5
    if not await first.establish(epoch=epoch):
        t.fail_without_session(str(first.end))
        return
    await first.part()
    second = await t.greeted()
    seen = second.all(Hello)[0].body.last_seen_epoch
    t.check("IOE-SES-040", seen == epoch, expected=f"last_seen_epoch {epoch}", actual=str(seen))
    await asyncio.sleep(max(0, epoch - t.clock.utc_s()))  # later sessions begin with the present second


@case("session.fresh-nonce", reqs=["IOE-SES-030"], own="c", attack="replay")
async def fresh_nonce(t: Bench) -> None:
    """Each HELLO of the target has a nonce of its own."""
    nonces = []
    for _ in range(3):
        s = await t.greeted()
        nonces.append(s.all(Hello)[0].body.nonce)
        await s.close()
    t.check("IOE-SES-030", len(set(nonces)) == 3, expected="three different nonces", actual="one came twice")


# ------------------------------------------------------------------ handshake


@case("session.key-behind-hello", reqs=["IOE-SIG-190", "IOE-SES-110"], own="c")
async def key_behind_hello(t: Bench) -> None:
    """A HELLO whose key has not been told ends with UNKNOWN_KEY."""
    s = await t.greeted()
    node = t.node()
    await s.send(replace(s.hello(), signatures=node.sign(ObjectType.HELLO, s.hello().signed).signatures))
    await t.expect_close(s, ErrorCode.UNKNOWN_KEY, req="IOE-SIG-190")
    t.check("IOE-SES-110", s.end, expected="the end of the session", actual="it went on")


@case("session.proof-before-hello", reqs=["IOE-SES-110"], own="c")
async def proof_before_hello(t: Bench) -> None:
    """A SESSION_PROOF before the HELLO ends with UNEXPECTED."""
    s = await t.greeted()
    s.my_hello, s.their_hello = s.hello(), s.all(Hello)[0]
    await s.send(s.keys.certificate, s.proof())
    await t.expect_close(s, ErrorCode.UNEXPECTED, req="IOE-SES-110")


@case("session.second-hello", reqs=["IOE-SES-110"], own="c")
async def second_hello(t: Bench) -> None:
    """A second HELLO during the handshake ends with UNEXPECTED."""
    s = await t.greeted()
    await s.greet()
    await s.send(s.hello())
    await t.expect_close(s, ErrorCode.UNEXPECTED, req="IOE-SES-110")


@case("session.offer-before-established", reqs=["IOE-SES-120", "IOE-TRN-230"], own="c")
async def offer_before_established(t: Bench) -> None:
    """An offer before the session stands ends with UNEXPECTED."""
    s = await t.greeted()
    await s.greet()
    await s.send(t.offer(t.node()))
    await t.expect_close(s, ErrorCode.UNEXPECTED, req="IOE-SES-120")


@case("session.proof-of-other-hellos", reqs=["IOE-SES-090"], own="c", attack="replay")
async def proof_of_other_hellos(t: Bench) -> None:
    """A proof that names another HELLO than that of this stream ends with REPLAYED."""
    s = await t.greeted()
    await s.greet()
    await s.send(s.proof(dialer_hello=bytes(32)))
    await t.expect_close(s, ErrorCode.REPLAYED, req="IOE-SES-090")


@case("session.proof-with-hellos-exchanged", reqs=["IOE-SES-090"], own="c", attack="reflection")
async def proof_with_hellos_exchanged(t: Bench) -> None:
    """A proof that names both HELLOs in each other's place ends with REPLAYED."""
    s = await t.greeted()
    await s.greet()
    right = mapping.decode(SessionProof, s.proof().signed)
    await s.send(s.proof(dialer_hello=right.listener_hello, listener_hello=right.dialer_hello))
    await t.expect_close(s, ErrorCode.REPLAYED, req="IOE-SES-090")


@case("session.proof-by-another-node", reqs=["IOE-SES-090"], own="c", attack="hijack")
async def proof_by_another_node(t: Bench) -> None:
    """A proof that another node has signed ends with IDENTITY_MISMATCH."""
    s = await t.greeted()
    await s.greet()
    other = t.tester("a").keys
    await s.send(other.certificate, other.sign(ObjectType.SESSION_PROOF, s.proof().signed))
    await t.expect_close(s, ErrorCode.IDENTITY_MISMATCH, req="IOE-SES-090")


@case("session.proof-reflected", reqs=["IOE-SES-090"], own="c", attack="reflection")
async def proof_reflected(t: Bench) -> None:
    """The target's own proof, sent back to it, ends with IDENTITY_MISMATCH."""
    s = await t.greeted()
    await s.greet()
    heard = await s.expect(SessionProof)
    t.demand("IOE-SES-090", heard, expected="the target's proof", actual=str(s.end))
    if heard is not None:
        await s.send(heard.envelope)
    await t.expect_close(s, ErrorCode.IDENTITY_MISMATCH, req="IOE-SES-090")


async def _handshake_ends(t: Bench, s: Session, begun_ms: int) -> None:
    due = profile("handshake_ms")
    await t.expect_close(s, ErrorCode.KEEPALIVE_TIMEOUT, req="IOE-SES-100", within_ms=due + GRACE_MS)
    passed = (s.end.at_ms if s.end else 0) - begun_ms
    t.check(
        "IOE-SES-100",
        due - EARLY_MS <= passed,
        expected=f"not before {due} ms have passed",
        actual=f"after {passed} ms",
    )


@case("session.silent-neighbour", reqs=["IOE-SES-100"], own="c", supports=["conformance_timers"])
async def silent_neighbour(t: Bench) -> None:
    """A neighbour that opens a stream and says nothing is closed with KEEPALIVE_TIMEOUT in due time."""
    begun = now_ms()
    s = await t.greeted()
    await _handshake_ends(t, s, begun)


@case("session.neighbour-without-proof", reqs=["IOE-SES-100"], own="c", supports=["conformance_timers"])
async def neighbour_without_proof(t: Bench) -> None:
    """A neighbour that says HELLO and sends no proof is closed with KEEPALIVE_TIMEOUT after handshake_ms."""
    begun = now_ms()
    s = await t.greeted()
    await s.greet()
    await _handshake_ends(t, s, begun)


# ------------------------------------------------------------------ in a session


@case("session.hello-again", reqs=["IOE-SES-110", "IOE-SIG-080"], own="c")
async def hello_again(t: Bench) -> None:
    """A HELLO or a proof in an established session is refused with UNEXPECTED, and the session lives."""
    s = await t.established()
    await t.refused(s, s.hello(), code=ErrorCode.UNEXPECTED, req="IOE-SES-110")
    await t.refused(s, s.proof(), code=ErrorCode.UNEXPECTED, req="IOE-SIG-080")
    await t.fence(s, req="IOE-SES-110")


@case("session.keepalives-come", reqs=["IOE-SES-160"], own="c", supports=["conformance_timers"])
async def keepalives_come(t: Bench) -> None:
    """The target is never silent for longer than keepalive_ms in a session in which nothing happens."""
    s = await t.established()
    await t.fence(s, req="IOE-SES-160")
    due, since = profile("keepalive_ms"), s.mark()
    last = s.log[-1].at_ms
    gaps = []
    for _ in range(3):
        heard = await s.expect(object, since=since, within_ms=due + 2_000)
        t.demand(
            "IOE-SES-160",
            heard,
            expected=f"a frame at least every {due} ms",
            actual=f"silence for {due + 2_000} ms; {s.end or 'the session stood'}",
        )
        if heard is not None:
            gaps.append(heard.at_ms - last)
            last, since = heard.at_ms, s.mark()
    t.check(
        "IOE-SES-160",
        max(gaps) <= due + 500,
        expected=f"no silence above {due} ms",
        actual=f"silences of {gaps} ms",
    )


@case("session.keepalive-of-a-wrong-clock", reqs=["IOE-SES-170"], own="c", attack="clock")
async def keepalive_of_a_wrong_clock(t: Bench) -> None:
    """A Keepalive whose clock is 63 s off ends the session with CLOCK_UNSYNCED."""
    s = await t.established()
    await s.send(s.keepalive(clock_utc_ms=t.clock.utc_ms() + 63_000))
    await t.expect_close(s, ErrorCode.CLOCK_UNSYNCED, req="IOE-SES-170")


@case("session.keepalive-of-unsent-frames", reqs=["IOE-SES-180"], own="c")
async def keepalive_of_unsent_frames(t: Bench) -> None:
    """A Keepalive that confirms a frame never sent is refused with OUT_OF_BOUNDS."""
    s = await t.established()
    await t.refused(
        s, s.keepalive(received_seq=s.heard_frames + 1_000), code=ErrorCode.OUT_OF_BOUNDS, req="IOE-SES-180"
    )
    await t.fence(s, req="IOE-SES-180")


@case("session.close-is-not-answered", reqs=["IOE-SES-210", "IOE-SES-200"], own="c")
async def close_is_not_answered(t: Bench) -> None:
    """After a Close the target ends the stream and says nothing more."""
    s = await t.established()
    await t.fence(s, req="IOE-SES-210")
    since = s.mark()
    await s.send(framed(Close(code=ErrorCode.SHUTTING_DOWN, text="", restart_s=0)))
    end = await s.ended()
    t.check("IOE-SES-210", end, expected="the end of the stream", actual="it stood")
    closes = s.all(Close, since=since)
    t.check("IOE-SES-200", not closes, expected="no Close in answer", actual=f"{len(closes)} came")


@case("session.fault-is-not-answered", reqs=["IOE-ERR-020"], own="c")
async def fault_is_not_answered(t: Bench) -> None:
    """A Fault is not answered, not even one about an object that was never sent."""
    s = await t.established()
    since = s.mark()
    await s.send(
        framed(Fault(code=ErrorCode.MALFORMED, object=ObjectId(bytes(32)), text="", retry_after_ms=0))
    )
    await t.fence(s, req="IOE-ERR-020")
    answers = [f for f in s.all(Fault, since=since) if f.body.object != s.fence_asked]
    t.check("IOE-ERR-020", not answers, expected="no Fault", actual=f"{len(answers)} came")


# ------------------------------------------------------------------ refresh, retention, restart


@case("session.refresh-comes", reqs=["IOE-SES-230"], own="c")
async def refresh_comes(t: Bench) -> None:
    """A session begins with Refresh BEGIN, and paths and offers stand before Refresh END."""
    s = await t.established()
    end = await s.expect(Refresh, lambda one: one.phase is RefreshPhase.END)
    t.demand("IOE-SES-230", end, expected="Refresh END", actual="none came")
    phases = [one.body.phase for one in s.all(Refresh)]
    t.check(
        "IOE-SES-230",
        phases == [RefreshPhase.BEGIN, RefreshPhase.END],
        expected="BEGIN, then END",
        actual=str(phases),
    )
    if t.rig.pics.supports["own_offer"]:
        offers = [s.log.index(one) for one in s.all(Offer) if one.body.origin == t.target]
        at_end = s.log.index(end) if end else 0
        t.check(
            "IOE-SES-230",
            offers and min(offers) < at_end,
            expected="the target's own offer before END",
            actual=f"offers at {offers}, END at {at_end}",
        )


@case("session.refresh-end-alone", reqs=["IOE-SES-250"], own="c")
async def refresh_end_alone(t: Bench) -> None:
    """A Refresh END without BEGIN is refused with UNEXPECTED."""
    s = await t.established(refresh=False)
    end = framed(Refresh(phase=RefreshPhase.END, kept=0))
    await t.refused(s, end, code=ErrorCode.UNEXPECTED, req="IOE-SES-250")
    await t.fence(s, req="IOE-SES-250")


@case("session.refresh-sweeps", reqs=["IOE-SES-240"], own="c", supports=["transit"])
async def refresh_sweeps(t: Bench) -> None:
    """What was told before Refresh BEGIN and not again until END is taken back from others."""
    s, b = await t.established(), await t.session("b")
    kept, swept = t.path("c"), t.path("c")
    offers = [t.offer(one.origin) for one in (kept, swept)]
    for one, offer in zip((kept, swept), offers, strict=True):
        await t.tell(s, one, offer)
    paths = [await t.told_path(b, one.origin.node) for one in (kept, swept)]
    t.demand("IOE-SES-240", all(paths), expected="both paths at B", actual="they did not come")
    since = b.mark()
    await s.refresh(kept.advert, offers[0])
    gone = await b.expect(PathWithdrawal, lambda w: w.path == t.hash_at(paths[1]), since=since)
    t.check("IOE-SES-240", gone, expected="the other path withdrawn from B", actual="it was not")
    stays = b.all(PathWithdrawal, lambda w: w.path == t.hash_at(paths[0]), since=since)
    t.check("IOE-SES-240", not stays, expected="the repeated path stays", actual="it was withdrawn")


@case("session.loss-withdraws", reqs=["IOE-SES-140", "IOE-ADV-270"], own="c", supports=["transit"])
async def loss_withdraws(t: Bench) -> None:
    """When a session is lost, what was heard in it is withdrawn from the others."""
    s, b = await t.established(), await t.session("b")
    told = t.path("c")
    await t.tell(s, told, t.offer(told.origin))
    path = await t.told_path(b, told.origin.node)
    t.demand("IOE-SES-140", path, expected="the path at B", actual="it did not come")
    since = b.mark()
    await s.close()
    gone = await b.expect(PathWithdrawal, lambda w: w.path == t.hash_at(path), since=since)
    t.check("IOE-SES-140", gone, expected="the path withdrawn from B", actual="it was not")
    t.check("IOE-ADV-270", gone, expected="a PathWithdrawal of the path that B was told", actual="none")


@case("session.retained-without-resume", reqs=["IOE-SES-310", "IOE-VER-080"], own="c")
async def retained_without_resume(t: Bench) -> None:
    """Without RESUME in effect a Retained, or kept groups, are refused with UNEXPECTED and never sent."""
    s = await t.established()
    await t.refused(s, framed(Retained(digests=b"")), code=ErrorCode.UNEXPECTED, req="IOE-SES-310")
    begin = framed(Refresh(phase=RefreshPhase.BEGIN, kept=1))
    await t.refused(s, begin, code=ErrorCode.UNEXPECTED, req="IOE-SES-310")
    await t.fence(s, req="IOE-SES-310")
    sent = [*s.all(Retained), *s.all(Refresh, lambda one: one.kept != 0)]
    t.check("IOE-VER-080", not sent, expected="neither Retained nor kept from the target", actual="it came")


@case("session.retained-comes-first", reqs=["IOE-SES-260", "IOE-SES-310"], own="c", supports=["resume"])
async def retained_comes_first(t: Bench) -> None:
    """With RESUME the target sends Retained before anything else, and refuses a second one."""
    s = await t.resumed()
    kinds = [one.envelope.type for one in s.log if one.envelope.type not in _HANDSHAKE]
    t.check(
        "IOE-SES-260",
        kinds[:1] == [ObjectType.RETAINED],
        expected="RETAINED as the first object of the session",
        actual=str([kind.name for kind in kinds[:3]]),
    )
    again = framed(Retained(digests=b""))
    await t.refused(s, again, code=ErrorCode.UNEXPECTED, req="IOE-SES-310")


@case("session.announced-restart", reqs=["IOE-SES-330"], own="c", supports=["resume", "transit"])
async def announced_restart(t: Bench) -> None:
    """What a neighbour told that has announced a restart is not withdrawn when it comes back in time."""
    s, b = await t.resumed(), await t.session("b")
    told = t.path("c")
    offer = t.offer(told.origin)
    await t.tell(s, told, offer)
    path = await t.told_path(b, told.origin.node)
    t.demand("IOE-SES-330", path, expected="the path at B", actual="it did not come")
    since = b.mark()
    await s.part(restart_s=20)
    again = await t.resumed(told.advert, offer)
    await t.fence(again, req="IOE-SES-330")
    await t.fence(b, req="IOE-SES-330")
    gone = b.all(PathWithdrawal, lambda w: w.path == t.hash_at(path), since=since)
    t.check("IOE-SES-330", not gone, expected="the path stays told to B", actual="it was withdrawn")


@case("session.announced-restart-too-long", reqs=["IOE-SES-350"], own="c", supports=["resume", "transit"])
async def announced_restart_too_long(t: Bench) -> None:
    """When the announced time is over, what was told is withdrawn."""
    s, b = await t.resumed(), await t.session("b")
    told = t.path("c")
    await t.tell(s, told, t.offer(told.origin))
    path = await t.told_path(b, told.origin.node)
    t.demand("IOE-SES-350", path, expected="the path at B", actual="it did not come")
    since, begun = b.mark(), now_ms()
    await s.part(restart_s=1)
    gone = await b.expect(
        PathWithdrawal, lambda w: w.path == t.hash_at(path), since=since, within_ms=1_000 + GRACE_MS
    )
    t.demand("IOE-SES-350", gone, expected="the path withdrawn from B after 1 s", actual="it was not")
    passed = (gone.at_ms if gone else 0) - begun
    t.check("IOE-SES-350", passed >= 1_000 - EARLY_MS, expected="not before 1 s", actual=f"after {passed} ms")


# ------------------------------------------------------------------ keys of a session


@case("session.new-session-key", reqs=["IOE-SES-134"], own="c")
async def new_session_key(t: Bench) -> None:
    """A neighbour that tells a new key of its own signs its next frames with it, and no more with the old."""
    s = await t.established()
    now_s = t.clock.utc_s()
    fresh = Ed25519PrivateKey.generate()
    base = s.keys
    await s.send(base.certify(fresh, serial=now_s, issued_utc_s=now_s, lifetime_s=60))
    s.keys = base.with_key(fresh, base.certificate)
    await t.fence(s, req="IOE-SES-134")
    await s.send_raw(s.frame(s.keepalive(), signer=base.operational))
    await t.expect_close(s, ErrorCode.WRONG_SIGNER, req="IOE-SES-134")


@case("session.session-key-expires", reqs=["IOE-SES-130"], own="c")
async def session_key_expires(t: Bench) -> None:
    """When the session key of a neighbour expires, the session ends with KEY_EXPIRED."""
    s = await t.established()
    now_s = t.clock.utc_s()
    fresh = Ed25519PrivateKey.generate()
    await s.send(s.keys.certify(fresh, serial=now_s, issued_utc_s=now_s, lifetime_s=3))
    s.keys = s.keys.with_key(fresh, s.keys.certificate)
    await t.fence(s, req="IOE-SES-130")
    await t.expect_close(s, ErrorCode.KEY_EXPIRED, req="IOE-SES-130", within_ms=4_000 + GRACE_MS)


_HANDSHAKE = frozenset(
    {ObjectType.OPERATIONAL_KEY, ObjectType.HELLO, ObjectType.SESSION_PROOF, ObjectType.REVOCATION}
)
