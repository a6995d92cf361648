"""What the control service is given: one running node, and what is written down about it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import grpc

from ioe_router.adapters.node import Node
from ioe_router.control.operation import Operator
from ioe_router.control.witness import Witness
from ioe_router.core.events import Event
from ioe_router.core.parts import Parts
from ioe_router.model.clock import Now
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import NodeId


class Refused(Exception):
    """A request that is not served: a status and one sentence."""

    def __init__(self, status: grpc.StatusCode, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


class InspectedRouter(Protocol):
    """The router, as far as a read-out has to know it."""

    counts: Counter[str]
    faults: Counter[tuple[NodeId, ErrorCode]]

    def inspect(self) -> Parts:
        """The live tables."""
        ...


class LogLevel(Protocol):
    """Who writes the log."""

    @property
    def level(self) -> str:
        """debug, info, warning or error."""
        ...

    @level.setter
    def level(self, level: str) -> None:
        """Change it until the daemon ends."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What does not change while the daemon runs."""

    version: str  # of the software
    config: str
    started_utc_s: int
    protocol_version: int
    pid: int
    names: Mapping[NodeId, str] = field(default_factory=dict)  # as the configuration calls neighbours
    addresses: Mapping[NodeId, str] = field(default_factory=dict)  # host:port


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A running node, as the control service sees it."""

    router: InspectedRouter
    node: Node
    now: Callable[[], Now]
    facts: Callable[[], Facts]
    log: LogLevel
    witness: Witness
    describe: Callable[[Event], Mapping[str, object]]  # the fields of an event as the log has them
    operator: Operator | None = None  # who does what changes the daemon; None: nobody does

    @property
    def parts(self) -> Parts:
        """The live tables."""
        return self.router.inspect()

    async def rest(self) -> None:
        """Return once nothing is being made durable, so that what is shown cannot be undone by a crash."""
        await self.node.at_rest()

    async def pause(self, seconds: float) -> None:
        """Let the node go on with its work."""
        await asyncio.sleep(seconds)
