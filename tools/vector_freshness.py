"""Vectors of freshness: offers and withdrawals heard one after another (SPEC sections 2.5 and 4.9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vector_cast import ALICE, ISSUED_S, NETWORK, OFFER, sealer, wire_bytes
from vector_file import Vector

from ioe_router.model.routing import Offer, OfferWithdrawal

LIFETIME_MAX_S = 86_400
SLOT_S = 900
TAKEN, NONE = "taken", "no effect"

LONG = replace(OFFER, expires_utc_s=ISSUED_S + 80_000)
SHORT = replace(OFFER, seq=42, expires_utc_s=ISSUED_S + 300)
Step = tuple[int, Offer | OfferWithdrawal, str]  # seconds after the first issue, what is heard, what follows


def vectors() -> list[Vector]:
    """Which version counts, for how long it is remembered, and what comes from the future or the past."""
    return [
        _case(
            "order",
            "a higher (epoch, seq) replaces a lower one, whatever its time says; the same again is nothing",
            (60, LONG, TAKEN),
            (61, LONG, NONE),
            (62, replace(LONG, seq=40, issued_utc_s=ISSUED_S + 60), NONE),
            (63, replace(LONG, seq=42, issued_utc_s=ISSUED_S - 60), TAKEN),
            (64, replace(LONG, epoch=4, seq=0), TAKEN),
            (65, replace(LONG, epoch=3, seq=99), NONE),
        ),
        _case(
            "equivocation",
            "two contents under one (epoch, seq): refused, as all else up to this epoch; the next is taken",
            (60, LONG, TAKEN),
            (61, replace(LONG, energy_cap_j=1), "EQUIVOCATION"),
            (62, replace(LONG, seq=42), "EQUIVOCATION"),
            (63, replace(LONG, epoch=4, seq=0), TAKEN),
        ),
        _case(
            "withdrawn",
            "after a withdrawal no older version comes back; a newer one does",
            (60, LONG, TAKEN),
            (61, _withdrawal(42), TAKEN),
            (62, LONG, NONE),
            (63, _withdrawal(42), NONE),
            (64, replace(LONG, seq=43), TAKEN),
        ),
        _case(
            "ended-early",
            "a version that ended early keeps out an older one that would live longer",
            (60, LONG, TAKEN),
            (61, SHORT, TAKEN),
            (300, LONG, NONE),
            (301, replace(LONG, energy_cap_j=1), NONE),
            (302, replace(LONG, seq=43), TAKEN),
        ),
        _case(
            "times",
            "60 s of difference between clocks are tolerated, a validity must not have ended",
            (0, replace(LONG, issued_utc_s=ISSUED_S + 61), "FROM_FUTURE"),
            (1, replace(LONG, issued_utc_s=ISSUED_S + 61), TAKEN),
            (300, replace(SHORT, offer_no=8), "EXPIRED"),
            (301, replace(LONG, offer_no=9, expires_utc_s=ISSUED_S + LIFETIME_MAX_S + 1), "OUT_OF_BOUNDS"),
        ),
        _case(
            "withdrawal-from-future",
            "a withdrawal, too, is refused when it is issued more than 60 s ahead",
            (60, LONG, TAKEN),
            (61, replace(_withdrawal(42), issued_utc_s=ISSUED_S + 122), "FROM_FUTURE"),
            (62, replace(LONG, seq=42), TAKEN),
        ),
    ]


def _withdrawal(seq: int) -> OfferWithdrawal:
    return OfferWithdrawal(
        origin=OFFER.origin, offer_no=OFFER.offer_no, epoch=3, seq=seq, issued_utc_s=ISSUED_S
    )


def _case(name: str, notes: str, *steps: Step) -> Vector:
    return Vector(
        id=f"freshness-{name}",
        notes=notes,
        inputs={
            "network_id": NETWORK,
            "certificate": wire_bytes(ALICE.certificate.envelope).hex(),
            "slot_s": SLOT_S,
            "offer_lifetime_max_s": LIFETIME_MAX_S,
            "steps": [_step(after_s, body) for after_s, body, _ in steps],
        },
        intermediates={"answers": _answers(steps)},
        reqs=("IOE-SIG-250", "IOE-SIG-280", "IOE-SIG-290", "IOE-SIG-310"),
    )


def _step(after_s: int, body: Offer | OfferWithdrawal) -> dict[str, object]:
    envelope = sealer(ALICE).seal(body).envelope
    return {"now_utc_s": ISSUED_S + after_s, "envelope": wire_bytes(envelope).hex()}


def _answers(steps: Sequence[Step]) -> list[str]:
    return [answer for _, _, answer in steps]
