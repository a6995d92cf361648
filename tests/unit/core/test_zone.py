"""The zone tree: reports up, envelopes down, and who is believed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ioe_router.core.outbox import Outbox
from ioe_router.core.zone import ENVELOPE_SLOTS, REPORT_ITEMS
from ioe_router.model.discovery import LinkKind
from ioe_router.model.envelope import ObjectType, Sealed
from ioe_router.model.errors import ErrorCode, PeerError, UsageError
from ioe_router.model.grid import OperatingEnvelope, ZoneReport
from ioe_router.model.slot import Slot
from tests.links import loss_model
from tests.unit.core.grid_rig import SLOT, SLOT_S, START_UTC_S, Member, Net, Wire

TREE = (
    Wire("root", "a", loss_model(r_ohm=0.02)),
    Wire("a", "b", loss_model(r_ohm=0.1)),
    Wire("a", "c", loss_model(r_ohm=0.1)),
    Wire("b", "c", kind=LinkKind.CONTROLLED, rating_va=3_000),
)


def started() -> Net:
    """The tree, up and with an envelope everywhere."""
    net = Net(TREE)
    net.start()
    return net


def of_type(net: Net, kind: ObjectType) -> int:
    """How many objects of a type have been sent."""
    return sum(envelope.type is kind for envelope in net.sent)


def test_every_node_learns_the_same_limits() -> None:
    """After start, both ends of every RADIAL link know the same limits of it, signed by the root."""
    net = started()
    for wire in TREE[:3]:
        port = net.port(wire.keeper, wire.other)
        known = [net[name].zone.limits(port.link, SLOT) for name in net.names]
        assert None not in known
        assert len(set(known)) == 1
    assert {net[name].zone.heights(SLOT) for name in ("b", "c")} == {(0, 2)}
    assert net["a"].zone.heights(SLOT) == (1, 2)
    assert net["root"].zone.heights(SLOT) == (2, 2)


def test_a_link_is_limited_by_what_stands_below_it() -> None:
    """With ample voltage, w is the sum of connection limits below, CONTROLLED ratings counted in."""
    net = started()
    assert net["b"].zone.limits(net.port("a", "b").link, SLOT) == (13_000, 13_000, 0)
    assert net["b"].zone.limits(net.port("root", "a").link, SLOT) == (36_000, 36_000, 0)


def test_a_controlled_link_is_bound_by_its_rating_alone() -> None:
    """A CONTROLLED link has its rating as limit, with or without an envelope."""
    net = Net(TREE)
    assert net["b"].zone.limits(net.port("b", "c").link, SLOT) == (3_000, 3_000, 0)


def test_without_an_envelope_nothing_is_bookable() -> None:
    """Before the root has spoken, and for slots it did not speak about, a RADIAL link has no limits."""
    fresh = Net(TREE)
    assert fresh["a"].zone.limits(fresh.port("root", "a").link, SLOT) is None
    net = started()
    beyond = Slot(START_UTC_S + ENVELOPE_SLOTS * SLOT_S)
    assert net["a"].zone.limits(net.port("root", "a").link, beyond) is None


def test_a_start_sends_each_object_once_up_each_link() -> None:
    """Reports are batched and hold only what is new: three links, few reports, one envelope a link."""
    net = started()
    reports = [e for e in net.sent if e.type is ObjectType.ZONE_REPORT]
    sealer = net.keys.sealers["root"]
    opened = [sealer.open_any(e, frame_sender=sealer.node, now=net.now).body for e in reports]
    told = [envelope for report in opened for envelope in (*report.attestations, *report.limits)]
    # limits: b and c over two links, a over one; attestations: a-b, a-c over one, b-c from both ends over two
    assert len(told) <= 2 * 2 + 1 + 2 + 2 * 2
    assert of_type(net, ObjectType.OPERATING_ENVELOPE) <= 2 * 3


def test_a_node_that_never_came_gets_no_line() -> None:
    """A link whose other end has not reported is not bookable; the others are."""
    net = Net(TREE)
    net.start(without=("c",))
    assert net["a"].zone.limits(net.port("a", "c").link, SLOT) is None
    assert net["a"].zone.limits(net.port("a", "b").link, SLOT) == (13_000, 13_000, 0)


def test_a_dead_router_stays_in_the_envelope() -> None:
    """What a node told stays in force when its session ends."""
    net = started()
    before = net["a"].zone.limits(net.port("a", "b").link, SLOT)
    net.disconnect("b")
    net.pass_time(ms=10_000)
    assert net["a"].zone.limits(net.port("a", "b").link, SLOT) == before


def test_the_root_renews_when_half_of_the_slots_are_over() -> None:
    """An envelope is replaced in time, so that slots never run out of limits."""
    net = started()
    net.to_utc_s(START_UTC_S + ENVELOPE_SLOTS * SLOT_S)
    link = net.port("a", "b").link
    assert net["b"].zone.limits(link, Slot(START_UTC_S + ENVELOPE_SLOTS * SLOT_S)) == (13_000, 13_000, 0)


def test_a_restarted_child_gets_envelope_and_is_heard_again() -> None:
    """A node that lost everything has its envelope again as soon as its session stands."""
    net = started()
    b = net["b"]
    b.zone.start(2, net.now)
    assert b.zone.limits(net.port("a", "b").link, SLOT) is None
    b.zone.neighbor_up(net.keys.node("a"), net.now, b.out)
    net["a"].zone.neighbor_up(net.keys.node("b"), net.now, net["a"].out)
    net.pass_time(ms=5_000)
    assert b.zone.limits(net.port("a", "b").link, SLOT) == (13_000, 13_000, 0)


def test_big_zones_report_in_pieces() -> None:
    """A report never holds more than its bounded number of objects."""
    leaves = [f"leaf{i}" for i in range(REPORT_ITEMS + 5)]
    net = Net([Wire("root", "hub"), *(Wire("hub", leaf) for leaf in leaves)])
    net.start()
    assert net["root"].zone.limits(net.port("hub", leaves[-1]).link, SLOT) is not None
    reports = [e for e in net.sent if e.type is ObjectType.ZONE_REPORT]
    sealer = net.keys.sealers["root"]
    bodies = [sealer.open_any(e, frame_sender=net.keys.node("hub"), now=net.now).body for e in reports]
    assert max(len(body.attestations) for body in bodies) == REPORT_ITEMS


def test_two_radial_parents_are_no_tree() -> None:
    """A node with two RADIAL parents is refused at its start, with the remedy."""
    with pytest.raises(UsageError, match="CONTROLLED"):
        Net([Wire("p", "n"), Wire("q", "n")])


# ------------------------------------------------------------------ who is believed


def forged(net: Net, signer: str, **changes: object) -> Sealed[OperatingEnvelope]:
    """The envelope in force with changes, signed by `signer`."""
    standing = net["root"].zone.envelope(SLOT)
    assert standing is not None
    sealer = net.keys.sealers[signer]
    return sealer.seal(replace(standing.body, root=sealer.node, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("signer", "changes", "code"),
    [
        ("root", {"seq": 0}, ErrorCode.STALE),
        ("root", {"issued_utc_s": START_UTC_S + 3_600}, ErrorCode.FROM_FUTURE),
        ("root", {"first_slot_utc_s": START_UTC_S - 200 * SLOT_S, "seq": 99}, ErrorCode.EXPIRED),
        ("root", {"first_slot_utc_s": START_UTC_S + 1, "seq": 99}, ErrorCode.OUT_OF_BOUNDS),
        ("root", {"lines": ()}, ErrorCode.EQUIVOCATION),
        ("c", {"seq": 99}, ErrorCode.WRONG_SIGNER),
        ("b", {"seq": 99}, ErrorCode.WRONG_SIGNER),
    ],
)
def test_a_wrong_envelope_is_refused(signer: str, changes: dict[str, object], code: ErrorCode) -> None:
    """Stale, future, expired, misaligned, contradicting or foreign envelopes change nothing."""
    net = started()
    link = net.port("a", "b").link
    before = net["b"].zone.limits(link, SLOT)
    with pytest.raises(PeerError) as refusal:
        net["b"].zone.hear_envelope(net.keys.node("a"), forged(net, signer, **changes), net.now, Outbox())
    assert refusal.value.code is code
    assert net["b"].zone.limits(link, SLOT) == before


def test_envelopes_come_from_the_parent_only() -> None:
    """An envelope from a child or a CONTROLLED neighbour is refused, whoever signed it."""
    net = started()
    with pytest.raises(PeerError) as refusal:
        net["a"].zone.hear_envelope(net.keys.node("b"), forged(net, "root", seq=99), net.now, Outbox())
    assert refusal.value.code is ErrorCode.UNEXPECTED


def test_another_root_is_believed_once_the_last_envelope_has_run_out() -> None:
    """A new root takes over when nothing of the old one is in force any more."""
    net = started()
    net.disconnect("root")
    net.to_utc_s(START_UTC_S + 2 * ENVELOPE_SLOTS * SLOT_S)
    first = START_UTC_S + 2 * ENVELOPE_SLOTS * SLOT_S
    other = forged(net, "c", first_slot_utc_s=first, issued_utc_s=first)
    net["b"].zone.hear_envelope(net.keys.node("a"), other, net.now, Outbox())
    assert net["b"].zone.envelope(Slot(first)) == other


def test_reports_come_from_children_and_carry_true_signatures() -> None:
    """A report from the parent, or with an attestation that one end alone has signed, is refused."""
    net = started()
    empty = net.keys.sealers["root"].seal(ZoneReport(attestations=(), limits=()))
    with pytest.raises(PeerError) as refusal:
        net["a"].zone.hear_report(net.keys.node("root"), empty, net.now)
    assert refusal.value.code is ErrorCode.UNEXPECTED
    whole = net.port("a", "b").attestation.envelope
    half = replace(whole, signatures=whole.signatures[:1])
    report = net.keys.sealers["b"].seal(ZoneReport(attestations=(half,), limits=()))
    with pytest.raises(PeerError) as second:
        net["a"].zone.hear_report(net.keys.node("b"), report, net.now)
    assert second.value.code in (ErrorCode.BAD_SIGNATURE, ErrorCode.WRONG_SIGNER)


def test_a_higher_serial_replaces_a_limit() -> None:
    """A node that states other limits changes the envelope of everybody above it."""
    net = Net(TREE, {"b": Member(import_w=1_000, export_w=2_000)})
    net.start()
    assert net["root"].zone.limits(net.port("a", "b").link, SLOT) == (4_000, 5_000, 0)
    sealer = net.keys.sealers["b"]
    zone = net["a"].zone
    newer = sealer.seal(replace(zone._limits[sealer.node].body, serial=2**40, import_w=6_000))
    report = sealer.seal(ZoneReport(attestations=(), limits=(newer.envelope,)))
    zone.hear_report(sealer.node, report, net.now)
    net.pass_time(ms=5_000)
    assert net["c"].zone.limits(net.port("a", "b").link, SLOT) == (9_000, 5_000, 0)
