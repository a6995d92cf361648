"""Runs one day: brings the community up, steps the clock, lets the world happen, reads the meters.

    settle -> next deadline of any node or of the world -> advance -> settle -> ...

The world's own instants are the final gate of each slot (what was booked is
read from the nodes) and the end of each slot (it has happened; the meters are
read).  Days are epochs of their own: nothing of a day's network outlives it.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from ioe_router.adapters.attestation import AttestationFile
from ioe_router.analysis.quantities import DayQuantities
from ioe_router.community.domain import community_domain, root_keys
from ioe_router.community.excerpt import first_quantities, first_slots
from ioe_router.community.forecasts import forecast
from ioe_router.community.layout import (
    attestation_of,
    epoch_start_utc_s,
    network_parameters,
    places,
    places_at,
)
from ioe_router.community.planning import area_forecast, base_case
from ioe_router.community.reports import GateReport
from ioe_router.community.world import PhysicalSlot, World
from ioe_router.demo.fleet import CONNECT_S, Fleet
from ioe_router.demo.seat import (
    Assignment,
    Expense,
    Harvest,
    Introduction,
    Neighborhood,
    Seat,
    SeatLost,
)
from ioe_router.model.clock import MS_PER_S
from ioe_router.model.errors import UsageError
from ioe_router.model.ids import NodeId
from ioe_router.scenario.model import Day, Scenario

TICK_MS: Final = 250  # timers due within a tick are kept together at its end
HARVEST_EVERY: Final = 4  # slots between two readings of what nodes have noted
_NOTICE_S: Final = 10.0  # wall time in which the neighbours of a dead node see its streams end
_POLL_S: Final = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """End a node's process in the middle of the bands of a slot (0-based, of the first day)."""

    bus: str
    slot_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DayPlan:
    """What a day is run with."""

    scenario: Scenario
    source: str  # bundled name or folder, for nodes that read the scenario themselves
    day: int
    slots: int  # how many of the day's slots
    seed: int
    first_port: int  # 0: any free ports
    kills: tuple[Kill, ...] = ()


@dataclass(slots=True, kw_only=True)
class DayFacts:
    """Everything that came out of a day, before anything is computed from it."""

    plan: DayPlan
    day: Day  # cut to the slots that were run
    expected: DayQuantities
    nodes: dict[str, NodeId] = field(default_factory=dict)
    gates: list[dict[str, GateReport]] = field(default_factory=list)
    physical: list[PhysicalSlot] = field(default_factory=list)
    harvests: list[Harvest] = field(default_factory=list)
    killed_at_ms: dict[str, int] = field(default_factory=dict)
    expense: Expense | None = None


class _Kind(IntEnum):
    """What the world does, in the order in which it does it at one instant."""

    END = 0
    GATE = 1
    KILL = 2


@dataclass(frozen=True, slots=True, order=True)
class _Instant:
    at_ms: int
    kind: _Kind
    index: int


Progress = Callable[[int, str], None]  # slots that are over, what is going on


