"""Members that are removed, renewed, run out or come back, and lists that go stale, in running networks."""

from __future__ import annotations

from dataclasses import replace

from ioe_router.config import RouterConfig, Transit
from ioe_router.core.effects import RecordKind
from ioe_router.core.events import (
    HoldAnswered,
    MembershipEnded,
    NeighborDown,
    PeerFault,
    TrustListOverdue,
    TrustListTaken,
)
from ioe_router.model.discovery import LinkKind
from ioe_router.model.domain import TrustList
from ioe_router.model.errors import ErrorCode
from ioe_router.model.reservation import ReservationState
from ioe_router.router import Router
from ioe_router.sim.keys import SeededEntropy
from tests.realm import DAY_S
from tests.simulation.domain_chain import Two, bring, chain, established, reached
from tests.simulation.pair import (
    KWH_J,
    START_UTC_S,
    Cable,
    build,
)


def test_a_removal_cuts_sessions_and_withdraws_offers_everywhere() -> None:
    """A list brought in at the far end expels a member at once, passes both borders, and is durable."""
    two = Two()
    sim = chain(two, two.configure(transit=Transit.PAID))
    assert reached(sim, "b2") == {"a1", "a2"}
    bring(sim, "b2", two.realms["a"].remove(sim.node("a1")))
    assert reached(sim, "a2") == set()
    assert reached(sim, "b2") == {"a2"}
    assert not established(sim, "a1", "a2")
    assert sim.events("a2", NeighborDown)[-1].code is ErrorCode.NOT_A_MEMBER
    assert [event.node for event in sim.events("a2", MembershipEnded)] == [sim.node("a1")]
    assert [event.serial for event in sim.events("b1", TrustListTaken)] == [2]
    stored = sim.wire.nodes[sim.node("a2")].store
    assert [kind for kind, _ in stored].count(RecordKind.DOMAIN) == 1


def test_a_removed_neighbour_does_not_come_back_after_a_restart() -> None:
    """The taken list is read back from the store, so an old configuration does not let a removed node in."""
    two = Two()
    configure = two.configure()
    sim = chain(two, configure)
    bring(sim, "a2", two.realms["a"].remove(sim.node("a1")))
    config = sim.router("a2").inspect().config
    sim.wire.crash(sim.node("a2"))
    mine = sim.ids["a2"]
    router = Router(
        config,
        own_key=mine.own_key,
        signer=mine.signer,
        entropy=SeededEntropy(b"again"),
        now=sim.wire.now,
    )
    sim.wire.restart(mine.node, router)
    sim.wire.settle()
    sim.wire.connect(sim.node("a1"), mine.node)
    sim.wire.settle()
    assert not established(sim, "a1", "a2")
    newest = router.inspect().evidence.domains.newest(two.realms["a"].id)
    assert isinstance(newest, TrustList)
    assert newest.serial == 2


def test_a_removed_node_may_come_back_with_a_new_certificate() -> None:
    """Admission under a higher serial undoes a removal."""
    two = Two()
    sim = chain(two)
    node = sim.node("a1")
    removing = two.realms["a"].remove(node)
    bring(sim, "a2", removing)
    party = two.realms["a"].admit(node, serial=2, balance_party=node)
    bring(sim, "a1", removing, party)
    sim.wait(1)
    sim.wire.connect(node, sim.node("a2"))
    sim.wire.settle()
    assert established(sim, "a1", "a2")


def test_a_member_whose_certificate_runs_out_is_let_go() -> None:
    """At the end of a certificate its sessions end and its offers are withdrawn, without a word of it."""
    two = Two()
    ends = START_UTC_S + 1_900

    def adjust(name: str, config: RouterConfig) -> RouterConfig:
        if name != "a1" or config.domain is None:
            return config
        member = two.realms["a"].admit(config.node, balance_party=config.node, expires_utc_s=ends)
        return replace(config, domain=replace(config.domain, member=member))

    sim = chain(two, two.configure(adjust=adjust))
    assert reached(sim, "a2") == {"a1"}
    sim.wire.run_until(ends)
    assert reached(sim, "a2") == set()
    assert not established(sim, "a1", "a2")


def test_a_renewed_certificate_keeps_everything_up() -> None:
    """A certificate brought in before the old one ends is told on, and no session or path is lost by it."""
    two = Two()
    ends = START_UTC_S + 1_900

    def adjust(name: str, config: RouterConfig) -> RouterConfig:
        if name != "a1" or config.domain is None:
            return config
        member = two.realms["a"].admit(config.node, balance_party=config.node, expires_utc_s=ends)
        return replace(config, domain=replace(config.domain, member=member))

    sim = chain(two, two.configure(adjust=adjust, transit=Transit.PAID))
    node = sim.node("a1")
    bring(sim, "a1", two.realms["a"].admit(node, serial=2, balance_party=node))
    sim.wire.run_until(ends + 1)
    assert reached(sim, "b2") == {"a1", "a2"}
    assert not sim.events("a2", NeighborDown)


# ------------------------------------------------------------------ a list that does not come


def test_a_stale_list_keeps_what_runs_and_refuses_what_is_new() -> None:
    """After end and grace what is committed and the sessions stand, and a new want finds TRUST_STALE."""
    ends = START_UTC_S + 3_000
    two = Two(expires_utc_s=ends, grace_s=100)
    sim = chain(two)
    sim.want("a2", KWH_J, 300_000)
    sim.at(510)
    assert sim.states("a2") == [ReservationState.COMMITTED]
    sim.wire.run_until(ends + 100)
    sim.want("a2", KWH_J, 300_000)
    sim.at(200)
    assert sim.states("a2") == [ReservationState.COMMITTED]
    assert ErrorCode.TRUST_STALE in {event.code for event in sim.events("a2", HoldAnswered)}
    assert established(sim, "a1", "a2")
    assert not sim.events("a1", NeighborDown)
    assert [event.stale_utc_s for event in sim.events("a1", TrustListOverdue)] == [ends + 100]
    bring(sim, "a2", two.realms["a"].proceed(expires_utc_s=ends + DAY_S))
    sim.want("a2", KWH_J, 300_000)
    sim.at(130)
    assert sim.states("a1") == sim.states("a2")


def test_a_hold_of_a_stranger_is_refused() -> None:
    """Energy is held for members only: who is no member for the seller finds NOT_A_MEMBER."""
    two = Two()
    sim = chain(two)
    sim.want("b2", KWH_J, 300_000)
    sim.at(560)
    table = sim.router("a2").inspect().evidence.domains
    table._drop(sim.node("b2"), two.realms["b"].id)
    sim.want("b2", 2 * KWH_J, 300_000)
    sim.at(500)
    codes = {event.code for event in sim.events("b2", HoldAnswered)}
    assert ErrorCode.NOT_A_MEMBER in codes


def test_a_zone_is_led_by_a_certified_node() -> None:
    """An operating envelope of a root that the domain has not certified to form a grid is refused."""
    two = Two()

    def adjust(name: str, config: RouterConfig) -> RouterConfig:
        if name != "a1" or config.domain is None:
            return config
        member = two.realms["a"].admit(config.node, balance_party=config.node, grid_forming=False)
        return replace(config, domain=replace(config.domain, member=member))

    cables = [Cable("a1", "a2", kind=LinkKind.RADIAL, r_micro_ohm=0)]
    sim = build(*cables, configure=two.configure(adjust=adjust))
    sim.wait(60)
    assert ErrorCode.NOT_A_MEMBER in {event.code for event in sim.events("a2", PeerFault)}
    assert sim.router("a2").inspect().zone.parent is not None
