"""What a router makes of offers, paths and link state that a neighbour tells it (SPEC section 7)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256

from vector_cast import ALICE, BOB, CAROL, ISSUED_S, LINK_STATE, WEEK_S
from vector_file import Json, Vector
from vector_stage import (
    AB,
    AD,
    AD_ACCESS,
    ALICE_OFFER,
    BC,
    DAVE,
    DAVE_OFFER,
    FROM_ALICE,
    FROM_DAVE,
    NOW_S,
    SLOT,
    STAGE,
    Cable,
    advert,
    bare,
    entries,
    forged,
    sealed,
    step,
)

from ioe_router.codec import mapping
from ioe_router.model.envelope import Envelope
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import LinkId, ObjectId, PathHash
from ioe_router.model.routing import Direction, OfferWithdrawal, PathAdvert, PathWithdrawal

E = ErrorCode
PATH_TO_ALICE = advert(entries(FROM_ALICE))
PATH_TO_DAVE = advert(entries(FROM_DAVE))
EVIDENCE = (DAVE.certificate.envelope, AD.envelope)


def vectors() -> list[Vector]:
    """Paths, offers, withdrawals, link states: taken or refused."""
    return [*_paths(), *_loops(), *_validity(), *_offers(), *_states()]


def _path(
    name: str,
    notes: str,
    chain: list[Envelope],
    code: ErrorCode | None = None,
    *,
    evidence: tuple[Envelope, ...] = EVIDENCE,
    reqs: tuple[str, ...] = (),
    after_s: int = 1,
) -> Vector:
    before = [step(ALICE, *evidence)] if evidence else []
    return STAGE.vector(
        f"receive-path-{name}",
        notes,
        step(ALICE, advert(chain), after_s=after_s),
        before=before,
        code=code,
        reqs=("IOE-ADV-200", *reqs),
    )


def _paths() -> Iterator[Vector]:
    yield _path("neighbor", "the neighbour itself is the origin", entries(FROM_ALICE), evidence=())
    yield _path("two-hops", "Dave's path over Alice", entries(FROM_DAVE))
    yield _path("demand", "the same in the other direction", entries(FROM_DAVE, direction=Direction.DEMAND))
    key_alone = (DAVE.certificate.envelope,)
    notes = "the attestation of the first link has not come"
    yield _path(
        "no-attestation", notes, entries(FROM_DAVE), E.UNKNOWN_LINK, evidence=key_alone, reqs=("IOE-SIG-230",)
    )
    link_alone = (AD.envelope,)
    yield _path(
        "no-key",
        "Dave's certificate has not come",
        entries(FROM_DAVE),
        E.UNKNOWN_KEY,
        evidence=link_alone,
        reqs=("IOE-SIG-190", "IOE-SIG-230"),
    )
    by_alice = entries(FROM_DAVE, signers={0: ALICE})
    yield _path("first-signer", "Alice signs Dave's entry", by_alice, E.WRONG_SIGNER, reqs=("IOE-SIG-070",))
    bent = entries(FROM_DAVE)
    flipped = replace(bent[0], signed=bent[0].signed[:-1] + bytes([bent[0].signed[-1] ^ 1]))
    yield _path(
        "first-bit",
        "one bit of Dave's entry differs",
        [flipped, bent[1]],
        E.BAD_SIGNATURE,
        reqs=("IOE-SIG-180",),
    )
    other = PathHash(sha256(b"other").digest())
    for name, position, change, code, notes in (
        (
            "previous-of-first",
            0,
            {"previous": other},
            E.BROKEN_CHAIN,
            "the first entry goes on from another hash",
        ),
        ("previous", 1, {"previous": other}, E.BROKEN_CHAIN, "the second entry goes on from another hash"),
        ("position", 1, {"position": 2}, E.BROKEN_CHAIN, "position 2 after position 0"),
        ("position-of-first", 0, {"position": 1}, E.BROKEN_CHAIN, "the first entry has position 1"),
        ("direction", 1, {"direction": Direction.DEMAND}, E.BROKEN_CHAIN, "the direction changes on the way"),
        ("origin", 1, {"origin": CAROL.node}, E.BROKEN_CHAIN, "the origin changes on the way"),
        (
            "next-node",
            0,
            {"next_node": CAROL.node},
            E.UNKNOWN_LINK,
            "Dave's entry is for Carol, Alice goes on",
        ),
        ("last-for-another", 1, {"next_node": CAROL.node}, E.UNKNOWN_LINK, "the last entry is for Carol"),
        ("fee", 0, {"fee_micro_per_kwh": 5_001}, E.FEE_ABOVE_ATTESTED, "a fee above the attested maximum"),
        ("attestation", 0, {"attestation": AB.attestation}, E.UNKNOWN_LINK, "another link's attestation"),
    ):
        chain = entries(FROM_DAVE, changes={position: dict[str, object](change)})
        yield _path(name, notes, chain, code)
    unknown = entries(FROM_DAVE, changes={0: {"attestation": ObjectId(sha256(b"none").digest())}})
    yield _path("unknown-attestation", "an attestation that nobody has told", unknown, E.UNKNOWN_LINK)
    yield _path(
        "fee-at-most",
        "the attested maximum itself",
        entries(FROM_DAVE, changes={0: {"fee_micro_per_kwh": 5_000}}),
        reqs=("IOE-ADV-170",),
    )
    beginning = entries(FROM_DAVE)[:1]
    yield _path("unfinished", "Alice passes Dave's entry on without her own", beginning, E.NOT_FOR_ME)
    older = replace(AD.body, serial=1, rating_down_va=50_000)
    newer = replace(AD.body, serial=2)
    both = (Cable(ALICE, DAVE, older), Cable(ALICE, DAVE, newer))
    chain = entries(((DAVE, ALICE, both[0].attestation), FROM_DAVE[1]))
    evidence = (DAVE.certificate.envelope, both[0].envelope, both[1].envelope)
    yield _path(
        "older-attestation",
        "an older attestation of the link that is still valid",
        chain,
        evidence=evidence,
        reqs=("IOE-LNK-060",),
    )


def _loops() -> Iterator[Vector]:
    through_bob = entries(((BOB, ALICE, AB.attestation), (ALICE, BOB, AB.attestation)))
    yield _path("own-origin", "the receiver is the origin", through_bob, E.LOOP, evidence=())
    around = entries(
        (
            (DAVE, ALICE, AD.attestation),
            (ALICE, DAVE, AD.attestation),
            (DAVE, ALICE, AD.attestation),
            (ALICE, BOB, AB.attestation),
        )
    )
    yield _path("twice", "Dave and Alice are on it twice", around, E.LOOP)
    over_bob = entries(
        ((CAROL, BOB, BC.attestation), (BOB, ALICE, AB.attestation), (ALICE, BOB, AB.attestation))
    )
    evidence = (CAROL.certificate.envelope, BC.envelope)
    yield _path(
        "over-receiver",
        "the receiver is a hop of it",
        over_bob,
        E.LOOP,
        evidence=evidence,
        reqs=("IOE-ADV-210",),
    )


def _validity() -> Iterator[Vector]:
    ends = ISSUED_S + 600
    soon = entries(FROM_DAVE, changes={0: {"not_after_utc_s": ends}, 1: {"not_after_utc_s": ends}})
    at_once = ends - NOW_S
    yield _path("last-second", "one second before its end", soon, after_s=at_once - 1, reqs=("IOE-SIG-260",))
    yield _path("ended", "at its end", soon, E.EXPIRED, after_s=at_once, reqs=("IOE-SIG-260",))
    longer = entries(FROM_DAVE, changes={0: {"not_after_utc_s": ends}})
    notes = "an entry that outlives the one before it: the earliest end counts"
    yield _path("outlives", notes, longer, after_s=at_once - 1, reqs=("IOE-ADV-220",))
    notes = "the same when the earliest end has come"
    yield _path("outlives-ended", notes, longer, E.EXPIRED, after_s=at_once, reqs=("IOE-ADV-220",))
    for name, position in (("first", 0), ("second", 1)):
        far = entries(FROM_DAVE, changes={position: {"not_after_utc_s": ISSUED_S + WEEK_S + 1}})
        notes = f"the {name} entry outlives its key and its link by a second"
        yield _path(f"outlives-link-{name}", notes, far, E.OUT_OF_BOUNDS, reqs=("IOE-ADV-180",))


# ------------------------------------------------------------------ offers


def _offers() -> Iterator[Vector]:
    told = step(ALICE, PATH_TO_ALICE)
    offer = sealed(ALICE, ALICE_OFFER)
    plain = [told]

    def case(
        name: str,
        notes: str,
        envelope: Envelope,
        code: ErrorCode | None = None,
        *,
        before: list[Json] = plain,
        reqs: tuple[str, ...] = (),
        after_s: int = 2,
    ) -> Vector:
        return STAGE.vector(
            f"receive-offer-{name}",
            notes,
            step(ALICE, envelope, after_s=after_s),
            before=before,
            code=code,
            reqs=reqs,
        )

    yield case("own", "the neighbour's own offer, after its path", offer, reqs=("IOE-ADV-340",))
    yield case(
        "no-path",
        "no path to its origin was told",
        offer,
        E.NO_PATH,
        before=[],
        reqs=("IOE-ADV-095", "IOE-ADV-340"),
    )
    demand = sealed(ALICE, replace(ALICE_OFFER, direction=Direction.DEMAND))
    notes = "the path told is of the other direction"
    yield case("other-direction", notes, demand, E.NO_PATH, reqs=("IOE-ADV-095",))
    far = [step(ALICE, *EVIDENCE, PATH_TO_DAVE)]
    yield case("of-another", "Dave's offer over Alice", sealed(DAVE, DAVE_OFFER), before=far)
    by_alice = forged(ALICE, DAVE_OFFER)
    yield case(
        "signed-by-neighbor",
        "Alice signs Dave's offer",
        by_alice,
        E.WRONG_SIGNER,
        before=far,
        reqs=("IOE-SIG-070",),
    )
    for name, notes, changes, code, reqs in (
        ("future", "issued 61 s ahead", {"issued_utc_s": NOW_S + 63}, E.FROM_FUTURE, ("IOE-SIG-250",)),
        ("expired", "it has ended", {"expires_utc_s": NOW_S + 2}, E.EXPIRED, ("IOE-SIG-260",)),
        (
            "unaligned",
            "its first slot begins off the grid",
            {"first_slot_utc_s": SLOT + 1},
            E.OUT_OF_BOUNDS,
            ("IOE-CNV-090",),
        ),
        (
            "too-long",
            "it lives longer than an offer may",
            {"expires_utc_s": ISSUED_S + 86_401},
            E.OUT_OF_BOUNDS,
            ("IOE-ADV-040", "IOE-ADV-020"),
        ),
    ):
        yield case(name, notes, sealed(ALICE, replace(ALICE_OFFER, **changes)), code, reqs=reqs)  # type: ignore[arg-type]
    yield case(
        "future-edge",
        "issued 60 s ahead",
        sealed(ALICE, replace(ALICE_OFFER, issued_utc_s=NOW_S + 62)),
        reqs=("IOE-SIG-250",),
    )
    held = [told, step(ALICE, offer, after_s=1)]
    yield case("again", "the same bytes again: no effect", offer, before=held, reqs=("IOE-SIG-030",))
    older = sealed(ALICE, replace(ALICE_OFFER, seq=40))
    yield case(
        "older", "a lower seq: no effect, no fault", older, before=held, reqs=("IOE-ADV-070", "IOE-SIG-280")
    )
    other = sealed(ALICE, replace(ALICE_OFFER, energy_cap_j=5))
    yield case(
        "second-content",
        "other content under the same numbers",
        other,
        E.EQUIVOCATION,
        before=held,
        reqs=("IOE-SIG-290",),
    )
    newer = sealed(ALICE, replace(ALICE_OFFER, seq=42))
    caught = [*held, step(ALICE, newer, after_s=1)]
    lied = sealed(ALICE, replace(ALICE_OFFER, seq=42, energy_cap_j=5))
    yield case(
        "second-content-of-newer",
        "the same of a newer version",
        lied,
        E.EQUIVOCATION,
        before=caught,
        reqs=("IOE-SIG-290",),
    )
    nine = [
        told,
        *(step(ALICE, sealed(ALICE, replace(ALICE_OFFER, offer_no=no)), after_s=1) for no in range(1, 9)),
    ]
    ninth = sealed(ALICE, replace(ALICE_OFFER, offer_no=9))
    yield case(
        "ninth", "a ninth offer of one origin", ninth, E.LIMIT_REACHED, before=nine, reqs=("IOE-ADV-100",)
    )
    eighth = sealed(ALICE, replace(ALICE_OFFER, offer_no=8, seq=42))
    yield case(
        "eighth-renewed",
        "a newer version of one of the eight",
        eighth,
        before=nine,
        reqs=("IOE-ADV-100", "IOE-LIM-040"),
    )

    def withdrawal(seq: int, issued_utc_s: int = NOW_S) -> Envelope:
        body = OfferWithdrawal(
            origin=ALICE.node, offer_no=ALICE_OFFER.offer_no, epoch=3, seq=seq, issued_utc_s=issued_utc_s
        )
        return sealed(ALICE, body)

    yield case(
        "withdrawn",
        "a withdrawal with a higher seq",
        withdrawal(42),
        before=held,
        reqs=("IOE-ADV-130", "IOE-ADV-140"),
    )
    yield case(
        "withdrawn-older",
        "a withdrawal with a lower seq: no effect",
        withdrawal(40),
        before=held,
        reqs=("IOE-SIG-280",),
    )
    yield case(
        "withdrawn-same",
        "a withdrawal under the numbers of the offer",
        withdrawal(41),
        E.EQUIVOCATION,
        before=held,
        reqs=("IOE-ADV-130",),
    )
    yield case(
        "withdrawn-unknown",
        "a withdrawal of what was never heard: no fault",
        withdrawal(42),
        reqs=("IOE-ADV-140",),
    )
    yield case(
        "withdrawn-future",
        "a withdrawal from 61 s ahead",
        withdrawal(42, NOW_S + 63),
        E.FROM_FUTURE,
        before=held,
        reqs=("IOE-SIG-250",),
    )
    gone = [*held, step(ALICE, withdrawal(42), after_s=1)]
    yield case(
        "back",
        "the version that was withdrawn: no effect",
        offer,
        before=gone,
        reqs=("IOE-ADV-150", "IOE-SIG-310"),
    )
    label = PathHash(sha256(b"unknown").digest())
    unknown = bare(PathWithdrawal(path=label, code=E.EXPIRED))
    yield case(
        "path-withdrawn-unknown",
        "the withdrawal of a path that was never told: ignored",
        unknown,
        reqs=("IOE-ADV-260",),
    )
    empty = Envelope(type=PATH_TO_ALICE.type, signed=mapping.encode(PathAdvert(entries=())), signatures=())
    yield case("path-empty", "a path without entries", empty, E.OUT_OF_BOUNDS, reqs=("IOE-CNV-040",))


# ------------------------------------------------------------------ link state


def _states() -> Iterator[Vector]:
    state = replace(LINK_STATE, link=AD.link, slot_utc_s=SLOT)
    known = [step(ALICE, *EVIDENCE, PATH_TO_DAVE)]

    def case(
        name: str,
        notes: str,
        envelope: Envelope,
        code: ErrorCode | None = None,
        *,
        before: list[Json] = known,
        reqs: tuple[str, ...] = (),
        after_s: int = 2,
    ) -> Vector:
        return STAGE.vector(
            f"receive-state-{name}",
            notes,
            step(ALICE, envelope, after_s=after_s),
            before=before,
            code=code,
            reqs=reqs,
        )

    good = sealed(ALICE, state)
    yield case("known-link", "the keeper's state of a link with a path", good, reqs=("IOE-LST-100",))
    yield case(
        "unknown-link",
        "a link that was never attested",
        good,
        E.UNKNOWN_LINK,
        before=[],
        reqs=("IOE-LST-060",),
    )
    nowhere = sealed(ALICE, replace(state, link=LinkId(bytes(16))))
    yield case(
        "no-link",
        "a link id that names nothing",
        nowhere,
        E.UNKNOWN_LINK,
        reqs=("IOE-LST-060", "IOE-LNK-015"),
    )
    yield case(
        "by-other-end",
        "signed by the end that is not the keeper",
        sealed(DAVE, state),
        E.WRONG_SIGNER,
        reqs=("IOE-LST-070",),
    )
    own = sealed(ALICE, replace(state, link=AB.link))
    yield case(
        "of-own-link",
        "a link of which the receiver is keeper",
        own,
        E.WRONG_SIGNER,
        reqs=("IOE-LST-070", "IOE-ADM-010"),
    )
    access = (DAVE.certificate.envelope, AD_ACCESS.envelope)
    chain = advert(entries(((DAVE, ALICE, AD_ACCESS.attestation), FROM_DAVE[1])))
    yield case(
        "access",
        "the link to a single customer",
        good,
        E.POLICY,
        before=[step(ALICE, *access, chain)],
        reqs=("IOE-LST-080", "IOE-PRV-010", "IOE-LNK-080"),
    )
    for name, notes, changes, code, reqs in (
        ("unaligned", "a slot off the grid", {"slot_utc_s": SLOT + 450}, E.OUT_OF_BOUNDS, ("IOE-CNV-090",)),
        (
            "far",
            "a slot more than 192 slots ahead",
            {"slot_utc_s": ISSUED_S + 194 * 900},
            E.OUT_OF_BOUNDS,
            ("IOE-LST-090",),
        ),
        ("future", "issued 61 s ahead", {"issued_utc_s": NOW_S + 63}, E.FROM_FUTURE, ("IOE-SIG-250",)),
    ):
        yield case(name, notes, sealed(ALICE, replace(state, **changes)), code, reqs=reqs)  # type: ignore[arg-type]
    near = replace(state, slot_utc_s=ISSUED_S + 192 * 900)
    yield case("192-slots", "the last slot that it may be about", sealed(ALICE, near), reqs=("IOE-LST-090",))
    over = replace(state, slot_utc_s=ISSUED_S - 900)
    yield case("over", "a slot that is over: ignored", sealed(ALICE, over), reqs=("IOE-LST-100",))
    held = [*known, step(ALICE, good, after_s=1)]
    yield case(
        "older",
        "a lower seq: ignored",
        sealed(ALICE, replace(state, seq=8)),
        before=held,
        reqs=("IOE-LST-100",),
    )
    yield case(
        "second-content",
        "other content under the same numbers",
        sealed(ALICE, replace(state, residual_up_j=1)),
        E.EQUIVOCATION,
        before=held,
        reqs=("IOE-SIG-290",),
    )
