"""Whatever stands in a store: a router takes it up, or refuses it with one sentence, and nothing else."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ioe_router.core.durable import REMEDY
from ioe_router.core.effects import Persist
from ioe_router.core.inputs import Started
from ioe_router.model.errors import UsageError
from ioe_router.router import Router
from tests.simulation.crash_line import committed, line, meter, rows_of, set_prices
from tests.simulation.crashing import new_router
from tests.simulation.pair import SLOT_S, Sim

VALUES: tuple[Any, ...] = (None, 0, -1, 1, 2**70, "", [], {}, "zz", "00", True, 1.5, [1], [[1]], [None])


@functools.cache
def settled() -> Sim:
    """One packet, committed, metered and settled: rows of every kind are in the stores."""
    sim = committed(line())
    set_prices(sim)
    sim.at(-SLOT_S - 5)
    meter(sim, *"abc")
    sim.wait(5)
    return sim


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 - any JSON
    """Every place in a JSON value, as the keys that lead there."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*at, key)
        yield from places(inner, (*at, key))


def spoiled(row: Persist, place: int, value: Any) -> Persist:  # noqa: ANN401 - any JSON
    """The row with another value at one place of its record."""
    content = json.loads(row.record or b"")
    every = list(places(content))
    *way, last = every[place % len(every)]
    inner = functools.reduce(lambda part, key: part[key], way, content)
    inner[last] = value
    return replace(row, record=json.dumps(content).encode())


def refusal_of(router: Router, rows: list[Persist], sim: Sim) -> str | None:
    """The sentence with which a store is refused, None when it is taken up."""
    try:
        router.restore(tuple(rows), sim.wire.now)
    except UsageError as error:
        return str(error)
    return None


@settings(max_examples=150, deadline=None)
@given(st.sampled_from("abc"), st.integers(0, 99), st.integers(0, 9_999), st.sampled_from(VALUES))
def test_a_spoiled_store_is_taken_up_or_refused(name: str, row: int, place: int, value: Any) -> None:  # noqa: ANN401
    """One field of one record is another: the start goes through, or ends with a sentence and a remedy."""
    sim = settled()
    rows = rows_of(sim, name)
    rows[row % len(rows)] = spoiled(rows[row % len(rows)], place, value)
    router = new_router(sim, name)
    refusal = refusal_of(router, rows, sim)
    if refusal is None:
        router.handle(Started(epoch=2), sim.wire.now)
        router.check_invariants()
    else:
        assert REMEDY in refusal


@settings(max_examples=60, deadline=None)
@given(st.sampled_from("abc"), st.integers(0, 99), st.integers(0, 9_999))
def test_a_record_that_was_cut_short_is_refused(name: str, row: int, length: int) -> None:
    """No beginning of a record is a record."""
    sim = settled()
    rows = rows_of(sim, name)
    whole = rows[row % len(rows)].record or b""
    rows[row % len(rows)] = replace(rows[row % len(rows)], record=whole[: length % len(whole)])
    assert REMEDY in (refusal_of(new_router(sim, name), rows, sim) or "")
