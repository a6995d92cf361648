"""Monitor: the tables as they stand, a mark, and from then on what changes.

Changes are found by comparing tables, not by following events: a caller that
is slow gets fewer, larger deltas and never a wrong table.  Tables are looked at
only after the router was called, and of a long table only the rows that differ
are made.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, Final

import grpc
from google.protobuf.message import Message

from ioe_router.control import listing
from ioe_router.control._pb import control_pb2 as pb
from ioe_router.control.rendering import message_of
from ioe_router.control.served import Refused, Served
from ioe_router.control.witness import Watcher
from ioe_router.core.events import Event
from ioe_router.model.clock import MS_PER_S, Now
from ioe_router.readout.offers import offer_view
from ioe_router.readout.routes import route_view

INTERVAL_MS: Final = 500
INTERVAL_LEAST_MS: Final = 50
PIECE: Final = 256

# What a row is called: of each table its member of Row and the fields that name it.
KEYS: Final[dict[pb.Noun.ValueType, tuple[str, tuple[str, ...]]]] = {
    pb.NOUN_NEIGHBORS: ("neighbor", ("node",)),
    pb.NOUN_LINKS: ("link", ("link",)),
    pb.NOUN_OFFERS: ("offer", ("origin", "offer_no")),
    pb.NOUN_ROUTES: ("route", ("destination", "direction", "path")),
    pb.NOUN_FIB: ("fib", ("slot_utc_s", "link")),
    pb.NOUN_RESERVATIONS: ("reservation", ("reservation", "version")),
    pb.NOUN_OBLIGATIONS: ("obligation", ("slot_utc_s", "kind", "counterparty", "link")),
    pb.NOUN_LIMITS: ("limit", ("kind", "name", "link", "slot_utc_s", "direction")),
    pb.NOUN_REFUSALS: ("refusal", ("at_utc_ms", "neighbor", "about")),
}
# What changes with every frame and says nothing by itself.
_TRAFFIC: Final = ("frames_sent", "frames_received", "bytes_sent", "bytes_received")


@dataclass(frozen=True, slots=True)
class Seen:
    """A row as a look finds it: what tells it from another state of it, and how it is made."""

    mark: object
    make: Callable[[], Message]


Table = dict[Hashable, Seen]


def table_of(served: Served, noun: pb.Noun.ValueType) -> Table:
    """A table as it stands, its long ones without their rows."""
    match noun:
        case pb.NOUN_ROUTES:
            routes = route_view(served.parts).entries()
            return {one.key: Seen(one.mark, partial(_made, one.row, pb.Route)) for one in routes}
        case pb.NOUN_OFFERS:
            offers = offer_view(served.parts, served.now()).entries()
            return {one.key: Seen(one.mark, partial(_made, one.row, pb.Offer)) for one in offers}
        case pb.NOUN_NEIGHBORS:
            return _table(noun, listing.neighbors(served, pb.ListNeighborsRequest()), without=_TRAFFIC)
        case pb.NOUN_LINKS:
            return _table(noun, listing.links(served, pb.ListLinksRequest()))
        case pb.NOUN_FIB:
            return _table(noun, listing.fib(served, pb.ListFibRequest()))
        case pb.NOUN_RESERVATIONS:
            return _table(noun, listing.reservations(served, pb.ListReservationsRequest()))
        case pb.NOUN_OBLIGATIONS:
            return _table(noun, listing.obligations(served, pb.ListObligationsRequest()))
        case pb.NOUN_LIMITS:
            return _table(noun, listing.limits(served, pb.ListLimitsRequest()))
        case _:
            return _table(noun, listing.refusals(served, pb.ListRefusalsRequest()))


def _made(row: Callable[[], Any], kind: type[Message]) -> Message:
    return message_of(row(), kind)


def _table(noun: pb.Noun.ValueType, rows: Iterable[Message], without: tuple[str, ...] = ()) -> Table:
    table: Table = {}
    for message in rows:
        mark = type(message)()
        mark.CopyFrom(message)
        for name in without:
            mark.ClearField(name)
        table[key_text(noun, message)] = Seen(mark, partial(_itself, message))
    return table


def _itself(message: Message) -> Message:
    return message


def key_text(noun: pb.Noun.ValueType, message: Message) -> str:
    """What a row is called."""
    return "/".join(str(getattr(message, name)) for name in KEYS[noun][1])


def row_of(noun: pb.Noun.ValueType, message: Message) -> pb.Row:
    """A message as a row of any table."""
    row = pb.Row()
    getattr(row, KEYS[noun][0]).CopyFrom(message)
    return row


@dataclass(slots=True)
class _View:
    """The tables as the caller has them."""

    nouns: tuple[pb.Noun.ValueType, ...]
    tables: dict[pb.Noun.ValueType, Table] = field(default_factory=dict)

    def look(self, served: Served) -> dict[pb.Noun.ValueType, Table]:
        return {noun: table_of(served, noun) for noun in self.nouns}

    def differences(self, now: dict[pb.Noun.ValueType, Table]) -> Iterator[pb.Row | pb.RowKey]:
        """What has to be told to get from what the caller has to what is."""
        for noun in self.nouns:
            before, after = self.tables.get(noun, {}), now[noun]
            for key, seen in after.items():
                known = before.get(key)
                if known is None or known.mark != seen.mark:
                    yield row_of(noun, seen.make())
            for key, seen in before.items():
                if key not in after:
                    yield pb.RowKey(noun=noun, key=key_text(noun, seen.make()))
        self.tables = now


async def monitor(served: Served, asked: pb.MonitorRequest) -> AsyncGenerator[pb.MonitorResponse, None]:
    """Snapshot, mark, changes."""
    interval_ms = asked.interval_ms or INTERVAL_MS
    if interval_ms < INTERVAL_LEAST_MS:
        sentence = f"look at the tables every {INTERVAL_LEAST_MS} ms at most"
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, sentence)
    named = tuple(dict.fromkeys(asked.nouns)) or tuple(KEYS)
    view = _View(nouns=tuple(noun for noun in named if noun in KEYS))
    watcher = served.witness.watch() if pb.NOUN_EVENTS in named else None
    try:
        calls, rows, at_utc_ms = served.node.tally.calls, 0, served.now().utc_ms
        news = view.differences(view.look(served))
        while piece := [one for one in islice(news, PIECE) if isinstance(one, pb.Row)]:
            rows += len(piece)
            yield pb.MonitorResponse(at_utc_ms=at_utc_ms, snapshot=pb.MonitorSnapshot(rows=piece))
        yield pb.MonitorResponse(at_utc_ms=at_utc_ms, sync=pb.MonitorSync(rows=rows))
        while not asked.once:
            await served.pause(interval_ms / MS_PER_S)
            if watcher is not None:
                for answer in _events(served, watcher):
                    yield answer
            if served.node.tally.calls != calls:
                await served.rest()
                calls, at_utc_ms = served.node.tally.calls, served.now().utc_ms
                for delta in _deltas(tuple(view.differences(view.look(served)))):
                    yield pb.MonitorResponse(at_utc_ms=at_utc_ms, delta=delta)
    finally:
        if watcher is not None:
            served.witness.leave(watcher)


def _deltas(news: tuple[pb.Row | pb.RowKey, ...]) -> Iterator[pb.MonitorDelta]:
    for start in range(0, len(news), PIECE):
        piece = news[start : start + PIECE]
        yield pb.MonitorDelta(
            changed=[one for one in piece if isinstance(one, pb.Row)],
            removed=[one for one in piece if isinstance(one, pb.RowKey)],
        )


def _events(served: Served, watcher: Watcher) -> Iterator[pb.MonitorResponse]:
    events, lost = watcher.take()
    for event, now in events:
        yield _event(served, event, now)
    if lost:
        at_utc_ms = served.now().utc_ms
        yield pb.MonitorResponse(at_utc_ms=at_utc_ms, lost=pb.MonitorLost(events=lost))


def _event(served: Served, event: Event, now: Now) -> pb.MonitorResponse:
    fields = json.dumps(served.describe(event), default=str)
    told = pb.MonitorEvent(name=type(event).__name__, fields_json=fields)
    return pb.MonitorResponse(at_utc_ms=now.utc_ms, event=told)
