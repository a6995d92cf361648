"""summary.json: the figures of a run, every one computed from its record.

Shares and gaps are parts per million.  `loss_error_*` leaves out slots in which
a router was dead at the gate, where there are others: the books of such a slot
say nothing about the dead router's bus.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ioe_router.analysis.cost import excess_loss_ppm, gap_ppm, loss_error
from ioe_router.demo.record import Comparison, DayRecord, RunRecord, SlotRecord

_PPM: Final = 1_000_000
_TRADE_COLUMNS: Final = (
    "day",
    "slot_start_utc",
    "slot_utc_s",
    "reservation",
    "index",
    "seller",
    "buyer",
    "source_class",
    "energy_j",
    "price_micro_per_kwh",
    "scarcity_micro_per_kwh",
    "hops",
    "is_default",
    "state",
)

Figures = dict[str, object]


def summary_of(record: RunRecord) -> Figures:
    """All figures, in the order in which they are written."""
    slots = [slot for day in record.days for slot in day.slots]
    return {
        **_setting(record, slots),
        **_effort(record, slots),
        **_energy(record, slots),
        **_costs(record, slots),
        **_physics(record, slots),
        "books_imbalance_j": sum(slot.books_imbalance_j for slot in slots),
        "obligations_imbalance_micro": sum(slot.obligations_imbalance_micro for slot in slots),
        **_beside(record, slots),
    }


def _setting(record: RunRecord, slots: list[SlotRecord]) -> Figures:
    return {
        "scenario": record.scenario.name,
        "days": [day.label for day in record.days],
        "nodes": len(record.scenario.buses),
        "links": len(record.scenario.links),
        "slots": len(slots),
        "slot_s": record.scenario.market.slot_s,
        "seed": record.seed,
        "nodes_in": record.nodes_in,
    }


def _effort(record: RunRecord, slots: list[SlotRecord]) -> Figures:
    totals = record.totals
    attempted = sum(slot.holds_attempted for slot in slots)
    refused = sum(sum(slot.holds_refused.values()) for slot in slots)
    return {
        "wall_s": round(totals.wall_s, 3),
        "cpu_s": round(totals.cpu_s, 3),
        "peak_rss_bytes": totals.peak_rss_bytes,
        "grpc_messages": totals.grpc_messages,
        "grpc_bytes": totals.grpc_bytes,
        "signatures_verified": totals.signatures_verified,
        "offers_received": totals.offers_received,
        "holds_attempted": attempted,
        "holds_refused": refused,
        "rejected_hold_share_ppm": refused * _PPM // attempted if attempted else 0,
        "reservations_committed": sum(slot.reservations for slot in slots),
        "epochs_per_slot": round(sum(slot.epochs for slot in slots) / len(slots), 3),
    }


def _energy(record: RunRecord, slots: list[SlotRecord]) -> Figures:
    by_class: dict[str, int] = {}
    for slot in slots:
        for name, energy_j in slot.energy_j.items():
            by_class[name] = by_class.get(name, 0) + energy_j
    return {
        "energy_by_class_j": by_class,
        "delivered_j": sum(slot.delivered_j for slot in slots),
        "loss_j": sum(slot.loss_j for slot in slots),
        "unserved_j": sum(bus.firm_not_booked_j for slot in slots for bus in slot.buses),
        "optimum_unserved_j": sum(day.comparison.optimum_unserved_j for day in record.days),
    }


def _costs(record: RunRecord, slots: list[SlotRecord]) -> Figures:
    def total(name: str) -> int:
        return sum(getattr(day.comparison, name) for day in record.days)

    cost, optimum = total("community_cost_micro"), total("optimum_cost_micro")
    bare, bare_optimum = total("community_cost_without_fees_micro"), total("optimum_cost_without_fees_micro")
    return {
        "community_cost_micro": cost,
        "utility_only_cost_micro": total("utility_only_cost_micro"),
        "optimum_cost_micro": optimum,
        "static_path_cost_micro": total("static_path_cost_micro"),
        "cost_gap_ppm": gap_ppm(cost, optimum),
        "cost_gap_without_fees_ppm": gap_ppm(bare, bare_optimum),
        "excess_loss_ppm": excess_loss_ppm(total("loss_j"), total("optimum_loss_j")),
        "scarcity_rent_micro": sum(slot.scarcity_micro for slot in slots),
    }


def _physics(record: RunRecord, slots: list[SlotRecord]) -> Figures:
    whole = [slot for day in record.days for slot in _all_alive(day)] or slots
    error = loss_error([s.loss_booked_j for s in whole], [s.loss_booked_ac_j for s in whole])
    voltages = [
        v for slot in slots for bus in slot.buses for v in (bus.voltage_micro_pu, bus.voltage_booked_micro_pu)
    ]
    return {
        "loss_error_vs_ac_worst_slot_ppm": error.worst_slot_ppm,
        "loss_error_vs_ac_day_ppm": error.day_ppm,
        "voltage_violations": sum(slot.voltage_violations for slot in slots),
        "voltage_min_micro_pu": min(voltages),
        "voltage_max_micro_pu": max(voltages),
        "overload_violations": sum(slot.overloads for slot in slots),
        "max_loading_ppm": max(
            max(link.loading_ppm, link.loading_booked_ppm) for slot in slots for link in slot.links
        ),
    }


def _all_alive(day: DayRecord) -> tuple[SlotRecord, ...]:
    """The slots in whose gates every router took part."""
    first_death = min((death.slot for death in day.deaths), default=None)
    return tuple(slot for slot in day.slots if first_death is None or slot.slot < first_death)


def _beside(record: RunRecord, slots: list[SlotRecord]) -> Figures:
    """What is reported beside the figures above."""

    def total(name: str) -> int:
        return sum(getattr(day.comparison, name) for day in record.days)

    limiting = sum(
        max(link.loading_ppm, link.loading_booked_ppm) > _PPM * 9 // 10 for s in slots for link in s.links
    )
    return {
        "flexible_unserved_j": sum(bus.flexible_unserved_j for slot in slots for bus in slot.buses),
        "static_path_unserved_j": total("static_path_unserved_j"),
        "optimum_netting_cost_micro": total("optimum_netting_cost_micro"),
        "optimum_foresight_cost_micro": total("optimum_foresight_cost_micro"),
        "optimum_loss_j": total("optimum_loss_j"),
        "outside_import_j": sum(slot.outside_import_j for slot in slots),
        "outside_export_j": sum(slot.outside_export_j for slot in slots),
        "links_above_90_percent": limiting,
        "settlements_open": sum(not link.settled for slot in slots for link in slot.links),
        "faults": _sum_faults(record),
        "per_day": {day.label: _per_day(day.comparison) for day in record.days},
        "deaths": [_death(day, i) for day in record.days for i in range(len(day.deaths))],
    }


def _sum_faults(record: RunRecord) -> dict[str, int]:
    faults: dict[str, int] = {}
    for day in record.days:
        for name, count in day.faults.items():
            faults[name] = faults.get(name, 0) + count
    return faults


def _per_day(comparison: Comparison) -> dict[str, int]:
    return {name: getattr(comparison, name) for name in comparison.__dataclass_fields__}


def _death(day: DayRecord, index: int) -> dict[str, object]:
    death = day.deaths[index]
    return {"day": day.label, **{name: getattr(death, name) for name in death.__dataclass_fields__}}


# ---------------------------------------------------------------- files


def write_summary(figures: Figures, path: Path) -> None:
    """Write summary.json, whole or not at all. OSError when it cannot be written."""
    _write_whole(path, json.dumps(figures, indent=2) + "\n")


def write_trades(record: RunRecord, path: Path) -> None:
    """Write trades.csv: every committed packet, whole or not at all. OSError when it cannot be written."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_TRADE_COLUMNS)
    writer.writerows(_trade_rows(record))
    _write_whole(path, text.getvalue())


def _trade_rows(record: RunRecord) -> Iterator[tuple[object, ...]]:
    for day in record.days:
        for t in day.trades:
            yield (
                day.label,
                datetime.fromtimestamp(t.slot, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                t.slot,
                t.reservation,
                t.index,
                t.seller,
                t.buyer,
                t.source_class,
                t.energy_j,
                t.price_micro_per_kwh,
                t.scarcity_micro_per_kwh,
                t.hops,
                int(t.is_default),
                t.state,
            )


def _write_whole(path: Path, text: str) -> None:
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_text(text, encoding="utf-8", newline="")
    unfinished.replace(path)
