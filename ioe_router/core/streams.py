"""Which of two streams between the same neighbours stands (SPEC section 5.3).

One stream stands per pair, and both ends have to come to the same answer
without asking each other.  So the answer depends only on the two node ids, on what
stands at this end, and on whether its own dial is out:

- what stands is given up by its own end or its liveness, never because another appears:
  a copy of a node's keys cannot push the node out;
- of two dials that cross, that of the lower node id is taken: the lower end refuses the
  other's, the higher end takes it and drops its own.
"""

from __future__ import annotations

from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import NodeId


def refusal(me: NodeId, neighbor: NodeId, *, stands: bool, dial_is_out: bool) -> ErrorCode | None:
    """Why a stream that the neighbour opens is refused; None when it is taken and an own dial dropped.

    `stands`: a stream with the neighbour stands here.  `dial_is_out`: our own
    request may have reached it and is not answered yet.
    """
    if stands:
        return ErrorCode.DUPLICATE_IDENTITY
    if dial_is_out and me < neighbor:
        return ErrorCode.CONFLICT
    return None
