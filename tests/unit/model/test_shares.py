"""Shares of a bounded table: nobody can keep another out, and nothing is left unused without need."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ioe_router.model.shares import Shares


def fill(table: Shares[int, str], party: str, most: int, first: int = 0) -> int:
    """Add entries of a party until it is refused; how many."""
    for count in range(most):
        if not table.admits(party):
            return count
        table.hold(first + count, party)
    return most


def test_one_party_gets_the_common_half_and_the_others_their_parts() -> None:
    """A greedy party stops at half of the table; each of the others still has its part, and no more."""
    table: Shares[int, str] = Shares(80, 4)
    assert fill(table, "greedy", 1_000) == 40
    assert fill(table, "b", 1_000, 100) == 10
    assert fill(table, "c", 1_000, 200) == 10
    assert not table.admits("greedy")
    assert not table.admits("b")
    assert table.admits("d")


def test_who_is_alone_has_it_all() -> None:
    """With one party the whole table is its own."""
    table: Shares[int, str] = Shares(81, 1)
    assert fill(table, "only", 1_000) == 81
    assert table.is_full()


def test_entries_belong_to_who_brought_them_first_and_come_back() -> None:
    """Holding again changes nothing; dropping makes room, once."""
    table: Shares[int, str] = Shares(8, 2)
    assert fill(table, "a", 100) == 4
    table.hold(0, "b")
    assert not table.admits("a")
    assert table.admits("b", 2)
    assert not table.admits("b", 3)
    table.drop(3)
    table.drop(3)
    assert table.admits("a")
    assert not table.admits("a", 2)


def test_what_takes_a_place_counts_for_whom_it_counted_before() -> None:
    """A replaced entry leaves its party as it was: the part of `b` stays used up."""
    table: Shares[int, str] = Shares(8, 2)
    assert fill(table, "a", 100) == 4
    assert fill(table, "b", 100, 10) == 2
    table.replace(10, by=20)
    table.drop(10)
    assert not table.admits("b")
    table.drop(20)
    assert table.admits("b")


def test_what_counts_for_no_party_needs_a_free_place_only() -> None:
    """Entries of nobody's part are counted in all, up to the limit."""
    table: Shares[int, str | None] = Shares(4, 2)
    for key in range(4):
        assert not table.is_full()
        table.hold(key, None)
    assert table.is_full()
    assert not table.admits("a")


@given(
    st.integers(1, 60),
    st.integers(1, 5),
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 30), st.integers(1, 4), st.booleans()), max_size=200
    ),
)
def test_nobody_ever_keeps_another_from_its_part(
    limit: int, parties: int, steps: list[tuple[int, int, int, bool]]
) -> None:
    """Whatever was added, replaced and dropped: the limit holds, and a party below its part is admitted."""
    table: Shares[int, int] = Shares(limit, parties)
    held: dict[int, tuple[int, int]] = {}
    part = (limit - limit // 2) // parties if parties > 1 else 0
    for fresh, (who, key, units, replaces) in enumerate(steps, start=100):
        party = who % parties
        if key in held and replaces:
            table.replace(key, by=fresh)
            held[fresh] = held.pop(key)
        elif key in held:
            table.drop(key)
            del held[key]
        elif table.admits(party, units):
            table.hold(key, party, units)
            held[key] = (party, units)
        used = [sum(u for p, u in held.values() if p == one) for one in range(parties)]
        assert sum(used) <= limit
        assert all(table.admits(one) for one in range(parties) if used[one] < part)
