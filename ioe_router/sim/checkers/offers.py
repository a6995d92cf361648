"""An origin promises no more of an own offer than the offer states, and offers again what has ended.

What is promised is counted from the live reservations, not from the origin's
own account of it; what the account still holds at the end must belong to one.
"""

from __future__ import annotations

from collections.abc import Iterable

from ioe_router.core.inputs import PublishOffer
from ioe_router.core.own_offers import OwnOffer
from ioe_router.core.reservation import Reservation
from ioe_router.core.reservation_fsm import ENDED
from ioe_router.model.ids import ReservationId
from ioe_router.model.reservation import ReservationState
from ioe_router.model.slot import Slot
from ioe_router.sim.checkers.verdict import require
from ioe_router.sim.checkers.watch import Change
from ioe_router.sim.host import Host

NEW = ReservationState.HELD
GIVEN = (ReservationState.HELD, ReservationState.IN_DOUBT, ReservationState.COMMITTED)


class OwnEnergy:
    """What hosts give away of their own."""

    def __init__(self, slot_s: int) -> None:
        """Nothing is offered."""
        self._slot_s = slot_s
        self._stated: dict[tuple[str, int], PublishOffer] = {}

    def after(self, host: Host, change: Change) -> None:
        """Judge what has been promised in one call, by what was stated before it or in it."""
        if not change.steps:
            return
        assert host.router is not None  # noqa: S101 - looked at alive
        own = host.router.inspect().own_offers
        # A promise is new when it becomes HELD; one that stands again may be more than is stated by now.
        fresh_steps = [s for s in change.steps if s.record.state is NEW and not change.reborn]
        for offer in own.all():
            key = (host.name, offer.stated.offer_no)
            before = self._stated.get(key, offer.stated)
            self._stated[key] = offer.stated
            fresh = [step.record for step in fresh_steps if _gives(step.record, offer.stated.offer_no)]
            if fresh and not own.pairs:
                self._check_sums(host, offer, before, fresh)

    def _check_sums(
        self, host: Host, offer: OwnOffer, before: PublishOffer, fresh: list[Reservation]
    ) -> None:
        assert host.router is not None  # noqa: S101
        number, records = offer.stated.offer_no, host.router.inspect().reservations.all()
        for slot in {record.slots[index] for record in fresh for index in record.granted}:
            most_j = max(self._stated_j(offer.stated, slot), self._stated_j(before, slot))
            given_j = sum(_given_j(record, slot) for record in records if _gives(record, number))
            where = f"slot {slot}, own offer {number}"
            require(given_j <= most_j, host, f"{where}: {given_j} J promised, {most_j} J stated")

    def _stated_j(self, stated: PublishOffer, slot: Slot) -> int:
        at = stated.first_slot
        for run in stated.runs:
            if at <= slot < at + run.slots * self._slot_s:
                return run.energy_j
            at = Slot(at + run.slots * self._slot_s)
        return 0


def _gives(record: Reservation, offer_no: int) -> bool:
    return record.toward_origin is None and record.core.body.offer_no == offer_no and record.state in GIVEN


def _given_j(record: Reservation, slot: Slot) -> int:
    indexes: Iterable[int] = record.accepted or record.granted
    return sum(
        record.granted[index].energy_j
        for index in indexes
        if record.slots[index] == slot and index in record.granted
    )


def check_given_back(host: Host) -> None:
    """At the end: energy that is taken from an own offer belongs to a reservation that stands."""
    assert host.router is not None  # noqa: S101 - the run ends with living hosts
    parts = host.router.inspect()
    for offer in parts.own_offers.all():
        for slot, taken in offer.taken.items():
            for reservation, version, index in taken:
                record = parts.reservations.get(ReservationId(reservation), version)
                stands = record is not None and record.state not in ENDED and index not in record.refused
                where = f"slot {slot}, own offer {offer.stated.offer_no}"
                require(
                    stands,
                    host,
                    f"{where}: energy is kept for {reservation.hex()[:8]} v{version}, which has ended",
                )
