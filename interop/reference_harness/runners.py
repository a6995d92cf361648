"""Every operation of the vectors, answered by the reference implementation from the inputs alone.

`run` returns what a vector calls its answer and raises PeerError where the
inputs are refused.  The unit tests of the vectors go through here, too, so
what `vectors check` sees is what the tests see.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reference_harness import arithmetic, machines, market, objects, pairing, selection, talks

Json = dict[str, Any]
RUNNERS: Mapping[str, Callable[[Json], Json]] = {
    **objects.RUNNERS,
    **machines.RUNNERS,
    **arithmetic.RUNNERS,
    **pairing.RUNNERS,
    **talks.RUNNERS,
    **market.RUNNERS,
    **selection.RUNNERS,
}


def run(op: str, inputs: Json) -> Json:
    """The answer to one operation. KeyError: unknown operation; PeerError: refused."""
    return RUNNERS[op](inputs)
