"""When paths and offers are told to neighbours (SPEC section 7).

Two speeds.  What takes something back (a lost path, a withdrawn offer, less
energy, a worse price) goes out at the end of the call in which it became
known, together with a replacement that is no worse.  Everything else waits
for the next batch, a jittered interval after the first change, so that a node
tells the outcome of many changes once; a replacement that is worse than what
was lost waits, too, which keeps a lost origin from being searched for along
ever longer paths.  Offers that change too often wait longer (damping.py).

What has been told stays told until it is lost, displaced by something better
or has ended: being less attractive than others does not take it back.

Only what changed is looked at: per (origin, direction) for paths, per offer,
and per direction for the choice of offers not told yet.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ioe_router.config import RouterConfig
from ioe_router.core.damping import Damping
from ioe_router.core.entropy import EntropySource, jittered_ms
from ioe_router.core.evidence import Evidence, Prerequisites
from ioe_router.core.export import (
    Candidate,
    best_paths,
    choose_offers,
    extendable,
    may_offer,
    may_transit,
)
from ioe_router.core.offers import OfferChange, OfferTable, is_reduction, key_of
from ioe_router.core.outbox import Outbox
from ioe_router.core.own_adverts import OwnAdverts
from ioe_router.core.paths import Path, Target, energy_flow, rating_va
from ioe_router.core.rib import AdjRibOut, LocRib, OfferKey, Told
from ioe_router.core.told_paths import PathTeller
from ioe_router.model.clock import Now
from ioe_router.model.discovery import Refresh, RefreshPhase
from ioe_router.model.envelope import Envelope, Sealed, Sealer
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import NodeId, PathHash
from ioe_router.model.routing import Direction, Offer

_DIRECTIONS = (Direction.SUPPLY, Direction.DEMAND)


@dataclass(slots=True)
class _Pending:
    """What has changed since it was last told. Dictionaries as ordered sets."""

    lost: dict[Target, dict[PathHash, Path]] = field(default_factory=dict)
    withdrawn: dict[OfferKey, Envelope] = field(default_factory=dict)
    reduced: dict[OfferKey, None] = field(default_factory=dict)
    up: dict[NodeId, None] = field(default_factory=dict)
    # for the next batch
    targets: dict[Target, None] = field(default_factory=dict)
    offers: dict[OfferKey, None] = field(default_factory=dict)
    directions: dict[Direction, None] = field(default_factory=dict)

    def batch_waits(self) -> bool:
        """Whether a batch has anything to look at."""
        return bool(self.targets or self.offers or self.directions)


class Advertisement:
    """Keeps what every neighbour was told in step with what is known."""

    def __init__(
        self,
        config: RouterConfig,
        sealer: Sealer,
        entropy: EntropySource,
        evidence: Evidence,
        prerequisites: Prerequisites,
        known: tuple[LocRib, OfferTable, OwnAdverts],
    ) -> None:
        """Nobody was told anything."""
        self._config = config
        self._neighbors = {n.node: n for n in config.neighbors}
        self._sealer = sealer
        self._entropy = entropy
        self._evidence = evidence
        self._prerequisites = prerequisites
        self._loc_rib, self._offers, self._own = known
        self.told = AdjRibOut()
        self.paths = PathTeller(config, sealer, evidence, prerequisites, self.told)
        self._damping = Damping(config)
        self._damped: dict[OfferKey, None] = {}
        self._damped_until_ns: int | None = None
        self._pending = _Pending()
        self._batch_at_ns: int | None = None

    # ------------------------------------------------------------- what changed
    def neighbor_up(self, neighbor: NodeId) -> None:
        """A session stands: everything is to be told in a refresh."""
        self.told.open(neighbor)
        self._pending.up[neighbor] = None

    def neighbor_down(self, neighbor: NodeId) -> None:
        """A session has ended."""
        self.told.drop(neighbor)
        self.paths.newly.pop(neighbor, None)
        self._pending.up.pop(neighbor, None)

    def path_gained(self, path: Path) -> None:
        """A path was added to the Loc-RIB."""
        self._touch(path.target)

    def path_lost(self, path: Path) -> None:
        """A path was removed from the Loc-RIB."""
        self._pending.lost.setdefault(path.target, {})[path.hash] = path
        self._touch(path.target)

    def _touch(self, target: Target) -> None:
        self._pending.targets[target] = None
        self._pending.directions[target[1]] = None

    def offer_changed(self, change: OfferChange, now: Now) -> None:
        """A version of an offer was taken, received or our own."""
        body = change.after.body
        key = key_of(body)
        if change.before is not None and body.origin != self._config.node:
            self._damping.change(key, now)
        if change.before is not None and is_reduction(
            change.before.body, body, self._config.parameters.slot_s, now
        ):
            self._pending.reduced[key] = None
        self._pending.withdrawn.pop(key, None)
        self._pending.offers[key] = None

    def offer_withdrawn(self, offer: Sealed[Offer], withdrawal: Envelope, now: Now) -> None:
        """An offer was withdrawn by its origin; who was told the offer is told that."""
        key = self._end_offer(offer)
        self._pending.withdrawn[key] = withdrawal
        if key[0] != self._config.node:
            self._damping.change(key, now)

    def offer_ended(self, offer: Sealed[Offer]) -> None:
        """An offer has expired or lost its last path; who was told it sees that as well."""
        key = self._end_offer(offer)
        for neighbor in self.told.neighbors():
            self.told.of(neighbor).offers.pop(key, None)

    def _end_offer(self, offer: Sealed[Offer]) -> OfferKey:
        key = key_of(offer.body)
        self._pending.offers.pop(key, None)
        self._pending.reduced.pop(key, None)
        self._pending.directions[offer.body.direction] = None
        return key

    # ------------------------------------------------------------- telling
    def flush(self, now: Now, out: Outbox) -> None:
        """Send what must go at once, and the batch if its time has come."""
        pending = self._pending
        self.paths.renew(now, out)
        if pending.lost:
            self._tell_losses(now, out)
        if pending.withdrawn:
            self._tell_withdrawals(out)
        if pending.reduced:
            self._tell_reductions(out)
        if pending.up:
            self._tell_everything(now, out)
        self._release_damped(now)
        if not pending.batch_waits():
            self._batch_at_ns = None
        elif self._batch_at_ns is None:
            self._batch_at_ns = now.after_ms(jittered_ms(self._entropy, self._config.timers.advert_ms))
        elif self._batch_at_ns <= now.monotonic_ns:
            self._tell_batch(now, out)

    def deadline_ns(self) -> int | None:
        """When the next batch or the end of a damping is due."""
        times = (self._batch_at_ns, self._damped_until_ns)
        return min((at for at in times if at is not None), default=None)

    def _tell_losses(self, now: Now, out: Outbox) -> None:
        """Withdraw lost paths at once, with replacements that are no worse than the worst that was lost."""
        lost, self._pending.lost = self._pending.lost, {}
        for target, paths in lost.items():
            gone = {h: p for h, p in paths.items() if self._loc_rib.path(h) is None}
            for neighbor in self.told.neighbors():
                told = self.told.of(neighbor).paths.get(target, {})
                old = tuple(t for extends, t in told.items() if extends in gone)
                if not old:
                    continue
                worst = max(t.rank for t in old)
                new = tuple(
                    p for p in self._desired(neighbor, target) if p.hash not in told and p.rank <= worst
                )
                offers = self._told_offers(neighbor, target)
                self.paths.replace(neighbor, target, new[: len(old)], old, ErrorCode.NO_PATH, now, out)
                if target not in self.told.of(neighbor).paths:
                    self._pending.offers.update(dict.fromkeys(offers))

    def _told_offers(self, neighbor: NodeId, target: Target) -> tuple[OfferKey, ...]:
        told = self.told.of(neighbor).offers
        return tuple(k for k, o in told.items() if (o.body.origin, o.body.direction) == target)

    def _tell_withdrawals(self, out: Outbox) -> None:
        withdrawn, self._pending.withdrawn = self._pending.withdrawn, {}
        for neighbor in self.told.neighbors():
            offers = self.told.of(neighbor).offers
            for key, envelope in withdrawn.items():
                if offers.pop(key, None) is not None:
                    self._prerequisites.send(neighbor, envelope, out)

    def _tell_reductions(self, out: Outbox) -> None:
        reduced, self._pending.reduced = self._pending.reduced, {}
        for neighbor in self.told.neighbors():
            self._tell_newer(neighbor, tuple(reduced), out)

    def _tell_newer(self, neighbor: NodeId, keys: tuple[OfferKey, ...], out: Outbox) -> None:
        """Send the latest versions of offers of which the neighbour was told another one."""
        told = self.told.of(neighbor).offers
        for key in keys:
            offer, before = self._offer(key), told.get(key)
            if offer is not None and before is not None and before.object_id != offer.object_id:
                self._send_offer(neighbor, offer, out)

    def _tell_everything(self, now: Now, out: Outbox) -> None:
        """A full refresh for neighbours whose session has just been established."""
        up, self._pending.up = self._pending.up, {}
        for neighbor in up:
            self._send_refresh(neighbor, RefreshPhase.BEGIN, out)
            self._tell_neighbor(neighbor, {}, dict.fromkeys(_DIRECTIONS), now, out)
            self._send_refresh(neighbor, RefreshPhase.END, out)

    def _send_refresh(self, neighbor: NodeId, phase: RefreshPhase, out: Outbox) -> None:
        out.send(neighbor, self._sealer.seal(Refresh(phase=phase)).envelope)

    def _tell_batch(self, now: Now, out: Outbox) -> None:
        pending = self._pending
        self._set_damped_apart(now)
        targets, pending.targets = pending.targets, {}
        offers, pending.offers = tuple(pending.offers), {}
        directions, pending.directions = pending.directions, {}
        self._batch_at_ns = None
        for neighbor in self.told.neighbors():
            choose = dict(directions)
            choose.update(dict.fromkeys(self._untold_directions(neighbor, offers)))
            self._tell_neighbor(neighbor, targets, choose, now, out)
            self._tell_newer(neighbor, offers, out)

    def _untold_directions(self, neighbor: NodeId, keys: tuple[OfferKey, ...]) -> tuple[Direction, ...]:
        told = self.told.of(neighbor).offers
        found = (self._offer(key) for key in keys if key not in told)
        return tuple(offer.body.direction for offer in found if offer is not None)

    def _tell_neighbor(
        self,
        neighbor: NodeId,
        targets: dict[Target, None],
        directions: dict[Direction, None],
        now: Now,
        out: Outbox,
    ) -> None:
        """Bring the paths of changed targets up to date, then choose among the offers not told yet."""
        told = self.told.of(neighbor)
        for target in targets:
            if target in told.paths:
                self._tell_target(neighbor, target, now, out)
        for direction in directions:
            for candidate in self._choose(neighbor, told, direction):
                body = candidate.offer.body
                target = (body.origin, body.direction)
                if target not in told.paths:
                    self._tell_target(neighbor, target, now, out)
                if target in told.paths:
                    self._send_offer(neighbor, candidate.offer, out)

    def _tell_target(self, neighbor: NodeId, target: Target, now: Now, out: Outbox) -> None:
        """Make the told paths of a target the best ones."""
        told = self.told.of(neighbor).paths.get(target, {})
        if target[0] == self._config.node:
            own = self.paths.extends(target, None)
            if own not in told:
                self.paths.replace(neighbor, target, (None,), (), ErrorCode.UNSPECIFIED, now, out)
            return
        desired = self._desired(neighbor, target)
        best = {path.hash for path in desired}
        new = tuple(path for path in desired if path.hash not in told)
        old = tuple(t for extends, t in told.items() if extends not in best)
        self.paths.replace(neighbor, target, new, old, ErrorCode.STALE, now, out)

    def _send_offer(self, neighbor: NodeId, offer: Sealed[Offer], out: Outbox) -> None:
        self.told.of(neighbor).offers[key_of(offer.body)] = offer
        self._prerequisites.send(neighbor, offer.envelope, out)

    # ------------------------------------------------------------- choosing
    def _desired(self, neighbor: NodeId, target: Target) -> tuple[Path, ...]:
        """The best paths of others that a neighbour should be told."""
        return best_paths(self._tellable(neighbor, target), self._config.limits.told_paths_per_origin)

    def _tellable(self, neighbor: NodeId, target: Target) -> tuple[Path, ...]:
        to, links_max = self._neighbors[neighbor], self._config.limits.path_links
        return tuple(
            path
            for path in self._loc_rib.to(target)
            if extendable(path, neighbor, links_max) and may_transit(to, self._neighbors[path.neighbor])
        )

    def _choose(self, neighbor: NodeId, told: Told, direction: Direction) -> tuple[Candidate, ...]:
        """The offers of a direction to tell beside those that are told already."""
        link = self._evidence.own_link(neighbor)
        if link is None:
            return ()
        flow = energy_flow(link.body, self._config.node, direction)
        slot_s = self._config.parameters.slot_s
        candidates = self._candidates(neighbor, told, direction)
        return choose_offers(candidates, told.offers, rating_va(link.body, flow) * slot_s, slot_s)

    def _candidates(self, neighbor: NodeId, told: Told, direction: Direction) -> tuple[Candidate, ...]:
        to = self._neighbors[neighbor]
        ranks: dict[NodeId, int | None] = {self._config.node: 0}
        found: list[Candidate] = []
        own = tuple(o for o in self._own.all() if o.body.direction is direction)
        for offer in (*own, *self._offers.alive(direction)):
            origin = offer.body.origin
            key = key_of(offer.body)
            if not may_offer(to, offer.body) or (key in self._damped and key not in told.offers):
                continue
            if origin not in ranks:
                ranks[origin] = self._best_rank(neighbor, (origin, direction))
            rank = ranks[origin]
            if rank is not None:
                found.append(Candidate(offer=offer, rank=rank))
        return tuple(found)

    def _best_rank(self, neighbor: NodeId, target: Target) -> int | None:
        paths = self._tellable(neighbor, target)
        return paths[0].rank if paths else None

    def _offer(self, key: OfferKey) -> Sealed[Offer] | None:
        """The latest version of an offer, received or our own."""
        return self._own.get(key[1]) if key[0] == self._config.node else self._offers.get(key)

    # ------------------------------------------------------------- damping
    def _set_damped_apart(self, now: Now) -> None:
        """Take the changes of suppressed offers out of the batch."""
        held = [k for k in self._pending.offers if self._damping.suppressed(k, now)]
        for key in held:
            del self._pending.offers[key]
            self._damped[key] = None
            until_ns = self._damping.reuse_at_ns(key)
            if self._damped_until_ns is None or until_ns < self._damped_until_ns:
                self._damped_until_ns = until_ns

    def _release_damped(self, now: Now) -> None:
        """Put held changes back into the batch once the first offer may go on."""
        if self._damped_until_ns is None or self._damped_until_ns > now.monotonic_ns:
            return
        held, self._damped = self._damped, {}
        self._damped_until_ns = None
        self._pending.offers.update(held)
