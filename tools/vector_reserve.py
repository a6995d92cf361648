"""Vectors of reservations: what a router in the middle, and one at the origin, answers (SPEC section 10).

    alice (initiator) --- bob --- carol (origin)      CONTROLLED; keepers: bob, carol
                           |
                          erin                            keeper: bob

Bob is the router in question.  The answers are those of the reference
implementation; energies and prices follow from sections 8 and 9, which have
vectors of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final

from reference_harness.reserve import play
from vector_cast import ALICE, BOB, CAROL, ISSUED_S, LINK_STATE, OFFER, Actor
from vector_file import Json, Vector
from vector_stage import ERIN, Stage, advert, cable, entries, sealed, step

from ioe_router.core.loss import LinkModel
from ioe_router.model.discovery import LinkKind
from ioe_router.model.errors import ErrorCode
from ioe_router.model.routing import Flow

E = ErrorCode
C = LinkKind.CONTROLLED
AB, BC, BE = cable(BOB, ALICE, C), cable(CAROL, BOB, C), cable(BOB, ERIN, C)
STAGE: Final = Stage(neighbors=((ALICE, AB, "SIBLING"), (CAROL, BC, "SIBLING"), (ERIN, BE, "SIBLING")))
SLOT: Final = ISSUED_S + 1_800
BANDS_OVER: Final = SLOT - 500  # in REPAIR: all bands are open
KWH_J: Final = 3_600_000
RESERVATION: Final = sha256(b"reservation").hexdigest()[:32]
OTHER: Final = sha256(b"other reservation").hexdigest()[:32]
ASK: Final = 100_000
RUNS: Final = [{"slots": 4, "energy_j": 10 * KWH_J, "price_micro_per_kwh": ASK}]
CAROLS: Final = replace(
    OFFER,
    origin=CAROL.node,
    first_slot_utc_s=SLOT,
    energy_cap_j=0,
    expires_utc_s=ISSUED_S + 7_200,
)
BOBS: Final = {
    "offer_no": 1,
    "direction": 1,
    "first_slot_utc_s": SLOT,
    "runs": RUNS,
    "lifetime_s": 7_000,
}
BOBS_WANT: Final = {**BOBS, "offer_no": 2, "direction": 2}
LABEL_OF_CAROL: Final = f"$label {CAROL.node.hex()[:16]} 1"
LABEL_OF_BOB: Final = f"$label {BOB.node.hex()[:16]} 1"
WANT_OF_BOB: Final = f"$label {BOB.node.hex()[:16]} 2"
AB_MODEL, BC_MODEL = (LinkModel.of(one.body, 900) for one in (AB, BC))


def sent_over_ab_j(received_j: int) -> int:
    """What Bob has to send for Alice to receive so much on an empty link."""
    found = AB_MODEL.for_received(0, received_j, Flow.DOWN, 2 * received_j)
    return found.sent_j if found else 0


# ------------------------------------------------------------------ what is said


def core(*, origin: Actor = CAROL, by: Actor = ALICE, **changes: object) -> Json:
    """A HOLD_CORE of one packet of a kilowatt hour."""
    label = LABEL_OF_BOB if origin is BOB else LABEL_OF_CAROL
    given: Json = {
        "reservation": RESERVATION,
        "version": 1,
        "initiator": ALICE.node.hex(),
        "origin": origin.node.hex(),
        "offer_no": 1 if origin is BOB else CAROLS.offer_no,
        "offer_epoch": 1 if origin is BOB else CAROLS.epoch,
        "offer_seq": 0 if origin is BOB else CAROLS.seq,
        "direction": 1,
        "path": label,
        "band": 2,
        "price_limit_micro_per_kwh": 1_000_000,
        "priority": 4,
        "replaces": None,
        "all_or_nothing": False,
        "items": [item(1)],
        "issued_utc_ms": BANDS_OVER * 1000,
        "hold_fee_micro": 0,
        "bond_micro": 0,
    }
    return {"type": "HOLD_CORE", "by": [by.name], "fields": {**given, **changes}}


def item(index: int, energy_j: int = KWH_J, slot_utc_s: int = SLOT, least_j: int = 1) -> Json:
    """One packet as the initiator asks for it."""
    return {"index": index, "slot_utc_s": slot_utc_s, "energy_j": energy_j, "energy_min_j": least_j}


def hold(inside: Json, **changes: object) -> Json:
    """A HOLD over the link to Alice, whose keeper is Bob: it has no entry."""
    items = [{"index": one["index"], "energy_j": one["energy_j"]} for one in inside["fields"]["items"]]
    given: Json = {
        "core": inside,
        "path": inside["fields"]["path"],
        "hold_ms": 30_000,
        "items": items,
        "keeper_entry": None,
    }
    return {"type": "HOLD", "by": [], "fields": {**given, **changes}}


def entry(
    received_j: int, *, by: Actor = CAROL, final: bool = True, sent_j: int = 0, **changes: object
) -> Json:
    """Carol's entry for a packet over her link to Bob."""
    found = BC_MODEL.for_received(0, received_j, Flow.DOWN, 2 * received_j)
    line = {
        "index": 1,
        "number": 1,
        "slot_utc_s": SLOT,
        "flow_j": found.flow_j if found else 0,
        "sent_j": sent_j or (found.sent_j if found else 0),
        "received_j": received_j,
    }
    given: dict[str, Any] = {
        "link": BC.link.hex(),
        "reservation": RESERVATION,
        "version": 1,
        "flow": 1,
        "final": final,
        "lines": [line],
    }
    line_changes = {key: changes.pop(key) for key in list(changes) if key in line}
    given["lines"] = [{**line, **line_changes}]
    return {"type": "KEEPER_ENTRY", "by": [by.name], "fields": {**given, **changes}}


