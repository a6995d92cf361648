"""SPEC.md sections 4.3 to 4.11: who signs what, and what a signature is worth."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ioe_conformance.bench import Bench, Codes
from ioe_conformance.case import case
from ioe_conformance.keys import NodeKeys, attested, link_terms, twice_signed
from ioe_router.codec import mapping
from ioe_router.codec.signing import GROUP_ORDER
from ioe_router.model.discovery import LinkKind, OperationalKey, Revocation
from ioe_router.model.envelope import Envelope, ObjectType
from ioe_router.model.errors import ErrorCode
from ioe_router.model.routing import PathWithdrawal


@case("signatures.flipped-bit-of-content", reqs=["IOE-SIG-020", "IOE-SIG-180"], attack="forgery")
async def flipped_bit_of_content(t: Bench) -> None:
    """An offer whose content was changed behind its signature is refused with BAD_SIGNATURE."""
    a, b = await t.session("a"), await t.session("b")
    told, since = t.path("a"), b.mark()
    good = t.offer(told.origin, carbon_mg_per_kwh=41_000)
    other = t.offer(told.origin, carbon_mg_per_kwh=41_001)
    await t.tell(a, told)
    forged = replace(good, signed=other.signed)
    await t.refused(a, forged, code=ErrorCode.BAD_SIGNATURE, req="IOE-SIG-180")
    await t.tell(a, told, good)
    heard = await t.told_offer(b, told.origin.node, since=since)
    t.check(
        "IOE-SIG-020",
        heard and heard.envelope == good,
        expected="the sound offer alone goes on",
        actual="another",
    )


@case("signatures.damaged-may-come-again", reqs=["IOE-ERR-036"])
async def damaged_may_come_again(t: Bench) -> None:
    """The Fault on an object that came damaged says that it may come again after a minute."""
    a = await t.session("a")
    told, since = t.path("a"), a.mark()
    await t.tell(a, told)
    good = t.offer(told.origin)
    damaged = _with_signature(good, bytes(64))
    await a.send(damaged)
    heard = await a.fault_on(damaged, since)
    t.check(
        "IOE-ERR-036",
        heard and heard.body.retry_after_ms == 60_000,
        expected="a Fault with retry_after_ms 60000",
        actual="none" if heard is None else f"retry_after_ms {heard.body.retry_after_ms}",
    )


@case("signatures.other-nodes-name", reqs=["IOE-SIG-070"], attack="hijack")
async def other_nodes_name(t: Bench) -> None:
    """An offer in the name of another node is refused with WRONG_SIGNER."""
    a, b = await t.session("a"), await t.session("b")
    told, thief, since = t.path("a"), t.node(), b.mark()
    await t.tell(a, told)
    await a.send(thief.certificate)
    forged = t.offer(told.origin)
    forged = thief.sign(forged.type, forged.signed)
    await t.refused(a, forged, code=ErrorCode.WRONG_SIGNER, req="IOE-SIG-070")
    heard = await t.told_offer(b, told.origin.node, since=since, within_ms=0)
    t.check("IOE-SIG-070", heard is None, expected="B is told no offer", actual="it was")
    await t.fence(a, req="IOE-SIG-070")


async def _offer_refused(
    t: Bench, forge: Callable[[NodeKeys, Envelope], Envelope], codes: Codes, req: str
) -> None:
    """A changed envelope of an offer is refused; the sound one behind it is taken, and it alone goes on."""
    a, b = await t.session("a"), await t.session("b")
    told, since = t.path("a"), b.mark()
    sound = t.offer(told.origin)
    await t.tell(a, told)
    await t.refused(a, forge(told.origin, sound), code=codes, req=req)
    await t.tell(a, told, sound)
    heard = await t.told_offer(b, told.origin.node, since=since)
    t.check(
        req,
        heard and heard.envelope == sound,
        expected="the sound offer behind it goes on to B",
        actual="it did not" if heard is None else "B was told the other one",
    )


def _with_signature(envelope: Envelope, signature: bytes) -> Envelope:
    return replace(envelope, signatures=(replace(envelope.signatures[0], signature=signature),))


# ------------------------------------------------------------------ Ed25519


@case("signatures.flipped-bit-of-signature", reqs=["IOE-SIG-180"], attack="forgery")
async def flipped_bit_of_signature(t: Bench) -> None:
    """A signature with one bit changed is refused with BAD_SIGNATURE."""
    at, bit = t.random.randrange(31), 1 << t.random.randrange(8)

    def forge(_: NodeKeys, sound: Envelope) -> Envelope:
        raw = bytearray(sound.signatures[0].signature)
        raw[at] ^= bit
        return _with_signature(sound, bytes(raw))

    await _offer_refused(t, forge, ErrorCode.BAD_SIGNATURE, "IOE-SIG-180")


@case("signatures.s-plus-group-order", reqs=["IOE-SIG-180"], attack="forgery")
async def s_plus_group_order(t: Bench) -> None:
    """A signature whose S has the group order added is refused with BAD_SIGNATURE, though the sums agree."""

    def forge(_: NodeKeys, sound: Envelope) -> Envelope:
        raw = sound.signatures[0].signature
        s = int.from_bytes(raw[32:], "little") + GROUP_ORDER
        return _with_signature(sound, raw[:32] + s.to_bytes(32, "little"))

    await _offer_refused(t, forge, ErrorCode.BAD_SIGNATURE, "IOE-SIG-180")


@case("signatures.zero-signature", reqs=["IOE-SIG-180"], attack="forgery")
async def zero_signature(t: Bench) -> None:
    """A signature of 64 zeros is refused with BAD_SIGNATURE."""
    await _offer_refused(
        t, lambda _, sound: _with_signature(sound, bytes(64)), ErrorCode.BAD_SIGNATURE, "IOE-SIG-180"
    )


@case("signatures.r-of-small-order", reqs=["IOE-SIG-180"], attack="forgery")
async def r_of_small_order(t: Bench) -> None:
    """A signature whose R is the neutral element is refused with BAD_SIGNATURE."""
    neutral = (1).to_bytes(32, "little")
    await _offer_refused(
        t,
        lambda _, sound: _with_signature(sound, neutral + sound.signatures[0].signature[32:]),
        ErrorCode.BAD_SIGNATURE,
        "IOE-SIG-180",
    )


@case("signatures.another-type", reqs=["IOE-SIG-170", "IOE-SIG-180"], attack="cross-type")
async def another_type(t: Bench) -> None:
    """Bytes that were signed as another message are refused with BAD_SIGNATURE."""
    await _offer_refused(
        t,
        lambda node, sound: node.sign(sound.type, sound.signed, message="ioe.v1.OfferWithdrawal"),
        ErrorCode.BAD_SIGNATURE,
        "IOE-SIG-180",
    )
    t.check("IOE-SIG-170", True, expected="the message name in what is signed")


@case("signatures.another-network", reqs=["IOE-SIG-180"], attack="cross-network")
async def another_network(t: Bench) -> None:
    """Bytes that were signed for another network are refused with BAD_SIGNATURE."""
    await _offer_refused(
        t,
        lambda node, sound: node.sign(sound.type, sound.signed, network="elsewhere"),
        ErrorCode.BAD_SIGNATURE,
        "IOE-SIG-180",
    )


@case("signatures.none", reqs=["IOE-SIG-060"], attack="forgery")
async def none(t: Bench) -> None:
    """An offer without signature is refused with BAD_SIGNATURE."""
    await _offer_refused(
        t, lambda _, sound: replace(sound, signatures=()), ErrorCode.BAD_SIGNATURE, "IOE-SIG-060"
    )


@case("signatures.one-too-many", reqs=["IOE-SIG-060"])
async def one_too_many(t: Bench) -> None:
    """An offer with two sound signatures is refused with BAD_SIGNATURE."""
    await _offer_refused(
        t,
        lambda _, sound: replace(sound, signatures=sound.signatures * 2),
        ErrorCode.BAD_SIGNATURE,
        "IOE-SIG-060",
    )


@case("signatures.on-frame-only-object", reqs=["IOE-SIG-060"], own="c")
async def on_frame_only_object(t: Bench) -> None:
    """A Keepalive with a signature of its own is refused with BAD_SIGNATURE."""
    s = await t.established()
    plain = s.keepalive()
    signed = s.keys.sign(ObjectType.OFFER, plain.signed, message="ioe.v1.Keepalive")
    await t.refused(
        s, replace(plain, signatures=signed.signatures), code=ErrorCode.BAD_SIGNATURE, req="IOE-SIG-060"
    )
    await t.fence(s, req="IOE-SIG-060")


@case("signatures.short-signature", reqs=["IOE-CNV-040", "IOE-TRN-230"], own="c")
async def short_signature(t: Bench) -> None:
    """A frame in which a signature has 63 bytes ends the session with OUT_OF_BOUNDS."""
    s = await t.established()
    node = t.node()
    sound = t.offer(node)
    await s.send(node.certificate, _with_signature(sound, sound.signatures[0].signature[:63]))
    await t.expect_close(s, ErrorCode.OUT_OF_BOUNDS, req="IOE-CNV-040")


@case("signatures.nested-type-alone", reqs=["IOE-SIG-080"])
async def nested_type_alone(t: Bench) -> None:
    """An object that stands only inside others is refused alone with UNEXPECTED."""
    a, told = await t.session("a"), t.path("a")
    await t.refused(a, told.entries[0], code=ErrorCode.UNEXPECTED, req="IOE-SIG-080")
    await t.fence(a, req="IOE-SIG-080")


# ------------------------------------------------------------------ operational keys


@case("signatures.unknown-key", reqs=["IOE-SIG-190"])
async def unknown_key(t: Bench) -> None:
    """An object by a key that was not told is refused with UNKNOWN_KEY, and nobody is asked for the key."""
    a, told = await t.session("a"), t.path("a")
    fresh = Ed25519PrivateKey.generate()
    await t.tell(a, told)
    sound = t.offer(told.origin)
    await t.refused(
        a,
        told.origin.sign(sound.type, sound.signed, key=fresh),
        code=ErrorCode.UNKNOWN_KEY,
        req="IOE-SIG-190",
    )
    await t.fence(a, req="IOE-SIG-190")


async def _key_refused(t: Bench, certificate: Envelope, node: NodeKeys, codes: Codes, req: str) -> None:
    """An OPERATIONAL_KEY is refused, and what its key signs is not believed."""
    a = await t.session("a")
    await t.refused(a, certificate, code=codes, req=req)
    refusals = (ErrorCode.UNKNOWN_KEY, ErrorCode.KEY_EXPIRED, ErrorCode.WRONG_SIGNER)
    await t.refused(a, t.offer(node), code=refusals, req=req)
    await t.fence(a, req=req)


async def _key_with(t: Bench, codes: Codes, req: str, **changes: Any) -> None:
    node, now_s = t.node(), t.clock.utc_s()
    given = {"serial": 1, "issued_utc_s": now_s, "lifetime_s": 600} | changes
    await _key_refused(t, node.certify(node.operational, **given), node, codes, req)


@case("signatures.key-expired", reqs=["IOE-IDN-130"])
async def key_expired(t: Bench) -> None:
    """An OPERATIONAL_KEY that has ended is refused with KEY_EXPIRED."""
    await _key_with(t, ErrorCode.KEY_EXPIRED, "IOE-IDN-130", issued_utc_s=t.clock.utc_s() - 1_000)


@case("signatures.key-from-future", reqs=["IOE-IDN-120"], attack="clock")
async def key_from_future(t: Bench) -> None:
    """An OPERATIONAL_KEY issued 65 s ahead is refused with FROM_FUTURE."""
    await _key_with(t, ErrorCode.FROM_FUTURE, "IOE-IDN-120", issued_utc_s=t.clock.utc_s() + 65)


@case("signatures.key-too-long", reqs=["IOE-IDN-140"])
async def key_too_long(t: Bench) -> None:
    """An OPERATIONAL_KEY valid for a second more than 90 days is refused with OUT_OF_BOUNDS."""
    await _key_with(t, ErrorCode.OUT_OF_BOUNDS, "IOE-IDN-140", lifetime_s=7_776_001)


@case("signatures.key-of-90-days", reqs=["IOE-IDN-140"])
async def key_of_90_days(t: Bench) -> None:
    """An OPERATIONAL_KEY valid for just 90 days is taken."""
    a, node, now_s = await t.session("a"), t.node(), t.clock.utc_s()
    since = a.mark()
    key = node.certify(node.operational, serial=1, issued_utc_s=now_s, lifetime_s=7_776_000)
    await a.send(key)
    await t.fence(a, req="IOE-IDN-140")
    fault = await a.fault_on(key, since, within_ms=0)
    t.check("IOE-IDN-140", fault is None, expected="no Fault", actual=f"{fault and fault.body.text}")


@case("signatures.key-of-another-network", reqs=["IOE-IDN-110"], attack="cross-network")
async def key_of_another_network(t: Bench) -> None:
    """An OPERATIONAL_KEY of another network is refused with NETWORK_MISMATCH."""
    await _key_with(t, ErrorCode.NETWORK_MISMATCH, "IOE-IDN-110", network_id="elsewhere")


@case("signatures.key-twice-the-same", reqs=["IOE-IDN-100"])
async def key_twice_the_same(t: Bench) -> None:
    """An OPERATIONAL_KEY that names the identity key as operational is refused with BAD_SIGNATURE."""
    node = t.node()
    key = node.certify(node.identity, serial=1, issued_utc_s=t.clock.utc_s(), lifetime_s=600)
    await _key_refused(
        t, key, replace(node, operational=node.identity), ErrorCode.BAD_SIGNATURE, "IOE-IDN-100"
    )


@case("signatures.key-of-small-order", reqs=["IOE-IDN-100"], attack="forgery")
async def key_of_small_order(t: Bench) -> None:
    """An OPERATIONAL_KEY of a point of small order is refused with BAD_SIGNATURE."""
    node = t.node()
    right = mapping.decode(OperationalKey, node.certificate.signed)
    signed = mapping.encode(replace(right, operational_key=(1).to_bytes(32, "little")))
    wrong = twice_signed(ObjectType.OPERATIONAL_KEY, t.network, signed, node.identity, node.operational)
    await _key_refused(t, wrong, node, ErrorCode.BAD_SIGNATURE, "IOE-IDN-100")


@case("signatures.key-signed-in-wrong-order", reqs=["IOE-IDN-090"])
async def key_signed_in_wrong_order(t: Bench) -> None:
    """An OPERATIONAL_KEY whose two signatures are exchanged is refused with WRONG_SIGNER."""
    node = t.node()
    wrong = replace(node.certificate, signatures=node.certificate.signatures[::-1])
    await _key_refused(t, wrong, node, ErrorCode.WRONG_SIGNER, "IOE-IDN-090")


@case("signatures.key-without-possession", reqs=["IOE-IDN-090", "IOE-SIG-180"], attack="hijack")
async def key_without_possession(t: Bench) -> None:
    """Somebody else's operational key, certified without its own signature, is not taken."""
    thief, victim = t.node(), t.node()
    body = mapping.decode(OperationalKey, thief.certificate.signed)
    stolen = victim.operational.public_key().public_bytes_raw()
    signed = mapping.encode(replace(body, operational_key=stolen))
    wrong = twice_signed(ObjectType.OPERATIONAL_KEY, t.network, signed, thief.identity, thief.operational)
    a = await t.session("a")
    await t.refused(a, wrong, code=(ErrorCode.WRONG_SIGNER, ErrorCode.BAD_SIGNATURE), req="IOE-IDN-090")
    as_victim = _with_key(wrong, stolen)
    await t.refused(a, as_victim, code=ErrorCode.BAD_SIGNATURE, req="IOE-SIG-180")
    await t.fence(a, req="IOE-IDN-090")


