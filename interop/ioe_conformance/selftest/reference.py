"""A reference router set up as CONTRACT.md says, by its own command line, as a vendor would.

The folder holds `kit/` (made by `init`) and `target/` (keys, store, node.toml, log). Its
clock may be shifted so that a slot opens soon, which saves waiting for one.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ioe_conformance.errors import Exit, KitError
from ioe_conformance.kitdir import NAMES, make_kit
from ioe_conformance.rig import cannot_connect

NETWORK: Final = "conformance"
OPENS_IN_S: Final = 20  # how long after `clock_offset_ms` was asked the bands of a slot open
_IOE: Final = (sys.executable, "-c", "from ioe_router.cli.main import main; main()")
_START_S: Final = 30.0

NODE: Final = """\
[node]
keys = "keys"
store = "store"
listen = "127.0.0.1:{port}"
clock_offset_ms = {offset_ms}
operational_lifetime_s = 604800
keepalive_ms = 1000
log_level = "info"

"""


def clock_offset_ms(opens_in_s: int = OPENS_IN_S) -> int:
    """What to add to UTC so that the bands of a slot of 300 s open in so many seconds."""
    wanted = -(240 + opens_in_s) % 300
    return int((wanted - time.time()) % 300 * 1_000)


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def launch(target: Path, program: Sequence[str] = _IOE) -> subprocess.Popen[bytes]:
    """Start the router of a folder, and note its number for the hook."""
    with (target / "log").open("ab") as log:
        process = subprocess.Popen(
            [*program, "run", "--config", "node.toml"],
            cwd=target,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=_environment(),
        )
    (target / "pid").write_text(str(process.pid))
    return process


def wait_for_port(address: str, within_s: float = _START_S) -> None:
    """Return once something listens. KitError (3) when nothing does."""
    end = time.monotonic() + within_s
    while why := cannot_connect(address, 0.2):
        if time.monotonic() > end:
            raise KitError(Exit.UNREACHABLE, f"nothing listens at {address} ({why})")
        time.sleep(0.05)


class Reference:
    """One reference router on loopback."""

    def __init__(self, folder: Path, *, offset_ms: int = 0, program: Sequence[str] = _IOE) -> None:
        self.folder = folder
        self.port = free_port()
        self.offset_ms = offset_ms
        self.address = f"127.0.0.1:{self.port}"
        self._program = tuple(program)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def kit(self) -> Path:
        """The kit's folder."""
        return self.folder / "kit"

    @property
    def log(self) -> Path:
        """What the daemon says."""
        return self.folder / "target" / "log"

    def prepare(self) -> None:
        """Keys, links, configuration."""
        target = self.folder / "target"
        target.mkdir(parents=True)
        self._ioe("identity", "new", "--unencrypted", "--network", NETWORK, cwd=target)
        make_kit(self.kit, target / "keys" / "node.pub", NETWORK)
        for name in NAMES:
            link = self.kit / f"{name}.attestation"
            self._ioe("link", "countersign", "--yes", "--keys", "keys", str(link), cwd=target)
        text = NODE.format(port=self.port, offset_ms=self.offset_ms)
        (target / "node.toml").write_text(text + (self.kit / "node.toml").read_text())

    def start(self) -> None:
        """Run it; returns when its port is open. KitError (3) when it does not come up."""
        target = self.folder / "target"
        (target / "address").write_text(self.address)
        self._process = launch(target, self._program)
        end = time.monotonic() + _START_S
        while cannot_connect(self.address, 0.2):
            if self._process.poll() is not None or time.monotonic() > end:
                raise KitError(Exit.UNREACHABLE, f"the reference router does not start; see {self.log}")
            time.sleep(0.1)

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End it, and whatever the hook has started in its place."""
        number = int((self.folder / "target" / "pid").read_text())
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(how)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(5)
        if self._process is not None and self._process.pid != number:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, how)
        self._process = None

    @property
    def hook(self) -> str:
        """The command for --hook."""
        return shlex.join([sys.executable, "-m", "ioe_conformance.selftest.hook", str(self.folder)])

    def _ioe(self, *arguments: str, cwd: Path) -> None:
        done = subprocess.run(
            [*_IOE, *arguments],
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=_environment(),
        )
        if done.returncode:
            raise KitError(Exit.KIT_ERROR, f"ioe {' '.join(arguments)}: {done.stderr.strip()}")


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
