"""The utility's agent: its tariff as two default offers, published in time."""

from __future__ import annotations

from ioe_router.agents.utility import LIFETIME_S, Tariff, Utility
from ioe_router.core.events import NeighborUp, SlotOpening
from ioe_router.core.inputs import PublishOffer
from ioe_router.model.clock import Now
from ioe_router.model.ids import NodeId
from ioe_router.model.routing import Direction
from ioe_router.model.slot import Slot

START = Slot(1_465_948_800)
TARIFF = Tariff(
    first_slot=START,
    slot_s=900,
    retail_micro_per_kwh=(300_000, 300_000, 350_000, 300_000),
    feed_in_micro_per_kwh=(80_000,) * 4,
    power_w=40_000,
    carbon_mg_per_kwh=380_000,
)
UP = NeighborUp(neighbor=NodeId(bytes(32)))


def at(utc_s: int) -> Now:
    """An instant of the scenario clock."""
    return Now(monotonic_ns=utc_s * 1_000_000_000, utc_ms=utc_s * 1000)


def offers(utility: Utility, utc_s: int) -> list[PublishOffer]:
    """What the utility publishes when a neighbour is there."""
    found = utility.on_event(UP, at(utc_s))
    assert all(isinstance(one, PublishOffer) for one in found)
    return [one for one in found if isinstance(one, PublishOffer)]


def test_the_tariff_is_offered_for_the_whole_day_before_it_begins() -> None:
    """Retail as a SUPPLY and feed-in as a DEMAND offer, both default, one run for each price."""
    sells, buys = offers(Utility(TARIFF), START - 900)
    assert (sells.direction, buys.direction) == (Direction.SUPPLY, Direction.DEMAND)
    assert sells.is_default
    assert buys.is_default
    assert sells.first_slot == buys.first_slot == START
    prices = [(run.slots, run.price_micro_per_kwh) for run in sells.runs]
    assert prices == [(2, 300_000), (1, 350_000), (1, 300_000)]
    assert [(run.slots, run.price_micro_per_kwh) for run in buys.runs] == [(4, 80_000)]
    assert {run.energy_j for run in (*sells.runs, *buys.runs)} == {40_000 * 900}


def test_the_rest_of_the_day_is_offered_later() -> None:
    """In the third slot the offers begin there."""
    sells, buys = offers(Utility(TARIFF), START + 1_900)
    assert sells.first_slot == buys.first_slot == START + 1_800
    assert [run.price_micro_per_kwh for run in sells.runs] == [350_000, 300_000]


def test_offers_are_renewed_at_half_of_their_life() -> None:
    """A second neighbour changes nothing; a slot that opens after half of the life does."""
    utility = Utility(TARIFF)
    assert len(offers(utility, START - 900)) == 2
    assert offers(utility, START - 899) == []
    opening = SlotOpening(slot=START, supply_j=0)
    assert utility.on_event(opening, at(START - 900 + LIFETIME_S // 2 - 1)) == ()
    long_day = Utility(
        Tariff(
            first_slot=START,
            slot_s=900,
            retail_micro_per_kwh=(1,) * 96,
            feed_in_micro_per_kwh=(1,) * 96,
            power_w=1,
            carbon_mg_per_kwh=0,
        )
    )
    offers(long_day, START - 900)
    renewed = long_day.on_event(opening, at(START - 900 + LIFETIME_S // 2))
    assert len(renewed) == 2


def test_nothing_is_offered_after_the_day() -> None:
    """Behind the last slot there is no tariff."""
    assert offers(Utility(TARIFF), START + 4 * 900) == []
