"""What two neighbours hold about the same thing is the same in the end.

*Reservations.* Both ended or both COMMITTED, with the same figures on the
link.  The protocol allows two differences (SPEC section 10): who holds COMMITTED
without a receipt from the near neighbour stands in for it, and so does who has
released toward the initiator what the next node has not confirmed.
*Statements.* When both ends call a link settled, the figures mirror each
other: what one is owed, the other owes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ioe_router.core.calendar import LiveEntry
from ioe_router.core.effects import Effect, Emit
from ioe_router.core.events import LinkSettled
from ioe_router.core.reservation import Reservation
from ioe_router.core.reservation_fsm import TERMINAL
from ioe_router.model.ids import LinkId
from ioe_router.model.reservation import ReservationState
from ioe_router.model.slot import Slot
from ioe_router.sim.checkers.verdict import CheckFailed, require
from ioe_router.sim.host import Host

COMMITTED: Final = ReservationState.COMMITTED


@dataclass(frozen=True, slots=True)
class _Said:
    host: str
    settled: LinkSettled


class Statements:
    """LinkSettled of both ends of every link."""

    def __init__(self) -> None:
        """Nothing settled."""
        self._first: dict[tuple[LinkId, Slot], _Said] = {}
        self.disputed: list[str] = []

    def after(self, host: Host, effects: Sequence[Effect]) -> None:
        """Compare the two ends."""
        for effect in effects:
            if not isinstance(effect, Emit) or not isinstance(effect.event, LinkSettled):
                continue
            event = effect.event
            where = f"slot {event.slot}, link {event.link.hex()[:8]}"
            if not event.agreed:
                self.disputed.append(f"{host.name}: {where}")
                continue
            other = self._first.setdefault((event.link, event.slot), _Said(host.name, event))
            if other.host == host.name:
                continue
            mirrored = (
                other.settled.owed_to_us_micro == event.owed_by_us_micro
                and other.settled.owed_by_us_micro == event.owed_to_us_micro
            )
            require(mirrored, host, f"{where}: obligations do not mirror those of {other.host}")


def check_pairs(pairs: Sequence[tuple[Host, Host]]) -> None:
    """At the end: the beliefs of both ends of every link about every reservation, and what is settled."""
    for one, other in pairs:
        for near, far in ((one, other), (other, one)):
            _check_pair(near, far)
            _check_settled(near, far)


def check_terminal(host: Host) -> None:
    """At the end: nothing is left open."""
    assert host.router is not None  # noqa: S101 - the run ends with living hosts
    for record in host.router.inspect().reservations.all():
        name = f"{record.key[0].hex()[:8]} v{record.key[1]}"
        require(record.state in TERMINAL, host, f"{name} is {record.state.name} at the end")


def _check_settled(one: Host, other: Host) -> None:
    """What is settled at one end is settled at the other."""
    assert one.router is not None and other.router is not None  # noqa: S101, PT018
    there = other.router.inspect().settlement.rows
    for (slot, link), row in one.router.inspect().settlement.rows.items():
        if row.agreed is not None and (slot, link) in there and there[slot, link].agreed is None:
            raise CheckFailed(
                f"slot {slot}, link {link.hex()[:8]} is settled at {one.name}, not at {other.name}"
            )


def _check_pair(near: Host, far: Host) -> None:
    """`near` is the initiator's side."""
    assert near.router is not None and far.router is not None  # noqa: S101, PT018
    theirs_by_key = far.router.inspect().reservations
    for mine in near.router.inspect().reservations.all():
        leg = mine.toward_origin
        if leg is None or leg.port.neighbor != far.node:
            continue
        theirs = theirs_by_key.get(*mine.key)
        if theirs is None:
            if mine.state is COMMITTED:
                raise CheckFailed(f"{near.name}: {_name(mine)} is COMMITTED, unknown at {far.name}")
        elif theirs.toward_initiator is not None and theirs.toward_initiator.port.neighbor == near.node:
            _check_states(near, mine, far, theirs)
            _check_books(near, mine, far, theirs)


def _check_states(near: Host, mine: Reservation, far: Host, theirs: Reservation) -> None:
    """Both ended or both COMMITTED, or the one that holds COMMITTED stands in for the other."""
    if mine.state is COMMITTED:
        agree = theirs.state is COMMITTED
    else:
        released = mine.state is ReservationState.RELEASED  # and not confirmed: the near end stands in
        agree = theirs.state is not COMMITTED or not theirs.receipt or released
    if not agree:
        raise CheckFailed(
            f"{near.name} holds {_name(mine)} as {mine.state.name}, {far.name} as {theirs.state.name}"
        )


def _check_books(near: Host, mine: Reservation, far: Host, theirs: Reservation) -> None:
    """What is booked on the link is the same, unless the far end stands in for a receipt that never came."""
    one, other = mine.toward_origin, theirs.toward_initiator
    if one is None or other is None or (mine.state is not COMMITTED and not theirs.receipt):
        return
    for index, slot in mine.slots.items():
        ledgers = one.port.calendar.ledger(slot), other.port.calendar.ledger(slot)
        if ledgers[0] is None or ledgers[1] is None:
            continue
        here, there = ledgers[0].entries.get(one.key(index)), ledgers[1].entries.get(other.key(index))
        if _figures(here) != _figures(there):
            raise CheckFailed(
                f"slot {slot}: {near.name} ({mine.state.name}) and {far.name} ({theirs.state.name}) "
                f"have other books for packet {index} of {_name(mine)}"
            )


def _figures(entry: LiveEntry | None) -> tuple[object, ...] | None:
    return None if entry is None else (entry.flow, entry.increment, entry.price_micro_per_kwh)


def _name(record: Reservation) -> str:
    return f"{record.key[0].hex()[:8]} v{record.key[1]}"
