"""Vectors of what follows from reservations: quotas, notices, meters, statements, imbalance (SPEC 10 to 12).

The cast is that of vector_reserve.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from vector_cast import ALICE, BOB, CAROL, ISSUED_S, OFFER, Actor
from vector_file import Json, Vector
from vector_reserve import (
    AB,
    ASKED,
    BANDS_OVER,
    BE,
    KWH_J,
    OTHER,
    SLOT,
    STAGE,
    C,
    commit,
    committed,
    core,
    entry,
    grant,
    hold,
    item,
    lose,
    played,
    release,
    say,
    short,
    wait,
)
from vector_stage import ERIN, Cable, Stage, advert, cable, entries, sealed, step

from ioe_router.core.loss import LinkModel
from ioe_router.model.discovery import LinkKind
from ioe_router.model.errors import ErrorCode
from ioe_router.model.routing import Flow
from ioe_router.model.settlement import Deviation

E = ErrorCode
LABEL_OF_ERIN = f"$label {ERIN.node.hex()[:16]} 1"
LABEL_OF_BOB = f"$label {BOB.node.hex()[:16]} 1"
LABEL_OF_CAROL = f"$label {CAROL.node.hex()[:16]} 1"
ERINS = replace(
    OFFER, origin=ERIN.node, first_slot_utc_s=SLOT, energy_cap_j=0, expires_utc_s=ISSUED_S + 7_200
)
OVER = (SLOT + 900 - BANDS_OVER) * 1_000  # milliseconds until the slot is over
ZEROS = "00" * 32


def vectors() -> list[Vector]:
    """What a keeper's entry goes with, quotas, radial links, cuts by notice, sessions anew, books."""
    return [*_kept(), *_quotas(), *_radial(), *_notices(), *_anew(), *_meters(), *_statements(), *_party()]


def up(by: Actor, at_ms: int) -> Json:
    """Another session with a neighbour."""
    return {"at_utc_ms": BANDS_OVER * 1000 + at_ms, "do": "up", "from": by.name}


def meter(by: Actor, at_ms: int, imported_j: int, exported_j: int, slot_utc_s: int = SLOT) -> Json:
    """The host reads the meter of the link to a neighbour."""
    return {
        "at_utc_ms": BANDS_OVER * 1000 + at_ms,
        "do": "meter",
        "from": by.name,
        "slot_utc_s": slot_utc_s,
        "imported_j": imported_j,
        "exported_j": exported_j,
    }


# ------------------------------------------------------------------ a keeper on the way


def _kept() -> Iterator[Vector]:
    """Erin is the origin, over a link that Bob keeps: what goes to her bears his entries."""
    told = [
        step(ERIN, advert(entries(((ERIN, BOB, BE.attestation),)))),
        step(ERIN, sealed(ERIN, ERINS), after_s=1),
    ]
    asked = core(
        origin=ERIN, path=LABEL_OF_ERIN, offer_no=ERINS.offer_no, offer_epoch=ERINS.epoch, offer_seq=ERINS.seq
    )
    found = LinkModel.of(BE.body, 900).for_received(0, ASKED, Flow.UP, 2 * ASKED)
    far_j = found.sent_j if found else 0
    answer = grant(0, None)
    fields = {
        **answer["fields"],
        "link": BE.link.hex(),
        "grantor": ERIN.node.hex(),
        "items": [
            {
                "index": 1,
                "energy_j": far_j,
                "price_micro_per_kwh": 100_000,
                "reason": 0,
                "counter_offer_j": 0,
                "scarcity_micro_per_kwh": 0,
            }
        ],
    }
    granted = {"type": "GRANT", "by": [ERIN.name], "fields": fields}
    steps = [say(ALICE, hold(asked)), say(ERIN, granted, 100), say(ALICE, commit(), 200)]
    reqs = ("IOE-RSV-080", "IOE-RSV-290", "IOE-ADM-020", "IOE-ADM-120")
    yield played(
        "keeper", "HOLD and COMMIT_HOP bear the keeper's entry, the last one as final", steps, reqs, told=told
    )
    less = {**fields, "items": [{**fields["items"][0], "energy_j": 1_000_000}]}
    trimmed = [
        say(ALICE, hold(asked)),
        say(ERIN, {**granted, "fields": less}, 100),
        say(ALICE, commit(), 200),
    ]
    yield played(
        "keeper-trimmed",
        "less is granted: the entry is trimmed to what the far end has",
        trimmed,
        reqs,
        told=told,
    )


# ------------------------------------------------------------------ quotas, radial links


