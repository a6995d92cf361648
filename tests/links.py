"""Links of tests: loss models as on a data sheet, and packets that are booked on them."""

from __future__ import annotations

from ioe_router.core.calendar import LiveEntry
from ioe_router.core.loss import Increment
from ioe_router.model.discovery import LossModel
from ioe_router.model.routing import Direction, Flow


def loss_model(
    *,
    vn_v: int = 400,
    r_ohm: float = 0.1,
    x_ohm: float = 0.05,
    iron_w: float = 0.0,
    magnetising_var: int = 0,
    charging_var: int = 0,
    tap: float = 1.0,
    b_ppm: int = 0,
    planning: float = 1.0,
) -> LossModel:
    """A loss model in the units of a data sheet."""
    return LossModel(
        vn_mv=vn_v * 1000,
        planning_mv=round(vn_v * 1000 * planning),
        r_micro_ohm=round(r_ohm * 1e6),
        x_micro_ohm=round(x_ohm * 1e6),
        iron_milli_w=round(iron_w * 1000),
        magnetising_var=magnetising_var,
        charging_var=charging_var,
        tap_ratio_ppm=round(tap * 1e6),
        b_ppm=b_ppm,
        c_pico_per_w=0,
    )


def committed(number: int, flow: Flow, increment: Increment) -> LiveEntry:
    """A live packet that has its price, so that it counts as booked."""
    return LiveEntry(
        number=number,
        flow=flow,
        increment=increment,
        price_micro_per_kwh=100_000,
        direction=Direction.SUPPLY,
    )
