"""The routing half of several nodes together: convergence, withdrawal, what is told to whom."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ioe_router.config import Limits, Timers, Transit
from ioe_router.core.events import OfferLearned, OfferLost
from ioe_router.model.discovery import Role
from ioe_router.model.envelope import ObjectType
from ioe_router.model.routing import Direction, Flow, OfferRun
from ioe_router.model.slot import Slot
from tests.unit.core.routing_rig import SLOT_S, START_UTC_S, Net, Wire, config_of, offer
from tests.unit.core.routing_shapes import BOTH, RING, TREE, offered, reach

SUPPLY, DEMAND = Direction.SUPPLY, Direction.DEMAND


def test_a_tree_converges_to_the_only_path() -> None:
    """In a tree every node learns every offer over the one path there is, and nobody refuses anything."""
    net = Net(TREE)
    net.publish("b", offer())
    net.publish("e", offer(direction=DEMAND))
    net.start()
    assert reach(net, "e", "b") == [["b", "a", "root", "d"]]
    assert reach(net, "b", "e", DEMAND) == [["e", "d", "root", "a"]]
    assert all(offered(net, name) == ["b"] for name in net.nodes if name != "b")
    assert all(offered(net, name, DEMAND) == ["e"] for name in net.nodes if name != "e")
    assert net.faults() == []


def test_a_ring_tells_both_ways_round() -> None:
    """In a ring every node has two paths to an origin, the shorter one first."""
    net = Net(RING)
    net.publish("n0", offer())
    net.start()
    assert reach(net, "n2", "n0") == [["n0", "n1"], ["n0", "n4", "n3"]]
    assert net.faults() == []


def test_energy_flows_from_the_origin_for_supply_and_to_it_for_demand() -> None:
    """The sense of a path's energy on a link follows from the direction and from who keeps the link."""
    net = Net(TREE[:2])
    for direction, number in ((SUPPLY, 1), (DEMAND, 2)):
        net.publish("b", offer(direction=direction, offer_no=number))
    net.start()
    supply = net.node("root").routing.paths_to(net.node("b").id, SUPPLY)[0]
    demand = net.node("root").routing.paths_to(net.node("b").id, DEMAND)[0]
    assert [link.flow for link in supply.links] == [Flow.UP, Flow.UP]
    assert [link.flow for link in demand.links] == [Flow.DOWN, Flow.DOWN]
    assert [link.link for link in supply.links] == [net.link("a", "b"), net.link("root", "a")]


def test_labels_lead_back_to_the_origin() -> None:
    """The hash that a neighbour uses names, hop by hop, the incoming path, and at the origin nothing."""
    net = Net(TREE)
    net.publish("b", offer())
    net.start()
    label = net.node("e").routing.paths_to(net.node("b").id, SUPPLY)[0].hash
    here, walked = "e", []
    for onward in ("d", "root", "a", "b"):
        told = net.node(onward).routing.told(net.node(here).id, label)
        assert told is not None
        walked.append(None if told.incoming is None else net.names[told.incoming.neighbor])
        label, here = (label if told.incoming is None else told.incoming.hash), onward
    assert walked == ["root", "a", "b", None]
    assert net.node("b").routing.told(net.node("e").id, label) is None


def test_link_loss_moves_to_the_other_way_round() -> None:
    """After a cut in a ring everybody uses what is left, in one wave and without growing paths."""
    net = Net(RING)
    net.publish("n0", offer())
    net.start()
    before = dict(net.sent)
    net.cut("n0", "n1")
    net.settle()
    assert reach(net, "n1", "n0") == [["n0", "n4", "n3", "n2"]]
    assert reach(net, "n4", "n0") == [["n0"]]
    adverts = net.sent[ObjectType.PATH_ADVERT] - before[ObjectType.PATH_ADVERT]
    assert adverts <= len(RING), adverts
    assert net.faults() == []


@pytest.mark.parametrize("told_paths", [1, 2, 4])
def test_a_lost_origin_is_forgotten_without_counting_up(told_paths: int) -> None:
    """When an origin is cut off a meshed net, its paths vanish at once, and no worse one is told."""
    wires = (*RING, Wire("n0", "n2"), Wire("n1", "n3"), Wire("o", "n0"))
    net = Net(wires, limits=Limits(told_paths_per_origin=told_paths))
    net.publish("o", offer())
    net.start()
    assert len(reach(net, "n3", "o")) >= 2
    before = dict(net.sent)
    net.cut("o", "n0")
    net.drain()
    assert all(reach(net, f"n{i}", "o") == [] for i in range(5))
    net.settle()
    searching = net.sent[ObjectType.PATH_ADVERT] - before[ObjectType.PATH_ADVERT]
    assert searching <= (2 if told_paths == 1 else 0)
    assert all(offered(net, f"n{i}") == [] for i in range(5))
    assert sum(isinstance(e, OfferLost) for e in net.node("n3").events) == 1
    assert net.faults() == []


