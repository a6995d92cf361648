"""A battery's plan: spread where it can be, and only where moving energy pays."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ioe_router.agents.area import AreaForecast, AreaSlot
from ioe_router.agents.assets import Battery
from ioe_router.agents.storage import StoragePlanner

SLOT_S = 900
KWH = 3_600_000
BATTERY = Battery(
    name="battery",
    power_w=20_000,
    capacity_j=20 * KWH,
    reserve_j=0,
    start_j=0,
    charge_ppm=950_000,
    discharge_ppm=950_000,
    carbon_mg_per_kwh=0,
)


def area(sunny: int, dark: int) -> AreaForecast:
    """Slots with far more sun than demand, then slots with demand and no sun."""
    prices = {"retail_micro_per_kwh": 300_000, "feed_in_micro_per_kwh": 80_000, "export_limit_j": 0}
    day = AreaSlot(demand_j=1 * KWH, steps=((10_000, 40 * KWH),), **prices)
    night = AreaSlot(demand_j=10 * KWH, steps=(), **prices)
    return AreaForecast(
        first_slot=0,
        slot_s=SLOT_S,
        slots=(day,) * sunny + (night,) * dark,
        storage_j=BATTERY.capacity_j,
        peak_j=40 * KWH,
        loss_at_peak_ppm=30_000,
        end_value_micro_per_kwh=0,
    )


def run(forecast: AreaForecast) -> list[int]:
    """Charged less discharged energy per slot when the plan is followed."""
    planner, stored, moved = StoragePlanner(BATTERY, forecast), 0, []
    for index in range(len(forecast.slots)):
        plan = planner.plan(stored, index * SLOT_S)
        assert plan is not None
        assert not (plan.charge_j and plan.discharge_j)
        stored += plan.charge_j * 95 // 100 - plan.discharge_j * 100 // 95
        assert -2 <= stored <= BATTERY.capacity_j
        stored = max(0, stored)
        moved.append(plan.charge_j - plan.discharge_j)
    return moved


def test_charging_is_spread_over_equal_slots() -> None:
    """With more time than full power needs, no slot is charged at full power."""
    moved = run(area(sunny=12, dark=6))
    assert all(energy >= 0 for energy in moved[:12])
    assert sum(moved[:12]) > 15 * KWH
    assert max(moved[:12]) <= 4 * BATTERY.power_w * SLOT_S // 5


def test_stored_sun_is_used_in_the_dark() -> None:
    """What was charged from unsold sun is given back at night, less its losses."""
    moved = run(area(sunny=12, dark=6))
    charged, given = sum(moved[:12]), -sum(moved[12:])
    assert all(energy <= 0 for energy in moved[12:])
    assert charged * 85 // 100 <= given <= charged * 91 // 100


def test_nothing_moves_where_nothing_is_gained() -> None:
    """One price all day: efficiencies alone would lose, so an empty battery rests."""
    assert run(area(sunny=0, dark=8)) == [0] * 8


def cost_of_day(forecast: AreaForecast, changes: list[int]) -> int:
    """What a day costs with these changes of the stored energy, hurry included; joules * micro-units/kWh."""
    planner = StoragePlanner(BATTERY, forecast)
    spent = sum(planner.cost(slot, change) for slot, change in zip(forecast.slots, changes, strict=True))
    return spent - forecast.end_value_micro_per_kwh * sum(changes)


def cheapest_on_grid(forecast: AreaForecast, levels: int) -> int:
    """The same day by plain dynamic programming over equally spaced levels, as an independent opinion."""
    planner = StoragePlanner(BATTERY, forecast)
    at = [BATTERY.capacity_j * i // levels for i in range(levels + 1)]
    most = BATTERY.power_w * SLOT_S
    up, down = most * 95 // 100, most * 100 // 95
    later = [-forecast.end_value_micro_per_kwh * stored for stored in at]
    for slot in reversed(forecast.slots):
        later = [
            min(
                planner.cost(slot, end - start) + value
                for end, value in zip(at, later, strict=True)
                if -down <= end - start <= up
            )
            for start in at
        ]
    return later[0]


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=2, max_size=7))
def test_the_plan_is_as_good_as_a_search_over_levels(hours: list[tuple[int, int]]) -> None:
    """Merging slopes finds the optimum: never dearer than the grid search by more than its steps explain."""
    slots = tuple(
        AreaSlot(
            demand_j=demand * KWH,
            steps=((20_000, sun * KWH), (150_000, 3 * KWH)),
            retail_micro_per_kwh=300_000,
            feed_in_micro_per_kwh=80_000,
            export_limit_j=4 * KWH,
        )
        for demand, sun in hours
    )
    forecast = AreaForecast(
        first_slot=0,
        slot_s=SLOT_S,
        slots=slots,
        storage_j=BATTERY.capacity_j,
        peak_j=12 * KWH,
        loss_at_peak_ppm=30_000,
        end_value_micro_per_kwh=100_000,
    )
    planner, stored, changes = StoragePlanner(BATTERY, forecast), 0, []
    for index in range(len(slots)):
        plan = planner.plan(stored, index * SLOT_S)
        assert plan is not None
        change = plan.charge_j * 95 // 100 + -(plan.discharge_j * 100 // 95)
        stored = max(0, stored + change)
        changes.append(change)
    tolerance = len(slots) * 300_000 * KWH // 200  # half a per cent of a kWh at retail, per slot
    assert cost_of_day(forecast, changes) <= cheapest_on_grid(forecast, 40) + tolerance
