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

from ioe_router.config import RouterConfig
from ioe_router.core.damping import Damping
from ioe_router.core.entropy import EntropySource, jittered_ms
from ioe_router.core.evidence import Evidence, Prerequisites
from ioe_router.core.offer_changes import is_reduction
from ioe_router.core.offers import OfferChange, OfferTable, key_of
from ioe_router.core.outbox import Outbox
from ioe_router.core.own_adverts import OwnAdverts
from ioe_router.core.paths import Path, Target
from ioe_router.core.pending import Pending
from ioe_router.core.policy import OperatorPolicy
from ioe_router.core.refresh_schedule import RefreshSchedule
from ioe_router.core.retention import ToldBefore, ToldMemory, equal_groups, group_of
from ioe_router.core.rib import AdjRibOut, LocRib, OfferKey, ToldPath
from ioe_router.core.selection import Selection
from ioe_router.core.told_paths import PathTeller
from ioe_router.model.clock import Now
from ioe_router.model.discovery import Refresh, RefreshPhase
from ioe_router.model.envelope import Envelope, Sealed, Sealer
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import NodeId
from ioe_router.model.routing import Direction, Offer

_DIRECTIONS = (Direction.SUPPLY, Direction.DEMAND)


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
        policy: OperatorPolicy,
    ) -> None:
        """Nobody was told anything."""
        self._config = config
        self._sealer = sealer
        self._entropy = entropy
        self._evidence = evidence
        self._prerequisites = prerequisites
        self._loc_rib, _, self._own = known
        self.told = AdjRibOut()
        self.paths = PathTeller(config, sealer, evidence, prerequisites, self.told)
        self._damping = Damping(config)
        self._damped: dict[OfferKey, None] = {}
        self._selection = Selection(config, evidence, known, self._damped, policy)
        self._damped_until_ns: int | None = None
        self._pending = Pending()
        self._batch_at_ns: int | None = None
        self._before = ToldMemory(config.timers.retain_s)
        self.refreshes = RefreshSchedule(config, evidence.neighborhood)
        self._taken_back: dict[tuple[NodeId, Target], None] = {}  # who was told an offer that is barred since

    # ------------------------------------------------------------- what changed
    def neighbor_down(self, neighbor: NodeId, now: Now) -> None:
        """A session has ended; what was told is put aside."""
        told = self.told.drop(neighbor)
        if told is not None:
            self._before.put(neighbor, told, now)
        self.paths.newly.pop(neighbor, None)
        self._taken_back = {one: None for one in self._taken_back if one[0] != neighbor}
        self.refreshes.down(neighbor)

    def path_gained(self, path: Path) -> None:
        """A path was added to the Loc-RIB."""
        self._touch(path.target)

    def path_lost(self, path: Path) -> None:
        """A path was removed from the Loc-RIB."""
        self._pending.lost.setdefault(path.target, {})[path.hash] = path
        self._touch(path.target)

    def judge_again(self, out: Outbox) -> None:
        """The operator's terms have changed: take back what may not be told any more, look for what may.

        What was told before sessions that have ended was told on other terms: it is not taken up again.
        """
        self._before.clear()
        for neighbor in self.told.neighbors():
            table = self.told.of(neighbor)
            for told in tuple(table.labels.values()):
                if not self._may_tell(neighbor, told):
                    self.paths.withdraw(told, ErrorCode.POLICY, out)
            for key, offer in tuple(table.offers.items()):
                if not self._selection.may_tell_offer(neighbor, offer.body):
                    self._take_back(neighbor, key)
        own = {(o.body.origin, o.body.direction) for o in self._own.all()}
        for target in (*self._loc_rib.targets(), *sorted(own)):
            self._touch(target)

    def _may_tell(self, neighbor: NodeId, told: ToldPath) -> bool:
        if told.incoming is None:
            return self._selection.may_tell_own(neighbor, told.target)
        return self._selection.may_tell(neighbor, told.incoming)

    def _take_back(self, neighbor: NodeId, key: OfferKey) -> None:
        """A neighbour must not have an offer any longer.

        Only its origin can withdraw it: the paths to the origin are taken back with all offers that hang
        on them, and what may be told of it is told anew.
        """
        offer = self.told.of(neighbor).offers.pop(key, None)
        if offer is not None:
            target = (offer.body.origin, offer.body.direction)
            self._taken_back[neighbor, target] = None
            self._touch(target)

    def restate(self, neighbor: NodeId, now: Now, out: Outbox) -> None:
        """The fee towards a neighbour, or its role, has changed."""
        if neighbor in self.told.neighbors():
            self.paths.restate(neighbor, now, out)

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

    def offer_barred(self, offer: Sealed[Offer]) -> None:
        """An offer is alive at its origin and no more here, though paths to the origin are."""
        key = self._end_offer(offer)
        for neighbor in self.told.neighbors():
            self._take_back(neighbor, key)

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
        for neighbor, digests in self.refreshes.beginning(now).items():
            self._begin_refresh(neighbor, digests, now, out)
        for neighbor in self.refreshes.ending(now):
            self._tell_all(neighbor, now, out)  # what was learned since the begin does not wait for a batch
            self._send_refresh(neighbor, Refresh(phase=RefreshPhase.END), out)
        self._release_damped(now)
        if not pending.batch_waits():
            self._batch_at_ns = None
        elif self._batch_at_ns is None:
            self._batch_at_ns = now.after_ms(jittered_ms(self._entropy, self._config.timers.advert_ms))
        elif self._batch_at_ns <= now.monotonic_ns:
            self._tell_batch(now, out)

    def deadline_ns(self) -> int | None:
        """When the next batch or the end of a damping is due."""
        times = (self._batch_at_ns, self._damped_until_ns, self.refreshes.deadline_ns())
        return min((at for at in times if at is not None), default=None)

    def repeat(self, neighbor: NodeId, out: Outbox) -> None:
        """Tell a neighbour all that stands told to it once more, as it was signed; the rest is no more."""
        if neighbor not in self.told.neighbors() or self.refreshes.is_open(neighbor):
            return
        self._prerequisites.forget(neighbor)
        self._send_refresh(neighbor, Refresh(phase=RefreshPhase.BEGIN, kept=0), out)
        told = self.told.of(neighbor)
        for path in told.labels.values():
            self.paths.repeat(path, out)
        for offer in told.offers.values():
            self._prerequisites.send(neighbor, offer.envelope, out)
        self._send_refresh(neighbor, Refresh(phase=RefreshPhase.END), out)

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
                    p
                    for p in self._selection.desired(neighbor, target)
                    if p.hash not in told and p.rank <= worst
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
        self._before.note_withdrawals(withdrawn)
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
            offer, before = self._selection.offer(key), told.get(key)
            if offer is None or before is None or before.object_id == offer.object_id:
                continue
            if self._selection.may_tell_offer(neighbor, offer.body):
                self._send_offer(neighbor, offer, out)
            else:
                self._take_back(neighbor, key)

    def _begin_refresh(self, neighbor: NodeId, digests: bytes, now: Now, out: Outbox) -> None:
        """Begin the refresh of a new session: what the neighbour retains counts as told."""
        self.told.open(neighbor)
        before = self._before.take(neighbor, now)
        kept = 0 if before is None else self._kept(before, digests, now)
        self._send_refresh(neighbor, Refresh(phase=RefreshPhase.BEGIN, kept=kept), out)
        if before is not None and kept:
            self._adopt(neighbor, before, kept, now, out)
        self._tell_all(neighbor, now, out)

    def _tell_all(self, neighbor: NodeId, now: Now, out: Outbox) -> None:
        """Tell a neighbour whatever it has not been told."""
        told = dict.fromkeys(self.told.of(neighbor).paths)
        self._tell_neighbor(neighbor, told, dict.fromkeys(_DIRECTIONS), now, out)

    def _kept(self, before: ToldBefore, digests: bytes, now: Now) -> int:
        """The groups that the neighbour has whole; not those of offers that ended without a word."""
        ends = {
            key: min(o.body.expires_utc_s, self._evidence.signers_expire_utc_s(o.envelope))
            for key, o in before.told.offers.items()
        }
        kept = equal_groups(before.digests(ends, now), digests)
        for key in before.told.offers:
            if self._selection.offer(key) is None and key not in before.withdrawn:
                kept &= ~(1 << group_of(key[0]))
        return kept

    def _adopt(self, neighbor: NodeId, before: ToldBefore, kept: int, now: Now, out: Outbox) -> None:
        """Count as told what the neighbour retains, and tell it what has changed since."""
        for extends, path in before.paths_in(kept, now):
            self.paths.adopt(path, extends, now)
        told = self.told.of(neighbor).offers
        told.update(before.offers_in(kept))
        for key, withdrawal in before.withdrawn.items():
            if self._selection.offer(key) is None and told.pop(key, None) is not None:
                self._prerequisites.send(neighbor, withdrawal, out)
        self._tell_newer(neighbor, tuple(told), out)

    def _send_refresh(self, neighbor: NodeId, marker: Refresh, out: Outbox) -> None:
        out.send(neighbor, self._sealer.seal(marker).envelope)

    def _tell_batch(self, now: Now, out: Outbox) -> None:
        pending = self._pending
        self._set_damped_apart(now)
        targets, pending.targets = pending.targets, {}
        offers, pending.offers = tuple(pending.offers), {}
        directions, pending.directions = pending.directions, {}
        self._batch_at_ns = None
        self._withdraw_taken_back(out)
        for neighbor in self.told.neighbors():
            choose = dict(directions)
            choose.update(dict.fromkeys(self._untold_directions(neighbor, offers)))
            self._tell_neighbor(neighbor, targets, choose, now, out)
            self._tell_newer(neighbor, offers, out)

    def _withdraw_taken_back(self, out: Outbox) -> None:
        taken_back, self._taken_back = self._taken_back, {}
        for neighbor, target in taken_back:
            for told in tuple(self.told.of(neighbor).paths.get(target, {}).values()):
                self.paths.withdraw(told, ErrorCode.POLICY, out)

    def _untold_directions(self, neighbor: NodeId, keys: tuple[OfferKey, ...]) -> tuple[Direction, ...]:
        told = self.told.of(neighbor).offers
        found = (self._selection.offer(key) for key in keys if key not in told)
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
            for candidate in self._selection.choose(neighbor, told, direction):
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
            if own not in told and self._selection.may_tell_own(neighbor, target):
                self.paths.replace(neighbor, target, (None,), (), ErrorCode.UNSPECIFIED, now, out)
            return
        desired = self._selection.desired(neighbor, target)
        best = {path.hash for path in desired}
        new = tuple(path for path in desired if path.hash not in told)
        old = tuple(t for extends, t in told.items() if extends not in best)
        self.paths.replace(neighbor, target, new, old, ErrorCode.STALE, now, out)

    def _send_offer(self, neighbor: NodeId, offer: Sealed[Offer], out: Outbox) -> None:
        self.told.of(neighbor).offers[key_of(offer.body)] = offer
        self._prerequisites.send(neighbor, offer.envelope, out)

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
        self._damped_until_ns = None
        self._pending.offers.update(self._damped)
        self._damped.clear()
