"""Envelopes in JSON files, for what operators hand to each other (bytes as hexadecimal)."""

from __future__ import annotations

import json

from ioe_router.model.envelope import Envelope, ObjectType, Signature
from ioe_router.model.errors import UsageError


def envelope_to_json(envelope: Envelope) -> dict[str, object]:
    """An envelope as JSON values."""
    return {
        "type": envelope.type.name,
        "signed": envelope.signed.hex(),
        "signatures": [{"key": s.key.hex(), "signature": s.signature.hex()} for s in envelope.signatures],
    }


def envelope_from_json(value: object, where: str) -> Envelope:
    """The envelope in JSON values. UsageError when there is none."""
    try:
        if not isinstance(value, dict):
            raise TypeError("no object")
        return Envelope(
            type=ObjectType[value["type"]],
            signed=bytes.fromhex(value["signed"]),
            signatures=tuple(
                Signature(key=bytes.fromhex(s["key"]), signature=bytes.fromhex(s["signature"]))
                for s in value["signatures"]
            ),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"{where}: the signed object in it is damaged ({error}); get the file again"
        ) from error


def parse_json_object(content: bytes, expected_format: str | None, where: str) -> dict[str, object]:
    """The JSON object of a file, checked for its `format` member. UsageError when it is something else."""
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where} is no JSON file ({error}); get the file again") from error
    if not isinstance(fields, dict) or (
        expected_format is not None and fields.get("format") != expected_format
    ):
        raise UsageError(f"{where} is no file of format {expected_format}; check which file was meant")
    return fields
