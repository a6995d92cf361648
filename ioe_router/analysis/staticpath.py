"""One slot of trading over fixed paths, the whole demand of a trade at once.

A path is the one of least r/Vn^2 + c (hops break ties), found once for the
whole scenario.  A trade delivers y at its far end; hop by hop towards the
source each link is charged the increment of its loss at the flow it carries
then, half at each end (protocol section 5), which gives what the source must
put in.  Where a link or the source cannot give as much, the trade shrinks; what
is still wanted goes to the next source in order of price.

Order within a slot: standing losses, charging, firm loads, flexible loads by
falling bid, then sales of the surplus to outside.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ioe_router.analysis.linkmodel import LinkModel
from ioe_router.analysis.quantities import asset_groups
from ioe_router.scenario.model import Scenario

_LEAST_W: Final = 1e-6  # trades smaller than this are nothing
_BISECTIONS: Final = 50

Hop = tuple[int, int]  # link index, +1 parent to child or -1


@dataclass(slots=True)
class SlotTrade:
    """What a slot's trades came to, watts; dictionaries by asset."""

    import_w: float = 0.0
    export_w: float = 0.0
    loss_w: float = 0.0
    fees_micro_w_per_kwh: float = 0.0
    produced_w: dict[str, float] = field(default_factory=dict)  # sources and discharging batteries
    charged_w: dict[str, float] = field(default_factory=dict)
    unserved_w: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Demand:
    name: str  # of the asset; empty for standing loss
    bus: str
    power_w: float
    bid: int | None  # None: at any price


@dataclass(slots=True)
class _Supply:
    name: str
    bus: str
    left_w: float
    ask: float  # micro per kWh


