"""Nets of a few shapes, and what a node of them can reach."""

from __future__ import annotations

from ioe_router.model.routing import Direction
from tests.unit.core.routing_rig import Net, Wire

SUPPLY = Direction.SUPPLY
TREE = (Wire("root", "a"), Wire("a", "b"), Wire("a", "c"), Wire("root", "d"), Wire("d", "e"))
RING = tuple(Wire(f"n{i}", f"n{(i + 1) % 5}") for i in range(5))
BOTH = (*TREE[:4], Wire("c", "d"))


def reach(net: Net, name: str, origin: str, direction: Direction = SUPPLY) -> list[list[str]]:
    """The paths of a node to an origin by names, best first, from the origin."""
    paths = net.node(name).routing.paths_to(net.node(origin).id, direction)
    return [[net.names[node] for node in path.nodes] for path in paths]


def offered(net: Net, name: str, direction: Direction = SUPPLY) -> list[str]:
    """Whose offers a node can use."""
    return [net.names[o.body.origin] for o in net.node(name).routing.offers(direction)]
