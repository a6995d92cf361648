"""The mutant routers fit the product that they change, and each names cases that exist."""

from __future__ import annotations

import pytest
from ioe_conformance.case import cases
from mutants.catalogue import MUTANTS
from mutants.daemon import load_all
from mutants.mutant import Mutant

MUTANTS_MIN = 60


@pytest.fixture(scope="module", autouse=True)
def loaded() -> None:
    """Everything that a daemon may import is imported."""
    load_all()


def test_there_are_enough_of_them() -> None:
    """There are at least sixty mutants."""
    assert len(MUTANTS) >= MUTANTS_MIN


@pytest.mark.parametrize("one", MUTANTS.values(), ids=lambda one: one.name)
def test_a_mutant_can_be_made(one: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a mutant changes is in the product, exactly once, and it compiles."""
    for change in one.changes:
        change.apply(monkeypatch)


@pytest.mark.parametrize("one", MUTANTS.values(), ids=lambda one: one.name)
def test_declared_cases_exist(one: Mutant) -> None:
    """A mutant declares at least one case, and every one that it declares is a case of the kit."""
    assert one.kills
    assert set(one.kills) <= set(cases())
