"""Keys of running daemons: renewed without a dropped session, revoked at once, held by another process."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from ioe_router.adapters.clock import WallClock
from ioe_router.adapters.keystore import load_identity, make_operational, save_operational
from ioe_router.adapters.store_reading import examine
from tests.e2e.daemons import Daemon, wait_for
from tests.e2e.node_files import ioe, ioe_ok
from tests.e2e.two_nodes import Pair, make_pair

DAY_S = 86_400
EXAMPLE = Path(__file__).parents[2] / "examples" / "external_signer" / "signer.py"


def up(*daemons: Daemon) -> None:
    """Wait until all have a session."""
    wait_for(lambda: all(daemon.said("NeighborUp") for daemon in daemons))


def stopped(*daemons: Daemon) -> None:
    """End all in good order."""
    assert [daemon.stop() for daemon in daemons] == [0] * len(daemons)


def test_a_rotated_key_is_taken_up_without_a_dropped_session(
    tmp_path: Path, start: Callable[[Path], Daemon]
) -> None:
    """'ioe identity rotate' beside a running daemon: it signs with the new key, and the session goes on."""
    pair = make_pair(tmp_path)
    west, east = start(pair.west), start(pair.east)
    up(west, east)
    ioe_ok("identity", "rotate", "--network", "pair", cwd=tmp_path / "west")
    wait_for(lambda: west.said("KeyRenewed"))
    assert [line["serial"] for line in west.said("KeyRenewed")] == [2]
    ioe_ok("identity", "rotate", "--network", "pair", cwd=tmp_path / "west")
    wait_for(lambda: len(west.said("KeyRenewed")) == 2)
    assert not west.said("NeighborDown") + east.said("NeighborDown")
    assert not west.said("PeerFault") + east.said("PeerFault")
    again = start(pair.east) if east.stop() == 0 else east
    up(again)
    stopped(west, again)


def test_a_key_half_way_through_its_life_is_renewed_by_the_daemon(
    tmp_path: Path, start: Callable[[Path], Daemon]
) -> None:
    """A daemon with the identity key at hand renews its key by itself; one without says what to run."""
    pair = make_pair(tmp_path)
    for name in ("west", "east"):
        keys = tmp_path / name / "keys"
        issued_s = WallClock().now().utc_s - 9 * DAY_S // 2
        half_over = make_operational(
            load_identity(keys),
            network_id="pair",
            serial=2,
            issued_utc_s=issued_s,
            wall_utc_s=issued_s,
            lifetime_s=7 * DAY_S,
        )
        save_operational(keys, half_over)
    (tmp_path / "east" / "keys" / "identity.pem").rename(tmp_path / "vault.pem")
    west, east = start(pair.west), start(pair.east)
    wait_for(lambda: west.said("KeyRenewed") and east.said("KeyDue"))
    assert west.said("KeyRenewed")[0]["serial"] == 3
    remedy = str(east.said("KeyDue")[0]["remedy"])
    assert "the operational key ends in 2 days" in remedy
    assert "run 'ioe identity rotate --keys keys --network pair' and have its request certified" in remedy
    up(west, east)
    stopped(west, east)


def test_a_revocation_cuts_the_session_at_once_and_names_its_cause(
    tmp_path: Path, start: Callable[[Path], Daemon]
) -> None:
    """A stolen copy of a key is out as soon as the key is revoked; its rightful node goes on with another."""
    pair = make_pair(tmp_path)
    shutil.copytree(tmp_path / "east", tmp_path / "thief")
    west, east = start(pair.west), start(pair.east)
    up(west, east)
    said = ioe_ok("identity", "revoke", "--network", "pair", "--yes", cwd=tmp_path / "east")
    assert "up to serial 1 are revoked" in said
    wait_for(lambda: west.said("KeysRevoked") and len(west.said("NeighborUp")) > 1)
    down = west.said("NeighborDown")[0]
    assert (down["code"], "revoked" in str(down["reason"])) == ("KEY_REVOKED", True)
    assert east.said("KeyRenewed")
    assert east.stop() == 0
    thief = start(tmp_path / "thief" / "node.toml")
    wait_for(lambda: any(line["code"] == "KEY_REVOKED" for line in thief.said("NeighborDown")))
    line = next(line for line in thief.said("NeighborDown") if line["code"] == "KEY_REVOKED")
    assert "your operational key is revoked" in str(line["reason"])
    assert "its node needs a new one ('ioe identity rotate')" in str(line["remedy"])
    assert any(line["code"] == "KEY_REVOKED" for line in west.said("PeerFault"))
    thief.process.kill()
    stopped(west)


def test_a_neighbour_may_bring_the_revocation(tmp_path: Path, start: Callable[[Path], Daemon]) -> None:
    """The neighbour's operator has the file: both part, the revoked node ends and starts no more."""
    pair = make_pair(tmp_path)
    west, east = start(pair.west), start(pair.east)
    up(west, east)
    shutil.copytree(tmp_path / "east" / "keys", tmp_path / "vault")
    ioe_ok("identity", "revoke", "--network", "pair", "--keys", "vault", "--identity", "--yes", cwd=tmp_path)
    ioe_ok("identity", "revoke", "--keys", "west/keys", "--told", "node.revocation", cwd=tmp_path)
    assert east.process.wait(60) == 4
    assert "the operational key of this node has been revoked" in east.log_path.read_text()
    again = ioe("run", "--config", str(pair.east), cwd=tmp_path)
    assert again.returncode == 4
    assert "the operational key is revoked; make another" in again.stderr
    assert "Traceback" not in again.stderr
    stopped(west)


