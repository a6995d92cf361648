"""Vectors of route selection: rank, what may and should be told, link state in steps (SPEC section 7)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from hashlib import sha256
from itertools import product

from vector_cast import ATTESTATION
from vector_file import Json, Vector
from vector_loss import CONVERTER, FEEDER, LOSSLESS

from ioe_router.core.loss import LinkModel
from ioe_router.model.errors import ErrorCode
from ioe_router.model.routing import Flow

ROLES = ("SIBLING", "CUSTOMER", "PROVIDER", "PEER")
TRANSITS = ("NONE", "CUSTOMERS", "PAID")
INSIDE = ("SIBLING", "CUSTOMER")
REFERENCE = 200_000
SLOT_S = 900


def vectors() -> list[Vector]:
    """Each rule by itself, over all of its cases."""
    return [*_ranks(), *_tells(), *_offers(), *_choices(), *_states()]


def _ceil(a: int, b: int) -> int:
    return -(-a // b)


def _ranks() -> Iterator[Vector]:
    for model, loss in (("feeder", FEEDER), ("converter", CONVERTER), ("lossless", LOSSLESS)):
        for name, down_va, up_va in (("even", 100_000, 100_000), ("uneven", 50_001, 7), ("none", 0, 0)):
            for flow in (Flow.DOWN, Flow.UP):
                rating_va = down_va if flow is Flow.DOWN else up_va
                half_j = rating_va * SLOT_S // 2
                at_half_j = LinkModel.of(replace(ATTESTATION, loss=loss), SLOT_S).loss_j(half_j)
                loss_ppm = _ceil(at_half_j * 10**6, half_j) if half_j else 10**6
                rank = 5_000 + _ceil(loss_ppm * REFERENCE, 10**6) + 1
                yield Vector(
                    id=f"route-rank-{model}-{name}-{flow.name.lower()}",
                    notes="link_rank: from attested figures alone, whatever is booked or asked",
                    inputs={
                        "loss": asdict(loss),
                        "rating_down_va": down_va,
                        "rating_up_va": up_va,
                        "flow": int(flow),
                        "fee_micro_per_kwh": 5_000,
                        "reference_price_micro_per_kwh": REFERENCE,
                        "slot_s": SLOT_S,
                    },
                    intermediates={"half_j": half_j, "loss_ppm": loss_ppm, "rank": rank},
                    reqs=("IOE-ADV-280", "IOE-ADV-290"),
                )


def may_tell(learned_from: str, to: str, transit: str, *, marked: bool, on_path: bool) -> bool:
    """may_tell of section 7.9, apart from the product's code."""
    if on_path or transit == "NONE" or (transit == "CUSTOMERS" and learned_from != "CUSTOMER"):
        return False
    if learned_from not in INSIDE and to not in INSIDE:
        return False
    return not marked or to in INSIDE


def _tells() -> Iterator[Vector]:
    for learned_from, to, transit, marked in product(ROLES, ROLES, TRANSITS, (False, True)):
        if marked and transit == "CUSTOMERS":
            continue
        yield _tell(learned_from, to, transit, marked=marked)
    yield _tell("SIBLING", "SIBLING", "PAID", on_path=True)
    for links in (31, 32):
        yield _tell("SIBLING", "SIBLING", "PAID", links=links)


def _tell(
    learned_from: str, to: str, transit: str, *, marked: bool = False, on_path: bool = False, links: int = 2
) -> Vector:
    said = may_tell(learned_from, to, transit, marked=marked, on_path=on_path or links >= 32)
    name = "-".join(one.lower() for one in (learned_from, to, transit))
    extra = "-marked" * marked + "-on-path" * on_path + f"-{links}" * (links != 2)
    return Vector(
        id=f"route-tell-{name}{extra}",
        notes=f"may_tell: {'yes' if said else 'no'}",
        inputs={
            "learned_from": learned_from,
            "to": to,
            "transit": transit,
            "only_to_customers": marked,
            "on_path": on_path,
            "links": links,
        },
        code=None if said else ErrorCode.POLICY,
        reqs=("IOE-ADV-320", "IOE-ADV-185", "IOE-ADV-210"),
    )


def _offers() -> Iterator[Vector]:
    for to, marked in product(ROLES, (False, True)):
        yield Vector(
            id=f"route-offer-{to.lower()}{'-marked' * marked}",
            notes="may_tell_offer: yes" if not marked or to in INSIDE else "may_tell_offer: no",
            inputs={"to": to, "only_to_customers": marked},
            code=None if not marked or to in INSIDE else ErrorCode.POLICY,
            reqs=("IOE-ADV-330",),
        )


# ------------------------------------------------------------------ which paths


def _path(name: str, rank: int, hop: str, links: int = 2, width_va: int = 10_000) -> Json:
    return {
        "hash": sha256(name.encode()).hexdigest(),
        "rank": rank,
        "links": links,
        "neighbor": sha256(hop.encode()).hexdigest(),
        "width_va": width_va,
    }


