"""HOLD at every role: asking toward the origin (SPEC section 10).

A HOLD goes from the initiator to the origin on the labelled path; on each link
the keeper enters every packet at the net energy it finds, so the price of a
packet is fixed by the order in which keepers see it.  No hop re-routes.  A
HOLD that fails at a hop leaves nothing behind there: whatever was entered is
withdrawn and the answer is REFUSE.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ioe_router.core.admission import Admission
from ioe_router.core.calendar import LiveEntry
from ioe_router.core.events import PeerFault
from ioe_router.core.gates import refusal_of
from ioe_router.core.grant_path import GrantPath
from ioe_router.core.hop import Hop, present
from ioe_router.core.outbox import Outbox
from ioe_router.core.quotas import QuotaReached, Quotas
from ioe_router.core.reservation import Purpose, Reservation
from ioe_router.core.reservation_fsm import ReservationEvent
from ioe_router.core.reservation_moves import unopened_event
from ioe_router.model.clock import CLOCK_TOLERANCE_S, MS_PER_S, Now
from ioe_router.model.envelope import Sealed
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.ids import NodeId, PathHash
from ioe_router.model.reservation import Hold, HoldCore, PacketEnergy, ReservationState
from ioe_router.model.routing import Direction
from ioe_router.model.slot import Slot


@dataclass(frozen=True, slots=True, kw_only=True)
class Onward:
    """Where a label leads from here: `neighbor` None when this node is the origin."""

    origin: NodeId
    direction: Direction
    neighbor: NodeId | None
    label: PathHash
    fee_in_micro_per_kwh: int  # of the link the HOLD came over
    fee_out_micro_per_kwh: int  # of the link it goes on over


# What no honest neighbour says in a HOLD; all other refusals are daily business.
LIES = frozenset(
    {
        ErrorCode.MALFORMED,
        ErrorCode.OUT_OF_BOUNDS,
        ErrorCode.WRONG_SIGNER,
        ErrorCode.CONFLICT,
        ErrorCode.NOT_OWNER,
        ErrorCode.GRANT_CHANGED,
    }
)


class LabelLookup(Protocol):
    """What the routing side knows about a label that this node told a neighbour."""

    def onward(self, neighbor: NodeId, label: PathHash) -> Onward | None:
        """The way on, None when the label is not (any more) told to the neighbour."""
        ...

    def check_allowed(self, neighbor: NodeId, onward: Onward, offer_no: int) -> None:
        """PeerError when the operator's rules keep an offer from passing there."""
        ...


