"""The keeper's decision about one packet (SPEC sections 9.5 and 10.13): how much of it may enter its link.

Three bounds, the smallest counts: what the link has free, what the quotas leave
to this initiator, and what was asked.  A packet that meets a bound enters with
what fits; one that finds nothing gets the code of the bound.
"""

from __future__ import annotations

from dataclasses import replace

from ioe_router.core.calendar import LiveEntry
from ioe_router.core.legs import Leg, LegBook
from ioe_router.core.quotas import Quotas
from ioe_router.core.reservation import Reservation
from ioe_router.model.clock import Now
from ioe_router.model.errors import ErrorCode


class Admission:
    """Admits packets on links that this node keeps."""

    def __init__(self, legs: LegBook, quotas: Quotas) -> None:
        """Enter into the ledgers behind `legs`, within the quotas."""
        self._legs = legs
        self._quotas = quotas

    def admit(
        self, record: Reservation, leg: Leg, index: int, near_j: int, now: Now
    ) -> LiveEntry | ErrorCode:
        """Enter a packet, or the largest smaller one that fits; else why not.

        PeerError NOT_BOOKABLE without a valid envelope for the slot.
        """
        slot = record.slots[index]
        room = self._legs.room(leg, slot)
        quota_j = self._quotas.room_j(record, leg, self._legs.ledger(leg, slot))
        bounded = replace(room, free_j=max(0, min(room.free_j, quota_j)))
        entry = self._legs.admit(leg, slot, index, near_j, bounded)
        if entry is not None:
            return entry
        if quota_j >= room.free_j:
            return ErrorCode.NO_CAPACITY
        record.retry_after_ms = self._quotas.retry_ms(self._quotas.holders(record, leg), now)
        return ErrorCode.QUOTA
