"""`ioe lg` as its operator types it: commands of docs/looking-glass.md, ends, a node asked over TCP."""

from __future__ import annotations

import asyncio
import hashlib
import re
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ioe_router.lg.reading import ControlledNode
from ioe_router.lg.serving import control_address
from ioe_router.lg.settings import NodeSection
from ioe_router.lg.watch import Unreachable
from tests.e2e.daemons import Daemon, wait_for
from tests.e2e.node_files import COMMAND, ENVIRONMENT, free_port, ioe, ioe_ok
from tests.e2e.two_nodes import make_pair

NODE = '[[node]]\nname = "Mill"\ncontrol = "unix:nowhere.sock"\n'


def test_example_check_and_key(tmp_path: Path) -> None:
    """The example is a sound file, and a key comes with the line that admits it."""
    (tmp_path / "lg.toml").write_text(ioe_ok("lg", "example", cwd=tmp_path))
    assert "is sound: 1 node, audience operator" in ioe_ok("lg", "check", "lg.toml", cwd=tmp_path)
    said = ioe_ok("lg", "key", cwd=tmp_path)
    key = re.search(r"once: ([0-9a-f]{32})$", said, re.MULTILINE)
    digest = re.search(r'key_sha256 = "([0-9a-f]{64})"$', said, re.MULTILINE)
    assert key is not None
    assert digest is not None
    assert digest[1] == hashlib.sha256(key[1].encode()).hexdigest()


def test_starts_that_are_refused(tmp_path: Path) -> None:
    """A missing file, a wrong option and a port that is taken each end with one sentence and their code."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (tmp_path / "taken.toml").write_text(f'[looking_glass]\nlisten = "127.0.0.1:{port}"\n{NODE}')
        (tmp_path / "wrong.toml").write_text(f"[looking_glass]\npol_s = 5\n{NODE}")
        for file, code, sentence in (
            ("missing.toml", 3, "does not exist; 'ioe lg example' prints a file to begin with"),
            ("wrong.toml", 3, "there is no option 'looking_glass.pol_s'; did you mean 'poll_s'?"),
            ("taken.toml", 4, f"cannot listen on 127.0.0.1:{port} (Address already in use); stop what uses"),
        ):
            done = ioe("lg", "run", "--config", file, cwd=tmp_path)
            assert done.returncode == code
            assert sentence in done.stderr
            assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_good_order(tmp_path: Path, number: signal.Signals) -> None:
    """A signal ends it with code 0 and without a word."""
    (tmp_path / "lg.toml").write_text(f'[looking_glass]\nlisten = "127.0.0.1:0"\n{NODE}')
    arguments = [*COMMAND, "lg", "run", "--config", "lg.toml"]
    with subprocess.Popen(
        arguments, cwd=tmp_path, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert re.fullmatch(r"looking at 1 node on http://127\.0\.0\.1:\d+/\n", process.stderr.readline())
        process.send_signal(number)
        assert process.wait(30) == 0
        assert process.stderr.read() == ""


def test_a_node_over_tcp(tmp_path: Path, start: Callable[[Path], Daemon]) -> None:
    """A node elsewhere is asked over TCP with the certificate that it lists, and with no other."""
    pair, port = make_pair(tmp_path), free_port()
    for name in ("tls", "other", "west/control"):
        (tmp_path / name).mkdir()
    for name in ("tls/client", "other/client", "west/control/node"):
        ioe_ok("control-key", name, cwd=tmp_path)
    for name in ("tls", "other"):
        (tmp_path / name / "node.crt").write_bytes((tmp_path / "west/control/node.crt").read_bytes())
    door = f'[control]\nlisten = "127.0.0.1:{port}"\ncertificate = "control/node.crt"\n'
    door += 'key = "control/node.key"\nviewers = ["../tls/client.crt"]\n'
    pair.west.write_text(f"{pair.west.read_text()}\n{door}")
    west = start(pair.west)
    wait_for(lambda: west.said("Started"))

    async def asked(tls: str) -> str:
        section = NodeSection(name="West", control=f"127.0.0.1:{port}", tls=tls)
        node = ControlledNode(control_address(section, tmp_path / "lg.toml"), own_only=False)
        try:
            return (await node.snapshot()).network
        finally:
            await node.close()

    assert asyncio.run(asked("tls")) == "pair"
    with pytest.raises(Unreachable):
        asyncio.run(asked("other"))
    assert west.stop() == 0
