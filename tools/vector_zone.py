"""Vectors of operating envelopes: how a root shares the voltage band out (SPEC section 11.3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from fractions import Fraction

from vector_cast import ALICE, ATTESTATION, BOB, CAROL, ISSUED_S, Actor
from vector_file import Vector
from vector_loss import CONVERTER, FEEDER
from vector_stage import DAVE, ERIN, PARAMETERS

from ioe_router.core.sharing import operating_lines
from ioe_router.model.discovery import LinkAttestation, LinkKind
from ioe_router.model.grid import ConnectionLimit, EnvelopeLine
from ioe_router.model.ids import LinkId, NodeId, link_id_of

ROOT = 1_000_000


def vectors() -> list[Vector]:
    """Zones of one to four links; every line is checked against step 4 before it is written."""
    return list(_zones())


def _link(above: Actor, below: Actor, **changes: object) -> LinkAttestation:
    body = replace(ATTESTATION, keeper=above.node, other=below.node, number=0)
    return replace(body, **changes)  # type: ignore[arg-type]


def _limit(node: Actor, import_w: int, export_w: int, reactive_var: int = 0) -> ConnectionLimit:
    return ConnectionLimit(
        node=node.node,
        serial=1,
        import_w=import_w,
        export_w=export_w,
        reactive_var=reactive_var,
        issued_utc_s=ISSUED_S,
        expires_utc_s=ISSUED_S + 3_600,
    )


def _zones() -> Iterator[Vector]:
    long = replace(FEEDER, r_micro_ohm=900_000, x_micro_ohm=300_000)
    one = (_link(CAROL, BOB),)
    chain = (_link(CAROL, BOB), _link(BOB, ALICE, loss=long), _link(ALICE, DAVE, loss=long))
    star = (_link(CAROL, BOB), _link(BOB, ALICE), _link(BOB, DAVE, loss=long))
    tap = (_link(CAROL, BOB, loss=replace(FEEDER, tap_ratio_ppm=1_025_000)), _link(BOB, ALICE))
    cable = (_link(CAROL, BOB, loss=replace(FEEDER, charging_var=700, magnetising_var=300)),)
    tie = (*one, _link(BOB, ERIN, kind=LinkKind.CONTROLLED, loss=CONVERTER, rating_down_va=20_000))
    limits = {node.name: _limit(node, 20_000, 10_000, 3_000) for node in (ALICE, BOB, DAVE)}
    large = {node.name: _limit(node, 90_000, 90_000, 9_000) for node in (ALICE, BOB, DAVE)}
    yield _zone("one", "a single link: the member's own limits bind", one, limits)
    yield _zone("one-large", "a single link: its rating binds", one, {"bob": _limit(BOB, 500_000, 500_000)})
    yield _zone("chain", "three links in a row: the far ones meet the voltage first", chain, large)
    yield _zone("chain-small", "the same with small members: nobody meets anything", chain, limits)
    yield _zone("star", "two branches: the stronger one rises on", star, large)
    yield _zone("tap", "a tap between root and members", tap, large)
    yield _zone("cable", "charging and magnetising reactive power", cable, limits)
    yield _zone("tie", "a CONTROLLED port counts with its rating", tie, limits)
    yield _zone(
        "unreported",
        "a member that has not reported has no line, nor has what lies below it",
        chain,
        {"bob": limits["bob"], "dave": limits["dave"]},
    )
    heavy = replace(FEEDER, magnetising_var=43, charging_var=12)
    silent = (_link(CAROL, BOB), _link(BOB, ALICE), _link(BOB, DAVE, loss=heavy))
    yield _zone(
        "silent",
        "a link whose other end has stated nothing draws its reactive power all the same",
        silent,
        {"alice": limits["alice"], "bob": limits["bob"]},
    )
    yield _zone("low-root", "the root's voltage at the lower end", one, large, root_micro_pu=905_000)
    yield _zone("high-root", "the root's voltage at the upper end", one, large, root_micro_pu=1_095_000)


def _zone(
    name: str,
    notes: str,
    links: Sequence[LinkAttestation],
    limits: Mapping[str, ConnectionLimit],
    root_micro_pu: int = ROOT,
) -> Vector:
    by_node = {one.node: one for one in limits.values()}
    lines = operating_lines(CAROL.node, root_micro_pu, PARAMETERS, links, by_node)
    check_step_4(links, lines, root_micro_pu)
    return Vector(
        id=f"zone-share-{name}",
        notes=notes,
        inputs={
            "parameters": asdict(PARAMETERS),
            "root": CAROL.node.hex(),
            "root_micro_pu": root_micro_pu,
            "links": [
                {
                    "keeper": one.keeper.hex(),
                    "other": one.other.hex(),
                    "kind": int(one.kind),
                    "rating_down_va": one.rating_down_va,
                    "rating_up_va": one.rating_up_va,
                    "loss": asdict(one.loss),
                }
                for one in links
            ],
            "limits": [
                {
                    "node": one.node.hex(),
                    "import_w": one.import_w,
                    "export_w": one.export_w,
                    "reactive_var": one.reactive_var,
                }
                for one in limits.values()
            ],
        },
        intermediates={"lines": [{**asdict(line), "link": line.link.hex()} for line in lines]},
        reqs=("IOE-GRD-100", "IOE-GRD-110"),
    )


def check_step_4(links: Sequence[LinkAttestation], lines: Sequence[EnvelopeLine], root_micro_pu: int) -> None:
    """Raise ValueError unless every bus keeps the band when all lines of its path are at their limits."""
    by_link = {link_id_of(one.keeper, one.other, 0): one for one in links if one.kind is LinkKind.RADIAL}
    low = Fraction(PARAMETERS.voltage_min_micro_pu + PARAMETERS.voltage_guard_micro_pu, 10**6)
    high = Fraction(PARAMETERS.voltage_max_micro_pu - PARAMETERS.voltage_guard_micro_pu, 10**6)
    start = Fraction(root_micro_pu, 10**6) ** 2
    said: dict[LinkId, EnvelopeLine] = {line.link: line for line in lines}
    for link, mine in said.items():
        path = _path_to(link, by_link)
        turns, down, up = Fraction(1), start, start
        for one in path:
            body, line = by_link[one], said[one]
            turns *= Fraction(body.loss.tap_ratio_ppm, 10**6)
            scale = Fraction(2, body.loss.vn_mv**2) / turns**2
            reactive = body.loss.x_micro_ohm * line.reactive_var
            down -= scale * (body.loss.r_micro_ohm * line.down_w + reactive)
            up += scale * (body.loss.r_micro_ohm * line.up_w + reactive)
        if (down < (low / turns) ** 2 and mine.down_w) or (up > (high / turns) ** 2 and mine.up_w):
            raise ValueError(f"the envelope of {link.hex()} breaks step 4")


def _path_to(link: LinkId, by_link: Mapping[LinkId, LinkAttestation]) -> list[LinkId]:
    above: dict[NodeId, LinkId] = {body.other: one for one, body in by_link.items()}
    path = [link]
    while (upper := above.get(by_link[path[0]].keeper)) is not None:
        path.insert(0, upper)
    return path
