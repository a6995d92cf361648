"""Lines of neighbours before the router: fair, bounded, and waiting when a budget says so."""

from __future__ import annotations

import asyncio

import pytest

from ioe_router.adapters.inbox import LINE_BYTES, LINE_FRAMES, TURN_BYTES, TURN_FRAMES, Inbox
from ioe_router.core.inputs import DeadlineReached, FrameReceived, Input, SessionDown, SessionUp
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import NodeId

A, B, C = (NodeId(bytes([n]) * 32) for n in range(3))


def frames(neighbor: NodeId, count: int, size: int = 1) -> list[FrameReceived]:
    """Frames of one neighbour, told apart by their last two bytes."""
    return [FrameReceived(neighbor=neighbor, frame=bytes(size) + n.to_bytes(2)) for n in range(count)]


def senders(batch: list[Input]) -> list[NodeId]:
    """Whose frames are in a batch."""
    return [one.neighbor for one in batch if isinstance(one, FrameReceived)]


def test_a_flood_of_one_neighbour_leaves_the_others_their_turn() -> None:
    """However much one has sent, each turn has the frames of the others and a bounded number of its own."""
    inbox = Inbox(lambda _neighbor: 0)
    for one in frames(A, 1_000):
        inbox.put(one)
    inbox.put(frames(B, 1)[0])
    inbox.put(DeadlineReached())
    batch = inbox.take(0)
    assert batch[0] == DeadlineReached()
    assert senders(batch).count(A) == TURN_FRAMES
    assert senders(batch).count(B) == 1
    for one in frames(B, 2):
        inbox.put(one)
    assert senders(inbox.take(0)) == [A] * TURN_FRAMES + [B] * 2
    inbox.put(frames(B, 1)[0])
    inbox.put(frames(C, 1)[0])
    assert senders(inbox.take(0)) == [A] * TURN_FRAMES + [B, C]


def test_frames_of_one_neighbour_stay_in_order() -> None:
    """Turns cut a line into pieces and never change its order, sessions included."""
    inbox = Inbox(lambda _neighbor: 0)
    said: list[Input] = [
        SessionUp(neighbor=A, dialer=True),
        *frames(A, 40),
        SessionDown(neighbor=A, code=ErrorCode.NEIGHBOR_LOST, reason="gone"),
        SessionUp(neighbor=A, dialer=False),
        *frames(A, 3),
    ]
    for one in said:
        inbox.put(one)
    taken: list[Input] = []
    while inbox.has_work(0):
        taken.extend(inbox.take(0))
    assert taken == said
    assert inbox.take(0) == []


def test_large_frames_are_fewer_in_a_turn() -> None:
    """A turn ends with the frame that reaches its bytes; a frame that is larger passes alone."""
    inbox = Inbox(lambda _neighbor: 0)
    for one in frames(A, 6, TURN_BYTES // 2):
        inbox.put(one)
    assert [len(inbox.take(0)) for _ in range(3)] == [2, 2, 2]
    inbox.put(frames(A, 1, 8 * TURN_BYTES)[0])
    inbox.put(frames(A, 1)[0])
    assert [len(inbox.take(0)) for _ in range(2)] == [1, 1]


def test_who_has_used_up_a_budget_waits_and_nobody_else() -> None:
    """Frames of a neighbour that has to wait stay in its line until its instant; a lost session need not."""
    ready = {A: 500, B: 0}
    inbox = Inbox(ready.__getitem__)
    inbox.put(SessionDown(neighbor=A, code=ErrorCode.NEIGHBOR_LOST, reason="gone"))
    inbox.put(frames(A, 1)[0])
    inbox.put(frames(B, 1)[0])
    batch = inbox.take(499)
    assert isinstance(batch[0], SessionDown)
    assert senders(batch) == [B]
    assert not inbox.has_work(499)
    assert inbox.take(499) == []
    assert inbox.next_ready_ns(499) == 500
    assert senders(inbox.take(500)) == [A]
    assert inbox.next_ready_ns(500) is None


@pytest.mark.asyncio
@pytest.mark.parametrize(("count", "size"), [(LINE_FRAMES, 1), (1, LINE_BYTES)])
async def test_a_full_line_holds_its_own_reader_back_alone(count: int, size: int) -> None:
    """`room` waits for the line of its neighbour, in frames and in bytes, until a turn has made some."""
    inbox = Inbox(lambda _neighbor: 0)
    for one in frames(A, count, size):
        inbox.put(one)
    reader = asyncio.create_task(inbox.room(A))
    await inbox.room(B)
    await asyncio.sleep(0)
    assert not reader.done()
    inbox.take(0)
    await reader
