"""Two domains with a border between them: what crosses, who is let in, what a removal and a stale list do.

a1 --- a2 (border) --- b1 (border) --- b2
domain A       |        domain B
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

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
from ioe_router.core.inputs import BringDomain
from ioe_router.model.discovery import LinkKind, Role
from ioe_router.model.domain import TrustList
from ioe_router.model.envelope import Envelope, ObjectType
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import NodeId
from ioe_router.model.reservation import ReservationState
from ioe_router.model.routing import Direction, PathAdvert, PathEntry
from ioe_router.router import Router
from ioe_router.sim.keys import SeededEntropy, SimIdentity
from tests.realm import DAY_S, Realm
from tests.simulation.pair import (
    KWH_J,
    PARAMETERS,
    START_UTC_S,
    Cable,
    Configure,
    Sim,
    build,
    decoded,
)

COUNTERPART = {
    Role.PEER: Role.PEER,
    Role.PROVIDER: Role.CUSTOMER,
    Role.CUSTOMER: Role.PROVIDER,
    Role.SIBLING: Role.SIBLING,
}
CHAIN = (("a1", "a2"), ("a2", "b1"), ("b1", "b2"))
Adjust = Callable[[str, RouterConfig], RouterConfig]


class Two:
    """The two domains, and what each node is told of them."""

    def __init__(self, **fields: int | bool) -> None:
        """`fields` change the first list of A."""
        self.realms = {
            "a": Realm("a", PARAMETERS.network_id, START_UTC_S - 3_600, **fields),
            "b": Realm("b", PARAMETERS.network_id, START_UTC_S - 3_600),
        }
        self.party: NodeId | None = None

    def configure(
        self,
        *,
        b1_is: Role = Role.PEER,
        transit: Transit | None = None,
        adjust: Adjust | None = None,
    ) -> Configure:
        """`b1_is` says what b1 is to a2; `transit` is what each border lets across."""

        def one(name: str, config: RouterConfig, ids: dict[str, SimIdentity]) -> RouterConfig:
            names = {identity.node: other for other, identity in ids.items()}
            neighbors = []
            for neighbor in config.neighbors:
                other = names[neighbor.node]
                crosses = other[0] != name[0]
                role = (b1_is if name == "a2" else COUNTERPART[b1_is]) if crosses else Role.SIBLING
                neighbors.append(replace(neighbor, role=role, transit=transit if crosses else None))
            mine = self.realms[name[0]]
            others = [realm for key, realm in self.realms.items() if key != name[0]]
            party = config.balance_party or config.node
            border = any(n.role is not Role.SIBLING for n in neighbors)
            made = replace(
                config,
                neighbors=tuple(neighbors),
                domain=mine.config(config.node, *others, border=border, balance_party=party),
            )
            return made if adjust is None else adjust(name, made)

        return one


def chain(two: Two, configure: Configure | None = None, *, connect: bool = True) -> Sim:
    """The chain of the drawing, a1 selling at the one end."""
    cables = [Cable(one, other, r_micro_ohm=0) for one, other in CHAIN]
    sim = build(*cables, configure=configure or two.configure(), connect=connect)
    if connect:
        sim.offer("a1", 100_000)
        sim.offer("a2", 120_000)
        sim.wait(5)
    return sim


def reached(sim: Sim, name: str) -> set[str]:
    """Whose offers a node knows."""
    names = {identity.node: other for other, identity in sim.ids.items()}
    return {names[o.body.origin] for o in sim.router(name).inspect().routing.offers(Direction.SUPPLY)}


def established(sim: Sim, one: str, other: str) -> bool:
    """Whether a session stands, seen from both ends."""
    return all(
        sim.router(here).inspect().sessions.established(sim.node(there))
        for here, there in ((one, other), (other, one))
    )


def bring(sim: Sim, name: str, *envelopes: Envelope) -> None:
    """The operator of a node brings these in."""
    sim.wire.give(sim.node(name), BringDomain(envelopes=envelopes))
    sim.wire.settle()


# ------------------------------------------------------------------ what crosses


def test_between_domains_only_own_offers_are_told_by_default() -> None:
    """The border's own offer crosses and is bought behind the other border; that of its domain does not."""
    sim = chain(Two())
    assert reached(sim, "a2") == {"a1"}
    assert reached(sim, "b1") == {"a2"}
    assert reached(sim, "b2") == {"a2"}
    sim.want("b2", KWH_J, 300_000)
    sim.at(60)
    assert sim.states("b2") == [ReservationState.COMMITTED]
    sim.check_quiet()


