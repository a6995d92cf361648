"""Path validation: what holds together, what does not, and what a path is worth."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from ioe_router.core.evidence import Evidence
from ioe_router.core.paths import Path, PathChecker, first_hash, link_rank, next_hash
from ioe_router.model.clock import Now
from ioe_router.model.envelope import Envelope
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.ids import NodeId
from ioe_router.model.routing import Direction, Flow, PathAdvert, PathEntry
from tests.unit.core.plain_sealer import PlainSealer, changed, node_named, sealed_by
from tests.unit.core.routing_rig import (
    PARAMETERS,
    START_UTC_S,
    YEAR_S,
    Wire,
    attest,
    config_of,
    own_key,
)

CHAIN = tuple(Wire(a, b) for a, b in itertools.pairwise(["o", "p", "q", "me"]))
NOW = Now(0, START_UTC_S * 1000)
SUPPLY = Direction.SUPPLY


def entries(*changes: dict[str, object], direction: Direction = SUPPLY) -> list[PathEntry]:
    """The three entries of the path o-p-q to `me`, each with its changes, before hashes are set."""
    found: list[PathEntry] = []
    for position, wire in enumerate(CHAIN):
        body = PathEntry(
            origin=node_named("o"),
            direction=direction,
            node=node_named(wire.a),
            next_node=node_named(wire.b),
            position=position,
            previous=first_hash(PARAMETERS.network_id, node_named("o"), direction),
            attestation=attest(wire).object_id,
            fee_micro_per_kwh=500,
            not_after_utc_s=START_UTC_S + 1000,
        )
        given = changes[position] if position < len(changes) else {}
        found.append(changed(body, given))
    return found


def advert(
    bodies: list[PathEntry], fixed: tuple[str, ...] = (), signers: dict[int, str] | None = None
) -> PathAdvert:
    """The bodies chained by their hashes and signed by the hops they name (or by `signers`)."""
    envelopes: list[Envelope] = []
    previous = bodies[0].previous
    for position, body in enumerate(bodies):
        chained = body if "previous" in fixed else replace(body, previous=previous)
        signer = node_named((signers or {})[position]) if position in (signers or {}) else chained.node
        sealed = sealed_by(chained, signer)
        envelopes.append(sealed.envelope)
        previous = next_hash(previous, sealed.envelope.signed)
    return PathAdvert(entries=tuple(envelopes))


class Rig:
    """A checker that knows keys and links of the chain."""

    def __init__(self, links_max: int = 32) -> None:
        """At the node `me`."""
        config = config_of("me", CHAIN)
        config = replace(config, limits=replace(config.limits, path_links=links_max))
        self.evidence = Evidence(config, own_key("me"))
        for name in "opq":
            self.evidence.learn_key(own_key(name), NOW)
        for wire in CHAIN:
            self.evidence.learn_attestation(attest(wire), NOW)
        self.sealer = PlainSealer(config.node)
        self.checker = PathChecker(config, self.sealer, self.evidence)

    def check(self, told: PathAdvert, neighbor: str = "q", now: Now = NOW) -> Path:
        """Check an advert of a neighbour."""
        return self.checker.check(node_named(neighbor), told, now)


def names(nodes: tuple[NodeId, ...]) -> list[str]:
    """Node ids as names."""
    known = {node_named(name): name for name in ("o", "p", "q", "me")}
    return [known[node] for node in nodes]


@pytest.mark.parametrize("direction", [Direction.SUPPLY, Direction.DEMAND])
def test_a_good_chain_becomes_a_path(direction: Direction) -> None:
    """Nodes, links, fees, hash and end of validity of a path are those of its entries."""
    bodies = entries({}, {"not_after_utc_s": START_UTC_S + 10}, {"fee_micro_per_kwh": 7}, direction=direction)
    told = advert(bodies)
    path = Rig().check(told)
    assert (names(path.nodes), names((path.neighbor, path.holder))) == (["o", "p", "q"], ["q", "me"])
    assert [link.fee_micro_per_kwh for link in path.links] == [500, 500, 7]
    assert {link.flow for link in path.links} == {Flow.DOWN if direction is SUPPLY else Flow.UP}
    assert path.not_after_utc_s == START_UTC_S + 10
    running = first_hash(PARAMETERS.network_id, node_named("o"), direction)
    for envelope in told.entries:
        running = next_hash(running, envelope.signed)
    assert path.hash == running


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ([{}, {"position": 2}], ErrorCode.BROKEN_CHAIN),
        ([{"position": 1}], ErrorCode.BROKEN_CHAIN),
        ([{}, {"origin": node_named("p")}], ErrorCode.BROKEN_CHAIN),
        ([{}, {"direction": Direction.DEMAND}], ErrorCode.BROKEN_CHAIN),
        ([{}, {"node": node_named("q")}], ErrorCode.BROKEN_CHAIN),
        ([{"origin": node_named("p")}], ErrorCode.BROKEN_CHAIN),
        ([{}, {"next_node": node_named("o")}], ErrorCode.LOOP),
        ([{}, {"next_node": node_named("p")}], ErrorCode.LOOP),
        ([{}, {}, {"next_node": node_named("o")}], ErrorCode.LOOP),
        ([{}, {"attestation": attest(CHAIN[0]).object_id}], ErrorCode.UNKNOWN_LINK),
        ([{}, {"attestation": bytes(32)}], ErrorCode.UNKNOWN_LINK),
        ([{}, {"fee_micro_per_kwh": 1_001}], ErrorCode.FEE_ABOVE_ATTESTED),
        ([{"not_after_utc_s": START_UTC_S + YEAR_S + 1}], ErrorCode.OUT_OF_BOUNDS),
        ([{}, {"not_after_utc_s": START_UTC_S}], ErrorCode.EXPIRED),
    ],
    ids=lambda value: value.name if isinstance(value, ErrorCode) else None,
)
def test_a_chain_that_does_not_hold_is_refused(changes: list[dict[str, object]], code: ErrorCode) -> None:
    """Every entry must continue the one before, over an attested link, within what is attested."""
    with pytest.raises(PeerError) as caught:
        Rig().check(advert(entries(*changes)))
    assert caught.value.code is code


def test_hops_cannot_be_cut_out_or_moved() -> None:
    """A chain without its first or a middle entry, or in another order, is refused."""
    whole = advert(entries()).entries
    for part in (whole[1:], (whole[0], whole[2]), (whole[1], whole[0], whole[2]), (whole[0], *whole)):
        with pytest.raises(PeerError, match="BROKEN_CHAIN"):
            Rig().check(PathAdvert(entries=part))


def test_a_chain_is_good_for_its_last_next_node_only() -> None:
    """A chain that ends earlier is for somebody else; only its last hop may tell it."""
    whole = advert(entries()).entries
    with pytest.raises(PeerError, match="NOT_FOR_ME"):
        Rig().check(PathAdvert(entries=whole[:2]), neighbor="p")
    with pytest.raises(PeerError, match="BROKEN_CHAIN"):
        Rig().check(PathAdvert(entries=whole), neighbor="p")


def test_every_hop_signs_its_own_entry() -> None:
    """An entry signed by another hop is refused, and so is a damaged signature."""
    with pytest.raises(PeerError, match="WRONG_SIGNER"):
        Rig().check(advert(entries(), signers={1: "q"}))
    whole = advert(entries()).entries
    damaged = replace(whole[1], signatures=(replace(whole[1].signatures[0], signature=bytes(64)),))
    with pytest.raises(PeerError, match="BAD_SIGNATURE"):
        Rig().check(PathAdvert(entries=(whole[0], damaged, whole[2])))


def test_hashes_bind_what_came_before() -> None:
    """An entry over the hash of another prefix is refused."""
    with pytest.raises(PeerError, match="BROKEN_CHAIN"):
        Rig().check(advert(entries(), fixed=("previous",)))


def test_length_is_bounded_before_anything_is_verified() -> None:
    """No entries or too many cost no signature check."""
    rig = Rig(links_max=2)
    for told in (PathAdvert(entries=()), advert(entries())):
        with pytest.raises(PeerError, match="PATH_TOO_LONG"):
            rig.check(told)
    assert rig.sealer.verified == 0


def test_a_known_prefix_costs_nothing() -> None:
    """Told again, a path is checked without a signature; with another last hop, with one."""
    rig = Rig()
    rig.check(advert(entries()))
    assert rig.sealer.verified == 3
    rig.check(advert(entries()))
    assert rig.sealer.verified == 3
    rig.check(advert(entries({}, {}, {"fee_micro_per_kwh": 9})))
    assert rig.sealer.verified == 4


def test_a_known_path_still_ends() -> None:
    """What was verified once is refused when its time has come."""
    rig = Rig()
    rig.check(advert(entries()))
    with pytest.raises(PeerError, match="EXPIRED"):
        rig.check(advert(entries()), now=Now(0, (START_UTC_S + 1000) * 1000))


@pytest.mark.parametrize(
    ("r_micro_ohm", "fee", "flow", "expected"),
    [
        (0, 0, Flow.DOWN, 1),
        (0, 700, Flow.DOWN, 701),
        # half of 20 kVA is 10 kW: 0.05 ohm * 10 000 / 400^2 = 3 125 ppm of 200 000 is 625
        (50_000, 0, Flow.UP, 626),
        (50_000, 100, Flow.DOWN, 726),
    ],
)
def test_what_a_link_adds_to_the_rank(r_micro_ohm: int, fee: int, flow: Flow, expected: int) -> None:
    """Fee, loss at half load at the reference price, and one."""
    body = attest(replace(CHAIN[0], r_micro_ohm=r_micro_ohm)).body
    assert link_rank(PARAMETERS, body, flow, fee) == expected


def test_a_link_without_rating_costs_all_that_it_carries() -> None:
    """Where nothing can flow the loss counts as a whole."""
    body = attest(replace(CHAIN[0], rating_va=0)).body
    assert link_rank(PARAMETERS, body, Flow.DOWN, 0) == PARAMETERS.reference_price_micro_per_kwh + 1
