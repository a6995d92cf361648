"""The lines of the log by name: what each says, which fields it has, at which level it stands.

Names are stable: people and programs search for them.  A line of the router has
the name and the fields of its event (`core/events.py`); the lines about the
daemon itself are listed here.  docs/reference/log-events.md is made of this
file by tools/gen_reference.py, and a test looks for names that are said and not listed.
"""

from __future__ import annotations

import dataclasses
import inspect
from dataclasses import dataclass
from typing import Final, get_args

from ioe_router.core.events import Event
from ioe_router.daemon.reporting import level_of


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEvent:
    """One name."""

    name: str
    level: str
    fields: tuple[str, ...]
    says: str


def _own(name: str, level: str, fields: str, says: str) -> LogEvent:
    return LogEvent(name=name, level=level, fields=tuple(fields.split()), says=says)


DAEMON: Final[tuple[LogEvent, ...]] = (
    _own("Started", "info", "node port health_port metrics_port", "The node listens and dials."),
    _own("Stopping", "info", "", "The node parts from its neighbours and ends."),
    _own("Restored", "info", "rows", "Promises of earlier lives were read from the store."),
    _own("LogLevelChanged", "info", "before now", "The level was changed while the node runs."),
    _own(
        "DialFailed", "warning", "neighbor code cause", "A neighbour cannot be reached; told once per cause."
    ),
    _own("CallerRefused", "warning", "cause count", "Somebody was turned away before a session stood."),
    _own("NoControlSocket", "warning", "path remedy", "The control socket cannot be made where it would be."),
    _own("PeerWithoutLink", "warning", "neighbor remedy", "A paired neighbour has no attested link yet."),
    _own("Reloaded", "info", "changed waiting", "A changed configuration is in force; the rest waits."),
    _own("ReloadRefused", "warning", "cause remedy", "A changed configuration is no good; nothing changed."),
    _own("RolledBack", "warning", "cause", "An applied configuration was not confirmed in time."),
    _own("StopHangs", "warning", "step", "A step of stopping did not end in time; the others go on."),
    _own("ClockUnsynchronised", "warning", "remedy error_ms obeyed", "The kernel does not vouch for UTC."),
    _own("ClockSynchronised", "info", "error_ms", "The kernel vouches for UTC again."),
    _own("KeyDue", "warning", "remedy", "The operational key ends soon and cannot be renewed from here."),
    _own("KeyRefused", "warning", "remedy", "The next operational key cannot be used."),
    _own("RevocationRefused", "warning", "remedy", "A revocation file cannot be used."),
    _own("DomainFileChanged", "info", "file", "A trust list or certificate was read anew."),
    _own("DomainFileUnusable", "warning", "cause", "A trust list or certificate cannot be used."),
    _own("Announced", "info", "name", "The peer port is announced in the local network."),
    _own("NotAnnounced", "warning", "cause", "The peer port cannot be announced."),
    _own("RecordingEnded", "warning", "cause", "Inputs are not recorded any more; the node goes on."),
    _own("MetricsUnread", "warning", "cause", "A defect: a scrape could not read its values."),
    _own("TracesUnsent", "warning", "remedy", "Traces do not reach their collector; told once a minute."),
)


def router_events() -> tuple[LogEvent, ...]:
    """The lines that are events of the router, in the order of the union."""
    return tuple(
        LogEvent(
            name=kind.__name__,
            level=level_of(kind),
            fields=tuple(field.name for field in dataclasses.fields(kind)),
            says=" ".join(inspect.cleandoc(kind.__doc__ or "").split("\n\n", 1)[0].split()),
        )
        for kind in get_args(Event)
    )


def log_events() -> tuple[LogEvent, ...]:
    """Every line there is."""
    return (*DAEMON, *router_events())