CHOICES: tuple[tuple[str, str, int, tuple[Json, ...]], ...] = (
    ("few", "fewer than may be told: all, best first", 4, (_path("a", 300, "x"), _path("b", 100, "y"))),
    ("rank", "smaller rank first", 2, (_path("a", 400, "x"), _path("b", 100, "x"), _path("c", 200, "x"))),
    ("links", "equal rank: fewer links first", 1, (_path("a", 100, "x", 3), _path("b", 100, "y", 2))),
    ("hash", "equal rank and links: the smaller hash first", 1, (_path("a", 100, "x"), _path("b", 100, "y"))),
    (
        "spread",
        "nearly equal ranks: each neighbour once before any twice",
        2,
        (_path("a", 100, "x"), _path("b", 101, "x"), _path("c", 125, "y")),
    ),
    (
        "spread-edge",
        "a rank above a quarter more is not nearly equal",
        2,
        (_path("a", 100, "x"), _path("b", 101, "x"), _path("c", 126, "y")),
    ),
    (
        "widest",
        "the widest takes the place of the last chosen",
        2,
        (_path("a", 100, "x"), _path("b", 110, "y"), _path("c", 900, "z", 5, 50_000)),
    ),
    (
        "widest-of-one",
        "not where only one is told",
        1,
        (_path("a", 100, "x"), _path("c", 900, "z", 5, 50_000)),
    ),
    (
        "widest-best",
        "the best of several that are as wide",
        2,
        (
            _path("a", 100, "x"),
            _path("b", 110, "y"),
            _path("c", 900, "z", 5, 50_000),
            _path("d", 800, "x", 4, 50_000),
        ),
    ),
)


def choose(paths: tuple[Json, ...], count: int) -> list[str]:
    """choose_paths of section 7.9, apart from the product's code: hashes, best first."""

    def order(one: Json) -> tuple[int, int, str]:
        return (one["rank"], one["links"], one["hash"])

    usable = sorted(paths, key=order)
    if len(usable) <= count:
        return [one["hash"] for one in usable]
    near = usable[0]["rank"] + usable[0]["rank"] // 4
    chosen: list[Json] = []
    for one in usable:
        fresh = all(one["neighbor"] != other["neighbor"] for other in chosen)
        if one["rank"] <= near and fresh and len(chosen) < count:
            chosen.append(one)
    chosen += [one for one in usable if one not in chosen][: count - len(chosen)]
    widest = max(one["width_va"] for one in usable)
    if count > 1 and all(one["width_va"] < widest for one in chosen):
        chosen[-1] = next(one for one in usable if one["width_va"] == widest)
    return [one["hash"] for one in sorted(chosen, key=order)]


def _choices() -> Iterator[Vector]:
    for name, notes, count, paths in CHOICES:
        yield Vector(
            id=f"route-choose-{name}",
            notes=notes,
            inputs={"told_paths_per_origin": count, "paths": list(paths)},
            intermediates={"chosen": choose(paths, count)},
            reqs=("IOE-ADV-350", "IOE-ADV-280"),
        )


# ------------------------------------------------------------------ link state


def _states() -> Iterator[Vector]:
    cases = (
        ("empty", Flow.UNSPECIFIED, 0, 90_000_000, 90_000_000),
        ("half-step", Flow.DOWN, 2_812_500, 87_187_500, 90_000_000),
        ("below-half", Flow.DOWN, 2_812_499, 87_187_501, 90_000_000),
        ("up", Flow.UP, 80_000_001, 90_000_000, 9_999_999),
        ("full", Flow.UP, 90_000_000, 0, 0),
        ("overfull", Flow.DOWN, 90_000_000, -1, 1),
    )
    for name, net_flow, net_j, down_j, up_j in cases:
        for steps, down_va, up_va in ((16, 100_000, 100_000), (64, 100_000, 33_333), (65_536, 70, 70)):
            step = {f: max(1, va * SLOT_S // steps) for f, va in ((Flow.DOWN, down_va), (Flow.UP, up_va))}
            mine = step[Flow.UP if net_flow is Flow.UP else Flow.DOWN]
            told_j = (net_j + mine // 2) // mine * mine
            yield Vector(
                id=f"route-state-{name}-{steps}",
                notes="quantise",
                inputs={
                    "rating_down_va": down_va,
                    "rating_up_va": up_va,
                    "slot_s": SLOT_S,
                    "link_state_steps": steps,
                    "net_flow": int(net_flow),
                    "net_energy_j": net_j,
                    "free_down_j": down_j,
                    "free_up_j": up_j,
                },
                intermediates={
                    "net_flow": int(net_flow) if told_j else 0,
                    "net_energy_j": told_j,
                    "residual_down_j": max(0, down_j) // step[Flow.DOWN] * step[Flow.DOWN],
                    "residual_up_j": max(0, up_j) // step[Flow.UP] * step[Flow.UP],
                },
                reqs=("IOE-LST-010",),
            )
