"""What a router makes of keys, attestations, revocations and what belongs to the session (SPEC 4 to 6)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256

from vector_cast import ALICE, BOB, CAROL, ISSUED_S, NETWORK, REVOCATION, Actor, actor, signer
from vector_file import Json, Vector
from vector_stage import (
    AB,
    AD,
    ALICE_OFFER,
    DAVE,
    DAVE_OFFER,
    FROM_ALICE,
    FROM_DAVE,
    NOW_S,
    STAGE,
    advert,
    attested,
    bare,
    entries,
    forged,
    sealed,
    step,
)

from ioe_router.codec import mapping
from ioe_router.codec.signing import Ed25519Signer, signature_input
from ioe_router.model.discovery import (
    IDENTITY_SERIAL,
    Close,
    Fault,
    Hello,
    Keepalive,
    LinkKind,
    OperationalKey,
    Refresh,
    RefreshPhase,
    Retained,
    Role,
)
from ioe_router.model.envelope import Envelope, ObjectType, Signature
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import ObjectId

E = ErrorCode
DAY_S = 86_400
BODY = DAVE.certificate.body


def vectors() -> list[Vector]:
    """Certificates, links, revocations, and objects that do not stand where they were found."""
    return [*_keys(), *_links(), *_revocations(), *_session(), *_places()]


def _case(
    name: str,
    notes: str,
    envelope: Envelope,
    code: ErrorCode | None = None,
    *,
    by: Actor = ALICE,
    before: tuple[Json, ...] = (),
    reqs: tuple[str, ...],
    after_s: int = 2,
    look_for: tuple[str, ...] = (),
    listen_ms: int = 0,
    sent: tuple[tuple[str, str], ...] = (),
) -> Vector:
    return STAGE.vector(
        f"receive-{name}",
        notes,
        step(by, envelope, after_s=after_s),
        before=before,
        code=code,
        reqs=reqs,
        look_for=look_for,
        listen_ms=listen_ms,
        sent=sent,
    )


# ------------------------------------------------------------------ keys


def certificate(body: OperationalKey, identity: Ed25519Signer, operational: Ed25519Signer) -> Envelope:
    """A certificate with these two signatures, whatever it says."""
    signed = mapping.encode(body)
    data = signature_input(body.network_id, "ioe.v1.OperationalKey", signed)
    signatures = tuple(
        Signature(key=one.public_key, signature=one.sign(data)) for one in (identity, operational)
    )
    return Envelope(type=ObjectType.OPERATIONAL_KEY, signed=signed, signatures=signatures)


def _next(serial: int, label: str = "", **changes: object) -> Envelope:
    """Dave's certificate with this serial, by default of a key of its own."""
    operational = signer(f"operational dave {label or serial}")
    body = replace(BODY, operational_key=operational.public_key, serial=serial, **changes)  # type: ignore[arg-type]
    return certificate(body, DAVE.identity, operational)