def test_with_transit_a_domains_offers_cross_to_a_peer() -> None:
    """An operator may let customers' and siblings' offers out; they bear the mark from the border on."""
    two = Two()
    sim = chain(two, two.configure(transit=Transit.PAID))
    assert reached(sim, "b2") == {"a1", "a2"}
    marks = {
        (sender, receiver): decoded(advert.entries[-1], PathEntry).only_to_customers
        for sender, receiver, envelope in sim.wire.passed
        if envelope.type is ObjectType.PATH_ADVERT
        for advert in [decoded(envelope, PathAdvert)]
    }
    assert marks["a2", "b1"]
    assert not marks["a1", "a2"]
    assert not marks["b1", "b2"]


def test_what_a_peer_has_told_goes_to_no_other_peer_through_a_sibling() -> None:
    """The mark crosses a domain: another border does not tell another peer what a peer's border has told."""
    two = Two()
    realm_c = Realm("c", PARAMETERS.network_id, START_UTC_S - 3_600)

    def configure(name: str, config: RouterConfig, ids: dict[str, SimIdentity]) -> RouterConfig:
        names = {identity.node: other for other, identity in ids.items()}
        realms = {**two.realms, "c": realm_c}
        neighbors = tuple(
            replace(
                n,
                role=Role.SIBLING if names[n.node][0] == name[0] else Role.PEER,
                transit=Transit.PAID,
            )
            for n in config.neighbors
        )
        others = [realm for key, realm in realms.items() if key != name[0]]
        party = config.balance_party or config.node
        domain = realms[name[0]].config(config.node, *others, border=True, balance_party=party)
        return replace(config, neighbors=neighbors, domain=domain)

    cables = (("a1", "b1"), ("b1", "b2"), ("b2", "c1"))
    sim = build(*(Cable(one, other, r_micro_ohm=0) for one, other in cables), configure=configure)
    sim.offer("a1", 100_000)
    sim.offer("b1", 110_000)
    sim.wait(60)
    assert reached(sim, "b2") == {"a1", "b1"}
    assert reached(sim, "c1") == {"b1"}


@pytest.mark.parametrize("role", [Role.CUSTOMER, Role.PEER])
def test_a_leak_is_refused_by_its_mark(role: Role) -> None:
    """What a peer has told comes back from nobody who is a customer or a peer, whatever it has configured."""
    two = Two()
    sim = chain(two, two.configure(transit=Transit.PAID))
    told = [
        envelope
        for sender, receiver, envelope in sim.wire.passed
        if (sender, receiver, envelope.type) == ("b1", "b2", ObjectType.PATH_ADVERT)
        and decoded(decoded(envelope, PathAdvert).entries[-1], PathEntry).position > 0
    ]
    assert told
    sim.wire.inject("b1", "b2", *told)
    assert not sim.events("b2", PeerFault)
    sim.router("b2").inspect().routing._checker._roles[sim.node("b1")] = role
    sim.wire.inject("b1", "b2", *told)
    faults = sim.events("b2", PeerFault)
    assert {event.code for event in faults} == {ErrorCode.POLICY}
    assert all("leaked" in event.detail for event in faults)


