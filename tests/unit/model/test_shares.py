"""Shares of a bounded table: no neighbour accounts for more than half of it."""

from __future__ import annotations

from ioe_router.model.ids import NodeId
from ioe_router.model.shares import Shares

ONE, OTHER = NodeId(b"1" * 32), NodeId(b"2" * 32)


def test_a_neighbour_has_half_of_a_table() -> None:
    """Of four entries two may be one neighbour's; what has left the table counts no more."""
    shares = Shares(4, tellers=2)
    shares.note("a", ONE)
    assert not shares.is_used_up(ONE)
    shares.note("b", ONE)
    assert shares.is_used_up(ONE)
    assert not shares.is_used_up(OTHER)
    shares.forget("a")
    assert not shares.is_used_up(ONE)


def test_the_only_neighbour_has_all_of_it() -> None:
    """Nobody else is kept out, so nothing is kept free."""
    shares = Shares(2, tellers=1)
    shares.note("a", ONE)
    assert not shares.is_used_up(ONE)
    shares.note("b", ONE)
    assert shares.is_used_up(ONE)


def test_what_nobody_told_counts_for_nobody() -> None:
    """Entries of this node's own have no share and can be forgotten at any time."""
    shares = Shares(2, tellers=2)
    shares.note("own", None)
    shares.forget("own")
    shares.forget("never there")
    assert not shares.is_used_up(None)
    assert not shares.is_used_up(ONE)