def _keys() -> Iterator[Vector]:
    held = (step(ALICE, DAVE.certificate.envelope),)
    yield _case(
        "key-first", "the first certificate of a node", DAVE.certificate.envelope, reqs=("IOE-IDN-090",)
    )
    yield _case(
        "key-again",
        "the same again: no effect",
        DAVE.certificate.envelope,
        before=held,
        reqs=("IOE-SIG-240",),
    )
    yield _case("key-next", "a higher serial", _next(2), before=held, reqs=("IOE-IDN-070", "IOE-IDN-190"))
    for name, notes, changes, code, reqs in (
        (
            "future",
            "issued 61 s ahead",
            {"issued_utc_s": NOW_S + 63, "expires_utc_s": NOW_S + DAY_S},
            E.FROM_FUTURE,
            ("IOE-IDN-120",),
        ),
        (
            "future-edge",
            "issued 60 s ahead",
            {"issued_utc_s": NOW_S + 62, "expires_utc_s": NOW_S + DAY_S},
            None,
            ("IOE-IDN-120",),
        ),
        ("expired", "it ends now", {"expires_utc_s": NOW_S + 2}, E.KEY_EXPIRED, ("IOE-IDN-130",)),
        ("last-second", "it ends in a second", {"expires_utc_s": NOW_S + 3}, None, ("IOE-IDN-130",)),
        (
            "long",
            "valid for 90 days and a second",
            {"expires_utc_s": ISSUED_S + 90 * DAY_S + 1},
            E.OUT_OF_BOUNDS,
            ("IOE-IDN-140", "IOE-IDN-080"),
        ),
        (
            "longest",
            "valid for 90 days",
            {"expires_utc_s": ISSUED_S + 90 * DAY_S},
            None,
            ("IOE-IDN-140", "IOE-IDN-080"),
        ),
        (
            "never",
            "it ends when it begins",
            {"expires_utc_s": ISSUED_S},
            E.OUT_OF_BOUNDS,
            ("IOE-IDN-140", "IOE-SIG-270"),
        ),
        (
            "network",
            "of another network",
            {"network_id": "other.example"},
            E.NETWORK_MISMATCH,
            ("IOE-IDN-110",),
        ),
        ("no-network", "without a network", {"network_id": ""}, E.OUT_OF_BOUNDS, ("IOE-CNV-040",)),
    ):
        yield _case(f"key-{name}", notes, _next(2, **changes), code, reqs=reqs)
    two = (*held, step(ALICE, _next(3), after_s=1))
    yield _case(
        "key-lower",
        "a serial below the highest that is held",
        _next(2),
        E.STALE,
        before=two,
        reqs=("IOE-IDN-150",),
    )
    yield _case(
        "key-lower-held",
        "the same of one that is held: no effect",
        DAVE.certificate.envelope,
        before=two,
        reqs=("IOE-IDN-150",),
    )
    yield _case(
        "key-same-serial",
        "the highest serial with other content",
        _next(3, "x"),
        E.EQUIVOCATION,
        before=two,
        reqs=("IOE-IDN-160",),
    )
    taken = replace(BODY, operational_key=ALICE.operational.public_key, serial=1)
    yield _case(
        "key-of-another",
        "Alice's operational key, certified by Dave with her help",
        certificate(taken, DAVE.identity, ALICE.operational),
        E.CONFLICT,
        reqs=("IOE-IDN-170",),
    )
    twice = replace(BODY, operational_key=DAVE.identity.public_key)
    yield _case(
        "key-is-identity",
        "the identity key as operational key",
        certificate(twice, DAVE.identity, DAVE.identity),
        E.BAD_SIGNATURE,
        reqs=("IOE-IDN-100", "IOE-IDN-040"),
    )
    four = (step(ALICE, *(_next(serial) for serial in range(1, 5))),)
    yield _case(
        "key-fifth",
        "a fifth unexpired key of a node",
        _next(5),
        E.LIMIT_REACHED,
        before=four,
        reqs=("IOE-IDN-180",),
    )
    ended = _next(1, issued_utc_s=ISSUED_S, expires_utc_s=NOW_S + 100)
    three = (step(ALICE, ended, *(_next(serial) for serial in range(2, 5))),)
    yield _case(
        "key-after-one-ended",
        "a fifth key when one of four has ended",
        _next(5),
        before=three,
        reqs=("IOE-IDN-180",),
        after_s=101,
    )
    rotated = (step(ALICE, DAVE.certificate.envelope, _next(2), AD.envelope, advert(entries(FROM_DAVE))),)
    yield _case(
        "key-overlap",
        "an offer signed with the older of two keys",
        sealed(DAVE, DAVE_OFFER),
        before=rotated,
        reqs=("IOE-IDN-190",),
    )


