"""The trade desk: from what the host wants to HOLDs, band by band (SPEC sections 9 and 10).

A want (`Trade`) stays open until its energy is covered or the slot's gates
close.  In every band in which something is affordable the desk plans, sends
one HOLD per chosen offer and path, commits what is granted, and plans again
for what is missing, at most `ROUNDS` times a band.  It waits for the band in
which the cheapest candidates come within their limits rather than take a
dearer one at once; what no later band can bring is over.

Starts are spread at random inside a band, so that buyers do not act on the
same snapshot.
"""

from __future__ import annotations

from ioe_router.config import RouterConfig
from ioe_router.core.commit_path import CommitPath
from ioe_router.core.deal import Deal, Market, booked_event, check_trade, open_now, unbooked_event, unstated
from ioe_router.core.entropy import EntropySource
from ioe_router.core.events import HoldAnswered, TradeProgress
from ioe_router.core.gates import Phase, effective_band, phase_of
from ioe_router.core.hold_path import HoldPath
from ioe_router.core.host_clock import HostClock
from ioe_router.core.inputs import Trade
from ioe_router.core.outbox import Outbox
from ioe_router.core.own_offers import OwnOffers
from ioe_router.core.planner import Allocation
from ioe_router.core.release_path import ReleasePath
from ioe_router.core.reservation import Purpose, Reservation, ReservationKey
from ioe_router.model.clock import MS_PER_S, NS_PER_MS, Now
from ioe_router.model.envelope import Sealer
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import RESERVATION_ID_BYTES, ReservationId
from ioe_router.model.parameters import NO_BAND
from ioe_router.model.reservation import HoldCore, HoldItem, Refuse, ReservationState
from ioe_router.model.routing import Direction
from ioe_router.model.slot import Slot

ROUNDS = 4  # plans per band and want
REPAIR_ROUNDS = 12  # and after the bands, when what is left over is small and hard to find
STARTS = 16  # random starts inside a band
PAUSE_STARTS = 4  # longest pause between two plans of a want
SALT_BYTES = 8
PROBE_J = 3_600  # 1 Wh: small enough to feel no loss of its own


