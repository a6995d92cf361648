"""Timetable, prices, admission and budgets (SPEC sections 9 and 14), answered by the product's own parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from types import SimpleNamespace
from typing import Any, Final

from ioe_router.core.calendar import LinkCalendar, LiveEntry, SlotLedger, SlotLimits
from ioe_router.core.gates import phase_of, refusal_of
from ioe_router.core.legs import Leg, LegBook
from ioe_router.core.loss import usable_w
from ioe_router.core.origin_desk import OwnOriginDesk
from ioe_router.core.ports import Ports
from ioe_router.core.reservation import Granted
from ioe_router.model.clock import Now
from ioe_router.model.discovery import LinkKind
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.ids import NodeId, ReservationId
from ioe_router.model.routing import Direction, Flow
from ioe_router.model.slot import Slot
from reference_harness.arithmetic import model_of
from reference_harness.machines import PARAMETERS

Json = dict[str, Any]
NOBODY: Final = NodeId(bytes(32))
SLOT: Final = Slot(1_795_348_800)  # an edge for every slot length


def _gate(inputs: Json) -> Json:
    floors = tuple(inputs["floor_micro_per_kwh"])
    parameters = replace(PARAMETERS, slot_s=inputs["slot_s"], floor_micro_per_kwh=floors)
    now = Now(0, (SLOT - inputs["before_slot_s"]) * 1000 + 999)
    code = refusal_of(parameters, SLOT, inputs["band"], now, forward=False)
    if code is not None:
        raise PeerError(code, "not now")
    return {"phase": phase_of(parameters, SLOT, now).name}


def _price(inputs: Json) -> Json:
    """One packet of an offer with energy to spare, asked of the desk that grants own offers."""
    parameters = replace(PARAMETERS, floor_micro_per_kwh=tuple(inputs["floor_micro_per_kwh"]))
    direction = Direction(inputs["direction"])
    published = SimpleNamespace(epoch=1, seq=1, direction=direction, is_default=inputs["is_default"])
    run = SimpleNamespace(price_micro_per_kwh=inputs["ask_micro_per_kwh"])
    offer = SimpleNamespace(stated=SimpleNamespace(direction=direction), published=published)
    offers: Any = SimpleNamespace(get=lambda _: offer, run=lambda *_: run, take=lambda *given: given[3])
    body = SimpleNamespace(
        offer_no=1,
        offer_epoch=1,
        offer_seq=1,
        direction=direction,
        band=inputs["band"],
        price_limit_micro_per_kwh=inputs["price_limit_micro_per_kwh"],
    )
    granted: dict[int, Granted] = {}
    record: Any = SimpleNamespace(
        core=SimpleNamespace(body=body), slots={1: SLOT}, key=(b"r", 1), asked_j={1: 1_000}, granted=granted
    )
    code = OwnOriginDesk(parameters, offers)._grant_packet(record, offer, 1)  # type: ignore[arg-type]
    if code is not None:
        raise PeerError(code, "not granted")
    return {
        "price_micro_per_kwh": granted[1].price_micro_per_kwh,
        "scarcity_micro_per_kwh": granted[1].scarcity_micro_per_kwh,
    }


def _limit(inputs: Json) -> Json:
    """The limits of a port with this rating and envelope."""
    envelope = inputs["envelope"]
    parameters = replace(
        PARAMETERS, voltage_min_micro_pu=inputs["voltage_min_micro_pu"], slot_s=inputs["slot_s"]
    )
    rating = inputs["rating_va"]
    kind = LinkKind.CONTROLLED if envelope is None else LinkKind.RADIAL
    body = SimpleNamespace(rating_down_va=rating, rating_up_va=rating, kind=kind)
    port: Any = SimpleNamespace(
        attestation=SimpleNamespace(body=body), radial=envelope is not None, link=b"", neighbor=b""
    )
    lines = (envelope["power_w"], envelope["power_w"], envelope["reactive_var"]) if envelope else None
    ports = Ports(NOBODY, parameters, inputs["margin_ppm"], (), lambda _link, _slot: lines)
    limits = ports.limits(port, SLOT)
    if limits is None:
        raise PeerError(ErrorCode.NOT_BOOKABLE, "no envelope")
    reactive_var = envelope["reactive_var"] if envelope else 0
    return {
        "usable_w": usable_w(rating, reactive_var, inputs["voltage_min_micro_pu"]),
        "limit_j": limits.down_j,
    }


class _Books:
    """A keeper's ledger behind the product's LegBook."""

    def __init__(self, inputs: Json) -> None:
        self.calendar = LinkCalendar(model_of(inputs))
        self._limits = SlotLimits(down_j=inputs["limit_down_j"], up_j=inputs["limit_up_j"])
        self.ledger: SlotLedger = self.calendar.open(SLOT, self._limits)
        self._port: Any = SimpleNamespace(calendar=self.calendar, model=self.calendar.model, keeper=True)
        ports: Any = SimpleNamespace(ledger=lambda *_: self.ledger, limits=lambda *_: self._limits)
        self.book = LegBook(ports)

    def limit(self, flow: Flow, energy_j: int) -> None:
        """Another limit for one sense."""
        changed = {"down_j" if flow is Flow.DOWN else "up_j": energy_j}
        self._limits = replace(self._limits, **changed)
        self.calendar.open(SLOT, self._limits)

    def leg(self, step: Json) -> Leg:
        """One reservation's leg over this link; each packet is a batch of its own, in the given sense."""
        flow = Flow(step["flow"])
        leg: Any = _Leg(self._port, step["packet"], Direction(step["direction"]), flow)
        return leg  # type: ignore[no-any-return]


