"""From node.toml to the parts of a node: keys, neighbours, attested links, router configuration.

What the files behind the configuration say is checked here, so that
`ioe config check` finds before a start what a start would find: a missing
key, a node.pub of somebody else, an attestation of another link.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from ioe_router.adapters.attestation import AttestationFile, open_attestation, read_attestation
from ioe_router.adapters.certificates import expires_utc_s
from ioe_router.adapters.clock import WallClock
from ioe_router.adapters.dialler import Peer
from ioe_router.adapters.external_signer import ExternalSigner
from ioe_router.adapters.keystore import (
    Identity,
    Operational,
    load_ca,
    load_identity,
    load_operational,
    read_node_pub,
    refuse_expired,
    renew_operational,
)
from ioe_router.adapters.peer_server import split_address
from ioe_router.adapters.revocation_files import heeded, read_revocation
from ioe_router.agents.static import StaticAgent
from ioe_router.config import NeighborConfig, RouterConfig, Transit
from ioe_router.daemon.announcing import check_pairing
from ioe_router.daemon.collector import check_telemetry
from ioe_router.daemon.domain import aggregation_config, domain_config, refuse_misfit
from ioe_router.daemon.errors import ConfigRefused, StartRefused
from ioe_router.daemon.peer_files import PeerFile, read_peers
from ioe_router.daemon.policy_settings import policy_of
from ioe_router.daemon.settings import NeighborSection, PolicySection, Settings, read_settings
from ioe_router.daemon.trading import needs_of, offers_of
from ioe_router.model.bech32m import node_short, parse_node
from ioe_router.model.clock import Now
from ioe_router.model.discovery import Role
from ioe_router.model.errors import SignerLost, UsageError
from ioe_router.model.ids import NodeId
from ioe_router.model.parameters import NetworkParameters


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbor:
    """A configured neighbour with what its files say."""

    section: NeighborSection
    node: NodeId
    ca: x509.Certificate
    file: AttestationFile
    where: str  # of the attestation, for errors
    paired: str | None = None  # name of its peer file; None for one of node.toml


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A configuration that has been read and found sound, apart from the node's own keys."""

    settings: Settings
    folder: Path
    node: NodeId
    ca: x509.Certificate
    parameters: NetworkParameters
    neighbors: tuple[Neighbor, ...]
    unlinked: tuple[PeerFile, ...]  # paired, but no link has been attested: no sessions with them

    def named(self) -> dict[str, NodeId]:
        """The neighbours by the names that rules know them by."""
        return {name_of(one): one.node for one in self.neighbors}

    @property
    def peer_folder(self) -> Path:
        """Folder of the paired neighbours."""
        return self.folder / self.settings.pairing.peers

    @property
    def keys(self) -> Path:
        """Folder of the node's keys."""
        return self.folder / self.settings.node.keys

    @property
    def store(self) -> Path:
        """Folder of the node's store: promises, epoch and lock."""
        return self.folder / self.settings.node.store

    @property
    def clock(self) -> WallClock:
        """The clock that the router is to be given."""
        return WallClock(self.settings.node.clock_offset_ms)

    def agent(self) -> StaticAgent:
        """The agent that trades what the configuration says."""
        return StaticAgent(
            self.parameters,
            offers=offers_of(self.settings.agent),
            needs=needs_of(self.settings.agent),
            lifetime_max_s=self.settings.timers.offer_lifetime_max_s,
        )

    def peers(self) -> tuple[Peer, ...]:
        """The neighbours as the transport sees them."""
        return tuple(Peer(node=n.node, ca=n.ca, address=n.section.address) for n in self.neighbors)


def read_plan(path: Path) -> Plan:
    """Read a configuration and every public file it names. ConfigRefused at the first thing wrong."""
    return plan_of(read_settings(path), path)


def plan_of(settings: Settings, path: Path) -> Plan:
    """What settings amount to with the files that they name. ConfigRefused at the first thing wrong."""
    try:
        return _plan(settings, path.resolve().parent)
    except ConfigRefused:
        raise
    except UsageError as error:
        raise ConfigRefused(f"{path}: {error}") from error


