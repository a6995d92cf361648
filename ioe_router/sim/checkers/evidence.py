"""Nothing is accepted that nobody signed, and no reservation goes in a circle.

The notary has overheard every signature that was made.  What a router acts
on - offers, HOLD cores, COMMITs, acceptances - must carry signatures that were
made over just these bytes.  Following a reservation from node to node never
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
                signed = self._notary.was_signed(effect.event.offer.envelope)
                require(signed, host, "an offer was accepted that its origin never signed")
        for step in change.steps:
            self._check_signed(host, step.record)
            self._check_way(host, step.record)

    def _check_signed(self, host: Host, record: Reservation) -> None:
        name = record.key[0].hex()[:8]
        for what in (record.core, record.commit, record.committed):
            if what is not None:
                kind = type(what.body).__name__
                signed = self._notary.was_signed(what.envelope)
                require(signed, host, f"{name}: {kind} was accepted that nobody signed")

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
