"""The table of metrics: every name a node exposes, with its kind, its labels and what it means.

Names are stable: dashboards and alert rules of operators are built on them.
They follow the conventions of Prometheus: base units (joules, watts,
seconds, bytes), the unit in the name, `_total` for what only rises.  Energy
and money are integers inside; here, in what people look at, they may be
fractions.

Every label is bounded: by a closed set of this program or by what the
operator has configured, never by what somebody sends.  docs/reference/metrics.md is
made of this file by tools/gen_reference.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What a metric does over time."""

    COUNTER = "counter"  # rises, begins with 0 at each start
    GAUGE = "gauge"  # goes up and down
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One name; `group` is the heading that it stands under in the documentation."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    group: str
    says: str


# What values a label may have, and how many at most.
LABELS: Final[dict[str, str]] = {
    "neighbor": "node id of a configured neighbour; at most `limits.neighbors`",
    "state": "a state of the session or reservation machine (docs/fsm); at most 10",
    "role": "what this node is in the reservation: initiator, transit or origin",
    "step": "a step of the reservation machine: hold, grant, refuse, commit, committed, failed, release,"
    " expire, lost, curtail or slot_end",
    "code": "a registered error code (SPEC section 13) in lower case, unspecified where there is no reason;"
    " at most 70",
    "type": "a registered object type (SPEC Appendix) in lower case; at most 60",
    "way": "seen from this node: sent or received; imported or exported; short or long; to_us or by_us",
    "stage": "of routes: received, usable, best or advertised; of offers: reachable, own or advertised",
    "what": "of signatures: frame or object",
    "kind": "of a durable record: reservation, settlement, counter, neighbor, key, domain, revocation, proof",
    "agreed": "true or false",
    "level": "debug, info, warning or error",
    "node": "id of this node",
    "network": "network id of this node",
    "version": "of this program",
    "protocol": "highest protocol version spoken",
    "python": "of the interpreter",
    "le": "upper bound of a bucket, seconds",
}

_C, _G, _H = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM
_BY_NEIGHBOR = ("neighbor",)


def _group(group: str, *rows: tuple[str, Kind, tuple[str, ...], str]) -> tuple[Metric, ...]:
    return tuple(
        Metric(name=name, kind=kind, labels=labels, group=group, says=says)
        for name, kind, labels, says in rows
    )


