"""Converts a SimBench grid and days of its profiles into a scenario.

SimBench's time stamps are local German time with daylight saving, so rows are
found by their stamp and not by counting, and slots are stored in UTC.  Its
profiles are relative and its photovoltaics carry no reactive power.  What
SimBench does not say (tariffs, marginal prices, carbon) gets the defaults below,
which an author is expected to change.

SimBench's storage profiles are not used: in this project batteries are operated
by their owners.  Its storage efficiency is read as that of a full cycle and
shared evenly between charging and discharging.
"""

# ruff: noqa: ANN401 - nets and their tables are values of untyped packages

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from ioe_router.scenario.import_parts import (
    FEED_IN_MICRO_PER_KWH,
    RETAIL_MICRO_PER_KWH,
    asset,
    default_market,
    joules,
    with_limits,
)
from ioe_router.scenario.model import (
    Asset,
    AssetDay,
    AssetKind,
    Attribution,
    Day,
    Scenario,
)
from ioe_router.scenario.net_conversion import (
    Network,
    convert_network,
    slug,
    unique_slugs,
)
from ioe_router.scenario.optional import refuse, require
from ioe_router.scenario.schema import MILLION

_ZONE: Final = "Europe/Berlin"
_SLOT_S: Final = 900
_SOLAR_PRICE_MICRO_PER_KWH: Final = 20_000
_CHP_PRICE_MICRO_PER_KWH: Final = 160_000
_KINDS: Final = {
    "pv": AssetKind.SOLAR,
    "lv_res": AssetKind.SOLAR,  # what a low-voltage grid below feeds in, mostly from roofs
    "wp": AssetKind.WIND,
    "wind": AssetKind.WIND,
    "hydro": AssetKind.HYDRO,
    "bm": AssetKind.CHP,
    "biomass": AssetKind.CHP,
}
_CARBON_MG_PER_KWH: Final = {
    AssetKind.SOLAR: 40_000,
    AssetKind.WIND: 11_000,
    AssetKind.HYDRO: 24_000,
    AssetKind.CHP: 230_000,
    AssetKind.UTILITY: 380_000,
}

