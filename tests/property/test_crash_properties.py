"""Whatever happens on a line of four routers while any of them crash and come back: promises hold.

Crashes come after any effect, hosts state again what they offer and want, sessions are
cut and mended, reservations given back.  Once everybody is up and connected, before the
final gate, both ends of every link have the same books, no reservation stands on one side
only, no want has got more than it asked for, and no joule is sold twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ioe_router.core.events import Booked, BookingRestored
from ioe_router.core.inputs import PublishOffer, ReleaseReservation
from ioe_router.model.reservation import ReservationState
from tests.simulation.crashing import crash, disagreements, is_down, reconnect, restart, watch_barriers
from tests.simulation.pair import KWH_J, Cable, Sim, build
from tests.simulation.wants import offer_of, want_of

S = ReservationState
NAMES = "abcd"
LINKS = (("a", "b"), ("b", "c"), ("c", "d"))
OFFERED_J = 4 * KWH_J
LIMIT = 300_000
GATE_S = 420  # the bands are over by then: nothing new is held

steps = st.lists(
    st.one_of(
        st.tuples(st.just("want"), st.sampled_from("cd"), st.integers(1, 3)),
        st.tuples(st.just("want"), st.sampled_from("cd"), st.integers(1, 3)),
        st.tuples(st.just("crash"), st.sampled_from(NAMES), st.integers(0, 12)),
        st.tuples(st.just("crash"), st.sampled_from(NAMES), st.integers(0, 12)),
        st.tuples(st.just("restart"), st.just(""), st.just(0)),
        st.tuples(st.just("release"), st.sampled_from("cd"), st.integers(0, 3)),
        st.tuples(st.just("cut"), st.sampled_from(LINKS), st.just(0)),
        st.tuples(st.just("wait"), st.just(""), st.sampled_from([0, 1, 3, 20])),
    ),
    min_size=4,
    max_size=12,
)


def offered_by(name: str) -> PublishOffer:
    """What the host of a sells, and of b a little dearer."""
    return offer_of(OFFERED_J, 100_000 if name == "a" else 120_000)


@dataclass
class Village:
    """Four routers in a line, with hosts that remember what they want."""

    sim: Sim
    wanted: dict[str, dict[int, int]] = field(default_factory=lambda: {"c": {}, "d": {}})

    def state_all(self, name: str) -> None:
        """A host speaks to its router anew."""
        if name in "ab":
            self.sim.wire.give(self.sim.node(name), offered_by(name))
        for number, energy_j in self.wanted.get(name, {}).items():
            self.sim.wire.give(self.sim.node(name), want_of(number, energy_j, LIMIT))
        self.sim.wire.settle()

    def take(self, kind: str, who: str, number: int) -> None:
        """One step."""
        sim = self.sim
        if kind == "want" and not self.down(who):
            known = self.wanted[who]
            known[len(known) + 1] = number * KWH_J
            sim.wire.give(sim.node(who), want_of(len(known), number * KWH_J, LIMIT))
            sim.wire.settle()
        elif kind == "crash" and not self.down(who):
            crash(sim, who, after_effects=number)
        elif kind == "restart":
            self.wake()
        elif kind == "release" and not self.down(who):
            booked = sim.events(who, Booked)
            if number < len(booked):
                sim.wire.give(sim.node(who), ReleaseReservation(reservation=booked[number].reservation))
                sim.wire.settle()
        elif kind == "cut":
            sim.wire.disconnect(sim.node(who[0]), sim.node(who[1]))
            sim.wire.settle()
        elif kind == "wait":
            sim.wait(number)

    def down(self, name: str) -> bool:
        """Whether a node is down, without calling off a crash that is to come."""
        return not self.sim.wire.nodes[self.sim.node(name)].alive

    def wake(self) -> None:
        """Everybody is up, connected, and has been told what its host wants."""
        for name in NAMES:
            if is_down(self.sim, name):
                restart(self.sim, name)
                self.state_all(name)
        reconnect(self.sim)
        self.sim.wait(2)


def village() -> Village:
    """Four in a line; keepers alternate; the bands are over and offers are known."""
    sim = build(Cable("a", "b"), Cable("c", "b", r_micro_ohm=100_000), Cable("c", "d"))
    sim.at(1_200)
    made = Village(sim)
    for name in "ab":
        made.state_all(name)
    sim.at(538)
    return made


def check_money_and_energy(sim: Sim, wanted: dict[str, dict[int, int]]) -> None:
    """No want has got more than it asked for, no offer has sold more than it had, nothing is told twice."""
    for name in NAMES:
        for deal in sim.router(name)._parts.desk.deals():
            assert 0 <= deal.covered_j <= wanted[name][deal.trade.trade_no], name
        committed = [r for r in sim.records(name) if r.state is S.COMMITTED]
        sold_j = sum(g.energy_j for r in committed if r.toward_origin is None for g in r.granted.values())
        assert sold_j <= OFFERED_J
        if name in "ab":
            assert sim.free_j(name) == OFFERED_J - sold_j
        told = [(event.reservation, event.index) for event in sim.events(name, Booked)]
        assert len(told) == len(set(told)), name
        own = {r.key[0] for r in committed if r.toward_initiator is None or r.toward_origin is None}
        heard = {one for one, _ in told} | {e.booked.reservation for e in sim.events(name, BookingRestored)}
        assert own <= heard, f"{name} has bookings that its host never heard of"


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(steps)
def test_promises_hold_whoever_crashes_and_whenever(plan: list[tuple[str, str, int]]) -> None:
    """Both ends of every link agree, and energy and money add up, once everybody is back."""
    made = village()
    sim = made.sim
    early = watch_barriers(sim)
    for kind, who, number in plan:
        made.take(kind, who, number)
        for name in NAMES:
            if not made.down(name):
                sim.router(name).check_invariants()
    made.wake()
    sim.at(300)
    assert early == []
    assert disagreements(sim) == []
    sim.check_quiet()
    check_money_and_energy(sim, made.wanted)
