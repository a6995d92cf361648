"""A zone that comes up from its root outwards: the nearer session stands before the farther one."""

from __future__ import annotations

import pytest

from ioe_router.core.events import PeerFault
from ioe_router.model.discovery import LinkKind
from tests.simulation.pair import SLOT, Cable, build

NAMES = ("root", "middle", "leaf")


@pytest.mark.parametrize("first", [0, 1])
def test_links_become_bookable_whichever_session_comes_first(first: int) -> None:
    """A link is reported once the certificates of both its ends are known, and then has an envelope."""
    cables = (Cable("root", "middle", LinkKind.RADIAL), Cable("middle", "leaf", LinkKind.RADIAL))
    sim = build(*cables, connect=False)
    for cable in (cables[first], cables[1 - first]):
        sim.wire.connect(sim.node(cable.keeper), sim.node(cable.other))
        sim.wait(30)
    assert not any(sim.events(name, PeerFault) for name in NAMES)
    for cable in cables:
        for here, there in ((cable.keeper, cable.other), (cable.other, cable.keeper)):
            port = sim.port(here, there)
            limits = sim.router(here)._parts.zone.limits(port.link, SLOT)
            assert limits is not None, f"{here} may book nothing on its link to {there}"
