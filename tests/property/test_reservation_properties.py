"""Whatever a market does on a line of three routers, and whatever the wire loses: the books hold.

After every step the sums of every ledger are those of its packets, no keeper
has promised more than its limit, and nothing that has ended is booked.  Once
the wire is whole again and holds have run out, both ends of every link agree
to the joule and the micro-unit, and energy in equals energy out plus loss.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ioe_router.core.events import Booked
from ioe_router.core.inputs import ReleaseReservation
from ioe_router.model.envelope import ObjectType
from ioe_router.model.ids import ReservationId
from ioe_router.model.reservation import ReservationState
from ioe_router.model.routing import Direction, Flow
from tests.simulation.bent_wire import dropping
from tests.simulation.pair import KWH_J, Cable, Sim, build

S = ReservationState
LOSABLE = (
    ObjectType.HOLD,
    ObjectType.GRANT,
    ObjectType.REFUSE,
    ObjectType.COMMIT_HOP,
    ObjectType.COMMITTED,
    ObjectType.RECEIPT,
    ObjectType.FAILED,
    ObjectType.OFFER,
)
LINKS = (("a", "b"), ("b", "c"))

keepers = st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["b", "c"]))
want = st.tuples(
    st.just("want"),
    st.sampled_from("acb"),
    st.sampled_from([Direction.SUPPLY, Direction.DEMAND]),
    st.integers(KWH_J // 2, 3 * KWH_J),
)
steps = st.lists(
    st.one_of(
        want,
        want,
        st.tuples(st.just("offer"), st.sampled_from("ac"), st.booleans(), st.integers(0, 2 * KWH_J)),
        st.tuples(st.just("lose"), st.sampled_from(LOSABLE)),
        st.tuples(st.just("cut"), st.sampled_from(LINKS)),
        st.tuples(st.just("mend")),
        st.tuples(st.just("release"), st.integers(0, 5)),
        st.tuples(st.just("wait"), st.sampled_from([1, 3, 46])),
    ),
    min_size=4,
    max_size=14,
)


@dataclass
class Market:
    """Three routers and what has been done to their wires."""

    sim: Sim
    cut: set[tuple[str, str]] = field(default_factory=set)
    released: set[ReservationId] = field(default_factory=set)

    def take(self, step: tuple[object, ...]) -> None:
        """Carry out one step."""
        match step:
            case ("want", str(name), Direction() as direction, int(energy_j)):
                limit = 400_000 if direction is Direction.SUPPLY else 10_000
                self.sim.want(name, energy_j, limit, direction=direction)
            case ("offer", str(name), bool(sells), int(energy_j)):
                direction = Direction.SUPPLY if sells else Direction.DEMAND
                price, number = (100_000, 1) if sells else (90_000, 2)
                self.sim.offer(name, price, energy_j, direction=direction, offer_no=number)
            case ("lose", ObjectType() as lost):
                self.sim.wire.on_object = dropping(lost)
            case ("cut", (str(one), str(other))):
                self.cut.add((one, other))
                self.sim.wire.disconnect(self.sim.node(one), self.sim.node(other))
            case ("mend",):
                self.mend()
            case ("release", int(which)):
                self.release(which)
            case ("wait", int(seconds)):
                self.sim.wait(seconds)
            case _:
                raise AssertionError(step)
        self.sim.wire.settle()

    def mend(self) -> None:
        """All wires whole."""
        self.sim.wire.on_object = None
        for one, other in sorted(self.cut):
            self.sim.wire.connect(self.sim.node(one), self.sim.node(other))
        self.cut.clear()

    def release(self, which: int) -> None:
        """An initiator gives a booked reservation back; not while its word would be lost."""
        booked = [(n, e.reservation) for n in "abc" for e in self.sim.events(n, Booked) if e.initiator]
        if booked and not self.cut:
            name, reservation = booked[which % len(booked)]
            self.released.add(reservation)
            self.sim.wire.give(self.sim.node(name), ReleaseReservation(reservation=reservation))


def open_market(keeper_of: tuple[str, str], rating_va: int) -> Market:
    """The line in the last phase before the gate, wants are tried at once; both ends buy and sell."""
    ab = Cable(keeper_of[0], "b" if keeper_of[0] == "a" else "a", rating_va=rating_va)
    bc = Cable(keeper_of[1], "c" if keeper_of[1] == "b" else "b", r_micro_ohm=100_000, rating_va=rating_va)
    sim = build(ab, bc)
    sim.at(700)
    for name in "ac":
        sim.offer(name, 100_000, 3 * KWH_J)
        sim.offer(name, 90_000, 3 * KWH_J, direction=Direction.DEMAND, offer_no=2)
    sim.at(528)
    return Market(sim)


def energy_balance(sim: Sim) -> None:
    """Per reservation: what leaves one end of the path arrives at the other, less what the links lose."""
    for name in "abc":
        for record in sim.records(name):
            if record.toward_initiator is not None or record.state is not S.COMMITTED:
                continue
            (origin,) = (
                other
                for n in "abc"
                for other in sim.records(n)
                if other.key == record.key and other.toward_origin is None
            )
            assert origin.state is S.COMMITTED
            here = sum(record.granted[i].energy_j for i in record.accepted)
            there = sum(origin.granted[i].energy_j for i in origin.accepted)
            lost = sum(
                entry.increment.sent_j - entry.increment.received_j
                for cable in sim.cables
                if (ledger := sim.ledger(cable.keeper, cable.other)) is not None
                for key, entry in ledger.entries.items()
                if key[:2] == record.key
            )
            supply = record.core.body.direction is Direction.SUPPLY
            assert (there - here if supply else here - there) == lost


def loss_accounts(sim: Sim) -> None:
    """What packets carry covers the model's loss of the net flow, to a joule a packet."""
    for cable in sim.cables:
        ledger = sim.ledger(cable.keeper, cable.other)
        if ledger is None:
            continue
        entries = ledger.entries.values()
        carried = sum(e.increment.sent_j - e.increment.received_j for e in entries)
        net = sum(e.increment.flow_j * (1 if e.flow is Flow.DOWN else -1) for e in entries)
        loss = -(-net * net * cable.r_micro_ohm // (200_000 * 720_000_000))
        assert loss <= carried <= loss + len(ledger.entries)


@settings(derandomize=True, max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(keeper_of=keepers, rating_va=st.sampled_from([5_000, 50_000]), done=steps)
def test_books_hold_after_every_step_and_agree_once_it_is_quiet(
    keeper_of: tuple[str, str], rating_va: int, done: list[tuple[object, ...]]
) -> None:
    """Ledgers check, limits hold; in the end both ends agree and energy in is energy out plus loss."""
    market = open_market(keeper_of, rating_va)
    sim = market.sim
    for step in done:
        market.take(step)
        sim.check()
    market.mend()
    sim.at(60)
    open_states = {r.state for n in "abc" for r in sim.records(n)} & {S.HOLDING, S.HELD, S.IN_DOUBT}
    assert open_states == set()
    sim.check_quiet()
    energy_balance(sim)
    for name in "abc":
        for number in (1, 2):
            assert sim.free_j(name, number) >= 0


@settings(derandomize=True, max_examples=15, deadline=None)
@given(
    keeper_of=keepers,
    wants=st.lists(
        st.tuples(st.sampled_from("ac"), st.integers(1, 3 * KWH_J)), min_size=1, max_size=6, unique=True
    ),
)
def test_losses_are_paid_to_a_joule_a_packet_while_nothing_leaves(
    keeper_of: tuple[str, str], wants: list[tuple[str, int]]
) -> None:
    """Without releases and trims the packets carry the model's loss, whatever their order and sense."""
    market = open_market(keeper_of, 50_000)
    sim = market.sim
    for name in "ac":
        sim.offer(name, 100_000, 100 * KWH_J)
    sim.wait(2)
    for name, energy_j in wants:
        sim.want(name, energy_j, 400_000)
        sim.wait(5)
        sim.check()
    sim.at(430)
    assert any(sim.events(n, Booked) for n in "abc")
    sim.check_quiet()
    energy_balance(sim)
    loss_accounts(sim)
