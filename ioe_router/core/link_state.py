"""Link states: how loaded links elsewhere are, as a hint for pricing (SPEC section 7).

The keeper of a link, and nobody else, says per slot what flows and what is
free, in a few coarse steps of the rating.  It says so only when a figure has
moved by a step (nothing swings about an edge), at most once per interval, and
only to neighbours that were told a path over the link; they pass it on
unchanged by the same rule.  The link of a single customer has no link state:
its flow is a household's load.

A link state is never a promise: only a GRANT is.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Final

from ioe_router.config import RouterConfig
from ioe_router.core.evidence import Evidence, Prerequisites
from ioe_router.core.freshness import check_issued
from ioe_router.core.loss import signed
from ioe_router.core.outbox import Outbox
from ioe_router.core.paths import rating_va
from ioe_router.core.rib import AdjRibOut
from ioe_router.model.clock import NS_PER_MS, Now
from ioe_router.model.discovery import LinkAttestation
from ioe_router.model.envelope import Sealed, Sealer
from ioe_router.model.errors import ErrorCode, PeerError, UsageError
from ioe_router.model.ids import LinkId, NodeId
from ioe_router.model.proof import Equivocated, Proof
from ioe_router.model.routing import Flow, LinkState
from ioe_router.model.shares import Shares
from ioe_router.model.slot import Slot

HORIZON_SLOTS: Final = 192
GATHER_PARTS: Final = 4  # a first change waits for a quarter of the interval

LinkSlot = tuple[LinkId, Slot]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkLoad:
    """What the keeper's ledger says about one slot of its link, joules."""

    net_flow: Flow
    net_energy_j: int
    residual_down_j: int
    residual_up_j: int


