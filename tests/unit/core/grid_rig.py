"""A small network of grid and settlement parts, with real keys and a clock that only moves on request.

Each node holds exactly the parts under test; objects go straight from one
node's outbox to the other's part, so a test sees what the parts decide and
nothing of sessions, paths or reservations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TypeVar

from ioe_router.codec.identity_signing import countersign, state
from ioe_router.codec.keys import KeyRing, certify
from ioe_router.codec.sealing import CodecSealer
from ioe_router.codec.signing import Ed25519Signer
from ioe_router.config import NeighborConfig, RouterConfig
from ioe_router.core.booked import BookedLink
from ioe_router.core.effects import ApplySchedule, Emit
from ioe_router.core.events import Event
from ioe_router.core.fib import Fib
from ioe_router.core.imbalance import AtOrigin, Hop, Imbalance
from ioe_router.core.outbox import Outbox, ToNeighbor
from ioe_router.core.ports import Port, make_port
from ioe_router.core.settlement import Settlement
from ioe_router.core.sweep import Sweeps
from ioe_router.core.zone import Zone
from ioe_router.model.clock import Now
from ioe_router.model.discovery import LinkAttestation, LinkKind, LossModel, OperationalKey
from ioe_router.model.envelope import Envelope, Sealed
from ioe_router.model.errors import PeerError
from ioe_router.model.grid import OperatingEnvelope, SweepDown, SweepUp, ZoneReport
from ioe_router.model.ids import NodeId, PathHash, node_id_of
from ioe_router.model.parameters import NetworkParameters
from ioe_router.model.settlement import LinkStatement, MeterRecord, Relay
from ioe_router.model.slot import Slot
from tests.links import loss_model

E = TypeVar("E")

NETWORK = "rig"
SLOT_S = 900
START_UTC_S = 1_465_948_800
SLOT = Slot(START_UTC_S + SLOT_S)
YEARS_S = 80 * 86_400


def parameters(*, low: int = 900_000, high: int = 1_100_000, guard: int = 5_000) -> NetworkParameters:
    """Network parameters with the given voltage band."""
    return NetworkParameters(
        network_id=NETWORK,
        currency="EUR",
        slot_s=SLOT_S,
        reference_price_micro_per_kwh=200_000,
        floor_micro_per_kwh=(300_000, 200_000),
        link_state_steps=16,
        voltage_min_micro_pu=low,
        voltage_max_micro_pu=high,
        voltage_guard_micro_pu=guard,
    )


@dataclass(frozen=True)
class Wire:
    """A link to build: keeper end first."""

    keeper: str
    other: str
    loss: LossModel = field(default_factory=loss_model)
    kind: LinkKind = LinkKind.RADIAL
    rating_va: int = 1_000_000


@dataclass(frozen=True)
class Member:
    """What a node states about itself."""

    import_w: int = 10_000
    export_w: int = 10_000
    reactive_var: int = 0


class Keys:
    """Keys and sealers of named nodes in one ring."""

    def __init__(self, names: Sequence[str]) -> None:
        """Keys follow from the names, so runs repeat exactly."""
        self.now = Now(0, START_UTC_S * 1000)
        self.ring = KeyRing(network_id=NETWORK, limit=10_000)
        self.sealers: dict[str, CodecSealer] = {}
        self.identities: dict[str, Ed25519Signer] = {}
        for name in names:
            identity = Ed25519Signer.from_seed(sha256(b"identity" + name.encode()).digest())
            self.identities[name] = identity
            operational = Ed25519Signer.from_seed(sha256(b"operational" + name.encode()).digest())
            body = OperationalKey(
                network_id=NETWORK,
                identity_key=identity.public_key,
                operational_key=operational.public_key,
                serial=1,
                issued_utc_s=START_UTC_S - 60,
                expires_utc_s=START_UTC_S + YEARS_S,
            )
            self.ring.learn(certify(body, identity=identity, operational=operational), self.now)
            node = node_id_of(identity.public_key)
            self.sealers[name] = CodecSealer(ring=self.ring, signer=operational, node=node, now=self.now)

    def node(self, name: str) -> NodeId:
        """The node id of a name."""
        return self.sealers[name].node

    def attest(self, wire: Wire, serial: int = 1) -> Sealed[LinkAttestation]:
        """The attestation of a link, signed by both ends."""
        body = LinkAttestation(
            network_id=NETWORK,
            keeper=self.node(wire.keeper),
            other=self.node(wire.other),
            number=0,
            kind=wire.kind,
            serial=serial,
            rating_down_va=wire.rating_va,
            rating_up_va=wire.rating_va,
            loss=wire.loss,
            fee_down_micro_per_kwh=0,
            fee_up_micro_per_kwh=0,
            access=False,
            issued_utc_s=START_UTC_S - 60,
            expires_utc_s=START_UTC_S + YEARS_S,
        )
        half = state(body, self.identities[wire.keeper])
        both: Sealed[LinkAttestation] = countersign(half.envelope, self.identities[wire.other])
        return both


class RigNode:
    """The grid and settlement parts of one node."""

    def __init__(
        self,
        config: RouterConfig,
        sealer: CodecSealer,
        ports: tuple[Port, ...],
        ways: Mapping[NodeId, NodeId],
    ) -> None:
        """`ways` names the next node towards each other node."""
        self.config = config
        self.sealer = sealer
        self.ports = {port.neighbor: port for port in ports}
        self.ways = dict(ways)
        self.out = Outbox()
        self.events: list[Event] = []
        self.applied: list[ApplySchedule] = []
        self.refused: list[PeerError] = []
        self.zone = Zone(config, sealer, ports, self.post, lambda _: True)
        self.sweeps = Sweeps(config, self.zone, sealer, self.post)
        self.settlement = Settlement(config, sealer, ports, self.post)
        self.imbalance = Imbalance(config, sealer, self._route_to, self._forward, self.post)
        self.fib = Fib(config, ports)

    def post(
        self, neighbor: NodeId, envelope: Envelope, out: Outbox, inside: tuple[Envelope, ...] = ()
    ) -> None:
        """All keys are known to all, so nothing has to go ahead."""
        out.send(neighbor, envelope)

    def _route_to(self, party: NodeId) -> Hop | None:
        # The rig names a path by the node that it leads to.
        return (self.ways[party], PathHash(party)) if party in self.ways else None

    def _forward(self, neighbor: NodeId, path: PathHash) -> Hop | AtOrigin | None:
        if NodeId(path) == self.config.node:
            return AtOrigin.HERE
        return self._route_to(NodeId(path))

    def deliver(self, neighbor: NodeId, envelope: Envelope, now: Now) -> None:
        """Hand an object that `neighbor` sent to the part that it is for."""
        sealed = self.sealer.open_any(envelope, frame_sender=neighbor, now=now)
        match sealed.body:
            case ZoneReport():
                self.zone.hear_report(neighbor, sealed, now)
            case OperatingEnvelope():
                self.zone.hear_envelope(neighbor, sealed, now, self.out)
            case SweepUp() as up:
                self.sweeps.hear_up(neighbor, up, now, self.out)
            case SweepDown() as down:
                self.sweeps.hear_down(neighbor, down, now, self.out)
            case MeterRecord():
                self.settlement.hear_meter(neighbor, sealed, now, self.out)
            case LinkStatement():
                self.settlement.hear_statement(neighbor, sealed, now, self.out)
            case Relay() as relay:
                self.imbalance.hear_relay(neighbor, relay, now, self.out)
            case other:
                raise AssertionError(f"nobody takes {other}")

    def events_of(self, kind: type[E]) -> list[E]:
        """The events of one kind so far."""
        return [event for event in self.events if isinstance(event, kind)]


class Net:
    """Nodes, the links between them, and one clock."""

    def __init__(
        self,
        wires: Sequence[Wire],
        members: Mapping[str, Member] | None = None,
        *,
        band: NetworkParameters | None = None,
        party: str | None = None,
        slack_micro_pu: int = 1_000_000,
        ways: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        """`ways[a][c] = b`: a's next node towards c is b. Nothing is started or connected yet."""
        names = list(dict.fromkeys(name for wire in wires for name in (wire.keeper, wire.other)))
        self.names = names
        self.keys = Keys(names)
        self.now = self.keys.now
        self.cut: set[frozenset[NodeId]] = set()
        self.sent: list[Envelope] = []
        attested = {wire: self.keys.attest(wire) for wire in wires}
        self.nodes: dict[str, RigNode] = {}
        for name in names:
            own = [sealed for wire, sealed in attested.items() if name in (wire.keeper, wire.other)]
            ports = tuple(make_port(self.keys.node(name), sealed, SLOT_S, 0) for sealed in own)
            member = (members or {}).get(name, Member())
            config = RouterConfig(
                node=self.keys.node(name),
                parameters=band or parameters(),
                neighbors=tuple(
                    NeighborConfig(node=port.neighbor, attestation=port.attestation.envelope)
                    for port in ports
                ),
                balance_party=self.keys.node(party) if party is not None and party != name else None,
                connection_import_w=member.import_w,
                connection_export_w=member.export_w,
                reactive_max_var=member.reactive_var,
                slack_voltage_micro_pu=slack_micro_pu,
                imbalance_short_micro_per_kwh=350_000,
                imbalance_long_micro_per_kwh=80_000,
            )
            towards = {
                self.keys.node(end): self.keys.node(hop) for end, hop in (ways or {}).get(name, {}).items()
            }
            self.nodes[name] = RigNode(config, self.keys.sealers[name], ports, towards)
        self._by_id = {node.config.node: node for node in self.nodes.values()}

    def __getitem__(self, name: str) -> RigNode:
        """A node by name."""
        return self.nodes[name]

    def port(self, name: str, neighbor: str) -> Port:
        """The port of one node to another."""
        return self.nodes[name].ports[self.keys.node(neighbor)]

    def start(self, *, without: Sequence[str] = ()) -> None:
        """Start all nodes, connect all that are live, and let them talk until nothing is due for a second."""
        live = [node for name, node in self.nodes.items() if name not in without]
        for node in live:
            node.zone.start(1, self.now)
        for node in live:
            for neighbor in node.ports:
                if any(other.config.node == neighbor for other in live):
                    node.zone.neighbor_up(neighbor, self.now, node.out)
        self.pass_time(ms=60_000)

    def disconnect(self, name: str) -> None:
        """End all sessions of a node; what is sent over them from now on is lost."""
        for neighbor, port in self.nodes[name].ports.items():
            self.cut.add(frozenset((self.keys.node(name), port.neighbor)))
            for one, other in ((self.nodes[name], neighbor), (self._by_id[neighbor], self.keys.node(name))):
                one.zone.neighbor_down(other)
                one.sweeps.neighbor_down(self.now, one.out)
        self.settle()

    def settle(self) -> None:
        """Deliver what is in the outboxes until they are all empty."""
        while any(node.out.wishes for node in self.nodes.values()):
            for node in self.nodes.values():
                wishes, node.out.wishes = node.out.wishes, []
                for wish in wishes:
                    if isinstance(wish, ToNeighbor):
                        self._carry(node, wish)
                    elif isinstance(wish, Emit):
                        node.events.append(wish.event)
                    elif isinstance(wish, ApplySchedule):
                        node.applied.append(wish)

    def _carry(self, sender: RigNode, wish: ToNeighbor) -> None:
        self.sent.append(wish.envelope)
        if frozenset((sender.config.node, wish.neighbor)) in self.cut:
            return
        receiver = self._by_id[wish.neighbor]
        try:
            receiver.deliver(sender.config.node, wish.envelope, self.now)
        except PeerError as error:
            receiver.refused.append(error)

    def pass_time(self, *, ms: int) -> None:
        """Let time pass, stopping at every deadline on the way."""
        self.settle()
        end_ns = self.now.after_ms(ms)
        while (due := min(self._deadlines(), default=end_ns + 1)) <= end_ns:
            self._jump(max(due, self.now.monotonic_ns))
            for node in self.nodes.values():
                node.sealer.now = self.now
                node.zone.tick(self.now, node.out)
                node.sweeps.tick(self.now, node.out)
                node.imbalance.tick(self.now, node.out)
            self.settle()
        self._jump(end_ns)

    def _deadlines(self) -> list[int]:
        timers = [
            timer
            for node in self.nodes.values()
            for timer in (
                node.zone.next_deadline_ns(),
                node.sweeps.next_deadline_ns(),
                node.imbalance.next_deadline_ns(),
            )
        ]
        return [timer for timer in timers if timer is not None]

    def _jump(self, monotonic_ns: int) -> None:
        passed_ms = (monotonic_ns - self.now.monotonic_ns) // 1_000_000
        self.now = Now(monotonic_ns, self.now.utc_ms + passed_ms)

    def to_utc_s(self, utc_s: int) -> None:
        """Let time pass until an instant."""
        self.pass_time(ms=utc_s * 1000 - self.now.utc_ms)

    def sweep(self, booked: Mapping[str, Sequence[BookedLink]], slot: Slot = SLOT) -> None:
        """Open the provisional gate of a slot at every started node and wait until all is swept."""
        for name, node in self.nodes.items():
            sums = {link.link: link for link in booked.get(name, ())}
            node.sweeps.start(slot, sums, self.now, node.out)
        self.pass_time(ms=400_000)
