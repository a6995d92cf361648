"""Tables of what neighbours tell are shared out: one that tells too much keeps nobody else out."""

from __future__ import annotations

import pytest

from ioe_router.config import Limits
from ioe_router.core.evidence import Evidence
from ioe_router.core.paths import Path
from ioe_router.core.rib import LocRib
from ioe_router.model.clock import Now
from ioe_router.model.errors import PeerError
from ioe_router.model.ids import PathHash
from ioe_router.model.routing import Direction
from tests.unit.core.plain_sealer import node_named
from tests.unit.core.routing_rig import START_UTC_S, Wire, attest, config_of, own_key

NOW = Now(0, START_UTC_S * 1000)
WIRES = (Wire("here", "left"), Wire("here", "right"))
LEFT, RIGHT = node_named("left"), node_named("right")


def path(origin: str, neighbor: str) -> Path:
    """A path to an origin, over a neighbour."""
    return Path(
        hash=PathHash(f"{origin} {neighbor}".encode().ljust(32)),
        origin=node_named(origin),
        direction=Direction.SUPPLY,
        neighbor=node_named(neighbor),
        holder=node_named("here"),
        nodes=(node_named(origin), node_named(neighbor)),
        links=(),
        rank=1,
        width_va=1_000,
        not_after_utc_s=START_UTC_S + 3_600,
        entries=(),
    )


def test_attestations_are_shared_out() -> None:
    """Of eight, one neighbour has four and the other two; an own link needs a free place only."""
    evidence = Evidence(config_of("here", WIRES, limits=Limits(attestations=8)), own_key("here"))
    for number in range(4):
        evidence.learn_attestation(attest(Wire("far", f"left {number}")), NOW, LEFT)
    for number in range(2):
        evidence.learn_attestation(attest(Wire("far", f"right {number}")), NOW, RIGHT)
    for teller in (LEFT, RIGHT):
        with pytest.raises(PeerError, match="LIMIT_REACHED"):
            evidence.learn_attestation(attest(Wire("far", "more")), NOW, teller)
    for wire in WIRES:
        evidence.learn_attestation(attest(wire), NOW)
    with pytest.raises(PeerError, match="LIMIT_REACHED"):
        evidence.learn_attestation(attest(Wire("here", "third")), NOW)


def test_origins_are_shared_out() -> None:
    """Of eight origins one neighbour has four and the other two; another path to a known one is taken."""
    rib = LocRib(config_of("here", WIRES, limits=Limits(origins=8)))
    for number in range(4):
        rib.add(path(f"left {number}", "left"))
    for number in range(2):
        rib.add(path(f"right {number}", "right"))
    for neighbor in ("left", "right"):
        with pytest.raises(PeerError, match="LIMIT_REACHED"):
            rib.add(path("more", neighbor))
    rib.add(path("left 0", "right"))
    rib.remove(path("right 0", "right"))
    rib.add(path("more", "right"))
    assert len(rib.targets()) == 6
