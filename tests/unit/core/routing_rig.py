"""Several nodes' adjacency and routing halves on a virtual wire with a virtual clock.

Each `Node` does what the router does around these parts and nothing else:
open what came in, hand it to its part, send what the outbox holds in one
frame per neighbour.  The clock jumps from deadline to deadline.
"""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from dataclasses import dataclass, field, replace

from ioe_router.config import Limits, NeighborConfig, RouterConfig, Timers
from ioe_router.core.effects import CloseSession, Emit, Persist
from ioe_router.core.events import Event
from ioe_router.core.evidence import Evidence, Prerequisites
from ioe_router.core.inputs import PublishOffer
from ioe_router.core.outbox import Outbox, ToNeighbor
from ioe_router.core.routing import Routing
from ioe_router.core.session import Sessions
from ioe_router.model.clock import NS_PER_MS, Now
from ioe_router.model.discovery import LinkAttestation, LinkKind, OperationalKey
from ioe_router.model.envelope import Envelope, Frame, ObjectType, Sealed
from ioe_router.model.errors import ErrorCode, PeerError, UsageError
from ioe_router.model.ids import LinkId, NodeId, link_id_of
from ioe_router.model.parameters import NetworkParameters
from ioe_router.model.routing import Direction, Firmness, OfferRun, SourceClass
from ioe_router.model.slot import Slot
from tests.links import loss_model
from tests.unit.core.plain_sealer import (
    PlainSealer,
    identity_key,
    node_named,
    open_any,
    operational_key,
    sealed_by,
)

START_UTC_S = 1_700_000_100  # a slot edge of 900 s
SLOT_S = 900
YEAR_S = 365 * 86_400

PARAMETERS = NetworkParameters(
    network_id="rig",
    currency="EUR",
    slot_s=SLOT_S,
    reference_price_micro_per_kwh=200_000,
    floor_micro_per_kwh=(200_000, 100_000),
    link_state_steps=16,
    voltage_min_micro_pu=900_000,
    voltage_max_micro_pu=1_100_000,
    voltage_guard_micro_pu=5_000,
)
LOSS = loss_model(r_ohm=0.05, x_ohm=0.02)


class SeededEntropy:
    """Bytes that depend on a seed alone."""

    def __init__(self, seed: bytes) -> None:
        """Start of the stream."""
        self._seed, self._count = seed, 0

    def token(self, size: int) -> bytes:
        """The next bytes."""
        self._count += 1
        return hashlib.shake_256(self._seed + self._count.to_bytes(8)).digest(size)


@dataclass(frozen=True)
class Wire:
    """One link of a rig; `a` keeps it."""

    a: str
    b: str
    r_micro_ohm: int = 50_000
    rating_va: int = 20_000
    fee: int = 1_000
    kind: LinkKind = LinkKind.CONTROLLED
    access: bool = False


def own_key(name: str, expires_utc_s: int = START_UTC_S + YEAR_S) -> Sealed[OperationalKey]:
    """The operational key object of a test node (signed here by that key itself)."""
    node = node_named(name)
    body = OperationalKey(
        network_id=PARAMETERS.network_id,
        identity_key=identity_key(name),
        operational_key=operational_key(node),
        serial=1,
        issued_utc_s=START_UTC_S - 60,
        expires_utc_s=expires_utc_s,
    )
    return sealed_by(body, node)


def attest(wire: Wire, **changes: object) -> Sealed[LinkAttestation]:
    """The attestation of a wire, signed by both ends."""
    a, b = node_named(wire.a), node_named(wire.b)
    body = LinkAttestation(
        network_id=PARAMETERS.network_id,
        keeper=a,
        other=b,
        number=0,
        kind=wire.kind,
        serial=1,
        rating_down_va=wire.rating_va,
        rating_up_va=wire.rating_va,
        loss=replace(LOSS, r_micro_ohm=wire.r_micro_ohm),
        fee_down_micro_per_kwh=wire.fee,
        fee_up_micro_per_kwh=wire.fee,
        access=wire.access,
        issued_utc_s=START_UTC_S - 60,
        expires_utc_s=START_UTC_S + YEAR_S,
    )
    return sealed_by(replace(body, **changes), a, b)  # type: ignore[arg-type]


def config_of(
    name: str,
    wires: tuple[Wire, ...],
    timers: Timers | None = None,
    limits: Limits | None = None,
    **neighbor: object,
) -> RouterConfig:
    """The configuration of one node of a rig."""
    neighbors = tuple(
        replace(
            NeighborConfig(
                node=node_named(wire.b if wire.a == name else wire.a),
                attestation=attest(wire).envelope,
                fee_micro_per_kwh=wire.fee,
            ),
            **neighbor,  # type: ignore[arg-type]
        )
        for wire in wires
        if name in (wire.a, wire.b)
    )
    return RouterConfig(
        node=node_named(name),
        parameters=PARAMETERS,
        neighbors=neighbors,
        balance_party=None,
        connection_import_w=10_000,
        connection_export_w=10_000,
        reactive_max_var=0,
        slack_voltage_micro_pu=1_000_000,
        timers=timers or Timers(keepalive_ms=0),
        limits=limits or Limits(),
    )


