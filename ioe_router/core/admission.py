"""How much of a packet may enter a link: the keeper's decision (SPEC sections 9.5, 10.13, 10.14).

Three bounds, the smallest counts: what the link has free, what the quotas leave
to this initiator, and what was asked.  A packet that meets a bound enters with
what fits; one that finds nothing gets the code of the bound.  Where the link
is the bound, less urgent packets may be told to give way.
"""

from __future__ import annotations

from dataclasses import replace

from ioe_router.core.calendar import LiveEntry
from ioe_router.core.legs import Leg, LegBook
from ioe_router.core.outbox import Outbox
from ioe_router.core.preemption import Preemption
from ioe_router.core.quotas import Quotas
from ioe_router.core.reservation import Reservation
from ioe_router.model.clock import Now
from ioe_router.model.errors import ErrorCode


class Admission:
    """Admits packets on links that this node keeps."""

    def __init__(self, legs: LegBook, quotas: Quotas, preemption: Preemption) -> None:
        """Enter into the ledgers behind `legs`, within the quotas."""
        self._legs = legs
        self._quotas = quotas
        self._preemption = preemption

    def admit(
        self, record: Reservation, leg: Leg, index: int, near_j: int, now: Now, out: Outbox
    ) -> LiveEntry | ErrorCode:
        """Enter a packet, or the largest smaller one that fits; else why not.

        PeerError NOT_BOOKABLE without a valid envelope for the slot.
        """
        slot = record.slots[index]
        found = self._legs.room(leg, slot)
        free_j = max(0, found.free_j - self._preemption.reserved_j(leg, slot, record.core.body, now))
        quota_j = self._quotas.room_j(record, leg, self._legs.ledger(leg, slot))
        room = replace(found, free_j=max(0, min(free_j, quota_j)))
        entry = self._legs.admit(leg, slot, index, near_j, room)
        admitted_j = 0 if entry is None else leg.near_j(entry.increment)
        if admitted_j < near_j and free_j <= quota_j:
            self._preemption.make_room(record, leg, slot, near_j - admitted_j, now, out)
        if entry is not None:
            self._preemption.satisfied(leg, slot, record.core.body.initiator, now)
            return entry
        if quota_j >= free_j:
            return ErrorCode.NO_CAPACITY
        record.retry_after_ms = self._quotas.retry_ms(self._quotas.holders(record, leg), now)
        return ErrorCode.QUOTA
