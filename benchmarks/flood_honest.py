"""The honest neighbour of the flood test: a node with store and gRPC that buys a little, again and again.

.venv/bin/python -m benchmarks.flood_honest CONFIG WANTS_PER_S

It is what `ioe run` is, with a clockwork for an agent, and notes when each of
its HOLDs left and when it was booked or refused.  On SIGTERM it prints one line
of JSON: [reservation, left at, ended at or null, how], on the monotonic clock.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from benchmarks.flood_net import OPENING_S, SLOT_S
from ioe_router.adapters.node import Host, Node, wall_utc_s
from ioe_router.codec import mapping
from ioe_router.codec.frames import decode_frame
from ioe_router.core.effects import Effect, SendFrame
from ioe_router.core.events import Booked, Event, HoldAnswered
from ioe_router.core.inputs import Input, Trade
from ioe_router.daemon.assembly import own_key, read_plan, router_config
from ioe_router.daemon.main import SystemEntropy
from ioe_router.daemon.store import open_store
from ioe_router.model.clock import Now
from ioe_router.model.envelope import ObjectType
from ioe_router.model.errors import ErrorCode
from ioe_router.model.reservation import Hold, HoldCore
from ioe_router.model.routing import Direction
from ioe_router.model.slot import Slot
from ioe_router.router import Router

WANT_J: Final = 10_000
LIMIT_MICRO_PER_KWH: Final = 1_000_000


class Timed(Router):
    """A router that notes when its HOLDs leave."""

    left: dict[bytes, float]

    def handle_all(self, inputs: Sequence[Input], now: Now) -> tuple[Effect, ...]:
        """As the router; what it sends is looked through."""
        effects = super().handle_all(inputs, now)
        at_s = time.monotonic()
        for effect in effects:
            if isinstance(effect, SendFrame):
                self._note(effect.frame, at_s)
        return effects

    def _note(self, frame: bytes, at_s: float) -> None:
        for envelope in decode_frame(frame).envelopes:
            if envelope.type is ObjectType.HOLD:
                hold = mapping.decode(Hold, envelope.signed)
                self.left[mapping.decode(HoldCore, hold.core.signed).reservation] = at_s


class Buyer:
    """Hears of bookings and refusals."""

    def __init__(self) -> None:
        self.ended: dict[bytes, tuple[float, str]] = {}

    def on_event(self, event: Event, _now: Now) -> Iterable[Input]:
        """Note the end of a reservation."""
        at_s = time.monotonic()
        if isinstance(event, Booked) and event.initiator:
            self.ended.setdefault(event.reservation, (at_s, "booked"))
        elif isinstance(event, HoldAnswered) and event.code is not ErrorCode.UNSPECIFIED:
            self.ended.setdefault(event.reservation, (at_s, event.code.name))
        return ()


async def run(config: Path, per_s: float) -> None:
    """Buy until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    plan, buyer = read_plan(config), Buyer()
    now = plan.clock.now()
    operational = own_key(plan, now, wall_utc_s(), lambda: None)
    store = open_store(plan.store, plan.node, plan.parameters.network_id)
    router = Timed(
        router_config(plan, now),
        own_key=operational.statement,
        signer=operational.signer,
        entropy=SystemEntropy(),
        now=now,
    )
    router.left = {}
    host = Host(on_event=buyer.on_event, journal=store)
    node = Node(
        router,
        operational=operational,
        listen=plan.settings.node.listen,
        peers=plan.peers(),
        clock=plan.clock,
        host=host,
    )
    await node.start(store.next_epoch(now.utc_s), store.last_epoch())
    node.dial()
    number = 0
    while not stop.is_set():
        utc_s = plan.clock.now().utc_s
        slot = Slot((utc_s + OPENING_S) // SLOT_S * SLOT_S)
        if slot > utc_s and router.snapshot().offers:
            number += 1
            node.submit(_want(number, slot))
        try:
            await asyncio.wait_for(stop.wait(), 1 / per_s)
        except TimeoutError:
            continue
    rows = [[key.hex(), at_s, *buyer.ended.get(key, (None, "open"))] for key, at_s in router.left.items()]
    print(json.dumps(rows), flush=True)
    await node.stop()
    store.close()


def _want(number: int, slot: Slot) -> Trade:
    return Trade(
        trade_no=number,
        slot=slot,
        direction=Direction.SUPPLY,
        energy_j=WANT_J,
        price_limit_micro_per_kwh=LIMIT_MICRO_PER_KWH,
        default_limit_micro_per_kwh=None,
        own_offer_no=None,
        priority=4,
        sources=(),
        carbon_max_mg_per_kwh=None,
    )


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), float(sys.argv[2])))
