"""Converts a pandapower net, profiles and a description of assets into a scenario.

Three inputs, because a net says nothing about owners and tariffs:

- the net as pandapower's own JSON: buses, lines, transformers, loads;
- one CSV of profiles, columns as in a scenario's profile file, for all days;
- one TOML with the header of a scenario (without `slack`), `[prices]`,
  `[network]`, `[[assets]]`, and corrections in `[[links]]` and `[[buses]]`.

Every load of the net that is in service becomes a LOAD asset; where the profiles
have no reactive power for it, it keeps the power factor that the net gives it.
docs/scenarios.md shows the TOML in full.
"""

# ruff: noqa: ANN401 - nets and their tables are values of untyped packages

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from ioe_router.scenario.findings import Report, ScenarioError, nearest
from ioe_router.scenario.header import Header, HeaderReader, read_toml
from ioe_router.scenario.import_parts import asset, with_limits
from ioe_router.scenario.model import (
    Asset,
    AssetDay,
    AssetKind,
    Bus,
    Day,
    Scenario,
    ScenarioLink,
)
from ioe_router.scenario.net_conversion import Network, convert_network, unique_slugs
from ioe_router.scenario.optional import refuse, require
from ioe_router.scenario.profiles import (
    DaySpan,
    ProfiledAsset,
    check_profile_columns,
    day_profiles,
)
from ioe_router.scenario.schema import (
    ASSET_COLUMNS,
    BUS_COLUMNS,
    HEADER_KEYS,
    HEADER_TABLES,
    LINK_COLUMNS,
    MILLION,
    PRICE_COLUMNS,
    SLOT_COLUMN,
    USED_BY_KIND,
    Column,
)
from ioe_router.scenario.tables import RawTable, Row, read_raw
from ioe_router.scenario.validate import validate
from ioe_router.scenario.write import write_scenario

_KEYS: Final = tuple(column for column in HEADER_KEYS if column.name != "slack")
_PRICE_KEYS: Final = PRICE_COLUMNS[1:]
_NETWORK_KEYS: Final = (Column(name="ties", high=1), Column(name="default_rating_va"))
_TABLES: Final = (*HEADER_TABLES, "prices", "network", "assets", "links", "buses")
_FIXED: Final = frozenset({"parent", "child", "kind"})  # the net decides these
_LINK_KEYS: Final = tuple(column for column in LINK_COLUMNS if column.name not in _FIXED)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Description:
    """The TOML, read; only complete when the report is empty."""

    header: Header
    prices: Row
    network: Row
    assets: tuple[Row, ...]
    links: tuple[Row, ...]
    buses: tuple[Row, ...]


def import_pandapower(net_json: str | Path, profiles_csv: str | Path, assets_toml: str | Path) -> Scenario:
    """The scenario that the three files describe.

    Raises ScenarioError with what is wrong in any of them, or where the import
    packages are not installed.
    """
    description = _read_description(Path(assets_toml))
    net = _load_net(Path(net_json))
    file = Path(net_json).name
    network = convert_network(net, file, ties=bool(description.network.numbers.get("ties", 1)))
    loads = _loads(net, network)
    toml = Path(assets_toml).name
    assets = (*_described_assets(toml, description, network), *(load for load, _ in loads))
    links = _corrected_links(toml, description, network)
    limited = with_limits(network.buses, links, assets, network.slack)
    scenario = Scenario(
        name=description.header.top.texts["name"],
        title=description.header.top.texts["title"],
        description=description.header.top.texts["description"],
        slack=network.slack,
        market=description.header.to_market(),
        buses=_corrected_buses(toml, description, limited),
        links=links,
        assets=assets,
        days=_days(Path(profiles_csv), description, assets, dict(loads)),
        attribution=description.header.to_attribution(),
    )
    _check(scenario)
    return scenario