def _with_key(envelope: Envelope, key: bytes) -> Envelope:
    """The second signature said to be by another key."""
    first, second = envelope.signatures
    return replace(envelope, signatures=(first, replace(second, key=key)))


@case("signatures.key-of-two-nodes", reqs=["IOE-IDN-170"], attack="hijack")
async def key_of_two_nodes(t: Bench) -> None:
    """An operational key that is held for another node already is refused with CONFLICT."""
    a, first, second = await t.session("a"), t.node(), t.node()
    await a.send(first.certificate)
    wrong = second.certify(first.operational, serial=1, issued_utc_s=t.clock.utc_s(), lifetime_s=600)
    await t.refused(a, wrong, code=ErrorCode.CONFLICT, req="IOE-IDN-170")
    await t.fence(a, req="IOE-IDN-170")


@case("signatures.key-serial-lower", reqs=["IOE-IDN-150"], attack="rollback")
async def key_serial_lower(t: Bench) -> None:
    """An OPERATIONAL_KEY with a lower serial than one that is held is refused with STALE."""
    a, node, now_s = await t.session("a"), t.node(), t.clock.utc_s()
    await a.send(node.certify(node.operational, serial=5, issued_utc_s=now_s, lifetime_s=600))
    old = node.certify(Ed25519PrivateKey.generate(), serial=4, issued_utc_s=now_s, lifetime_s=600)
    await t.refused(a, old, code=ErrorCode.STALE, req="IOE-IDN-150")
    await t.fence(a, req="IOE-IDN-150")


