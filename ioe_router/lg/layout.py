"""Where the nodes of a grid are drawn: deterministic, without a library, in time that grows with the grid.

A grid is drawn as the tree in which its feeders hang: roots are nodes that no
RADIAL line leads down to (the keeper of such a line is its upper end), and a
line that closes a ring stays out of the tree and is drawn across it.

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
    """Hang all nodes into trees: along feeders from the top first, then over whatever lines are left."""
    near: dict[str, list[tuple[int, str]]] = {node: [] for node in nodes}
    below: set[str] = set()
    for arc in arcs:
        near[arc.upper].append((0 if arc.radial else 1, arc.lower))
        near[arc.lower].append((2 if arc.radial else 1, arc.upper))
        if arc.radial:
            below.add(arc.lower)
    starts = sorted(nodes, key=lambda node: (node in below, -len(near[node]), node))
    children: dict[str, tuple[str, ...]] = {}
    roots: list[str] = []
    seen: set[str] = set()
    for start in starts:
        if start in seen:
            continue
        roots.append(start)
        seen.add(start)
        line = [start]
        for node in line:
            found = [other for _, other in sorted(set(near[node])) if other not in seen]
            fresh = tuple(dict.fromkeys(found))
            seen.update(fresh)
            children[node] = fresh
            line.extend(fresh)
    return Forest(tuple(roots), children)


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
