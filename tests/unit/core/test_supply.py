"""What a node forecasts for, and books into, the losses of its links that no packet carries."""

from __future__ import annotations

from ioe_router.core.booked import model_loss_j
from ioe_router.core.calendar import LiveEntry, PacketKey, SlotLimits
from ioe_router.core.ports import Port, Ports
from ioe_router.core.supply import LossSupply
from ioe_router.model.ids import ReservationId
from ioe_router.model.routing import Direction, Flow
from ioe_router.model.slot import Slot
from tests.links import loss_model
from tests.unit.core.grid_rig import SLOT, SLOT_S, Net, Wire, parameters

NEXT = Slot(SLOT + SLOT_S)
LIMITS = SlotLimits(down_j=20_000_000, up_j=20_000_000)


def book(port: Port, number: int, flow: Flow, energy_j: int) -> PacketKey:
    """A committed packet, entered at the flow that is there."""
    calendar = port.calendar
    ledger = calendar.ledger(SLOT) or calendar.open(SLOT, LIMITS)
    increment = calendar.admit_sent(ledger, energy_j, flow)
    assert increment is not None
    key = (ReservationId(bytes([number]) * 16), 1, 1)
    ledger.enter(key, LiveEntry(number=number, flow=flow, increment=increment))
    ledger.price(key, 100_000, Direction.SUPPLY)
    return key


def test_what_releases_leave_behind_is_no_forecast() -> None:
    """A packet priced against a flow that has gone carries too little: that is an affair of its slot."""
    net = Net([Wire("a", "b", loss_model(iron_w=40.0))])
    port = net.port("a", "b")
    supply = LossSupply(Ports(port.neighbor, parameters(), 0, (port,), lambda _link, _slot: None))
    at_rest = supply.open(SLOT)
    against = book(port, 1, Flow.UP, 9_000_000)
    book(port, 2, Flow.DOWN, 5_000_000)
    ledger = port.calendar.ledger(SLOT)
    assert ledger is not None
    ledger.withdraw(against)

    sums = supply.booked(SLOT)[port.link]
    lost_j = model_loss_j(port.model, sums.net_j)
    assert sums.carried_loss_j < 0 < lost_j
    supply.correct(SLOT, {port.link: lost_j})

    assert supply.booked(SLOT)[port.link].supply_j == sums.half(lost_j - sums.carried_loss_j)
    assert supply.open(NEXT) == at_rest == sums.half(port.model.standing_j(0))
