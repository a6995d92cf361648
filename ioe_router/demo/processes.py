"""Nodes in processes of their own, and what happens when one of them dies.

Each process is started anew with the same interpreter (never forked from one
that uses gRPC) and driven over its stdin and stdout.  The clocks move together.
A process that is gone is left out of everything from then on: nobody waits for
it, and frames between it and the living count for nothing.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec

from ioe_router.adapters.attestation import AttestationFile
from ioe_router.community.reports import GateReport, PortReading
from ioe_router.demo.seat import (
    Assignment,
    Expense,
    Harvest,
    Introduction,
    Neighborhood,
    Seat,
    SeatLost,
    Status,
)
from ioe_router.demo.wire import LINE_BYTES_MAX, Answer, MeterCall, decode_result, encode_call
from ioe_router.model.clock import NS_PER_MS
from ioe_router.model.discovery import LinkAttestation
from ioe_router.model.errors import UsageError

T = TypeVar("T")
_PARTING_S: Final = 5.0
_PAUSE_S: Final = 0.002


class RemoteSeat:
    """A seat at the other end of a pipe."""

    def __init__(self, bus: str, process: asyncio.subprocess.Process) -> None:
        """`process` has just been started."""
        self.bus = bus
        self.process = process
        self._turn = asyncio.Lock()

    async def _call(self, name: str, argument: object, result: type[T]) -> T:
        """One call. SeatLost when the process is gone; UsageError is what the node said."""
        async with self._turn:
            stdin, stdout = self.process.stdin, self.process.stdout
            if stdin is None or stdout is None:
                raise SeatLost(self.bus)
            try:
                stdin.write(encode_call(name, argument))
                await stdin.drain()
                line = await stdout.readline()
            except (ConnectionError, ValueError) as error:
                raise SeatLost(self.bus) from error
        if not line.endswith(b"\n"):
            raise SeatLost(self.bus)
        answer = msgspec.json.decode(line, type=Answer)
        if answer.error is not None:
            raise UsageError(answer.error)
        return decode_result(answer, result)

    async def introduce(self, assignment: Assignment) -> Introduction:
        """Make the node's keys, over there."""
        return await self._call("introduce", assignment, Introduction)

    async def attest(self, body: LinkAttestation) -> AttestationFile:
        """State a link as its keeper."""
        return await self._call("attest", body, AttestationFile)

    async def countersign(self, file: AttestationFile) -> AttestationFile:
        """Sign what the keeper has stated."""
        return await self._call("countersign", file, AttestationFile)

    async def open(self, neighborhood: Neighborhood) -> int:
        """Start the router and listen."""
        return await self._call("open", neighborhood, int)

    async def dial(self, addresses: dict[str, str]) -> None:
        """Connect to these neighbours."""
        await self._call("dial", addresses, type(None))

    async def status(self) -> Status:
        """How the node stands at this moment."""
        return await self._call("status", None, Status)

    async def rest(self) -> Status:
        """How the node stands once it is idle."""
        return await self._call("rest", None, Status)

    async def advance(self, to_ms: int) -> None:
        """Move the node's clock."""
        await self._call("advance", to_ms, type(None))

    async def gate(self, slot: int) -> GateReport | None:
        """The final gate of a slot."""
        return await self._call("gate", slot, GateReport | None)  # type: ignore[arg-type]

    async def meter(self, slot: int, readings: tuple[PortReading, ...]) -> None:
        """Hand over meter readings."""
        await self._call("meter", MeterCall(slot=slot, readings=readings), type(None))

    async def harvest(self) -> Harvest:
        """What has happened since the last call."""
        return await self._call("harvest", None, Harvest)

    async def expense(self) -> Expense:
        """What the process has used."""
        return await self._call("expense", None, Expense)

    async def stop(self) -> None:
        """Part in good order and end the process."""
        try:
            async with asyncio.timeout(_PARTING_S):
                await self._call("stop", None, type(None))
                if self.process.stdin is not None:
                    self.process.stdin.close()
                await self.process.wait()
        except (SeatLost, UsageError, TimeoutError):
            self.kill()
            await self.process.wait()

    def kill(self) -> None:
        """SIGKILL: no word to anybody."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)


class ProcessFleet:
    """One process for each node."""

    def __init__(self) -> None:
        """No process yet."""
        self._seats: dict[str, RemoteSeat] = {}
        self._now_ms = 0
        self._deadline_ns: int | None = None
        self._past = Expense(cpu_s=0.0, peak_rss_bytes=0)  # of processes that are gone

    @property
    def seats(self) -> Mapping[str, Seat]:
        """Those whose process is not known to be gone."""
        return self._seats

    async def begin(self, assignments: tuple[Assignment, ...], start_utc_ms: int) -> dict[str, Introduction]:
        """Start the processes side by side."""
        self._now_ms = start_utc_ms
        for one in assignments:
            self._seats[one.bus] = RemoteSeat(one.bus, await _spawn())
        met = await asyncio.gather(*(self._seats[one.bus].introduce(one) for one in assignments))
        return {introduction.bus: introduction for introduction in met}

    async def settle(self) -> None:
        """Ask until two rounds in a row find everybody idle with the same, matching totals."""
        before: list[Status] | None = None
        while True:
            now = await self._round()
            if _matched(now):
                if before is not None and _totals(before) == _totals(now):
                    self._deadline_ns = min(
                        (s.next_deadline_ns for s in now.values() if s.next_deadline_ns is not None),
                        default=None,
                    )
                    return
                before = list(now.values())
            else:
                before = None
                await asyncio.sleep(_PAUSE_S)

    async def _round(self) -> dict[str, Status]:
        """Everybody's status; whoever does not answer is gone."""
        seats = list(self._seats.values())
        answers = await asyncio.gather(*(seat.rest() for seat in seats), return_exceptions=True)
        found: dict[str, Status] = {}
        for seat, answer in zip(seats, answers, strict=True):
            if isinstance(answer, SeatLost):
                self._seats.pop(seat.bus, None)
            elif isinstance(answer, BaseException):
                raise answer
            else:
                found[seat.bus] = answer
        return found

    def now_ms(self) -> int:
        """Scenario time."""
        return self._now_ms

    def next_deadline_ms(self) -> int | None:
        """As the last `settle` found it."""
        return None if self._deadline_ns is None else -(-self._deadline_ns // NS_PER_MS)

    async def advance(self, to_ms: int) -> None:
        """Move every clock."""
        self._now_ms = to_ms
        seats = list(self._seats.values())
        answers = await asyncio.gather(*(seat.advance(to_ms) for seat in seats), return_exceptions=True)
        for seat, answer in zip(seats, answers, strict=True):
            if isinstance(answer, SeatLost):
                self._seats.pop(seat.bus, None)
            elif isinstance(answer, BaseException):
                raise answer

    async def kill(self, bus: str) -> None:
        """SIGKILL to one process."""
        seat = self._seats.pop(bus)
        self._past = _together(self._past, await seat.expense())
        seat.kill()
        await seat.process.wait()

    async def expense(self) -> Expense:
        """Processor time of all processes, peak memory of the largest."""
        total = self._past
        for seat in self._seats.values():
            try:
                total = _together(total, await seat.expense())
            except SeatLost:
                continue
        return total

    async def end(self) -> None:
        """End every process, by itself if it can."""
        await asyncio.gather(*(seat.stop() for seat in self._seats.values()))
        self._seats.clear()


async def _spawn() -> asyncio.subprocess.Process:
    environment = {**os.environ, "GRPC_ENABLE_FORK_SUPPORT": "0", "GRPC_VERBOSITY": "NONE"}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "ioe_router.demo.node_process",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LINE_BYTES_MAX,
        env=environment,
    )


def _matched(found: Mapping[str, Status]) -> bool:
    """Whether between any two of the living as many frames have arrived as were sent."""
    return all(status.idle for status in found.values()) and all(
        found[far].received.get(bus) == count
        for bus, status in found.items()
        for far, count in status.sent.items()
        if far in found
    )


def _totals(statuses: list[Status] | Mapping[str, Status]) -> list[tuple[dict[str, int], dict[str, int]]]:
    values = statuses.values() if isinstance(statuses, Mapping) else statuses
    return [(status.sent, status.received) for status in values]


def _together(one: Expense, other: Expense) -> Expense:
    return Expense(
        cpu_s=one.cpu_s + other.cpu_s, peak_rss_bytes=max(one.peak_rss_bytes, other.peak_rss_bytes)
    )
