"""How a want is spread over offers and paths: a greedy search in small steps (SPEC section 7).

Every step takes the candidate whose next joules cost least at the node's own
port: the ask, plus the loss that the step adds on every link of the path at
the net flow that link state (and the steps before) tell, plus fees.  That is
successive shortest paths on marginal losses: with small steps and fresh figures
it comes close to the optimum (benchmarks/README.md).  Ranking is by ask, not by the
band's floor: the floor decides *when* a candidate may be taken, not which.

Estimates are hints; the keeper's entries are what is paid.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable
from dataclasses import dataclass

from ioe_router.core.loss import LinkModel, signed
from ioe_router.core.own_offers import price_in_band
from ioe_router.model.ids import LinkId, PathHash
from ioe_router.model.routing import Direction, Flow, Offer

STEPS = 8  # a want is taken in eighths ...
STEP_MIN_J = 36_000  # ... but not below 10 Wh
SPREAD_PARTS = 5  # the salt makes a source look dearer by up to this part of the reference price


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One link of a candidate's path: who loses how much there, and the wheeling fee."""

    link: LinkId
    model: LinkModel
    flow: Flow
    fee_micro_per_kwh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An offer over one path; `available_j` is what its origin said it has in the slot."""

    offer: Offer
    path: PathHash
    hops: tuple[Hop, ...]
    ask_micro_per_kwh: int
    limit_micro_per_kwh: int  # at the own port
    available_j: int
    handicap_micro_per_kwh: int = 0  # counts as so much dearer when sources are compared; nobody pays it

    def paid(self, floor: int | None) -> int:
        """Price at the origin in a band with this floor."""
        return price_in_band(self.offer, self.ask_micro_per_kwh, floor)

    def is_open(self, floor: int | None) -> bool:
        """DEMAND opens once the floor is down to its bid; SUPPLY needs a limit that covers the floor."""
        if floor is None:
            return True
        if self.offer.direction is Direction.DEMAND:
            return self.ask_micro_per_kwh >= floor
        return self.limit_micro_per_kwh >= floor


@dataclass(slots=True)
class Allocation:
    """What the plan takes of one candidate."""

    candidate: Candidate
    energy_j: int


@dataclass(slots=True)
class LinkHint:
    """What is believed of a link in the slot: signed net flow (positive DOWN) and room per direction."""

    net_j: int
    room_down_j: int
    room_up_j: int
    lost_j: int = 0  # L_int of the net flow, kept because every candidate over the link asks for it

    def room(self, flow: Flow) -> int:
        """Room in one direction."""
        return self.room_down_j if flow is Flow.DOWN else self.room_up_j

    def take(self, energy_j: int, hop: Hop) -> None:
        """Count a step of the plan."""
        flow = hop.flow
        self.net_j += signed(energy_j, flow)
        self.lost_j = hop.model.loss_j(self.net_j)
        if flow is Flow.DOWN:
            self.room_down_j -= energy_j
        else:
            self.room_up_j -= energy_j


def delivered_price(candidate: Candidate, energy_j: int, hints: dict[LinkId, LinkHint], ask: int) -> int:
    """Estimated price at the own port of `energy_j` more over the path, from price `ask` at its origin."""
    lost = fees = 0
    for hop in candidate.hops:
        hint = hints[hop.link]
        lost += hop.model.loss_j(hint.net_j + signed(energy_j, hop.flow)) - hint.lost_j
        fees += hop.fee_micro_per_kwh
    if candidate.offer.direction is Direction.SUPPLY:
        return (ask * (energy_j + lost)) // energy_j + fees
    return (ask * (energy_j - lost)) // energy_j - fees


class Plan:
    """One search for one want."""

    def __init__(
        self,
        candidates: list[Candidate],
        hint_of: Callable[[Hop], LinkHint],
        salt: bytes = b"",
        spread_micro_per_kwh: int = 0,
    ) -> None:
        """Search over these candidates; `hint_of` is asked once per link.

        `salt` spreads buyers who see the same tables over sources whose costs
        differ by less than `spread`, so that they do not all run for the cheapest.
        """
        self._candidates = candidates
        self._salt = salt
        self._spread = spread_micro_per_kwh
        self._bias: dict[tuple[bytes, int], int] = {}
        self._hints: dict[LinkId, LinkHint] = {}
        for candidate in candidates:
            for hop in candidate.hops:
                if hop.link not in self._hints:
                    hint = self._hints[hop.link] = hint_of(hop)
                    hint.lost_j = hop.model.loss_j(hint.net_j)
        self._left: dict[tuple[bytes, int], int] = {}
        for candidate in candidates:
            self._left[_source(candidate)] = candidate.available_j
        self.taken: dict[int, Allocation] = {}

    def affordable(self, candidate: Candidate, energy_j: int, paid: int) -> bool:
        """Whether the candidate is within its limit at price `paid` at the origin."""
        limit = candidate.limit_micro_per_kwh
        if candidate.offer.direction is Direction.SUPPLY:
            return paid <= limit and delivered_price(candidate, energy_j, self._hints, paid) <= limit
        return paid >= limit and delivered_price(candidate, energy_j, self._hints, paid) >= limit

    def delivered(self, candidate: Candidate, energy_j: int) -> int:
        """What energy of a candidate would cost at the own port (bring, for DEMAND), before the floor."""
        return delivered_price(candidate, energy_j, self._hints, candidate.ask_micro_per_kwh)

    def search(self, need_j: int) -> tuple[Allocation, ...]:
        """Allocate up to `need_j`; candidates whose ask alone is beyond their limit are left out."""
        step = min(need_j, max(need_j // STEPS, STEP_MIN_J))
        heap = [
            (cost, i) for i, c in enumerate(self._candidates) if (cost := self._cost(c, step)) is not None
        ]
        heapq.heapify(heap)
        while need_j > 0 and heap:
            cost, i = heapq.heappop(heap)
            candidate = self._candidates[i]
            costs_now = self._cost(candidate, step)
            if costs_now is None:
                continue
            if costs_now > cost and heap and costs_now > heap[0][0]:
                heapq.heappush(heap, (costs_now, i))
                continue
            taken = self._take(i, candidate, min(step, need_j))
            need_j -= taken
            if taken:
                heapq.heappush(heap, (costs_now, i))
        return tuple(self.taken.values())

    def _cost(self, candidate: Candidate, energy_j: int) -> int | None:
        """Ranking cost, dearer is larger, for buying and for selling; None beyond the candidate's limit."""
        ask, limit = candidate.ask_micro_per_kwh, candidate.limit_micro_per_kwh
        price = delivered_price(candidate, energy_j, self._hints, ask)
        if candidate.offer.direction is Direction.DEMAND:
            return candidate.handicap_micro_per_kwh - price if price >= limit else None
        handicap = candidate.handicap_micro_per_kwh + self._bias_micro(candidate)
        return price + handicap if price <= limit else None

    def _bias_micro(self, candidate: Candidate) -> int:
        """A random disadvantage of a source in this plan, the same for all its paths; not for defaults."""
        if not self._spread or candidate.offer.is_default:
            return 0
        source = _source(candidate)
        bias = self._bias.get(source)
        if bias is None:
            draw = hashlib.sha256(self._salt + source[0] + source[1].to_bytes(4)).digest()
            bias = self._bias[source] = int.from_bytes(draw[:4]) * self._spread >> 32
        return bias

    def _take(self, i: int, candidate: Candidate, energy_j: int) -> int:
        source = _source(candidate)
        room = min((self._hints[hop.link].room(hop.flow) for hop in candidate.hops), default=energy_j)
        taken = max(0, min(energy_j, room, self._left[source]))
        if taken:
            self._left[source] -= taken
            for hop in candidate.hops:
                self._hints[hop.link].take(taken, hop)
            allocation = self.taken.setdefault(i, Allocation(candidate, 0))
            allocation.energy_j += taken
        return taken


def _source(candidate: Candidate) -> tuple[bytes, int]:
    return (candidate.offer.origin, candidate.offer.offer_no)