def _plan(settings: Settings, folder: Path) -> Plan:
    network = settings.network
    parameters = NetworkParameters(**{name: getattr(network, name) for name in network.__struct_fields__})
    if network.voltage_min_micro_pu >= network.voltage_max_micro_pu:
        raise UsageError("network.voltage_min_micro_pu is not below voltage_max_micro_pu; correct the band")
    if settings.node.listen:
        split_address(settings.node.listen)
    elif settings.pairing.announce:
        raise UsageError("pairing.announce tells of a peer port, and node.listen is empty; name a port")
    if settings.node.health is not None:
        split_address(settings.node.health)
    if settings.node.metrics is not None:
        split_address(settings.node.metrics)
    node, ca = load_ca(folder / settings.node.keys)
    if settings.balance.party is not None:
        parse_node(settings.balance.party)
    split_address(settings.pairing.listen)
    check_pairing(settings.pairing)
    check_telemetry(settings.telemetry)
    peers = read_peers(folder / settings.pairing.peers)
    neighbors = (
        *(_neighbor(section, folder) for section in settings.neighbor),
        *(_neighbor(peer.section, peer.folder, peer.name) for peer in peers if peer.has_link),
    )
    _refuse_odd_neighbors(node, neighbors, settings)
    policy_of(settings.policy, {name_of(one): one.node for one in neighbors})
    return Plan(
        settings=settings,
        folder=folder,
        node=node,
        ca=ca,
        parameters=parameters,
        neighbors=neighbors,
        unlinked=tuple(peer for peer in peers if not peer.has_link),
    )


def _neighbor(section: NeighborSection, folder: Path, paired: str | None = None) -> Neighbor:
    node, ca = read_node_pub(folder / section.node_pub)
    if section.address is not None:
        split_address(section.address)
    where = folder / section.attestation
    file = read_attestation(where)
    return Neighbor(section=section, node=node, ca=ca, file=file, where=str(where), paired=paired)


def name_of(neighbor: Neighbor) -> str:
    """What a neighbour is called in rules and logs."""
    stated = neighbor.section.name or neighbor.paired
    return stated or _name_of_file(Path(neighbor.section.node_pub))


def _name_of_file(node_pub: Path) -> str:
    """`east` for neighbors/east.node.pub, and for ../east/keys/node.pub."""
    stem = node_pub.name.removesuffix(".pub").removesuffix(".node")
    folders = [part for part in node_pub.parts[:-1] if part not in ("keys", "..", ".", node_pub.anchor)]
    return folders[-1] if stem == "node" and folders else stem


def _refuse_odd_neighbors(node: NodeId, neighbors: tuple[Neighbor, ...], settings: Settings) -> None:
    seen: set[NodeId] = set()
    for neighbor in neighbors:
        if neighbor.node == node:
            raise UsageError(f"{neighbor.section.node_pub} is this node's own; put the neighbour's there")
        if neighbor.node in seen:
            raise UsageError(
                f"neighbour {node_short(neighbor.node)} is configured twice; leave one of the two out"
            )
        seen.add(neighbor.node)
    names = [neighbor.section.name for neighbor in neighbors if neighbor.section.name is not None]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"two neighbours are called {twice!r}; give one of them another neighbor.name")
    if len(seen) > settings.limits.neighbors:
        raise UsageError(f"{len(seen)} neighbours exceed limits.neighbors; raise the limit")


# ------------------------------------------------------------------ keys


def own_key(
    plan: Plan,
    now: Now,
    wall_utc_s: int,
    secret: Callable[[], bytes | None],
    external: ExternalSigner | None = None,
) -> Operational:
    """The operational key in force; the first one is made here when the identity key is at hand.

    StartRefused when no key can be used.
    """
    network_id = plan.parameters.network_id
    try:
        held = load_operational(plan.keys, network_id, now, external)
        if held is None:
            identity = load_identity(plan.keys, passphrase=secret())
            _refuse_bad_clock(identity, wall_utc_s)
            lifetime_s = plan.settings.node.operational_lifetime_s
            held = renew_operational(
                plan.keys,
                identity,
                network_id=network_id,
                now=now,
                wall_utc_s=wall_utc_s,
                lifetime_s=lifetime_s,
            )
        refuse_expired(held, plan.ca, now, wall_utc_s)
        _refuse_revoked(held, plan)
    except (UsageError, SignerLost) as error:
        raise StartRefused(str(error)) from error
    return held


