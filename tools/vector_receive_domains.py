"""What a router of a domain makes of members, strangers and lists (SPEC section 4.10).

Bob, Alice and Carol are members of one domain; Erin is of none that Bob knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256

from vector_cast import ALICE, BOB, CAROL, ISSUED_S, Actor, wire_bytes
from vector_domains import DAY_S, FIRST, HEIRS, KEYS, MEMBER, ROOTS, SECOND
from vector_file import Json, Vector
from vector_receive_grid import ENVELOPE
from vector_receive_settlement import METER, OVER
from vector_stage import (
    AB,
    AD,
    BC,
    DAVE,
    DAVE_OFFER,
    FROM_ALICE,
    FROM_DAVE,
    NOW_S,
    Stage,
    advert,
    entries,
    sealed,
    step,
)

from ioe_router.codec import mapping
from ioe_router.codec.registry import REGISTRY, TYPE_OF
from ioe_router.codec.signing import Ed25519Signer, signature_input
from ioe_router.model.domain import MeterCertificate, Removal, RootSigned, TrustList
from ioe_router.model.envelope import Envelope, Signature
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import DomainId

E = ErrorCode


def signed(body: RootSigned, keys: Sequence[Ed25519Signer] = (*ROOTS, *HEIRS)) -> Envelope:
    """What roots have signed, by the keys that it names, whatever it says."""
    kind = TYPE_OF[type(body)]
    raw = mapping.encode(body)
    data = signature_input(body.network_id, REGISTRY[kind].message, raw)
    by_key = {one.public_key: one for one in keys}
    signatures = tuple(Signature(key=one.key, signature=by_key[one.key].sign(data)) for one in body.signers)
    return Envelope(type=kind, signed=raw, signatures=signatures)


def member(
    node: Actor, *, serial: int = 3, border: bool = True, forming: bool = False, **changes: object
) -> Envelope:
    """The certificate of a member."""
    body = replace(
        MEMBER, node=node.node, balance_party=CAROL.node, serial=serial, border=border, grid_forming=forming
    )
    return signed(replace(body, **changes))  # type: ignore[arg-type]


def stage(body: TrustList, *, forming: bool = True) -> Stage:
    """Bob with this list, and with members of its domain for neighbours."""
    who = {
        "alice": member(ALICE, domain=body.domain),
        "carol": member(CAROL, domain=body.domain, forming=forming),
    }
    return Stage(
        neighbors=((ALICE, AB, "SIBLING"), (CAROL, BC, "SIBLING")),
        domain={
            "lists": [wire_bytes(signed(body)).hex()],
            "member": wire_bytes(member(BOB, domain=body.domain)).hex(),
            "members": {name: wire_bytes(one).hex() for name, one in who.items()},
        },
    )


STAGE, PLAIN = stage(FIRST), stage(FIRST, forming=False)
STALE = stage(replace(FIRST, expires_utc_s=NOW_S + 2, grace_s=0))
METERED = stage(replace(FIRST, certified_meters=True))


def vectors() -> list[Vector]:
    """Lists, certificates, paths and statements of members and of others."""
    return [*_lists(), *_members(), *_routes(), *_duties()]


def _case(
    name: str,
    notes: str,
    envelope: Envelope,
    code: ErrorCode | None = None,
    *,
    by: Actor = ALICE,
    before: Sequence[Json] = (),
    reqs: tuple[str, ...],
    after_s: int = 2,
    stage: Stage = STAGE,
    look_for: tuple[str, ...] = (),
    sent: tuple[tuple[str, str], ...] = (),
    listen_ms: int = 0,
) -> Vector:
    return stage.vector(
        f"receive-domain-{name}",
        notes,
        step(by, envelope, after_s=after_s),
        before=before,
        code=code,
        reqs=reqs,
        look_for=look_for,
        sent=sent,
        listen_ms=listen_ms,
    )


def _lists() -> Iterator[Vector]:
    take, look = ("IOE-IDN-320", "IOE-IDN-340"), ("TRUST_LIST",)
    yield _case(
        "list-next",
        "the next list goes on to every other neighbour",
        signed(SECOND),
        reqs=take,
        look_for=look,
        sent=(("alice", "TRUST_LIST"), ("carol", "TRUST_LIST")),
    )
    unknown = replace(SECOND, domain=DomainId(sha256(b"other").digest()))
    yield _case(
        "list-unknown",
        "a list of a domain that is not known: no effect",
        signed(unknown),
        reqs=take,
        look_for=look,
    )
    form = ("IOE-IDN-300",)
    for name, notes, changes in (
        ("roots-order", "roots in descending order", {"roots": KEYS[::-1]}),
        ("roots-twice", "a root that is there twice", {"roots": (KEYS[0], *KEYS)}),
        ("quorum-above", "a quorum above the number of roots", {"quorum": 4}),
        ("quorum-zero", "a quorum of 0", {"quorum": 0}),
        ("signers-twice", "a signer that is there twice", {"signers": (KEYS[0], KEYS[0])}),
        ("long", "valid for 400 days and a second", {"expires_utc_s": ISSUED_S + 400 * DAY_S + 1}),
        ("never", "it ends when it begins", {"expires_utc_s": ISSUED_S}),
    ):
        body: TrustList = replace(SECOND, **changes)
        yield _case(f"list-{name}", notes, signed(body), E.OUT_OF_BOUNDS, reqs=form)
    removals = tuple(
        sorted((Removal(node=one.node, serial=1) for one in (ALICE, CAROL)), key=lambda r: r.node)
    )
    yield _case(
        "list-removals-order",
        "removals in descending order",
        signed(replace(SECOND, removals=removals[::-1])),
        E.OUT_OF_BOUNDS,
        reqs=form,
    )
    gone = replace(SECOND, removals=(Removal(node=ALICE.node, serial=3),))
    yield _case(
        "removed",
        "a neighbour that is removed loses its session",
        signed(gone),
        by=CAROL,
        reqs=("IOE-IDN-380",),
        look_for=("CLOSE",),
        sent=(("alice", "CLOSE"),),
    )


def _members() -> Iterator[Vector]:
    reqs = ("IOE-IDN-350",)
    yield _case("member", "a certificate with a quorum of the roots in force", member(DAVE), reqs=reqs)
    alone = member(DAVE, signers=KEYS[:1])
    yield _case("member-one-root", "signed by one root of two", alone, E.NOT_A_MEMBER, reqs=reqs)
    held = (step(ALICE, member(DAVE), after_s=1),)
    yield _case("member-older", "a lower serial: no effect", member(DAVE, serial=2), before=held, reqs=reqs)
    other = member(DAVE, border=False)
    yield _case(
        "member-second", "other content under the same serial", other, E.EQUIVOCATION, before=held, reqs=reqs
    )
    over = member(DAVE, expires_utc_s=NOW_S + 2)
    yield _case("member-expired", "it ends now", over, E.EXPIRED, reqs=("IOE-SIG-260",))
    foreign = member(DAVE, domain=DomainId(sha256(b"other").digest()))
    yield _case("member-foreign", "of a domain that is not known: no effect", foreign, reqs=("IOE-IDN-320",))


def _routes() -> Iterator[Vector]:
    known = ("IOE-IDN-370",)
    evidence = step(ALICE, DAVE.certificate.envelope, AD.envelope)
    path, two = advert(entries(FROM_ALICE)), advert(entries(FROM_DAVE))
    yield _case("path", "a path of a member", path, reqs=known)
    yield _case(
        "path-stale",
        "the newest list has ended: nothing new is taken up",
        path,
        E.TRUST_STALE,
        stage=STALE,
        reqs=("IOE-IDN-390",),
    )
    yield _case(
        "path-of-stranger",
        "a node of the path is no member",
        two,
        E.NOT_A_MEMBER,
        before=(evidence,),
        reqs=known,
    )
    joined = (evidence, step(ALICE, member(DAVE)))
    yield _case("path-of-members", "the same once it is one", two, before=joined, reqs=known)
    told = (*joined, step(ALICE, two, after_s=1))
    yield _case("offer-of-member", "its offer", sealed(DAVE, DAVE_OFFER), before=told, reqs=known)
    gone = replace(SECOND, removals=(Removal(node=DAVE.node, serial=3),))
    lost = (*told, step(ALICE, signed(gone), after_s=1))
    yield _case(
        "offer-of-removed",
        "after it was removed",
        sealed(DAVE, DAVE_OFFER),
        E.NOT_A_MEMBER,
        before=lost,
        reqs=known,
    )


def _duties() -> Iterator[Vector]:
    duty = ("IOE-IDN-410",)
    good = sealed(CAROL, ENVELOPE)
    yield _case(
        "envelope",
        "the root is a member with the duty of forming the grid",
        good,
        by=CAROL,
        reqs=duty,
        look_for=("OPERATING_ENVELOPE",),
        sent=(("alice", "OPERATING_ENVELOPE"),),
    )
    yield _case(
        "envelope-without-duty",
        "the root is a member without it",
        good,
        E.NOT_A_MEMBER,
        by=CAROL,
        stage=PLAIN,
        reqs=duty,
    )
    record = sealed(ALICE, replace(METER, slot_utc_s=OVER))
    meters = ("IOE-IDN-430",)
    yield _case(
        "meter-uncertified",
        "a record of a meter that nobody has certified",
        record,
        E.NOT_A_MEMBER,
        stage=METERED,
        reqs=meters,
    )
    certificate = MeterCertificate(
        network_id=MEMBER.network_id,
        domain=FIRST.domain,
        node=ALICE.node,
        link=AB.link,
        serial=1,
        meter=sha256(b"meter").digest(),
        tolerance_ppm=5_000,
        signers=KEYS[:2],
        issued_utc_s=ISSUED_S,
        expires_utc_s=ISSUED_S + 30 * DAY_S,
    )
    shown = (step(ALICE, signed(certificate), after_s=1),)
    yield _case(
        "meter-certified", "the same with a certificate", record, before=shown, stage=METERED, reqs=meters
    )
