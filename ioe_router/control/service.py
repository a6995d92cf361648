"""The methods of the control service (proto/ioe/control/v1): who may call what, and answers in pieces.

A table is looked at once, between two calls of the router, and sent in pieces,
the first of them small.  Between two pieces the node goes on with its work.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from itertools import islice
from typing import Any, Final, TypeVar

import grpc
from google.protobuf.message import Message

from ioe_router.control import explaining, listing, trading
from ioe_router.control._pb import control_pb2 as pb
from ioe_router.control._pb import control_pb2_grpc as pb_grpc
from ioe_router.control.monitoring import monitor
from ioe_router.control.probing import ping
from ioe_router.control.served import Refused, Served
from ioe_router.control.version import CONTROL_VERSION, OTHER_VERSION, VERSION_KEY

FIRST_PIECE: Final = 64  # what the command line measures the widths of its columns by
PIECE: Final = 256
_READ_ONLY: Final = "this access is read-only; use the operator's socket (control.socket) or certificate"

M = TypeVar("M", bound=Message)
Context = grpc.aio.ServicerContext[Any, Any]
Judge = Callable[[Context], pb.Access.ValueType]  # what a caller may do


class ControlService(pb_grpc.ControlServiceServicer):
    """One node, served at one door."""

    def __init__(self, served: Served, access: Judge) -> None:
        """`access`: what a caller at this door may do."""
        self._served = served
        self._access = access

    # ------------------------------------------------------------- reading

    async def GetStatus(self, request: pb.GetStatusRequest, context: Context) -> pb.GetStatusResponse:
        del request
        await self._enter(context)
        return listing.status(self._served, self._access(context))

    async def ListNeighbors(
        self, request: pb.ListNeighborsRequest, context: Context
    ) -> AsyncIterator[pb.ListNeighborsResponse]:
        async for at, rows in self._pieces(context, lambda: listing.neighbors(self._served, request)):
            yield pb.ListNeighborsResponse(at_utc_ms=at, neighbors=rows)

    async def ListLinks(
        self, request: pb.ListLinksRequest, context: Context
    ) -> AsyncIterator[pb.ListLinksResponse]:
        async for at, rows in self._pieces(context, lambda: listing.links(self._served, request)):
            yield pb.ListLinksResponse(at_utc_ms=at, links=rows)

    async def ListOffers(
        self, request: pb.ListOffersRequest, context: Context
    ) -> AsyncIterator[pb.ListOffersResponse]:
        async for at, rows in self._pieces(context, lambda: listing.offers(self._served, request)):
            yield pb.ListOffersResponse(at_utc_ms=at, offers=rows)

    async def ListRoutes(
        self, request: pb.ListRoutesRequest, context: Context
    ) -> AsyncIterator[pb.ListRoutesResponse]:
        async for at, rows in self._pieces(context, lambda: listing.routes(self._served, request)):
            yield pb.ListRoutesResponse(at_utc_ms=at, routes=rows)

    async def ListFib(
        self, request: pb.ListFibRequest, context: Context
    ) -> AsyncIterator[pb.ListFibResponse]:
        async for at, rows in self._pieces(context, lambda: listing.fib(self._served, request)):
            yield pb.ListFibResponse(at_utc_ms=at, entries=rows)

    async def ListReservations(
        self, request: pb.ListReservationsRequest, context: Context
    ) -> AsyncIterator[pb.ListReservationsResponse]:
        async for at, rows in self._pieces(context, lambda: listing.reservations(self._served, request)):
            yield pb.ListReservationsResponse(at_utc_ms=at, reservations=rows)

    async def ListObligations(
        self, request: pb.ListObligationsRequest, context: Context
    ) -> AsyncIterator[pb.ListObligationsResponse]:
        async for at, rows in self._pieces(context, lambda: listing.obligations(self._served, request)):
            yield pb.ListObligationsResponse(at_utc_ms=at, obligations=rows)

    async def ListLimits(
        self, request: pb.ListLimitsRequest, context: Context
    ) -> AsyncIterator[pb.ListLimitsResponse]:
        async for at, rows in self._pieces(context, lambda: listing.limits(self._served, request)):
            yield pb.ListLimitsResponse(at_utc_ms=at, limits=rows)

    async def ListRefusals(
        self, request: pb.ListRefusalsRequest, context: Context
    ) -> AsyncIterator[pb.ListRefusalsResponse]:
        async for at, rows in self._pieces(context, lambda: listing.refusals(self._served, request)):
            yield pb.ListRefusalsResponse(at_utc_ms=at, refusals=rows)

    async def ExplainRoute(
        self, request: pb.ExplainRouteRequest, context: Context
    ) -> pb.ExplainRouteResponse:
        return await self._answer(context, lambda: explaining.explain_route(self._served, request))

    async def ExplainPrice(
        self, request: pb.ExplainPriceRequest, context: Context
    ) -> pb.ExplainPriceResponse:
        return await self._answer(context, lambda: explaining.explain_price(self._served, request))

    async def Trace(self, request: pb.TraceRequest, context: Context) -> pb.TraceResponse:
        return await self._answer(context, lambda: explaining.trace_to(self._served, request))

    async def Ping(self, request: pb.PingRequest, context: Context) -> AsyncIterator[pb.PingResponse]:
        await self._enter(context)
        async for answer in self._guarded(context, ping(self._served, request)):
            yield answer

    async def Monitor(
        self, request: pb.MonitorRequest, context: Context
    ) -> AsyncIterator[pb.MonitorResponse]:
        await self._enter(context)
        async for answer in self._guarded(context, monitor(self._served, request)):
            yield answer

    # ------------------------------------------------------------- changing

    async def Reserve(
        self, request: pb.ReserveRequest, context: Context
    ) -> AsyncIterator[pb.ReserveResponse]:
        await self._enter(context, changes=True)
        async for answer in self._guarded(context, trading.reserve(self._served, request)):
            yield answer

    async def Release(self, request: pb.ReleaseRequest, context: Context) -> pb.ReleaseResponse:
        await self._enter(context, changes=True)
        try:
            return await trading.release(self._served, request)
        except Refused as no:
            await context.abort(no.status, no.sentence)

    async def SetLogLevel(self, request: pb.SetLogLevelRequest, context: Context) -> pb.SetLogLevelResponse:
        await self._enter(context, changes=bool(request.level))
        log, before = self._served.log, self._served.log.level
        if request.level:
            try:
                log.level = request.level
            except ValueError as error:
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        return pb.SetLogLevelResponse(before=before, level=log.level)

    # ------------------------------------------------------------- inside

    async def enter(self, context: Context, changes: bool) -> None:
        """As `_enter`, for another service at the same door."""
        await self._enter(context, changes=changes)

    async def _enter(self, context: Context, *, changes: bool = False) -> None:
        """Refuse a caller of another major version, and a viewer who wants to change something."""
        await context.send_initial_metadata(((VERSION_KEY, CONTROL_VERSION),))
        stated = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        theirs = stated.get(VERSION_KEY, CONTROL_VERSION)
        if theirs.partition(".")[0] != CONTROL_VERSION.partition(".")[0]:
            sentence = (
                f"{OTHER_VERSION} {CONTROL_VERSION} of the control service, the caller {theirs};"
                " use the command line that came with the daemon"
            )
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, sentence)
        if changes and self._access(context) != pb.ACCESS_OPERATOR:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, _READ_ONLY)
        await self._served.rest()

    async def _answer(self, context: Context, look: Callable[[], M]) -> M:
        await self._enter(context)
        try:
            return look()
        except Refused as no:
            await context.abort(no.status, no.sentence)

    async def _guarded(self, context: Context, answers: AsyncGenerator[M, None]) -> AsyncIterator[M]:
        """The answers of a conversation, until its end, a refusal, or the caller has left."""
        try:
            async for answer in answers:
                yield answer
        except Refused as no:
            await context.abort(no.status, no.sentence)
        finally:
            await answers.aclose()

    async def _pieces(
        self, context: Context, look: Callable[[], Iterator[M]]
    ) -> AsyncIterator[tuple[int, list[M]]]:
        await self._enter(context)
        try:
            rows, at_utc_ms = look(), self._served.now().utc_ms
        except Refused as no:
            await context.abort(no.status, no.sentence)
        size = FIRST_PIECE
        while piece := list(islice(rows, size)):
            yield at_utc_ms, piece
            size = PIECE
            await asyncio.sleep(0)
