"""What a slot's energy is likely to be worth: the published area forecast (like a grid operator's).

Grid operators publish, day-ahead, how much load they expect and how much of
which source is registered.  From that an agent can tell what energy will cost
at the margin, though it knows nobody's books: fill the expected demand from
the cheapest source up, the utility covers the rest, surplus goes to the
feed-in tariff.  `cost_of` is the cost of doing so for a given demand, and
rises faster with demand because losses do.
"""

from __future__ import annotations

from dataclasses import dataclass

from ioe_router.core.loss import J_PER_KWH

PPM = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaSlot:
    """Expected demand of an area in one slot and the steps of its supply curve, cheapest first."""

    demand_j: int
    steps: tuple[tuple[int, int], ...]  # (price_micro_per_kwh, energy_j)
    retail_micro_per_kwh: int
    feed_in_micro_per_kwh: int
    export_limit_j: int  # more than this the utility cannot take


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaForecast:
    """One day's published forecast: slots in order, and the storage registered in the area."""

    first_slot: int
    slot_s: int
    slots: tuple[AreaSlot, ...]
    storage_j: int
    peak_j: int  # largest expected exchange of a slot, to scale losses
    loss_at_peak_ppm: int  # expected loss share at that exchange
    end_value_micro_per_kwh: int  # what stored energy is worth at the day's end

    def index(self, slot: int) -> int | None:
        """Position of a slot, None outside the day."""
        index = (slot - self.first_slot) // self.slot_s
        return index if 0 <= index < len(self.slots) else None


def cost_of(slot: AreaSlot, extra_j: int, peak_j: int, loss_at_peak_ppm: int) -> int:
    """Cost of a slot's demand plus `extra_j`: sources, utility, feed-in and losses.

    Convex in `extra_j`.  The unit is joules times micro-units per kWh, so that nothing is rounded away.
    """
    need, exported, total = max(0, slot.demand_j + extra_j), 0, 0
    room = slot.export_limit_j
    for price, available in slot.steps:
        used = min(need, available)
        need -= used
        total += price * used
        if price < slot.feed_in_micro_per_kwh:
            sold = min(room, available - used)
            room -= sold
            exported += sold
            total -= (slot.feed_in_micro_per_kwh - price) * sold
    moved = need - exported
    lost = moved * moved * loss_at_peak_ppm // (PPM * max(1, peak_j))
    worth = slot.retail_micro_per_kwh if moved > 0 else slot.feed_in_micro_per_kwh
    return total + slot.retail_micro_per_kwh * need + worth * lost


def marginal_micro_per_kwh(area: AreaForecast, index: int) -> int:
    """What one more kWh would cost the area in a slot."""
    more_j = max(J_PER_KWH // 10, area.peak_j // 100)
    before, after = (
        cost_of(area.slots[index], extra, area.peak_j, area.loss_at_peak_ppm) for extra in (0, more_j)
    )
    return (after - before) // more_j
