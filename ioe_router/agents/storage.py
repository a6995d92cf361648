"""When a battery should charge and discharge: a convex program over the day, solved by merging slopes.

The state is the energy stored in all registered storage of the area; the cost
of a slot is that of the published area forecast (`area.py`).  Every battery
plans for all storage together and takes its own share of the plan: storage
that planned as if it were alone would all act in the same cheap slot.

What a slot costs is convex in the change of the stored energy (the supply
curve rises, losses grow with the square, each way loses its share), and so is
the cost of the rest of the day in the energy stored.  Both are kept as runs of
constant slope, cheapest first.  The best split of a level between "change now"
and "keep for later" is then the merge of both lists by slope (an infimal
convolution), so no grid of levels is needed.

The slope at the level that a slot ends with gives the limits of trading: what
energy to be charged may cost, and what energy to be discharged must bring.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from ioe_router.agents.area import AreaForecast, AreaSlot, cost_of
from ioe_router.agents.assets import PPM, Battery

SHADE_PARTS = 10  # offered this part below its worth: energy not sold in its slot finds fewer buyers later
PARTS = 48  # equal parts of the full power in which a slot's cost is sampled beside its kinks
KINK_PARTS = 5  # a step of the supply curve counts when the next price is a fifth higher

Run = tuple[int, int]  # slope in micro-units per kWh stored, width in joules
Runs = list[Run]  # slopes rising


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
        self._up_j, self._down_j = self._stored_by(self._power_j), -self._stored_by(-self._power_j)

    def plan(self, stored_j: int, slot: int) -> StoragePlan | None:
        """The plan for `slot`, None outside the forecast or without any capacity."""
        index = self._area.index(slot)
        if index is None or self._own <= 0:
            return None
        level_j = max(0, stored_j - self._battery.reserve_j) * self._fleet // self._own
        return self._share(stored_j, min(level_j, self._fleet), index)

    # --- the day

    @cached_property
    def _later(self) -> list[Runs]:
        """Cost of the day after each slot as a function of the energy stored then."""
        rows: list[Runs] = [[(-self._area.end_value_micro_per_kwh, self._fleet)]]
        for index in range(len(self._area.slots) - 1, 0, -1):
            both = sorted(self._spent(index) + rows[-1])
            rows.append(_between(both, self._up_j, self._up_j + self._fleet))
        rows.reverse()
        return rows

    def _change(self, index: int, level_j: int) -> int:
        """The best change of the stored energy in a slot: of the merge up to the level, what is kept."""
        kept = ((slope, width, True) for slope, width in self._later[index])
        spent = ((slope, width, False) for slope, width in self._spent(index))
        room_j, kept_j = level_j + self._up_j, 0
        for _, width, is_kept in sorted((*kept, *spent)):
            taken_j = min(width, room_j)
            room_j -= taken_j
            kept_j += taken_j if is_kept else 0
        return kept_j - level_j

    def _slope(self, index: int, level_j: int) -> int:
        """Cost of the rest of the day per unit stored after a slot, just above a level."""
        below_j = 0
        for slope, width in self._later[index]:
            below_j += width
            if level_j < below_j:
                return slope
        return self._later[index][-1][0]

    # --- one slot

    def _spent(self, index: int) -> Runs:
        """Cost of a slot in the energy taken out of store, from charging at full power on."""
        slot = self._area.slots[index]
        changes = self._changes(slot)
        costs = [self.cost(slot, change) for change in changes]
        return [
            ((cheap - dear) // (high - low), high - low)
            for (high, dear), (low, cheap) in pairwise(zip(changes, costs, strict=True))
        ]

    def _changes(self, slot: AreaSlot) -> list[int]:
        """The changes at which a slot's cost is sampled, largest first."""
        parts = (most * i // PARTS for most in (self._up_j, -self._down_j) for i in range(PARTS + 1))
        kinks = (self._stored_by(at_j - slot.demand_j) for at_j in _kinks(slot))
        inside = (change for change in kinks if -self._down_j < change < self._up_j)
        return sorted({*parts, *inside}, reverse=True)

    def cost(self, slot: AreaSlot, change_j: int) -> int:
        """Cost of a slot with a change of the stored energy, joules times micro-units per kWh."""
        area = self._area
        cost = cost_of(slot, self._port_j(change_j), area.peak_j, area.loss_at_peak_ppm)
        return cost + slot.retail_micro_per_kwh * self._hurry_j(change_j)

    def _hurry_j(self, change_j: int) -> int:
        """What moving the energy at once loses on the way: grows with its square, so that slow is cheaper."""
        return change_j * change_j * self._area.loss_at_peak_ppm // (2 * PPM * max(1, self._power_j))

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

    def _share(self, stored_j: int, level_j: int, index: int) -> StoragePlan:
        """This battery's part of the fleet's change, inside its own limits, with the limits of trading."""
        battery = self._battery
        change_j = self._change(index, level_j)
        own_j = change_j * self._own // self._fleet
        charge_j = discharge_j = 0
        if own_j > 0:
            charge_j = self._port_j(min(own_j, battery.capacity_j - stored_j))
        elif own_j < 0:
            discharge_j = -self._port_j(-min(-own_j, max(0, stored_j - battery.reserve_j)))
        worth = -self._slope(index, level_j + change_j)
        return StoragePlan(
            charge_j=charge_j,
            discharge_j=discharge_j,
            charge_limit_micro_per_kwh=worth * battery.charge_ppm // PPM,
            discharge_ask_micro_per_kwh=(worth - abs(worth) // SHADE_PARTS) * PPM // battery.discharge_ppm,
        )


def _between(runs: Runs, start_j: int, end_j: int) -> Runs:
    """The part of the runs from `start_j` to `end_j` of their summed width."""
    part, at_j = [], 0
    for slope, width in runs:
        inside_j = min(at_j + width, end_j) - max(at_j, start_j)
        at_j += width
        if inside_j > 0:
            part.append((slope, inside_j))
    return part


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
