"""Sessions that come back: what is retained is not told again, and announced restarts are waited for.

a --- b --- c --- d        the wire between b and c is cut and comes back
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ioe_router.config import Timers
from ioe_router.core.events import OfferLost, OriginLost
from ioe_router.core.outbox import Outbox
from ioe_router.core.retention import DIGEST_BYTES, GROUPS, digests_of, equal_groups, group_of, path_item
from ioe_router.model.discovery import Retained
from ioe_router.model.envelope import ObjectType
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.ids import NodeId, PathHash
from ioe_router.model.routing import Direction
from tests.unit.core.plain_sealer import node_named
from tests.unit.core.routing_rig import Net, Node, Wire, config_of, offer

LINE = (Wire("a", "b"), Wire("b", "c"), Wire("c", "d"))
RING = (*LINE, Wire("d", "a"))
TOLD = (ObjectType.PATH_ADVERT, ObjectType.OFFER, ObjectType.OFFER_WITHDRAWAL)
QUIET = Timers(keepalive_ms=0)


def line(wires: tuple[Wire, ...] = LINE, *, resume: bool = True) -> Net:
    """Four nodes with an offer each, everything told."""
    names = dict.fromkeys(name for wire in wires for name in (wire.a, wire.b))
    configs = {n: replace(config_of(n, wires, QUIET), resume_sessions=resume) for n in names}
    net = Net(wires, configs)
    net.start()
    for number, name in enumerate(names):
        net.publish(name, offer(price=100_000 + number))
    net.settle()
    return net


def said(net: Net) -> int:
    """How many paths, offers and withdrawals have crossed the wire between b and c."""
    return sum(net.crossed[here, there, kind] for kind in TOLD for here, there in ("bc", "cb"))


def known(net: Net) -> dict[str, set[tuple[object, ...]]]:
    """What every node knows: offers by their terms, and paths to who offers by their nodes."""
    found: dict[str, set[tuple[object, ...]]] = {}
    for name, node in net.nodes.items():
        offering = {o.body.origin for o in node.routing.offers(Direction.SUPPLY)}
        paths: set[tuple[object, ...]] = {
            (p.target, p.nodes) for p in node.routing.all_paths() if p.origin in offering
        }
        offers = {
            (o.body.origin, o.body.offer_no, o.body.runs) for o in node.routing.offers(Direction.SUPPLY)
        }
        found[name] = paths | offers
    return found


def restart(net: Net, name: str, epoch: int) -> None:
    """A node's process is replaced by a new one that remembers nothing."""
    node = net.nodes[name] = Node(name, net.nodes[name].config, net.now)
    node.sessions.start(epoch)
    node.routing.start(epoch, net.now)


def announce(net: Net, name: str, restart_s: int) -> None:
    """A node parts in good order, announcing a restart; its transports end."""
    node = net.node(name)
    out = Outbox()
    node.sessions.close_all(ErrorCode.SHUTTING_DOWN, "restart", out, restart_s)
    net.carry_out(node, out)
    net.drain()
    for wire in net.wires:
        if name in (wire.a, wire.b):
            net.cut(wire.a, wire.b)
    net.drain()


def test_a_session_that_comes_back_repeats_nothing() -> None:
    """After a short cut both ends know what they knew, and no path or offer crossed the wire again."""
    net = line()
    before, sent = known(net), said(net)
    net.cut("b", "c")
    net.connect("b", "c")
    net.settle()
    assert known(net) == before
    assert said(net) - sent == 0
    assert net.faults() == []


def test_without_the_feature_everything_is_told_again() -> None:
    """The same cut without RESUME costs a full refresh, and no digest is sent."""
    net = line(resume=False)
    before, sent = known(net), said(net)
    net.cut("b", "c")
    net.connect("b", "c")
    net.settle()
    assert known(net) == before
    assert said(net) - sent >= 8
    assert net.sent.get(ObjectType.RETAINED, 0) == 0


def test_what_changed_meanwhile_is_told_and_nothing_else() -> None:
    """An offer changed, one withdrawn and one new: exactly these cross the wire when it is back."""
    net = line()
    net.publish("a", offer(offer_no=2))
    net.settle()
    net.cut("b", "c")
    net.publish("a", offer(price=90_000))
    net.publish("a", offer(offer_no=2, energy_j=0))
    net.publish("b", offer(offer_no=3))
    net.settle()
    net.crossed.clear()
    net.connect("b", "c")
    net.settle()
    at_d = {
        (net.names[o.body.origin], o.body.offer_no): o.body
        for o in net.node("d").routing.offers(Direction.SUPPLY)
    }
    assert set(at_d) == {("a", 1), ("b", 1), ("b", 3), ("c", 1)}
    assert at_d["a", 1].runs[0].price_micro_per_kwh == 90_000
    more = {kind: net.crossed["b", "c", kind] for kind in TOLD}
    assert more == {ObjectType.PATH_ADVERT: 0, ObjectType.OFFER: 2, ObjectType.OFFER_WITHDRAWAL: 1}
    assert not any(net.crossed["c", "b", kind] for kind in TOLD)
    assert net.faults() == []


