"""The pairing port under fire: both sides of a conversation, and between them one who may know the code.

Until the code is proved only bytes can be changed.  After that the one in the
middle is taken for one of the two, so what stands under the seal is changed
and sealed again.
"""

from __future__ import annotations

from typing import Final

from ioe_router.codec.pairing import messages
from ioe_router.codec.pairing.conversation import ENTROPY_BYTES, Conversation, Initiator, Phase, Responder
from ioe_router.codec.pairing.desk import Desk
from ioe_router.codec.pairing.effects import Effect, Failed, Learned, Paired, Send
from ioe_router.model.envelope import Envelope, ObjectType
from ioe_router.model.pairing import Card, Kind
from ioe_router.model.pairing_code import make_code
from tests.fuzz.choices import Choices
from tests.fuzz.mutation import mutated_bytes
from tests.fuzz.session import recorded
from tests.fuzz.targets import Target, demand, octets

CODE: Final = make_code(bytes(range(16)))
MESSAGES_MAX: Final = 24
_HEAD_BYTES: Final = 2  # the length before a message


def card(name: str) -> Card:
    """What a box tells of itself; the certificate is read elsewhere."""
    return Card(network_id="village", ca_der=f"certificate of {name}".encode() * 20, port=7443)


class Between:
    """A conversation with somebody in the middle."""

    def __init__(self, choices: Choices) -> None:
        self._choices = choices
        self._desk = Desk(CODE, 0)
        self._desk.admit(0)
        self._a = Initiator(CODE, card("A"), bytes([1]) * ENTROPY_BYTES, 0)
        self._b = Responder(self._desk, card("B"), bytes([2]) * ENTROPY_BYTES, 0)
        self._waiting: list[tuple[Conversation, bytes]] = []
        self._now_ns = 0

    def run(self) -> None:
        """Carry messages until both are silent; the one in the middle meddles by its choices."""
        self._take(self._b.greet(), self._b)
        for _ in range(MESSAGES_MAX):
            if not self._waiting:
                break
            side, message = self._waiting.pop(0)
            self._meddle(side, message)
        for side in (self._a, self._b):
            self._take(side.expire(10**15), side)
            demand(side.phase is Phase.OVER, "a conversation outlives its time")

    def _meddle(self, side: Conversation, message: bytes) -> None:
        match self._choices.below(8):
            case 0:
                return
            case 1:
                message = self._changed(side, message)
            case 2:
                self._take(side.receive(message, self._now_ns), side)
            case 3:
                self._now_ns += self._choices.below(400) * 10**9
                self._take(side.expire(self._now_ns), side)
            case 4:
                message = self._choices.octets(self._choices.below(200))
            case _:
                pass
        self._take(side.receive(message[: side.bytes_max], self._now_ns), side)

    def _changed(self, side: Conversation, message: bytes) -> bytes:
        """Other bytes; of a sealed message, other records under the same seal."""
        other = self._a if side is self._b else self._b
        if message[:1] != bytes([Kind.SEALED]) or other._keys is None or self._choices.below(3) == 0:
            return mutated_bytes(message, self._choices)
        plain = messages.write_records(card("C"), _a_link(), done=bool(self._choices.below(2)))
        for _ in range(self._choices.below(4)):
            plain = mutated_bytes(plain, self._choices)
        return messages.encode(Kind.SEALED, other._keys.seal(plain))[_HEAD_BYTES:]

    def _take(self, effects: tuple[Effect, ...], side: Conversation) -> None:
        for effect in effects:
            match effect:
                case Send():
                    self._waiting.append((self._b if side is self._a else self._a, effect.data[_HEAD_BYTES:]))
                case Learned():
                    demand(side.proved, "something was learnt before the code was proved")
                    self._take(side.answer(effect.link if side is self._b else _a_link()), side)
                case Paired() | Failed():
                    demand(side.phase is Phase.OVER, "a conversation goes on after its end")


def _a_link() -> Envelope:
    """An attestation."""
    return recorded().said[ObjectType.LINK_ATTESTATION][0]


def pairing(data: bytes) -> None:
    """A conversation with somebody between the two boxes."""
    Between(Choices(data)).run()


def pairing_seeds() -> list[bytes]:
    """Silence in the middle, and meddling with one message each."""
    meddled = [[7] * at + [what, 3, 1, 2, 3] + [7] * 30 for at in range(7) for what in range(6)]
    return [bytes([7] * 40), *map(bytes, meddled)]


BETWEEN: Final = Target(
    name="pairing-between",
    says="codec.pairing: a conversation with somebody in the middle",
    run=pairing,
    seeds=pairing_seeds,
    mutate=octets,
    modules=("codec.pairing",),
)
