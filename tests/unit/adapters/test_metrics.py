"""What is counted and how it is asked for: events to figures, scrapes on the loop, a timed journal."""

from __future__ import annotations

import asyncio
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from ioe_router.adapters.inbox import Inbox
from ioe_router.adapters.journal import MemoryJournal
from ioe_router.adapters.metrics.counting import Counted, TimedJournal
from ioe_router.adapters.metrics.exposition import LoopCollector, MetricsPort
from ioe_router.adapters.metrics.reading import Values
from ioe_router.core.effects import Persist, RecordKind
from ioe_router.core.events import (
    Booked,
    Event,
    ImbalanceSettled,
    LinkSettled,
    SlotClosed,
    Unbooked,
)
from ioe_router.core.inputs import FrameReceived
from ioe_router.core.sweep_events import LossCorrection, SlotSwept, VoltageOutOfBand
from ioe_router.model.bech32m import node_text
from ioe_router.model.envelope import Envelope, ObjectType, Sealed
from ioe_router.model.errors import ErrorCode, UsageError
from ioe_router.model.ids import LinkId, NodeId, ObjectId, ReservationId
from ioe_router.model.routing import Direction
from ioe_router.model.settlement import Deviation, ImbalanceRecord
from ioe_router.model.slot import Slot

NEIGHBOR = NodeId(b"n" * 32)
LINK = LinkId(b"l" * 16)
SLOT = Slot(900)
NAME = node_text(NEIGHBOR)


def _counted(*events: Event) -> Values:
    counted = Counted({LINK: NEIGHBOR}.get)
    for event in events:
        counted.event(event)
    return counted.values()


def _booked(direction: Direction, initiator: bool, energy_j: int) -> Booked:
    return Booked(
        reservation=ReservationId(b"r" * 16),
        index=1,
        slot=SLOT,
        peer=NEIGHBOR,
        initiator=initiator,
        direction=direction,
        energy_j=energy_j,
        price_micro_per_kwh=1,
        scarcity_micro_per_kwh=0,
        offer_no=1,
        trade_no=0,
        own_offer_no=0,
        hops=1,
    )


def _imbalance(deviation: Deviation, energy_j: int, amount_micro: int) -> ImbalanceSettled:
    body = ImbalanceRecord(
        node=NEIGHBOR,
        party=NEIGHBOR,
        slot_utc_s=900,
        deviation=deviation,
        energy_j=energy_j,
        price_micro_per_kwh=1,
        amount_micro=amount_micro,
        previous=ObjectId(bytes(32)),
    )
    envelope = Envelope(type=ObjectType.IMBALANCE_RECORD, signed=b"", signatures=())
    sealed = Sealed(object_id=ObjectId(bytes(32)), body=body, signers=(), envelope=envelope)
    return ImbalanceSettled(record=sealed)


@pytest.mark.parametrize(
    ("direction", "initiator", "way"),
    [
        (Direction.SUPPLY, True, "imported"),
        (Direction.SUPPLY, False, "exported"),
        (Direction.DEMAND, True, "exported"),
        (Direction.DEMAND, False, "imported"),
    ],
)
def test_booked_energy_is_counted_by_the_way_it_takes_at_the_own_port(
    direction: Direction, initiator: bool, way: str
) -> None:
    """Who buys imports and who sells exports, whichever of the two has asked."""
    values = _counted(_booked(direction, initiator, 7), _booked(direction, initiator, 5))
    assert values["ioe_booked_joules_total"] == {(way,): 12}


def test_cut_energy_is_counted_by_reason() -> None:
    """Released and cut energy stand apart."""
    values = _counted(
        *(
            Unbooked(reservation=ReservationId(b"r" * 16), index=1, slot=SLOT, energy_j=energy_j, code=code)
            for energy_j, code in (
                (3, ErrorCode.CURTAILED),
                (4, ErrorCode.UNSPECIFIED),
                (5, ErrorCode.CURTAILED),
            )
        )
    )
    assert values["ioe_unbooked_joules_total"] == {("curtailed",): 8, ("unspecified",): 4}


def test_settlement_is_counted_by_neighbor_and_in_whole_currency() -> None:
    """Micro-units become units, disputes stand apart, deviations have a sign in money and none in energy."""
    values = _counted(
        LinkSettled(link=LINK, slot=SLOT, agreed=True, owed_to_us_micro=1_500_000, owed_by_us_micro=250_000),
        LinkSettled(link=LINK, slot=SLOT, agreed=False, owed_to_us_micro=0, owed_by_us_micro=250_000),
        _imbalance(Deviation.SHORT, 100, 3_000_000),
        _imbalance(Deviation.LONG, 40, 1_000_000),
        _imbalance(Deviation.UNSPECIFIED, 0, 0),
    )
    assert values["ioe_slots_settled_total"] == {(NAME, "true"): 1, (NAME, "false"): 1}
    assert values["ioe_obligations_currency"] == {(NAME, "to_us"): 1.5, (NAME, "by_us"): 0.5}
    assert values["ioe_imbalance_joules_total"] == {("short",): 100, ("long",): 40}
    assert values["ioe_imbalance_currency"] == {(): 2.0}