def _refuse_revoked(held: Operational, plan: Plan) -> None:
    for path in heeded(plan.keys):
        body = read_revocation(path).body
        if (body.node, body.network_id) == (held.node, plan.parameters.network_id):
            refuse_revoked(held.statement.body.serial <= body.up_to_serial)


def refuse_revoked(revoked: bool) -> None:
    """UsageError when the operational key in use has been revoked."""
    if revoked:
        raise UsageError("the operational key is revoked; make another with 'ioe identity rotate'")


def is_due(held: Operational, now: Now, wall_utc_s: int) -> bool:
    """Whether half of the key's life is over, so that its renewal should be prepared."""
    body = held.statement.body
    half_s = (body.expires_utc_s - body.issued_utc_s) // 2
    return now.utc_s + half_s >= body.expires_utc_s or wall_utc_s + half_s >= expires_utc_s(held.certificate)


def _refuse_bad_clock(identity: Identity, wall_utc_s: int) -> None:
    """A key issued by a wrong clock would be refused by everybody else, so none is issued."""
    if wall_utc_s < int(identity.ca.not_valid_before_utc.timestamp()):
        raise StartRefused("this machine's clock shows a time before the identity was made; set the clock")


# ------------------------------------------------------------------ router


def router_config(plan: Plan, now: Now) -> RouterConfig:
    """What the router is told. ConfigRefused when an attestation is not that of the link it stands for."""
    settings, connection, balance = plan.settings, plan.settings.connection, plan.settings.balance
    config = RouterConfig(
        node=plan.node,
        parameters=plan.parameters,
        neighbors=tuple(_attested(neighbor, plan, now) for neighbor in plan.neighbors),
        policy=policy_of(settings.policy, plan.named()),
        balance_party=parse_node(balance.party) if balance.party is not None else None,
        connection_import_w=connection.import_w,
        connection_export_w=connection.export_w,
        reactive_max_var=connection.reactive_max_var,
        slack_voltage_micro_pu=connection.slack_voltage_micro_pu,
        imbalance_short_micro_per_kwh=balance.imbalance_short_micro_per_kwh,
        imbalance_long_micro_per_kwh=balance.imbalance_long_micro_per_kwh,
        forecast_margin_ppm=connection.forecast_margin_ppm,
        timers=settings.timers,
        limits=settings.limits,
        budgets=settings.budgets,
        aggregation=aggregation_config(settings.aggregation),
        domain=domain_config(settings.domain, plan.folder, plan.parameters.network_id, now),
    )
    refuse_misfit(config)
    return config


def _attested(neighbor: Neighbor, plan: Plan, now: Now) -> NeighborConfig:
    try:
        sealed = open_attestation(neighbor.file, plan.parameters.network_id, now, neighbor.where)
    except UsageError as error:
        raise ConfigRefused(str(error)) from error
    if {sealed.body.keeper, sealed.body.other} != {plan.node, neighbor.node}:
        name = node_short(neighbor.node)
        raise ConfigRefused(f"{neighbor.where} is not about the link to {name}; name the right file")
    section = neighbor.section
    return NeighborConfig(
        node=neighbor.node,
        attestation=sealed.envelope,
        role=Role[section.role.upper()],
        transit=_transit(section, plan.settings.policy),
        fee_micro_per_kwh=section.fee_micro_per_kwh,
    )


def _transit(section: NeighborSection, policy: PolicySection) -> Transit | None:
    """What the neighbour's own table says, else what the policy says for all."""
    if section.transit is not None:
        return Transit(section.transit)
    return None if policy.transit else Transit.NONE
