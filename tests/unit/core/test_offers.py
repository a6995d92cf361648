"""Received offers: versions, freshness, equivocation, bounds."""

from __future__ import annotations

from typing import Any

import pytest

from ioe_router.config import Limits
from ioe_router.core.events import OfferLost
from ioe_router.core.evidence import Evidence
from ioe_router.core.offers import OfferTable
from ioe_router.core.outbox import Outbox
from ioe_router.core.policy import OperatorPolicy
from ioe_router.model.clock import Now
from ioe_router.model.errors import ErrorCode, PeerError, UsageError
from ioe_router.model.ids import NodeId
from ioe_router.model.proof import Equivocated
from ioe_router.model.routing import Direction, Firmness, Offer, OfferRun, OfferWithdrawal, SourceClass
from tests.unit.core.plain_sealer import changed, node_named, sealed_by
from tests.unit.core.routing_rig import SLOT_S, START_UTC_S, Net, Wire, config_of, offer, own_key

NOW = Now(0, START_UTC_S * 1000)
A, B, ORIGIN = node_named("a"), node_named("b"), node_named("o")
KEY = (ORIGIN, 1)
FIRST = START_UTC_S - START_UTC_S % SLOT_S + SLOT_S
BODY = Offer(
    origin=ORIGIN,
    offer_no=1,
    epoch=1,
    seq=5,
    direction=Direction.SUPPLY,
    source=SourceClass.SOLAR,
    firmness=Firmness.FIRM,
    first_slot_utc_s=FIRST,
    runs=(OfferRun(slots=4, energy_j=1000, price_micro_per_kwh=100_000),),
    energy_cap_j=0,
    carbon_mg_per_kwh=0,
    is_default=False,
    forward=False,
    only_to_customers=False,
    issued_utc_s=START_UTC_S,
    expires_utc_s=START_UTC_S + 3600,
)


class Rig:
    """A table that knows the origin's key."""

    def __init__(self, limits: Limits | None = None, key_expires_utc_s: int = START_UTC_S + 86_400) -> None:
        """At a node beside the origin."""
        config = config_of("me", (Wire("me", "o"),), limits=limits)
        evidence = Evidence(config, own_key("me"))
        evidence.learn_key(own_key("o", key_expires_utc_s), NOW)
        for name in ("p", "q"):
            evidence.learn_key(own_key(name), NOW)
        self.table = OfferTable(config, evidence, OperatorPolicy(config.policy))
        self.out = Outbox()

    def accept(self, now: Now = NOW, neighbor: NodeId = A, **changes: object) -> bool:
        """Take the offer with changes; whether a newer version was taken."""
        body = changed(BODY, changes)
        sealed = sealed_by(body, body.origin)
        return self.table.accept(neighbor, sealed, now) is not None

    def withdraw(self, seq: int, epoch: int = 1) -> bool:
        """Take a withdrawal; whether an offer ended by it."""
        body = OfferWithdrawal(origin=ORIGIN, offer_no=1, epoch=epoch, seq=seq, issued_utc_s=START_UTC_S)
        return self.table.withdraw(sealed_by(body, ORIGIN), NOW, self.out) is not None


def test_only_a_higher_version_replaces() -> None:
    """A higher (epoch, seq) is taken, an equal one is known, a lower one is passed over in silence."""
    rig = Rig()
    assert rig.accept()
    assert not rig.accept()
    assert not rig.accept(seq=4, issued_utc_s=START_UTC_S + 30)
    assert rig.accept(seq=6, issued_utc_s=START_UTC_S - 30)
    assert rig.accept(epoch=2, seq=1)
    assert not rig.accept(seq=99)
    found = rig.table.get(KEY)
    assert found is not None
    assert (found.body.epoch, found.body.seq) == (2, 1)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"issued_utc_s": START_UTC_S + 61}, ErrorCode.FROM_FUTURE),
        ({"expires_utc_s": START_UTC_S}, ErrorCode.EXPIRED),
        ({"expires_utc_s": START_UTC_S + 86_401}, ErrorCode.OUT_OF_BOUNDS),
        ({"runs": ()}, ErrorCode.OUT_OF_BOUNDS),
        ({"runs": (OfferRun(slots=193, energy_j=1, price_micro_per_kwh=0),)}, ErrorCode.OUT_OF_BOUNDS),
        ({"first_slot_utc_s": FIRST + 1}, ErrorCode.OUT_OF_BOUNDS),
        ({"direction": Direction.UNSPECIFIED}, ErrorCode.OUT_OF_BOUNDS),
    ],
    ids=lambda value: value.name if isinstance(value, ErrorCode) else None,
)
def test_an_offer_out_of_time_or_shape_is_refused(changes: dict[str, Any], code: ErrorCode) -> None:
    """Issued in the future, ended, too long-lived or without slots: refused with the reason."""
    with pytest.raises(PeerError) as caught:
        Rig().accept(**changes)
    assert caught.value.code is code


