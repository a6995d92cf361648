"""An operator and a running daemon: configuration, another policy tried out, taking it out of service."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e import node_files
from tests.e2e.daemons import Daemon, wait_for
from tests.e2e.node_files import COMMAND, ENVIRONMENT, ioe, ioe_ok
from tests.e2e.two_nodes import make_pair

NO_SUN = """
[policy]
[[policy.import_filter]]
name = "no-sun"
action = "reject"
source = ["solar"]
"""


def _asked(config: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return ioe(*arguments, "--config", str(config), cwd=config.parent)


def _manager() -> socket.socket:
    """Who listens as systemd does, at a socket without a file."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(f"\0ioe-test-{os.getpid()}")
    listener.settimeout(10)
    return listener


@pytest.mark.timeout(300)
def test_a_running_node_follows_its_operator(tmp_path: Path, start: Callable[..., Daemon]) -> None:
    """Diff, apply, soft apply, undo, roll-back, SIGHUP and what-if; the session never ends."""
    pair = make_pair(tmp_path)
    manager = _manager()
    environment = {**ENVIRONMENT, "NOTIFY_SOCKET": f"@{manager.getsockname()[1:].decode()}"}
    west, east = start(pair.west), start(pair.east, environment=environment)
    wait_for(lambda: bool(east.said("OfferLearned")))
    text = pair.east.read_text()
    assert "runs with what the file says" in _asked(pair.east, "config", "diff").stdout

    # what is live is taken up, what is not is named
    changed = text.replace("import_w = 20000", "import_w = 30000").replace(
        "keepalive_ms = 1000", "keepalive_ms = 2000"
    )
    pair.east.write_text(changed)
    different = _asked(pair.east, "config", "diff")
    assert different.returncode == 9
    assert "connection.import_w: 20000 -> 30000\n" in different.stdout
    assert "node.keepalive_ms: 1000 -> 2000   [at the next start]" in different.stdout
    applied = _asked(pair.east, "config", "apply")
    assert applied.stdout.index("in force now") < applied.stdout.index("waits for a restart"), applied.stderr

    # garbage changes nothing, by command and by signal
    pair.east.write_text(changed.replace("import_w = 30000", "import_kw = 30"))
    refused = _asked(pair.east, "config", "apply")
    assert refused.returncode == 9
    assert "'import_w' is in watts; write import_w = 30000" in refused.stderr
    east.process.send_signal(signal.SIGHUP)
    wait_for(lambda: bool(east.said("ReloadRefused")))
    assert "node.toml:" in str(east.said("ReloadRefused")[0]["cause"])

    # another policy: first what it would do, then for a moment, then taken back by itself
    pair.east.write_text(changed + NO_SUN)
    (tmp_path / "policy.toml").write_text(NO_SUN)
    would = _asked(pair.east, "explain", "what-if", str(tmp_path / "policy.toml"))
    assert "filtered by import rule 'no-sun' of neighbour" in would.stdout, would.stderr
    assert not east.said("OfferLost")
    assert "taken back in 1 s" in _asked(pair.east, "config", "apply", "--confirm-within", "1").stdout
    wait_for(lambda: bool(east.said("RolledBack")) and len(east.said("OfferLearned")) >= 2)
    assert east.said("OfferLost")

    # confirmed it stays, undone it goes
    _asked(pair.east, "config", "apply", "--confirm-within", "600")
    assert _asked(pair.east, "config", "confirm").stdout == "it stays\n"
    assert _asked(pair.east, "config", "confirm").returncode == 9
    undone = _asked(pair.east, "config", "undo")
    assert "policy.import_filter[no-sun].name: no-sun -> (not stated)" in undone.stdout

    # what would end a session is refused when asked softly
    pair.east.write_text(text.split("[[neighbor]]")[0])
    assert "would end the session with" in _asked(pair.east, "config", "apply", "--soft").stderr
    assert len(west.said("NeighborUp")) == len(east.said("NeighborUp")) == 1
    assert not east.said("NeighborDown")
    assert (west.stop(), east.stop()) == (0, 0)
    told = [manager.recv(1_000).decode().split("\n")[0] for _ in range(4)]
    assert told == ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]
    manager.close()


@pytest.mark.timeout(300)
def test_a_drained_node_stops_for_good_when_nothing_is_left(
    tmp_path: Path, start: Callable[[Path], Daemon], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a packet committed drain lists it and leaves the node drained; with none left it stops."""
    monkeypatch.setattr(node_files, "LEAD_S", 60)  # a busy machine is slow to be in session
    pair = make_pair(tmp_path, before_opening=True)
    west, east = start(pair.west), start(pair.east)
    wait_for(lambda: bool(west.said("Booked")), within_s=200)
    waits = _asked(pair.west, "drain", "--wait", "0")
    assert waits.returncode == 9
    assert "origin" in waits.stdout
    wait_for(lambda: bool(east.said("OriginLost")))
    assert not east.said("Unbooked") + east.said("NeighborDown")
    assert "takes on new things again" in _asked(pair.west, "drain", "--cancel").stdout
    wait_for(lambda: len(east.said("OfferLearned")) >= 2)
    # the buyer gives its own back; with nothing left it says good-bye without announcing a restart
    done = _asked(pair.east, "drain", "--release", "--wait", "60")
    assert done.returncode == 0, done.stdout + done.stderr
    assert east.process.wait(30) == 0
    wait_for(lambda: bool(west.said("Unbooked")) and bool(west.said("NeighborDown")))
    assert west.stop() == 0


def test_a_first_file_is_accepted_as_it_stands(tmp_path: Path) -> None:
    """`ioe config init` without a terminal asks nothing; the file is sound, and is never overwritten."""
    said = ioe_ok("config", "init", "--network", "pair", "--sell", "3600000", "--buy", "1", cwd=tmp_path)
    assert "ioe identity new --network pair" in said
    ioe_ok("identity", "new", "--unencrypted", "--network", "pair", cwd=tmp_path)
    assert "node.toml is sound" in ioe_ok("config", "check", "node.toml", cwd=tmp_path)
    again = ioe("config", "init", cwd=tmp_path)
    assert again.returncode == 1
    assert "exists already" in again.stderr


def test_asking_a_node_that_does_not_run(tmp_path: Path) -> None:
    """One sentence and exit code 5 for every command that needs a running node."""
    pair = make_pair(tmp_path)
    for arguments in (("config", "diff"), ("config", "apply"), ("config", "undo"), ("drain",)):
        done = subprocess.run(
            [*COMMAND, *arguments, "--config", str(pair.east)],
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 5, (arguments, done.stderr)
        assert done.stderr.count("\n") == 1
