"""The map: places and lines as shapes with figures, words and addresses, ready for a template.

A small grid is drawn twice, wide and tall, and the style sheet shows the one
that fits the screen.  A large one is drawn once, in rings.  Whatever colour,
width and arrows say is said in words as well, for every line, so that a
screen reader and the table beside the map tell the same.

No shape carries a style: a strict content security policy forbids it.  Colours
come from classes, sizes from attributes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from ioe_router.lg import layout, words
from ioe_router.lg.grid import Answer, Edge, Grid, Place
from ioe_router.lg.layout import Arc, Forest, Spot
from ioe_router.lg.snapshot import Source

SMALL: Final = 60  # nodes up to which names stand beside them
COLUMNS_MAX: Final = 12  # leaves that fit beside each other on a wide page
ROWS_MAX: Final = 32  # nodes that fit below each other
LOAD_STEPS: Final = (0.005, 0.25, 0.5, 0.75, 0.9)  # from here on a line is in the next class of load
_NAME_MAX: Final = 16
_NAME_WIDTH: Final = 130.0  # room for a name beside a dot
_WIDE: Final = 1080.0
_TALL: Final = 360.0
_UPRIGHT: Final = 20.0  # a line that moves sideways by less is taken as upright
_RINGS: Final = 1000.0
_ANSWER_WORDS: Final = {
    Answer.YES: "answers",
    Answer.NO: "does not answer",
    Answer.NEVER: "has not answered yet",
    Answer.NOT_ASKED: "known from others",
}
_ICONS: Final = {
    Source.SOLAR: "solar",
    Source.WIND: "wind",
    Source.HYDRO: "hydro",
    Source.GEOTHERMAL: "geothermal",
    Source.STORAGE: "battery",
    Source.FUEL: "fuel",
    Source.GRID: "utility",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A place on the map."""

    node: str
    href: str  # empty: there is no page
    x: float
    y: float
    r: float
    icon: str
    answer: Answer
    label: str
    label_x: float
    label_y: float
    anchor: str
    trunk: str  # what the lines to its children branch off from; empty when they do not
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stroke:
    """A line on the map."""

    d: str
    width: float
    level: str  # idle, 1 to 5, or hidden
    flow: str  # forward, back or none
    x: float
    y: float
    turn: float  # of the arrow, degrees
    arrow: float  # its size, 0 for none
    tie: bool
    label: str
    label_x: float
    label_y: float
    anchor: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """One picture of the grid."""

    kind: str  # wide, tall or rings
    width: float
    height: float
    dots: tuple[Dot, ...]
    strokes: tuple[Stroke, ...]
    named: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LineRow:
    """A line in words, for the table beside the map."""

    upper: str
    lower: str
    kind: str
    rating: str
    level: str
    share: float | None  # of the rating; None: not told
    power: str
    sender: str  # where the energy comes from; empty when none flows
    receiver: str
    words: str
    known: str  # how: ledger, hint, or why not


def drawings(grid: Grid, hidden: frozenset[str]) -> tuple[Drawing, ...]:
    """All pictures of a grid; the loads of `hidden` links are not shown."""
    trees = layout.forest([place.node for place in grid.places], [_arc(edge) for edge in grid.edges])
    leaves = sum(layout.leaf_counts(trees)[root] for root in trees.roots)
    if len(grid.places) > SMALL:
        return (_draw(grid, hidden, _rings_plan(trees, len(grid.places))),)
    wide = _down_plan(trees) if leaves <= COLUMNS_MAX else _rings_plan(trees, len(grid.places), "wide")
    small = len(grid.places) <= ROWS_MAX
    tall = _outline_plan(trees) if small else _rings_plan(trees, len(grid.places), "tall")
    return (_draw(grid, hidden, wide), _draw(grid, hidden, tall))


def line_rows(grid: Grid, hidden: frozenset[str]) -> tuple[LineRow, ...]:
    """Every line in words, the most loaded first."""
    rows = [_row(grid, edge, edge.line.link in hidden) for edge in grid.edges]
    return tuple(sorted(rows, key=lambda row: (-(row.share or 0), row.upper, row.lower)))


def level_of(share: float) -> str:
    """The class of a load: `idle`, or 1 to 5."""
    step = sum(share >= least for least in LOAD_STEPS)
    return str(step) if step else "idle"


