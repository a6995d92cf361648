"""Who was the first to tell what is in a bounded table (SPEC section 14.2).

Names cost nothing: without this one neighbour could fill a table with nodes
that do not exist and keep everybody else's out of it.  So a neighbour accounts
for half of a table at most, unless it is the only one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

from ioe_router.model.ids import NodeId


class Shares:
    """Counts the entries of one table by who told them first; what nobody told (None) is not counted."""

    def __init__(self, limit: int, tellers: int) -> None:
        """A table of `limit` entries that so many neighbours fill."""
        self._share = limit if tellers <= 1 else limit // 2
        self._teller: dict[Hashable, NodeId] = {}
        self._told: Counter[NodeId] = Counter()

    def is_used_up(self, teller: NodeId | None) -> bool:
        """Whether a neighbour accounts for its share already."""
        return teller is not None and self._told[teller] >= self._share

    def note(self, entry: Hashable, teller: NodeId | None) -> None:
        """An entry is new in the table."""
        if teller is not None:
            self._teller[entry] = teller
            self._told[teller] += 1

    def forget(self, entry: Hashable) -> None:
        """An entry has left the table."""
        teller = self._teller.pop(entry, None)
        if teller is not None:
            self._told[teller] -= 1
