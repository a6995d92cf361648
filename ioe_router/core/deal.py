"""A want of the host and how far it has come (SPEC section 9); the working state of the trade desk."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from ioe_router.core.events import Booked, Unbooked
from ioe_router.core.hop import PRICE_MOST
from ioe_router.core.inputs import Trade
from ioe_router.core.planner import Allocation, Candidate, Plan
from ioe_router.core.reservation import Purpose, Reservation, ReservationKey
from ioe_router.model.errors import ErrorCode, UsageError
from ioe_router.model.ids import NodeId, PathHash
from ioe_router.model.slot import Slot

PRIORITY_MAX = 7
COVER_TRADE_NO = -1  # of what a border buys to cover what it sells for its domain
FIRST_STEP_NO = 1 << 31  # offer numbers from here on are what it sells for its domain (SPEC section 7.13)

OfferKey = tuple[NodeId, int]
Source = tuple[NodeId, int, PathHash]  # origin, offer number, path


class Market(Protocol):
    """What the desk asks the routing side."""

    def candidates(self, trade: Trade, excluded: set[Source], spent: dict[OfferKey, int]) -> list[Candidate]:
        """Offers over paths that may serve the want; an offer in `spent` only from a newer version on."""
        ...

    def plan(
        self, slot: Slot, candidates: list[Candidate], salt: bytes = b"", *, hopeful: bool = False
    ) -> Plan:
        """A search with the present link hints of the slot; `hopeful` takes their rounding as room."""
        ...

    def first_hop(self, candidate: Candidate) -> tuple[NodeId, int]:
        """The neighbour that a candidate's path begins with, and the fee on that link."""
        ...


@dataclass(slots=True)
class Deal:
    """One want and how far it has come."""

    trade: Trade
    covered_j: int = 0
    next_ns: int | None = None
    band: int = -1  # band of the rounds so far
    rounds: int = 0
    pending: dict[ReservationKey, Source] = field(default_factory=dict)
    excluded: set[Source] = field(default_factory=set)  # in this band: a link on the way was full
    spent: dict[OfferKey, int] = field(default_factory=dict)  # sold out at this version (seq)
    correction: bool = False  # made after the provisional gate: correction or repair; others end there
    asking: bool = False  # HOLDs are going out just now
    done: bool = False

    @property
    def open_j(self) -> int:
        """Energy still wanted."""
        return max(0, self.trade.energy_j - self.covered_j)


def unstated(record: Reservation, serves: Purpose) -> Trade:
    """A want of which only what it has got is known: nothing more is wanted."""
    body = record.core.body
    return Trade(
        trade_no=serves.trade_no,
        slot=record.last_slot,
        direction=body.direction,
        energy_j=0,
        price_limit_micro_per_kwh=body.price_limit_micro_per_kwh,
        default_limit_micro_per_kwh=None,
        own_offer_no=serves.own_offer_no,
        priority=body.priority,
        sources=(),
        carbon_max_mg_per_kwh=None,
    )


def booked_event(record: Reservation, index: int) -> Booked:
    """What the host is told about a committed packet at one of its ends."""
    body, granted, serves = record.core.body, record.granted[index], record.serves
    initiator = record.toward_initiator is None
    return Booked(
        reservation=body.reservation,
        index=index,
        slot=record.slots[index],
        peer=body.origin if initiator else body.initiator,
        initiator=initiator,
        direction=body.direction,
        energy_j=granted.energy_j,
        price_micro_per_kwh=granted.price_micro_per_kwh,
        scarcity_micro_per_kwh=granted.scarcity_micro_per_kwh,
        offer_no=body.offer_no,
        trade_no=0 if serves is None else serves.trade_no,
        own_offer_no=body.offer_no if serves is None else serves.own_offer_no or 0,
        hops=0 if serves is None else serves.hops,
        for_domain=body.offer_no >= FIRST_STEP_NO if serves is None else serves.trade_no == COVER_TRADE_NO,
    )


def unbooked_event(
    record: Reservation, index: int, energy_j: int, code: ErrorCode, remaining_j: int = 0
) -> Unbooked:
    """What the host is told when `energy_j` of such a packet is gone."""
    return Unbooked(
        reservation=record.core.body.reservation,
        index=index,
        slot=record.slots[index],
        energy_j=energy_j,
        remaining_j=remaining_j,
        code=code,
    )


def check_trade(trade: Trade, slot_s: int) -> None:
    """Raise UsageError for a want that no HOLD can state."""
    limits = (trade.price_limit_micro_per_kwh, trade.default_limit_micro_per_kwh or 0)
    if trade.slot % slot_s:
        raise UsageError(f"slot {trade.slot} of a want is not aligned; use a multiple of {slot_s} s")
    if trade.energy_j < 0 or not 0 <= trade.priority <= PRIORITY_MAX:
        raise UsageError("a want has energy of at least 0 J and a priority from 0 to 7")
    if any(abs(limit) > PRICE_MOST for limit in limits):
        raise UsageError(f"a price limit is beyond {PRICE_MOST} micro-units per kWh; give a nearer one")


def open_now(allocation: Allocation, floor: int | None, probe: Plan) -> bool:
    """Whether a planned share can be had in this band at a price within its limit."""
    candidate = allocation.candidate
    return candidate.is_open(floor) and probe.affordable(
        candidate, allocation.energy_j, candidate.paid(floor)
    )
