"""The daemon's log: one JSON line per event, on stderr, with ids in their text form.

A refusal that an operator can do something about is logged as an error with
the remedy; everything else is logged as what it is.
"""

from __future__ import annotations

import dataclasses
import enum
import logging
import sys
from typing import Final

import structlog

from ioe_router.adapters.dialler import Trouble
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
    {"neighbor", "peer", "origin", "failing_node", "node", "initiator", "toward_initiator", "toward_origin"}
)
_CHATTER: Final = (OfferLearned, OfferLost, HoldAnswered, ReservationMoved, TradeProgress)
_OLD_STORE: Final = (
    "promises of this node are missing from its store:"
    " stop it, put the newest copy of the store back and start again"
)
_REMEDIES: Final = {
    ErrorCode.CLOCK_UNSYNCED: "the two clocks differ by more than a minute; synchronise both machines",
    ErrorCode.PARAMETER_MISMATCH: "the [network] tables differ; agree on one",
    ErrorCode.NETWORK_MISMATCH: "the network_id differs; correct it",
    ErrorCode.VERSION_MISMATCH: "no common protocol version; bring the older node up to date",
    ErrorCode.IDENTITY_MISMATCH: "the neighbour is not who it says; compare its node.pub",
    ErrorCode.KEY_EXPIRED: "an operational key has expired; its node must renew it ('ioe identity rotate')",
    ErrorCode.KEY_REVOKED: "a key or identity is revoked; its node needs a new one ('ioe identity rotate')",
    ErrorCode.STALE: "a node was started from an old copy; set its clock and put its newest store back",
    ErrorCode.NOT_A_MEMBER: "the node is no member of its domain, or not for this; its operators admit it",
    ErrorCode.DOMAIN_MISMATCH: "the [domain] tables or the roles of the two ends differ; agree on them",
    ErrorCode.TRUST_STALE: "the trust list has run out; let the domain's operators run 'ioe domain renew'",
    ErrorCode.UNKNOWN_LINK: "the two ends hold different attestations of the link; exchange the file again",
}


class Log:
    """Writes the lines. Configure once, before gRPC starts; the level may change."""

    def __init__(self, level: str) -> None:
        self._troubles: dict[NodeId, tuple[ErrorCode, str]] = {}
        self.level = level

    @property
    def level(self) -> str:
        """debug, info, warning or error."""
        return self._level

    @level.setter
    def level(self, level: str) -> None:
        """ValueError names the levels that there are."""
        if level not in LEVELS:
            raise ValueError(f"{level!r} is no log level; one of {', '.join(LEVELS)}")
        self._level = level
        numeric = logging.getLevelNamesMapping()[level.upper()]
        self._log = structlog.wrap_logger(
            structlog.WriteLogger(sys.stderr),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(numeric),
            cache_logger_on_first_use=True,
        )

    def say(self, what: str, **fields: object) -> None:
        """A line about the daemon itself."""
        self._log.info(what, **fields)

    def warn(self, what: str, **fields: object) -> None:
        """A line that asks for attention."""
        self._log.warning(what, **fields)

    def event(self, event: Event) -> None:
        """A line about an event of the router."""
        name, fields = type(event).__name__, fields_of(event)
        remedy = _REMEDIES.get(event.code) if isinstance(event, NeighborDown | PeerFault) else None
        if isinstance(event, StoreOutdated):
            remedy = _OLD_STORE
        if remedy is not None:
            self._log.error(name, remedy=remedy, **fields)
        elif isinstance(event, NeighborDown | PeerFault | Equivocation | CommandRefused):
            self._log.warning(name, **fields)
        elif isinstance(event, _CHATTER):
            self._log.debug(name, **fields)
        else:
            self._log.info(name, **fields)

    def trouble(self, trouble: Trouble) -> None:
        """A line about a dial that failed, once per cause."""
        cause = (trouble.code, trouble.sentence)
        if self._troubles.get(trouble.neighbor) != cause:
            self._troubles[trouble.neighbor] = cause
            neighbor = node_text(trouble.neighbor)
            self._log.warning("DialFailed", neighbor=neighbor, code=trouble.code.name, cause=trouble.sentence)


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
        return [_plain("", one) for one in value]
    if dataclasses.is_dataclass(value):
        return {"kind": type(value).__name__, **fields_of(value)}
    return value
