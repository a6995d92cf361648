"""The configured neighbours as they are at the moment; the operator may change them (SPEC section 6.12).

One table for all parts of the core, so that a neighbour that is added, changed or
taken out is so everywhere at once.  What follows from a change is decided in
reconfiguration.py.
"""

from __future__ import annotations

from collections.abc import Iterator

from ioe_router.config import NeighborConfig
from ioe_router.model.ids import NodeId


class Neighborhood:
    """Neighbours by node id, in the order of the configuration."""

    def __init__(self, neighbors: tuple[NeighborConfig, ...]) -> None:
        """Begin with these."""
        self._by_node = {one.node: one for one in neighbors}

    def replace(self, neighbors: tuple[NeighborConfig, ...]) -> None:
        """From now on it is these."""
        self._by_node = {one.node: one for one in neighbors}

    def __len__(self) -> int:
        """How many there are."""
        return len(self._by_node)

    def __iter__(self) -> Iterator[NeighborConfig]:
        """All of them."""
        return iter(self._by_node.values())

    def __contains__(self, node: NodeId) -> bool:
        """Whether a node is a neighbour."""
        return node in self._by_node

    def get(self, node: NodeId) -> NeighborConfig | None:
        """The neighbour with this id, None for a node that is none (any more)."""
        return self._by_node.get(node)

    def of(self, node: NodeId) -> NeighborConfig:
        """The neighbour with this id. KeyError for a node that is none."""
        return self._by_node[node]