def test_a_cut_that_heals_brings_everything_back() -> None:
    """After a session has come back both sides know and tell what they did before."""
    net = Net(BOTH)
    net.publish("b", offer())
    net.publish("d", offer())
    net.start()
    before = {name: (reach(net, name, "b"), offered(net, name)) for name in net.nodes}
    net.cut("root", "a")
    net.settle()
    assert reach(net, "root", "b") == [["b", "a", "c", "d"]]
    net.connect("a", "root")
    net.settle()
    after = {name: (reach(net, name, "b"), sorted(offered(net, name))) for name in net.nodes}
    assert after == {name: (paths, sorted(offers)) for name, (paths, offers) in before.items()}
    assert net.faults() == []


def test_an_offer_withdrawn_is_gone_in_the_same_instant() -> None:
    """A withdrawal does not wait for a batch at any hop."""
    net = Net(TREE)
    net.publish("b", offer())
    net.start()
    net.publish("b", offer(energy_j=0))
    net.drain()
    assert all(offered(net, name) == [] for name in net.nodes)
    assert sum(isinstance(e, OfferLost) for e in net.node("e").events) == 1


@pytest.mark.parametrize(
    ("change", "at_once"),
    [
        ({"energy_j": 1_800_000}, True),
        ({"price": 120_000}, True),
        ({"slots": 2}, True),
        ({"energy_cap_j": 3_600_000}, True),
        ({"energy_j": 7_200_000}, False),
        ({"price": 80_000}, False),
        ({"slots": 8}, False),
    ],
    ids=str,
)
def test_reductions_do_not_wait(change: dict[str, Any], at_once: bool) -> None:
    """What takes something back crosses the net at once; what adds something waits for the batch."""
    net = Net(TREE)
    net.publish("b", offer())
    net.start()
    net.publish("b", offer(**change))
    net.drain()
    seen = net.node("e").routing.offer(net.node("b").id, 1)
    assert seen is not None
    assert (seen.body.seq == 2) is at_once
    net.settle()
    later = net.node("e").routing.offer(net.node("b").id, 1)
    assert later is not None
    assert later.body.seq == 2


def test_offers_of_slots_gone_by_are_no_reduction() -> None:
    """Rolling the horizon forward by slots that have begun takes nothing back."""
    net = Net(TREE[:2])
    net.publish("b", offer())
    net.start()
    first = offer().first_slot
    net.run((first - START_UTC_S) * 1000)
    rolled = offer(slots=3, first_slot=Slot(first + SLOT_S))
    net.publish("b", rolled)
    net.drain()
    seen = net.node("root").routing.offer(net.node("b").id, 1)
    assert seen is not None
    assert seen.body.seq == 1


def test_an_offer_ends_with_its_time() -> None:
    """An offer that nobody renews disappears everywhere when it expires, without a message."""
    net = Net(TREE)
    net.publish("b", offer(lifetime_s=60))
    net.start()
    assert offered(net, "e") == ["b"]
    before = dict(net.sent)
    net.run(60_000)
    net.run(1_000)
    assert all(offered(net, name) == [] for name in net.nodes)
    assert net.node("b").routing.offer(net.node("b").id, 1) is None
    assert net.sent == before


def test_paths_are_renewed_half_way_without_a_gap() -> None:
    """Long after the validity of the first entries paths still stand, and no offer was lost on the way."""
    net = Net(TREE, timers=Timers(keepalive_ms=0, path_lifetime_s=100))
    net.publish("b", offer())
    net.start()
    first = net.node("e").routing.paths_to(net.node("b").id, SUPPLY)[0]
    net.run(600_000)
    renewed = net.node("e").routing.paths_to(net.node("b").id, SUPPLY)
    assert len(renewed) == 1
    assert renewed[0].nodes == first.nodes
    assert renewed[0].not_after_utc_s > first.not_after_utc_s + 400
    assert not any(isinstance(e, OfferLost) for e in net.node("e").events)
    assert net.faults() == []


def test_at_most_the_configured_number_of_paths_is_told() -> None:
    """A neighbour is told at most `told_paths_per_origin` paths, the best one first."""
    mesh = tuple(Wire(f"n{i}", f"n{j}") for i in range(5) for j in range(i + 1, 5))
    net = Net((*mesh, Wire("n0", "o"), Wire("n4", "leaf")), limits=Limits(told_paths_per_origin=3))
    net.publish("o", offer())
    net.start()
    paths = reach(net, "leaf", "o")
    assert len(paths) == 3
    assert paths[0] == ["o", "n0", "n4"]
    assert net.faults() == []


def test_a_node_that_refuses_transit_tells_only_its_own() -> None:
    """With transit NONE towards a neighbour that neighbour hears own offers only."""
    wires = TREE[:3]
    closed = config_of("a", wires, transit=Transit.NONE)
    net = Net(wires, configs={"a": closed})
    net.publish("b", offer())
    net.publish("a", offer())
    net.start()
    assert offered(net, "root") == ["a"]
    assert offered(net, "c") == ["a"]
    assert offered(net, "a") == ["b"]


