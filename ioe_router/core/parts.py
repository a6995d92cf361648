"""The parts of the core and how they are joined; the only place that knows all of them (SPEC section 3).

    objects from neighbours --> dispatch.py --+
    inputs of the host  ------> commands.py --+--> the parts below --> Outbox
    the clock  ---------------> steps.py -----+

Parts do not call each other's insides: what one needs of another is handed to
it here as a lookup or a listener.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

from ioe_router.config import RouterConfig
from ioe_router.core.admission import Admission
from ioe_router.core.aggregation import Aggregation
from ioe_router.core.commit_path import CommitPath
from ioe_router.core.cover import CoverDesk
from ioe_router.core.curtailment import Curtailments
from ioe_router.core.echoes import Echoes
from ioe_router.core.entropy import EntropySource
from ioe_router.core.evidence import Evidence, Prerequisites
from ioe_router.core.fib import Fib
from ioe_router.core.grant_path import GrantPath
from ioe_router.core.hold_path import HoldPath
from ioe_router.core.hop import Hop as ReservationHop
from ioe_router.core.host_clock import HostClock
from ioe_router.core.imbalance import AtOrigin, Countersigner, Hop, Imbalance
from ioe_router.core.market import RibMarket
from ioe_router.core.origin_desk import OwnOriginDesk
from ioe_router.core.own_offers import OwnOffers
from ioe_router.core.ports import Port, Ports, make_port
from ioe_router.core.preemption import Preemption
from ioe_router.core.promises import Promises
from ioe_router.core.proofs import Proofs
from ioe_router.core.quotas import Quotas
from ioe_router.core.refusals import Refusals
from ioe_router.core.release_path import ReleasePath
from ioe_router.core.repeats import Repeats
from ioe_router.core.replace_desk import ReplaceDesk
from ioe_router.core.replacement import Replacements
from ioe_router.core.reservation import ReservationTable
from ioe_router.core.revocations import Revocations
from ioe_router.core.routing import Routing
from ioe_router.core.session import Sessions
from ioe_router.core.settlement import Settlement
from ioe_router.core.slots import SlotClock
from ioe_router.core.supply import LossSupply
from ioe_router.core.sweep import Sweeps
from ioe_router.core.trade import TradeDesk
from ioe_router.core.zone import Zone
from ioe_router.model.clock import Now
from ioe_router.model.discovery import LinkAttestation, OperationalKey
from ioe_router.model.envelope import Envelope, Sealed
from ioe_router.model.ids import NodeId, PathHash
from ioe_router.model.routing import Direction

T = TypeVar("T")


class NodeSealer(Countersigner, Protocol):
    """What the core needs of the codec beyond sealing and opening."""

    def peek_attestation(self, envelope: Envelope) -> Sealed[LinkAttestation]:
        """Decode a configured attestation; its signatures are checked at the handshake."""
        ...

    def use_key(self, sealed: Sealed[OperationalKey], now: Now) -> None:
        """Sign with another operational key of this node from now on. UsageError when that cannot be."""
        ...

    def revoke(self, node: NodeId, up_to_serial: int) -> None:
        """From now on no key of `node` with this serial or a lower one counts."""
        ...

    def recall(self, envelope: Envelope, body: type[T]) -> Sealed[T]:
        """Decode an object of this node's own store: it was verified before it was stored. PeerError."""
        ...


