"""Seeds that run with every test run; `make hunt` runs thousands.

Each seed is another community with other faults. A failure prints the command that repeats it.
"""

from __future__ import annotations

import pytest

from ioe_router.sim.faults import MENUS
from ioe_router.sim.run import run_seed

EVENTS = 60
SEEDS = [
    ("network", 1),
    ("network", 2),
    ("crash", 3),
    ("crash", 4),
    ("clock", 5),
    ("hosts", 6),
    ("network,crash,hosts", 7),
    ("network,crash,hosts", 8),
    ("liars", 9),
    ("network,crash,liars", 10),
]


@pytest.mark.parametrize(("faults", "seed"), SEEDS)
def test_a_community_under_faults_keeps_every_promise(faults: str, seed: int) -> None:
    """All checkers after every call, healing, a last slot without faults, and the verdict."""
    outcome = run_seed(seed, "random8", faults, 2, events=EVENTS)
    assert outcome.injected == EVENTS
    assert outcome.reservations["COMMITTED"] > 0


def test_what_a_restart_took_over_is_no_news_to_the_checkers() -> None:
    """A reservation from before a restart is replaced after it: the old one has given its capacity away."""
    assert run_seed(15, "random5", "crash,replace", 2, events=EVENTS).injected == EVENTS


def test_every_fault_of_the_menu_can_strike() -> None:
    """A few seeds are enough to see each kind of fault once."""
    seen: set[str] = set()
    for seed in range(1, 9):
        seen.update(run_seed(seed, "random3", "all", 2, events=EVENTS).faults)
    assert seen == {fault.value for fault in MENUS["all"]}
