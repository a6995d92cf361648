"""All mutants, and the table of what finds them, which `make mutants` writes to docs/mutants.md."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from tests.mutants.hunt import Find, Mutant, control, hunt
from tests.mutants.promises import PROMISE_MUTANTS
from tests.mutants.reservations import RESERVATION_MUTANTS
from tests.mutants.sessions import SESSION_MUTANTS

MUTANTS: Final[tuple[Mutant, ...]] = (*RESERVATION_MUTANTS, *PROMISE_MUTANTS, *SESSION_MUTANTS)
TABLE: Final = Path(__file__).parents[2] / "docs" / "mutants.md"
HEAD: Final = """# Mutants

Written by `make mutants`, which runs all of them. A mutant is a deliberate bug that is put into the
product for one run (`tests/mutants/`); the simulator has to find it within its budget of seeds, by one
of the checkers that are meant to notice, and must be content with the sound product on the seed that
shows the mutant. `make test` runs all but those marked with *, and a mutant that is not found fails
the build.

A budget that does not begin at seed 1 has been moved to where the find was, so that few runs are
needed: counted from seed 1, the seed of the find is also the number of seeds that it took. Calls are
calls of routers over the budget's seeds until the find. To see one found:
`pytest tests/simulation/test_mutants.py -k NAME`.

| Mutant | What is wrong | Found by | Plan | Seed (budget) | Calls | Seconds |
|---|---|---|---|---|---|---|
"""


def row_of(mutant: Mutant, find: Find) -> str:
    """One line of the table."""
    plan = mutant.plan(find.seed)
    events = "" if plan.events is None else f", {plan.events} events"
    told = f"{plan.scenario}, {plan.faults}, {plan.slots} slots{events}"
    budget = f"{find.seed} ({mutant.seeds[0]} to {mutant.seeds[-1]})"
    name = f"{mutant.name}{' *' if mutant.slow else ''}"
    return (
        f"| {name} | {mutant.says} | {find.finder} | {told} | {budget} | {find.calls} | {find.seconds:.1f} |"
    )


def main() -> int:
    """Hunt every mutant; 0 when all are found and the product is green where they are."""
    rows, wrong = [], []
    for mutant in MUTANTS:
        find = hunt(mutant)
        if find is None:
            wrong.append(f"{mutant.name}: not found within {mutant.seeds}")
            continue
        rows.append(row_of(mutant, find))
        sys.stdout.write(rows[-1] + "\n")
        sys.stdout.flush()
        blamed = control(mutant.plan(find.seed))
        if find.finder not in mutant.finders or blamed:
            wrong.append(f"{mutant.name}: {blamed or find.sentence}")
    if not wrong:
        TABLE.write_text(HEAD + "\n".join(rows) + "\n", encoding="utf-8")
    for line in wrong:
        sys.stderr.write(f"mutants: {line}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
