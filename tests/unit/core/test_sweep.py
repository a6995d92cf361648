"""Two sweeps between neighbours against an AC power flow, and what happens when somebody is silent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest

from ioe_router.analysis.powerflow import PowerFlow, SetPoint, SlotInjections, SlotPhysics
from ioe_router.core.booked import BookedLink
from ioe_router.core.fib import controlled_import_j
from ioe_router.core.sweep_events import LossCorrection, SlotSwept, VoltageOutOfBand
from ioe_router.model.discovery import LinkKind, LossModel
from ioe_router.model.envelope import ObjectType
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.grid import Exchange, SweepDown, SweepUp
from ioe_router.model.slot import Slot
from ioe_router.scenario.load import bundled
from ioe_router.scenario.model import AssetKind, Scenario, ScenarioLink, ScenarioLinkKind
from tests.links import loss_model
from tests.unit.core.grid_rig import SLOT, SLOT_S, Member, Net, Wire


def book(net: Net, draws_j: Mapping[str, int], ties_j: Mapping[str, int]) -> dict[str, list[BookedLink]]:
    """Bookings without carried losses that make each node draw what `draws_j` says.

    `ties_j[name]` is the net energy from the keeper over the CONTROLLED link "keeper-other".
    """
    names = {node.config.node: name for name, node in net.nodes.items()}
    through = dict(draws_j)
    booked: dict[str, list[BookedLink]] = {name: [] for name in net.nodes}
    for tie, energy_j in ties_j.items():
        keeper, other = tie.split("/")
        through[keeper] = through.get(keeper, 0) + energy_j
        through[other] = through.get(other, 0) - energy_j
        put(net, booked, (keeper, other), energy_j)
    for name in reversed(outwards(net)):
        parent = net[name].zone.parent
        if parent is not None:
            above = names[parent.neighbor]
            through[above] = through.get(above, 0) + through.get(name, 0)
            put(net, booked, (above, name), through.get(name, 0))
    return booked


def put(net: Net, booked: dict[str, list[BookedLink]], ends: tuple[str, str], energy_j: int) -> None:
    """Book a lossless net flow from the keeper at both ends of a link."""
    link = net.port(*ends).link
    down, up = max(0, energy_j), max(0, -energy_j)
    for name, keeper in zip(ends, (True, False), strict=True):
        booked[name].append(
            BookedLink(
                link=link,
                keeper=keeper,
                net_j=energy_j,
                down_sent_j=down,
                down_received_j=down,
                up_sent_j=up,
                up_received_j=up,
            )
        )


def outwards(net: Net) -> list[str]:
    """Node names, parents before children."""
    names = {node.config.node: name for name, node in net.nodes.items()}
    order = [name for name, node in net.nodes.items() if node.zone.is_root]
    for name in order:
        order += [names[port.neighbor] for port in net[name].zone.children]
    return order


def forecast(net: Net, q_vars: Mapping[str, int], slot: Slot = SLOT) -> None:
    """Give every node its reactive forecast."""
    for name, vars_ in q_vars.items():
        net[name].sweeps.forecast(slot, Exchange.IMPORT if vars_ >= 0 else Exchange.EXPORT, abs(vars_))


# ------------------------------------------------------------------ a whole feeder against AC


@dataclass(frozen=True)
class Case:
    """A feeder, its injections, and what AC says about them."""

    net: Net
    scenario: Scenario
    physics: SlotPhysics
    swept: dict[str, int]  # by link name


def loss_of(link: ScenarioLink) -> LossModel:
    """A scenario's link as it would be attested, planned for 3 % below nominal."""
    return LossModel(
        vn_mv=link.vn_mv,
        planning_mv=link.vn_mv * 97 // 100,
        r_micro_ohm=link.r_micro_ohm,
        x_micro_ohm=link.x_micro_ohm,
        iron_milli_w=link.iron_milli_w,
        magnetising_var=link.magnetising_var,
        charging_var=link.charging_var,
        tap_ratio_ppm=link.tap_ratio_ppm,
        b_ppm=link.b_ppm,
        c_pico_per_w=link.c_pico_per_w,
    )


