"""Operational keys that are renewed, and keys and identities that are revoked, in live sessions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ioe_router.codec import identity_signing
from ioe_router.codec.keys import certify
from ioe_router.codec.signing import Ed25519Signer
from ioe_router.config import Limits, Timers
from ioe_router.core.effects import Persist, RecordKind
from ioe_router.core.events import Booked, KeyRenewed, KeysRevoked, NeighborDown, NeighborUp, PeerFault
from ioe_router.core.inputs import RenewKey, RevokeKeys
from ioe_router.core.revocations import NEWS_PER_HOUR
from ioe_router.model.discovery import IDENTITY_SERIAL, OperationalKey, Revocation
from ioe_router.model.envelope import Envelope, ObjectType, Sealed
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import node_id_of
from ioe_router.router import Router
from ioe_router.sim.keys import SeededEntropy
from tests.simulation.pair import KWH_J, PARAMETERS, Cable, Sim, build

CABLES = (Cable("mill", "street"), Cable("street", "house"))
TALKING = replace(Timers(), keepalive_ms=20_000)


def faithful(*cables: Cable, limits: Limits | None = None, key_lifetime_s: int = 7 * 86_400) -> Sim:
    """Routers whose frames pass unchanged, so that frame signatures are their own; they say signs of life."""
    sim = build(*cables, timers=TALKING, limits=limits, connect=False, key_lifetime_s=key_lifetime_s)
    sim.wire.faithful = True
    for cable in cables:
        sim.wire.connect(sim.node(cable.keeper), sim.node(cable.other))
    sim.at(1_800)
    return sim


def next_key(sim: Sim, name: str, serial: int = 2) -> tuple[Sealed[OperationalKey], Ed25519Signer]:
    """Another operational key of a node, certified by its identity."""
    signer = Ed25519Signer.from_seed(bytes([serial]) * 32)
    now_s = sim.wire.now.utc_s
    body = OperationalKey(
        network_id=PARAMETERS.network_id,
        identity_key=sim.ids[name].identity.public_key,
        operational_key=signer.public_key,
        serial=serial,
        issued_utc_s=now_s,
        expires_utc_s=now_s + 86_400 * 7,
    )
    return certify(body, identity=sim.ids[name].identity, operational=signer), signer


def renew(sim: Sim, name: str, serial: int = 2) -> Sealed[OperationalKey]:
    """Give a router its next key."""
    sealed, signer = next_key(sim, name, serial)
    sim.router(name).add_signer(signer)
    sim.wire.give(sim.node(name), RenewKey(certificate=sealed.envelope))
    sim.wire.settle()
    return sealed


def revocation(sim: Sim, name: str, up_to_serial: int = 1, by: str | None = None) -> Envelope:
    """A revocation of a node's keys; `by` another identity it is a forgery."""
    body = Revocation(
        network_id=PARAMETERS.network_id,
        node=sim.node(by or name),
        up_to_serial=up_to_serial,
        issued_utc_s=sim.wire.now.utc_s,
    )
    return identity_signing.state(body, sim.ids[by or name].identity).envelope


def revoke(sim: Sim, name: str, at: str, up_to_serial: int = 1) -> None:
    """The operator of the node `at` has a revocation of the keys of `name`."""
    sim.wire.give(sim.node(at), RevokeKeys(revocation=revocation(sim, name, up_to_serial)))
    sim.wire.settle()


def downs(sim: Sim, name: str) -> list[ErrorCode]:
    """Why sessions of a node have ended."""
    return [event.code for event in sim.events(name, NeighborDown)]


# ------------------------------------------------------------------ renewal


def test_a_renewed_key_drops_no_session_and_signs_what_follows() -> None:
    """The mill renews its key: sessions go on, later frames and offers bear the new key, and trade works."""
    sim = faithful(*CABLES)
    sim.offer("mill", 90_000)
    sim.wait(5)
    old = sim.ids["mill"].own_key.body.operational_key
    new = renew(sim, "mill").body.operational_key
    sim.wait(300)
    assert [e.serial for e in sim.events("mill", KeyRenewed)] == [2]
    sim.offer("mill", 95_000)
    sim.wait(5)
    offers = [
        e for s, r, e in sim.wire.passed if s == "street" and r == "house" and e.type is ObjectType.OFFER
    ]
    assert [offers[0].signatures[0].key, offers[-1].signatures[0].key] == [old, new]
    sim.at(600)
    sim.want("house", KWH_J, 400_000)
    sim.at(-1)
    assert sim.events("house", Booked)
    assert sim.events("mill", Booked)
    for name in ("mill", "street", "house"):
        assert downs(sim, name) == []
        assert sim.events(name, PeerFault) == []


