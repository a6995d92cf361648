"""When a battery should charge and discharge: dynamic programming over the rest of the day.

The state is the stored energy in `LEVELS` steps, the cost of a slot that of
the published area forecast (`area.py`).  Every battery of the area plans for
all registered storage together and takes its own share of the plan: storage
that planned as if it were alone would all act in the same cheap slot.

The value of the last step gives the limits of trading: what the energy to be
charged may cost, and what the energy to be discharged must bring.
"""

from __future__ import annotations

from dataclasses import dataclass

from ioe_router.agents.area import AreaForecast, cost_micro
from ioe_router.agents.assets import PPM, Battery
from ioe_router.core.loss import J_PER_KWH

LEVELS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class StoragePlan:
    """What to do in one slot; energies at the node's port, one of them 0."""

    charge_j: int
    discharge_j: int
    charge_limit_micro_per_kwh: int
    discharge_ask_micro_per_kwh: int


@dataclass(frozen=True, slots=True)
class _Grid:
    """The discretisation: level size for this battery and for all storage, moves per slot."""

    level_j: int
    fleet_level_j: int
    up: int
    down: int


def plan_storage(battery: Battery, stored_j: int, area: AreaForecast, slot: int) -> StoragePlan | None:
    """The plan for `slot`, None when the slot is outside the forecast or the battery is too small to plan."""
    first = area.index(slot)
    grid = _grid(battery, area)
    if first is None or grid.level_j == 0:
        return None
    values = _terminal(area, grid)
    for index in range(len(area.slots) - 1, first, -1):
        values = _back_one_slot(battery, area, grid, index, values)
    level = min(LEVELS, max(0, stored_j - battery.reserve_j) // grid.level_j)
    costs = _move_costs(battery, area, grid, first)
    best = min(
        (move for move in costs if 0 <= level + move <= LEVELS),
        key=lambda move: (costs[move] + values[level + move], abs(move)),
    )
    return _as_plan(battery, grid, stored_j, level, best, values)


def _grid(battery: Battery, area: AreaForecast) -> _Grid:
    level_j = (battery.capacity_j - battery.reserve_j) // LEVELS
    fleet_j = max(area.storage_j, battery.capacity_j) * level_j // max(1, battery.capacity_j)
    slot_j = battery.power_w * area.slot_s
    up = slot_j * battery.charge_ppm // (PPM * level_j) if level_j else 0
    down = slot_j * PPM // (battery.discharge_ppm * level_j) if level_j else 0
    return _Grid(level_j, fleet_j, min(up, LEVELS), min(down, LEVELS))


def _terminal(area: AreaForecast, grid: _Grid) -> list[int]:
    """Stored energy is worth the reference price at the day's end (a cost below zero)."""
    return [
        -area.end_value_micro_per_kwh * level * grid.fleet_level_j // J_PER_KWH for level in range(LEVELS + 1)
    ]


def _port_j(battery: Battery, stored_j: int) -> int:
    """Energy at the port of a change of the stored energy, signed: charging draws more than it stores."""
    if stored_j >= 0:
        return stored_j * PPM // battery.charge_ppm
    return -(-stored_j * battery.discharge_ppm // PPM)


def _move_costs(battery: Battery, area: AreaForecast, grid: _Grid, index: int) -> dict[int, int]:
    slot = area.slots[index]
    return {
        move: cost_micro(
            slot, _port_j(battery, move * grid.fleet_level_j), area.peak_j, area.loss_at_peak_ppm
        )
        for move in range(-grid.down, grid.up + 1)
    }


def _back_one_slot(
    battery: Battery, area: AreaForecast, grid: _Grid, index: int, after: list[int]
) -> list[int]:
    costs = _move_costs(battery, area, grid, index)
    values = []
    for level in range(LEVELS + 1):
        low, high = max(-grid.down, -level), min(grid.up, LEVELS - level)
        values.append(min(costs[move] + after[level + move] for move in range(low, high + 1)))
    return values


def _as_plan(
    battery: Battery, grid: _Grid, stored_j: int, level: int, move: int, after: list[int]
) -> StoragePlan:
    end = level + move
    charge_j = discharge_j = 0
    if move > 0:
        room_j = battery.capacity_j - stored_j
        charge_j = _port_j(battery, min(move * grid.level_j, room_j))
    elif move < 0:
        discharge_j = -_port_j(battery, -min(-move * grid.level_j, max(0, stored_j - battery.reserve_j)))
    low, high = (end - 1, end) if end else (0, 1)
    stored_value = (after[low] - after[high]) * J_PER_KWH // max(1, grid.fleet_level_j)
    low, high = (end, end + 1) if end < LEVELS else (LEVELS - 1, LEVELS)
    kept_value = (after[low] - after[high]) * J_PER_KWH // max(1, grid.fleet_level_j)
    return StoragePlan(
        charge_j=charge_j,
        discharge_j=discharge_j,
        charge_limit_micro_per_kwh=stored_value * battery.charge_ppm // PPM,
        discharge_ask_micro_per_kwh=kept_value * PPM // battery.discharge_ppm,
    )