# ------------------------------------------------------------------ plans


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    kind: str
    width: float
    height: float
    spots: Mapping[str, Spot]
    curve: Callable[[Spot, Spot], tuple[str, float]]  # shape of a feeder, turn of its middle
    r: float
    side: bool  # names stand beside the dots, not below
    trees: Forest


def _down_plan(trees: Forest) -> _Plan:
    height = 120.0 + 118.0 * (layout.depth(trees) - 1)
    spots = layout.down(trees, _WIDE, height, (70.0, 52.0))
    return _Plan(
        kind="wide", width=_WIDE, height=height, spots=spots, curve=_bent_down, r=19, side=False, trees=trees
    )


def _outline_plan(trees: Forest) -> _Plan:
    spots = layout.outline(trees, _TALL, 44.0, (20.0, 24.0))
    return _Plan(
        kind="tall",
        width=_TALL,
        height=max((y for _, y in spots.values()), default=0.0) + 24.0,
        spots=spots,
        curve=_branch,
        r=15,
        side=True,
        trees=trees,
    )


def _rings_plan(trees: Forest, count: int, kind: str = "rings") -> _Plan:
    margin = 60.0 if count <= SMALL else 24.0
    step = _RINGS / 2 / layout.depth(trees)
    spots = layout.rings(trees, _RINGS, 0.0)
    left, top = (min((spot[axis] for spot in spots.values()), default=0.0) - margin for axis in (0, 1))
    right, bottom = (max((spot[axis] for spot in spots.values()), default=0.0) + margin for axis in (0, 1))
    return _Plan(
        kind=kind,
        width=right - left,
        height=bottom - top,
        spots={node: (x - left, y - top) for node, (x, y) in spots.items()},
        curve=_straight,
        r=17.0 if count <= SMALL else max(3.0, min(10.0, step * 0.18)),
        side=False,
        trees=trees,
    )


def _bent_down(a: Spot, b: Spot) -> tuple[str, float]:
    middle = (a[1] + b[1]) / 2
    turn = math.degrees(math.atan2(b[1] - a[1], 2 * (b[0] - a[0])))
    return (
        f"M{a[0]:.1f} {a[1]:.1f}C{a[0]:.1f} {middle:.1f} {b[0]:.1f} {middle:.1f} {b[0]:.1f} {b[1]:.1f}",
        turn,
    )


def _branch(a: Spot, b: Spot) -> tuple[str, float]:
    return f"M{a[0]:.1f} {b[1]:.1f}H{b[0]:.1f}", 0.0


def _straight(a: Spot, b: Spot) -> tuple[str, float]:
    turn = math.degrees(math.atan2(b[1] - a[1], b[0] - a[0]))
    return f"M{a[0]:.1f} {a[1]:.1f}L{b[0]:.1f} {b[1]:.1f}", turn


# ------------------------------------------------------------------ shapes


def _draw(grid: Grid, hidden: frozenset[str], plan: _Plan) -> Drawing:
    return Drawing(
        kind=plan.kind,
        width=round(plan.width),
        height=round(plan.height),
        dots=tuple(_dot(place, plan) for place in grid.places),
        strokes=tuple(_stroke(grid, edge, edge.line.link in hidden, plan) for edge in grid.edges),
        named=len(grid.places) <= SMALL,
    )


def _dot(place: Place, plan: _Plan) -> Dot:
    x, y = plan.spots[place.node]
    name = place.name if len(place.name) <= _NAME_MAX else place.name[: _NAME_MAX - 1] + "…"
    children = plan.trees.children[place.node]
    beside = plan.side or (plan.curve is _bent_down and bool(children))
    label_x, label_y = (x + plan.r + 7, y + 4.5) if beside else (x, y + plan.r + 17)
    anchor = "start" if beside else "middle"
    if beside and not plan.side and x > plan.width - _NAME_WIDTH:
        anchor, label_x = "end", x - plan.r - 7
    last = max((plan.spots[child][1] for child in children), default=y)
    return Dot(
        node=place.node,
        href=f"/nodes/{place.slug}" if place.slug else "",
        x=round(x, 1),
        y=round(y, 1),
        r=round(plan.r, 1),
        icon=icon_of(place),
        answer=place.answer,
        label=name,
        label_x=round(label_x, 1),
        label_y=round(label_y, 1),
        anchor=anchor,
        trunk=f"M{x:.1f} {y:.1f}V{last:.1f}" if plan.side and children else "",
        words=f"{place.name}: {_ANSWER_WORDS[place.answer]}",
    )


