"""What a host has been told of its bookings is what its router has on its books, whatever crashed in between.

The books here are kept as a host would keep them over crashes, by events alone:
Booked and BookingRestored enter a packet, Unbooked takes off what is gone,
UnbookingRestored leaves what remains.  What the router has booked in a slot
that was not over at its last start must be on these books; what is on them must be booked.
"""

from __future__ import annotations

from collections.abc import Sequence

from ioe_router.core.effects import Effect, Emit
from ioe_router.core.events import Booked, BookingRestored, Unbooked, UnbookingRestored
from ioe_router.core.inputs import Input, Started
from ioe_router.model.clock import Now
from ioe_router.model.reservation import ReservationState
from ioe_router.sim.checkers.verdict import require
from ioe_router.sim.host import Host

Packet = tuple[bytes, int]  # reservation, index


class HostBooks:
    """Books of every honest host, joules at its own port."""

    def __init__(self, slot_s: int) -> None:
        """Nobody has booked anything."""
        self._slot_s = slot_s
        self._books: dict[str, dict[Packet, int]] = {}
        self._started_utc_s: dict[str, int] = {}

    def after(self, host: Host, now: Now, inputs: Sequence[Input], effects: Sequence[Effect]) -> None:
        """Enter what a host was told."""
        if any(isinstance(input_, Started) for input_ in inputs):
            self._started_utc_s[host.name] = now.utc_s
        books = self._books.setdefault(host.name, {})
        for effect in effects:
            wrong = enter(books, effect.event) if isinstance(effect, Emit) else ""
            require(not wrong, host, wrong)

    def check(self, host: Host) -> None:
        """Compare a host's books with what its router has booked."""
        assert host.router is not None  # noqa: S101 - looked at alive
        books, booked = self._books.get(host.name, {}), dict[Packet, int]()
        for record in host.router.inspect().reservations.all():
            if record.is_transit or record.state is not ReservationState.COMMITTED:
                continue
            for index in record.accepted:
                over_utc_s = record.slots[index] + self._slot_s
                if over_utc_s > self._started_utc_s[host.name] or (record.key[0], index) in books:
                    booked[record.key[0], index] = record.granted[index].energy_j
        for packet in sorted({*books, *booked}):
            name = f"packet {packet[1]} of {packet[0].hex()[:8]}"
            told_j, has_j = books.get(packet, 0), booked.get(packet, 0)
            require(told_j == has_j, host, f"{name}: the host was told of {told_j} J, {has_j} J are booked")


def enter(books: dict[Packet, int], event: object) -> str:
    """Keep books by one event; what is wrong with it, in words, or nothing."""
    match event:
        case Booked():
            books[event.reservation, event.index] = event.energy_j
        case BookingRestored(booked=booked):
            books.setdefault((booked.reservation, booked.index), booked.energy_j)
        case Unbooked():
            has_j = books.get((event.reservation, event.index), 0)
            _leave(books, event, event.remaining_j)
            if has_j - event.energy_j != event.remaining_j:
                return f"{event.energy_j} J of {has_j} J are gone, and {event.remaining_j} J remain"
        case UnbookingRestored():
            _leave(books, event, event.remaining_j)
        case _:
            pass
    return ""


def _leave(books: dict[Packet, int], event: Unbooked | UnbookingRestored, remaining_j: int) -> None:
    packet = (event.reservation, event.index)
    left_j = min(books.pop(packet, 0), remaining_j)
    if left_j:
        books[packet] = left_j
