"""What both importers share: default market values and connection limits from assets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from ioe_router.scenario.model import (
    Asset,
    AssetKind,
    Bus,
    Market,
    ScenarioLink,
)
from ioe_router.scenario.schema import CONSUMERS, MILLION, USED_BY_KIND

RETAIL_MICRO_PER_KWH: Final = 320_000
FEED_IN_MICRO_PER_KWH: Final = 80_000
# Eleven bands with a floor: three above the usual retail price, so that what is worth most is
# served first, six between retail and feed-in, two below; the twelfth band has none.
FLOORS_MICRO_PER_KWH: Final = (
    1_000_000,
    600_000,
    400_000,
    300_000,
    240_000,
    190_000,
    150_000,
    110_000,
    75_000,
    45_000,
    20_000,
)
_ROUND_W: Final = 1_000


def default_market(network_id: str, slack_voltage_micro_pu: int) -> Market:
    """A market with this project's usual values, for a net that says nothing about one."""
    return Market(
        network_id=network_id,
        currency="EUR",
        slot_s=900,
        reference_price_micro_per_kwh=120_000,
        unserved_micro_per_kwh=3_000_000,
        floor_micro_per_kwh=FLOORS_MICRO_PER_KWH,
        voltage_min_micro_pu=900_000,
        voltage_max_micro_pu=1_100_000,
        voltage_guard_micro_pu=5_000,
        slack_voltage_micro_pu=slack_voltage_micro_pu,
        forecast_margin_ppm=30_000,
    )


def asset(name: str, title: str, bus: str, kind: AssetKind, **numbers: int) -> Asset:
    """An asset whose unused fields are 0; raises ValueError for a field its kind does not use."""
    unused = set(numbers) - set(USED_BY_KIND[kind])
    if unused:
        raise ValueError(f"an asset of kind {kind} does not use {', '.join(sorted(unused))}")
    zeros = dict.fromkeys((name for names in USED_BY_KIND.values() for name in names), 0)
    return Asset(name=name, title=title, bus=bus, kind=kind, **(zeros | numbers))


def with_limits(
    buses: Sequence[Bus], links: Sequence[ScenarioLink], assets: Sequence[Asset], slack: str
) -> tuple[Bus, ...]:
    """Buses whose limits admit the rated power of what is connected, rounded up to 1 kW.

    Every bus may import at least 1 kW: its router buys the standing losses of its
    links there. At the slack bus the limit is what its links can carry.
    """
    return tuple(_limited(bus, links, assets, bus.name == slack) for bus in buses)


def _limited(bus: Bus, links: Sequence[ScenarioLink], assets: Sequence[Asset], is_slack: bool) -> Bus:
    if is_slack:
        carried = [link for link in links if bus.name in (link.parent, link.child)]
        import_w = sum(link.rating_up_va for link in carried)
        export_w = sum(link.rating_down_va for link in carried)
    else:
        here = [item for item in assets if item.bus == bus.name]
        both = sum(item.p_max_w for item in here if item.kind is AssetKind.BATTERY)
        import_w = both + sum(item.p_max_w for item in here if item.kind in CONSUMERS)
        export_w = both + sum(item.p_max_w for item in here if _produces(item.kind))
    import_w = max(import_w, _ROUND_W)
    return replace(bus, import_limit_w=_round_up(import_w), export_limit_w=_round_up(export_w))


def _produces(kind: AssetKind) -> bool:
    return kind not in CONSUMERS and kind not in (AssetKind.BATTERY, AssetKind.UTILITY)


def _round_up(power_w: int) -> int:
    return -(-power_w // _ROUND_W) * _ROUND_W


def joules(mwh: float) -> int:
    """Energy in joules of an amount in MWh."""
    return round(mwh * 3_600 * MILLION)