def icon_of(place: Place) -> str:
    """What stands for a place: the utility, its only source, or a house."""
    if place.is_utility:
        return "utility"
    kinds = [_ICONS[source] for source in place.sources]
    return kinds[0] if len(kinds) == 1 else "house"


def _stroke(grid: Grid, edge: Edge, is_hidden: bool, plan: _Plan) -> Stroke:
    d, turn, turned = _course(edge, plan)
    row = _row(grid, edge, is_hidden)
    share = row.share or 0.0
    flow = "none"
    if edge.load is not None and row.level not in ("idle", "hidden"):
        flow = "forward" if (edge.load.net_j > 0) != turned else "back"
    thin = max(0.45, plan.r / 19)
    x, y, label_x, label_y, anchor = _marks(edge, plan)
    return Stroke(
        d=d,
        width=round(thin * (2.5 + 8 * min(1.1, share)), 2),
        level=row.level,
        flow=flow,
        x=round(x, 1),
        y=round(y, 1),
        turn=round(turn + (180 if flow == "back" else 0), 1),
        arrow=0 if flow == "none" else round(thin * (0.85 + 0.5 * min(1.0, share)), 2),
        tie=not edge.line.radial,
        label=words.percent(share) if flow != "none" and plan.curve is not _straight else "",
        label_x=round(label_x, 1),
        label_y=round(label_y, 1),
        anchor=anchor,
        words=row.words,
    )


def _course(edge: Edge, plan: _Plan) -> tuple[str, float, bool]:
    """A line's shape, the turn of its middle, and whether it is drawn from the end that is not the keeper."""
    keeper, other = edge.line.keeper, edge.line.other
    a, b = plan.spots[keeper], plan.spots[other]
    if other in plan.trees.children[keeper]:
        return (*plan.curve(a, b), False)
    if keeper in plan.trees.children[other]:
        return (*plan.curve(b, a), True)
    return (*_straight(a, b), False)


def _marks(edge: Edge, plan: _Plan) -> tuple[float, float, float, float, str]:
    """Where a line's arrow stands, and its label with its anchor."""
    a, b = plan.spots[edge.line.keeper], plan.spots[edge.line.other]
    x, y = (a[0] + b[0]) / 2, (a[1] + b[1]) / 2
    if plan.side:
        left, right = min(a, b), max(a, b)
        return (left[0] + right[0] - plan.r) / 2, right[1], plan.width - 8, right[1] + 4.5, "end"
    if abs(a[0] - b[0]) < _UPRIGHT:
        return x, y, x + 14, y + 4, "start"
    return x, y, x, y - 12, "middle"


def _row(grid: Grid, edge: Edge, is_hidden: bool) -> LineRow:
    line, load = edge.line, edge.load
    upper, lower = grid.name(line.keeper), grid.name(line.other)
    kind = "line" if line.radial else "controlled line"
    told = load is not None and not is_hidden
    share = edge.share(grid.slot_s) if told else None
    sender = receiver = power = ""
    if load is not None and share:
        sender, receiver = (upper, lower) if load.net_j > 0 else (lower, upper)
        power = words.power(abs(load.net_j), grid.slot_s)
    if is_hidden:
        said, known = "load not shown: it is one household's", "private"
    elif load is None:
        said, known = "nobody tells its load", "unknown"
    elif not share:
        said, known = "nothing is booked", "ledger" if load.exact else "hint"
    else:
        said = f"{power} from {sender} to {receiver}, {words.percent(share)} of its rating"
        known = "ledger" if load.exact else "hint"
    return LineRow(
        upper=upper,
        lower=lower,
        kind=kind,
        rating=words.rating(max(line.rating_down_va, line.rating_up_va)),
        level="hidden" if share is None else level_of(share),
        share=share,
        power=power,
        sender=sender,
        receiver=receiver,
        words=f"{kind.capitalize()} {upper} – {lower}: {said}",
        known=known,
    )


def _arc(edge: Edge) -> Arc:
    return Arc(upper=edge.line.keeper, lower=edge.line.other, radial=edge.line.radial)
