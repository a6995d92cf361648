"""The routing half of a router: one door for everything heard and told (SPEC section 7).

    heard objects --> paths.py, offers.py, link_state.py   is it good?
                        |
                     rib.py                                 what can be used?
                        |
                     advertisement.py (export.py)           what is told to whom, and when?

Nothing is sent while objects are taken in.  At the end of each call the
router calls `due`, which sends the outcome: what takes something back at
once, everything else in batches.
"""

from __future__ import annotations

from ioe_router.config import RouterConfig
from ioe_router.core.advertisement import Advertisement
from ioe_router.core.entropy import EntropySource
from ioe_router.core.events import OfferLearned, OfferLost, OriginLost
from ioe_router.core.evidence import Evidence, Prerequisites
from ioe_router.core.inputs import PublishOffer
from ioe_router.core.link_state import LinkLoad, LinkStates
from ioe_router.core.offers import OfferChange, OfferTable, key_of
from ioe_router.core.outbox import Outbox
from ioe_router.core.own_adverts import OwnAdverts
from ioe_router.core.paths import Path, PathChecker
from ioe_router.core.policy import OperatorPolicy
from ioe_router.core.retention import HeardBefore, is_kept
from ioe_router.core.rib import AdjRibIn, LocRib, OfferKey
from ioe_router.core.routing_lookups import RoutingLookups, Tables
from ioe_router.model.clock import MS_PER_S, NS_PER_MS, Now
from ioe_router.model.discovery import Refresh, RefreshPhase, Retained
from ioe_router.model.envelope import ObjectType, Sealed, Sealer
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.ids import LinkId, NodeId, PathHash
from ioe_router.model.proof import Proof
from ioe_router.model.routing import (
    LinkState,
    Offer,
    OfferWithdrawal,
    PathAdvert,
    PathWithdrawal,
)
from ioe_router.model.slot import Slot