@case("signatures.key-serial-twice", reqs=["IOE-IDN-160"], attack="equivocation")
async def key_serial_twice(t: Bench) -> None:
    """Another OPERATIONAL_KEY under the highest serial is refused with EQUIVOCATION."""
    a, node, now_s = await t.session("a"), t.node(), t.clock.utc_s()
    await a.send(node.certificate)
    other = node.certify(Ed25519PrivateKey.generate(), serial=1, issued_utc_s=now_s, lifetime_s=600)
    await t.refused(a, other, code=ErrorCode.EQUIVOCATION, req="IOE-IDN-160")
    await t.fence(a, req="IOE-IDN-160")


@case("signatures.fifth-key", reqs=["IOE-IDN-180"], attack="flood")
async def fifth_key(t: Bench) -> None:
    """The fifth unexpired OPERATIONAL_KEY of a node is refused with LIMIT_REACHED."""
    a, node, now_s = await t.session("a"), t.node(), t.clock.utc_s()
    made = [
        node.certify(Ed25519PrivateKey.generate(), serial=serial, issued_utc_s=now_s, lifetime_s=600)
        for serial in range(2, 6)
    ]
    await t.refused(a, node.certificate, *made, code=ErrorCode.LIMIT_REACHED, req="IOE-IDN-180")
    await t.fence(a, req="IOE-IDN-180")


