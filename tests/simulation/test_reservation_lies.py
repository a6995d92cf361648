"""Well-signed nonsense: what a neighbour may say about a reservation that is not so, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ioe_router.codec.bound_rules import PRICE
from ioe_router.codec.registry import TYPE_OF
from ioe_router.core.events import Booked, PeerFault
from ioe_router.core.hop import PRICE_MOST
from ioe_router.model.envelope import Envelope, ObjectType
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import LinkId, ObjectId, ReservationId
from ioe_router.model.reservation import (
    Commit,
    CommitHop,
    Committed,
    Failed,
    Grant,
    GrantItem,
    Hold,
    KeeperEntry,
    LedgerLine,
    Receipt,
    Refuse,
    ReservationState,
)
from ioe_router.model.routing import Direction, Flow
from tests.simulation.objects import Puppet, entry_of, grant_of
from tests.simulation.pair import KWH_J, SLOT, SLOT_S, Cable, Sim, build, decoded

S = ReservationState
Change = Callable[[Any], Any]
MOST = 10**12


def line(*, keeper_of_ab: str = "a", keeper_of_bc: str = "b", direction: Direction = Direction.SUPPLY) -> Sim:
    """Node a offers, b carries, c wants, in the last phase before the gate."""
    sim = build(
        Cable(keeper_of_ab, "b" if keeper_of_ab == "a" else "a"),
        Cable(keeper_of_bc, "c" if keeper_of_bc == "b" else "b", r_micro_ohm=100_000),
    )
    sim.at(1_200)
    sim.offer("a", 100_000, direction=direction)
    sim.at(500)
    return sim


def lie(sim: Sim, sender: str, kind: type, change: Change) -> None:
    """From now on `sender` says every object of a kind as changed, with its own valid signature."""

    def rule(here: str, there: str, envelope: Envelope) -> list[Envelope]:
        if here != sender or envelope.type is not TYPE_OF[kind]:
            return [envelope]
        return [sim.seal(sender, change(decoded(envelope, kind)))]

    sim.wire.on_object = rule


def with_entry(sim: Sim, signer: str, change: Callable[[KeeperEntry], KeeperEntry] = lambda e: e) -> Change:
    """Change the keeper's entry inside an object and let `signer` sign it."""
    return lambda body: replace(body, keeper_entry=sim.seal(signer, change(entry_of(body.keeper_entry))))


def with_line(sim: Sim, signer: str, change: Callable[[LedgerLine], LedgerLine]) -> Change:
    """Change every line of the keeper's entry inside an object."""
    return with_entry(sim, signer, lambda e: replace(e, lines=tuple(map(change, e.lines))))


def ask(sim: Sim) -> None:
    """The want of c."""
    sim.want("c", KWH_J, 500_000)
    while not sim.records("c"):
        sim.wait(1)


def refused_by(sim: Sim, name: str, code: ErrorCode) -> None:
    """The lie was noticed at `name`, nothing came of it, and in time everything is free."""
    assert {f.code for f in sim.events(name, PeerFault)} == {code}
    assert sim.events("c", Booked) == []
    sim.check()
    sim.wire.on_object = lambda *_: []
    sim.wait(60)
    sim.check()
    for one, other in ("ab", "ba", "bc", "cb"):
        assert sim.entries(one, other) == ()
    assert sim.free_j("a") == 100 * KWH_J


# ------------------------------------------------------------------ GRANT


@pytest.mark.parametrize(
    ("keeper_of_ab", "change"),
    [
        ("b", lambda item: replace(item, energy_j=item.energy_j + 1)),
        ("a", lambda item: replace(item, energy_j=item.energy_j + 1)),
        ("a", lambda item: replace(item, energy_j=item.energy_j - 1)),
        ("a", lambda item: replace(item, index=2)),
        ("b", lambda item: replace(item, index=2)),
    ],
    ids=["more, keeper hears", "more than its entry", "less than its entry", "other packet", "other, keeper"],
)
def test_a_grant_of_something_else_than_was_asked_is_refused(
    keeper_of_ab: str, change: Callable[[GrantItem], GrantItem]
) -> None:
    """GRANT_CHANGED, whichever end keeps the ledger."""
    sim = line(keeper_of_ab=keeper_of_ab)
    lie(sim, "a", Grant, lambda g: replace(g, items=tuple(map(change, g.items))))
    ask(sim)
    refused_by(sim, "b", ErrorCode.GRANT_CHANGED)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"link": LinkId(b"l" * 16)}, ErrorCode.WRONG_SIGNER),
        ({"flow": Flow.UP}, ErrorCode.WRONG_SIGNER),
        ({"reservation": ReservationId(b"r" * 16)}, ErrorCode.GRANT_CHANGED),
        ({"version": 2}, ErrorCode.GRANT_CHANGED),
        ({"lines": ()}, ErrorCode.GRANT_CHANGED),
    ],
    ids=["link", "flow", "reservation", "version", "no line"],
)
def test_an_entry_for_something_else_is_refused(changes: dict[str, Any], code: ErrorCode) -> None:
    """A keeper's entry counts for its own link, sense, reservation, version and packets only."""
    sim = line()
    lie(sim, "a", Grant, with_entry(sim, "a", lambda e: replace(e, **changes)))
    ask(sim)
    refused_by(sim, "b", code)


