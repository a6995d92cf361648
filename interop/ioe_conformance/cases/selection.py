"""SPEC.md sections 7.7 and 7.9: which paths the target tells B, of several to one origin.

Nobody sees the target's table; but of more than `told_paths_per_origin` (4) usable paths it
tells the best, in the order of `better`, so what B is told shows how it ranks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ioe_conformance.bench import Bench, entries_of
from ioe_conformance.case import case
from ioe_conformance.keys import LOSS, NodeKeys, framed
from ioe_conformance.paths import Told
from ioe_conformance.session import Session
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import PathHash
from ioe_router.model.routing import PathAdvert, PathWithdrawal

_TOLD = 4


async def _tell_all(t: Bench, a: Session, origin: NodeKeys, paths: Sequence[Told]) -> None:
    for one in paths:
        await t.tell(a, one)
    await a.send(t.offer(origin))


async def _chosen(t: Bench, b: Session, origin: NodeKeys, count: int, req: str) -> set[PathHash]:
    """Which paths B holds, by the hash of what the seller told, once it has been told some."""
    came = await t.told_path(b, origin.node)
    t.demand(req, came, expected="a path at B", actual="none came")
    for _ in range(40):
        held = _held(t, b, origin)
        if len(held) >= count:
            break
        await t.pause(50)
    return _held(t, b, origin)


def _held(t: Bench, b: Session, origin: NodeKeys) -> set[PathHash]:
    told = {
        t.hash_at(one): entries_of(one.body)[-1].previous
        for one in b.all(PathAdvert, lambda p: entries_of(p)[0].origin == origin.node)
    }
    gone = {one.body.path for one in b.all(PathWithdrawal)}
    return {previous for path, previous in told.items() if path not in gone}


def _many(t: Bench, origin: NodeKeys, each: Sequence[Mapping[str, Any]]) -> list[Told]:
    """A path for each set of changes: of its first entry, or of the link below it (`link`)."""
    found = []
    for changes in each:
        link = changes.get("link", {})
        entry = {name: value for name, value in changes.items() if name != "link"}
        found.append(t.path("a", origin, t.node(), changes={0: entry}, link_changes=link))
    return found


@case("selection.cheapest-fees", reqs=["IOE-ADV-350", "IOE-ADV-280"], supports=["transit"])
async def cheapest_fees(t: Bench) -> None:
    """Of six paths that differ in their fees B is told the four cheapest."""
    a, b, origin = await t.session("a"), await t.session("b"), t.node()
    fees = [6_000, 1_000, 4_000, 2_000, 5_000, 3_000]
    paths = _many(t, origin, [{"fee_micro_per_kwh": fee} for fee in fees])
    await _tell_all(t, a, origin, paths)
    held = await _chosen(t, b, origin, _TOLD, "IOE-ADV-350")
    right = {path.hash for fee, path in zip(fees, paths, strict=True) if fee <= 4_000}
    for req in ("IOE-ADV-350", "IOE-ADV-280"):
        t.check(
            req,
            held == right,
            expected="the paths with fees of 1000 to 4000",
            actual=_names(held, fees, paths),
        )


@case("selection.least-losses", reqs=["IOE-ADV-350", "IOE-ADV-280"], supports=["transit"])
async def least_losses(t: Bench) -> None:
    """Of six paths that differ in the losses of a link B is told the four with the least."""
    a, b, origin = await t.session("a"), await t.session("b"), t.node()
    losses = [60_000, 10_000, 40_000, 20_000, 50_000, 30_000]
    paths = _many(t, origin, [{"link": {"loss": replace(LOSS, b_ppm=ppm)}} for ppm in losses])
    await _tell_all(t, a, origin, paths)
    held = await _chosen(t, b, origin, _TOLD, "IOE-ADV-350")
    right = {path.hash for ppm, path in zip(losses, paths, strict=True) if ppm <= 40_000}
    for req in ("IOE-ADV-350", "IOE-ADV-280"):
        t.check(
            req, held == right, expected="losses of 10000 to 40000 ppm", actual=_names(held, losses, paths)
        )


@case("selection.fewer-links", reqs=["IOE-ADV-350", "IOE-ADV-280"], supports=["transit"])
async def fewer_links(t: Bench) -> None:
    """A path of more links is worse than four of fewer, for every link costs something."""
    a, b, origin = await t.session("a"), await t.session("b"), t.node()
    short = _many(t, origin, [{} for _ in range(4)])
    long = t.path("a", origin, t.node(), t.node())
    await _tell_all(t, a, origin, [long, *short])
    held = await _chosen(t, b, origin, _TOLD, "IOE-ADV-350")
    for req in ("IOE-ADV-350", "IOE-ADV-280"):
        t.check(
            req,
            held == {path.hash for path in short},
            expected="the four short paths",
            actual=f"{len(held)} paths{', the long one among them' if long.hash in held else ''}",
        )


@case("selection.tie-by-hash", reqs=["IOE-ADV-280"], supports=["transit"])
async def tie_by_hash(t: Bench) -> None:
    """Of six paths of equal rank and length those with the smallest path hashes are told."""
    a, b, origin = await t.session("a"), await t.session("b"), t.node()
    paths = _many(t, origin, [{} for _ in range(6)])
    await _tell_all(t, a, origin, paths)
    held = await _chosen(t, b, origin, _TOLD, "IOE-ADV-280")
    right = set(sorted(path.hash for path in paths)[:_TOLD])
    t.check(
        "IOE-ADV-280",
        held == right,
        expected="the four smallest hashes",
        actual=f"{len(held & right)} of them",
    )


@case("selection.widest-among-them", reqs=["IOE-ADV-350"], supports=["transit"])
async def widest_among_them(t: Bench) -> None:
    """When none of the best is as wide as the widest, that one takes the place of the last."""
    a, b, origin = await t.session("a"), await t.session("b"), t.node()
    narrow = {"rating_down_va": 5_000, "rating_up_va": 5_000}
    wide = {"rating_down_va": 20_000, "rating_up_va": 20_000}
    each = [{"fee_micro_per_kwh": 100 * n, "link": narrow} for n in range(5)]
    paths = _many(t, origin, [*each, {"fee_micro_per_kwh": 19_000, "link": wide}])
    await _tell_all(t, a, origin, paths)
    held = await _chosen(t, b, origin, _TOLD, "IOE-ADV-350")
    t.check(
        "IOE-ADV-350",
        paths[-1].hash in held,
        expected="the dear and wide path among them",
        actual="it is not",
    )


@case(
    "selection.next-best-on-withdrawal",
    reqs=["IOE-ADV-350", "IOE-ADV-270", "IOE-ADV-250"],
    supports=["transit"],
)
async def next_best_on_withdrawal(t: Bench) -> None:
    """When the best path is withdrawn, the next best one takes its place at B."""
    a, b, origin = await t.session("a"), await t.session("b"), t.node()
    fees = [1_000, 2_000, 3_000, 4_000, 5_000]
    paths = _many(t, origin, [{"fee_micro_per_kwh": fee} for fee in fees])
    await _tell_all(t, a, origin, paths)
    await _chosen(t, b, origin, _TOLD, "IOE-ADV-350")
    await a.send(framed(PathWithdrawal(path=paths[0].hash, code=ErrorCode.NO_PATH)))
    right = {path.hash for path in paths[1:]}
    for _ in range(60):
        if _held(t, b, origin) == right:
            break
        await t.pause(50)
    held = _held(t, b, origin)
    for req in ("IOE-ADV-350", "IOE-ADV-270"):
        t.check(req, held == right, expected="fees of 2000 to 5000", actual=_names(held, fees, paths))
    t.check("IOE-ADV-250", paths[4].hash in held, expected="a replacement at B", actual="none")


@case("selection.other-neighbour-preferred", reqs=["IOE-ADV-350"], own="c", supports=["transit"])
async def other_neighbour_preferred(t: Bench) -> None:
    """Among paths of like rank one over another neighbour is told before further ones over the same."""
    c, a, b, origin = await t.established(), await t.session("a"), await t.session("b"), t.node()
    fees = [1_000, 1_001, 1_002, 1_003, 1_004]
    paths = _many(t, origin, [{"fee_micro_per_kwh": fee} for fee in fees])
    over_c = t.path("c", origin, t.node(), changes={0: {"fee_micro_per_kwh": 1_100}})
    await t.tell(c, over_c)
    await t.fence(c, req="IOE-ADV-350")
    await _tell_all(t, a, origin, paths)
    held = await _chosen(t, b, origin, _TOLD, "IOE-ADV-350")
    t.check("IOE-ADV-350", over_c.hash in held, expected="the path over C among them", actual="it is not")


@case("selection.more-paths-than-fit", reqs=["IOE-ADV-200", "IOE-LIM-040"], attack="flood")
async def more_paths_than_fit(t: Bench) -> None:
    """Paths to one origin beyond the neighbour's share are refused with LIMIT_REACHED, and the first stay."""
    a, origin = await t.session("a"), t.node()
    since = a.mark()
    paths = _many(t, origin, [{"fee_micro_per_kwh": fee} for fee in range(60)])
    for one in paths:
        await t.tell(a, one)
    await t.fence(a, req="IOE-ADV-200")
    refused = [one for one in paths if await a.fault_on(one.advert, since, within_ms=0)]
    t.check("IOE-ADV-200", refused, expected="LIMIT_REACHED within 60 paths", actual="all were taken")
    t.check("IOE-LIM-040", paths[0] not in refused, expected="the first path stays", actual="it was refused")


def _names(held: set[PathHash], values: Sequence[int], paths: Sequence[Told]) -> str:
    return str(sorted(value for value, path in zip(values, paths, strict=True) if path.hash in held))
