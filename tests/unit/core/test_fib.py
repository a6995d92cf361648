"""Set-points at the final gate."""

from __future__ import annotations

import pytest

from ioe_router.core.booked import BookedLink, booked_link
from ioe_router.core.calendar import SlotLimits
from ioe_router.core.effects import ApplySchedule
from ioe_router.core.fib import controlled_import_j
from ioe_router.model.discovery import LinkKind
from ioe_router.model.grid import Exchange
from ioe_router.model.ids import LinkId, ReservationId
from ioe_router.model.routing import Flow
from tests.links import committed, loss_model
from tests.unit.core.grid_rig import SLOT, SLOT_S, Net, Wire

LINE = loss_model(r_ohm=0.2)
CONVERTER = loss_model(r_ohm=0.5, b_ppm=10_000, iron_w=20)
NET = (Wire("a", "b", LINE), Wire("b", "c", CONVERTER, LinkKind.CONTROLLED))


def booked_by(
    net: Net, ends: tuple[str, str], packets: list[tuple[Flow, int]]
) -> tuple[BookedLink, BookedLink]:
    """Enter packets of these mid-link energies into a ledger and read it from both ends."""
    port = net.port(*ends)
    ledger = port.calendar.open(SLOT, SlotLimits(down_j=10**10, up_j=10**10))
    for number, (flow, energy_j) in enumerate(packets):
        increment = port.model.entry(ledger.net_j, energy_j, flow)
        key = (ReservationId(number.to_bytes(16)), 1, 1)
        ledger.enter(key, committed(number, flow, increment))
    return (
        booked_link(port.link, ledger, keeper=True, supply_j=0),
        booked_link(port.link, ledger, keeper=False, supply_j=0),
    )


def set_points(
    net: Net, name: str, booked: dict[LinkId, BookedLink], reactive_vars: int = 0
) -> list[ApplySchedule]:
    """What a node publishes."""
    node = net[name]
    node.fib.dispatch(SLOT, booked, reactive_vars, node.out)
    net.settle()
    return node.applied


def test_every_port_and_the_devices_get_a_set_point() -> None:
    """An idle node publishes zeros for all its links and its devices, so that nothing old stays in force."""
    found = set_points(Net(NET), "b", {})
    assert [entry.link is None for entry in found] == [False, False, True]
    assert {(entry.direction, entry.energy_j) for entry in found[:1]} == {(Exchange.UNSPECIFIED, 0)}


def test_devices_draw_what_the_ports_bring_in() -> None:
    """Energy through a node cancels out; what is left, less the loss supply, is for its devices."""
    net = Net(NET)
    line = BookedLink(link=net.port("a", "b").link, keeper=False, down_sent_j=1_010, down_received_j=1_000)
    tie = BookedLink(
        link=net.port("b", "c").link, keeper=True, down_sent_j=700, down_received_j=690, supply_j=50
    )
    *_, devices = set_points(net, "b", {line.link: line, tie.link: tie}, reactive_vars=-30)
    assert (devices.direction, devices.energy_j) == (Exchange.IMPORT, 1_000 - 700 - 50)
    assert (devices.reactive, devices.reactive_vars) == (Exchange.EXPORT, 30)


@pytest.mark.parametrize(
    "packets",
    [
        [(Flow.DOWN, 5_000_000)],
        [(Flow.DOWN, 5_000_000), (Flow.UP, 1_234_567), (Flow.DOWN, 999)],
        [(Flow.UP, 3_000_001), (Flow.UP, 77)],
        [],
    ],
)
def test_converter_set_points_lose_what_the_model_says(packets: list[tuple[Flow, int]]) -> None:
    """What enters a CONTROLLED link at one end and leaves at the other differs by its whole modelled loss."""
    net = Net(NET)
    keeper, other = booked_by(net, ("b", "c"), packets)
    port = net.port("b", "c")
    lost_j = -controlled_import_j(port, keeper) - controlled_import_j(port, other)
    assert lost_j == port.model.loss_j(keeper.net_j) + 20 * SLOT_S


def test_converter_set_points_follow_withdrawals() -> None:
    """After packets have left, order effects included, the set-points still lose just the model's loss."""
    net = Net(NET)
    booked_by(net, ("b", "c"), [(Flow.DOWN, 4_000_000), (Flow.DOWN, 3_000_000)])
    port = net.port("b", "c")
    ledger = port.calendar.ledger(SLOT)
    assert ledger is not None
    ledger.withdraw((ReservationId((0).to_bytes(16)), 1, 1))
    ends = [booked_link(port.link, ledger, keeper=keeper, supply_j=0) for keeper in (True, False)]
    assert ends[0].carried_loss_j > port.model.loss_j(ledger.net_j)
    assert -sum(controlled_import_j(port, end) for end in ends) == port.model.loss_j(3_000_000) + 20 * SLOT_S


def test_a_controlled_port_carries_no_reactive_energy() -> None:
    """Version 1 sets Q = 0 at both ends of a CONTROLLED link."""
    net = Net(NET)
    _, other = booked_by(net, ("b", "c"), [(Flow.DOWN, 5_000_000)])
    found = set_points(net, "c", {other.link: other}, reactive_vars=500)
    assert [entry.reactive_vars for entry in found] == [0, 500]
    assert found[0].direction is Exchange.IMPORT


def test_the_fib_shows_the_newest_set_points() -> None:
    """A later dispatch replaces the entries of the earlier one, port by port."""
    net = Net(NET)
    link = net.port("a", "b").link
    set_points(net, "a", {link: BookedLink(link=link, keeper=True, down_sent_j=9, down_received_j=8)})
    set_points(net, "a", {link: BookedLink(link=link, keeper=True, down_sent_j=5, down_received_j=5)})
    assert [entry.energy_j for entry in net["a"].fib.entries] == [5, 5]


@pytest.mark.parametrize("flow", [Flow.DOWN, Flow.UP])
def test_devices_are_told_no_more_than_their_connection_carries(flow: Flow) -> None:
    """Whatever is booked, the set-point of the own devices ends at the connection's limit."""
    net = Net(NET)
    most_j = 10 * max(net["a"].config.connection_import_w, net["a"].config.connection_export_w) * SLOT_S
    line, _ = booked_by(net, ("a", "b"), [(flow, most_j)])
    entry = set_points(net, "a", {line.link: line})[-1]
    config = net["a"].config
    limit_w = config.connection_export_w if flow is Flow.DOWN else config.connection_import_w
    assert (entry.link, entry.energy_j) == (None, limit_w * SLOT_S)