def test_a_path_that_was_lost_meanwhile_is_withdrawn() -> None:
    """What the neighbour retains of a path that no longer holds is taken back in the refresh."""
    net = line()
    net.cut("b", "c")
    net.cut("a", "b")
    net.settle()
    net.connect("b", "c")
    net.settle()
    origins = {net.names[p.origin] for p in net.node("d").routing.all_paths()}
    assert origins == {"b", "c"}


def test_frames_lost_with_the_session_cost_one_group_only() -> None:
    """What was on the wire when it was cut is told again, the groups that it is not in are not."""
    net = line()
    net.publish("b", offer(offer_no=2))
    net.node("b").routing.due(net.now, Outbox())
    net.run(1_000)
    b, c = net.node("b"), net.node("c")
    net.publish("a", offer(price=95_000, energy_j=1_800_000))
    net.cut("b", "c")  # the reduction may or may not have crossed
    net.settle()
    net.connect("b", "c")
    net.settle()
    for origin in ("a", "b"):
        at_b = b.routing.offer(net.node(origin).id, 1)
        at_c = c.routing.offer(net.node(origin).id, 1)
        assert at_b is not None
        assert at_c is not None
        assert at_b.object_id == at_c.object_id
    assert net.faults() == []


def test_what_is_retained_too_long_is_forgotten() -> None:
    """After `retain_s` a session begins from nothing on both sides."""
    net = line()
    before, sent = known(net), said(net)
    net.cut("b", "c")
    net.run(QUIET.retain_s * 1_000 + 1)
    net.connect("b", "c")
    net.settle()
    assert known(net) == before
    assert said(net) - sent >= 8


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("cut"), st.integers(0, len(RING) - 1)),
            st.tuples(st.just("connect"), st.integers(0, len(RING) - 1)),
            st.tuples(st.just("offer"), st.integers(0, 3), st.integers(1, 2), st.integers(0, 3)),
            st.tuples(st.just("wait"), st.sampled_from([1, 300, 700, 4_000, 200_000])),
        ),
        max_size=14,
    )
)
def test_with_and_without_retention_the_tables_become_the_same(script: list[tuple[object, ...]]) -> None:
    """Whatever is cut and offered when: at rest every node knows what a full refresh would tell."""
    with_it, without = line(RING), line(RING, resume=False)
    for net in (with_it, without):
        for step in script:
            _play(net, step)
        for wire in RING:
            _play(net, ("connect", RING.index(wire)))
        net.run(400_000)
    assert known(with_it) == known(without)
    assert with_it.faults() == without.faults() == []


def _play(net: Net, step: tuple[object, ...]) -> None:
    match step:
        case ("cut", int(number)):
            net.cut(RING[number].a, RING[number].b)
        case ("connect", int(number)):
            wire = RING[number]
            if frozenset((net.node(wire.a).id, net.node(wire.b).id)) not in net.up:
                net.connect(wire.a, wire.b)
        case ("offer", int(node), int(offer_no), int(tenths)):
            energy_j = tenths * 360_000
            net.publish("abcd"[node], offer(offer_no=offer_no, energy_j=energy_j, price=100_000 + node))
        case ("wait", int(milliseconds)):
            net.run(milliseconds)
        case _:
            raise ValueError(f"no such step: {step}")


# ------------------------------------------------------------------ announced restarts


def test_an_announced_restart_is_not_told_to_others() -> None:
    """While b restarts, d keeps its paths over c; after it all is as before and nobody lost an origin."""
    net = line()
    before = known(net)
    announce(net, "b", 60)
    for name in ("c", "d"):
        assert known(net)[name] == before[name]
        assert not [e for e in net.node(name).events if isinstance(e, OriginLost | OfferLost)]
    restart(net, "b", 2)
    net.connect("a", "b")
    net.connect("b", "c")
    net.publish("b", offer(price=100_001))
    net.settle()
    assert known(net) == before
    assert not [e for n in "cd" for e in net.node(n).events if isinstance(e, OriginLost)]
    assert net.faults() == []


def test_a_restarting_neighbour_is_not_asked_for_energy() -> None:
    """Its paths stay told but count as unusable until it has told them again."""
    net = line()
    announce(net, "b", 60)
    c, a = net.node("c"), net.node("a").id
    assert [p.origin for p in c.routing.all_paths()].count(a) == 1
    assert c.routing.paths_to(a, Direction.SUPPLY) == ()
    restart(net, "b", 2)
    net.connect("a", "b")
    net.connect("b", "c")
    net.settle()
    (path,) = c.routing.paths_to(a, Direction.SUPPLY)
    assert path.neighbor == net.node("b").id


