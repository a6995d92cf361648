"""Work on a loose thread: its answer comes, and nobody waits for it at the end."""

from __future__ import annotations

import asyncio
import threading

import pytest

from ioe_router.adapters.loose_thread import in_loose_thread


def test_answers_and_errors_come_back() -> None:
    """What the work returns is returned, what it raises is raised."""

    def fail() -> int:
        raise LookupError("no such name")

    assert asyncio.run(in_loose_thread(lambda: 7)) == 7
    with pytest.raises(LookupError, match="no such name"):
        asyncio.run(in_loose_thread(fail))


@pytest.mark.timeout(30)
def test_a_loop_ends_while_the_work_still_blocks() -> None:
    """An event loop ends though the work that it has begun has not: to_thread would wait here for ever."""
    begun, let_go = threading.Event(), threading.Event()

    def block() -> None:
        begun.set()
        let_go.wait()

    async def give_up() -> None:
        task = asyncio.ensure_future(in_loose_thread(block))
        while not begun.is_set():
            await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(give_up())
    assert not let_go.is_set()
    let_go.set()


def test_an_answer_after_the_end_is_dropped() -> None:
    """Work that ends after its event loop does harm to nobody."""
    let_go, ended = threading.Event(), threading.Event()

    def late() -> None:
        let_go.wait()
        ended.set()

    async def give_up() -> None:
        task = asyncio.ensure_future(in_loose_thread(late))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(give_up())
    let_go.set()
    assert ended.wait(10)