def _quotas() -> Iterator[Vector]:
    early = (SLOT - 600 - BANDS_OVER) * 1_000
    asked = core(band=0, items=[item(1, 20 * KWH_J)], issued_utc_ms=(SLOT - 600) * 1000)
    yield played(
        "quota",
        "in a band with a floor one initiator holds three quarters of a link at most",
        [
            say(ALICE, hold(asked), early),
            say(
                ALICE,
                hold(
                    core(band=0, reservation=OTHER, items=[item(1, KWH_J)], issued_utc_ms=(SLOT - 600) * 1000)
                ),
                early + 100,
            ),
        ],
        ("IOE-RSV-730", "IOE-RSV-750"),
    )
    late = core(items=[item(1, 20 * KWH_J)])
    yield played(
        "quota-no-floor",
        "in a band without floor the link alone is the bound",
        [say(ALICE, hold(late))],
        ("IOE-RSV-740",),
    )
    access = Stage(neighbors=((ALICE, cable(BOB, ALICE, C, access=True), "CUSTOMER"), *STAGE.neighbors[1:]))
    own = core(origin=BOB, band=0, items=[item(1, 9 * KWH_J)], issued_utc_ms=(SLOT - 600) * 1000)
    yield played(
        "quota-access",
        "nor is the link of a single customer bound by it",
        [say(ALICE, hold(own), early)],
        ("IOE-RSV-740",),
        stage=access,
    )


def _radial() -> Iterator[Vector]:
    stage = Stage(neighbors=((ALICE, cable(BOB, ALICE, LinkKind.RADIAL), "SIBLING"), *STAGE.neighbors[1:]))
    yield played(
        "radial-without-envelope",
        "a RADIAL link whose zone has no envelope: nothing can be booked",
        [say(ALICE, hold(core(origin=BOB)))],
        ("IOE-ADM-070", "IOE-GRD-170"),
        stage=replace(
            stage,
            neighbors=(
                *stage.neighbors[:1],
                (CAROL, cable(CAROL, BOB, LinkKind.RADIAL), "SIBLING"),
                stage.neighbors[2],
            ),
        ),
    )


# ------------------------------------------------------------------ cuts by notice, sessions anew


def _done() -> list[Json]:
    return [
        say(ALICE, hold(core())),
        say(CAROL, grant(ASKED, entry(ASKED)), 100),
        say(ALICE, commit(), 200),
        say(CAROL, committed(), 300),
    ]


def _receipt(at_ms: int) -> Json:
    receipt = short("RECEIPT", by=ALICE, committed="$committed", link=AB.link.hex(), node=ALICE.node.hex())
    return say(ALICE, receipt, at_ms)


def _cut(remains_j: int, at_ms: int) -> Json:
    items = [{"index": 1, "energy_j": remains_j}]
    inside = short(
        "CURTAIL", by=CAROL, node=CAROL.node.hex(), code=int(E.CURTAILED), items=items, effective_utc_ms=at_ms
    )
    return {"type": "CURTAIL_HOP", "by": [], "fields": {"curtail": inside, "items": items}}


def _notices() -> Iterator[Vector]:
    instant = BANDS_OVER * 1000 + 100_000
    nine = [say(CAROL, _cut(ASKED - 1_000 * n, instant + 1_000 * n), 1_000 + 100 * n) for n in range(1, 10)]
    at_once = say(CAROL, _cut(1_000_000, BANDS_OVER * 1000 + 3_000), 3_000)
    yield played(
        "notices",
        "a ninth notice is refused; a cut at once is not",
        [*_done(), _receipt(400), *nine, at_once],
        ("IOE-RSV-680",),
    )
    first = core(origin=BOB, priority=0, items=[item(1, 7 * KWH_J)])
    stage = replace(STAGE, parameters=replace(STAGE.parameters, preemption_gap=2, preemption_grace_s=30))
    small = replace(stage, neighbors=((ALICE, _narrow(), "SIBLING"), *stage.neighbors[1:]))
    second = core(
        origin=BOB,
        by=ERIN,
        initiator=ERIN.node.hex(),
        priority=7,
        reservation=OTHER,
        items=[item(1, 3 * KWH_J)],
    )
    steps = [
        say(ALICE, hold(first)),
        say(ALICE, commit(), 100),
        _receipt(200),
        say(ALICE, hold(second), 1_000),
        wait(40_000),
    ]
    reqs = ("IOE-RSV-770", "IOE-RSV-780")
    yield played(
        "way-given",
        "what is committed with a low priority gives way to a high one, with notice",
        steps,
        reqs,
        stage=small,
    )
    equal = core(
        origin=BOB,
        by=ERIN,
        initiator=ERIN.node.hex(),
        priority=1,
        reservation=OTHER,
        items=[item(1, 3 * KWH_J)],
    )
    kept = [*steps[:3], say(ALICE, hold(equal), 1_000), wait(40_000)]
    yield played("way-kept", "not to one within the gap", kept, reqs, stage=small)
    held = [say(ALICE, hold(first)), say(ALICE, hold(second), 1_000), wait(20_000)]
    yield played("way-of-holds", "what is held only never gives way", held, reqs, stage=small)
    none = [*steps[:3], say(ALICE, hold(second), 1_000), wait(40_000)]
    no_gap = replace(STAGE, neighbors=((ALICE, _narrow(), "SIBLING"), *STAGE.neighbors[1:]))
    yield played(
        "way-without-gap",
        "nothing gives way where the network has no gap",
        none,
        ("IOE-VER-120", "IOE-RSV-770"),
        stage=no_gap,
    )


