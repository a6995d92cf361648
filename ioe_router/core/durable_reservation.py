"""What a node writes down about one reservation, and how it reads it back (SPEC section 10.10).

The record holds everything that the node needs to stand by its promise: the signed
objects, both legs, what was granted and taken, this node's ledger lines on both links,
the absolute end of the hold, and at the initiator which want it serves.  HOLDING is no
promise: of it nothing is written, and a restart forgets it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from ioe_router.core.calendar import LiveEntry
from ioe_router.core.durable import Fields, Recall, damaged, envelope_to, sealed_to, to_record
from ioe_router.core.durable_cuts import cuts_of, read_cuts
from ioe_router.core.legs import Leg
from ioe_router.core.loss import Increment
from ioe_router.core.ports import Ports
from ioe_router.core.reservation import Granted, Purpose, Reservation, ReservationKey
from ioe_router.core.reservation_fsm import ENDED, TERMINAL
from ioe_router.model.clock import NS_PER_MS, Now
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.ids import LINK_ID_BYTES, NODE_ID_BYTES, NodeId, PathHash
from ioe_router.model.reservation import (
    Commit,
    Committed,
    GrantItem,
    HoldCore,
    Release,
    ReservationState,
)
from ioe_router.model.routing import Flow
from ioe_router.model.slot import Slot

PATH_HASH_BYTES: Final = 32
_ENTRY_WIDTH: Final = 10
_ENTRY_NULLABLE: Final = frozenset((6, 7, 8, 9))  # price, and the figures before a cut


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEntry:
    """A live packet on one link, as it was when the record was written."""

    leg: Leg
    index: int
    slot: Slot
    entry: LiveEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReservation:
    """A record read back: the reservation and the ledger lines that belong to it."""

    record: Reservation
    entries: tuple[StoredEntry, ...]


# ------------------------------------------------------------------ writing


def key_of(key: ReservationKey) -> bytes:
    """The row of the store: id, then version as four bytes."""
    reservation, version = key
    return reservation + version.to_bytes(4)


def is_promise(record: Reservation) -> bool:
    """Whether this node has to stand by the reservation after a crash, or to remember how it ended."""
    return record.stored or record.state in (
        ReservationState.HELD,
        ReservationState.IN_DOUBT,
        ReservationState.COMMITTED,
    )


def record_of(record: Reservation, now: Now) -> bytes:
    """The record of a reservation as it stands."""
    serves = record.serves
    return to_record(
        {
            "accepted": list(record.accepted),
            "answer": envelope_to(record.answer),
            "commit": sealed_to(record.commit),
            "committed": sealed_to(record.committed),
            "core": envelope_to(record.core.envelope),
            "ended_utc_ms": None if record.ended_ns is None else _utc_ms(record.ended_ns, now),
            "far": _leg(record, record.toward_origin),
            "granted": [
                [index, one.energy_j, one.price_micro_per_kwh, one.scarcity_micro_per_kwh]
                for index, one in sorted(record.granted.items())
            ],
            "hold_until_utc_ms": _utc_ms(record.deadline_ns, now),
            "near": _leg(record, record.toward_initiator),
            "receipt": record.receipt,
            "refused": [
                [index, int(one.reason), one.counter_offer_j] for index, one in sorted(record.refused.items())
            ],
            "release": sealed_to(record.release),
            "release_open": record.release_open,
            "serves": [] if serves is None else [[serves.trade_no, serves.own_offer_no, serves.hops]],
            "state": int(record.state),
            **cuts_of(record),
        }
    )


def _utc_ms(at_ns: int, now: Now) -> int:
    """An instant of the monotonic clock on the wall clock, rounded down."""
    return now.utc_ms + (at_ns - now.monotonic_ns) // NS_PER_MS


def _leg(record: Reservation, leg: Leg | None) -> dict[str, Any] | None:
    if leg is None:
        return None
    return {
        "entries": [_entry(index, entry) for index, entry in leg.live(record.slots)],
        "fee_micro_per_kwh": leg.fee_micro_per_kwh,
        "label": leg.label.hex(),
        "link": leg.port.link.hex(),
        "neighbor": leg.port.neighbor.hex(),
    }


def _entry(index: int, entry: LiveEntry) -> list[int | None]:
    inc, uncut = entry.increment, entry.uncut
    return [
        index,
        entry.number,
        int(entry.flow),
        inc.flow_j,
        inc.sent_j,
        inc.received_j,
        entry.price_micro_per_kwh,
        *((None, None, None) if uncut is None else (uncut.flow_j, uncut.sent_j, uncut.received_j)),
    ]


# ------------------------------------------------------------------ reading


class ReservationReader:
    """Reads reservation records of this node. UsageError names the record and what is wrong with it."""

    def __init__(self, ports: Ports, recall: Recall, hold_ms: int, now: Now) -> None:
        """`recall` decodes what this node has verified before; no deadline is further off than `hold_ms`."""
        self._ports = ports
        self._recall = recall
        self._hold_ms = hold_ms
        self._now = now

    def read(self, key: bytes, data: bytes) -> StoredReservation:
        """The reservation behind a row of the store."""
        fields = Fields.of(data, f"reservation {key.hex()}")
        core = fields.sealed("core", HoldCore, self._recall)
        if core is None or key_of((core.body.reservation, core.body.version)) != key:
            raise damaged(fields.what, "its key is that of another reservation")
        near, near_rows = self._leg(fields, "near", core.body, toward_origin=False)
        far, far_rows = self._leg(fields, "far", core.body, toward_origin=True)
        record = Reservation(
            core=core,
            toward_initiator=near,
            toward_origin=far,
            deadline_ns=self._deadline_ns(fields.integer("hold_until_utc_ms")),
            state=_state(fields),
            refused=_refused(fields),
            granted=_granted(fields),
            accepted=fields.numbers("accepted"),
            commit=fields.sealed("commit", Commit, self._recall),
            committed=fields.sealed("committed", Committed, self._recall),
            receipt=fields.flag("receipt"),
            answer=fields.maybe(fields.envelope, "answer"),
            release=fields.sealed("release", Release, self._recall),
            release_open=fields.flag("release_open"),
            serves=_serves(fields),
            ended_ns=self._ended_ns(fields),
            stored=True,
        )
        read_cuts(fields, record)
        _check(record, fields.what)
        entries = (*_entries(record, near, near_rows, fields), *_entries(record, far, far_rows, fields))
        return StoredReservation(record=record, entries=entries)

    def _deadline_ns(self, until_utc_ms: int) -> int:
        """What is left of a hold. A wall clock that was set back must not lengthen it."""
        return self._now.after_ms(min(until_utc_ms - self._now.utc_ms, self._hold_ms))

    def _ended_ns(self, fields: Fields) -> int | None:
        ended = fields.maybe(fields.integer, "ended_utc_ms")
        return None if ended is None else self._now.after_ms(min(0, ended - self._now.utc_ms))

    def _leg(
        self, fields: Fields, name: str, core: HoldCore, *, toward_origin: bool
    ) -> tuple[Leg | None, tuple[tuple[Any, ...], ...]]:
        part = fields.maybe(fields.part, name)
        if part is None:
            return None, ()
        neighbor = NodeId(part.octets("neighbor", NODE_ID_BYTES))
        try:
            port = self._ports.to(neighbor)
        except PeerError:
            raise damaged(
                fields.what, f"its neighbour {neighbor.hex()[:12]} is not configured; configure it again"
            ) from None
        if part.octets("link", LINK_ID_BYTES) != port.link:
            raise damaged(fields.what, f"the link to {neighbor.hex()[:12]} is now another one")
        leg = Leg(
            port=port,
            direction=core.direction,
            toward_origin=toward_origin,
            fee_micro_per_kwh=part.integer("fee_micro_per_kwh"),
            label=PathHash(part.octets("label", PATH_HASH_BYTES)),
            reservation=core.reservation,
            version=core.version,
        )
        return leg, part.rows("entries", _ENTRY_WIDTH, nullable=_ENTRY_NULLABLE)


def _state(fields: Fields) -> ReservationState:
    try:
        return ReservationState(fields.integer("state"))
    except ValueError:
        raise fields.bad("state") from None


def _refused(fields: Fields) -> dict[int, GrantItem]:
    try:
        return {
            index: GrantItem(
                index=index,
                energy_j=0,
                price_micro_per_kwh=0,
                reason=ErrorCode(reason),
                counter_offer_j=counter_j,
                scarcity_micro_per_kwh=0,
            )
            for index, reason, counter_j in fields.rows("refused", 3)
        }
    except ValueError:
        raise fields.bad("refused") from None


def _granted(fields: Fields) -> dict[int, Granted]:
    return {
        index: Granted(energy_j=energy_j, price_micro_per_kwh=price, scarcity_micro_per_kwh=scarcity)
        for index, energy_j, price, scarcity in fields.rows("granted", 4)
    }


def _serves(fields: Fields) -> Purpose | None:
    """Which want an own reservation serves: one row, or none."""
    rows = fields.rows("serves", 3, nullable=frozenset((1,)))
    if not rows:
        return None
    trade_no, own_offer_no, hops = rows[0]
    return Purpose(trade_no=trade_no, own_offer_no=own_offer_no, hops=hops)


def _entries(
    record: Reservation, leg: Leg | None, rows: tuple[tuple[Any, ...], ...], fields: Fields
) -> list[StoredEntry]:
    found: list[StoredEntry] = []
    for index, number, flow, flow_j, sent_j, received_j, price, *uncut in rows:
        if leg is None or index not in record.slots or flow not in (Flow.DOWN, Flow.UP):
            raise damaged(fields.what, "a ledger line belongs to no packet of it")
        if min(number, flow_j, sent_j, received_j, *(one or 0 for one in uncut)) < 0:
            raise damaged(fields.what, "a ledger line has a negative figure")
        entry = LiveEntry(
            number=number,
            flow=Flow(flow),
            increment=Increment(flow_j=flow_j, sent_j=sent_j, received_j=received_j),
            price_micro_per_kwh=price,
            direction=None if price is None else record.core.body.direction,
            uncut=None if None in uncut else Increment(flow_j=uncut[0], sent_j=uncut[1], received_j=uncut[2]),
        )
        found.append(StoredEntry(leg=leg, index=index, slot=record.slots[index], entry=entry))
    return found


def _check(record: Reservation, what: str) -> None:
    """A record that says two things at once is worth as little as a damaged one."""
    state = record.state
    if state in (ReservationState.UNSPECIFIED, ReservationState.HOLDING):
        raise damaged(what, f"{state.name} is no promise")
    if record.toward_initiator is None and record.toward_origin is None:
        raise damaged(what, "it has no link")
    if (state in TERMINAL) is (record.ended_ns is None):
        raise damaged(what, "its state and its end contradict each other")
    if state is ReservationState.COMMITTED and (record.commit is None or record.committed is None):
        raise damaged(what, "it is committed without the signed COMMIT and COMMITTED")
    if state is ReservationState.IN_DOUBT and record.commit is None:
        raise damaged(what, "it is in doubt without the signed COMMIT")
    if state not in ENDED and any(index not in record.granted for index in record.accepted):
        raise damaged(what, "it has taken a packet that was not granted")
