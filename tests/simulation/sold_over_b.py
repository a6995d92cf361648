"""Three routers in a row: a sells over b to c, whose own HOLDs a test may write."""

from __future__ import annotations

from ioe_router.config import Limits
from tests.simulation.pair import KWH_J, Cable, Sim, build


def line(limits: Limits | None = None, *, ab_va: int = 50_000, bc_va: int = 50_000) -> Sim:
    """Node a sells over b to c; b keeps both links, so c can ask without an entry."""
    sim = build(
        Cable("b", "a", rating_va=ab_va), Cable("b", "c", r_micro_ohm=100_000, rating_va=bc_va), limits=limits
    )
    sim.at(1_200)
    sim.offer("a", 100_000)
    return sim


def repair(limits: Limits | None = None, **ratings: int) -> Sim:
    """The same in the last phase before the gate, when all bands are open."""
    sim = line(limits, **ratings)
    sim.at(500)
    return sim


def nothing_booked(sim: Sim) -> None:
    """No link has a packet, the origin has all its energy, sums hold."""
    for one, other in ("ab", "ba", "bc", "cb"):
        assert sim.entries(one, other) == ()
    assert sim.free_j("a") == 100 * KWH_J
    sim.check()
