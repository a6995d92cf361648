"""How inputs and effects are printed for people: one field a line, frames and envelopes opened."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator
from typing import Final

from ioe_router.codec import mapping
from ioe_router.codec.frames import decode_frame
from ioe_router.codec.registry import REGISTRY
from ioe_router.core.effects import SendFrame
from ioe_router.core.inputs import FrameReceived
from ioe_router.model.bech32m import node_short
from ioe_router.model.envelope import Envelope, Sealed
from ioe_router.model.errors import PeerError

_BYTES_SHOWN: Final = 32


def described(value: object) -> Iterator[str]:
    """A value as lines: its class, then its fields, indented."""
    if isinstance(value, FrameReceived | SendFrame):
        yield f"{type(value).__name__} {node_short(value.neighbor)}, {len(value.frame)} bytes"
        yield from _indented(_frame(value.frame))
    elif isinstance(value, Envelope):
        yield from _envelope(value)
    elif isinstance(value, Sealed):
        yield from described(value.body)
    elif dataclasses.is_dataclass(value):
        yield type(value).__name__
        for field in dataclasses.fields(value):
            yield from _indented(_field(field.name, getattr(value, field.name)))
    else:
        yield _plain(value)


def _frame(data: bytes) -> Iterator[str]:
    try:
        frame = decode_frame(data)
    except PeerError as error:
        yield f"not a frame ({error}): {_plain(data)}"
        return
    session = frame.session.hex()[:16] or "none"
    yield f"session {session}, number {frame.seq}, {'signed' if frame.signature else 'not signed'}"
    for envelope in frame.envelopes:
        yield from _envelope(envelope)


def _envelope(envelope: Envelope) -> Iterator[str]:
    row = REGISTRY.get(envelope.type)
    yield f"{envelope.type.name}, {len(envelope.signatures)} signatures"
    if row is None:
        return
    try:
        yield from _indented(described(mapping.decode(row.body, envelope.signed)))
    except PeerError as error:
        yield f"  unreadable ({error})"


def _field(name: str, value: object) -> Iterator[str]:
    if isinstance(value, tuple) and value:
        yield f"{name}:"
        for one in value:
            yield from _indented(described(one))
    elif dataclasses.is_dataclass(value):
        yield f"{name}:"
        yield from _indented(described(value))
    else:
        yield f"{name} {_plain(value)}"


def _plain(value: object) -> str:
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, bytes):
        more = f"... ({len(value)} bytes)" if len(value) > _BYTES_SHOWN else ""
        return (value[:_BYTES_SHOWN].hex() or "empty") + more
    return repr(value)


def _indented(lines: Iterator[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)