class Coordinator:
    """One day over a fleet of nodes."""

    def __init__(self, plan: DayPlan, fleet: Fleet, progress: Progress) -> None:
        """Raises UsageError when the scenario is one that the demo cannot run."""
        self._plan, self._fleet, self._progress = plan, fleet, progress
        scenario = plan.scenario
        self._day = first_slots(scenario.days[plan.day], plan.slots)
        self._slot_s = scenario.market.slot_s
        expected = first_quantities(forecast(scenario, scenario.days[plan.day], plan.seed), plan.slots)
        self._world = World(scenario, self._day, expected)
        self.facts = DayFacts(plan=plan, day=self._day, expected=expected)

    async def run(self) -> DayFacts:
        """The whole day; the fleet is ended whatever happens."""
        try:
            await self._assemble()
            await self._step_through()
            await self._harvest()
            self.facts.expense = await self._fleet.expense()
        finally:
            await self._fleet.end()
        return self.facts

    # ------------------------------------------------------------ assembly

    async def _assemble(self) -> None:
        """Keys, attestations signed by both ends, ports, connections, sessions."""
        plan, scenario = self._plan, self._plan.scenario
        self._progress(0, "keys and attestations")
        start_s = epoch_start_utc_s(scenario, self._day)
        met = await self._fleet.begin(self._assignments(), start_s * MS_PER_S)
        self.facts.nodes = {bus: one.node for bus, one in met.items()}
        full_day = scenario.days[plan.day]
        expected = forecast(scenario, full_day, plan.seed)
        base = base_case(scenario, full_day, expected)
        area = area_forecast(scenario, self._day, self.facts.expected, base)
        files = await self._attest(base.planning_mv, start_s)
        domain = community_domain(
            scenario, self.facts.nodes, root_keys(lambda _: secrets.token_bytes(32)), start_s
        )
        self._progress(0, "connecting")
        ports = {}
        for bus, seat in self._fleet.seats.items():
            mine = {place.link.name: files[place.link.name] for place in places_at(scenario, bus)}
            everyone = tuple(met.values())
            neighborhood = Neighborhood(
                introductions=everyone, attestations=mine, area=area, domain=domain[bus]
            )
            ports[bus] = await seat.open(neighborhood)
        await asyncio.gather(*(self._dial(bus, ports, met) for bus in self._fleet.seats))
        await self._connected()

    def _assignments(self) -> tuple[Assignment, ...]:
        plan = self._plan
        return tuple(
            Assignment(
                scenario=plan.source,
                day=plan.day,
                slots=plan.slots,
                bus=bus.name,
                seed=plan.seed,
                port=plan.first_port + i if plan.first_port else 0,
            )
            for i, bus in enumerate(plan.scenario.buses)
        )

    async def _attest(self, planning_mv: dict[str, int], issued_s: int) -> dict[str, AttestationFile]:
        scenario, files = self._plan.scenario, {}
        for place in places(scenario):
            name = place.link.name
            body = attestation_of(scenario, place, planning_mv[name], self.facts.nodes, issued_s)
            stated = await self._fleet.seats[place.keeper].attest(body)
            files[name] = await self._fleet.seats[place.other].countersign(stated)
        return files

    async def _dial(self, bus: str, ports: dict[str, int], _met: dict[str, Introduction]) -> None:
        neighbors = [place.end_opposite(bus) for place in places_at(self._plan.scenario, bus)]
        await self._fleet.seats[bus].dial({far: f"127.0.0.1:{ports[far]}" for far in neighbors})

    async def _connected(self) -> None:
        """Wait until both ends of every link have proved themselves to each other."""
        wanted = {
            bus: {place.end_opposite(bus) for place in places_at(self._plan.scenario, bus)}
            for bus in self._fleet.seats
        }
        end = time.monotonic() + CONNECT_S
        while True:
            up = {bus: set((await seat.status()).up) for bus, seat in self._fleet.seats.items()}
            if up == wanted:
                return
            if time.monotonic() > end:
                missing = sum(len(wanted[bus] - up[bus]) for bus in wanted)
                raise UsageError(
                    f"{missing} session ends are not up after {CONNECT_S:.0f} s; "
                    "look for a firewall on loopback, or give the machine less other work"
                )
            await asyncio.sleep(_POLL_S)

    # ------------------------------------------------------------ time

    def _instants(self) -> list[_Instant]:
        timetable = network_parameters(self._plan.scenario.market).timetable
        found = []
        for index in range(self._day.slots):
            start_s = self._day.start_utc_s + index * self._slot_s
            found.append(_Instant((start_s - timetable.final_gate_s) * MS_PER_S, _Kind.GATE, index))
            found.append(_Instant((start_s + self._slot_s) * MS_PER_S, _Kind.END, index))
        for kill in self._plan.kills:
            start_s = self._day.start_utc_s + kill.slot_index * self._slot_s
            middle_s = start_s - (timetable.open_s + timetable.provisional_gate_s) // 2
            found.append(_Instant(middle_s * MS_PER_S, _Kind.KILL, kill.slot_index))
        return sorted(found)

    async def _step_through(self) -> None:
        fleet = self._fleet
        for instant in self._instants():
            while fleet.now_ms() < instant.at_ms:
                await self._settle()
                deadline = fleet.next_deadline_ms()
                await fleet.advance(min(_next_tick(deadline, fleet.now_ms()), instant.at_ms))
            await self._settle()
            await self._do(instant)

    async def _settle(self) -> None:
        """Wait until nothing is going on; take note of processes that have gone meanwhile."""
        await self._fleet.settle()
        for bus in self.facts.nodes:
            if bus not in self._fleet.seats and bus not in self.facts.killed_at_ms:
                self.facts.killed_at_ms[bus] = self._fleet.now_ms()
                await self._noticed(bus)
                await self._fleet.settle()

    async def _do(self, instant: _Instant) -> None:
        match instant.kind:
            case _Kind.GATE:
                await self._gate(instant.index)
            case _Kind.END:
                await self._end_of_slot(instant.index)
            case _Kind.KILL:
                await self._kill(instant.index)

    # ------------------------------------------------------------ gate, end, death

    def _slot(self, index: int) -> int:
        return self._day.start_utc_s + index * self._slot_s

    async def _gate(self, index: int) -> None:
        gates: dict[str, GateReport] = {}
        for bus, seat in list(self._fleet.seats.items()):
            try:
                report = await seat.gate(self._slot(index))
            except SeatLost:
                continue
            if report is not None:
                gates[bus] = report
        self.facts.gates.append(gates)

    async def _end_of_slot(self, index: int) -> None:
        happened = self._world.happen(index, self.facts.gates[index])
        self.facts.physical.append(happened)
        for bus, seat in list(self._fleet.seats.items()):
            try:
                await seat.meter(self._slot(index), happened.readings(bus))
            except SeatLost:
                continue
        await self._settle()
        if (index + 1) % HARVEST_EVERY == 0:
            await self._harvest()
        self._progress(index + 1, f"slot {index + 1} of {self._day.slots}")

    async def _harvest(self) -> None:
        for seat in list(self._fleet.seats.values()):
            try:
                self.facts.harvests.append(await seat.harvest())
            except SeatLost:
                continue

    async def _kill(self, index: int) -> None:
        for kill in self._plan.kills:
            if kill.slot_index == index:
                await self._harvest()
                self.facts.killed_at_ms[kill.bus] = self._fleet.now_ms()
                await self._fleet.kill(kill.bus)
                await self._noticed(kill.bus)

    async def _noticed(self, dead: str) -> None:
        """Let the neighbours see that the streams have ended: wall time, unknown to the scenario."""
        end = time.monotonic() + _NOTICE_S
        while time.monotonic() < end:
            up = [bus for seat in list(self._fleet.seats.values()) for bus in await _up(seat)]
            if dead not in up:
                return
            await asyncio.sleep(_POLL_S)


def _next_tick(deadline_ms: int | None, now_ms: int) -> int:
    """The tick at which a deadline is kept; without one, far away."""
    if deadline_ms is None:
        return now_ms + MS_PER_S * 86_400
    return max(now_ms, -(-deadline_ms // TICK_MS) * TICK_MS)


async def _up(seat: Seat) -> tuple[str, ...]:
    """A node's neighbours with a session; none when it is gone itself."""
    try:
        return (await seat.status()).up
    except SeatLost:
        return ()