def grant(
    received_j: int, keeper_entry: Json | None, *, energy_j: int = 0, reason: int = 0, **changes: object
) -> Json:
    """Carol's GRANT of one packet."""
    found = BC_MODEL.for_received(0, received_j, Flow.DOWN, 2 * received_j) if received_j else None
    given: Json = {
        "reservation": RESERVATION,
        "version": 1,
        "core": "$hold_core",
        "link": BC.link.hex(),
        "grantor": CAROL.node.hex(),
        "items": [
            {
                "index": 1,
                "energy_j": energy_j or (found.sent_j if found else 0),
                "price_micro_per_kwh": ASK,
                "reason": reason,
                "counter_offer_j": 0,
                "scarcity_micro_per_kwh": 0,
            }
        ],
        "hold_ms": 20_000,
        "keeper_entry": keeper_entry,
    }
    return {"type": "GRANT", "by": [CAROL.name], "fields": {**given, **changes}}


def commit(*, by: Actor = ALICE, accepted: Sequence[int] = (1,), **changes: object) -> Json:
    """A COMMIT_HOP over the link to Alice."""
    given: Json = {
        "reservation": RESERVATION,
        "version": 1,
        "core": "$hold_core",
        "initiator": by.node.hex(),
        "accepted": list(accepted),
    }
    inside = {"type": "COMMIT", "by": [by.name], "fields": {**given, **changes}}
    return {"type": "COMMIT_HOP", "by": [], "fields": {"commit": inside, "keeper_entry": None}}


def committed(*, by: Actor = CAROL, **changes: object) -> Json:
    """The origin's acceptance."""
    given: Json = {
        "reservation": RESERVATION,
        "version": 1,
        "commit": "$commit",
        "origin": by.node.hex(),
        "accepted_utc_ms": (BANDS_OVER + 2) * 1000,
        "balance_party": CAROL.node.hex(),
    }
    return {"type": "COMMITTED", "by": [by.name], "fields": {**given, **changes}}


def short(kind: str, *, by: Actor | None = None, **changes: object) -> Json:
    """An object that has little more than the reservation's name."""
    fields = {"reservation": RESERVATION, "version": 1, **changes}
    return {"type": kind, "by": [by.name] if by else [], "fields": fields}


def release(*, by: Actor = ALICE, **changes: object) -> Json:
    """A RELEASE."""
    return short("RELEASE", by=by, **{"initiator": by.node.hex(), **changes})


def refuse(code: ErrorCode, *, failing: Actor = CAROL) -> Json:
    """Carol's REFUSE of the whole reservation."""
    return short(
        "REFUSE",
        code=int(code),
        persistence=1,
        scope=1,
        failing_node=failing.node.hex(),
        retry_after_ms=0,
        items=[],
    )


def failed(code: ErrorCode, *, by: Actor = CAROL) -> Json:
    """A signed FAILED."""
    return short("FAILED", by=by, code=int(code), node=by.node.hex())


# ------------------------------------------------------------------ steps


def say(by: Actor, what: Json, at_ms: int = 0) -> Json:
    """One object of a neighbour, so long after the bands are over."""
    return {"at_utc_ms": BANDS_OVER * 1000 + at_ms, "do": "say", "from": by.name, "say": what}


def wait(at_ms: int) -> Json:
    """Let time pass; what the router says meanwhile is the answer."""
    return {"at_utc_ms": BANDS_OVER * 1000 + at_ms, "do": "wait"}


def lose(by: Actor, at_ms: int) -> Json:
    """The session with a neighbour is lost."""
    return {"at_utc_ms": BANDS_OVER * 1000 + at_ms, "do": "lose", "from": by.name}


def played(
    name: str,
    notes: str,
    steps: Sequence[Json],
    reqs: Sequence[str],
    *,
    fee: int = 0,
    stage: Stage | None = None,
    told: Sequence[Json] | None = None,
) -> Vector:
    """A conversation, played to the reference implementation; its answers are the expected ones."""
    chain = entries(((CAROL, BOB, BC.attestation),), changes={0: {"fee_micro_per_kwh": fee}})
    before = [step(CAROL, advert(chain)), step(CAROL, sealed(CAROL, CAROLS), after_s=1)]
    before = before if told is None else list(told)
    base = replace(stage or STAGE, own_offers=(BOBS, BOBS_WANT)).vector("", "", {}, reqs=reqs).inputs
    inputs: dict[str, Any] = {
        **{key: value for key, value in base.items() if key not in ("object", "look_for", "listen_ms")},
        "before": before,
        "begin_utc_ms": steps[0]["at_utc_ms"] - 1,
        "steps": list(steps),
    }
    return Vector(
        id=f"reserve-{name}", notes=notes, inputs=inputs, intermediates=play(inputs), reqs=tuple(reqs)
    )