def test_links_that_are_not_our_own_make_no_series() -> None:
    """A label comes from the configuration, never from what is told."""
    other = LinkSettled(
        link=LinkId(b"x" * 16), slot=SLOT, agreed=True, owed_to_us_micro=1, owed_by_us_micro=1
    )
    assert "ioe_slots_settled_total" not in _counted(other)


def test_slots_are_counted_as_they_close_and_are_swept() -> None:
    """Exchange of devices, corrections by sign, and the last voltage as a ratio."""
    values = _counted(
        SlotClosed(slot=SLOT, imported_j=10, exported_j=3),
        LossCorrection(slot=SLOT, short=True, energy_j=2),
        LossCorrection(slot=SLOT, short=False, energy_j=1),
        SlotSwept(slot=SLOT, voltage_micro_pu=1_010_000, loss_j=()),
        VoltageOutOfBand(slot=SLOT, voltage_micro_pu=880_000),
    )
    assert values["ioe_device_joules_total"] == {("imported",): 10, ("exported",): 3}
    assert values["ioe_loss_correction_joules_total"] == {("short",): 2, ("long",): 1}
    assert values["ioe_voltage_ratio"] == {(): 1.01}
    assert values["ioe_voltage_out_of_band_total"] == {(): 1}


def test_barriers_fall_into_the_bucket_of_their_length() -> None:
    """A bound belongs to its bucket; records are counted by kind; what a barrier was for is durable."""
    clock = iter([0.0, 0.001, 10.0, 10.03, 20.0, 29.0])
    inner = MemoryJournal()
    journal = TimedJournal(inner, now_s=lambda: next(clock))
    for _ in range(3):
        journal.append(Persist(kind=RecordKind.COUNTER, key=b"k", record=b"r"))
        journal.sync()
    assert (journal.buckets[0], journal.buckets[5], journal.buckets[-1]) == (1, 1, 1)
    assert journal.seconds == pytest.approx(9.031)
    assert journal.records == {"counter": 3}
    assert journal.rows() == inner.rows()
    assert inner.syncs == 3


def test_time_spent_waiting_for_a_budget_is_added_up() -> None:
    """From the turn that leaves a line waiting to the turn that takes it on, and no longer."""
    ready_ns = 0
    inbox = Inbox(lambda _neighbor: ready_ns)
    inbox.put(FrameReceived(neighbor=NEIGHBOR, frame=b"f"))
    ready_ns = 500
    assert inbox.take(100) == []
    assert inbox.take(300) == []
    assert inbox.waiting()[NEIGHBOR].frames == 1
    assert len(inbox.take(600)) == 1
    inbox.take(900)
    line = inbox.waiting()[NEIGHBOR]
    assert (line.frames, line.delay_ns) == (0, 500)


def test_a_scrape_reads_on_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values come from its own thread; of a loop that stands, and of a defect, only the delay is told."""
    monkeypatch.setattr("ioe_router.adapters.metrics.exposition.READ_S", 0.3)
    asyncio.run(_scrapes())


async def _scrapes() -> None:
    seen: list[object] = []
    told: list[str] = []
    values: Values = {"ioe_inbox_commands": {(): 4}}

    def read() -> Values:
        seen.append(asyncio.get_running_loop())
        return values

    collector = LoopCollector(read, TimedJournal(MemoryJournal()), told.append)
    port = MetricsPort("127.0.0.1:0")
    address = f"127.0.0.1:{port.start(collector)}"
    text = await asyncio.to_thread(_get, address)
    assert "ioe_inbox_commands 4.0" in text
    assert seen == [asyncio.get_running_loop()]
    with ThreadPoolExecutor(1) as outside:
        standing = outside.submit(_get, address).result()  # the loop waits here
    assert _names(standing) == {"ioe_loop_delay_seconds"}
    values = {"ioe_unheard_of": {(): 1}}
    assert _names(await asyncio.to_thread(_get, address)) == {"ioe_loop_delay_seconds"}
    assert "not in the table" in told[0]
    with pytest.raises(UsageError, match="already in use"):
        MetricsPort(address).start(collector)
    await port.stop()


def _names(text: str) -> set[str]:
    return {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ioe_")}


def _get(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        said: bytes = answer.read()
    return said.decode()
