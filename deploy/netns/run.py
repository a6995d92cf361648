"""Runs the community in FOLDER as daemons on hosts of their own, until Ctrl-C.

    sudo python deploy/community/make.py FOLDER --passphrases 'secrets/passphrase-{}'
    sudo python deploy/netns/run.py FOLDER --passphrases 'secrets/passphrase-{}'

Each line of a daemon's log comes with the name of its node.  While it runs,
`sudo ip netns exec ioe-home-east sh` is a shell on one of the hosts, and
`sudo ip -n ioe-battery link set cable1 down` cuts a cable.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import FrameType
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from deploy.community.make import links, names
from deploy.netns.namespaces import Namespaces, NoNamespaces

PREFIX: Final = "ioe"
_RUN: Final = (sys.executable, "-c", "from ioe_router.cli.main import main; main()", "run", "--config")
_STOP_S: Final = 30


def main() -> int:
    """Run them; 1 with one sentence when that is not possible here."""
    parser = argparse.ArgumentParser(description="Run the community in FOLDER on hosts of their own.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--passphrases", required=True, metavar="PATTERN", help="as given to make.py")
    arguments = parser.parse_args()
    network = Namespaces(PREFIX, names(), [(keeper, other) for keeper, other, _ in links()])
    try:
        network.open()
    except NoNamespaces as reason:
        sys.stderr.write(f"error: {reason}\n")
        return 1
    try:
        with tempfile.TemporaryDirectory() as credentials:
            _run(arguments.folder.resolve(), arguments.passphrases, Path(credentials), network)
    finally:
        network.close()
    return 0


def _run(folder: Path, passphrases: str, credentials: Path, network: Namespaces) -> None:
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    running = []
    for name in names():
        _pass_on(Path(passphrases.replace("{}", name)), credentials / name)
        running.append(_start(name, folder, credentials / name, network))
    while not ended.wait(1) and all(process.poll() is None for process in running):
        pass
    for process in running:
        process.terminate()
    for process in running:
        process.wait(_STOP_S)


def _pass_on(passphrase: Path, directory: Path) -> None:
    """A directory of credentials for one node, as a service manager makes it."""
    directory.mkdir(mode=0o700)
    credential = directory / "identity"
    credential.touch(mode=0o600)
    credential.write_bytes(passphrase.read_bytes())


def _start(name: str, folder: Path, credentials: Path, network: Namespaces) -> subprocess.Popen[str]:
    """A daemon in a process group of its own, so that Ctrl-C is passed on once and not twice."""
    command = network.inside(name, *_RUN, str(folder / name / "node.toml"))
    environment = {**os.environ, "CREDENTIALS_DIRECTORY": str(credentials)}
    process = subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    threading.Thread(target=_tell, args=(name, process), daemon=True).start()
    return process


def _tell(name: str, process: subprocess.Popen[str]) -> None:
    for line in process.stderr or ():
        sys.stdout.write(f"{name:10} {line}")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
