"""Equivocation: whoever signs two contents under one number has signed the proof, and it is kept."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from ioe_router.codec.keys import certify
from ioe_router.codec.signing import Ed25519Signer
from ioe_router.core.effects import Persist, RecordKind
from ioe_router.core.events import Equivocation, EquivocationRestored, PeerFault, StoreOutdated
from ioe_router.core.inputs import Started
from ioe_router.model.clock import Now
from ioe_router.model.discovery import Hello
from ioe_router.model.envelope import Envelope
from ioe_router.model.errors import ErrorCode
from ioe_router.model.proof import Proof
from ioe_router.model.routing import Flow, LinkState, Offer
from ioe_router.router import Router
from ioe_router.sim.keys import SeededEntropy
from tests.simulation.pair import SLOT, START_UTC_S, Cable, Sim, build

CABLES = (Cable("mill", "street"), Cable("street", "house"))


def proofs(sim: Sim, name: str) -> tuple[Proof, ...]:
    """What a node can prove."""
    return sim.router(name).snapshot().proofs


def two_offers(sim: Sim) -> tuple[Envelope, Envelope]:
    """The mill's offer, and another content under its number, which it tells the street."""
    sim.offer("mill", 90_000)
    sim.wait(5)
    (told,) = [e for s, r, e in sim.wire.passed if (s, r) == ("mill", "street") and e.type.name == "OFFER"]
    (offer,) = sim.heard("mill", "street", Offer)
    second = sim.seal("mill", replace(offer, energy_cap_j=offer.energy_cap_j + 1))
    sim.wire.inject("mill", "street", second)
    return told, second


def test_both_envelopes_of_an_equivocation_are_kept_told_and_shown() -> None:
    """Event and view carry both envelopes and the certificate to judge them by; a proof is told once."""
    sim = build(*CABLES)
    told, second = two_offers(sim)
    (event,) = sim.events("street", Equivocation)
    assert (event.proof.first, event.proof.second) == (told, second)
    assert event.proof.node == sim.node("mill")
    assert event.proof.certificates == (sim.ids["mill"].own_key.envelope,)
    assert proofs(sim, "street") == (event.proof,)
    assert ErrorCode.EQUIVOCATION in [e.code for e in sim.events("street", PeerFault)]
    sim.wire.inject("mill", "street", second)
    assert len(sim.events("street", Equivocation)) == 1, "the same proof is told once"


def test_a_proof_survives_a_restart_and_keeps_its_origin_out() -> None:
    """Who takes up the record tells and shows the proof, and takes nothing of that epoch from the origin."""
    sim = build(*CABLES)
    street = sim.router("street")
    written: list[Persist] = []
    handle_all = street.handle_all

    def noting(inputs: object, now: Now) -> object:
        effects = handle_all(inputs, now)  # type: ignore[arg-type]
        written.extend(e for e in effects if isinstance(e, Persist))
        return effects

    street.handle_all = noting  # type: ignore[method-assign, assignment]
    two_offers(sim)
    rows = [row for row in written if row.kind in (RecordKind.PROOF, RecordKind.NEIGHBOR)]
    assert [row.kind for row in rows if row.kind is RecordKind.PROOF] == [RecordKind.PROOF]
    again = Router(
        street._config,
        own_key=sim.ids["street"].own_key,
        signer=sim.ids["street"].signer,
        entropy=SeededEntropy(b"again"),
        now=sim.wire.now,
    )
    again.restore(rows, sim.wire.now)
    assert again.snapshot().proofs == proofs(sim, "street")
    sim.wire.disconnect(sim.node("mill"), sim.node("street"))
    sim.wire.disconnect(sim.node("house"), sim.node("street"))
    sim.wire.settle()
    sim.wire.nodes[sim.node("street")].router = again
    sim.wire.give(sim.node("street"), Started(epoch=2))
    sim.wire.connect(sim.node("mill"), sim.node("street"))
    sim.wait(20)
    assert not again.snapshot().offers
    assert tuple(e.proof for e in sim.events("street", EquivocationRestored)) == again.snapshot().proofs
    faults = [e for e in sim.events("street", PeerFault) if e.code is ErrorCode.EQUIVOCATION]
    assert len(faults) >= 2


