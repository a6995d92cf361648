"""What the record makes of packets that were cut: the part that is gone is gone, the rest still counts."""

from __future__ import annotations

from ioe_router.analysis.quantities import actual_quantities
from ioe_router.core.events import Booked, Unbooked
from ioe_router.demo.coordinator import DayFacts, DayPlan
from ioe_router.demo.seat import Harvest
from ioe_router.demo.slot_records import price_range
from ioe_router.demo.tally import Packet, tally
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import NodeId, ReservationId
from ioe_router.model.routing import Direction
from ioe_router.model.slot import Slot
from ioe_router.scenario import load_scenario
from tests.unit.demo.test_deaths import TINY

SLOT = Slot(9_000)
ENERGY_J = 900_000


def booked(number: int, energy_j: int = ENERGY_J, price_micro_per_kwh: int = 200_000) -> Booked:
    """A packet that the node has bought."""
    return Booked(
        reservation=ReservationId(bytes([number]) * 16),
        index=1,
        slot=SLOT,
        peer=NodeId(b"p" * 32),
        initiator=True,
        direction=Direction.SUPPLY,
        energy_j=energy_j,
        price_micro_per_kwh=price_micro_per_kwh,
        scarcity_micro_per_kwh=0,
        offer_no=1,
        trade_no=1,
        own_offer_no=0,
        hops=1,
    )


def gone(number: int, energy_j: int, remaining_j: int) -> Unbooked:
    """Some of it is cut."""
    return Unbooked(
        reservation=ReservationId(bytes([number]) * 16),
        index=1,
        slot=SLOT,
        energy_j=energy_j,
        remaining_j=remaining_j,
        code=ErrorCode.CURTAILED,
    )


def packets(*losses: tuple[int, Unbooked], bought: tuple[Booked, ...]) -> list[Packet]:
    """The packets of a node that has said this."""
    scenario = load_scenario(TINY)
    day = scenario.days[0]
    plan = DayPlan(scenario=scenario, source="", day=0, slots=2, seed=1, first_port=0)
    facts = DayFacts(plan=plan, day=day, expected=actual_quantities(day))
    facts.nodes = {bus.name: NodeId(bytes([place]) * 32) for place, bus in enumerate(scenario.buses)}
    facts.harvests.append(
        Harvest(
            bus="house-a",
            booked=tuple((1_000, one) for one in bought),
            unbooked=losses,
            answered=(),
            settled=(),
            imbalances=(),
            swept=(),
            out_of_band=(),
            offers=(),
            origins_lost=(),
            faults=(),
            downs=(),
            accounts=(),
            counts={},
        )
    )
    return tally(facts).packets[SLOT]


def test_a_packet_that_was_cut_is_kept_with_what_remains() -> None:
    """Two cuts of one packet: what stands is what the last one left, and each counts from its own instant."""
    cuts = ((2_000, gone(1, 300_000, 600_000)), (3_000, gone(1, 500_000, 100_000)))
    (packet,) = packets(*cuts, bought=(booked(1),))
    assert (packet.kept, packet.ended, packet.kept_j) == (True, None, 100_000)
    assert [packet.lost_j(at_ms) for at_ms in (2_000, 2_001, 3_001)] == [800_000, 500_000, 0]


def test_a_packet_of_which_nothing_remains_has_ended() -> None:
    """A cut and then the rest: it is given up when the last of it is."""
    cuts = ((2_000, gone(1, 300_000, 600_000)), (3_000, gone(1, 600_000, 0)))
    (packet,) = packets(*cuts, bought=(booked(1),))
    assert (packet.kept, packet.kept_j) == (False, 0)
    assert packet.ended is not None
    assert packet.ended[0].at_ms == 3_000


def test_a_packet_that_nobody_touched_is_kept_whole() -> None:
    """What was cut of another one does not concern it."""
    one, other = packets((2_000, gone(2, 1, ENERGY_J - 1)), bought=(booked(1), booked(2)))
    assert (one.kept_j, other.kept_j) == (ENERGY_J, ENERGY_J - 1)


def test_prices_are_weighted_by_what_was_kept() -> None:
    """A packet that was cut to a third weighs a third."""
    dear = booked(2, price_micro_per_kwh=400_000)
    found = price_range(packets((2_000, gone(2, 600_000, 300_000)), bought=(booked(1), dear)))
    assert found is not None
    assert found.mean_micro_per_kwh == (200_000 * 3 + 400_000) // 4
