"""Converts the network of a pandapower net: buses, the tree of lines and transformers, ties.

Pure conversion: every figure is one of the net's own, in another unit.  A line
that is out of service or open at a switch becomes a CONTROLLED link where the
caller wants ties, else it is left out.  A transformer becomes a link referred to
its low-voltage side, with its iron loss, its magnetising power and its tap.

The tap is computed here from `tap_pos` because nets of SimBench arrive without
`tap_changer_type`, and pandapower then leaves the tap out of its power flow
without a word (seen with pandapower 3.5.6: 0.025 pu at the village's buses).
"""

# ruff: noqa: ANN401 - nets and their tables are values of untyped packages

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from ioe_router.scenario.model import Bus, ScenarioLink, ScenarioLinkKind
from ioe_router.scenario.optional import refuse
from ioe_router.scenario.schema import MILLION

_UNLIMITED_KA: Final = 1_000.0  # nets without ratings say 99999 kA
_DRAWING: Final = 1_000  # drawing units of the longer side


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What a net says about its grid. A rating of 0 means that the net gives none."""

    slack: str
    slack_voltage_micro_pu: int
    buses: tuple[Bus, ...]  # limits are 0 until the assets are known
    links: tuple[ScenarioLink, ...]
    bus_of: dict[int, str]  # by the net's bus index; switched-together buses share a name


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edge:
    link: ScenarioLink  # parent and child in the net's own orientation
    closed: bool


def slug(text: object, fallback: str) -> str:
    """A valid name made of `text`: lower case, everything else a hyphen."""
    plain = re.sub(r"[^a-z0-9]+", "-", str(text).lower()).strip("-")[:63]
    if text is None or not plain or plain in {"none", "nan"}:
        return fallback
    kind = fallback.split("-", maxsplit=1)[0]
    return f"{kind}-{plain}" if plain.isdigit() else plain


def unique_slugs(texts: Iterable[tuple[int, object]], kind: str) -> dict[int, str]:
    """One distinct name for each (index, text), in order."""
    names: dict[int, str] = {}
    taken: set[str] = set()
    for index, text in texts:
        name = slug(text, f"{kind}-{index}")
        if name in taken:
            name = f"{name[:50]}-{kind}-{index}"
        taken.add(name)
        names[index] = name
    return names


def convert_network(net: Any, file: str, *, ties: bool) -> Network:
    """The network of `net`; `ties` keeps open lines as CONTROLLED links.

    Raises ScenarioError, naming `file`, for what a scenario cannot express: no
    or several external grids, three-winding transformers, a closed mesh.
    """
    _refuse_unsupported(net, file)
    merged = _merged_buses(net)
    live = [int(i) for i in net.bus.index if net.bus.at[i, "in_service"]]
    kept = [i for i in live if merged[i] == i]
    names = unique_slugs(((i, net.bus.at[i, "name"]) for i in kept), "bus")
    bus_of = {i: names[merged[i]] for i in live if merged[i] in names}
    grid = net.ext_grid[net.ext_grid.in_service].iloc[0]
    edges = [*_lines(net, bus_of), *_transformers(net, bus_of)]
    slack = bus_of[int(grid.bus)]
    closed = _oriented(file, slack, _merged_twins([edge.link for edge in edges if edge.closed]))
    across = [_as_tie(edge.link) for edge in edges if not edge.closed] if ties else []
    return Network(
        slack=slack,
        slack_voltage_micro_pu=round(float(grid.vm_pu) * MILLION),
        buses=_buses(net, names),
        links=(*closed, *across),
        bus_of=bus_of,
    )


def _refuse_unsupported(net: Any, file: str) -> None:
    count = int(net.ext_grid.in_service.sum())
    if count != 1:
        cause = f"the net has {count} external grids in service"
        raise refuse(file, "ext_grid", cause, "keep exactly one, it becomes the slack bus")
    for table in ("trafo3w", "impedance", "dcline", "xward", "ward", "shunt"):
        if table in net and len(net[table]) and bool(net[table].in_service.any()):
            cause = f"a scenario has no place for the net's {table} elements"
            raise refuse(file, table, cause, "take them out of service or replace them by lines")


def _merged_buses(net: Any) -> dict[int, int]:
    """For each bus the lowest index of those that closed bus-bus switches join to it."""
    root = {int(i): int(i) for i in net.bus.index}

    def find(bus: int) -> int:
        while root[bus] != bus:
            bus = root[bus]
        return bus

    for switch in net.switch[(net.switch.et == "b") & net.switch.closed].itertuples():
        low, high = sorted((find(int(switch.bus)), find(int(switch.element))))
        root[high] = low
    return {bus: find(bus) for bus in root}


def _open_at_switch(net: Any, kind: str) -> frozenset[int]:
    rows = net.switch[(net.switch.et == kind) & ~net.switch.closed.astype(bool)]
    return frozenset(int(element) for element in rows.element)


def _lines(net: Any, bus_of: dict[int, str]) -> list[_Edge]:
    opened = _open_at_switch(net, "l")
    names = unique_slugs(((int(i), net.line.at[i, "name"]) for i in net.line.index), "line")
    edges = []
    for line in net.line.itertuples():
        if int(line.from_bus) not in bus_of or int(line.to_bus) not in bus_of:
            continue
        link = _line(net, line, names[int(line.Index)], bus_of)
        closed = bool(line.in_service) and int(line.Index) not in opened
        edges.append(_Edge(link=link, closed=closed))
    return edges


def _line(net: Any, line: Any, name: str, bus_of: dict[int, str]) -> ScenarioLink:
    vn_v = float(net.bus.at[line.from_bus, "vn_kv"]) * 1e3
    parallel, km = int(line.parallel), float(line.length_km)
    farad = float(line.c_nf_per_km) * 1e-9 * km * parallel
    rating_va = 0
    if float(line.max_i_ka) < _UNLIMITED_KA:
        ampere = float(line.max_i_ka) * 1e3 * float(line.df) * parallel
        rating_va = math.floor(math.sqrt(3.0) * vn_v * ampere)
    siemens = float(getattr(line, "g_us_per_km", 0.0)) * 1e-6 * km * parallel
    return _link(
        name=name,
        ends=(bus_of[int(line.from_bus)], bus_of[int(line.to_bus)]),
        rating_va=rating_va,
        r_ohm=float(line.r_ohm_per_km) * km / parallel,
        x_ohm=float(line.x_ohm_per_km) * km / parallel,
        vn_v=vn_v,
        iron_w=siemens * vn_v**2,
        charging_var=2.0 * math.pi * float(net.f_hz) * farad * vn_v**2,
    )


def _transformers(net: Any, bus_of: dict[int, str]) -> list[_Edge]:
    opened = _open_at_switch(net, "t")
    names = unique_slugs(((int(i), net.trafo.at[i, "name"]) for i in net.trafo.index), "trafo")
    edges = []
    for trafo in net.trafo.itertuples():
        if int(trafo.hv_bus) in bus_of and int(trafo.lv_bus) in bus_of:
            link = _transformer(net, trafo, names[int(trafo.Index)], bus_of)
            closed = bool(trafo.in_service) and int(trafo.Index) not in opened
            edges.append(_Edge(link=link, closed=closed))
    return edges


def _transformer(net: Any, trafo: Any, name: str, bus_of: dict[int, str]) -> ScenarioLink:
    parallel = int(trafo.parallel)
    sn_va = float(trafo.sn_mva) * 1e6
    base_ohm = (float(trafo.vn_lv_kv) * 1e3) ** 2 / sn_va
    z_ohm = float(trafo.vk_percent) / 100.0 * base_ohm / parallel
    r_ohm = float(trafo.vkr_percent) / 100.0 * base_ohm / parallel
    iron_w = float(trafo.pfe_kw) * 1e3
    idle_va = float(trafo.i0_percent) / 100.0 * sn_va
    link = _link(
        name=name,
        ends=(bus_of[int(trafo.hv_bus)], bus_of[int(trafo.lv_bus)]),
        rating_va=math.floor(sn_va * float(trafo.df) * parallel),
        r_ohm=r_ohm,
        x_ohm=math.sqrt(max(z_ohm**2 - r_ohm**2, 0.0)),
        vn_v=float(net.bus.at[trafo.lv_bus, "vn_kv"]) * 1e3,
        iron_w=0.0,
        charging_var=0.0,
    )
    magnetising_var = math.sqrt(max(idle_va**2 - iron_w**2, 0.0)) * parallel
    high, low = _turns(net, trafo)
    # The core sees the parent's voltage over its turns: a tap that adds turns lowers iron loss.
    return replace(
        link,
        iron_milli_w=round(iron_w * parallel * 1e3 / high**2),
        magnetising_var=round(magnetising_var / high**2),
        tap_ratio_ppm=round(low / high * MILLION),
    )


def _turns(net: Any, trafo: Any) -> tuple[float, float]:
    """Rated voltage of the high and of the low winding at the tap, in pu of their buses."""
    high = float(trafo.vn_hv_kv) / float(net.bus.at[trafo.hv_bus, "vn_kv"])
    low = float(trafo.vn_lv_kv) / float(net.bus.at[trafo.lv_bus, "vn_kv"])
    steps = (float(trafo.tap_pos) - float(trafo.tap_neutral)) * float(trafo.tap_step_percent)
    if math.isnan(steps) or str(trafo.tap_side) not in {"hv", "lv"}:
        return high, low
    change = 1.0 + steps / 100.0
    return (high * change, low) if str(trafo.tap_side) == "hv" else (high, low * change)


def _link(
    *,
    name: str,
    ends: tuple[str, str],
    rating_va: int,
    r_ohm: float,
    x_ohm: float,
    vn_v: float,
    iron_w: float,
    charging_var: float,
) -> ScenarioLink:
    return ScenarioLink(
        name=name,
        parent=ends[0],
        child=ends[1],
        kind=ScenarioLinkKind.RADIAL,
        rating_down_va=rating_va,
        rating_up_va=rating_va,
        r_micro_ohm=round(r_ohm * MILLION),
        x_micro_ohm=round(x_ohm * MILLION),
        vn_mv=round(vn_v * 1e3),
        iron_milli_w=round(iron_w * 1e3),
        magnetising_var=0,
        charging_var=round(charging_var),
        tap_ratio_ppm=MILLION,
        b_ppm=0,
        c_pico_per_w=0,
        fee_down_micro_per_kwh=0,
        fee_up_micro_per_kwh=0,
    )


def _as_tie(link: ScenarioLink) -> ScenarioLink:
    """An open line as CONTROLLED link: its flow is set, so it draws no power of its own."""
    return replace(
        link,
        kind=ScenarioLinkKind.CONTROLLED,
        iron_milli_w=0,
        magnetising_var=0,
        charging_var=0,
        tap_ratio_ppm=MILLION,
    )


def _merged_twins(links: list[ScenarioLink]) -> list[ScenarioLink]:
    """Equal links side by side between two buses (twin transformers) become one."""
    groups: dict[ScenarioLink, list[ScenarioLink]] = {}
    for link in links:
        groups.setdefault(replace(link, name=""), []).append(link)
    return [_merged(twins) for twins in groups.values()]


def _merged(twins: list[ScenarioLink]) -> ScenarioLink:
    count, one = len(twins), twins[0]
    return replace(
        one,
        rating_down_va=one.rating_down_va * count,
        rating_up_va=one.rating_up_va * count,
        r_micro_ohm=round(one.r_micro_ohm / count),
        x_micro_ohm=round(one.x_micro_ohm / count),
        iron_milli_w=one.iron_milli_w * count,
        magnetising_var=one.magnetising_var * count,
        charging_var=one.charging_var * count,
    )


def _oriented(file: str, slack: str, links: list[ScenarioLink]) -> list[ScenarioLink]:
    """The links in their own order, each with the end nearer the slack as parent."""
    touching: dict[str, list[ScenarioLink]] = {}
    for link in links:
        touching.setdefault(link.parent, []).append(link)
        touching.setdefault(link.child, []).append(link)
    turned: dict[str, ScenarioLink] = {}
    seen, waiting = {slack}, [slack]
    while waiting:
        bus = waiting.pop()
        for link in touching.get(bus, ()):
            if link.name in turned:
                continue
            far = link.child if link.parent == bus else link.parent
            if far in seen:
                cause = f'the closed lines form a mesh at "{link.name}"'
                raise refuse(file, "line", cause, "open a line in every loop of the net")
            turned[link.name] = _from(bus, link)
            seen.add(far)
            waiting.append(far)
    return [turned[link.name] for link in links if link.name in turned]


def _from(parent: str, link: ScenarioLink) -> ScenarioLink:
    if link.parent == parent:
        return link
    ratio = MILLION / link.tap_ratio_ppm
    return replace(
        link,
        parent=parent,
        child=link.parent,
        tap_ratio_ppm=round(MILLION * ratio),
        iron_milli_w=round(link.iron_milli_w * ratio**2),
        magnetising_var=round(link.magnetising_var * ratio**2),
    )


def _buses(net: Any, names: dict[int, str]) -> tuple[Bus, ...]:
    places = {i: _place(net.bus.at[i, "geo"]) if "geo" in net.bus else None for i in names}
    known = [place for place in places.values() if place is not None] or [(0.0, 0.0)]
    left, top = min(x for x, _ in known), max(y for _, y in known)
    width = max(max(x for x, _ in known) - left, top - min(y for _, y in known)) or 1.0
    buses = []
    for index, name in names.items():
        x, y = places[index] or (left, top)
        buses.append(
            Bus(
                name=name,
                title=_title(net.bus.at[index, "name"], name),
                x=round((x - left) * _DRAWING / width),
                y=round((top - y) * _DRAWING / width),
                import_limit_w=0,
                export_limit_w=0,
            )
        )
    return tuple(buses)


def _title(text: object, name: str) -> str:
    plain = "" if text is None else str(text).strip()
    return plain if plain and not plain.isdigit() and plain != "nan" else name


def _place(geo: object) -> tuple[float, float] | None:
    if not isinstance(geo, str):
        return None
    x, y = json.loads(geo)["coordinates"][:2]
    return float(x), float(y)
