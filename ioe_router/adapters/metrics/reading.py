"""What is read at a scrape: tables of the router, queues and counts of the node around it.

A scrape happens on the event loop between two turns of the router, so what
is read belongs together.  It looks at sizes and sums; the running slot is the
only part of the books that is gone through.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from ioe_router.adapters.metrics.counting import Counted, Key, TimedJournal, code_text
from ioe_router.adapters.node import Node
from ioe_router.core.hello import VERSION as PROTOCOL
from ioe_router.core.reservation_moves import role_of
from ioe_router.core.session_fsm import SessionState
from ioe_router.model.bech32m import node_text
from ioe_router.model.clock import Now
from ioe_router.model.errors import ErrorCode
from ioe_router.model.routing import Flow
from ioe_router.model.slot import slot_at
from ioe_router.router import Router

Values = dict[str, dict[Key, float]]

_FAULT: Final = "fault_"
_RECEIVED: Final = "received_"


@dataclass(slots=True, kw_only=True)
class Sources:
    """Everything that a scrape looks at."""

    router: Router
    node: Node
    counted: Counted
    journal: TimedJournal
    log_lines: Mapping[str, int]
    now: Callable[[], Now]
    version: str
    started_utc_s: int


def read(sources: Sources) -> Values:
    """All values of this moment by name and labels, but for the journal's histogram."""
    values: Values = sources.counted.values()
    for part in (_node, _neighbors, _traffic, _routes, _reservations, _links):
        for name, found in part(sources).items():
            values.setdefault(name, {}).update(found)
    return values


def _node(sources: Sources) -> Values:
    tally, port = sources.node.tally, sources.node.port_counts()
    parts = sources.router.inspect()
    own_key, network = parts.evidence.own_key.body, parts.config.parameters.network_id
    node = node_text(sources.node.node)
    build = (node, network, sources.version, str(PROTOCOL), platform.python_version())
    return {
        "ioe_build_info": {build: 1},
        "ioe_start_time_seconds": {(): sources.started_utc_s},
        "ioe_router_calls_total": {(): tally.calls},
        "ioe_router_inputs_total": {(): tally.inputs},
        "ioe_router_effects_total": {(): tally.effects},
        "ioe_log_lines_total": {(level,): count for level, count in sources.log_lines.items()},
        "ioe_clock_error_seconds": {(): parts.clock.error_ms / 1_000},
        "ioe_key_expires_time_seconds": {(): own_key.expires_utc_s},
        "ioe_port_handshakes_total": {(): port.handshakes},
        "ioe_port_streams_total": {(): port.streams_accepted},
        "ioe_port_unknown_calls_total": {(): port.unknown_calls},
        "ioe_port_refusals_total": {(code_text(code),): count for code, count in port.refused.items()},
        "ioe_journal_records_total": {(kind,): count for kind, count in sources.journal.records.items()},
    }


def _neighbors(sources: Sources) -> Values:
    parts = sources.router.inspect()
    states = {one.node: parts.sessions.state(one.node) for one in parts.config.neighbors}
    by_state = Counter(states.values())
    faults: Counter[str] = Counter()
    for (neighbor, _code), count in sources.router.faults.items():
        faults[node_text(neighbor)] += count
    known = {node_text(node) for node in states}
    return {
        "ioe_neighbors": {(state.value,): by_state[state] for state in SessionState},
        "ioe_neighbor_up": {
            (node_text(node),): int(state is SessionState.ESTABLISHED) for node, state in states.items()
        },
        "ioe_neighbor_faults_total": {(name,): faults[name] for name in sorted(known)},
    }


def _traffic(sources: Sources) -> Values:
    counts = sources.router.counts
    frames: dict[Key, float] = {}
    size: dict[Key, float] = {}
    for node, traffic in sources.node.traffic.items():
        name = node_text(node)
        frames[name, "sent"], frames[name, "received"] = traffic.frames_sent, traffic.frames_received
        size[name, "sent"], size[name, "received"] = traffic.bytes_sent, traffic.bytes_received
    queues = sources.node.queues()
    codes = {code_text(code) for code in ErrorCode}
    return {
        "ioe_frames_total": frames,
        "ioe_frame_bytes_total": size,
        "ioe_objects_received_total": _counts_of(counts, _RECEIVED),
        "ioe_faults_total": {key: n for key, n in _counts_of(counts, _FAULT).items() if key[0] in codes},
        "ioe_signatures_verified_total": {
            (what,): counts[f"{what}_signatures_verified"] for what in ("frame", "object")
        },
        "ioe_inbox_commands": {(): queues.commands},
        "ioe_inbox_frames": {(node_text(n),): line.frames for n, line in queues.received.items()},
        "ioe_inbox_bytes": {(node_text(n),): line.size for n, line in queues.received.items()},
        "ioe_budget_delay_seconds_total": {
            (node_text(n),): line.delay_ns / 1e9 for n, line in queues.received.items()
        },
        "ioe_send_queue_frames": {(node_text(n),): line.frames for n, line in queues.to_send.items()},
        "ioe_send_queue_bytes": {(node_text(n),): line.size for n, line in queues.to_send.items()},
    }


def _counts_of(counts: Mapping[str, int], prefix: str) -> dict[Key, float]:
    """The router's counts whose name begins so, by the rest of it."""
    return {(name.removeprefix(prefix),): n for name, n in counts.items() if name.startswith(prefix)}


def _routes(sources: Sources) -> Values:
    parts = sources.router.inspect()
    sizes = parts.routing.sizes()
    per_neighbor: dict[Key, float] = {}
    for node, count in sizes.received.items():
        per_neighbor[node_text(node), "received"] = count
    for node, count in sizes.advertised.items():
        per_neighbor[node_text(node), "sent"] = count
    return {
        "ioe_routes": {
            ("received",): sum(sizes.received.values()),
            ("usable",): sizes.usable,
            ("best",): sizes.targets,
            ("advertised",): sum(sizes.advertised.values()),
        },
        "ioe_neighbor_routes": per_neighbor,
        "ioe_offers": {
            ("reachable",): sizes.offers,
            ("own",): sum(offer.visible for offer in parts.own_offers.all()),
            ("advertised",): sizes.offers_advertised,
        },
        "ioe_proofs": {(): len(parts.proofs.all())},
    }


def _reservations(sources: Sources) -> Values:
    table = sources.router.inspect().reservations
    found = Counter((role_of(record).value, record.state.name.lower()) for record in table.all())
    return {
        "ioe_reservations": dict(found.items()),
        "ioe_reservation_packets_open": {(): table.open_packets},
    }


def _links(sources: Sources) -> Values:
    """What is booked on every link in the slot that runs."""
    parts = sources.router.inspect()
    slot_s = parts.config.parameters.slot_s
    slot = slot_at(sources.now().utc_s, slot_s)
    booked = parts.supply.booked(slot)
    taken: dict[Key, float] = {}
    most: dict[Key, float] = {}
    for port in parts.ports.all():
        name, limits = node_text(port.neighbor), parts.ports.limits(port, slot)
        link = booked.get(port.link)
        taken[name, "imported"] = 0 if link is None else link.imported_j / slot_s
        taken[name, "exported"] = 0 if link is None else link.exported_j / slot_s
        if limits is not None:
            away = port.flow_from_here()
            back = Flow.UP if away is Flow.DOWN else Flow.DOWN
            most[name, "imported"] = limits.of(back) / slot_s
            most[name, "exported"] = limits.of(away) / slot_s
    return {"ioe_link_booked_watts": taken, "ioe_link_limit_watts": most}