@case("signatures.key-again", reqs=["IOE-SIG-240"])
async def key_again(t: Bench) -> None:
    """An OPERATIONAL_KEY and a LINK_ATTESTATION that are held already are taken without a Fault."""
    a, told = await t.session("a"), t.path("a", t.node(), t.node())
    since = a.mark()
    await a.send(*told.evidence)
    await a.send(*told.evidence)
    await t.fence(a, req="IOE-SIG-240")
    faults = [one for envelope in told.evidence if (one := await a.fault_on(envelope, since, within_ms=0))]
    t.check("IOE-SIG-240", not faults, expected="no Fault", actual=f"{len(faults)} Faults")


@case("signatures.rotation-overlaps", reqs=["IOE-IDN-190"], supports=["transit"])
async def rotation_overlaps(t: Bench) -> None:
    """After a new key of an origin, offers under the old and under the new one are taken."""
    a, b, now_s = await t.session("a"), await t.session("b"), t.clock.utc_s()
    told = t.path("a")
    fresh = Ed25519PrivateKey.generate()
    newer = told.origin.certify(fresh, serial=2, issued_utc_s=now_s, lifetime_s=600)
    await t.tell(a, told, newer, t.offer(told.origin))
    later = t.offer(told.origin, seq=2)
    await a.send(told.origin.sign(later.type, later.signed, key=fresh))
    heard = await t.told_offer(b, told.origin.node, lambda o: o.seq == 2)
    t.check("IOE-IDN-190", heard, expected="the version under the new key at B", actual="it did not come")
    await a.send(t.offer(told.origin, seq=3))
    heard = await t.told_offer(b, told.origin.node, lambda o: o.seq == 3)
    t.check("IOE-IDN-190", heard, expected="the version under the old key at B", actual="it did not come")