ATTRIBUTION: Final = Attribution(
    source="SimBench, https://simbench.de (pip package simbench)",
    licence="ODbL-1.0",
    text=(
        "Contains information from the SimBench data set, (c) University of Kassel, Fraunhofer "
        "IEE, RWTH Aachen University and TU Dortmund University, which is made available under "
        "the Open Database License 1.0 (https://opendatacommons.org/licenses/odbl/1-0/); rights "
        "in individual contents are licensed under the Database Contents License 1.0 "
        "(https://opendatacommons.org/licenses/dbcl/1-0/). This folder is a derivative database "
        "under the same Open Database License. SimBench is realistic benchmark data, not "
        "measurements of customers."
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalDay:
    """The rows of one local day in SimBench's year, and where they begin in UTC."""

    label: str
    start_utc_s: int
    first_row: int
    slots: int


def import_simbench(code: str, days: Sequence[str]) -> Scenario:
    """The grid `code` on local `days` such as 2016-06-15, as a scenario.

    Raises ScenarioError for an unknown code, a day outside the data, a grid that
    a scenario cannot express, or where the import packages are not installed.
    """
    if not days:
        raise refuse(code, "days", "no day was named", "name days such as 2016-06-15")
    net, profiles = load_simbench(code)
    network = convert_network(net, code, ties=True)
    local_days = [find_day(list(net.profiles["load"]["time"]), day) for day in days]
    assets = _assets(net, network, profiles)
    return Scenario(
        name=slug(code, "simbench"),
        title=f"SimBench {code}",
        description=f"The grid {code} of SimBench on {', '.join(days)}, tariffs by default.",
        market=default_market(f"{slug(code, 'simbench')}.example", network.slack_voltage_micro_pu),
        slack=network.slack,
        buses=with_limits(network.buses, network.links, [a for a, _ in assets], network.slack),
        links=network.links,
        assets=tuple(item for item, _ in assets),
        days=tuple(_day(local_day, assets) for local_day in local_days),
        attribution=ATTRIBUTION,
    )


def load_simbench(code: str) -> tuple[Any, dict[tuple[str, str], Any]]:
    """The net of `code` and its absolute profiles (MW, Mvar; one row per quarter hour of 2016)."""
    simbench = require("simbench")
    if code not in simbench.collect_all_simbench_codes():
        cause = "SimBench has no grid of this code"
        raise refuse(code, "", cause, "use a code such as 1-LV-rural1--1-sw, see simbench.de")
    net = simbench.get_simbench_net(code)
    # Without this pandapower ignores tap_pos; set for whoever runs a power flow on this net.
    net.trafo["tap_changer_type"] = "Ratio"
    return net, simbench.get_absolute_values(net, profiles_instead_of_study_cases=True)


def find_day(stamps: Sequence[str], day: str) -> LocalDay:
    """The rows of local `day` (YYYY-MM-DD) among SimBench's `stamps` (DD.MM.YYYY HH:MM).

    The stamps are local time; rows lie a quarter of an hour apart, so the UTC
    time of a row follows from the first one, and every stamp of the day is
    compared with it.  A day with a clock change has 92 or 100 slots.
    """
    zone = ZoneInfo(_ZONE)
    midnight = _midnight(day, zone)
    following = _midnight_of(date.fromisoformat(day) + timedelta(days=1), zone)
    first = datetime.strptime(stamps[0], "%d.%m.%Y %H:%M").replace(tzinfo=zone)
    row = (int(midnight.timestamp()) - int(first.timestamp())) // _SLOT_S
    slots = (int(following.timestamp()) - int(midnight.timestamp())) // _SLOT_S
    if row < 0 or row + slots > len(stamps):
        cause = f"the profiles run from {stamps[0]} to {stamps[-1]}"
        raise refuse(day, "days", cause, "choose a day of that year")
    start = int(midnight.timestamp())
    for slot in range(slots):
        local = datetime.fromtimestamp(start + slot * _SLOT_S, tz=zone)
        if stamps[row + slot] != local.strftime("%d.%m.%Y %H:%M"):
            cause = f"row {row + slot} is stamped {stamps[row + slot]} and not {local:%H:%M}"
            raise refuse(day, "days", cause, "use profiles in steps of 15 minutes of local time")
    return LocalDay(label=day, start_utc_s=start, first_row=row, slots=slots)


def _midnight(day: str, zone: ZoneInfo) -> datetime:
    try:
        return _midnight_of(date.fromisoformat(day), zone)
    except ValueError:
        raise refuse(day, "days", "this is no date", "write days as YYYY-MM-DD") from None


def _midnight_of(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


_Profiled = tuple[Asset, tuple[Any, Any]]


def _assets(net: Any, network: Network, profiles: dict[tuple[str, str], Any]) -> list[_Profiled]:
    """Every asset with its year of watts and var (None where it has no profile)."""
    rating_va = sum(link.rating_down_va for link in network.links if link.parent == network.slack)
    utility = asset(
        "utility",
        "Utility",
        network.slack,
        AssetKind.UTILITY,
        p_max_w=rating_va,
        carbon_mg_per_kwh=_CARBON_MG_PER_KWH[AssetKind.UTILITY],
    )
    return [
        (utility, (None, None)),
        *_loads(net, network, profiles),
        *_sources(net, network, profiles),
        *_storages(net, network),
    ]


def _loads(net: Any, network: Network, profiles: dict[tuple[str, str], Any]) -> list[_Profiled]:
    names = unique_slugs(((int(i), net.load.at[i, "name"]) for i in net.load.index), "load")
    loads = []
    for row in net.load[net.load.in_service].itertuples():
        p_w, q_var = (_watts(profiles["load", key][row.Index]) for key in ("p_mw", "q_mvar"))
        item = asset(
            names[int(row.Index)],
            str(row.name or names[int(row.Index)]),
            network.bus_of[int(row.bus)],
            AssetKind.LOAD,
            p_max_w=max(_nameplate(row), int(p_w.max())),
        )
        loads.append((item, (p_w, q_var)))
    return loads


def _sources(net: Any, network: Network, profiles: dict[tuple[str, str], Any]) -> list[_Profiled]:
    names = unique_slugs(((int(i), net.sgen.at[i, "name"]) for i in net.sgen.index), "sgen")
    sources = []
    for row in net.sgen[net.sgen.in_service].itertuples():
        kind = _source_kind(row)
        p_w = _watts(profiles["sgen", "p_mw"][row.Index])
        price = _CHP_PRICE_MICRO_PER_KWH if kind is AssetKind.CHP else _SOLAR_PRICE_MICRO_PER_KWH
        item = asset(
            names[int(row.Index)],
            str(row.name or names[int(row.Index)]),
            network.bus_of[int(row.bus)],
            kind,
            p_max_w=max(_nameplate(row), int(p_w.max())),
            price_micro_per_kwh=price,
            carbon_mg_per_kwh=_CARBON_MG_PER_KWH[kind],
        )
        sources.append((item, (p_w, None)))
    return sources


def _source_kind(row: Any) -> AssetKind:
    text = str(row.type or row.profile).lower()
    for prefix, kind in _KINDS.items():
        if text.startswith(prefix):
            return kind
    cause = f'the type "{row.type}" of {row.name} is no source a scenario knows'
    raise refuse("sgen", str(row.name), cause, "take it out of service or give it a known type")


def _storages(net: Any, network: Network) -> list[_Profiled]:
    names = unique_slugs(((int(i), net.storage.at[i, "name"]) for i in net.storage.index), "storage")
    storages = []
    for row in net.storage[net.storage.in_service].itertuples():
        efficiency = round(math.sqrt(float(row.efficiency_percent)) * MILLION)
        reserve_j = joules(float(row.min_e_mwh))
        capacity_j = joules(float(row.max_e_mwh))
        start_j = round(capacity_j * float(row.soc_percent) / 100.0)
        item = asset(
            names[int(row.Index)],
            str(row.name or names[int(row.Index)]),
            network.bus_of[int(row.bus)],
            AssetKind.BATTERY,
            p_max_w=_nameplate(row),
            capacity_j=capacity_j,
            start_j=max(start_j, reserve_j),
            reserve_j=reserve_j,
            charge_efficiency_ppm=efficiency,
            discharge_efficiency_ppm=efficiency,
        )
        storages.append((item, (None, None)))
    return storages


def _nameplate(row: Any) -> int:
    """The rated apparent power in watts, at least the rated active power."""
    rated = [abs(float(row.p_mw)), float(row.sn_mva)]
    return math.ceil(max(value for value in rated if not math.isnan(value)) * MILLION - 1e-6)


def _watts(mega: Any) -> Any:
    return (mega * MILLION).round().astype("int64")


def _day(local_day: LocalDay, assets: Sequence[_Profiled]) -> Day:
    rows = slice(local_day.first_row, local_day.first_row + local_day.slots)
    return Day(
        label=local_day.label,
        start_utc_s=local_day.start_utc_s,
        slots=local_day.slots,
        assets={
            item.name: AssetDay(p_w=_slots(p_w, rows), q_var=_slots(q_var, rows))
            for item, (p_w, q_var) in assets
        },
        retail_micro_per_kwh=(RETAIL_MICRO_PER_KWH,) * local_day.slots,
        feed_in_micro_per_kwh=(FEED_IN_MICRO_PER_KWH,) * local_day.slots,
    )


def _slots(values: Any, rows: slice) -> tuple[int, ...]:
    if values is None:
        return tuple(0 for _ in range(rows.start, rows.stop))
    return tuple(int(value) for value in values.iloc[rows])
