"""What one initiator, and one neighbour, may keep others from (SPEC section 10.13).

A hold costs nothing in version 1, so it is bounded: in number, per link that it
came over and per initiator; and in energy, per link, slot and direction.  Only
what is held counts: COMMIT turns it into a promise that is paid for.

Of a link's limit one initiator may hold a share at a time.  There is no share
on the access link of a single customer, who could take from nobody but itself;
outside the bands and in the last one, where no dearer want is still to come;
and below the granule.  Whoever meets the share gets as much as fits it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ioe_router.config import RouterConfig
from ioe_router.core.calendar import SlotLedger
from ioe_router.core.legs import Leg
from ioe_router.core.loss import PPM
from ioe_router.core.reservation import Reservation, ReservationTable
from ioe_router.model.clock import NS_PER_MS, Now
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.ids import NodeId
from ioe_router.model.reservation import HoldCore, ReservationState

GRANULE_PART: Final = 64  # a share is never below this part of a limit
RETRY_LEAST_MS: Final = 100
HELD: Final = (ReservationState.HOLDING, ReservationState.HELD)


class QuotaReached(PeerError):
    """A quota is used up; it is worth asking again after `retry_after_ms`."""

    def __init__(self, detail: str, retry_after_ms: int) -> None:
        super().__init__(ErrorCode.QUOTA, detail, retry_after_ms)


class Quotas:
    """Counts what is open and held; keeps no state of its own."""

    def __init__(self, config: RouterConfig, table: ReservationTable) -> None:
        """Count in this table, by the limits of the configuration."""
        self._limits = config.limits
        self._parameters = config.parameters
        self._retry_ms = config.timers.commit_retry_ms
        self._table = table

    def check_count(self, body: HoldCore, neighbor: NodeId | None, now: Now) -> None:
        """Whether one more reservation may be open. QuotaReached at a bound; `neighbor` None: our own."""
        if not self._table.make_room(neighbor, len(body.items)):
            raise QuotaReached("too many reservations are remembered", self._retry_ms)
        of_link, of_initiator = [], []
        for other in self._table.open_records():
            near = other.toward_initiator
            if near is not None and near.port.neighbor == neighbor:
                of_link.append(other)
            if other.core.body.initiator == body.initiator:
                of_initiator.append(other)
        if len(of_link) >= self._limits.holds_per_link:
            raise QuotaReached("too many open reservations over this link", self.retry_ms(of_link, now))
        if len(of_initiator) >= self._limits.holds_per_origin:
            raise QuotaReached("too many open reservations of this node", self.retry_ms(of_initiator, now))

    def retry_ms(self, open_records: Iterable[Reservation], now: Now) -> int:
        """When the first of these lets go: its hold ends, or a COMMIT in doubt is repeated."""
        ends = [r.deadline_ns for r in open_records if r.state in HELD]
        wait_ms = (min(ends) - now.monotonic_ns) // NS_PER_MS if ends else self._retry_ms
        return max(RETRY_LEAST_MS, wait_ms)

    def room_j(self, record: Reservation, leg: Leg, ledger: SlotLedger) -> int:
        """Energy that the reservation may still hold on a link in a slot, whatever the link has free."""
        limit_j, body = ledger.limits.of(leg.flow), record.core.body
        room_j = limit_j
        if self._limits.held_link_ppm < PPM:
            room_j = limit_j * self._limits.held_link_ppm // PPM - self._held_j(leg, ledger, None)
        if leg.port.attestation.body.access or self._parameters.floor_of(body.band) is None:
            return room_j
        share_j = max(limit_j // GRANULE_PART, limit_j * self._limits.held_share_ppm // PPM)
        return min(room_j, share_j - self._held_j(leg, ledger, body.initiator))

    def holders(self, record: Reservation, leg: Leg) -> list[Reservation]:
        """Whose holds stand in the way of a reservation on a link."""
        return [
            other
            for other in self._table.open_records()
            if other is not record
            and other.state in HELD
            and any(one.port is leg.port for one in other.legs())
        ]

    def _held_j(self, leg: Leg, ledger: SlotLedger, initiator: NodeId | None) -> int:
        """Energy that is held in the leg's direction, by everybody or by one initiator."""
        if self._table.open_packets > len(ledger.entries):
            return self._held_by_entries_j(leg, ledger, initiator)
        held_j = 0
        for other in self._table.open_records():
            body = other.core.body
            if other.state in HELD and initiator in (None, body.initiator):
                for item in body.items:
                    entry = ledger.entries.get((body.reservation, body.version, item.index))
                    held_j += entry.gross_j if entry is not None and entry.flow is leg.flow else 0
        return held_j

    def _held_by_entries_j(self, leg: Leg, ledger: SlotLedger, initiator: NodeId | None) -> int:
        """The same by what is on the books of the slot: less to look at when much is open elsewhere."""
        held_j = 0
        for (reservation, version, _), entry in ledger.entries.items():
            other = self._table.get(reservation, version)
            if other is not None and other.state in HELD and entry.flow is leg.flow:
                held_j += entry.gross_j if initiator in (None, other.core.body.initiator) else 0
        return held_j
