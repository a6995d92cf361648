"""Meters, statements, loss accounts and deviations of links."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ioe_router.core.booked import BookedLink
from ioe_router.core.events import LinkSettled
from ioe_router.core.inputs import MeterRead
from ioe_router.core.outbox import Outbox
from ioe_router.core.settled import NO_OBJECT, LossAccount, NodeDeviation, SettledPacket
from ioe_router.model.clock import Now
from ioe_router.model.errors import ErrorCode, InvariantViolation, Overtaken, PeerError
from ioe_router.model.routing import Direction, Flow
from ioe_router.model.settlement import LinkStatement, MeterRecord
from ioe_router.model.slot import Slot
from tests.unit.core.grid_rig import SLOT, SLOT_S, Net, Wire

KWH = 3_600_000
PAIR = (Wire("k", "o"),)


def packet(
    flow: Flow, sent_j: int, received_j: int, price: int, direction: Direction = Direction.SUPPLY
) -> SettledPacket:
    """A committed packet."""
    return SettledPacket(
        flow=flow, sent_j=sent_j, received_j=received_j, price_micro_per_kwh=price, direction=direction
    )


PACKETS = (
    packet(Flow.DOWN, 1_010_000, 1_000_000, 300_000),
    packet(Flow.DOWN, 505_000, 500_000, 77_777, Direction.DEMAND),
    packet(Flow.UP, 20_000, 19_900, 250_000),
)


def booked(net: Net, name: str, packets: tuple[SettledPacket, ...], supply_j: int = 0) -> BookedLink:
    """The link's sums as one end has them."""
    down = [p for p in packets if p.flow is Flow.DOWN]
    up = [p for p in packets if p.flow is Flow.UP]
    return BookedLink(
        link=net.port("k", "o").link,
        keeper=name == "k",
        net_j=sum(p.received_j for p in down) - sum(p.sent_j for p in up),
        down_sent_j=sum(p.sent_j for p in down),
        down_received_j=sum(p.received_j for p in down),
        up_sent_j=sum(p.sent_j for p in up),
        up_received_j=sum(p.received_j for p in up),
        supply_j=supply_j,
    )


def over(*wires: Wire) -> Net:
    """A network whose slot has just ended."""
    net = Net(wires or PAIR)
    net.to_utc_s(SLOT + SLOT_S)
    return net


def meter(
    net: Net,
    name: str,
    imported_j: int,
    exported_j: int,
    packets: tuple[SettledPacket, ...] = PACKETS,
    supply_j: int = 0,
) -> NodeDeviation | None:
    """Read the meter of one end of k-o."""
    read = MeterRead(link=net.port("k", "o").link, slot=SLOT, imported_j=imported_j, exported_j=exported_j)
    node = net[name]
    found = node.settlement.metered(read, booked(net, name, packets, supply_j), packets, net.now, node.out)
    net.settle()
    return found


