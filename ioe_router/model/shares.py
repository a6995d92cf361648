"""Shares of a bounded table that are kept for each of those who fill it (SPEC section 14.2).

Half of a table is for whoever comes first; the other half is set aside in
equal parts, one for each party.  So one neighbour, or all but one together, can
never keep the last one out, not even with names of nodes that do not exist, and
a neighbour that is the only one has it all.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
P = TypeVar("P", bound=Hashable)


class Shares(Generic[K, P]):
    """Counts the entries of one table by party; the table itself is somebody else's."""

    def __init__(self, limit: int, parties: int) -> None:
        """`limit` units in all, for so many parties."""
        self._limit: Final = limit
        self._common: Final = limit // 2
        self._part = 0
        self.share_among(parties)
        self._entries: dict[K, tuple[P, int]] = {}
        self._used: dict[P, int] = {}
        self._total = 0

    def share_among(self, parties: int) -> None:
        """There are so many parties from now on; whoever has more than its new part keeps it."""
        # A party that is alone is kept from nothing by its part.
        self._part = self._limit if parties <= 1 else (self._limit - self._common) // parties

    def admits(self, party: P, units: int = 1) -> bool:
        """Whether a party may add so much."""
        total = self._total + units
        if total <= self._common:
            return True
        return total <= self._limit and self._used.get(party, 0) + units <= self._part

    def is_full(self) -> bool:
        """Whether nothing is free, not even for what counts for none of the parties."""
        return self._total >= self._limit

    def hold(self, key: K, party: P, units: int = 1) -> None:
        """Count an entry; one that is counted already stays whose it is."""
        if key in self._entries:
            return
        self._entries[key] = (party, units)
        self._used[party] = self._used.get(party, 0) + units
        self._total += units

    def replace(self, key: K, by: K) -> None:
        """Another entry takes the place of one that is counted, and counts for the same party.

        If it counted for whoever brings it, a party could grow beyond its part by replacing others' entries.
        """
        self._entries[by] = self._entries.pop(key)

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
