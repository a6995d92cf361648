"""What a router makes of zone reports, operating envelopes and sweeps (SPEC section 11)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vector_cast import ALICE, BOB, CAROL, ISSUED_S, Actor
from vector_file import Json, Vector
from vector_stage import AB, AD, BC, DAVE, ERIN, NOW_S, SLOT, STAGE, bare, forged, sealed, step

from ioe_router.model.envelope import Envelope
from ioe_router.model.errors import ErrorCode
from ioe_router.model.grid import (
    ConnectionLimit,
    EnvelopeLine,
    Exchange,
    OperatingEnvelope,
    SweepDown,
    SweepUp,
    ZoneReport,
)

E = ErrorCode
LIMIT = ConnectionLimit(
    node=DAVE.node,
    serial=4,
    import_w=10_000,
    export_w=5_000,
    reactive_var=1_000,
    issued_utc_s=ISSUED_S,
    expires_utc_s=ISSUED_S + 172_800,
)
ENVELOPE = OperatingEnvelope(
    root=CAROL.node,
    epoch=2,
    seq=5,
    first_slot_utc_s=ISSUED_S,
    slots=8,
    lines=tuple(
        sorted(
            (
                EnvelopeLine(link=one.link, down_w=40_000, up_w=30_000, reactive_var=5_000, height=height)
                for one, height in ((BC, 2), (AB, 1), (AD, 0))
            ),
            key=lambda line: line.link,
        )
    ),
    issued_utc_s=ISSUED_S,
)
UP = SweepUp(
    slot_utc_s=SLOT,
    round=1,
    active=Exchange.EXPORT,
    active_j=1_000,
    reactive=Exchange.UNSPECIFIED,
    reactive_vars=0,
)
DOWN = SweepDown(slot_utc_s=SLOT, round=1, voltage_micro_pu=1_000_000)
KEYS = (DAVE.certificate.envelope,)


def vectors() -> list[Vector]:
    """Each statement from whom it may come, and with what it is refused from others or at other times."""
    return [*_reports(), *_envelopes(), *_sweeps()]


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


# ------------------------------------------------------------------ up


def _report(*limits: Envelope, links: tuple[Envelope, ...] = ()) -> Envelope:
    return bare(ZoneReport(attestations=links, limits=limits))


def _reports() -> Iterator[Vector]:
    keys = (step(ALICE, *KEYS),)
    limit = sealed(DAVE, LIMIT)
    good = _report(limit, links=(AD.envelope,))
    yield _case(
        "report-child",
        "a child tells a link and a node of its subtree",
        ALICE,
        good,
        before=keys,
        reqs=("IOE-GRD-060",),
    )
    yield _case("report-parent", "a report from the parent", CAROL, good, E.UNEXPECTED, reqs=("IOE-GRD-060",))
    yield _case(
        "report-controlled",
        "a report over a CONTROLLED link",
        ERIN,
        good,
        E.UNEXPECTED,
        reqs=("IOE-GRD-060",),
    )
    nested = ("IOE-GRD-070",)
    yield _case("report-empty", "a report with nothing in it", ALICE, _report(), reqs=("IOE-GRD-060",))
    by_alice = forged(ALICE, LIMIT)
    yield _case(
        "report-limit-signer",
        "Alice states Dave's limit",
        ALICE,
        _report(by_alice),
        E.WRONG_SIGNER,
        before=keys,
        reqs=nested,
    )
    unknown = _report(limit)
    yield _case(
        "report-limit-key",
        "Dave's certificate has not come",
        ALICE,
        unknown,
        E.UNKNOWN_KEY,
        reqs=("IOE-SIG-190", *nested),
    )
    bent = replace(limit, signed=limit.signed[:-1] + bytes([limit.signed[-1] ^ 1]))
    yield _case(
        "report-limit-bit",
        "one bit of the limit differs",
        ALICE,
        _report(bent),
        E.BAD_SIGNATURE,
        before=keys,
        reqs=nested,
    )
    for name, notes, changes, code, reqs in (
        ("future", "a limit from 61 s ahead", {"issued_utc_s": NOW_S + 63}, E.FROM_FUTURE, nested),
        ("expired", "a limit that has ended", {"expires_utc_s": NOW_S + 2}, E.EXPIRED, nested),
    ):
        stated = sealed(DAVE, replace(LIMIT, **changes))  # type: ignore[arg-type]
        yield _case(f"report-limit-{name}", notes, ALICE, _report(stated), code, before=keys, reqs=reqs)
    half = replace(AD.envelope, signatures=AD.envelope.signatures[:1])
    yield _case(
        "report-link-half",
        "a link with one of two signatures",
        ALICE,
        _report(links=(half,)),
        E.BAD_SIGNATURE,
        before=keys,
        reqs=nested,
    )
    swapped = replace(AD.envelope, signatures=AD.envelope.signatures[::-1])
    yield _case(
        "report-link-order",
        "its signatures in the other order",
        ALICE,
        _report(links=(swapped,)),
        E.WRONG_SIGNER,
        before=keys,
        reqs=nested,
    )
    offered = sealed(ALICE, UP)
    wrong = bare(ZoneReport(attestations=(), limits=(offered,)))
    yield _case(
        "report-other-type",
        "a SWEEP_UP where a limit belongs",
        ALICE,
        wrong,
        E.OUT_OF_BOUNDS,
        before=keys,
        reqs=("IOE-CNV-040",),
    )
    newer = sealed(DAVE, replace(LIMIT, serial=5, import_w=9_000))
    held = (*keys, step(ALICE, good, after_s=1))
    yield _case(
        "report-newer",
        "a limit with a higher serial",
        ALICE,
        _report(newer),
        before=held,
        reqs=("IOE-GRD-080",),
        after_s=60,
        look_for=("ZONE_REPORT",),
        listen_ms=10_000,
        sent=(("carol", "ZONE_REPORT"),),
    )
    older = sealed(DAVE, replace(LIMIT, serial=3, import_w=9_000))
    yield _case(
        "report-older",
        "a limit with a lower serial: the one that is held stays",
        ALICE,
        _report(older),
        before=held,
        reqs=("IOE-GRD-080",),
        after_s=60,
        look_for=("ZONE_REPORT",),
        listen_ms=10_000,
    )


# ------------------------------------------------------------------ down


def _envelopes() -> Iterator[Vector]:
    good = sealed(CAROL, ENVELOPE)
    on = (("alice", "OPERATING_ENVELOPE"),)
    look = ("OPERATING_ENVELOPE",)
    yield _case(
        "envelope-of-root",
        "the root's envelope goes on to the children",
        CAROL,
        good,
        reqs=("IOE-GRD-130", "IOE-GRD-160"),
        look_for=look,
        sent=on,
    )
    refused = ("IOE-GRD-140",)
    yield _case(
        "envelope-from-child",
        "an envelope from a child",
        ALICE,
        good,
        E.UNEXPECTED,
        before=(step(ALICE, CAROL.certificate.envelope),),
        reqs=refused,
    )
    yield _case(
        "envelope-controlled",
        "an envelope over a CONTROLLED link",
        ERIN,
        good,
        E.UNEXPECTED,
        before=(step(ERIN, CAROL.certificate.envelope),),
        reqs=refused,
    )
    yield _case(
        "envelope-signer",
        "Dave signs in the root's name",
        CAROL,
        forged(DAVE, ENVELOPE),
        E.WRONG_SIGNER,
        before=(step(CAROL, *KEYS),),
        reqs=refused,
    )
    yield _case(
        "envelope-own",
        "the receiver itself is named as root",
        CAROL,
        forged(BOB, replace(ENVELOPE, root=BOB.node)),
        E.WRONG_SIGNER,
        reqs=refused,
    )
    for name, notes, changes, code, reqs in (
        ("future", "issued 61 s ahead", {"issued_utc_s": NOW_S + 63}, E.FROM_FUTURE, refused),
        (
            "over",
            "its last slot is over",
            {"first_slot_utc_s": ISSUED_S - 900, "slots": 1},
            E.EXPIRED,
            refused,
        ),
        (
            "unaligned",
            "its first slot begins off the grid",
            {"first_slot_utc_s": ISSUED_S + 1},
            E.OUT_OF_BOUNDS,
            ("IOE-CNV-090",),
        ),
        ("no-slots", "it holds for no slot", {"slots": 0}, E.OUT_OF_BOUNDS, ("IOE-CNV-040",)),
        ("193-slots", "it holds for 193 slots", {"slots": 193}, E.OUT_OF_BOUNDS, ("IOE-CNV-040",)),
    ):
        stated = sealed(CAROL, replace(ENVELOPE, **changes))  # type: ignore[arg-type]
        yield _case(f"envelope-{name}", notes, CAROL, stated, code, reqs=reqs)
    held = (step(CAROL, good, after_s=1),)
    order = ("IOE-GRD-160",)
    yield _case(
        "envelope-newer",
        "a higher seq",
        CAROL,
        sealed(CAROL, replace(ENVELOPE, seq=6)),
        before=held,
        reqs=order,
        look_for=look,
        sent=on,
    )
    yield _case(
        "envelope-next-epoch",
        "a higher epoch with a lower seq",
        CAROL,
        sealed(CAROL, replace(ENVELOPE, epoch=3, seq=1)),
        before=held,
        reqs=order,
        look_for=look,
        sent=on,
    )
    yield _case(
        "envelope-again",
        "the same bytes: nothing happens",
        CAROL,
        good,
        before=held,
        reqs=order,
        look_for=look,
    )
    yield _case(
        "envelope-older",
        "a lower seq",
        CAROL,
        sealed(CAROL, replace(ENVELOPE, seq=4)),
        E.STALE,
        before=held,
        reqs=order,
    )
    yield _case(
        "envelope-older-epoch",
        "a lower epoch",
        CAROL,
        sealed(CAROL, replace(ENVELOPE, epoch=1, seq=9)),
        E.STALE,
        before=held,
        reqs=order,
    )
    other = sealed(CAROL, replace(ENVELOPE, slots=9))
    yield _case(
        "envelope-second-content",
        "equal numbers with other content",
        CAROL,
        other,
        E.EQUIVOCATION,
        before=held,
        reqs=order,
    )
    usurped = sealed(DAVE, replace(ENVELOPE, root=DAVE.node))
    both = (step(CAROL, *KEYS, good, after_s=1),)
    yield _case(
        "envelope-other-root",
        "another root while the first covers slots to come",
        CAROL,
        usurped,
        E.WRONG_SIGNER,
        before=both,
        reqs=("IOE-GRD-150",),
    )
    late = sealed(
        DAVE,
        replace(ENVELOPE, root=DAVE.node, first_slot_utc_s=ISSUED_S + 7_200, issued_utc_s=ISSUED_S + 7_200),
    )
    after_s = ISSUED_S + 7_200 - NOW_S
    yield _case(
        "envelope-other-root-later",
        "the same when the first is over",
        CAROL,
        late,
        before=both,
        reqs=("IOE-GRD-150",),
        after_s=after_s,
        look_for=look,
        sent=on,
    )


# ------------------------------------------------------------------ sweeps


def _sweeps() -> Iterator[Vector]:
    who, figures = ("IOE-GRD-200",), ("IOE-GRD-210",)
    yield _case("sweep-up-child", "a child tells its P and Q early", ALICE, bare(UP), reqs=who)
    yield _case("sweep-up-parent", "SWEEP_UP from the parent", CAROL, bare(UP), E.UNEXPECTED, reqs=who)
    yield _case(
        "sweep-up-controlled", "SWEEP_UP over a CONTROLLED link", ERIN, bare(UP), E.UNEXPECTED, reqs=who
    )
    yield _case(
        "sweep-down-parent",
        "the parent tells a voltage before the sweep began: dropped",
        CAROL,
        bare(DOWN),
        reqs=(*who, "IOE-GRD-190"),
    )
    yield _case("sweep-down-child", "SWEEP_DOWN from a child", ALICE, bare(DOWN), E.UNEXPECTED, reqs=who)
    yield _case(
        "sweep-down-controlled", "SWEEP_DOWN over a CONTROLLED link", ERIN, bare(DOWN), E.UNEXPECTED, reqs=who
    )
    for name, notes, changes, code in (
        ("unaligned", "a slot off the grid", {"slot_utc_s": SLOT + 1}, E.OUT_OF_BOUNDS),
        ("past", "a slot that is over", {"slot_utc_s": SLOT - 1_800}, E.OUT_OF_BOUNDS),
        ("fifth", "five slots ahead", {"slot_utc_s": ISSUED_S + 4_500}, E.OUT_OF_BOUNDS),
        ("fourth", "four slots ahead", {"slot_utc_s": ISSUED_S + 3_600}, None),
        ("round-3", "a third round", {"round": 3}, E.OUT_OF_BOUNDS),
        ("round-0", "round 0", {"round": 0}, E.OUT_OF_BOUNDS),
        ("no-sense", "an energy without a direction", {"active": Exchange.UNSPECIFIED}, E.OUT_OF_BOUNDS),
        ("reactive-no-sense", "reactive energy without a direction", {"reactive_vars": 1}, E.OUT_OF_BOUNDS),
    ):
        yield _case(f"sweep-up-{name}", notes, ALICE, bare(replace(UP, **changes)), code, reqs=figures)
    most = 8 * 100_000 * 900
    for name, energy_j, over in (("most", most, None), ("above-most", most + 1, E.OUT_OF_BOUNDS)):
        notes = "8 times what the larger rating carries in a slot" + (", and a joule" if over else "")
        yield _case(
            f"sweep-up-{name}",
            notes,
            ALICE,
            bare(replace(UP, active_j=energy_j)),
            over,
            reqs=("IOE-GRD-215",),
        )
    for name, voltage, refused in (
        ("half", 500_000, None),
        ("below-half", 499_999, E.OUT_OF_BOUNDS),
        ("twice", 2_000_000, None),
        ("above-twice", 2_000_001, E.OUT_OF_BOUNDS),
    ):
        notes = f"a voltage of {voltage} millionths of nominal"
        yield _case(
            f"sweep-down-{name}",
            notes,
            CAROL,
            bare(replace(DOWN, voltage_micro_pu=voltage)),
            refused,
            reqs=figures,
        )
    yield _case(
        "sweep-down-past",
        "a voltage of a slot that is over",
        CAROL,
        bare(replace(DOWN, slot_utc_s=SLOT - 1_800)),
        E.OUT_OF_BOUNDS,
        reqs=figures,
    )
