"""After everything has healed there is trade again, where there is a deal to be made.

In a small community there may be none: everybody covers its own load, asks are above
all bids.  So a last slot without a booking is judged by an oracle of its own: some
honest host wants energy (or wants to get rid of it), another honest one offers it at a
price inside the limit, and a path of honest nodes leads from one to the other.  What a
liar said before it repented still stands, so no deal with or over one is demanded.
"""

from __future__ import annotations

from collections.abc import Sequence

from ioe_router.core.inputs import Trade
from ioe_router.core.own_offers import OwnOffer
from ioe_router.model.ids import NodeId
from ioe_router.model.parameters import NetworkParameters
from ioe_router.model.routing import Direction
from ioe_router.model.slot import Slot
from ioe_router.sim.checkers.paths import distances, true_graph
from ioe_router.sim.checkers.verdict import CheckFailed
from ioe_router.sim.host import Host


def check_trade(
    hosts: Sequence[Host], liars: frozenset[NodeId], parameters: NetworkParameters, last: Slot
) -> None:
    """Judge a slot in which nobody has booked anything. CheckFailed names a deal that could be made."""
    honest = [host for host in hosts if host.node not in liars]
    for seller in honest:
        for offer in _offers(seller):
            direction = offer.stated.direction
            graph = true_graph(honest, direction)
            near = {node: {n: r for n, r in far.items() if n in graph} for node, far in graph.items()}
            ranks = distances(near, seller.node)
            for host in honest:
                for trade in _wants(host, last, direction):
                    extra = ranks.get(host.node)
                    if (
                        host is not seller
                        and extra is not None
                        and _fits(trade, seller, offer, extra, parameters)
                    ):
                        raise CheckFailed(
                            f"slot {last}: nobody could book anything after everything had healed,"
                            f" though {host.name} wants what {seller.name} offers"
                        )


def _offers(host: Host) -> list[OwnOffer]:
    assert host.router is not None  # noqa: S101 - the run ends with living hosts
    return [offer for offer in host.router.inspect().own_offers.all() if offer.visible]


def _wants(host: Host, slot: Slot, direction: Direction) -> list[Trade]:
    assert host.router is not None  # noqa: S101
    trades = [deal.trade for deal in host.router.inspect().desk.deals()]
    return [t for t in trades if t.slot == slot and t.direction is direction and t.energy_j > 0]


def _fits(
    trade: Trade, seller: Host, offer: OwnOffer, extra_micro_per_kwh: int, parameters: NetworkParameters
) -> bool:
    """Whether an offer meets a want, fees and losses of the way included, at the latest in the last band."""
    assert seller.router is not None  # noqa: S101
    stated = offer.stated
    run = seller.router.inspect().own_offers.run(offer, trade.slot)
    limit = trade.default_limit_micro_per_kwh if stated.is_default else trade.price_limit_micro_per_kwh
    if run is None or not run.energy_j or limit is None:
        return False
    if not stated.is_default and trade.sources and stated.source not in trade.sources:
        return False
    most = trade.carbon_max_mg_per_kwh
    if not stated.is_default and most is not None and stated.carbon_mg_per_kwh > most:
        return False
    if trade.direction is Direction.DEMAND:
        return run.price_micro_per_kwh - extra_micro_per_kwh >= limit
    ask = run.price_micro_per_kwh
    floor = 0 if stated.is_default else parameters.floor_micro_per_kwh[-1]
    return max(ask, floor) + extra_micro_per_kwh <= limit
