"""How loaded a link is in a slot, and what a packet over a path would lose there.

An own link is read from its ledger, any other from its keeper's link state;
without either the rating is all there is.  A ledger is looked at as it is and
never opened: a read-out leaves no trace.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from ioe_router.core.evidence import link_of
from ioe_router.core.loss import Increment, LinkModel, signed
from ioe_router.core.parts import Parts
from ioe_router.core.paths import Path, PathLink, rating_va
from ioe_router.core.ports import Port
from ioe_router.model.discovery import LinkAttestation
from ioe_router.model.ids import NodeId
from ioe_router.model.routing import Direction, Flow
from ioe_router.model.slot import Slot


class LoadSource(IntEnum):
    """How a load is known; the numbers are those of the control service."""

    LEDGER = 1
    LINK_STATE = 2
    RATING = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One link in one slot, joules; `net_j` is signed, positive from the keeper."""

    net_j: int
    residual_down_j: int
    residual_up_j: int
    source: LoadSource
    issued_utc_s: int = 0
    bookable: bool = True  # an own link without a valid operating envelope is not

    def residual_j(self, flow: Flow) -> int:
        """What is free in one sense."""
        return self.residual_down_j if flow is Flow.DOWN else self.residual_up_j


def load_of(parts: Parts, attestation: LinkAttestation, slot: Slot) -> Load:
    """What is known of a link's load."""
    link = link_of(attestation)
    port = parts.ports.of(link)
    if port is not None:
        return _own(parts, port, slot)
    state = parts.routing.link_state(link, slot)
    if state is not None:
        return Load(
            net_j=signed(state.net_energy_j, state.net_flow),
            residual_down_j=state.residual_down_j,
            residual_up_j=state.residual_up_j,
            source=LoadSource.LINK_STATE,
            issued_utc_s=state.issued_utc_s,
        )
    slot_s = parts.config.parameters.slot_s
    return Load(
        net_j=0,
        residual_down_j=attestation.rating_down_va * slot_s,
        residual_up_j=attestation.rating_up_va * slot_s,
        source=LoadSource.RATING,
    )


def _own(parts: Parts, port: Port, slot: Slot) -> Load:
    ledger, limits = port.calendar.ledger(slot), parts.ports.limits(port, slot)
    if limits is None:  # not bookable, whatever is booked already
        return Load(
            net_j=0 if ledger is None else ledger.net_j,
            residual_down_j=0,
            residual_up_j=0,
            source=LoadSource.LEDGER,
            bookable=False,
        )
    used_down_j = 0 if ledger is None else ledger.used_j(Flow.DOWN)
    used_up_j = 0 if ledger is None else ledger.used_j(Flow.UP)
    return Load(
        net_j=0 if ledger is None else ledger.net_j,
        residual_down_j=max(0, limits.down_j - used_down_j),
        residual_up_j=max(0, limits.up_j - used_up_j),
        source=LoadSource.LEDGER,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HopLoss:
    """A packet on one link of a path; `near` is this node's side."""

    link: PathLink
    node: NodeId  # the far end, nearer the origin
    next_node: NodeId  # the near end
    load: Load
    increment: Increment

    def near_j(self, direction: Direction) -> int:
        """Energy at this node's side, joules."""
        return self.increment.received_j if direction is Direction.SUPPLY else self.increment.sent_j

    def far_j(self, direction: Direction) -> int:
        """Energy at the origin's side, joules."""
        return self.increment.sent_j if direction is Direction.SUPPLY else self.increment.received_j

    @property
    def loss_j(self) -> int:
        """What the packet is charged, joules; negative against the prevailing flow."""
        return self.increment.sent_j - self.increment.received_j

    @property
    def rating_va(self) -> int:
        """Rating in the sense of the packet."""
        return rating_va(self.link.attestation, self.link.flow)

    @property
    def residual_j(self) -> int:
        """What is free in the sense of the packet, joules."""
        return self.load.residual_j(self.link.flow)

    @property
    def fits(self) -> bool:
        """Whether the packet fits what is free."""
        return max(self.increment.sent_j, self.increment.received_j) <= self.residual_j


def losses_along(parts: Parts, path: Path, slot: Slot, energy_j: int) -> Iterator[HopLoss]:
    """A packet of `energy_j` at this node's port, from this node's link to the origin's.

    Ends early where nothing is left of the energy, or no packet delivers so much.
    """
    ends = (*path.nodes, path.holder)
    for place in range(len(path.links) - 1, -1, -1):
        link = path.links[place]
        load = load_of(parts, link.attestation, slot)
        increment = _increment(parts, path.direction, link, load, energy_j)
        if increment is None:
            return
        hop = HopLoss(link=link, node=ends[place], next_node=ends[place + 1], load=load, increment=increment)
        yield hop
        energy_j = hop.far_j(path.direction)


def _increment(
    parts: Parts, direction: Direction, link: PathLink, load: Load, near_j: int
) -> Increment | None:
    model = LinkModel.of(link.attestation, parts.config.parameters.slot_s)
    if direction is Direction.SUPPLY:
        return model.for_received(load.net_j, near_j, link.flow, 2 * near_j + 2)
    found = model.for_sent(load.net_j, near_j, link.flow)
    return found if found is not None and found.received_j > 0 else None
