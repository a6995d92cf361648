"""Attack list, rows about sessions, clocks and what one bad object may do: 10, 11, 18, 23, 34 to 38."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mutants.patching import Edit

from ioe_router.codec import mapping
from ioe_router.codec.bound_rules import FRAME_BYTES
from ioe_router.core.outbox import Outbox
from ioe_router.model.discovery import Close, Hello, Keepalive, SessionProof
from ioe_router.model.envelope import Envelope, Frame, ObjectType
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.ids import NodeId
from ioe_router.model.routing import LinkState, Offer
from ioe_router.router import Router
from tests.attacks.attack import Swap, Value, attack, holds
from tests.attacks.stage import STREET, Stage, last_offer, offer, signed_bytes, street, unsigned
from tests.simulation.pair import KWH_J, Cable, decoded


def reconnect(stage: Stage, bend: Callable[[Hello], Hello], *, proofs_arrive: bool = True) -> None:
    """Let the attacker come back with another HELLO than its router would say.

    `proofs_arrive` False: its honest router hears no proof of the victim's, and cannot object first.
    """
    attacker, victim = stage.sim.node(stage.attacker), stage.sim.node(stage.victim)
    stage.sim.wire.disconnect(attacker, victim)
    stage.sim.wire.settle()

    def rule(here: str, _: str, envelope: Envelope) -> list[Envelope]:
        if here == stage.attacker and envelope.type is ObjectType.HELLO:
            return [stage.signed(here, bend(decoded(envelope, Hello)))]
        shows_proof = here == stage.victim and envelope.type is ObjectType.SESSION_PROOF
        return [] if shows_proof and not proofs_arrive else [envelope]

    stage.sim.wire.on_object = rule
    stage.look_from_now()
    stage.sim.wire.connect(attacker, victim)
    stage.sim.wait(5)


def is_refused(stage: Stage, code: ErrorCode) -> bool:
    """Whether the victim has closed with this code and has shown no proof."""
    return stage.complaints() == [code] and not stage.told(stage.attacker, SessionProof)


# ------------------------------------------------------------------ 10, 11, 18: who comes back


@attack(10, without=[Swap("core.hello:check_epochs", lambda *_, **__: None)])
def test_row_10_a_neighbour_that_was_put_back() -> None:
    """The mill comes back from an old copy, with an epoch below one seen before: STALE, no session."""
    stage = street()
    stage.sim.router("street").inspect().sessions.restore_epoch(stage.sim.node("mill"), 5)
    reconnect(stage, lambda hello: replace(hello, epoch=4))
    holds(is_refused(stage, ErrorCode.STALE), "the victim remembers a later life of the neighbour")


@attack(11, without=[Value("core.hello:CLOCK_ERROR_MAX_MS", 10**12)])
def test_row_11_a_clock_that_is_61_seconds_off() -> None:
    """A HELLO with another time: CLOCK_UNSYNCED, no session."""
    stage = street()
    reconnect(stage, lambda hello: replace(hello, clock_utc_ms=hello.clock_utc_ms + 61_000))
    holds(is_refused(stage, ErrorCode.CLOCK_UNSYNCED), "the victim trades with nobody in another time")


@attack(11, without=[Value("core.hello:CLOCK_ERROR_MAX_MS", 10**12)])
def test_row_11_a_clock_that_drifts_away() -> None:
    """Within a session a sign of life shows another time: CLOCK_UNSYNCED, the session ends."""
    stage = street()
    late_ms = stage.sim.wire.now.utc_ms - 61_000
    heard = stage.sim.wire._seq["street", "mill"]
    stage.say(unsigned(Keepalive(clock_utc_ms=late_ms, received_seq=heard)))
    holds(ErrorCode.CLOCK_UNSYNCED in stage.complaints(), "the victim ends the session")


@attack(18, without=[Swap("core.neighbor_session:proof_problem", lambda *_: None)])
def test_row_18_an_older_hello_with_fewer_features() -> None:
    """Somebody on the way puts an older HELLO of the mill in place of the new one: REPLAYED, no session."""
    stage = street()
    reconnect(stage, lambda hello: replace(hello, features=0, nonce=bytes(32)), proofs_arrive=False)
    holds(stage.complaints() == [ErrorCode.REPLAYED], "the proofs name both HELLOs, and these differ")


# ------------------------------------------------------------------ 23: bombs


@attack(23, without=[Value("codec.frames:FRAME_BYTES", 1 << 30)])
def test_row_23_a_frame_above_its_size() -> None:
    """A frame of one byte more than a mebibyte: TOO_LARGE, unread."""
    stage = street()
    stage.say_bytes(b"\x0a" * (FRAME_BYTES + 1))
    holds(stage.complaints() == [ErrorCode.TOO_LARGE], "the victim reads nothing of it")


@attack(
    23,
    without=[
        Edit("codec.wire:_refuse_above", "if count > step.most:", "if False:"),
        Swap("codec.bounds:check", lambda _: None),
    ],
)
def test_row_23_more_envelopes_than_a_frame_may_hold() -> None:
    """1 025 empty envelopes: OUT_OF_BOUNDS at the one too many."""
    stage = street()
    stage.say_bytes(
        mapping.encode(Frame(session=b"", seq=1, envelopes=(), signature=None)) + b"\x1a\x02\x08\x01" * 1_025
    )
    holds(stage.complaints() == [ErrorCode.OUT_OF_BOUNDS], "the victim counts while it reads")


@attack(23, without=[Value("codec.frames:ENVELOPE_BYTES", 1 << 30)])
def test_row_23_an_envelope_above_its_size() -> None:
    """65 537 bytes in one envelope: TOO_LARGE, before anything else is looked at."""
    stage = street()
    sim = stage.sim
    session = sim.router("street").inspect().sessions.session_id(sim.node("mill"))
    big = Envelope(type=ObjectType.OFFER, signed=bytes(65_537), signatures=())
    seq = sim.wire._seq["mill", "street"] + 1
    stage.say_bytes(mapping.encode(Frame(session=session, seq=seq, envelopes=(big,), signature=None)))
    holds(stage.complaints() == [ErrorCode.TOO_LARGE], "the victim ends the session")


# ------------------------------------------------------------------ 34 to 37: one object


def _refuse_with_session(
    router: Router, neighbor: NodeId, _: Envelope, error: PeerError, out: Outbox
) -> None:
    """What BGP did: an object that cannot be used ends the session."""
    router._parts.sessions.close(neighbor, error.code, error.detail, out)


@attack(34, without=[Swap("router:Router._refuse", _refuse_with_session)])
def test_row_34_one_malformed_object_among_good_ones() -> None:
    """An object that cannot be read is refused alone: what stands behind it is served, the session stands."""
    stage = street()
    offer(stage.sim, "mill", price=70_000)
    stage.sim.wait(10)
    good = stage.signed("mill", replace(last_offer(stage, "mill"), seq=99, energy_cap_j=KWH_J))
    bad = signed_bytes(stage.signer("mill"), Offer, b"\xff\xff")
    stage.say(bad, good)
    holds(not stage.told("mill", Close), "the session stands")
    holds(stage.complaints() == [ErrorCode.MALFORMED], "the bad object is refused")
    holds(stage.passed_on(good), "the good one is passed on")


@attack(
    36,
    without=[Edit("codec.wire:_text", "if not (text.isascii() and text.isprintable()):", "if False:")],
)
def test_row_36_a_text_that_clears_the_screen() -> None:
    """A Close whose text holds an escape sequence: MALFORMED; no terminal and no log ever sees it."""
    stage = street()
    close = mapping.encode(Close(code=ErrorCode.SHUTTING_DOWN, text="XXXX", restart_s=0))
    stage.say(Envelope(type=ObjectType.CLOSE, signed=close.replace(b"XXXX", b"\x1b[2J"), signatures=()))
    holds(stage.complaints() == [ErrorCode.MALFORMED], "the victim takes printable ASCII only")


@attack(
    37,
    without=[
        Edit(
            "codec.sealing:CodecSealer._signers",
            "signers = tuple(self.ring.node_of(one.key, self.now) for one in envelope.signatures)",
            "signers = tuple(body.origin if envelope.type is ObjectType.OFFER"
            " else self.ring.node_of(one.key, self.now) for one in envelope.signatures)",
        ),
        Swap("core.evidence:Evidence.signers_expire_utc_s", lambda *_: 1 << 40),
    ],
)
def test_row_37_a_certificate_that_never_comes() -> None:
    """The mill keeps the certificate of the farm's new key back: UNKNOWN_KEY; missing trust is no trust."""
    from tests.attacks.test_rows_of_signatures import certified

    stage = street()
    fresh, _ = certified(stage, "farm", 2, lifetime_s=3_600)
    unknown = signed_bytes(fresh, Offer, mapping.encode(replace(last_offer(stage), seq=50, energy_cap_j=1)))
    stage.say(unknown)
    holds(stage.complaints() == [ErrorCode.UNKNOWN_KEY], "the victim does not believe what it cannot judge")
    holds(not stage.passed_on(unknown), "the witness hears nothing of it")


