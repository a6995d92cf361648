"""The node's own links: what is attested, who keeps the ledger, how much may flow (SPEC section 9).

A port is this node's end of one link.  Limits of a slot are what remains of
the rating (and, on RADIAL links, of the zone's operating envelope) after the
forecast margin and the loss halves that both ends export into the link.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ioe_router.core.calendar import LinkCalendar, SlotLedger, SlotLimits
from ioe_router.core.loss import PPM, LinkModel, usable_w
from ioe_router.model.discovery import LinkAttestation, LinkKind
from ioe_router.model.envelope import Sealed
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.ids import LinkId, NodeId, link_id_of
from ioe_router.model.parameters import NetworkParameters
from ioe_router.model.routing import Flow
from ioe_router.model.slot import Slot

# (down_w, up_w, reactive_var) of a RADIAL link in a slot, None when no envelope is valid
EnvelopeLookup = Callable[[LinkId, Slot], tuple[int, int, int] | None]


@dataclass(slots=True, eq=False)
class Port:
    """This node's end of the link to `neighbor`: one object per link for the router's life."""

    neighbor: NodeId
    link: LinkId
    attestation: Sealed[LinkAttestation]  # may be renewed, as long as it says the same of the line
    keeper: bool  # we order the admissions
    model: LinkModel
    calendar: LinkCalendar
    fee_micro_per_kwh: int

    @property
    def radial(self) -> bool:
        """Part of the tree feeder, so bound by the zone's operating envelope."""
        return self.attestation.body.kind is LinkKind.RADIAL

    def flow_from_here(self) -> Flow:
        """The sense of energy that leaves this node through the port."""
        return Flow.DOWN if self.keeper else Flow.UP


class Ports:
    """All ports of the node and the ledgers behind them."""

    def __init__(
        self,
        node: NodeId,
        parameters: NetworkParameters,
        margin_ppm: int,
        ports: tuple[Port, ...],
        envelope: EnvelopeLookup,
    ) -> None:
        """Ports in configuration order; `envelope` is asked whenever a ledger is looked at."""
        self.node = node
        self._parameters = parameters
        self._margin_ppm = margin_ppm
        self._envelope = envelope
        self._by_neighbor = {port.neighbor: port for port in ports}
        self._by_link = {port.link: port for port in ports}
        self._former: dict[NodeId, None] = {}  # of neighbours that were taken out

    # ------------------------------------------------------------- the operator's terms
    def enter(self, port: Port) -> Port:
        """A neighbour is new, or is one again: what is on the books of its link goes on."""
        known = self._by_neighbor.get(port.neighbor)
        self._former.pop(port.neighbor, None)
        if known is None:
            self._by_neighbor[port.neighbor] = self._by_link[port.link] = known = port
        known.attestation, known.fee_micro_per_kwh = port.attestation, port.fee_micro_per_kwh
        return known

    def dismiss(self, neighbor: NodeId) -> None:
        """A node is no neighbour any more; its port stays until nothing of what was promised is left."""
        self._former[neighbor] = None

    def state_margin(self, margin_ppm: int) -> None:
        """Another part of every link is to be kept free; limits of slots follow when they are looked at."""
        self._margin_ppm = margin_ppm

    def former(self) -> tuple[NodeId, ...]:
        """The neighbours that were taken out and have ports still."""
        return tuple(self._former)

    def drop(self, neighbor: NodeId) -> None:
        """Nothing is left of what was promised over a former neighbour's link."""
        del self._former[neighbor]
        del self._by_link[self._by_neighbor.pop(neighbor).link]

    def present(self) -> tuple[Port, ...]:
        """The ports of the neighbours that there are."""
        return tuple(port for port in self._by_neighbor.values() if port.neighbor not in self._former)

    # ------------------------------------------------------------- looking up
    def all(self) -> tuple[Port, ...]:
        """Every port, with those of former neighbours that something is on the books of."""
        return tuple(self._by_neighbor.values())

    def to(self, neighbor: NodeId) -> Port:
        """The port to a neighbour. PeerError UNKNOWN_LINK if there is none."""
        port = self._by_neighbor.get(neighbor)
        if port is None:
            raise PeerError(ErrorCode.UNKNOWN_LINK, "no link to this neighbour is configured")
        return port

    def of(self, link: LinkId) -> Port | None:
        """The port on a link, None if the link is not ours."""
        return self._by_link.get(link)

    def ledger(self, port: Port, slot: Slot) -> SlotLedger | None:
        """The slot's ledger with its present limits; None while nothing may be booked and nothing is.

        Without a valid envelope what is booked stays on its ledger, under the limits that it had.
        """
        limits = self.limits(port, slot)
        return port.calendar.ledger(slot) if limits is None else port.calendar.open(slot, limits)

    def limits(self, port: Port, slot: Slot) -> SlotLimits | None:
        """Energy that may flow in a slot per direction; None without a valid envelope on a RADIAL link."""
        attestation = port.attestation.body
        down_w, up_w, reactive_var = attestation.rating_down_va, attestation.rating_up_va, 0
        if port.radial:
            envelope = self._envelope(port.link, slot)
            if envelope is None:
                return None
            down_w, up_w, reactive_var = envelope
        lowest = self._parameters.voltage_min_micro_pu
        down_w = min(down_w, usable_w(attestation.rating_down_va, reactive_var, lowest))
        up_w = min(up_w, usable_w(attestation.rating_up_va, reactive_var, lowest))
        return SlotLimits(down_j=self._after_margin(down_w), up_j=self._after_margin(up_w))

    def _after_margin(self, power_w: int) -> int:
        return power_w * self._parameters.slot_s * (PPM - self._margin_ppm) // PPM


def make_port(node: NodeId, sealed: Sealed[LinkAttestation], slot_s: int, fee_micro_per_kwh: int) -> Port:
    """The port that an attestation gives `node`. The attestation must name the node as one of its ends."""
    body = sealed.body
    keeper = body.keeper == node
    model = LinkModel.of(body, slot_s)
    return Port(
        neighbor=body.other if keeper else body.keeper,
        link=link_id_of(body.keeper, body.other, body.number),
        attestation=sealed,
        keeper=keeper,
        model=model,
        calendar=LinkCalendar(model),
        fee_micro_per_kwh=fee_micro_per_kwh,
    )
