"""The community of deploy/community, its nodes as daemons on hosts of their own: network namespaces."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

from deploy.community.make import links, names
from deploy.netns.namespaces import Namespaces
from ioe_router.adapters.store_reading import examine
from ioe_router.model.reservation import ReservationState
from tests.e2e.daemons import Daemon, wait_for
from tests.e2e.node_files import ENVIRONMENT, ioe, need_text, offset_to_opening_ms

NAMES: Final = tuple(names())
CABLES: Final = tuple((keeper, other) for keeper, other, _ in links())
BUYERS: Final = (
    "factory",
    "home-west",
)  # they get wants beside their own, so that trade goes on in all bands
WANTS: Final = 22
WANT_J: Final = 50_000
_FIRST_LIMIT: Final = 410_000  # micro-units per kWh; a band's floor is 25000 below that of the one before
_MAKE: Final = Path(__file__).parents[2] / "deploy" / "community" / "make.py"


def make_community(folder: Path) -> None:
    """Run make.py as an operator would; then clocks are set before an opening, and pings are quick."""
    passphrases = folder / "passphrases"
    passphrases.mkdir()
    for name in (*NAMES, "operators"):
        _write_secret(passphrases / name, name)
    for name in NAMES:
        _write_secret(credentials(folder, name) / "identity", name)
    command = [sys.executable, str(_MAKE), str(folder), "--passphrases", str(passphrases / "{}")]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    quick = f"[node]\nclock_offset_ms = {offset_to_opening_ms()}\nkeepalive_ms = 1000\n"
    for name in NAMES:
        config = folder / name / "node.toml"
        extra = "".join(_want(place) for place in range(WANTS)) if name in BUYERS else ""
        config.write_text(config.read_text().replace("[node]\n", quick, 1) + extra)


def credentials(folder: Path, name: str) -> Path:
    """What a service manager would make of a node's passphrase."""
    return folder / "credentials" / name


def _write_secret(path: Path, name: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(f"passphrase of {name}\n")


def _want(place: int) -> str:
    return need_text(WANT_J, _FIRST_LIMIT - place % 11 * 25_000)


class Host:
    """One node on its host, over all its lives."""

    def __init__(self, folder: Path, name: str, network: Namespaces) -> None:
        self.name, self._folder, self._network = name, folder, network
        self.lives: list[Daemon] = []
        self.start()

    def start(self) -> None:
        """Begin another life."""
        directory = str(credentials(self._folder, self.name))
        environment = {**ENVIRONMENT, "CREDENTIALS_DIRECTORY": directory}
        config = self._folder / self.name / "node.toml"
        self.lives.append(Daemon(config, self._network.inside(self.name), environment))

    def said(self, event: str) -> list[dict[str, Any]]:
        """The lines of one event over all lives."""
        return [line for life in self.lives for line in life.said(event)]

    def degree(self) -> int:
        """How many neighbours it has."""
        return sum(self.name in cable for cable in CABLES)

    def restart(self) -> None:
        """End it as a service manager does and start it again; all its sessions stand when this returns."""
        assert self.lives[-1].stop() == 0
        self.start()
        wait_for(lambda: len(self.lives[-1].said("NeighborUp")) >= self.degree(), within_s=90)

    def ioe(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command about this node, as somebody at its host would type it."""
        return ioe(*arguments, cwd=self._folder / self.name)

    def kill(self) -> None:
        """Leave no process behind."""
        for life in self.lives:
            if life.process.poll() is None:
                life.process.kill()
                life.process.wait()

    def booked(self) -> set[str]:
        """Reservations that its host was told of and that it was not told the end of."""
        return {line["reservation"] for line in self.said("Booked")} - {
            line["reservation"] for line in self.said("Unbooked")
        }

    def known_in_last_life(self) -> set[str]:
        """Reservations that the present process has told its host of, new and restored ones."""
        restored = [line["booked"] for line in self.lives[-1].said("BookingRestored")]
        new = self.lives[-1].said("Booked")
        return {str(line["reservation"]) for line in (*restored, *new) if isinstance(line, dict)}

    def promises(self) -> dict[str, ReservationState]:
        """What its store says of each reservation, once it has stopped."""
        rows = examine(self._folder / self.name / "store" / "store.db").rows
        return {
            row.key[:16].hex(): ReservationState(json.loads(row.record or b"{}")["state"])
            for row in rows
            if row.kind == "reservation"
        }


def states(hosts: dict[str, Host]) -> dict[str, dict[str, ReservationState]]:
    """State of each reservation at each node that has it on disk."""
    found: dict[str, dict[str, ReservationState]] = defaultdict(dict)
    for name, host in hosts.items():
        for reservation, state in host.promises().items():
            found[reservation][name] = state
    return found
