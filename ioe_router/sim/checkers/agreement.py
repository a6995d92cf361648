"""What two neighbours hold about the same thing is the same in the end.

*Reservations.* Both ended or both COMMITTED, with the same figures on the
link.  One difference is allowed by the protocol (SPEC section 10): whoever
holds COMMITTED without a receipt from the near neighbour stands in for it.
*Statements.* When both ends call a link settled, the figures mirror each
other: what one is owed, the other owes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ioe_router.core.effects import Effect, Emit
from ioe_router.core.events import LinkSettled
from ioe_router.core.reservation import Reservation
from ioe_router.core.reservation_fsm import TERMINAL
from ioe_router.model.ids import LinkId, NodeId
from ioe_router.model.reservation import ReservationState
from ioe_router.model.slot import Slot
from ioe_router.sim.checkers.verdict import CheckFailed, require
from ioe_router.sim.host import Host


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
    """At the end: the beliefs of both ends of every link about every reservation."""
    for one, other in pairs:
        for near, far in ((one, other), (other, one)):
            _check_pair(near, far)


def check_terminal(host: Host) -> None:
    """At the end: nothing is left open."""
    assert host.router is not None  # noqa: S101 - the run ends with living hosts
    for record in host.router.inspect().reservations.all():
        name = f"{record.key[0].hex()[:8]} v{record.key[1]}"
        require(record.state in TERMINAL, host, f"{name} is {record.state.name} at the end")


def _check_pair(near: Host, far: Host) -> None:
    """`near` is the initiator's side."""
    assert near.router is not None and far.router is not None  # noqa: S101, PT018
    table = far.router.inspect().reservations
    for mine in near.router.inspect().reservations.all():
        leg = mine.toward_origin
        if leg is None or leg.port.neighbor != far.node:
            continue
        theirs = table.get(*mine.key)
        if theirs is None:
            if mine.state is ReservationState.COMMITTED:
                raise CheckFailed(f"{near.name}: {_name(mine)} is COMMITTED, unknown at {far.name}")
            continue
        if theirs.toward_initiator is None or theirs.toward_initiator.port.neighbor != near.node:
            continue
        _compare(near, mine, far, theirs, far.node)


def _compare(near: Host, mine: Reservation, far: Host, theirs: Reservation, _node: NodeId) -> None:
    committed = ReservationState.COMMITTED
    if mine.state is committed and theirs.state is committed:
        for index in mine.accepted:
            _compare_packet(near, mine, far, theirs, index)
        return
    if mine.state is committed or (theirs.state is committed and theirs.receipt):
        raise CheckFailed(
            f"{near.name} holds {_name(mine)} as {mine.state.name}, {far.name} as {theirs.state.name}"
        )


def _compare_packet(near: Host, mine: Reservation, far: Host, theirs: Reservation, index: int) -> None:
    one, other = mine.toward_origin, theirs.toward_initiator
    if one is None or other is None:
        return
    slot = mine.slots[index]
    ledgers = one.port.calendar.ledger(slot), other.port.calendar.ledger(slot)
    if ledgers[0] is None or ledgers[1] is None:
        return
    here, there = ledgers[0].entries.get(one.key(index)), ledgers[1].entries.get(other.key(index))
    if here is None or there is None or here.increment != there.increment or here.flow is not there.flow:
        raise CheckFailed(
            f"slot {slot}: {near.name} and {far.name} have other figures for packet {index} of {_name(mine)}"
        )
    if here.price_micro_per_kwh != there.price_micro_per_kwh:
        raise CheckFailed(
            f"slot {slot}: {near.name} and {far.name} have other prices for packet {index} of {_name(mine)}"
        )


def _name(record: Reservation) -> str:
    return f"{record.key[0].hex()[:8]} v{record.key[1]}"
