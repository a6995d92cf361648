"""The gRPC health service on a port of its own: without TLS, for loopback, asked by probes without keys."""

from __future__ import annotations

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]  # no stubs published
from grpc_health.v1.health import aio  # type: ignore[import-untyped]  # as above

from ioe_router.adapters.peer_server import explain_bind_failure, split_address
from ioe_router.daemon.errors import StartRefused
from ioe_router.model.errors import UsageError


class Health:
    """Answers SERVING while the node runs, NOT_SERVING while it stops."""

    def __init__(self, listen: str) -> None:
        self._listen = listen
        self._servicer = aio.HealthServicer()
        self._server: grpc.aio.Server | None = None

    async def start(self) -> int:
        """Listen and return the port. StartRefused when the address cannot be bound."""
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)
        try:
            port = server.add_insecure_port(self._listen)
        except RuntimeError as error:
            raise StartRefused(f"health: {explain_bind_failure(self._listen)}") from error
        await server.start()
        await self._servicer.set("", health_pb2.HealthCheckResponse.SERVING)
        self._server = server
        return port

    async def leave(self) -> None:
        """Say NOT_SERVING from now on."""
        await self._servicer.enter_graceful_shutdown()

    async def stop(self) -> None:
        """Close the port."""
        if self._server is not None:
            await self._server.stop(0)
            self._server = None


def ask(address: str, timeout_s: float) -> str:
    """What the health service at `address` answers, if that is SERVING. UsageError in all other cases."""
    split_address(address)
    options = [("grpc.enable_http_proxy", 0)]
    try:
        with grpc.insecure_channel(address, options=options) as channel:
            request = health_pb2.HealthCheckRequest(service="")
            answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=timeout_s)
    except grpc.RpcError as error:
        if getattr(error, "code", lambda: None)() is grpc.StatusCode.DEADLINE_EXCEEDED:
            why = f"does not answer within {timeout_s:g} s; the node there is overloaded or stands still"
        else:
            why = "does not answer as a health service; start the node, or correct node.health"
        raise UsageError(f"{address} {why}") from error
    name: str = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        raise UsageError(f"the node at {address} is {name}: it is stopping; ask again when it has started")
    return name
