"""The pure side of pairing: codes, what one code allows, conversations between two machines."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ioe_router.codec.pairing import cpace, messages
from ioe_router.codec.pairing.conversation import ENTROPY_BYTES, Conversation, Initiator, Phase, Responder
from ioe_router.codec.pairing.desk import Desk
from ioe_router.codec.pairing.effects import Effect, Failed, Learned, Paired, Send
from ioe_router.model import pairing
from ioe_router.model.envelope import Envelope, ObjectType, Signature
from ioe_router.model.errors import ErrorCode, PeerError, UsageError
from ioe_router.model.pairing import CODE_LIFETIME_S, PROOF_S, Card, Kind
from ioe_router.model.pairing_code import ALPHABET, make_code, parse_code, shown

S = 1_000_000_000
CODE, OTHER = make_code(bytes(range(16))), make_code(b"\xff" * 16)
A_CARD = Card(network_id="village", ca_der=b"certificate of A", port=7443)
B_CARD = Card(network_id="village", ca_der=b"certificate of B", port=0)
HALF = Envelope(
    type=ObjectType.LINK_ATTESTATION,
    signed=b"link",
    signatures=(Signature(key=bytes(32), signature=bytes(64)),),
)
SPEC = Path(__file__).parents[3] / "SPEC.md"
codes = st.binary(min_size=16, max_size=16).map(make_code)


def _initiator(code: str = CODE, seed: int = 1) -> Initiator:
    return Initiator(code, A_CARD, bytes([seed]) * ENTROPY_BYTES, 0)


def _responder(desk: Desk, seed: int = 2) -> Responder:
    return Responder(desk, B_CARD, bytes([seed]) * ENTROPY_BYTES, 0)


def _talk(a: Initiator, b: Responder, link: Envelope | None = None, now_ns: int = 0) -> list[Effect]:
    """Carry messages to and fro until both are silent; both hosts accept, A states `link`, B agrees to it."""
    happened: list[Effect] = []
    waiting: list[tuple[Conversation, bytes]] = []

    def take(effects: tuple[Effect, ...], side: Conversation) -> None:
        for effect in effects:
            happened.append(effect)
            if isinstance(effect, Send):
                waiting.append((b if side is a else a, effect.data[2:]))
            elif isinstance(effect, Learned):
                take(side.answer(link if side is a else effect.link), side)

    take(b.greet(), b)
    while waiting:
        side, message = waiting.pop(0)
        assert len(message) <= side.bytes_max
        take(side.receive(message, now_ns), side)
    return happened


def _ends(effects: list[Effect]) -> list[Effect]:
    return [effect for effect in effects if isinstance(effect, Paired | Failed)]


@given(codes, st.integers(0, 7), st.sampled_from(ALPHABET))
def test_every_wrong_character_is_found(code: str, place: int, letter: str) -> None:
    """A code with one other character is refused before anything is sent."""
    mistyped = code[:place] + letter + code[place + 1 :]
    if mistyped == code:
        assert parse_code(shown(code)) == code
    else:
        with pytest.raises(UsageError, match="mistyped"):
            parse_code(mistyped)


@given(codes, st.integers(0, 6))
def test_every_swap_is_found(code: str, place: int) -> None:
    """A code with two neighbours swapped is refused, unless they are the same."""
    swapped = code[:place] + code[place + 1] + code[place] + code[place + 2 :]
    if swapped != code:
        with pytest.raises(UsageError, match="mistyped"):
            parse_code(swapped)


@given(st.text(max_size=20))
def test_any_typed_text_is_a_code_or_a_sentence(text: str) -> None:
    """Whatever is typed is a code, or refused with a sentence that says to read it again."""
    try:
        said = parse_code(text)
    except UsageError as error:
        said = str(error)
    assert len(said) == 8 or "read it again from the other box" in said


def test_both_sides_end_with_each_others_card_and_the_link() -> None:
    """With the same code both pair, and both hold the link that A stated and B agreed to."""
    ends = _ends(_talk(_initiator(), _responder(Desk(CODE, 0)), HALF))
    assert ends == [Paired(card=A_CARD, link=HALF), Paired(card=B_CARD, link=HALF)]


def test_a_pairing_needs_no_link() -> None:
    """Two boxes pair without a link as well."""
    ends = _ends(_talk(_initiator(), _responder(Desk(CODE, 0))))
    assert ends == [Paired(card=A_CARD, link=None), Paired(card=B_CARD, link=None)]


def test_nothing_is_told_under_a_wrong_code() -> None:
    """With another code both fail with WRONG_CODE, and B has sent no tag and nothing sealed."""
    happened = _talk(_initiator(OTHER), _responder(Desk(CODE, 0)))
    assert [(end.code, end.told) for end in happened if isinstance(end, Failed)] == [
        (ErrorCode.WRONG_CODE, False),
        (ErrorCode.WRONG_CODE, True),
    ]
    kinds = [Kind(effect.data[2]) for effect in happened if isinstance(effect, Send)]
    assert kinds == [Kind.GREETING, Kind.SHARE_A, Kind.SHARE_B, Kind.CONFIRM_A, Kind.REFUSED]


def test_three_wrong_tries_close_the_code() -> None:
    """After three wrong tries the right code is refused, too."""
    desk = Desk(CODE, 0)
    for seed in range(3):
        ends = _ends(_talk(_initiator(OTHER, seed=10 + seed), _responder(desk, seed=20 + seed)))
        assert isinstance(ends[0], Failed)
        assert ends[0].code is ErrorCode.WRONG_CODE
    ends = _ends(_talk(_initiator(), _responder(desk, seed=30)))
    assert [end.code for end in ends if isinstance(end, Failed)] == [ErrorCode.CODE_CLOSED] * 2
    with pytest.raises(PeerError, match="tried 3 times"):
        desk.admit(0)


def test_a_try_is_spent_before_the_answer() -> None:
    """Who hangs up after its share has made a guess all the same."""
    desk = Desk(CODE, 0)
    a, b = _initiator(), _responder(desk)
    (greeting,) = b.greet()
    assert isinstance(greeting, Send)
    (share,) = a.receive(greeting.data[2:], 0)
    assert isinstance(share, Send)
    b.receive(share.data[2:], 0)
    assert desk.tries_left == 2


def test_a_late_code_is_closed() -> None:
    """Five minutes after it was shown, a code is good for nothing."""
    desk = Desk(CODE, 0)
    assert desk.is_open(CODE_LIFETIME_S * S - 1)
    ends = _ends(_talk(_initiator(), _responder(desk), now_ns=CODE_LIFETIME_S * S))
    assert [end.code for end in ends if isinstance(end, Failed)] == [ErrorCode.CODE_CLOSED] * 2
    with pytest.raises(PeerError, match="run out"):
        desk.admit(CODE_LIFETIME_S * S)


def test_a_code_pairs_once() -> None:
    """A second box with the right code finds it used."""
    desk = Desk(CODE, 0)
    _talk(_initiator(), _responder(desk))
    assert not desk.is_open(0)
    ends = _ends(_talk(_initiator(seed=3), _responder(desk, seed=4)))
    assert [end.code for end in ends if isinstance(end, Failed)] == [ErrorCode.CODE_CLOSED] * 2


def test_of_two_at_once_one_pairs() -> None:
    """Two boxes with the right code that have both begun: the first to prove it pairs."""
    desk = Desk(CODE, 0)
    waiting = []
    for seed in (1, 3):
        a, b = _initiator(seed=seed), _responder(desk, seed=seed + 10)
        message = _sent(b.greet())
        message = _sent(b.receive(_sent(a.receive(message, 0)), 0))
        waiting.append((b, _sent(a.receive(message, 0))))
    results = [b.receive(confirm, 0) for b, confirm in waiting]
    assert isinstance(results[0][1], Send)
    assert isinstance(results[1][-1], Failed)
    assert results[1][-1].code is ErrorCode.CODE_CLOSED


def _sent(effects: tuple[Effect, ...]) -> bytes:
    assert isinstance(effects[0], Send)
    return effects[0].data[2:]


def test_callers_are_bounded() -> None:
    """Four conversations at once and 64 calls for one code, then LIMIT_REACHED."""
    desk = Desk(CODE, 0)
    for _ in range(4):
        desk.admit(0)
    with pytest.raises(PeerError) as caught:
        desk.admit(0)
    assert caught.value.code is ErrorCode.LIMIT_REACHED
    for _ in range(60):
        desk.leave()
        desk.admit(0)
    desk.leave()
    with pytest.raises(PeerError) as caught:
        desk.admit(0)
    assert caught.value.code is ErrorCode.LIMIT_REACHED


def test_a_reflected_share_is_refused_by_either_side() -> None:
    """A box that sends the other's own share back is refused, though it would have the same key."""
    a = _initiator()
    share = _sent(a.receive(messages.greeting(bytes(16))[2:], 0))
    _, end = a.receive(messages.encode(Kind.SHARE_B, share[-32:])[2:], 0)
    assert isinstance(end, Failed)
    assert end.code is ErrorCode.BAD_SIGNATURE


