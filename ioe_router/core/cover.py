"""How a border covers what it has offered of its domain: inside first, then outside (SPEC section 7.13).

    HOLD of another domain ---> HOLDs inside ---> GRANTs inside ---> GRANT of as much
    COMMIT                 ---> COMMITs inside, and COMMITTED at once
    RELEASE, expiry        ---> RELEASEs inside

The border grants no more than it holds inside at that moment.  From its COMMITTED on
it stands in: what a source fails to deliver, or what a crash has parted from its cover, is the
border's own deviation.  Inside it pays at most what it will be paid.

Stands between the reservation paths and the desks behind: it hears first what concerns covers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ioe_router.config import RouterConfig
from ioe_router.core.aggregation import Aggregation, want_of
from ioe_router.core.commit_path import CommitPath
from ioe_router.core.deal import COVER_TRADE_NO, open_now
from ioe_router.core.entropy import EntropySource
from ioe_router.core.hold_path import HoldPath
from ioe_router.core.market import RibMarket
from ioe_router.core.outbox import Outbox
from ioe_router.core.own_offers import OwnOffers, price_in_band
from ioe_router.core.planner import Allocation
from ioe_router.core.release_path import ReleasePath
from ioe_router.core.replace_desk import ReplaceDesk
from ioe_router.core.reservation import Purpose, Reservation, ReservationKey, ReservationTable
from ioe_router.model.clock import Now
from ioe_router.model.envelope import Sealed, Sealer
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.ids import RESERVATION_ID_BYTES, ReservationId
from ioe_router.model.reservation import HoldCore, HoldItem, Refuse, ReservationState
from ioe_router.model.routing import Direction
from ioe_router.model.slot import Slot

Decide = Callable[[Reservation, Now, Outbox], None]


@dataclass(slots=True)
class _Cover:
    """One reservation of another domain, and what is held inside for it."""

    outer: Reservation
    waiting: set[ReservationKey] = field(default_factory=set)
    inner: dict[ReservationKey, int] = field(default_factory=dict)  # packet of the outer one
    wanted_j: dict[int, int] = field(default_factory=dict)  # by packet, while it is asked for
    held_j: dict[int, int] = field(default_factory=dict)  # by packet
    why: dict[int, ErrorCode] = field(default_factory=dict)  # by packet: why nothing was asked for
    asking: bool = False  # HOLDs are going out just now


class CoverDesk:
    """Covers HOLDs on the steps of the curve."""

    def __init__(
        self,
        config: RouterConfig,
        sealer: Sealer,
        entropy: EntropySource,
        aggregation: Aggregation,
        market: RibMarket,
        table: ReservationTable,
        own: OwnOffers,
        behind: ReplaceDesk,
    ) -> None:
        """`connect` must follow before the first HOLD; `behind` hears all that concerns no cover."""
        self._config = config
        self._sealer = sealer
        self._entropy = entropy
        self._aggregation = aggregation
        self._market = market
        self._table = table
        self._own = own
        self._behind = behind
        self._covers: dict[ReservationKey, _Cover] = {}  # by outer reservation
        self._by_inner: dict[ReservationKey, _Cover] = {}
        self._holds: HoldPath
        self._commits: CommitPath
        self._releases: ReleasePath
        self._decide: Decide

    def connect(self, holds: HoldPath, commits: CommitPath, releases: ReleasePath) -> None:
        """Name the paths that carry what the desk decides; HOLDs at this origin come here first."""
        self._holds, self._commits, self._releases = holds, commits, releases
        self._decide, holds.decide = holds.decide, self.decide

    # --- a HOLD at this origin

    def decide(self, record: Reservation, now: Now, out: Outbox) -> None:
        """Grant at once what is the node's own; for a step of the curve ask inside first."""
        body = record.core.body
        if not self._aggregation.is_step(body.offer_no) or body.direction is not Direction.SUPPLY:
            self._decide(record, now, out)
            return
        cover = self._covers[record.key] = _Cover(record)
        cover.asking = True  # an answer at once must not end it between two HOLDs
        for index in record.live():
            self._ask(cover, index, now, out)
        cover.asking = False
        self._conclude(cover, now, out)

    def _ask(self, cover: _Cover, index: int, now: Now, out: Outbox) -> None:
        """Hold inside what one packet needs, at most at the price that it will bring."""
        record, slot = cover.outer, cover.outer.slots[index]
        price = self._price(record, slot)
        offer = self._own.get(record.core.body.offer_no)
        if price is None or offer is None:
            return  # the origin's desk names the reason
        free_j = self._own.free_j(offer, slot) - self._asked_for_j(record.core.body.offer_no, slot)
        energy_j = min(record.asked_j[index], max(0, free_j))
        cover.wanted_j[index] = energy_j
        for allocation in self._plan(cover, index, energy_j, price) if energy_j else ():
            core = self._core(record, slot, allocation, now)
            key = (core.body.reservation, core.body.version)
            cover.waiting.add(key)
            cover.inner[key] = index
            self._by_inner[key] = cover
            neighbor, fee = self._market.first_hop(allocation.candidate)
            hops = len(allocation.candidate.hops)
            self._holds.start(
                core, neighbor, fee, Purpose(trade_no=COVER_TRADE_NO, own_offer_no=None, hops=hops), now, out
            )

    def _asked_for_j(self, offer_no: int, slot: Slot) -> int:
        """Energy of a step that others ask for at this moment, and that may be taken in an instant."""
        return sum(
            energy_j
            for cover in self._covers.values()
            if cover.outer.core.body.offer_no == offer_no
            for index, energy_j in cover.wanted_j.items()
            if cover.outer.slots[index] == slot
        )

    def _price(self, record: Reservation, slot: Slot) -> int | None:
        """What a packet of the step will bring in its band."""
        offer = self._own.get(record.core.body.offer_no)
        run = None if offer is None else self._own.run(offer, slot)
        if offer is None or offer.published is None or run is None:
            return None
        floor = self._config.parameters.floor_of(record.core.body.band)
        return price_in_band(offer.published, run.price_micro_per_kwh, floor)

    def _plan(self, cover: _Cover, index: int, energy_j: int, price: int) -> list[Allocation]:
        """The domain's own sources that cover a packet within its price, in the band that it is asked in."""
        slot, band = cover.outer.slots[index], cover.outer.core.body.band
        found = self._market.candidates(want_of(slot, energy_j, price), set(), {})
        inside = [one for one in found if self._aggregation.is_inside(one)]
        floor = self._config.parameters.floor_of(band)
        probe, plan = self._market.plan(slot, inside), self._market.plan(slot, inside)
        chosen = [one for one in plan.search(energy_j) if open_now(one, floor, probe)]
        if not chosen:
            cover.why[index] = ErrorCode.TOO_EARLY if inside and floor is not None else ErrorCode.NO_ENERGY
        return chosen

    def _core(self, record: Reservation, slot: Slot, allocation: Allocation, now: Now) -> Sealed[HoldCore]:
        outer, offer = record.core.body, allocation.candidate.offer
        return self._sealer.seal(
            HoldCore(
                reservation=ReservationId(self._entropy.token(RESERVATION_ID_BYTES)),
                version=1,
                initiator=self._config.node,
                origin=offer.origin,
                offer_no=offer.offer_no,
                offer_epoch=offer.epoch,
                offer_seq=offer.seq,
                direction=Direction.SUPPLY,
                path=allocation.candidate.path,
                band=outer.band,
                price_limit_micro_per_kwh=allocation.candidate.limit_micro_per_kwh,
                priority=outer.priority,
                replaces=None,
                all_or_nothing=False,
                items=(HoldItem(index=1, slot_utc_s=slot, energy_j=allocation.energy_j, energy_min_j=1),),
                issued_utc_ms=now.utc_ms,
                hold_fee_micro=0,
                bond_micro=0,
            )
        )

    def _conclude(self, cover: _Cover, now: Now, out: Outbox) -> None:
        """Once all have answered: grant what is held inside."""
        if cover.asking or cover.waiting:
            return
        record = cover.outer
        cover.wanted_j.clear()
        if record.state is not ReservationState.HOLDING:
            self._let_go(cover, now, out)
            return
        for index in record.live():
            held_j = cover.held_j.get(index, 0)
            record.asked_j[index] = min(record.asked_j[index], held_j)
            if not held_j and self._price(record, record.slots[index]) is not None:
                record.refuse_packet(index, cover.why.get(index, ErrorCode.NO_CAPACITY))
        self._decide(record, now, out)
        if not record.granted:
            self._let_go(cover, now, out)

    # --- answers from inside

    def answered(self, record: Reservation, refuse: Refuse | None, now: Now, out: Outbox) -> None:
        """A HOLD of ours was granted (None) or refused."""
        cover = self._by_inner.get(record.key)
        if cover is None:
            self._behind.answered(record, refuse, now, out)
            return
        cover.waiting.discard(record.key)
        if refuse is None:
            index = cover.inner[record.key]
            granted_j = sum(one.energy_j for one in record.granted.values())
            cover.held_j[index] = cover.held_j.get(index, 0) + granted_j
        else:
            self._forget_inner(cover, record.key)
        self._conclude(cover, now, out)

    # --- outcomes

    def booked(self, record: Reservation, now: Now, out: Outbox) -> None:
        """Packets at one of our ends are committed: those of a step are committed inside, too."""
        self._behind.booked(record, now, out)
        cover = self._covers.get(record.key)
        for key, index in list(cover.inner.items()) if cover is not None else ():
            inner = self._table.get(*key)
            if inner is None or inner.state is not ReservationState.HELD:
                continue
            if index in record.accepted:
                self._commits.start(inner, tuple(inner.granted), now, out)
            else:
                self._give_up(inner, now, out)

    def ended(self, record: Reservation, code: ErrorCode, now: Now, out: Outbox) -> None:
        """Nothing (more) of a reservation at one of our ends stands: its cover is let go."""
        self._behind.ended(record, code, now, out)
        inner_of = self._by_inner.get(record.key)
        if inner_of is not None:
            self._forget_inner(inner_of, record.key)
        cover = self._covers.get(record.key)
        if cover is not None:
            self._let_go(cover, now, out)

    def _let_go(self, cover: _Cover, now: Now, out: Outbox) -> None:
        """Give back what is held or committed inside; what has not answered is given back when it has."""
        for key in list(cover.inner):
            inner = self._table.get(*key)
            if inner is not None and inner.state in (ReservationState.HELD, ReservationState.COMMITTED):
                self._give_up(inner, now, out)
        if not cover.waiting:
            self._covers.pop(cover.outer.key, None)
            for key in list(cover.inner):
                self._forget_inner(cover, key)

    def _give_up(self, inner: Reservation, now: Now, out: Outbox) -> None:
        try:
            self._releases.give_up(inner, ErrorCode.UNSPECIFIED, now, out)
        except PeerError:
            return  # its final gate has passed: the border is long by it

    def _forget_inner(self, cover: _Cover, key: ReservationKey) -> None:
        cover.inner.pop(key, None)
        self._by_inner.pop(key, None)

    # --- time

    def forget_before(self, slot: Slot) -> None:
        """Drop covers of slots before `slot`."""
        for cover in [one for one in self._covers.values() if one.outer.last_slot < slot]:
            del self._covers[cover.outer.key]
            for key in list(cover.inner):
                self._forget_inner(cover, key)