def run_case(scenario: Scenario, *, at: int, percent: int, solar_percent: int, tie_w: int) -> Case:
    """Sweep one slot of a bundled scenario, its loads and its sun scaled, beside the AC power flow."""
    kinds = {ScenarioLinkKind.RADIAL: LinkKind.RADIAL, ScenarioLinkKind.CONTROLLED: LinkKind.CONTROLLED}
    wires = [
        Wire(link.parent, link.child, loss_of(link), kinds[link.kind], link.rating_down_va)
        for link in scenario.links
    ]
    net = Net(wires, slack_micro_pu=scenario.market.slack_voltage_micro_pu)
    net.start()
    draw_w = dict.fromkeys((bus.name for bus in scenario.buses), 0)
    q_var = dict(draw_w)
    for asset in scenario.assets:
        day = scenario.days[0].assets[asset.name]
        if asset.kind is AssetKind.LOAD:
            draw_w[asset.bus] += day.p_w[at] * percent // 100
            q_var[asset.bus] += day.q_var[at] * percent // 100
        elif asset.kind is AssetKind.SOLAR:
            draw_w[asset.bus] -= day.p_w[at] * solar_percent // 100
    ties = [link for link in scenario.links if link.kind is ScenarioLinkKind.CONTROLLED]
    ties_j = {f"{tie.parent}/{tie.child}": tie_w * SLOT_S for tie in ties}
    booked = book(net, {bus: w * SLOT_S for bus, w in draw_w.items()}, ties_j)
    forecast(net, {bus: var * SLOT_S for bus, var in q_var.items()})
    net.sweep(booked)
    physics = PowerFlow(scenario).run(
        [
            SlotInjections(
                p_w={bus: -w for bus, w in draw_w.items()},
                q_var=q_var,
                set_points={tie.name: set_point(net, tie, booked) for tie in ties},
            )
        ]
    )[0]
    return Case(net, scenario, physics, swept_losses(net, scenario))


def set_point(net: Net, tie: ScenarioLink, booked: Mapping[str, Sequence[BookedLink]]) -> SetPoint:
    """What the FIB would tell both converters, watts entering the link."""

    def entering(bus: str, other: str) -> int:
        port = net.port(bus, other)
        sums = next(link for link in booked[bus] if link.link == port.link)
        return -controlled_import_j(port, sums) // SLOT_S

    return SetPoint(parent_w=entering(tie.parent, tie.child), child_w=entering(tie.child, tie.parent))


def swept_losses(net: Net, scenario: Scenario) -> dict[str, int]:
    """The loss of each RADIAL link, as its keeper announced it."""
    found: dict[str, int] = {}
    for link in scenario.links:
        if link.kind is ScenarioLinkKind.RADIAL:
            (event,) = net[link.parent].events_of(SlotSwept)
            found[link.name] = dict(event.loss_j)[net.port(link.parent, link.child).link]
    return found


@pytest.mark.parametrize(
    ("name", "at", "percent", "solar_percent", "tie_w"),
    [
        ("feeder33", 52, 230, 0, 0),  # the classic case: 3.7 MW, 5 % loss, 0.91 pu at the end
        ("feeder33", 52, 100, 100, 0),
        ("feeder33", 52, 60, 300, 60_000),  # reverse flow in the sun, and all ties at work
        ("feeder33", 10, 100, 0, -40_000),
        ("village", 40, 100, 0, 0),
        ("village", 48, 100, 100, 0),
    ],
)
def test_two_sweeps_find_the_losses_of_the_ac_power_flow(
    name: str, at: int, percent: int, solar_percent: int, tie_w: int
) -> None:
    """Total loss after two sweeps is within 0.05 % of AC, each voltage within a tenth of a per mille."""
    scenario = bundled(name)
    case = run_case(scenario, at=at, percent=percent, solar_percent=solar_percent, tie_w=tie_w)
    exact_j = sum(case.physics.links[link].loss_w for link in case.swept) * SLOT_S
    assert sum(case.swept.values()) == pytest.approx(exact_j, rel=5e-4)
    for bus, voltage in case.physics.voltage_micro_pu.items():
        found = case.net[bus].sweeps.voltage_micro_pu(SLOT)
        assert found is not None
        assert abs(found - voltage) < 100