ASKED: Final = sent_over_ab_j(KWH_J)
QUERY: Final = short("OUTCOME_QUERY")


def vectors() -> list[Vector]:
    """Origin, hop, the ways a reservation ends, and what is refused on the way."""
    found = [*_granted(), *_origin_refuses(), *_origin_ends(), *_repeated()]
    found += [*_hop(), *_hop_refuses(), *_grants(), *_outcomes(), *_ends(), *_cuts(), *_replaced()]
    return found


# ------------------------------------------------------------------ at the origin


def _granted() -> Iterator[Vector]:
    plain = core(origin=BOB)
    reqs: tuple[str, ...] = (
        "IOE-RSV-200",
        "IOE-RSV-210",
        "IOE-RSV-220",
        "IOE-RSV-230",
        "IOE-RSV-090",
        "IOE-PRC-050",
    )
    yield played("origin-grant", "a kilowatt hour of an own offer", [say(ALICE, hold(plain))], reqs)
    two = core(
        origin=BOB, items=[item(1), item(2, slot_utc_s=SLOT + 900)], band=0, issued_utc_ms=(SLOT - 595) * 1000
    )
    early = [{**say(ALICE, hold(two)), "at_utc_ms": (SLOT - 595) * 1000}]
    yield played(
        "origin-other-slot",
        "the second packet's slot has not opened: the whole HOLD is refused",
        early,
        ("IOE-CLK-020", "IOE-CLK-010", "IOE-RSV-070", "IOE-RSV-060"),
    )
    several = core(origin=BOB, items=[item(1, KWH_J), item(2, 2 * KWH_J), item(3, 9 * KWH_J)])
    reqs = ("IOE-RSV-200", "IOE-RSV-160", "IOE-ADM-110", "IOE-RSV-180", "IOE-LSS-030")
    yield played(
        "origin-batch",
        "three packets of one slot, of which the last finds less",
        [say(ALICE, hold(several))],
        reqs,
    )
    first, second = (
        core(origin=BOB, items=[item(1, 6 * KWH_J)]),
        core(origin=BOB, items=[item(1, 6 * KWH_J)], reservation=OTHER),
    )
    third = core(origin=BOB, items=[item(1, KWH_J)], reservation=OTHER[::-1])
    steps = [say(ALICE, hold(first)), say(ALICE, hold(second), 100), say(ALICE, hold(third), 200)]
    yield played("origin-sold-out", "no joule is promised twice", steps, ("IOE-RSV-160", "IOE-RSV-180"))
    whole = core(origin=BOB, items=[item(1, 10 * KWH_J), item(2, KWH_J)], all_or_nothing=True)
    yield played(
        "origin-all-or-nothing", "half of a batch is worthless", [say(ALICE, hold(whole))], ("IOE-RSV-200",)
    )
    sale = core(origin=BOB, offer_no=2, direction=2, path=WANT_OF_BOB, price_limit_micro_per_kwh=0)
    reqs = ("IOE-RSV-090", "IOE-RSV-210", "IOE-LSS-060")
    yield played("origin-demand", "a kilowatt hour is sold to the origin", [say(ALICE, hold(sale))], reqs)
    floor = core(origin=BOB, band=0, issued_utc_ms=(SLOT - 600) * 1000)
    bands = [{**say(ALICE, hold(floor)), "at_utc_ms": (SLOT - 600) * 1000}]
    yield played(
        "origin-floor", "in the first band the floor is the price", bands, ("IOE-PRC-050", "IOE-PRC-060")
    )


def _origin_refuses() -> Iterator[Vector]:
    def one(name: str, notes: str, reqs: Sequence[str], inside: Json, **changes: object) -> Vector:
        return played(f"origin-{name}", notes, [say(ALICE, hold(inside, **changes))], reqs)

    limit = core(origin=BOB, price_limit_micro_per_kwh=ASK - 1)
    yield one("price-limit", "the limit lies below the ask", ("IOE-PRC-050", "IOE-RSV-070"), limit)
    yield one("no-offer", "an offer that is not there", ("IOE-RSV-070",), core(origin=BOB, offer_no=9))
    newer = core(origin=BOB, offer_seq=99)
    yield one("newer-offer", "a version of the offer that was never signed", ("IOE-RSV-170",), newer)
    twice = [{"index": 1, "energy_j": KWH_J}, {"index": 1, "energy_j": KWH_J}]
    yield one("index-twice", "a packet is named twice", ("IOE-CNV-040",), core(origin=BOB), items=twice)
    strange = [{"index": 2, "energy_j": KWH_J}]
    yield one(
        "index-strange",
        "a packet that the core does not have",
        ("IOE-RSV-155",),
        core(origin=BOB),
        items=strange,
    )
    future = core(origin=BOB, issued_utc_ms=(BANDS_OVER + 61) * 1000)
    yield one("future", "signed 61 s ahead", ("IOE-SIG-250",), future)
    other = core(origin=BOB, by=ERIN)
    yield one("signer", "Erin signs in Alice's name", ("IOE-SIG-070", "IOE-SEC-020"), other)
    band = core(origin=BOB, band=12)
    yield one("band", "a band that does not exist", ("IOE-RSV-050", "IOE-SEC-030"), band)
    for name, before_s, number in (
        ("too-early", 601, 0),
        ("band-not-open", 600, 1),
        ("sweeps", 420, 2),
        ("closed", 120, 255),
        ("started", 0, 255),
    ):
        inside = core(origin=BOB, band=number, issued_utc_ms=(SLOT - before_s) * 1000)
        steps = [{**say(ALICE, hold(inside)), "at_utc_ms": (SLOT - before_s) * 1000}]
        reqs = ("IOE-CLK-010", "IOE-CLK-020", "IOE-RSV-070")
        yield played(f"origin-{name}", f"{before_s} s before the slot", steps, reqs)
    off = core(origin=BOB, items=[item(1, slot_utc_s=SLOT + 1)])
    yield one("unaligned", "a slot off the grid", ("IOE-CNV-090",), off)