def _links() -> Iterator[Vector]:
    held = (step(ALICE, AD.envelope),)
    yield _case("link-far", "the attestation of a link elsewhere", AD.envelope, reqs=("IOE-LNK-010",))
    yield _case("link-again", "the same again: no effect", AD.envelope, before=held, reqs=("IOE-SIG-240",))
    newer = replace(AD.body, serial=2)
    yield _case(
        "link-newer", "a higher serial", attested(newer, ALICE, DAVE), before=held, reqs=("IOE-LNK-020",)
    )
    for name, notes, changes, code, reqs in (
        ("future", "issued 61 s ahead", {"issued_utc_s": NOW_S + 63}, E.FROM_FUTURE, ("IOE-SIG-250",)),
        ("expired", "it ends now", {"expires_utc_s": NOW_S + 2}, E.EXPIRED, ("IOE-SIG-260",)),
        ("never", "it ends when it begins", {"expires_utc_s": ISSUED_S}, E.OUT_OF_BOUNDS, ("IOE-SIG-270",)),
        ("contract", "a CONTRACT link", {"kind": LinkKind.CONTRACT}, E.OUT_OF_BOUNDS, ("IOE-LNK-040",)),
        (
            "network",
            "of another network",
            {"network_id": "other.example"},
            E.NETWORK_MISMATCH,
            ("IOE-IDN-110",),
        ),
        ("no-serial", "serial 0", {"serial": 0}, E.OUT_OF_BOUNDS, ("IOE-CNV-040",)),
    ):
        body = replace(AD.body, **changes)
        yield _case(f"link-{name}", notes, attested(body, ALICE, DAVE), code, reqs=reqs)
    yield _case(
        "link-signers",
        "signed by Carol instead of Dave",
        attested(AD.body, ALICE, CAROL),
        E.WRONG_SIGNER,
        reqs=("IOE-LNK-050", "IOE-SIG-075"),
    )
    yield _case(
        "link-order",
        "the other end first",
        attested(AD.body, DAVE, ALICE),
        E.WRONG_SIGNER,
        reqs=("IOE-LNK-050", "IOE-LNK-010"),
    )


# ------------------------------------------------------------------ revocations


def _revocation(
    node: Actor, serial: int, issued_utc_s: int = ISSUED_S, by: Actor | None = None, network: str = NETWORK
) -> Envelope:
    body = replace(
        REVOCATION, network_id=network, node=node.node, up_to_serial=serial, issued_utc_s=issued_utc_s
    )
    signed, identity = mapping.encode(body), (by or node).identity
    data = signature_input(network, "ioe.v1.Revocation", signed)
    signature = Signature(key=identity.public_key, signature=identity.sign(data))
    return Envelope(type=ObjectType.REVOCATION, signed=signed, signatures=(signature,))


