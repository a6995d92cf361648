"""Received offers: which version counts, until when, and who tells it (SPEC section 7).

An origin numbers its offers and signs every version with (epoch, seq).  A
higher pair replaces a lower one; nothing else makes a version newer, neither
its time nor the neighbour that it came from.  The highest pair seen is
remembered for the longest lifetime of an offer after it was signed, also after a
withdrawal or its end: nothing that was signed before it can live longer, so no
old version comes back.  When that memory is full, new offers are refused.

Two contents under one (epoch, seq) prove that the origin equivocates.  The
refusal carries the proof (proofs.py), and nothing more is taken from that
origin until it starts a new epoch.

An offer is alive as long as at least one neighbour that tells a path to its
origin has told the offer, too, and the operator's import rules let it in from there.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NoReturn

from ioe_router.config import RouterConfig
from ioe_router.core.events import OfferLost
from ioe_router.core.evidence import Evidence
from ioe_router.core.freshness import check_issued
from ioe_router.core.outbox import Outbox
from ioe_router.core.paths import Target
from ioe_router.core.policy import OperatorPolicy
from ioe_router.core.retention import HeardOffer
from ioe_router.core.rib import OfferKey
from ioe_router.model.clock import Now
from ioe_router.model.envelope import Envelope, Sealed
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.ids import NodeId, ObjectId
from ioe_router.model.proof import Equivocated, Proof
from ioe_router.model.routing import Direction, Offer, OfferRun, OfferWithdrawal
from ioe_router.model.shares import Shares

OFFER_SLOTS_MAX: Final = 192
REMEMBERED_PER_LIVE: Final = 4  # offers of an origin that are remembered, for each that may be alive


@dataclass(slots=True)
class _Record:
    """The highest version seen of one offer."""

    version: tuple[int, int]  # (epoch, seq)
    object_id: ObjectId
    envelope: Envelope  # of the offer, or of the withdrawal
    until_utc_s: int  # when the offer ends; once it has ended, when it may be forgotten
    offer: Sealed[Offer] | None  # None once withdrawn or ended
    remember_utc_s: int = 0  # until when an older version could be alive
    heard: dict[NodeId, None] = field(default_factory=dict)  # neighbours that tell it, and may
    barred: dict[NodeId, None] = field(default_factory=dict)  # that tell it against the import rules

    def tellers(self) -> tuple[NodeId, ...]:
        """Everybody who tells it."""
        return (*self.heard, *self.barred)

    def unhear(self, neighbor: NodeId) -> bool:
        """A neighbour tells it no more; whether it did, and might."""
        self.barred.pop(neighbor, None)
        if neighbor not in self.heard:
            return False
        del self.heard[neighbor]
        return True

    def unhear_all(self) -> None:
        """Nobody tells it any more."""
        self.heard.clear()
        self.barred.clear()


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferChange:
    """A newer version was taken, or is told anew; `before` is the one alive until now, if there was one."""

    before: Sealed[Offer] | None
    after: Sealed[Offer]


class OfferTable:
    """All received offers by origin and number."""

    def __init__(self, config: RouterConfig, evidence: Evidence, policy: OperatorPolicy) -> None:
        """Empty."""
        self._policy = policy
        self._limits = config.limits
        self._lifetime_max_s = config.timers.offer_lifetime_max_s
        self._slot_s = config.parameters.slot_s
        self._evidence = evidence
        self._records: dict[NodeId, dict[int, _Record]] = {}
        self._shares: Shares[NodeId, NodeId] = Shares(config.limits.origins, len(config.neighbors))
        self._expiry: list[tuple[int, NodeId, int]] = []
        self._quarantined: dict[NodeId, int] = {}  # origin -> epoch in which it equivocated

    def share_among(self, neighbors: int) -> None:
        """There are so many neighbours from now on."""
        self._shares.share_among(neighbors)

    # ------------------------------------------------------------- receiving
    def accept(self, neighbor: NodeId, sealed: Sealed[Offer], now: Now) -> OfferChange | None:
        """Take a version of an offer; None when nothing is alive by it. PeerError: not acceptable.

        A version that the import rules keep out replaces an older one, too: that one is alive no more.
        """
        body = sealed.body
        record = self._records.get(body.origin, {}).get(body.offer_no)
        if record is not None and record.object_id == sealed.object_id:
            return self._again(neighbor, record)
        self._check_origin(body, sealed.signers)
        self._check_terms(body, now)
        until_utc_s = min(body.expires_utc_s, self._evidence.signers_expire_utc_s(sealed.envelope))
        if until_utc_s <= now.utc_s:
            raise PeerError(ErrorCode.EXPIRED, "the offer or the key that signed it has expired")
        if record is None:
            self._check_room(body.origin, neighbor)
            self._shares.hold(body.origin, neighbor)
            record = _Record((-1, 0), sealed.object_id, sealed.envelope, until_utc_s, None)
            self._records.setdefault(body.origin, {})[body.offer_no] = record
        return self._replace(neighbor, sealed, record, until_utc_s)

    def _replace(
        self, neighbor: NodeId, sealed: Sealed[Offer], record: _Record, until_utc_s: int
    ) -> OfferChange | None:
        body = sealed.body
        version = (body.epoch, body.seq)
        if version == record.version:
            self._equivocated(body.origin, body.epoch, record.envelope, sealed.envelope)
        if version < record.version:
            # it will hear of the newer version on its own
            return self._again(neighbor, record) if record.tellers() else None
        before = record.offer if record.heard else None
        record.version, record.object_id, record.envelope = version, sealed.object_id, sealed.envelope
        record.offer, record.until_utc_s = sealed, until_utc_s
        self._remember(record, body)
        self._judge(record, (*record.tellers(), neighbor))
        heapq.heappush(self._expiry, (until_utc_s, body.origin, body.offer_no))
        return OfferChange(before=before, after=sealed) if record.heard else None

    def _judge(self, record: _Record, tellers: Iterable[NodeId]) -> None:
        """Part those from whom the import rules let an offer in from the others."""
        if self._policy.imports.is_open and not record.barred:
            record.heard.update(dict.fromkeys(tellers))
            return
        record.unhear_all()
        for neighbor in tellers:
            body = None if record.offer is None else record.offer.body
            refused = body is not None and not self._policy.imports.offer(neighbor, body).accepted
            (record.barred if refused else record.heard)[neighbor] = None

    def _again(self, neighbor: NodeId, record: _Record) -> OfferChange | None:
        """A known version is told by one more neighbour; it may come back to life by that."""
        if record.offer is None:
            return None
        alive = bool(record.heard)
        self._judge(record, (*record.tellers(), neighbor))
        return OfferChange(before=None, after=record.offer) if record.heard and not alive else None

    def judge_again(self, out: Outbox) -> tuple[tuple[OfferChange, ...], tuple[Sealed[Offer], ...]]:
        """The import rules have changed: what comes to life by that, and what ends."""
        gained, lost = [], []
        for records in self._records.values():
            for record in records.values():
                offer, alive = record.offer, bool(record.heard)
                self._judge(record, record.tellers())
                if offer is None or alive == bool(record.heard):
                    continue
                if alive:
                    lost.append(offer)
                    out.emit(OfferLost(origin=offer.body.origin, offer_no=offer.body.offer_no))
                else:
                    gained.append(OfferChange(before=None, after=offer))
        return tuple(gained), tuple(lost)

    def withdraw(self, sealed: Sealed[OfferWithdrawal], now: Now, out: Outbox) -> Sealed[Offer] | None:
        """Take a withdrawal; returns the offer that ends by it, if any. PeerError: not acceptable."""
        body = sealed.body
        record = self._records.get(body.origin, {}).get(body.offer_no)
        if record is None or record.object_id == sealed.object_id:
            return None
        self._check_origin(body, sealed.signers)
        check_issued(body.issued_utc_s, now)
        version = (body.epoch, body.seq)
        if version == record.version:
            self._equivocated(body.origin, body.epoch, record.envelope, sealed.envelope)
        if version < record.version:
            return None
        ended = record.offer if record.heard else None
        record.version, record.object_id, record.envelope = version, sealed.object_id, sealed.envelope
        record.offer = None
        self._remember(record, body)
        record.unhear_all()
        if ended is not None:
            out.emit(OfferLost(origin=body.origin, offer_no=body.offer_no))
        return ended

    def _remember(self, record: _Record, body: Offer | OfferWithdrawal) -> None:
        record.remember_utc_s = max(record.remember_utc_s, body.issued_utc_s + self._lifetime_max_s)

    def _check_origin(self, body: Offer | OfferWithdrawal, signers: tuple[NodeId, ...]) -> None:
        if signers != (body.origin,):
            raise PeerError(ErrorCode.WRONG_SIGNER, "an offer is signed by its origin")
        if body.epoch <= self._quarantined.get(body.origin, -1):
            raise PeerError(ErrorCode.EQUIVOCATION, f"the origin has equivocated in epoch {body.epoch}")

    def _check_terms(self, body: Offer, now: Now) -> None:
        """Times and sizes. PeerError FROM_FUTURE or OUT_OF_BOUNDS."""
        check_issued(body.issued_utc_s, now)
        if body.expires_utc_s > body.issued_utc_s + self._lifetime_max_s:
            raise PeerError(ErrorCode.OUT_OF_BOUNDS, f"an offer lives for at most {self._lifetime_max_s} s")
        if not 1 <= sum(run.slots for run in body.runs) <= OFFER_SLOTS_MAX:
            raise PeerError(ErrorCode.OUT_OF_BOUNDS, f"an offer covers 1 to {OFFER_SLOTS_MAX} slots")
        if body.first_slot_utc_s % self._slot_s or body.direction is Direction.UNSPECIFIED:
            raise PeerError(ErrorCode.OUT_OF_BOUNDS, "an offer has a direction and begins with a slot")

    def _check_room(self, origin: NodeId, neighbor: NodeId) -> None:
        known = self._records.get(origin)
        if known is None and not self._shares.admits(neighbor):
            raise PeerError(ErrorCode.LIMIT_REACHED, f"offers of {len(self._records)} origins are known")
        if known is None:
            return
        alive, most = sum(one.offer is not None for one in known.values()), self._limits.offers_per_origin
        if alive >= most or len(known) >= REMEMBERED_PER_LIVE * most:
            raise PeerError(ErrorCode.LIMIT_REACHED, f"{len(known)} offers of this origin are remembered")

    def _equivocated(self, origin: NodeId, epoch: int, first: Envelope, second: Envelope) -> NoReturn:
        """Take nothing more of the origin's epoch; what it said first stays."""
        self.quarantine(origin, epoch)
        proof = Proof(node=origin, epoch=epoch, first=first, second=second)
        raise Equivocated("the origin has signed two contents under one (epoch, seq)", proof)

    def quarantine(self, origin: NodeId, epoch: int) -> None:
        """Take nothing more of an origin that has equivocated, up to this epoch."""
        self._quarantined[origin] = max(epoch, self._quarantined.get(origin, 0))

    # ------------------------------------------------------------- losing
    def unhear(self, neighbor: NodeId, target: Target, out: Outbox) -> tuple[Sealed[Offer], ...]:
        """A neighbour tells no path to a target any more; returns the offers that nobody else tells."""
        origin, direction = target
        lost: list[Sealed[Offer]] = []
        for record in self._records.get(origin, {}).values():
            offer = record.offer
            if offer is None or offer.body.direction is not direction or not record.unhear(neighbor):
                continue
            if not record.heard:
                lost.append(offer)
                out.emit(OfferLost(origin=origin, offer_no=offer.body.offer_no))
        return tuple(lost)

    def heard_from(self, neighbor: NodeId) -> dict[OfferKey, HeardOffer]:
        """The offers that a neighbour tells, as they are known here."""
        return {
            (origin, offer_no): HeardOffer(record.object_id, record.offer.body.direction, record.until_utc_s)
            for origin, records in self._records.items()
            for offer_no, record in records.items()
            if record.offer is not None and (neighbor in record.heard or neighbor in record.barred)
        }

    def hear_again(self, neighbor: NodeId, key: OfferKey) -> OfferChange | None:
        """An offer that a neighbour had told counts as told again; the change, if that brings it back."""
        record = self._records.get(key[0], {}).get(key[1])
        return None if record is None else self._again(neighbor, record)

    def unhear_offer(self, neighbor: NodeId, key: OfferKey, out: Outbox) -> Sealed[Offer] | None:
        """A neighbour tells an offer no more; returns it when nobody else does."""
        record = self._records.get(key[0], {}).get(key[1])
        if record is None or not record.unhear(neighbor) or record.heard:
            return None
        if record.offer is not None:
            out.emit(OfferLost(origin=key[0], offer_no=key[1]))
        return record.offer

    def expire(self, now: Now, out: Outbox) -> tuple[Sealed[Offer], ...]:
        """Forget versions whose time has ended; returns the offers that were alive."""
        ended: list[Sealed[Offer]] = []
        while self._expiry and self._expiry[0][0] <= now.utc_s:
            _, origin, offer_no = heapq.heappop(self._expiry)
            record = self._records.get(origin, {}).get(offer_no)
            if record is None or record.until_utc_s > now.utc_s:
                continue
            if record.offer is not None and record.heard:
                ended.append(record.offer)
                out.emit(OfferLost(origin=origin, offer_no=offer_no))
            self._end(record, origin, offer_no, now)
        return tuple(ended)

    def drop_void(self, out: Outbox) -> tuple[Sealed[Offer], ...]:
        """End what revoked keys have signed; returns the offers that were alive."""
        ended: list[Sealed[Offer]] = []
        for origin, records in self._records.items():
            for offer_no, record in records.items():
                offer = record.offer
                if offer is None or not self._evidence.is_signed_void(offer.envelope):
                    continue
                if record.heard:
                    ended.append(offer)
                    out.emit(OfferLost(origin=origin, offer_no=offer_no))
                record.offer = None
                record.unhear_all()
        return tuple(ended)

    def _end(self, record: _Record, origin: NodeId, offer_no: int, now: Now) -> None:
        """Nothing is left of an offer but its number, until no older version could be alive."""
        record.offer, record.until_utc_s = None, record.remember_utc_s
        record.unhear_all()
        if record.until_utc_s > now.utc_s:
            heapq.heappush(self._expiry, (record.until_utc_s, origin, offer_no))
            return
        del self._records[origin][offer_no]
        if not self._records[origin]:
            del self._records[origin]
            self._shares.drop(origin)

    def next_expiry_utc_s(self) -> int | None:
        """When the next version ends."""
        return self._expiry[0][0] if self._expiry else None

    # ------------------------------------------------------------- looking up
    def get(self, key: OfferKey) -> Sealed[Offer] | None:
        """The offer with this origin and number, if it is alive."""
        record = self._records.get(key[0], {}).get(key[1])
        return record.offer if record is not None and record.heard else None

    def known(self, key: OfferKey) -> Sealed[Offer] | None:
        """The offer with this origin and number, let in or not."""
        record = self._records.get(key[0], {}).get(key[1])
        return None if record is None else record.offer

    def barred(self) -> tuple[tuple[NodeId, Sealed[Offer]], ...]:
        """What the import rules keep out, with the neighbour that tells it."""
        return tuple(
            (neighbor, record.offer)
            for records in self._records.values()
            for record in records.values()
            if record.offer is not None
            for neighbor in record.barred
        )

    def let_in(self) -> tuple[tuple[NodeId, Sealed[Offer]], ...]:
        """What is alive, with each neighbour that it is let in from."""
        alive = (*self.alive(Direction.SUPPLY), *self.alive(Direction.DEMAND))
        return tuple((neighbor, offer) for offer in alive for neighbor in self.tellers(key_of(offer.body)))

    def tellers(self, key: OfferKey) -> tuple[NodeId, ...]:
        """The neighbours from which an offer is let in."""
        record = self._records.get(key[0], {}).get(key[1])
        return () if record is None else tuple(record.heard)

    def alive(self, direction: Direction) -> tuple[Sealed[Offer], ...]:
        """All offers of a direction that are alive, in order of arrival of their origins."""
        return tuple(
            record.offer
            for records in self._records.values()
            for record in records.values()
            if record.offer is not None and record.heard and record.offer.body.direction is direction
        )


def key_of(offer: Offer) -> OfferKey:
    """What an offer is called."""
    return (offer.origin, offer.offer_no)


def first_run(offer: Offer) -> tuple[int, OfferRun] | None:
    """The first run with energy and the number of slots before it; None if there is none."""
    before = 0
    for run in offer.runs:
        if run.energy_j:
            return before, run
        before += run.slots
    return None
