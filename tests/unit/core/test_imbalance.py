"""Imbalance records: relayed to the party, countersigned, and back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ioe_router.core.events import ImbalanceSettled
from ioe_router.core.imbalance import RETRY_MS, WAY_BACK
from ioe_router.core.inputs import ImbalancePrices
from ioe_router.core.settled import NodeDeviation
from ioe_router.model.envelope import ObjectType
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.ids import PathHash
from ioe_router.model.settlement import Deviation, ImbalanceRecord, Relay
from ioe_router.model.slot import Slot
from tests.unit.core.grid_rig import SLOT, SLOT_S, Net, Wire

CHAIN = (Wire("party", "hop"), Wire("hop", "node"))
WAYS = {"node": {"party": "hop"}, "hop": {"party": "party"}}
KWH = 3_600_000


def chain(ways: dict[str, dict[str, str]] | None = None) -> Net:
    """A party, a hop and a node behind it, after the slot."""
    net = Net(CHAIN, party="party", ways=WAYS if ways is None else ways)
    net.to_utc_s(SLOT + SLOT_S)
    return net


def deviate(net: Net, short_j: int, slot: Slot = SLOT, name: str = "node") -> None:
    """Let a node deviate."""
    net[name].imbalance.deviated(NodeDeviation(slot, short_j), net.now, net[name].out)
    net.settle()


def relays(net: Net) -> int:
    """How many Relay objects have been sent."""
    return sum(envelope.type is ObjectType.RELAY for envelope in net.sent)


@pytest.mark.parametrize(
    ("short_j", "way", "price"),
    [(1_234_567, Deviation.SHORT, 350_000), (-7_654_321, Deviation.LONG, 80_000)],
)
def test_a_deviation_is_settled_over_hops(short_j: int, way: Deviation, price: int) -> None:
    """The node and its party end up with the same record under both signatures, two relays each way."""
    net = chain()
    deviate(net, short_j)
    (at_node,) = net["node"].events_of(ImbalanceSettled)
    (at_party,) = net["party"].events_of(ImbalanceSettled)
    assert at_node == at_party
    assert at_node.record.signers == (net.keys.node("node"), net.keys.node("party"))
    body = at_node.record.body
    assert (body.deviation, body.energy_j, body.price_micro_per_kwh) == (way, abs(short_j), price)
    assert body.amount_micro == price * abs(short_j) // KWH
    assert net["hop"].events == []
    assert relays(net) == 4
    assert net["node"].imbalance.own[0].settled


def test_a_slots_own_price_counts() -> None:
    """A price given for a slot replaces the configured one at both ends."""
    net = chain()
    for name in ("node", "party"):
        net[name].imbalance.set_prices(
            ImbalancePrices(slot=SLOT, short_micro_per_kwh=900_000, long_micro_per_kwh=-10)
        )
    deviate(net, 3 * KWH)
    assert net["party"].imbalance.held[0].body.amount_micro == 2_700_000


def test_no_deviation_and_no_party_make_no_record() -> None:
    """Nothing is recorded without a deviation, nor by the party itself."""
    net = chain()
    deviate(net, 0)
    deviate(net, 5, name="party")
    assert relays(net) == 0


def test_records_form_a_chain_and_slots_are_recorded_once() -> None:
    """A slot's second deviation changes nothing; the next slot's record names the one before."""
    net = chain()
    deviate(net, 10)
    deviate(net, 99)
    deviate(net, 20, Slot(SLOT + SLOT_S))
    first, second = net["party"].imbalance.held
    assert (first.body.energy_j, second.body.energy_j) == (10, 20)
    assert second.body.previous == first.object_id


def test_a_record_without_a_way_waits_for_one() -> None:
    """Unroutable records are kept and go out at their next try, once there is a way."""
    net = chain(ways={})
    deviate(net, 10)
    assert relays(net) == 0
    net["node"].ways = {net.keys.node("party"): net.keys.node("hop")}
    net["hop"].ways = {net.keys.node("party"): net.keys.node("party")}
    net.pass_time(ms=RETRY_MS)
    assert len(net["node"].events_of(ImbalanceSettled)) == 1


def test_an_unanswered_record_is_sent_again_and_answered_once() -> None:
    """A lost answer is repeated on demand; the party settles the record once."""
    net = chain()
    back = frozenset((net.keys.node("node"), net.keys.node("hop")))
    node = net["node"]
    node.imbalance.deviated(NodeDeviation(SLOT, 10), net.now, node.out)
    net.cut.add(back)
    net.settle()
    net.cut.clear()
    net.pass_time(ms=RETRY_MS)
    assert len(node.events_of(ImbalanceSettled)) == 1
    assert len(net["party"].events_of(ImbalanceSettled)) == 1
    sent = relays(net)
    net.pass_time(ms=3 * RETRY_MS)
    assert relays(net) == sent


def test_a_hop_forgets_after_its_time() -> None:
    """Nothing that passed by is remembered longer than outcomes are kept."""
    net = chain()
    net.cut.add(frozenset((net.keys.node("party"), net.keys.node("hop"))))
    node, hop = net["node"], net["hop"]
    node.imbalance.deviated(NodeDeviation(SLOT, 10), net.now, node.out)
    net.settle()
    net.cut.add(frozenset((net.keys.node("node"), net.keys.node("hop"))))
    assert hop.imbalance.next_deadline_ns() is not None
    net.pass_time(ms=hop.config.timers.outcome_kept_s * 1_000 + 1)
    assert hop.imbalance.next_deadline_ns() is None


def record(net: Net, **changes: object) -> ImbalanceRecord:
    """A correct record of the node with changes."""
    body = ImbalanceRecord(
        node=net.keys.node("node"),
        party=net.keys.node("party"),
        slot_utc_s=SLOT,
        deviation=Deviation.SHORT,
        energy_j=KWH,
        price_micro_per_kwh=350_000,
        amount_micro=350_000,
        previous=net.keys.node("node"),  # type: ignore[arg-type] # any 32 bytes do
    )
    return replace(body, **changes)  # type: ignore[arg-type]


def send_to_party(net: Net, body: ImbalanceRecord, path: PathHash | None = None) -> None:
    """Hand the party a record by way of the hop."""
    inner = net.keys.sealers["node"].seal(body)
    name = PathHash(net.keys.node("party")) if path is None else path
    outer = net.keys.sealers["hop"].seal(Relay(path=name, record=inner.envelope))
    net["party"].deliver(net.keys.node("hop"), outer.envelope, net.now)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"price_micro_per_kwh": 1, "amount_micro": 1}, ErrorCode.CONFLICT),
        ({"amount_micro": 349_999}, ErrorCode.CONFLICT),
        ({"slot_utc_s": SLOT + 1}, ErrorCode.OUT_OF_BOUNDS),
        ({"deviation": Deviation.UNSPECIFIED}, ErrorCode.OUT_OF_BOUNDS),
        ({"energy_j": 0, "amount_micro": 0}, ErrorCode.OUT_OF_BOUNDS),
        ({"party": bytes(32)}, ErrorCode.NOT_FOR_ME),
    ],
)
def test_a_party_signs_only_what_it_finds_right(changes: dict[str, object], code: ErrorCode) -> None:
    """Wrong price, amount, slot, direction, energy or party is refused, unsigned."""
    net = chain()
    with pytest.raises(PeerError) as refusal:
        send_to_party(net, record(net, **changes))
    assert refusal.value.code is code
    assert net["party"].imbalance.held == ()


def test_a_second_record_of_a_slot_is_a_conflict() -> None:
    """One record per node and slot; the first stays."""
    net = chain()
    send_to_party(net, record(net))
    send_to_party(net, record(net))
    with pytest.raises(PeerError) as refusal:
        send_to_party(net, record(net, energy_j=2 * KWH, amount_micro=700_000))
    assert refusal.value.code is ErrorCode.CONFLICT
    assert net["party"].imbalance.held[0].body.energy_j == KWH


def test_relays_without_path_or_countersignature_are_refused() -> None:
    """A hop refuses a path that it does not know, and a return without the party's signature."""
    net = chain()
    with pytest.raises(PeerError) as unknown:
        send_to_party(net, record(net), PathHash(bytes(32)))
    assert unknown.value.code is ErrorCode.NO_PATH
    with pytest.raises(PeerError) as unsigned:
        send_to_party(net, record(net), WAY_BACK)
    assert unsigned.value.code is ErrorCode.WRONG_SIGNER


def test_settled_records_are_forgotten_and_open_ones_kept() -> None:
    """Retention drops what is settled; what is still open stays until it is."""
    net = chain()
    deviate(net, 10)
    net.cut.add(frozenset((net.keys.node("party"), net.keys.node("hop"))))
    deviate(net, 20, Slot(SLOT + SLOT_S))
    net["node"].imbalance.forget_before(Slot(SLOT + 10 * SLOT_S))
    assert [own.record.body.energy_j for own in net["node"].imbalance.own] == [20]