def _origin_ends() -> Iterator[Vector]:
    held = say(ALICE, hold(core(origin=BOB)))
    good = [held, say(ALICE, commit(), 100)]
    receipt = short("RECEIPT", by=ALICE, committed="$committed", link=AB.link.hex(), node=ALICE.node.hex())
    yield played(
        "origin-commit",
        "COMMIT in time; COMMITTED is repeated until the RECEIPT",
        [*good, wait(2_100), wait(4_100), say(ALICE, receipt, 4_200), wait(60_000)],
        ("IOE-RSV-310", "IOE-RSV-365"),
    )
    yield played(
        "origin-commit-again",
        "a second COMMIT has the same outcome",
        [*good, say(ALICE, commit(), 200)],
        ("IOE-RSV-310",),
    )
    late = [held, wait(30_001), say(ALICE, commit(), 30_100), say(ALICE, commit(), 30_200)]
    yield played(
        "origin-commit-late",
        "after its own deadline, and again",
        late,
        ("IOE-RSV-300", "IOE-RSV-310", "IOE-RSV-410", "IOE-RSV-420"),
    )
    yield played(
        "origin-commit-unknown",
        "of a reservation that nobody asked for",
        [
            say(ALICE, QUERY),
            say(
                ALICE,
                {
                    **commit(),
                    "fields": {
                        **commit()["fields"],
                        "commit": {
                            **commit()["fields"]["commit"],
                            "fields": {**commit()["fields"]["commit"]["fields"], "core": "00" * 32},
                        },
                    },
                },
                100,
            ),
        ],
        ("IOE-RSV-520",),
    )
    yield played(
        "origin-commit-other-core",
        "it names another HOLD_CORE",
        [held, say(ALICE, commit(core="00" * 32), 100), say(ALICE, QUERY, 200)],
        ("IOE-RSV-520",),
    )
    yield played(
        "origin-commit-by-other",
        "Erin commits what Alice holds",
        [held, say(ALICE, commit(by=ERIN), 100), say(ALICE, QUERY, 200)],
        ("IOE-RSV-030", "IOE-SIG-070"),
    )
    again = say(ALICE, hold(core(origin=BOB, items=[item(1, 9 * KWH_J)], reservation=OTHER)), 300)
    yield played(
        "origin-release-held",
        "what is released can be held again",
        [
            say(ALICE, hold(core(origin=BOB, items=[item(1, 9 * KWH_J)]))),
            say(ALICE, release(), 100),
            say(ALICE, QUERY, 200),
            again,
        ],
        ("IOE-RSV-450", "IOE-RSV-455", "IOE-RSV-400"),
    )
    yield played(
        "origin-release-committed",
        "the same after COMMITTED",
        [*good, say(ALICE, release(), 300), say(ALICE, release(), 400)],
        ("IOE-RSV-450", "IOE-RSV-455"),
    )
    gate = (SLOT - 120 - BANDS_OVER) * 1000
    yield played(
        "origin-release-gate",
        "from the final gate on it is refused and stays committed",
        [*good, say(ALICE, receipt, 200), say(ALICE, release(), gate), say(ALICE, QUERY, gate + 100)],
        ("IOE-RSV-460", "IOE-RSV-455"),
    )
    yield played(
        "origin-release-by-other",
        "Erin releases what Alice holds",
        [held, say(ALICE, release(by=ERIN), 100), say(ALICE, QUERY, 200)],
        ("IOE-RSV-440",),
    )
    yield played(
        "origin-release-from-other",
        "Alice's RELEASE comes from Erin",
        [held, say(ERIN, release(), 100), say(ALICE, QUERY, 200)],
        ("IOE-RSV-030", "IOE-RSV-455"),
    )
    yield played(
        "origin-unknown",
        "a RELEASE and a question about what nobody asked for",
        [say(ALICE, release()), say(ALICE, QUERY, 100)],
        ("IOE-RSV-455", "IOE-RSV-400"),
    )
    yield played(
        "origin-query-by-other",
        "Erin asks about a reservation that she is not on",
        [held, say(ERIN, QUERY, 100)],
        ("IOE-RSV-030", "IOE-RSV-400"),
    )
    yield played(
        "origin-neighbor-lost",
        "the session is lost: the hold stays until its end, and what is free then is free",
        [
            held,
            lose(ALICE, 100),
            say(
                ERIN,
                hold(
                    core(
                        origin=BOB,
                        by=ERIN,
                        initiator=ERIN.node.hex(),
                        reservation=OTHER,
                        items=[item(1, 10 * KWH_J)],
                    )
                ),
                200,
            ),
        ],
        ("IOE-SES-150", "IOE-RSV-160"),
    )


