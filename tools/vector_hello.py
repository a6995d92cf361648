"""Vectors of HELLO, proof and what both ends have to agree on (SPEC sections 2.7, 6.4, 6.5 and 15)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from hashlib import sha256

from vector_cast import ALICE, BOB, CAROL, ISSUED_S, NETWORK, WEEK_S, Actor, wire_bytes
from vector_file import Json, Vector
from vector_stage import AB, NOW_S, PARAMETERS, attested, forged

from ioe_router.model.discovery import Hello, Role, SessionProof
from ioe_router.model.envelope import Envelope
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import ObjectId
from ioe_router.model.parameters import NetworkParameters

E = ErrorCode
NOW_MS = NOW_S * 1000
HELLO = Hello(
    network_id=NETWORK,
    node=ALICE.node,
    neighbor=BOB.node,
    version_min=1,
    version_max=1,
    nonce=bytes(range(32)),
    features=0,
    role=Role.CUSTOMER,
    epoch=5,
    last_seen_epoch=7,
    attestation=AB.attestation,
    parameters=PARAMETERS.digest(),
    clock_utc_ms=NOW_MS,
)
EXAMPLE = NetworkParameters(
    network_id="village",
    currency="EUR",
    slot_s=900,
    reference_price_micro_per_kwh=300_000,
    floor_micro_per_kwh=(500_000, 300_000),
    link_state_steps=16,
    voltage_min_micro_pu=900_000,
    voltage_max_micro_pu=1_100_000,
    voltage_guard_micro_pu=5_000,
)
DIALED, LISTENED = (ObjectId(sha256(name).digest()) for name in (b"dialler", b"listener"))


def vectors() -> list[Vector]:
    """Parameters and their digest, HELLOs that are taken and refused, proofs."""
    return [*_digests(), *_accepted(), *_refused(), *_proofs()]


# ------------------------------------------------------------------ parameters


def _digests() -> Iterator[Vector]:
    for name, notes, one in (
        ("example", "the example of section 2.7", EXAMPLE),
        ("no-floors", "an empty list", replace(EXAMPLE, floor_micro_per_kwh=())),
        ("negative", "a negative floor", replace(EXAMPLE, floor_micro_per_kwh=(0, -1))),
        ("preemption", "with a gap and a grace", replace(EXAMPLE, preemption_gap=3, preemption_grace_s=300)),
    ):
        yield Vector(
            id=f"hello-digest-{name}",
            notes=notes,
            inputs={"parameters": asdict(one)},
            intermediates={"text": text_of(one), "digest": sha256(text_of(one).encode()).hexdigest()},
            reqs=("IOE-CNV-190",),
        )


def text_of(one: NetworkParameters) -> str:
    """What the digest is taken of, as section 2.7 writes it, apart from the product's code."""
    fields: list[object] = [one.network_id, one.currency, one.slot_s, one.reference_price_micro_per_kwh]
    fields.append(",".join(str(price) for price in one.floor_micro_per_kwh))
    fields += [one.link_state_steps, one.voltage_min_micro_pu, one.voltage_max_micro_pu]
    fields += [one.voltage_guard_micro_pu, one.preemption_gap, one.preemption_grace_s]
    return "\n".join(str(field) for field in fields)


# ------------------------------------------------------------------ HELLO


def _case(
    name: str,
    notes: str,
    envelope: Envelope,
    code: ErrorCode | None = None,
    *,
    in_effect: int = 0,
    reqs: tuple[str, ...] = (),
    **changes: object,
) -> Vector:
    inputs: dict[str, object] = {
        "parameters": asdict(PARAMETERS),
        "own_node": BOB.node.hex(),
        "own_epoch": 7,
        "seen_epoch": 5,
        "neighbor": ALICE.node.hex(),
        "role": "CUSTOMER",
        "attestation": wire_bytes(AB.envelope).hex(),
        "transport_key": ALICE.operational.public_key.hex(),
        "certificates": [wire_bytes(one.certificate.envelope).hex() for one in (ALICE, CAROL)],
        "now_utc_ms": NOW_MS,
        "hello": wire_bytes(envelope).hex(),
    }
    return Vector(
        id=f"hello-{name}",
        notes=notes,
        inputs={**inputs, **changes},
        intermediates={"version": 1, "features": in_effect} if code is None else {},
        code=code,
        reqs=("IOE-SES-050", *reqs),
    )


