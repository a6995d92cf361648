"""A slot from its opening to its last signature: bookings, sweeps, set-points, meters, statements, imbalance.

    grid --radial, transformer-- mid --radial-- north
                                  |               : controlled tie
                                  +---radial-- south

The hosts are played by the test: they buy their standing losses as they are
told, one house buys from the other, both from the grid.  What flows then is
near what was booked, and every difference has to turn up in the accounts.
"""

from __future__ import annotations

import pytest

from ioe_router.core.booked import BookedLink
from ioe_router.core.events import Booked, ImbalanceSettled, LinkSettled, PeerFault, SlotClosed, SlotOpening
from ioe_router.core.inputs import ImbalancePrices, MeterRead
from ioe_router.core.loss import amount_micro
from ioe_router.core.sweep_events import SlotSwept, VoltageOutOfBand
from ioe_router.model.discovery import LinkKind
from ioe_router.model.grid import Exchange
from ioe_router.model.ids import LinkId
from ioe_router.model.settlement import Deviation
from tests.simulation.pair import KWH_J, PARAMETERS, SLOT, SLOT_S, Cable, Sim, build

NAMES = ("grid", "mid", "north", "south")
RADIAL, CONTROLLED = LinkKind.RADIAL, LinkKind.CONTROLLED
CABLES = (
    Cable("grid", "mid", RADIAL, r_micro_ohm=40_000, iron_milli_w=90_000, fee_micro_per_kwh=5_000),
    Cable("mid", "north", RADIAL, r_micro_ohm=20_000),
    Cable("mid", "south", RADIAL, r_micro_ohm=30_000),
    Cable("north", "south", CONTROLLED, r_micro_ohm=50_000, rating_va=5_000),
)
SHORT, LONG = 320_000, 80_000  # imbalance prices
# what is metered beyond what was booked, joules, by link and end: (at the keeper's end, at the other end)
DRIFTS = {
    "nothing": {},
    "small": {0: (1_234, -1_001), 1: (777, -770), 2: (-500, 507), 3: (0, 3)},
    "large": {0: (900_001, -870_000), 1: (640_000, -633_333), 2: (-120_001, 121_000), 3: (-17, 18)},
}


def booked_slot() -> Sim:
    """The net with everything booked, at the final gate of the slot."""
    sim = build(*CABLES)
    sim.at(1_200)
    sim.offer("grid", 300_000, is_default=True)
    sim.offer("south", 50_000, 2 * KWH_J, offer_no=2)
    sim.at(655)
    for name in NAMES:
        (opening,) = [e for e in sim.events(name, SlotOpening) if e.slot == SLOT]
        if opening.supply_j:
            sim.want(name, opening.supply_j, 2_000_000)
    sim.want("north", 3 * KWH_J, 2_000_000)
    sim.want("south", KWH_J, 2_000_000, default=True)
    sim.at(119)
    return sim


def ends(cable: Cable) -> tuple[tuple[str, str], tuple[str, str]]:
    """Both ends of a cable as (node, neighbour), the keeper's first."""
    return (cable.keeper, cable.other), (cable.other, cable.keeper)


def link_of(sim: Sim, cable: Cable) -> LinkId:
    """The id of a cable's link."""
    return sim.port(cable.keeper, cable.other).link


def booked(sim: Sim, name: str, neighbor: str) -> BookedLink:
    """What one end has booked on a link in the slot."""
    link = sim.port(name, neighbor).link
    return next(b for b in sim.router(name).slot_view(SLOT).booked if b.link == link)


