<<<<<<< HEAD
"""Who was the first to tell what is in a bounded table (SPEC section 14.2).

Names cost nothing: without this one neighbour could fill a table with nodes
that do not exist and keep everybody else's out of it.  So a neighbour accounts
for half of a table at most, unless it is the only one.
=======
"""Who may fill a bounded table (SPEC section 14.2).

Half of a table is for whoever comes first; the other half is set aside in
equal parts, one for each party.  So one neighbour, or all but one together, can
never keep the last one out, and a neighbour that is the only one has it all.
>>>>>>> 7b3cf68 (Tables are shared out among neighbours; remembered reservations are bounded and make room for new ones of the same neighbour)
"""

from __future__ import annotations

<<<<<<< HEAD
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
=======
from collections.abc import Container, Hashable
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
P = TypeVar("P", bound=Hashable)


class Shares(Generic[K, P]):
    """Counts the entries of one table by party; the table itself is somebody else's."""

    def __init__(self, limit: int, parties: int) -> None:
        """`limit` units in all, for so many parties."""
        self._limit: Final = limit
        self._common: Final = limit // 2
        # A party that is alone is kept from nothing by its part.
        self._part: Final = limit if parties <= 1 else (limit - self._common) // parties
        self._entries: dict[K, tuple[P, int]] = {}
        self._used: dict[P, int] = {}
        self._total = 0

    def admits(self, party: P, units: int = 1) -> bool:
        """Whether a party may add so much."""
        total = self._total + units
        if total <= self._common:
            return True
        return total <= self._limit and self._used.get(party, 0) + units <= self._part

    def hold(self, key: K, party: P, units: int = 1) -> None:
        """Count an entry; one that is counted already stays whose it is."""
        if key in self._entries:
            return
        self._entries[key] = (party, units)
        self._used[party] = self._used.get(party, 0) + units
        self._total += units

    def drop(self, key: K) -> None:
        """Count an entry no more."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        party, units = entry
        self._total -= units
        self._used[party] -= units
        if not self._used[party]:
            del self._used[party]

    def drop_all_but(self, kept: Container[K]) -> None:
        """Count no more what the table has lost."""
        for key in [key for key in self._entries if key not in kept]:
            self.drop(key)
>>>>>>> 7b3cf68 (Tables are shared out among neighbours; remembered reservations are bounded and make room for new ones of the same neighbour)