def _accepted() -> Iterator[Vector]:
    def good(
        name: str, notes: str, *, in_effect: int = 0, reqs: tuple[str, ...] = (), **changes: object
    ) -> Vector:
        body = replace(HELLO, **changes)  # type: ignore[arg-type]
        return _case(name, notes, forged(ALICE, body), in_effect=in_effect, reqs=reqs)

    yield good("plain", "everything fits")
    yield good(
        "resume",
        "bit 1 is set by both: RESUME is in effect",
        in_effect=2,
        reqs=("IOE-VER-080",),
        features=2,
    )
    for bit in (3, 47, 53, 57, 59, 61, 63):
        notes = f"odd bit {bit} is not known: it is ignored"
        yield good(f"odd-bit-{bit}", notes, reqs=("IOE-VER-050",), features=1 << bit)
    every = sum(1 << bit for bit in range(1, 64, 2))
    yield good(
        "all-odd-bits",
        "every odd bit: RESUME alone is in effect",
        in_effect=2,
        reqs=("IOE-VER-050",),
        features=every,
    )
    yield good(
        "versions", "versions 1 to 9: 1 is the highest that both have", version_max=9, reqs=("IOE-VER-020",)
    )
    for name, off_ms in (("ahead", 60_000), ("behind", -60_000)):
        yield good(f"clock-{name}", f"a clock {off_ms} ms off", clock_utc_ms=NOW_MS + off_ms)
    yield good("first-meeting", "it has never seen this node", last_seen_epoch=0, reqs=("IOE-SES-040",))
    yield good("later-epoch", "a later life of the neighbour", epoch=6)
    yield _case(
        "no-transport-key",
        "the transport does not show its certificate",
        forged(ALICE, HELLO),
        transport_key="",
    )


def _refused() -> Iterator[Vector]:
    def bad(
        name: str, notes: str, code: ErrorCode, *, reqs: tuple[str, ...] = (), **changes: object
    ) -> Vector:
        return _case(name, notes, forged(ALICE, replace(HELLO, **changes)), code, reqs=reqs)  # type: ignore[arg-type]

    stranger = forged(CAROL, replace(HELLO, node=CAROL.node))
    yield _case("stranger", "Carol on Alice's stream", stranger, E.IDENTITY_MISMATCH)
    by_carol = forged(CAROL, HELLO)
    yield _case("signer", "Carol signs for Alice", by_carol, E.WRONG_SIGNER, reqs=("IOE-SIG-070",))
    other = CAROL.operational.public_key.hex()
    yield _case(
        "transport-key",
        "another key than that of the stream's certificate",
        forged(ALICE, HELLO),
        E.IDENTITY_MISMATCH,
        reqs=("IOE-TRN-095",),
        transport_key=other,
    )
    yield bad("for-another", "meant for Carol", E.IDENTITY_MISMATCH, neighbor=CAROL.node)
    yield bad(
        "network", "another network", E.NETWORK_MISMATCH, network_id="other.example", reqs=("IOE-IDN-110",)
    )
    versions = ("IOE-VER-030",)
    yield bad(
        "versions-above", "versions 2 to 3", E.VERSION_MISMATCH, version_min=2, version_max=3, reqs=versions
    )
    yield bad(
        "version-zero", "version 0 only", E.OUT_OF_BOUNDS, version_min=0, version_max=0, reqs=("IOE-CNV-040",)
    )
    yield bad(
        "versions-turned",
        "from 2 down to 1",
        E.OUT_OF_BOUNDS,
        version_min=2,
        version_max=1,
        reqs=("IOE-VER-010",),
    )
    for bit in (0, 2, 46, 48, 56, 62):
        yield bad(
            f"even-bit-{bit}",
            f"even bit {bit} is required and not known",
            E.FEATURE_REQUIRED,
            features=1 << bit,
            reqs=("IOE-VER-060",),
        )
    mixed = (1 << 63) | (1 << 4)
    yield bad(
        "even-among-odd",
        "one even bit among odd ones",
        E.FEATURE_REQUIRED,
        features=mixed,
        reqs=("IOE-VER-060",),
    )
    yield bad(
        "parameters",
        "another parameter digest",
        E.PARAMETER_MISMATCH,
        parameters=bytes(32),
        reqs=("IOE-CNV-190",),
    )
    yield bad(
        "attestation", "another attestation of the link", E.UNKNOWN_LINK, attestation=ObjectId(bytes(32))
    )
    yield bad("role", "it calls itself a peer and is configured as a customer", E.POLICY, role=Role.PEER)
    yield bad("no-role", "no role", E.OUT_OF_BOUNDS, role=Role.UNSPECIFIED, reqs=("IOE-CNV-040",))
    for name, off_ms in (("far-ahead", 60_001), ("far-behind", -60_001)):
        yield bad(f"clock-{name}", f"a clock {off_ms} ms off", E.CLOCK_UNSYNCED, clock_utc_ms=NOW_MS + off_ms)
    yield bad("epoch", "an epoch below the highest that was seen", E.STALE, epoch=4, reqs=("IOE-CNV-140",))
    yield bad("seen-more", "it has seen a later life of this node", E.STALE, last_seen_epoch=8)
    yield bad("epoch-zero", "epoch 0", E.OUT_OF_BOUNDS, epoch=0, reqs=("IOE-CNV-040",))
    for size in (0, 31, 33):
        yield bad(
            f"nonce-{size}",
            f"a nonce of {size} bytes",
            E.OUT_OF_BOUNDS,
            nonce=bytes(size),
            reqs=("IOE-SES-030",),
        )
    late = (ISSUED_S + WEEK_S) * 1000
    ended = forged(ALICE, replace(HELLO, clock_utc_ms=late))
    yield _case(
        "key-expired",
        "the key that signs it has ended",
        ended,
        E.KEY_EXPIRED,
        reqs=("IOE-SIG-200",),
        now_utc_ms=late,
    )
    short = replace(AB.body, expires_utc_s=NOW_S)
    link = attested(short, BOB, ALICE)
    over = forged(ALICE, replace(HELLO, attestation=_id(link)))
    yield _case(
        "link-expired",
        "the attestation of the link ends now",
        over,
        E.UNKNOWN_LINK,
        reqs=("IOE-LNK-070",),
        attestation=wire_bytes(link).hex(),
    )
    strange = attested(replace(AB.body, other=CAROL.node), BOB, CAROL)
    named = forged(ALICE, replace(HELLO, attestation=_id(strange)))
    yield _case(
        "link-of-others",
        "the attestation names another end",
        named,
        E.UNKNOWN_LINK,
        attestation=wire_bytes(strange).hex(),
    )
    yield _case(
        "unknown-key",
        "its certificate has not come",
        forged(ALICE, HELLO),
        E.UNKNOWN_KEY,
        reqs=("IOE-SIG-190",),
        certificates=[],
    )


