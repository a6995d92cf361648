"""A prosumer beside a router that crashes: what was traded before counts once, whoever kept its books."""

from __future__ import annotations

import pytest

from ioe_router.agents.assets import OwnDevices, Source
from ioe_router.agents.prosumer import Prosumer
from ioe_router.agents.slot_plan import ProsumerPolicy
from ioe_router.core.events import Booked, BookingRestored, SlotOpening, Unbooked, UnbookingRestored
from ioe_router.model.clock import Now
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import NodeId, ReservationId
from ioe_router.model.routing import Direction, SourceClass
from ioe_router.model.slot import Slot

SLOT_S = 900
SLOT = Slot(9_000)
NOW = Now(monotonic_ns=0, utc_ms=8_000_000)
OPENING = SlotOpening(slot=SLOT, supply_j=0)
SOLD = Booked(
    reservation=ReservationId(bytes(16)),
    index=1,
    slot=SLOT,
    peer=NodeId(bytes(32)),
    initiator=False,
    direction=Direction.SUPPLY,
    energy_j=500_000,
    price_micro_per_kwh=80_000,
    scarcity_micro_per_kwh=0,
    offer_no=1,
    trade_no=0,
    own_offer_no=1,
    hops=0,
)


def _agent() -> Prosumer:
    """A roof of 2 kW and nothing to run at home."""
    roof = Source(
        name="roof",
        source=SourceClass.SOLAR,
        price_micro_per_kwh=10_000,
        carbon_mg_per_kwh=0,
        forecast_w=lambda _slot: 2_000,
    )
    devices = OwnDevices(
        firm_w=lambda _slot: 0, reactive_var=lambda _slot: 0, flexible=(), sources=(roof,), batteries=()
    )
    return Prosumer(devices, ProsumerPolicy(price_cap_micro_per_kwh=400_000), SLOT_S, None)


def _given_j(agent: Prosumer) -> int:
    """What the roof has to give in the slot."""
    (point,) = agent.setpoints(SLOT)
    return point.given_j


def test_an_agent_that_kept_its_books_counts_a_restored_booking_once() -> None:
    """It has heard of the sale already: telling it again, and opening the slot again, change nothing."""
    agent = _agent()
    agent.on_event(OPENING, NOW)
    agent.on_event(SOLD, NOW)
    agent.on_event(BookingRestored(booked=SOLD), NOW)
    agent.on_event(OPENING, NOW)
    assert _given_j(agent) == SOLD.energy_j


def test_an_agent_that_was_restarted_learns_what_it_has_sold() -> None:
    """The sale is told before the slot is opened again, and is still in the book after that."""
    agent = _agent()
    agent.on_event(BookingRestored(booked=SOLD), NOW)
    agent.on_event(OPENING, NOW)
    assert _given_j(agent) == SOLD.energy_j


def test_without_a_restored_booking_nothing_is_sold() -> None:
    """An opened slot alone moves no device."""
    agent = _agent()
    agent.on_event(OPENING, NOW)
    assert _given_j(agent) == 0


@pytest.mark.parametrize(
    ("heard", "told_j", "left_j"),
    [
        (False, 200_000, 200_000),
        (True, 200_000, 200_000),
        (False, 0, 0),
        (False, SOLD.energy_j, SOLD.energy_j),
    ],
    ids=["missed", "heard before", "all gone", "nothing gone"],
)
def test_what_is_gone_counts_once_whether_it_was_heard_or_not(heard: bool, told_j: int, left_j: int) -> None:
    """UnbookingRestored says what remains; books that have it already stay as they are."""
    agent = _agent()
    agent.on_event(OPENING, NOW)
    agent.on_event(SOLD, NOW)
    if heard:
        agent.on_event(
            Unbooked(
                reservation=SOLD.reservation,
                index=SOLD.index,
                slot=SLOT,
                energy_j=SOLD.energy_j - told_j,
                remaining_j=told_j,
                code=ErrorCode.CURTAILED,
            ),
            NOW,
        )
    for _ in range(2):
        agent.on_event(
            UnbookingRestored(
                reservation=SOLD.reservation,
                index=SOLD.index,
                slot=SLOT,
                remaining_j=told_j,
                code=ErrorCode.CURTAILED,
            ),
            NOW,
        )
    assert _given_j(agent) == left_j