@attack(
    35,
    without=[
        Edit("core.upkeep:publish_link_states", "and not port.attestation.body.access", ""),
        Edit("core.link_state:LinkStates.publish", "if attested.body.access:", "if False:"),
    ],
)
def test_row_35_the_load_of_a_single_household() -> None:
    """The house sells over its access link: nobody is told how much flows there."""
    mill, _, _ = STREET
    stage = street(mill, STREET[1], Cable("street", "house", access=True))
    offer(stage.sim, "house", price=50_000)
    stage.sim.at(500)
    stage.look_from_now()
    stage.sim.want("mill", KWH_J, 500_000)
    stage.sim.wait(60)
    link = stage.sim.port("street", "house").link
    holds(
        link not in [state.link for state in stage.told("mill", LinkState)],
        "the mill, which buys there, is told nothing of the link's load",
    )


@attack(38, without=[Swap("core.damping:Damping.suppressed", lambda *_: False)])
def test_row_38_an_offer_that_changes_every_second() -> None:
    """The farm betters its offer every second for a minute: the witness is told of it a dozen times."""
    stage = street()
    body = last_offer(stage)
    stage.look_from_now()
    for turn in range(1, 61):
        better = replace(body, seq=body.seq + turn, energy_cap_j=KWH_J * (100 + turn))
        stage.sim.wire.inject("mill", "street", stage.signed("farm", better))
        stage.sim.wait(1)
    told = [o for o in stage.told("house", Offer) if o.origin == stage.sim.node("farm")]
    holds(len(told) <= 16, f"the witness was told {len(told)} versions")
