"""The key ring learns what is new and true, refuses the rest, and stays bounded."""

from __future__ import annotations

import pytest

from ioe_router.codec.keys import KEYS_PER_NODE, KeyRing, certify
from ioe_router.model.errors import ErrorCode, PeerError, UsageError
from tests.unit.codec.cast import (
    ALICE,
    BOB,
    CAROL,
    DAY_S,
    NETWORK,
    NOW,
    START_S,
    at,
    member,
    ring,
    sealer,
)


def test_a_certificate_is_learnt_through_the_envelope() -> None:
    """What opens as an OPERATIONAL_KEY can be learnt, and its key then speaks for the node."""
    reader = sealer(BOB)
    opened = reader.open_any(ALICE.certificate().envelope, frame_sender=None, now=NOW)
    assert reader.ring.learn(opened, NOW) == ALICE.node == opened.signers[0]
    assert reader.ring.node_of(ALICE.operational.public_key, NOW) == ALICE.node
    assert reader.ring.certificate(ALICE.operational.public_key) == opened


def test_learning_again_changes_nothing() -> None:
    """The same certificate may come any number of times, even after a newer one."""
    keys = ring(ALICE)
    keys.learn(ALICE.rotated(2).certificate(serial=2), NOW)
    assert keys.learn(ALICE.certificate(), NOW) == ALICE.node
    assert len(keys) == 2


def test_rotation_overlaps() -> None:
    """After a rotation both keys speak for the node until the older one expires."""
    keys, newer = ring(ALICE), ALICE.rotated(2)
    keys.learn(newer.certificate(serial=2, expires_utc_s=START_S + 2 * DAY_S), NOW)
    assert keys.node_of(ALICE.operational.public_key, at(START_S + DAY_S - 1)) == ALICE.node
    with pytest.raises(PeerError) as caught:
        keys.node_of(ALICE.operational.public_key, at(START_S + DAY_S))
    assert caught.value.code is ErrorCode.KEY_EXPIRED
    assert keys.node_of(newer.operational.public_key, at(START_S + DAY_S)) == ALICE.node


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"network_id": "other"}, ErrorCode.NETWORK_MISMATCH),
        ({"issued_utc_s": START_S + 61}, ErrorCode.FROM_FUTURE),
        ({"issued_utc_s": START_S - 9, "expires_utc_s": START_S}, ErrorCode.KEY_EXPIRED),
        ({"expires_utc_s": START_S + 91 * DAY_S}, ErrorCode.OUT_OF_BOUNDS),
    ],
)
def test_bad_times_and_networks(changes: dict[str, int | str], code: ErrorCode) -> None:
    """A certificate of another network, of the future, of the past or for too long is refused."""
    keys = ring()
    with pytest.raises(PeerError) as caught:
        keys.learn(ALICE.certificate(**changes), NOW)
    assert caught.value.code is code
    assert len(keys) == 0


def test_serial_rollback_and_equivocation() -> None:
    """A lower serial is stale; the same serial with other content is equivocation."""
    keys = ring()
    keys.learn(ALICE.certificate(serial=5), NOW)
    with pytest.raises(PeerError) as caught:
        keys.learn(ALICE.rotated(2).certificate(serial=4), NOW)
    assert caught.value.code is ErrorCode.STALE
    with pytest.raises(PeerError) as caught:
        keys.learn(ALICE.rotated(2).certificate(serial=5), NOW)
    assert caught.value.code is ErrorCode.EQUIVOCATION


def test_a_key_belongs_to_one_node() -> None:
    """Even a certificate signed by both keys cannot move an operational key to another node."""
    keys = ring(ALICE)
    shared = type(ALICE)(9, CAROL.identity, ALICE.operational)
    with pytest.raises(PeerError) as caught:
        keys.learn(shared.certificate(), NOW)
    assert caught.value.code is ErrorCode.CONFLICT
    assert keys.node_of(ALICE.operational.public_key, NOW) == ALICE.node


def test_a_full_ring_refuses() -> None:
    """At its limit the ring refuses and keeps what it has."""
    keys = ring(ALICE, BOB, limit=2)
    with pytest.raises(PeerError) as caught:
        keys.learn(CAROL.certificate(), NOW)
    assert caught.value.code is ErrorCode.LIMIT_REACHED
    assert keys.node_of(ALICE.operational.public_key, NOW) == ALICE.node


def test_expired_keys_make_room_but_serials_are_remembered() -> None:
    """A full ring drops expired keys that have a successor, never the latest serial of a node."""
    keys = ring(ALICE, limit=2)
    keys.learn(ALICE.rotated(2).certificate(serial=2), NOW)
    later = at(START_S + DAY_S)
    keys.learn(BOB.certificate(issued_utc_s=START_S + DAY_S, expires_utc_s=START_S + 2 * DAY_S), later)
    assert keys.certificate(ALICE.operational.public_key) is None
    with pytest.raises(PeerError) as caught:
        keys.learn(ALICE.certificate(expires_utc_s=START_S + 2 * DAY_S), later)
    assert caught.value.code is ErrorCode.STALE


def test_one_node_cannot_fill_the_ring() -> None:
    """A node has a bounded number of keys, however many it certifies."""
    keys = ring()
    for serial in range(1, KEYS_PER_NODE + 1):
        keys.learn(ALICE.rotated(serial).certificate(serial=serial), NOW)
    with pytest.raises(PeerError) as caught:
        keys.learn(ALICE.rotated(99).certificate(serial=99), NOW)
    assert caught.value.code is ErrorCode.LIMIT_REACHED
    assert keys.learn(BOB.certificate(), NOW) == BOB.node


def test_a_renewed_key_counts_for_whom_the_old_one_counted() -> None:
    """Renewals are always taken, but a neighbour gets no larger by bringing those of others' nodes."""
    keys = KeyRing(network_id=NETWORK, limit=8, parties=2)
    left, right = ALICE.node, BOB.node
    for number in range(11, 15):
        keys.learn(member(number).certificate(), NOW, left)
    for number in (15, 16):
        keys.learn(member(number).certificate(), NOW, right)
    for number in (15, 16):
        renewed = member(number).rotated(2)
        assert keys.learn(renewed.certificate(serial=2), NOW, left) == renewed.node
    assert len(keys) == 6
    for teller in (left, right):
        with pytest.raises(PeerError, match="LIMIT_REACHED"):
            keys.learn(member(17).certificate(), NOW, teller)
    assert keys.learn(CAROL.certificate(), NOW) == CAROL.node


def test_certify_refuses_other_keys_and_bad_bounds() -> None:
    """A certificate that names other keys than those at hand, or has fields out of bounds, is not made."""
    body = ALICE.certificate().body
    with pytest.raises(UsageError, match="pass the named keys"):
        certify(body, identity=BOB.identity, operational=ALICE.operational)
    with pytest.raises(UsageError, match=r"OperationalKey\.serial"):
        ALICE.certificate(serial=0)


def test_the_identity_key_cannot_be_its_own_operational_key() -> None:
    """A certificate of the identity key itself is refused."""
    double = type(ALICE)(8, ALICE.identity, ALICE.identity)
    with pytest.raises(PeerError) as caught:
        sealer(BOB).open_any(double.certificate().envelope, frame_sender=None, now=NOW)
    assert caught.value.code is ErrorCode.BAD_SIGNATURE


def test_unknown_keys_are_refused() -> None:
    """A key without certificate speaks for nobody."""
    with pytest.raises(PeerError) as caught:
        ring(ALICE).node_of(member(7).operational.public_key, NOW)
    assert caught.value.code is ErrorCode.UNKNOWN_KEY
