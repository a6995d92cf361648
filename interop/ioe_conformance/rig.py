"""What the cases of a run share: the sessions that stand, the monitor, the pace of dialling.

A and B keep one session through all the cases that do not break it; C is the one that is
connected and cut. A target allows two new streams a second and twenty at once for a
certificate (SPEC.md 5.1), so dialling is paced here and no case can be refused for it.
"""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import dataclass, field
from random import Random
from typing import Final

from ioe_conformance.clock import Clock
from ioe_conformance.errors import Exit, KitError
from ioe_conformance.hook import Hook
from ioe_conformance.kitdir import NAMES, Kit
from ioe_conformance.monitor import Monitor
from ioe_conformance.pics import Pics
from ioe_conformance.session import METHOD, Session, now_ms
from ioe_conformance.timers import GRACE_MS
from ioe_conformance.trace import Trace
from ioe_router.adapters.certificates import Leaf
from ioe_router.model.discovery import Hello
from ioe_router.model.errors import ErrorCode

_OPENINGS_PER_S: Final = 1.8
_OPENINGS_BURST: Final = 16
_AGAIN: Final = frozenset({ErrorCode.DUPLICATE_IDENTITY, ErrorCode.CONFLICT})
_AGAIN_S: Final = 6.0


@dataclass(slots=True)
class _Pace:
    """A token bucket of one tester: for its streams, or for what it says that has to be refused."""

    tokens: float = float(_OPENINGS_BURST)
    per_s: float = _OPENINGS_PER_S
    most: float = float(_OPENINGS_BURST)
    at: float = field(default_factory=time.monotonic)

    async def wait(self) -> None:
        now = time.monotonic()
        self.tokens = min(self.most, self.tokens + (now - self.at) * self.per_s)
        self.at = now
        self.tokens -= 1
        if self.tokens < 0:
            await asyncio.sleep(-self.tokens / self.per_s)


class Rig:
    """The testers of one run."""

    def __init__(
        self, kit: Kit, pics: Pics, address: str, clock: Clock, *, seed: int, run_id: str, hook: Hook | None
    ) -> None:
        self.kit = kit
        self.pics = pics
        self.address = address
        self.clock = clock
        self.seed = seed
        self.run_id = run_id
        self.hook = hook
        self.epoch = clock.utc_s()  # of the nodes behind the testers, the same for all of a run
        self.monitor = Monitor()
        self.idle = Trace()  # between cases
        self.traces: dict[str, Trace] = {}
        self.answered_ms = now_ms()  # when the target last did anything
        self._standing: dict[str, Session] = {}
        self._pace = {name: _Pace() for name in NAMES}
        # A target may leave out Faults beyond 10 a second and 200 at once (SPEC.md 14.5).
        self.refusals = {name: _Pace(tokens=150.0, per_s=9.0, most=150.0) for name in NAMES}
        self._locks = {name: asyncio.Lock() for name in NAMES}
        self._nodes = self._lines = 0
        self.in_vain: dict[str, int] = {}  # dials in a row without a HELLO of the target
        self._failed: dict[str, str] = {}  # why a tester has no session, so that not every case waits for it

    def random(self, what: str) -> Random:
        """What a case may draw: the same in each run with this seed."""
        return Random(f"{self.seed} {what}")

    def line_number(self) -> int:
        """The number of the next line in B's ledger, above all of earlier runs."""
        self._lines += 1
        return self.epoch * 100_000 + self._lines

    def node_seed(self) -> bytes:
        """Something that no node of this or another run has been made from."""
        self._nodes += 1
        return f"{self.run_id} {self._nodes}".encode()

    # ------------------------------------------------------------------ sessions

    async def dial(
        self,
        name: str,
        *,
        leaf: Leaf | None = None,
        metadata: tuple[tuple[str, str], ...] = (),
        method: str = METHOD,
        again: bool = True,
    ) -> Session:
        """A new stream of a tester that has heard the target's HELLO, or has ended.

        An earlier stream of the tester may be on its way out; while the target says so, it is tried again.
        """
        deadline = time.monotonic() + _AGAIN_S
        while True:
            await self._pace[name].wait()
            session = self.stream(name, leaf)
            await session.open(metadata, method)
            greeted = await session.expect(Hello) is not None
            self.in_vain[name] = 0 if greeted else self.in_vain.get(name, 0) + 1
            if greeted or session.end is None:
                return session
            if not again or session.end.code not in _AGAIN or time.monotonic() > deadline:
                return session
            await session.close()
            await asyncio.sleep(0.1)

    def stream(self, name: str, leaf: Leaf | None = None) -> Session:
        """A stream of a tester that is not open yet."""
        return Session(
            self.kit.testers[name],
            self.kit,
            self.address,
            self.clock,
            trace=lambda: self.traces.get(name, self.idle),
            monitor=self.monitor,
            leaf=leaf,
        )

    def spent(self, name: str) -> None:
        """The tester has used up its budget of openings."""
        self._pace[name] = _Pace(tokens=-2.0)

    async def standing(self, name: str) -> Session:
        """The established session of a tester; it is made when there is none. LookupError says why not."""
        async with self._locks[name]:
            session = self._standing.get(name)
            if session is not None and session.end is None:
                return session
            if name in self._failed:
                raise LookupError(self._failed[name])
            session = await self.dial(name)
            if session.end is None and await session.establish():
                self._standing[name] = session
                return session
            end = await session.ended(GRACE_MS // 10)
            await session.close()
            self._failed[name] = f"tester {name.upper()} gets no session: {end or 'nothing comes'}"
            self.refuse_if_gone(end.status if end else "")
            raise LookupError(self._failed[name])

    async def leave(self, name: str) -> None:
        """End the standing session of a tester, if it has one."""
        async with self._locks[name]:
            session = self._standing.pop(name, None)
            if session is not None:
                await session.part()

    async def reconnected(self, name: str) -> Session:
        """A new standing session in the place of the one that stands. LookupError: there is none."""
        await self.leave(name)
        return await self.standing(name)

    async def close(self) -> None:
        """End all sessions."""
        for name in NAMES:
            await self.leave(name)

    @property
    def has_no_sessions(self) -> bool:
        """Whether A or B was not given a session."""
        return bool(self._failed)

    def forget_failures(self) -> None:
        """Try again to make sessions (a new round, or the target was started anew)."""
        self._failed.clear()
        self.in_vain.clear()

    # ------------------------------------------------------------------ is it there?

    def refuse_if_gone(self, status: str) -> None:
        """KitError (8) when nothing listens at the target's address any more."""
        if status == "UNAVAILABLE" and (why := cannot_connect(self.address)):
            raise KitError(
                Exit.GONE, f"the target went away during the run ({why}); look at its log, start it again"
            )


def cannot_connect(address: str, within_s: float = 3.0) -> str:
    """Why no TCP connection can be made; empty when one can."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), within_s):
            return ""
    except (OSError, ValueError) as error:
        return str(error)
