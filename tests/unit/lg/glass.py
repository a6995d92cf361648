"""A small village as snapshots, and a looking glass asked without a network."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

from starlette.types import ASGIApp, Message

from ioe_router.lg.app import make_app
from ioe_router.lg.settings import LookingGlassSection, slug
from ioe_router.lg.snapshot import (
    Line,
    Load,
    Neighbor,
    Offer,
    Packet,
    Reservation,
    Route,
    Side,
    Snapshot,
    Source,
)
from ioe_router.lg.watch import Unreachable, Watch, Watched

SLOT_S = 900
NOW_UTC_S = 1_800_000_000  # the beginning of a slot
KWH_J = 3_600_000


def node_id(name: str) -> str:
    """A node id, by the look of it."""
    return f"ioe1{slug(name).replace('-', ''):q<58}"


def line(keeper: str, other: str, *, access: bool = False, radial: bool = True, own: bool = True) -> Line:
    """A line of 40 kVA."""
    return Line(
        link=f"{keeper}/{other}",
        keeper=node_id(keeper),
        other=node_id(other),
        radial=radial,
        rating_down_va=40_000,
        rating_up_va=40_000,
        access=access,
        own=own,
    )


def load(keeper: str, other: str, net_w: int, *, exact: bool = True, slot: int = NOW_UTC_S) -> Load:
    """What is booked on it, as mean power from the keeper."""
    return Load(
        link=f"{keeper}/{other}",
        slot_utc_s=slot,
        net_j=net_w * SLOT_S,
        free_down_j=0,
        free_up_j=0,
        exact=exact,
    )


def offer(
    name: str, source: Source, price: int = 100_000, *, own: bool = True, default: bool = False
) -> Offer:
    """One kilowatt-hour in the next slot."""
    return Offer(
        origin=node_id(name),
        number=1,
        side=Side.SUPPLY,
        source=source,
        own=own,
        slot_utc_s=NOW_UTC_S + SLOT_S,
        energy_j=KWH_J,
        price_micro_per_kwh=price,
        delivered_micro_per_kwh=None if own else price + 5_000,
        carbon_mg_per_kwh=41_000,
        is_default=default,
        expires_utc_s=NOW_UTC_S + 10 * SLOT_S,
        stages=("accepted",),
        reason="",
    )


def sale(
    seller: str,
    buyer: str,
    energy_j: int,
    *,
    slots_from_now: int = 0,
    state: str = "COMMITTED",
    price: int = 200_000,
) -> Reservation:
    """Energy that a buyer has asked for from a seller's offer."""
    slot = NOW_UTC_S + slots_from_now * SLOT_S
    return Reservation(
        id=f"{seller}-{buyer}-{slot}",
        version=1,
        initiator=node_id(buyer),
        origin=node_id(seller),
        side=Side.SUPPLY,
        offer_no=1,
        state=state,
        packets=(Packet(slot_utc_s=slot, energy_j=energy_j, price_micro_per_kwh=price),),
        code="" if state == "COMMITTED" else "NO_CAPACITY",
        reason="" if state == "COMMITTED" else "the line mill/rosa was full",
    )


def neighbor(name: str, *, up: bool = True) -> Neighbor:
    """A session."""
    return Neighbor(
        node=node_id(name),
        up=up,
        state="up" if up else "not connected",
        since_utc_s=NOW_UTC_S - 60,
        address="192.0.2.7:7443",
        role="sibling",
        transit="paid",
        fee_micro_per_kwh=2_000,
        routes_received=3,
        routes_advertised=4,
        refusals=0,
        error="" if up else "192.0.2.7:7443 refuses the connection",
        error_utc_s=0,
    )


def snapshot(name: str, **tables: object) -> Snapshot:
    """What a node says; tables that are not named are empty."""
    base = Snapshot(
        node=node_id(name),
        version="0.1.0",
        network="village",
        currency="EUR",
        slot_s=SLOT_S,
        utc_s=NOW_UTC_S + 60,
        started_utc_s=NOW_UTC_S - 86_400,
    )
    return replace(base, **tables)  # type: ignore[arg-type]


