"""A reservation at one node: what is asked, granted, committed, and what was answered (SPEC section 10).

This file holds the record of one reservation and the table of all of them.
The record is the same at the initiator, at every hop and at the origin; only
the legs differ: the initiator has no leg toward itself, the origin none
beyond itself.  Ended records are kept for repeated questions and forgotten after the retention time.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ioe_router.config import RouterConfig
from ioe_router.core.cuts import Cut
from ioe_router.core.legs import Leg
from ioe_router.core.reservation_fsm import ENDED, TERMINAL, ReservationEvent, advance
from ioe_router.model.clock import MS_PER_S, NS_PER_MS, Now
from ioe_router.model.envelope import Envelope, Sealed
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.ids import NodeId, ReservationId
from ioe_router.model.parameters import SETTLEMENT_SLOTS
from ioe_router.model.reservation import Commit, Committed, GrantItem, HoldCore, Release, ReservationState
from ioe_router.model.shares import Shares
from ioe_router.model.slot import Slot

ReservationKey = tuple[ReservationId, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """What one packet has come to at this node: energy and price at the node's own busbar."""

    energy_j: int
    price_micro_per_kwh: int
    scarcity_micro_per_kwh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """What a reservation of this node's own is for: the want it serves, and over how many links."""

    trade_no: int
    own_offer_no: int | None  # the own offer whose energy it carries; None when it buys
    hops: int


@dataclass(frozen=True, slots=True)
class Move:
    """A step that a reservation has taken, and why."""

    record: Reservation
    step: ReservationEvent
    state: ReservationState  # after it
    code: ErrorCode


@dataclass(slots=True, kw_only=True)
class Reservation:
    """One version of a reservation, as this node knows it."""

    core: Sealed[HoldCore]
    toward_initiator: Leg | None
    toward_origin: Leg | None
    deadline_ns: int
    state: ReservationState = ReservationState.UNSPECIFIED
    asked_j: dict[int, int] = field(default_factory=dict)  # at this node's busbar, by index
    refused: dict[int, GrantItem] = field(default_factory=dict)  # packets that ended early, with the reason
    granted: dict[int, Granted] = field(default_factory=dict)
    accepted: tuple[int, ...] = ()
    commit: Sealed[Commit] | None = None
    committed: Sealed[Committed] | None = None
    receipt: bool = False  # the near neighbour has confirmed COMMITTED
    answer: Envelope | None = None  # last answer toward the initiator, repeated to a repeated question
    release: Sealed[Release] | None = None  # once committed packets were given back
    release_open: bool = False  # ... and the neighbour toward the origin has not said how it took that
    serves: Purpose | None = None  # at the initiator
    curtail: Envelope | None = None  # the newest cut in effect
    cut_by: dict[NodeId | None, dict[int, int]] = field(default_factory=dict)  # left here, by whom it came
    notices: tuple[Cut, ...] = ()  # cuts that are announced
    expected: dict[int, int] = field(default_factory=dict)  # what they will leave, by index
    retry_after_ms: int = 0  # of a refusal: when it is worth asking again
    retry_ns: int | None = None
    ended_ns: int | None = None
    stored: bool = False  # there is a durable record of it
    changes: dict[ReservationKey, Reservation] | None = field(default=None, repr=False)  # of the table
    moves: list[Move] | None = field(default=None, repr=False)  # the same

    @property
    def key(self) -> ReservationKey:
        """Id and version."""
        return (self.core.body.reservation, self.core.body.version)

    @property
    def slots(self) -> dict[int, Slot]:
        """Slot of each packet."""
        return {item.index: Slot(item.slot_utc_s) for item in self.core.body.items}

    @property
    def last_slot(self) -> Slot:
        """The latest slot among the packets."""
        return max(self.slots.values())

    @property
    def unconfirmed(self) -> bool:
        """A neighbour has not confirmed how it ended: COMMITTED without RECEIPT, RELEASE without OUTCOME."""
        committed = self.state is ReservationState.COMMITTED and self.toward_initiator is not None
        return self.release_open or (committed and not self.receipt)

    def legs(self) -> tuple[Leg, ...]:
        """The legs that exist at this node."""
        return tuple(leg for leg in (self.toward_initiator, self.toward_origin) if leg is not None)

    @property
    def is_transit(self) -> bool:
        """This node is neither the initiator nor the origin."""
        return self.toward_initiator is not None and self.toward_origin is not None

    def expected_j(self, index: int) -> int:
        """What is left of a granted packet at this node's busbar after the cuts that are announced."""
        granted_j = self.granted[index].energy_j
        return min(granted_j, self.expected.get(index, granted_j))

    def live(self) -> tuple[int, ...]:
        """Indexes of packets that have not been refused."""
        return tuple(item.index for item in self.core.body.items if item.index not in self.refused)

    def advance(self, event: ReservationEvent, now: Now, code: ErrorCode = ErrorCode.UNSPECIFIED) -> None:
        """Take a transition of the table, for a reason. Raises PeerError when it is refused."""
        before, self.state = self.state, advance(self.state, event)
        if self.state is not before:
            self.note(event, code)
        self.touch()
        if self.state in TERMINAL:
            self.ended_ns = now.monotonic_ns
            self.retry_ns = None

    def note(self, step: ReservationEvent, code: ErrorCode) -> None:
        """A step that the host is to be told of."""
        if self.moves is not None:
            self.moves.append(Move(self, step, self.state, code))

    def touch(self) -> None:
        """What a durable record holds has changed; it is written before anything of this call leaves."""
        if self.changes is not None:
            self.changes[self.key] = self

    def refuse_packet(self, index: int, code: ErrorCode, counter_offer_j: int = 0) -> None:
        """Note why a packet is not going on."""
        self.refused[index] = GrantItem(
            index=index,
            energy_j=0,
            price_micro_per_kwh=0,
            reason=code,
            counter_offer_j=counter_offer_j,
            scarcity_micro_per_kwh=0,
        )


