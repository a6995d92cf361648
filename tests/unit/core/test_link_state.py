"""When a keeper says how loaded its link is: by steps, not at every edge (SPEC section 7.10)."""

from __future__ import annotations

import pytest

from ioe_router.core.link_state import LinkLoad, has_moved
from ioe_router.model.routing import Flow
from tests.unit.core.routing_rig import SLOT_S, Wire, attest

STEPS = 16
LINK = attest(Wire("a", "b", rating_va=16_000)).body
STEP_J = 16_000 * SLOT_S // STEPS
RATED_J = STEPS * STEP_J


def load(net_j: int, *, used_j: int | None = None) -> LinkLoad:
    """A link that carries `net_j` (positive down); `used_j` of the downward direction is taken."""
    flow = Flow.UNSPECIFIED if net_j == 0 else Flow.DOWN if net_j > 0 else Flow.UP
    taken_j = max(0, net_j) if used_j is None else used_j
    return LinkLoad(
        net_flow=flow,
        net_energy_j=abs(net_j),
        residual_down_j=RATED_J - taken_j,
        residual_up_j=RATED_J - max(0, -net_j),
    )


@pytest.mark.parametrize(
    ("before", "after", "moved"),
    [
        (load(STEP_J - 1), load(STEP_J + 1), False),  # over an edge, by next to nothing
        (load(0), load(STEP_J - 1), False),
        (load(0), load(STEP_J), True),
        (load(-STEP_J // 2), load(STEP_J // 2), True),  # the sense has turned
        (load(2 * STEP_J), load(STEP_J), True),
        (load(0, used_j=0), load(0, used_j=STEP_J), True),  # counterflow: nothing flows, but room is gone
        (load(0, used_j=RATED_J - STEP_J), load(0, used_j=RATED_J - STEP_J + 1), True),  # as good as full
        (load(0, used_j=RATED_J - STEP_J + 1), load(0, used_j=RATED_J - STEP_J), True),  # free again
        (load(0, used_j=RATED_J - 10), load(0, used_j=RATED_J), False),
    ],
)
def test_a_figure_has_moved_by_a_step_or_to_an_end(before: LinkLoad, after: LinkLoad, moved: bool) -> None:
    """Small swings are kept quiet; a whole step, a turn, and getting full or free are told."""
    assert has_moved(before, after, LINK, STEPS, SLOT_S) is moved