@pytest.mark.parametrize("signer", ["b", "c"])
def test_an_entry_that_the_keeper_has_not_signed_is_refused(signer: str) -> None:
    """Whoever signs: only the keeper of the link orders its admissions."""
    sim = line()
    lie(sim, "a", Grant, with_entry(sim, signer))
    ask(sim)
    refused_by(sim, "b", ErrorCode.WRONG_SIGNER)


@pytest.mark.parametrize("kind", [Hold, Grant, CommitHop])
def test_an_entry_from_the_end_that_is_no_keeper_is_refused(kind: type) -> None:
    """Only the keeper of a link says what is booked on it: WRONG_SIGNER, in every object with an entry."""
    sim = line(keeper_of_ab="b")
    sender = "a" if kind is Grant else "c"
    entry = KeeperEntry(
        link=sim.port(sender, "b").link,
        reservation=ReservationId(b"r" * 16),
        version=1,
        flow=Flow.DOWN,
        final=True,
        lines=(),
    )
    lie(sim, sender, kind, lambda body: replace(body, keeper_entry=sim.seal(sender, entry)))
    ask(sim)
    sim.wait(5)
    assert {f.code for f in sim.events("b", PeerFault)} == {ErrorCode.WRONG_SIGNER}
    assert sim.events("c", Booked) == []


def test_a_grant_without_the_keepers_entry_is_refused() -> None:
    """The grantor that keeps the link has to say what it has booked."""
    sim = line()
    lie(sim, "a", Grant, lambda grant: replace(grant, keeper_entry=None))
    ask(sim)
    refused_by(sim, "b", ErrorCode.GRANT_CHANGED)


@pytest.mark.parametrize(
    "change",
    [
        lambda x: replace(x, slot_utc_s=SLOT + SLOT_S),
        lambda x: replace(x, received_j=x.received_j + 1),
        lambda x: replace(x, sent_j=x.sent_j + 1),
        lambda x: replace(x, index=2),
    ],
    ids=["slot", "more received than asked", "sent is not what is granted", "index"],
)
def test_a_line_that_does_not_fit_the_grant_is_refused(change: Callable[[LedgerLine], LedgerLine]) -> None:
    """Another slot, other energies, another packet: GRANT_CHANGED, and no slot keeps a trace of it."""
    sim = line()
    lie(sim, "a", Grant, with_line(sim, "a", change))
    ask(sim)
    refused_by(sim, "b", ErrorCode.GRANT_CHANGED)
    assert sim.entries("b", "a", SLOT) == sim.entries("b", "a", type(SLOT)(SLOT + SLOT_S)) == ()


def test_a_grant_for_another_hold_is_refused() -> None:
    """The object id of the HOLD_CORE ties the promise to what was asked."""
    sim = line()
    lie(sim, "a", Grant, lambda grant: replace(grant, core=ObjectId(b"x" * 32)))
    ask(sim)
    refused_by(sim, "b", ErrorCode.WRONG_SIGNER)


def test_a_grant_from_the_wrong_side_is_not_owner() -> None:
    """The initiator's side cannot grant its own HOLD."""
    sim = build(Cable("b", "a"), Cable("b", "c"))
    sim.at(1_200)
    sim.offer("a", 100_000)
    sim.at(500)
    puppet = Puppet(sim, "c", "b", "a")
    sim.wire.on_object = lambda here, there, e: [] if (here, e.type) == ("a", ObjectType.GRANT) else [e]
    puppet.ask()
    grant = grant_of(sim, puppet.body.reservation, puppet.core_id, ("b", "c"), KWH_J)
    sim.say("c", "b", grant)
    assert [f.code for f in sim.events("b", PeerFault)] == [ErrorCode.NOT_OWNER]
    assert sim.states("b") == [S.HOLDING]


