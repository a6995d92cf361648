"""When a want is planned, how often, and with what memory of what was refused (SPEC section 9)."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import cast

import pytest

from ioe_router.core.commit_path import CommitPath
from ioe_router.core.deal import OfferKey, Source
from ioe_router.core.effects import Emit
from ioe_router.core.events import TradeProgress
from ioe_router.core.gates import Phase, phase_of
from ioe_router.core.hold_path import HoldPath
from ioe_router.core.inputs import Trade
from ioe_router.core.outbox import Outbox
from ioe_router.core.own_offers import OwnOffers
from ioe_router.core.planner import Candidate, LinkHint, Plan
from ioe_router.core.release_path import ReleasePath
from ioe_router.core.reservation import Purpose, Reservation
from ioe_router.core.trade import PAUSE_STARTS, REPAIR_ROUNDS, ROUNDS, STARTS, TradeDesk
from ioe_router.model.clock import MS_PER_S, NS_PER_MS, Now
from ioe_router.model.envelope import Sealed
from ioe_router.model.errors import ErrorCode, Persistence, Scope
from ioe_router.model.ids import NodeId
from ioe_router.model.parameters import NO_BAND
from ioe_router.model.reservation import HoldCore, Refuse
from ioe_router.model.routing import Direction
from ioe_router.model.slot import Slot
from tests.unit.core.plain_sealer import PlainSealer
from tests.unit.core.planning import KWH, LIMIT, candidate, offer
from tests.unit.core.routing_rig import PARAMETERS, SLOT_S, START_UTC_S, SeededEntropy, Wire, config_of

SLOT = Slot(START_UTC_S + 2 * SLOT_S)
ASK = 50_000
CONFIG = config_of("a", (Wire("a", "b"),))
LAST_BAND = PARAMETERS.bands - 1


class EndlessPaths:
    """A market in which one offer can be reached over ever more paths; what is excluded is left out."""

    def __init__(self) -> None:
        """Nothing has been asked."""
        self.hopeful: list[bool] = []
        self.excluded: list[int] = []
        self.is_empty = False

    def candidates(self, trade: Trade, excluded: set[Source], spent: dict[OfferKey, int]) -> list[Candidate]:
        """The offer over the next path, until its version is spent."""
        sun = offer("sun")
        if self.is_empty or spent.get((sun.origin, sun.offer_no), 0) >= sun.seq:
            return []
        return [candidate(sun, ASK, f"path {len(excluded)}")]

    def plan(
        self, slot: Slot, candidates: list[Candidate], salt: bytes = b"", *, hopeful: bool = False
    ) -> Plan:
        """Links with room for everything; plans with salt are those that HOLDs are made from."""
        if salt:
            self.hopeful.append(hopeful)
        return Plan(candidates, lambda _: LinkHint(0, 1_000 * KWH, 1_000 * KWH), salt)

    def first_hop(self, candidate: Candidate) -> tuple[NodeId, int]:
        """Whoever it is."""
        return candidate.offer.origin, 0


class Desk:
    """A trade desk whose every HOLD is refused, with a clock that jumps from deadline to deadline."""

    def __init__(self, code: ErrorCode, seed: bytes = b"desk") -> None:
        """`code` is what every HOLD is refused with."""
        self.market = EndlessPaths()
        self.asked: list[tuple[Now, HoldCore]] = []
        self._open: list[Sealed[HoldCore]] = []
        self._code = code
        self._out = Outbox()
        self._desk = TradeDesk(
            CONFIG, PlainSealer(CONFIG.node), SeededEntropy(seed), self.market, OwnOffers(SLOT_S)
        )
        self._desk.connect(
            cast(HoldPath, self), cast(CommitPath, None), cast(ReleasePath, None)
        )  # nothing is ever granted

    def start(
        self, core: Sealed[HoldCore], neighbor: NodeId, fee: int, serves: Purpose, now: Now, out: Outbox
    ) -> None:
        """As `HoldPath.start`: a HOLD goes out."""
        self.asked.append((now, core.body))
        self._open.append(core)

    def _refuse(self, core: Sealed[HoldCore], now: Now) -> None:
        record = Reservation(core=core, toward_initiator=None, toward_origin=None, deadline_ns=0)
        refuse = Refuse(
            reservation=core.body.reservation,
            version=1,
            code=self._code,
            persistence=Persistence.RELATIVE,
            scope=Scope.LINK,
            failing_node=core.body.origin,
            retry_after_ms=0,
            items=(),
        )
        self._desk.answered(record, refuse, now, self._out)

    def run(self, from_s: int = PARAMETERS.timetable.offer_s) -> TradeProgress:
        """State a want so many seconds before the slot, and let time pass until it is over."""
        start_ms = (SLOT - from_s) * MS_PER_S
        want = Trade(
            trade_no=1,
            slot=SLOT,
            direction=Direction.SUPPLY,
            energy_j=KWH,
            price_limit_micro_per_kwh=LIMIT,
            default_limit_micro_per_kwh=None,
            own_offer_no=None,
            priority=4,
            sources=(),
            carbon_max_mg_per_kwh=None,
        )
        self._desk.trade(want, Now(0, start_ms), self._out)
        while (due_ns := self._desk.deadline_ns()) is not None:
            now = Now(due_ns, start_ms + due_ns // NS_PER_MS)
            self._desk.due(now, self._out)
            while self._open:
                self._refuse(self._open.pop(), now)
        over = [wish.event for wish in self._out.wishes if isinstance(wish, Emit)]
        (progress,) = (event for event in over if isinstance(event, TradeProgress))
        return progress

    def rounds(self) -> Counter[int]:
        """HOLDs by band."""
        return Counter(core.band for _, core in self.asked)


def test_a_want_is_planned_again_a_few_times_a_band_and_more_often_after_the_bands() -> None:
    """Four plans a band while the clock descends; twelve for what is left over, then the want ends."""
    assert (ROUNDS, REPAIR_ROUNDS) == (4, 12)
    desks = [Desk(ErrorCode.NO_CAPACITY, seed.to_bytes(1)) for seed in range(8)]
    for desk in desks:
        assert desk.run().reason is ErrorCode.NO_OFFER
        assert desk.rounds()[NO_BAND] == REPAIR_ROUNDS
    in_bands = [desk.rounds()[band] for desk in desks for band in range(PARAMETERS.bands)]
    assert max(in_bands) == ROUNDS


def test_repair_begins_after_the_bands_and_ends_before_the_sweeps() -> None:
    """All plans without a band lie between the last band and the provisional gate."""
    desk = Desk(ErrorCode.NO_CAPACITY)
    desk.run()
    phases = {phase_of(PARAMETERS, SLOT, now) for now, core in desk.asked if core.band == NO_BAND}
    assert phases == {Phase.REPAIR}


def test_repair_plans_are_hopeful_and_others_are_not() -> None:
    """Only once the bands are over does a plan count on what link state rounds away."""
    desk = Desk(ErrorCode.NO_CAPACITY)
    desk.run()
    assert desk.market.hopeful == [core.band == NO_BAND for _, core in desk.asked]
    assert set(desk.market.hopeful) == {False, True}


def test_between_two_plans_of_a_band_there_is_a_pause() -> None:
    """One to four sixteenths of a band: link state has time to tell what stood in the way."""
    desk = Desk(ErrorCode.NO_CAPACITY)
    desk.run()
    start_ns = PARAMETERS.timetable.band_s * MS_PER_S * NS_PER_MS // STARTS
    repairs = [now.monotonic_ns for now, core in desk.asked if core.band == NO_BAND]
    pauses = {(later - earlier) / start_ns for earlier, later in pairwise(repairs)}
    assert pauses <= set(range(1, PAUSE_STARTS + 1))
    assert len(pauses) > 1


def test_a_full_path_is_not_tried_twice_in_a_band_and_is_tried_again_in_the_next() -> None:
    """Every plan of a band takes another path; with a new band all are open again."""
    desk = Desk(ErrorCode.NO_CAPACITY)
    desk.run()
    for band, rounds in desk.rounds().items():
        paths = [core.path for _, core in desk.asked if core.band == band]
        assert len(set(paths)) == rounds
        assert paths[0] == desk.asked[0][1].path


def test_a_sold_out_offer_ends_the_want_unless_another_comes() -> None:
    """One HOLD, one NO_ENERGY: the offer at that version is not asked again in any band or round."""
    desk = Desk(ErrorCode.NO_ENERGY)
    assert desk.run().reason is ErrorCode.NO_OFFER
    assert len(desk.asked) == 1


@pytest.mark.parametrize("phase", [Phase.BANDS, Phase.REPAIR])
def test_without_anything_to_ask_for_a_want_ends_after_one_more_look(phase: Phase) -> None:
    """Nobody to ask is no reason to plan twelve times; the want still waits for the end of the bands."""
    table = PARAMETERS.timetable
    desk = Desk(ErrorCode.NO_CAPACITY)
    desk.market.is_empty = True
    repair_s = table.open_s - PARAMETERS.bands * table.band_s
    desk.run(table.open_s if phase is Phase.BANDS else repair_s)
    assert len(desk.market.hopeful) <= PARAMETERS.bands + 1
    assert desk.market.hopeful.count(True) == 1
