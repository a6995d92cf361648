"""What changes when the operator changes the configuration of a running router (SPEC section 6.12).

    neighbour added    a port, a session as soon as its transport stands
    neighbour removed  Close, its paths are withdrawn; what is committed over its link stays on the books
    role, attestation  the session ends and comes back on the new terms: both are stated in HELLO
    fee, transit       what was told is signed anew or taken back; the session goes on
    policy             what may pass now does, what may not is taken back; promises are not touched
    own connection     stated to the zone; the operating envelope follows

Everything else (identity, network, timers, limits, budgets, domain) is fixed for the
life of a router, and so is what a link's ledger is computed with: another attestation may
renew dates, ratings' names and fees, not the line.  `refuse` says so before anything is done.

A neighbour that was removed leaves its port behind until no reservation names it any
more; a restart in between finds the attestation in the record of that neighbour.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ioe_router.config import NeighborConfig, RouterConfig
from ioe_router.core.aggregation import check_aggregation
from ioe_router.core.durable import envelope_to, to_record
from ioe_router.core.effects import RecordKind
from ioe_router.core.inputs import Reconfigure
from ioe_router.core.operation_events import Reconfigured
from ioe_router.core.outbox import Outbox
from ioe_router.core.parts import Parts
from ioe_router.core.ports import Port, make_port
from ioe_router.core.session_fsm import SessionState
from ioe_router.core.zone import check_tree
from ioe_router.model.bech32m import node_short
from ioe_router.model.clock import Now
from ioe_router.model.discovery import Role
from ioe_router.model.envelope import Envelope
from ioe_router.model.errors import ErrorCode, UsageError
from ioe_router.model.ids import NodeId

CHANGEABLE: Final = frozenset(
    {
        "neighbors",
        "policy",
        "connection_import_w",
        "connection_export_w",
        "reactive_max_var",
        "forecast_margin_ppm",
        "imbalance_short_micro_per_kwh",
        "imbalance_long_micro_per_kwh",
    }
)
_NEW_TERMS: Final = "the terms of this link have changed; the session comes back on the new ones"
_BACK_S: Final = 30  # for the neighbour to keep what it was told until then


def refuse(parts: Parts, config: RouterConfig) -> None:
    """UsageError when a running router cannot take this configuration up; nothing is changed."""
    before = parts.config
    for name in RouterConfig.__dataclass_fields__:
        if name not in CHANGEABLE and getattr(before, name) != getattr(config, name):
            raise UsageError(f"{name} is fixed for the life of a router; restart the node to change it")
    if len(config.neighbors) > config.limits.neighbors:
        raise UsageError(f"{len(config.neighbors)} neighbours exceed limits.neighbors; raise the limit")
    ports = tuple(_port_of(parts, one, config) for one in config.neighbors)
    check_tree(ports)
    check_aggregation(config)
    domains = parts.evidence.domains
    domains.check_roles(config.neighbors, domains.member(config.node))
    for port in ports:
        _refuse_other_line(parts, port)


def _port_of(parts: Parts, neighbor: NeighborConfig, config: RouterConfig) -> Port:
    sealed = parts.sealer.peek_attestation(neighbor.attestation)
    return make_port(config.node, sealed, config.parameters.slot_s, neighbor.fee_micro_per_kwh)


def _refuse_other_line(parts: Parts, new: Port) -> None:
    """The ledger of a link is computed with its model and kept by one end."""
    known = next((port for port in parts.ports.all() if port.neighbor == new.neighbor), None)
    if known is None:
        return
    if (known.link, known.keeper, known.radial, known.model) != (new.link, new.keeper, new.radial, new.model):
        raise UsageError(
            f"the attestation of the link to {node_short(new.neighbor)} is of another line;"
            " restart the node to take it up"
        )


def reconfigure(parts: Parts, asked: Reconfigure, now: Now, out: Outbox) -> None:
    """Take a configuration up. UsageError: not in a running router."""
    config, before = asked.config, {one.node: one for one in parts.config.neighbors}
    refuse(parts, config)
    after = {one.node: one for one in config.neighbors}
    removed = tuple(node for node in before if node not in after)
    added = tuple(one for one in config.neighbors if one.node not in before)
    changed = tuple(one for one in config.neighbors if before.get(one.node, one) != one)
    policy = parts.config.policy != config.policy
    parts.config = config
    parts.evidence.neighborhood.replace(config.neighbors)
    parts.evidence.follow()
    for node in removed:
        _remove(parts, node, before[node].attestation, now, out)
    for one in (*added, *changed):
        parts.ports.enter(_port_of(parts, one, config))
        _note_neighbor(parts, one.node, None, out)
    _follow(parts, config, now)
    for one in changed:
        _renew_session(parts, before[one.node], one, out)
    for one in (*added, *changed):
        parts.sessions.enter(one)
    if policy:
        parts.routing.policy.state(config.policy)
    if policy or removed or changed:  # a new neighbour alone changes nothing for others
        restated = tuple(one.node for one in changed if _told_terms(before[one.node]) != _told_terms(one))
        parts.routing.judge_again(now, out, tuple(filter(parts.sessions.established, restated)))
    out.emit(
        Reconfigured(
            added=tuple(one.node for one in added),
            removed=removed,
            changed=tuple(one.node for one in changed),
            policy=policy,
        )
    )


def _follow(parts: Parts, config: RouterConfig, now: Now) -> None:
    """Every part that keeps something per neighbour or link."""
    count = len(config.neighbors)
    parts.routing.share_among(count)
    parts.reservations.share_among(count)
    parts.ports.state_margin(config.forecast_margin_ppm)
    parts.zone.follow(config, parts.ports.present(), now)
    parts.fib.follow(config, parts.ports.all())
    parts.settlement.follow(parts.ports.all())
    parts.imbalance.default_prices = (
        config.imbalance_short_micro_per_kwh,
        config.imbalance_long_micro_per_kwh,
    )


# ------------------------------------------------------------------ neighbours


def _remove(parts: Parts, node: NodeId, attestation: Envelope, now: Now, out: Outbox) -> None:
    idle = parts.sessions.state(node) is SessionState.IDLE
    parts.sessions.dismiss(node, out)
    if not idle:
        parts.routing.neighbor_down(node, 0, now, out)
    parts.routing.forget_neighbor(node, now, out)
    parts.ports.dismiss(node)
    _note_neighbor(parts, node, attestation, out)


def _note_neighbor(parts: Parts, node: NodeId, attestation: Envelope | None, out: Outbox) -> None:
    """Make durable that a node is a neighbour no more, with what its link was, or that it is one again."""
    values: dict[str, object] = {"epoch": parts.sessions.seen_epoch(node)}
    if attestation is not None:
        values["former"] = envelope_to(attestation)
    out.persist(RecordKind.NEIGHBOR, node, to_record(values))


def _renew_session(parts: Parts, before: NeighborConfig, after: NeighborConfig, out: Outbox) -> None:
    """What HELLO states cannot change within a session."""
    if (before.role, before.attestation) != (after.role, after.attestation):
        parts.sessions.close(after.node, ErrorCode.SHUTTING_DOWN, _NEW_TERMS, out, _BACK_S)


def _told_terms(neighbor: NeighborConfig) -> tuple[int, Role]:
    return neighbor.fee_micro_per_kwh, neighbor.role


def forget_former(parts: Parts, out: Outbox) -> None:
    """Let go of the ports of former neighbours that no reservation names any more."""
    former = parts.ports.former()
    if not former:
        return
    named = {leg.port.neighbor for record in parts.reservations.all() for leg in record.legs()}
    for node in former:
        if node not in named:
            parts.ports.drop(node)
            _note_neighbor(parts, node, None, out)
    parts.fib.follow(parts.config, parts.ports.all())
    parts.settlement.follow(parts.ports.all())


def restore_former(parts: Parts, node: NodeId, attestation: Envelope) -> None:
    """After a restart: a neighbour that was removed has left promises behind."""
    if node in parts.evidence.neighborhood:
        return
    sealed = parts.sealer.peek_attestation(attestation)
    parts.ports.enter(make_port(parts.config.node, sealed, parts.config.parameters.slot_s, 0))
    parts.ports.dismiss(node)
    parts.fib.follow(parts.config, parts.ports.all())
    parts.settlement.follow(parts.ports.all())


# ------------------------------------------------------------------ what could be done


def taken_up(before: RouterConfig, after: RouterConfig) -> tuple[RouterConfig, tuple[str, ...]]:
    """What a running router can take up, and the names of the fields that wait for a restart."""
    names = RouterConfig.__dataclass_fields__
    waiting = tuple(n for n in names if n not in CHANGEABLE and getattr(before, n) != getattr(after, n))
    kept = {name: getattr(before, name) for name in waiting}
    return replace(after, **kept), waiting


def session_ends(before: RouterConfig, after: RouterConfig) -> tuple[NodeId, ...]:
    """With whom the session ends when one configuration follows the other."""
    kept = {one.node: (one.role, one.attestation) for one in after.neighbors}
    return tuple(one.node for one in before.neighbors if kept.get(one.node) != (one.role, one.attestation))
