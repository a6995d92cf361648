"""A battery's plan: spread where it can be, and only where moving energy pays."""

from __future__ import annotations

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
