"""Floods over loopback: is an honest neighbour still served, and does memory stay bounded?

.venv/bin/python -m benchmarks.flood [--seconds 30] [--kinds forged,nested] [--who stranger,neighbor]

Real daemons (`ioe run`), real gRPC over mutual TLS.  A buyer makes small
reservations through the router in the middle, five a second; meanwhile one
attacking process floods that router, in each of six ways, once as a stranger and
once as an authenticated bad neighbour (`flood_attacker.py`).  Then a process that has
nothing to do with any of it burns as much CPU as the attacker did, for as
long: the control.  The exit code is 1 when a reservation did not end within
its hold time, when the median latency beside the attacker is above three times that
beside the control, or when the attacked daemon grew by more than 200 MB.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.flood_attacker import KINDS
from benchmarks.flood_net import BANDS_S, ENVIRONMENT, Net, make_net
from tests.e2e.node_files import COMMAND

ROOT: Final = Path(__file__).resolve().parent.parent
WHO: Final = ("stranger", "neighbor")
WANTS_PER_S: Final = 5
HOLD_S: Final = 45.0  # hold_ms of the configurations
RATIO_MAX: Final = 3.0
GROWTH_MAX_MB: Final = 200.0
BREATH_S: Final = 4.0  # between an attack and its control
PAGE_MB: Final = os.sysconf("SC_PAGE_SIZE") / 1_048_576
TICKS: Final = os.sysconf("SC_CLK_TCK")
BURN: Final = """
import json, sys, time
start = time.monotonic()
share, end = float(sys.argv[1]), start + float(sys.argv[2])
while time.monotonic() < end:
    began, used = time.monotonic(), time.process_time()
    while time.process_time() - used < 0.01 * share and time.monotonic() < end:
        pass
    time.sleep(max(0.0, 0.01 - (time.monotonic() - began)))
print(json.dumps([start, time.monotonic(), time.process_time(), {}]))
"""


@dataclass(slots=True, kw_only=True)
class Window:
    """What was seen while something ran beside the daemons."""

    began_s: float
    ended_s: float
    cpu_share: float  # of one core, of the process beside them
    victim_share: float  # of one core, of the attacked daemon
    memory_mb: float  # largest resident size of the attacked daemon
    said: dict[str, int]
    latencies_ms: list[float] = field(default_factory=list)
    refused: int = 0
    late: int = 0

    @property
    def median_ms(self) -> float:
        """The middle latency of what was booked."""
        return statistics.median(self.latencies_ms) if self.latencies_ms else float("nan")


@dataclass(slots=True, kw_only=True)
class Result:
    """One flood and its control."""

    kind: str
    who: str
    before_mb: float
    attack: Window
    control: Window | None

    @property
    def ratio(self) -> float:
        """Median latency beside the attacker over that beside the control."""
        return self.attack.median_ms / self.control.median_ms if self.control else float("nan")

    @property
    def growth_mb(self) -> float:
        """By how much the attacked daemon grew."""
        return self.attack.memory_mb - self.before_mb

    def kept(self) -> bool:
        """Whether the targets are kept."""
        bounded = self.growth_mb <= GROWTH_MAX_MB
        return (
            bounded and not self.attack.late and bool(self.attack.latencies_ms) and not self.ratio > RATIO_MAX
        )


class Daemons:
    """The honest part of the network, running."""

    def __init__(self, net: Net) -> None:
        self.net = net
        self._running = {name: self._start(name) for name in ("west", "mid")}
        module = ["-m", "benchmarks.flood_honest", str(net.config("east")), str(WANTS_PER_S)]
        self._east = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, *module], cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
        )

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        with (self.net.folder / f"{name}.log").open("wb") as log:
            command = [*COMMAND, "run", "--config", str(self.net.config(name))]
            return subprocess.Popen(command, env=ENVIRONMENT, stderr=log, stdout=log)  # noqa: S603 - our own command

    @property
    def victim(self) -> int:
        """Process id of the attacked daemon."""
        return self._running["mid"].pid

    def stop(self) -> list[tuple[str, float, float | None, str]]:
        """End them; returns what became of the reservations."""
        self._east.send_signal(signal.SIGTERM)
        rows = json.loads(self._east.communicate(timeout=60)[0])
        alive = all(one.poll() is None for one in self._running.values())
        for one in self._running.values():
            one.send_signal(signal.SIGTERM)
        for one in self._running.values():
            one.wait(60)
        if not alive:
            raise RuntimeError("a daemon did not live through it; see the logs beside its configuration")
        return [tuple(row) for row in rows]


def memory_mb(pid: int) -> float:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_MB


def cpu_s(pid: int) -> float:
    """CPU time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def beside(daemons: Daemons, command: Sequence[str], seconds: float) -> Window:
    """Run a process beside the daemons to its end, and watch the attacked one."""
    started_s, used_s, peak_mb = time.monotonic(), cpu_s(daemons.victim), 0.0
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stdout=said)  # noqa: S603 - our own command
        while process.poll() is None:
            peak_mb = max(peak_mb, memory_mb(daemons.victim))
            if time.monotonic() > started_s + 3 * seconds + 60:
                process.kill()
            time.sleep(0.1)
        said.seek(0)
        began_s, ended_s, burnt_s, counts = json.loads(said.read())
    return Window(
        began_s=began_s,
        ended_s=ended_s,
        cpu_share=burnt_s / (ended_s - began_s),
        victim_share=(cpu_s(daemons.victim) - used_s) / (time.monotonic() - started_s),
        memory_mb=peak_mb,
        said=counts,
    )


