"""Where the nodes of a grid are drawn: deterministic, without a library, in time that grows with the grid.

A grid is drawn as the tree in which its feeders hang: roots are nodes that no
RADIAL line leads down to (the keeper of such a line is its upper end).  A tie
hangs a part that would stand alone; one that closes a ring is drawn across.

    down     root on top, one column per leaf         a small grid on a wide page
    outline  one row per node, deeper to the right    a small grid on a phone
    rings    root in the middle, deeper outwards      a large grid on either

Equal grids give equal drawings, so that nothing jumps when a page is drawn anew.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Spot = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arc:
    """A line as the layout sees it: its upper and lower end, and whether it is part of a feeder."""

    upper: str
    lower: str
    radial: bool


@dataclass(frozen=True, slots=True)
class Forest:
    """Trees over all nodes: the children of each, in drawing order."""

    roots: tuple[str, ...]
    children: Mapping[str, tuple[str, ...]]


def forest(nodes: Sequence[str], arcs: Sequence[Arc]) -> Forest:
    """Hang all nodes into trees: below the upper end of a feeder first; what hangs nowhere, over a tie."""
    trees = _Trees(nodes)
    for arc in sorted(arcs, key=lambda one: (one.lower, one.upper)):
        if arc.radial and arc.lower not in trees.upper:
            trees.hang(arc.lower, arc.upper)
    ties: dict[str, set[str]] = {node: set() for node in nodes}
    for arc in arcs:
        ties[arc.upper].add(arc.lower)
        ties[arc.lower].add(arc.upper)
    for start in sorted(nodes, key=lambda node: (trees.size[node], node)):
        others = sorted(ties[start]) if start not in trees.upper else ()
        larger = (other for other in others if trees.size[trees.top(other)] >= trees.size[start])
        any(trees.hang(start, other) for other in larger)
    children: dict[str, list[str]] = {node: [] for node in nodes}
    for lower in sorted(trees.upper):
        children[trees.upper[lower]].append(lower)
    roots = (node for node in nodes if node not in trees.upper)
    ordered = sorted(roots, key=lambda node: (-trees.size[node], node))
    return Forest(tuple(ordered), {node: tuple(found) for node, found in children.items()})


class _Trees:
    """What hangs below what, so far. `size` counts the nodes of a tree at its root."""

    def __init__(self, nodes: Sequence[str]) -> None:
        self.upper: dict[str, str] = {}
        self.size = dict.fromkeys(nodes, 1)
        self._near_top: dict[str, str] = {}  # some node above, so that the way to the root is short

    def top(self, node: str) -> str:
        """The root of a node's tree."""
        way = []
        while node in self._near_top:
            way.append(node)
            node = self._near_top[node]
        self._near_top.update(dict.fromkeys(way, node))
        return node

    def hang(self, root: str, upper: str) -> bool:
        """Hang a root below a node; False, and nothing is done, if that node is in the root's own tree."""
        top = self.top(upper)
        if top == root:
            return False
        self.upper[root] = upper
        self._near_top[root] = top
        self.size[top] += self.size[root]
        return True


def leaf_counts(trees: Forest) -> dict[str, int]:
    """How many leaves hang below each node; 1 for a leaf."""
    order = list(trees.roots)
    for node in order:
        order.extend(trees.children[node])
    counts: dict[str, int] = {}
    for node in reversed(order):
        counts[node] = sum(counts[child] for child in trees.children[node]) or 1
    return counts


def depth(trees: Forest) -> int:
    """Levels of the deepest tree."""
    level, levels = list(trees.roots), 0
    while level:
        levels += 1
        level = [child for node in level for child in trees.children[node]]
    return levels


def tidy(trees: Forest) -> dict[str, Spot]:
    """Each node's (column, level): a column for each leaf, a parent over the middle of its children."""
    spots: dict[str, Spot] = {}
    column = 0.0

    # A stack instead of recursion: a feeder may be longer than Python's recursion goes.
    for root in trees.roots:
        stack: list[tuple[str, int, bool]] = [(root, 0, False)]
        while stack:
            node, level, done = stack.pop()
            children = trees.children[node]
            if not children:
                spots[node] = (column, level)
                column += 1
            elif done:
                ends = (spots[children[0]][0], spots[children[-1]][0])
                spots[node] = (sum(ends) / 2, level)
            else:
                stack.append((node, level, True))
                stack.extend((child, level + 1, False) for child in reversed(children))
    return spots


def down(trees: Forest, width: float, height: float, margin: Spot) -> dict[str, Spot]:
    """Root on top; columns spread over the width."""
    spots = tidy(trees)
    columns = max((x for x, _ in spots.values()), default=0)
    levels = max((y for _, y in spots.values()), default=0)
    inner_x, inner_y = width - 2 * margin[0], height - 2 * margin[1]
    return {
        node: (
            margin[0] + (x / columns * inner_x if columns else inner_x / 2),
            margin[1] + (y / levels * inner_y if levels else inner_y / 2),
        )
        for node, (x, y) in spots.items()
    }


def outline(trees: Forest, width: float, row: float, margin: Spot) -> dict[str, Spot]:
    """One row per node, as in a table of contents; levels move to the right, at most over half the width."""
    step = min(3.2 * margin[0], width / 2 / max(1, depth(trees) - 1))
    spots: dict[str, Spot] = {}
    stack = [(root, 0) for root in reversed(trees.roots)]
    while stack:
        node, level = stack.pop()
        spots[node] = (margin[0] + level * step, margin[1] + len(spots) * row)
        stack.extend((child, level + 1) for child in reversed(trees.children[node]))
    return spots


def rings(trees: Forest, size: float, margin: float) -> dict[str, Spot]:
    """Root in the middle; every leaf gets an equal part of the circle, every level a ring."""
    counts = leaf_counts(trees)
    total = sum(counts[root] for root in trees.roots) or 1
    several = len(trees.roots) > 1
    levels = depth(trees) - (0 if several else 1)
    step = (size / 2 - margin) / max(1, levels)
    spots: dict[str, Spot] = {}
    queue: list[tuple[str, float, int]] = []
    start = 0.0
    for root in trees.roots:
        queue.append((root, start, 1 if several else 0))
        start += counts[root]
    for node, first, level in queue:
        angle = 2 * math.pi * (first + counts[node] / 2) / total - math.pi / 2
        radius = step * level
        spots[node] = (size / 2 + radius * math.cos(angle), size / 2 + radius * math.sin(angle))
        begin = first
        for child in trees.children[node]:
            queue.append((child, begin, level + 1))
            begin += counts[child]
    return spots