def _id(envelope: Envelope) -> ObjectId:
    return ObjectId(sha256(envelope.signed).digest())


# ------------------------------------------------------------------ proof


def _proof(
    name: str, notes: str, by: Actor, body: SessionProof, code: ErrorCode | None = None, **changes: object
) -> Vector:
    inputs: Json = {
        "network_id": NETWORK,
        "now_utc_s": NOW_S,
        "neighbor": ALICE.node.hex(),
        "hello_key": ALICE.operational.public_key.hex(),
        "dialer_hello": DIALED.hex(),
        "listener_hello": LISTENED.hex(),
        "certificates": [wire_bytes(one.certificate.envelope).hex() for one in (ALICE, CAROL)],
        "proof": wire_bytes(forged(by, body)).hex(),
        **changes,
    }
    session = sha256(b"IOE1 session" + DIALED + LISTENED).hexdigest()
    return Vector(
        id=f"hello-proof-{name}",
        notes=notes,
        inputs=inputs,
        intermediates={"session": session} if code is None else {},
        code=code,
        reqs=("IOE-SES-090", "IOE-SES-080"),
    )


def _proofs() -> Iterator[Vector]:
    good = SessionProof(dialer_hello=DIALED, listener_hello=LISTENED)
    yield _proof("good", "both HELLOs, each in its place", ALICE, good)
    yield _proof("by-another", "Carol proves for Alice", CAROL, good, E.IDENTITY_MISMATCH)
    other = CAROL.operational.public_key.hex()
    yield _proof(
        "other-key", "signed with another key than the HELLO", ALICE, good, E.WRONG_SIGNER, hello_key=other
    )
    turned = SessionProof(dialer_hello=LISTENED, listener_hello=DIALED)
    yield _proof("turned", "the HELLOs in each other's place", ALICE, turned, E.REPLAYED)
    for name, field in (("dialler", "dialer_hello"), ("listener", "listener_hello")):
        body = replace(good, **{field: ObjectId(sha256(b"earlier").digest())})
        yield _proof(f"replayed-{name}", f"the {name}'s HELLO of another session", ALICE, body, E.REPLAYED)
    yield _proof(
        "short",
        "a HELLO's id of 31 bytes",
        ALICE,
        replace(good, dialer_hello=ObjectId(DIALED[:31])),
        E.OUT_OF_BOUNDS,
    )