class ReservationTable:
    """All reservations of the node: bounded, with their deadlines."""

    def __init__(self, config: RouterConfig) -> None:
        """An empty table with the limits of the configuration."""
        window_s = SETTLEMENT_SLOTS * config.parameters.slot_s
        self._kept_ns = max(config.timers.outcome_kept_s, 2 * window_s) * MS_PER_S * NS_PER_MS
        self._records: dict[ReservationKey, Reservation] = {}
        self._open: dict[ReservationKey, Reservation] = {}
        self.open_packets = 0  # of all open records
        limits, parties = config.limits, len(config.neighbors) + 1  # this node itself is one
        self._shares: Shares[ReservationKey, NodeId | None] = Shares(limits.reservations, parties)
        self._packet_shares: Shares[ReservationKey, NodeId | None] = Shares(limits.packets, parties)
        self._idle: dict[NodeId | None, dict[ReservationKey, None]] = {}  # ended, never committed to
        self._pushed_out: list[Reservation] = []
        self._changed: dict[ReservationKey, Reservation] = {}
        self._moves: list[Move] = []

    def moves(self) -> tuple[Move, ...]:
        """Steps taken since the last call, in order."""
        moves = tuple(self._moves)
        self._moves.clear()
        return moves

    def share_among(self, neighbors: int) -> None:
        """There are so many neighbours from now on, and this node."""
        self._shares.share_among(neighbors + 1)
        self._packet_shares.share_among(neighbors + 1)

    def changed(self) -> tuple[Reservation, ...]:
        """Records that have changed since the last call."""
        changed = tuple(self._changed.values())
        self._changed.clear()
        return changed

    def restore(self, record: Reservation) -> None:
        """Enter a record of an earlier life; no quota counts against a promise."""
        record.changes, record.moves = self._changed, self._moves
        self._keep(record)
        if record.state not in TERMINAL or record.unconfirmed:
            self._open_again(record)
        else:
            self._note_idle(record)

    def get(self, reservation: ReservationId, version: int) -> Reservation | None:
        """The record of a reservation version."""
        return self._records.get((reservation, version))

    def newest(self, reservation: ReservationId) -> Reservation | None:
        """The record behind an id without version: a committed one before others, then the newest."""
        versions = [record for key, record in self._records.items() if key[0] == reservation]
        return max(
            versions,
            key=lambda one: (one.state is ReservationState.COMMITTED, one.core.body.version),
            default=None,
        )

    def require(self, reservation: ReservationId, version: int) -> Reservation:
        """The record, or PeerError UNKNOWN_RESERVATION."""
        record = self.get(reservation, version)
        if record is None:
            raise PeerError(ErrorCode.UNKNOWN_RESERVATION, "no such reservation here")
        return record

    def all(self) -> tuple[Reservation, ...]:
        """Every record, ended ones included."""
        return tuple(self._records.values())

    def open_records(self) -> tuple[Reservation, ...]:
        """Records that a timer or an answer can still change."""
        return tuple(self._open.values())

    def enter(self, record: Reservation) -> None:
        """Keep a new record; whether there is room for it was asked before."""
        self._keep(record)
        self._open_again(record)
        record.changes, record.moves = self._changed, self._moves

    def admits(self, neighbor: NodeId | None, packets: int) -> bool:
        """Whether there is room to remember one more reservation of a neighbour, None: of this node."""
        return self._shares.admits(neighbor) and self._packet_shares.admits(neighbor, packets)

    def make_room(self, neighbor: NodeId | None, packets: int) -> bool:
        """The same, after the oldest of its reservations that ended without a COMMIT have gone.

        Nothing depends on those: asked again, they are refused or held anew.
        """
        idle = self._idle.get(neighbor, {})
        while not self.admits(neighbor, packets) and idle:
            record = self._records[next(iter(idle))]
            self._forget(record)
            self._pushed_out.append(record)
        return self.admits(neighbor, packets)

    def pushed_out(self) -> tuple[Reservation, ...]:
        """What has made room for others since the last call."""
        gone = tuple(self._pushed_out)
        self._pushed_out.clear()
        return gone

    def _keep(self, record: Reservation) -> None:
        party = _party(record)
        self._records[record.key] = record
        self._shares.hold(record.key, party)
        self._packet_shares.hold(record.key, party, len(record.core.body.items))

    def _note_idle(self, record: Reservation) -> None:
        if record.state in ENDED and record.commit is None and record.key in self._records:
            self._idle.setdefault(_party(record), {})[record.key] = None

    def _forget(self, record: Reservation) -> None:
        del self._records[record.key]
        self._changed.pop(record.key, None)
        self._shares.drop(record.key)
        self._packet_shares.drop(record.key)
        self._idle.get(_party(record), {}).pop(record.key, None)

    def _open_again(self, record: Reservation) -> None:
        if record.key not in self._open:
            self.open_packets += len(record.core.body.items)
        self._idle.get(_party(record), {}).pop(record.key, None)
        self._open[record.key] = record

    def settle(self, record: Reservation) -> None:
        """Take an ended record off the open list once its neighbours know (it stays answerable)."""
        if record.state not in TERMINAL or record.unconfirmed:
            self._open_again(record)
        else:
            self.close(record)

    def close(self, record: Reservation) -> None:
        """Take an ended record off the open list, whatever its neighbours know."""
        if self._open.pop(record.key, None) is not None:
            self.open_packets -= len(record.core.body.items)
            self._note_idle(record)

    def deadline_ns(self) -> int | None:
        """The next hold deadline or retry."""
        times = [
            record.deadline_ns for record in self._open.values() if record.state < ReservationState.IN_DOUBT
        ]
        times += [record.retry_ns for record in self._open.values() if record.retry_ns is not None]
        return min(times, default=None)

    def forget_ended(self, now: Now, before: Slot) -> tuple[Reservation, ...]:
        """Drop records whose retention is over; what is booked stays until its slot is before `before`."""
        gone = tuple(record for record in self._records.values() if self._is_over(record, now, before))
        for record in gone:
            self._forget(record)
        return gone

    def _is_over(self, record: Reservation, now: Now, before: Slot) -> bool:
        if record.ended_ns is None or record.ended_ns + self._kept_ns > now.monotonic_ns:
            return False
        books = record.state is ReservationState.COMMITTED or record.release is not None
        return not books or record.last_slot < before


def _party(record: Reservation) -> NodeId | None:
    """Whose part of the table a record takes: the neighbour's it came from, None for an own one."""
    near = record.toward_initiator
    return None if near is None else near.port.neighbor
