"""Sharing out the voltage band: safe in every combination, and no link worse than under one factor."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from ioe_router.core.sharing import Branch, branches_of, operating_lines
from ioe_router.model.discovery import LinkAttestation, LinkKind
from ioe_router.model.grid import ConnectionLimit, EnvelopeLine
from ioe_router.model.ids import NodeId
from tests.links import loss_model
from tests.unit.core.grid_rig import START_UTC_S, parameters

PARAMETERS = parameters(low=950_000, high=1_050_000)


def node(number: int) -> NodeId:
    """A made-up node id; sharing looks at ids only as names."""
    return NodeId(bytes([number]) * 32)


def radial(keeper: int, other: int, *, r_ohm: float, x_ohm: float = 0.0, tap: float = 1.0) -> LinkAttestation:
    """An unsigned attestation of a RADIAL link with an ample rating."""
    return LinkAttestation(
        network_id="rig",
        keeper=node(keeper),
        other=node(other),
        number=0,
        kind=LinkKind.RADIAL,
        serial=1,
        rating_down_va=10**6,
        rating_up_va=10**6,
        loss=loss_model(r_ohm=r_ohm, x_ohm=x_ohm, tap=tap, magnetising_var=40, charging_var=30),
        fee_down_micro_per_kwh=0,
        fee_up_micro_per_kwh=0,
        access=False,
        issued_utc_s=START_UTC_S,
        expires_utc_s=START_UTC_S + 900,
    )


def limit(number: int, watts: int, var: int = 0) -> ConnectionLimit:
    """The same connection limit in both directions."""
    return ConnectionLimit(
        node=node(number),
        serial=1,
        import_w=watts,
        export_w=watts,
        reactive_var=var,
        issued_utc_s=START_UTC_S,
        expires_utc_s=START_UTC_S + 900,
    )


@st.composite
def zones(draw: st.DrawFn) -> tuple[list[LinkAttestation], dict[NodeId, ConnectionLimit]]:
    """A random tree of up to eight nodes around root 0, some links being transformers."""
    size = draw(st.integers(2, 8))
    links = [
        radial(
            draw(st.integers(0, i - 1)),
            i,
            r_ohm=draw(st.integers(0, 300)) / 1000,
            x_ohm=draw(st.integers(0, 300)) / 1000,
            tap=draw(st.sampled_from([1.0, 1.0, 1.025, 0.975])),
        )
        for i in range(1, size)
    ]
    limits = [limit(i, draw(st.integers(0, 60_000)), draw(st.integers(0, 3_000))) for i in range(1, size)]
    return links, {one.node: one for one in limits}


def squared_voltages(branches: tuple[Branch, ...], flows_w: list[int], q_var: list[int]) -> list[Fraction]:
    """LinDistFlow in its textbook form, bus after bus, taps applied where they stand."""
    found: list[Fraction] = []
    for branch, flow_w, var in zip(branches, flows_w, q_var, strict=True):
        above = Fraction(1) if branch.above < 0 else found[branch.above]
        loss = branch.link.loss
        drop = Fraction(2 * (loss.r_micro_ohm * flow_w + loss.x_micro_ohm * var), loss.vn_mv**2)
        found.append(above * Fraction(loss.tap_ratio_ppm, 10**6) ** 2 - drop)
    return found


def share(
    links: list[LinkAttestation], limits: dict[NodeId, ConnectionLimit]
) -> tuple[tuple[Branch, ...], tuple[EnvelopeLine, ...]]:
    """Tree and lines at a slack of nominal voltage."""
    return (
        branches_of(node(0), links, limits, PARAMETERS),
        operating_lines(node(0), 1_000_000, PARAMETERS, links, limits),
    )


@given(zones())
def test_all_links_at_their_limits_keep_the_band(
    zone: tuple[list[LinkAttestation], dict[NodeId, ConnectionLimit]],
) -> None:
    """At all limits and the worst reactive flow no bus leaves the band, unless it does so idle."""
    branches, lines = share(*zone)
    q_var = [line.reactive_var for line in lines]
    low, high = Fraction(955_000**2, 10**12), Fraction(1_045_000**2, 10**12)
    idle_low = squared_voltages(branches, [0] * len(lines), q_var)
    idle_high = squared_voltages(branches, [0] * len(lines), [-q for q in q_var])
    if all(v >= low for v in idle_low):
        assert all(v >= low for v in squared_voltages(branches, [line.down_w for line in lines], q_var))
    if all(v <= high for v in idle_high):
        flows = [-line.up_w for line in lines]
        assert all(v <= high for v in squared_voltages(branches, flows, [-q for q in q_var]))


@given(zones())
def test_no_link_gets_less_than_under_one_common_factor(
    zone: tuple[list[LinkAttestation], dict[NodeId, ConnectionLimit]],
) -> None:
    """The largest factor that is safe for all links together is a lower bound of each link's share."""
    branches, lines = share(*zone)
    low = Fraction(955_000**2, 10**12)

    def safe(ppm: int) -> bool:
        flows = [ppm * b.down_w // 10**6 for b in branches]
        # one watt less per link than the exact product, so compare with a margin of two watts a link
        found = squared_voltages(branches, [f + 2 for f in flows], [b.reactive_var for b in branches])
        return all(v >= low for v in found)

    common = max((ppm for ppm in range(0, 10**6 + 1, 50_000) if safe(ppm)), default=0)
    assert all(line.down_w >= common * b.down_w // 10**6 for line, b in zip(lines, branches, strict=True))


def test_a_short_branch_is_not_held_back_by_a_long_one() -> None:
    """Links off the critical path rise on to all that stands below them."""
    links = [radial(0, 1, r_ohm=0.2), radial(0, 2, r_ohm=0.001)]
    limits = {node(i): limit(i, 50_000) for i in (1, 2)}
    branches, lines = share(links, limits)
    shares = {b.link.other: line.down_w for b, line in zip(branches, lines, strict=True)}
    assert shares[node(2)] == 50_000
    # one link, closed form: (1 - 0.955^2) * 400^2 / (2 * 0.2), less at most the rounding of the factor
    assert 0 <= (1 - 0.955**2) * 400**2 / 0.4 - shares[node(1)] < 1


def test_without_headroom_nothing_may_be_booked() -> None:
    """A tap that alone lifts the feeder out of the band leaves no export, yet import."""
    links = [radial(0, 1, r_ohm=0.1, tap=1.1)]
    _, lines = share(links, {node(1): limit(1, 10_000)})
    assert lines[0].up_w == 0
    assert lines[0].down_w == 10_000


def test_controlled_ports_count_at_both_ends() -> None:
    """What a CONTROLLED link may take or give is added to the limits of the buses at its ends."""
    links = [radial(0, i, r_ohm=0.0) for i in (1, 2)]
    tie = LinkAttestation(
        **{name: getattr(links[0], name) for name in LinkAttestation.__slots__}
        | {"keeper": node(1), "other": node(2), "kind": LinkKind.CONTROLLED}
        | {"rating_down_va": 300, "rating_up_va": 70}
    )
    branches = branches_of(node(0), [*links, tie], {node(i): limit(i, 1_000) for i in (1, 2)}, PARAMETERS)
    found = {b.link.other: (b.down_w, b.up_w) for b in branches}
    assert found == {node(1): (1_300, 1_070), node(2): (1_070, 1_300)}


def test_every_combination_inside_the_limits_is_safe() -> None:
    """All corners of the box of limits keep the band, not only the two that the rule looks at."""
    links = [radial(0, 1, r_ohm=0.05), radial(1, 2, r_ohm=0.1, x_ohm=0.05), radial(1, 3, r_ohm=0.2)]
    limits = {node(i): limit(i, 40_000, 2_000) for i in (1, 2, 3)}
    branches, lines = share(links, limits)
    low, high = Fraction(955_000**2, 10**12), Fraction(1_045_000**2, 10**12)
    choices = [
        product((line.down_w, 0, -line.up_w), (line.reactive_var, 0, -line.reactive_var)) for line in lines
    ]
    for corner in product(*choices):
        found = squared_voltages(branches, [p for p, _ in corner], [q for _, q in corner])
        assert all(low <= v <= high for v in found)
