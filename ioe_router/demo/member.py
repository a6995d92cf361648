"""One bus's node: keys of its own, a router, its agent, its listening port.

The community runs many of these on one event loop, or one in each process;
they share nothing but the clock they are given.  X.509 certificates are valid
by wall time, everything that the core judges is dated by the scenario's clock.
"""

from __future__ import annotations

import hashlib
import os
import resource
import time
from dataclasses import dataclass
from typing import Final

from ioe_router.adapters.attestation import AttestationFile, attest, countersign
from ioe_router.adapters.certificates import parse_ca, pem
from ioe_router.adapters.clock import Clock
from ioe_router.adapters.dialler import Patience, Peer, Transport
from ioe_router.adapters.journal import MemoryJournal
from ioe_router.adapters.keystore import Identity, Operational, make_identity, make_operational
from ioe_router.adapters.node import Host, Node
from ioe_router.adapters.runner import Pace
from ioe_router.agents.agent import Agent
from ioe_router.community.devices import make_agent
from ioe_router.community.excerpt import first_quantities, first_slots
from ioe_router.community.forecasts import forecast
from ioe_router.community.layout import LinkPlace, epoch_start_utc_s, places_at, router_config
from ioe_router.community.ledger import Ledger
from ioe_router.community.reports import GateReport, LinkBooked, LinkSetpoint, PortReading
from ioe_router.core.effects import Persist
from ioe_router.core.inputs import MeterRead
from ioe_router.demo.seat import (
    Assignment,
    Expense,
    Harvest,
    Introduction,
    Neighborhood,
    Status,
)
from ioe_router.model.discovery import LinkAttestation
from ioe_router.model.errors import invariant
from ioe_router.model.ids import LinkId, NodeId, link_id_of
from ioe_router.model.slot import Slot
from ioe_router.router import Router
from ioe_router.scenario.model import Day, Scenario

PATIENCE: Final = Patience(grace_ms=2_000, first_ms=200, longest_ms=5_000)
KEEPALIVE_MS: Final = 20_000
EPOCH: Final = 1
_KEY_LIFETIME_S: Final = 2 * 86_400
_RSS_UNIT: Final = 1024  # Linux counts in KiB


class NoJournal(MemoryJournal):
    """Keeps nothing: a node of the demo that dies does not come back."""

    def append(self, record: Persist) -> None:
        """Let go of the record."""


class SeededEntropy:
    """Bytes from SHA-256 over (seed, bus, count): the same draws in every run with the same seed."""

    def __init__(self, seed: int, bus: str) -> None:
        """Begin the stream of one bus."""
        self._stem = f"{seed}|{bus}|".encode()
        self._count = 0

    def token(self, size: int) -> bytes:
        """The next `size` bytes."""
        out = b""
        while len(out) < size:
            out += hashlib.sha256(self._stem + str(self._count).encode()).digest()
            self._count += 1
        return out[:size]


@dataclass(frozen=True, slots=True)
class _Desk:
    """What exists once the neighbourhood is known."""

    router: Router
    node: Node
    ledger: Ledger
    names: dict[NodeId, str]
    links: dict[LinkId, str]


