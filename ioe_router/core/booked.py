"""What is booked on one link in one slot, as one end sees it (SPEC sections 9, 11 and 12).

The sweeps, the FIB and the settlement all start from the keeper's ledger (or
its mirror).  This is the reading of it that they share, so that they cannot
disagree about it.

A packet's energies are fixed at both ends: what enters (s) and what leaves
(y).  Beside packets, each end buys its half of the losses that no packet
carries; that energy is booked as an export of the node into the link's port.
"""

from __future__ import annotations

from dataclasses import dataclass

from ioe_router.core.calendar import SlotLedger
from ioe_router.core.loss import LinkModel, signed
from ioe_router.model.ids import LinkId
from ioe_router.model.routing import Flow


@dataclass(frozen=True, slots=True, kw_only=True)
class BookedLink:
    """Sums over a slot's committed packets on a link; `keeper` says which end this node is.

    `net_j` is the net energy at mid-link, positive from the keeper (DOWN).
    `supply_j` is what this end alone has bought (or, when negative, sold back)
    for losses that no packet carries.
    """

    link: LinkId
    keeper: bool
    net_j: int = 0
    down_sent_j: int = 0
    down_received_j: int = 0
    up_sent_j: int = 0
    up_received_j: int = 0
    supply_j: int = 0

    @property
    def imported_j(self) -> int:
        """Packet energy out of the link into this node."""
        return self.up_received_j if self.keeper else self.down_received_j

    @property
    def exported_j(self) -> int:
        """Packet energy from this node into the link, without the loss supply."""
        return self.down_sent_j if self.keeper else self.up_sent_j

    @property
    def net_import_j(self) -> int:
        """Booked exchange at this end, loss supply included: positive into the node."""
        return self.imported_j - self.exported_j - self.supply_j

    @property
    def carried_loss_j(self) -> int:
        """Loss that the packets carry: the sum of s - y."""
        return self.down_sent_j + self.up_sent_j - self.down_received_j - self.up_received_j

    def half(self, energy_j: int) -> int:
        """This end's half of an energy of either sign; an odd joule goes to the keeper."""
        size = abs(energy_j)
        part = (size + 1) // 2 if self.keeper else size // 2
        return part if energy_j >= 0 else -part


def booked_link(link: LinkId, ledger: SlotLedger | None, *, keeper: bool, supply_j: int) -> BookedLink:
    """The sums of a ledger's committed packets; what is only held or in doubt is not dispatched."""
    if ledger is None:
        return BookedLink(link=link, keeper=keeper, supply_j=supply_j)
    sent = {Flow.DOWN: 0, Flow.UP: 0}
    received = {Flow.DOWN: 0, Flow.UP: 0}
    committed = [entry for entry in ledger.entries.values() if entry.price_micro_per_kwh is not None]
    for entry in committed:
        sent[entry.flow] += entry.increment.sent_j
        received[entry.flow] += entry.increment.received_j
    return BookedLink(
        link=link,
        keeper=keeper,
        net_j=sum(signed(entry.increment.flow_j, entry.flow) for entry in committed),
        down_sent_j=sent[Flow.DOWN],
        down_received_j=received[Flow.DOWN],
        up_sent_j=sent[Flow.UP],
        up_received_j=received[Flow.UP],
        supply_j=supply_j,
    )


def model_loss_j(model: LinkModel, net_j: int) -> int:
    """What the model says a link loses in all without reactive flow: L_int and the no-load part."""
    return model.loss_j(net_j) + model.standing_j(0)