def test_a_provider_or_peer_has_to_mark_what_it_tells() -> None:
    """A path from a peer without the mark for customers only is refused: nobody could see the leak later."""
    two = Two()
    sim = chain(two, two.configure(b1_is=Role.PROVIDER))
    told = [
        envelope
        for sender, receiver, envelope in sim.wire.passed
        if (sender, receiver, envelope.type) == ("a2", "b1", ObjectType.PATH_ADVERT)
    ]
    assert told
    assert not sim.events("b1", PeerFault)
    sim.router("b1").inspect().routing._checker._roles[sim.node("a2")] = Role.PEER
    sim.wire.inject("a2", "b1", *told)
    assert {event.code for event in sim.events("b1", PeerFault)} == {ErrorCode.POLICY}


# ------------------------------------------------------------------ who is let in


@pytest.mark.parametrize(
    ("who", "change", "code"),
    [
        ("stranger", "uncertified", ErrorCode.BAD_SIGNATURE),
        ("other role", "role", ErrorCode.POLICY),
        ("no domain", "none", ErrorCode.DOMAIN_MISMATCH),
        ("unknown domain", "unknown", ErrorCode.DOMAIN_MISMATCH),
        ("removed", "removed", ErrorCode.NOT_A_MEMBER),
    ],
)
def test_who_does_not_belong_gets_no_session(who: str, change: str, code: ErrorCode) -> None:
    """A neighbour without membership, with another role, or of a domain that is not known is closed out."""
    two = Two()

    def adjust(name: str, config: RouterConfig) -> RouterConfig:
        assert config.domain is not None
        if change == "removed" and name == "a2":
            first = two.realms["a"].lists[0]
            return replace(config, domain=replace(config.domain, lists=(first, removing)))
        if name != "a1":
            return config
        if change == "none":
            return replace(config, domain=None)
        if change == "role":
            neighbors = tuple(replace(n, role=Role.PEER) for n in config.neighbors)
            member = two.realms["a"].admit(config.node, border=True, balance_party=config.node)
            return replace(config, neighbors=neighbors, domain=replace(config.domain, member=member))
        if change == "unknown":
            return replace(config, domain=strangers.config(config.node))
        return config

    strangers = Realm("c", PARAMETERS.network_id, START_UTC_S - 3_600)
    sim = chain(two, connect=False)
    removing = two.realms["a"].remove(sim.node("a1"))
    two.realms["a"].lists.pop()
    sim = chain(two, two.configure(adjust=adjust), connect=False)
    if change == "uncertified":
        sim.wire.on_object = _stripped
    for one, other in CHAIN[:1]:
        sim.wire.connect(sim.node(one), sim.node(other))
    sim.wire.settle()
    sim.wait(1)
    assert not established(sim, "a1", "a2"), who
    codes = {event.code for name in ("a1", "a2") for event in sim.events(name, PeerFault)}
    assert code in codes
    assert sim.events("a2", NeighborDown)


def _stripped(_sender: str, _receiver: str, envelope: Envelope) -> list[Envelope]:
    """Takes a signature from every member certificate."""
    if envelope.type is ObjectType.MEMBER_CERTIFICATE:
        return [replace(envelope, signatures=envelope.signatures[1:])]
    return [envelope]


def test_an_interior_node_has_no_neighbours_in_other_domains() -> None:
    """A member without the duty of a border is refused at the border of the other side."""
    two = Two()

    def adjust(name: str, config: RouterConfig) -> RouterConfig:
        if name != "b1" or config.domain is None:
            return config
        return replace(config, domain=None)

    sim = chain(two, two.configure(adjust=adjust), connect=False)
    interior = two.realms["b"].admit(sim.node("b1"), balance_party=sim.node("a1"))
    lists = two.realms["b"].lists
    table = sim.router("b1").inspect().evidence.domains
    assert table.own is None
    sim.wire.connect(sim.node("a2"), sim.node("b1"))

    def claims(sender: str, _receiver: str, envelope: Envelope) -> list[Envelope]:
        return [*lists, interior, envelope] if sender == "b1" else [envelope]

    sim.wire.on_object = claims
    sim.wire.settle()
    assert not established(sim, "a2", "b1")


# ------------------------------------------------------------------ removal


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
