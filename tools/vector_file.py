"""The shape of a vector and of a file of vectors (interop/vectors/v1)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vector_ops import OPS, Op, op_for
from vector_reqs import reqs_for

from ioe_router.model.errors import ErrorCode

Json = Mapping[str, Any]
SHARED_CHARACTERS_MIN = 800  # of an input as JSON, to be written once a file instead of once a vector


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """One case; `code` is the error that the inputs must be refused with, None when they are valid."""

    id: str
    notes: str
    inputs: Json
    intermediates: Json = field(default_factory=dict)
    code: ErrorCode | None = None
    reqs: tuple[str, ...] = ()

    def as_json(self, group: str) -> dict[str, Any]:
        """The vector as it is written. Raises ValueError when it does not fit an operation of its group."""
        op = op_for(group, self.inputs)
        if self.code is None and not set(op.answer) <= set(self.intermediates):
            raise ValueError(f"{self.id} lacks {sorted(set(op.answer) - set(self.intermediates))}")
        verdict = (
            {"verdict": "valid"} if self.code is None else {"verdict": "invalid", "code": self.code.name}
        )
        return {
            "id": self.id,
            "op": op.name,
            "reqs": reqs_for(self.id, self.reqs),
            "notes": self.notes,
            "inputs": self.inputs,
            "intermediates": self.intermediates,
            "result": verdict,
        }


def render(group: str, about: str, vectors: Sequence[Vector]) -> bytes:
    """The bytes of one file. Raises ValueError when an id occurs twice."""
    ids = [vector.id for vector in vectors]
    if len(set(ids)) != len(ids):
        raise ValueError(f"a vector id of {group} occurs twice; ids must differ")
    rows = [vector.as_json(group) for vector in vectors]
    used = {row["op"] for row in rows}
    shared = share(rows)
    content = {
        "schema": "ioe-vectors-1",
        "group": group,
        "about": about,
        "ops": {op.name: _shown(op) for op in OPS if op.name in used},
        "source": {"name": "ioe_router tools/gen_vectors.py", "protocol": "ioe.v1"},
        "shared": shared,
        "vectors": rows,
    }
    return (json.dumps(content, indent=1, ensure_ascii=True) + "\n").encode()


def share(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Take long inputs that several vectors have out of them, as `{"shared": name}`; returns them by name."""
    found: dict[str, str] = {}
    texts = [json.dumps(value, sort_keys=True) for row in rows for value in row["inputs"].values()]
    often = {
        text for text, count in Counter(texts).items() if count > 1 and len(text) >= SHARED_CHARACTERS_MIN
    }
    for row in rows:
        inputs = {}
        for key, value in row["inputs"].items():
            text = json.dumps(value, sort_keys=True)
            if text in often:
                found.setdefault(text, f"{key}-{len(found) + 1}")
                inputs[key] = {"shared": found[text]}
            else:
                inputs[key] = value
        row["inputs"] = inputs
    return {name: json.loads(text) for text, name in found.items()}


def _shown(op: Op) -> Json:
    return {"about": op.about, "inputs": dict(op.inputs), "answer": dict(op.answer)}
