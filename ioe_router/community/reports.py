"""What a node reports about a slot and what its meters read, as plain values.

Nodes and links are named by the scenario here; `OfferSeen` speaks of nodes as
the protocol does.
"""

from __future__ import annotations

from dataclasses import dataclass

from ioe_router.agents.assets import DeviceSetpoint
from ioe_router.model.ids import NodeId
from ioe_router.model.routing import Direction, SourceClass


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSetpoint:
    """Energy that a node's port is set to let into a link in a slot, joules (negative: out of it)."""

    link: str
    entering_j: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkBooked:
    """What may flow and what does flow by the books of a link's keeper in a slot; from the keeper is DOWN."""

    link: str
    limit_down_j: int
    limit_up_j: int
    down_sent_j: int
    down_received_j: int
    up_sent_j: int
    up_received_j: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReport:
    """A node at the final gate of a slot."""

    bus: str
    slot: int
    imported_j: int  # what the own devices are booked to draw
    exported_j: int
    devices: tuple[DeviceSetpoint, ...]
    ports: tuple[LinkSetpoint, ...]
    links: tuple[LinkBooked, ...]  # those that the node keeps


@dataclass(frozen=True, slots=True, kw_only=True)
class PortReading:
    """A meter at a node's end of a link in a slot, joules."""

    link: str
    imported_j: int
    exported_j: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferSeen:
    """What an offer is made of, as the buyer heard it."""

    origin: NodeId
    offer_no: int
    direction: Direction
    source: SourceClass
    is_default: bool