def _read_description(path: Path) -> _Description:
    report = Report()
    read = read_toml(report, path.parent, path.name)
    if read is None:
        raise ScenarioError(report.findings)
    text, document = read
    reader = HeaderReader(report, path.name, text)
    numbers = [column.name for column in (*ASSET_COLUMNS, *_LINK_KEYS, *BUS_COLUMNS)]
    anything = [name for name in (*numbers, "title") if name != "name"]
    description = _Description(
        header=reader.header(document, _KEYS, _TABLES),
        prices=reader.table(document, "prices", _PRICE_KEYS, ()),
        network=reader.table(document, "network", _NETWORK_KEYS, [k.name for k in _NETWORK_KEYS]),
        assets=reader.rows(document, "assets", ASSET_COLUMNS, optional=_asset_numbers()),
        links=reader.rows(document, "links", _LINK_KEYS, optional=anything),
        buses=reader.rows(document, "buses", BUS_COLUMNS, optional=anything),
    )
    if len(report):
        raise ScenarioError(report.findings)
    return description


def _asset_numbers() -> list[str]:
    return [column.name for column in ASSET_COLUMNS if not column.text]


def _load_net(path: Path) -> Any:
    pandapower = require("pandapower")
    if not path.is_file():
        raise refuse(path.name, "", "there is no such file", "name the JSON file of a net")
    try:
        net = pandapower.from_json(str(path))
        buses = len(net.bus)
    except (ValueError, KeyError, TypeError, AttributeError, UserWarning) as error:
        cause = "the file is no pandapower net"
        remedy = "write it with pandapower.to_json(net, path)"
        raise refuse(path.name, "", cause, remedy) from error
    if buses == 0:
        raise refuse(path.name, "bus", "the net has no buses", "name the JSON file of a net")
    return net


def _loads(net: Any, network: Network) -> list[tuple[Asset, float]]:
    """Each load with the var it consumes per watt."""
    names = unique_slugs(((int(i), net.load.at[i, "name"]) for i in net.load.index), "load")
    loads = []
    for row in net.load[net.load.in_service].itertuples():
        p_mw, q_mvar = float(row.p_mw) * float(row.scaling), float(row.q_mvar) * float(row.scaling)
        name = names[int(row.Index)]
        p_max_w = max(math.ceil(math.hypot(p_mw, q_mvar) * MILLION - 1e-6), 1)
        bus = network.bus_of[int(row.bus)]
        item = asset(name, name, bus, AssetKind.LOAD, p_max_w=p_max_w)
        loads.append((item, q_mvar / p_mw if p_mw else 0.0))
    return loads


def _described_assets(file: str, description: _Description, network: Network) -> tuple[Asset, ...]:
    kinds = [kind.value for kind in AssetKind]
    buses = [bus.name for bus in network.buses]
    assets = []
    for row in description.assets:
        field = f"assets.{row.text('name')}"
        if row.text("kind") not in kinds:
            cause = f'unknown kind "{row.text("kind")}"'
            raise refuse(file, field, cause, nearest(row.text("kind"), kinds))
        if row.text("bus") not in buses:
            cause = f'there is no bus "{row.text("bus")}"'
            raise refuse(file, field, cause, nearest(row.text("bus"), buses))
        kind = AssetKind(row.text("kind"))
        unused = sorted(set(row.numbers) - set(USED_BY_KIND[kind]))
        if unused:
            cause = f"an asset of kind {kind} does not use {unused[0]}"
            raise refuse(file, field, cause, "remove the key")
        title, bus = row.text("title"), row.text("bus")
        assets.append(asset(row.text("name"), title, bus, kind, **row.numbers))
    return tuple(assets)


def _corrected_links(file: str, description: _Description, network: Network) -> tuple[ScenarioLink, ...]:
    default_va = description.network.numbers.get("default_rating_va", 0)
    links = {link.name: link for link in network.links}
    for row in description.links:
        name = row.text("name")
        if name not in links:
            cause = f'there is no link "{name}"'
            raise refuse(file, "links.name", cause, nearest(name, links))
        links[name] = _changed(links[name], row.numbers)
    return tuple(_rated(file, link, default_va) for link in links.values())


