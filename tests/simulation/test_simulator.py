"""The deterministic simulator: what it repeats, what it injects, what it says when a check fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from ioe_router.core.legs import LegBook
from ioe_router.core.market import RibMarket
from ioe_router.core.outbox import Outbox
from ioe_router.core.routing import Routing
from ioe_router.model.clock import Now
from ioe_router.model.errors import UsageError
from ioe_router.model.ids import NodeId
from ioe_router.model.parameters import NetworkParameters
from ioe_router.model.slot import Slot
from ioe_router.sim.checkers import panel
from ioe_router.sim.checkers.liveness import check_trade
from ioe_router.sim.checkers.verdict import CheckFailed
from ioe_router.sim.faults import MENUS, Fault
from ioe_router.sim.host import Host
from ioe_router.sim.run import Plan, run, run_seed

ROOT = Path(__file__).parents[2]
TINY = str(ROOT / "tests" / "scenarios" / "tiny")
_DIGEST = """
from ioe_router.sim.run import run_seed
print(run_seed({seed}, {scenario!r}, {faults!r}, 2, events=40).digest)
"""


def _digest_elsewhere(hash_seed: str, seed: int, scenario: str, faults: str) -> str:
    code = _DIGEST.format(seed=seed, scenario=scenario, faults=faults)
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(("scenario", "faults"), [("random6", "clock"), ("random6", "network,crash,liars")])
def test_a_seed_gives_the_same_trace_in_two_processes_with_other_hashing(scenario: str, faults: str) -> None:
    """Nothing in routers, agents, faults or checkers depends on the order of a hash table."""
    first, second = (_digest_elsewhere(hashing, 2, scenario, faults) for hashing in ("1", "2"))
    assert first == second
    assert len(first) == 32


def test_other_seeds_give_other_traces() -> None:
    """The seed decides, and the digest shows it."""
    assert run_seed(1, "random5", "none", 1).digest != run_seed(2, "random5", "none", 1).digest


@pytest.mark.parametrize("scenario", [TINY, "village", "random12"])
def test_a_community_without_faults_passes_every_check(scenario: str) -> None:
    """The same scenario files as the demo; everything trades, settles and ends."""
    outcome = run_seed(1, scenario, "none", 1)
    assert outcome.injected == 0
    assert outcome.reservations["COMMITTED"] > 0
    assert outcome.disputed == 0


def test_verifying_in_earnest_changes_nothing_but_the_work() -> None:
    """Trusting the notary saves verifications; the trace stays the same to the bit."""
    plan = Plan(seed=3, scenario="random5", faults="none", slots=1)
    earnest = Plan(seed=3, scenario="random5", faults="none", slots=1, trusting=False)
    one, other = run(plan), run(earnest)
    assert one.digest == other.digest
    assert one.signatures_verified < other.signatures_verified


@pytest.mark.parametrize(
    ("faults", "slots", "scenario", "said"),
    [
        ("meteors", 3, "random5", "'meteors' is no fault and no menu of faults; choose from: none, default"),
        ("default", 1, "random5", "a run with faults needs a last slot"),
        ("none", 99, "random5", "has 24 slots a day, not 99; ask for fewer"),
    ],
)
def test_impossible_runs_are_refused_in_one_sentence(
    faults: str, slots: int, scenario: str, said: str
) -> None:
    """A wrong menu, too few slots and too many slots are said before anything runs."""
    with pytest.raises(UsageError, match=said):
        run_seed(1, scenario, faults, slots)


def test_a_failing_run_says_the_command_that_repeats_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Capacity that a bug does not give back is found, in one line with the command."""
    monkeypatch.setattr(LegBook, "withdraw", lambda *_: None)
    with pytest.raises(CheckFailed) as failure:
        run_seed(1, "random12", "none", 2)
    (line,) = str(failure.value).splitlines()
    assert line.endswith("reproduce: ioe sim random12 --seed 1 --faults none --slots 2")


def test_a_hunt_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """Green seeds are remembered per plan; a seed that failed is run again."""
    file = tmp_path / "hunt.jsonl"
    hunt = [sys.executable, "tools/hunt.py", "--file", str(file), "--scenario", "random3", "--slots", "2"]
    hunt += ["--events", "5", "--faults", "network", "--jobs", "1"]

    def said(seeds: int) -> str:
        done = subprocess.run(
            [*hunt, "--seeds", str(seeds)], capture_output=True, text=True, check=False, cwd=ROOT
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "0 of 1 seeds are green already" in said(1)
    assert "1 of 2 seeds are green already" in said(2)
    (first, second) = map(json.loads, file.read_text().splitlines())
    assert (first["seed"], second["seed"], first["injected"]) == (1, 2, 5)
    file.write_text(json.dumps({**first, "green": False}) + "\n" + json.dumps(second) + "\n")
    assert "1 of 2 seeds are green already" in said(2)


@pytest.mark.parametrize(("scenario", "seed"), [("random2", 1), ("random3", 55)])
def test_a_community_without_a_deal_to_be_made_is_not_blamed(
    scenario: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the last slot every ask is above every bid and nobody books, without faults as well."""
    slots: list[Slot] = []

    def noted(
        hosts: Sequence[Host], liars: frozenset[NodeId], parameters: NetworkParameters, last: Slot
    ) -> None:
        slots.append(last)
        check_trade(hosts, liars, parameters, last)

    monkeypatch.setattr(panel, "check_trade", noted)
    for faults in ("none", "lie"):
        run_seed(seed, scenario, faults)
    assert len(slots) == 2  # both runs came to that question


def test_a_network_that_does_not_trade_again_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Routers that see no offer any more are blamed for the deal that was there to be made."""
    monkeypatch.setattr(RibMarket, "candidates", lambda *_: [])
    with pytest.raises(CheckFailed, match=r"nobody could book anything .*, though .* wants what .* offers"):
        run_seed(1, "random5", "none", 2)


def test_announced_restarts_are_on_the_menu_and_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Hosts part with a time of return, their neighbours hear it, and all is well in the end."""
    assert Fault.RESTART in MENUS["default"]
    assert set(MENUS["all"]) == set(Fault)
    waited: list[int] = []
    down = Routing.neighbor_down

    def noted(self: Routing, neighbor: NodeId, restart_s: int, now: Now, out: Outbox) -> None:
        waited.append(restart_s)
        down(self, neighbor, restart_s, now, out)

    monkeypatch.setattr(Routing, "neighbor_down", noted)
    assert run_seed(1, "random5", "restart").faults["restart"]
    assert {5, 30, 120} <= set(waited)
