"""The series that the report page draws, packed as small integers for its script.

One list per bus, link, source class and battery and day, one entry per slot,
in the order of the scenario; energies in joules, powers in whole watts,
voltages in millionths of nominal, prices in micro-units per kWh, loadings in
parts per million.  What was given and what it went to (`supply`, `use`) cover
all that crosses the community's edge or a device's terminals, so both sides of
the page's balance chart are the books, not a drawing of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias

from ioe_router.demo.record import BusSlot, DayRecord, RunRecord, SlotRecord
from ioe_router.demo.report_words import day_short, day_title, local_offset_s
from ioe_router.scenario.model import AssetKind, Scenario, ScenarioLinkKind

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

# Names of source classes and device kinds in words.
WORDS: Final = {
    "solar": "Solar",
    "wind": "Wind",
    "hydro": "Hydro",
    "geothermal": "Geothermal",
    "chp": "Cogeneration",
    "storage": "Batteries",
    "battery": "Battery",
    "utility": "Utility",
    "load": "Consumption",
    "flexible": "Flexible consumption",
    "junction": "Junction",
    "consumed": "Consumption",
    "charged": "Charging of batteries",
    "exported": "Sold to the utility",
    "lost": "Losses",
}
# Which colour variable of the style sheet each series takes.
COLOURS: Final = {
    "solar": "solar",
    "wind": "wind",
    "hydro": "hydro",
    "geothermal": "geothermal",
    "chp": "chp",
    "storage": "battery",
    "battery": "battery",
    "utility": "utility",
    "consumed": "load",
    "charged": "charging",
    "exported": "export",
    "lost": "loss",
    "loss": "loss",
    "band": "price",
    "retail": "retail",
    "feedIn": "feed-in",
    "booked": "booked",
    "ac": "ac",
    "volt": "volt",
    "limit": "limit",
    "loading": "loading",
}
_ORDER: Final = ("geothermal", "hydro", "wind", "solar", "chp")
_LAST: Final = ("battery", "utility")
_SERIES_OF: Final = {"battery": "storage"}  # in the plural, and apart from the device


def page_data(record: RunRecord) -> dict[str, Json]:
    """Everything the page's script needs, ready for `json.dumps`."""
    scenario, market = record.scenario, record.scenario.market
    words: dict[str, Json] = dict(WORDS.items())
    for name in {key for day in record.days for slot in day.slots for key in slot.energy_j} - set(WORDS):
        words[name] = name.replace("_", " ").capitalize()
    return {
        "slotS": market.slot_s,
        "cent": "ct" if market.currency == "EUR" else f"{market.currency}/100",
        "band": [market.voltage_min_micro_pu, market.voltage_max_micro_pu],
        "words": words,
        "colours": dict(COLOURS.items()),
        "buses": _buses(scenario),
        "links": _links(scenario),
        "days": [_day(scenario, day) for day in record.days],
    }


def kinds_at(scenario: Scenario, bus: str) -> list[str]:
    """The kinds of device at a bus, the telling ones first; `junction` where there is none."""
    between = [kind for kind in AssetKind if kind.value not in ("load", "flexible")]
    order: list[AssetKind] = [AssetKind.LOAD, *between, AssetKind.FLEXIBLE]
    here = {asset.kind for asset in scenario.assets if asset.bus == bus}
    return [kind.value for kind in order if kind in here] or ["junction"]


def net_export_j(bus: BusSlot) -> int:
    """What a bus gives to the grid in a slot; negative: what it takes."""
    return bus.produced_j + bus.discharged_j - bus.consumed_j - bus.charged_j


def _buses(scenario: Scenario) -> list[Json]:
    return [
        {
            "n": bus.name,
            "t": bus.title,
            "x": bus.x,
            "y": bus.y,
            "k": list(kinds_at(scenario, bus.name)),
            "a": [[a.kind.value, a.title, a.p_max_w] for a in scenario.assets if a.bus == bus.name],
        }
        for bus in scenario.buses
    ]


def _links(scenario: Scenario) -> list[Json]:
    index = {bus.name: i for i, bus in enumerate(scenario.buses)}
    return [
        {
            "n": link.name,
            "p": index[link.parent],
            "c": index[link.child],
            "tie": int(link.kind is ScenarioLinkKind.CONTROLLED),
            "rd": link.rating_down_va,
            "ru": link.rating_up_va,
        }
        for link in scenario.links
    ]


