"""A want of the host and how far it has come (SPEC section 9); the working state of the trade desk."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from ioe_router.core.inputs import Trade
from ioe_router.core.planner import Candidate, Plan
from ioe_router.core.reservation import ReservationKey
from ioe_router.model.ids import NodeId, PathHash
from ioe_router.model.slot import Slot

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
