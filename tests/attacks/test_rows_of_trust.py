"""Attack list, rows about who belongs, and whose keys are void: 1, 3, 19, 20, 37."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ioe_router.codec import identity_signing, mapping
from ioe_router.config import Transit
from ioe_router.model.discovery import Close, Revocation, Role, SessionProof
from ioe_router.model.envelope import Envelope, ObjectType
from ioe_router.model.errors import ErrorCode
from ioe_router.model.reservation import Hold
from ioe_router.model.routing import OfferWithdrawal, PathAdvert, PathEntry
from tests.attacks.attack import Swap, attack, holds
from tests.attacks.stage import Stage, signed_bytes, street
from tests.attacks.test_rows_of_signatures import withdrawal
from tests.simulation.domain_chain import Two, chain
from tests.simulation.pair import KWH_J, PARAMETERS, START_UTC_S, decoded
from tests.simulation.roles import mistake

GRACE_S: Final = 100


# ------------------------------------------------------------------ 19: void keys


def revocation(stage: Stage, name: str, by: str | None = None) -> Envelope:
    """The node's word that its first key is void; `by` another identity it is a forgery."""
    body = Revocation(
        network_id=PARAMETERS.network_id,
        node=stage.sim.node(by or name),
        up_to_serial=1,
        issued_utc_s=stage.sim.wire.now.utc_s,
    )
    signed = identity_signing.state(body, stage.sim.ids[by or name].identity).envelope
    if by is None:
        return signed
    forged = mapping.encode(replace(body, node=stage.sim.node(name)))
    return signed_bytes(stage.sim.ids[by].identity, Revocation, forged)


@attack(19, without=[Swap("codec.keys:KeyRing._refuse_revoked", lambda *_: None)])
def test_row_19_a_stolen_key_that_was_revoked() -> None:
    """The farm has revoked its key; a thief signs with it: KEY_REVOKED, and nobody hears of it."""
    stage = street()
    forged = signed_bytes(stage.signer("farm"), OfferWithdrawal, mapping.encode(withdrawal(stage)))
    stage.say(revocation(stage, "farm"))
    holds(stage.told("house", Revocation), "everybody is told that the key is void")
    stage.say(forged)
    holds(stage.complaints() == [ErrorCode.KEY_REVOKED], "the victim believes the key no more")
    holds(not stage.passed_on(forged), "the witness hears nothing of it")


@attack(19, without=[Swap("core.session_keys:SessionKeys.end_void", lambda *_: None)])
def test_row_19_a_session_under_a_revoked_key() -> None:
    """The mill's key is revoked while a thief talks with it: the session ends at once."""
    stage = street()
    stage.look_from_now()
    stage.sim.wire.inject("house", "street", revocation(stage, "mill"))
    closed = [close.code for close in stage.told("mill", Close)]
    holds(closed == [ErrorCode.KEY_REVOKED], "no session outlives the key that proved it")


@attack(
    19,
    without=[
        Swap(
            "codec.identity_signing:stating_nodes",
            lambda _, body, row: tuple(getattr(body, name) for name in row.named),
        )
    ],
)
def test_row_19_a_revocation_by_somebody_else() -> None:
    """The mill revokes the farm's key with its own identity: WRONG_SIGNER, the farm goes on."""
    stage = street()
    forged = revocation(stage, "farm", by="mill")
    stage.say(forged)
    holds(stage.complaints() == [ErrorCode.WRONG_SIGNER], "only a node itself declares its keys void")
    holds(not stage.passed_on(forged), "the witness hears nothing of it")


# ------------------------------------------------------------------ 1, 20: who belongs


def admission(two: Two, certificate: Envelope | None = None, *, strip: bool = False) -> Stage:
    """The node a1 comes to the border a2 of its domain, perhaps with another certificate than its own."""
    sim = chain(two, connect=False)
    stage = Stage(sim, attacker="a1", victim="a2", witness="b1")

    def rule(here: str, _: str, envelope: Envelope) -> list[Envelope]:
        if here != "a1" or envelope.type is not ObjectType.MEMBER_CERTIFICATE:
            return [envelope]
        shown = certificate or envelope
        return [replace(shown, signatures=shown.signatures[1:]) if strip else shown]

    sim.wire.on_object = rule
    sim.wire.connect(sim.node("a1"), sim.node("a2"))
    sim.wait(5)
    return stage


@attack(
    1,
    without=[Swap("core.domain:signed_by_quorum", lambda *_: True)],
)
def test_row_01_a_member_that_nobody_has_admitted() -> None:
    """A stranger comes with a certificate of one root where two are needed: NOT_A_MEMBER, no session."""
    two = Two()
    sim = chain(two, connect=False)
    alone = two.realms["a"].admit(sim.node("a1"), signers=two.realms["a"].newest.signers[:1])
    stage = admission(two, alone)
    holds(ErrorCode.NOT_A_MEMBER in stage.complaints(), "the victim counts the roots that have signed")
    holds(not stage.told("a1", SessionProof), "there is no session")


@attack(20, without=[Swap("codec.root_signing:refuse_stripped", lambda *_: None)])
def test_row_20_a_signature_taken_off_a_certificate() -> None:
    """Of two roots' signatures one is stripped on the way: BAD_SIGNATURE, for the payload names both."""
    stage = admission(Two(), strip=True)
    holds(ErrorCode.BAD_SIGNATURE in stage.complaints(), "the payload says who has to have signed")


# ------------------------------------------------------------------ 3, 37


@attack(3, without=[Swap("core.paths:PathChecker._check_mark", lambda *_: None)])
def test_row_03_a_leak_by_a_neighbour() -> None:
    """A customer tells what a peer of another domain has told it: POLICY, for the path bears the mark."""
    two = Two()
    sim = chain(two, two.configure(transit=Transit.PAID))
    stage = Stage(sim, attacker="b1", victim="b2", witness="b1")
    leaked = [
        envelope
        for envelope in stage.envelopes("b1", "b2", PathAdvert)
        if decoded(decoded(envelope, PathAdvert).entries[-1], PathEntry).position > 0
    ]
    mistake(sim.router("b2"), sim.node("b1"), Role.CUSTOMER)
    stage.say(*leaked)
    holds(set(stage.complaints()) == {ErrorCode.POLICY}, "the victim sees the leak in the path itself")


@attack(37, without=[Swap("core.domain:Domain.is_stale", lambda *_: False)])
def test_row_37_a_trust_list_that_does_not_come() -> None:
    """Somebody keeps the next trust list back: after its grace nothing new is bought, sessions stand."""
    ends = START_UTC_S + 3_000
    two = Two(expires_utc_s=ends, grace_s=GRACE_S)
    sim = chain(two)
    stage = Stage(sim, attacker="a1", victim="a2", witness="b1")
    sim.wire.run_until(ends + GRACE_S)
    stage.look_from_now()
    sim.want("a2", KWH_J, 300_000)
    sim.at(200)
    holds(not stage.told("a1", Hold), "missing trust is no trust: nothing new")
    holds(not stage.told("a1", Close), "what stands goes on")