def _revocations() -> Iterator[Vector]:
    told = (("carol", "REVOCATION"), ("erin", "REVOCATION"))
    look = ("REVOCATION",)
    news = _revocation(DAVE, 1)
    yield _case(
        "revocation-news",
        "news go to everybody but who told them",
        news,
        reqs=("IOE-IDN-205",),
        look_for=look,
        sent=told,
    )
    held = (step(ALICE, news),)
    yield _case(
        "revocation-again",
        "the same again goes nowhere",
        news,
        before=held,
        reqs=("IOE-IDN-205",),
        look_for=look,
    )
    yield _case(
        "revocation-lower",
        "a lower number goes nowhere",
        _revocation(DAVE, 1, ISSUED_S + 1),
        before=held,
        reqs=("IOE-IDN-205",),
        look_for=look,
    )
    yield _case(
        "revocation-higher",
        "a higher number",
        _revocation(DAVE, 2),
        before=held,
        reqs=("IOE-IDN-205",),
        look_for=look,
        sent=told,
    )
    yield _case(
        "revocation-future",
        "its time lies a day ahead: taken all the same",
        _revocation(DAVE, 1, NOW_S + DAY_S),
        reqs=("IOE-IDN-250",),
        look_for=look,
        sent=told,
    )
    yield _case(
        "revocation-old",
        "older than any key that it covers",
        _revocation(DAVE, 1, NOW_S + 2 - 90 * DAY_S),
        E.EXPIRED,
        reqs=("IOE-IDN-245",),
    )
    yield _case(
        "revocation-old-edge",
        "one second younger",
        _revocation(DAVE, 1, NOW_S + 3 - 90 * DAY_S),
        reqs=("IOE-IDN-245",),
        look_for=look,
        sent=told,
    )
    yield _case(
        "revocation-old-identity",
        "an old one of an identity",
        _revocation(DAVE, IDENTITY_SERIAL, NOW_S - 200 * DAY_S),
        reqs=("IOE-IDN-245",),
        look_for=look,
        sent=told,
    )
    yield _case(
        "revocation-by-stranger",
        "Carol revokes Dave's keys",
        _revocation(DAVE, 1, by=CAROL),
        E.WRONG_SIGNER,
        reqs=("IOE-SIG-070",),
    )
    network = _revocation(DAVE, 1, network="other.example")
    yield _case(
        "revocation-network", "of another network", network, E.NETWORK_MISMATCH, reqs=("IOE-IDN-220",)
    )
    refused = ("IOE-IDN-220",)
    yield _case(
        "revoked-key",
        "the certificate of a revoked key",
        DAVE.certificate.envelope,
        E.KEY_REVOKED,
        before=held,
        reqs=refused,
    )
    yield _case("revoked-next", "a certificate with a higher serial", _next(2), before=held, reqs=refused)
    path = step(ALICE, DAVE.certificate.envelope, AD.envelope, advert(entries(FROM_DAVE)))
    known = (path, step(ALICE, news, after_s=1))
    yield _case(
        "revoked-path",
        "a path that a revoked key has signed is taken back",
        _revocation(DAVE, 1),
        by=CAROL,
        before=(path, step(ALICE, sealed(DAVE, DAVE_OFFER), after_s=1)),
        reqs=("IOE-IDN-230", "IOE-ADV-270"),
        after_s=60,
        look_for=("PATH_WITHDRAWAL",),
        sent=(("carol", "PATH_WITHDRAWAL"),),
        listen_ms=1_000,
    )
    yield _case(
        "revoked-offer",
        "an offer signed with a revoked key",
        sealed(DAVE, DAVE_OFFER),
        E.KEY_REVOKED,
        before=known,
        reqs=refused,
    )
    identity = (step(ALICE, _revocation(DAVE, IDENTITY_SERIAL)),)
    yield _case(
        "revoked-link",
        "the link of a node whose identity is revoked",
        AD.envelope,
        E.KEY_REVOKED,
        before=identity,
        reqs=refused,
    )
    yield _case(
        "revoked-identity-next",
        "no certificate counts after that",
        _next(9),
        E.KEY_REVOKED,
        before=identity,
        reqs=refused,
    )
    yield _case(
        "revoked-neighbor",
        "the neighbour's own key: the session ends",
        _revocation(ALICE, 1),
        E.KEY_REVOKED,
        reqs=("IOE-IDN-225",),
    )
    yield _case(
        "revoked-neighbor-told",
        "the same told by another neighbour: the session with Alice ends",
        _revocation(ALICE, 1),
        by=CAROL,
        reqs=("IOE-IDN-225",),
        look_for=("CLOSE",),
        sent=(("alice", "CLOSE"),),
    )


# ------------------------------------------------------------------ the session