def _steps_j(attestation: LinkAttestation, steps: int, slot_s: int) -> tuple[int, int]:
    """The step of each direction, DOWN and UP: rating * T / `steps`."""
    down_va, up_va = rating_va(attestation, Flow.DOWN), rating_va(attestation, Flow.UP)
    return max(1, down_va * slot_s // steps), max(1, up_va * slot_s // steps)


def quantised(load: LinkLoad, attestation: LinkAttestation, steps: int, slot_s: int) -> LinkLoad:
    """`load` in steps of rating * T / `steps`: the net flow to the nearest, what is free rounded down."""
    down_j, up_j = _steps_j(attestation, steps, slot_s)
    step_j = up_j if load.net_flow is Flow.UP else down_j
    net_j = (load.net_energy_j + step_j // 2) // step_j * step_j
    return LinkLoad(
        net_flow=load.net_flow if net_j else Flow.UNSPECIFIED,
        net_energy_j=net_j,
        residual_down_j=max(0, load.residual_down_j) // down_j * down_j,
        residual_up_j=max(0, load.residual_up_j) // up_j * up_j,
    )


def has_moved(
    before: LinkLoad, after: LinkLoad, attestation: LinkAttestation, steps: int, slot_s: int
) -> bool:
    """Whether a figure has moved by a step or more, or a direction has become full or free."""
    down_j, up_j = _steps_j(attestation, steps, slot_s)
    net_j = abs(signed(after.net_energy_j, after.net_flow) - signed(before.net_energy_j, before.net_flow))
    return (
        net_j >= min(down_j, up_j)
        or abs(after.residual_down_j - before.residual_down_j) >= down_j
        or abs(after.residual_up_j - before.residual_up_j) >= up_j
        or (after.residual_down_j < down_j) is not (before.residual_down_j < down_j)
        or (after.residual_up_j < up_j) is not (before.residual_up_j < up_j)
    )


@dataclass(slots=True)
class _Own:
    """What was last said about one slot of a link that this node keeps, and what is to be said."""

    said: LinkLoad | None = None
    meant: LinkLoad | None = None  # the figures behind what was said, before they were rounded
    now: LinkLoad | None = None  # the figures as they are
    next_at_ns: int = 0
    waiting: LinkLoad | None = None
    gathering: bool = False  # waits for what else changes at this moment


class LinkStates:
    """Link states of all links, own and received, for slots that have not ended."""

    def __init__(
        self, config: RouterConfig, sealer: Sealer, evidence: Evidence, prerequisites: Prerequisites
    ) -> None:
        """Nothing is known."""
        self._me = config.node
        self._slot_s = config.parameters.slot_s
        self._steps = config.parameters.link_state_steps
        self._interval_ns = config.timers.link_state_ms * NS_PER_MS
        self._gather_ns = self._interval_ns // GATHER_PARTS
        self._shares: Shares[LinkSlot, NodeId] = Shares(config.limits.link_states, len(config.neighbors))
        self._sealer = sealer
        self._evidence = evidence
        self._prerequisites = prerequisites
        self._epoch = 0
        self._seq: dict[LinkId, int] = {}
        self._own: dict[LinkSlot, _Own] = {}
        self._waiting: dict[LinkSlot, None] = {}
        self._table: dict[LinkId, dict[Slot, Sealed[LinkState]]] = {}
        self._ends: list[tuple[int, LinkId]] = []
        self._news: dict[LinkSlot, NodeId] = {}  # to be passed on, and from whom it came

    def share_among(self, neighbors: int) -> None:
        """There are so many neighbours from now on."""
        self._shares.share_among(neighbors)

    def start(self, epoch: int) -> None:
        """Set the epoch that own link states carry."""
        self._epoch = epoch

    # ------------------------------------------------------------- receiving
    def accept(self, neighbor: NodeId, sealed: Sealed[LinkState], now: Now) -> bool:
        """Take a link state; False when it is not newer. PeerError: not from the keeper, not acceptable."""
        body = sealed.body
        slot = Slot(body.slot_utc_s)
        known = self._table.get(body.link, {}).get(slot)
        if known is not None and (
            known.object_id == sealed.object_id or (body.epoch, body.seq) < (known.body.epoch, known.body.seq)
        ):
            return False
        self._check(sealed, now)
        if known is not None and (body.epoch, body.seq) == (known.body.epoch, known.body.seq):
            (keeper,) = sealed.signers
            proof = Proof(node=keeper, epoch=body.epoch, first=known.envelope, second=sealed.envelope)
            raise Equivocated("two states of a link bear the same epoch and sequence number", proof)
        if slot + self._slot_s <= now.utc_s:
            return False
        if known is None and not self._shares.admits(neighbor):
            raise PeerError(ErrorCode.LIMIT_REACHED, "the table of link states has no room for one more")
        self._store(sealed, neighbor)
        self._news[body.link, slot] = neighbor
        return True

    def _check(self, sealed: Sealed[LinkState], now: Now) -> None:
        body = sealed.body
        attested = self._evidence.latest(body.link)
        if attested is None:
            raise PeerError(ErrorCode.UNKNOWN_LINK, "no attestation of this link is known")
        if sealed.signers != (attested.body.keeper,) or attested.body.keeper == self._me:
            raise PeerError(ErrorCode.WRONG_SIGNER, "a link state is signed by the keeper of the link")
        if attested.body.access:
            raise PeerError(ErrorCode.POLICY, "the link of a single customer has no link state")
        check_issued(body.issued_utc_s, now)
        beyond = now.utc_s + HORIZON_SLOTS * self._slot_s
        if body.slot_utc_s % self._slot_s or body.slot_utc_s > beyond:
            raise PeerError(ErrorCode.OUT_OF_BOUNDS, f"not a slot of the next {HORIZON_SLOTS}")

    def _store(self, sealed: Sealed[LinkState], teller: NodeId) -> None:
        body = sealed.body
        slots = self._table.setdefault(body.link, {})
        if body.slot_utc_s not in slots:
            self._shares.hold((body.link, Slot(body.slot_utc_s)), teller)
            heapq.heappush(self._ends, (body.slot_utc_s, body.link))
        slots[Slot(body.slot_utc_s)] = sealed

    # ------------------------------------------------------------- publishing
    def publish(self, link: LinkId, slot: Slot, load: LinkLoad) -> None:
        """Note the state of a link that this node keeps; it is sent if a step has changed.

        UsageError for a link that this node does not keep.
        """
        attested = self._evidence.latest(link)
        if attested is None or attested.body.keeper != self._me:
            raise UsageError("only the keeper of an attested link publishes its state")
        if attested.body.access:
            return
        own = self._own.setdefault((link, slot), _Own())
        coarse = quantised(load, attested.body, self._steps, self._slot_s)
        own.now = load
        moved = own.meant is None or has_moved(own.meant, load, attested.body, self._steps, self._slot_s)
        own.waiting = coarse if moved and coarse != own.said else None
        if own.waiting is None:
            self._waiting.pop((link, slot), None)
            own.gathering = False
        else:
            self._waiting[link, slot] = None

    def flush(self, told: AdjRibOut, newly: dict[NodeId, dict[LinkId, None]], now: Now, out: Outbox) -> None:
        """Send what is due to whom a path over the link was told; `newly`: links told since the last call."""
        self._expire(now)
        self._seal_due(now)
        for neighbor in told.neighbors() if self._news else ():
            for link, slot in self._news:
                if told.covers(neighbor, link) and self._news[link, slot] != neighbor:
                    self._send(neighbor, self._table[link][slot], out)
        for neighbor, links in newly.items():
            for link in links:
                for slot, sealed in self._table.get(link, {}).items():
                    if (link, slot) not in self._news:
                        self._send(neighbor, sealed, out)
        self._news.clear()

    def _send(self, neighbor: NodeId, sealed: Sealed[LinkState], out: Outbox) -> None:
        self._prerequisites.send(neighbor, sealed.envelope, out)

    def _seal_due(self, now: Now) -> None:
        for key in self._waiting:
            own = self._own[key]
            if not own.gathering:  # what one trade changes on many links goes out together, once
                own.gathering = True
                own.next_at_ns = max(own.next_at_ns, now.monotonic_ns + self._gather_ns)
        due = [key for key in self._waiting if self._own[key].next_at_ns <= now.monotonic_ns]
        for link, slot in due:
            own = self._own[link, slot]
            del self._waiting[link, slot]
            own.gathering = False
            if own.waiting is None:
                continue
            self._seq[link] = self._seq.get(link, 0) + 1
            self._store(self._sealer.seal(self._body(link, slot, own.waiting, now)), self._me)
            own.said, own.meant, own.waiting = own.waiting, own.now, None
            own.next_at_ns = now.monotonic_ns + self._interval_ns
            self._news[link, slot] = self._me

    def _body(self, link: LinkId, slot: Slot, load: LinkLoad, now: Now) -> LinkState:
        return LinkState(
            link=link,
            slot_utc_s=slot,
            epoch=self._epoch,
            seq=self._seq[link],
            net_flow=load.net_flow,
            net_energy_j=load.net_energy_j,
            residual_down_j=load.residual_down_j,
            residual_up_j=load.residual_up_j,
            issued_utc_s=now.utc_s,
        )

    def _expire(self, now: Now) -> None:
        while self._ends and self._ends[0][0] + self._slot_s <= now.utc_s:
            start_utc_s, link = heapq.heappop(self._ends)
            slot = Slot(start_utc_s)
            self._table[link].pop(slot, None)
            self._shares.drop((link, slot))
            for table in (self._own, self._waiting, self._news):
                table.pop((link, slot), None)
        ended = [key for key in self._waiting if key[1] + self._slot_s <= now.utc_s]
        for key in ended:
            del self._waiting[key], self._own[key]

    # ------------------------------------------------------------- looking up
    def get(self, link: LinkId, slot: Slot) -> LinkState | None:
        """The latest state of a link in a slot."""
        sealed = self._table.get(link, {}).get(slot)
        return None if sealed is None else sealed.body

    @property
    def known(self) -> int:
        """How many states are held."""
        return sum(len(slots) for slots in self._table.values())

    def deadline_ns(self) -> int | None:
        """When the next own state may be sent."""
        return min((self._own[key].next_at_ns for key in self._waiting), default=None)
