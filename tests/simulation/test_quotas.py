"""Quotas: nobody keeps others from a link by holding it, and promises are served before holds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ioe_router.config import Limits, Timers
from ioe_router.core.events import PeerFault
from ioe_router.core.inputs import FrameReceived
from ioe_router.model.envelope import ObjectType
from ioe_router.model.errors import ErrorCode, Persistence, Scope
from ioe_router.model.reservation import CommitHop, PacketEnergy, ReservationState
from tests.simulation.bent_wire import Passing
from tests.simulation.objects import Puppet
from tests.simulation.pair import KWH_J, LAST_BAND, Cable, Sim, build

S = ReservationState
LIMIT_J = 4_000 * 900  # of the link a-b in every test: 3 600 000 J
EARLY = {"band": 4}


def star(limits: Limits | None = None, *, access: bool = False) -> Sim:
    """Node a sells over b, whose link to a is narrow, to c, d and e; in the fifth band."""
    sim = build(
        Cable(
            "b", "a", rating_va=4_445, r_micro_ohm=0, access=access
        ),  # 0.9 of it is usable at the lowest voltage
        Cable("b", "c", r_micro_ohm=0),
        Cable("b", "d", r_micro_ohm=0),
        limits=limits,
    )
    sim.at(1_200)
    sim.offer("a", 100_000)
    sim.at(556)
    return sim


def granted_j(puppet: Puppet) -> int:
    """What the only GRANT gives in all."""
    return sum(item.energy_j for item in puppet.granted())


def limit_j(sim: Sim) -> int:
    """The limit of the narrow link."""
    ledger = sim.ledger("b", "a")
    assert ledger is not None
    return ledger.limits.down_j


def test_one_initiator_holds_no_more_than_its_share() -> None:
    """The first HOLD enters with three quarters of the link, the second finds QUOTA, with a time to retry."""
    sim = star()
    one = Puppet(sim, "c", "b", "a", (100 * KWH_J,), changes=EARLY).ask()
    assert granted_j(one) == limit_j(sim) * 3 // 4
    two = Puppet(sim, "c", "b", "a", (KWH_J,), changes=EARLY).ask()
    refuse = two.refused()
    assert (refuse.code, refuse.persistence) == (ErrorCode.QUOTA, Persistence.TEMPORARY)
    assert (refuse.items[0].reason, refuse.scope) == (ErrorCode.QUOTA, Scope.NODE)
    assert 44_000 <= refuse.retry_after_ms <= 45_000
    sim.check()


def test_the_share_is_over_all_packets_of_a_batch() -> None:
    """Many small packets hold no more than one large one."""
    sim = star()
    puppet = Puppet(sim, "c", "b", "a", (KWH_J // 4,) * 8, changes=EARLY).ask()
    assert granted_j(puppet) == limit_j(sim) * 3 // 4
    assert [i.reason for i in puppet.granted() if not i.energy_j] == [ErrorCode.QUOTA] * 5
    sim.check()


def test_another_initiator_has_a_share_of_its_own() -> None:
    """What one may not hold is there for the next, up to the link's limit."""
    sim = star()
    Puppet(sim, "c", "b", "a", (100 * KWH_J,), changes=EARLY).ask()
    other = Puppet(sim, "d", "b", "a", (100 * KWH_J,), changes=EARLY).ask()
    assert granted_j(other) == limit_j(sim) - limit_j(sim) * 3 // 4
    sim.check()


def test_what_is_committed_counts_no_more() -> None:
    """COMMIT frees the share: the rest of the link can be held."""
    sim = star()
    Puppet(sim, "c", "b", "a", (100 * KWH_J,), changes=EARLY).ask().commit()
    two = Puppet(sim, "c", "b", "a", (100 * KWH_J,), changes=EARLY).ask()
    assert granted_j(two) == limit_j(sim) - limit_j(sim) * 3 // 4


@pytest.mark.parametrize("case", ["last band", "outside the bands", "access"])
def test_there_is_no_share_where_nobody_else_can_come(case: str) -> None:
    """In a band without floor, outside the bands, and on a single customer's link all of it can be held."""
    sim = star(access=True) if case == "access" else star()
    changes = {"access": EARLY, "last band": {"band": LAST_BAND}, "outside the bands": {"band": 255}}[case]
    if case != "access":
        sim.at(500)
    puppet = Puppet(sim, "c", "b", "a", (100 * KWH_J,), changes=changes).ask()
    assert granted_j(puppet) == limit_j(sim)


def test_a_share_is_never_below_the_granule() -> None:
    """However small the configured share, a 64th of the link may be held."""
    sim = star(Limits(held_share_ppm=1))
    puppet = Puppet(sim, "c", "b", "a", (100 * KWH_J,), changes=EARLY).ask()
    assert granted_j(puppet) == limit_j(sim) // 64


