"""How the zone's root shares the voltage band out over its links (SPEC section 11).

Given the tree of RADIAL links, their impedances and the connection limits of
the nodes, find for each link and direction a power such that *every*
combination of flows inside these limits keeps every bus inside the band less
the guard.

For link l, w_l = min(rating, sum of what the buses and links below it may
pass), CONTROLLED ports counted with their ratings.  Squared voltages fall along a path by
2 (r P + x Q) / Vn^2 (behind the taps passed so far), so the worst case for a
bus is each link of its path at its limit:

    v_root - sum 2 (r a_l w_l + x Q_l) / (Vn^2 t_l^2)  >=  (V_min + guard)^2 / t_n^2

and likewise upwards with V_max - guard.  The second-order terms that this
leaves out are what the guard is for.

Sharing rule: max-min fair.  One factor rises from 0 for all links together;
when a bus reaches its limit, the links of its path stop there and the others
rise on, up to the whole of w_l.  No link gets less than it would under one
common factor for the zone, and the combination of all limits is as safe.

All arithmetic is exact (rationals).  Rounding, each to the safe side: the
factor down to whole parts per million, a limit down to whole watts, reactive
power up to whole var.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor
from typing import Final

from ioe_router.model.discovery import LinkAttestation, LinkKind
from ioe_router.model.grid import ConnectionLimit, EnvelopeLine
from ioe_router.model.ids import NodeId, link_id_of
from ioe_router.model.parameters import NetworkParameters

PPM: Final = 1_000_000
ROOT: Final = -1  # index of "no link above"


@dataclass(frozen=True, slots=True, kw_only=True)
class Below:
    """What may pass the end of a link at most: watts per direction, var drawn and var given."""

    import_w: int = 0
    export_w: int = 0
    drawn_var: int = 0
    given_var: int = 0

    def plus(self, other: Below) -> Below:
        """Both together."""
        return Below(
            import_w=self.import_w + other.import_w,
            export_w=self.export_w + other.export_w,
            drawn_var=self.drawn_var + other.drawn_var,
            given_var=self.given_var + other.given_var,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One RADIAL link of the tree; `above` is the index of the branch above it, ROOT for none.

    `turns` is the square of all tap ratios from the root to the child's end.
    """

    link: LinkAttestation
    above: int
    turns: Fraction
    below: Below = Below()
    height: int = 0

    @property
    def down_w(self) -> int:
        """w_l of flows from the root's side."""
        return min(self.link.rating_down_va, self.below.import_w)

    @property
    def up_w(self) -> int:
        """w_l of flows towards the root."""
        return min(self.link.rating_up_va, self.below.export_w)

    @property
    def reactive_var(self) -> int:
        """Q_l: the larger of what may be drawn and given below, the larger rating at most."""
        return max(self.passing.drawn_var, self.passing.given_var)

    @property
    def passing(self) -> Below:
        """What may pass the link: nothing passes above its rating, whatever the members below state."""
        rated_va = max(self.link.rating_down_va, self.link.rating_up_va)
        return Below(
            import_w=self.down_w,
            export_w=self.up_w,
            drawn_var=min(rated_va, self.below.drawn_var),
            given_var=min(rated_va, self.below.given_var),
        )

    def drop(self, active_w: int) -> Fraction:
        """Share of the squared voltage that active power costs, seen from the root."""
        return Fraction(2 * self.link.loss.r_micro_ohm * active_w, self.link.loss.vn_mv**2) / self.turns

    @property
    def reactive_drop(self) -> Fraction:
        """The same for Q_l."""
        return (
            Fraction(2 * self.link.loss.x_micro_ohm * self.reactive_var, self.link.loss.vn_mv**2) / self.turns
        )


def operating_lines(
    root: NodeId,
    root_micro_pu: int,
    parameters: NetworkParameters,
    attestations: Iterable[LinkAttestation],
    limits: Mapping[NodeId, ConnectionLimit],
) -> tuple[EnvelopeLine, ...]:
    """The lines of an operating envelope, from the root outwards.

    Nodes without a limit, and what lies below them, get no line: their links
    are not bookable until they have reported.
    """
    branches = branches_of(root, tuple(attestations), limits, parameters)
    low = parameters.voltage_min_micro_pu + parameters.voltage_guard_micro_pu
    high = parameters.voltage_max_micro_pu - parameters.voltage_guard_micro_pu
    start, floor_v, top_v = (Fraction(v * v, PPM * PPM) for v in (root_micro_pu, low, high))
    down = _factors(
        branches, [b.drop(b.down_w) for b in branches], [start - floor_v / b.turns for b in branches]
    )
    up = _factors(branches, [b.drop(b.up_w) for b in branches], [top_v / b.turns - start for b in branches])
    return tuple(
        EnvelopeLine(
            link=link_id_of(b.link.keeper, b.link.other, b.link.number),
            down_w=down[i] * b.down_w // PPM,
            up_w=up[i] * b.up_w // PPM,
            reactive_var=b.reactive_var,
            height=b.height,
        )
        for i, b in enumerate(branches)
    )


