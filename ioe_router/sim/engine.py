"""The engine: one heap of things that will happen, hosts, wires, and the world around them.

    heap --> frame arrives, deadline, fault, gate, meter ...
                 |
                 v
    host.hand(inputs) --> effects --> wires, disk, agent --> heap
                 |
                 +--> trace, checkers

Everything is drawn from the seed and ordered by (time, order of scheduling),
so a run repeats to the bit.  A host handles what has come at the next edge of
a grid of `STEP_NS`, which makes batches as a busy shell does.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol

from ioe_router.community.layout import network_parameters
from ioe_router.community.reports import GateReport, LinkSetpoint
from ioe_router.core.effects import CloseSession, Effect, Emit
from ioe_router.core.inputs import DeadlineReached, FrameReceived, Input, MeterRead, SessionDown, SessionUp
from ioe_router.model.clock import MS_PER_S, NS_PER_MS, NS_PER_S, Now
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import NodeId
from ioe_router.model.slot import Slot
from ioe_router.sim.assembly import Community
from ioe_router.sim.clock import HostClock
from ioe_router.sim.host import Host
from ioe_router.sim.trace import Trace
from ioe_router.sim.wires import Wire, WireEnds

STEP_NS: Final = 2 * NS_PER_MS
LATENCY_MS: Final = (1, 12)
METER_DELAY_MS: Final = (1_000, 4_000)  # after the slot's end by the host's own clock


class Checker(Protocol):
    """Judges hosts from outside. Raises CheckFailed."""

    def after(self, host: Host, now: Now, inputs: Sequence[Input], effects: Sequence[Effect]) -> None:
        """A host has been handed inputs; effects are those that were carried out."""
        ...

    def crashed(self, host: Host) -> None:
        """A host has gone down."""
        ...


FrameFilter = Callable[[Host, NodeId, bytes], list[bytes]]


class Engine:
    """A community on virtual time."""

    def __init__(self, community: Community, seed: int, trace: Trace) -> None:
        """All hosts are up and dialling at time 0."""
        self.community, self.trace = community, trace
        self.now_ns = 0
        self.checkers: list[Checker] = []
        self.filters: dict[NodeId, FrameFilter] = {}  # of hosts that lie
        self.counts: Counter[str] = Counter()
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self.rng = random.Random(f"engine {seed}")  # noqa: S311 - repeatable on purpose
        self.hosts: dict[NodeId, Host] = {}
        self.by_name: dict[str, Host] = {}
        for name, blueprint in community.blueprints.items():
            node = community.identities[name].node
            clock = HostClock(community.start_utc_s * MS_PER_S)
            rng = random.Random(f"host {seed} {name}")  # noqa: S311
            host = Host(name, node, blueprint, clock, rng=rng, outside=self)
            self.hosts[node] = self.by_name[name] = host
        self.wires: dict[tuple[NodeId, NodeId], Wire] = {}
        self.pairs = [self._lay(place.keeper, place.other) for place in community.places]
        self._slot_s = community.scenario.market.slot_s
        self._gates: dict[int, dict[str, GateReport]] = {}
        self._unread: dict[str, list[MeterRead]] = {name: [] for name in self.by_name}
        self._plan_slots()
        for host in self.hosts.values():
            self.start(host)

    def _lay(self, one: str, other: str) -> Wire:
        """A wire between two buses; the lower node id dials."""
        ends = sorted((self.by_name[one].node, self.by_name[other].node))
        wire = Wire(
            ends[0],
            ends[1],
            latency_ns=self.rng.randint(*LATENCY_MS) * NS_PER_MS,
            rng=self.rng,
            clock=lambda: self.now_ns,
            later=self.later,
            ends=WireEnds(self._frame, self._session_up, self._session_down, self._alive),
        )
        self.wires[ends[0], ends[1]] = self.wires[ends[1], ends[0]] = wire
        return wire

    # ------------------------------------------------------------ time

    def later(self, delay_ns: int, action: Callable[[], None]) -> None:
        """Do something `delay_ns` from now."""
        heapq.heappush(self._heap, (self.now_ns + delay_ns, next(self._order), action))

    def at_utc(self, utc_ms: int, action: Callable[[], None]) -> None:
        """Do something at a true UTC instant."""
        at_ns = (utc_ms - self.community.start_utc_s * MS_PER_S) * NS_PER_MS
        heapq.heappush(self._heap, (max(at_ns, self.now_ns), next(self._order), action))

    def run_until(self, at_ns: int) -> None:
        """Let everything up to a true instant happen."""
        heap = self._heap
        while heap and heap[0][0] <= at_ns:
            self.now_ns, _, action = heapq.heappop(heap)
            action()
        self.now_ns = at_ns

    def ns_of(self, utc_s: int) -> int:
        """The true instant of a UTC second."""
        return (utc_s - self.community.start_utc_s) * NS_PER_S

    # ------------------------------------------------------------ hosts

    def start(self, host: Host) -> None:
        """Boot a host; its meters' readings wait for it."""
        self.trace.note(self.now_ns, f"{host.name} starts with epoch {host.epoch + 1}")
        host.start(self.now_ns)
        for (one, _), wire in self.wires.items():
            if one == host.node:
                wire.back(host.node)
        waiting, self._unread[host.name] = self._unread[host.name], []
        for read in waiting:
            self._meter_later(host.name, read)

    def wake(self, host: Host) -> None:
        """The host has inputs: it handles them at the next edge of its grid."""
        step_ns = max(STEP_NS, host.step_ns)
        self._schedule(host, -(-(self.now_ns + 1) // step_ns) * step_ns)

    def _schedule(self, host: Host, at_ns: int) -> None:
        if host.wake_ns is not None and host.wake_ns <= at_ns:
            return
        host.wake_ns, life = at_ns, host.starts
        self.later(at_ns - self.now_ns, lambda: self._call(host, at_ns, life))

    def _call(self, host: Host, at_ns: int, life: int) -> None:
        if host.wake_ns != at_ns or host.starts != life or not host.alive:
            return
        host.wake_ns = None
        router = host.router
        due = None if router is None else router.next_deadline_ns()
        if due is not None and due <= at_ns - host.clock.true_ns(0):
            host.inbox.append(DeadlineReached())
        if not host.inbox:
            self._arm(host)
            return
        now, inputs, effects = host.hand(at_ns)
        self.trace.handed(at_ns, host.name, now, inputs)
        self._finish(host, now, inputs, effects)

    def command(self, host: Host, command: Input) -> None:
        """Hand over one command of the host by itself."""
        host.inbox, waiting = [command], host.inbox
        now, inputs, effects = host.hand(self.now_ns)
        self.trace.handed(self.now_ns, host.name, now, inputs)
        self._finish(host, now, inputs, effects)
        if host.alive:
            host.inbox[:0] = waiting
            self._arm(host)

    def _finish(self, host: Host, now: Now, inputs: Sequence[Input], effects: Sequence[Effect]) -> None:
        done = host.carry_out(effects, now)
        for checker in self.checkers:
            checker.after(host, now, inputs, effects[:done])
        self._arm(host)

    def _arm(self, host: Host) -> None:
        if host.router is None:
            return
        if host.inbox:
            self.wake(host)
            return
        due = host.router.next_deadline_ns()
        if due is not None:
            step_ns = max(STEP_NS, host.step_ns)
            at_ns = max(host.clock.true_ns(due), self.now_ns + 1)
            self._schedule(host, -(-at_ns // step_ns) * step_ns)

    # ------------------------------------------------------------ what hosts do to the outside

    def send(self, host: Host, neighbor: NodeId, frame: bytes) -> None:
        """Put a frame on the wire, through the host's own mouth if it lies."""
        wire = self.wires[host.node, neighbor]
        lies = self.filters.get(host.node)
        for one in (frame,) if lies is None else lies(host, neighbor, frame):
            wire.send(host.node, one)

    def close(self, host: Host, effect: CloseSession) -> None:
        """End a connection in good order."""
        self.counts[f"closed_{effect.code.name.lower()}"] += 1
        self.wires[host.node, effect.neighbor].end_at(host.node, effect.code, effect.reason)

    def crashed(self, host: Host) -> None:
        """Tell the wires and the checkers."""
        self.trace.note(self.now_ns, f"{host.name} goes down")
        for checker in self.checkers:
            checker.crashed(host)
        for (one, _), wire in self.wires.items():
            if one == host.node:
                wire.gone(host.node, self.rng.choice((20, 20, 5_000, 15_000)) * NS_PER_MS)

    # ------------------------------------------------------------ what wires do to hosts

    def _alive(self, node: NodeId) -> bool:
        return self.hosts[node].alive

    def _frame(self, receiver: NodeId, sender: NodeId, frame: bytes) -> None:
        self.hosts[receiver].submit(FrameReceived(neighbor=sender, frame=frame))

    def _session_up(self, node: NodeId, neighbor: NodeId, dialer: bool) -> None:
        self.counts["sessions"] += dialer
        self.hosts[node].submit(SessionUp(neighbor=neighbor, dialer=dialer))

    def _session_down(self, node: NodeId, neighbor: NodeId, code: ErrorCode, reason: str) -> None:
        self.hosts[node].submit(SessionDown(neighbor=neighbor, code=code, reason=reason))

    # ------------------------------------------------------------ the physical world

    def _plan_slots(self) -> None:
        day, timetable = self.community.day, network_parameters(self.community.scenario.market).timetable
        for index in range(day.slots):
            start_s = day.start_utc_s + index * self._slot_s
            gate_ms = (start_s - timetable.final_gate_s // 2) * MS_PER_S  # hosts with a late clock included
            self.at_utc(gate_ms, partial(self._gate, index))
            end_ms = (start_s + self._slot_s) * MS_PER_S
            self.at_utc(end_ms, partial(self._end_of_slot, index))

    def slot(self, index: int) -> Slot:
        """The slot of an index of the day."""
        return Slot(self.community.day.start_utc_s + index * self._slot_s)

    def _gate(self, index: int) -> None:
        """Note what every living host is set to."""
        found: dict[str, GateReport] = {}
        for name, host in self.by_name.items():
            gate = None if host.seat is None else host.seat.gate(self.slot(index))
            if gate is None or gate.closed is None:
                continue
            ports = tuple(
                LinkSetpoint(link=self.community.links[link], entering_j=energy_j)
                for link, energy_j in gate.entering_j.items()
            )
            found[name] = GateReport(
                bus=name,
                slot=self.slot(index),
                imported_j=gate.closed.imported_j,
                exported_j=gate.closed.exported_j,
                devices=gate.devices,
                ports=ports,
                links=(),
            )
        self._gates[index] = found

    def _end_of_slot(self, index: int) -> None:
        """The slot has happened: meters have their readings."""
        happened = self.community.world.happen(index, self._gates.pop(index))
        links = {name: link for link, name in self.community.links.items()}
        for name in self.by_name:
            for reading in happened.readings(name):
                read = MeterRead(
                    link=links[reading.link],
                    slot=self.slot(index),
                    imported_j=reading.imported_j,
                    exported_j=reading.exported_j,
                )
                self._meter_later(name, read)

    def _meter_later(self, name: str, read: MeterRead) -> None:
        delay_ms = self.rng.randint(*METER_DELAY_MS)
        self.later(delay_ms * NS_PER_MS, lambda: self._meter(self.by_name[name], read))

    def _meter(self, host: Host, read: MeterRead) -> None:
        """Hand a reading over once the host's own clock says that the slot is over; a dead host's waits."""
        if not host.alive:
            self._unread[host.name].append(read)
        elif host.clock.now(self.now_ns).utc_s < read.slot + self._slot_s + 1:
            self._meter_later(host.name, read)
        else:
            host.submit(read)


def events_of(effects: Sequence[Effect]) -> list[Emit]:
    """The events among effects."""
    return [effect for effect in effects if isinstance(effect, Emit)]
