"""Attacks on the pairing port (SPEC section 6.1), each played with its defence and without it.

They stand beside the rows of the attack list: the port is open for five
minutes, to strangers, and is the one place where a stranger is answered.
"""

from __future__ import annotations

from collections.abc import Sequence

from mutants.patching import Edit

from ioe_router.codec.pairing import cpace, messages
from ioe_router.codec.pairing.conversation import ENTROPY_BYTES, Conversation, Initiator, Responder
from ioe_router.codec.pairing.desk import Desk
from ioe_router.codec.pairing.effects import Effect, Learned, Send
from ioe_router.codec.pairing.schedule import associated, seal_key
from ioe_router.model.errors import PeerError
from ioe_router.model.pairing import CODE_LIFETIME_S, CONVERSATIONS_MAX, VERSION, Card, Kind, Role
from ioe_router.model.pairing_code import make_code
from tests.attacks.attack import Swap, both_worlds, holds

S = 1_000_000_000
CODE = make_code(bytes(range(16)))
WRONG = tuple(make_code(bytes([number]) * 16) for number in range(40, 60))
A_CARD = Card(network_id="village", ca_der=b"certificate of A", port=7443)
B_CARD = Card(network_id="village", ca_der=b"certificate of B", port=7443)


def box(desk: Desk, seed: int = 1) -> Responder:
    """The box that shows the code."""
    return Responder(desk, B_CARD, bytes([seed]) * ENTROPY_BYTES, 0)


def lines(effects: Sequence[Effect]) -> list[bytes]:
    """What is sent, without lengths."""
    return [effect.data[2:] for effect in effects if isinstance(effect, Send)]


def guess(desk: Desk, code: str, seed: int, now_ns: int = 0) -> list[bytes]:
    """A stranger plays side A with this code; returns what the box said."""
    a = Initiator(code, A_CARD, bytes([seed]) * ENTROPY_BYTES, now_ns)
    b = box(desk, seed + 100)
    said = lines(b.greet())
    for at in range(4):
        if at >= len(said):
            break
        for message in lines(a.receive(said[at], now_ns)):
            said += lines(b.receive(message, now_ns))
    return said


def kinds(said: Sequence[bytes]) -> set[int]:
    """The kinds of messages in what was said."""
    return {message[0] for message in said}


@both_worlds(Edit("codec.pairing.desk:Desk.spend", "self.tries_left -= 1", "pass"))
def test_guessing_the_code() -> None:
    """A stranger tries code after code, the right one last: after three tries none is judged any more."""
    desk = Desk(CODE, 0)
    answers = [guess(desk, code, number) for number, code in enumerate((*WRONG[:9], CODE))]
    judged = [said for said in answers if Kind.SHARE_B in kinds(said)]
    holds(len(judged) == 3, "three guesses are answered and no more")
    holds(not desk.used, "the tenth guess does not pair")


@both_worlds(
    Edit("codec.pairing.conversation:Responder._take", "self._desk.spend(now_ns)", "pass"),
    Edit(
        "codec.pairing.conversation:Responder._take",
        "self._desk.use()",
        "self._desk.spend(now_ns), self._desk.use()",
    ),
)
def test_guessing_without_waiting_for_the_verdict() -> None:
    """A stranger hangs up after each share: every one of them has cost a try."""
    desk = Desk(CODE, 0)
    answered = 0
    for number in range(9):
        b = box(desk, number)
        b.greet()
        point = bytes([9, number]) + bytes(30)
        answered += Kind.SHARE_B in kinds(lines(b.receive(messages.share_a(bytes(16), point)[2:], 0)))
    holds(answered == 3, "the fourth share is not answered")


@both_worlds(Edit("codec.pairing.desk:Desk._refuse_closed", "if now_ns >= self.deadline_ns:", "if False:"))
def test_a_code_that_was_found_later() -> None:
    """Somebody who finds the note with the code an hour later does not get in."""
    desk = Desk(CODE, 0)
    guess(desk, CODE, 1, now_ns=12 * CODE_LIFETIME_S * S)
    holds(not desk.used, "a code ends after five minutes")


@both_worlds(
    Edit("codec.pairing.desk:Desk._refuse_closed", "if self.used:", "if False:"),
    Edit("codec.pairing.desk:Desk.use", "if self.used:", "if False:"),
)
def test_a_code_that_was_overheard() -> None:
    """Somebody who heard the code being read out comes after the right box: nothing is said to it."""
    desk = Desk(CODE, 0)
    holds(Kind.SEALED in kinds(guess(desk, CODE, 1)), "the right box is served")
    holds(Kind.SEALED not in kinds(guess(desk, CODE, 2)), "a code serves one box")


