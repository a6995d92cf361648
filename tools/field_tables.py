"""Field tables of messages: number, name, type, bounds and meaning, from proto/ and the codec's bounds.

Meaning and unit are the comments of the .proto files, which are normative
text; the bounds are those that the codec enforces. Used by `render_spec.py`.
"""

from __future__ import annotations

import re
import sys
import typing
from pathlib import Path
from types import NoneType
from typing import Final

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from ioe_router.codec.bound_tables import TABLES  # noqa: E402
from ioe_router.codec.bound_types import Count, Lengths, Nested, Range, Rule, Text, Unbounded  # noqa: E402

_MESSAGE: Final = re.compile(r"^message (\w+) \{\n(.*?)^\}", re.DOTALL | re.MULTILINE)
_FIELD: Final = re.compile(r"((?:^ +// .*\n)+)^ +(?:repeated )?([\w.]+) (\w+) = (\d+);", re.MULTILINE)
_POWERS: Final = {
    2**n - d: f"2^{n}" + ("-1" if d else "") for n in (32, 40, 50, 53, 62, 63, 64) for d in (0, 1)
}
_TENS: Final = {10**n: f"10^{n}" for n in (9, 12)}


def table(message: str) -> str:
    """The field table of one message as Markdown. KeyError when proto/ has no such message."""
    body = next(value for value in TABLES if value.__name__ == message)
    hints = typing.get_type_hints(body)
    rows = ["| No. | Field | Type | Bounds | Meaning and unit |", "|---|---|---|---|---|"]
    for comment, kind, name, number in _FIELD.findall(_messages()[message]):
        meaning = " ".join(line.strip().removeprefix("//").strip() for line in comment.splitlines())
        optional = NoneType in typing.get_args(hints[name])
        bounds = _bounds(TABLES[body][name], optional=optional)
        rows.append(f"| {number} | `{name}` | {kind} | {bounds} | {meaning} |")
    if len(rows) != len(TABLES[body]) + 2:
        raise KeyError(f"{message}: proto/ and the bounds have different fields")
    return "\n".join(rows)


def _messages() -> dict[str, str]:
    texts = (path.read_text(encoding="utf-8") for path in sorted((ROOT / "proto").rglob("*.proto")))
    return {name: body for text in texts for name, body in _MESSAGE.findall(text)}


def _number(value: int) -> str:
    sign, size = ("-", -value) if value < 0 else ("", value)
    return sign + (_POWERS.get(size) or _TENS.get(size) or str(size) if size > 1 << 20 else str(size))


def _bounds(rule: Rule, *, optional: bool) -> str:
    prefix = "absent, or " if optional else ""
    match rule:
        case Range(low=low, high=high):
            return f"{prefix}{_number(low)}" if low == high else f"{prefix}{_number(low)}..{_number(high)}"
        case Lengths(allowed=allowed):
            return prefix + _lengths(allowed)
        case Text(low=low, high=high):
            return f"{prefix}{low}..{high} bytes"
        case Nested(types=types):
            return prefix + (
                ", ".join(sorted(one.name for one in types)) + " envelope" if types else "message"
            )
        case Count(low=low, high=high):
            return f"{prefix}{low}..{high} elements"
        case Unbounded():
            return "-"


def _lengths(allowed: range | frozenset[int]) -> str:
    if isinstance(allowed, range):
        return f"{allowed.start}..{allowed.stop - 1} bytes"
    return " or ".join(map(str, sorted(allowed))) + " bytes"