METRICS: Final[tuple[Metric, ...]] = (
    *_group(
        "The node",
        (
            "ioe_build_info",
            _G,
            ("node", "network", "version", "protocol", "python"),
            "Always 1; what runs here.",
        ),
        ("ioe_start_time_seconds", _G, (), "When this node was started, Unix time."),
        (
            "ioe_loop_delay_seconds",
            _G,
            (),
            "How long this scrape waited for its turn on the event loop; alone when the loop stands.",
        ),
        ("ioe_router_calls_total", _C, (), "Turns of the router; each handles everything that is queued."),
        ("ioe_router_inputs_total", _C, (), "Inputs that the router has handled."),
        ("ioe_router_effects_total", _C, (), "Effects that the router has asked for."),
        ("ioe_log_lines_total", _C, ("level",), "Lines written to the log."),
        (
            "ioe_clock_error_seconds",
            _G,
            (),
            "How far UTC may be off, as the router was last told; 0 while node.clock is trusted.",
        ),
        ("ioe_key_expires_time_seconds", _G, (), "When the operational key of this node ends, Unix time."),
    ),
    *_group(
        "Neighbours and sessions",
        ("ioe_neighbors", _G, ("state",), "Configured neighbours by the state of their session."),
        (
            "ioe_neighbor_up",
            _G,
            _BY_NEIGHBOR,
            "1 while the session with the neighbour is established, else 0.",
        ),
        ("ioe_sessions_started_total", _C, _BY_NEIGHBOR, "Sessions that were established."),
        ("ioe_sessions_ended_total", _C, ("code",), "Established sessions that have ended, by reason."),
        ("ioe_dial_failures_total", _C, ("code",), "Attempts to reach a neighbour that failed, by reason."),
        ("ioe_port_handshakes_total", _C, (), "TLS handshakes begun at the peer port, completed or not."),
        ("ioe_port_streams_total", _C, (), "Streams of neighbours that were taken at the peer port."),
        ("ioe_port_unknown_calls_total", _C, (), "Calls at the peer port for methods that do not exist."),
        (
            "ioe_port_refusals_total",
            _C,
            ("code",),
            "Streams of neighbours refused at the peer port, by reason.",
        ),
        ("ioe_frames_total", _C, ("neighbor", "way"), "Frames exchanged with the neighbour."),
        ("ioe_frame_bytes_total", _C, ("neighbor", "way"), "Bytes of those frames."),
        ("ioe_objects_received_total", _C, ("type",), "Objects in the frames received, by type."),
        ("ioe_signatures_verified_total", _C, ("what",), "Signature checks made."),
        ("ioe_faults_total", _C, ("code",), "Objects and frames of neighbours that were refused, by reason."),
        ("ioe_neighbor_faults_total", _C, _BY_NEIGHBOR, "The same, by neighbour."),
        (
            "ioe_budget_delay_seconds_total",
            _C,
            _BY_NEIGHBOR,
            "Time that frames have waited for a used-up budget.",
        ),
    ),
    *_group(
        "Queues",
        ("ioe_inbox_commands", _G, (), "Commands and deadlines that wait for the router."),
        ("ioe_inbox_frames", _G, _BY_NEIGHBOR, "Frames of the neighbour that wait for the router."),
        ("ioe_inbox_bytes", _G, _BY_NEIGHBOR, "Bytes of those frames."),
        ("ioe_send_queue_frames", _G, _BY_NEIGHBOR, "Frames that wait for the neighbour to read."),
        ("ioe_send_queue_bytes", _G, _BY_NEIGHBOR, "Bytes of those frames."),
    ),
    *_group(
        "Routes and offers",
        (
            "ioe_routes",
            _G,
            ("stage",),
            "Routes: received from neighbours, usable, best (targets), advertised.",
        ),
        ("ioe_neighbor_routes", _G, ("neighbor", "way"), "Routes received from and sent to the neighbour."),
        ("ioe_offers", _G, ("stage",), "Offers: reachable at other nodes, own, advertised to neighbours."),
        ("ioe_proofs", _G, (), "Proofs that somebody has signed two contradicting statements."),
    ),
    *_group(
        "Reservations",
        (
            "ioe_reservation_steps_total",
            _C,
            ("role", "step", "code"),
            "Steps of reservations at this node: holds, grants, refusals, commitments, releases, cuts.",
        ),
        ("ioe_reservations", _G, ("role", "state"), "Reservations that this node remembers."),
        (
            "ioe_reservation_packets_open",
            _G,
            (),
            "Packets of reservations that a timer or an answer may change.",
        ),
        ("ioe_booked_joules_total", _C, ("way",), "Energy of own packets that were booked, at the own port."),
        (
            "ioe_unbooked_joules_total",
            _C,
            ("code",),
            "Energy of own packets that were released or cut again.",
        ),
        ("ioe_transit_joules_total", _C, (), "Energy committed for others through this node, at its busbar."),
        ("ioe_commands_refused_total", _C, ("code",), "Commands of the host that things had overtaken."),
    ),
    *_group(
        "Links and slots",
        (
            "ioe_link_booked_watts",
            _G,
            ("neighbor", "way"),
            "Booked on the link in the running slot, mean power.",
        ),
        (
            "ioe_link_limit_watts",
            _G,
            ("neighbor", "way"),
            "Most that may be booked on it; none while not bookable.",
        ),
        (
            "ioe_device_joules_total",
            _C,
            ("way",),
            "What own devices were booked to exchange, slots after their gate.",
        ),
        (
            "ioe_loss_correction_joules_total",
            _C,
            ("way",),
            "Found by the sweeps beside what was booked for losses.",
        ),
        ("ioe_voltage_ratio", _G, (), "Voltage that the sweeps found at this node, of nominal."),
        ("ioe_voltage_out_of_band_total", _C, (), "Slots whose sweeps found a voltage outside the band."),
    ),
    *_group(
        "Settlement",
        (
            "ioe_slots_settled_total",
            _C,
            ("neighbor", "agreed"),
            "Slots whose figures were compared on the link.",
        ),
        (
            "ioe_obligations_currency",
            _G,
            ("neighbor", "way"),
            "Owed on the link for slots settled since the start, in units of the network's currency.",
        ),
        ("ioe_imbalance_joules_total", _C, ("way",), "Deviation of this node from its bookings, as settled."),
        ("ioe_imbalance_currency", _G, (), "Paid (positive) for deviations settled since the start."),
    ),
    *_group(
        "Store",
        (
            "ioe_journal_commit_seconds",
            _H,
            ("le",),
            "How long a barrier took until its records were on the disk.",
        ),
        ("ioe_journal_records_total", _C, ("kind",), "Durable records written or dropped."),
    ),
)

BY_NAME: Final[dict[str, Metric]] = {metric.name: metric for metric in METRICS}

# Upper bounds of the histogram's buckets, seconds: a good disk, a slow one, one that stands still.
COMMIT_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