@pytest.mark.parametrize("price", [-MOST, MOST])
@pytest.mark.parametrize("direction", [Direction.SUPPLY, Direction.DEMAND])
def test_a_price_that_would_leave_its_range_behind_the_link_is_refused(
    direction: Direction, price: int
) -> None:
    """Losses and fees carry a price at the edge beyond what a message can say: no node falls over."""
    sim = line(direction=direction)
    if direction is Direction.DEMAND:  # an opposite flow makes y larger than s, so prices grow
        sim.offer("a", 50_000, offer_no=2)
        sim.wait(1)
        sim.want("c", 10 * KWH_J, 900_000)
        sim.wait(15)
        assert sim.entries("a", "b")
    priced = lambda i: replace(i, price_micro_per_kwh=price)  # noqa: E731
    lie(sim, "a", Grant, lambda g: replace(g, items=tuple(map(priced, g.items))))
    changes: dict[str, Any] = {"direction": direction}
    changes["price_limit_micro_per_kwh"] = MOST if direction is Direction.SUPPLY else -MOST
    puppet = Puppet(sim, "c", "b", "a", changes=changes).ask()
    said = [item.price_micro_per_kwh for grant in puppet.grants() for item in grant.items]
    assert all(-MOST <= p <= MOST for p in said)
    assert puppet.grants() or puppet.refusals()
    sim.check()


def test_a_keeper_that_claims_absurd_losses_only_prices_itself_out() -> None:
    """Its entry says that a thousand times as much has to be sent: the price breaks the limit."""
    sim = line()

    lie(sim, "a", Grant, with_line(sim, "a", lambda x: replace(x, received_j=x.received_j // 1_000)))
    ask(sim)
    assert sim.events("c", Booked) == []
    sim.check()


def test_the_most_that_a_price_may_be_is_what_a_message_can_state() -> None:
    """Hops refuse just what the bounds of the messages could not carry."""
    assert (PRICE.low, PRICE.high) == (-PRICE_MOST, PRICE_MOST) == (-MOST, MOST)


# ------------------------------------------------------------------ HOLD from a lying keeper


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda x: replace(x, received_j=x.received_j - 1), ErrorCode.GRANT_CHANGED),
        (lambda x: replace(x, slot_utc_s=SLOT + SLOT_S), ErrorCode.GRANT_CHANGED),
        (lambda x: replace(x, index=2), ErrorCode.GRANT_CHANGED),
        (lambda x: replace(x, sent_j=2**50), ErrorCode.GRANT_CHANGED),
    ],
    ids=["energy", "slot", "index", "above the rating"],
)
def test_a_hold_whose_entry_does_not_fit_it_is_refused_and_undone(
    change: Callable[[LedgerLine], LedgerLine], code: ErrorCode
) -> None:
    """The hop answers REFUSE with the code and keeps nothing, in no slot."""
    sim = line(keeper_of_bc="c")
    lie(sim, "c", Hold, with_line(sim, "c", change))
    ask(sim)
    assert {r.code for r in sim.heard("b", "c", Refuse)} == {code}
    assert sim.entries("b", "c") == sim.entries("b", "a") == ()
    assert sim.entries("b", "c", type(SLOT)(SLOT + SLOT_S)) == ()
    sim.check()


# ------------------------------------------------------------------ COMMIT and its outcome


def test_a_final_entry_that_differs_from_the_grant_is_refused_and_changes_nothing() -> None:
    """The keeper on the near side may not alter the far energy with its COMMIT."""
    sim = line(keeper_of_bc="c")
    lie(sim, "c", CommitHop, with_line(sim, "c", lambda x: replace(x, sent_j=x.sent_j - 1)))
    sim.want("c", KWH_J, 500_000)
    while not sim.records("c"):
        sim.wait(1)
    before = sim.entries("b", "c")
    assert sim.states("b") == [S.HELD]
    assert {f.code for f in sim.events("b", PeerFault)} == {ErrorCode.GRANT_CHANGED}
    sim.wire.on_object = None
    sim.wait(3)
    assert sim.states("b") == sim.states("a") == [S.COMMITTED]
    assert [e.increment for e in sim.entries("b", "c")] == [e.increment for e in before]
    sim.check_quiet()