class TradeDesk:
    """All wants of the node; initiates reservations and hears their outcomes."""

    def __init__(
        self, config: RouterConfig, sealer: Sealer, entropy: EntropySource, market: Market, own: OwnOffers
    ) -> None:
        """`connect` must follow before the first want: the two paths know the desk, too."""
        self.clock = HostClock()
        self._config = config
        self._sealer = sealer
        self._entropy = entropy
        self._market = market
        self._own = own
        self._deals: dict[int, Deal] = {}
        self._by_reservation: dict[ReservationKey, Deal] = {}
        self._holds: HoldPath
        self._commits: CommitPath
        self._releases: ReleasePath

    def connect(self, holds: HoldPath, commits: CommitPath, releases: ReleasePath) -> None:
        """Name the paths that carry what the desk decides."""
        self._holds, self._commits, self._releases = holds, commits, releases

    def deals(self) -> tuple[Deal, ...]:
        """All wants, for the snapshot."""
        return tuple(self._deals.values())

    # --- wants

    def trade(self, trade: Trade, now: Now, out: Outbox) -> None:
        """A new want, or other figures for an old one. UsageError: one that no HOLD can state."""
        check_trade(trade, self._config.parameters.slot_s)
        deal = self._deals.get(trade.trade_no)
        if deal is None or deal.trade.slot != trade.slot:
            deal = self._deals[trade.trade_no] = Deal(trade)
        deal.trade, deal.done = trade, False
        deal.correction = phase_of(self._config.parameters, trade.slot, now) >= Phase.SWEEPS
        self._schedule(deal, now, out)

    def _schedule(self, deal: Deal, now: Now, out: Outbox) -> None:
        """When to look at a want next; ends it when nothing can come any more."""
        deal.next_ns = None
        if deal.done or deal.pending or deal.asking:
            return
        if deal.open_j == 0:
            self._finish(deal, ErrorCode.UNSPECIFIED, out)
            return
        parameters, slot = self._config.parameters, deal.trade.slot
        phase = phase_of(parameters, slot, now)
        if phase >= Phase.CLOSED or (phase >= Phase.SWEEPS and not deal.correction):
            self._finish(deal, ErrorCode.GATE_CLOSED, out)
        elif phase is Phase.SWEEPS:
            deal.next_ns = self._at_utc(slot - parameters.timetable.correction_s, now)
        elif phase >= Phase.REPAIR:
            if deal.band != NO_BAND or deal.rounds < REPAIR_ROUNDS:
                deal.next_ns = now.monotonic_ns + self._pause_ns()
            else:
                self._finish(deal, ErrorCode.NO_OFFER, out)
        else:
            self._schedule_band(deal, phase, now)

    def _schedule_band(self, deal: Deal, phase: Phase, now: Now) -> None:
        parameters, slot = self._config.parameters, deal.trade.slot
        present = parameters.band_at(slot, now.utc_s)
        if phase is Phase.BANDS and present == deal.band and 0 < deal.rounds < ROUNDS:
            deal.next_ns = now.monotonic_ns + self._pause_ns()
            return
        first = 0 if present is None else present
        band = self._first_useful_band(deal, max(first, deal.band + 1))
        opens_s = parameters.band_opens_utc_s(slot, band)
        if band == first and phase is Phase.BANDS and opens_s <= now.utc_s:
            deal.next_ns = now.monotonic_ns
        else:
            deal.next_ns = self._at_utc(opens_s, now) + self._jitter_ns()

    def _first_useful_band(self, deal: Deal, first: int) -> int:
        """The first band from `first` on with a candidate inside its limit.

        Without one, the first band whose floor is inside the want's own limit:
        offers may still come.
        """
        parameters = self._config.parameters
        candidates = self._market.candidates(deal.trade, set(), deal.spent)
        plan = self._market.plan(deal.trade.slot, candidates)
        for band in range(first, parameters.bands):
            floor = parameters.floor_of(band)
            if any(c.is_open(floor) and plan.affordable(c, PROBE_J, c.paid(floor)) for c in candidates):
                return band
        admissible = (b for b in range(first, parameters.bands) if self._inside_limit(deal.trade, b))
        return next(admissible, parameters.bands)

    def _inside_limit(self, trade: Trade, band: int) -> bool:
        floor = self._config.parameters.floor_of(band)
        return (
            floor is None or trade.direction is Direction.DEMAND or floor <= trade.price_limit_micro_per_kwh
        )

    def _at_utc(self, utc_s: int, now: Now) -> int:
        return now.monotonic_ns + max(0, utc_s * MS_PER_S - now.utc_ms) * NS_PER_MS

    def _jitter_ns(self) -> int:
        return self._entropy.token(1)[0] % STARTS * self._start_ns()

    def _pause_ns(self) -> int:
        """Until the next plan: by then link state tells what stood in the way; not all buyers ask at once."""
        return (1 + self._entropy.token(1)[0] % PAUSE_STARTS) * self._start_ns()

    def _start_ns(self) -> int:
        return self._config.parameters.timetable.band_s * MS_PER_S * NS_PER_MS // STARTS

    def deadline_ns(self) -> int | None:
        """The next time a want is to be looked at."""
        return min((d.next_ns for d in self._deals.values() if d.next_ns is not None), default=None)

    def due(self, now: Now, out: Outbox) -> None:
        """Look at every want whose time has come."""
        for deal in list(self._deals.values()):
            if deal.next_ns is not None and deal.next_ns <= now.monotonic_ns:
                self._attempt(deal, now, out)

    def forget_before(self, slot: Slot) -> None:
        """Drop wants of slots before `slot`."""
        for number, deal in list(self._deals.items()):
            if deal.trade.slot < slot:
                del self._deals[number]
        for key, deal in list(self._by_reservation.items()):
            if deal.trade.slot < slot:
                del self._by_reservation[key]

    # --- after a restart

    def restore(self, record: Reservation) -> None:
        """Count an own reservation of an earlier life: what is committed as covered, in doubt as pending.

        The want is known by its number only, until the host states it again.
        """
        serves, body = record.serves, record.core.body
        if serves is None:
            return
        deal = self._deals.get(serves.trade_no)
        if deal is None or deal.trade.slot != record.last_slot:
            deal = self._deals[serves.trade_no] = Deal(unstated(record, serves), done=True)
        self._by_reservation[record.key] = deal
        if record.state is ReservationState.COMMITTED:
            deal.covered_j += sum(record.expected_j(index) for index in record.accepted)
        else:
            deal.pending[record.key] = (body.origin, body.offer_no, body.path)

    # --- one attempt

    def _attempt(self, deal: Deal, now: Now, out: Outbox) -> None:
        deal.next_ns = None
        if not self.clock.may_book:
            self._finish(deal, ErrorCode.CLOCK_UNSYNCED, out)
            return
        band = effective_band(self._config.parameters, deal.trade.slot, now)
        if band != deal.band:
            deal.band, deal.rounds = band, 0
            deal.excluded.clear()
        deal.rounds += 1
        deal.asking = True  # an answer at once must not end the want between two HOLDs
        for allocation in self._plan(deal, band):
            self._hold(deal, allocation, band, now, out)
        deal.asking = False
        if not deal.pending:
            deal.rounds = REPAIR_ROUNDS  # nothing to ask for: over in this band
            self._schedule(deal, now, out)

    def _plan(self, deal: Deal, band: int) -> list[Allocation]:
        """What to ask for now: the plan's shares whose price is within the limit in this band."""
        need_j = deal.open_j
        if deal.trade.own_offer_no is not None:
            need_j = min(need_j, self._own_free_j(deal))
        if need_j == 0:
            return []
        candidates = self._market.candidates(deal.trade, deal.excluded, deal.spent)
        probe = self._market.plan(deal.trade.slot, candidates)
        floor = self._config.parameters.floor_of(band)
        salt = self._entropy.token(SALT_BYTES)
        plan = self._market.plan(deal.trade.slot, candidates, salt, hopeful=band == NO_BAND)
        return [a for a in plan.search(need_j) if open_now(a, floor, probe)]

    def _own_free_j(self, deal: Deal) -> int:
        offer = None if deal.trade.own_offer_no is None else self._own.get(deal.trade.own_offer_no)
        return 0 if offer is None else self._own.free_j(offer, deal.trade.slot)

    def _hold(self, deal: Deal, allocation: Allocation, band: int, now: Now, out: Outbox) -> None:
        candidate, trade = allocation.candidate, deal.trade
        core = self._sealer.seal(
            HoldCore(
                reservation=ReservationId(self._entropy.token(RESERVATION_ID_BYTES)),
                version=1,
                initiator=self._config.node,
                origin=candidate.offer.origin,
                offer_no=candidate.offer.offer_no,
                offer_epoch=candidate.offer.epoch,
                offer_seq=candidate.offer.seq,
                direction=trade.direction,
                path=candidate.path,
                band=band,
                price_limit_micro_per_kwh=candidate.limit_micro_per_kwh,
                priority=trade.priority,
                replaces=None,
                all_or_nothing=False,
                items=(
                    HoldItem(index=1, slot_utc_s=trade.slot, energy_j=allocation.energy_j, energy_min_j=1),
                ),
                issued_utc_ms=now.utc_ms,
                hold_fee_micro=0,
                bond_micro=0,
            )
        )
        key = (core.body.reservation, 1)
        if trade.own_offer_no is not None:
            offer = self._own.get(trade.own_offer_no)
            if offer is not None:
                self._own.take(offer, trade.slot, (*key, 1), allocation.energy_j)
        deal.pending[key] = (candidate.offer.origin, candidate.offer.offer_no, candidate.path)
        self._by_reservation[key] = deal
        neighbor, fee = self._market.first_hop(candidate)
        serves = Purpose(trade_no=trade.trade_no, own_offer_no=trade.own_offer_no, hops=len(candidate.hops))
        self._holds.start(core, neighbor, fee, serves, now, out)

    def adopt(self, new: ReservationKey, old: ReservationKey) -> None:
        """A reservation that is to replace another serves the same want."""
        deal = self._by_reservation.get(old)
        if deal is not None:
            self._by_reservation[new] = deal

    def disown(self, key: ReservationKey) -> None:
        """It does not come."""
        self._by_reservation.pop(key, None)

    # --- answers

    def answered(self, record: Reservation, refuse: Refuse | None, now: Now, out: Outbox) -> None:
        """A HOLD of ours was granted (None) or refused."""
        deal = self._by_reservation.get(record.key)
        if deal is None:
            return
        granted_j = sum(g.energy_j for g in record.granted.values()) if refuse is None else 0
        asked_j = sum(item.energy_j for item in record.core.body.items)
        self._report_answer(deal, record, refuse, asked_j, granted_j, out)
        if granted_j < asked_j:
            self._exclude(deal, record, refuse)
        if refuse is not None:
            self._drop(deal, record, now, out)
        elif granted_j == 0 or deal.done:
            self._releases.give_up(record, ErrorCode.UNSPECIFIED, now, out)
        else:
            self._keep_own(deal, record, granted_j)
            self._commits.start(record, tuple(record.granted), now, out)

    def _exclude(self, deal: Deal, record: Reservation, refuse: Refuse | None) -> None:
        """Do not run for the same thing again: an offer that is sold out, or else the path that was full."""
        origin, offer_no, path = deal.pending[record.key]
        if refuse is not None and refuse.code is ErrorCode.NO_ENERGY:
            deal.spent[origin, offer_no] = record.core.body.offer_seq
        else:
            deal.excluded.add((origin, offer_no, path))

    def _report_answer(
        self,
        deal: Deal,
        record: Reservation,
        refuse: Refuse | None,
        asked_j: int,
        granted_j: int,
        out: Outbox,
    ) -> None:
        out.emit(
            HoldAnswered(
                reservation=record.core.body.reservation,
                slot=deal.trade.slot,
                asked_j=asked_j,
                granted_j=granted_j,
                code=ErrorCode.UNSPECIFIED if refuse is None else refuse.code,
                failing_node=None if refuse is None else refuse.failing_node,
            )
        )

    def _keep_own(self, deal: Deal, record: Reservation, kept_j: int) -> None:
        if deal.trade.own_offer_no is not None:
            self._own.give_back(deal.trade.own_offer_no, deal.trade.slot, (*record.key, 1), kept_j)

    def booked(self, record: Reservation, now: Now, out: Outbox) -> None:
        """Packets at one of our ends are committed."""
        initiator = record.toward_initiator is None
        for index in record.accepted:
            out.emit(booked_event(record, index))
        deal = self._by_reservation.get(record.key)
        if deal is None or not initiator:
            return
        deal.covered_j += sum(record.granted[index].energy_j for index in record.accepted)
        deal.pending.pop(record.key, None)
        self._schedule(deal, now, out)

    def ended(self, record: Reservation, code: ErrorCode, now: Now, out: Outbox) -> None:
        """A reservation at one of our ends stands no more."""
        for index in record.accepted if record.committed is not None else ():
            if index in record.granted:
                energy_j = record.granted[index].energy_j
                out.emit(unbooked_event(record, index, energy_j, code))
        deal = self._by_reservation.get(record.key)
        if deal is not None and record.toward_initiator is None:
            if record.committed is not None:
                deal.covered_j -= sum(record.expected_j(i) for i in record.accepted if i in record.granted)
            self._drop(deal, record, now, out)

    def _drop(self, deal: Deal, record: Reservation, now: Now, out: Outbox) -> None:
        if deal.trade.own_offer_no is not None:
            self._own.give_back(deal.trade.own_offer_no, deal.trade.slot, (*record.key, 1))
        deal.pending.pop(record.key, None)
        self._schedule(deal, now, out)

    def lowered(self, record: Reservation, energy_j: int, now: Now, out: Outbox) -> None:
        """So much of what an own reservation brings is cut, or will be: its want is open again."""
        deal = self._by_reservation.get(record.key)
        if deal is not None and record.toward_initiator is None:
            deal.covered_j -= energy_j
            deal.done = False
            self._schedule(deal, now, out)

    def reduced(self, record: Reservation, index: int, remaining_j: int) -> None:
        """A packet is cut: own energy that it carried to another's offer is free but for what remains."""
        deal = self._by_reservation.get(record.key)
        if deal is not None and record.toward_initiator is None and index == 1:
            self._keep_own(deal, record, remaining_j)

    def _finish(self, deal: Deal, code: ErrorCode, out: Outbox) -> None:
        deal.done = True
        out.emit(
            TradeProgress(
                trade_no=deal.trade.trade_no,
                slot=deal.trade.slot,
                covered_j=deal.covered_j,
                open_j=deal.open_j,
                done=True,
                reason=code,
            )
        )