@pytest.mark.parametrize(
    ("learned_from", "told_to", "passes"),
    [
        (Role.CUSTOMER, Role.PROVIDER, True),
        (Role.CUSTOMER, Role.PEER, True),
        (Role.PROVIDER, Role.CUSTOMER, True),
        (Role.PEER, Role.CUSTOMER, True),
        (Role.PROVIDER, Role.PEER, False),
        (Role.PEER, Role.PROVIDER, False),
        (Role.PEER, Role.PEER, False),
        (Role.PROVIDER, Role.PROVIDER, False),
    ],
)
def test_nothing_of_a_provider_or_peer_goes_to_another(
    learned_from: Role, told_to: Role, passes: bool
) -> None:
    """Between domains only customers' paths go everywhere, and only customers hear everything."""
    counterpart = {Role.CUSTOMER: Role.PROVIDER, Role.PROVIDER: Role.CUSTOMER, Role.PEER: Role.PEER}
    wires = (Wire("left", "mid"), Wire("mid", "right"))
    mid = config_of("mid", wires)
    roles = (learned_from, told_to)
    neighbors = tuple(
        replace(n, role=r, transit=Transit.PAID) for n, r in zip(mid.neighbors, roles, strict=True)
    )
    configs = {
        "mid": replace(mid, neighbors=neighbors),
        "left": config_of("left", wires, role=counterpart[learned_from]),
        "right": config_of("right", wires, role=counterpart[told_to]),
    }
    net = Net(wires, configs=configs)
    net.publish("left", offer())
    net.publish("mid", offer())
    net.start()
    assert offered(net, "right") == (["mid", "left"] if passes else ["mid"])
    assert net.faults() == []


def test_offers_are_told_until_three_times_the_links_capacity() -> None:
    """Beyond three times what the link carries, only the default offer is told."""
    leaves = tuple(Wire("hub", f"s{i}", rating_va=100_000) for i in range(6))
    net = Net((*leaves, Wire("hub", "buyer", rating_va=10_000)))
    full_j = 10_000 * SLOT_S
    for i in range(6):
        stated = offer(price=100_000 + 10_000 * i, energy_j=full_j, is_default=i == 5)
        net.publish(f"s{i}", stated)
    net.start()
    assert sorted(offered(net, "buyer")) == ["s0", "s1", "s2", "s5"]
    net.publish("s1", offer(energy_j=0))
    net.settle()
    assert sorted(offered(net, "buyer")) == ["s0", "s2", "s3", "s5"]


def test_tiny_offers_count_as_a_granule() -> None:
    """A flood of tiny offers is bounded: each counts as a 64th of the link's capacity."""
    limits = Limits(offers_per_origin=400)
    net = Net((Wire("hub", "s", rating_va=6_400), Wire("hub", "buyer", rating_va=6_400)), limits=limits)
    for number in range(250):
        net.nodes["s"].routing.publish_own(offer(energy_j=1, offer_no=number), net.now)
    net.start()
    assert len(offered(net, "buyer")) == 192


def test_an_origin_that_changes_too_often_waits() -> None:
    """A flapping origin's improvements are held back until it calms down; its reductions are not."""
    net = Net(TREE[:2])
    net.publish("b", offer())
    net.start()
    for step in range(40):
        net.publish("b", offer(price=99_000 - step))
        net.run(1_000)
    learned = [e for e in net.node("root").events if isinstance(e, OfferLearned)]
    assert len(learned) < 25
    net.publish("b", offer(price=100_000))
    net.drain()
    seen = net.node("root").routing.offer(net.node("b").id, 1)
    assert seen is not None
    assert seen.body.runs == (OfferRun(slots=4, energy_j=3_600_000, price_micro_per_kwh=100_000),)
    net.publish("b", offer(price=50_000))
    net.run(600_000)
    calm = net.node("root").routing.offer(net.node("b").id, 1)
    assert calm is not None
    assert calm.body.runs[0].price_micro_per_kwh == 50_000


def test_known_prefixes_are_not_verified_again() -> None:
    """A node verifies each path entry once, however many paths share it."""
    net = Net((*RING, Wire("n0", "n2"), Wire("n1", "n3"), Wire("o", "n0")))
    net.publish("o", offer())
    net.start()
    node = net.node("n3")
    paths = node.routing.paths_to(net.node("o").id, SUPPLY)
    entries = {entry.signed for path in paths for entry in path.entries}
    in_all = sum(len(path.entries) for path in paths)
    attestations = len(node.config.neighbors)
    net.cut("n3", "n4")
    net.connect("n3", "n4")
    verified = node.sealer.verified
    net.settle()
    assert node.sealer.verified - verified < in_all
    assert verified >= len(entries) + attestations
