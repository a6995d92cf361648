"""Asking a daemon: one client that waits, for the command line and scripts, and one for asyncio.

Both have the same methods and hand out the messages of the contract
(`pb`, also to be had from here); lists come row by row, as they arrive.

    with ControlClient(Address(path=Path("store/control.sock"))) as control:
        for route in control.routes(direction=pb.DIRECTION_SUPPLY):
            print(route.destination, route.rank)

What goes wrong is a `ControlError` with one sentence.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Any, Final, Self

import grpc

from ioe_router.control._pb import control_pb2 as pb
from ioe_router.control._pb.control_pb2_grpc import ControlServiceStub
from ioe_router.control._pb.operation_pb2_grpc import OperationServiceStub
from ioe_router.control.address import Address, Unreachable
from ioe_router.control.version import CONTROL_VERSION, OTHER_VERSION, VERSION_KEY
from ioe_router.model.errors import UsageError

__all__ = ["Address", "AsyncControlClient", "ControlClient", "ControlError", "Unreachable", "pb"]

_METADATA: Final = ((VERSION_KEY, CONTROL_VERSION),)
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.enable_retries", 0),
    ("grpc.use_local_subchannel_pool", 1),
)
_NAME: Final = ("grpc.ssl_target_name_override", "ioe.control")  # its certificate is compared whole
STATUS_S: Final = 10.0


class ControlError(UsageError):
    """The daemon has answered with a refusal; `status` says of which kind."""

    def __init__(self, status: grpc.StatusCode, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def error_of(error: grpc.RpcError, address: Address) -> UsageError:
    """What an RPC's failure is to the caller."""
    status, details = error.code(), error.details() or ""
    if status is grpc.StatusCode.UNAVAILABLE:
        return Unreachable(f"the daemon at {address.text} does not answer ({details}); does it still run?")
    if status is grpc.StatusCode.UNIMPLEMENTED and not details.startswith(OTHER_VERSION):
        sentence = (
            "the daemon does not know this request: it is older than this command line"
            " ('ioe show status' tells its version); bring it up to date, or use its command line"
        )
        return ControlError(status, sentence)
    return ControlError(status, details or status.name)


def _credentials(address: Address) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(
        root_certificates=address.server_certificate,
        private_key=address.key,
        certificate_chain=address.certificate,
    )


class ControlClient:
    """Asks and waits."""

    def __init__(self, address: Address) -> None:
        """Nothing is connected yet; Unreachable when nobody answers at a local socket."""
        address.probe()
        self.address = address
        if address.path is not None:
            self._channel = grpc.insecure_channel(address.uri, options=_OPTIONS)
        else:
            self._channel = grpc.secure_channel(
                address.uri, _credentials(address), options=(*_OPTIONS, _NAME)
            )
        self._stub = ControlServiceStub(self._channel)
        self._operations = OperationServiceStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._channel.close()

    def call(self, method: str, request: Any) -> Any:
        """The answer to a request that has one. ControlError, Unreachable."""
        try:
            return getattr(self._stub, method)(request, metadata=_METADATA, timeout=STATUS_S)
        except grpc.RpcError as error:
            raise error_of(error, self.address) from None

    def operate(self, method: str, request: Any) -> Any:
        """The answer to a request of the operation service. ControlError, Unreachable."""
        try:
            return getattr(self._operations, method)(request, metadata=_METADATA, timeout=STATUS_S)
        except grpc.RpcError as error:
            raise error_of(error, self.address) from None

    def stream(self, method: str, request: Any) -> Iterator[Any]:
        """The answers to a request, as they arrive. ControlError, Unreachable."""
        call = getattr(self._stub, method)(request, metadata=_METADATA)
        try:
            yield from call
        except grpc.RpcError as error:
            raise error_of(error, self.address) from None
        finally:
            call.cancel()

    def _rows(self, noun: str, field: str, request: Any) -> Iterator[Any]:
        for piece in self.stream(f"List{noun}", request):
            yield from getattr(piece, field)

    # ------------------------------------------------------------- what is asked

    def status(self) -> pb.GetStatusResponse:
        """How the node is doing."""
        answer: pb.GetStatusResponse = self.call("GetStatus", pb.GetStatusRequest())
        return answer

    def neighbors(self, **wanted: Any) -> Iterator[pb.Neighbor]:
        """Neighbours; keywords are the fields of ListNeighborsRequest, and so below."""
        return self._rows("Neighbors", "neighbors", pb.ListNeighborsRequest(**wanted))

    def links(self, **wanted: Any) -> Iterator[pb.Link]:
        """Links."""
        return self._rows("Links", "links", pb.ListLinksRequest(**wanted))

    def offers(self, **wanted: Any) -> Iterator[pb.Offer]:
        """Offers."""
        return self._rows("Offers", "offers", pb.ListOffersRequest(**wanted))

    def routes(self, **wanted: Any) -> Iterator[pb.Route]:
        """Routes."""
        return self._rows("Routes", "routes", pb.ListRoutesRequest(**wanted))

    def fib(self, **wanted: Any) -> Iterator[pb.FibEntry]:
        """Set-points."""
        return self._rows("Fib", "entries", pb.ListFibRequest(**wanted))

    def reservations(self, **wanted: Any) -> Iterator[pb.Reservation]:
        """Reservations."""
        return self._rows("Reservations", "reservations", pb.ListReservationsRequest(**wanted))

    def obligations(self, **wanted: Any) -> Iterator[pb.Obligation]:
        """Obligations."""
        return self._rows("Obligations", "obligations", pb.ListObligationsRequest(**wanted))

    def limits(self, **wanted: Any) -> Iterator[pb.Limit]:
        """Limits."""
        return self._rows("Limits", "limits", pb.ListLimitsRequest(**wanted))

    def refusals(self, **wanted: Any) -> Iterator[pb.Refusal]:
        """Refusals, newest first."""
        return self._rows("Refusals", "refusals", pb.ListRefusalsRequest(**wanted))

    def monitor(self, **wanted: Any) -> Iterator[pb.MonitorResponse]:
        """What is, a mark, and what changes; ends with `once`, or when the caller stops."""
        return self.stream("Monitor", pb.MonitorRequest(**wanted))


