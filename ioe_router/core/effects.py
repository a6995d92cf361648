"""Everything a router may ask its shell for (SPEC section 3), in order.

There is no "set timer": after every call the shell asks `next_deadline_ns()`.
`Persist` is a barrier: nothing after it may be carried out before the record
is durable.
"""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Persist:
    """Make this record durable before the effects behind it."""

    record: bytes


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
