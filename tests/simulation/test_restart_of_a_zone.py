"""Operating envelopes after a crash: restored promises must not leave a link looking full."""

from __future__ import annotations

import pytest

from ioe_router.core.events import Booked
from ioe_router.model.discovery import LinkKind
from tests.simulation.crash_line import come_back, offer, want
from tests.simulation.crashing import crash
from tests.simulation.pair import SLOT, Cable, build


@pytest.mark.parametrize("victim", ["a", "b"])
def test_trade_goes_on_over_a_radial_link_after_a_crash(victim: str) -> None:
    """Ledgers that were restored before the envelope came get its limits, and others hear of the room."""
    sim = build(Cable("a", "b", LinkKind.RADIAL), Cable("b", "c", LinkKind.RADIAL))
    sim.at(1_200)
    offer(sim, "a")
    sim.at(535)
    want(sim, "c")
    sim.wait(1)
    assert len(sim.events("c", Booked)) == 1
    crash(sim, victim)
    come_back(sim, victim)
    sim.wait(5)
    want(sim, "c", number=8)
    sim.wait(20)
    assert len(sim.events("c", Booked)) == 2
    ledger = sim.ledger("a", "b", SLOT)
    assert ledger is not None
    assert len(ledger.entries) == 2
