"""`ioe show routes` on a node that knows 10,000 routes: when its first rows are there.

.venv/bin/python -m benchmarks.show_routes [--routes 10000] [--runs 15]

A real daemon with real keys and its real control socket; only the routes are
put into its tables directly, 2,500 destinations with four routes of four links
each, because no neighbour tells that many in a minute.  Measured are

    request   in a process that is up: from the request to the first row, and to the last one
    command   the whole command: from its start to the first line, and to the end
    start-up  of that, the interpreter and what the command imports before it asks

The exit code is 1 when the first rows take longer than 300 ms from the request
(`request`), the median of the runs.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ioe_router.adapters.node import Node
from ioe_router.control.client import Address, ControlClient
from ioe_router.control.operation import Operator
from ioe_router.control.served import InspectedRouter
from ioe_router.core.parts import Parts
from ioe_router.core.paths import Path as Route
from ioe_router.core.paths import PathLink
from ioe_router.core.routing import Routing
from ioe_router.daemon.control import Control
from ioe_router.daemon.main import run
from ioe_router.model.clock import Now
from ioe_router.model.ids import LinkId, NodeId, ObjectId, PathHash
from ioe_router.model.routing import Direction, Flow
from tests.e2e.daemons import wait_for
from tests.e2e.two_nodes import make_pair

FIRST_MS_MAX = 300
LINKS = 4
ROUTES_PER_DESTINATION = 4
COMMAND = (sys.executable, "-c", "from ioe_router.cli.main import main; main()")
IMPORTS = (
    "import ioe_router.cli.show, ioe_router.cli.columns, ioe_router.cli.output, ioe_router.control.client"
)
_MS = 1_000


def routes(parts: Parts, count: int) -> Iterator[Route]:
    """So many routes over the node's only neighbour, no two alike."""
    (port,) = parts.ports.all()
    attestation = port.attestation.body
    expires_utc_s = attestation.expires_utc_s
    for number in range(count):
        destination, place = divmod(number, ROUTES_PER_DESTINATION)
        name = _name(destination)
        between = (_name(destination + place + hop + 1) for hop in range(LINKS - 2))
        nodes = tuple(map(NodeId, (name, *between, port.neighbor)))
        links = tuple(
            PathLink(
                link=LinkId(node[:16]),
                attestation=attestation,
                attestation_id=ObjectId(node),
                fee_micro_per_kwh=1_000 + place,
                flow=Flow.DOWN,
            )
            for node in nodes
        )
        yield Route(
            hash=PathHash(hashlib.sha256(name + bytes([place])).digest()),
            origin=nodes[0],
            direction=Direction.SUPPLY,
            neighbor=port.neighbor,
            holder=parts.config.node,
            nodes=nodes,
            links=links,
            rank=4_000 + place,
            width_va=attestation.rating_down_va,
            not_after_utc_s=expires_utc_s,
            entries=(),
        )


def _name(destination: int) -> bytes:
    return hashlib.sha256(b"destination" + destination.to_bytes(4)).digest()


def fill(routing: Routing, parts: Parts, count: int) -> None:
    """Put routes into the tables as if the neighbour had told them."""
    for route in routes(parts, count):
        routing.tables.heard.add(route)
        routing.tables.loc_rib.add(route)


def serve(config: Path, count: int) -> None:
    """The daemon, whose tables are filled before its control socket opens."""
    start = Control.start

    async def start_filled(
        self: Control, router: InspectedRouter, node: Node, now: Now, operator: Operator
    ) -> None:
        parts = router.inspect()
        fill(parts.routing, parts, count)
        await start(self, router, node, now, operator)

    Control.start = start_filled  # type: ignore[method-assign]
    run(config)


def timed(work: Callable[[], Iterator[object]]) -> tuple[float, float, int]:
    """Milliseconds to the first of what comes, and to the last; how many."""
    begun = time.perf_counter()
    rows = work()
    next(rows)
    first = time.perf_counter() - begun
    count = 1 + sum(1 for _ in rows)
    return first * _MS, (time.perf_counter() - begun) * _MS, count


def of_requests(socket: Path) -> tuple[float, float, int]:
    """One request by a client that is up but has not asked yet."""
    with ControlClient(Address(path=socket)) as control:
        control.status()
        return timed(control.routes)


def of_command(socket: Path) -> tuple[float, float, int]:
    """The whole command, its lines as they come."""

    def lines() -> Iterator[object]:
        with subprocess.Popen(  # noqa: S603  # our own command
            [*COMMAND, "show", "routes", "--socket", str(socket)], stdout=subprocess.PIPE
        ) as process:
            yield from process.stdout or ()

    return timed(lines)


def of_start_up() -> float:
    """The interpreter and the imports of the command, milliseconds."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", IMPORTS], check=True)  # noqa: S603  # our own imports
    return (time.perf_counter() - begun) * _MS


def report(socket: Path, runs: int) -> bool:
    """Measure, print, and say whether the target is kept."""
    requests = [of_requests(socket) for _ in range(runs)]
    commands = [of_command(socket) for _ in range(runs)]
    start_ups = [of_start_up() for _ in range(runs)]
    first = statistics.median(one[0] for one in requests)
    print(f"load {os.getloadavg()[0]:.0f}, {requests[0][2]} rows, medians of {runs} runs, ms")
    print(f"request   first row {first:6.0f}   all {statistics.median(one[1] for one in requests):6.0f}")
    line, whole = (statistics.median(one[i] for one in commands) for i in (0, 1))
    print(f"command   first line {line:5.0f}   all {whole:6.0f}")
    print(f"start-up  {statistics.median(start_ups):16.0f}")
    return first <= FIRST_MS_MAX


def main() -> int:
    """Start the daemon, measure, stop it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--routes", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        serve(options.serve, options.routes)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        pair = make_pair(Path(folder))
        socket = pair.east.parent / "store" / "control.sock"
        again = [sys.executable, "-m", "benchmarks.show_routes", "--routes", str(options.routes)]
        serving = [*again, "--serve", str(pair.east)]
        with subprocess.Popen(serving, stderr=subprocess.DEVNULL) as daemon:  # noqa: S603  # ourselves
            try:
                wait_for(socket.exists)
                return 0 if report(socket, options.runs) else 1
            finally:
                daemon.terminate()


if __name__ == "__main__":
    raise SystemExit(main())
