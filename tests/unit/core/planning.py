"""Offers and candidates for tests of the plan and of the trade desk."""

from __future__ import annotations

from ioe_router.core.loss import J_PER_KWH, LinkModel
from ioe_router.core.planner import Candidate, Hop
from ioe_router.model.ids import LinkId, PathHash
from ioe_router.model.routing import Direction, Firmness, Flow, Offer, OfferRun, SourceClass
from tests.unit.core.plain_sealer import node_named
from tests.unit.core.routing_rig import SLOT_S, START_UTC_S, Wire, attest

MODEL = LinkModel.of(attest(Wire("a", "b")).body, SLOT_S)
KWH = J_PER_KWH
LIMIT = 1_000_000


def offer(origin: str, direction: Direction = Direction.SUPPLY, *, default: bool = False) -> Offer:
    """An offer of which only origin, direction and the DEFAULT mark matter here."""
    return Offer(
        origin=node_named(origin),
        offer_no=1,
        epoch=1,
        seq=1,
        direction=direction,
        source=SourceClass.SOLAR,
        firmness=Firmness.FIRM,
        first_slot_utc_s=START_UTC_S,
        runs=(OfferRun(slots=1, energy_j=KWH, price_micro_per_kwh=0),),
        energy_cap_j=0,
        carbon_mg_per_kwh=0,
        is_default=default,
        forward=False,
        only_to_customers=False,
        issued_utc_s=START_UTC_S,
        expires_utc_s=START_UTC_S + SLOT_S,
    )


def candidate(of: Offer, ask: int, *links: str, available_j: int = 100 * KWH) -> Candidate:
    """`of` over a path of links that are named by a letter each."""
    hops = tuple(
        Hop(link=LinkId(name.encode() * 32), model=MODEL, flow=Flow.DOWN, fee_micro_per_kwh=0)
        for name in links
    )
    return Candidate(
        offer=of,
        path=PathHash("".join(links).encode().ljust(32)),
        hops=hops,
        ask_micro_per_kwh=ask,
        limit_micro_per_kwh=0 if of.direction is Direction.DEMAND else LIMIT,
        available_j=available_j,
    )
