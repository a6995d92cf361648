"""Loss that no packet carries: what this node buys for its ends of the links (SPEC sections 8 and 11).

Iron losses and losses of reactive flow stand whether a packet flows or not.
Each end of a link is an ordinary buyer of half of them (the odd joule falls to
the keeper) and exports that energy into the link.  Before the bands the part
is forecast from the newest sweep (at first: from the no-load loss alone);
after the sweeps it is put right, once.

The forecast is what the sweep found above the loss function of the flow that
was booked then, not above what packets carried: those may carry more or less
than their flow loses when others have been released or trimmed, and the next
slot has other packets.
"""

from __future__ import annotations

from collections.abc import Mapping

from ioe_router.core.booked import BookedLink, booked_link
from ioe_router.core.ports import Port, Ports
from ioe_router.model.ids import LinkId
from ioe_router.model.slot import Slot


class LossSupply:
    """Supply of this node into its links, per slot and link, joules (negative: sold back)."""

    def __init__(self, ports: Ports) -> None:
        """No slot is open."""
        self._ports = ports
        self._supply: dict[Slot, dict[LinkId, int]] = {}
        self._standing_j: dict[LinkId, int] = {}  # as the newest sweep found it
        self._changed: dict[Slot, None] = {}

    def open(self, slot: Slot) -> int:
        """Forecast the supply of a slot; returns what the node has to buy in all."""
        supply = {port.link: self._forecast(port) for port in self._ports.present()}
        supply = self._supply.setdefault(slot, supply)  # a restart does not open a slot again
        self._changed[slot] = None
        return sum(supply.values())

    def changed(self) -> tuple[tuple[Slot, dict[LinkId, int] | None], ...]:
        """Slots whose supply has changed since the last call; None: forgotten."""
        changed = tuple((slot, self._supply.get(slot)) for slot in self._changed)
        self._changed.clear()
        return changed

    def restore(self, slot: Slot, supply: dict[LinkId, int]) -> None:
        """Take over the supply of a slot that an earlier life has opened."""
        self._supply[slot] = supply

    def _forecast(self, port: Port) -> int:
        known = self._standing_j.get(port.link)
        loss_j = port.model.standing_j(0) if known is None else known
        return BookedLink(link=port.link, keeper=port.keeper).half(loss_j)

    def booked(self, slot: Slot) -> dict[LinkId, BookedLink]:
        """What is booked on every own link in a slot, supply included."""
        supply = self._supply.get(slot, {})
        return {
            port.link: booked_link(
                port.link, port.calendar.ledger(slot), keeper=port.keeper, supply_j=supply.get(port.link, 0)
            )
            for port in self._ports.all()
        }

    def correct(self, slot: Slot, swept_j: Mapping[LinkId, int]) -> None:
        """The sweeps found these losses: from now on the supply is the half of what no packet carries."""
        supply = self._supply.setdefault(slot, {})
        self._changed[slot] = None
        booked = self.booked(slot)
        for port in self._ports.all():
            if port.link in swept_j:
                sums, lost_j = booked[port.link], swept_j[port.link]
                supply[port.link] = sums.half(lost_j - sums.carried_loss_j)
                self._standing_j[port.link] = lost_j - port.model.loss_j(sums.net_j)

    def forget_before(self, slot: Slot) -> None:
        """Drop what concerns slots before `slot`."""
        for old in [s for s in self._supply if s < slot]:
            del self._supply[old]
            self._changed[old] = None
