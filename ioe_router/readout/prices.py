"""How a price comes about, and what a way to a destination is like, hop by hop.

Both walk the best route from this node outward with the packet's energy, and
price it on the way back, by the arithmetic of SPEC section 8: what a HOLD over
that route would come to if nothing changed on the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ioe_router.core.gates import Phase, phase_of
from ioe_router.core.loss import PPM, price_after_link, price_before_link
from ioe_router.core.own_offers import price_in_band
from ioe_router.core.parts import Parts
from ioe_router.core.paths import Path
from ioe_router.model.clock import Now
from ioe_router.model.discovery import LinkKind
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import LinkId, NodeId, PathHash
from ioe_router.model.parameters import NO_BAND
from ioe_router.model.routing import Direction, Offer
from ioe_router.model.slot import Slot, next_slot, slot_at
from ioe_router.readout.loads import HopLoss, LoadSource, losses_along
from ioe_router.readout.offers import run_of
from ioe_router.readout.values import NO_REASON, Reason, reason_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Where a slot's trade stands: phase, band (NO_BAND outside the bands) and its floor."""

    slot: Slot
    phase: Phase
    band: int
    floor_micro_per_kwh: int | None


def moment_of(parts: Parts, slot: Slot, now: Now) -> Moment:
    """Where the trade for a slot stands now."""
    parameters = parts.config.parameters
    band = parameters.band_at(slot, now.utc_s)
    return Moment(
        slot=slot,
        phase=phase_of(parameters, slot, now),
        band=NO_BAND if band is None else band,
        floor_micro_per_kwh=None if band is None else parameters.floor_of(band),
    )


def tradable_slot(parts: Parts, now: Now) -> Slot:
    """The first slot for which something can still be reserved in the ordinary way."""
    slot_s = parts.config.parameters.slot_s
    slot = next_slot(slot_at(now.utc_s, slot_s), slot_s)
    while phase_of(parts.config.parameters, slot, now) >= Phase.SWEEPS:
        slot = next_slot(slot, slot_s)
    return slot


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceHopRow:
    """One hop of a price; `price_micro_per_kwh` is that behind it, nearer this node."""

    node: NodeId
    next_node: NodeId
    link: LinkId
    sent_j: int
    received_j: int
    loss_j: int
    fee_micro_per_kwh: int
    residual_j: int
    rating_va: int
    source: LoadSource
    price_micro_per_kwh: int
    issued_utc_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRow:
    """An offer's price over its best route."""

    origin: NodeId
    offer_no: int
    direction: Direction
    ask_micro_per_kwh: int
    paid_micro_per_kwh: int
    hops: tuple[PriceHopRow, ...]
    delivered_micro_per_kwh: int
    available_j: int
    reason: Reason
    bookable: bool


