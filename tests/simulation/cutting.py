"""Four routers in a row with a committed packet that any of them may cut."""

from __future__ import annotations

from ioe_router.core.inputs import CurtailReservation
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import ReservationId
from ioe_router.model.reservation import Curtail, CurtailHop, PacketEnergy, ReservationState
from ioe_router.model.routing import Direction
from tests.simulation.pair import KWH_J, Cable, Sim, build

S = ReservationState
PATH = "abcd"
BUY, SELL = Direction.SUPPLY, Direction.DEMAND


def chain(direction: Direction = BUY) -> Sim:
    """Node a offers, d wants; b and c carry. Keepers alternate, so both ways of booking occur."""
    sim = build(Cable("b", "a"), Cable("b", "c", r_micro_ohm=100_000), Cable("d", "c"))
    sim.at(1_200)
    sim.offer("a", 100_000 if direction is BUY else 300_000, direction=direction)
    if direction is SELL:
        sim.offer("d", 50_000)
    sim.at(500)
    sim.want(
        "d",
        KWH_J,
        500_000 if direction is BUY else 100_000,
        direction=direction,
        own_offer_no=None if direction is BUY else 1,
    )
    sim.wait(4)
    assert [set(sim.states(name)) for name in PATH] == [{S.COMMITTED}] * 4
    sim.check_quiet()
    return sim


def booked(sim: Sim, name: str) -> tuple[ReservationId, int]:
    """The first reservation at a node and the energy of its packet at the busbar."""
    record = sim.records(name)[0]
    return record.core.body.reservation, record.granted[1].energy_j


def cut(
    sim: Sim, name: str, remaining_j: int, *, in_s: int = 0, code: ErrorCode = ErrorCode.CURTAILED
) -> None:
    """Let a node cut the first reservation's packet."""
    reservation, _ = booked(sim, name)
    at_ms = 0 if not in_s else sim.wire.now.utc_ms + in_s * 1_000
    order = CurtailReservation(
        reservation=reservation, remaining=((1, remaining_j),), code=code, effective_utc_ms=at_ms
    )
    sim.wire.give(sim.node(name), order)
    sim.wire.settle()


def energies(sim: Sim) -> list[int]:
    """What is left of the packet at each busbar."""
    left = []
    for name in PATH:
        granted = sim.records(name)[0].granted.get(1)
        left.append(0 if granted is None else granted.energy_j)
    return left


# ------------------------------------------------------------------ refusals


def say_cut(
    sim: Sim, sender: str, receiver: str, remaining_j: int, *, signer: str = "", in_s: int = 0, index: int = 1
) -> None:
    """Let a node say a cut with a valid signature, whatever its router thinks."""
    reservation, _ = booked(sim, "a")
    items = (PacketEnergy(index=index, energy_j=remaining_j),)
    body = Curtail(
        reservation=reservation,
        version=1,
        node=sim.node(signer or sender),
        code=ErrorCode.CURTAILED,
        items=items,
        effective_utc_ms=sim.wire.now.utc_ms + in_s * 1_000,
    )
    sim.say(sender, receiver, CurtailHop(curtail=sim.seal(signer or sender, body), items=items))
