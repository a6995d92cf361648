"""The FIB: set-points of every port for a slot, at the final gate (SPEC section 11).

A set-point is what this node's side of a port does over the whole slot:

    RADIAL link      what is booked there, loss supply included; the physics decide the flow
    CONTROLLED link  the sum of booked s and y, and this end's half of what the link loses
                     beyond what its packets carry; no reactive energy
    own devices      what all ports bring in together, and the node's reactive forecast

IMPORT on a link's port is energy from the link into the node; IMPORT of the
devices is energy that they draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ioe_router.config import RouterConfig
from ioe_router.core.booked import BookedLink, model_loss_j
from ioe_router.core.effects import ApplySchedule
from ioe_router.core.outbox import Outbox
from ioe_router.core.ports import Port
from ioe_router.model.grid import Exchange
from ioe_router.model.ids import LinkId
from ioe_router.model.slot import Slot


def controlled_import_j(port: Port, booked: BookedLink) -> int:
    """What a CONTROLLED port brings into the node, signed: packets less this end's loss half.

    Over both ends this takes out of the grid just what the link's model loses.
    """
    uncarried = model_loss_j(port.model, booked.net_j) - booked.carried_loss_j
    return booked.imported_j - booked.exported_j - booked.half(uncarried)


def devices_import_j(booked: Mapping[LinkId, BookedLink]) -> int:
    """What the node's own devices are booked to draw, signed: all that the ports bring in."""
    return sum(link.net_import_j for link in booked.values())


def exchange_of(signed: int) -> tuple[Exchange, int]:
    """A signed import as direction and size; nothing has no direction."""
    if signed == 0:
        return Exchange.UNSPECIFIED, 0
    return (Exchange.IMPORT, signed) if signed > 0 else (Exchange.EXPORT, -signed)


class Fib:
    """The set-points that were published last, per port."""

    def __init__(self, config: RouterConfig, ports: Sequence[Port]) -> None:
        """No slot is dispatched yet."""
        self._now: dict[LinkId | None, ApplySchedule] = {}
        self.follow(config, ports)

    def follow(self, config: RouterConfig, ports: Sequence[Port]) -> None:
        """Steer these ports from now on, within this connection."""
        self._ports = tuple(ports)
        slot_s = config.parameters.slot_s
        self._import_max_j = config.connection_import_w * slot_s
        self._export_max_j = config.connection_export_w * slot_s

    @property
    def entries(self) -> tuple[ApplySchedule, ...]:
        """The newest set-point of every port, own devices last."""
        return tuple(self._now.values())

    def dispatch(
        self, slot: Slot, booked: Mapping[LinkId, BookedLink], reactive_vars: int, out: Outbox
    ) -> None:
        """Publish a slot's set-points; `reactive_vars` is the own forecast, positive drawn.

        Ports without an entry in `booked` stand at zero.  The own devices are never told to draw or give
        more than their connection carries, whatever is booked; the rest becomes a deviation.
        """
        for port in self._ports:
            sums = booked.get(port.link, BookedLink(link=port.link, keeper=port.keeper))
            signed = sums.net_import_j if port.radial else controlled_import_j(port, sums)
            self._publish(port.link, slot, signed, 0, out)
        own_j = max(-self._export_max_j, min(self._import_max_j, devices_import_j(booked)))
        self._publish(None, slot, own_j, reactive_vars, out)

    def _publish(
        self, link: LinkId | None, slot: Slot, active_j: int, reactive_vars: int, out: Outbox
    ) -> None:
        direction, energy_j = exchange_of(active_j)
        reactive, size_vars = exchange_of(reactive_vars)
        entry = ApplySchedule(
            link=link,
            slot=slot,
            direction=direction,
            energy_j=energy_j,
            reactive=reactive,
            reactive_vars=size_vars,
        )
        self._now[link] = entry
        out.apply(entry)
