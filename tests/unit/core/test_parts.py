"""Parts of a bounded table: nobody can keep another out, and nothing is left unused without need."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ioe_router.model.parts import Parts


def fill(table: Parts[int, str], party: str, most: int, first: int = 0) -> int:
    """Add entries of a party until it is refused; how many."""
    for count in range(most):
        if not table.admits(party):
            return count
        table.hold(first + count, party)
    return most


def test_one_party_gets_the_common_half_and_the_others_their_parts() -> None:
    """A greedy party stops at half of the table; each of the others still has its part, and no more."""
    table: Parts[int, str] = Parts(80, 4)
    assert fill(table, "greedy", 1_000) == 40
    assert fill(table, "b", 1_000, 100) == 10
    assert fill(table, "c", 1_000, 200) == 10
    assert not table.admits("greedy")
    assert not table.admits("b")
    assert table.admits("d")


def test_who_is_alone_has_it_all() -> None:
    """With one party the whole table is its own."""
    table: Parts[int, str] = Parts(81, 1)
    assert fill(table, "only", 1_000) == 81


def test_entries_belong_to_who_brought_them_first_and_come_back() -> None:
    """Holding again changes nothing; dropping makes room; what the table has lost is counted no more."""
    table: Parts[int, str] = Parts(8, 2)
    assert fill(table, "a", 100) == 4
    table.hold(0, "b")
    assert not table.admits("a")
    assert table.admits("b", 2)
    assert not table.admits("b", 3)
    table.drop(3)
    table.drop(3)
    assert table.admits("a")
    table.drop_all_but({0})
    assert table.admits("a", 3)
    assert not table.admits("a", 4)


@given(
    st.integers(1, 60),
    st.integers(1, 5),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 30), st.integers(1, 4)), max_size=200),
)
def test_nobody_ever_keeps_another_from_its_part(
    limit: int, parties: int, steps: list[tuple[int, int, int]]
) -> None:
    """Whatever was added and dropped: the limit holds, and a party below its part is admitted."""
    table: Parts[int, int] = Parts(limit, parties)
    held: dict[int, tuple[int, int]] = {}
    part = (limit - limit // 2) // parties if parties > 1 else 0
    for who, key, units in steps:
        party = who % parties
        if key in held:
            table.drop(key)
            del held[key]
        elif table.admits(party, units):
            table.hold(key, party, units)
            held[key] = (party, units)
        used = [sum(u for p, u in held.values() if p == one) for one in range(parties)]
        assert sum(used) <= limit
        assert all(table.admits(one) for one in range(parties) if used[one] < part)
