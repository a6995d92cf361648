"""The Grafana dashboard of the nodes, as a table of panels; gen_reference.py writes it to deploy/grafana.

Every query is run against a real Prometheus by tests/e2e/test_prometheus.py.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

UID: Final = "ioe-nodes"
_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_ON: Final = '{instance=~"$instance"}'
_WIDTH: Final = 24


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: title, queries with their legends, unit, width of 24, kind and what it is good for."""

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    width: int = 8
    kind: str = "timeseries"
    says: str = ""


def _on(**matches: str) -> str:
    inside = ",".join(['instance=~"$instance"', *(f'{name}=~"{value}"' for name, value in matches.items())])
    return "{" + inside + "}"


def _rate(name: str, **matches: str) -> str:
    return f"rate({name}{_on(**matches)}[$__rate_interval])"


def _by(labels: str, expression: str) -> str:
    return f"sum by ({labels}) ({expression})"


def _quantile(share: float) -> str:
    buckets = _by("le, instance", _rate("ioe_journal_commit_seconds_bucket"))
    return f"histogram_quantile({share}, {buckets})"


_STEPS: Final = "ioe_reservation_steps_total"
_VAIN: Final = "refuse|expire|lost|failed"
_NEIGHBOR: Final = "{{instance}} to {{neighbor}}"