# ------------------------------------------------------------------ a small tree


LINE = loss_model(r_ohm=0.1, x_ohm=0.05, iron_w=30)
TREE = (
    Wire("root", "a", LINE),
    Wire("a", "b", LINE),
    Wire("a", "c", LINE),
)
DRAWS = {"a": 3_000 * SLOT_S, "b": 8_000 * SLOT_S + 1, "c": -5_000 * SLOT_S}


def swept_tree(*, without: Sequence[str] = (), silent: str | None = None) -> Net:
    """The tree after its sweeps; `without` never started, `silent` lost its sessions before the gate."""
    net = Net(TREE)
    net.start(without=without)
    if silent is not None:
        net.disconnect(silent)
    net.sweep(book(net, DRAWS, {}))
    return net


def test_both_ends_find_the_same_loss_and_buy_half_of_it() -> None:
    """Corrections of all nodes add up to the swept loss of all links less what is carried and supplied."""
    net = swept_tree()
    lost = sum(loss for node in net.nodes.values() for e in node.events_of(SlotSwept) for _, loss in e.loss_j)
    wanted = [e for node in net.nodes.values() for e in node.events_of(LossCorrection)]
    assert all(event.short for event in wanted)
    assert lost > 3 * 30 * SLOT_S
    assert sum(event.energy_j for event in wanted) == lost


def test_energy_that_is_supplied_already_is_not_bought_again() -> None:
    """A supply above a node's halves comes back, less what its own use then loses on the way."""
    net = Net(TREE)
    net.start()
    booked = book(net, DRAWS, {})
    first = swept_tree()["b"].events_of(LossCorrection)[0]
    (own,) = booked["b"]
    surplus = first.energy_j + 7_000
    # the supply is bought from outside, so it neither changes what b draws nor the flow by much
    booked["b"] = [
        BookedLink(
            link=own.link,
            keeper=False,
            net_j=own.net_j,
            down_sent_j=own.down_sent_j + surplus,
            down_received_j=own.down_received_j + surplus,
            supply_j=surplus,
        )
    ]
    net.sweep(booked)
    (event,) = net["b"].events_of(LossCorrection)
    assert not event.short
    assert 7_000 - 70 < event.energy_j < 7_000  # b draws it: a little more is lost, below 1 % here


def test_a_dead_child_counts_with_what_is_booked() -> None:
    """The others are swept at once when a session is gone; the booked flow stands in for the child."""
    net = swept_tree(silent="b")
    (event,) = net["a"].events_of(SlotSwept)
    whole = dict(swept_tree()["a"].events_of(SlotSwept)[0].loss_j)
    assert dict(event.loss_j).keys() == whole.keys()
    for link, loss in event.loss_j:
        assert loss == pytest.approx(whole[link], rel=0.02)


def test_a_silent_child_is_waited_for_a_bounded_time() -> None:
    """A child with a session that says nothing delays its parent by the timetable and no more."""
    net = Net(TREE)
    net.start()
    booked = book(net, DRAWS, {})
    for name in ("root", "a", "c"):
        sums = {link.link: link for link in booked[name]}
        net[name].sweeps.start(SLOT, sums, net.now, net[name].out)
    net.settle()
    assert net["root"].events_of(SlotSwept) == []
    zone_levels, rounds = 2, 2
    net.pass_time(ms=(2 * zone_levels * rounds) * 1_000)
    for name in ("root", "a", "c"):
        assert len(net[name].events_of(SlotSwept)) == 1


def test_without_a_parent_a_node_goes_on_with_its_planning_voltage() -> None:
    """With its parent gone a node ends both rounds on time, at the planning voltage."""
    net = swept_tree(silent="root")
    assert net["b"].sweeps.voltage_micro_pu(SLOT) is not None
    assert net["a"].sweeps.voltage_micro_pu(SLOT) == 1_000_000