class Member:
    """A seat in this process."""

    def __init__(self, scenario: Scenario, assignment: Assignment, clock: Clock, pace: Pace) -> None:
        """`pace` says when the router may handle its queue, and hears when it is empty."""
        self.bus = assignment.bus
        self._scenario = scenario
        self._whole_day: Day = scenario.days[assignment.day]
        self._day = first_slots(self._whole_day, assignment.slots)
        self._assignment = assignment
        self._clock = clock
        self._pace = pace
        self._places: tuple[LinkPlace, ...] = places_at(scenario, self.bus)
        self._identity: Identity | None = None
        self._operational: Operational | None = None
        self._desk_: _Desk | None = None
        self._harvested: list[int] = []

    # ------------------------------------------------------------ keys

    async def introduce(self, _assignment: Assignment) -> Introduction:
        """Make an identity and an operational key; nobody else ever sees the private parts."""
        wall_s = int(time.time())
        identity = self._identity = make_identity(wall_s)
        self._operational = make_operational(
            identity,
            network_id=self._scenario.market.network_id,
            serial=1,
            issued_utc_s=epoch_start_utc_s(self._scenario, self._day),
            wall_utc_s=wall_s,
            lifetime_s=_KEY_LIFETIME_S,
        )
        return Introduction(
            bus=self.bus,
            node=identity.node,
            ca_pem=pem(identity.ca),
            statement=self._operational.statement.envelope,
        )

    async def attest(self, body: LinkAttestation) -> AttestationFile:
        """State a link as its keeper."""
        return attest(body, self._me())

    async def countersign(self, file: AttestationFile) -> AttestationFile:
        """Sign what the keeper has stated."""
        return countersign(file, self._me())[0]

    def _me(self) -> Identity:
        invariant(self._identity is not None, "a node introduces itself before it signs")
        assert self._identity is not None  # noqa: S101 - for the type checker; stated above
        return self._identity

    def _own(self) -> Operational:
        invariant(self._operational is not None, "a node introduces itself before it signs")
        assert self._operational is not None  # noqa: S101 - for the type checker; stated above
        return self._operational

    # ------------------------------------------------------------ life

    async def open(self, neighborhood: Neighborhood) -> int:
        """Build the router and listen."""
        own, now = self._own(), self._clock.now()
        nodes = {one.bus: one.node for one in neighborhood.introductions}
        cas = {one.bus: parse_ca(one.ca_pem, one.bus)[1] for one in neighborhood.introductions}
        envelopes = {name: file.attestation for name, file in neighborhood.attestations.items()}
        ledger = Ledger(self._agent(neighborhood), self._day, self._scenario.market.slot_s)
        router = Router(
            router_config(self._scenario, self._day, self.bus, nodes, envelopes, neighborhood.domain),
            own_key=own.statement,
            signer=own.signer,
            entropy=SeededEntropy(self._assignment.seed, f"{self._day.label}|{self.bus}"),
            now=now,
        )
        neighbors = [place.end_opposite(self.bus) for place in self._places]
        node = Node(
            router,
            operational=own,
            listen=f"127.0.0.1:{self._assignment.port}",
            peers=tuple(Peer(node=nodes[bus], ca=cas[bus], address=None) for bus in neighbors),
            clock=self._clock,
            host=Host(
                on_event=ledger.on_event,
                apply=ledger.apply,
                pace=self._pace,
                journal=NoJournal(),
                transport=Transport(keepalive_ms=KEEPALIVE_MS, patience=PATIENCE),
            ),
        )
        links = {link_id_of(nodes[p.keeper], nodes[p.other], 0): p.link.name for p in self._places}
        names = {node_id: bus for bus, node_id in nodes.items()}
        self._desk_ = _Desk(router, node, ledger, names, links)
        return await node.start(EPOCH)

    def _agent(self, neighborhood: Neighborhood) -> Agent:
        whole = forecast(self._scenario, self._whole_day, self._assignment.seed)
        expected = first_quantities(whole, self._day.slots)
        return make_agent(self._scenario, self._day, self.bus, expected, neighborhood.area)

    async def dial(self, addresses: dict[str, str]) -> None:
        """Connect to these neighbours."""
        desk = self._desk()
        nodes = {bus: node for node, bus in desk.names.items()}
        desk.node.dial({nodes[bus]: address for bus, address in addresses.items()})

    async def stop(self) -> None:
        """Part from the neighbours in good order."""
        if self._desk_ is not None:
            await self._desk_.node.stop(grace_s=0.0)

    def _desk(self) -> _Desk:
        invariant(self._desk_ is not None, "a node opens before it is asked about its routers' work")
        assert self._desk_ is not None  # noqa: S101 - for the type checker; stated above
        return self._desk_

    # ------------------------------------------------------------ at rest

    async def status(self) -> Status:
        """Whether the node is at rest, by bus names."""
        desk = self._desk()
        activity, names = desk.node.activity(), desk.names
        return Status(
            idle=activity.idle,
            sent={names[node]: count for node, count in activity.sent.items()},
            received={names[node]: count for node, count in activity.received.items()},
            up=tuple(names[node] for node in desk.ledger.up),
            next_deadline_ns=activity.next_deadline_ns,
        )

    @property
    def node(self) -> Node:
        """The running node, for whoever waits on this event loop."""
        return self._desk().node

    # ------------------------------------------------------------ reports

    async def gate(self, slot: int) -> GateReport | None:
        """The final gate of a slot as this node saw it."""
        desk = self._desk()
        gate = desk.ledger.gate(slot)
        if gate is None or gate.closed is None:
            return None
        return GateReport(
            bus=self.bus,
            slot=slot,
            imported_j=gate.closed.imported_j,
            exported_j=gate.closed.exported_j,
            devices=gate.devices,
            ports=tuple(
                LinkSetpoint(link=desk.links[link], entering_j=energy)
                for link, energy in gate.entering_j.items()
            ),
            links=self._links_kept(desk, slot),
        )

    def _links_kept(self, desk: _Desk, slot: int) -> tuple[LinkBooked, ...]:
        view = desk.router.slot_view(Slot(slot))
        return tuple(
            LinkBooked(
                link=desk.links[booked.link],
                limit_down_j=0 if limits is None else limits.down_j,
                limit_up_j=0 if limits is None else limits.up_j,
                down_sent_j=booked.down_sent_j,
                down_received_j=booked.down_received_j,
                up_sent_j=booked.up_sent_j,
                up_received_j=booked.up_received_j,
            )
            for booked, limits in zip(view.booked, view.limits, strict=True)
            if booked.keeper
        )

    async def meter(self, slot: int, readings: tuple[PortReading, ...]) -> None:
        """Hand over what the port meters counted."""
        desk = self._desk()
        links = {name: link for link, name in desk.links.items()}
        for reading in readings:
            desk.node.submit(
                MeterRead(
                    link=links[reading.link],
                    slot=Slot(slot),
                    imported_j=reading.imported_j,
                    exported_j=reading.exported_j,
                )
            )
        self._harvested.append(slot)

    async def harvest(self) -> Harvest:
        """Everything noted since the last call, with the loss accounts of the slots metered since."""
        desk = self._desk()
        noted = desk.ledger.harvest()
        slots, self._harvested = self._harvested, []
        accounts = [a for slot in slots for a in desk.router.slot_view(Slot(slot)).loss_accounts]
        return Harvest(
            bus=self.bus,
            booked=tuple(noted.booked),
            unbooked=tuple(noted.unbooked),
            answered=tuple(noted.answered),
            settled=tuple(noted.settled),
            imbalances=tuple(noted.imbalances),
            swept=tuple(noted.swept),
            out_of_band=tuple(noted.out_of_band),
            offers=tuple(noted.offers.values()),
            origins_lost=tuple(noted.origins_lost),
            faults=tuple(noted.faults),
            downs=tuple(noted.downs),
            accounts=tuple(accounts),
            counts=dict(desk.router.counts),
        )

    async def expense(self) -> Expense:
        """What this process has used so far."""
        times, usage = os.times(), resource.getrusage(resource.RUSAGE_SELF)
        return Expense(cpu_s=times.user + times.system, peak_rss_bytes=usage.ru_maxrss * _RSS_UNIT)
