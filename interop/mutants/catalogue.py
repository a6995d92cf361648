"""All mutants by name."""

from __future__ import annotations

from typing import Final

from mutants import bookings, encoding, routing, sessions, signatures, transport
from mutants.mutant import Mutant

_ALL: Final[tuple[Mutant, ...]] = (
    *encoding.MUTANTS,
    *signatures.MUTANTS,
    *sessions.MUTANTS,
    *routing.MUTANTS,
    *transport.MUTANTS,
    *bookings.MUTANTS,
)
MUTANTS: Final[dict[str, Mutant]] = {one.name: one for one in _ALL}
if len(MUTANTS) < len(_ALL):
    raise ValueError("two mutants have the same name")