def test_a_session_outlives_the_key_that_proved_it() -> None:
    """A session goes on past the end of the key of its HELLO when a newer key was told in time."""
    for renewed in (False, True):
        sim = faithful(Cable("mill", "street"), key_lifetime_s=14_400)
        ends_s = sim.ids["mill"].own_key.body.expires_utc_s
        renew(sim, "street")
        if renewed:
            renew(sim, "mill", serial=3)
        sim.wire.run_until(ends_s + 100)
        assert downs(sim, "street") == ([] if renewed else [ErrorCode.KEY_EXPIRED])


def test_frames_under_the_key_before_are_refused_after_the_change() -> None:
    """Once a neighbour has told a newer key, a frame signed with the one before ends the session."""
    sim = faithful(Cable("mill", "street"))
    sim.wait(60)
    parts = sim.router("street").inspect()
    before = parts.sessions.frame_key(sim.node("mill"))
    new = renew(sim, "mill").body.operational_key
    assert parts.sessions.frame_key(sim.node("mill")) == new != before
    mill = sim.router("mill")
    mill.inspect().sessions._session(sim.node("street")).renewed_key = before
    sim.wait(60)
    assert ErrorCode.WRONG_SIGNER in downs(sim, "street") + [e.code for e in sim.events("street", PeerFault)]


def test_a_relayed_key_does_not_change_the_session_key() -> None:
    """The next key of a neighbour, told by somebody else, changes nothing in the session with it."""
    sim = faithful(*CABLES)
    sealed, _ = next_key(sim, "mill")
    street = sim.router("street").inspect()
    before = street.sessions.frame_key(sim.node("mill"))
    street.sessions.keys.heard(sim.node("house"), sealed)
    assert street.sessions.frame_key(sim.node("mill")) == before
    assert street.sessions.frame_key(sim.node("house")) == sim.ids["house"].own_key.body.operational_key


def test_a_key_that_is_no_newer_one_is_refused() -> None:
    """A router goes on with its key when the one given to it has the same serial, and says so."""
    sim = faithful(Cable("mill", "street"))
    renew(sim, "mill", serial=1)
    assert not sim.events("mill", KeyRenewed)
    assert [e.code for e in sim.events("mill", PeerFault)] == [ErrorCode.STALE]
    sim.wait(60)
    assert downs(sim, "street") == []


def test_a_handshake_during_a_renewal_begins_anew() -> None:
    """A session that is not established when the key changes is closed, and stands after the next dial."""
    sim = build(Cable("mill", "street"), timers=TALKING, connect=False)
    sim.wire.faithful = True
    sealed, signer = next_key(sim, "mill")
    sim.router("mill").add_signer(signer)
    sim.wire.connect(sim.node("mill"), sim.node("street"))
    sim.wire.give(sim.node("mill"), RenewKey(certificate=sealed.envelope))
    sim.wire.settle()
    assert ErrorCode.KEY_EXPIRED in downs(sim, "mill") + downs(sim, "street")
    sim.wire.connect(sim.node("mill"), sim.node("street"))
    sim.wire.settle()
    assert sim.events("street", NeighborUp)


# ------------------------------------------------------------------ revocation


def test_a_revoked_key_loses_its_sessions_offers_and_paths_everywhere() -> None:
    """A revocation known to the house alone reaches all; the mill's session, offers and paths are gone."""
    sim = faithful(*CABLES)
    sim.offer("mill", 90_000)
    sim.wait(5)
    assert sim.router("house").snapshot().offers
    revoke(sim, "mill", at="house")
    for name in ("house", "street", "mill"):
        (event,) = sim.events(name, KeysRevoked)
        assert (event.node, event.up_to_serial, event.own) == (sim.node("mill"), 1, name == "mill")
    assert downs(sim, "street") == downs(sim, "mill") == [ErrorCode.KEY_REVOKED]
    for name in ("house", "street"):
        assert not sim.router(name).snapshot().offers
        assert not sim.router(name).snapshot().paths


