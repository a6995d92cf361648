"""Link state between several nodes: whom it reaches, how often, and what is never told."""

from __future__ import annotations

from ioe_router.config import Timers
from ioe_router.core.link_state import LinkLoad
from ioe_router.core.outbox import Outbox
from ioe_router.model.clock import Now
from ioe_router.model.envelope import ObjectType
from ioe_router.model.routing import Flow
from tests.unit.core.routing_rig import SLOT_S, Net, Wire, offer
from tests.unit.core.routing_shapes import TREE, offered


def test_link_state_reaches_who_was_told_a_path_over_the_link() -> None:
    """A link state crosses the net along told paths, quantised, once, and a late session gets it, too."""
    net = Net(TREE)
    net.publish("b", offer())
    net.start()
    slot, link = offer().first_slot, net.link("a", "b")
    load = LinkLoad(
        net_flow=Flow.UP, net_energy_j=1_700_000, residual_down_j=17_999_999, residual_up_j=16_300_000
    )
    net.node("a").routing.publish_link_state(link, slot, load)
    net.carry_out(net.node("a"), Outbox())
    net.run(1_000)
    state = net.node("e").routing.link_state(link, slot)
    assert state is not None
    step_j = 20_000 * SLOT_S // 16
    assert (state.net_flow, state.net_energy_j) == (Flow.UP, 2 * step_j)
    assert (state.residual_down_j, state.residual_up_j) == (15 * step_j, 14 * step_j)
    # c was told b's path over the link, too; nobody was told a path over the link a-c
    other = net.link("a", "c")
    net.node("a").routing.publish_link_state(other, slot, load)
    net.carry_out(net.node("a"), Outbox())
    net.run(1_000)
    assert net.node("c").routing.link_state(other, slot) is not None
    assert net.node("e").routing.link_state(other, slot) is None
    net.cut("d", "e")
    net.connect("d", "e")
    net.settle()
    assert net.node("e").routing.link_state(link, slot) == state
    assert net.faults() == []


def test_link_states_are_conflated_and_rate_limited() -> None:
    """Many changes at one moment cost one message, many in an interval two; the last says what is true."""
    net = Net((Wire("a", "b"), Wire("b", "c")), timers=Timers(keepalive_ms=0, link_state_ms=1_000))
    net.publish("c", offer())
    net.start()
    slot, link, node = offer().first_slot, net.link("b", "c"), net.node("b")
    full_j = 20_000 * SLOT_S
    for used in range(17):
        if used == 9:
            net.run(300)
            state = net.node("a").routing.link_state(link, slot)
            assert state is not None
            assert (state.residual_up_j, state.seq) == (full_j // 2, 1)
        free_j = full_j - used * full_j // 16
        load = LinkLoad(net_flow=Flow.UP, net_energy_j=0, residual_down_j=0, residual_up_j=free_j)
        node.routing.publish_link_state(link, slot, load)
        net.carry_out(node, Outbox())
    net.run(5_000)
    state = net.node("a").routing.link_state(link, slot)
    assert state is not None
    assert (state.residual_up_j, state.seq) == (0, 2)


def test_the_link_of_a_single_customer_has_no_state() -> None:
    """An access link publishes nothing, since its flow is a household's."""
    wires = (Wire("a", "b"), Wire("b", "home", access=True))
    net = Net(wires)
    net.publish("home", offer())
    net.start()
    slot, link = offer().first_slot, net.link("b", "home")
    load = LinkLoad(net_flow=Flow.UP, net_energy_j=0, residual_down_j=0, residual_up_j=0)
    net.node("b").routing.publish_link_state(link, slot, load)
    net.carry_out(net.node("b"), Outbox())
    net.run(5_000)
    assert offered(net, "a") == ["home"]
    assert net.node("a").routing.link_state(link, slot) is None
    assert ObjectType.LINK_STATE not in net.sent


def test_states_of_ended_slots_are_forgotten() -> None:
    """A slot's link state goes with the slot."""
    net = Net((Wire("a", "b"), Wire("b", "c")))
    net.publish("c", offer())
    net.start()
    slot, link, node = offer().first_slot, net.link("b", "c"), net.node("b")
    load = LinkLoad(net_flow=Flow.UP, net_energy_j=0, residual_down_j=0, residual_up_j=0)
    node.routing.publish_link_state(link, slot, load)
    net.carry_out(node, Outbox())
    net.run(1_000)
    assert net.node("a").routing.link_state(link, slot) is not None
    net.now = Now(net.now.monotonic_ns, (slot + SLOT_S) * 1000)
    net.carry_out(net.node("a"), Outbox())
    assert net.node("a").routing.link_state(link, slot) is None
