"""Offers: what can be reached, from whom it was heard, to whom it is told, and what it comes to here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from ioe_router.core.loss import price_after_link, price_before_link
from ioe_router.core.offers import key_of
from ioe_router.core.own_offers import run_at
from ioe_router.core.parts import Parts
from ioe_router.core.refusals import Refusal
from ioe_router.core.rib import OfferKey
from ioe_router.model.clock import Now
from ioe_router.model.envelope import ObjectType, Sealed
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import NodeId, ObjectId
from ioe_router.model.routing import Direction, Firmness, Offer, SourceClass
from ioe_router.model.slot import Slot
from ioe_router.readout.loads import losses_along
from ioe_router.readout.values import ALL_SLOTS, NO_REASON, Entry, Reason, SlotRange, Stage, reason_of

PROBE_J = 360_000  # 0.1 kWh: what a delivered price is told for


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferFilter:
    """Which offers; None and UNSPECIFIED are no condition."""

    neighbor: NodeId | None = None
    destination: NodeId | None = None
    direction: Direction = Direction.UNSPECIFIED
    stage: Stage | None = None
    slots: SlotRange = ALL_SLOTS
    source: SourceClass | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRunRow:
    """A run of equal slots with energy."""

    first_slot_utc_s: int
    slots: int
    energy_j: int
    price_micro_per_kwh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRow:
    """An offer in its newest version."""

    origin: NodeId | None
    offer_no: int = 0
    epoch: int = 0
    seq: int = 0
    object: ObjectId | None = None
    direction: Direction
    source: SourceClass = SourceClass.UNSPECIFIED
    firmness: Firmness = Firmness.UNSPECIFIED
    runs: tuple[OfferRunRow, ...] = ()
    energy_cap_j: int = 0
    carbon_mg_per_kwh: int = 0
    is_default: bool = False
    only_to_customers: bool = False
    issued_utc_s: int = 0
    expires_utc_s: int = 0
    own: bool = False
    heard_from: tuple[NodeId, ...] = ()
    advertised_to: tuple[NodeId, ...] = ()
    stages: tuple[Stage, ...]
    reason: Reason
    next_slot_utc_s: int = 0
    next_energy_j: int = 0
    next_price_micro_per_kwh: int = 0
    delivered_micro_per_kwh: int = 0
    has_delivered: bool = False
    taken_j: int = 0


@dataclass(frozen=True, slots=True)
class _Seen:
    """An offer as one moment shows it; everything in it is frozen."""

    sealed: Sealed[Offer]
    heard_from: tuple[NodeId, ...]
    told: tuple[NodeId, ...]
    cheapest: bool  # the lowest ask (highest bid) of its direction in the next slot with energy


@dataclass(frozen=True, slots=True)
class OfferView:
    """The offers of one moment; delivered prices are worked out as their rows are asked for."""

    parts: Parts
    now: Now
    seen: tuple[_Seen, ...]
    barred: tuple[tuple[NodeId, Sealed[Offer], str], ...]  # by the import rules, with the sentence
    refused: tuple[Refusal, ...]

    def rows(self) -> Iterator[OfferRow]:
        """The rows: own offers, those of others in order of arrival, refused ones."""
        return (entry.row() for entry in self.entries())

    def entries(self) -> Iterator[Entry[OfferRow]]:
        """The same, not made yet. What an offer comes to here is no part of its mark."""
        for seen in self.seen:
            mark = (seen.sealed.object_id, seen.heard_from, seen.told, seen.cheapest)
            yield Entry(key_of(seen.sealed.body), mark, partial(_row, self.parts, seen, self.now))
        for neighbor, sealed, sentence in self.barred:
            make = partial(_barred_row, self.parts, neighbor, sealed, sentence, self.now)
            yield Entry(("barred", neighbor, key_of(sealed.body)), (sealed.object_id, sentence), make)
        for refusal in self.refused:
            key = ("refused", refusal.neighbor, refusal.about)
            yield Entry(key, refusal, partial(_refused_row, refusal))


def offer_view(parts: Parts, now: Now, wanted: OfferFilter | None = None) -> OfferView:
    """The offers as they stand."""
    wanted = wanted or OfferFilter()
    offers = parts.routing.tables.offers
    told = _told(parts)
    every = (
        *((one, ()) for one in parts.routing.tables.own.all()),
        *((one, offers.tellers(key_of(one.body))) for d in (1, 2) for one in offers.alive(Direction(d))),
    )
    fitting = [(one, heard) for one, heard in every if _fits(parts, one.body, wanted)]
    best = _best(parts, fitting, now)
    seen = (
        _Seen(one, heard, tuple(told.get(key_of(one.body), ())), key_of(one.body) in best)
        for one, heard in fitting
    )
    return OfferView(
        parts=parts,
        now=now,
        seen=tuple(one for one in seen if _passes(one, wanted)),
        barred=tuple(_barred(parts, wanted)),
        refused=tuple(_refused(parts, wanted)),
    )


def _told(parts: Parts) -> dict[OfferKey, list[NodeId]]:
    table = parts.routing.tables.told
    found: dict[OfferKey, list[NodeId]] = {}
    for neighbor in table.neighbors():
        for key in table.of(neighbor).offers:
            found.setdefault(key, []).append(neighbor)
    return found


def _fits(parts: Parts, body: Offer, wanted: OfferFilter) -> bool:
    """Whether what the offer says passes the filter."""
    return (
        wanted.stage is not Stage.FILTERED
        and wanted.destination in (None, body.origin)
        and wanted.direction in (Direction.UNSPECIFIED, body.direction)
        and wanted.source in (None, body.source)
        and (wanted.slots.is_open or any(_touches(run, parts, wanted) for run in _runs(parts, body)))
    )


def _touches(run: OfferRunRow, parts: Parts, wanted: OfferFilter) -> bool:
    last = run.first_slot_utc_s + (run.slots - 1) * parts.config.parameters.slot_s
    return wanted.slots.touches(run.first_slot_utc_s, last)


def _best(
    parts: Parts, offers: list[tuple[Sealed[Offer], tuple[NodeId, ...]]], now: Now
) -> frozenset[OfferKey]:
    """Of each direction, the offer of another with the best price at its origin in the next slot."""
    best: dict[Direction, tuple[int, OfferKey]] = {}
    for sealed, _ in offers:
        body = sealed.body
        found = next_energy(parts, body, now)
        if body.origin == parts.config.node or found is None:
            continue
        price = found[1].price_micro_per_kwh
        cost = price if body.direction is Direction.SUPPLY else -price
        known = best.get(body.direction)
        if known is None or cost < known[0]:
            best[body.direction] = cost, key_of(body)
    return frozenset(key for _, key in best.values())


def _passes(seen: _Seen, wanted: OfferFilter) -> bool:
    match wanted.stage:
        case Stage.ADVERTISED:
            return bool(seen.told) if wanted.neighbor is None else wanted.neighbor in seen.told
        case Stage.BEST if not seen.cheapest:
            return False
        case Stage.RECEIVED | Stage.ACCEPTED if not seen.heard_from:
            return False
    return wanted.neighbor is None or wanted.neighbor in seen.heard_from


def _barred(parts: Parts, wanted: OfferFilter) -> Iterator[tuple[NodeId, Sealed[Offer], str]]:
    """What the import rules keep out."""
    if wanted.stage not in (None, Stage.FILTERED, Stage.RECEIVED):
        return
    imports = parts.routing.policy.imports
    said = replace(wanted, stage=None)
    for neighbor, sealed in parts.routing.tables.offers.barred():
        if wanted.neighbor in (None, neighbor) and _fits(parts, sealed.body, said):
            verdict = imports.offer(neighbor, sealed.body)
            yield neighbor, sealed, imports.sentence(verdict, neighbor)


def _refused(parts: Parts, wanted: OfferFilter) -> Iterator[Refusal]:
    if wanted.stage not in (None, Stage.FILTERED) or not wanted.slots.is_open or wanted.source is not None:
        return
    for refusal in parts.refusals.newest_first():
        if (
            refusal.by_us
            and refusal.type == ObjectType.OFFER.name
            and wanted.neighbor in (None, refusal.neighbor)
            and wanted.destination in (None, refusal.destination)
            and wanted.direction in (Direction.UNSPECIFIED, refusal.direction)
        ):
            yield refusal


# ------------------------------------------------------------------ rows


def _runs(parts: Parts, body: Offer) -> Iterator[OfferRunRow]:
    slot = body.first_slot_utc_s
    for run in body.runs:
        if run.energy_j:
            yield OfferRunRow(
                first_slot_utc_s=slot,
                slots=run.slots,
                energy_j=run.energy_j,
                price_micro_per_kwh=run.price_micro_per_kwh,
            )
        slot += run.slots * parts.config.parameters.slot_s


def next_energy(parts: Parts, body: Offer, now: Now) -> tuple[Slot, OfferRunRow] | None:
    """The first slot with energy that has not begun, and the run that it is in."""
    slot_s = parts.config.parameters.slot_s
    following = now.utc_s - now.utc_s % slot_s + slot_s
    for run in _runs(parts, body):
        if run.first_slot_utc_s + (run.slots - 1) * slot_s >= following:
            return Slot(max(run.first_slot_utc_s, following)), run
    return None


def delivered(parts: Parts, body: Offer, slot: Slot, ask: int, energy_j: int = PROBE_J) -> int | None:
    """What a price at the origin comes to at this node over the best route; None without one."""
    paths = parts.routing.paths_to(body.origin, body.direction)
    if not paths:
        return None
    hops = tuple(losses_along(parts, paths[0], slot, energy_j))
    if len(hops) != len(paths[0].links):
        return None
    price = ask
    for hop in reversed(hops):
        convert = price_after_link if body.direction is Direction.SUPPLY else price_before_link
        price = convert(price, hop.increment, hop.link.fee_micro_per_kwh)
    return price


def _row(parts: Parts, seen: _Seen, now: Now) -> OfferRow:
    row = _said(parts, seen.sealed, now)
    body, found = seen.sealed.body, next_energy(parts, seen.sealed.body, now)
    own = body.origin == parts.config.node
    price = None if own or found is None else delivered(parts, body, found[0], found[1].price_micro_per_kwh)
    return replace(
        row,
        own=own,
        heard_from=seen.heard_from,
        advertised_to=seen.told,
        stages=_stages(seen),
        reason=_why(parts, seen),
        delivered_micro_per_kwh=price or 0,
        has_delivered=price is not None,
        taken_j=_taken_j(parts, body, found) if own else 0,
    )


def _barred_row(parts: Parts, neighbor: NodeId, sealed: Sealed[Offer], sentence: str, now: Now) -> OfferRow:
    reason = Reason(code=ErrorCode.POLICY.name, text=sentence)
    return replace(_said(parts, sealed, now), heard_from=(neighbor,), reason=reason)


def _said(parts: Parts, sealed: Sealed[Offer], now: Now) -> OfferRow:
    """What the offer itself says, as one that is not let in."""
    body = sealed.body
    found = next_energy(parts, body, now)
    return OfferRow(
        origin=body.origin,
        offer_no=body.offer_no,
        epoch=body.epoch,
        seq=body.seq,
        object=sealed.object_id,
        direction=body.direction,
        source=body.source,
        firmness=body.firmness,
        runs=tuple(_runs(parts, body)),
        energy_cap_j=body.energy_cap_j,
        carbon_mg_per_kwh=body.carbon_mg_per_kwh,
        is_default=body.is_default,
        only_to_customers=body.only_to_customers,
        issued_utc_s=body.issued_utc_s,
        expires_utc_s=body.expires_utc_s,
        stages=(Stage.RECEIVED, Stage.FILTERED),
        reason=NO_REASON,
        next_slot_utc_s=0 if found is None else found[0],
        next_energy_j=0 if found is None else found[1].energy_j,
        next_price_micro_per_kwh=0 if found is None else found[1].price_micro_per_kwh,
    )


def _taken_j(parts: Parts, body: Offer, found: tuple[Slot, OfferRunRow] | None) -> int:
    offer = parts.own_offers.get(body.offer_no)
    return 0 if offer is None or found is None else offer.taken_j(found[0])


def _stages(seen: _Seen) -> tuple[Stage, ...]:
    stages = [Stage.RECEIVED, Stage.ACCEPTED] if seen.heard_from else []
    if seen.cheapest:
        stages.append(Stage.BEST)
    if seen.told:
        stages.append(Stage.ADVERTISED)
    return tuple(stages)


def _why(parts: Parts, seen: _Seen) -> Reason:
    body = seen.sealed.body
    if body.origin == parts.config.node:
        return Reason(code="own", text="this node's own")
    routes = len(parts.routing.paths_to(body.origin, body.direction))
    if not routes:
        return Reason(code="restarting", text="the neighbour that its routes lead through is restarting")
    reached = "reached by one route" if routes == 1 else f"reached by {routes} routes"
    if seen.cheapest:
        least = "lowest ask" if body.direction is Direction.SUPPLY else "highest bid"
        return Reason(code="best", text=f"the {least} at its origin in the next slot; {reached}")
    return Reason(code="reachable", text=reached)


def _refused_row(refusal: Refusal) -> OfferRow:
    return OfferRow(
        origin=refusal.destination,
        direction=refusal.direction,
        object=ObjectId(refusal.about),
        heard_from=() if refusal.neighbor is None else (refusal.neighbor,),
        stages=(Stage.RECEIVED, Stage.FILTERED),
        reason=reason_of(refusal.code, refusal.detail),
    )


def run_of(body: Offer, slot: Slot, slot_s: int) -> tuple[int, int] | None:
    """Energy and price of an offer in a slot; None without energy there."""
    run = run_at(body.runs, Slot(body.first_slot_utc_s), slot, slot_s)
    return None if run is None or not run.energy_j else (run.energy_j, run.price_micro_per_kwh)
