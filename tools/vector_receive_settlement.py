"""What a router makes of meter records, statements of a link and imbalance records (SPEC section 12)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256

from vector_cast import ALICE, BOB, CAROL, ISSUED_S, NETWORK, Actor
from vector_file import Json, Vector
from vector_stage import AB, AD, DAVE, NOW_S, STAGE, Stage, bare, forged, sealed, step

from ioe_router.codec.registry import REGISTRY, TYPE_OF
from ioe_router.codec.signing import signature_input
from ioe_router.model.envelope import Envelope, Signature
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import LinkId, ObjectId, PathHash, object_id_of
from ioe_router.model.settlement import Deviation, ImbalanceRecord, LinkStatement, MeterRecord, Relay

E = ErrorCode
OVER = ISSUED_S - 900  # a slot that is over when the sessions stand
METER = MeterRecord(
    link=AB.link,
    slot_utc_s=OVER,
    node=ALICE.node,
    imported_j=1_000,
    exported_j=0,
    counter_imported_j=50_000,
    counter_exported_j=7,
)
STATEMENT = LinkStatement(
    link=AB.link,
    slot_utc_s=OVER,
    node=ALICE.node,
    packets=1,
    keeper_owes_micro=0,
    other_owes_micro=58,
    booked_down_sent_j=1_001,
    booked_up_sent_j=0,
    booked_down_received_j=1_000,
    booked_up_received_j=0,
    previous=ObjectId(bytes(32)),
)
RECORD = ImbalanceRecord(
    node=ALICE.node,
    party=BOB.node,
    slot_utc_s=OVER,
    deviation=Deviation.SHORT,
    energy_j=7_200_000,
    price_micro_per_kwh=0,
    amount_micro=0,
    previous=ObjectId(bytes(32)),
)
PARTY = Stage(balance_party=None)
BACK = PathHash(b"")


def vectors() -> list[Vector]:
    """Records and statements: taken once, refused from others, at other times, or with other content."""
    return [*_meters(), *_statements(), *_records()]


def _case(
    name: str,
    notes: str,
    by: Actor,
    envelope: Envelope,
    code: ErrorCode | None = None,
    *,
    before: tuple[Json, ...] = (),
    reqs: tuple[str, ...],
    after_s: int = 2,
    stage: Stage = STAGE,
    look_for: tuple[str, ...] = (),
    sent: tuple[tuple[str, str], ...] = (),
) -> Vector:
    return stage.vector(
        f"receive-{name}",
        notes,
        step(by, envelope, after_s=after_s),
        before=before,
        code=code,
        reqs=reqs,
        look_for=look_for,
        sent=sent,
    )


def _meters() -> Iterator[Vector]:
    refused, window = ("IOE-MTR-030",), ("IOE-MTR-050",)
    good = sealed(ALICE, METER)
    yield _case(
        "meter-record", "the other end's record of a slot that is over", ALICE, good, reqs=("IOE-MTR-030",)
    )
    yield _case("meter-by-other", "Carol passes Alice's record on", CAROL, good, E.UNKNOWN_LINK, reqs=refused)
    elsewhere = sealed(ALICE, replace(METER, link=AD.link))
    yield _case(
        "meter-other-link",
        "a link that is not between the two",
        ALICE,
        elsewhere,
        E.UNKNOWN_LINK,
        reqs=refused,
    )
    nowhere = sealed(ALICE, replace(METER, link=LinkId(bytes(16))))
    yield _case(
        "meter-no-link",
        "a link id that names nothing",
        ALICE,
        nowhere,
        E.UNKNOWN_LINK,
        reqs=(*refused, "IOE-LNK-015"),
    )
    signed = forged(DAVE, METER)
    keys = (step(ALICE, DAVE.certificate.envelope),)
    yield _case(
        "meter-signer", "Dave signs Alice's record", ALICE, signed, E.WRONG_SIGNER, before=keys, reqs=refused
    )
    of_dave = sealed(DAVE, replace(METER, node=DAVE.node))
    yield _case(
        "meter-of-stranger",
        "Dave's record of a link that is not his",
        ALICE,
        of_dave,
        E.WRONG_SIGNER,
        before=keys,
        reqs=refused,
    )
    now_over = sealed(ALICE, replace(METER, slot_utc_s=ISSUED_S))
    to_end = ISSUED_S + 900 - NOW_S
    yield _case(
        "meter-too-early",
        "61 s before the slot is over",
        ALICE,
        now_over,
        E.FROM_FUTURE,
        after_s=to_end - 61,
        reqs=refused,
    )
    yield _case(
        "meter-tolerated", "60 s before the slot is over", ALICE, now_over, after_s=to_end - 60, reqs=refused
    )
    for name, changes in (
        ("import", {"imported_j": 50_001}),
        ("export", {"exported_j": 8}),
    ):
        body = replace(METER, **changes)  # type: ignore[arg-type]
        yield _case(
            f"meter-counter-{name}",
            "a counter below what it counted in the slot",
            ALICE,
            sealed(ALICE, body),
            E.OUT_OF_BOUNDS,
            reqs=refused,
        )
    off = sealed(ALICE, replace(METER, slot_utc_s=OVER + 1))
    yield _case("meter-unaligned", "a slot off the grid", ALICE, off, E.OUT_OF_BOUNDS, reqs=("IOE-CNV-090",))
    held = (step(ALICE, good, after_s=1),)
    other = sealed(ALICE, replace(METER, imported_j=999))
    yield _case(
        "meter-second",
        "a second record with other content",
        ALICE,
        other,
        E.CONFLICT,
        before=held,
        reqs=("IOE-MTR-040",),
    )
    yield _case("meter-again", "the same record again", ALICE, good, before=held, reqs=("IOE-MTR-040",))
    for name, slots, code in (("sixteenth", 16, None), ("seventeenth", 17, E.IN_PAST)):
        old = sealed(ALICE, replace(METER, slot_utc_s=ISSUED_S + 900 - slots * 900))
        yield _case(f"meter-{name}", f"the {name} slot back", ALICE, old, code, after_s=900, reqs=window)


def _statements() -> Iterator[Vector]:
    good = sealed(ALICE, STATEMENT)
    refused, chain = ("IOE-MTR-030",), ("IOE-STL-030", "IOE-STL-020")
    yield _case(
        "statement-first", "a first statement: zeros stand for the one before", ALICE, good, reqs=chain
    )
    yield _case("statement-by-other", "Carol passes it on", CAROL, good, E.UNKNOWN_LINK, reqs=refused)
    signed = forged(DAVE, STATEMENT)
    keys = (step(ALICE, DAVE.certificate.envelope),)
    yield _case(
        "statement-signer",
        "Dave signs Alice's statement",
        ALICE,
        signed,
        E.WRONG_SIGNER,
        before=keys,
        reqs=("IOE-SIG-070",),
    )
    early = sealed(ALICE, replace(STATEMENT, slot_utc_s=ISSUED_S))
    yield _case("statement-too-early", "a slot that is not over", ALICE, early, E.FROM_FUTURE, reqs=refused)
    old = sealed(ALICE, replace(STATEMENT, slot_utc_s=ISSUED_S - 16 * 900))
    yield _case(
        "statement-old",
        "a slot before the last sixteen",
        ALICE,
        old,
        E.IN_PAST,
        after_s=900,
        reqs=("IOE-MTR-050",),
    )
    older = sealed(ALICE, replace(STATEMENT, slot_utc_s=OVER - 900))
    held = (step(ALICE, older, after_s=1),)
    following = replace(STATEMENT, previous=object_id_of(older.signed))
    yield _case(
        "statement-next",
        "it goes on from the one before",
        ALICE,
        sealed(ALICE, following),
        before=held,
        reqs=chain,
    )
    yield _case("statement-anew", "zeros again: a new chain", ALICE, good, before=held, reqs=chain)
    broken = sealed(ALICE, replace(STATEMENT, previous=ObjectId(sha256(b"none").digest())))
    yield _case(
        "statement-broken",
        "it goes on from one that was never told",
        ALICE,
        broken,
        E.BROKEN_CHAIN,
        before=held,
        reqs=chain,
    )
    first = (step(ALICE, good, after_s=1),)
    other = sealed(ALICE, replace(STATEMENT, packets=2))
    yield _case(
        "statement-second",
        "another statement of the slot",
        ALICE,
        other,
        E.CONFLICT,
        before=first,
        reqs=("IOE-STL-040",),
    )
    yield _case("statement-again", "the same again", ALICE, good, before=first, reqs=("IOE-STL-040",))


# ------------------------------------------------------------------ imbalance


def _record(body: ImbalanceRecord, *by: Actor) -> Envelope:
    """A record with the signatures of these nodes, in this order, whatever it says."""
    envelope = forged(by[0], body)
    data = signature_input(NETWORK, REGISTRY[TYPE_OF[ImbalanceRecord]].message, envelope.signed)
    more = tuple(
        Signature(key=one.operational.public_key, signature=one.operational.sign(data)) for one in by[1:]
    )
    return replace(envelope, signatures=(*envelope.signatures, *more))


def _relay(record: Envelope, path: PathHash = BACK) -> Envelope:
    return bare(Relay(path=path, record=record))


def _records() -> Iterator[Vector]:
    """Bob is the party; the label that Alice names is the way back, or one that nobody told."""
    unknown = PathHash(sha256(b"unknown").digest())
    good = _record(RECORD, ALICE)
    yield _case(
        "record-no-path",
        "a label that nobody told",
        ALICE,
        _relay(good, unknown),
        E.NO_PATH,
        stage=PARTY,
        reqs=("IOE-STL-140",),
    )
    both = _record(RECORD, ALICE, BOB)
    yield _case(
        "record-both-outward",
        "both signatures on the way to the party",
        ALICE,
        _relay(both, unknown),
        E.WRONG_SIGNER,
        stage=PARTY,
        reqs=("IOE-STL-140",),
    )
    yield _case(
        "record-one-back",
        "one signature on the way back",
        ALICE,
        _relay(good),
        E.WRONG_SIGNER,
        reqs=("IOE-STL-140",),
    )
    by_dave = _record(RECORD, DAVE)
    keys = (step(ALICE, DAVE.certificate.envelope),)
    yield _case(
        "record-signer",
        "Dave signs Alice's record",
        ALICE,
        _relay(by_dave, unknown),
        E.WRONG_SIGNER,
        before=keys,
        stage=PARTY,
        reqs=("IOE-STL-140",),
    )
    forgotten = _record(replace(RECORD, party=CAROL.node), ALICE, CAROL)
    yield _case(
        "record-not-remembered",
        "countersigned, but nobody here sent it: dropped",
        CAROL,
        _relay(forgotten),
        reqs=("IOE-STL-130",),
        look_for=("RELAY",),
    )
