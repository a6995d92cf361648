"""`decode HEX` and `encode JSON`: frames and objects as people can read and write them.

Bytes are hexadecimal, enum values their names. `decode` says what the bytes are and, of an
object, its object id; `encode` makes the bytes of what `decode` has printed.
"""

from __future__ import annotations

import dataclasses
import json
import typing
from enum import IntEnum
from typing import Any, Final

from ioe_conformance.errors import Exit, KitError
from ioe_router.codec import mapping
from ioe_router.codec.registry import REGISTRY
from ioe_router.model.envelope import Envelope, Frame
from ioe_router.model.errors import PeerError
from ioe_router.model.ids import object_id_of

BODIES: Final = {"Frame": Frame, "SignedEnvelope": Envelope} | {
    row.body.__name__: row.body for row in REGISTRY.values()
}


def decode(hexadecimal: str, message: str) -> dict[str, Any]:
    """What the bytes say as a message. KitError (2): no hexadecimal, no such message, or not readable."""
    body = _body(message)
    try:
        raw = bytes.fromhex("".join(hexadecimal.split()))
    except ValueError:
        raise KitError(Exit.USAGE, "that is no hexadecimal text; give two digits a byte") from None
    try:
        value: Any = mapping.decode(body, raw)
    except PeerError as error:
        raise KitError(Exit.USAGE, f"these bytes are no {message} ({error})") from None
    return {message: _plain(value)}


def encode(text: str) -> bytes:
    """The bytes of a message in JSON. KitError (2) names the field that is wrong."""
    try:
        given = json.loads(text)
        ((message, fields),) = given.items()
    except (ValueError, AttributeError):
        raise KitError(
            Exit.USAGE, 'that is no message; write {"Frame": {...}} in the form that decode prints'
        ) from None
    try:
        return mapping.encode(_built(_body(message), fields, message))
    except (ValueError, TypeError) as error:
        raise KitError(Exit.USAGE, f"{message} cannot be encoded ({error})") from None


def _body(message: str) -> type:
    if message not in BODIES:
        raise KitError(Exit.USAGE, f"there is no message {message!r}; known are {', '.join(sorted(BODIES))}")
    return BODIES[message]


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, IntEnum):
        return value.name
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if not dataclasses.is_dataclass(value):
        return value
    plain = {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Envelope):
        plain["(object_id)"] = object_id_of(value.signed).hex()
        plain["(says)"] = _says(value)
    return plain


def _says(envelope: Envelope) -> Any:
    row = REGISTRY.get(envelope.type)
    try:
        return None if row is None else {row.body.__name__: _plain(mapping.decode(row.body, envelope.signed))}
    except PeerError as error:
        return str(error)


def _built(body: type, fields: Any, where: str) -> Any:
    """A value from its fields; what stands in brackets was added by `decode` and is left out."""
    if not isinstance(fields, dict):
        raise TypeError(f"{where} has to be an object")
    hints = typing.get_type_hints(body)
    given = {name: value for name, value in fields.items() if not name.startswith("(")}
    if unknown := sorted(set(given) - set(hints)):
        raise ValueError(f"{where} has no field {unknown[0]!r}")
    if missing := [name for name in hints if name not in given]:
        raise ValueError(f"{where} lacks {missing[0]!r}")
    return body(**{name: _value(hints[name], value, f"{where}.{name}") for name, value in given.items()})


def _value(hint: Any, value: Any, where: str) -> Any:
    kind, _ = mapping.unwrapped(hint)
    if value is None:
        return None
    if isinstance(value, list):
        return tuple(_value(kind, one, where) for one in value)
    if dataclasses.is_dataclass(kind):
        return _built(typing.cast("type", kind), value, where)
    if issubclass(kind, IntEnum) and not issubclass(kind, bool):
        if isinstance(value, str) and value not in kind.__members__:
            raise ValueError(f"{where}: {value!r} is not one of {', '.join(kind.__members__)}")
        return kind[value] if isinstance(value, str) else value
    if kind is bytes:
        return bytes.fromhex(value)
    if not isinstance(value, kind):
        raise TypeError(f"{where}: {value!r} is no {kind.__name__}")
    return value