ROWS: Final[dict[str, tuple[Panel, ...]]] = {
    "At a glance": (
        Panel("Nodes", ((f"count(ioe_build_info{_ON})", "nodes"),), width=4, kind="stat"),
        Panel(
            "Sessions established",
            ((f"sum(ioe_neighbor_up{_ON}) / count(ioe_neighbor_up{_ON})", "established"),),
            unit="percentunit",
            width=4,
            kind="stat",
            says="Of all configured neighbours.",
        ),
        Panel(
            "Reservations committed, last hour",
            (
                (
                    f"sum(increase({_STEPS}{_on(role='initiator', step='committed')}[1h])) or vector(0)",
                    "committed",
                ),
            ),
            width=4,
            kind="stat",
        ),
        Panel(
            "HOLDs that came to nothing, last hour",
            ((f"sum(increase({_STEPS}{_on(role='initiator', step=_VAIN)}[1h])) or vector(0)", "in vain"),),
            width=4,
            kind="stat",
        ),
        Panel(
            "Fullest link",
            ((f"max(ioe_link_booked_watts{_ON} / ioe_link_limit_watts{_ON})", "loading"),),
            unit="percentunit",
            width=4,
            kind="stat",
            says="Highest share of a limit that is booked in the running slot.",
        ),
        Panel(
            "First key to end",
            ((f"min(ioe_key_expires_time_seconds{_ON}) - time()", "left"),),
            unit="s",
            width=4,
            kind="stat",
            says="Until the first operational key of a node ends.",
        ),
    ),
    "Reservations": (
        Panel("Steps", ((_by("step", _rate(_STEPS)), "{{step}}"),), unit="ops"),
        Panel(
            "Refusals and endings by reason",
            (
                (
                    _by("role, step, code", _rate(_STEPS, step=_VAIN)),
                    "{{role}} {{step}} {{code}}",
                ),
            ),
            unit="ops",
        ),
        Panel(
            "Cuts and releases",
            ((_by("role, step, code", _rate(_STEPS, step="curtail|release")), "{{role}} {{step}} {{code}}"),),
            unit="ops",
        ),
        Panel("Remembered", ((_by("role, state", f"ioe_reservations{_ON}"), "{{role}} {{state}}"),)),
        Panel("Open packets", ((f"ioe_reservation_packets_open{_ON}", "{{instance}}"),)),
        Panel(
            "Commands refused",
            ((_by("instance, code", _rate("ioe_commands_refused_total")), "{{instance}} {{code}}"),),
            unit="ops",
        ),
    ),
    "Energy": (
        Panel(
            "Booked, released and cut",
            (
                (_by("instance, way", _rate("ioe_booked_joules_total")), "{{instance}} {{way}}"),
                (_by("instance, code", _rate("ioe_unbooked_joules_total")), "{{instance}} {{code}}"),
            ),
            unit="watt",
        ),
        Panel("Carried for others", ((_rate("ioe_transit_joules_total"), "{{instance}}"),), unit="watt"),
        Panel(
            "Own devices, as booked",
            ((_by("instance, way", _rate("ioe_device_joules_total")), "{{instance}} {{way}}"),),
            unit="watt",
        ),
        Panel(
            "Links in the running slot",
            ((f"ioe_link_booked_watts{_ON}", _NEIGHBOR + " {{way}}"),),
            unit="watt",
        ),
        Panel(
            "Loading of links",
            ((f"ioe_link_booked_watts{_ON} / ioe_link_limit_watts{_ON}", _NEIGHBOR + " {{way}}"),),
            unit="percentunit",
        ),
        Panel(
            "Voltage, and slots out of the band",
            (
                (f"ioe_voltage_ratio{_ON}", "{{instance}}"),
                (f"increase(ioe_voltage_out_of_band_total{_ON}[1h])", "{{instance}} out of band"),
            ),
        ),
        Panel(
            "Corrections of losses",
            ((_by("instance, way", _rate("ioe_loss_correction_joules_total")), "{{instance}} {{way}}"),),
            unit="watt",
        ),
    ),
    "Routes": (
        Panel("Routes by stage", ((_by("instance, stage", f"ioe_routes{_ON}"), "{{instance}} {{stage}}"),)),
        Panel("Offers by stage", ((_by("instance, stage", f"ioe_offers{_ON}"), "{{instance}} {{stage}}"),)),
        Panel("Routes by neighbour", ((f"ioe_neighbor_routes{_ON}", _NEIGHBOR + " {{way}}"),)),
    ),
    "Neighbours": (
        Panel("Sessions", ((f"ioe_neighbor_up{_ON}", _NEIGHBOR),)),
        Panel("Session states", ((_by("state", f"ioe_neighbors{_ON}"), "{{state}}"),)),
        Panel(
            "Sessions begun and ended",
            (
                (_by("instance", _rate("ioe_sessions_started_total")), "{{instance}} begun"),
                (_by("instance, code", _rate("ioe_sessions_ended_total")), "{{instance}} {{code}}"),
            ),
            unit="ops",
        ),
        Panel(
            "Faults by reason",
            ((_by("instance, code", _rate("ioe_faults_total")), "{{instance}} {{code}}"),),
            unit="ops",
        ),
        Panel("Faults by neighbour", ((_rate("ioe_neighbor_faults_total"), _NEIGHBOR),), unit="ops"),
        Panel(
            "Attempts that failed",
            (
                (_by("instance, code", _rate("ioe_dial_failures_total")), "{{instance}} dialling {{code}}"),
                (_by("instance, code", _rate("ioe_port_refusals_total")), "{{instance}} refused {{code}}"),
                (_by("instance", _rate("ioe_port_handshakes_total")), "{{instance}} handshakes"),
                (_by("instance", _rate("ioe_port_streams_total")), "{{instance}} streams"),
                (_by("instance", _rate("ioe_port_unknown_calls_total")), "{{instance}} unknown calls"),
            ),
            unit="ops",
        ),
        Panel("Frames", ((_rate("ioe_frames_total"), _NEIGHBOR + " {{way}}"),), unit="pps"),
        Panel("Bytes", ((_rate("ioe_frame_bytes_total"), _NEIGHBOR + " {{way}}"),), unit="Bps"),
        Panel(
            "Objects received",
            ((_by("type", _rate("ioe_objects_received_total")), "{{type}}"),),
            unit="ops",
        ),
        Panel("Proofs of equivocation", ((f"ioe_proofs{_ON}", "{{instance}}"),)),
    ),
    "Settlement": (
        Panel(
            "Slots settled",
            ((_by("instance, agreed", _rate("ioe_slots_settled_total")), "{{instance}} agreed {{agreed}}"),),
            unit="ops",
        ),
        Panel("Obligations since the start", ((f"ioe_obligations_currency{_ON}", _NEIGHBOR + " {{way}}"),)),
        Panel(
            "Imbalance",
            ((_by("instance, way", _rate("ioe_imbalance_joules_total")), "{{instance}} {{way}}"),),
            unit="watt",
        ),
        Panel("Paid for imbalance", ((f"ioe_imbalance_currency{_ON}", "{{instance}}"),)),
    ),
    "Work": (
        Panel(
            "Turns and inputs",
            (
                (_rate("ioe_router_calls_total"), "{{instance}} turns"),
                (_rate("ioe_router_inputs_total"), "{{instance}} inputs"),
                (_rate("ioe_router_effects_total"), "{{instance}} effects"),
            ),
            unit="ops",
        ),
        Panel(
            "Signature checks",
            ((_by("instance, what", _rate("ioe_signatures_verified_total")), "{{instance}} {{what}}"),),
            unit="ops",
        ),
        Panel(
            "Waiting for the router",
            (
                (f"ioe_inbox_commands{_ON}", "{{instance}} commands"),
                (f"ioe_inbox_frames{_ON}", _NEIGHBOR),
            ),
        ),
        Panel("Bytes waiting for the router", ((f"ioe_inbox_bytes{_ON}", _NEIGHBOR),), unit="bytes"),
        Panel("Frames waiting for neighbours", ((f"ioe_send_queue_frames{_ON}", _NEIGHBOR),)),
        Panel("Bytes waiting for neighbours", ((f"ioe_send_queue_bytes{_ON}", _NEIGHBOR),), unit="bytes"),
        Panel(
            "Time spent waiting for budgets",
            ((_rate("ioe_budget_delay_seconds_total"), _NEIGHBOR),),
            unit="percentunit",
        ),
        Panel(
            "Commits of the journal",
            ((_quantile(0.5), "{{instance}} half"), (_quantile(0.99), "{{instance}} 99 %")),
            unit="s",
        ),
        Panel(
            "Commits and records",
            (
                (_by("instance", _rate("ioe_journal_commit_seconds_count")), "{{instance}} commits"),
                (_by("instance, kind", _rate("ioe_journal_records_total")), "{{instance}} {{kind}}"),
            ),
            unit="ops",
        ),
    ),
    "Process": (
        Panel("Memory", ((f"process_resident_memory_bytes{_ON}", "{{instance}}"),), unit="bytes"),
        Panel("Processor", ((_rate("process_cpu_seconds_total"), "{{instance}}"),), unit="percentunit"),
        Panel("Open files", ((f"process_open_fds{_ON}", "{{instance}}"),)),
        Panel("Delay of the event loop", ((f"ioe_loop_delay_seconds{_ON}", "{{instance}}"),), unit="s"),
        Panel("Error of the clock", ((f"ioe_clock_error_seconds{_ON}", "{{instance}}"),), unit="s"),
        Panel(
            "Lines of the log",
            ((_by("instance, level", _rate("ioe_log_lines_total")), "{{instance}} {{level}}"),),
            unit="ops",
        ),
        Panel("Running for", ((f"time() - ioe_start_time_seconds{_ON}", "{{instance}}"),), unit="s"),
        Panel("Versions", ((f"ioe_build_info{_ON}", "{{instance}} {{version}} {{node}}"),), width=16),
    ),
}


