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
    upper: dict[str, str] = {}
    for arc in arcs:
        if arc.radial and arc.lower not in upper and not _is_above(arc.lower, arc.upper, upper):
            upper[arc.lower] = arc.upper
    ties = sorted({(a, b) for arc in arcs for a, b in ((arc.upper, arc.lower), (arc.lower, arc.upper))})
    sizes = _sizes(nodes, upper)
    for start in sorted(nodes, key=lambda node: (sizes[node], node)):
        if start in upper:
            continue
        for _, other in (tie for tie in ties if tie[0] == start):
            if sizes[_top(other, upper)] >= sizes[start] and not _is_above(start, other, upper):
                upper[start] = other
                break
    children: dict[str, list[str]] = {node: [] for node in nodes}
    for lower in sorted(upper):
        children[upper[lower]].append(lower)
    roots = sorted((node for node in nodes if node not in upper), key=lambda node: (-sizes[node], node))
    return Forest(tuple(roots), {node: tuple(found) for node, found in children.items()})


def _top(node: str, upper: Mapping[str, str]) -> str:
    while node in upper:
        node = upper[node]
    return node


def _is_above(above: str, node: str, upper: Mapping[str, str]) -> bool:
    """Whether `above` is `node` or hangs above it: then it must not hang below it as well."""
    while node != above and node in upper:
        node = upper[node]
    return node == above


def _sizes(nodes: Sequence[str], upper: Mapping[str, str]) -> dict[str, int]:
    """Nodes in the tree of each root."""
    sizes = dict.fromkeys(nodes, 0)
    for node in nodes:
        sizes[_top(node, upper)] += 1
    return sizes


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
