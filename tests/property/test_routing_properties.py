"""Whatever happens to a net, its routing tables keep their promises."""

from __future__ import annotations

import itertools
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ioe_router.core.export import best_paths
from ioe_router.core.paths import Path
from ioe_router.core.rib import LocRib
from ioe_router.model.ids import NodeId, PathHash
from ioe_router.model.routing import Direction
from tests.unit.core.routing_rig import Net, Node, Wire, config_of, offer

SUPPLY = Direction.SUPPLY
NAMES = ("a", "b", "c", "d", "e")
PAIRS = tuple(itertools.combinations(NAMES, 2))
CONFIG = config_of("a", (Wire("a", "b"),))

graphs = st.lists(
    st.tuples(st.sampled_from(PAIRS), st.sampled_from([0, 50_000, 400_000])),
    min_size=3,
    max_size=8,
    unique_by=lambda edge: edge[0],
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("flip"), st.integers(0, 7)),
        st.tuples(st.just("offer"), st.sampled_from(NAMES), st.integers(0, 3)),
        st.tuples(st.just("wait"), st.sampled_from([1, 400, 3_000])),
    ),
    max_size=12,
)


def path(rank: int, hops: int, seed: int, width_va: int = 1) -> Path:
    """A path that is nothing but its place in the order and its width."""
    origin, neighbor = NodeId(b"o" * 32), NodeId(bytes([seed % 3]) * 32)
    return Path(
        hash=PathHash(seed.to_bytes(32)),
        origin=origin,
        direction=SUPPLY,
        neighbor=neighbor,
        holder=CONFIG.node,
        nodes=(origin,) * hops,
        links=(),
        rank=rank,
        width_va=width_va,
        not_after_utc_s=1,
        entries=(),
    )


paths = st.lists(
    st.builds(path, st.integers(0, 5), st.integers(1, 3), st.integers(0, 1000), st.integers(1, 4)),
    unique_by=lambda p: p.hash,
    max_size=12,
)


@given(found=paths, data=st.data())
def test_the_order_of_paths_is_total(found: list[Path], data: st.DataObject) -> None:
    """Whatever the order of arrival, the table and the choice from it are the same."""
    one, other = LocRib(CONFIG), LocRib(CONFIG)
    for item in found:
        one.add(item)
    for item in data.draw(st.permutations(found)):
        other.add(item)
    target = (NodeId(b"o" * 32), SUPPLY)
    assert one.to(target) == other.to(target)
    assert len({p.order for p in found}) == len(found)
    for count in range(1, 5):
        chosen = best_paths(one.to(target), count)
        assert len(chosen) == min(count, len(found))
        assert len({p.hash for p in chosen}) == len(chosen)
        assert not chosen or chosen[0] == one.to(target)[0]
        if count > 1 and found:
            assert max(p.width_va for p in chosen) == max(p.width_va for p in found)


def lived(edges: list[tuple[tuple[str, str], int]], script: list[tuple[object, ...]]) -> Net:
    """A net after a life of cuts, repairs, offers and withdrawals."""
    # every fee its own power of two: no two ranks are equal, so no choice is left to a hash
    wires = tuple(Wire(a, b, r_micro_ohm=r, fee=1_000 + 2**index) for index, ((a, b), r) in enumerate(edges))
    net = Net(wires)
    net.start()
    for step in script:
        match step:
            case ("flip", int(index)):
                wire = wires[index % len(wires)]
                up = frozenset((net.node(wire.a).id, net.node(wire.b).id)) in net.up
                (net.cut if up else net.connect)(wire.a, wire.b)
                net.drain()
            case ("offer", str(name), int(energy)) if name in net.nodes:
                net.publish(name, offer(energy_j=energy * 1_000_000))
            case ("wait", int(duration)):
                net.run(duration)
            case _:
                continue  # an offer of a node that this graph does not have
        for node in net.nodes.values():
            check_paths(node)
    return net


def check_paths(node: Node) -> None:
    """No usable path leads through the node itself or twice through another; ranks are in order."""
    for origin, direction in all_targets(node):
        found = node.routing.paths_to(origin, direction)
        assert list(found) == sorted(found, key=lambda p: p.order)
        for each in found:
            assert node.id not in each.nodes
            assert len(set(each.nodes)) == len(each.nodes) == len(each.links)
            assert each.rank >= len(each.links)


def all_targets(node: Node) -> list[tuple[NodeId, Direction]]:
    """Everything that a node can reach."""
    return [
        (o.body.origin, o.body.direction) for d in (SUPPLY, Direction.DEMAND) for o in node.routing.offers(d)
    ]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(edges=graphs, script=steps)
def test_no_life_of_a_net_leads_a_path_through_its_holder(
    edges: list[tuple[tuple[str, str], int]], script: list[tuple[object, ...]]
) -> None:
    """After every step every path is free of loops, and nobody has to refuse a neighbour's object."""
    assert lived(edges, script).faults() == []


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(edges=graphs, script=steps)
def test_what_was_told_is_what_would_be_told_anew(
    edges: list[tuple[tuple[str, str], int]], script: list[tuple[object, ...]]
) -> None:
    """Settled, both ends of a session agree on the told paths, and a net born anew tells the same ones."""
    net = lived(edges, script)
    net.settle()
    for node in net.nodes.values():
        for neighbor in node.established():
            heard = labels_of(net.nodes[net.names[neighbor]], node.id)
            assert all(node.routing.told(neighbor, label) is not None for label in heard)
    assert shape(net) == shape(born_anew(net))


def labels_of(node: Node, neighbor: NodeId) -> list[PathHash]:
    """The hashes of the paths that a node has from a neighbour."""
    return [
        p.hash
        for target in all_targets(node)
        for p in node.routing.paths_to(*target)
        if p.neighbor == neighbor
    ]


def born_anew(net: Net) -> Net:
    """The same topology and offers without the history."""
    wires = tuple(w for w in net.wires if frozenset((net.node(w.a).id, net.node(w.b).id)) in net.up)
    fresh = Net(tuple(replace(w) for w in net.wires))
    for name, node in net.nodes.items():
        own = node.routing.offer(node.id, 1)
        if own is not None:
            fresh.publish(name, offer(energy_j=own.body.runs[0].energy_j))
    for wire in wires:
        fresh.connect(wire.a, wire.b)
    fresh.settle()
    return fresh


def shape(net: Net) -> dict[str, list[tuple[str, ...]]]:
    """Per node all paths by names, in order per origin (not_after and so hashes may differ)."""
    found: dict[str, list[tuple[str, ...]]] = {}
    for name, node in net.nodes.items():
        targets = sorted(all_targets(node))
        ranked = [
            (t, p.rank, tuple(net.names[n] for n in p.nodes))
            for t in targets
            for p in node.routing.paths_to(*t)
        ]
        found[name] = [nodes for _, _, nodes in sorted(ranked)]
    return found