def _repeated() -> Iterator[Vector]:
    inside = core(origin=BOB)
    again = [say(ALICE, hold(inside)), say(ALICE, hold(inside), 1_000), say(ALICE, QUERY, 1_100)]
    yield played("origin-hold-again", "the same HOLD has the same answer", again, ("IOE-RSV-120",))
    other = core(origin=BOB, items=[item(1, 2 * KWH_J)])
    conflict = [say(ALICE, hold(inside)), say(ALICE, hold(other), 100), say(ALICE, QUERY, 200)]
    yield played("origin-hold-conflict", "another core under the same id", conflict, ("IOE-RSV-130",))
    expired = [
        say(ALICE, hold(inside)),
        wait(31_000),
        say(ALICE, QUERY, 31_100),
        say(ALICE, hold(inside), 31_200),
    ]
    yield played(
        "origin-hold-expired",
        "a hold ends silently; asked again it stays ended",
        expired,
        ("IOE-RSV-420", "IOE-RSV-120", "IOE-RSV-470"),
    )


# ------------------------------------------------------------------ in transit


def _hop() -> Iterator[Vector]:
    good = [
        say(ALICE, hold(core())),
        say(CAROL, grant(ASKED, entry(ASKED)), 100),
        say(ALICE, commit(), 200),
        say(CAROL, committed(), 300),
        say(ALICE, QUERY, 400),
    ]
    reqs: tuple[str, ...] = (
        *("IOE-RSV-020", "IOE-RSV-090", "IOE-RSV-110", "IOE-RSV-200", "IOE-RSV-210", "IOE-RSV-220"),
        *("IOE-RSV-230", "IOE-RSV-360", "IOE-RSV-400", "IOE-PRC-030", "IOE-VER-120", "IOE-RSV-080"),
    )
    yield played("hop-good", "a reservation from HOLD to COMMITTED", good, reqs)
    yield played(
        "hop-fee",
        "the fee of the path's entry on the link is added, and nothing else",
        good[:2],
        ("IOE-PRC-020", "IOE-PRC-030"),
        fee=3_000,
    )
    batch = core(items=[item(1, 15 * KWH_J), item(2, 15 * KWH_J), item(3, 15 * KWH_J)])
    reqs = ("IOE-RSV-100", "IOE-ADM-110", "IOE-ADM-080")
    yield played(
        "hop-batch",
        "what finds no room on the link is left out of the HOLD that goes on",
        [say(ALICE, hold(batch))],
        reqs,
    )
    nothing_left = replace(
        LINK_STATE,
        link=BC.link,
        slot_utc_s=SLOT,
        net_flow=Flow.DOWN,
        net_energy_j=90_000_000,
        residual_down_j=0,
        residual_up_j=0,
    )
    chain = entries(((CAROL, BOB, BC.attestation),), changes={0: {"fee_micro_per_kwh": 0}})
    told = [
        step(CAROL, advert(chain)),
        step(CAROL, sealed(CAROL, CAROLS), after_s=1),
        step(CAROL, sealed(CAROL, nothing_left), after_s=2),
    ]
    yield played(
        "hop-state-of-a-full-link",
        "the next link's keeper has said that nothing is left: that is for its GRANT to say",
        [say(ALICE, hold(core())), say(CAROL, grant(ASKED, entry(ASKED)), 100)],
        ("IOE-LST-110",),
        told=told,
    )
    again = [say(ALICE, hold(core())), say(ALICE, hold(core()), 500)]
    yield played("hop-hold-again", "the same HOLD before an answer is here", again, ("IOE-RSV-120",))


def _hop_refuses() -> Iterator[Vector]:
    nowhere = core(path="11" * 32)
    yield played(
        "hop-no-path",
        "a label that was never told",
        [say(ALICE, hold(nowhere))],
        ("IOE-RSV-020", "IOE-RSV-070"),
    )
    wrong = core(origin=BOB, path=LABEL_OF_CAROL)
    yield played(
        "hop-other-origin", "the label leads to another origin", [say(ALICE, hold(wrong))], ("IOE-RSV-020",)
    )
    demand = core(direction=2)
    ours = entry(KWH_J, by=ALICE, final=False, link=AB.link.hex())
    yield played(
        "hop-entry-of-no-keeper",
        "an entry from the end that does not keep the link",
        [say(ALICE, hold(core(), keeper_entry=ours)), say(ALICE, QUERY, 100)],
        ("IOE-ADM-050",),
    )
    yield played(
        "hop-other-direction",
        "the label serves the other direction",
        [say(ALICE, hold(demand))],
        ("IOE-RSV-020",),
    )
    steps = [lose(CAROL, -1_000), say(ALICE, hold(core()))]
    yield played("hop-no-session", "no session with the next hop", steps, ("IOE-ADM-060",))
    held = say(ALICE, hold(core()))
    second = say(ALICE, hold(core(reservation=OTHER, items=[item(1, 20 * KWH_J)])), 200)
    refused = [held, say(CAROL, refuse(E.NO_ENERGY), 100), second, say(ALICE, QUERY, 300)]
    yield played(
        "hop-refused",
        "a REFUSE goes on unchanged, and the link is free again",
        refused,
        ("IOE-RSV-260", "IOE-RSV-150", "IOE-RSV-270"),
    )
    by_erin = [held, say(ERIN, refuse(E.NO_ENERGY), 100), say(ALICE, QUERY, 200)]
    yield played(
        "hop-refused-by-other", "a REFUSE from a neighbour that was not asked", by_erin, ("IOE-RSV-030",)
    )