class HoldPath:
    """HOLDs received and started."""

    def __init__(
        self, hop: Hop, grants: GrantPath, labels: LabelLookup, admission: Admission, quotas: Quotas
    ) -> None:
        """`labels` says where a HOLD goes on; `grants` answers where it ends."""
        self._hop = hop
        self._grants = grants
        self._labels = labels
        self._admission = admission
        self.decide = grants.decide  # where this node is the origin; a border asks inside first
        self._quotas = quotas

    def start(
        self,
        core: Sealed[HoldCore],
        neighbor: NodeId,
        fee_micro_per_kwh: int,
        serves: Purpose,
        now: Now,
        out: Outbox,
    ) -> None:
        """Initiate a reservation over the path whose first hop is `neighbor`."""
        body, hop, hold_ms = core.body, self._hop, self._hop.config.timers.hold_ms
        record = Reservation(
            core=core,
            toward_initiator=None,
            toward_origin=hop.leg(body, neighbor, True, fee_micro_per_kwh, body.path),
            deadline_ns=now.after_ms(hold_ms),
            asked_j={item.index: item.energy_j for item in body.items},
            serves=serves,
        )
        try:
            self._quotas.check_count(body, None, now)
            hop.domains.check_own(now)
        except PeerError as error:
            retry_after_ms = error.retry_after_ms if isinstance(error, QuotaReached) else 0
            refuse = hop.refusal(body, error.code, retry_after_ms=retry_after_ms)
            out.emit(unopened_event(body, None, hop.config.node, error.code))
            hop.on_answer(record, refuse, now, out)
            return
        hop.table.enter(record)
        hop.replacements.join(record)
        record.advance(ReservationEvent.HOLD, now)
        try:
            self._ask_onward(record, hold_ms, now, out)
        except PeerError as error:  # our own link cannot be booked
            hop.refuse_near(record, error.code, now, out)

    def hold(self, neighbor: NodeId, sealed: Sealed[Hold], now: Now, out: Outbox) -> None:
        """A HOLD from the initiator's side."""
        hold = sealed.body
        core = self._hop.sealer.open(hold.core, HoldCore)
        known = self._hop.table.get(core.body.reservation, core.body.version)
        if known is not None:
            self._repeat(known, core, neighbor, out)
            return
        record = None
        try:
            record = self._open(neighbor, hold, core, now)
            self._enter_near(record, hold, now, out)
            self._go_on(record, hold.hold_ms, now, out)
        except PeerError as error:
            if record is not None and record.state is ReservationState.HOLDING:
                self._note_fault(neighbor, error, out)
                self._hop.refuse_near(record, error.code, now, out)
            else:
                self._refuse_unopened(neighbor, core, error, out)

    def _refuse_unopened(
        self, neighbor: NodeId, core: Sealed[HoldCore], error: PeerError, out: Outbox
    ) -> None:
        """REFUSE a HOLD of which nothing was kept."""
        self._note_fault(neighbor, error, out)
        retry_after_ms = error.retry_after_ms if isinstance(error, QuotaReached) else 0
        refuse = self._hop.refusal(core.body, error.code, retry_after_ms=retry_after_ms)
        out.emit(unopened_event(core.body, neighbor, self._hop.config.node, error.code))
        self._hop.send(neighbor, refuse, out)

    def _note_fault(self, neighbor: NodeId, error: PeerError, out: Outbox) -> None:
        """A HOLD that no honest neighbour sends is its fault, though the answer is a mere REFUSE."""
        if error.code in LIES:
            out.emit(PeerFault(neighbor=neighbor, code=error.code, detail=error.detail))

    def _repeat(self, known: Reservation, core: Sealed[HoldCore], neighbor: NodeId, out: Outbox) -> None:
        """Same id and content: the same answer again; other content or another way: CONFLICT."""
        leg = known.toward_initiator
        if known.core.object_id != core.object_id or leg is None or leg.port.neighbor != neighbor:
            conflict = PeerError(ErrorCode.CONFLICT, "the reservation is known with other content")
            self._refuse_unopened(neighbor, core, conflict, out)
        elif known.answer is not None:
            self._hop.pass_on(neighbor, known.answer, out)

    def _open(self, neighbor: NodeId, hold: Hold, core: Sealed[HoldCore], now: Now) -> Reservation:
        """The record of an acceptable HOLD. PeerError with the code that refuses it."""
        body, hop = core.body, self._hop
        if core.signers != (body.initiator,):
            raise PeerError(ErrorCode.WRONG_SIGNER, "HOLD_CORE is not signed by its initiator")
        hop.domains.check_new((body.initiator,), now)
        onward = self._labels.onward(neighbor, hold.path)
        if onward is None:
            raise PeerError(ErrorCode.NO_PATH, "the label is not told to this neighbour")
        if (onward.origin, onward.direction) != (body.origin, body.direction):
            raise PeerError(
                ErrorCode.NO_PATH, "the label leads to another origin or is for the other direction"
            )
        self._labels.check_allowed(neighbor, onward, body.offer_no)
        self._check_times(body, now)
        hop.replacements.check(body, now, must_know=onward.neighbor is None)
        outward = None
        if onward.neighbor is not None:
            outward = hop.leg(body, onward.neighbor, True, onward.fee_out_micro_per_kwh, onward.label)
        record = Reservation(
            core=core,
            toward_initiator=hop.leg(body, neighbor, False, onward.fee_in_micro_per_kwh, hold.path),
            toward_origin=outward,
            deadline_ns=now.after_ms(min(hold.hold_ms, hop.config.timers.hold_ms)),
        )
        self._quotas.check_count(body, neighbor, now)
        hop.table.enter(record)
        hop.replacements.join(record)
        record.advance(ReservationEvent.HOLD, now)
        return record

    def _check_times(self, body: HoldCore, now: Now) -> None:
        if body.issued_utc_ms > now.utc_ms + CLOCK_TOLERANCE_S * MS_PER_S:
            raise PeerError(ErrorCode.FROM_FUTURE, "issued later than the clock tolerance allows")
        parameters = self._hop.config.parameters
        for item in body.items:
            if item.slot_utc_s % parameters.slot_s:
                raise PeerError(ErrorCode.OUT_OF_BOUNDS, f"slot {item.slot_utc_s} is not aligned")
            code = refusal_of(parameters, Slot(item.slot_utc_s), body.band, now, forward=False)
            if code is not None:
                raise PeerError(code, f"slot {item.slot_utc_s} is not open for band {body.band}")

    def _enter_near(self, record: Reservation, hold: Hold, now: Now, out: Outbox) -> None:
        """Enter every packet on the link it came over: compute as keeper, else mirror."""
        leg = present(record.toward_initiator)
        lines = self._hop.lines(leg, hold.keeper_entry)
        for packet in hold.items:
            slot = record.slots.get(packet.index)
            if slot is None or packet.index in record.asked_j or packet.index in record.refused:
                raise PeerError(
                    ErrorCode.MALFORMED, "HOLD names a packet twice, or one that its core does not"
                )
            if packet.energy_j == 0:
                record.refuse_packet(packet.index, ErrorCode.ZERO_ENERGY)
                continue
            entry: LiveEntry | ErrorCode
            if leg.port.keeper:
                entry = self._admission.admit(record, leg, packet.index, packet.energy_j, now, out)
            else:
                entry = self._hop.mirrored(record, leg, packet.index, lines.get(packet.index))
                if leg.near_j(entry.increment) != packet.energy_j:
                    raise PeerError(ErrorCode.GRANT_CHANGED, "the keeper's entry differs from what is asked")
            if isinstance(entry, ErrorCode):
                record.refuse_packet(packet.index, entry)
            else:
                record.asked_j[packet.index] = leg.far_j(entry.increment)
        for index in record.live():
            if index not in record.asked_j:
                record.refuse_packet(index, ErrorCode.NO_CAPACITY)

    def _go_on(self, record: Reservation, hold_ms: int, now: Now, out: Outbox) -> None:
        if record.core.body.all_or_nothing and record.refused:
            self._hop.refuse_near(record, ErrorCode.BELOW_MINIMUM, now, out)
        elif not record.asked_j:
            code = next((item.reason for item in record.refused.values()), ErrorCode.ZERO_ENERGY)
            self._hop.refuse_near(record, code, now, out)
        elif record.toward_origin is None:
            self.decide(record, now, out)
        else:
            self._ask_onward(record, hold_ms - self._hop.config.timers.hold_step_ms, now, out)

    def _ask_onward(self, record: Reservation, hold_ms: int, now: Now, out: Outbox) -> None:
        """Send the HOLD over the leg toward the origin, with our entries where we keep the ledger."""
        leg = present(record.toward_origin)
        if hold_ms <= 0:
            self._hop.refuse_near(record, ErrorCode.HOLD_EXPIRED, now, out)
            return
        if leg.port.keeper:
            self._enter_far(record, now, out)
        if not record.asked_j:
            code = next((item.reason for item in record.refused.values()), ErrorCode.NO_CAPACITY)
            self._hop.refuse_near(record, code, now, out)
            return
        hold = Hold(
            core=record.core.envelope,
            path=leg.label,
            hold_ms=hold_ms,
            items=tuple(PacketEnergy(index=i, energy_j=record.asked_j[i]) for i in sorted(record.asked_j)),
            keeper_entry=self._hop.entry_envelope(record, leg, list(record.asked_j), final=False),
        )
        self._hop.send(leg.port.neighbor, hold, out, (record.core.envelope,))

    def _enter_far(self, record: Reservation, now: Now, out: Outbox) -> None:
        """As keeper of the link toward the origin: enter what is needed, or as much as fits."""
        leg = present(record.toward_origin)
        for index, needed_j in list(record.asked_j.items()):
            entry = self._admission.admit(record, leg, index, needed_j, now, out)
            if isinstance(entry, ErrorCode):
                record.refuse_packet(index, entry)
                self._hop.drop(record, index)
            else:
                record.asked_j[index] = leg.near_j(entry.increment)
