"""The control channel between the demo and a node's process: JSON lines over its stdin and stdout.

    -> {"call": "gate", "argument": 1452812400}
    <- {"result": ...}   or   {"error": "one sentence"}

One call at a time.  Values are those of `seat.py`; bytes travel as base64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

import msgspec

from ioe_router.adapters.attestation import AttestationFile
from ioe_router.community.reports import GateReport, PortReading
from ioe_router.demo.seat import (
    Assignment,
    Expense,
    Harvest,
    Introduction,
    Neighborhood,
    Status,
)
from ioe_router.model.discovery import LinkAttestation

T = TypeVar("T")
LINE_BYTES_MAX: Final = 64 * 1_048_576


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterCall:
    """The argument of `meter`."""

    slot: int
    readings: tuple[PortReading, ...]


# call -> (type of the argument, type of the result)
CALLS: Final[dict[str, tuple[object, object]]] = {
    "introduce": (Assignment, Introduction),
    "attest": (LinkAttestation, AttestationFile),
    "countersign": (AttestationFile, AttestationFile),
    "open": (Neighborhood, int),
    "dial": (dict[str, str], None),
    "status": (None, Status),
    "rest": (None, Status),
    "advance": (int, None),
    "gate": (int, GateReport | None),
    "meter": (MeterCall, None),
    "harvest": (None, Harvest),
    "expense": (None, Expense),
    "stop": (None, None),
}


class Call(msgspec.Struct, frozen=True):
    """One request; the argument is decoded once the call is known."""

    call: str
    argument: msgspec.Raw


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """One answer."""

    result: msgspec.Raw = msgspec.Raw(b"null")
    error: str | None = None


def encode_call(name: str, argument: object) -> bytes:
    """A request as one line."""
    return msgspec.json.encode({"call": name, "argument": argument}) + b"\n"


def decode_argument(call: Call) -> object:
    """The argument of a call, of the type that belongs to it. Raises msgspec.DecodeError or KeyError."""
    return msgspec.json.decode(call.argument, type=CALLS[call.call][0])


def encode_result(result: object) -> bytes:
    """An answer as one line."""
    return msgspec.json.encode({"result": result}) + b"\n"


def encode_error(sentence: str) -> bytes:
    """An answer that says what is wrong."""
    return msgspec.json.encode({"error": sentence}) + b"\n"


def decode_result(answer: Answer, result: type[T]) -> T:
    """The value of an answer."""
    return msgspec.json.decode(answer.result, type=result)
