"""After faults have healed, paths are those of the true topology (an oracle of our own: Dijkstra).

Every path is a simple chain of true links and never better than the shortest;
and every node's best path to an origin whose default offer reaches everybody is
the shortest one.  Sessions stand on all links.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

from ioe_router.core.paths import energy_flow, link_rank
from ioe_router.core.session_fsm import SessionState
from ioe_router.model.ids import NodeId
from ioe_router.model.routing import Direction
from ioe_router.sim.checkers.verdict import require
from ioe_router.sim.host import Host

Graph = dict[NodeId, dict[NodeId, int]]  # node -> next node away from the origin -> what the link adds
_DIRECTIONS: Final = (Direction.SUPPLY, Direction.DEMAND)


def true_graph(hosts: Sequence[Host], direction: Direction) -> Graph:
    """What each link adds to the rank of a path that is told over it, from attestations and fees alone."""
    graph: Graph = {host.node: {} for host in hosts}
    for host in hosts:
        config = host.blueprint.config
        fees = {neighbor.node: neighbor.fee_micro_per_kwh for neighbor in config.neighbors}
        assert host.router is not None  # noqa: S101 - the run ends with living hosts
        for port in host.router.inspect().ports.all():
            body = port.attestation.body
            flow = energy_flow(body, host.node, direction)
            most = body.fee_down_micro_per_kwh if flow.name == "DOWN" else body.fee_up_micro_per_kwh
            fee = min(fees[port.neighbor], most)
            graph[host.node][port.neighbor] = link_rank(config.parameters, body, flow, fee)
    return graph


def distances(graph: Mapping[NodeId, Mapping[NodeId, int]], origin: NodeId) -> dict[NodeId, int]:
    """Least sum of ranks from an origin to every node."""
    found: dict[NodeId, int] = {}
    queue = [(0, origin)]
    while queue:
        rank, node = heapq.heappop(queue)
        if node in found:
            continue
        found[node] = rank
        for far, more in graph[node].items():
            heapq.heappush(queue, (rank + more, far))
    return found


def check_sessions(host: Host) -> None:
    """Every configured neighbour has an established session."""
    assert host.router is not None  # noqa: S101
    sessions = host.router.inspect().sessions
    for neighbor in host.blueprint.config.neighbors:
        state = sessions.state(neighbor.node)
        up = state is SessionState.ESTABLISHED
        require(up, host, f"the session with {neighbor.node.hex()[:8]} is {state.value} after healing")


def check_paths(hosts: Sequence[Host], liars: frozenset[NodeId]) -> None:
    """Compare every RIB with the oracle."""
    for direction in _DIRECTIONS:
        graph = true_graph(hosts, direction)
        oracle = {host.node: distances(graph, host.node) for host in hosts}
        for host in hosts:
            if host.node not in liars:
                _check_rib(host, direction, graph, oracle, liars)
        if not liars:
            _check_defaults(hosts, direction, oracle)


def check_told(near: Host, far: Host) -> None:
    """At the end: what one end of a link has told is what the other holds of it, and can still be used."""
    assert near.router is not None and far.router is not None  # noqa: S101, PT018
    told, heard = near.router.inspect().routing, far.router.inspect().routing
    for path in heard.all_paths():
        if path.neighbor != near.node:
            continue
        label = told.told(far.node, path.hash)
        name = f"the path to {path.origin.hex()[:8]} over {near.name}"
        require(label is not None, far, f"{name} is told no more")
        if label is not None and label.incoming is not None:
            usable = told.path(label.incoming.hash) is not None
            require(usable, far, f"{name} goes on over one that {near.name} has lost")


def check_offers(hosts: Sequence[Host], liars: frozenset[NodeId]) -> None:
    """At the end: an offer that anybody holds is the one that its origin now makes."""
    by_node = {host.node: host for host in hosts}
    for host in hosts:
        assert host.router is not None  # noqa: S101
        for direction in _DIRECTIONS:
            for offer in host.router.inspect().routing.offers(direction):
                origin = by_node[offer.body.origin]
                if liars.intersection((host.node, origin.node)):
                    continue
                assert origin.router is not None  # noqa: S101
                now = origin.router.inspect().routing.offer(origin.node, offer.body.offer_no)
                name = f"offer {offer.body.offer_no} of {origin.name}"
                require(now is not None, host, f"{name} is withdrawn there and held here")
                same = now is None or now.object_id == offer.object_id
                require(same, host, f"{name} is an older version than its origin's")


def _check_rib(
    host: Host,
    direction: Direction,
    graph: Graph,
    oracle: Mapping[NodeId, Mapping[NodeId, int]],
    liars: frozenset[NodeId],
) -> None:
    assert host.router is not None  # noqa: S101
    for path in host.router.inspect().routing.all_paths():
        if path.direction is not direction:
            continue
        chain = (*path.nodes, host.node)
        name = f"the path to {path.origin.hex()[:8]}"
        require(len(set(chain)) == len(chain), host, f"{name} visits a node twice")
        real = all(after in graph[before] for before, after in pairwise(chain))
        require(real, host, f"{name} uses a link that does not exist")
        if not liars.intersection(chain):
            best = oracle[path.origin][host.node]
            require(path.rank >= best, host, f"{name} has rank {path.rank}, the shortest has {best}")


def _check_defaults(
    hosts: Sequence[Host], direction: Direction, oracle: Mapping[NodeId, Mapping[NodeId, int]]
) -> None:
    for origin in hosts:
        assert origin.router is not None  # noqa: S101
        own = origin.router.inspect().own_offers.all()
        if not any(o.visible and o.stated.is_default and o.stated.direction is direction for o in own):
            continue
        for host in hosts:
            if host.node == origin.node:
                continue
            assert host.router is not None  # noqa: S101
            paths = host.router.inspect().routing.paths_to(origin.node, direction)
            best = oracle[origin.node][host.node]
            found = paths[0].rank if paths else None
            require(found == best, host, f"best rank to {origin.name} is {found}, the shortest has {best}")