def queries() -> list[tuple[str, str]]:
    """Every query with the title of its panel."""
    return [(p.title, query) for panels in ROWS.values() for p in panels for query, _ in p.queries]


def dashboard() -> str:
    """The file that Grafana reads."""
    panels: list[dict[str, Any]] = []
    top = 0
    for row, inside in ROWS.items():
        panels.append({"type": "row", "title": row, "gridPos": {"h": 1, "w": _WIDTH, "x": 0, "y": top}})
        top, left, height = top + 1, 0, 4 if inside[0].kind == "stat" else 8
        for panel in inside:
            if left + panel.width > _WIDTH:
                top, left = top + height, 0
            place = {"h": height, "w": panel.width, "x": left, "y": top}
            panels.append(_panel(panel, place))
            left += panel.width
        top += height
    for number, entry in enumerate(panels, start=1):
        entry["id"] = number
    return json.dumps(_frame(panels), indent=1) + "\n"


def _panel(panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    targets = [
        {"refId": chr(ord("A") + i), "datasource": _SOURCE, "expr": query, "legendFormat": legend}
        for i, (query, legend) in enumerate(panel.queries)
    ]
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "targets": targets,
    }


def _frame(panels: list[dict[str, Any]]) -> dict[str, Any]:
    instance = {
        "name": "instance",
        "label": "Node",
        "type": "query",
        "datasource": _SOURCE,
        "query": "label_values(ioe_build_info, instance)",
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
    }
    source = {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    return {
        "uid": UID,
        "title": "Energy routers",
        "tags": ["ioe"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [source, instance]},
        "panels": panels,
    }
