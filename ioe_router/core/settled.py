"""What is held about the settlement of one link in one slot, and the sums in it (SPEC section 12).

Energies are joules, amounts micro-units of the network's currency.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from ioe_router.core.booked import BookedLink
from ioe_router.core.loss import amount_micro
from ioe_router.core.ports import Port
from ioe_router.model.envelope import Sealed
from ioe_router.model.errors import invariant
from ioe_router.model.ids import LinkId, NodeId, ObjectId
from ioe_router.model.routing import Direction, Flow
from ioe_router.model.settlement import LinkStatement, MeterRecord
from ioe_router.model.slot import Slot

NO_OBJECT: Final = ObjectId(bytes(32))


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledPacket:
    """A committed packet as a link's ledger has it; the price is that of the end nearer the initiator."""

    flow: Flow
    sent_j: int
    received_j: int
    price_micro_per_kwh: int
    direction: Direction  # of the offer that it was booked on

    @property
    def obligation_micro(self) -> int:
        """What the receiving end owes the sending end; negative at a negative price."""
        energy_j = self.received_j if self.direction is Direction.SUPPLY else self.sent_j
        return amount_micro(self.price_micro_per_kwh, energy_j)


@dataclass(frozen=True, slots=True, kw_only=True)
class LossAccount:
    """What one link lost in one slot and who paid for it, joules; `own_j` is this end's half.

    `metered_j` and `carried_j` concern the whole link, `model_j` is L_int of
    the booked net energy, `supply_j` what this end bought.
    """

    link: LinkId
    slot: Slot
    metered_j: int
    model_j: int
    carried_j: int
    supply_j: int
    own_j: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotOnLink:
    """Everything this node holds about the settlement of one link in one slot."""

    booked: BookedLink | None = None
    packets: tuple[SettledPacket, ...] = ()
    own_meter: Sealed[MeterRecord] | None = None
    peer_meter: Sealed[MeterRecord] | None = None
    own_statement: Sealed[LinkStatement] | None = None
    peer_statement: Sealed[LinkStatement] | None = None
    account: LossAccount | None = None
    agreed: bool | None = None  # None until both statements are here


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainHeads:
    """Where the meter's counters and both ends' chains of statements on a link stand."""

    imported_j: int = 0
    exported_j: int = 0
    last_own: ObjectId | None = None
    last_peer: ObjectId | None = None


@dataclass(frozen=True, slots=True)
class NodeDeviation:
    """Metered less booked import of the node over all its ports, joules: positive is SHORT."""

    slot: Slot
    short_j: int


def loss_account(
    slot: Slot, port: Port, booked: BookedLink, own: MeterRecord, peer: MeterRecord
) -> LossAccount:
    """What a link lost in a slot by both ends' meters, and who paid for it."""
    metered_j = own.exported_j + peer.exported_j - own.imported_j - peer.imported_j
    return LossAccount(
        link=port.link,
        slot=slot,
        metered_j=metered_j,
        model_j=port.model.loss_j(booked.net_j),
        carried_j=booked.carried_loss_j,
        supply_j=booked.supply_j,
        own_j=booked.half(metered_j - booked.carried_loss_j) - booked.supply_j,
    )


def figures(body: LinkStatement) -> LinkStatement:
    """A statement without what is each end's own."""
    return replace(body, node=NodeId(bytes(32)), previous=NO_OBJECT)


def check_sums(booked: BookedLink, packets: tuple[SettledPacket, ...]) -> None:
    """The packets are those behind the booked sums; anything else is our own mistake."""
    for flow, sent_j, received_j in (
        (Flow.DOWN, booked.down_sent_j, booked.down_received_j),
        (Flow.UP, booked.up_sent_j, booked.up_received_j),
    ):
        some = [p for p in packets if p.flow is flow]
        invariant(
            sum(p.sent_j for p in some) == sent_j and sum(p.received_j for p in some) == received_j,
            "the packets to settle differ from the link's booked sums",
        )
