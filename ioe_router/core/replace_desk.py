"""The initiator's side of replacing a reservation (SPEC section 10.12).

The host names one of its committed reservations and what it wants in its
place: another energy, another price limit, another offer of the same origin.
The HOLD goes over the best path there is now.  Nothing happens to the old
reservation unless the new one is committed; then it is released.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from ioe_router.config import RouterConfig
from ioe_router.core.commit_path import CommitPath
from ioe_router.core.entropy import EntropySource
from ioe_router.core.events import HoldAnswered
from ioe_router.core.gates import effective_band
from ioe_router.core.hold_path import HoldPath
from ioe_router.core.inputs import ReplaceReservation
from ioe_router.core.outbox import Outbox
from ioe_router.core.own_offers import OwnOffers
from ioe_router.core.release_path import ReleasePath
from ioe_router.core.replacement import Replacements
from ioe_router.core.reservation import Purpose, Reservation, ReservationTable
from ioe_router.core.trade import TradeDesk
from ioe_router.model.clock import Now
from ioe_router.model.envelope import Sealer
from ioe_router.model.errors import ErrorCode, Overtaken, PeerError, UsageError
from ioe_router.model.ids import RESERVATION_ID_BYTES, NodeId, PathHash, ReservationId
from ioe_router.model.reservation import HoldCore, HoldItem, Refuse, ReservationState
from ioe_router.model.routing import Direction
from ioe_router.model.slot import Slot


class Ways(Protocol):
    """What the desk asks the routing side."""

    def way(self, origin: NodeId, direction: Direction) -> tuple[NodeId, PathHash, int, int] | None:
        """The best path: first neighbour, label, fee on the first link, number of links."""
        ...


class ReplaceDesk:
    """Stands between the reservation paths and the trade desk: hears first what concerns replacements."""

    def __init__(
        self,
        config: RouterConfig,
        sealer: Sealer,
        entropy: EntropySource,
        ways: Ways,
        table: ReservationTable,
        own: OwnOffers,
        desk: TradeDesk,
        replacements: Replacements,
    ) -> None:
        """`connect` must follow before the first order."""
        self._config = config
        self._sealer = sealer
        self._entropy = entropy
        self._ways = ways
        self._table = table
        self._own = own
        self._desk = desk
        self._replacements = replacements
        self._holds: HoldPath
        self._commits: CommitPath
        self._releases: ReleasePath

    def connect(self, holds: HoldPath, commits: CommitPath, releases: ReleasePath) -> None:
        """Name the paths that carry what the desk decides."""
        self._holds, self._commits, self._releases = holds, commits, releases

    # --- orders

    def replace(self, order: ReplaceReservation, old: Reservation, now: Now, out: Outbox) -> None:
        """Ask for a reservation in place of an old one. Overtaken; UsageError: no such order can be met."""
        if old.toward_initiator is not None:
            raise Overtaken(ErrorCode.NOT_OWNER, "only its initiator replaces a reservation")
        if not 0 < order.energy_min_j <= order.energy_j or len(old.slots) != 1:
            raise UsageError("a replacement is of one packet, with 0 < energy_min_j <= energy_j")
        core = self._core(order, old, now)
        way = self._ways.way(core.origin, core.direction)
        try:
            self._replacements.check(core, now, must_know=True)
        except PeerError as error:  # the rule that a neighbour's HOLD is held to
            raise Overtaken(error.code, error.detail) from None
        if way is None:
            raise Overtaken(ErrorCode.NO_PATH, "no path leads to the origin any more")
        neighbor, label, fee, hops = way
        sealed = self._sealer.seal(replace(core, path=label))
        purpose = old.serves or Purpose(trade_no=0, own_offer_no=None, hops=hops)
        self._take_own(purpose, old, core)
        self._desk.adopt((core.reservation, core.version), old.key)
        self._holds.start(sealed, neighbor, fee, replace(purpose, hops=hops), now, out)

    def _core(self, order: ReplaceReservation, old: Reservation, now: Now) -> HoldCore:
        body = old.core.body
        offer_no = body.offer_no if order.offer_no is None else order.offer_no
        slot = old.last_slot
        return replace(
            body,
            reservation=ReservationId(self._entropy.token(RESERVATION_ID_BYTES)),
            version=1,
            offer_no=offer_no,
            offer_epoch=body.offer_epoch if offer_no == body.offer_no else 1,
            offer_seq=body.offer_seq if offer_no == body.offer_no else 0,
            band=effective_band(self._config.parameters, slot, now),
            price_limit_micro_per_kwh=order.price_limit_micro_per_kwh,
            replaces=body.reservation,
            items=(
                HoldItem(index=1, slot_utc_s=slot, energy_j=order.energy_j, energy_min_j=order.energy_min_j),
            ),
            issued_utc_ms=now.utc_ms,
        )

    def _take_own(self, purpose: Purpose, old: Reservation, core: HoldCore) -> None:
        """Own energy that is carried to another's offer: the larger of both is taken meanwhile."""
        offer = None if purpose.own_offer_no is None else self._own.get(purpose.own_offer_no)
        if offer is not None:
            self._own.pairs[core.reservation, core.version] = old.key
            key = (core.reservation, core.version, 1)
            self._own.take(offer, old.last_slot, key, core.items[0].energy_j)

    # --- answers

    def answered(self, record: Reservation, refuse: Refuse | None, now: Now, out: Outbox) -> None:
        """A HOLD of ours was granted (None) or refused."""
        if record.core.body.replaces is None:
            self._desk.answered(record, refuse, now, out)
            return
        granted_j = sum(g.energy_j for g in record.granted.values()) if refuse is None else 0
        code = ErrorCode.UNSPECIFIED if refuse is None else refuse.code
        failing = None if refuse is None else refuse.failing_node
        self._report(record.core.body, granted_j, code, failing, out)
        if refuse is None:
            self._keep_own(record, granted_j)
            self._commits.start(record, tuple(record.granted), now, out)
        else:
            self._keep_own(record, 0)
            self._desk.disown(record.key)

    def _report(
        self, body: HoldCore, granted_j: int, code: ErrorCode, failing: NodeId | None, out: Outbox
    ) -> None:
        (item,) = body.items
        out.emit(
            HoldAnswered(
                reservation=body.reservation,
                slot=Slot(item.slot_utc_s),
                asked_j=item.energy_j,
                granted_j=granted_j,
                code=code,
                failing_node=failing,
            )
        )

    def _keep_own(self, record: Reservation, kept_j: int) -> None:
        if record.serves is not None and record.serves.own_offer_no is not None:
            key = (*record.key, 1)
            self._own.give_back(record.serves.own_offer_no, record.last_slot, key, kept_j)

    # --- outcomes

    def booked(self, record: Reservation, now: Now, out: Outbox) -> None:
        """Packets at one of our ends are committed: a replaced reservation of our own is given back."""
        self._desk.booked(record, now, out)
        self._give_up_old(record, now, out)

    def resume(self, now: Now, out: Outbox) -> None:
        """After a restart: give back what a committed reservation of ours has replaced."""
        for record in self._table.all():
            if record.state is ReservationState.COMMITTED:
                self._give_up_old(record, now, out)

    def _give_up_old(self, record: Reservation, now: Now, out: Outbox) -> None:
        if record.toward_initiator is not None:
            return
        old = self._replacements.replaced(record)
        self._replacements.part(record)
        if old is None:
            return
        try:
            self._releases.give_up(old, ErrorCode.UNSPECIFIED, now, out)
        except PeerError:
            return  # its final gate has passed meanwhile: it stays booked on links that it has alone

    def ended(self, record: Reservation, code: ErrorCode, now: Now, out: Outbox) -> None:
        """Nothing (more) of a reservation at one of our ends stands."""
        if record.core.body.replaces is not None and record.toward_initiator is None:
            self._keep_own(record, 0)
        self._desk.ended(record, code, now, out)
