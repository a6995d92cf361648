"""The writer of durable records: what a call has changed, before anything of it leaves (SPEC section 3.4).

Parts note what has changed; once per call, behind everything else, this file turns that
into records of the state as it then is.  The router puts them in front of all other
effects, so no part can forget a barrier, and a reservation that changes twice in a call
is written once.  Order: counters first, then what relies on them.

Operational keys of others are written with the first promise that they signed: without
them a restarted node could not show its neighbours whose signature it holds.
"""

from __future__ import annotations

from typing import Final

from ioe_router.core import durable_settlement as settled
from ioe_router.core.durable import envelope_to, to_record
from ioe_router.core.durable_cuts import cut_objects
from ioe_router.core.durable_reservation import is_promise, key_of, record_of
from ioe_router.core.effects import RecordKind
from ioe_router.core.evidence import Evidence
from ioe_router.core.imbalance import Imbalance
from ioe_router.core.outbox import Outbox
from ioe_router.core.ports import Ports
from ioe_router.core.reservation import Reservation, ReservationTable
from ioe_router.core.settlement import Settlement
from ioe_router.core.supply import LossSupply
from ioe_router.model.clock import Now
from ioe_router.model.envelope import Envelope
from ioe_router.model.ids import LinkId, NodeId
from ioe_router.model.slot import Slot

NUMBERS_AT_ONCE: Final = 1_024  # line numbers that one record allows


class Promises:
    """Writes what has changed, and drops what is over."""

    def __init__(
        self,
        evidence: Evidence,
        ports: Ports,
        reservations: ReservationTable,
        settlement: Settlement,
        imbalance: Imbalance,
        supply: LossSupply,
    ) -> None:
        """Watch these parts; nothing of theirs is durable yet."""
        self._evidence = evidence
        self._ports = ports
        self._reservations = reservations
        self._settlement = settlement
        self._imbalance = imbalance
        self._supply = supply
        self._numbers: dict[LinkId, int] = {}  # line numbers that may be used without another record
        self._keys: dict[bytes, None] = {}
        self._epochs: dict[NodeId, int] = {}

    def restore_numbers(self, link: LinkId, number: int) -> None:
        """Line numbers up to this one may have been used."""
        self._numbers[link] = number

    def restore_key(self, key: bytes) -> None:
        """The certificate of this operational key is in the store."""
        self._keys[key] = None

    # ------------------------------------------------------------ writing

    def write(self, now: Now, out: Outbox) -> None:
        """Make durable what has changed since the last call."""
        self._write_numbers(out)
        self._write_settlement(out)
        for record in self._reservations.changed():
            if is_promise(record):
                self._write_keys(record, out)
                record.stored = True
                out.persist(RecordKind.RESERVATION, key_of(record.key), record_of(record, now))
        for record in self._reservations.pushed_out():
            if record.stored:
                out.persist(RecordKind.RESERVATION, key_of(record.key), None)

    def _write_numbers(self, out: Outbox) -> None:
        """Allow a block of line numbers before the first of it is used, so that none is used twice."""
        for port in self._ports.all():
            last = port.calendar.last_number
            if port.keeper and last > self._numbers.get(port.link, 0):
                allowed = self._numbers[port.link] = last + NUMBERS_AT_ONCE
                out.persist(
                    RecordKind.COUNTER, settled.NUMBERS + port.link, to_record({"used_up_to": allowed})
                )

    def _write_keys(self, record: Reservation, out: Outbox) -> None:
        for envelope in signed_objects(record):
            for signature in envelope.signatures:
                certificate = self._evidence.key(signature.key)
                if certificate is None or signature.key in self._keys:
                    continue
                self._keys[signature.key] = None
                values = {"certificate": envelope_to(certificate.envelope)}
                out.persist(RecordKind.KEY, signature.key, to_record(values))

    def _write_settlement(self, out: Outbox) -> None:
        links: dict[LinkId, None] = {}
        for (slot, link), row in self._settlement.changed():
            links[link] = None
            record = None if row is None else settled.row_of(row)
            out.persist(RecordKind.SETTLEMENT, settled.link_key(slot, link), record)
        for link in links:
            heads = settled.heads_of(self._settlement.heads(link))
            out.persist(RecordKind.COUNTER, settled.HEADS + link, heads)
        for slot, supply in self._supply.changed():
            data = None if supply is None else settled.supply_of(supply)
            out.persist(RecordKind.SETTLEMENT, settled.supply_key(slot), data)
        self._write_imbalance(out)

    def _write_imbalance(self, out: Outbox) -> None:
        own = self._imbalance.changed_own()
        if own:
            head = to_record({"previous": self._imbalance.previous.hex()})
            out.persist(RecordKind.COUNTER, settled.IMBALANCE, head)
        for slot, record in own:
            data = None if record is None else settled.own_of(record)
            out.persist(RecordKind.SETTLEMENT, settled.own_key(slot), data)
        for (slot, node), held in self._imbalance.changed_held():
            data = None if held is None else settled.held_of(held)
            out.persist(RecordKind.SETTLEMENT, settled.held_key(slot, node), data)
        for slot, prices in self._imbalance.changed_prices():
            data = None if prices is None else settled.prices_of(prices)
            out.persist(RecordKind.SETTLEMENT, settled.prices_key(slot), data)

    # ------------------------------------------------------------ forgetting

    def forget(self, now: Now, before: Slot, out: Outbox) -> None:
        """Drop reservations whose retention is over, and certificates that have ended."""
        for record in self._reservations.forget_ended(now, before):
            if record.stored:
                out.persist(RecordKind.RESERVATION, key_of(record.key), None)
        for key in list(self._keys):
            expires_utc_s = self._evidence.key_expires_utc_s(key)
            if expires_utc_s is None or expires_utc_s <= now.utc_s:
                del self._keys[key]
                out.persist(RecordKind.KEY, key, None)


def signed_objects(record: Reservation) -> tuple[Envelope, ...]:
    """The signed objects that a reservation may have to be shown with."""
    sealed = (record.core, record.commit, record.committed, record.release)
    envelopes = [one.envelope for one in sealed if one is not None]
    if record.answer is not None:
        envelopes.append(record.answer)
    return (*envelopes, *cut_objects(record))