def test_an_offer_up_to_a_minute_early_is_taken() -> None:
    """Clocks may differ by the tolerance."""
    assert Rig().accept(issued_utc_s=START_UTC_S + 60)


def test_nobody_else_signs_an_offer() -> None:
    """An offer or a withdrawal signed by another node than its origin is refused."""
    rig = Rig()
    with pytest.raises(PeerError, match="WRONG_SIGNER"):
        rig.table.accept(A, sealed_by(BODY, node_named("p")), NOW)
    rig.accept()
    body = OfferWithdrawal(origin=ORIGIN, offer_no=1, epoch=1, seq=9, issued_utc_s=START_UTC_S)
    with pytest.raises(PeerError, match="WRONG_SIGNER"):
        rig.table.withdraw(sealed_by(body, node_named("p")), NOW, rig.out)
    assert rig.table.get(KEY) is not None


def test_an_offer_ends_with_the_key_that_signed_it() -> None:
    """Its own expiry does not carry an offer past the end of its origin's key."""
    rig = Rig(key_expires_utc_s=START_UTC_S + 100)
    rig.accept()
    assert rig.table.next_expiry_utc_s() == START_UTC_S + 100
    assert len(rig.table.expire(Now(0, (START_UTC_S + 100) * 1000), rig.out)) == 1
    assert rig.table.get(KEY) is None


def test_equivocation_is_kept_as_proof_and_stops_the_origin() -> None:
    """Two contents under one number: both are the proof, the first stays, others wait for a new epoch."""
    rig = Rig()
    rig.accept()
    with pytest.raises(Equivocated, match="EQUIVOCATION") as caught:
        rig.accept(energy_cap_j=1)
    proof = caught.value.proof
    assert (proof.node, proof.epoch) == (ORIGIN, 1)
    assert proof.first == sealed_by(BODY, ORIGIN).envelope
    assert proof.second == sealed_by(changed(BODY, {"energy_cap_j": 1}), ORIGIN).envelope
    refused: tuple[dict[str, Any], ...] = ({"seq": 6}, {"offer_no": 2})
    for later in refused:
        with pytest.raises(PeerError, match="EQUIVOCATION"):
            rig.accept(**later)
    found = rig.table.get(KEY)
    assert found is not None
    assert found.body == BODY
    assert rig.accept(epoch=2, seq=1)


def test_a_withdrawal_is_remembered() -> None:
    """After a withdrawal no older version comes back, whoever tells it; a newer one does."""
    rig = Rig()
    rig.accept()
    assert not rig.withdraw(seq=4)
    assert rig.withdraw(seq=6)
    assert not rig.withdraw(seq=6)
    assert rig.table.get(KEY) is None
    assert not rig.accept(neighbor=B)
    assert rig.table.get(KEY) is None
    assert rig.accept(seq=7)


def test_an_ended_version_does_not_let_an_older_one_back() -> None:
    """A newer version that ended early keeps an older one out that would live longer."""
    rig = Rig()
    assert rig.accept(expires_utc_s=START_UTC_S + 80_000)
    assert rig.accept(seq=6, expires_utc_s=START_UTC_S + 100)
    later = Now(0, (START_UTC_S + 200) * 1000)
    assert len(rig.table.expire(later, rig.out)) == 1
    assert not rig.accept(now=later, expires_utc_s=START_UTC_S + 80_000)
    assert not rig.accept(now=later, neighbor=B, seq=5, energy_cap_j=7)
    assert rig.table.get(KEY) is None
    assert rig.accept(now=later, seq=7)


def test_a_number_is_forgotten_once_nothing_older_could_be_alive() -> None:
    """A day after the last version was signed the memory of an offer is free again."""
    rig = Rig(limits=Limits(origins=1), key_expires_utc_s=START_UTC_S + 300_000)
    rig.accept()
    last_second = Now(0, (START_UTC_S + 86_399) * 1000)
    rig.table.expire(last_second, rig.out)
    with pytest.raises(PeerError, match="LIMIT_REACHED"):
        rig.accept(now=last_second, origin=node_named("p"), expires_utc_s=START_UTC_S + 86_400)
    after = Now(0, (START_UTC_S + 86_400) * 1000)
    rig.table.expire(after, rig.out)
    assert rig.table.next_expiry_utc_s() is None
    assert rig.accept(
        now=after,
        origin=node_named("p"),
        issued_utc_s=START_UTC_S + 90_000 - 3_600,
        expires_utc_s=START_UTC_S + 90_000,
    )