def test_both_ends_settle_with_opposite_figures() -> None:
    """After both meters are read both ends hold the same figures, one's debt being the other's claim."""
    net = over()
    meter(net, "k", 19_900, 1_515_000)
    assert net["k"].events == []
    meter(net, "o", 1_500_000, 20_000)
    (ours,), (theirs,) = net["k"].events_of(LinkSettled), net["o"].events_of(LinkSettled)
    assert ours.agreed
    assert theirs.agreed
    assert (ours.owed_to_us_micro, ours.owed_by_us_micro) == (
        theirs.owed_by_us_micro,
        theirs.owed_to_us_micro,
    )
    down = 300_000 * 1_000_000 // KWH + 77_777 * 505_000 // KWH  # SUPPLY on y, DEMAND on s
    assert (ours.owed_to_us_micro, ours.owed_by_us_micro) == (down, 250_000 * 19_900 // KWH)


def test_other_figures_are_kept_and_not_agreed() -> None:
    """Ends that hold other packets see it, and both statements stay on file."""
    net = over()
    meter(net, "k", 19_900, 1_515_000)
    meter(net, "o", 1_500_000, 20_000, PACKETS[:2])
    assert [e.agreed for name in "ko" for e in net[name].events_of(LinkSettled)] == [False, False]
    assert len(net["k"].settlement.statements) == 2


def test_books_of_a_link_balance_to_the_joule() -> None:
    """Metered loss is what packets carry, both ends supply and both halves of the loss account hold."""
    net = over()
    meter(net, "k", 20_001, 1_516_002, supply_j=500)
    meter(net, "o", 1_500_100, 20_004, supply_j=499)
    accounts: list[LossAccount] = [net[name].settlement.loss_accounts[0] for name in "ko"]
    metered = 1_516_002 + 20_004 - 20_001 - 1_500_100
    carried = 10_000 + 5_000 + 100
    assert [a.metered_j for a in accounts] == [metered, metered]
    assert metered == carried + 500 + 499 + sum(a.own_j for a in accounts)
    assert accounts[0].model_j == net.port("k", "o").model.loss_j(1_500_000 - 20_000)


@given(
    energies=st.lists(
        st.tuples(st.sampled_from([Flow.DOWN, Flow.UP]), st.integers(1, 10**9), st.integers(-50, 10**6)),
        max_size=6,
    ),
    meters=st.tuples(*[st.integers(0, 10**10)] * 4),
    supplies=st.tuples(st.integers(-(10**4), 10**6), st.integers(-(10**4), 10**6)),
    price=st.integers(-(10**6), 10**7),
)  # fmt: skip
def test_books_balance_for_any_packets_and_meters(
    energies: list[tuple[Flow, int, int]],
    meters: tuple[int, int, int, int],
    supplies: tuple[int, int],
    price: int,
) -> None:
    """Whatever was booked and metered, the link's books balance and its obligations add up to zero."""
    net = over()
    packets = tuple(packet(flow, y + max(loss, 1 - y), y, price) for flow, y, loss in energies)
    meter(net, "k", meters[0], meters[1], packets, supplies[0])
    meter(net, "o", meters[2], meters[3], packets, supplies[1])
    metered = meters[1] + meters[3] - meters[0] - meters[2]
    own = sum(net[name].settlement.loss_accounts[0].own_j for name in "ko")
    assert metered == sum(p.sent_j - p.received_j for p in packets) + sum(supplies) + own
    balance = sum(
        e.owed_to_us_micro - e.owed_by_us_micro for n in "ko" for e in net[n].events_of(LinkSettled)
    )
    assert balance == 0


def test_a_node_deviates_by_what_it_took_beyond_its_bookings() -> None:
    """Deviation is metered less booked import over all ports, known when the last port is read."""
    net = over(Wire("k", "o"), Wire("o", "q"))
    assert meter(net, "o", 1_500_000, 20_000) is None
    other = MeterRead(link=net.port("o", "q").link, slot=SLOT, imported_j=40, exported_j=0)
    node = net["o"]
    sums = BookedLink(link=other.link, keeper=True, supply_j=60)
    found = node.settlement.metered(other, sums, (), net.now, node.out)
    assert found == NodeDeviation(SLOT, 40 + 60)


def test_a_slot_is_settled_once() -> None:
    """Readings and objects that come again change nothing; a statement is answered once, then never again."""
    net = over()
    meter(net, "k", 19_900, 1_515_000)
    meter(net, "o", 1_500_000, 20_000)
    sent = len(net.sent)
    assert meter(net, "k", 19_900, 1_515_000) is None
    row = net["k"].settlement.rows[SLOT, net.port("k", "o").link]
    assert row.own_meter is not None
    assert row.own_statement is not None
    net["o"].deliver(net.keys.node("k"), row.own_meter.envelope, net.now)
    net.settle()
    assert len(net.sent) == sent
    for _ in range(3):
        net["o"].deliver(net.keys.node("k"), row.own_statement.envelope, net.now)
        net.settle()
        assert len(net.sent) == sent + 2  # each end says it again, once in this session
    assert len(net["o"].events_of(LinkSettled)) == 1


def test_contradicting_objects_are_conflicts() -> None:
    """A second meter record or statement with other content is refused and the first one stays."""
    net = over()
    meter(net, "k", 19_900, 1_515_000)
    meter(net, "o", 1_500_000, 20_000)
    row = net["k"].settlement.rows[SLOT, net.port("k", "o").link]
    assert row.own_meter is not None
    assert row.own_statement is not None
    sealer = net.keys.sealers["k"]
    bodies: list[MeterRecord | LinkStatement] = [
        replace(row.own_meter.body, imported_j=1),
        replace(row.own_statement.body, keeper_owes_micro=0),
    ]
    for envelope in [sealer.seal(body).envelope for body in bodies]:
        with pytest.raises(PeerError) as refusal:
            net["o"].deliver(sealer.node, envelope, net.now)
        assert refusal.value.code is ErrorCode.CONFLICT


def test_a_second_reading_with_other_figures_is_refused() -> None:
    """The host may read a meter twice, but not change its mind; nor read before the slot's end."""
    net = over()
    meter(net, "k", 1, 2)
    with pytest.raises(Overtaken, match="final"):
        meter(net, "k", 2, 2)
    early = MeterRead(link=net.port("k", "o").link, slot=Slot(SLOT + SLOT_S), imported_j=0, exported_j=0)
    with pytest.raises(Overtaken, match="not over"):
        net["k"].settlement.metered(early, booked(net, "k", ()), (), net.now, net["k"].out)


def test_packets_must_be_those_of_the_booked_sums() -> None:
    """Settling other packets than the ledger's is an invariant violation, not a settlement."""
    net = over()
    read = MeterRead(link=net.port("k", "o").link, slot=SLOT, imported_j=0, exported_j=0)
    with pytest.raises(InvariantViolation):
        net["k"].settlement.metered(read, booked(net, "k", PACKETS), PACKETS[:1], net.now, net["k"].out)


def test_statements_of_an_end_form_a_chain() -> None:
    """Each statement names the one before it; one that skips a link of the chain is refused."""
    net = over()
    meter(net, "k", 19_900, 1_515_000)
    meter(net, "o", 1_500_000, 20_000)
    later = Slot(SLOT + SLOT_S)
    net.to_utc_s(later + SLOT_S)
    link = net.port("k", "o").link
    for name in "ko":
        read = MeterRead(link=link, slot=later, imported_j=0, exported_j=0)
        net[name].settlement.metered(read, booked(net, name, ()), (), net.now, net[name].out)
        net.settle()
    rows = net["k"].settlement.rows
    first, second = rows[SLOT, link].own_statement, rows[later, link].own_statement
    assert first is not None
    assert second is not None
    assert first.body.previous == NO_OBJECT
    assert second.body.previous == first.object_id
    assert net["o"].refused == []
    skipping = net.keys.sealers["k"].seal(
        replace(second.body, slot_utc_s=later - 2 * SLOT_S, previous=rows[SLOT, link].own_meter.object_id)  # type: ignore[union-attr]
    )
    with pytest.raises(PeerError) as refusal:
        net["o"].deliver(net.keys.node("k"), skipping.envelope, net.now)
    assert refusal.value.code is ErrorCode.BROKEN_CHAIN


def test_what_got_lost_is_repeated_with_the_next_session() -> None:
    """Records sent while the neighbour was away are sent again when its session stands, and settle."""
    net = over()
    net.cut.add(frozenset((net.keys.node("k"), net.keys.node("o"))))
    meter(net, "k", 19_900, 1_515_000)
    meter(net, "o", 1_500_000, 20_000)
    net.cut.clear()
    for name, other in (("k", "o"), ("o", "k")):
        net[name].settlement.neighbor_up(net.keys.node(other), net[name].out)
    net.settle()
    assert [e.agreed for name in "ko" for e in net[name].events_of(LinkSettled)] == [True, True]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"slot_utc_s": SLOT + 1}, ErrorCode.OUT_OF_BOUNDS),
        ({"slot_utc_s": SLOT + SLOT_S}, ErrorCode.FROM_FUTURE),
        ({"counter_imported_j": 0}, ErrorCode.OUT_OF_BOUNDS),
        ({"link": bytes(16)}, ErrorCode.UNKNOWN_LINK),
    ],
)
def test_wrong_meter_records_are_refused(changes: dict[str, object], code: ErrorCode) -> None:
    """A record about no past slot, no link of ours, or with a counter that ran backwards is refused."""
    net = over()
    body = MeterRecord(
        link=net.port("k", "o").link,
        slot_utc_s=SLOT,
        node=net.keys.node("k"),
        imported_j=5,
        exported_j=0,
        counter_imported_j=5,
        counter_exported_j=0,
    )
    sealed = net.keys.sealers["k"].seal(replace(body, **changes))  # type: ignore[arg-type]
    with pytest.raises(PeerError) as refusal:
        net["o"].deliver(net.keys.node("k"), sealed.envelope, net.now)
    assert refusal.value.code is code