def _day(scenario: Scenario, day: DayRecord) -> dict[str, Json]:
    slot_s = scenario.market.slot_s
    links = [{link.link: link for link in slot.links} for slot in day.slots]
    buses = [{bus.bus: bus for bus in slot.buses} for slot in day.slots]
    names = [link.name for link in scenario.links]
    return {
        "title": day_title(day.label),
        "short": day_short(day.label),
        "first": day.start_utc_s + local_offset_s(day.label, day.start_utc_s),
        "slots": len(day.slots),
        "highlight": _highlight(day),
        "flow": [[round(slot[name].flow_j / slot_s) for slot in links] for name in names],
        "load": [[slot[name].loading_ppm for slot in links] for name in names],
        "linkLoss": [[slot[name].loss_j for slot in links] for name in names],
        "volt": [[slot[bus.name].voltage_micro_pu for slot in buses] for bus in scenario.buses],
        "net": [
            [
                round(_exchange_j(scenario, slot, buses[i][bus.name]) / slot_s)
                for i, slot in enumerate(day.slots)
            ]
            for bus in scenario.buses
        ],
        "supply": _supply(day),
        "use": _use(day),
        "loss": [slot.loss_j for slot in day.slots],
        "lossBooked": [slot.loss_booked_j for slot in day.slots],
        "lossAc": [slot.loss_booked_ac_j for slot in day.slots],
        "stores": _stores(scenario, day),
        "dead": _dead(scenario, day),
        **_prices(scenario, day),
    }


def _exchange_j(scenario: Scenario, slot: SlotRecord, bus: BusSlot) -> int:
    """As `net_export_j`; at the slack bus what comes from outside is given too."""
    outside = slot.outside_import_j - slot.outside_export_j if bus.bus == scenario.slack else 0
    return net_export_j(bus) + outside


def _highlight(day: DayRecord) -> int:
    """The slot the page opens with: where the community's own sources give most."""
    produced = [sum(bus.produced_j for bus in slot.buses) for slot in day.slots]
    return produced.index(max(produced))


def _supply(day: DayRecord) -> list[Json]:
    """Energy given, by class: own sources, then batteries, then the utility."""
    classes = {name for slot in day.slots for name in slot.energy_j}
    order = (*_ORDER, *sorted(classes.difference(_ORDER, _LAST)), *_LAST)
    return _non_zero(
        (_SERIES_OF.get(name, name), [slot.energy_j.get(name, 0) for slot in day.slots])
        for name in order
        if name in classes
    )


def _use(day: DayRecord) -> list[Json]:
    return _non_zero(
        [
            ("consumed", [_sum(bus.consumed_j for bus in slot.buses) for slot in day.slots]),
            ("charged", [_sum(bus.charged_j for bus in slot.buses) for slot in day.slots]),
            ("exported", [slot.outside_export_j for slot in day.slots]),
            ("lost", [slot.loss_j for slot in day.slots]),
        ]
    )


def _non_zero(series: Iterable[tuple[str, list[int]]]) -> list[Json]:
    return [[name, list(values)] for name, values in series if any(values)]


def _sum(values: Iterable[int]) -> int:
    return sum(values)


def _stores(scenario: Scenario, day: DayRecord) -> list[Json]:
    index = {bus.name: i for i, bus in enumerate(scenario.buses)}
    title = {bus.name: bus.title for bus in scenario.buses}
    return [
        {
            "t": f"{asset.title} ({title[asset.bus]})",
            "b": index[asset.bus],
            "cap": asset.capacity_j,
            "j": [slot.stored_j[asset.name] for slot in day.slots],
        }
        for asset in scenario.assets
        if asset.kind is AssetKind.BATTERY
    ]


def _dead(scenario: Scenario, day: DayRecord) -> list[Json]:
    index = {bus.name: i for i, bus in enumerate(scenario.buses)}
    starts = [slot.slot for slot in day.slots]
    return [[index[death.bus], sum(start < death.slot for start in starts)] for death in day.deaths]


def _prices(scenario: Scenario, day: DayRecord) -> dict[str, Json]:
    tariff = next(each for each in scenario.days if each.label == day.label)
    at = [(slot.slot - tariff.start_utc_s) // scenario.market.slot_s for slot in day.slots]
    paid = [slot.price for slot in day.slots]
    return {
        "price": {
            "min": [None if each is None else each.min_micro_per_kwh for each in paid],
            "mean": [None if each is None else each.mean_micro_per_kwh for each in paid],
            "max": [None if each is None else each.max_micro_per_kwh for each in paid],
        },
        "retail": [tariff.retail_micro_per_kwh[i] for i in at],
        "feedIn": [tariff.feed_in_micro_per_kwh[i] for i in at],
    }