def price_rows(
    parts: Parts,
    moment: Moment,
    direction: Direction,
    energy_j: int,
    *,
    origin: NodeId | None = None,
    limit: int | None = None,
) -> tuple[PriceRow, ...]:
    """Every offer with energy in the slot, cheapest (for DEMAND best paid) first."""
    slot_s = parts.config.parameters.slot_s
    rows = []
    for sealed in parts.routing.offers(direction):
        body = sealed.body
        run = run_of(body, moment.slot, slot_s)
        if run is not None and origin in (None, body.origin):
            rows.append(_price(parts, moment, body, run, energy_j, limit))
    sign = 1 if direction is Direction.SUPPLY else -1
    return tuple(sorted(rows, key=lambda row: (not row.hops, sign * row.delivered_micro_per_kwh)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Quote:
    """An offer's run in a slot, carried over its best route."""

    body: Offer
    available_j: int
    ask: int
    losses: tuple[HopLoss, ...]
    hops: tuple[PriceHopRow, ...]

    @property
    def delivered(self) -> int:
        return self.hops[-1].price_micro_per_kwh if self.hops else 0


def _price(
    parts: Parts, moment: Moment, body: Offer, run: tuple[int, int], energy_j: int, limit: int | None
) -> PriceRow:
    available_j, ask = run
    paths = parts.routing.paths_to(body.origin, body.direction)
    losses = tuple(losses_along(parts, paths[0], moment.slot, energy_j)) if paths else ()
    whole = bool(paths) and len(losses) == len(paths[0].links)
    paid = price_in_band(body, ask, moment.floor_micro_per_kwh)
    hops = tuple(_priced(losses, body.direction, paid)) if whole else ()
    quote = _Quote(body=body, available_j=available_j, ask=ask, losses=losses, hops=hops)
    reason = _obstacle(moment, quote, energy_j, limit)
    if paths and not parts.routing.policy.allows(paths[0], body):
        text = "the operator's rules do not let this node use the offer over this route"
        reason = reason_of(ErrorCode.POLICY, text)
    return PriceRow(
        origin=body.origin,
        offer_no=body.offer_no,
        direction=body.direction,
        ask_micro_per_kwh=ask,
        paid_micro_per_kwh=paid,
        hops=hops,
        delivered_micro_per_kwh=quote.delivered,
        available_j=available_j,
        reason=reason,
        bookable=reason is NO_REASON,
    )


def _priced(losses: tuple[HopLoss, ...], direction: Direction, price: int) -> Iterator[PriceHopRow]:
    """The hops from the origin to this node, each with the price behind it."""
    convert = price_after_link if direction is Direction.SUPPLY else price_before_link
    for hop in reversed(losses):
        price = convert(price, hop.increment, hop.link.fee_micro_per_kwh)
        yield PriceHopRow(
            node=hop.node,
            next_node=hop.next_node,
            link=hop.link.link,
            sent_j=hop.increment.sent_j,
            received_j=hop.increment.received_j,
            loss_j=hop.loss_j,
            fee_micro_per_kwh=hop.link.fee_micro_per_kwh,
            residual_j=hop.residual_j,
            rating_va=hop.rating_va,
            source=hop.load.source,
            price_micro_per_kwh=price,
            issued_utc_s=hop.load.issued_utc_s,
        )


def _full(hop: HopLoss) -> Reason:
    """Why a packet does not fit a link."""
    name = hop.link.link.hex()
    if not hop.load.bookable:
        text = f"link {name} has no valid operating envelope for the slot"
        return reason_of(ErrorCode.NOT_BOOKABLE, text)
    return reason_of(ErrorCode.NO_CAPACITY, f"{hop.residual_j} J are free on link {name}")


def _obstacle(moment: Moment, quote: _Quote, energy_j: int, limit: int | None) -> Reason:
    """Why a HOLD would be refused now, the first reason on its way; NO_REASON when it should pass."""
    if not quote.hops:
        return reason_of(ErrorCode.NO_PATH, "no usable route carries the energy from there")
    full = next((hop for hop in quote.losses if not hop.fits), None)
    if full is not None:
        return _full(full)
    if moment.phase is Phase.BEFORE:
        return reason_of(ErrorCode.TOO_EARLY, "the bands of the slot are not open yet")
    if moment.phase >= Phase.SWEEPS:
        return reason_of(ErrorCode.GATE_CLOSED, "the slot is closed for trade")
    floor, buys = moment.floor_micro_per_kwh, quote.body.direction is Direction.SUPPLY
    if not buys and floor is not None and quote.ask < floor:
        return reason_of(ErrorCode.TOO_EARLY, f"the bid opens once the floor is down from {floor}")
    if limit is not None and (quote.delivered > limit if buys else quote.delivered < limit):
        return reason_of(
            ErrorCode.PRICE_LIMIT, f"{quote.delivered} against a limit of {limit} micro-units per kWh"
        )
    if quote.available_j < energy_j:
        return reason_of(ErrorCode.NO_ENERGY, f"it has {quote.available_j} J in the slot; a part can be had")
    return NO_REASON


# ------------------------------------------------------------------ trace


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceHopRow:
    """One hop of the way from here: `near_j` at this node's side, `far_j` at the destination's."""

    hop: int
    node: NodeId
    link: LinkId
    kind: LinkKind
    near_j: int
    far_j: int
    loss_j: int
    loss_ppm: int
    fee_micro_per_kwh: int
    rating_va: int
    residual_j: int
    source: LoadSource
    issued_utc_s: int
    fits: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The way over a route."""

    path: PathHash
    hops: tuple[TraceHopRow, ...]
    reached: bool
    reason: Reason
    fee_micro_per_kwh: int
    loss_j: int


def trace(parts: Parts, path: Path, slot: Slot, energy_j: int) -> Trace:
    """A packet of `energy_j` at this node's port over a route."""
    losses = tuple(losses_along(parts, path, slot, energy_j))
    hops = tuple(_trace_hop(path.direction, number, hop) for number, hop in enumerate(losses, start=1))
    reached = len(hops) == len(path.links)
    full = next((hop for hop in losses if not hop.fits), None)
    if not reached:
        reason = reason_of(ErrorCode.NO_CAPACITY, "so much energy cannot be carried beyond the last hop")
    else:
        reason = NO_REASON if full is None else _full(full)
    return Trace(
        path=path.hash,
        hops=hops,
        reached=reached,
        reason=reason,
        fee_micro_per_kwh=sum(hop.fee_micro_per_kwh for hop in hops),
        loss_j=sum(hop.loss_j for hop in hops),
    )


def _trace_hop(direction: Direction, number: int, hop: HopLoss) -> TraceHopRow:
    sent_j = hop.increment.sent_j
    return TraceHopRow(
        hop=number,
        node=hop.node,
        link=hop.link.link,
        kind=hop.link.attestation.kind,
        near_j=hop.near_j(direction),
        far_j=hop.far_j(direction),
        loss_j=hop.loss_j,
        loss_ppm=hop.loss_j * PPM // sent_j if sent_j else 0,
        fee_micro_per_kwh=hop.link.fee_micro_per_kwh,
        rating_va=hop.rating_va,
        residual_j=hop.residual_j,
        source=hop.load.source,
        issued_utc_s=hop.load.issued_utc_s,
        fits=hop.fits,
    )