def meter(sim: Sim, drift: dict[int, tuple[int, int]]) -> None:
    """Read all meters after the slot: what was booked at each end, and its drift."""
    sim.at(-SLOT_S - 5)
    for name in NAMES:
        prices = ImbalancePrices(slot=SLOT, short_micro_per_kwh=SHORT, long_micro_per_kwh=LONG)
        sim.wire.give(sim.node(name), prices)
    for number, cable in enumerate(CABLES):
        for (name, neighbor), more_j in zip(ends(cable), drift.get(number, (0, 0)), strict=True):
            imported_j = booked(sim, name, neighbor).net_import_j - more_j
            read = MeterRead(
                link=link_of(sim, cable),
                slot=SLOT,
                imported_j=max(0, imported_j),
                exported_j=max(0, -imported_j),
            )
            sim.wire.give(sim.node(name), read)
    sim.wire.settle()
    sim.wait(200)


@pytest.fixture(scope="module")
def at_the_gate() -> Sim:
    """A booked slot that no test changes."""
    return booked_slot()


@pytest.fixture(scope="module", params=list(DRIFTS))
def settled(request: pytest.FixtureRequest) -> tuple[Sim, dict[int, tuple[int, int]]]:
    """A slot that is over and settled, with what it drifted."""
    sim, drift = booked_slot(), DRIFTS[request.param]
    meter(sim, drift)
    return sim, drift


def test_everybody_gets_what_it_wanted_without_a_fault(at_the_gate: Sim) -> None:
    """The houses have their energy, the losses are bought, nobody complained about anybody."""
    sim = at_the_gate
    north = sum(b.energy_j for b in sim.events("north", Booked) if b.slot == SLOT and b.initiator)
    (opening,) = [e for e in sim.events("north", SlotOpening) if e.slot == SLOT]
    assert north == 3 * KWH_J + opening.supply_j
    cheap = [b for b in sim.events("north", Booked) if b.peer == sim.node("south")]
    assert sum(b.energy_j for b in cheap) > KWH_J  # over the tie, and only what is cheaper so
    assert [sim.events(n, PeerFault) for n in NAMES] == [[]] * 4
    sim.check_quiet()


def test_the_sweeps_reach_every_node_and_find_voltages_in_the_band(at_the_gate: Sim) -> None:
    """Each node knows its voltage; they fall along the feeder and stay inside."""
    sim = at_the_gate
    volts = {n: [e.voltage_micro_pu for e in sim.events(n, SlotSwept) if e.slot == SLOT][-1] for n in NAMES}
    assert PARAMETERS.voltage_min_micro_pu < volts["north"] < volts["mid"] < volts["grid"]
    assert volts["grid"] == 1_000_000
    assert [sim.events(n, VoltageOutOfBand) for n in NAMES] == [[]] * 4


def test_set_points_of_ports_and_devices_balance_at_every_node(at_the_gate: Sim) -> None:
    """A node's devices are booked for what its ports bring; over all nodes that is what links lose."""
    sim = at_the_gate
    devices_j = 0
    for name in NAMES:
        (closed,) = [e for e in sim.events(name, SlotClosed) if e.slot == SLOT]
        imported_j = closed.imported_j - closed.exported_j
        ports = [booked(sim, a, b) for cable in CABLES for a, b in ends(cable) if a == name]
        assert imported_j == sum(b.net_import_j for b in ports)
        devices_j += imported_j
        schedules = [s for s in sim.wire.nodes[sim.node(name)].schedules if s.slot == SLOT]
        own = [s for s in schedules if s.link is None]
        assert [s.energy_j if s.direction is Exchange.IMPORT else -s.energy_j for s in own] == [imported_j]
    lost_j = 0
    for cable in CABLES:
        one, other = (booked(sim, *end) for end in ends(cable))
        assert one.carried_loss_j == other.carried_loss_j
        lost_j += one.carried_loss_j + one.supply_j + other.supply_j
    assert devices_j == -lost_j
    assert lost_j > 90 * SLOT_S  # at least the transformer's iron


