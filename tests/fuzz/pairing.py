"""Readers of pairing: what is typed, what a stranger sends, what a box under the seal says."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Final

from ioe_router.codec.pairing import messages
from ioe_router.codec.pairing.conversation import Phase, Responder
from ioe_router.codec.pairing.desk import Desk
from ioe_router.codec.pairing.effects import Failed, Learned, Paired
from ioe_router.model.envelope import Envelope, ObjectType, Signature
from ioe_router.model.errors import PeerError, UsageError
from ioe_router.model.pairing import TRIES_MAX, Card
from ioe_router.model.pairing_code import parse_code, shown
from tests.fuzz.targets import Target, demand, octets, texts
from tests.tidy.product import ROOT

_LENGTH: Final = messages.LENGTH_BYTES
_LINK: Final = Envelope(
    type=ObjectType.LINK_ATTESTATION,
    signed=b"link",
    signatures=(Signature(key=bytes(32), signature=bytes(64)),) * 2,
)


@cache
def _cast() -> tuple[str, tuple[bytes, ...], bytes]:
    """A code, what side A says in a good conversation, and its card before it is sealed."""
    sys.path.insert(0, str(Path(ROOT) / "tools"))
    import vector_pairing

    card = messages.write_records(vector_pairing.CARD_A, None, done=False)
    return vector_pairing.CODE, tuple(vector_pairing.talk().by("A")), card


def _code(data: bytes) -> None:
    text = data.decode("utf-8", errors="replace")
    try:
        code = parse_code(text)
    except UsageError:
        return
    demand(parse_code(shown(code)) == code, "a code that is shown is not the one that was typed")


def _records(data: bytes) -> None:
    try:
        told = messages.read_records(data)
    except PeerError:
        return
    again = messages.read_records(messages.write_records(told.card, told.link, done=told.done))
    demand(again == told, "records that were written again say something else")


def _talk(data: bytes) -> None:
    """A stranger's bytes, split by the lengths in them; side B answers as long as it listens."""
    desk = Desk(_cast()[0], 0)
    b = Responder(desk, _card(), bytes(range(100, 148)), 0)
    ends = 0
    while len(data) >= _LENGTH and b.phase is not Phase.OVER:
        size = min(int.from_bytes(data[:_LENGTH], "big"), b.bytes_max)
        effects = b.receive(data[_LENGTH : _LENGTH + size], 0)
        data = data[_LENGTH + size :]
        ends += sum(isinstance(effect, Failed | Paired) for effect in effects)
        if any(isinstance(effect, Learned) for effect in effects):
            ends += sum(isinstance(effect, Failed | Paired) for effect in b.answer(None))
    demand(ends == (b.phase is Phase.OVER), "a conversation ends once, and is over then")
    demand(TRIES_MAX - 1 <= desk.tries_left <= TRIES_MAX, "one conversation spends one try at most")


def _card() -> Card:
    return Card(network_id="village", ca_der=b"certificate of B", port=0)


PAIRING: Final = (
    Target(
        name="pairing-code",
        says="a typed pairing code",
        run=_code,
        seeds=lambda: [_cast()[0].encode(), shown(_cast()[0]).lower().encode(), b"O0O0-O0O0"],
        mutate=texts,
        modules=("model.pairing_code",),
    ),
    Target(
        name="pairing-records",
        says="what stands under the seal of a pairing",
        run=_records,
        seeds=lambda: [_cast()[2], b"\x05\0\0", messages.write_records(None, _LINK, done=True)],
        mutate=octets,
        modules=("codec.pairing.messages",),
    ),
    Target(
        name="pairing-talk",
        says="a stranger's bytes on the pairing port",
        run=_talk,
        seeds=lambda: [b"".join(_cast()[1]), *_cast()[1]],
        mutate=octets,
        modules=("codec.pairing.conversation", "codec.pairing.messages"),
    ),
)
