"""Write the parts of SPEC.md that follow from the code: field tables, timetable, example, message sizes.

Each is a generated part of SPEC.md (spec_blocks.py). `--check` writes nothing
and fails when the text and the code differ. `make fsm` draws the state
machines the same way.
"""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import fields
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import field_tables  # noqa: E402
import loss_example  # noqa: E402
import message_sizes  # noqa: E402
from spec_blocks import report, update_parts  # noqa: E402

from ioe_router.codec.bound_rules import ENVELOPE_BYTES  # noqa: E402
from ioe_router.codec.registry import REGISTRY  # noqa: E402
from ioe_router.model.parameters import TIMETABLES, Timetable  # noqa: E402

_FIELDS_MARK = re.compile(r"<!-- generated: fields (\w+) -->")


def timetable() -> str:
    """Offsets before a slot's start per slot length, seconds."""
    lengths = tuple(TIMETABLES)
    rows = ["| Offset, s before the slot | " + " | ".join(f"T = {t}" for t in lengths) + " |"]
    rows.append("|---" * (len(lengths) + 1) + "|")
    for name in (field.name for field in fields(Timetable)):
        cells = [str(getattr(TIMETABLES[t], name)) for t in lengths]
        label = f"`{name}` (a length, no offset)" if name in {"band_s", "sweep_level_s"} else f"`{name}`"
        rows.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def sizes() -> str:
    """The largest message of every object type."""
    rows = [
        "| Object type | Signatures | Message, bytes | Envelope, bytes |",
        "|---|---|---|---|",
    ]
    for kind, row in REGISTRY.items():
        one = message_sizes.largest(kind)
        if one.signed_bytes > ENVELOPE_BYTES:
            cells = f"{ENVELOPE_BYTES} (fields alone would allow {one.signed_bytes}) | {_around(one)}"
        else:
            cells = f"{one.signed_bytes} | {one.envelope_bytes}"
        rows.append(f"| {kind.name} | {row.signatures_max} | {cells} |")
    return "\n".join(rows)


def _around(one: message_sizes.Largest) -> int:
    """An envelope with a message of just the largest size; lengths of both take three bytes."""
    return ENVELOPE_BYTES + one.envelope_bytes - one.signed_bytes


def parts(spec: str) -> dict[str, str]:
    """Every generated part by name: the figures, and a field table wherever `spec` has marks for one."""
    figures = {"timetable": timetable(), "loss-example": loss_example.text(), "message-sizes": sizes()}
    return figures | {f"fields {name}": field_tables.table(name) for name in _FIELDS_MARK.findall(spec)}


def main(arguments: list[str] | None = None) -> int:
    """Write the parts, or check them."""
    parser = argparse.ArgumentParser(description="write figures of the code into SPEC.md")
    parser.add_argument("--check", action="store_true", help="write nothing, fail on differences")
    parser.add_argument("--root", type=Path, default=ROOT, help="repository to work on")
    given = parser.parse_args(arguments)
    path = given.root / "SPEC.md"
    findings = update_parts(path, parts(path.read_text(encoding="utf-8")), check=given.check)
    return report(findings, check=given.check, remedy="run .venv/bin/python tools/render_spec.py")


if __name__ == "__main__":
    raise SystemExit(main())
