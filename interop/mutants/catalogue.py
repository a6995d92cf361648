"""All mutants by name."""

from __future__ import annotations

from typing import Final

from mutants import bookings, encoding, routing, sessions, signatures, transport
from mutants.mutant import Mutant

MUTANTS: Final[dict[str, Mutant]] = {
    one.name: one
    for one in (
        *encoding.MUTANTS,
        *signatures.MUTANTS,
        *sessions.MUTANTS,
        *routing.MUTANTS,
        *transport.MUTANTS,
        *bookings.MUTANTS,
    )
}
