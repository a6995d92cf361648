"""Daemons in a row are killed with SIGKILL while they trade: no promise is lost, none is kept twice.

Real processes, gRPC over mutual TLS, SQLite on disk.  `IOE_KILLS` says how often
(10 by default, 25 a round in `make hunt-kill`); `IOE_KILL_SEED` fixes who is killed and after how long.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ioe_router.adapters.store_reading import examine
from ioe_router.core.reservation_fsm import TERMINAL
from ioe_router.model.reservation import ReservationState
from tests.e2e.chain import NAMES, NEED_J, Chain, make_chain
from tests.e2e.daemons import Daemon, wait_for

KILLS = int(os.environ.get("IOE_KILLS", "10"))
SEED = int(os.environ.get("IOE_KILL_SEED", str(random.SystemRandom().randrange(2**32))))
PAUSES_S = (0.2, 90 / KILLS)  # between two kills: from before a session stands to in the midst of trade
LEAST_KEPT = 12  # of the wants of chain.py, though some bands pass while a node is down
WANTS_PER_SLOT = 256  # trade numbers of the static agent: slot number times this, plus the want's place
TRADE_S = 170  # from the first start to beyond the final gate of the slot that opens LEAD_S after it


class Lives:
    """One node: its present process and the logs of all that came before."""

    def __init__(self, chain: Chain, name: str, start: Callable[[Path], Daemon]) -> None:
        self._config, self._start = chain.config(name), start
        self.daemons = [start(self._config)]

    def kill_and_restart(self) -> None:
        """SIGKILL, and the next life at once."""
        self.daemons[-1].process.kill()
        self.daemons[-1].process.wait()
        self.daemons.append(self._start(self._config))

    def known_in_last_life(self) -> set[object]:
        """Reservations that the present process has told its host of, new and restored ones."""
        last = self.daemons[-1]
        restored = [line["booked"] for line in last.said("BookingRestored")]
        new = last.said("Booked")
        return {line["reservation"] for line in (*restored, *new) if isinstance(line, dict)}

    def said(self, event: str) -> list[dict[str, Any]]:
        """The lines of one event over all lives."""
        return [line for daemon in self.daemons for line in daemon.said(event)]


def reservations(chain: Chain, name: str) -> dict[bytes, dict[str, Any]]:
    """What a node's store says of each reservation."""
    rows = examine(chain.store(name)).rows
    return {row.key: json.loads(row.record or b"{}") for row in rows if row.kind == "reservation"}


def states(chain: Chain) -> dict[bytes, dict[str, ReservationState]]:
    """State of every reservation at every node that has it on disk."""
    found: dict[bytes, dict[str, ReservationState]] = defaultdict(dict)
    for name in NAMES:
        for key, record in reservations(chain, name).items():
            found[key][name] = ReservationState(record["state"])
    return found


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_sigkill_loses_and_doubles_nothing(tmp_path: Path, start: Callable[[Path], Daemon]) -> None:
    """Nodes killed at random moments under load agree in the end on every reservation."""
    (tmp_path / "repeat").write_text(f"IOE_KILLS={KILLS} IOE_KILL_SEED={SEED}")  # beside the logs
    draw = random.Random(SEED)
    chain = make_chain(tmp_path)
    began = time.monotonic()
    lives = {name: Lives(chain, name, start) for name in NAMES}
    wait_for(lambda: lives["east"].said("Booked"), within_s=150)
    for _ in range(KILLS):
        time.sleep(draw.uniform(*PAUSES_S))
        lives[draw.choice(NAMES)].kill_and_restart()
    wait_for(lambda: time.monotonic() > began + TRADE_S, within_s=TRADE_S + 60)
    for life in lives.values():
        assert life.daemons[-1].stop() == 0
    _compare(chain, lives)


def _compare(chain: Chain, lives: dict[str, Lives]) -> None:
    """All terminal, alike at every node, nothing that a host was told is missing, no want served twice."""
    committed = ReservationState.COMMITTED
    found = states(chain)
    assert found
    for key, at in found.items():
        assert all(state in TERMINAL for state in at.values()), (key.hex(), at)
        if committed in at.values():
            assert at == dict.fromkeys(NAMES, committed), (key.hex(), at)
    kept = {key[:16].hex() for key, at in found.items() if committed in at.values()}
    for name in ("west", "east"):
        given_up = {line["reservation"] for line in lives[name].said("Unbooked")}
        told = {line["reservation"] for line in lives[name].said("Booked")}
        assert told - given_up <= kept, f"{name} was told of bookings that nobody has"
        assert kept <= lives[name].known_in_last_life() | given_up, f"{name} has forgotten a promise"
    assert len(kept) >= LEAST_KEPT, "there was no load worth the name"
    served: dict[int, int] = defaultdict(int)
    for record in reservations(chain, "east").values():
        if ReservationState(record["state"]) is committed:
            (serves,) = record["serves"]
            served[serves[0]] += sum(row[1] for row in record["granted"] if row[0] in record["accepted"])
    doubled = {no: energy for no, energy in served.items() if no % WANTS_PER_SLOT and energy > NEED_J}
    assert not doubled, "wants were served twice (the first one carries the standing loss and is left out)"