@case("signatures.key-in-use-expires", reqs=["IOE-SIG-200"])
async def key_in_use_expires(t: Bench) -> None:
    """An object by a key that has expired since it was told is refused with KEY_EXPIRED."""
    a, told, now_s = await t.session("a"), t.path("a"), t.clock.utc_s()
    short = Ed25519PrivateKey.generate()
    newer = told.origin.certify(short, serial=2, issued_utc_s=now_s, lifetime_s=2)
    await t.tell(a, told, newer)
    await t.fence(a, req="IOE-SIG-200")
    await asyncio.sleep(max(0, now_s + 2.2 - t.clock.utc_ms() / 1_000))
    sound = t.offer(told.origin)
    await t.refused(
        a,
        told.origin.sign(sound.type, sound.signed, key=short),
        code=ErrorCode.KEY_EXPIRED,
        req="IOE-SIG-200",
    )


# ------------------------------------------------------------------ attestations


async def _attestation_refused(t: Bench, codes: Codes, req: str, **changes: Any) -> None:
    """An attestation is refused, and so is a path over its link."""
    a = await t.session("a")
    told = t.path("a", link_changes=changes)
    link = told.evidence[-1]
    await t.refused(a, *told.evidence, code=codes, req=req)
    await t.refused(a, told.advert, code=ErrorCode.UNKNOWN_LINK, req=req)
    t.check(req, link.type is ObjectType.LINK_ATTESTATION, expected="an attestation was sent")
    await t.fence(a, req=req)


