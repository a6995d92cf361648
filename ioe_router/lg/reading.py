"""Asks one node over its control API and turns the answers into the pages' own values.

The one module of the looking glass that knows the contract.  It calls what
only reads.  Where many nodes are watched each is asked for its own lines and
offers only: what it knows of others, those say themselves.

A connection that has failed is thrown away, so that a node that comes back is
found at the next question and not after gRPC's growing pauses.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, TypeVar

from ioe_router.control.client import Address, AsyncControlClient, pb
from ioe_router.lg.pages.books import FUTURE_SLOTS, PAST_SLOTS
from ioe_router.lg.pages.home import HOUR_S
from ioe_router.lg.snapshot import (
    Line,
    Load,
    Metered,
    Neighbor,
    Offer,
    Packet,
    Reservation,
    Route,
    Side,
    Snapshot,
    Source,
)
from ioe_router.lg.watch import Unreachable
from ioe_router.model.errors import UsageError

ANSWER_S: Final = 10.0
ROUTES_MAX: Final = 5_000  # of one node; more are not fetched
_MS: Final = 1_000

T = TypeVar("T")

_SIDES: Final = {pb.DIRECTION_SUPPLY: Side.SUPPLY, pb.DIRECTION_DEMAND: Side.DEMAND}
_SESSIONS: Final = {
    pb.SESSION_STATE_IDLE: "not connected",
    pb.SESSION_STATE_HELLO_SENT: "greeting",
    pb.SESSION_STATE_PROOF_SENT: "proving",
    pb.SESSION_STATE_ESTABLISHED: "up",
    pb.SESSION_STATE_CLOSING: "closing",
}


class ControlledNode:
    """One node, asked over its control API."""

    def __init__(self, address: Address, *, own_only: bool) -> None:
        """`own_only`: ask for the node's own lines and offers, not for what it knows of others."""
        self._address = address
        self._own_only = own_only
        self._client: AsyncControlClient | None = None

    async def snapshot(self) -> Snapshot:
        """What the node says of itself now. Unreachable when it says nothing within `ANSWER_S`."""
        return await self._answer(self._read)

    async def offers(self) -> tuple[Offer, ...]:
        """All offers that the node knows. Unreachable as above."""
        return await self._answer(lambda client: _rows(client.offers(), _offer))

    async def routes(self) -> tuple[Route, ...]:
        """The routes that the node knows, refused ones included. Unreachable as above."""
        return await self._answer(lambda client: _rows(client.routes(limit=ROUTES_MAX), _route))

    async def close(self) -> None:
        """Let the connection go."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _answer(self, ask: Callable[[AsyncControlClient], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(ANSWER_S):
                if self._client is None:
                    self._address.probe()
                    self._client = AsyncControlClient(self._address)
                return await ask(self._client)
        except TimeoutError as error:
            await self.close()
            raise Unreachable(f"no answer from {self._address.text} within {ANSWER_S:.0f} s") from error
        except UsageError as error:
            await self.close()
            raise Unreachable(str(error)) from error

    async def _read(self, client: AsyncControlClient) -> Snapshot:
        status = await client.status()
        now_utc_s = status.now_utc_ms // _MS
        slot = now_utc_s - now_utc_s % status.slot_s
        last = slot + FUTURE_SLOTS * status.slot_s
        slots = pb.SlotRange(first_utc_s=slot - PAST_SLOTS * status.slot_s, last_utc_s=last)
        hour = pb.SlotRange(first_utc_s=min(slots.first_utc_s, slot - HOUR_S), last_utc_s=last)
        links = [row async for row in client.links(own=self._own_only, slots=slots)]
        own = status.node if self._own_only else ""
        return Snapshot(
            node=status.node,
            version=status.version,
            network=status.network_id,
            currency=status.currency,
            slot_s=status.slot_s,
            utc_s=now_utc_s,
            started_utc_s=status.started_utc_s,
            neighbors=await _rows(client.neighbors(), _neighbor),
            lines=tuple({row.link: _line(row) for row in links}.values()),
            loads=tuple(_load(row) for row in links if row.source != pb.LOAD_SOURCE_UNSPECIFIED),
            offers=await _rows(client.offers(destination=own), _offer),
            reservations=await _rows(client.reservations(slots=hour), _reservation),
            metered=_metered([row async for row in client.obligations(slots=hour)]),
        )


R = TypeVar("R")


async def _rows(rows: AsyncIterator[R], turn: Callable[[R], T]) -> tuple[T, ...]:
    return tuple([turn(row) async for row in rows])


def _neighbor(row: pb.Neighbor) -> Neighbor:
    return Neighbor(
        node=row.node,
        up=row.state == pb.SESSION_STATE_ESTABLISHED,
        state=_SESSIONS.get(row.state, "not connected"),
        since_utc_s=row.since_utc_s,
        address=row.address,
        role=row.role,
        transit=row.transit,
        fee_micro_per_kwh=row.fee_micro_per_kwh,
        routes_received=row.routes_received,
        routes_advertised=row.routes_advertised,
        refusals=row.refusals,
        error=row.last_error.text,
        error_utc_s=row.last_error_utc_s,
    )


def _line(row: pb.Link) -> Line:
    return Line(
        link=row.link,
        keeper=row.keeper,
        other=row.other,
        radial=row.kind == pb.LINK_KIND_RADIAL,
        rating_down_va=row.rating_down_va,
        rating_up_va=row.rating_up_va,
        access=row.access,
        own=row.own,
    )


def _load(row: pb.Link) -> Load:
    return Load(
        link=row.link,
        slot_utc_s=row.slot_utc_s,
        net_j=-row.net_energy_j if row.net_flow == pb.FLOW_UP else row.net_energy_j,
        free_down_j=row.residual_down_j,
        free_up_j=row.residual_up_j,
        exact=row.source == pb.LOAD_SOURCE_LEDGER,
    )


def _offer(row: pb.Offer) -> Offer:
    return Offer(
        origin=row.origin,
        number=row.offer_no,
        side=_SIDES.get(row.direction, Side.SUPPLY),
        source=_source(row.source),
        own=row.own,
        slot_utc_s=row.next_slot_utc_s,
        energy_j=row.next_energy_j,
        price_micro_per_kwh=row.next_price_micro_per_kwh,
        delivered_micro_per_kwh=row.delivered_micro_per_kwh if row.has_delivered else None,
        carbon_mg_per_kwh=row.carbon_mg_per_kwh,
        is_default=row.is_default,
        expires_utc_s=row.expires_utc_s,
        stages=tuple(_stage(stage) for stage in row.stages),
        reason=row.reason.text,
    )


def _route(row: pb.Route) -> Route:
    ends = [hop.node for hop in row.hops]
    return Route(
        destination=row.destination,
        side=_SIDES.get(row.direction, Side.SUPPLY),
        via=row.neighbor,
        hops=tuple(ends),
        cost_micro_per_kwh=row.rank,
        fee_micro_per_kwh=row.fee_micro_per_kwh,
        width_va=row.width_va,
        place=row.place,
        stages=tuple(_stage(stage) for stage in row.stages),
        code=row.reason.code,
        reason=row.reason.text,
    )


def _reservation(row: pb.Reservation) -> Reservation:
    return Reservation(
        id=row.reservation,
        version=row.version,
        initiator=row.initiator,
        origin=row.origin,
        side=_SIDES.get(row.direction, Side.SUPPLY),
        offer_no=row.offer_no,
        state=pb.ReservationState.Name(row.state).removeprefix("RESERVATION_STATE_"),
        packets=tuple(
            Packet(
                slot_utc_s=packet.slot_utc_s,
                energy_j=packet.energy_j,
                price_micro_per_kwh=packet.price_micro_per_kwh,
            )
            for packet in row.packets
        ),
        code=row.reason.code,
        reason=row.reason.text,
    )


def _metered(rows: list[pb.Obligation]) -> tuple[Metered, ...]:
    """The node's own net exchange per slot: what came in over all its lines less what went out."""
    net: dict[int, int] = defaultdict(int)
    for row in rows:
        if row.kind == pb.OBLIGATION_KIND_LINK and row.metered:
            net[row.slot_utc_s] += row.metered_import_j - row.metered_export_j
    return tuple(
        Metered(slot_utc_s=slot, import_j=max(0, value), export_j=max(0, -value))
        for slot, value in sorted(net.items())
    )


def _source(text: str) -> Source:
    """The kind of source; one that a newer node knows counts as not stated."""
    return Source(text) if text in list(Source) else Source.UNKNOWN


def _stage(stage: pb.Stage.ValueType) -> str:
    return pb.Stage.Name(stage).removeprefix("STAGE_").lower()
