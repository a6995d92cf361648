"""Two daemon processes, each with its own keys and configuration: one reservation, ways of not starting."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]

from ioe_router.adapters.clock import WallClock
from ioe_router.adapters.keystore import load_identity, make_operational, save_operational
from ioe_router.adapters.store import Store
from ioe_router.adapters.store_reading import examine
from ioe_router.model.ids import NodeId
from tests.e2e.daemons import Daemon, wait_for
from tests.e2e.node_files import free_port, ioe
from tests.e2e.two_nodes import Pair, make_pair

DAY_S = 86_400


@pytest.mark.slow
def test_two_processes_make_one_reservation(tmp_path: Path, start: Callable[[Path], Daemon]) -> None:
    """A daemon buys from another, both book the same packet, and both find it again after kill and stop."""
    pair = make_pair(tmp_path, before_opening=True)
    west, east = start(pair.west), start(pair.east)
    wait_for(lambda: west.said("Booked") and east.said("Booked"), within_s=120)
    sold, bought = west.said("Booked")[0], east.said("Booked")[0]
    assert (sold["initiator"], bought["initiator"]) == (False, True)
    assert sold["reservation"] == bought["reservation"]
    assert bought["energy_j"] == 1_000_000
    assert isinstance(sold["energy_j"], int)
    assert sold["energy_j"] > 1_000_000, "the link's loss is drawn at the seller's port"
    assert sold["price_micro_per_kwh"] == 300_000, "the first band's floor, above the ask"
    west.process.kill()
    west.process.wait()
    assert east.stop() == 0
    for name in ("west", "east"):
        rows = examine(tmp_path / name / "store" / "store.db").rows
        assert str(sold["reservation"]) in {row.key[:16].hex() for row in rows if row.kind == "reservation"}
    again = start(pair.west), start(pair.east)
    wait_for(lambda: all(daemon.said("NeighborUp") for daemon in again))
    for daemon, before in zip(again, (sold, bought), strict=True):
        booked = [one["booked"] for one in daemon.said("BookingRestored")]
        assert before["reservation"] in [one["reservation"] for one in booked if isinstance(one, dict)]
        assert daemon.stop() == 0


def test_store_that_is_refused(tmp_path: Path) -> None:
    """The store of another node, a damaged one and a foreign file each end the start with one sentence."""
    pair = make_pair(tmp_path)
    path = tmp_path / "west" / "store" / "store.db"
    path.parent.mkdir(exist_ok=True)
    Store(path, node=NodeId(b"s" * 32), network_id="pair").close()
    content = path.read_bytes()
    for written, sentence in (
        (content, "belongs to the node ioe1"),
        (content[:-5_000], "is damaged ("),
        (b"something else", "is no store of a node (no SQLite file); move it away"),
    ):
        path.write_bytes(written)
        done = ioe("run", "--config", str(pair.west), cwd=tmp_path)
        assert done.returncode == 4
        assert sentence in _sentence(done)
        assert path.read_bytes() == written


def test_clock_skew_is_named_with_its_remedy(tmp_path: Path, start: Callable[[Path], Daemon]) -> None:
    """Neighbours whose clocks differ by two minutes do not trade, and the log says to synchronise them."""
    pair = make_pair(tmp_path, east_ahead_ms=120_000)
    daemons = start(pair.west), start(pair.east)
    wait_for(
        lambda: any(
            "synchronise both machines" in str(line.get("remedy")) for d in daemons for line in d.lines()
        )
    )
    assert not any(daemon.said("NeighborUp") for daemon in daemons)
    assert [daemon.stop() for daemon in daemons] == [0, 0]


def test_same_identity_twice_on_the_wire(tmp_path: Path, start: Callable[[Path], Daemon]) -> None:
    """A copy of a running node on another port and store ends with one sentence; the first goes on."""
    pair = make_pair(tmp_path)
    west, east = start(pair.west), start(pair.east)
    wait_for(lambda: west.said("NeighborUp") and east.said("NeighborUp"))
    shutil.copytree(tmp_path / "east" / "keys", tmp_path / "twin" / "keys")
    text = pair.east.read_text().replace(f":{pair.east_port}", f":{free_port()}")
    (tmp_path / "twin" / "node.toml").write_text(text)
    twin = start(tmp_path / "twin" / "node.toml")
    assert twin.process.wait(60) == 4
    last = twin.log_path.read_text().splitlines()[-1]
    assert last.startswith("error: another node with this identity is connected to ioe1")
    assert "Traceback" not in twin.log_path.read_text()
    assert not west.said("NeighborDown") + east.said("NeighborDown")
    assert (west.stop(), east.stop()) == (0, 0)


def test_second_daemon_on_one_store(tmp_path: Path, start: Callable[[Path], Daemon]) -> None:
    """A second daemon with the same configuration is refused at once and names the process that runs."""
    pair = make_pair(tmp_path)
    west = start(pair.west)
    wait_for(lambda: west.said("Started"))
    again = ioe("run", "--config", str(pair.west), cwd=tmp_path)
    assert again.returncode == 11
    assert f"(process {west.process.pid}); stop it" in _sentence(again)
    assert west.stop() == 0


def test_port_in_use(tmp_path: Path) -> None:
    """A taken peer port or health port ends the start with one sentence naming it."""
    pair = make_pair(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", pair.west_port))
        taken.listen()
        done = ioe("run", "--config", str(pair.west), cwd=tmp_path)
        assert done.returncode == 4
        assert f"127.0.0.1:{pair.west_port} is already in use" in _sentence(done)
        health = pair.east.read_text().replace("[node]", f'[node]\nhealth = "127.0.0.1:{pair.west_port}"')
        pair.east.write_text(health)
        done = ioe("run", "--config", str(pair.east), cwd=tmp_path)
        assert done.returncode == 4
        assert f"health: port of 127.0.0.1:{pair.west_port} is already in use" in _sentence(done)


def test_expired_key(tmp_path: Path) -> None:
    """A node whose operational key has expired does not start and says how to renew it."""
    pair = make_pair(tmp_path)
    keys = tmp_path / "west" / "keys"
    past_s = WallClock().now().utc_s - 2 * DAY_S
    old = make_operational(
        load_identity(keys),
        network_id="pair",
        serial=2,
        issued_utc_s=past_s,
        wall_utc_s=past_s,
        lifetime_s=DAY_S,
    )
    save_operational(keys, old)
    done = ioe("run", "--config", str(pair.west), cwd=tmp_path)
    assert done.returncode == 4
    assert "the operational key expired on" in _sentence(done)
    assert "renew it with 'ioe identity rotate'" in _sentence(done)


def test_a_renewed_key_leaves_attestations_in_force(tmp_path: Path) -> None:
    """After a renewal of an operational key both configurations are still sound: nothing is attested anew."""
    pair = make_pair(tmp_path)
    assert ioe("identity", "rotate", "--network", "pair", cwd=tmp_path / "west").returncode == 0
    for config in (pair.west, pair.east):
        assert ioe("config", "check", str(config), cwd=tmp_path).returncode == 0


def test_health_service(tmp_path: Path, start: Callable[[Path], Daemon]) -> None:
    """A probe without a certificate sees SERVING on the health port while the node runs."""
    pair = make_pair(tmp_path)
    port = free_port()
    pair.west.write_text(pair.west.read_text().replace("[node]", f'[node]\nhealth = "127.0.0.1:{port}"'))
    west = start(pair.west)
    wait_for(lambda: west.said("Started"))

    async def ask() -> object:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
            return answer.status

    assert asyncio.run(ask()) == health_pb2.HealthCheckResponse.SERVING
    assert west.stop() == 0


def test_interrupt_ends_in_good_order(tmp_path: Path, start: Callable[[Path], Daemon]) -> None:
    """SIGINT ends a daemon with code 0, its neighbour hears the reason, and nothing looks like a crash."""
    pair: Pair = make_pair(tmp_path)
    west, east = start(pair.west), start(pair.east)
    wait_for(lambda: west.said("NeighborUp") and east.said("NeighborUp"))
    os.kill(west.process.pid, signal.SIGINT)
    assert west.process.wait(30) == 0
    wait_for(lambda: east.said("NeighborDown"))
    assert east.said("NeighborDown")[0]["code"] == "SHUTTING_DOWN"
    assert east.stop() == 0
    for daemon in (west, east):
        assert "Traceback" not in daemon.log_path.read_text()


def _sentence(done: subprocess.CompletedProcess[str]) -> str:
    """The one sentence on stderr behind the log lines; anything else is a failure."""
    rest = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert len(rest) == 1, done.stderr
    assert rest[0].startswith("error: ")
    return rest[0]
