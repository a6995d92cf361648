"""Meters, statements and imbalance prices survive a crash: a slot is settled once."""

from __future__ import annotations

import pytest

from ioe_router.core.durable_settlement import IMBALANCE, OWN, PRICES
from ioe_router.core.effects import Persist
from ioe_router.core.events import ImbalanceSettled, LinkSettled, PeerFault
from ioe_router.core.inputs import Started
from ioe_router.core.steps import KEPT_SLOTS
from tests.simulation.crash_line import committed, line, meter, offer, rows_of, set_prices
from tests.simulation.crashing import crash, new_router, reconnect, restart
from tests.simulation.pair import SLOT, SLOT_S


@pytest.mark.parametrize("name", list("abc"))
@pytest.mark.parametrize("read_before", [True, False])
def test_a_slot_is_settled_once_whoever_crashes(name: str, read_before: bool) -> None:
    """One statement per end and slot, equal figures, one imbalance record, an unbroken chain."""
    sim = committed(line())
    sim.at(-SLOT_S - 5)
    if read_before:
        meter(sim, *"abc")
    crash(sim, name)
    sim.wait(3)
    restart(sim, name)
    reconnect(sim)
    offer(sim, "a")  # the way to the balance-responsible party
    sim.wait(3)
    meter(sim, *"abc")
    sim.wait(130)
    for one in "abc":
        settled = [event for event in sim.events(one, LinkSettled) if event.slot == SLOT]
        assert len(settled) == len({event.link for event in settled}) == (2 if one == "b" else 1)
        assert all(event.agreed for event in settled)
        slots = [row for row in sim.router(one)._parts.settlement.rows if row[0] == SLOT]
        assert len(slots) == len(set(slots))
    records = [event.record.body for event in sim.events("a", ImbalanceSettled)]
    assert len({(body.node, body.slot_utc_s) for body in records}) == len(records) == 2
    assert sim.router(name)._parts.settlement.restored_deviations()


def test_a_crash_between_metering_and_the_deviation_loses_neither() -> None:
    """The store ends behind the last meter record: the restarted node still settles its deviation, once."""
    sim = committed(line())
    sim.at(-SLOT_S - 5)
    meter(sim, *"abc")
    rows = [row for row in rows_of(sim, "b") if not row.key.startswith((OWN, IMBALANCE))]
    assert len(rows) < len(rows_of(sim, "b"))
    router = new_router(sim, "b")
    router.restore(tuple(rows), sim.wire.now)
    router.handle(Started(epoch=2), sim.wire.now)
    (own,) = router.inspect().imbalance.own
    before = sim.router("b").inspect().imbalance.own[0].record.body
    assert own.record.body == before


@pytest.mark.parametrize("name", ["a", "b"], ids=["party", "member"])
def test_imbalance_prices_survive_a_crash_of_the_party_and_of_a_member(name: str) -> None:
    """Prices that the host has set once are in force after a restart: both sides sign at them."""
    sim = committed(line())
    prices = set_prices(sim)
    crash(sim, name)
    restart(sim, name)
    reconnect(sim)
    offer(sim, "a")  # the way to the balance-responsible party
    sim.at(-SLOT_S - 5)
    meter(sim, *"abc")
    sim.wait(130)
    records = [event.record.body for event in sim.events("a", ImbalanceSettled)]
    assert {body.node for body in records} == {sim.node("b"), sim.node("c")}
    assert {body.price_micro_per_kwh for body in records} == {prices.long_micro_per_kwh}
    assert sim.events("a", PeerFault) == []


def test_imbalance_prices_are_durable_before_a_record_that_has_them_leaves() -> None:
    """The row is written once, with the call that sets them, and dropped when the slot is forgotten."""
    sim = committed(line())
    before = len(rows_of(sim, "b"))
    prices = set_prices(sim)
    (row,) = [row for row in rows_of(sim, "b") if row.key.startswith(PRICES)]
    assert len(rows_of(sim, "b")) == before + 1
    again = sim.router("b").handle(prices, sim.wire.now)
    assert [effect for effect in again if isinstance(effect, Persist)] == []
    crash(sim, "b")
    restart(sim, "b")
    sim.at(-(KEPT_SLOTS + 2) * SLOT_S)
    assert row.key not in {row.key for row in rows_of(sim, "b")}