class Routing(RoutingLookups):
    """Paths, offers and link states of one node."""

    def __init__(
        self,
        config: RouterConfig,
        sealer: Sealer,
        entropy: EntropySource,
        evidence: Evidence,
        prerequisites: Prerequisites,
    ) -> None:
        """Knows nothing and has told nothing; `start` before anything else."""
        self.policy = OperatorPolicy(config.policy)
        known = (
            LocRib(config),
            OfferTable(config, evidence, self.policy),
            OwnAdverts(config, sealer, evidence),
        )
        self._advertisement = Advertisement(
            config, sealer, entropy, evidence, prerequisites, known, self.policy
        )
        tables = Tables(AdjRibIn(config), known[0], self._advertisement.told, *known[1:])
        super().__init__(config.node, tables, LinkStates(config, sealer, evidence, prerequisites))
        self._sealer = sealer
        self._retain_ms = config.timers.retain_s * MS_PER_S
        self._evidence = evidence
        self._checker = PathChecker(config, sealer, evidence)
        self._deadline_ns: int | None = None
        self._before: dict[NodeId, HeardBefore] = {}
        self._stale_offers: dict[NodeId, dict[OfferKey, None]] = {}  # not told again yet

    def start(self, epoch: int, now: Now) -> None:
        """Set the epoch of everything that this node signs as an origin or keeper; begin to learn."""
        self._own.start(epoch)
        self._link_states.start(epoch)
        self._advertisement.refreshes.start(now)

    # ------------------------------------------------------------- sessions
    def neighbor_up(self, neighbor: NodeId, now: Now, out: Outbox, *, resumes: bool) -> None:
        """A session is established: say what is retained of an earlier one, if that is agreed on.

        The neighbour is told everything at the next `due`, or once it has said what it retains.
        """
        if resumes:
            body = Retained(digests=self._retained(neighbor, now))
            out.send(neighbor, self._sealer.seal(body).envelope)
        self._advertisement.refreshes.up(neighbor, now, resumes=resumes)

    def neighbor_down(self, neighbor: NodeId, restart_s: int, now: Now, out: Outbox) -> None:
        """A session has ended: withdraw what the neighbour has told, unless it has announced a restart."""
        self._advertisement.neighbor_down(neighbor, now)
        if restart_s:
            # an announcement again before all was told again does not prolong the wait
            until_ns = now.after_ms(restart_s * MS_PER_S)
            self._restarting[neighbor] = min(until_ns, self._restarting.get(neighbor, until_ns))
            self._heard.suspend(neighbor)
            self._stale_offers[neighbor] = dict.fromkeys(self._offers.heard_from(neighbor))
            return
        self._restarting.pop(neighbor, None)
        self._stale_offers.pop(neighbor, None)
        before = HeardBefore(self._heard.of(neighbor), self._offers.heard_from(neighbor))
        if before.paths:
            before.until_ns = now.after_ms(self._retain_ms)
            self._before[neighbor] = before
        for path in self._heard.drop(neighbor):
            self._lose(path, out)

    def _retained(self, neighbor: NodeId, now: Now) -> bytes:
        """The digests of what is held of a neighbour's earlier session."""
        if neighbor in self._restarting:
            held = HeardBefore(self._heard.of(neighbor), self._offers.heard_from(neighbor))
            return held.digests(now)
        before = self._before.get(neighbor)
        if before is None:
            return b""
        if before.until_ns <= now.monotonic_ns:
            del self._before[neighbor]
            return b""
        return before.digests(now)

    def repeat(self, neighbor: NodeId, out: Outbox) -> None:
        """Tell a neighbour once more what stands told to it."""
        self._advertisement.repeat(neighbor, out)

    def hear_retained(self, neighbor: NodeId, body: Retained) -> None:
        """A neighbour says what it retains of what it was told here; only the rest is told to it."""
        self._advertisement.refreshes.retained(neighbor, body.digests)

    def hear_refresh(self, neighbor: NodeId, body: Refresh, now: Now, out: Outbox) -> None:
        """Begin or end of a refresh; at the end what was not told again is withdrawn."""
        if body.phase is RefreshPhase.BEGIN:
            self._begin_refresh(neighbor, body.kept, now, out)
            return
        stale = self._heard.end_refresh(neighbor)
        self._sweep(neighbor, stale, out)
        self._restarting.pop(neighbor, None)
        self._advertisement.refreshes.heard_end(neighbor)

    def _begin_refresh(self, neighbor: NodeId, kept: int, now: Now, out: Outbox) -> None:
        self._heard.begin_refresh(neighbor, lambda path: is_kept(kept, path.origin))
        heard = self._offers.heard_from(neighbor)
        self._stale_offers[neighbor] = {key: None for key in heard if not is_kept(kept, key[0])}
        before = self._before.pop(neighbor, None)
        if before is None or not kept:
            return
        for path in before.paths.values():
            if is_kept(kept, path.origin) and path.not_after_utc_s > now.utc_s:
                self._take_back(path)
        for key, offer in before.offers.items():
            if is_kept(kept, key[0]) and self._heard.has(neighbor, (key[0], offer.direction)):
                change = self._offers.hear_again(neighbor, key)
                if change is not None:
                    self._advertisement.offer_changed(change, now)
                    out.emit(OfferLearned(offer=change.after))

    def _take_back(self, path: Path) -> None:
        """A path that was put aside counts as told again; one for which there is no room is left out."""
        try:
            self._add(path)
        except PeerError:
            return

    def _sweep(self, neighbor: NodeId, stale: tuple[PathHash, ...], out: Outbox) -> None:
        """Withdraw what a neighbour has not told again."""
        for path_hash in stale:
            self._forget(neighbor, path_hash, out)
        for key in self._stale_offers.pop(neighbor, {}):
            ended = self._offers.unhear_offer(neighbor, key, out)
            if ended is not None:
                self._advertisement.offer_barred(ended)

    # ------------------------------------------------------------- paths
    def hear_path(self, neighbor: NodeId, sealed: Sealed[PathAdvert], now: Now) -> None:
        """A neighbour tells a path. PeerError names what is wrong with it."""
        self._add(self._checker.check(neighbor, sealed.body, now))

    def _add(self, path: Path) -> None:
        if not self._heard.add(path):
            return
        let_in = self.policy.imports.path(path.neighbor, path.target).accepted
        try:
            self._loc_rib.add(path, barred=not let_in)
        except PeerError:
            self._heard.remove(path.neighbor, path.hash)
            raise
        if let_in:
            self._advertisement.path_gained(path)

    def hear_path_withdrawal(self, neighbor: NodeId, sealed: Sealed[PathWithdrawal], out: Outbox) -> None:
        """A neighbour takes a path back; an unknown one is no mistake, it may have been refused here."""
        self._forget(neighbor, sealed.body.path, out)

    def _forget(self, neighbor: NodeId, path_hash: PathHash, out: Outbox) -> None:
        path = self._heard.remove(neighbor, path_hash)
        if path is not None:
            self._lose(path, out)

    def expel(self, nodes: frozenset[NodeId], out: Outbox) -> None:
        """These nodes belong no more: every path that leads to one or through one is lost."""
        for path in (*self.all_paths(), *self._loc_rib.barred()):
            if not nodes.isdisjoint(path.nodes):
                self._forget(path.neighbor, path.hash, out)
        for before in self._before.values():
            before.paths = {k: p for k, p in before.paths.items() if nodes.isdisjoint(p.nodes)}

    def _lose(self, path: Path, out: Outbox) -> None:
        """Take a path, which Adj-RIB-In has forgotten, out of use with the offers that hung on it."""
        if self._loc_rib.remove(path):
            self._note_lost(path, out)
        if not self._heard.has(path.neighbor, path.target):
            for offer in self._offers.unhear(path.neighbor, path.target, out):
                self._advertisement.offer_ended(offer)

    def _note_lost(self, path: Path, out: Outbox) -> None:
        self._advertisement.path_lost(path)
        if not self._loc_rib.has(path.target):
            origin, direction = path.target
            out.emit(OriginLost(origin=origin, direction=direction))

    # ------------------------------------------------------------- the operator's terms
    def share_among(self, neighbors: int) -> None:
        """There are so many neighbours from now on."""
        for table in (self._heard, self._loc_rib, self._offers, self._link_states):
            table.share_among(neighbors)

    def forget_neighbor(self, neighbor: NodeId, now: Now, out: Outbox) -> None:
        """A node is no neighbour any more: nothing of it is retained, and no restart waited for."""
        if neighbor in self._restarting:
            self.neighbor_down(neighbor, 0, now, out)
        self._before.pop(neighbor, None)

    def judge_again(self, now: Now, out: Outbox, restated: tuple[NodeId, ...] = ()) -> None:
        """Let in and out what now may pass; sign anew what was told to those whose terms are `restated`."""
        gained, lost = self._loc_rib.judge_again(self.policy.imports)
        for path in gained:
            self._advertisement.path_gained(path)
        for path in lost:
            self._note_lost(path, out)
        changes, ended = self._offers.judge_again(out)
        for offer in ended:
            self._advertisement.offer_barred(offer)
        for change in changes:
            self._advertisement.offer_changed(change, now)
            out.emit(OfferLearned(offer=change.after))
        self._advertisement.judge_again(out)
        for neighbor in restated:
            self._advertisement.restate(neighbor, now, out)

    # ------------------------------------------------------------- offers
    def hear_offer(self, neighbor: NodeId, sealed: Sealed[Offer], now: Now, out: Outbox) -> None:
        """A neighbour tells an offer of an origin to which it has told a path. PeerError: refused."""
        body = sealed.body
        if not self._heard.has(neighbor, (body.origin, body.direction)):
            raise PeerError(ErrorCode.NO_PATH, "an offer comes after a path to its origin")
        before = self._offers.get(key_of(body))
        change = self._offers.accept(neighbor, sealed, now)
        self._stale_offers.get(neighbor, {}).pop(key_of(body), None)
        if before is not None and self._offers.get(key_of(body)) is None:
            self._advertisement.offer_barred(before)
            out.emit(OfferLost(origin=body.origin, offer_no=body.offer_no))
        if change is not None:
            self._advertisement.offer_changed(change, now)
            out.emit(OfferLearned(offer=change.after))

    def hear_offer_withdrawal(self, sealed: Sealed[OfferWithdrawal], now: Now, out: Outbox) -> None:
        """An origin takes an offer back."""
        if sealed.body.origin == self._me:
            raise PeerError(ErrorCode.LOOP, "a withdrawal came back to its origin")
        ended = self._offers.withdraw(sealed, now, out)
        if ended is not None:
            self._advertisement.offer_withdrawn(ended, sealed.envelope, now)

    def publish_own(self, stated: PublishOffer, now: Now) -> Offer | None:
        """Publish an offer of this node; without energy in any run it is withdrawn, then None. UsageError."""
        if any(run.energy_j for run in stated.runs):
            before = self._own.get(stated.offer_no)
            after = self._own.publish(stated, now)
            self._advertisement.offer_changed(OfferChange(before=before, after=after), now)
            return after.body
        withdrawn = self._own.withdraw(stated.offer_no, now)
        if withdrawn is not None:
            ended, withdrawal = withdrawn
            self._advertisement.offer_withdrawn(ended, withdrawal.envelope, now)
        return None

    def drop_void(self, out: Outbox) -> None:
        """Keys have been revoked: take back every path and offer that one of them has signed."""
        self._before.clear()
        for path in (*self.all_paths(), *self._loc_rib.barred()):
            if any(self._evidence.is_signed_void(entry) for entry in path.entries):
                self._forget(path.neighbor, path.hash, out)
        for offer in self._offers.drop_void(out):
            self._advertisement.offer_ended(offer)

    # ------------------------------------------------------------- link states
    def hear_link_state(self, neighbor: NodeId, sealed: Sealed[LinkState], now: Now) -> None:
        """A neighbour passes on the state of a link. PeerError: refused."""
        self._link_states.accept(neighbor, sealed, now)

    def publish_link_state(self, link: LinkId, slot: Slot, load: LinkLoad) -> None:
        """Note the load of a link that this node keeps; cheap to call after every booking."""
        self._link_states.publish(link, slot, load)

    # ------------------------------------------------------------- time
    def due(self, now: Now, out: Outbox) -> None:
        """Send what has to be sent and drop what has ended. To be called at the end of every input."""
        for neighbor in [n for n, until_ns in self._restarting.items() if until_ns <= now.monotonic_ns]:
            del self._restarting[neighbor]
            self._sweep(neighbor, self._heard.stale(neighbor), out)
        for path in self._loc_rib.expired(now):
            self._forget(path.neighbor, path.hash, out)
        for offer in self._offers.expire(now, out):
            self._advertisement.offer_ended(offer)
        for offer in self._own.expire(now):
            self._advertisement.offer_ended(offer)
        self._advertisement.flush(now, out)
        newly = self._advertisement.paths.newly
        self._link_states.flush(self._told, newly, now, out)
        newly.clear()
        self._deadline_ns = self._next_deadline_ns(now)

    def _next_deadline_ns(self, now: Now) -> int | None:
        ends_utc_s = (
            self._loc_rib.next_expiry_utc_s(),
            self._offers.next_expiry_utc_s(),
            self._own.next_expiry_utc_s(),
            self._advertisement.paths.next_renewal_utc_s(),
        )
        timers = (
            self._advertisement.deadline_ns(),
            self._link_states.deadline_ns(),
            *self._restarting.values(),
        )
        wall = (_monotonic_ns(end, now) for end in ends_utc_s if end is not None)
        return min((*wall, *(at for at in timers if at is not None)), default=None)

    def deadline_ns(self) -> int | None:
        """When `due` is to be called at the latest, as of its last call."""
        return self._deadline_ns

    # ------------------------------------------------------------- proofs
    def quarantine(self, proof: Proof) -> None:
        """A proof was read back: if it is about offers, its origin stays out for that epoch."""
        if proof.first.type in (ObjectType.OFFER, ObjectType.OFFER_WITHDRAWAL):
            self._offers.quarantine(proof.node, proof.epoch)


def _monotonic_ns(utc_s: int, now: Now) -> int:
    """The monotonic instant at which the wall clock will show `utc_s`, if it does not step."""
    return now.monotonic_ns + max(0, utc_s * MS_PER_S - now.utc_ms) * NS_PER_MS