@dataclass
class Node:
    """One node's sessions and routing."""

    name: str
    config: RouterConfig
    now: Now
    events: list[Event] = field(default_factory=list)
    faults: list[PeerError] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Wire the parts as the router does."""
        self.id = self.config.node
        self.sealer = PlainSealer(self.id)
        entropy = SeededEntropy(self.name.encode())
        self.evidence = Evidence(self.config, own_key(self.name))
        self.prerequisites = Prerequisites(self.evidence)
        self.sessions = Sessions(self.config, self.sealer, entropy, self.evidence, self.prerequisites)
        self.routing = Routing(self.config, self.sealer, entropy, self.evidence, self.prerequisites)
        self.sessions.start(1)
        self.routing.start(1, self.now)

    def established(self) -> tuple[NodeId, ...]:
        """All neighbours with an established session, in configuration order."""
        return tuple(n.node for n in self.config.neighbors if self.sessions.established(n.node))

    def take(self, neighbor: NodeId, envelope: Envelope, out: Outbox) -> None:
        """Hand one object to its part."""
        sealed, now = open_any(envelope, neighbor), self.now
        match envelope.type:
            case ObjectType.OPERATIONAL_KEY:
                self.evidence.learn_key(sealed, now)
            case ObjectType.LINK_ATTESTATION:
                self.evidence.learn_attestation(sealed, now)
            case ObjectType.HELLO:
                self.sessions.hello(neighbor, sealed, now, out)
            case ObjectType.SESSION_PROOF:
                self.sessions.proof(neighbor, sealed, now, out)
                resumes = self.sessions.resumes(neighbor)
                self.routing.neighbor_up(neighbor, now, out, resumes=resumes)
            case ObjectType.KEEPALIVE:
                self.sessions.keepalive(neighbor, sealed, now, out)
            case ObjectType.CLOSE:
                self.sessions.peer_close(neighbor, sealed, out)
            case ObjectType.REFRESH:
                self.routing.hear_refresh(neighbor, sealed.body, now, out)
            case ObjectType.RETAINED:
                self.routing.hear_retained(neighbor, sealed.body)
            case ObjectType.PATH_ADVERT:
                self.routing.hear_path(neighbor, sealed, now)
            case ObjectType.PATH_WITHDRAWAL:
                self.routing.hear_path_withdrawal(neighbor, sealed, out)
            case ObjectType.OFFER:
                self.routing.hear_offer(neighbor, sealed, now, out)
            case ObjectType.OFFER_WITHDRAWAL:
                self.routing.hear_offer_withdrawal(sealed, now, out)
            case ObjectType.LINK_STATE:
                self.routing.hear_link_state(neighbor, sealed, now)
            case _:
                raise UsageError(f"the rig has no part for {envelope.type.name}")

    def deadline_ns(self) -> int | None:
        """The earliest deadline of the parts."""
        found = (self.sessions.deadline_ns(), self.routing.deadline_ns())
        return min((at for at in found if at is not None), default=None)


class Net:
    """All nodes, the frames between them and the clock."""

    def __init__(
        self,
        wires: tuple[Wire, ...],
        configs: dict[str, RouterConfig] | None = None,
        timers: Timers | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Nodes are named by the wires; nothing is up yet."""
        self.wires = wires
        self.now = Now(0, START_UTC_S * 1000)
        names = dict.fromkeys(name for wire in wires for name in (wire.a, wire.b))
        given = configs or {}
        self.nodes = {
            name: Node(name, given.get(name) or config_of(name, wires, timers, limits), self.now)
            for name in names
        }
        self.names = {node.id: name for name, node in self.nodes.items()}
        self._frames: deque[tuple[Node, NodeId, Frame]] = deque()
        self.up: set[frozenset[NodeId]] = set()
        self.sent: dict[ObjectType, int] = {}
        self.mute: set[tuple[str, str]] = set()  # sender and receiver between whom frames vanish
        self.crossed: Counter[tuple[str, str, ObjectType]] = Counter()  # by sender and receiver

    def node(self, name: str) -> Node:
        """A node by name."""
        return self.nodes[name]

    def link(self, a: str, b: str) -> LinkId:
        """The link between two nodes."""
        return link_id_of(self.nodes[a].id, self.nodes[b].id, 0)

    # ------------------------------------------------------------- wire
    def start(self) -> None:
        """Bring every wire up and let it settle."""
        for wire in self.wires:
            self.connect(wire.a, wire.b)
        self.settle()

    def connect(self, a: str, b: str) -> None:
        """The transport between two nodes stands; `a` has dialled."""
        one, other = self.nodes[a], self.nodes[b]
        self.up.add(frozenset((one.id, other.id)))
        for node, peer, dialer in ((one, other, True), (other, one, False)):
            out = Outbox()
            node.sessions.up(peer.id, dialer, self.now, out)
            self.carry_out(node, out)

    def cut(self, a: str, b: str) -> None:
        """The transport between two nodes is gone, with what was on it."""
        one, other = self.nodes[a], self.nodes[b]
        self.up.discard(frozenset((one.id, other.id)))
        self._frames = deque(f for f in self._frames if {f[0].id, f[1]} != {one.id, other.id})
        for node, peer in ((one, other), (other, one)):
            out = Outbox()
            restart_s = node.sessions.restart_s(peer.id)
            if node.sessions.down(peer.id, ErrorCode.NEIGHBOR_LOST, "cut", out):
                node.routing.neighbor_down(peer.id, restart_s, self.now, out)
            self.carry_out(node, out)

    def publish(self, name: str, stated: PublishOffer) -> None:
        """Publish an offer of a node."""
        self.nodes[name].routing.publish_own(stated, self.now)
        self.carry_out(self.nodes[name], Outbox())

    def carry_out(self, node: Node, out: Outbox) -> None:
        """End of a call: let the parts send what is due, then make frames."""
        node.now = self.now
        node.routing.due(self.now, out)
        node.sessions.due(self.now, out)
        by_neighbor: dict[NodeId, list[Envelope]] = {}
        for wish in out.wishes:
            match wish:
                case ToNeighbor():
                    by_neighbor.setdefault(wish.neighbor, []).append(wish.envelope)
                case Emit():
                    node.events.append(wish.event)
                case CloseSession() | Persist():
                    pass  # nothing crashes here
                case _:
                    raise UsageError("these parts apply no schedules")
        for neighbor, envelopes in by_neighbor.items():
            self._send(node, neighbor, tuple(envelopes))

    def _send(self, node: Node, neighbor: NodeId, envelopes: tuple[Envelope, ...]) -> None:
        frame = Frame(
            session=node.sessions.session_id(neighbor),
            seq=node.sessions.next_frame_seq(neighbor, self.now),
            envelopes=envelopes,
            signature=None,
        )
        for envelope in envelopes:
            self.sent[envelope.type] = self.sent.get(envelope.type, 0) + 1
            self.crossed[node.name, self.names[neighbor], envelope.type] += 1
        self._frames.append((node, neighbor, frame))

    def deliver(self, receiver: Node, sender: NodeId, frame: Frame) -> None:
        """One frame reaches a node; the receiver's mistakes are raised, the sender's collected."""
        out = Outbox()
        receiver.now = self.now
        try:
            receiver.sessions.check_frame(sender, frame)
            for envelope in frame.envelopes:
                try:
                    receiver.take(sender, envelope, out)
                except PeerError as error:
                    receiver.faults.append(error)
        except PeerError as error:
            receiver.faults.append(error)
        self.carry_out(receiver, out)

    # ------------------------------------------------------------- clock
    def drain(self) -> None:
        """Deliver everything that is on the wire, at the present instant."""
        while self._frames:
            sender, neighbor, frame = self._frames.popleft()
            if (sender.name, self.names[neighbor]) in self.mute:
                continue
            if frozenset((sender.id, neighbor)) in self.up:
                self.deliver(self.nodes[self.names[neighbor]], sender.id, frame)

    def run(self, duration_ms: int) -> None:
        """Let time pass from deadline to deadline."""
        end_ns = self.now.monotonic_ns + duration_ms * NS_PER_MS
        self.drain()
        while True:
            deadlines = (node.deadline_ns() for node in self.nodes.values())
            at_ns = min((d for d in deadlines if d is not None), default=end_ns)
            if at_ns >= end_ns:
                break
            self.advance_to(max(at_ns, self.now.monotonic_ns))
            for node in self.nodes.values():
                due = node.deadline_ns()
                if due is not None and due <= self.now.monotonic_ns:
                    self.carry_out(node, Outbox())
            self.drain()
        self.advance_to(end_ns)

    def advance_to(self, monotonic_ns: int) -> None:
        """Both clocks go on together."""
        passed_ns = monotonic_ns - self.now.monotonic_ns
        utc_ms = self.now.utc_ms + (self.now.monotonic_ns % NS_PER_MS + passed_ns) // NS_PER_MS
        self.now = Now(monotonic_ns, utc_ms)

    def settle(self) -> None:
        """Long enough for any batch to cross the longest path of a rig."""
        self.run(30_000)

    def faults(self) -> list[str]:
        """Everything that any node has refused."""
        return [f"{node.name}: {fault}" for node in self.nodes.values() for fault in node.faults]


def offer(
    price: int = 100_000,
    energy_j: int = 3_600_000,
    offer_no: int = 1,
    direction: Direction = Direction.SUPPLY,
    slots: int = 4,
    **changes: object,
) -> PublishOffer:
    """An offer for the slots after the start of a rig."""
    stated = PublishOffer(
        offer_no=offer_no,
        direction=direction,
        source=SourceClass.SOLAR,
        firmness=Firmness.FIRM,
        first_slot=Slot(START_UTC_S + SLOT_S - START_UTC_S % SLOT_S),
        runs=(OfferRun(slots=slots, energy_j=energy_j, price_micro_per_kwh=price),),
        energy_cap_j=0,
        carbon_mg_per_kwh=0,
        is_default=False,
        lifetime_s=7_200,
    )
    return replace(stated, **changes)  # type: ignore[arg-type]