def test_what_is_forgotten_is_not_settled_again() -> None:
    """After the retention time a slot is gone and records about it are refused."""
    net = over()
    meter(net, "k", 19_900, 1_515_000)
    net["o"].settlement.forget_before(Slot(SLOT + SLOT_S))
    row = net["k"].settlement.rows[SLOT, net.port("k", "o").link]
    assert row.own_meter is not None
    with pytest.raises(PeerError) as refusal:
        net["o"].deliver(net.keys.node("k"), row.own_meter.envelope, net.now)
    assert refusal.value.code is ErrorCode.IN_PAST


def test_a_node_that_has_just_started_takes_no_record_from_before_the_window() -> None:
    """Without a memory of what was forgotten the clock alone says what is too old."""
    net = over()
    meter(net, "k", 19_900, 1_515_000)
    row = net["k"].settlement.rows[SLOT, net.port("k", "o").link]
    assert row.own_meter is not None
    late = Now(net.now.monotonic_ns, (SLOT + 18 * SLOT_S) * 1_000)
    with pytest.raises(PeerError) as refusal:
        net["o"].settlement.hear_meter(net.keys.node("k"), row.own_meter, late, Outbox())
    assert refusal.value.code is ErrorCode.IN_PAST


def test_a_statement_that_got_lost_for_good_does_not_break_the_chain_for_ever() -> None:
    """After an unanswered statement has been forgotten the next one begins a new chain and is taken."""
    net = over()
    ends = frozenset((net.keys.node("k"), net.keys.node("o")))
    meter(net, "o", 1_500_000, 20_000)
    net.cut.add(ends)
    meter(net, "k", 19_900, 1_515_000)  # states, but neither its record nor its statement arrives
    net.cut.clear()
    later = Slot(SLOT + SLOT_S)
    net.to_utc_s(later + SLOT_S)
    link = net.port("k", "o").link
    for name in "ko":
        net[name].settlement.forget_before(later)
        read = MeterRead(link=link, slot=later, imported_j=0, exported_j=0)
        net[name].settlement.metered(read, booked(net, name, ()), (), net.now, net[name].out)
        net.settle()
    assert net["o"].refused == []
    assert [e.agreed for name in "ko" for e in net[name].events_of(LinkSettled)] == [True, True]