_Value = TypeVar("_Value", Bus, ScenarioLink)


def _changed(value: _Value, numbers: Mapping[str, int]) -> _Value:
    changes: dict[str, Any] = dict(numbers)
    return replace(value, **changes)


def _rated(file: str, link: ScenarioLink, default_va: int) -> ScenarioLink:
    if link.rating_down_va or link.rating_up_va:
        return link
    if not default_va:
        cause = f'the net gives no rating for "{link.name}"'
        remedy = "add a [[links]] table for it, or network.default_rating_va"
        raise refuse(file, "links", cause, remedy)
    return replace(link, rating_down_va=default_va, rating_up_va=default_va)


def _corrected_buses(file: str, description: _Description, limited: tuple[Bus, ...]) -> tuple[Bus, ...]:
    buses = {bus.name: bus for bus in limited}
    for row in description.buses:
        name = row.text("name")
        if name not in buses:
            cause = f'there is no bus "{name}"'
            raise refuse(file, "buses.name", cause, nearest(name, buses))
        title = row.text("title") or buses[name].title
        buses[name] = replace(_changed(buses[name], row.numbers), title=title)
    return tuple(buses.values())


def _days(
    path: Path, description: _Description, assets: Sequence[Asset], var_per_w: dict[Asset, float]
) -> tuple[Day, ...]:
    report = Report()
    raw = read_raw(report, path.parent, path.name)
    known = [ProfiledAsset(name=a.name, kind=a.kind, p_max_w=a.p_max_w) for a in assets]
    days = []
    if raw is not None and check_profile_columns(report, path.name, raw.columns, known):
        for row in description.header.days:
            span = DaySpan(
                label=row.texts["label"],
                start_utc_s=row.numbers["start_utc_s"],
                slots=row.numbers["slots"],
                slot_s=description.header.market.numbers["slot_s"],
            )
            profiles = day_profiles(report, path.name, _rows_of(raw, span), span, known)
            if len(profiles) == len(known):
                filled = _with_power_factor(raw.columns, profiles, var_per_w)
                days.append(_day(span, description.prices, filled))
    if len(report):
        raise ScenarioError(report.findings)
    return tuple(days)


def _rows_of(raw: RawTable, span: DaySpan) -> RawTable:
    """The rows that begin within the day; a cell that is no integer stays, to be found."""
    at = raw.columns.index(SLOT_COLUMN)

    def belongs(cell: str) -> bool:
        return not cell.isdigit() or span.start_utc_s <= int(cell) < span.end_utc_s

    rows = tuple(row for row in raw.rows if belongs(row[1][at].strip()))
    return RawTable(columns=raw.columns, rows=rows)


def _with_power_factor(
    columns: Sequence[str], profiles: dict[str, AssetDay], var_per_w: dict[Asset, float]
) -> dict[str, AssetDay]:
    filled = dict(profiles)
    for load, ratio in var_per_w.items():
        if f"{load.name}.q_var" not in columns:
            p_w = profiles[load.name].p_w
            q_var = tuple(round(value * ratio) for value in p_w)
            filled[load.name] = AssetDay(p_w=p_w, q_var=q_var)
    return filled


def _day(span: DaySpan, prices: Row, profiles: dict[str, AssetDay]) -> Day:
    return Day(
        label=span.label,
        start_utc_s=span.start_utc_s,
        slots=span.slots,
        assets=profiles,
        retail_micro_per_kwh=(prices.numbers["retail_micro_per_kwh"],) * span.slots,
        feed_in_micro_per_kwh=(prices.numbers["feed_in_micro_per_kwh"],) * span.slots,
    )


def _check(scenario: Scenario) -> None:
    """What is left to find is found in the folder that the scenario would become."""
    with tempfile.TemporaryDirectory() as folder:
        write_scenario(scenario, folder)
        findings = validate(folder)
    if findings:
        raise ScenarioError(findings)
