"""Blocking work that nobody has to wait for when the process ends.

`asyncio.to_thread` takes threads of a pool that both the event loop and the
interpreter join at their end.  A look-up of a name that no name server answers
blocks for half a minute, and a node that is told to stop would be killed before
it is over.  Work given to `in_loose_thread` is left behind instead; it must
therefore be of no consequence, such as finding out why a dial has failed.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_loose_thread(work: Callable[[], T]) -> T:
    """What `work` returns or raises. Cancelling gives up waiting for it; the thread goes on by itself."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def tell(value: T | None, error: BaseException | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(value)  # type: ignore[arg-type]  # without an error it is what work returned

    def run() -> None:
        value, error = None, None
        try:
            value = work()
        except Exception as caught:
            error = caught
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is interested any more
            loop.call_soon_threadsafe(tell, value, error)

    threading.Thread(target=run, name="loose", daemon=True).start()
    return await answer
