"""Telling and withdrawing paths: the entry that this node signs for a neighbour (SPEC section 7).

An entry is signed once per incoming path and neighbour.  It promises nothing
beyond the path that it extends, the attestation of the link or the key that
signs it; half-way through its validity it is signed anew if that gives it a
later end.  A replacement goes out before what it replaces is withdrawn.
"""

from __future__ import annotations

import heapq

from ioe_router.config import NeighborConfig, RouterConfig
from ioe_router.core.evidence import Evidence, Prerequisites, link_of
from ioe_router.core.outbox import Outbox
from ioe_router.core.paths import Path, Target, energy_flow, fee_limit, first_hash, next_hash
from ioe_router.core.rib import AdjRibOut, ToldPath
from ioe_router.model.clock import Now
from ioe_router.model.discovery import LinkAttestation, Role
from ioe_router.model.envelope import Sealed, Sealer
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import LinkId, NodeId, PathHash
from ioe_router.model.routing import PathAdvert, PathEntry, PathWithdrawal


class PathTeller:
    """Signs entries, keeps Adj-RIB-Out in step with what was sent, renews in time."""

    def __init__(
        self,
        config: RouterConfig,
        sealer: Sealer,
        evidence: Evidence,
        prerequisites: Prerequisites,
        told: AdjRibOut,
    ) -> None:
        """Nothing was told."""
        self._config = config
        self._sealer = sealer
        self._evidence = evidence
        self._prerequisites = prerequisites
        self._told = told
        self._renewals: list[tuple[int, NodeId, PathHash]] = []
        self.newly: dict[NodeId, dict[LinkId, None]] = {}  # links told to a neighbour for the first time

    def extends(self, target: Target, incoming: Path | None) -> PathHash:
        """The hash that an entry of ours continues."""
        if incoming is not None:
            return incoming.hash
        return first_hash(self._config.parameters.network_id, *target)

    def replace(
        self,
        neighbor: NodeId,
        target: Target,
        new: tuple[Path | None, ...],
        old: tuple[ToldPath, ...],
        code: ErrorCode,
        now: Now,
        out: Outbox,
    ) -> None:
        """Tell `new` (None: the node's own path) and withdraw `old`, never leaving a gap between them."""
        for incoming in new[:1]:
            self._tell(neighbor, target, incoming, now, out)
        for told in old:
            self.withdraw(told, code, out)
        for incoming in new[1:]:
            self._tell(neighbor, target, incoming, now, out)

    def adopt(self, told: ToldPath, extends: PathHash, now: Now) -> None:
        """Take up a path that the neighbour retains from an earlier session, as if it had just been told."""
        fresh = self._told.add(told, extends)
        self.newly.setdefault(told.neighbor, {}).update(dict.fromkeys(fresh))
        self._schedule_renewal(told, now)

    def repeat(self, told: ToldPath, out: Outbox) -> None:
        """Send a told path once more, as it was signed."""
        link = self._evidence.own_link(told.neighbor)
        if link is not None:
            self._send(told, link, out)

    def withdraw(self, told: ToldPath, code: ErrorCode, out: Outbox) -> None:
        """Take a told path back."""
        self._told.remove(told)
        body = PathWithdrawal(path=told.hash, code=code)
        out.send(told.neighbor, self._sealer.seal(body).envelope)

    def _tell(self, neighbor: NodeId, target: Target, incoming: Path | None, now: Now, out: Outbox) -> bool:
        """Sign and send; False when nothing could be promised for even a second."""
        link = self._evidence.own_link(neighbor)
        if link is None:
            return False
        not_after_utc_s = self._not_after_utc_s(link.body, incoming, now)
        if not_after_utc_s <= now.utc_s:
            return False
        entry = self._sealer.seal(self._entry(neighbor, target, incoming, link, not_after_utc_s))
        told = ToldPath(
            hash=next_hash(entry.body.previous, entry.envelope.signed),
            neighbor=neighbor,
            origin=target[0],
            direction=target[1],
            incoming=incoming,
            entry=entry.envelope,
            link=link_of(link.body),
            fee_micro_per_kwh=entry.body.fee_micro_per_kwh,
            not_after_utc_s=not_after_utc_s,
        )
        fresh = self._told.add(told, entry.body.previous)
        self.newly.setdefault(neighbor, {}).update(dict.fromkeys(fresh))
        self._schedule_renewal(told, now)
        self._send(told, link, out)
        return True

    def _send(self, told: ToldPath, link: Sealed[LinkAttestation], out: Outbox) -> None:
        incoming = told.incoming
        for before in () if incoming is None else incoming.links:
            self._prerequisites.send_attestation(told.neighbor, before.attestation_id, out)
        self._prerequisites.send_attestation(told.neighbor, link.object_id, out)
        entries = (*(() if incoming is None else incoming.entries), told.entry)
        advert = self._sealer.seal(PathAdvert(entries=entries))
        self._prerequisites.send(told.neighbor, advert.envelope, out, inside=entries)

    def _not_after_utc_s(self, link: LinkAttestation, incoming: Path | None, now: Now) -> int:
        ends_utc_s = (
            now.utc_s + self._config.timers.path_lifetime_s,
            link.expires_utc_s,
            self._evidence.own_key.body.expires_utc_s,
        )
        return min(ends_utc_s if incoming is None else (*ends_utc_s, incoming.not_after_utc_s))

    def _entry(
        self,
        neighbor: NodeId,
        target: Target,
        incoming: Path | None,
        link: Sealed[LinkAttestation],
        not_after_utc_s: int,
    ) -> PathEntry:
        origin, direction = target
        stated = self._evidence.neighborhood.of(neighbor)
        flow = energy_flow(link.body, self._config.node, direction)
        return PathEntry(
            origin=origin,
            direction=direction,
            node=self._config.node,
            next_node=neighbor,
            position=0 if incoming is None else len(incoming.links),
            previous=self.extends(target, incoming),
            attestation=link.object_id,
            fee_micro_per_kwh=min(self._fee(stated), fee_limit(link.body, flow)),
            not_after_utc_s=not_after_utc_s,
            only_to_customers=stated.role in (Role.CUSTOMER, Role.PEER),
        )

    def _fee(self, neighbor: NeighborConfig) -> int:
        return max(0, neighbor.fee_micro_per_kwh)

    def restate(self, neighbor: NodeId, now: Now, out: Outbox) -> None:
        """The terms of a neighbour have changed: sign anew what was told to it."""
        for told in tuple(self._told.of(neighbor).labels.values()):
            self.replace(neighbor, told.target, (told.incoming,), (told,), ErrorCode.STALE, now, out)

    # ------------------------------------------------------------- renewal
    def _schedule_renewal(self, told: ToldPath, now: Now) -> None:
        at_utc_s = now.utc_s + max(1, (told.not_after_utc_s - now.utc_s) // 2)
        heapq.heappush(self._renewals, (at_utc_s, told.neighbor, told.hash))

    def renew(self, now: Now, out: Outbox) -> None:
        """Sign anew what is half-way through and would end later; withdraw what has ended."""
        while self._renewals and self._renewals[0][0] <= now.utc_s:
            _, neighbor, path_hash = heapq.heappop(self._renewals)
            told = self._told.told(neighbor, path_hash)
            link = self._evidence.own_link(neighbor)
            if told is None or link is None:
                continue
            if self._not_after_utc_s(link.body, told.incoming, now) > told.not_after_utc_s:
                self.replace(neighbor, told.target, (told.incoming,), (told,), ErrorCode.EXPIRED, now, out)
            elif told.not_after_utc_s <= now.utc_s:
                self.withdraw(told, ErrorCode.EXPIRED, out)
            else:
                self._schedule_renewal(told, now)

    def next_renewal_utc_s(self) -> int | None:
        """When the next entry is half-way through."""
        return self._renewals[0][0] if self._renewals else None