def _narrow() -> Cable:
    wide = cable(BOB, ALICE, C)
    return replace(wide, body=replace(wide.body, rating_down_va=35_000, rating_up_va=35_000))


def _anew() -> Iterator[Vector]:
    resent = [*_done(), lose(ALICE, 500), up(ALICE, 1_000)]
    yield played(
        "anew-committed",
        "COMMITTED without a RECEIPT is sent again in the next session",
        resent,
        ("IOE-RSV-365", "IOE-SES-150"),
    )
    cut = say(CAROL, _cut(ASKED // 2, BANDS_OVER * 1000 + 500), 500)
    steps = [*_done(), _receipt(400), lose(ALICE, 450), cut, up(ALICE, 1_000)]
    yield played(
        "anew-cut", "a cut that a neighbour has missed is sent in its next session", steps, ("IOE-RSV-650",)
    )
    released = [*_done(), _receipt(400), lose(CAROL, 450), say(ALICE, release(), 500), up(CAROL, 1_000)]
    yield played("anew-release", "so is a RELEASE", released, ("IOE-RSV-465",))


# ------------------------------------------------------------------ meters and statements


def _booked() -> list[Json]:
    return [say(ALICE, hold(core(origin=BOB))), say(ALICE, commit(), 100), _receipt(200)]


def _record(
    imported_j: int, exported_j: int, counter_imported_j: int, counter_exported_j: int, slot_utc_s: int = SLOT
) -> Json:
    fields = {
        "link": AB.link.hex(),
        "slot_utc_s": slot_utc_s,
        "node": ALICE.node.hex(),
        "imported_j": imported_j,
        "exported_j": exported_j,
        "counter_imported_j": counter_imported_j,
        "counter_exported_j": counter_exported_j,
    }
    return {"type": "METER_RECORD", "by": [ALICE.name], "fields": fields}


def _meters() -> Iterator[Vector]:
    reqs = ("IOE-MTR-010", "IOE-MTR-020")
    two = [meter(ALICE, OVER, 5, 3_600_000), meter(ALICE, OVER + 900_000, 7, 11, SLOT + 900)]
    yield played(
        "meter-records", "a record of each slot, with counters that have grown by what it says", two, reqs
    )
    lost = [meter(ALICE, OVER, 5, 6), lose(ALICE, OVER + 100), up(ALICE, OVER + 1_000)]
    yield played(
        "meter-anew", "a slot that is not settled is repeated in the next session", lost, ("IOE-STL-060",)
    )


def _statement(**changes: object) -> Json:
    fields = {
        "link": AB.link.hex(),
        "slot_utc_s": SLOT,
        "node": ALICE.node.hex(),
        "packets": 1,
        "keeper_owes_micro": 0,
        "other_owes_micro": 100_300,
        "booked_down_sent_j": 3_610_833,
        "booked_up_sent_j": 0,
        "booked_down_received_j": 3_600_000,
        "booked_up_received_j": 0,
        "previous": ZEROS,
    }
    return {"type": "LINK_STATEMENT", "by": [ALICE.name], "fields": {**fields, **changes}}


def _statements() -> Iterator[Vector]:
    both = [
        *_booked(),
        meter(ALICE, OVER, 0, 3_610_000),
        say(ALICE, _record(3_599_000, 0, 3_599_000, 0), OVER + 100),
    ]
    reqs: tuple[str, ...] = ("IOE-STL-010", "IOE-STL-020", "IOE-PRC-040")
    yield played("statement", "once both records are here the link's sums are stated", both, reqs)
    nothing = [meter(ALICE, OVER, 0, 0), say(ALICE, _record(0, 0, 0, 0), OVER + 100)]
    yield played("statement-empty", "also of a slot with nothing booked", nothing, reqs)
    second = [
        *nothing,
        meter(ALICE, OVER + 900_000, 0, 0, SLOT + 900),
        say(ALICE, _record(0, 0, 0, 0, SLOT + 900), OVER + 900_100),
    ]
    yield played("statement-chain", "each goes on from the one before", second, ("IOE-STL-020",))
    settled = [*both, say(ALICE, _statement(), OVER + 200), lose(ALICE, OVER + 300), up(ALICE, OVER + 1_000)]
    reqs = ("IOE-STL-050", "IOE-STL-060")
    yield played("statement-settled", "a settled slot is not repeated", settled, reqs)
    other = [
        *both,
        say(ALICE, _statement(other_owes_micro=1), OVER + 200),
        lose(ALICE, OVER + 300),
        up(ALICE, OVER + 1_000),
    ]
    yield played(
        "statement-other-sums",
        "with other sums it has been stated by both, and is not repeated either",
        other,
        ("IOE-STL-050",),
    )
    asked = [*settled, say(ALICE, _statement(), OVER + 1_100), say(ALICE, _statement(), OVER + 1_200)]
    yield played(
        "statement-asked-again",
        "whoever repeats a statement of a settled slot is told the own one, once",
        asked,
        ("IOE-STL-062",),
    )


# ------------------------------------------------------------------ imbalance


def _imbalance(*by: Actor, **changes: object) -> Json:
    fields = {
        "node": ALICE.node.hex(),
        "party": BOB.node.hex(),
        "slot_utc_s": ISSUED_S - 900,
        "deviation": int(Deviation.SHORT),
        "energy_j": 7_200_000,
        "price_micro_per_kwh": 0,
        "amount_micro": 0,
        "previous": ZEROS,
    }
    return {"type": "IMBALANCE_RECORD", "by": [one.name for one in by], "fields": {**fields, **changes}}


def _relay(record: Json, path: str = LABEL_OF_BOB) -> Json:
    return {"type": "RELAY", "by": [], "fields": {"path": path, "record": record}}


def _party() -> Iterator[Vector]:
    """Bob is Alice's party; his price is 0.  Then he is a hop between Alice and Carol."""
    party = replace(STAGE, balance_party=None)

    def one(name: str, notes: str, reqs: Sequence[str], *steps: Json, stage: Stage = party) -> Vector:
        return played(f"imbalance-{name}", notes, steps, reqs, stage=stage)

    good = say(ALICE, _relay(_imbalance(ALICE)))
    yield one("countersigned", "the party signs behind the node, and sends it back", ("IOE-STL-090",), good)
    again = say(ALICE, _relay(_imbalance(ALICE)), 100)
    yield one("again", "the same record again has the same answer", ("IOE-STL-090",), good, again)
    refused = ("IOE-STL-100",)
    for name, notes, changes in (
        ("price", "another price", {"price_micro_per_kwh": 1, "amount_micro": 2}),
        ("amount", "another amount", {"amount_micro": 1}),
        ("party", "another party", {"party": CAROL.node.hex()}),
        ("no-energy", "no energy", {"energy_j": 0}),
        ("no-way", "no way of deviating", {"deviation": 0}),
        ("unaligned", "a slot off the grid", {"slot_utc_s": ISSUED_S - 899}),
    ):
        yield one(name, notes, refused, say(ALICE, _relay(_imbalance(ALICE, **changes))))
    other = say(ALICE, _relay(_imbalance(ALICE, energy_j=3_600_000)), 100)
    yield one("second", "a second record of the slot", refused, good, other)
    hop = _imbalance(ALICE, party=CAROL.node.hex())
    back = _imbalance(ALICE, CAROL, party=CAROL.node.hex())
    yield one(
        "relayed",
        "a hop passes it on along the label, and back to whom it had it from, once",
        ("IOE-STL-120", "IOE-STL-130"),
        say(ALICE, _relay(hop, LABEL_OF_CAROL)),
        say(CAROL, _relay(back, ""), 100),
        say(CAROL, _relay(back, ""), 200),
        stage=STAGE,
    )
    own = [
        meter(ALICE, OVER, 1_000, 0),
        meter(CAROL, OVER + 100, 0, 3_600_000),
        meter(ERIN, OVER + 200, 0, 0),
        wait(OVER + 59_000),
        wait(OVER + 61_000),
    ]
    yield one(
        "own",
        "a node that has deviated signs a record and sends it until it is countersigned",
        ("IOE-STL-070", "IOE-STL-080", "IOE-STL-110"),
        *own,
        stage=STAGE,
    )
