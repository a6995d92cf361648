"""What a neighbour that sends too much meets: waiting, refusals with a time, the end of its session."""

from __future__ import annotations

from dataclasses import replace
from typing import Unpack

from ioe_router.adapters.recordings import Given
from ioe_router.config import Budgets, Limits, Rate, RouterConfig
from ioe_router.core.effects import RecordKind
from ioe_router.core.events import NeighborDown, PeerFault
from ioe_router.core.session_fsm import SessionState
from ioe_router.model.discovery import Fault, Keepalive
from ioe_router.model.envelope import Envelope
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import ReservationId
from ioe_router.model.reservation import Committed, OutcomeQuery, ReservationState
from ioe_router.router import Router
from tests.simulation.objects import Puppet
from tests.simulation.pair import Cable, Sim, build

SMALL = Budgets(
    frames=Rate(per_s=100, burst=100),
    bytes=Rate(per_s=100_000, burst=300_000),
    objects=Rate(per_s=50, burst=50),
    signatures=Rate(per_s=50, burst=60),
    urgent_objects=Rate(per_s=20, burst=40),
    urgent_signatures=Rate(per_s=20, burst=40),
    refusals=Rate(per_s=1, burst=10),
    signer_updates=Rate(per_s=1, burst=20),
    signer_urgent=Rate(per_s=1, burst=20),
)


def make(config: RouterConfig, **rest: Unpack[Given]) -> Router:
    """A router with small budgets."""
    return Router(replace(config, budgets=SMALL), **rest)


def line() -> Sim:
    """Node a sells over b to c; b keeps both links; the last phase before the gate."""
    sim = build(Cable("b", "a"), Cable("b", "c"), make=make)
    sim.at(1_200)
    sim.offer("a", 100_000)
    sim.at(500)
    return sim


def verified(sim: Sim, name: str) -> int:
    """Signatures of objects that a router has checked so far."""
    return sim.router(name).counts["object_signatures_verified"]


def forged(sim: Sim, puppet: Puppet, number: int) -> Envelope:
    """A HOLD_CORE of c with a signature that is nobody's; each number another one."""
    body = replace(puppet.body, reservation=ReservationId(number.to_bytes(16)))
    good = sim.seal("c", body)
    (signature,) = good.signatures
    return replace(
        good, signatures=(replace(signature, signature=bytes(32) + number.to_bytes(32, "little")),)
    )


def test_objects_beyond_two_bursts_are_refused_with_a_time() -> None:
    """The object that exceeds the budget gets a Fault that says when it would not; then it is served."""
    sim = line()
    queries = [OutcomeQuery(reservation=ReservationId(n.to_bytes(16)), version=1) for n in range(90)]
    sim.say("c", "b", *queries)
    (fault, *others) = sim.heard("b", "c", Fault)
    assert (fault.code, fault.retry_after_ms) == (ErrorCode.LIMIT_REACHED, 50)
    assert len(others) == 9
    assert sim.events("b", NeighborDown) == []
    sim.wait(1)
    before = len(sim.heard("b", "c", Fault))
    sim.say("c", "b", queries[-1])
    assert len(sim.heard("b", "c", Fault)) == before


def test_forged_signatures_cost_a_bounded_number_of_checks() -> None:
    """A flood of forgeries is checked up to two bursts, then refused unchecked, and ends the session."""
    sim = line()
    puppet, before = Puppet(sim, "c", "b", "a"), verified(sim, "b")
    asks = [replace(puppet.hold, core=forged(sim, puppet, number)) for number in range(300)]
    for at in range(0, 300, 20):
        if sim.router("b").inspect().sessions.state(sim.node("c")) is SessionState.ESTABLISHED:
            sim.say("c", "b", *asks[at : at + 20])
    assert verified(sim, "b") - before <= 2 * SMALL.signatures.burst
    told = [fault.code for fault in sim.heard("b", "c", Fault)]
    assert told == [ErrorCode.BAD_SIGNATURE] * SMALL.refusals.burst
    assert len(sim.events("b", PeerFault)) == SMALL.refusals.burst
    assert sim.router("b").faults[sim.node("c"), ErrorCode.BAD_SIGNATURE] == 100
    assert sim.events("b", NeighborDown)[-1].code is ErrorCode.LIMIT_REACHED


def test_the_same_forgery_again_is_not_checked_again() -> None:
    """A badly signed object that is repeated costs one check however often it comes."""
    sim = line()
    puppet, before = Puppet(sim, "c", "b", "a"), verified(sim, "b")
    hold = replace(puppet.hold, core=forged(sim, puppet, 1))
    for _ in range(5):
        sim.say("c", "b", hold, hold)
    assert verified(sim, "b") - before == 1
    assert [f.code for f in sim.heard("b", "c", Fault)] == [ErrorCode.BAD_SIGNATURE] * 10


def test_a_commit_is_served_when_everything_else_is_used_up() -> None:
    """Offers beyond all budgets keep no COMMIT out: it has budgets of its own."""
    sim = line()
    puppet = Puppet(sim, "c", "b", "a").ask()
    assert puppet.granted()
    account = sim.router("b")._accounts.of(sim.node("c"))
    assert account is not None
    now_ns = sim.wire.now.monotonic_ns
    while not account._objects[0].take(1, now_ns, 2):
        pass
    while not account._signatures[0].take(1, now_ns, 2):
        pass
    other = Puppet(sim, "c", "b", "a").ask()
    assert (other.grants(), other.refusals()) == ([], [])
    assert sim.heard("b", "c", Fault)[-1].code is ErrorCode.LIMIT_REACHED
    puppet.commit()
    assert len(sim.heard("b", "c", Committed)) == 1


