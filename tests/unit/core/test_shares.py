"""Shares of a bounded table: nobody can keep another out, and nothing is left unused without need."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ioe_router.model.shares import Shares


def fill(shares: Shares[int, str], party: str, most: int, first: int = 0) -> int:
    """Add entries of a party until it is refused; how many."""
    for count in range(most):
        if not shares.admits(party):
            return count
        shares.hold(first + count, party)
    return most


def test_one_party_gets_the_common_half_and_the_others_their_parts() -> None:
    """A greedy party stops at half of the table; each of the others still has its part, and no more."""
    shares: Shares[int, str] = Shares(80, 4)
    assert fill(shares, "greedy", 1_000) == 40
    assert fill(shares, "b", 1_000, 100) == 10
    assert fill(shares, "c", 1_000, 200) == 10
    assert not shares.admits("greedy")
    assert not shares.admits("b")
    assert shares.admits("d")


def test_who_is_alone_has_it_all() -> None:
    """With one party the whole table is its own."""
    shares: Shares[int, str] = Shares(81, 1)
    assert fill(shares, "only", 1_000) == 81


def test_entries_belong_to_who_brought_them_first_and_come_back() -> None:
    """Holding again changes nothing; dropping makes room; what the table has lost is counted no more."""
    shares: Shares[int, str] = Shares(8, 2)
    assert fill(shares, "a", 100) == 4
    shares.hold(0, "b")
    assert not shares.admits("a")
    assert shares.admits("b", 2)
    assert not shares.admits("b", 3)
    shares.drop(3)
    shares.drop(3)
    assert shares.admits("a")
    shares.drop_all_but({0})
    assert shares.admits("a", 3)
    assert not shares.admits("a", 4)


@given(
    st.integers(1, 60),
    st.integers(1, 5),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 30), st.integers(1, 4)), max_size=200),
)
def test_nobody_ever_keeps_another_from_its_part(
    limit: int, parties: int, steps: list[tuple[int, int, int]]
) -> None:
    """Whatever was added and dropped: the limit holds, and a party below its part is admitted."""
    shares: Shares[int, int] = Shares(limit, parties)
    held: dict[int, tuple[int, int]] = {}
    part = (limit - limit // 2) // parties if parties > 1 else 0
    for who, key, units in steps:
        party = who % parties
        if key in held:
            shares.drop(key)
            del held[key]
        elif shares.admits(party, units):
            shares.hold(key, party, units)
            held[key] = (party, units)
        used = [sum(u for p, u in held.values() if p == one) for one in range(parties)]
        assert sum(used) <= limit
        assert all(shares.admits(one) for one in range(parties) if used[one] < part)
