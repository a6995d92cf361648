"""Soft pre-emption: capacity for what is more urgent, with time to buy elsewhere (SPEC section 10.14).

Off unless the network has set a gap of priorities.  Where a packet finds no
capacity on a link that this node keeps, committed packets whose priority is
lower by the gap or more are cut by notice: the lowest priority first, among
equals the newest, and no more than is missing.  What is only held is never
taken.  If all of them together would not be enough, none is cut.

The notice is a CURTAIL (PREEMPTED) that takes effect after the grace time, if
that is before the provisional gate; so whoever loses energy has bands or
repair to replace it.  From then on the freed capacity waits for a while for
the initiator that it was freed for.
"""

from __future__ import annotations

from dataclasses import dataclass

from ioe_router.core.calendar import LiveEntry, SlotLedger
from ioe_router.core.curtailment import NOTICES_MAX, Curtailments
from ioe_router.core.legs import Leg
from ioe_router.core.outbox import Outbox
from ioe_router.core.reservation import Reservation, ReservationTable
from ioe_router.model.clock import MS_PER_S, Now
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import LinkId, NodeId
from ioe_router.model.parameters import NetworkParameters
from ioe_router.model.reservation import HoldCore, ReservationState
from ioe_router.model.routing import Flow
from ioe_router.model.slot import Slot

Place = tuple[LinkId, Slot, Flow]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Capacity that is being freed for an initiator, up to an instant."""

    initiator: NodeId
    priority: int
    energy_j: int
    effective_utc_ms: int
    until_utc_ms: int


@dataclass(frozen=True, slots=True)
class _Victim:
    """A committed packet that may have to give way."""

    record: Reservation
    index: int
    entry: LiveEntry


class Preemption:
    """Gives notice to what is less urgent; keeps only the claims of the moment."""

    def __init__(
        self, parameters: NetworkParameters, table: ReservationTable, curtailments: Curtailments
    ) -> None:
        """No claims; a gap of 0 in the parameters switches everything off."""
        self._gap = parameters.preemption_gap
        self._grace_ms = parameters.preemption_grace_s * MS_PER_S
        self._provisional_gate_s = parameters.timetable.provisional_gate_s
        self._table = table
        self._curtailments = curtailments
        self._claims: dict[Place, list[Claim]] = {}

    def reserved_j(self, leg: Leg, slot: Slot, body: HoldCore, now: Now) -> int:
        """Free capacity that waits for somebody more urgent than this HOLD."""
        return sum(
            claim.energy_j
            for claim in self._claims_of((leg.port.link, slot, leg.flow), now)
            if claim.initiator != body.initiator
            and claim.priority > body.priority
            and claim.effective_utc_ms <= now.utc_ms
        )

    def satisfied(self, leg: Leg, slot: Slot, initiator: NodeId, now: Now) -> None:
        """The initiator has been admitted: what was freed for it has served its purpose."""
        place = (leg.port.link, slot, leg.flow)
        if place in self._claims:
            mine = [c for c in self._claims[place] if c.initiator == initiator]
            for claim in mine:
                if claim.effective_utc_ms <= now.utc_ms:
                    self._claims[place].remove(claim)

    def make_room(
        self, record: Reservation, leg: Leg, slot: Slot, missing_j: int, now: Now, out: Outbox
    ) -> None:
        """Give notice to less urgent packets on a link, if they can free what is missing in time.

        The refusal of the packet then says when to ask again.
        """
        body, effective_utc_ms = record.core.body, now.utc_ms + self._grace_ms
        if not self._gap or effective_utc_ms >= (slot - self._provisional_gate_s) * MS_PER_S:
            return
        place = (leg.port.link, slot, leg.flow)
        for claim in self._claims_of(place, now):
            if claim.initiator == body.initiator:
                record.retry_after_ms = max(1, claim.effective_utc_ms - now.utc_ms)
                missing_j -= claim.energy_j
        victims = self._victims(leg, slot, body)
        if missing_j <= 0 or sum(v.entry.gross_j for v in victims) < missing_j:
            return
        claim = Claim(
            initiator=body.initiator,
            priority=body.priority,
            energy_j=missing_j,
            effective_utc_ms=effective_utc_ms,
            until_utc_ms=effective_utc_ms + self._grace_ms,
        )
        self._claims.setdefault(place, []).append(claim)
        record.retry_after_ms = self._grace_ms
        for victim in victims:
            if missing_j > 0:
                missing_j -= self._cut(victim, missing_j, effective_utc_ms, now, out)

    def _claims_of(self, place: Place, now: Now) -> list[Claim]:
        """Claims on a link, slot and direction that have not ended."""
        claims = [c for c in self._claims.get(place, ()) if c.until_utc_ms > now.utc_ms]
        if claims:
            self._claims[place] = claims
        else:
            self._claims.pop(place, None)
        return claims

    def _victims(self, leg: Leg, slot: Slot, body: HoldCore) -> list[_Victim]:
        """Packets that may be cut for a HOLD, those to be cut first in front."""
        ledger = leg.port.calendar.ledger(slot)
        if ledger is None:
            return []
        found = []
        for (reservation, version, index), entry in ledger.entries.items():
            record = self._table.get(reservation, version)
            if record is not None and entry.flow is leg.flow and self._gives_way(record, index, body, ledger):
                found.append(_Victim(record, index, entry))
        return sorted(found, key=lambda v: (v.record.core.body.priority, -v.entry.number))

    def _gives_way(self, record: Reservation, index: int, body: HoldCore, ledger: SlotLedger) -> bool:
        other = record.core.body
        return (
            record.state is ReservationState.COMMITTED
            and other.priority + self._gap <= body.priority
            and other.initiator != body.initiator
            and index in record.granted
            and index not in record.expected
            and len(record.notices) < NOTICES_MAX
            and record.key not in ledger.pairs.values()
        )

    def _cut(self, victim: _Victim, missing_j: int, effective_utc_ms: int, now: Now, out: Outbox) -> int:
        """Announce the cut of one packet by what is missing; returns what that frees on the link."""
        gross_j = victim.entry.gross_j
        freed_j = min(gross_j, missing_j)
        granted_j = victim.record.granted[victim.index].energy_j
        remaining_j = granted_j * (gross_j - freed_j) // gross_j
        self._curtailments.cut(
            victim.record, {victim.index: remaining_j}, ErrorCode.PREEMPTED, effective_utc_ms, now, out
        )
        return freed_j