def test_a_conversation_ends_in_time() -> None:
    """A silent other side is refused after ten seconds, and what comes later is not heard."""
    b = _responder(Desk(CODE, 0))
    b.greet()
    assert b.expire(PROOF_S * S - 1) == ()
    send, end = b.expire(PROOF_S * S)
    assert isinstance(send, Send)
    assert isinstance(end, Failed)
    assert (end.code, b.phase) == (ErrorCode.KEEPALIVE_TIMEOUT, Phase.OVER)
    assert b.next_deadline_ns() is None
    assert b.receive(messages.share_a(bytes(16), bytes(32))[2:], 0) == ()


def test_a_host_may_refuse_what_it_learned() -> None:
    """A host that finds the other in another network ends the conversation, and the other learns the code."""
    a, b = _initiator(), _responder(Desk(CODE, 0))
    message = _sent(b.receive(_sent(a.receive(_sent(b.greet()), 0)), 0))
    confirm, card = b.receive(_sent(a.receive(message, 0)), 0)
    assert isinstance(confirm, Send)
    assert isinstance(card, Send)
    a.receive(confirm.data[2:], 0)
    assert a.receive(card.data[2:], 0) == (Learned(card=B_CARD, link=None),)
    send, end = a.refuse(ErrorCode.NETWORK_MISMATCH, "another network")
    assert isinstance(send, Send)
    (told,) = b.receive(send.data[2:], 0)
    assert told == Failed(code=ErrorCode.NETWORK_MISMATCH, detail="the other side ended it", told=True)
    assert isinstance(end, Failed)


