"""Asks every node in turn and remembers its last answer.

A node that does not answer keeps its last snapshot, with the time of it and
the sentence that says why nothing newer came; pages show both.  Nothing that
a node does, or fails to do, reaches a page as an error.

At most `PER_SECOND` nodes are asked in a second, so that a large network is
asked less often instead of filling a processor.  `generation` rises whenever a
page may have changed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Generic, Protocol, TypeVar

from ioe_router.lg.snapshot import Offer, Route, Snapshot
from ioe_router.model.errors import UsageError

PER_SECOND: Final = 25

T = TypeVar("T")


class Unreachable(UsageError):
    """A node has not answered; the text says why, for a page."""


class Teller(Protocol):
    """One node that can be asked."""

    async def snapshot(self) -> Snapshot:
        """What the node says of itself now. Unreachable when it says nothing."""
        ...

    async def offers(self) -> tuple[Offer, ...]:
        """All offers that the node knows. Unreachable when it says nothing."""
        ...

    async def routes(self) -> tuple[Route, ...]:
        """The routes that the node knows, refused ones included, `ROWS_MAX` at most. Unreachable as above."""
        ...

    async def close(self) -> None:
        """Let the connection go."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A node of the configuration and what is known of it."""

    name: str
    slug: str
    key_sha256: str | None = None
    snapshot: Snapshot | None = None
    contact_utc_s: int | None = None  # of the last answer
    trouble: str = ""  # why the last question was not answered; empty when it was

    @property
    def answers(self) -> bool:
        """Whether the last question was answered."""
        return self.snapshot is not None and not self.trouble

    @property
    def asked(self) -> bool:
        """Whether it has been asked at all."""
        return self.snapshot is not None or bool(self.trouble)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What all pages are made from."""

    nodes: tuple[Watched, ...]
    now_utc_s: int
    generation: int


@dataclass(slots=True)
class _Seat:
    view: Watched
    source: Teller


class Fresh(Generic[T]):
    """A large table, fetched when a page wants it: by one page at a time, and not again before `life_s`.

    So readers of pages, however many, put no more work on a node than one of them.
    """

    def __init__(self, fetch: Callable[[], Awaitable[tuple[T, ...]]], life_s: float) -> None:
        """Nothing is fetched yet."""
        self._fetch = fetch
        self._life_s = life_s
        self._lock = asyncio.Lock()
        self._until_s = 0.0
        self._found: tuple[T, ...] | Unreachable = ()

    async def get(self) -> tuple[T, ...]:
        """The table. Unreachable when the node says nothing; that, too, is remembered for `life_s`."""
        loop = asyncio.get_running_loop()
        async with self._lock:
            if loop.time() >= self._until_s:
                try:
                    self._found = await self._fetch()
                except Unreachable as error:
                    self._found = error
                self._until_s = loop.time() + self._life_s
        if isinstance(self._found, Unreachable):
            raise Unreachable(str(self._found))
        return self._found


class _Tables:
    def __init__(self, source: Teller, life_s: float) -> None:
        self.offers = Fresh(source.offers, life_s)
        self.routes = Fresh(source.routes, life_s)


class Watch:
    """The loop that asks, and the last answers."""

    def __init__(
        self,
        nodes: Sequence[tuple[Watched, Teller]],
        poll_s: float,
        utc_s: Callable[[], int] = lambda: int(time.time()),
    ) -> None:
        """`poll_s`: how often a node is asked where there are few."""
        self._seats = [_Seat(view, source) for view, source in nodes]
        self.poll_s = max(poll_s, len(self._seats) / PER_SECOND)
        self._utc_s = utc_s
        self._tables = {view.slug: _Tables(source, poll_s) for view, source in nodes}
        self._generation = 0
        self._tasks: list[asyncio.Task[None]] = []

    def state(self) -> State:
        """The last answers."""
        return State(
            nodes=tuple(seat.view for seat in self._seats),
            now_utc_s=self._utc_s(),
            generation=self._generation,
        )

    def start(self) -> None:
        """Begin to ask, one after the other."""
        for place, seat in enumerate(self._seats):
            self._tasks.append(asyncio.create_task(self._follow(seat, place / PER_SECOND)))

    async def stop(self) -> None:
        """Stop asking and close all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(seat.source.close() for seat in self._seats), return_exceptions=True)

    def node(self, slug: str) -> Watched | None:
        """A node of the configuration."""
        return next((seat.view for seat in self._seats if seat.view.slug == slug), None)

    async def offers(self, slug: str) -> tuple[Offer, ...]:
        """All offers as a node knows them, at most `poll_s` old. Unreachable when it says nothing."""
        return await self._tables[slug].offers.get()

    async def routes(self, slug: str) -> tuple[Route, ...]:
        """All routes as a node knows them, at most `poll_s` old. Unreachable when it says nothing."""
        return await self._tables[slug].routes.get()

    async def ask_all(self) -> None:
        """Ask every node once."""
        await asyncio.gather(*(self._ask(seat) for seat in self._seats))

    async def _follow(self, seat: _Seat, first_s: float) -> None:
        await asyncio.sleep(first_s)
        loop = asyncio.get_running_loop()
        while True:
            began_s = loop.time()
            await self._ask(seat)
            await asyncio.sleep(max(0.2, self.poll_s - (loop.time() - began_s)))

    async def _ask(self, seat: _Seat) -> None:
        view = seat.view
        try:
            snapshot = await seat.source.snapshot()
        except Unreachable as error:
            fresh = replace(view, trouble=str(error))
        else:
            fresh = replace(view, snapshot=snapshot, contact_utc_s=self._utc_s(), trouble="")
        if fresh != view:
            self._generation += 1
        seat.view = fresh