def test_both_ends_of_every_link_agree_on_the_statement(
    settled: tuple[Sim, dict[int, tuple[int, int]]],
) -> None:
    """One LinkSettled per end, agreed, with mirror figures; obligations of the network add up to zero."""
    sim, _ = settled
    balance = dict.fromkeys(NAMES, 0)
    for cable in CABLES:
        link, found = link_of(sim, cable), []
        for name, _ in ends(cable):
            (event,) = [e for e in sim.events(name, LinkSettled) if (e.link, e.slot) == (link, SLOT)]
            assert event.agreed
            found.append(event)
            balance[name] += event.owed_to_us_micro - event.owed_by_us_micro
        assert found[0].owed_to_us_micro == found[1].owed_by_us_micro
        assert found[0].owed_by_us_micro == found[1].owed_to_us_micro
    assert sum(balance.values()) == 0
    assert balance["grid"] > 0 > balance["north"]
    assert [sim.events(n, PeerFault) for n in NAMES] == [[]] * 4


def test_the_loss_accounts_close_every_link_to_the_joule(
    settled: tuple[Sim, dict[int, tuple[int, int]]],
) -> None:
    """Metered loss is what packets carry, plus what the ends bought, plus what the ends bear."""
    sim, drift = settled
    for number, cable in enumerate(CABLES):
        accounts = []
        for name, _ in ends(cable):
            view = sim.router(name).slot_view(SLOT)
            (account,) = [a for a in view.loss_accounts if a.link == link_of(sim, cable)]
            accounts.append(account)
        one, other = accounts
        assert (one.metered_j, one.carried_j, one.model_j) == (
            other.metered_j,
            other.carried_j,
            other.model_j,
        )
        bought_j = one.supply_j + other.supply_j
        assert one.metered_j == one.carried_j + bought_j + sum(drift.get(number, (0, 0)))
        assert one.own_j + other.own_j == one.metered_j - one.carried_j - bought_j


def test_every_deviation_is_countersigned_by_the_party_and_sums_to_zero(
    settled: tuple[Sim, dict[int, tuple[int, int]]],
) -> None:
    """Each member's record has both signatures, its amount by hand, and lies with the party, too."""
    sim, drift = settled
    held = {r.body.node: r for r in sim.router("grid").snapshot().imbalance_held}
    deviations_j = dict.fromkeys(NAMES, 0)
    for number, cable in enumerate(CABLES):
        for (name, _), more_j in zip(ends(cable), drift.get(number, (0, 0)), strict=True):
            deviations_j[name] -= more_j
    for name in NAMES[1:]:
        short_j = deviations_j[name]
        events = [e.record for e in sim.events(name, ImbalanceSettled) if e.record.body.slot_utc_s == SLOT]
        if short_j == 0:
            assert events == []
            continue
        (record,) = events
        body = record.body
        assert record.signers == (sim.node(name), sim.node("grid"))
        assert held[sim.node(name)].envelope == record.envelope
        assert body.energy_j == abs(short_j)
        assert body.deviation is (Deviation.SHORT if short_j > 0 else Deviation.LONG)
        price = SHORT if short_j > 0 else LONG
        assert (body.price_micro_per_kwh, body.amount_micro) == (price, amount_micro(price, abs(short_j)))
    assert set(held) == {sim.node(n) for n in NAMES[1:] if deviations_j[n]}
    metered_j = sum(sum(pair) for pair in drift.values())
    assert sum(deviations_j.values()) == -metered_j


def test_books_of_the_slot_balance_over_the_whole_network(
    settled: tuple[Sim, dict[int, tuple[int, int]]],
) -> None:
    """What all devices took and gave is what all links were metered to lose."""
    sim, drift = settled
    taken_j = lost_j = 0
    for number, cable in enumerate(CABLES):
        for end, more_j in zip(ends(cable), drift.get(number, (0, 0)), strict=True):
            taken_j += booked(sim, *end).net_import_j - more_j
        account = next(
            a for a in sim.router(cable.keeper).slot_view(SLOT).loss_accounts if a.link == link_of(sim, cable)
        )
        lost_j += account.metered_j
    assert taken_j == -lost_j
