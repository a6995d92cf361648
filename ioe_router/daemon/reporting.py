"""The daemon's log: one JSON line per event, on stderr, with ids in their text form.

A refusal that an operator can do something about is logged as an error with
the remedy; everything else is logged as what it is.  The names of the lines
are stable and listed in `log_events.py`; the level may be changed while the
node runs.  No line carries a key, a passphrase or a pairing code: what is
logged are events of the router, which has none of them, and sentences.
"""

from __future__ import annotations

import dataclasses
import enum
import logging
import sys
from collections import Counter
from typing import Final

import structlog

from ioe_router.adapters.dialler import Trouble
from ioe_router.control.meanings import remedy_of
from ioe_router.core.events import (
    CommandRefused,
    Equivocation,
    Event,
    HoldAnswered,
    NeighborDown,
    OfferLearned,
    OfferLost,
    PeerFault,
    ReservationMoved,
    StoreOutdated,
    TradeProgress,
)
from ioe_router.model.bech32m import node_text
from ioe_router.model.envelope import Sealed
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import NODE_ID_BYTES, NodeId

LEVELS: Final = ("debug", "info", "warning", "error")
_NODE_FIELDS: Final = frozenset(
    {
        "neighbor",
        "peer",
        "origin",
        "failing_node",
        "node",
        "initiator",
        "toward_initiator",
        "toward_origin",
        "added",
        "removed",
        "changed",
    }
)
_CHATTER: Final = (OfferLearned, OfferLost, HoldAnswered, ReservationMoved, TradeProgress)
_WARNINGS: Final = (NeighborDown, PeerFault, Equivocation, CommandRefused)
_OLD_STORE: Final = (
    "promises of this node are missing from its store:"
    " stop it, put the newest copy of the store back and start again"
)
# Refusals that last until an operator does something: logged as errors, with what there is to do.
_LASTING: Final = (
    ErrorCode.CLOCK_UNSYNCED,
    ErrorCode.PARAMETER_MISMATCH,
    ErrorCode.NETWORK_MISMATCH,
    ErrorCode.VERSION_MISMATCH,
    ErrorCode.IDENTITY_MISMATCH,
    ErrorCode.KEY_EXPIRED,
    ErrorCode.KEY_REVOKED,
    ErrorCode.STALE,
    ErrorCode.NOT_A_MEMBER,
    ErrorCode.DOMAIN_MISMATCH,
    ErrorCode.TRUST_STALE,
    ErrorCode.UNKNOWN_LINK,
)
REMEDIES: Final = {code: remedy_of(code) for code in _LASTING}


class Log:
    """Writes the lines. Configure once, before gRPC starts; the level may change."""

    def __init__(self, level: str) -> None:
        """`level` is one of LEVELS."""
        self.lines: Counter[str] = Counter()  # written so far, by level
        self._troubles: dict[NodeId, tuple[ErrorCode, str]] = {}
        self._level = level
        self._log = self._logger(level)

    @property
    def level(self) -> str:
        """debug, info, warning or error."""
        return self._level

    @level.setter
    def level(self, level: str) -> None:
        """Write lines of this level and above from now on. ValueError names the levels that there are."""
        if level not in LEVELS:
            raise ValueError(f"{level!r} is no log level; one of {', '.join(LEVELS)}")
        before, self._level = self._level, level
        self._log = self._logger("debug")
        self._log.info("LogLevelChanged", before=before, now=level)  # whoever reads on is told at every level
        self._log = self._logger(level)

    def _logger(self, level: str) -> structlog.typing.FilteringBoundLogger:
        wrapped: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
            structlog.WriteLogger(sys.stderr),
            processors=[
                structlog.processors.add_log_level,
                self._count,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(_numeric(level)),
            cache_logger_on_first_use=True,
        )
        return wrapped

    def _count(
        self, _logger: object, _method: str, line: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        self.lines[line["level"]] += 1
        return line

    def say(self, what: str, **fields: object) -> None:
        """A line about the daemon itself."""
        self._log.info(what, **fields)

    def warn(self, what: str, **fields: object) -> None:
        """A line that asks for attention."""
        self._log.warning(what, **fields)

    def event(self, event: Event) -> None:
        """A line about an event of the router."""
        remedy = REMEDIES.get(event.code) if isinstance(event, NeighborDown | PeerFault) else None
        if isinstance(event, StoreOutdated):
            remedy = _OLD_STORE
        level = "error" if remedy is not None else level_of(type(event))
        if LEVELS.index(level) < LEVELS.index(self.level):
            return
        fields = fields_of(event) if remedy is None else {"remedy": remedy, **fields_of(event)}
        self._log.log(_numeric(level), type(event).__name__, **fields)

    def trouble(self, trouble: Trouble) -> None:
        """A line about a dial that failed, once per cause."""
        cause = (trouble.code, trouble.sentence)
        if self._troubles.get(trouble.neighbor) != cause:
            self._troubles[trouble.neighbor] = cause
            neighbor = node_text(trouble.neighbor)
            self._log.warning("DialFailed", neighbor=neighbor, code=trouble.code.name, cause=trouble.sentence)


def level_of(kind: type) -> str:
    """The level at which an event of the router is logged, unless it has a remedy: then as an error."""
    if issubclass(kind, _WARNINGS):
        return "warning"
    return "debug" if issubclass(kind, _CHATTER) else "info"


def _numeric(level: str) -> int:
    return logging.getLevelNamesMapping()[level.upper()]


def fields_of(value: object) -> dict[str, object]:
    """The fields of an event as JSON values."""
    if not dataclasses.is_dataclass(value):
        return {}
    return {field.name: _plain(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)}


def _plain(name: str, value: object) -> object:
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, bytes):
        is_node = name in _NODE_FIELDS and len(value) == NODE_ID_BYTES
        return node_text(NodeId(value)) if is_node else value.hex()
    if isinstance(value, Sealed):
        return {"id": value.object_id.hex(), **fields_of(value.body)}
    if isinstance(value, tuple):
        return [_plain(name, one) for one in value]
    if dataclasses.is_dataclass(value):
        return {"kind": type(value).__name__, **fields_of(value)}
    return value
