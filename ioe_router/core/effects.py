"""Everything a router may ask its shell for (SPEC section 3), in order.

There is no "set timer": after every call the shell asks `next_deadline_ns()`.
`Persist` is a barrier: nothing after it may be carried out before the record
is durable.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ioe_router.core.events import Event
from ioe_router.model.errors import ErrorCode
from ioe_router.model.grid import Exchange
from ioe_router.model.ids import LinkId, NodeId
from ioe_router.model.slot import Slot


@dataclass(frozen=True, slots=True, kw_only=True)
class SendFrame:
    """Write this frame to the neighbour's stream."""

    neighbor: NodeId
    frame: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseSession:
    """End the transport session after what was written has gone out."""

    neighbor: NodeId
    code: ErrorCode
    reason: str


class RecordKind(StrEnum):
    """What a durable record is about; together with its key it names one row of the store."""

    RESERVATION = "reservation"  # key: id and version; what this node has promised, and the outcome
    SETTLEMENT = "settlement"  # key: link and slot; meter records and statements
    COUNTER = "counter"  # key: name of a count that must not run twice
    NEIGHBOR = "neighbor"  # key: node id; the highest epoch seen of it
    KEY = "key"  # key: operational key of another node; its certificate, for promises that it signed
    DOMAIN = "domain"  # key: domain id; the trust lists taken since the configured one
    REVOCATION = "revocation"  # key: node id; which of its keys it has declared void
    PROOF = "proof"  # key: hash of both; evidence that somebody signed two contradicting statements


@dataclass(frozen=True, slots=True, kw_only=True)
class Persist:
    """Make this record durable before the effects behind it; it replaces an earlier one of its key."""

    kind: RecordKind
    key: bytes
    record: bytes | None  # None: the record is no longer needed


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplySchedule:
    """Set-point of one port for one slot; `link` None is the node's own devices."""

    link: LinkId | None
    slot: Slot
    direction: Exchange
    energy_j: int
    reactive: Exchange
    reactive_vars: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Emit:
    """Tell the host application."""

    event: Event


Effect = SendFrame | CloseSession | Persist | ApplySchedule | Emit