def test_all_together_hold_no_more_than_the_links_quota() -> None:
    """With half of the link for holds, the second initiator finds what the first has left of that half."""
    sim = star(Limits(held_link_ppm=500_000, held_share_ppm=300_000))
    one = Puppet(sim, "c", "b", "a", (100 * KWH_J,), changes=EARLY).ask()
    other = Puppet(sim, "d", "b", "a", (100 * KWH_J,), changes=EARLY).ask()
    assert granted_j(one) == limit_j(sim) * 3 // 10
    assert granted_j(other) == limit_j(sim) // 2 - limit_j(sim) * 3 // 10


@pytest.mark.parametrize("limit", ["holds_per_link", "holds_per_origin"])
def test_a_quota_on_the_number_says_when_to_come_again(limit: str) -> None:
    """The REFUSE names the time until the first hold that counts lets go; then there is room again."""
    sim = star(replace(Limits(), **{limit: 1}))
    Puppet(sim, "c", "b", "a", changes=EARLY).ask()
    sim.wait(5)
    refuse = Puppet(sim, "c", "b", "a", changes=EARLY).ask().refused()
    assert (refuse.code, refuse.retry_after_ms) == (ErrorCode.QUOTA, 40_000)
    sim.wait(40)
    assert Puppet(sim, "c", "b", "a", changes=EARLY).ask().granted()


def test_a_quota_taken_up_by_doubt_names_the_retry_time() -> None:
    """Nobody knows when a doubt ends: come again when COMMIT is repeated."""
    sim = star(Limits(holds_per_origin=1))
    puppet = Puppet(sim, "c", "b", "a", changes=EARLY).ask()
    sim.wire.on_object = lambda here, there, e: [] if (here, e.type) == ("a", ObjectType.COMMITTED) else [e]
    puppet.commit()
    assert sim.states("b") == [S.IN_DOUBT]
    refuse = Puppet(sim, "c", "b", "a", changes=EARLY).ask().refused()
    assert refuse.retry_after_ms == Timers().commit_retry_ms


# ------------------------------------------------------------------ order of service


def test_a_commit_is_served_before_the_holds_of_its_batch() -> None:
    """HOLDs that came first in one batch of frames wait until a COMMIT has been passed on."""
    sim = star()
    buyer = Puppet(sim, "c", "b", "a", changes=EARLY).ask()
    frames: list[Passing] = []

    def keep(passing: Passing) -> list[Passing]:
        if passing.receiver != "b":
            return [passing]
        frames.append(passing)
        return []

    sim.wire.on_frame = keep
    for _ in range(3):
        Puppet(sim, "d", "b", "a", (1_000,), changes=EARLY).ask()
    buyer.commit()
    sim.wire.on_frame = None
    before = len(sim.wire.passed)
    inputs = [FrameReceived(neighbor=sim.node(f.sender), frame=f.data) for f in frames]
    sim.wire.give(sim.node("b"), *inputs)
    sim.wire.settle()
    kinds = [e.type for here, there, e in sim.wire.passed[before:] if (here, there) == ("b", "a")]
    kinds = [kind for kind in kinds if kind in (ObjectType.HOLD, ObjectType.COMMIT_HOP)]
    assert kinds == [ObjectType.COMMIT_HOP, *[ObjectType.HOLD] * 3]


def test_a_release_does_not_overtake_its_hold() -> None:
    """HOLD and RELEASE in one frame: the reservation is opened and given back, nothing stays held."""
    sim = star()
    puppet = Puppet(sim, "c", "b", "a", changes=EARLY)
    hold = sim.seal("c", puppet.hold)
    frames: list[Passing] = []

    def keep(passing: Passing) -> list[Passing]:
        frames.append(passing)
        return []

    sim.wire.on_frame = keep
    sim.wire.inject("c", "b", hold)
    puppet.release()
    sim.wire.on_frame = None
    inputs = [FrameReceived(neighbor=sim.node("c"), frame=f.data) for f in frames]
    sim.wire.give(sim.node("b"), *inputs)
    sim.wire.settle()
    assert sim.states("b") == sim.states("a") == [S.RELEASED]
    assert ErrorCode.UNKNOWN_RESERVATION not in {f.code for f in sim.events("b", PeerFault)}
    sim.check()


# ------------------------------------------------------------------ faults


def test_a_lying_hold_is_counted_against_its_neighbour() -> None:
    """A HOLD that names a packet its core does not have is refused and counted; an honest refusal is not."""
    sim = star()
    packets = (PacketEnergy(index=2, energy_j=KWH_J),)
    lie = Puppet(sim, "c", "b", "a", changes=EARLY, hold_changes={"items": packets}).ask()
    assert lie.refused().code is ErrorCode.MALFORMED
    Puppet(sim, "d", "b", "a", changes={"band": LAST_BAND}).ask()
    assert [(f.neighbor, f.code) for f in sim.events("b", PeerFault)] == [
        (sim.node("c"), ErrorCode.MALFORMED)
    ]
    assert sim.router("b").faults == {(sim.node("c"), ErrorCode.MALFORMED): 1}
    assert sim.router("b").counts["fault_malformed"] == 1
    assert sim.heard("c", "b", CommitHop) == []