def one_flood(daemons: Daemons, kind: str, who: str, bad: str, seconds: float, control: bool) -> Result:
    """Attack, then burn the same CPU."""
    net = daemons.net
    before_mb = memory_mb(daemons.victim)
    target = [str(net.config(bad)), str(net.ports["mid"]), str(seconds)]
    attack = beside(daemons, [sys.executable, "-m", "benchmarks.flood_attacker", kind, who, *target], seconds)
    time.sleep(BREATH_S if control else 0.5)
    burnt = None
    if control:
        share = min(1.0, attack.cpu_share)
        burnt = beside(daemons, [sys.executable, "-c", BURN, str(share), str(seconds)], seconds)
    return Result(kind=kind, who=who, before_mb=before_mb, attack=attack, control=burnt)


def fill(window: Window | None, rows: list[tuple[str, float, float | None, str]]) -> None:
    """Put the reservations that began in a window into it."""
    if window is None:
        return
    for _, left_s, ended_s, how in rows:
        if not window.began_s <= left_s < window.ended_s:
            continue
        if ended_s is None or ended_s - left_s > HOLD_S:
            window.late += 1
        elif how == "booked":
            window.latencies_ms.append(1_000 * (ended_s - left_s))
        else:
            window.refused += 1


def run_life(
    folder: Path,
    cases: Sequence[tuple[str, str]],
    seconds: float,
    *,
    control: bool,
    tell: Callable[[str], None],
) -> list[Result]:
    """One life of the daemons with these floods one after the other; a bad neighbour for each."""
    bad = {case: f"bad{number}" for number, case in enumerate(cases)}
    net = make_net(folder, tuple(bad.values()))
    daemons = Daemons(net)
    results: list[Result] = []
    try:
        time.sleep(max(0.0, net.opens_s + 3 - time.time()))
        for case in cases:
            results.append(one_flood(daemons, *case, bad[case], seconds, control))
            tell(f"{case[1]}, {case[0]}: sent {results[-1].attack.said}")
            if time.time() > net.opens_s + BANDS_S:
                tell("the bands of the slot are over; what follows says less")
        time.sleep(2)
    finally:
        rows = daemons.stop()
    for result in results:
        fill(result.attack, rows)
        fill(result.control, rows)
    return results


def table(results: Sequence[Result]) -> str:
    """Markdown."""
    head = (
        "flood",
        "from",
        "attacker, cores",
        "attacked, cores",
        "reservations",
        "refused",
        "not ended in time",
        "median, ms",
        "control, ms",
        "ratio",
        "grew by, MB",
    )
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for one in results:
        attack, control = one.attack, one.control
        cells = (
            one.kind,
            one.who,
            f"{attack.cpu_share:.2f}",
            f"{attack.victim_share:.2f}",
            str(len(attack.latencies_ms) + attack.refused + attack.late),
            str(attack.refused),
            str(attack.late),
            f"{attack.median_ms:.0f}",
            f"{control.median_ms:.0f}" if control else "-",
            f"{one.ratio:.2f}" if control else "-",
            f"{one.growth_mb:.0f}",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> int:
    """Run the floods, print the table; 1 when a target is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--who", default=",".join(WHO))
    parser.add_argument("--short", action="store_true", help="all in one life of the daemons, no control")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    given = parser.parse_args()
    cases = [(kind, who) for kind in given.kinds.split(",") for who in given.who.split(",")]
    lives = [cases] if given.short else [[case] for case in cases]
    results: list[Result] = []
    for life in lives:
        with tempfile.TemporaryDirectory(prefix="ioe-flood-") as folder:
            results += run_life(
                Path(folder),
                life,
                given.seconds,
                control=not given.short,
                tell=lambda text: print(text, file=sys.stderr, flush=True),
            )
    print(table(results))
    if given.json:
        given.json.write_text(json.dumps([figures(one) for one in results], indent=1))
    return 0 if all(one.kept() for one in results) else 1


def figures(one: Result) -> dict[str, object]:
    """What a test asks about."""
    return {
        "kind": one.kind,
        "who": one.who,
        "booked": len(one.attack.latencies_ms),
        "refused": one.attack.refused,
        "late": one.attack.late,
        "grown_mb": one.growth_mb,
        "memory_mb": one.attack.memory_mb,
        "sent": one.attack.said,
    }


if __name__ == "__main__":
    sys.exit(main())