@both_worlds(Swap("codec.pairing.schedule:Keys.judge", lambda _self, _tag: None))
def test_a_stranger_with_a_wrong_code_learns_nothing() -> None:
    """Whoever has another code gets a refusal, and neither a tag nor anything sealed."""
    said = guess(Desk(CODE, 0), WRONG[0], 1)
    holds(kinds(said) == {Kind.GREETING, Kind.SHARE_B, Kind.REFUSED}, "nothing is sealed for a stranger")


@both_worlds(
    Edit(
        "codec.pairing.cpace:multiply",
        'raise PeerError(ErrorCode.BAD_SIGNATURE, "the share is a point of small order") from error',
        "return bytes(32)",
    )
)
def test_a_share_of_small_order() -> None:
    """A stranger sends the zero point, so that the shared key is zero whatever the code is."""
    desk, zero = Desk(CODE, 0), bytes(32)
    b = box(desk)
    nonce = lines(b.greet())[0][-16:]
    answer = lines(b.receive(messages.share_a(zero[:16], zero)[2:], 0))[0]
    sid = zero[:16] + nonce
    theirs = answer[1:] if answer[0] == Kind.SHARE_B else zero
    key = cpace.session_key(sid, zero, zero, associated(Role.A), theirs, associated(Role.B))
    tag = cpace.tag(cpace.mac_key(sid, key), zero, associated(Role.A))
    said = lines(b.receive(messages.encode(Kind.CONFIRM_A, tag)[2:], 0))
    holds(not desk.used, "a share of small order proves nothing")
    holds(Kind.SEALED not in kinds(said), "and gets nothing")
    holds(len(seal_key(key, sid, Role.B)) == len(zero), "though the stranger could have opened it")


@both_worlds(
    Edit("codec.pairing.schedule:Shares.refuse_reflection", "if self.a == self.b:", "if False:"),
    Swap("codec.pairing.schedule:associated", lambda _role: bytes([VERSION])),
)
def test_a_mirror() -> None:
    """Something that sends everything back to the box that dials it is not taken for the other box."""
    a = Initiator(CODE, A_CARD, bytes(ENTROPY_BYTES), 0)
    share = lines(a.receive(messages.greeting(bytes(16))[2:], 0))[0][-32:]
    said = lines(a.receive(messages.encode(Kind.SHARE_B, share)[2:], 0))[0]
    a.receive(messages.encode(Kind.CONFIRM_B, said[1:])[2:], 0)
    holds(not a.proved, "a mirror does not know the code")


@both_worlds(Swap("codec.pairing.schedule:Seal.open", lambda _self, sealed: sealed[:-16]))
def test_somebody_between_changes_a_card() -> None:
    """A box in the middle that forwards all and bends the cards: neither side takes a bent card."""
    a = Initiator(CODE, A_CARD, bytes([1]) * ENTROPY_BYTES, 0)
    b = box(Desk(CODE, 0), 2)
    share = lines(a.receive(lines(b.greet())[0], 0))[0]
    confirm = lines(a.receive(lines(b.receive(share, 0))[0], 0))[0]
    proof, card = lines(b.receive(confirm, 0))
    a.receive(proof, 0)
    learned = _try(a, card[:1] + bytes(len(card) - 17) + card[-16:])
    holds(not learned, "what was changed on its way is not read")


def _try(side: Conversation, message: bytes) -> bool:
    """Whether a side went on to read what is under the seal, or took it."""
    effects = side.receive(message, 0)
    refused = [line for line in lines(effects) if line[0] == Kind.REFUSED]
    unsealed = bool(refused) and messages.read_refused(refused[0][1:]).name == "MALFORMED"
    return unsealed or any(isinstance(effect, Learned) for effect in effects)


@both_worlds(
    Edit(
        "codec.pairing.desk:Desk.admit", "if self._open >= CONVERSATIONS_MAX or self._calls", "if self._calls"
    )
)
def test_callers_that_stay() -> None:
    """A stranger opens conversation after conversation: the box holds four, and no more memory than that."""
    desk, admitted = Desk(CODE, 0), 0
    for _ in range(20):
        try:
            desk.admit(0)
            admitted += 1
        except PeerError:
            continue
    holds(admitted == CONVERSATIONS_MAX, "four conversations at once")


@both_worlds(
    Edit(
        "codec.pairing.conversation:Conversation.bytes_max",
        "return MESSAGE_BYTES_MAX if self.proved else OPEN_BYTES_MAX",
        "return MESSAGE_BYTES_MAX",
    )
)
def test_long_messages_before_the_code_is_proved() -> None:
    """Before it knows the code, nobody makes the box read more than 65 bytes at a time."""
    b = box(Desk(CODE, 0))
    b.greet()
    holds(b.bytes_max == messages.OPEN_BYTES_MAX, "a stranger's messages are short")