@case("signatures.attestation-of-contract-kind", reqs=["IOE-LNK-040"])
async def attestation_of_contract_kind(t: Bench) -> None:
    """An attestation of the kind CONTRACT is refused with OUT_OF_BOUNDS."""
    await _attestation_refused(t, ErrorCode.OUT_OF_BOUNDS, "IOE-LNK-040", kind=LinkKind.CONTRACT)


@case("signatures.attestation-of-another-network", reqs=["IOE-IDN-110"], attack="cross-network")
async def attestation_of_another_network(t: Bench) -> None:
    """An attestation of another network is refused with NETWORK_MISMATCH."""
    await _attestation_refused(t, ErrorCode.NETWORK_MISMATCH, "IOE-IDN-110", network_id="elsewhere")


@case("signatures.attestation-expired", reqs=["IOE-SIG-260"])
async def attestation_expired(t: Bench) -> None:
    """An attestation that has ended is refused with EXPIRED."""
    now_s = t.clock.utc_s()
    await _attestation_refused(
        t, ErrorCode.EXPIRED, "IOE-SIG-260", issued_utc_s=now_s - 100, expires_utc_s=now_s - 1
    )


@case("signatures.attestation-with-a-loop", reqs=["IOE-LNK-040"])
async def attestation_with_a_loop(t: Bench) -> None:
    """An attestation of a link from a node to itself is refused with OUT_OF_BOUNDS."""
    a, node = await t.session("a"), t.node()
    await t.refused(a, attested(node, node, t.clock.utc_s()), code=ErrorCode.OUT_OF_BOUNDS, req="IOE-LNK-040")
    await t.fence(a, req="IOE-LNK-040")