class StaticNetwork:
    """A scenario with the fixed path between any two buses."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.groups = asset_groups(scenario)
        self._onward: dict[str, list[tuple[str, Hop, float]]] = {bus.name: [] for bus in scenario.buses}
        for i, link in enumerate(scenario.links):
            weight = link.r_micro_ohm * 1e-6 / (link.vn_mv * 1e-3) ** 2 + link.c_pico_per_w * 1e-12
            self._onward[link.parent].append((link.child, (i, 1), weight))
            self._onward[link.child].append((link.parent, (i, -1), weight))
        self._paths = {bus.name: self._paths_from(bus.name) for bus in scenario.buses}

    def path(self, source: str, sink: str) -> tuple[Hop, ...] | None:
        """The hops from source to sink, None where no link leads there."""
        return self._paths[source].get(sink)

    def _paths_from(self, source: str) -> dict[str, tuple[Hop, ...]]:
        settled: dict[str, tuple[Hop, ...]] = {}
        queue: list[tuple[float, int, str, tuple[Hop, ...]]] = [(0.0, 0, source, ())]
        while queue:
            weight, hops, bus, path = heapq.heappop(queue)
            if bus in settled:
                continue
            settled[bus] = path
            for far, hop, extra in self._onward[bus]:
                if far not in settled:
                    heapq.heappush(queue, (weight + extra, hops + 1, far, (*path, hop)))
        return settled


class _Links:
    """Flow and remaining room of every link in one slot."""

    def __init__(self, model: LinkModel, slot: int) -> None:
        self.k: list[float] = model.k_per_w[:, slot].tolist()
        self.b: list[float] = model.b[:, slot].tolist()
        self.standing: list[float] = model.standing_w[:, slot].tolist()
        self.flow = [0.0] * len(self.k)
        down: list[float] = model.limit_down_w[:, slot].tolist()
        up: list[float] = model.limit_up_w[:, slot].tolist()
        half = [standing / 2 for standing in self.standing]
        self.room: dict[int, list[float]] = {
            1: [max(0.0, limit - own) for limit, own in zip(down, half, strict=True)],
            -1: [max(0.0, limit - own) for limit, own in zip(up, half, strict=True)],
        }

    def loss(self, link: int, flow_w: float) -> float:
        return self.b[link] * abs(flow_w) + self.k[link] * flow_w * flow_w

    def entering(self, hop: Hop, leaving_w: float) -> tuple[float, float]:
        """(s, d) so that `leaving_w` comes out: y = d - increment/2, s = d + increment/2."""
        link, sign = hop
        flow, before = self.flow[link], self.loss(link, self.flow[link])
        middle, change = leaving_w, 1.0
        for _ in range(50):
            change = self.loss(link, flow + sign * middle) - before
            nearer = leaving_w + change / 2
            if abs(nearer - middle) <= 1e-12 * max(1.0, leaving_w):
                break
            middle = nearer
        return middle + change / 2, middle

    def book(self, hop: Hop, used_w: float, middle_w: float) -> None:
        link, sign = hop
        self.flow[link] += sign * middle_w
        self.room[sign][link] -= used_w


def trade_slot(
    *,
    network: StaticNetwork,
    model: LinkModel,
    slot: int,
    powers: Mapping[str, float],
    retail: int,
    feed_in: int,
) -> SlotTrade:
    """All trades of one slot.

    `powers`: consumption, available production, or net export of batteries.
    """
    links, result = _Links(model, slot), SlotTrade()
    supplies = _supplies(network, powers, retail)
    for demand in _demands(network, links, powers):
        missing = _serve(network, links, supplies, demand, result)
        _settle(demand, missing, network, result)
    _sell_surplus(network, links, supplies, feed_in, result)
    result.loss_w = sum(links.loss(i, flow) + links.standing[i] for i, flow in enumerate(links.flow))
    return result


def _supplies(network: StaticNetwork, powers: Mapping[str, float], retail: int) -> list[_Supply]:
    groups = network.groups
    lowest = float("-inf")  # a scheduled discharge goes first
    own = [_Supply(a.name, a.bus, powers[a.name], a.price_micro_per_kwh) for a in groups.sources]
    own += [_Supply(a.name, a.bus, max(0.0, powers.get(a.name, 0.0)), lowest) for a in groups.batteries]
    nameplate = float(groups.utility.p_max_w) or float("inf")
    own.append(_Supply(groups.utility.name, groups.utility.bus, nameplate, retail))
    return sorted(own, key=lambda supply: supply.ask)


def _demands(network: StaticNetwork, links: _Links, powers: Mapping[str, float]) -> list[_Demand]:
    groups = network.groups
    lost = {bus.name: 0.0 for bus in network.scenario.buses}
    for link, standing in zip(network.scenario.links, links.standing, strict=True):
        lost[link.parent] += standing / 2
        lost[link.child] += standing / 2
    flexible = sorted(groups.flexible, key=lambda a: -a.price_micro_per_kwh)
    return [
        *(_Demand(name="", bus=bus, power_w=power, bid=None) for bus, power in lost.items()),
        *(
            _Demand(name=a.name, bus=a.bus, power_w=max(0.0, -powers.get(a.name, 0.0)), bid=None)
            for a in groups.batteries
        ),
        *(_Demand(name=a.name, bus=a.bus, power_w=powers[a.name], bid=None) for a in groups.loads),
        *(
            _Demand(name=a.name, bus=a.bus, power_w=powers[a.name], bid=a.price_micro_per_kwh)
            for a in flexible
        ),
    ]


def _serve(
    network: StaticNetwork, links: _Links, supplies: Sequence[_Supply], demand: _Demand, result: SlotTrade
) -> float:
    """Serve a demand from the cheapest supplies; returns what is missing, watts."""
    missing = demand.power_w
    for supply in supplies:
        if missing <= _LEAST_W or (demand.bid is not None and supply.ask > demand.bid):
            break
        path = network.path(supply.bus, demand.bus)
        if supply.left_w > _LEAST_W and path is not None:
            missing -= _trade(network, links, supply, path, missing, result)
    return missing


def _trade(
    network: StaticNetwork,
    links: _Links,
    supply: _Supply,
    path: tuple[Hop, ...],
    wanted_w: float,
    result: SlotTrade,
) -> float:
    """Book as much of `wanted_w` as path and supply allow; returns what is delivered."""
    delivered = _feasible(links, supply, path, wanted_w)
    if delivered <= _LEAST_W:
        return 0.0
    put_in, hops = _quote(links, path, delivered)
    _book(network, links, supply, put_in, hops, result)
    return delivered


def _feasible(links: _Links, supply: _Supply, path: tuple[Hop, ...], wanted_w: float) -> float:
    """The largest delivery up to `wanted_w` that source and links allow, by bisection."""
    most = min([wanted_w, *(2 * links.room[sign][link] for link, sign in path)])
    if _fits(links, supply, path, most):
        return most
    least = 0.0
    for _ in range(_BISECTIONS):
        middle = (least + most) / 2
        if _fits(links, supply, path, middle):
            least = middle
        else:
            most = middle
    return least


def _fits(links: _Links, supply: _Supply, path: tuple[Hop, ...], delivered_w: float) -> bool:
    put_in, hops = _quote(links, path, delivered_w)
    return put_in <= supply.left_w and all(used <= links.room[sign][link] for (link, sign), used, _ in hops)


def _quote(
    links: _Links, path: tuple[Hop, ...], delivered_w: float
) -> tuple[float, list[tuple[Hop, float, float]]]:
    """(put in at the source, per hop: larger end and middle) for a delivery."""
    leaving, hops = delivered_w, []
    for hop in reversed(path):
        entering, middle = links.entering(hop, leaving)
        hops.append((hop, max(entering, leaving), middle))
        leaving = entering
    return leaving, hops


def _book(
    network: StaticNetwork,
    links: _Links,
    supply: _Supply,
    put_in_w: float,
    hops: list[tuple[Hop, float, float]],
    result: SlotTrade,
) -> None:
    for hop, used, middle in hops:
        links.book(hop, used, middle)
        link = network.scenario.links[hop[0]]
        fee = link.fee_down_micro_per_kwh if hop[1] > 0 else link.fee_up_micro_per_kwh
        result.fees_micro_w_per_kwh += fee * middle
    supply.left_w -= put_in_w
    if supply.name == network.groups.utility.name:
        result.import_w += put_in_w
    else:
        result.produced_w[supply.name] = result.produced_w.get(supply.name, 0.0) + put_in_w


def _settle(demand: _Demand, missing_w: float, network: StaticNetwork, result: SlotTrade) -> None:
    """Note what was not served: charging shrinks, standing loss flows all the same."""
    if not demand.name:
        result.import_w += missing_w
    elif any(demand.name == battery.name for battery in network.groups.batteries):
        result.charged_w[demand.name] = demand.power_w - missing_w
    else:
        result.unserved_w[demand.name] = missing_w


def _sell_surplus(
    network: StaticNetwork, links: _Links, supplies: Sequence[_Supply], feed_in: int, result: SlotTrade
) -> None:
    utility = network.groups.utility
    for supply in supplies:
        path = network.path(supply.bus, utility.bus)
        if supply.name != utility.name and supply.ask < feed_in and path is not None:
            room = (float(utility.p_max_w) or float("inf")) - result.export_w
            wanted = min(supply.left_w, room)
            result.export_w += _trade(network, links, supply, path, wanted, result)
