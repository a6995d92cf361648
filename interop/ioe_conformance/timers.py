"""The timers that deadlines are made of: SPEC.md section 14.1, column "Conformance profile".

A test holds this table to the document. A case never waits for a fixed time: it waits
for what has to come, at most `GRACE_MS` longer than the document allows, and shows that
something does *not* come by a fence behind it.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cache
from typing import Final

from ioe_conformance.requirements import spec_path

# A busy machine, a slow network; an answer that is there is not waited for.
GRACE_MS: Final = int(os.environ.get("IOE_CONFORMANCE_GRACE_MS", "5000"))
EARLY_MS: Final = 150  # clocks of two processes, and what lies between sending and receiving

_ROW: Final = re.compile(r"^\| `(\w+)` \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Timer:
    """One row of the table, in the unit of its name."""

    default: int
    least: int
    most: int
    profile: int


@cache
def timers() -> dict[str, Timer]:
    """All timers by name."""
    text = spec_path().read_text(encoding="utf-8")
    table = text.split("<!-- table: timers -->", 1)[1].split("\n\n", 1)[0]
    return {name: Timer(*map(int, row)) for name, *row in _ROW.findall(table)}


def profile(name: str) -> int:
    """The value of a timer in the conformance profile. KeyError when SPEC.md has no such timer."""
    return timers()[name].profile
