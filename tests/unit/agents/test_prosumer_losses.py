"""A prosumer whose losses came out other than booked: from whom it buys what is missing (SPEC section 11)."""

from __future__ import annotations

from ioe_router.agents.assets import OwnDevices
from ioe_router.agents.prosumer import Prosumer
from ioe_router.agents.slot_book import Purpose, purpose_of
from ioe_router.agents.slot_plan import ProsumerPolicy
from ioe_router.core.events import OfferLearned, OfferLost
from ioe_router.core.inputs import Trade
from ioe_router.core.sweep_events import LossCorrection
from ioe_router.model.clock import Now
from ioe_router.model.envelope import Envelope, ObjectType, Sealed
from ioe_router.model.ids import NodeId, ObjectId
from ioe_router.model.routing import Direction, Firmness, Offer, OfferRun, SourceClass
from ioe_router.model.slot import Slot

SLOT_S = 900
SLOT = Slot(9_000)
NOW = Now(monotonic_ns=0, utc_ms=8_700_000)
CAP = 400_000
ROOFS = (SourceClass.SOLAR, SourceClass.WIND)
UTILITY = NodeId(b"u" * 32)
MISSING = LossCorrection(slot=SLOT, short=True, energy_j=40_000)


def agent() -> Prosumer:
    """A load whose operator buys from sun and wind only."""
    devices = OwnDevices(
        firm_w=lambda _slot: 0, reactive_var=lambda _slot: 0, flexible=(), sources=(), batteries=()
    )
    return Prosumer(devices, ProsumerPolicy(price_cap_micro_per_kwh=CAP, sources=ROOFS), SLOT_S, None)


def default_route(direction: Direction = Direction.SUPPLY, first_slot: Slot = SLOT) -> OfferLearned:
    """The utility stands behind one slot."""
    body = Offer(
        origin=UTILITY,
        offer_no=1,
        epoch=1,
        seq=1,
        direction=direction,
        source=SourceClass.GRID,
        firmness=Firmness.FIRM,
        first_slot_utc_s=first_slot,
        runs=(OfferRun(slots=1, energy_j=10**9, price_micro_per_kwh=300_000),),
        energy_cap_j=0,
        carbon_mg_per_kwh=0,
        is_default=True,
        forward=False,
        only_to_customers=False,
        issued_utc_s=8_000,
        expires_utc_s=20_000,
    )
    envelope = Envelope(type=ObjectType.OFFER, signed=b"", signatures=())
    return OfferLearned(
        offer=Sealed(object_id=ObjectId(bytes(32)), body=body, signers=(UTILITY,), envelope=envelope)
    )


def wanted(of: Prosumer, correction: LossCorrection = MISSING) -> Trade:
    """The one want that answers a correction."""
    (want,) = of.on_event(correction, NOW)
    assert isinstance(want, Trade)
    return want


def test_missing_losses_are_bought_up_to_the_price_cap() -> None:
    """The want has the energy that is missing, its own purpose, and the operator's cap as limit."""
    want = wanted(agent())
    assert (want.slot, want.energy_j, want.direction) == (SLOT, MISSING.energy_j, Direction.SUPPLY)
    assert purpose_of(want.trade_no) == Purpose.CORRECTION
    assert want.price_limit_micro_per_kwh == want.default_limit_micro_per_kwh == CAP


def test_missing_losses_come_from_the_default_route_where_there_is_one() -> None:
    """Bought from a neighbour they would change the flows that were swept."""
    buyer = agent()
    buyer.on_event(default_route(), NOW)
    assert wanted(buyer).sources == (SourceClass.GRID,)


def test_without_a_default_route_missing_losses_come_from_whom_the_policy_allows() -> None:
    """Never heard of, heard of for another slot or direction, or lost: each is no default route."""
    never, other_slot, buys_only, lost = agent(), agent(), agent(), agent()
    other_slot.on_event(default_route(first_slot=Slot(SLOT + SLOT_S)), NOW)
    buys_only.on_event(default_route(Direction.DEMAND), NOW)
    lost.on_event(default_route(), NOW)
    lost.on_event(OfferLost(origin=UTILITY, offer_no=1), NOW)
    for buyer in (never, other_slot, buys_only, lost):
        assert wanted(buyer).sources == ROOFS


def test_losses_bought_too_much_stay_with_the_balance_party() -> None:
    """A surplus is not sold again."""
    assert agent().on_event(LossCorrection(slot=SLOT, short=False, energy_j=40_000), NOW) == ()
