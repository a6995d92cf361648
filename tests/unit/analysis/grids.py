"""Small scenarios, built by hand, for the tests of the analysis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ioe_router.scenario.model import (
    Asset,
    AssetDay,
    AssetKind,
    Attribution,
    Bus,
    Day,
    Market,
    Scenario,
    ScenarioLink,
    ScenarioLinkKind,
)

AMPLE_VA = 10_000_000
RETAIL = 300_000  # micro per kWh
FEED_IN = 80_000
REFERENCE = 200_000
UNSERVED = 3_000_000


def bus(name: str, *, limit_w: int = AMPLE_VA) -> Bus:
    """A bus with the same connection limit both ways."""
    return Bus(name=name, title=name, x=0, y=0, import_limit_w=limit_w, export_limit_w=limit_w)


def link(
    parent: str,
    child: str,
    *,
    kind: ScenarioLinkKind = ScenarioLinkKind.RADIAL,
    r_ohm: float = 0.1,
    x_ohm: float = 0.05,
    vn_v: int = 400,
    rating_va: int = AMPLE_VA,
    iron_w: float = 0.0,
    magnetising_var: int = 0,
    charging_var: int = 0,
    tap: float = 1.0,
    b_ppm: int = 0,
    c_pico_per_w: int = 0,
    fee: int = 0,
) -> ScenarioLink:
    """A link named `parent-child`; both directions have the same rating and fee."""
    return ScenarioLink(
        name=f"{parent}-{child}",
        parent=parent,
        child=child,
        kind=kind,
        rating_down_va=rating_va,
        rating_up_va=rating_va,
        r_micro_ohm=round(r_ohm * 1e6),
        x_micro_ohm=round(x_ohm * 1e6),
        vn_mv=vn_v * 1000,
        iron_milli_w=round(iron_w * 1000),
        magnetising_var=magnetising_var,
        charging_var=charging_var,
        tap_ratio_ppm=round(tap * 1e6),
        b_ppm=b_ppm,
        c_pico_per_w=c_pico_per_w,
        fee_down_micro_per_kwh=fee,
        fee_up_micro_per_kwh=fee,
    )


def asset(
    name: str,
    at: str,
    kind: AssetKind,
    *,
    price: int = 0,
    p_max_w: int = 0,
    capacity_j: int = 0,
    start_j: int = 0,
    reserve_j: int = 0,
    efficiency_ppm: int = 1_000_000,
) -> Asset:
    """An asset; batteries have the same efficiency both ways."""
    return Asset(
        name=name,
        title=name,
        bus=at,
        kind=kind,
        p_max_w=p_max_w,
        price_micro_per_kwh=price,
        carbon_mg_per_kwh=0,
        capacity_j=capacity_j,
        start_j=start_j,
        reserve_j=reserve_j,
        charge_efficiency_ppm=efficiency_ppm,
        discharge_efficiency_ppm=efficiency_ppm,
        forecast_error_ppm=0,
    )


def scenario(
    buses: Sequence[Bus],
    links: Sequence[ScenarioLink],
    assets: Sequence[Asset] = (),
    profiles: Mapping[str, Sequence[int]] | None = None,
    *,
    retail: Sequence[int] = (RETAIL,),
    feed_in: Sequence[int] | None = None,
    reactive: Mapping[str, Sequence[int]] | None = None,
    slot_s: int = 900,
    margin_ppm: int = 0,
) -> Scenario:
    """One day with as many slots as `retail` has entries; the first bus is the slack, with the utility."""
    slots = len(retail)
    zeros = (0,) * slots
    everything = (asset("utility", buses[0].name, AssetKind.UTILITY), *assets)
    day = Day(
        label="2016-06-15",
        start_utc_s=1_465_948_800,
        slots=slots,
        assets={
            a.name: AssetDay(
                p_w=tuple((profiles or {}).get(a.name, zeros)),
                q_var=tuple((reactive or {}).get(a.name, zeros)),
            )
            for a in everything
        },
        retail_micro_per_kwh=tuple(retail),
        feed_in_micro_per_kwh=tuple(feed_in or (FEED_IN,) * slots),
    )
    return Scenario(
        name="test",
        title="Test",
        description="",
        market=_market(slot_s, margin_ppm),
        slack=buses[0].name,
        buses=tuple(buses),
        links=tuple(links),
        assets=everything,
        days=(day,),
        attribution=Attribution(source="", licence="", text=""),
    )


def _market(slot_s: int, margin_ppm: int) -> Market:
    return Market(
        network_id="test",
        currency="EUR",
        slot_s=slot_s,
        reference_price_micro_per_kwh=REFERENCE,
        unserved_micro_per_kwh=UNSERVED,
        floor_micro_per_kwh=(),
        voltage_min_micro_pu=900_000,
        voltage_max_micro_pu=1_100_000,
        voltage_guard_micro_pu=5_000,
        slack_voltage_micro_pu=1_000_000,
        forecast_margin_ppm=margin_ppm,
    )