def test_a_revoked_neighbour_that_comes_back_is_told_why() -> None:
    """A neighbour that has not heard of its revocation is refused when it dials, and told why."""
    sim = faithful(Cable("mill", "street"))
    sim.wire.disconnect(sim.node("mill"), sim.node("street"))
    sim.wire.settle()
    revoke(sim, "mill", at="street")
    ups = len(sim.events("street", NeighborUp))
    sim.wire.connect(sim.node("mill"), sim.node("street"))
    sim.wire.settle()
    assert len(sim.events("street", NeighborUp)) == ups
    assert ErrorCode.KEY_REVOKED in [event.code for event in sim.events("street", PeerFault)]
    assert sim.events("mill", NeighborDown)[-1].code is ErrorCode.KEY_REVOKED
    assert "revoked" in sim.events("mill", NeighborDown)[-1].reason


def test_a_new_key_after_a_revocation_is_welcome() -> None:
    """The mill renews its key and revokes the one before: it comes back under the new one and sells again."""
    sim = faithful(*CABLES)
    renew(sim, "mill")
    revoke(sim, "mill", at="mill")
    assert downs(sim, "street") == [ErrorCode.KEY_REVOKED]
    sim.wire.connect(sim.node("mill"), sim.node("street"))
    sim.wire.settle()
    sim.offer("mill", 90_000)
    sim.wait(5)
    assert sim.events("street", NeighborUp)[-1].neighbor == sim.node("mill")
    assert [o.body.origin for o in sim.router("house").snapshot().offers] == [sim.node("mill")]


def test_a_revoked_identity_is_out_for_good() -> None:
    """After the revocation of an identity no key of it is taken, however new, nor any attestation."""
    sim = faithful(*CABLES)
    revoke(sim, "mill", at="house", up_to_serial=IDENTITY_SERIAL)
    renew(sim, "mill")
    for _ in range(2):
        sim.wire.connect(sim.node("mill"), sim.node("street"))
        sim.wire.settle()
    assert sim.events("mill", NeighborDown)[-1].code is ErrorCode.KEY_REVOKED
    evidence = sim.router("street").inspect().evidence
    assert evidence.own_link(sim.node("mill")) is None
    assert evidence.own_link(sim.node("house")) is not None


def test_a_forged_revocation_changes_nothing() -> None:
    """A revocation that somebody else has signed is refused, and the session with its victim goes on."""
    sim = faithful(*CABLES)
    mine = revocation(sim, "house")
    body = Revocation(
        network_id=PARAMETERS.network_id,
        node=sim.node("mill"),
        up_to_serial=IDENTITY_SERIAL,
        issued_utc_s=sim.wire.now.utc_s,
    )
    by_house = identity_signing.state(replace(body, node=sim.node("house")), sim.ids["house"].identity)
    forged = replace(
        by_house.envelope, signed=identity_signing.state(body, sim.ids["mill"].identity).envelope.signed
    )
    assert forged.type is mine.type
    sim.wire.give(sim.node("street"), RevokeKeys(revocation=forged))
    sim.wire.settle()
    assert [event.code for event in sim.events("street", PeerFault)] == [ErrorCode.WRONG_SIGNER]
    assert not sim.events("street", KeysRevoked)
    assert downs(sim, "street") == []


def test_a_revocation_survives_a_restart() -> None:
    """A router that takes up its store refuses what it has refused before, and tells it on."""
    sim = faithful(*CABLES)
    street = sim.router("street")
    written: list[Persist] = []
    handle_all = street.handle_all

    def noting(inputs: object, now: object) -> object:
        effects = handle_all(inputs, now)  # type: ignore[arg-type]
        written.extend(e for e in effects if isinstance(e, Persist))
        return effects

    street.handle_all = noting  # type: ignore[method-assign, assignment]
    revoke(sim, "mill", at="street")
    rows = [row for row in written if row.kind is RecordKind.REVOCATION]
    assert [row.key for row in rows] == [sim.node("mill")]
    again = Router(
        street._config,
        own_key=sim.ids["street"].own_key,
        signer=sim.ids["street"].signer,
        entropy=SeededEntropy(b"again"),
        now=sim.wire.now,
    )
    again.restore(rows, sim.wire.now)
    assert again.inspect().evidence.is_revoked(sim.node("mill"), 1)
    assert not again.inspect().evidence.is_revoked(sim.node("mill"), 2)
    assert [one.body.node for one in again.inspect().revocations.all()] == [sim.node("mill")]


