"""The fault menu: what may go wrong, drawn per seed (swarm style), and how it is done to the community.

Each seed picks a part of the menu and a weight for each kind on it, so that
some runs are all crashes and others all slow wires; a rare combination is then
not drowned by the others.  Faults strike at random instants of the safety
phase; at its end everything heals: partitions end, disks have room, clocks are
right, hosts are started, liars speak the truth.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from ioe_router.core.inputs import Shutdown
from ioe_router.model.clock import NS_PER_MS, NS_PER_S
from ioe_router.model.errors import UsageError
from ioe_router.sim.engine import Engine
from ioe_router.sim.host import Host
from ioe_router.sim.liars import Liar, Lie
from ioe_router.sim.minds import change_mind
from ioe_router.sim.wires import Mangling, Wire


class Fault(StrEnum):
    """One kind of thing that goes wrong."""

    DROP = "drop"  # a connection breaks
    SLOW = "slow"  # frames take longer for a while
    CLOG = "clog"  # bytes pile up, then come at once
    ONE_WAY = "one-way"
    PARTITION = "partition"
    LOSE = "lose"  # one frame inside a session
    DOUBLE = "double"
    SWAP = "swap"
    FLIP = "flip"
    CRASH = "crash"  # between two effects or in a barrier
    DISK_FULL = "disk-full"
    OFFSET = "offset"  # UTC steps
    DRIFT = "drift"
    SLOW_HOST = "slow-host"
    LIE = "lie"
    RELEASE = "release"  # a host changes its mind about what it has bought
    REPLACE = "replace"  # wants another in its place
    CURTAIL = "curtail"  # a host on the way cuts packets
    RESTART = "restart"  # a host says for how long it will be gone, and goes


_NETWORK: Final = (
    Fault.DROP,
    Fault.SLOW,
    Fault.CLOG,
    Fault.ONE_WAY,
    Fault.PARTITION,
    Fault.LOSE,
    Fault.DOUBLE,
    Fault.SWAP,
    Fault.FLIP,
)
_CRASH: Final = (Fault.CRASH, Fault.DISK_FULL)
_HOSTS: Final = (Fault.RELEASE, Fault.REPLACE, Fault.CURTAIL)
_CLOCK: Final = (Fault.OFFSET, Fault.DRIFT, Fault.SLOW_HOST)
MENUS: Final[dict[str, tuple[Fault, ...]]] = {
    "none": (),
    "default": (*_NETWORK, *_CRASH, *_CLOCK, *_HOSTS, Fault.RESTART),
    "network": _NETWORK,
    "crash": _CRASH,
    "clock": _CLOCK,
    "hosts": _HOSTS,
    "liars": (Fault.LIE,),
    "all": (*_NETWORK, *_CRASH, *_CLOCK, *_HOSTS, Fault.LIE, Fault.RESTART),
}
OFFSET_MS: Final = 20_000  # well inside what sessions tolerate, and now and then outside
FAR_OFFSET_MS: Final = 90_000
PICKED: Final = 0.5  # chance of each fault of the menu to be on a seed's own
FAR: Final = 0.1  # part of the UTC steps that go beyond what sessions tolerate
PARTING_NS: Final = (
    20 * NS_PER_MS
)  # in which the router hears that its sessions are over; nobody dials so soon
LIARS_PART: Final = 6  # at most one host in so many lies


def menu_of(text: str) -> tuple[Fault, ...]:
    """The faults of a menu: its name, or names of menus and faults with commas. UsageError for others."""
    chosen: dict[Fault, None] = {}
    for word in (part.strip() for part in text.split(",")):
        if word in MENUS:
            chosen.update(dict.fromkeys(MENUS[word]))
        elif word in {fault.value for fault in Fault}:
            chosen[Fault(word)] = None
        else:
            known = ", ".join((*MENUS, *(fault.value for fault in Fault)))
            raise UsageError(f"{word!r} is no fault and no menu of faults; choose from: {known}")
    return tuple(chosen)


class Chaos:
    """Does the faults of one run."""

    def __init__(self, engine: Engine, seed: int, menu: tuple[Fault, ...]) -> None:
        """Draw this seed's part of the menu."""
        self._engine = engine
        self._rng = random.Random(f"faults {seed}")  # noqa: S311 - repeatable on purpose
        self._weights = self._draw(menu)
        self.done: Counter[str] = Counter()
        self.bent: set[str] = set()  # hosts whose UTC was touched
        self._healed = False
        self.liars = self._draw_liars(seed)

    def _draw(self, menu: tuple[Fault, ...]) -> dict[Fault, int]:
        chosen = [fault for fault in menu if self._rng.random() < PICKED]
        if not chosen and menu:
            chosen = [self._rng.choice(menu)]
        return {fault: self._rng.choice((1, 1, 3, 9)) for fault in chosen}

    def _draw_liars(self, seed: int) -> dict[str, Liar]:
        if Fault.LIE not in self._weights:
            return {}
        names = list(self._engine.by_name)
        count = self._rng.randint(1, max(1, len(names) // LIARS_PART))
        found = {}
        for name in self._rng.sample(names, min(count, len(names) - 1)):
            host = self._engine.by_name[name]
            identity = self._engine.community.identities[name]
            liar = found[name] = Liar(host, identity, self._engine, f"{seed} {name}")
            self._engine.filters[host.node] = liar.speak
        return found

    def schedule(self, first_ns: int, last_ns: int, events: int) -> None:
        """Plan this many faults between two instants."""
        if not self._weights:
            return
        kinds, weights = list(self._weights), list(self._weights.values())
        for _ in range(events):
            at_ns = self._rng.randint(first_ns, last_ns)
            fault = self._rng.choices(kinds, weights)[0]
            self._engine.later(at_ns - self._engine.now_ns, self._strike(fault, last_ns))

    def _strike(self, fault: Fault, last_ns: int) -> Callable[[], None]:
        def strike() -> None:
            if not self._healed:
                self.done[fault.value] += 1
                self._engine.trace.note(self._engine.now_ns, f"fault: {fault.value}")
                self._do(fault, max(NS_PER_S, last_ns - self._engine.now_ns))

        return strike

    # ------------------------------------------------------------ one fault

    def _do(self, fault: Fault, left_ns: int) -> None:
        match fault:
            case Fault.DROP | Fault.SLOW | Fault.CLOG | Fault.ONE_WAY | Fault.PARTITION:
                self._hurt_wire(fault, left_ns)
            case Fault.LOSE | Fault.DOUBLE | Fault.SWAP | Fault.FLIP:
                wire = self._wire()
                lane = wire.lanes[self._rng.choice((wire.dialer, wire.listener))]
                lane.mangling = Mangling(fault.value)
            case Fault.CRASH | Fault.DISK_FULL:
                self._hurt_host(fault, left_ns)
            case Fault.OFFSET | Fault.DRIFT:
                self._bend(fault)
            case Fault.SLOW_HOST:
                self._slow_host(left_ns)
            case Fault.RELEASE | Fault.REPLACE | Fault.CURTAIL:
                self._change_mind(fault)
            case Fault.RESTART:
                self._restart(left_ns)
            case Fault.LIE:
                liar = self._rng.choice(list(self.liars.values()))
                liar.plan(self._rng.choice(list(Lie)))

    def _change_mind(self, fault: Fault) -> None:
        host = self._rng.choice([*self._engine.hosts.values()])
        command = change_mind(fault.value, host, self._rng)
        if command is not None:
            self._engine.command(host, command)

    def _wire(self) -> Wire:
        return self._rng.choice(self._engine.pairs)

    def _hurt_wire(self, fault: Fault, left_ns: int) -> None:
        wire, rng = self._wire(), self._rng
        long_ns = min(left_ns, rng.randint(1, 90) * NS_PER_S)
        ends = (wire.dialer, wire.listener)
        match fault:
            case Fault.DROP:
                notice = (rng.choice((5, 50, 3_000, 12_000)), rng.choice((5, 50, 3_000, 12_000)))
                wire.cut((notice[0] * NS_PER_MS, notice[1] * NS_PER_MS))
            case Fault.SLOW:
                wire.slow_down(rng.randint(20, 2_000) * NS_PER_MS, long_ns)
            case Fault.CLOG:
                wire.block((rng.choice(ends),), min(left_ns, rng.randint(1, 9) * NS_PER_S), silent=False)
            case Fault.ONE_WAY:
                wire.block((rng.choice(ends),), long_ns, silent=True)
            case _:
                wire.block(ends, long_ns, silent=True)

    def _hurt_host(self, fault: Fault, left_ns: int) -> None:
        host = self._rng.choice([*self._engine.hosts.values()])
        if not host.alive:
            return
        away_ns = min(left_ns, self._rng.choice((1, 5, 20, 60, 120)) * NS_PER_S)
        if fault is Fault.DISK_FULL:
            host.store.full = True
            self._engine.later(away_ns, lambda: self._make_room(host))
        else:
            host.crash_after = self._rng.choice((0, 0, 1, 2, 3, 5, 8))
            life = host.starts
            self._engine.later(2 * NS_PER_S, lambda: self._crash_now(host, life))
            self._engine.later(2 * NS_PER_S + away_ns, lambda: self._raise_up(host))

    def _restart(self, left_ns: int) -> None:
        """A host announces that it will be back, parts, and comes back in time or too late."""
        host, rng = self._rng.choice([*self._engine.hosts.values()]), self._rng
        announced_s, away_s = rng.choice((5, 30, 120)), rng.choice((1, 5, 20, 60))
        if not host.alive:
            return
        self._engine.command(host, Shutdown(restart_s=announced_s))
        life = host.starts
        self._engine.later(PARTING_NS, lambda: self._crash_now(host, life))
        self._engine.later(PARTING_NS + min(left_ns, away_s * NS_PER_S), lambda: self._raise_up(host))

    def _crash_now(self, host: Host, life: int) -> None:
        """It had nothing to do and is still up: it goes down at rest."""
        if host.alive and host.starts == life and not self._healed:
            host.crash()

    def _make_room(self, host: Host) -> None:
        host.store.full = False
        self._raise_up(host)

    def _raise_up(self, host: Host) -> None:
        if not host.alive and not host.store.full:
            self._engine.start(host)

    def _bend(self, fault: Fault) -> None:
        host, rng = self._rng.choice([*self._engine.hosts.values()]), self._rng
        self.bent.add(host.name)
        if fault is Fault.DRIFT:
            host.clock.drift(self._engine.now_ns, rng.randint(-2_000, 2_000))
        else:
            most = FAR_OFFSET_MS if rng.random() < FAR else OFFSET_MS
            host.clock.step(self._engine.now_ns, rng.randint(-most, most))

    def _slow_host(self, left_ns: int) -> None:
        host = self._rng.choice([*self._engine.hosts.values()])
        host.step_ns = self._rng.choice((50, 300, 1_500)) * NS_PER_MS
        for_ns = min(left_ns, self._rng.randint(5, 60) * NS_PER_S)
        self._engine.later(for_ns, lambda: setattr(host, "step_ns", 0))

    # ------------------------------------------------------------ healing

    def heal(self) -> None:
        """Everything is right again."""
        self._healed = True
        for host in self._engine.hosts.values():
            host.store.full = False
            host.step_ns = 0
            host.crash_after = None
            host.clock.heal()
            self._raise_up(host)
        for wire in self._engine.pairs:
            for lane in wire.lanes.values():
                lane.mangling = None
        for liar in self.liars.values():
            liar.repent()
