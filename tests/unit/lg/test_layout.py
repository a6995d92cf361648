"""Places on the map: every node has one of its own, feeders hang from their top, chance has no part."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ioe_router.lg.layout import Arc, depth, down, forest, leaf_counts, outline, rings

NAMES = [f"n{place:02d}" for place in range(14)]
ARCS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES), st.booleans()).filter(
        lambda one: one[0] != one[1]
    ),
    max_size=25,
)


def _arcs(found: list[tuple[str, str, bool]]) -> list[Arc]:
    return [Arc(upper=upper, lower=lower, radial=radial) for upper, lower, radial in found]


@given(ARCS)
def test_every_node_has_a_place_of_its_own(found: list[tuple[str, str, bool]]) -> None:
    """Whatever the lines are, rings included, each node hangs once and no two stand at one place."""
    trees = forest(NAMES, _arcs(found))
    hung = [*trees.roots, *(child for children in trees.children.values() for child in children)]
    assert sorted(hung) == NAMES
    for spots in (down(trees, 900, 500, (50, 50)), outline(trees, 360, 40, (20, 20)), rings(trees, 900, 20)):
        assert set(spots) == set(NAMES)
        assert len({(round(x, 3), round(y, 3)) for x, y in spots.values()}) == len(NAMES)
        assert all(0 <= x <= 900 and y >= 0 for x, y in spots.values())


@given(ARCS)
def test_the_order_of_the_lines_does_not_matter(found: list[tuple[str, str, bool]]) -> None:
    """The same lines in another order give the same picture."""
    arcs = _arcs(found)
    assert forest(NAMES, arcs) == forest(NAMES, list(reversed(arcs)))


def test_feeders_hang_from_their_top() -> None:
    """A node stands below its feeder, not below a tie that would reach it as well."""
    arcs = _arcs(
        [("top", "a", True), ("top", "b", True), ("b", "c", True), ("a", "c", False), ("top", "w", False)]
    )
    trees = forest(["a", "b", "c", "top", "w"], arcs)
    assert trees.roots == ("top",)
    assert trees.children["b"] == ("c",)
    assert trees.children["top"] == ("a", "b", "w")
    assert leaf_counts(trees)["top"] == 3
    spots = down(trees, 1000, 300, (50, 50))
    assert spots["top"][1] < spots["b"][1] < spots["c"][1]


def test_a_long_feeder() -> None:
    """Thousands of nodes in a row are no problem."""
    names = [f"{place:05d}" for place in range(3_000)]
    arcs = [Arc(upper=a, lower=b, radial=True) for a, b in itertools.pairwise(names)]
    trees = forest(names, arcs)
    assert depth(trees) == 3_000
    assert len(down(trees, 900, 900, (9, 9))) == len(outline(trees, 360, 40, (9, 9))) == len(names)
    assert len(rings(trees, 900, 9)) == len(names)


def test_rings_stand_around_the_root() -> None:
    """All nodes of a level are equally far from the root in the middle."""
    arcs = [Arc(upper="r", lower=f"c{i}", radial=True) for i in range(6)]
    trees = forest(["r", *(f"c{i}" for i in range(6))], arcs)
    spots = rings(trees, 200, 20)
    assert spots["r"] == pytest.approx((100, 100))
    far = [math.dist((100, 100), spots[f"c{place}"]) for place in range(6)]
    assert far == pytest.approx([80] * 6)