def _grants() -> Iterator[Vector]:
    held = say(ALICE, hold(core()))

    def one(name: str, notes: str, answer: Json, reqs: Sequence[str], by: Actor = CAROL) -> Vector:
        return played(f"hop-grant-{name}", notes, [held, say(by, answer, 100), say(ALICE, QUERY, 200)], reqs)

    half = ASKED // 2
    yield one(
        "half",
        "half of it is granted: the own entry is trimmed to it",
        grant(half, entry(half)),
        ("IOE-ADM-120",),
    )
    nothing = grant(0, None, reason=int(E.NO_ENERGY))
    yield one("nothing", "nothing is granted, with a reason", nothing, ("IOE-RSV-200",))
    silent = grant(0, None)
    yield one("nothing-silent", "nothing is granted, without a reason", silent, ("IOE-RSV-195",))
    missing = grant(ASKED, entry(ASKED), items=[])
    yield one("no-item", "the packet is missing in the GRANT", missing, ("IOE-RSV-195",))
    changed, signer = ("IOE-ADM-040",), ("IOE-ADM-050",)
    yield one("no-entry", "without the keeper's entry", grant(ASKED, None), changed)
    yield one("more", "more than was asked", grant(2 * ASKED, entry(2 * ASKED)), ("IOE-RSV-240",))
    yield one(
        "other-energy", "the entry has another energy than the item", grant(ASKED, entry(ASKED - 1)), changed
    )
    yield one(
        "other-reservation",
        "the entry belongs to another reservation",
        grant(ASKED, entry(ASKED, reservation=OTHER)),
        changed,
    )
    yield one(
        "other-version",
        "the entry belongs to another version",
        grant(ASKED, entry(ASKED, version=2)),
        changed,
    )
    yield one(
        "other-slot",
        "the entry names another slot",
        grant(ASKED, entry(ASKED, slot_utc_s=SLOT + 900)),
        changed,
    )
    yield one("other-index", "the entry names another packet", grant(ASKED, entry(ASKED, index=2)), changed)
    beyond = entry(ASKED, sent_j=100_000 * 900 + 1)
    yield one(
        "above-rating",
        "more energy than the rating carries in a slot",
        grant(ASKED, beyond, energy_j=100_000 * 900 + 1),
        changed,
    )
    yield one("signer", "the entry is signed by Alice", grant(ASKED, entry(ASKED, by=ALICE)), signer)
    yield one(
        "other-link", "the entry names another link", grant(ASKED, entry(ASKED, link=AB.link.hex())), signer
    )
    yield one("other-flow", "the entry names the other flow", grant(ASKED, entry(ASKED, flow=2)), signer)
    yield one(
        "from-other", "the GRANT comes from Erin", grant(ASKED, entry(ASKED)), ("IOE-RSV-030",), by=ERIN
    )
    core_changed = grant(ASKED, entry(ASKED), core="00" * 32)
    yield one("other-core", "the GRANT is for another core", core_changed, ("IOE-RSV-520",))
    unknown = grant(ASKED, entry(ASKED), reservation=OTHER)
    yield one("unknown", "the GRANT is for a reservation that nobody asked for", unknown, ("IOE-RSV-520",))


def _held() -> list[Json]:
    return [say(ALICE, hold(core())), say(CAROL, grant(ASKED, entry(ASKED)), 100)]


def _doubt() -> list[Json]:
    return [*_held(), say(ALICE, commit(), 200)]


def _done() -> list[Json]:
    return [*_doubt(), say(CAROL, committed(), 300)]


