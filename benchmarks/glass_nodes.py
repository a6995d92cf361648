"""Many nodes to look at, in one process: the control API's contract over a unix socket each.

    .venv/bin/python -m benchmarks.glass_nodes FOLDER 500

They are no routers: what a node answers is made up from its number.  The
community is a tree of feeders: node 0 is the utility, every other node hangs
below one before it, eight feeders wide.  Every line carries something in the
slots around now, two of three homes sell sun, and everybody has a few
reservations.  The answers are those that the looking glass asks for, in the
messages of the contract and over real gRPC.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import grpc

from ioe_router.control._pb.control_pb2_grpc import (
    ControlServiceServicer,
    add_ControlServiceServicer_to_server,
)
from ioe_router.control.client import pb

SLOT_S: Final = 900
FEEDERS: Final = 8
DEALS: Final = 4
BUYERS: Final = 2  # whose number leaves this over by three only buy
KWH_J: Final = 3_600_000


def node_id(number: int) -> str:
    """The text form that a node of this number might have."""
    alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    draw = random.Random(number)  # noqa: S311 - the same in every run
    return "ioe1" + "".join(draw.choice(alphabet) for _ in range(58))


def parent(number: int) -> int:
    """The node above: feeders of some length with branches."""
    if number <= FEEDERS:
        return 0
    return random.Random(number).choice((number - FEEDERS, number // 2, number // 3))  # noqa: S311


class MadeUpNode(ControlServiceServicer):
    """One of them."""

    def __init__(self, number: int, count: int) -> None:
        self._number = number
        self._count = count
        self._near = [other for other in range(1, count) if parent(other) == number]
        self._lines = [*self._near, *([number] if number else [])]  # a line has the number of its lower end

    async def GetStatus(self, request: object, context: object) -> pb.GetStatusResponse:  # noqa: D102, N802
        del request, context
        return pb.GetStatusResponse(
            version="0.1.0",
            control_version="1.0",
            node=node_id(self._number),
            network_id="valley",
            currency="EUR",
            slot_s=SLOT_S,
            started_utc_s=int(time.time()) - 86_400,
            now_utc_ms=int(time.time() * 1000),
        )

    async def ListNeighbors(self, request: object, context: object) -> AsyncIterator[Any]:  # noqa: D102, N802
        del request, context
        others = [*self._near, *([parent(self._number)] if self._number else [])]
        rows = [
            pb.Neighbor(
                node=node_id(other),
                role="sibling",
                transit="paid",
                state=pb.SESSION_STATE_ESTABLISHED,
                since_utc_s=int(time.time()) - 3_600,
                routes_received=40,
                routes_advertised=40,
            )
            for other in others
        ]
        yield pb.ListNeighborsResponse(neighbors=rows)

    async def ListLinks(self, request: Any, context: object) -> AsyncIterator[Any]:  # noqa: ANN401, D102, N802
        del context
        first, last = request.slots.first_utc_s, request.slots.last_utc_s
        rows = [_link(low, slot) for low in self._lines for slot in range(first, last + 1, SLOT_S)]
        yield pb.ListLinksResponse(links=rows)

    async def ListOffers(self, request: object, context: object) -> AsyncIterator[Any]:  # noqa: D102, N802
        del request, context
        if self._number % 3 == BUYERS:
            return
        now = int(time.time())
        source = "grid" if self._number == 0 else "solar"
        yield pb.ListOffersResponse(
            offers=[
                pb.Offer(
                    origin=node_id(self._number),
                    offer_no=1,
                    direction=pb.DIRECTION_SUPPLY,
                    source=source,
                    own=True,
                    is_default=self._number == 0,
                    next_slot_utc_s=now - now % SLOT_S + SLOT_S,
                    next_energy_j=KWH_J,
                    next_price_micro_per_kwh=90_000,
                    carbon_mg_per_kwh=41_000,
                )
            ]
        )

    async def ListReservations(self, request: Any, context: object) -> AsyncIterator[Any]:  # noqa: ANN401, D102, N802
        del context
        rows = [self._deal(place, request.slots) for place in range(DEALS)]
        yield pb.ListReservationsResponse(reservations=rows)

    async def ListObligations(self, request: object, context: object) -> AsyncIterator[Any]:  # noqa: D102, N802
        del request, context
        yield pb.ListObligationsResponse()

    def _deal(self, place: int, slots: Any) -> pb.Reservation:  # noqa: ANN401
        draw = random.Random(self._number * 100 + place)  # noqa: S311
        seller = draw.randrange(self._count // 3) * 3
        slot = slots.first_utc_s + draw.randrange(10) * SLOT_S
        return pb.Reservation(
            reservation=f"{self._number:016x}{place:016x}",
            version=1,
            state=pb.RESERVATION_STATE_COMMITTED,
            initiator=node_id(self._number),
            origin=node_id(seller),
            direction=pb.DIRECTION_SUPPLY,
            offer_no=1,
            packets=[
                pb.Packet(
                    index=1,
                    slot_utc_s=slot,
                    energy_j=draw.randrange(100_000, 2 * KWH_J),
                    price_micro_per_kwh=draw.randrange(90_000, 320_000),
                )
            ],
        )


def _link(low: int, slot: int) -> pb.Link:
    draw = random.Random(f"{low} {slot}")  # noqa: S311
    rating = 400_000 if low <= FEEDERS else 40_000
    return pb.Link(
        link=f"{low:032x}",
        keeper=node_id(parent(low)),
        other=node_id(low),
        own=True,
        kind=pb.LINK_KIND_RADIAL,
        rating_down_va=rating,
        rating_up_va=rating,
        slot_utc_s=slot,
        source=pb.LOAD_SOURCE_LEDGER,
        net_flow=draw.choice((pb.FLOW_DOWN, pb.FLOW_UP)),
        net_energy_j=int(draw.random() ** 2 * rating * SLOT_S),
    )


async def serve(folder: Path, count: int) -> None:
    """Serve them until the process is ended."""
    servers = []
    for number in range(count):
        server = grpc.aio.server()
        node = MadeUpNode(number, count)  # type: ignore[abstract] # what nobody asks here is not there
        add_ControlServiceServicer_to_server(node, server)
        server.add_insecure_port(f"unix:{folder}/{number}.sock")
        await server.start()
        servers.append(server)
    print("serving", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
