"""When a battery should charge and discharge: dynamic programming over the day.

The state is the energy stored in all registered storage of the area, on
`LEVELS` points with straight lines between them; the cost of a slot is that of
the published area forecast (`area.py`).  Every battery plans for all storage
together and takes its own share of the plan: storage that planned as if it
were alone would all act in the same cheap slot.

The best change of a slot lies where the slot's cost has a kink (some source is
just used up, nothing is imported or exported any more) or at a limit of the
battery, so only these changes are tried.

The slope of the value gives the limits of trading: what energy to be charged
may cost, and what energy to be discharged must bring.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ioe_router.agents.area import AreaForecast, AreaSlot, cost_micro
from ioe_router.agents.assets import PPM, Battery
from ioe_router.core.loss import J_PER_KWH

LEVELS = 48
PARTS = 12  # equal parts of the full power that are tried beside the kinks
KINK_PARTS = 5  # a step of the supply curve counts when the next price is a fifth higher


@dataclass(frozen=True, slots=True, kw_only=True)
class StoragePlan:
    """What to do in one slot; energies at the node's port, one of them 0."""

    charge_j: int
    discharge_j: int
    charge_limit_micro_per_kwh: int
    discharge_ask_micro_per_kwh: int


AT_REST = StoragePlan(charge_j=0, discharge_j=0, charge_limit_micro_per_kwh=0, discharge_ask_micro_per_kwh=0)


class StoragePlanner:
    """The plan of one battery for one day; the values are computed once, when first asked for."""

    def __init__(self, battery: Battery, area: AreaForecast) -> None:
        """Plan `battery` as its share of all storage that `area` names."""
        self._battery = battery
        self._area = area
        usable_j = battery.capacity_j - battery.reserve_j
        fleet_j = max(area.storage_j, battery.capacity_j)
        self._own, self._fleet = usable_j, fleet_j * usable_j // max(1, battery.capacity_j)
        self._power_j = battery.power_w * area.slot_s * fleet_j // max(1, battery.capacity_j)

    def plan(self, stored_j: int, slot: int) -> StoragePlan | None:
        """The plan for `slot`, None outside the forecast or without any capacity."""
        index = self._area.index(slot)
        if index is None or self._own <= 0:
            return None
        level_j = max(0, stored_j - self._battery.reserve_j) * self._fleet // self._own
        change_j = self._best(index, min(level_j, self._fleet), self._values[index + 1])
        return self._share(stored_j, min(level_j, self._fleet), change_j, self._values[index + 1])

    @cached_property
    def _values(self) -> list[list[int]]:
        """Cost of the rest of the day from each slot and level on, micro-units; last row: the day's end."""
        rows = [[-self._area.end_value_micro_per_kwh * self._at(i) // J_PER_KWH for i in range(LEVELS + 1)]]
        for index in range(len(self._area.slots) - 1, -1, -1):
            after, costs = rows[-1], self._costs(index)
            rows.append([self._cheapest(costs, self._at(i), after)[0] for i in range(LEVELS + 1)])
        rows.reverse()
        return rows

    def _at(self, level: int) -> int:
        return self._fleet * level // LEVELS

    def _best(self, index: int, level_j: int, after: list[int]) -> int:
        return self._cheapest(self._costs(index), level_j, after)[1]

    def _cheapest(self, costs: dict[int, int], level_j: int, after: list[int]) -> tuple[int, int]:
        """The least cost from a level on, and the change of the stored energy that leads to it."""
        options = [
            (cost + self._value(after, level_j + change), abs(change), change)
            for change, cost in costs.items()
            if 0 <= level_j + change <= self._fleet
        ]
        best = min(options)
        return best[0], best[2]

    def _value(self, after: list[int], level_j: int) -> int:
        """Value at a level between two points, on the straight line."""
        scaled = level_j * LEVELS
        low = min(LEVELS - 1, scaled // self._fleet)
        rest = scaled - low * self._fleet
        return after[low] + (after[low + 1] - after[low]) * rest // self._fleet

    def _costs(self, index: int) -> dict[int, int]:
        """Cost of a slot for every change of the stored energy that is worth a try."""
        slot, area = self._area.slots[index], self._area
        return {
            change: cost_micro(slot, self._port_j(change), area.peak_j, area.loss_at_peak_ppm)
            + self._haste_micro(slot, change)
            for change in self._changes(slot)
        }

    def _haste_micro(self, slot: AreaSlot, change_j: int) -> int:
        """What moving the energy at once loses on the way: grows with its square, so that slow is cheaper."""
        lost_j = change_j * change_j * self._area.loss_at_peak_ppm // (PPM * max(1, self._power_j))
        return slot.retail_micro_per_kwh * lost_j // J_PER_KWH

    def _changes(self, slot: AreaSlot) -> list[int]:
        up = self._stored_by(self._power_j)
        down = -self._stored_by(-self._power_j)
        parts = [
            sign * most * i // PARTS for sign, most in ((1, up), (-1, down)) for i in range(1, PARTS + 1)
        ]
        kinks = (self._stored_by(at_j - slot.demand_j) for at_j in _kinks(slot))
        return sorted({0, *parts, *(change for change in kinks if -down <= change <= up)})

    def _port_j(self, stored_j: int) -> int:
        """Energy at the port of a change of the stored energy: charging draws more than it stores."""
        if stored_j >= 0:
            return stored_j * PPM // self._battery.charge_ppm
        return -(-stored_j * self._battery.discharge_ppm // PPM)

    def _stored_by(self, port_j: int) -> int:
        """Change of the stored energy of an exchange at the port."""
        if port_j >= 0:
            return port_j * self._battery.charge_ppm // PPM
        return -(-port_j * PPM // self._battery.discharge_ppm)

    def _share(self, stored_j: int, level_j: int, change_j: int, after: list[int]) -> StoragePlan:
        """This battery's part of the fleet's change, inside its own limits, with the limits of trading."""
        battery = self._battery
        own_j = change_j * self._own // self._fleet
        charge_j = discharge_j = 0
        if own_j > 0:
            charge_j = self._port_j(min(own_j, battery.capacity_j - stored_j))
        elif own_j < 0:
            discharge_j = -self._port_j(-min(-own_j, max(0, stored_j - battery.reserve_j)))
        end = min(LEVELS - 1, (level_j + change_j) * LEVELS // self._fleet)
        slope = (after[end] - after[end + 1]) * J_PER_KWH * LEVELS // self._fleet
        return StoragePlan(
            charge_j=charge_j,
            discharge_j=discharge_j,
            charge_limit_micro_per_kwh=slope * battery.charge_ppm // PPM,
            discharge_ask_micro_per_kwh=slope * PPM // battery.discharge_ppm,
        )


def _kinks(slot: AreaSlot) -> list[int]:
    """Demands at which the next joule costs clearly more than the last one did."""
    kinks: list[int] = []
    total = 0
    prices = [*(price for price, _ in slot.steps[1:]), slot.retail_micro_per_kwh]
    for (price, available), following in zip(slot.steps, prices, strict=False):
        total += available
        if following * KINK_PARTS >= price * (KINK_PARTS + 1):
            kinks.extend((total, total - slot.export_limit_j))
    return kinks
