"""Two domains with a border between them: what crosses, who is let in, what a removal and a stale list do.

a1 --- a2 (border) --- b1 (border) --- b2
domain A       |        domain B
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from ioe_router.config import RouterConfig, Transit
from ioe_router.core.events import (
    NeighborDown,
    PeerFault,
)
from ioe_router.model.discovery import Role
from ioe_router.model.envelope import Envelope, ObjectType
from ioe_router.model.errors import ErrorCode
from ioe_router.model.reservation import ReservationState
from ioe_router.model.routing import PathAdvert, PathEntry
from ioe_router.sim.keys import SimIdentity
from tests.realm import Realm
from tests.simulation.domain_chain import CHAIN, Two, chain, established, reached
from tests.simulation.pair import (
    KWH_J,
    PARAMETERS,
    START_UTC_S,
    Cable,
    build,
    decoded,
)
from tests.simulation.roles import mistake


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
    mistake(sim.router("b2"), sim.node("b1"), role)
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
    mistake(sim.router("b1"), sim.node("a2"), Role.PEER)
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
