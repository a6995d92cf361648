"""Nothing is accepted that nobody signed, and no reservation goes in a circle.

The notary has overheard every signature that was made.  What a router acts
on - offers, HOLD cores, COMMITs, acceptances, releases - must carry a signature
made over just these bytes by the node whose word it is.  Following a reservation from node to node never
leads back.
"""

from __future__ import annotations

from collections.abc import Sequence

from ioe_router.core.effects import Effect, Emit
from ioe_router.core.events import OfferLearned
from ioe_router.core.reservation import Reservation, ReservationKey
from ioe_router.model.ids import NodeId
from ioe_router.sim.checkers.verdict import require
from ioe_router.sim.checkers.watch import Change
from ioe_router.sim.host import Host
from ioe_router.sim.notary import Notary


class Evidence:
    """Signatures and ways."""

    def __init__(self, notary: Notary) -> None:
        """`notary` has overheard everybody."""
        self._notary = notary
        self._next: dict[ReservationKey, dict[NodeId, NodeId]] = {}

    def after(self, host: Host, change: Change, effects: Sequence[Effect]) -> None:
        """Judge one call."""
        for effect in effects:
            if isinstance(effect, Emit) and isinstance(effect.event, OfferLearned):
                offer = effect.event.offer
                signed = self._notary.signed_by(offer.envelope, offer.body.origin)
                require(signed, host, "an offer was accepted that its origin never signed")
        for step in change.steps:
            self._check_signed(host, step.record)
            self._check_way(host, step.record)

    def _check_signed(self, host: Host, record: Reservation) -> None:
        name, core = record.key[0].hex()[:8], record.core.body
        for what, node in (
            (record.core, core.initiator),
            (record.commit, core.initiator),
            (record.committed, core.origin),
            (record.release, core.initiator),
        ):
            if what is not None:
                kind = type(what.body).__name__
                signed = self._notary.signed_by(what.envelope, node)
                require(signed, host, f"{name}: {kind} was accepted that {node.hex()[:8]} never signed")

    def _check_way(self, host: Host, record: Reservation) -> None:
        if record.toward_origin is None:
            return
        way = self._next.setdefault(record.key, {})
        way[host.node] = record.toward_origin.port.neighbor
        node, steps = way[host.node], 0
        while node in way and steps <= len(way):
            node, steps = way[node], steps + 1
        name = record.key[0].hex()[:8]
        require(steps <= len(way), host, f"{name} goes in a circle of {len(way)} nodes")
