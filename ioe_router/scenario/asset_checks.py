"""Checks of assets.csv that need more than one cell.

Each kind uses some columns and leaves the others empty; a number in a column
that its kind does not use is an error, because its author expects an effect
that will not come.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ioe_router.scenario.findings import Report, nearest
from ioe_router.scenario.grid_checks import check_unique_names
from ioe_router.scenario.model import AssetKind
from ioe_router.scenario.schema import ASSET_COLUMNS, ASSETS_FILE, MILLION, USED_BY_KIND
from ioe_router.scenario.tables import Row

_NUMBERS: Final = tuple(column.name for column in ASSET_COLUMNS if not column.text)
_KINDS: Final = tuple(kind.value for kind in AssetKind)


def check_assets(report: Report, slack: str, bus_names: Sequence[str], assets: Sequence[Row]) -> None:
    """Everything about assets.csv; `bus_names` is empty where buses.csv could not be read."""
    check_unique_names(report, ASSETS_FILE, assets)
    for asset in assets:
        if bus_names and asset.text("bus") not in bus_names:
            cause = f'there is no bus "{asset.text("bus")}"'
            remedy = nearest(asset.text("bus"), bus_names)
            report.add(ASSETS_FILE, asset.line, "bus", cause, remedy)
        _check_kind(report, asset)
    _check_utility(report, slack, assets)


def kind_of(asset: Row) -> AssetKind | None:
    """The asset's kind, None where it is not known."""
    return AssetKind(asset.text("kind")) if asset.text("kind") in _KINDS else None


def _check_kind(report: Report, asset: Row) -> None:
    kind = kind_of(asset)
    if kind is None:
        cause = f'unknown kind "{asset.text("kind")}"'
        report.add(ASSETS_FILE, asset.line, "kind", cause, nearest(asset.text("kind"), _KINDS))
        return
    for name in _NUMBERS:
        if name not in USED_BY_KIND[kind] and asset.numbers.get(name, 0) != 0:
            cause = f"an asset of kind {kind} does not use this column"
            report.add(ASSETS_FILE, asset.line, name, cause, "leave the cell empty")
    if asset.numbers.get("p_max_w") == 0:
        cause = "the rated power is zero or empty"
        report.add(ASSETS_FILE, asset.line, "p_max_w", cause, "write the rated power in watts")
    if kind is AssetKind.BATTERY:
        _check_battery(report, asset)


def _check_battery(report: Report, asset: Row) -> None:
    for name in ("charge_efficiency_ppm", "discharge_efficiency_ppm"):
        if asset.numbers.get(name) == 0:
            cause = "the efficiency is zero or empty"
            report.add(ASSETS_FILE, asset.line, name, cause, f"write a value from 1 to {MILLION}")
    numbers = asset.numbers
    if not {"capacity_j", "start_j", "reserve_j"} <= numbers.keys():
        return
    capacity, start, reserve = numbers["capacity_j"], numbers["start_j"], numbers["reserve_j"]
    if capacity == 0:
        cause = "the capacity is zero or empty"
        report.add(ASSETS_FILE, asset.line, "capacity_j", cause, "write the capacity in joules")
    if start > capacity:
        cause = f"the battery starts with {start} J above its capacity of {capacity} J"
        report.add(ASSETS_FILE, asset.line, "start_j", cause, "lower start_j")
    if start < reserve:
        cause = f"the battery starts with {start} J below its reserve of {reserve} J"
        report.add(ASSETS_FILE, asset.line, "start_j", cause, "raise start_j or lower reserve_j")


def _check_utility(report: Report, slack: str, assets: Sequence[Row]) -> None:
    utilities = [asset for asset in assets if kind_of(asset) is AssetKind.UTILITY]
    if not utilities:
        cause = "there is no asset of kind utility"
        report.add(ASSETS_FILE, 0, "kind", cause, "add one at the slack bus")
    for extra in utilities[1:]:
        cause = f'"{extra.text("name")}" is a second utility'
        report.add(ASSETS_FILE, extra.line, "kind", cause, "keep one utility")
    if utilities and slack and utilities[0].text("bus") != slack:
        cause = f'the utility is at bus "{utilities[0].text("bus")}"'
        report.add(ASSETS_FILE, utilities[0].line, "bus", cause, f'put it at the slack bus "{slack}"')