def test_a_voltage_outside_the_band_is_announced() -> None:
    """A node whose swept voltage leaves the band less guard says so, with the voltage."""
    net = Net(TREE)
    net.start()
    net.sweep(book(net, {"b": 80_000 * SLOT_S}, {}))
    (event,) = net["b"].events_of(VoltageOutOfBand)
    assert event.voltage_micro_pu < 905_000
    assert net["root"].events_of(VoltageOutOfBand) == []


def test_sweeps_are_as_many_messages_as_links_and_rounds() -> None:
    """Two rounds are two messages up and two down per RADIAL link."""
    net = swept_tree()
    assert sum(e.type is ObjectType.SWEEP_UP for e in net.sent) == 2 * len(TREE)
    assert sum(e.type is ObjectType.SWEEP_DOWN for e in net.sent) == 2 * len(TREE)


def test_a_node_without_radial_links_still_covers_its_converters() -> None:
    """A node with CONTROLLED links alone buys its half of their standing loss."""
    net = Net([Wire("x", "y", loss_model(iron_w=10, r_ohm=0.0), LinkKind.CONTROLLED)])
    net.start()
    net.sweep({})
    found = [net[name].events_of(LossCorrection)[0].energy_j for name in ("x", "y")]
    assert found == [10 * SLOT_S // 2, 10 * SLOT_S // 2]


def test_an_early_child_is_heard_when_the_gate_opens() -> None:
    """P and Q that arrive before the own gate are kept for it."""
    net = Net(TREE)
    net.start()
    booked = book(net, DRAWS, {})
    for name in ("b", "c", "a", "root"):
        net[name].sweeps.start(SLOT, {link.link: link for link in booked[name]}, net.now, net[name].out)
        net.settle()
    assert len(net["root"].events_of(SlotSwept)) == 1


@pytest.mark.parametrize(
    ("neighbor", "body", "code"),
    [
        ("root", SweepUp(slot_utc_s=SLOT, round=1, active=Exchange.IMPORT, active_j=1,
                         reactive=Exchange.UNSPECIFIED, reactive_vars=0), ErrorCode.UNEXPECTED),
        ("b", SweepUp(slot_utc_s=SLOT + 1, round=1, active=Exchange.IMPORT, active_j=1,
                      reactive=Exchange.UNSPECIFIED, reactive_vars=0), ErrorCode.OUT_OF_BOUNDS),
        ("b", SweepUp(slot_utc_s=SLOT + 90 * SLOT_S, round=1, active=Exchange.IMPORT, active_j=1,
                      reactive=Exchange.UNSPECIFIED, reactive_vars=0), ErrorCode.OUT_OF_BOUNDS),
        ("b", SweepUp(slot_utc_s=SLOT, round=1, active=Exchange.IMPORT, active_j=10**13,
                      reactive=Exchange.UNSPECIFIED, reactive_vars=0), ErrorCode.OUT_OF_BOUNDS),
        ("b", SweepUp(slot_utc_s=SLOT, round=1, active=Exchange.UNSPECIFIED, active_j=1,
                      reactive=Exchange.UNSPECIFIED, reactive_vars=0), ErrorCode.OUT_OF_BOUNDS),
        ("b", SweepDown(slot_utc_s=SLOT, round=1, voltage_micro_pu=1_000_000), ErrorCode.UNEXPECTED),
        ("root", SweepDown(slot_utc_s=SLOT, round=1, voltage_micro_pu=0), ErrorCode.OUT_OF_BOUNDS),
    ],
)  # fmt: skip
def test_nonsense_is_refused(neighbor: str, body: SweepUp | SweepDown, code: ErrorCode) -> None:
    """Sweeps from the wrong side, about no near slot, or without direction or voltage are refused."""
    net = Net(TREE, {"b": Member()})
    net.start()
    sealed = net.keys.sealers[neighbor].seal(body)
    with pytest.raises(PeerError) as refusal:
        net["a"].deliver(net.keys.node(neighbor), sealed.envelope, net.now)
    assert refusal.value.code is code
