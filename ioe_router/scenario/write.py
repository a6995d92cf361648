"""Writes a scenario as a folder; `load_scenario` of it gives the same values back.

Output depends on the values alone (in file order, lines ended by a newline), so
writing twice gives equal bytes.  Columns that would be all zero where the format
allows their absence are left out.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from ioe_router.scenario.model import Asset, AssetDay, AssetKind, Day, Scenario
from ioe_router.scenario.schema import (
    ASSET_COLUMNS,
    ASSETS_FILE,
    ATTRIBUTION_FILE,
    ATTRIBUTION_KEYS,
    BUS_COLUMNS,
    BUSES_FILE,
    FLOOR_KEY,
    FORMAT,
    HEADER_FILE,
    HEADER_KEYS,
    LICENCE_FILE,
    LINK_COLUMNS,
    LINKS_FILE,
    MARKET_KEYS,
    PRICE_COLUMNS,
    PRICES_FILE,
    PROFILED,
    PROFILES_FOLDER,
    SLOT_COLUMN,
    USED_BY_KIND,
    Column,
)

_LICENCES: Final = Path(__file__).resolve().parent / "licences"


def write_scenario(scenario: Scenario, path: str | Path) -> None:
    """Write `scenario` into the folder `path`, made if need be; files of the format are replaced.

    The licence file is the full text where the package has it (ODbL-1.0), else a notice.
    Raises OSError if the folder cannot be written.
    """
    folder = Path(path)
    (folder / PROFILES_FOLDER).mkdir(parents=True, exist_ok=True)
    files = {
        HEADER_FILE: _header(scenario),
        BUSES_FILE: _table(BUS_COLUMNS, scenario.buses),
        LINKS_FILE: _table(LINK_COLUMNS, scenario.links),
        ASSETS_FILE: _lines([_names(ASSET_COLUMNS), *map(_asset_cells, scenario.assets)]),
        PRICES_FILE: _prices(scenario),
        ATTRIBUTION_FILE: _attribution(scenario),
        LICENCE_FILE: licence_text(scenario.attribution.licence),
    }
    for day in scenario.days:
        files[f"{PROFILES_FOLDER}/{day.label}.csv"] = _profile(scenario, day)
    for file, text in files.items():
        (folder / file).write_text(text, encoding="utf-8", newline="\n")


def licence_text(licence: str) -> str:
    """The licence's full text where it comes with the package, else one line that names it."""
    text = _LICENCES.joinpath(f"{licence}.txt")
    if text.is_file():
        return text.read_text(encoding="utf-8")
    return f"This scenario may be used under {licence}; ATTRIBUTION.md says whose work it is.\n"


def _names(columns: Sequence[Column]) -> list[str]:
    return [column.name for column in columns]


def _lines(rows: Iterable[Sequence[object]]) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def _table(columns: Sequence[Column], values: Iterable[object]) -> str:
    names = _names(columns)
    return _lines([names, *([getattr(value, name) for name in names] for value in values)])


def _asset_cells(asset: Asset) -> list[object]:
    used = USED_BY_KIND[asset.kind]
    return [
        getattr(asset, column.name) if column.text or column.name in used else "" for column in ASSET_COLUMNS
    ]


def _toml(value: str | int) -> str:
    # a JSON string is a TOML basic string, except that TOML wants DEL escaped too
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _pairs(value: object, columns: Sequence[Column]) -> list[str]:
    return [f"{column.name} = {_toml(getattr(value, column.name))}" for column in columns]


def _header(scenario: Scenario) -> str:
    market = scenario.market
    floors = ", ".join(str(floor) for floor in market.floor_micro_per_kwh)
    lines = [f"format = {FORMAT}", *_pairs(scenario, HEADER_KEYS), "", "[market]"]
    lines += [*_pairs(market, MARKET_KEYS), f"{FLOOR_KEY} = [{floors}]", "", "[attribution]"]
    lines += _pairs(scenario.attribution, ATTRIBUTION_KEYS)
    for day in scenario.days:
        lines += ["", "[[days]]", f"label = {_toml(day.label)}"]
        lines += [f"start_utc_s = {day.start_utc_s}", f"slots = {day.slots}"]
    return "\n".join(lines) + "\n"


def _prices(scenario: Scenario) -> str:
    rows: list[Sequence[object]] = [_names(PRICE_COLUMNS)]
    for day in scenario.days:
        starts = _starts(scenario, day)
        rows += zip(starts, day.retail_micro_per_kwh, day.feed_in_micro_per_kwh, strict=True)
    return _lines(rows)


def _profile(scenario: Scenario, day: Day) -> str:
    names, columns = [SLOT_COLUMN], [_starts(scenario, day)]
    for asset in scenario.assets:
        values = day.assets[asset.name]
        for quantity in _quantities(asset, values):
            names.append(f"{asset.name}.{quantity}")
            columns.append(getattr(values, quantity))
    return _lines([names, *zip(*columns, strict=True)])


def _quantities(asset: Asset, day: AssetDay) -> list[str]:
    if asset.kind is AssetKind.CHP:
        return ["p_w"] if any(p_w != asset.p_max_w for p_w in day.p_w) else []
    if asset.kind not in PROFILED:
        return []
    return ["p_w", "q_var"] if any(day.q_var) else ["p_w"]


def _starts(scenario: Scenario, day: Day) -> tuple[int, ...]:
    slot_s = scenario.market.slot_s
    return tuple(day.start_utc_s + slot * slot_s for slot in range(day.slots))


def _attribution(scenario: Scenario) -> str:
    value = scenario.attribution
    lines = [f"# {scenario.title}", "", f"Source: {value.source}", "", f"Licence: {value.licence}"]
    return "\n".join([*lines, "", value.text]) + "\n"
