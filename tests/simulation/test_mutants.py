"""The checkers see: deliberate bugs that the simulator has to find, each within its budget of seeds."""

from __future__ import annotations

import pytest
from mutants.patching import Edit, Entry, MutantRotten

from tests.mutants.catalogue import MUTANTS
from tests.mutants.hunt import Mutant, control, hunt

QUICK = [mutant for mutant in MUTANTS if not mutant.slow]


@pytest.mark.parametrize("mutant", QUICK, ids=lambda mutant: mutant.name)
def test_a_mutant_is_found_within_its_budget_and_the_product_is_not_blamed(mutant: Mutant) -> None:
    """A checker that is meant to notice speaks up, and has nothing to say of the product on the same seed."""
    find = hunt(mutant)
    assert find is not None, f"no seed of {mutant.seeds} shows: {mutant.says}"
    assert find.finder in mutant.finders, find.sentence
    assert control(mutant.plan(find.seed)) == ""


def test_there_are_enough_mutants_and_each_has_a_name_of_its_own() -> None:
    """At least 25 are run with the other tests."""
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    assert len(QUICK) >= 25


def test_a_mutant_that_no_longer_fits_the_product_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text or an entry that is not there is named, instead of a mutant that changes nothing."""
    with pytest.raises(MutantRotten, match=r"core\.hop:Hop\.drop has 0 times: no such text"):
        Edit("core.hop:Hop.drop", "no such text", "pass").apply(monkeypatch)
    with pytest.raises(MutantRotten, match="TRANSITIONS has no entry nothing"):
        Entry("core.reservation_fsm:TRANSITIONS", "nothing", 0).apply(monkeypatch)
