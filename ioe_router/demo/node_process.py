"""One node in a process of its own: `python -m ioe_router.demo.node_process`, driven over stdin and stdout.

It makes its own keys, which never leave it, and keeps a scenario clock of its
own that moves when the demo says so.  It ends when its stdin ends, so that it
cannot outlive the demo.
"""

from __future__ import annotations

import os

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import asyncio
import sys
from typing import Any, Final

import msgspec

from ioe_router.adapters.clock import ScenarioClock
from ioe_router.adapters.runner import OwnPace
from ioe_router.community.layout import epoch_start_utc_s
from ioe_router.community.scenarios import read_scenario
from ioe_router.demo.member import Member
from ioe_router.demo.seat import Assignment, Status
from ioe_router.demo.wire import LINE_BYTES_MAX, Call, MeterCall, decode_argument, encode_error, encode_result
from ioe_router.model.clock import MS_PER_S
from ioe_router.model.errors import IoeError
from ioe_router.scenario import ScenarioError

_TICK_S: Final = 0.25


class Pulse(OwnPace):
    """The pace of a node that is waited for."""

    def __init__(self) -> None:
        """Nothing has happened yet."""
        self.resting = asyncio.Event()

    def rest(self) -> None:
        """Wake whoever waits."""
        self.resting.set()


class NodeProcess:
    """Answers the demo's calls with one member."""

    def __init__(self) -> None:
        """No member yet: `introduce` says which."""
        self._member: Member | None = None
        self._clock: ScenarioClock | None = None
        self._pace = Pulse()
        self._watch: asyncio.Task[None] | None = None

    async def answer(self, line: bytes) -> bytes:
        """One line in, one line out; a mistake of the caller or of the world is a sentence."""
        try:
            call = msgspec.json.decode(line, type=Call)
            return encode_result(await self._do(call.call, decode_argument(call)))
        except ScenarioError as error:
            return encode_error("; ".join(map(str, error.findings)))
        except (IoeError, msgspec.DecodeError) as error:
            return encode_error(str(error))

    async def _do(self, name: str, argument: Any) -> object:  # noqa: ANN401 - typed by wire.CALLS
        if isinstance(argument, Assignment):
            return await self._introduce(argument)
        if self._member is None or self._clock is None:
            return None
        match name:
            case "advance":
                self._clock.advance(argument)
                return None
            case "rest":
                return await self._rest(self._member)
            case "meter":
                meter: MeterCall = argument
                await self._member.meter(meter.slot, meter.readings)
                return None
            case "status" | "harvest" | "expense" | "stop":
                return await getattr(self._member, name)()
            case _:
                return await getattr(self._member, name)(argument)

    async def _introduce(self, assignment: Assignment) -> object:
        scenario = read_scenario(assignment.scenario)
        self._clock = ScenarioClock(epoch_start_utc_s(scenario, scenario.days[assignment.day]) * MS_PER_S)
        self._member = Member(scenario, assignment, self._clock, self._pace)
        return await self._member.introduce(assignment)

    async def _rest(self, member: Member) -> Status:
        """The status once the node is idle."""
        if self._watch is None:
            self._watch = asyncio.create_task(member.node.wait())
        while not member.node.idle:
            if self._watch.done():
                self._watch.result()  # raises what has gone wrong inside the node
            self._pace.resting.clear()
            ticker = asyncio.get_running_loop().call_later(_TICK_S, self._pace.resting.set)
            await self._pace.resting.wait()
            ticker.cancel()
        return await member.status()


async def serve() -> None:
    """Answer until stdin ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=LINE_BYTES_MAX)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    process, out = NodeProcess(), sys.stdout.buffer
    while line := await reader.readline():
        out.write(await process.answer(line))
        out.flush()


def main() -> None:
    """Run until the demo closes the channel."""
    asyncio.run(serve())
    sys.stdout.flush()
    os._exit(0)  # gRPC threads may still be parting; nothing is left to be written


if __name__ == "__main__":
    main()
