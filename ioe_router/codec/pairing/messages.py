"""Bytes of the pairing port (SPEC sections 6.1.3 and 6.1.6): messages of fixed shape, sealed records.

    message  = u16(length of what follows) || u8(kind) || body
    record   = u8(type) || u16(length) || value

Before the code is proved every body has one possible length, so a stranger's
bytes meet no parser; records and certificates are read only after that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from ioe_router.codec import bounds, mapping
from ioe_router.codec.pairing.cpace import SHARE_BYTES, TAG_BYTES
from ioe_router.model.envelope import Envelope
from ioe_router.model.errors import ErrorCode, PeerError, UsageError
from ioe_router.model.pairing import MESSAGE_BYTES_MAX, VERSION, Card, Kind

MAGIC: Final = b"IOE1 pair"
LENGTH_BYTES: Final = 2
NONCE_BYTES: Final = 16
_CODE_BYTES: Final = 2
_BODY_BYTES: Final = {
    Kind.GREETING: len(MAGIC) + 1 + NONCE_BYTES,
    Kind.SHARE_A: 1 + NONCE_BYTES + SHARE_BYTES,
    Kind.SHARE_B: SHARE_BYTES,
    Kind.CONFIRM_A: TAG_BYTES,
    Kind.CONFIRM_B: TAG_BYTES,
    Kind.REFUSED: _CODE_BYTES,
}
OPEN_BYTES_MAX: Final = 1 + max(_BODY_BYTES.values())  # of a message before the code is proved
_IGNORABLE: Final = 128  # an unknown record of this type or above is passed over


class Record(IntEnum):
    """What stands under a seal."""

    NETWORK = 1
    CA = 2
    PORT = 3
    LINK = 4
    DONE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a sealed message says."""

    card: Card | None
    link: Envelope | None
    done: bool


def encode(kind: Kind, body: bytes) -> bytes:
    """A message with its length. UsageError when it is too long."""
    if 1 + len(body) > MESSAGE_BYTES_MAX:
        raise UsageError(f"a pairing message of {1 + len(body)} bytes is above {MESSAGE_BYTES_MAX}")
    return (1 + len(body)).to_bytes(LENGTH_BYTES, "big") + bytes([kind]) + body


def decode(message: bytes) -> tuple[Kind, bytes]:
    """Kind and body of a message without its length. PeerError (MALFORMED, TOO_LARGE)."""
    if len(message) > MESSAGE_BYTES_MAX:
        raise PeerError(ErrorCode.TOO_LARGE, f"a pairing message of {len(message)} bytes")
    try:
        kind = Kind(message[0])
    except (IndexError, ValueError) as error:
        raise PeerError(ErrorCode.MALFORMED, "a pairing message of no known kind") from error
    body = message[1:]
    if len(body) != _BODY_BYTES.get(kind, len(body)):
        raise PeerError(ErrorCode.MALFORMED, f"a {kind.name} of {len(body)} bytes")
    return kind, body


def greeting(nonce: bytes) -> bytes:
    """B's first message: who it is that listens, and its half of the session id."""
    return encode(Kind.GREETING, MAGIC + bytes([VERSION]) + nonce)


def read_greeting(body: bytes) -> bytes:
    """B's half of the session id. PeerError (MALFORMED, VERSION_MISMATCH)."""
    if not body.startswith(MAGIC):
        raise PeerError(ErrorCode.MALFORMED, "this is no pairing port")
    _judge_version(body[len(MAGIC)])
    return body[len(MAGIC) + 1 :]


def share_a(nonce: bytes, share: bytes) -> bytes:
    """A's first message: its half of the session id and its share."""
    return encode(Kind.SHARE_A, bytes([VERSION]) + nonce + share)


def read_share_a(body: bytes) -> tuple[bytes, bytes]:
    """A's half of the session id and its share. PeerError (VERSION_MISMATCH)."""
    _judge_version(body[0])
    return body[1 : 1 + NONCE_BYTES], body[1 + NONCE_BYTES :]


def refused(code: ErrorCode) -> bytes:
    """The message that ends a conversation."""
    return encode(Kind.REFUSED, int(code).to_bytes(_CODE_BYTES, "big"))


def read_refused(body: bytes) -> ErrorCode:
    """Why the other side ended the conversation; MALFORMED when it gives no known reason."""
    try:
        return ErrorCode(int.from_bytes(body, "big"))
    except ValueError:
        return ErrorCode.MALFORMED


def write_records(card: Card | None, link: Envelope | None, *, done: bool) -> bytes:
    """The plain text of a sealed message."""
    parts: list[bytes] = []
    if card is not None:
        parts.append(_record(Record.NETWORK, card.network_id.encode("ascii")))
        parts.append(_record(Record.CA, card.ca_der))
        parts.append(_record(Record.PORT, card.port.to_bytes(2, "big")))
    if link is not None:
        parts.append(_record(Record.LINK, mapping.encode(link)))
    if done:
        parts.append(_record(Record.DONE, b""))
    return b"".join(parts)


def read_records(plain: bytes) -> Told:
    """What a sealed message says. PeerError (MALFORMED) unless records are whole, in order, once each."""
    found: dict[Record, bytes] = {}
    last = 0
    for number, value in _records(plain):
        if number <= last:
            raise _malformed("records out of order or twice")
        last = number
        if number < _IGNORABLE:
            found[_known(number)] = value
    link = _envelope(found[Record.LINK]) if Record.LINK in found else None
    return Told(card=_card(found), link=link, done=found.get(Record.DONE) == b"")


def _record(kind: Record, value: bytes) -> bytes:
    return bytes([kind]) + len(value).to_bytes(2, "big") + value


def _records(plain: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(plain):
        size = int.from_bytes(plain[at + 1 : at + 3], "big")
        value = plain[at + 3 : at + 3 + size]
        if len(plain) < at + 3 or len(value) != size:
            raise _malformed("a record is cut short")
        yield plain[at], value
        at += 3 + size


def _known(number: int) -> Record:
    try:
        return Record(number)
    except ValueError as error:
        raise _malformed(f"unknown record {number}") from error


def _card(found: dict[Record, bytes]) -> Card | None:
    network, ca, port = (found.get(kind) for kind in (Record.NETWORK, Record.CA, Record.PORT))
    if network is None and ca is None and port is None:
        return None
    if network is None or ca is None or port is None or len(port) != 2:  # noqa: PLR2004 - u16
        raise _malformed("a card without network, CA certificate or port")
    text = network.decode("ascii", errors="replace")
    if not (0 < len(text) <= 64 and text.isascii() and text.isprintable()):  # noqa: PLR2004 - SPEC 2.7
        raise _malformed("a network id that is no printable text of 1 to 64 characters")
    return Card(network_id=text, ca_der=ca, port=int.from_bytes(port, "big"))


def _envelope(value: bytes) -> Envelope:
    envelope = mapping.decode(Envelope, value)
    bounds.check(envelope)
    return envelope


def _judge_version(version: int) -> None:
    if version != VERSION:
        raise PeerError(ErrorCode.VERSION_MISMATCH, f"pairing version {version}; this one speaks {VERSION}")


def _malformed(what: str) -> PeerError:
    return PeerError(ErrorCode.MALFORMED, f"a sealed pairing message: {what}")
