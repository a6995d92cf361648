"""An idle daemon with neighbours: its memory above the floor, its share of a core.

    python -m benchmarks.idle [--neighbors 5] [--seconds 120] [--metrics]

A hub and its neighbours run as daemons on loopback (`ioe run`, mutual TLS, a
store each); nobody offers or wants anything.  After the sessions stand and a
minute has passed, the hub's processor time is taken over `--seconds`, then
its resident memory.

The floor is a process with the same interpreter that has imported the wheels
which the daemon had in use, and nothing of this project.  Exit code 1 when
memory is more than 25 MiB above it, or the processor above 1 % of a core.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.e2e import node_files
from tests.e2e.daemons import Daemon, wait_for

ABOVE_FLOOR_MAX_MIB: Final = 25.0
CPU_MAX: Final = 0.01
SETTLE_S: Final = 60
NETWORK: Final = "idle"
FLOORS: Final = (300_000, 200_000)  # micro-units per kWh
# What `ioe run` imports, asked of itself: every module that is neither ours nor of the standard library.
_LIST: Final = """
import sys
sys.argv = ["ioe", "run"]
import ioe_router.cli.main, ioe_router.cli.run
wheels = [m for m in sys.modules if m.partition(".")[0] not in sys.stdlib_module_names]
print(" ".join(m for m in wheels if not m.startswith(("ioe_router", "_")) and "__" not in m))
"""
_FLOOR: Final = """
import importlib, os, sys
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
for name in sys.argv[1:]:
    importlib.import_module(name)
print("ready", flush=True)
sys.stdin.read()
"""


def main() -> int:
    """Measure, print a row of the table, judge."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--neighbors", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--metrics", action="store_true", help="with a metrics port, not asked")
    options = parser.parse_args()
    floor_mib = floor()
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), options) as hub:
        time.sleep(SETTLE_S)
        began_s, used_s = time.monotonic(), processor_s(hub)
        time.sleep(options.seconds)
        share = (processor_s(hub) - used_s) / (time.monotonic() - began_s)
        memory_mib = resident_mib(hub)
    above_mib = memory_mib - floor_mib
    print("| neighbours | seconds | floor, MiB | resident, MiB | above the floor, MiB | processor, % |")
    print("|---|---|---|---|---|---|")
    print(
        f"| {options.neighbors} | {options.seconds} | {floor_mib:.1f} | {memory_mib:.1f} | {above_mib:.1f}"
        f" | {100 * share:.2f} |"
    )
    return int(above_mib > ABOVE_FLOOR_MAX_MIB or share > CPU_MAX)


def floor() -> float:
    """Resident memory of a process that has imported the wheels and nothing of ours, MiB."""
    listed = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-c", _LIST],
        env=node_files.ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    )
    with subprocess.Popen(  # noqa: S603 - the same
        [sys.executable, "-c", _FLOOR, *listed.stdout.split()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        if process.stdout.readline() != "ready\n":
            raise RuntimeError("the process of the floor has ended")
        return resident_mib(process.pid)


@contextmanager
def running(folder: Path, options: argparse.Namespace) -> Iterator[int]:
    """The hub and its neighbours with all sessions established; gives the hub's process id."""
    names = ["hub", *(f"n{i}" for i in range(options.neighbors))]
    ports = {name: node_files.free_port() for name in names}
    for name in names:
        node_files.make_identity(folder, name, NETWORK)
    texts = {name: _text(ports[name]) for name in names}
    for name in names[1:]:
        node_files.attest_link(folder, "hub", name, NETWORK, f"{name}.attestation")
        texts["hub"] += node_files.neighbor_text(name, f"{name}.attestation", None)
        texts[name] += node_files.neighbor_text("hub", f"{name}.attestation", ports["hub"])
    if options.metrics:
        line = f'metrics = "127.0.0.1:{node_files.free_port()}"\n\n[network]'
        texts["hub"] = texts["hub"].replace("\n[network]", line, 1)
    for name, text in texts.items():
        (folder / name / "node.toml").write_text(text)
    nodes = {name: Daemon(folder / name / "node.toml") for name in names}
    try:
        wait_for(lambda: len(nodes["hub"].said("NeighborUp")) >= options.neighbors)
        yield nodes["hub"].process.pid
    finally:
        for node in nodes.values():
            node.process.kill()
            node.process.wait()


def _text(port: int) -> str:
    """A node as `ioe config example` has it in what matters here: times and level are the defaults."""
    text = node_files.node_text(NETWORK, FLOORS, port, 0, keepalive_ms=5_000, log_level="info")
    return text.replace("clock_offset_ms = 0\n", "")


def resident_mib(pid: int) -> float:
    """Resident memory of a process, MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1_024
    raise RuntimeError(f"process {pid} has ended")


def processor_s(pid: int) -> float:
    """Processor time of a process with all its threads, seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