class AsyncControlClient:
    """The same under asyncio; use `async with`. `connect` first, if a clear error is wanted early."""

    def __init__(self, address: Address) -> None:
        self.address = address
        if address.path is not None:
            self._channel = grpc.aio.insecure_channel(address.uri, options=_OPTIONS)
        else:
            self._channel = grpc.aio.secure_channel(
                address.uri, _credentials(address), options=(*_OPTIONS, _NAME)
            )
        self._stub: Any = ControlServiceStub(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the connection."""
        await self._channel.close()

    async def call(self, method: str, request: Any) -> Any:
        """The answer to a request that has one. ControlError, Unreachable."""
        try:
            return await getattr(self._stub, method)(request, metadata=_METADATA, timeout=STATUS_S)
        except grpc.aio.AioRpcError as error:
            raise error_of(error, self.address) from None

    async def stream(self, method: str, request: Any) -> AsyncIterator[Any]:
        """The answers to a request, as they arrive. ControlError, Unreachable."""
        call = getattr(self._stub, method)(request, metadata=_METADATA)
        try:
            async for answer in call:
                yield answer
        except grpc.aio.AioRpcError as error:
            raise error_of(error, self.address) from None
        finally:
            call.cancel()

    async def _rows(self, noun: str, field: str, request: Any) -> AsyncIterator[Any]:
        async for piece in self.stream(f"List{noun}", request):
            for row in getattr(piece, field):
                yield row

    # ------------------------------------------------------------- what is asked

    async def status(self) -> pb.GetStatusResponse:
        """How the node is doing."""
        answer: pb.GetStatusResponse = await self.call("GetStatus", pb.GetStatusRequest())
        return answer

    def neighbors(self, **wanted: Any) -> AsyncIterator[pb.Neighbor]:
        """Neighbours; keywords are the fields of ListNeighborsRequest, and so below."""
        return self._rows("Neighbors", "neighbors", pb.ListNeighborsRequest(**wanted))

    def links(self, **wanted: Any) -> AsyncIterator[pb.Link]:
        """Links."""
        return self._rows("Links", "links", pb.ListLinksRequest(**wanted))

    def offers(self, **wanted: Any) -> AsyncIterator[pb.Offer]:
        """Offers."""
        return self._rows("Offers", "offers", pb.ListOffersRequest(**wanted))

    def routes(self, **wanted: Any) -> AsyncIterator[pb.Route]:
        """Routes."""
        return self._rows("Routes", "routes", pb.ListRoutesRequest(**wanted))

    def fib(self, **wanted: Any) -> AsyncIterator[pb.FibEntry]:
        """Set-points."""
        return self._rows("Fib", "entries", pb.ListFibRequest(**wanted))

    def reservations(self, **wanted: Any) -> AsyncIterator[pb.Reservation]:
        """Reservations."""
        return self._rows("Reservations", "reservations", pb.ListReservationsRequest(**wanted))

    def obligations(self, **wanted: Any) -> AsyncIterator[pb.Obligation]:
        """Obligations."""
        return self._rows("Obligations", "obligations", pb.ListObligationsRequest(**wanted))

    def limits(self, **wanted: Any) -> AsyncIterator[pb.Limit]:
        """Limits."""
        return self._rows("Limits", "limits", pb.ListLimitsRequest(**wanted))

    def refusals(self, **wanted: Any) -> AsyncIterator[pb.Refusal]:
        """Refusals, newest first."""
        return self._rows("Refusals", "refusals", pb.ListRefusalsRequest(**wanted))

    def monitor(self, **wanted: Any) -> AsyncIterator[pb.MonitorResponse]:
        """What is, a mark, and what changes; ends with `once`, or when the caller stops."""
        return self.stream("Monitor", pb.MonitorRequest(**wanted))
