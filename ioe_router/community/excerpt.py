"""The first slots of a day: for short runs and for tests."""

from __future__ import annotations

from dataclasses import replace

from ioe_router.analysis.quantities import DayQuantities
from ioe_router.scenario.model import Day


def first_slots(day: Day, slots: int) -> Day:
    """The first slots of a day."""
    if slots >= day.slots:
        return day
    return replace(
        day,
        slots=slots,
        assets={
            name: replace(asset, p_w=asset.p_w[:slots], q_var=asset.q_var[:slots])
            for name, asset in day.assets.items()
        },
        retail_micro_per_kwh=day.retail_micro_per_kwh[:slots],
        feed_in_micro_per_kwh=day.feed_in_micro_per_kwh[:slots],
    )


def first_quantities(quantities: DayQuantities, slots: int) -> DayQuantities:
    """The first slots of a day's quantities."""
    return DayQuantities(
        p_w={name: values[:slots] for name, values in quantities.p_w.items()},
        q_var={name: values[:slots] for name, values in quantities.q_var.items()},
    )
