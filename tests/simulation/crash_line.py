"""Three routers in a row whose hosts state again after a crash what they offer, want and have metered."""

from __future__ import annotations

from ioe_router.core.effects import Persist
from ioe_router.core.inputs import ImbalancePrices, MeterRead
from ioe_router.model.reservation import ReservationState
from tests.simulation.crashing import reconnect, restart
from tests.simulation.pair import KWH_J, SLOT, Cable, Sim, build
from tests.simulation.wants import offer_of, want_of

S = ReservationState
OFFERED_J = 10 * KWH_J


def offer(sim: Sim, name: str) -> None:
    """What the host of the origin states at every start."""
    sim.wire.give(sim.node(name), offer_of(OFFERED_J))
    sim.wire.settle()


def want(sim: Sim, name: str, energy_j: int = KWH_J, number: int = 7) -> None:
    """What the host of the initiator states at every start, under the same number."""
    sim.wire.give(sim.node(name), want_of(number, energy_j, 200_000))
    sim.wire.settle()


def line() -> Sim:
    """Node a offers, b stands between, c wants; a keeps ab, c keeps bc; the last phase before the gate."""
    sim = build(Cable("a", "b"), Cable("c", "b", r_micro_ohm=100_000))
    sim.at(1_200)
    offer(sim, "a")
    sim.at(535)
    return sim


def committed(sim: Sim) -> Sim:
    """One packet of c from a, committed everywhere."""
    want(sim, "c")
    sim.wait(4)
    assert [sim.states(name) for name in "abc"] == [[S.COMMITTED]] * 3
    return sim


def come_back(sim: Sim, name: str, after_s: int = 3) -> None:
    """Restart a crashed node after a while; its host states again what it offers and wants."""
    sim.wait(after_s)
    restart(sim, name)
    reconnect(sim)
    if name == "a":
        offer(sim, "a")
    if name == "c":
        want(sim, "c")
    sim.wait(5)


def meter(sim: Sim, *names: str) -> None:
    """Every meter shows what is booked on its link."""
    for name in names:
        for booked in sim.router(name).slot_view(SLOT).booked:
            read = MeterRead(
                link=booked.link, slot=SLOT, imported_j=booked.imported_j, exported_j=booked.exported_j + 5
            )
            sim.wire.give(sim.node(name), read)
    sim.wire.settle()


def set_prices(sim: Sim) -> ImbalancePrices:
    """Prices of the slot that are not those of the configuration, at every node."""
    prices = ImbalancePrices(slot=SLOT, short_micro_per_kwh=777_000, long_micro_per_kwh=11_000)
    for name in "abc":
        sim.wire.give(sim.node(name), prices)
    sim.wire.settle()
    return prices


def rows_of(sim: Sim, name: str) -> list[Persist]:
    """The rows of a node's store."""
    return list(sim.wire.nodes[sim.node(name)].store.values())