def village() -> dict[str, Snapshot | str]:
    """Four nodes that answer and one that says why it does not: Utility - Mill - (Rosa, Ada), and School."""
    mill_rosa, mill_ada = line("Mill", "Rosa"), line("Mill", "Ada", access=True)
    top = line("Utility", "Mill")
    rosa_sells = (
        sale("Rosa", "Ada", 2 * KWH_J, slots_from_now=-2),
        sale("Rosa", "Mill", KWH_J),
        sale("Rosa", "Ada", KWH_J // 2, slots_from_now=1),
    )
    refused = sale("Rosa", "Mill", 0, slots_from_now=1, state="FAILED")
    return {
        "Utility": snapshot(
            "Utility",
            lines=(top,),
            loads=(load("Utility", "Mill", 10_000),),
            neighbors=(neighbor("Mill"),),
            offers=(offer("Utility", Source.GRID, 300_000, default=True),),
        ),
        "Mill": snapshot(
            "Mill",
            lines=(top, mill_rosa, mill_ada),
            loads=(
                load("Utility", "Mill", 9_000),
                load("Mill", "Rosa", -30_000),
                load("Mill", "Ada", 18_000),
            ),
            neighbors=(neighbor("Utility"), neighbor("Rosa"), neighbor("Ada", up=False)),
            reservations=(rosa_sells[1], refused),
        ),
        "Rosa": snapshot(
            "Rosa",
            lines=(mill_rosa,),
            loads=(load("Mill", "Rosa", -29_000),),
            neighbors=(neighbor("Mill"),),
            offers=(offer("Rosa", Source.SOLAR),),
            reservations=(*rosa_sells, refused),
        ),
        "Ada": snapshot("Ada", lines=(mill_ada,), reservations=(rosa_sells[0], rosa_sells[2])),
        "School": "no daemon runs here",
    }


class Told:
    """A node whose answer the test decides; counts what it is asked."""

    def __init__(self, says: Snapshot | str) -> None:
        self.says = says
        self.asked: list[str] = []

    async def snapshot(self) -> Snapshot:
        """The answer, or Unreachable with the sentence."""
        self.asked.append("snapshot")
        if isinstance(self.says, str):
            raise Unreachable(self.says)
        return self.says

    async def offers(self) -> tuple[Offer, ...]:
        """Rosa's offer as another sees it."""
        self.asked.append("offers")
        await self.snapshot()
        return (offer("Rosa", Source.SOLAR, own=False),)

    async def routes(self) -> tuple[Route, ...]:
        """A first choice and one that was refused."""
        self.asked.append("routes")
        await self.snapshot()
        best = Route(
            destination=node_id("Rosa"),
            side=Side.SUPPLY,
            via=node_id("Mill"),
            hops=(node_id("Mill"), node_id("Rosa")),
            cost_micro_per_kwh=4_000,
            fee_micro_per_kwh=2_000,
            width_va=40_000,
            place=1,
            stages=("accepted", "best"),
            code="only",
            reason="the only route",
        )
        refused = replace(best, place=0, stages=("filtered",), code="LOOP", reason="leads in a circle")
        return (best, refused)

    async def close(self) -> None:
        """Nothing is open."""


def watch_of(says: Mapping[str, Snapshot | str], keys: Mapping[str, str] | None = None) -> Watch:
    """A watch of nodes that have been asked once."""
    nodes = [
        (Watched(name=name, slug=slug(name), key_sha256=(keys or {}).get(name)), Told(text))
        for name, text in says.items()
    ]
    watch = Watch(nodes, 5, lambda: NOW_UTC_S + 61)
    asyncio.run(watch.ask_all())
    return watch


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    text: str


class Glass:
    """A looking glass that is asked directly."""

    def __init__(
        self, audience: str = "operator", keys: Mapping[str, str] | None = None, **more: object
    ) -> None:
        section = LookingGlassSection(audience=audience, title="Village", **more)  # type: ignore[arg-type]
        self.watch = watch_of(village(), keys)
        self.app: ASGIApp = make_app(self.watch, section)

    def get(self, path: str, **headers: str) -> Answer:
        """One page; underscores in names of headers are hyphens."""
        return self.send("GET", path, b"", **headers)

    def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        """One request of any kind."""
        return asyncio.run(self._ask(path, method, body, {"host": "localhost", **headers}))

    async def _ask(self, path: str, method: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()],
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", 8_480),
        }
        sent: list[Message] = []
        asked = iter([True])

        async def receive() -> Message:
            if not next(asked, False):
                await asyncio.Event().wait()  # the caller stays, and has nothing more to say
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        try:
            await self.app(scope, receive, send)
        except ZeroDivisionError:  # raised on purpose by a test; a server logs it
            assert sent
        start = next(message for message in sent if message["type"] == "http.response.start")
        found = {name.decode(): text.decode() for name, text in start["headers"]}
        parts = [message.get("body", b"") for message in sent if message["type"] == "http.response.body"]
        return Answer(start["status"], found, b"".join(parts).decode("utf-8", "replace"))
