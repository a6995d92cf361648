"""What a router shows of itself: frozen copies for hosts, tools and tests."""

from __future__ import annotations

from dataclasses import dataclass

from ioe_router.core.booked import BookedLink
from ioe_router.core.calendar import SlotLimits
from ioe_router.core.parts import Parts
from ioe_router.core.paths import Path
from ioe_router.core.reservation import ReservationKey
from ioe_router.core.session_fsm import SessionState
from ioe_router.core.settled import LossAccount
from ioe_router.model.envelope import Sealed
from ioe_router.model.grid import OperatingEnvelope
from ioe_router.model.ids import NodeId
from ioe_router.model.proof import Proof
from ioe_router.model.reservation import ReservationState
from ioe_router.model.routing import Direction, Offer
from ioe_router.model.settlement import ImbalanceRecord
from ioe_router.model.slot import Slot


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterView:
    """Tables of one router at one moment."""

    node: NodeId
    neighbors: tuple[tuple[NodeId, SessionState], ...]
    offers: tuple[Sealed[Offer], ...]
    paths: tuple[Path, ...]
    reservations: tuple[tuple[ReservationKey, ReservationState], ...]
    booked: tuple[tuple[Slot, tuple[BookedLink, ...]], ...]
    loss_accounts: tuple[LossAccount, ...]
    imbalance_own: tuple[Sealed[ImbalanceRecord], ...]
    imbalance_held: tuple[Sealed[ImbalanceRecord], ...]
    envelopes: tuple[Sealed[OperatingEnvelope], ...]
    proofs: tuple[Proof, ...]  # of equivocation
    counts: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotView:
    """One slot on every own link: what is booked, what could be (None: not bookable), what was lost."""

    slot: Slot
    booked: tuple[BookedLink, ...]
    limits: tuple[SlotLimits | None, ...]  # in the order of `booked`
    loss_accounts: tuple[LossAccount, ...]


def slot_view_of(parts: Parts, slot: Slot) -> SlotView:
    """Copy what concerns one slot."""
    booked = parts.supply.booked(slot)
    ports = {port.link: port for port in parts.ports.all()}
    return SlotView(
        slot=slot,
        booked=tuple(booked.values()),
        limits=tuple(parts.ports.limits(ports[link], slot) for link in booked),
        loss_accounts=tuple(account for account in parts.settlement.loss_accounts if account.slot == slot),
    )


def view_of(parts: Parts, counts: dict[str, int]) -> RouterView:
    """Copy the tables."""
    slots = sorted({slot for port in parts.ports.all() for slot in port.calendar.slots()})
    envelopes = {
        sealed.object_id: sealed for slot in slots if (sealed := parts.zone.envelope(slot)) is not None
    }
    return RouterView(
        node=parts.config.node,
        neighbors=tuple((n.node, parts.sessions.state(n.node)) for n in parts.config.neighbors),
        offers=(*parts.routing.offers(Direction.SUPPLY), *parts.routing.offers(Direction.DEMAND)),
        paths=parts.routing.all_paths(),
        reservations=tuple((record.key, record.state) for record in parts.reservations.all()),
        booked=tuple((slot, tuple(parts.supply.booked(slot).values())) for slot in slots),
        loss_accounts=parts.settlement.loss_accounts,
        imbalance_own=tuple(own.record for own in parts.imbalance.own),
        imbalance_held=parts.imbalance.held,
        envelopes=tuple(envelopes.values()),
        proofs=parts.proofs.all(),
        counts=counts,
    )