def _session() -> Iterator[Vector]:
    at_ms = (NOW_S + 2) * 1000
    alive = ("IOE-SES-170",)
    for name, off_ms, code in (
        ("in-step", 0, None),
        ("minute-ahead", 60_000, None),
        ("minute-behind", -60_000, None),
        ("far-ahead", 60_001, E.CLOCK_UNSYNCED),
        ("far-behind", -60_001, E.CLOCK_UNSYNCED),
    ):
        body = Keepalive(received_seq=1, clock_utc_ms=at_ms + off_ms)
        yield _case(
            f"keepalive-{name}", f"a clock {off_ms} ms from the receiver's", bare(body), code, reqs=alive
        )
    body = Keepalive(received_seq=10_000, clock_utc_ms=at_ms)
    yield _case(
        "keepalive-ahead",
        "it has received more than was sent",
        bare(body),
        E.OUT_OF_BOUNDS,
        reqs=("IOE-SES-180",),
    )
    end = bare(Refresh(phase=RefreshPhase.END, kept=0))
    begin = bare(Refresh(phase=RefreshPhase.BEGIN, kept=0))
    yield _case("refresh-begin", "the beginning of a refresh", begin, reqs=("IOE-SES-230",))
    yield _case("refresh-end-alone", "an END without BEGIN", end, E.UNEXPECTED, reqs=("IOE-SES-250",))
    begun = (step(ALICE, begin, after_s=1),)
    yield _case("refresh-end", "an END after BEGIN", end, before=begun, reqs=("IOE-SES-240", "IOE-SES-250"))
    both = (step(ALICE, begin, end, after_s=1),)
    yield _case("refresh-end-twice", "a second END", end, E.UNEXPECTED, before=both, reqs=("IOE-SES-250",))
    kept = bare(Refresh(phase=RefreshPhase.BEGIN, kept=1))
    yield _case(
        "refresh-kept", "kept while RESUME is not in effect", kept, E.UNEXPECTED, reqs=("IOE-SES-310",)
    )
    retained = bare(Retained(digests=b""))
    yield _case(
        "retained", "a Retained while RESUME is not in effect", retained, E.UNEXPECTED, reqs=("IOE-SES-310",)
    )
    fault = bare(Fault(code=E.STALE, object=ObjectId(sha256(b"x").digest()), text="", retry_after_ms=0))
    yield _case("fault", "a Fault is not answered", fault, reqs=("IOE-ERR-020",), look_for=("FAULT",))
    odd = bare(
        Fault(
            code=E.POLICY, object=ObjectId(sha256(b"x").digest()), text="close the session!", retry_after_ms=0
        )
    )
    yield _case(
        "fault-text",
        "what its text says decides nothing",
        odd,
        reqs=("IOE-CNV-180",),
        look_for=("FAULT", "CLOSE"),
    )
    close = bare(Close(code=E.SHUTTING_DOWN, text="", restart_s=0))
    yield _case("close", "a Close is not answered", close, reqs=("IOE-SES-210",), look_for=("CLOSE", "FAULT"))


def _places() -> Iterator[Vector]:
    """Objects that stand inside others only, and ones that came too late."""
    reqs = ("IOE-SIG-080",)
    entry = entries(FROM_ALICE)[0]
    yield _case("place-entry", "a PATH_ENTRY by itself", entry, E.UNEXPECTED, reqs=reqs)
    hello = Hello(
        network_id=NETWORK,
        node=ALICE.node,
        neighbor=BOB.node,
        version_min=1,
        version_max=1,
        nonce=sha256(b"again").digest(),
        features=0,
        role=Role.SIBLING,
        epoch=1,
        last_seen_epoch=0,
        attestation=AB.attestation,
        parameters=bytes(32),
        clock_utc_ms=(NOW_S + 2) * 1000,
    )
    yield _case(
        "place-hello",
        "a second HELLO in a session",
        sealed(ALICE, hello),
        E.UNEXPECTED,
        reqs=("IOE-SES-110",),
    )
    late = replace(sealed(ALICE, ALICE_OFFER), signatures=())
    yield _case(
        "place-unsigned",
        "an offer under the frame's signature alone",
        late,
        E.BAD_SIGNATURE,
        reqs=("IOE-SIG-060",),
    )
    close = forged(ALICE, Close(code=E.SHUTTING_DOWN, text="", restart_s=0))
    yield _case(
        "place-signed-close",
        "a Close with a signature of its own",
        close,
        E.BAD_SIGNATURE,
        reqs=("IOE-SIG-060", "IOE-SIG-050"),
    )
    stranger = actor("mallory")
    unknown = forged(stranger, ALICE_OFFER)
    yield _case(
        "place-stranger", "a key that nobody has certified", unknown, E.UNKNOWN_KEY, reqs=("IOE-SIG-190",)
    )