def branches_of(
    root: NodeId,
    attestations: Sequence[LinkAttestation],
    limits: Mapping[NodeId, ConnectionLimit],
    parameters: NetworkParameters,
) -> tuple[Branch, ...]:
    """The tree below the root, parents before children, with what lies below each link."""
    radial: dict[NodeId, list[LinkAttestation]] = {}
    ports: dict[NodeId, Below] = {}
    for link in sorted(attestations, key=lambda a: link_id_of(a.keeper, a.other, a.number)):
        if link.kind is LinkKind.RADIAL:
            radial.setdefault(link.keeper, []).append(link)
        elif link.kind is LinkKind.CONTROLLED:
            for node, port in _port_limits(link):
                ports[node] = ports.get(node, Below()).plus(port)
    outwards = _outwards(root, radial, limits)
    return _gathered(outwards, radial, limits, ports, parameters)


def _outwards(
    root: NodeId, radial: Mapping[NodeId, Sequence[LinkAttestation]], limits: Mapping[NodeId, ConnectionLimit]
) -> list[Branch]:
    found: list[Branch] = []
    seen = {root}
    frontier: list[tuple[NodeId, int, Fraction]] = [(root, ROOT, Fraction(1))]
    for node, above, turns in frontier:
        for link in radial.get(node, ()):
            if link.other in seen or link.other not in limits:
                continue
            seen.add(link.other)
            beyond = turns * Fraction(link.loss.tap_ratio_ppm, PPM) ** 2
            found.append(Branch(link=link, above=above, turns=beyond))
            frontier.append((link.other, len(found) - 1, beyond))
    return found


def _gathered(
    outwards: Sequence[Branch],
    radial: Mapping[NodeId, Sequence[LinkAttestation]],
    limits: Mapping[NodeId, ConnectionLimit],
    ports: Mapping[NodeId, Below],
    parameters: NetworkParameters,
) -> tuple[Branch, ...]:
    """Sum what lies below each link, from the leaves inwards."""
    branches = list(outwards)
    for i in reversed(range(len(branches))):
        branch = branches[i]
        node = branch.link.other
        limit = limits[node]
        shunts = _shunts(branch.link, radial.get(node, ()), parameters.voltage_max_micro_pu)
        own = Below(
            import_w=limit.import_w,
            export_w=limit.export_w,
            drawn_var=limit.reactive_var,
            given_var=limit.reactive_var,
        )
        branch = replace(branch, below=branch.below.plus(own).plus(shunts).plus(ports.get(node, Below())))
        branches[i] = branch
        if branch.above != ROOT:
            parent = branches[branch.above]
            branches[branch.above] = replace(
                parent, below=parent.below.plus(branch.passing), height=max(parent.height, branch.height + 1)
            )
    return tuple(branches)


def _port_limits(link: LinkAttestation) -> tuple[tuple[NodeId, Below], tuple[NodeId, Below]]:
    """What a CONTROLLED link may draw from (import) and give to (export) the bus at each end."""
    return (
        (link.keeper, Below(import_w=link.rating_down_va, export_w=link.rating_up_va)),
        (link.other, Below(import_w=link.rating_up_va, export_w=link.rating_down_va)),
    )


def _shunts(above: LinkAttestation, below: Sequence[LinkAttestation], highest_micro_pu: int) -> Below:
    """Reactive power of the link ends at one bus, at the highest voltage, rounded up."""
    half_charging = above.loss.charging_var + sum(link.loss.charging_var for link in below)
    magnetising = sum(link.loss.magnetising_var for link in below)
    square = highest_micro_pu**2
    return Below(
        drawn_var=-(-magnetising * square // PPM**2), given_var=-(-half_charging * square // (2 * PPM**2))
    )


def _factors(branches: Sequence[Branch], weights: Sequence[Fraction], heads: Sequence[Fraction]) -> list[int]:
    """The max-min fair factor of every link, parts per million."""
    factors: list[int | None] = [None] * len(branches)
    reactive = _path_sums(branches, [b.reactive_drop for b in branches])
    while True:
        fixed = _path_sums(
            branches, [w * Fraction(f or 0, PPM) for w, f in zip(weights, factors, strict=True)]
        )
        slope = _path_sums(
            branches, [w if f is None else Fraction(0) for w, f in zip(weights, factors, strict=True)]
        )
        rising = _path_sums(branches, [Fraction(f is None) for f in factors])
        room = {
            i: _highest_factor(heads[i] - reactive[i] - fixed[i], slope[i])
            for i in range(len(branches))
            if rising[i]
        }
        if not room:
            return [f or 0 for f in factors]
        reached = min(room.values())
        for i in (i for i, factor in room.items() if factor == reached):
            _freeze(branches, factors, i, reached)


def _highest_factor(room: Fraction, slope: Fraction) -> int:
    if room < 0:
        return 0
    return PPM if slope <= room else floor(room * PPM / slope)


def _freeze(branches: Sequence[Branch], factors: list[int | None], branch: int, factor: int) -> None:
    while branch != ROOT:
        if factors[branch] is None:
            factors[branch] = factor
        branch = branches[branch].above


def _path_sums(branches: Sequence[Branch], values: Sequence[Fraction]) -> list[Fraction]:
    """Per branch, the sum of `values` along its path from the root."""
    sums: list[Fraction] = []
    for branch, value in zip(branches, values, strict=True):
        sums.append(value if branch.above == ROOT else sums[branch.above] + value)
    return sums