class _Leg:
    """What LegBook reads of a leg."""

    def __init__(self, port: Any, packet: int, direction: Direction, flow: Flow) -> None:
        self.port, self.direction, self.flow = port, direction, flow
        self.batch = (ReservationId(packet.to_bytes(16)), 1)

    def key(self, index: int) -> Any:
        return (*self.batch, index)

    def near_j(self, increment: Any) -> int:
        return int(increment.received_j if self.direction is Direction.SUPPLY else increment.sent_j)


def _ledger(inputs: Json) -> Json:
    books = _Books(inputs)
    answers = [_step(books, step) for step in inputs["steps"]]
    ledger = books.ledger
    ledger.check()
    return {
        "answers": answers,
        "net_j": ledger.net_j,
        "used_down_j": ledger.used_down_j,
        "used_up_j": ledger.used_up_j,
    }


def _step(books: _Books, step: Json) -> Json | str:
    leg, energy_j = books.leg(step), step["energy_j"]
    if step["do"] == "limit":
        books.limit(Flow(step["flow"]), energy_j)
        return "done"
    if step["do"] == "leave":
        return "done" if books.ledger.withdraw(leg.key(1)) else "not there"
    if step["do"] == "trim":
        return (
            "gone"
            if not energy_j and not books.book.trim(leg, SLOT, 1, 0)
            else _trimmed(books, leg, energy_j)
        )
    if not energy_j:
        return ErrorCode.ZERO_ENERGY.name
    entry = books.book.admit(leg, SLOT, 1, energy_j, books.book.room(leg, SLOT))
    return ErrorCode.NO_CAPACITY.name if entry is None else _shown(entry)


def _trimmed(books: _Books, leg: Leg, far_j: int) -> Json | str:
    entry = books.book.trim(leg, SLOT, 1, far_j)
    return ErrorCode.ZERO_ENERGY.name if entry is None else _shown(entry)


def _shown(entry: LiveEntry) -> Json:
    return {"number": entry.number, **asdict(entry.increment)}


RUNNERS: Final[Mapping[str, Callable[[Json], Json]]] = {
    "timers.gate": _gate,
    "price.origin": _price,
    "capacity.limit": _limit,
    "capacity.ledger": _ledger,
}