def test_frames_beyond_two_bursts_end_the_session_unread() -> None:
    """Who goes on sending while it should wait is closed with LIMIT_REACHED, and the frame is not read."""
    sim = line()
    c = sim.node("c")
    assert sim.router("b").ready_at_ns(c) <= sim.wire.now.monotonic_ns
    body = Keepalive(received_seq=1, clock_utc_ms=sim.wire.now.utc_ms)
    for _ in range(150):
        sim.say("c", "b", body)
    assert sim.router("b").ready_at_ns(c) > sim.wire.now.monotonic_ns
    for _ in range(150):
        if sim.router("b").inspect().sessions.established(c):
            sim.say("c", "b", body)
    assert sim.router("b").inspect().sessions.state(c) is not SessionState.ESTABLISHED
    down = sim.events("b", NeighborDown)[-1]
    assert (down.neighbor, down.code) == (c, ErrorCode.LIMIT_REACHED)
    assert sim.router("b").inspect().sessions.established(sim.node("a"))


def test_large_frames_use_the_budget_of_bytes_up() -> None:
    """Bytes count beside frames: a few large ones that cannot even be read end the session."""
    sim = line()
    b, c = sim.router("b"), sim.node("c")
    account = b._accounts.of(c)
    assert account is not None
    for _ in range(2):
        account.frame(290_000, sim.wire.now.monotonic_ns)
    sim.wire.inject_bytes("c", "b", bytes(100_000))
    assert b.faults[c, ErrorCode.LIMIT_REACHED] == 1
    assert b.faults[c, ErrorCode.MALFORMED] == 0


def test_a_signer_that_says_too_much_is_refused_and_its_bearer_is_not_blamed() -> None:
    """Offers beyond the burst of their origin are refused; the neighbour that brings them stays."""
    sim = line()
    for number in range(40):
        sim.offer("a", 100_000 + number)
    refused = [f for f in sim.heard("b", "a", Fault) if f.code is ErrorCode.LIMIT_REACHED]
    assert refused
    assert refused[0].retry_after_ms > 0
    assert sim.events("b", NeighborDown) == []
    sim.wait(30)
    sim.offer("a", 200_000)
    known = sim.router("b").snapshot().offers
    assert [one.body.runs[0].price_micro_per_kwh for one in known if one.body.origin == sim.node("a")] == [
        200_000
    ]


def test_own_work_is_charged_to_nobody() -> None:
    """A router with no budget left for a neighbour still opens what it asks for itself."""
    sim = line()
    sim.want("c", 1_000_000, 400_000)
    sim.wait(200)
    assert sim.events("c", PeerFault) == []
    assert sim.router("c")._sealer.charge.__name__ == "charge_nobody"


def flooded() -> Sim:
    """Node c asks b with ever new ids and gives back at once; d, at b as well, has not asked yet."""
    sim = build(Cable("b", "a"), Cable("b", "c"), Cable("b", "d"), limits=Limits(reservations=16))
    sim.at(1_200)
    sim.offer("a", 100_000)
    sim.at(500)
    return sim


def test_a_flood_of_new_ids_takes_the_place_of_its_own_past() -> None:
    """Ids that are asked and given back push each other out; what is committed stays, others are served."""
    sim = flooded()
    kept = Puppet(sim, "c", "b", "a").ask()
    kept.commit()
    for _ in range(30):
        puppet = Puppet(sim, "c", "b", "a").ask()
        assert puppet.granted()
        puppet.release()
    assert len(sim.records("b")) == len(sim.records("a")) == 8
    assert sim.states("b").count(ReservationState.COMMITTED) == 1
    stored = [one for one in sim.wire.nodes[sim.node("b")].store if one[0] is RecordKind.RESERVATION]
    assert len(stored) <= 8
    honest = Puppet(sim, "d", "b", "a").ask()
    assert honest.granted()
    honest.commit()
    assert len(sim.heard("b", "d", Committed)) == 1
    sim.check()


def test_what_is_open_pushes_nothing_out_and_is_refused_at_its_part() -> None:
    """Holds that stay open stop at the part of their neighbour with QUOTA; another has its own."""
    sim = flooded()
    open_ones = [Puppet(sim, "c", "b", "a").ask() for _ in range(12)]
    refused = [one for one in open_ones if one.refusals()]
    assert len(refused) == 4
    assert {one.refused().code for one in refused} == {ErrorCode.QUOTA}
    assert all(one.refused().retry_after_ms > 0 for one in refused)
    other = Puppet(sim, "d", "b", "a").ask()
    assert [one.failing_node for one in other.refusals()] in ([], [sim.node("a")])
    sim.check()


def test_what_an_initiator_holds_is_the_same_counted_either_way() -> None:
    """What is held comes to the same by reservations and by the books of the slot."""
    sim = build(Cable("b", "a", rating_va=4_000), Cable("b", "c", rating_va=4_000), limits=Limits())
    sim.at(1_200)
    sim.offer("a", 100_000)
    sim.at(590)
    for _ in range(3):
        Puppet(sim, "c", "b", "a", changes={"band": 0}).ask()
    leg = next(one for one in sim.records("b")[0].legs())
    ledger = sim.ledger("b", "c")
    assert ledger is not None
    quotas = sim.router("b").inspect().holds._quotas
    for initiator in (None, sim.node("c"), sim.node("a")):
        counted = quotas._held_by_entries_j(leg, ledger, initiator)
        quotas._table.open_packets, kept = 0, quotas._table.open_packets
        assert quotas._held_j(leg, ledger, initiator) == counted
        quotas._table.open_packets = kept
    assert quotas._held_by_entries_j(leg, ledger, sim.node("c")) > 0