def test_a_full_memory_of_numbers_refuses_and_forgets_nothing() -> None:
    """An origin that uses ever new numbers is refused; none is dropped while an older version may live."""
    rig = Rig(limits=Limits(offers_per_origin=1))
    for number in range(4):
        at = Now(0, (START_UTC_S + 10 * number) * 1000)
        rig.table.expire(at, rig.out)
        rig.accept(now=at, offer_no=number, expires_utc_s=START_UTC_S + 10 * number + 5)
    later = Now(0, (START_UTC_S + 100) * 1000)
    rig.table.expire(later, rig.out)
    assert rig.table.alive(Direction.SUPPLY) == ()
    with pytest.raises(PeerError, match="LIMIT_REACHED"):
        rig.accept(now=later, offer_no=4)
    assert not rig.accept(now=later, offer_no=0, seq=4, expires_utc_s=START_UTC_S + 80_000)
    assert rig.accept(now=later, offer_no=0, seq=6)


def test_an_offer_lives_as_long_as_one_neighbour_tells_it() -> None:
    """It is lost with the last neighbour that has a path to its origin, once, and comes back with one."""
    rig = Rig()
    rig.accept(neighbor=A)
    rig.accept(neighbor=B)
    target = (ORIGIN, Direction.SUPPLY)
    assert rig.table.unhear(A, target, rig.out) == ()
    assert rig.table.get(KEY) is not None
    assert len(rig.table.unhear(B, target, rig.out)) == 1
    assert rig.table.unhear(B, target, rig.out) == ()
    assert (rig.table.get(KEY), rig.table.alive(Direction.SUPPLY)) == (None, ())
    assert sum(isinstance(getattr(w, "event", None), OfferLost) for w in rig.out.wishes) == 1
    assert rig.accept(neighbor=B)
    assert rig.table.get(KEY) is not None


def test_other_directions_of_an_origin_are_not_touched() -> None:
    """Losing the path of one direction leaves offers of the other alive."""
    rig = Rig()
    rig.accept()
    rig.accept(offer_no=2, direction=Direction.DEMAND)
    rig.table.unhear(A, (ORIGIN, Direction.SUPPLY), rig.out)
    assert [o.body.offer_no for o in rig.table.alive(Direction.DEMAND)] == [2]


def test_at_a_bound_new_offers_are_refused_and_old_ones_stay() -> None:
    """A full table answers LIMIT_REACHED and still takes newer versions of what it has."""
    rig = Rig(limits=Limits(offers_per_origin=2, origins=2))
    rig.accept()
    rig.accept(offer_no=2)
    with pytest.raises(PeerError, match="LIMIT_REACHED"):
        rig.accept(offer_no=3)
    rig.accept(origin=node_named("p"))
    with pytest.raises(PeerError, match="LIMIT_REACHED"):
        rig.accept(origin=node_named("q"))
    assert rig.accept(seq=6)
    assert len(rig.table.alive(Direction.SUPPLY)) == 3


def test_an_offer_needs_a_path_first() -> None:
    """An offer from a neighbour that has told no path to its origin is refused."""
    net = Net((Wire("a", "b"),))
    net.start()
    a = net.node("a")
    with pytest.raises(PeerError, match="NO_PATH"):
        a.routing.hear_offer(net.node("b").id, sealed_by(BODY, ORIGIN), NOW, Outbox())


@pytest.mark.parametrize(
    "change",
    [
        {"runs": (OfferRun(slots=193, energy_j=1, price_micro_per_kwh=0),)},
        {"runs": (OfferRun(slots=0, energy_j=1, price_micro_per_kwh=0),)},
        {"energy_cap_j": -1, "runs": (OfferRun(slots=1, energy_j=1, price_micro_per_kwh=0),)},
        {"direction": Direction.UNSPECIFIED},
        {"lifetime_s": 0},
        {"lifetime_s": 86_401},
        {"first_slot": FIRST + 1},
        {"offer_no": 9},
    ],
    ids=str,
)
def test_an_own_offer_is_checked_before_it_is_signed(change: dict[str, object]) -> None:
    """The host hears in one sentence what is wrong; nothing is signed."""
    net = Net((Wire("a", "b"),))
    node = net.node("a")
    for number in range(8):
        node.routing.publish_own(offer(offer_no=number), NOW)
    signed = node.sealer.signed
    with pytest.raises(UsageError):
        node.routing.publish_own(changed(offer(), change), NOW)
    assert node.sealer.signed == signed
