"""How a durable record is written: canonical JSON, byte strings in hex (SPEC section 3.4).

JSON, because a record is read by people and tools as much as by the node that wrote it
(`export`, bug reports), because the core stays free of a codec, and because a damaged
field can be named in a sentence.  Canonical (sorted keys, no spaces), so that the same
state gives the same bytes.  Signed objects are kept as the bytes that were signed.

A record that cannot be read, or contradicts itself, stops the start: what a node has
promised is not to be guessed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

from ioe_router.model.envelope import Envelope, ObjectType, Sealed, Signature
from ioe_router.model.errors import PeerError, UsageError
from ioe_router.model.slot import Slot

T = TypeVar("T")

FORMAT: Final = 1
SLOT_BYTES: Final = 8
REMEDY: Final = "restore the store from a backup, or move it away to start without its promises"


class Recall(Protocol):
    """Decodes an object of this node's own store: it was verified before it was stored."""

    def __call__(self, envelope: Envelope, body: type[T]) -> Sealed[T]:
        """The object with what it says. PeerError when the bytes are not a `body`."""
        ...


def to_record(values: dict[str, Any]) -> bytes:
    """The bytes of a record: equal values, equal bytes."""
    text = json.dumps({"format": FORMAT, **values}, sort_keys=True, separators=(",", ":"))
    return text.encode("ascii")


def damaged(what: str, why: str) -> UsageError:
    """The one sentence about a record that cannot be used."""
    return UsageError(f"the store's record of {what} cannot be used ({why}); {REMEDY}")


class Fields:
    """The fields of one record or of a part of it, each read with its type checked."""

    def __init__(self, values: object, what: str) -> None:
        """`what` names the record in errors. UsageError unless `values` is an object."""
        if not isinstance(values, dict):
            raise damaged(what, "not an object")
        self._values = values
        self.what = what

    @classmethod
    def of(cls, record: bytes, what: str) -> Fields:
        """The fields of a record. UsageError for other bytes, or another format."""
        try:
            values = json.loads(record)
        except (ValueError, RecursionError):
            raise damaged(what, "not JSON") from None
        fields = cls(values, what)
        number = fields.integer("format")
        if number != FORMAT:
            raise damaged(what, f"its format is {number}, this version reads {FORMAT}")
        return fields

    def integer(self, name: str) -> int:
        """A whole number."""
        value = self._get(name)
        if type(value) is not int:
            raise self.bad(name)
        return value

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self._get(name)
        if type(value) is not bool:
            raise self.bad(name)
        return value

    def octets(self, name: str, size: int | None = None) -> bytes:
        """Bytes, of a certain length unless `size` is None."""
        data = from_hex(self._get(name))
        if data is None or size not in (None, len(data)):
            raise self.bad(name)
        return data

    def envelope(self, name: str) -> Envelope:
        """A signed object."""
        envelope = _envelope(self._get(name))
        if envelope is None:
            raise self.bad(name)
        return envelope

    def envelopes(self, name: str) -> tuple[Envelope, ...]:
        """One or more signed objects."""
        value = self._get(name)
        found = [_envelope(one) for one in value] if isinstance(value, list) else []
        if not found or None in found:
            raise self.bad(name)
        return tuple(one for one in found if one is not None)

    def sealed(self, name: str, body: type[T], recall: Recall) -> Sealed[T] | None:
        """A signed object with what it says, or null."""
        envelope = self.maybe(self.envelope, name)
        try:
            return None if envelope is None else recall(envelope, body)
        except PeerError as error:
            raise damaged(self.what, f"its {name} cannot be decoded: {error.detail}") from None

    def numbers(self, name: str) -> tuple[int, ...]:
        """A list of whole numbers."""
        value = self._get(name)
        if not isinstance(value, list) or not all(type(one) is int for one in value):
            raise self.bad(name)
        return tuple(value)

    def rows(
        self, name: str, width: int, *, nullable: frozenset[int] = frozenset()
    ) -> tuple[tuple[Any, ...], ...]:
        """A table: rows of `width` whole numbers; columns in `nullable` may be null."""
        value = self._get(name)
        if not isinstance(value, list) or not all(_is_row(row, width, nullable) for row in value):
            raise self.bad(name)
        return tuple(tuple(row) for row in value)

    def part(self, name: str) -> Fields:
        """A part with fields of its own."""
        return Fields(self._get(name), f"{self.what}, {name}")

    def parts(self, name: str) -> tuple[Fields, ...]:
        """Several parts."""
        value = self._get(name)
        if not isinstance(value, list):
            raise self.bad(name)
        return tuple(Fields(one, f"{self.what}, {name}") for one in value)

    def maybe(self, read: Callable[[str], T], name: str) -> T | None:
        """A field that may be null: `fields.maybe(fields.integer, "name")`."""
        return None if self._get(name) is None else read(name)

    def bad(self, name: str) -> UsageError:
        """The error about one field."""
        return damaged(self.what, f"its field {name!r} is damaged")

    def has(self, name: str) -> bool:
        """Whether there is such a field."""
        return name in self._values

    def _get(self, name: str) -> Any:  # noqa: ANN401 - any JSON
        if name not in self._values:
            raise damaged(self.what, f"its field {name!r} is missing")
        return self._values[name]


def envelope_to(envelope: Envelope | None) -> list[Any] | None:
    """An envelope as JSON: type number, signed bytes, pairs of key and signature."""
    if envelope is None:
        return None
    pairs = [[one.key.hex(), one.signature.hex()] for one in envelope.signatures]
    return [int(envelope.type), envelope.signed.hex(), pairs]


def sealed_to(sealed: Sealed[Any] | None) -> list[Any] | None:
    """The envelope of an object that this node has verified, as JSON."""
    return None if sealed is None else envelope_to(sealed.envelope)


def _envelope(value: Any) -> Envelope | None:  # noqa: ANN401 - any JSON
    try:
        number, signed, pairs = value
        signatures = tuple(
            Signature(key=bytes.fromhex(key), signature=bytes.fromhex(sig)) for key, sig in pairs
        )
        return Envelope(type=ObjectType(number), signed=bytes.fromhex(signed), signatures=signatures)
    except (TypeError, ValueError):
        return None


def from_hex(value: Any) -> bytes | None:  # noqa: ANN401 - any JSON
    """Bytes of a hexadecimal text, None for anything else."""
    try:
        return bytes.fromhex(value)
    except (TypeError, ValueError):
        return None


def slot_key(slot: Slot) -> bytes:
    """A slot as part of a key; keys sort as slots do."""
    return slot.to_bytes(SLOT_BYTES)


def _is_row(row: object, width: int, nullable: frozenset[int]) -> bool:
    if not isinstance(row, list) or len(row) != width:
        return False
    return all(type(x) is int or (x is None and place in nullable) for place, x in enumerate(row))
