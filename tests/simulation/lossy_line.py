"""Three routers in a row, a offers and c wants, whose sessions and messages a test takes away."""

from __future__ import annotations

from ioe_router.model.reservation import ReservationState
from ioe_router.model.routing import Direction
from tests.simulation.pair import KWH_J, Cable, Sim, build


def line(*, direction: Direction = Direction.SUPPLY) -> Sim:
    """Node a offers, b stands between, c wants; a keeps ab, c keeps bc; the last phase before the gate."""
    sim = build(Cable("a", "b"), Cable("c", "b", r_micro_ohm=100_000))
    sim.at(1_200)
    sim.offer("a", 100_000, direction=direction)
    sim.at(500)
    return sim


def ask(sim: Sim) -> None:
    """The want of c, until its first HOLD is out and answered as far as the wire lets it."""
    sim.want("c", KWH_J, 200_000)
    while not sim.records("c"):
        sim.wait(1)
    sim.wait(1)


def cut(sim: Sim, one: str, other: str) -> None:
    """Lose the session of two neighbours."""
    sim.wire.disconnect(sim.node(one), sim.node(other))
    sim.wire.settle()


def states(sim: Sim) -> list[list[ReservationState]]:
    """Of all three nodes, initiator first."""
    return [sim.states(n) for n in "cba"]
