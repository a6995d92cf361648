"""The ledger of vector ids: every id that was ever published, so that none comes to mean something else.

interop/vectors/ids.txt has a line per id, `id operation`; the line of one that
is gone ends with `retired`.  An id stays with its operation and a retired one
does not come back.
"""

from __future__ import annotations

from collections.abc import Mapping

RETIRED = "retired"


class IdReused(Exception):
    """An id of the ledger was taken for something else."""


def updated(ledger: str, present: Mapping[str, str]) -> str:
    """The ledger after these vectors (id to operation). Raises IdReused."""
    known = {line.split()[0]: line.split()[1:] for line in ledger.splitlines() if line}
    for name, op in present.items():
        if RETIRED in known.get(name, ()):
            raise IdReused(f"the vector id {name} is retired; take a new one")
        if known.setdefault(name, [op])[0] != op:
            raise IdReused(f"the vector id {name} belongs to {known[name][0]}; take a new one for {op}")
    lines = []
    for name, (op, *_) in known.items():
        lines.append(f"{name} {op}" if name in present else f"{name} {op} {RETIRED}")
    return "".join(f"{line}\n" for line in lines)
