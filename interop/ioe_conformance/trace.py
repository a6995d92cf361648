"""What passed between the testers and the target, kept per case: bytes, meaning and instants.

Shown beside a failing case in the HTML report, written to trace/<case>.jsonl, and read
again by `ioe-conformance replay`.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable
from enum import IntEnum
from typing import Any

from ioe_conformance.model import Step
from ioe_router.codec import mapping
from ioe_router.codec.registry import REGISTRY
from ioe_router.model.envelope import Envelope, Frame
from ioe_router.model.errors import ErrorCode, PeerError

_SHOWN_HEX = 24
_HEX_KEPT = 8_192
_STEPS_KEPT = 2_000


class Trace:
    """The steps of one case, bounded: a target that floods fills no disk."""

    def __init__(self) -> None:
        self._begun_ns = time.monotonic_ns()
        self._steps: list[Step] = []
        self.left_out = 0

    def note(self, text: str) -> None:
        """A line of the kit itself."""
        self._add("", "note", text, b"")

    def sent(self, tester: str, raw: bytes, text: str | None = None) -> None:
        """A frame to the target."""
        self._add(tester, "sent", text or describe_frame(raw), raw)

    def heard(self, tester: str, raw: bytes) -> None:
        """A frame from the target."""
        self._add(tester, "heard", describe_frame(raw), raw)

    def steps(self) -> tuple[Step, ...]:
        """All that was kept."""
        return tuple(self._steps)

    def _add(self, tester: str, way: str, text: str, raw: bytes) -> None:
        if len(self._steps) >= _STEPS_KEPT:
            self.left_out += 1
            return
        at_ms = (time.monotonic_ns() - self._begun_ns) // 1_000_000
        self._steps.append(Step(at_ms=at_ms, tester=tester, way=way, text=text, hex=raw[:_HEX_KEPT].hex()))


def describe_frame(raw: bytes) -> str:
    """A frame in one line."""
    try:
        frame = mapping.decode(Frame, raw)
    except PeerError as error:
        return f"{len(raw)} bytes that are no frame ({error.detail})"
    signed = ", signed" if frame.signature else ""
    session = f"session {frame.session.hex()[:8]}" if frame.session else "no session"
    inside = "; ".join(describe(envelope) for envelope in frame.envelopes)
    return f"frame {frame.seq}, {session}{signed}: {inside}"


def describe(envelope: Envelope) -> str:
    """An envelope in one line: its type, and what it says."""
    row = REGISTRY.get(envelope.type)
    if row is None:
        return f"type {int(envelope.type)} of {len(envelope.signed)} bytes"
    try:
        body: Any = mapping.decode(row.body, envelope.signed)
    except PeerError as error:
        return f"{envelope.type.name} that cannot be read ({error.detail})"
    return f"{envelope.type.name} {_fields(body)}"


def _fields(body: Any) -> str:
    shown = [
        f"{field.name}={_value(field.name, getattr(body, field.name))}" for field in dataclasses.fields(body)
    ]
    return "{" + ", ".join(shown) + "}"


def _value(name: str, value: Any) -> str:
    if isinstance(value, Envelope):
        return describe(value)
    if isinstance(value, bytes):
        text = value.hex()
        return text if len(text) <= _SHOWN_HEX else f"{text[:_SHOWN_HEX]}.."
    if isinstance(value, IntEnum):
        return value.name
    if name == "code" and isinstance(value, int) and value in set(ErrorCode):
        return ErrorCode(value).name
    if isinstance(value, tuple):
        return "[" + ", ".join(_value("", one) for one in value) + "]"
    if dataclasses.is_dataclass(value):
        return _fields(value)
    return str(value)


def told(steps: Iterable[Step]) -> list[tuple[str, str, str]]:
    """What two runs of a case have in common: who said which kinds of object, without their contents."""
    found = []
    for step in steps:
        if step.way == "note" or not step.hex:
            continue
        try:
            frame = mapping.decode(Frame, bytes.fromhex(step.hex))
        except PeerError:
            found.append((step.tester, step.way, "unreadable"))
            continue
        found += [(step.tester, step.way, envelope.type.name) for envelope in frame.envelopes]
    return found
