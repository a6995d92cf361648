"""GRANT and REFUSE at every role: promising toward the initiator (SPEC section 10).

A GRANT returns from the origin.  Each hop trims its entry on the link toward
the origin to what was granted there, converts the price over that link, and
promises the next hop what it was promised itself, no joule more.  A grant is
checked as a whole before anything is changed.
"""

from __future__ import annotations

from ioe_router.core.calendar import LiveEntry
from ioe_router.core.hop import Hop, beyond_limit, present
from ioe_router.core.legs import Leg
from ioe_router.core.outbox import Outbox
from ioe_router.core.reservation import Granted, Reservation
from ioe_router.core.reservation_fsm import ENDED, ReservationEvent, allows
from ioe_router.model.clock import NS_PER_MS, Now
from ioe_router.model.envelope import Envelope, Sealed
from ioe_router.model.errors import ErrorCode, PeerError, Scope
from ioe_router.model.ids import NodeId
from ioe_router.model.reservation import Grant, GrantItem, LedgerLine, Refuse


class GrantPath:
    """Answers to HOLDs, made and received."""

    def __init__(self, hop: Hop) -> None:
        """Answer for this node."""
        self._hop = hop

    # --- the origin

    def decide(self, record: Reservation, now: Now, out: Outbox) -> None:
        """We are the origin: grant from the own offers."""
        if not self._hop.origin.grant(record):
            self._nothing_left(record, now, out)
            return
        for index in record.refused:
            self._hop.drop(record, index)
        record.advance(ReservationEvent.GRANT, now)
        self._promise(record, now, out)

    def _nothing_left(self, record: Reservation, now: Now, out: Outbox) -> None:
        code = next((item.reason for item in record.refused.values()), ErrorCode.NO_ENERGY)
        self._hop.refuse_near(record, code, now, out, Scope.OFFER)

    # --- GRANT from the origin's side

    def grant(self, neighbor: NodeId, sealed: Sealed[Grant], now: Now, out: Outbox) -> None:
        """A GRANT from the origin's side."""
        grant = sealed.body
        record = self._hop.table.require(grant.reservation, grant.version)
        leg = self._hop.from_origin_side(record, neighbor)
        if sealed.signers != (neighbor,) or grant.core != record.core.object_id:
            raise PeerError(ErrorCode.WRONG_SIGNER, "GRANT is not the neighbour's answer to our HOLD")
        if not allows(record.state, ReservationEvent.GRANT):
            record.advance(ReservationEvent.GRANT, now)
        answered = {item.index: item for item in grant.items if item.energy_j}
        lines = self._hop.lines(leg, grant.keeper_entry) if answered or grant.keeper_entry else {}
        self._check(record, leg, answered, lines)
        record.advance(ReservationEvent.GRANT, now)
        for index in record.live():
            item = answered.get(index)
            if item is None:
                self._refuse_packet(record, index, _reason(grant, index))
            else:
                self._take(record, leg, index, item, lines.get(index))
        self._check_whole(record)
        if not record.granted:
            self._nothing_left(record, now, out)
        elif record.toward_initiator is None:
            self._hop.on_answer(record, None, now, out)
        else:
            self._promise(record, now, out)

    def _check(
        self, record: Reservation, leg: Leg, answered: dict[int, GrantItem], lines: dict[int, LedgerLine]
    ) -> None:
        """Refuse a grant that gives more than asked or contradicts the keeper; nothing has changed yet."""
        for index, item in answered.items():
            if index not in record.asked_j:
                raise PeerError(ErrorCode.GRANT_CHANGED, f"packet {index} was granted but not asked")
            if leg.port.keeper:
                held = self._hop.legs.entry(leg, record.slots[index], index)
                fits = held is not None and item.energy_j <= leg.far_j(held.increment)
            else:
                line = lines.get(index)
                fits = (
                    line is not None and line.slot_utc_s == record.slots[index] and _agrees(leg, line, item)
                )
                fits = fits and line is not None and leg.near_of_line(line) <= record.asked_j[index]
            if not fits:
                raise PeerError(ErrorCode.GRANT_CHANGED, f"packet {index} is not granted as it was asked")

    def _take(
        self, record: Reservation, leg: Leg, index: int, item: GrantItem, line: LedgerLine | None
    ) -> None:
        """One granted packet: trim or mirror its entry, convert its price, test the limits."""
        entry = self._entry(record, leg, index, item.energy_j, line)
        if entry is None:
            self._refuse_packet(record, index, (ErrorCode.ZERO_ENERGY, 0))
            return
        price = leg.near_price(item.price_micro_per_kwh, entry.increment)
        energy_j = leg.near_j(entry.increment)
        if beyond_limit(record.core.body, price):
            self._refuse_packet(record, index, (ErrorCode.PRICE_LIMIT, 0))
        elif record.toward_initiator is None and energy_j < _least_j(record, index):
            self._refuse_packet(record, index, (ErrorCode.BELOW_MINIMUM, energy_j))
        else:
            record.granted[index] = Granted(
                energy_j=energy_j,
                price_micro_per_kwh=price,
                scarcity_micro_per_kwh=item.scarcity_micro_per_kwh,
            )

    def _entry(
        self, record: Reservation, leg: Leg, index: int, far_j: int, line: LedgerLine | None
    ) -> LiveEntry | None:
        """The entry on the link the GRANT came over, trimmed to what the far end gives."""
        if not leg.port.keeper:
            return self._hop.mirrored(record, leg, index, line)
        held = self._hop.legs.entry(leg, record.slots[index], index)
        if held is not None and far_j == leg.far_j(held.increment):
            return held
        return self._hop.legs.trim(leg, record.slots[index], index, far_j)

    def _refuse_packet(self, record: Reservation, index: int, why: tuple[ErrorCode, int]) -> None:
        record.refuse_packet(index, *why)
        self._hop.drop(record, index)

    def _check_whole(self, record: Reservation) -> None:
        """A partial all-or-nothing batch is worth nothing."""
        if record.core.body.all_or_nothing and record.refused:
            for index in list(record.granted):
                self._refuse_packet(record, index, (ErrorCode.BELOW_MINIMUM, 0))

    # --- GRANT toward the initiator

    def _promise(self, record: Reservation, now: Now, out: Outbox) -> None:
        """Send GRANT toward the initiator: what this node was granted, at its own port."""
        leg = present(record.toward_initiator)
        for index in list(record.granted):
            self._fit_near(record, leg, index)
        if not record.granted:
            self._nothing_left(record, now, out)
            return
        body = record.core.body
        grant = Grant(
            reservation=body.reservation,
            version=body.version,
            core=record.core.object_id,
            link=leg.port.link,
            grantor=self._hop.config.node,
            items=tuple(_item(record, item.index) for item in body.items),
            hold_ms=max(0, (record.deadline_ns - now.monotonic_ns) // NS_PER_MS),
            keeper_entry=self._hop.entry_envelope(record, leg, list(record.granted), final=True),
        )
        self._hop.answer(record, self._hop.sealer.seal(grant).envelope, out)

    def _fit_near(self, record: Reservation, leg: Leg, index: int) -> None:
        """As keeper of the near link: trim the packet to what we have; end it when nothing useful is left."""
        if not leg.port.keeper:
            return
        energy_j = record.granted[index].energy_j
        entry = self._hop.legs.entry(leg, record.slots[index], index)
        if entry is not None and leg.far_j(entry.increment) != energy_j:
            entry = self._hop.legs.trim(leg, record.slots[index], index, energy_j)
        if entry is None:
            self._refuse_packet(record, index, (ErrorCode.ZERO_ENERGY, 0))

    def mirror_final(self, record: Reservation, envelope: Envelope | None, accepted: tuple[int, ...]) -> None:
        """Take over the near keeper's final entry, which comes with COMMIT. PeerError changes nothing."""
        leg = present(record.toward_initiator)
        lines = self._hop.lines(leg, envelope)
        if leg.port.keeper:
            return
        for index in accepted:
            line = lines.get(index)
            if line is None or leg.far_of_line(line) != record.granted[index].energy_j:
                raise PeerError(ErrorCode.GRANT_CHANGED, "the final entry differs from what was granted")
            if line.slot_utc_s != record.slots[index]:
                raise PeerError(ErrorCode.GRANT_CHANGED, "the final entry is for another slot")
        for index in accepted:
            self._hop.mirrored(record, leg, index, lines[index])

    # --- REFUSE from the origin's side

    def refuse(self, neighbor: NodeId, sealed: Sealed[Refuse], now: Now, out: Outbox) -> None:
        """A REFUSE from the origin's side."""
        body = sealed.body
        record = self._hop.table.require(body.reservation, body.version)
        self._hop.from_origin_side(record, neighbor)
        already_over = record.state in ENDED
        record.advance(ReservationEvent.REFUSE, now, body.code)
        if already_over:
            return
        self._hop.drop_all(record)
        self._hop.table.settle(record)
        if record.toward_initiator is None:
            self._hop.on_answer(record, body, now, out)
        else:
            self._hop.answer(record, self._hop.sealer.seal(body).envelope, out)


def _agrees(leg: Leg, line: LedgerLine, item: GrantItem) -> bool:
    return leg.far_of_line(line) == item.energy_j and leg.near_of_line(line) > 0


def _reason(grant: Grant, index: int) -> tuple[ErrorCode, int]:
    """Why a packet was not granted, and the counter-offer."""
    for item in grant.items:
        if item.index == index:
            return item.reason or ErrorCode.NO_ENERGY, item.counter_offer_j
    return ErrorCode.NO_ENERGY, 0


def _least_j(record: Reservation, index: int) -> int:
    return next(item.energy_min_j for item in record.core.body.items if item.index == index)


def _item(record: Reservation, index: int) -> GrantItem:
    granted = record.granted.get(index)
    if granted is None:
        return record.refused[index]
    return GrantItem(
        index=index,
        energy_j=granted.energy_j,
        price_micro_per_kwh=granted.price_micro_per_kwh,
        reason=ErrorCode.UNSPECIFIED,
        counter_offer_j=0,
        scarcity_micro_per_kwh=granted.scarcity_micro_per_kwh,
    )
