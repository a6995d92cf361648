"""A running node and its peer files: the removed are cut off at once, the added wait for the next start.

`ioe pair remove` only takes the files away; that is how the two programs need
no other connection.  A new neighbour brings a link, and links are part of the
configuration that a router is made with, so it is named in the log and taken
up at the next start.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from ioe_router.daemon.assembly import Plan
from ioe_router.daemon.reporting import Log
from ioe_router.model.bech32m import node_text
from ioe_router.model.ids import NodeId

_LOOK_S: Final = 1.0


class _Removes(Protocol):
    def remove(self, neighbor: NodeId) -> None:
        """End the session with a neighbour and treat it as a stranger."""


class PeerWatch:
    """Looks at the folder of peer files once a second."""

    def __init__(self, plan: Plan, node: _Removes, log: Log) -> None:
        self._folder = plan.peer_folder
        self._node = node
        self._log = log
        self._present = {one.paired: one.node for one in plan.neighbors if one.paired is not None}
        self._seen = {*self._present, *(peer.name for peer in plan.unlinked)}

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            self.look()

    def look(self) -> None:
        """Compare the folder with what is known, once."""
        names = {path.stem for path in self._folder.glob("*.toml")}
        for name in [name for name in self._present if name not in names]:
            neighbor = self._present.pop(name)
            self._node.remove(neighbor)
            self._log.warn("PeerRemoved", neighbor=node_text(neighbor), name=name)
        for name in sorted(names - self._seen):
            self._log.warn("PeerAdded", name=name, remedy="restart this node to take it up")
        self._seen |= names