def test_a_restart_that_does_not_end_in_time_is_a_loss() -> None:
    """When the announced time is over, what the neighbour told is withdrawn everywhere."""
    net = line()
    announce(net, "b", 60)
    net.run(59_000)
    assert net.node("a").id in {p.origin for p in net.node("d").routing.all_paths()}
    net.run(2_000)
    assert {net.names[p.origin] for p in net.node("d").routing.all_paths()} == {"c"}
    lost = {net.names[e.origin] for e in net.node("d").events if isinstance(e, OriginLost)}
    assert lost == {"a", "b"}


def test_what_a_restarted_neighbour_does_not_tell_again_is_swept() -> None:
    """A restarted node that has lost its other neighbour and its offer keeps neither alive."""
    net = line()
    announce(net, "b", 60)
    restart(net, "b", 2)
    net.connect("b", "c")
    net.settle()
    assert {net.names[p.origin] for p in net.node("d").routing.all_paths()} == {"c"}
    offers = net.node("d").routing.offers(Direction.SUPPLY)
    assert {net.names[o.body.origin] for o in offers} == {"c"}


def test_a_node_waits_no_longer_than_it_is_configured_to() -> None:
    """An announcement of an hour is cut to `retain_s`."""
    net = line()
    announce(net, "b", 3_600)
    net.run(QUIET.retain_s * 1_000 + 1_000)
    assert {net.names[p.origin] for p in net.node("c").routing.all_paths()} == {"d"}


def test_announcing_again_and_again_keeps_nothing_alive() -> None:
    """A neighbour that parts anew before it has told everything is not waited for any longer."""
    net = line()
    announce(net, "b", 60)
    for epoch in range(2, 9):
        net.run(9_000)
        restart(net, "b", epoch)
        net.connect("b", "c")
        b, c = net.node("b"), net.node("c")
        while not (b.sessions.established(c.id) and c.sessions.established(b.id)):
            net.drain()
        c.routing.hear_refresh = lambda *_: None  # type: ignore[method-assign]
        announce(net, "b", 60)
    assert {net.names[p.origin] for p in net.node("d").routing.all_paths()} == {"c"}


def test_without_the_feature_a_restart_is_a_loss() -> None:
    """A neighbour without RESUME is not told of a restart and withdraws at once."""
    net = line(resume=False)
    announce(net, "b", 60)
    net.settle()
    assert {net.names[p.origin] for p in net.node("d").routing.all_paths()} == {"c"}


# ------------------------------------------------------------------ the statement


def test_a_second_statement_is_refused() -> None:
    """What is retained is stated once, before the refresh."""
    net = line()
    with pytest.raises(PeerError, match="UNEXPECTED"):
        net.node("b").routing.hear_retained(net.node("c").id, Retained(digests=b""))


def test_a_neighbour_that_states_nothing_is_told_everything_in_the_end() -> None:
    """Without the statement the refresh begins when the handshake's time is over."""
    net = Net((Wire("a", "b"),), timers=QUIET)
    a, b = net.node("a"), net.node("b")
    a.routing.publish_own(offer(), net.now)
    out = Outbox()
    a.routing.neighbor_up(b.id, net.now, out, resumes=True)
    a.routing.due(net.now, out)
    assert [w.envelope.type for w in out.wishes if hasattr(w, "envelope")] == [ObjectType.RETAINED]
    deadline_ns = a.routing.deadline_ns()
    assert deadline_ns is not None
    net.advance_to(net.now.after_ms(QUIET.handshake_ms))
    assert deadline_ns <= net.now.monotonic_ns
    out = Outbox()
    a.routing.due(net.now, out)
    sent = [w.envelope.type for w in out.wishes if hasattr(w, "envelope")]
    assert (sent[0], sent[-1]) == (ObjectType.REFRESH, ObjectType.REFRESH)


def test_digests_name_groups_and_not_orders() -> None:
    """The digests do not depend on the order of items; one item more changes its own group only."""
    items = [path_item(NodeId(bytes([n]) * 32), PathHash(bytes([n]) * 32)) for n in range(0, 256, 5)]
    one = digests_of(items)
    assert len(one) == GROUPS * DIGEST_BYTES
    assert digests_of(reversed(items)) == one
    more = node_named("more")
    other = digests_of([*items, path_item(more, PathHash(bytes(32)))])
    assert equal_groups(one, other) == (2**GROUPS - 1) & ~(1 << group_of(more))
    assert equal_groups(one, b"") == equal_groups(b"", b"") == 0
    assert digests_of([]) == b""
