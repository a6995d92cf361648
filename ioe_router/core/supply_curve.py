"""A domain's supply as one price curve: what a border offers to other domains (SPEC section 7.13).

Each of the domain's offers counts at what it costs at the border: its ask, the losses
and the fees on the way there.  Dearest last, they are cut into a few steps where the
price jumps most; a step costs what its dearest part costs, so that no step sells below
cost.  A border offers its share only, for the other borders of the domain sell the same
energy.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

PPM: Final = 1_000_000


@dataclass(frozen=True, slots=True, order=True)
class Share:
    """Energy that can be had at the border, and its price there."""

    price_micro_per_kwh: int
    energy_j: int


def curve(
    shares: Iterable[Share], steps: int, share_ppm: int, margin_micro_per_kwh: int
) -> tuple[Share, ...]:
    """At most `steps` shares, cheapest first, of `share_ppm` of the energy.

    The border's own part is taken evenly from the whole curve, not from its cheap end: other borders
    do the same, and together they offer each source once.
    """
    ordered = sorted(one for one in shares if one.energy_j > 0)
    found: list[Share] = []
    begin = 0
    for end in (*_jumps(ordered, steps - 1), len(ordered)):
        part = ordered[begin:end]
        begin = end
        energy_j = sum(one.energy_j for one in part) * share_ppm // PPM
        if energy_j:
            price = part[-1].price_micro_per_kwh + margin_micro_per_kwh
            found.append(Share(price_micro_per_kwh=price, energy_j=energy_j))
    return tuple(found)


def _jumps(ordered: list[Share], count: int) -> list[int]:
    """The places of the largest price jumps, in order; where they are equal, the first ones."""
    jumps = (
        (before.price_micro_per_kwh - after.price_micro_per_kwh, place)
        for place, (before, after) in enumerate(pairwise(ordered), start=1)
        if after.price_micro_per_kwh > before.price_micro_per_kwh
    )
    return sorted(place for _, place in sorted(jumps)[:count])
