"""A reservation that takes the place of an earlier one (SPEC section 10.12).

A HOLD may name a committed reservation of its initiator that it `replaces`.
While both are there, a link and an offer that they share count the larger of
the two, never the sum: only one of them will be left.

    link toward the origin      the old one leaves the books with COMMITTED of the new one
    link toward the initiator   ... with its RECEIPT, when the neighbour has switched, too
    links of the old one alone  ... with the RELEASE that the initiator then sends

So each end of a shared link has, at any instant, just one of the two; and when
the new one fails, the old one was never touched.
"""

from __future__ import annotations

from ioe_router.core.gates import any_closed
from ioe_router.core.legs import Leg
from ioe_router.core.own_offers import OwnOffers
from ioe_router.core.reservation import Reservation, ReservationTable
from ioe_router.model.clock import Now
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.parameters import NetworkParameters
from ioe_router.model.reservation import HoldCore, ReservationState


class Replacements:
    """Which open reservation takes the place of which; the pairs stand in calendars and own offers."""

    def __init__(self, parameters: NetworkParameters, table: ReservationTable, offers: OwnOffers) -> None:
        """Look the replaced ones up in this table."""
        self._parameters = parameters
        self._table = table
        self._offers = offers

    def check(self, body: HoldCore, now: Now, *, must_know: bool) -> None:
        """Whether a HOLD may replace what it names. PeerError with the code that refuses it.

        A node in transit need not know the old one: then they share nothing here.
        """
        if body.replaces is None:
            return
        old = self._table.newest(body.replaces)
        if old is None:
            if must_know:
                raise PeerError(ErrorCode.UNKNOWN_RESERVATION, "the reservation to be replaced is not known")
            return
        named = old.core.body
        if named.initiator != body.initiator:
            raise PeerError(ErrorCode.NOT_OWNER, "the reservation to be replaced is another initiator's")
        if old.state is not ReservationState.COMMITTED:
            raise PeerError(ErrorCode.UNEXPECTED, f"the reservation to be replaced is {old.state.name}")
        if (named.origin, named.direction) != (body.origin, body.direction):
            raise PeerError(ErrorCode.CONFLICT, "a replacement has the origin and direction of the old one")
        if self._rival(old) is not None:
            raise PeerError(ErrorCode.CONFLICT, "another reservation is about to replace the same one")
        if any_closed(self._parameters, old.slots.values(), now):
            raise PeerError(ErrorCode.GATE_CLOSED, "the reservation to be replaced is dispatched")

    def _rival(self, old: Reservation) -> Reservation | None:
        named = old.core.body.reservation
        for other in self._table.open_records():
            if other.core.body.replaces == named and other.state is not ReservationState.COMMITTED:
                return other
        return None

    def replaced(self, record: Reservation) -> Reservation | None:
        """The committed reservation whose place this one takes, as long as it stands."""
        named = record.core.body.replaces
        old = None if named is None else self._table.newest(named)
        return old if old is not None and old.state is ReservationState.COMMITTED else None

    def gate_is_closed(self, record: Reservation, now: Now) -> bool:
        """The final gate of the replaced reservation has passed: it can be given up no more."""
        old = self.replaced(record)
        return old is not None and any_closed(self._parameters, old.slots.values(), now)

    # --- while both are there

    def join(self, record: Reservation) -> None:
        """From now on the larger of the two counts, wherever they share something here."""
        old = self.replaced(record)
        if old is None:
            return
        for one, other in _shared(record, old):
            one.port.calendar.pairs[record.key] = other.batch
        if not record.is_transit:
            self._offers.pairs[record.key] = old.key

    def part(self, record: Reservation) -> None:
        """The new one ends, or the switch is done: nothing is shared any more."""
        for leg in record.legs():
            leg.port.calendar.pairs.pop(record.key, None)
        self._offers.pairs.pop(record.key, None)

    # --- the switch

    def committed(self, record: Reservation) -> None:
        """COMMITTED stands here: the link that it came over has the new one in place of the old one."""
        self._switch(record, record.toward_origin)

    def confirmed(self, record: Reservation) -> None:
        """The near neighbour has switched, too."""
        self._switch(record, record.toward_initiator)
        self.part(record)

    def _switch(self, record: Reservation, leg: Leg | None) -> None:
        old = self.replaced(record)
        if old is None or leg is None:
            return
        for one, other in _shared(record, old):
            if one is leg:
                ledger_of = other.port.calendar.ledger
                for index, slot in old.slots.items():
                    ledger = ledger_of(slot)
                    if ledger is not None:
                        ledger.withdraw(other.key(index))
                one.port.calendar.pairs.pop(record.key, None)
        old.touch()

    def restore(self) -> None:
        """After a restart: pair again what had not switched yet, finish what had.

        Old and new are two durable records; a crash may have come between them.
        """
        for record in self._table.all():
            if record.state is ReservationState.COMMITTED:
                self.join(record)
                self.committed(record)
                if record.receipt or record.toward_initiator is None:
                    self.confirmed(record)
            elif record.state in (ReservationState.HELD, ReservationState.IN_DOUBT):
                self.join(record)


def _shared(record: Reservation, old: Reservation) -> list[tuple[Leg, Leg]]:
    """Legs of both over the same link."""
    return [(one, other) for one in record.legs() for other in old.legs() if one.port is other.port]
