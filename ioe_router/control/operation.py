"""The methods of the operation service: configuration, draining, stopping, what another policy would do.

What is asked is done by the daemon (`Operator`); here it is put into messages, and what it
refuses into statuses.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import grpc

from ioe_router.control._pb import operation_pb2 as pb
from ioe_router.control._pb.operation_pb2_grpc import OperationServiceServicer
from ioe_router.core.draining import Remaining
from ioe_router.core.what_if import PolicyEffect
from ioe_router.model.bech32m import node_text
from ioe_router.model.errors import UsageError

T = TypeVar("T")
Context = grpc.aio.ServicerContext[Any, Any]
Enter = Callable[[Context, bool], Awaitable[None]]  # refuses a caller who may not


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """One option that is not the same; None: not stated."""

    option: str
    before: str | None
    after: str | None
    live: bool


class Operator(Protocol):
    """The daemon, as far as its operator works with it. Everything may raise UsageError: refused, and why."""

    def differences(self) -> tuple[Changed, ...]:
        """What is different in the file."""
        ...

    def confirm_within_s(self) -> int:
        """Seconds until what was applied is taken back; 0 when nothing waits."""
        ...

    def apply(self, *, soft: bool, confirm_within_s: int) -> tuple[tuple[Changed, ...], tuple[Changed, ...]]:
        """Take the file up: what is in force now, and what waits for a restart."""
        ...

    def confirm(self) -> bool:
        """What was applied stays; False when nothing waited."""
        ...

    def undo(self) -> tuple[Changed, ...]:
        """Go back to what was in force before the last apply."""
        ...

    def what_if(self, text: str, name: str) -> tuple[PolicyEffect, ...]:
        """What another policy would do."""
        ...

    def drain(self, *, draining: bool, release: bool) -> tuple[Remaining, ...]:
        """Take on nothing new, or do again; what is not over."""
        ...

    def stop(self) -> None:
        """End the daemon for good."""
        ...


class OperationService(OperationServiceServicer):
    """One node, operated at one door."""

    def __init__(self, operator: Operator, enter: Enter) -> None:
        self._operator = operator
        self._enter = enter

    async def GetDifferences(
        self, request: pb.GetDifferencesRequest, context: Context
    ) -> pb.GetDifferencesResponse:
        del request
        await self._enter(context, False)
        found = await _or_refuse(context, self._operator.differences)
        return pb.GetDifferencesResponse(
            differences=map(_difference, found), confirm_within_s=self._operator.confirm_within_s()
        )

    async def ApplyConfiguration(
        self, request: pb.ApplyConfigurationRequest, context: Context
    ) -> pb.ApplyConfigurationResponse:
        await self._enter(context, True)
        applied, waiting = await _or_refuse(
            context,
            lambda: self._operator.apply(soft=request.soft, confirm_within_s=request.confirm_within_s),
        )
        return pb.ApplyConfigurationResponse(
            applied=map(_difference, applied), waiting=map(_difference, waiting)
        )

    async def ConfirmConfiguration(
        self, request: pb.ConfirmConfigurationRequest, context: Context
    ) -> pb.ConfirmConfigurationResponse:
        del request
        await self._enter(context, True)
        return pb.ConfirmConfigurationResponse(waited=self._operator.confirm())

    async def UndoConfiguration(
        self, request: pb.UndoConfigurationRequest, context: Context
    ) -> pb.UndoConfigurationResponse:
        del request
        await self._enter(context, True)
        applied = await _or_refuse(context, self._operator.undo)
        return pb.UndoConfigurationResponse(applied=map(_difference, applied))

    async def ExplainWhatIf(
        self, request: pb.ExplainWhatIfRequest, context: Context
    ) -> pb.ExplainWhatIfResponse:
        await self._enter(context, False)
        effects = await _or_refuse(context, lambda: self._operator.what_if(request.text, request.name))
        return pb.ExplainWhatIfResponse(effects=map(_effect, effects))

    async def Drain(self, request: pb.DrainRequest, context: Context) -> pb.DrainResponse:
        await self._enter(context, True)
        left = await _or_refuse(
            context, lambda: self._operator.drain(draining=request.draining, release=request.release)
        )
        return pb.DrainResponse(draining=request.draining, remaining=map(_remaining, left))

    async def Stop(self, request: pb.StopRequest, context: Context) -> pb.StopResponse:
        del request
        await self._enter(context, True)
        self._operator.stop()
        return pb.StopResponse()


async def _or_refuse(context: Context, work: Callable[[], T]) -> T:
    """Do it; what the daemon refuses becomes a status with its sentence."""
    try:
        return work()
    except UsageError as error:
        await context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))


def _difference(one: Changed) -> pb.Difference:
    return pb.Difference(option=one.option, before=one.before or "", after=one.after or "", live=one.live)


def _effect(one: PolicyEffect) -> pb.PolicyEffect:
    return pb.PolicyEffect(
        way=one.way,
        neighbor=node_text(one.neighbor),
        origin=node_text(one.origin),
        direction=one.direction.name.lower(),
        offer_no=one.offer_no or 0,
        before=one.before,
        after=one.after,
    )


def _remaining(one: Remaining) -> pb.RemainingReservation:
    return pb.RemainingReservation(
        reservation=one.reservation.hex(),
        part=one.part.value,
        initiator=node_text(one.initiator),
        origin=node_text(one.origin),
        ends_utc_s=one.ends_utc_s,
        energy_j=one.energy_j,
    )