def test_a_late_comer_is_told_what_is_void() -> None:
    """A neighbour whose session begins after a revocation hears of it before anything else."""
    sim = faithful(*CABLES)
    sim.wire.disconnect(sim.node("street"), sim.node("house"))
    sim.wire.settle()
    revoke(sim, "mill", at="street")
    sim.wire.passed.clear()
    sim.wire.connect(sim.node("street"), sim.node("house"))
    sim.wire.settle()
    assert [event.node for event in sim.events("house", KeysRevoked)] == [sim.node("mill")]
    told = [e.type for s, r, e in sim.wire.passed if (s, r) == ("street", "house")]
    assert told.index(ObjectType.REVOCATION) < told.index(ObjectType.RETAINED)


def test_revocations_of_one_node_are_budgeted_but_not_that_of_its_identity() -> None:
    """News of one node beyond four an hour is refused; the revocation of the identity is always taken."""
    sim = faithful(*CABLES)
    for serial in range(1, NEWS_PER_HOUR + 2):
        revoke(sim, "mill", at="house", up_to_serial=serial)
    assert [event.up_to_serial for event in sim.events("street", KeysRevoked)] == [1, 2, 3, 4]
    assert [event.code for event in sim.events("house", PeerFault)] == [ErrorCode.LIMIT_REACHED]
    revoke(sim, "mill", at="house", up_to_serial=IDENTITY_SERIAL)
    assert sim.events("street", KeysRevoked)[-1].up_to_serial == IDENTITY_SERIAL


def test_a_full_table_makes_room_for_those_who_are_known() -> None:
    """With room for one revocation, that of a stranger gives way to that of a neighbour, not the reverse."""
    sim = faithful(Cable("mill", "street"), limits=replace(Limits(), revocations=1))
    stranger = Ed25519Signer.from_seed(b"s" * 32)
    body = Revocation(
        network_id=PARAMETERS.network_id,
        node=sim.node("mill"),
        up_to_serial=IDENTITY_SERIAL,
        issued_utc_s=sim.wire.now.utc_s,
    )
    of_stranger = replace(body, node=node_id_of(stranger.public_key))
    foreign = identity_signing.state(of_stranger, stranger).envelope
    for envelope in (foreign, revocation(sim, "mill"), foreign):
        sim.wire.give(sim.node("street"), RevokeKeys(revocation=envelope))
        sim.wire.settle()
    assert [one.body.node for one in sim.router("street").inspect().revocations.all()] == [sim.node("mill")]
    assert [event.code for event in sim.events("street", PeerFault)] == [ErrorCode.LIMIT_REACHED]


@pytest.mark.parametrize(("days", "held"), [(89, True), (91, False)])
def test_a_revocation_is_kept_until_no_key_it_covers_can_be_valid(days: int, held: bool) -> None:
    """A revocation of keys is taken for 90 days after it was signed, the life of the longest key."""
    sim = faithful(Cable("mill", "street"))
    body = Revocation(
        network_id=PARAMETERS.network_id,
        node=sim.node("mill"),
        up_to_serial=1,
        issued_utc_s=sim.wire.now.utc_s - days * 86_400,
    )
    envelope = identity_signing.state(body, sim.ids["mill"].identity).envelope
    sim.wire.give(sim.node("street"), RevokeKeys(revocation=envelope))
    sim.wire.settle()
    assert bool(sim.router("street").inspect().revocations.all()) is held
    assert [event.code for event in sim.events("street", PeerFault)] == ([] if held else [ErrorCode.EXPIRED])


def test_offers_that_the_end_of_a_key_has_cut_short_are_signed_anew() -> None:
    """An offer whose end was that of the key is published again under the new one, to its own end."""
    sim = faithful(Cable("mill", "street"), key_lifetime_s=14_400)
    ends_s = sim.ids["mill"].own_key.body.expires_utc_s
    sim.offer("mill", 90_000)
    sim.wait(5)
    (before,) = sim.router("street").snapshot().offers
    assert before.body.expires_utc_s == ends_s
    renew(sim, "mill")
    sim.wait(5)
    (after,) = sim.router("street").snapshot().offers
    assert after.body.expires_utc_s == before.body.issued_utc_s + 36_000
