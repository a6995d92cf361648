"""A batch of which the origin refuses a part leaves nothing of that part behind."""

from __future__ import annotations

import pytest

from ioe_router.model.errors import ErrorCode
from tests.simulation.objects import Puppet
from tests.simulation.pair import KWH_J, Cable, build


def test_a_refused_packet_of_a_granted_batch_is_in_no_ledger() -> None:
    """The origin has energy for one packet of two: the other one leaves its ledger with the GRANT."""
    sim = build(Cable("a", "c", r_micro_ohm=0))
    sim.offer("a", 100_000, KWH_J)
    sim.at(556)
    puppet = Puppet(sim, "c", "a", "a", (KWH_J, KWH_J), changes={"band": 4}).ask()
    assert [item.reason for item in puppet.granted()] == [ErrorCode.UNSPECIFIED, ErrorCode.NO_ENERGY]
    assert sim.used_j("a", "c") == KWH_J


@pytest.mark.parametrize("keeper", ["a", "b"])
def test_both_ends_agree_on_a_batch_that_was_granted_in_part(keeper: str) -> None:
    """Whoever keeps the origin's link, after COMMIT its ends have the same lines."""
    far = "b" if keeper == "a" else "a"
    sim = build(Cable(keeper, far, r_micro_ohm=0), Cable("b", "c", r_micro_ohm=0))
    sim.offer("a", 100_000, KWH_J)
    sim.at(556)
    puppet = Puppet(sim, "c", "b", "a", (KWH_J, KWH_J), changes={"band": 4}).ask()
    puppet.commit()
    assert sim.used_j("a", "b") == sim.used_j("b", "a") == sim.used_j("b", "c") == KWH_J
    sim.check()
