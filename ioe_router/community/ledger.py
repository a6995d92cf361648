"""Keeps what a node's router and agent have said until the demo asks for it.

It stands between the runner and the agent: every event passes here once, is
noted if a report will need it, and goes on to the agent.  Slots outside the day
are nobody's business: the agent never hears that they open.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from ioe_router.agents.agent import Agent
from ioe_router.agents.assets import DeviceSetpoint
from ioe_router.community.reports import OfferSeen
from ioe_router.core.effects import ApplySchedule
from ioe_router.core.events import (
    Booked,
    Event,
    HoldAnswered,
    ImbalanceSettled,
    LinkSettled,
    NeighborDown,
    NeighborUp,
    OfferLearned,
    OriginLost,
    PeerFault,
    SlotClosed,
    SlotOpening,
    Unbooked,
)
from ioe_router.core.inputs import ImbalancePrices, Input
from ioe_router.core.sweep_events import SlotSwept, VoltageOutOfBand
from ioe_router.model.clock import Now
from ioe_router.model.grid import Exchange
from ioe_router.model.ids import LinkId, NodeId
from ioe_router.model.settlement import ImbalanceRecord
from ioe_router.model.slot import Slot
from ioe_router.scenario.model import Day

_KEPT_GATES: Final = 4


@dataclass(slots=True)
class Noted:
    """Events since the last harvest."""

    booked: list[tuple[int, Booked]] = field(default_factory=list)
    unbooked: list[tuple[int, Unbooked]] = field(default_factory=list)
    answered: list[tuple[int, HoldAnswered]] = field(default_factory=list)
    settled: list[LinkSettled] = field(default_factory=list)
    imbalances: list[ImbalanceRecord] = field(default_factory=list)
    swept: list[SlotSwept] = field(default_factory=list)
    out_of_band: list[VoltageOutOfBand] = field(default_factory=list)
    offers: dict[tuple[NodeId, int], OfferSeen] = field(default_factory=dict)
    origins_lost: list[tuple[int, OriginLost]] = field(default_factory=list)
    faults: list[PeerFault] = field(default_factory=list)
    downs: list[tuple[int, NeighborDown]] = field(default_factory=list)


@dataclass(slots=True)
class Gate:
    """What was decided for a slot at its final gate."""

    closed: SlotClosed | None = None
    devices: tuple[DeviceSetpoint, ...] = ()
    entering_j: dict[LinkId, int] = field(default_factory=dict)


class Ledger:
    """The event sink and the schedule sink of one node."""

    def __init__(self, agent: Agent, day: Day, slot_s: int) -> None:
        """`agent` decides; the day's tariff gives the imbalance prices that everybody knows."""
        self._agent = agent
        self._day = day
        self._slot_s = slot_s
        self._noted = Noted()
        self._gates: dict[int, Gate] = {}
        self.up: set[NodeId] = set()

    # ------------------------------------------------------------ sinks

    def on_event(self, event: Event, now: Now) -> Iterable[Input]:
        """Note an event and let the agent answer it."""
        prices: tuple[Input, ...] = ()
        if isinstance(event, SlotOpening):
            index = (event.slot - self._day.start_utc_s) // self._slot_s
            if not 0 <= index < self._day.slots:
                return ()
            prices = (self._prices(event.slot, index),)
        answer = (*prices, *self._agent.on_event(event, now))
        self._note(event, now)
        return answer

    def apply(self, schedule: ApplySchedule) -> None:
        """Note what a port is set to."""
        if schedule.link is not None:
            sign = -1 if schedule.direction is Exchange.IMPORT else 1
            self._gate(schedule.slot).entering_j[schedule.link] = sign * schedule.energy_j

    def _prices(self, slot: Slot, index: int) -> ImbalancePrices:
        return ImbalancePrices(
            slot=slot,
            short_micro_per_kwh=self._day.retail_micro_per_kwh[index],
            long_micro_per_kwh=self._day.feed_in_micro_per_kwh[index],
        )

    # ------------------------------------------------------------ notes

    def _note(self, event: Event, now: Now) -> None:
        noted, at = self._noted, now.utc_ms
        match event:
            case Booked():
                noted.booked.append((at, event))
            case Unbooked():
                noted.unbooked.append((at, event))
            case HoldAnswered():
                noted.answered.append((at, event))
            case SlotClosed():
                self._close(event)
            case LinkSettled():
                noted.settled.append(event)
            case ImbalanceSettled():
                noted.imbalances.append(event.record.body)
            case SlotSwept():
                noted.swept.append(event)
            case VoltageOutOfBand():
                noted.out_of_band.append(event)
            case OfferLearned():
                body = event.offer.body
                noted.offers[body.origin, body.offer_no] = OfferSeen(
                    origin=body.origin,
                    offer_no=body.offer_no,
                    direction=body.direction,
                    source=body.source,
                    is_default=body.is_default,
                )
            case OriginLost():
                noted.origins_lost.append((at, event))
            case PeerFault():
                noted.faults.append(event)
            case NeighborDown():
                noted.downs.append((at, event))
                self.up.discard(event.neighbor)
            case NeighborUp():
                self.up.add(event.neighbor)
            case _:  # the others concern the agent alone
                pass

    def _close(self, closed: SlotClosed) -> None:
        gate = self._gate(closed.slot)
        gate.closed = closed
        gate.devices = self._agent.setpoints(closed.slot)

    def _gate(self, slot: Slot) -> Gate:
        gate = self._gates.get(slot)
        if gate is None:
            gate = self._gates[slot] = Gate()
            for old in [s for s in self._gates if s < slot - _KEPT_GATES * self._slot_s]:
                del self._gates[old]
        return gate

    # ------------------------------------------------------------ reports

    def gate(self, slot: int) -> Gate | None:
        """What was decided for a slot, None before its final gate."""
        gate = self._gates.get(slot)
        return gate if gate is not None and gate.closed is not None else None

    def harvest(self) -> Noted:
        """What was noted since the last call."""
        noted, self._noted = self._noted, Noted()
        return noted