@case("signatures.attestation-by-one-end", reqs=["IOE-LNK-050", "IOE-SIG-075"], attack="invented link")
async def attestation_by_one_end(t: Bench) -> None:
    """An attestation that one end has signed for both is refused with WRONG_SIGNER."""
    a, one, other = await t.session("a"), t.node(), t.node()
    body = mapping.encode(link_terms(one.node, other.node, t.network, t.clock.utc_s()))
    forged = twice_signed(ObjectType.LINK_ATTESTATION, t.network, body, one.identity, one.identity)
    await t.refused(a, forged, code=ErrorCode.WRONG_SIGNER, req="IOE-LNK-050")
    by_operational = twice_signed(
        ObjectType.LINK_ATTESTATION, t.network, body, one.operational, other.operational
    )
    await t.refused(a, by_operational, code=ErrorCode.WRONG_SIGNER, req="IOE-SIG-075")
    await t.fence(a, req="IOE-LNK-050")


# ------------------------------------------------------------------ time


@case("signatures.offer-from-future", reqs=["IOE-SIG-250", "IOE-ERR-035"], attack="clock")
async def offer_from_future(t: Bench) -> None:
    """An offer issued 90 s ahead is refused with FROM_FUTURE, with the time after which it has a chance."""
    a, told, now_s = await t.session("a"), t.path("a"), t.clock.utc_s()
    await t.tell(a, told)
    ahead = t.offer(told.origin, issued_utc_s=now_s + 90, expires_utc_s=now_s + 400)
    await t.refused(a, ahead, code=ErrorCode.FROM_FUTURE, req="IOE-SIG-250")
    fault = await a.fault_on(ahead, within_ms=0)
    retry_ms = fault.body.retry_after_ms if fault else 0
    t.check(
        "IOE-ERR-035",
        20_000 <= retry_ms <= 31_000,
        expected="retry_after_ms of about 30 s",
        actual=str(retry_ms),
    )


@case("signatures.offer-within-clock-tolerance", reqs=["IOE-SIG-250"], supports=["transit"])
async def offer_within_clock_tolerance(t: Bench) -> None:
    """An offer issued 50 s ahead is taken."""
    a, b, told, now_s = await t.session("a"), await t.session("b"), t.path("a"), t.clock.utc_s()
    await t.tell(a, told, t.offer(told.origin, issued_utc_s=now_s + 50, expires_utc_s=now_s + 400))
    heard = await t.told_offer(b, told.origin.node)
    t.check("IOE-SIG-250", heard, expected="the offer at B", actual="it did not come")


@case("signatures.offer-expired", reqs=["IOE-SIG-260"], attack="replay")
async def offer_expired(t: Bench) -> None:
    """An offer that has ended is refused with EXPIRED."""
    a, told, now_s = await t.session("a"), t.path("a"), t.clock.utc_s()
    await t.tell(a, told)
    old = t.offer(told.origin, issued_utc_s=now_s - 100, expires_utc_s=now_s - 1)
    await t.refused(a, old, code=ErrorCode.EXPIRED, req="IOE-SIG-260")
    await t.fence(a, req="IOE-SIG-260")


@case("signatures.offer-ends-before-it-begins", reqs=["IOE-SIG-270"])
async def offer_ends_before_it_begins(t: Bench) -> None:
    """An offer whose validity is not positive is refused with OUT_OF_BOUNDS."""
    a, told, now_s = await t.session("a"), t.path("a"), t.clock.utc_s()
    await t.tell(a, told)
    wrong = t.offer(told.origin, issued_utc_s=now_s + 30, expires_utc_s=now_s + 30)
    await t.refused(a, wrong, code=ErrorCode.OUT_OF_BOUNDS, req="IOE-SIG-270")
    await t.fence(a, req="IOE-SIG-270")


# ------------------------------------------------------------------ revocation


def revocation_of(t: Bench, node: NodeKeys, up_to: int, **changes: Any) -> Envelope:
    """A REVOCATION by the identity key of a node."""
    body = Revocation(network_id=t.network, node=node.node, up_to_serial=up_to, issued_utc_s=t.clock.utc_s())
    return node.sign(ObjectType.REVOCATION, mapping.encode(replace(body, **changes)), key=node.identity)