class Parts:
    """One node's core, assembled."""

    def __init__(
        self,
        config: RouterConfig,
        sealer: NodeSealer,
        entropy: EntropySource,
        own_key: Sealed[OperationalKey],
    ) -> None:
        """All tables empty; raises UsageError for a configuration that no node can run with."""
        self.config = config
        self.sealer = sealer
        self.evidence = Evidence(config, own_key)
        self.evidence.domains.load(sealer.open)
        self.prerequisites = Prerequisites(self.evidence)
        self.revocations = Revocations(config, self.evidence)
        self.proofs = Proofs(self.evidence)
        self.refusals = Refusals()
        post = self.prerequisites.send
        self.sessions = Sessions(config, sealer, entropy, self.evidence, self.prerequisites)
        self.echoes = Echoes(sealer, entropy, self.sessions)
        self.routing = Routing(config, sealer, entropy, self.evidence, self.prerequisites)
        all_ports = _make_ports(config, sealer)
        self.zone = Zone(config, sealer, all_ports, post, self.evidence.proven)
        self.ports = Ports(
            config.node, config.parameters, config.forecast_margin_ppm, all_ports, self.zone.limits
        )
        self.slots = SlotClock(config.parameters)
        self.supply = LossSupply(self.ports)
        self.sweeps = Sweeps(config, self.zone, sealer, post)
        self.fib = Fib(config, all_ports)
        self.settlement = Settlement(config, sealer, all_ports, post)
        self.imbalance = Imbalance(
            config, sealer, self._route_to, self._forward, post, self.evidence.domains.has_party
        )
        self._join_reservations(config, sealer, entropy)
        self.clock = self.sessions.clock = self.desk.clock = HostClock()
        self.promises = Promises(
            self.evidence, self.ports, self.reservations, self.settlement, self.imbalance, self.supply
        )
        self.restored = False  # an earlier life's records have been taken up

    def _join_reservations(self, config: RouterConfig, sealer: NodeSealer, entropy: EntropySource) -> None:
        self.own_offers = OwnOffers(config.parameters.slot_s)
        self.market = RibMarket(config, self.routing, self.ports)
        self.repeats = Repeats()
        self.reservations = ReservationTable(config)
        self.desk = TradeDesk(config, sealer, entropy, self.market, self.own_offers)
        self.replacements = Replacements(config.parameters, self.reservations, self.own_offers)
        self.replace_desk = ReplaceDesk(
            config,
            sealer,
            entropy,
            self.market,
            self.reservations,
            self.own_offers,
            self.desk,
            self.replacements,
        )
        domains = self.evidence.domains
        self.aggregation = Aggregation(config, domains, self.routing, self.market, self.own_offers)
        self.cover = CoverDesk(
            config,
            sealer,
            entropy,
            self.aggregation,
            self.market,
            self.reservations,
            self.own_offers,
            self.replace_desk,
        )
        origin = OwnOriginDesk(config.parameters, self.own_offers)
        hop = ReservationHop(
            config,
            sealer,
            self.prerequisites,
            self.ports,
            self.reservations,
            origin,
            self.replacements,
            self.cover.answered,
        )
        self.grants = GrantPath(hop)
        quotas = Quotas(config, self.reservations)
        self.curtailments = Curtailments(hop, self.desk)
        preemption = Preemption(config.parameters, self.reservations, self.curtailments)
        admission = Admission(hop.legs, quotas, preemption)
        self.holds = HoldPath(hop, self.grants, self.market, admission, quotas)
        self.commits = CommitPath(hop, self.grants, self.cover)
        self.releases = ReleasePath(hop, self.commits)
        self.desk.connect(self.holds, self.commits, self.releases)
        self.replace_desk.connect(self.holds, self.commits, self.releases)
        self.cover.connect(self.holds, self.commits, self.releases)

    def _route_to(self, party: NodeId) -> Hop | None:
        """The best way to the balance party: any path that leads there."""
        for direction in (Direction.SUPPLY, Direction.DEMAND):
            for path in self.routing.paths_to(party, direction):
                return path.neighbor, path.hash
        return None

    def _forward(self, neighbor: NodeId, label: PathHash) -> Hop | AtOrigin | None:
        onward = self.market.onward(neighbor, label)
        if onward is None:
            return None
        return AtOrigin.HERE if onward.neighbor is None else (onward.neighbor, onward.label)


def _make_ports(config: RouterConfig, sealer: NodeSealer) -> tuple[Port, ...]:
    slot_s = config.parameters.slot_s
    return tuple(
        make_port(config.node, sealer.peek_attestation(n.attestation), slot_s, n.fee_micro_per_kwh)
        for n in config.neighbors
    )