def _outcomes() -> Iterator[Vector]:
    doubt = [*_doubt(), wait(2_300), wait(4_300), wait(40_000), say(ALICE, QUERY, 40_100)]
    yield played(
        "hop-doubt",
        "without an outcome COMMIT is sent again, and no timer ends it",
        doubt,
        ("IOE-RSV-320", "IOE-RSV-330"),
    )
    lost = [*_doubt(), lose(CAROL, 300), say(ALICE, QUERY, 400)]
    yield played("hop-doubt-lost", "nor does a lost session", lost, ("IOE-RSV-320",))
    crowded = [
        *_doubt(),
        wait(40_000),
        say(
            ALICE,
            hold(
                core(reservation=OTHER, items=[item(1, 22 * KWH_J)], issued_utc_ms=(BANDS_OVER + 40) * 1000)
            ),
            40_100,
        ),
    ]
    yield played("hop-doubt-occupies", "and it keeps its room on the link", crowded, ("IOE-RSV-330",))
    for name, notes, answer, reqs in (
        ("by-other", "COMMITTED signed by Erin", committed(by=ERIN), ("IOE-RSV-370",)),
        ("other-commit", "COMMITTED of another COMMIT", committed(commit="00" * 32), ("IOE-RSV-370",)),
    ):
        yield played(
            f"hop-committed-{name}", notes, [*_doubt(), say(CAROL, answer, 300), say(ALICE, QUERY, 400)], reqs
        )
    elsewhere = [*_doubt(), say(ERIN, committed(), 300), say(ALICE, QUERY, 400)]
    yield played(
        "hop-committed-from-other",
        "COMMITTED from a neighbour that was not asked",
        elsewhere,
        ("IOE-RSV-030",),
    )
    end = [*_doubt(), say(CAROL, failed(E.HOLD_EXPIRED), 300), say(ALICE, QUERY, 400)]
    yield played(
        "hop-failed", "the origin's FAILED goes on as it was signed", end, ("IOE-RSV-380", "IOE-RSV-400")
    )
    again = [
        *_done(),
        wait(2_400),
        say(CAROL, committed(), 2_500),
        say(
            ALICE,
            short("RECEIPT", by=ALICE, committed="$committed", link=AB.link.hex(), node=ALICE.node.hex()),
            2_600,
        ),
        wait(30_000),
    ]
    yield played(
        "hop-committed-again",
        "every copy is confirmed; the own one is repeated until the RECEIPT",
        again,
        ("IOE-RSV-360", "IOE-RSV-365"),
    )
    told = short("OUTCOME", state=4, evidence=committed())
    evidence = [*_doubt(), say(CAROL, told, 300), say(ALICE, QUERY, 400)]
    yield played(
        "hop-outcome",
        "COMMITTED as evidence of an OUTCOME counts as if it had come by itself",
        evidence,
        ("IOE-RSV-405",),
    )
    bare_state = short("OUTCOME", state=4, evidence=None)
    alone = [*_doubt(), say(CAROL, bare_state, 300), say(ALICE, QUERY, 400)]
    yield played("hop-outcome-bare", "the state alone changes nothing", alone, ("IOE-RSV-405",))
    other = [*_doubt(), say(ERIN, told, 300), say(ALICE, QUERY, 400)]
    yield played(
        "hop-outcome-from-other", "an OUTCOME from a neighbour that was not asked", other, ("IOE-RSV-405",)
    )


def _ends() -> Iterator[Vector]:
    held = say(ALICE, hold(core()))
    yield played(
        "hop-no-answer",
        "no answer until the deadline",
        [held, wait(30_001), say(ALICE, QUERY, 30_100)],
        ("IOE-RSV-420", "IOE-RSV-410"),
    )
    yield played(
        "hop-no-commit",
        "no COMMIT until the deadline: it ends silently",
        [*_held(), wait(30_001), say(ALICE, QUERY, 30_100)],
        ("IOE-RSV-420",),
    )
    late = [*_held(), wait(30_001), say(ALICE, commit(), 30_100)]
    yield played("hop-commit-late", "a COMMIT after that", late, ("IOE-RSV-520",))
    yield played(
        "hop-lost-holding",
        "the far neighbour is lost while it is asked",
        [held, lose(CAROL, 100)],
        ("IOE-RSV-430",),
    )
    yield played(
        "hop-lost-held", "the same once it has granted", [*_held(), lose(CAROL, 200)], ("IOE-RSV-430",)
    )
    yield played(
        "hop-release-held",
        "a RELEASE goes on as it was signed",
        [*_held(), say(ALICE, release(), 200), say(ALICE, QUERY, 300)],
        ("IOE-RSV-450", "IOE-RSV-455"),
    )
    outcome = short("OUTCOME", state=7, evidence=None)
    released = [*_done(), say(ALICE, release(), 400), wait(2_500), say(CAROL, outcome, 2_600), wait(30_000)]
    yield played(
        "hop-release-committed",
        "of a committed one it is repeated until the far side has answered",
        released,
        ("IOE-RSV-465", "IOE-RSV-450"),
    )
    yield played(
        "hop-release-by-other",
        "a RELEASE that the initiator has not signed",
        [*_done(), say(ALICE, release(by=ERIN), 400), say(ALICE, QUERY, 500)],
        ("IOE-RSV-440",),
    )


def _cut(
    remains_j: int, *, by: Actor = CAROL, signer: Actor | None = None, index: int = 1, at_ms: int = 0
) -> Json:
    """A CURTAIL by a node, told over its link with the same energies."""
    inside = short(
        "CURTAIL",
        by=signer or by,
        node=by.node.hex(),
        code=int(E.CURTAILED),
        items=[{"index": index, "energy_j": remains_j}],
        effective_utc_ms=at_ms,
    )
    return {
        "type": "CURTAIL_HOP",
        "by": [],
        "fields": {"curtail": inside, "items": [{"index": index, "energy_j": remains_j}]},
    }