@case(
    "signatures.revocation",
    reqs=["IOE-IDN-205", "IOE-IDN-220", "IOE-IDN-230", "IOE-IDN-210"],
    supports=["transit"],
    apart=True,  # it ends the session of B, which other cases look at
    attack="stolen key",
)
async def revocation(t: Bench) -> None:
    """A REVOCATION goes on unchanged, takes paths and offers of its key back, and outlasts sessions."""
    a, b = await t.session("a"), await t.session("b")
    told = t.path("a")
    await t.tell(a, told, t.offer(told.origin))
    path = await t.told_path(b, told.origin.node)
    t.demand("IOE-IDN-230", path, expected="the path at B", actual="it did not come")
    since, said = b.mark(), revocation_of(t, told.origin, 1)
    await a.send(said)
    heard = await b.expect(Revocation, lambda r: r.node == told.origin.node, since=since)
    t.check(
        "IOE-IDN-205",
        heard and heard.envelope == said,
        expected="the REVOCATION at B, unchanged",
        actual="it did not come" if heard is None else "other bytes",
    )
    gone = await b.expect(PathWithdrawal, lambda w: w.path == t.hash_at(path), since=since)
    t.check("IOE-IDN-230", gone, expected="the path withdrawn from B", actual="it was not")
    await t.refused(a, t.offer(told.origin, seq=2), code=ErrorCode.KEY_REVOKED, req="IOE-IDN-220")
    await t.refused(a, told.origin.certificate, code=ErrorCode.KEY_REVOKED, req="IOE-IDN-220")
    later = await t.rig.reconnected("b")
    again = await later.expect(Revocation, lambda r: r.node == told.origin.node)
    t.check(
        "IOE-IDN-210", again, expected="the REVOCATION in the next session of B", actual="it did not come"
    )


@case("signatures.revocation-by-another", reqs=["IOE-SIG-075", "IOE-SIG-070"], attack="censorship")
async def revocation_by_another(t: Bench) -> None:
    """A REVOCATION that another node or an operational key has signed is refused with WRONG_SIGNER."""
    a, b = await t.session("a"), await t.session("b")
    node, thief, since = t.node(), t.node(), b.mark()
    await a.send(node.certificate)
    right = revocation_of(t, node, 1)
    for key in (thief.identity, node.operational):
        forged = node.sign(right.type, right.signed, key=key)
        await t.refused(a, forged, code=ErrorCode.WRONG_SIGNER, req="IOE-SIG-075")
    await t.fence(a, req="IOE-SIG-070")
    await t.fence(b, req="IOE-SIG-070")
    heard = b.all(Revocation, lambda r: r.node == node.node, since=since)
    t.check("IOE-SIG-070", not heard, expected="nothing of it at B", actual="B was told it")


@case("signatures.revocation-too-old", reqs=["IOE-IDN-245"], attack="replay")
async def revocation_too_old(t: Bench) -> None:
    """A REVOCATION of a key that is older than any such key can live is refused with EXPIRED."""
    a, node = await t.session("a"), t.node()
    old = revocation_of(t, node, 1, issued_utc_s=t.clock.utc_s() - 7_776_100)
    await t.refused(a, old, code=ErrorCode.EXPIRED, req="IOE-IDN-245")
    await t.fence(a, req="IOE-IDN-245")


@case("signatures.revocation-of-an-identity", reqs=["IOE-IDN-220"], attack="stolen key")
async def revocation_of_an_identity(t: Bench) -> None:
    """When an identity is revoked, no key of it and no attestation of its links is taken any more."""
    a = await t.session("a")
    told = t.path("a")
    await a.send(revocation_of(t, told.origin, 2**63 - 1))
    key, link = told.evidence
    await t.refused(a, key, code=ErrorCode.KEY_REVOKED, req="IOE-IDN-220")
    await t.refused(a, link, code=ErrorCode.KEY_REVOKED, req="IOE-IDN-220")
    await t.fence(a, req="IOE-IDN-220")