@given(st.lists(st.binary(max_size=80), max_size=6))
def test_any_bytes_end_in_order(lines: list[bytes]) -> None:
    """Whatever a stranger sends, a side answers with at most one refusal and never fails itself."""
    for side in (_initiator(), _responder(Desk(CODE, 0))):
        failed = [e for line in lines for e in side.receive(line, 0) if isinstance(e, Failed)]
        assert len(failed) <= 1
        assert (side.phase is Phase.OVER) == bool(failed)


@given(st.binary(max_size=300))
def test_any_records_are_read_or_refused(plain: bytes) -> None:
    """Any bytes under a seal are records, or refused as MALFORMED, UNKNOWN_TYPE or OUT_OF_BOUNDS."""
    code = None
    try:
        messages.read_records(plain)
    except PeerError as error:
        code = error.code
    assert code in {None, ErrorCode.MALFORMED, ErrorCode.OUT_OF_BOUNDS, ErrorCode.UNKNOWN_TYPE}


@given(st.integers(1, 2**255 - 20))
def test_elligator_gives_points_of_the_curve(number: int) -> None:
    """What a number but 0 maps to is a u coordinate of the curve, not of its twist."""
    p = 2**255 - 19
    u = cpace.elligator2(number)
    assert pow(u**3 + 486662 * u**2 + u, (p - 1) // 2, p) == 1


def test_the_table_of_the_specification_has_our_figures() -> None:
    """SPEC 6.1.2 states the limits that this implementation keeps."""
    text = SPEC.read_text(encoding="utf-8").split("<!-- table: pairing-limits -->")[1].split("\n\n")[0]
    stated = [int(value) for value in re.findall(r"\| (\d+)(?: s)? \|", text)]
    assert stated == [
        CODE_LIFETIME_S,
        pairing.TRIES_MAX,
        1,
        pairing.CONVERSATIONS_MAX,
        pairing.CALLS_MAX,
        PROOF_S,
        pairing.CONSENT_S,
        messages.OPEN_BYTES_MAX,
        pairing.MESSAGE_BYTES_MAX,
    ]