def test_two_states_of_a_link_under_one_number_are_a_proof() -> None:
    """The keeper of a link says two things under one number: the second is refused, both are kept."""
    sim = build(*CABLES)
    sim.offer("mill", 90_000)
    sim.wait(5)
    state = LinkState(
        link=sim.port("mill", "street").link,
        slot_utc_s=SLOT,
        epoch=9,
        seq=1,
        net_flow=Flow.UNSPECIFIED,
        net_energy_j=0,
        residual_down_j=5_000_000,
        residual_up_j=5_000_000,
        issued_utc_s=sim.wire.now.utc_s,
    )
    sim.say("mill", "street", state, replace(state, residual_up_j=1_000_000))
    (proof,) = proofs(sim, "street")
    assert (proof.node, proof.epoch) == (sim.node("mill"), 9)
    assert sim.router("street").inspect().routing.link_state(state.link, SLOT) == state


def test_two_certificates_with_one_serial_are_a_proof() -> None:
    """An identity that certifies two keys under one serial number is found out by its own signatures."""
    sim = build(*CABLES)
    mill = sim.ids["mill"]
    identity = Ed25519Signer.from_seed(_identity_seed("mill"))
    other = Ed25519Signer.from_seed(bytes(range(32)))
    body = replace(mill.own_key.body, operational_key=other.public_key)
    second = certify(body, identity=identity, operational=other).envelope
    sim.wire.inject("mill", "street", second)
    (proof,) = proofs(sim, "street")
    assert (proof.node, proof.first, proof.second) == (sim.node("mill"), mill.own_key.envelope, second)


def _identity_seed(name: str) -> bytes:
    return hashlib.sha256(f"identity 1 {name}".encode()).digest()


# ------------------------------------------------------------------ restored from an old copy


def start_of(sim: Sim, epoch: int, last_epoch: int | None, seen_epoch: int) -> list[object]:
    """The house starts again; the street remembers `seen_epoch` of it. Events of the house."""
    house, street = sim.node("house"), sim.node("street")
    router = Router(
        sim.router("house")._config,
        own_key=sim.ids["house"].own_key,
        signer=sim.ids["house"].signer,
        entropy=SeededEntropy(b"again"),
        now=Now(0, START_UTC_S * 1000),
    )
    sim.router("street").inspect().sessions.restore_epoch(house, seen_epoch)
    sim.wire.nodes[house].router = router
    sim.wire.nodes[house].events.clear()
    sim.wire.give(house, Started(epoch=epoch, last_epoch=last_epoch))
    sim.wire.connect(house, street)
    sim.wait(1)
    return list(sim.all_events("house"))


def down(sim: Sim) -> Sim:
    """The house is off."""
    sim.wire.disconnect(sim.node("house"), sim.node("street"))
    sim.wire.settle()
    return sim


def test_an_old_copy_of_a_store_is_noticed_by_what_neighbours_remember() -> None:
    """A start that the store does not know of is told to the host, with both epochs; the session stands."""
    events = start_of(down(build(*CABLES)), epoch=30, last_epoch=10, seen_epoch=20)
    (outdated,) = [e for e in events if isinstance(e, StoreOutdated)]
    assert (outdated.seen_epoch, outdated.last_epoch) == (20, 10)


def test_a_store_that_is_up_to_date_raises_no_alarm() -> None:
    """What neighbours remember is the last start in the store, or nobody knows what is in the store."""
    for last_epoch, seen_epoch in ((20, 20), (20, 0), (None, 20)):
        events = start_of(down(build(*CABLES)), 30, last_epoch, seen_epoch)
        assert not [e for e in events if isinstance(e, StoreOutdated)]


def test_an_epoch_that_went_back_is_refused_and_says_what_to_do() -> None:
    """A node started below an epoch that its neighbour has seen gets no session, and its log a remedy."""
    sim = down(build(*CABLES))
    events = start_of(sim, epoch=15, last_epoch=10, seen_epoch=20)
    (fault,) = [e for e in events if isinstance(e, PeerFault)]
    assert fault.code is ErrorCode.STALE
    assert "set the clock, put the newest store back and start again" in fault.detail
    assert not sim.router("house").inspect().sessions.established(sim.node("street"))
    assert [h.last_seen_epoch for h in sim.heard("street", "house", Hello)][-1] == 20
