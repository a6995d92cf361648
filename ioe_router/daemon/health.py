"""The gRPC health service on a port of its own: without TLS, for loopback, asked by probes without keys."""

from __future__ import annotations

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]  # no stubs published
from grpc_health.v1.health import aio  # type: ignore[import-untyped]  # as above

from ioe_router.adapters.peer_server import explain_bind_failure
from ioe_router.daemon.errors import StartRefused


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
