"""What a mutant is: a name, what is wrong with it, the change, and the cases that must fail by it."""

from __future__ import annotations

from dataclasses import dataclass

from mutants.patching import Change


@dataclass(frozen=True, slots=True)
class Mutant:
    """One defect. `kills` are the ids of the cases that have to fail; others may."""

    name: str
    says: str
    changes: tuple[Change, ...]
    kills: tuple[str, ...]


def mutant(name: str, says: str, *changes: Change, kills: str) -> Mutant:
    """A mutant; `kills` are the ids in one text."""
    return Mutant(name, says, changes, tuple(kills.split()))