def test_a_final_entry_that_leaves_a_taken_packet_out_is_refused() -> None:
    """Every packet that COMMIT takes needs its final line."""
    sim = line(keeper_of_bc="c")
    lie(sim, "c", CommitHop, with_entry(sim, "c", lambda e: replace(e, lines=())))
    ask(sim)
    assert {f.code for f in sim.events("b", PeerFault)} == {ErrorCode.GRANT_CHANGED}
    assert sim.states("b") == [S.HELD]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"commit": ObjectId(b"x" * 32)}, ErrorCode.CONFLICT),
        ({"origin": "b"}, ErrorCode.NOT_OWNER),
    ],
    ids=["of another commit", "of another origin"],
)
def test_a_committed_that_does_not_fit_is_refused_and_the_doubt_stays(
    change: dict[str, Any], code: ErrorCode
) -> None:
    """Only the origin's signature under this very COMMIT ends the doubt."""
    sim = line()
    sim.wire.on_object = lambda _, there, e: [] if (there, e.type) == ("c", ObjectType.COMMITTED) else [e]
    ask(sim)
    assert sim.states("c") == [S.IN_DOUBT]
    (real,) = {r.committed for r in sim.records("b")}
    assert real is not None
    sim.wire.on_object = None
    body = real.body
    signer = change.get("origin", "a")
    forged = replace(body, commit=change.get("commit", body.commit), origin=sim.node(signer))
    sim.wire.inject("b", "c", sim.seal(signer, forged))
    assert [f.code for f in sim.events("c", PeerFault)] == [code]
    assert sim.states("c") == [S.IN_DOUBT]
    sim.wait(3)
    assert sim.states("c") == [S.COMMITTED]


def test_a_commit_spoofed_by_the_hop_before_it_was_sent_is_not_the_initiators() -> None:
    """A hop cannot take for the initiator what it only promised: the origin refuses the signature."""
    sim = line()
    sim.wire.on_object = lambda here, _, e: [] if (here, e.type) == ("c", ObjectType.COMMIT_HOP) else [e]
    ask(sim)
    (record,) = sim.records("b")
    body = record.core.body
    commit = Commit(
        reservation=body.reservation,
        version=1,
        core=record.core.object_id,
        initiator=sim.node("b"),
        accepted=(1,),
    )
    sim.say("b", "a", CommitHop(commit=sim.seal("b", commit), keeper_entry=None))
    assert [f.code for f in sim.events("a", PeerFault)] == [ErrorCode.NOT_OWNER]
    assert sim.states("a") == [S.HELD]


def test_a_receipt_must_be_for_the_answer_that_was_given() -> None:
    """A RECEIPT for another COMMITTED, before one, or from the wrong side is refused."""
    sim = line()
    sim.wire.on_object = lambda _, there, e: [] if e.type is ObjectType.RECEIPT else [e]
    ask(sim)
    sim.wire.on_object = None
    (record,) = sim.records("a")
    wrong = Receipt(
        reservation=record.core.body.reservation,
        version=1,
        committed=ObjectId(b"x" * 32),
        link=sim.port("b", "a").link,
        node=sim.node("b"),
    )
    sim.say("b", "a", wrong)
    assert [f.code for f in sim.events("a", PeerFault)] == [ErrorCode.UNEXPECTED]
    sim.say("a", "b", replace(wrong, node=sim.node("a")))
    assert [f.code for f in sim.events("b", PeerFault)] == [ErrorCode.NOT_OWNER]
    assert [r.receipt for n in "ab" for r in sim.records(n)] == [False, False]


@pytest.mark.parametrize("kind", [Committed, Failed])
def test_an_outcome_nobody_waits_for_is_refused(kind: type) -> None:
    """An unknown reservation has no outcome here."""
    sim = line()
    values: dict[str, Any] = {"reservation": ReservationId(b"r" * 16), "version": 1}
    if kind is Committed:
        values |= {
            "commit": ObjectId(b"x" * 32),
            "origin": sim.node("a"),
            "accepted_utc_ms": 1,
            "balance_party": sim.node("a"),
        }
    else:
        values |= {"code": ErrorCode.NO_ENERGY, "node": sim.node("a")}
    sim.say("a", "b", kind(**values))
    assert [f.code for f in sim.events("b", PeerFault)] == [ErrorCode.UNKNOWN_RESERVATION]


def test_a_failure_of_what_is_committed_is_refused() -> None:
    """After the commit point the origin's side cannot take it back by FAILED."""
    sim = line()
    ask(sim)
    (record,) = sim.records("b")
    failed = Failed(
        reservation=record.core.body.reservation, version=1, code=ErrorCode.NO_ENERGY, node=sim.node("a")
    )
    sim.say("a", "b", failed)
    assert [f.code for f in sim.events("b", PeerFault)] == [ErrorCode.UNEXPECTED]
    assert sim.states("b") == sim.states("c") == [S.COMMITTED]
    sim.check_quiet()


def test_a_keeper_entry_alone_is_no_message() -> None:
    """Entries travel inside HOLD, GRANT and COMMIT_HOP; alone they are UNEXPECTED."""
    sim = line()
    entry = KeeperEntry(
        link=sim.port("a", "b").link,
        reservation=ReservationId(b"r" * 16),
        version=1,
        flow=Flow.DOWN,
        final=True,
        lines=(),
    )
    sim.say("a", "b", entry)
    assert [f.code for f in sim.events("b", PeerFault)] == [ErrorCode.UNEXPECTED]