def _with_signer(tmp_path: Path) -> Pair:
    pair = make_pair(tmp_path)
    command = f"{sys.executable} {EXAMPLE} signer"
    west = tmp_path / "west"
    os.spawnvp(os.P_WAIT, sys.executable, [*command.split()[:2], str(west / "signer"), "--new"])  # noqa: S606
    ioe_ok("identity", "rotate", "--network", "pair", "--signer", command, cwd=west)
    listed = ", ".join(f'"{word}"' for word in command.split())
    pair.west.write_text(pair.west.read_text().replace("[node]", f"[node]\nsigner = [{listed}]"))
    return pair


def _signers(daemon: Daemon) -> list[int]:
    children = Path(f"/proc/{daemon.process.pid}/task").glob("*/children")
    return [int(pid) for path in children for pid in path.read_text().split()]


def test_an_external_signer_may_be_killed_while_the_node_trades(
    tmp_path: Path, start: Callable[[Path], Daemon]
) -> None:
    """A daemon whose key lives in another process has its session; the process is killed, and it goes on."""
    pair = _with_signer(tmp_path)
    west, east = start(pair.west), start(pair.east)
    up(west, east)
    (first,) = _signers(west)
    os.kill(first, signal.SIGKILL)
    ioe_ok("identity", "rotate", "--network", "pair", cwd=tmp_path / "east")
    wait_for(lambda: east.said("KeyRenewed"))
    east.stop()
    again = start(pair.east)
    up(again)
    assert _signers(west)
    assert _signers(west) != [first]
    stopped(west, again)


def test_a_signer_that_is_gone_ends_the_node_with_one_sentence(
    tmp_path: Path, start: Callable[[Path], Daemon]
) -> None:
    """When the signer cannot be started again the node stops, says why, and its store is whole."""
    pair = _with_signer(tmp_path)
    west, east = start(pair.west), start(pair.east)
    up(west, east)
    shutil.rmtree(tmp_path / "west" / "signer")
    for pid in _signers(west):
        os.kill(pid, signal.SIGKILL)
    east.stop()
    start(pair.east)
    assert west.process.wait(60) == 4
    last = west.log_path.read_text().splitlines()[-1]
    assert last.startswith("error: the external signer")
    assert "mend it and start this node again" in last
    assert "Traceback" not in west.log_path.read_text()
    assert examine(tmp_path / "west" / "store" / "store.db").epoch


def test_a_key_file_that_others_can_read_ends_the_start(tmp_path: Path) -> None:
    """The sentence names the file, its mode and the command that mends it; nothing of the key is shown."""
    pair = make_pair(tmp_path)
    key = tmp_path / "west" / "keys" / "operational-1.pem"
    key.chmod(0o644)
    done = ioe("run", "--config", str(pair.west), cwd=tmp_path)
    assert done.returncode == 4
    assert f"{key} can be read by others (mode 0644); run 'chmod 600 {key}'" in done.stderr
    assert "PRIVATE" not in done.stderr
    assert "Traceback" not in done.stderr
