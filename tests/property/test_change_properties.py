"""Whatever is cut, replaced, released, lost or crashes, in any order: both ends of every link agree.

Four routers in a ring with two ways from seller to buyer.  Hosts cut anywhere on a path,
at once and by notice, and replace what they have; sessions break, nodes die after any
effect and come back.  Once all is mended, before the final gate, no link has different
books at its ends, no joule is sold twice, and no want has more than it asked for.
"""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ioe_router.core.inputs import CurtailReservation, ReleaseReservation, ReplaceReservation
from ioe_router.core.reservation import Reservation
from ioe_router.model.reservation import ReservationState
from tests.simulation.crashing import crash, disagreements, is_down, reconnect, restart
from tests.simulation.pair import KWH_J, SLOT_S, Cable, Sim, build

S = ReservationState
NAMES = "abcd"
LINKS = ("ab", "bd", "ac", "cd")
RATED_VA = 12_000
SOLD_J = 6 * KWH_J

steps = st.lists(
    st.one_of(
        st.tuples(st.just("want"), st.just("d"), st.integers(1, 3)),
        st.tuples(st.just("cut"), st.sampled_from(NAMES), st.integers(0, 7)),
        st.tuples(st.just("notice"), st.sampled_from(NAMES), st.integers(0, 7)),
        st.tuples(st.just("replace"), st.just("d"), st.integers(1, 12)),
        st.tuples(st.just("replace"), st.just("d"), st.integers(1, 12)),
        st.tuples(st.just("release"), st.just("d"), st.integers(0, 3)),
        st.tuples(st.just("break"), st.sampled_from(LINKS), st.just(0)),
        st.tuples(st.just("mend"), st.just(""), st.just(0)),
        st.tuples(st.just("crash"), st.sampled_from(NAMES), st.integers(0, 12)),
        st.tuples(st.just("wait"), st.just(""), st.sampled_from([0, 1, 3, 12])),
    ),
    min_size=4,
    max_size=14,
)


def ring() -> Sim:
    """Node a sells to d over b or over c; keepers alternate; the bands are over."""
    sim = build(
        Cable("a", "b", rating_va=RATED_VA, r_micro_ohm=1_000),
        Cable("d", "b", rating_va=RATED_VA, r_micro_ohm=50_000),
        Cable("c", "a", rating_va=RATED_VA),
        Cable("c", "d", rating_va=RATED_VA, r_micro_ohm=100_000),
    )
    sim.at(1_200)
    sim.offer("a", 100_000, SOLD_J)
    sim.at(528)
    sim.want("d", KWH_J, 500_000)
    sim.wait(4)
    return sim


def down(sim: Sim, name: str) -> bool:
    """Whether a node is down; a crash that is to come stays."""
    return not sim.wire.nodes[sim.node(name)].alive


def committed(sim: Sim, name: str) -> list[Reservation]:
    """What stands at a node, with something left of it."""
    return [r for r in sim.records(name) if r.state is S.COMMITTED and r.granted]


def take(sim: Sim, kind: str, who: str, number: int) -> None:
    """One step."""
    if kind == "break":
        sim.wire.disconnect(sim.node(who[0]), sim.node(who[1]))
        sim.wire.settle()
    elif kind == "mend":
        mend(sim)
    elif kind == "wait":
        sim.wait(number)
    elif down(sim, who):
        return
    elif kind == "want":
        sim.want(who, number * KWH_J // 2, 500_000)
    elif kind == "crash":
        crash(sim, who, after_effects=number)
    else:
        change(sim, kind, who, number)


def change(sim: Sim, kind: str, who: str, number: int) -> None:
    """A host changes one of the reservations that stand at its node."""
    standing = committed(sim, who)
    if not standing:
        return
    record = standing[number % len(standing)]
    reservation = record.core.body.reservation
    if kind == "release":
        sim.wire.give(sim.node(who), ReleaseReservation(reservation=reservation))
    elif kind == "replace":
        energy_j = number * KWH_J // 4
        order = ReplaceReservation(
            reservation=reservation,
            energy_j=energy_j,
            energy_min_j=energy_j // 2,
            price_limit_micro_per_kwh=500_000,
        )
        sim.wire.give(sim.node(who), order)
    else:
        left_j = record.granted[1].energy_j * number // 8
        at_ms = sim.wire.now.utc_ms + 9_000 if kind == "notice" else 0
        cut = CurtailReservation(reservation=reservation, remaining=((1, left_j),), effective_utc_ms=at_ms)
        sim.wire.give(sim.node(who), cut)
    sim.wire.settle()


def mend(sim: Sim) -> None:
    """Everybody is up, connected, and the seller has said again what it sells."""
    for name in NAMES:
        if is_down(sim, name):
            restart(sim, name)
            if name == "a":
                sim.offer("a", 100_000, SOLD_J)
    reconnect(sim)
    sim.wait(2)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps)
def test_both_ends_agree_whatever_is_changed(plan: list[tuple[str, str, int]]) -> None:
    """Same books at both ends, nothing above a rating, nothing sold twice."""
    sim = ring()
    for kind, who, number in plan:
        take(sim, kind, who, number)
        for name in NAMES:
            if not down(sim, name):
                sim.router(name).check_invariants()
    mend(sim)
    sim.at(300)
    assert disagreements(sim) == []
    sim.check_quiet()
    sold_j = sum(r.granted[1].energy_j for r in committed(sim, "a"))
    assert sold_j + sim.free_j("a") == SOLD_J
    assert all(sim.used_j(*pair) <= RATED_VA * SLOT_S for pair in LINKS)
    for name in NAMES:
        for port in sim.router(name).inspect().ports.all():
            assert port.calendar.pairs == {}, f"{name} still pairs what has switched"
