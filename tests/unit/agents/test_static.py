"""The static agent: what it asks for, when, and that it never asks for the same energy twice."""

from __future__ import annotations

from ioe_router.agents.static import HORIZON_SLOTS, StaticAgent, StaticNeed, StaticOffer
from ioe_router.core.events import SlotOpening
from ioe_router.core.inputs import Input, PublishOffer, Trade
from ioe_router.model.clock import Now
from ioe_router.model.parameters import NetworkParameters
from ioe_router.model.routing import Direction
from ioe_router.model.slot import Slot

SLOT_S = 900
PARAMETERS = NetworkParameters(
    network_id="village",
    currency="EUR",
    slot_s=SLOT_S,
    reference_price_micro_per_kwh=100_000,
    floor_micro_per_kwh=(300_000,),
    link_state_steps=64,
    voltage_min_micro_pu=900_000,
    voltage_max_micro_pu=1_100_000,
    voltage_guard_micro_pu=5_000,
)
OFFER = StaticOffer(direction=Direction.SUPPLY, energy_j=3_600_000, price_micro_per_kwh=80_000)
NEED = StaticNeed(direction=Direction.SUPPLY, energy_j=1_000_000, price_limit_micro_per_kwh=400_000)


def _at(utc_s: int) -> Now:
    return Now(monotonic_ns=utc_s * 1_000_000_000, utc_ms=utc_s * 1_000)


def _opening(slot: int, supply_j: int = 0) -> SlotOpening:
    return SlotOpening(slot=Slot(slot), supply_j=supply_j)


def _trades(inputs: tuple[Input, ...]) -> list[Trade]:
    return [one for one in inputs if isinstance(one, Trade)]


def test_offers_begin_with_the_next_slot_and_are_renewed_at_half_time() -> None:
    """The offer covers the horizon from the next slot on, and comes again once half of it is over."""
    agent = StaticAgent(PARAMETERS, offers=(OFFER,))
    (first,) = agent.start(_at(1_000))
    assert isinstance(first, PublishOffer)
    assert first.first_slot == 1_800
    assert [(run.slots, run.energy_j) for run in first.runs] == [(HORIZON_SLOTS, 3_600_000)]
    half = 1_800 + HORIZON_SLOTS // 2 * SLOT_S
    assert agent.on_event(_opening(half - SLOT_S), _at(half - SLOT_S - 660)) == ()
    (again,) = agent.on_event(_opening(half), _at(half - 660))
    assert isinstance(again, PublishOffer)
    assert (again.offer_no, again.first_slot) == (first.offer_no, half)


def test_offers_live_no_longer_than_the_router_allows() -> None:
    """With a shorter longest lifetime the offers are shorter, and renewed at half of that."""
    agent = StaticAgent(PARAMETERS, offers=(OFFER,), lifetime_max_s=2 * SLOT_S)
    (first,) = agent.start(_at(1_000))
    assert isinstance(first, PublishOffer)
    assert (first.runs[0].slots, first.lifetime_s) == (2, 2 * SLOT_S)
    (again,) = agent.on_event(_opening(2_700), _at(2_040))
    assert isinstance(again, PublishOffer)
    assert again.first_slot == 2_700
    (least,) = StaticAgent(PARAMETERS, offers=(OFFER,), lifetime_max_s=60).start(_at(1_000))
    assert isinstance(least, PublishOffer)
    assert (least.runs[0].slots, least.lifetime_s) == (1, 60)


def test_each_need_becomes_one_trade_per_slot() -> None:
    """Needs of one slot and of two slots never share a trade number, and ask for what is written down."""
    agent = StaticAgent(PARAMETERS, needs=(NEED, NEED))
    assert agent.start(_at(0)) == ()
    asked = [
        one for slot in (9_000, 9_900) for one in _trades(agent.on_event(_opening(slot), _at(slot - 660)))
    ]
    assert len({one.trade_no for one in asked}) == 4
    assert [(one.slot, one.energy_j) for one in asked] == [(9_000, 1_000_000)] * 2 + [(9_900, 1_000_000)] * 2


def test_standing_loss_is_bought_once_with_the_first_need_that_buys() -> None:
    """The loss that the router reports is added to the first SUPPLY need and to nothing else."""
    sells = StaticNeed(direction=Direction.DEMAND, energy_j=5, price_limit_micro_per_kwh=1)
    agent = StaticAgent(PARAMETERS, needs=(sells, NEED, NEED))
    asked = _trades(agent.on_event(_opening(9_000, supply_j=77), _at(8_340)))
    assert [one.energy_j for one in asked] == [5, 1_000_077, 1_000_000]
