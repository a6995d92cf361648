"""Ping: how long a question to a neighbour's router takes, over the live session (core/echoes.py).

The time runs from the question's place in this node's queue to the answer's
event, so it is that of both routers and of what waits in front of them, not
that of the wire alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from itertools import count
from typing import Final

import grpc

from ioe_router.control import asking
from ioe_router.control._pb import control_pb2 as pb
from ioe_router.control.rendering import message_of, text_of
from ioe_router.control.served import Refused, Served
from ioe_router.control.witness import Watcher
from ioe_router.core.events import CommandRefused, NeighborAnswered
from ioe_router.core.inputs import AskNeighbor
from ioe_router.model.clock import MS_PER_S
from ioe_router.model.ids import NodeId
from ioe_router.readout.values import Reason, reason_of

COUNT_MAX: Final = 1_000
COUNT: Final = 3
INTERVAL_MS: Final = 1_000
INTERVAL_LEAST_MS: Final = 100
TIMEOUT_MS: Final = 5_000
_US_PER_S: Final = 1_000_000
_numbers: Final = count(1)  # of this process, so that two who ask do not take each other's answers


async def ping(served: Served, asked: pb.PingRequest) -> AsyncGenerator[pb.PingResponse, None]:
    """One answer for each question."""
    neighbor = asking.neighbor_named(served, asked.neighbor)
    if neighbor is None:
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "name a neighbour")
    times, pause_ms = asked.count or COUNT, asked.interval_ms or INTERVAL_MS
    if times > COUNT_MAX or pause_ms < INTERVAL_LEAST_MS:
        sentence = f"ask at most {COUNT_MAX} times, with {INTERVAL_LEAST_MS} ms or more between two"
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, sentence)
    for number in range(1, times + 1):
        answer = await _once(served, neighbor, (asked.timeout_ms or TIMEOUT_MS) / MS_PER_S)
        answer.number, answer.neighbor = number, text_of(neighbor)
        yield answer
        if number < times:
            await asyncio.sleep(pause_ms / MS_PER_S)


async def _once(served: Served, neighbor: NodeId, timeout_s: float) -> pb.PingResponse:
    number, watcher, loop = next(_numbers), served.witness.watch(), asyncio.get_running_loop()
    begun_s, answer = loop.time(), None
    try:
        served.node.submit(AskNeighbor(neighbor=neighbor, number=number))
        while answer is None and (left_s := begun_s + timeout_s - loop.time()) > 0:
            await watcher.wait(left_s)
            answer = _answer(watcher, number)
    finally:
        served.witness.leave(watcher)
    if answer is None:
        text = f"the neighbour's router did not answer within {timeout_s:g} s, though the session stands"
        return _without(Reason(code="timeout", text=text))
    if isinstance(answer, CommandRefused):
        return _without(reason_of(answer.code, answer.detail))
    round_trip_us = round((loop.time() - begun_s) * _US_PER_S)
    served.witness.round_trip_us[neighbor] = round_trip_us
    return pb.PingResponse(answered=True, round_trip_us=round_trip_us)


def _answer(watcher: Watcher, number: int) -> NeighborAnswered | CommandRefused | None:
    events, _ = watcher.take()
    for event, _ in events:
        match event:
            case NeighborAnswered() if event.number == number:
                return event
            case CommandRefused(command=AskNeighbor(number=refused)) if refused == number:
                return event
    return None


def _without(reason: Reason) -> pb.PingResponse:
    return pb.PingResponse(reason=message_of(reason, pb.Reason))
