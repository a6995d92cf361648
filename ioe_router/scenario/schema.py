"""Which files, columns and keys a scenario folder has, and what each may hold.

One table for the reader, the writer and the validator, so that they cannot
disagree.  Bounds here are those of a single cell; what depends on more than one
cell is checked in `grid_checks` and `asset_checks`.  docs/scenarios.md is the
same table in words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ioe_router.scenario.model import AssetKind

FORMAT: Final = 1
HEADER_FILE: Final = "scenario.toml"
BUSES_FILE: Final = "buses.csv"
LINKS_FILE: Final = "links.csv"
ASSETS_FILE: Final = "assets.csv"
PRICES_FILE: Final = "prices.csv"
LICENCE_FILE: Final = "LICENSE"
ATTRIBUTION_FILE: Final = "ATTRIBUTION.md"
PROFILES_FOLDER: Final = "profiles"
SLOT_COLUMN: Final = "slot_start_utc_s"

SLOT_LENGTHS_S: Final = (300, 900, 1800, 3600)
SLOTS_MAX: Final = 192  # the protocol's horizon of one object
INT64_MAX: Final = 2**63 - 1
MILLION: Final = 1_000_000

# Units that end a name, longest first: `rating_down_va` is `rating_down` in `va`.
UNITS: Final = (
    "micro_per_kwh",
    "pico_per_w",
    "mg_per_kwh",
    "micro_ohm",
    "micro_pu",
    "milli_w",
    "utc_s",
    "ppm",
    "var",
    "va",
    "mv",
    "j",
    "s",
    "w",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column or key: text if `text`, else an integer within [low, high]."""

    name: str
    text: bool = False
    low: int = 0
    high: int = INT64_MAX


def _text(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name=name, text=True) for name in names)


def _counts(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name=name) for name in names)


BUS_COLUMNS: Final = (
    *_text("name", "title"),
    Column(name="x", low=-INT64_MAX),
    Column(name="y", low=-INT64_MAX),
    *_counts("import_limit_w", "export_limit_w"),
)
LINK_COLUMNS: Final = (
    *_text("name", "parent", "child", "kind"),
    *_counts("rating_down_va", "rating_up_va", "r_micro_ohm", "x_micro_ohm"),
    Column(name="vn_mv", low=1),
    *_counts("iron_milli_w", "magnetising_var", "charging_var"),
    Column(name="tap_ratio_ppm", low=500_000, high=1_500_000),
    Column(name="b_ppm", high=MILLION - 1),
    *_counts("c_pico_per_w", "fee_down_micro_per_kwh", "fee_up_micro_per_kwh"),
)
ASSET_COLUMNS: Final = (
    *_text("name", "title", "bus", "kind"),
    *_counts("p_max_w"),
    Column(name="price_micro_per_kwh", low=-INT64_MAX),
    *_counts("carbon_mg_per_kwh", "capacity_j", "start_j", "reserve_j"),
    Column(name="charge_efficiency_ppm", high=MILLION),
    Column(name="discharge_efficiency_ppm", high=MILLION),
    Column(name="forecast_error_ppm", high=MILLION),
)
PRICE_COLUMNS: Final = (
    Column(name=SLOT_COLUMN),
    Column(name="retail_micro_per_kwh", low=-INT64_MAX),
    Column(name="feed_in_micro_per_kwh", low=-INT64_MAX),
)

HEADER_KEYS: Final = _text("name", "title", "description", "slack")
HEADER_TABLES: Final = ("market", "attribution", "days")
MARKET_KEYS: Final = (
    *_text("network_id", "currency"),
    *_counts("slot_s"),
    Column(name="reference_price_micro_per_kwh", low=-INT64_MAX),
    Column(name="unserved_micro_per_kwh", low=1),
    Column(name="voltage_min_micro_pu", low=1),
    Column(name="voltage_max_micro_pu", low=1),
    *_counts("voltage_guard_micro_pu"),
    Column(name="slack_voltage_micro_pu", low=1),
    Column(name="forecast_margin_ppm", high=MILLION - 1),
)
FLOOR_KEY: Final = "floor_micro_per_kwh"
ATTRIBUTION_KEYS: Final = _text("source", "licence", "text")
DAY_KEYS: Final = (
    Column(name="label", text=True),
    Column(name="start_utc_s"),
    Column(name="slots", low=1, high=SLOTS_MAX),
)

# The columns of assets.csv that a kind uses; every other number stays empty.
_SOURCE: Final = ("p_max_w", "price_micro_per_kwh", "carbon_mg_per_kwh")
USED_BY_KIND: Final[dict[AssetKind, tuple[str, ...]]] = {
    AssetKind.LOAD: ("p_max_w", "forecast_error_ppm"),
    AssetKind.FLEXIBLE: ("p_max_w", "price_micro_per_kwh", "forecast_error_ppm"),
    AssetKind.SOLAR: (*_SOURCE, "forecast_error_ppm"),
    AssetKind.WIND: (*_SOURCE, "forecast_error_ppm"),
    AssetKind.HYDRO: (*_SOURCE, "forecast_error_ppm"),
    AssetKind.GEOTHERMAL: (*_SOURCE, "forecast_error_ppm"),
    AssetKind.CHP: _SOURCE,
    AssetKind.BATTERY: (
        "p_max_w",
        "capacity_j",
        "start_j",
        "reserve_j",
        "charge_efficiency_ppm",
        "discharge_efficiency_ppm",
    ),
    AssetKind.UTILITY: ("p_max_w", "carbon_mg_per_kwh"),
}
CONSUMERS: Final = frozenset({AssetKind.LOAD, AssetKind.FLEXIBLE})
# Kinds whose `<asset>.p_w` column must be in every profile file.
PROFILED: Final = CONSUMERS | {
    AssetKind.SOLAR,
    AssetKind.WIND,
    AssetKind.HYDRO,
    AssetKind.GEOTHERMAL,
}


def split_unit(name: str) -> tuple[str, str]:
    """`rating_down_va` -> (`rating_down`, `va`); a name without a unit has an empty one."""
    for unit in UNITS:
        if name.endswith(f"_{unit}"):
            return name[: -len(unit) - 1], unit
    return name, ""
