"""What the demo asks of one bus's node and what it is told: the same in one process and in many.

Everything here is a plain value, so that a node may sit in this process or at
the other end of a pipe.  Nodes and links are named as the protocol names them
(node id, link id) or, where the demo speaks about the scenario, by bus.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ioe_router.adapters.attestation import AttestationFile
from ioe_router.agents.area import AreaForecast
from ioe_router.community.reports import GateReport, OfferSeen, PortReading
from ioe_router.config import DomainConfig
from ioe_router.core.events import (
    Booked,
    HoldAnswered,
    LinkSettled,
    NeighborDown,
    OriginLost,
    PeerFault,
    Unbooked,
)
from ioe_router.core.settled import LossAccount
from ioe_router.core.sweep_events import SlotSwept, VoltageOutOfBand
from ioe_router.model.discovery import LinkAttestation
from ioe_router.model.envelope import Envelope
from ioe_router.model.ids import NodeId
from ioe_router.model.settlement import ImbalanceRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Which bus of which day of which scenario a node serves; `scenario` is a bundled name or a folder."""

    scenario: str
    day: int  # index of the scenario's day
    slots: int  # how many of the day's slots
    bus: str
    seed: int
    port: int  # to listen on at loopback, 0 for any


@dataclass(frozen=True, slots=True, kw_only=True)
class Introduction:
    """What the others must know of a node before they can connect to it."""

    bus: str
    node: NodeId
    ca_pem: bytes
    statement: Envelope  # OPERATIONAL_KEY


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighborhood:
    """What a node needs before it can start: who is who, and its links, attested by both ends."""

    introductions: tuple[Introduction, ...]  # of every bus: reports name buses, not node ids
    attestations: dict[str, AttestationFile]  # by link, those of the node
    area: AreaForecast  # as published for the day
    domain: DomainConfig | None = None  # the community's trust domain, with the node's certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Whether a node is at rest, and the frames it has exchanged in its live sessions, by bus."""

    idle: bool
    sent: dict[str, int]
    received: dict[str, int]
    up: tuple[str, ...]  # neighbours whose session is established
    next_deadline_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Harvest:
    """What has happened at a node since it was last asked; pairs carry the scenario's UTC milliseconds."""

    bus: str
    booked: tuple[tuple[int, Booked], ...]
    unbooked: tuple[tuple[int, Unbooked], ...]
    answered: tuple[tuple[int, HoldAnswered], ...]
    settled: tuple[LinkSettled, ...]
    imbalances: tuple[ImbalanceRecord, ...]
    swept: tuple[SlotSwept, ...]
    out_of_band: tuple[VoltageOutOfBand, ...]
    offers: tuple[OfferSeen, ...]
    origins_lost: tuple[tuple[int, OriginLost], ...]
    faults: tuple[PeerFault, ...]
    downs: tuple[tuple[int, NeighborDown], ...]
    accounts: tuple[LossAccount, ...]
    counts: dict[str, int]  # the router's, since the start


@dataclass(frozen=True, slots=True, kw_only=True)
class Expense:
    """What a node has cost the machine and sent over its connections, since the start of its process."""

    cpu_s: float
    peak_rss_bytes: int


class Seat(Protocol):
    """One bus's node, near or far. A call to a node whose process is gone raises SeatLost."""

    bus: str

    async def introduce(self, assignment: Assignment) -> Introduction:
        """Make the node's keys."""
        ...

    async def attest(self, body: LinkAttestation) -> AttestationFile:
        """State a link as its keeper."""
        ...

    async def countersign(self, file: AttestationFile) -> AttestationFile:
        """Sign what the link's keeper has stated."""
        ...

    async def open(self, neighborhood: Neighborhood) -> int:
        """Start the router and listen; the port. UsageError when it is taken."""
        ...

    async def dial(self, addresses: dict[str, str]) -> None:
        """Connect to the neighbours at these buses."""
        ...

    async def status(self) -> Status:
        """Whether the node is at rest."""
        ...

    async def gate(self, slot: int) -> GateReport | None:
        """What was decided at the final gate of a slot; None when the node knows nothing of it."""
        ...

    async def meter(self, slot: int, readings: tuple[PortReading, ...]) -> None:
        """Hand the readings of the node's port meters to its router."""
        ...

    async def harvest(self) -> Harvest:
        """What has happened since the last call."""
        ...

    async def expense(self) -> Expense:
        """What the node's process has used."""
        ...

    async def stop(self) -> None:
        """Part from the neighbours in good order."""
        ...


class SeatLost(Exception):
    """The node's process is gone."""