def _cuts() -> Iterator[Vector]:
    at_ms = BANDS_OVER * 1000 + 400

    def one(name: str, notes: str, reqs: Sequence[str], *steps: Json) -> Vector:
        return played(f"hop-cut-{name}", notes, [*_done(), *steps], reqs)

    half = _cut(ASKED // 2, at_ms=at_ms)
    yield one(
        "half",
        "a cut from the origin's side goes on, and the packet is cut at both links",
        ("IOE-RSV-600", "IOE-RSV-610", "IOE-RSV-660"),
        say(CAROL, half, 400),
        say(ALICE, QUERY, 500),
    )
    yield one(
        "again",
        "the same cut again: nothing happens",
        ("IOE-RSV-630",),
        say(CAROL, half, 400),
        say(CAROL, half, 500),
    )
    less = _cut(ASKED, at_ms=at_ms)
    yield one(
        "weaker", "a cut that lowers nothing", ("IOE-RSV-630",), say(CAROL, half, 400), say(CAROL, less, 500)
    )
    nothing = _cut(0, at_ms=at_ms)
    yield one(
        "all",
        "nothing is left: it stays COMMITTED",
        ("IOE-RSV-660",),
        say(CAROL, nothing, 400),
        say(ALICE, QUERY, 500),
    )
    by_alice = _cut(KWH_J // 2, by=ALICE, at_ms=at_ms)
    yield one("by-initiator", "a cut from the initiator's side", ("IOE-RSV-600",), say(ALICE, by_alice, 400))
    refused = ("IOE-RSV-620",)
    yield one(
        "signer",
        "signed by another node than it names",
        refused,
        say(CAROL, _cut(1, signer=ERIN, at_ms=at_ms), 400),
        say(ALICE, QUERY, 500),
    )
    yield one(
        "from-other",
        "from a neighbour that is not on the path",
        refused,
        say(ERIN, _cut(1, by=ERIN, at_ms=at_ms), 400),
        say(ALICE, QUERY, 500),
    )
    yield one(
        "strange-packet",
        "of a packet that there is not",
        refused,
        say(CAROL, _cut(1, index=2, at_ms=at_ms), 400),
    )
    more = _cut(2 * ASKED, at_ms=at_ms)
    yield one("more", "more than was committed", refused, say(CAROL, more, 400))
    notice = _cut(ASKED // 2, at_ms=at_ms + 60_000)
    yield one(
        "notice",
        "an announced cut goes on at once and takes effect at its instant",
        ("IOE-RSV-600",),
        say(CAROL, notice, 400),
    )
    held = [*_held(), say(CAROL, _cut(1, at_ms=at_ms), 400)]
    yield played("hop-cut-held", "of a reservation that is not committed", held, refused)
    unknown = [say(CAROL, _cut(1, at_ms=at_ms - 400))]
    yield played("hop-cut-unknown", "of a reservation that nobody asked for", unknown, refused)
    gone = (SLOT + 900 - BANDS_OVER) * 1000
    yield one("over", "of a slot that is over", refused, say(CAROL, _cut(1, at_ms=at_ms), gone + 1_000))


def _replaced() -> Iterator[Vector]:
    """Bob is the origin: a committed kilowatt hour is to be replaced."""
    old = [say(ALICE, hold(core(origin=BOB))), say(ALICE, commit(), 100)]

    def one(name: str, notes: str, reqs: Sequence[str], *steps: Json) -> Vector:
        return played(f"replace-{name}", notes, [*old, *steps], reqs)

    def new(at_ms: int = 200, **changes: object) -> Json:
        given: Json = {"reservation": OTHER, "replaces": RESERVATION, "items": [item(1, 10 * KWH_J)]}
        return say(ALICE, hold(core(origin=BOB, **{**given, **changes})), at_ms)

    switch = say(ALICE, commit(reservation=OTHER), 300)
    yield one(
        "more",
        "ten instead of one: the larger counts, not the sum",
        ("IOE-RSV-705", "IOE-RSV-710"),
        new(),
        say(ALICE, QUERY, 250),
    )
    yield one(
        "switch",
        "COMMITTED of the new one ends the old one",
        ("IOE-RSV-710", "IOE-RSV-705"),
        new(),
        switch,
        say(ALICE, QUERY, 400),
    )
    refused = ("IOE-RSV-700",)
    yield one(
        "unknown",
        "what is to be replaced is not known",
        ("IOE-RSV-725", "IOE-RSV-700"),
        new(replaces="22" * 16),
    )
    ended = [say(ALICE, release(), 150), new()]
    yield one("ended", "what is to be replaced is not committed any more", refused, *ended)
    meantime = [new(), say(ALICE, release(), 250), switch, say(ALICE, QUERY, 400)]
    yield one(
        "meantime", "it ends while the new one is held: it replaces nothing", ("IOE-RSV-725",), *meantime
    )
    yield one(
        "other-direction",
        "the other direction",
        refused,
        new(direction=2, offer_no=2, path=WANT_OF_BOB, price_limit_micro_per_kwh=0),
    )
    by_erin = core(origin=BOB, by=ERIN, initiator=ERIN.node.hex(), reservation=OTHER, replaces=RESERVATION)
    yield one("by-other", "Erin replaces what is Alice's", refused, say(ERIN, hold(by_erin), 200))
    yield one("twice", "two that would replace the same", refused, new(), new(300, reservation=OTHER[::-1]))
