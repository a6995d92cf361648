"""What a node writes down about the cuts of a reservation, and how it reads them back (SPEC section 10.11).

The ledger lines of the record hold what the cuts in effect have left; here are
the newest CURTAIL and what came from which side, which is said again to a
neighbour that comes back, and the notices that still wait for their instant.
"""

from __future__ import annotations

from typing import Any, Final

from ioe_router.core.cuts import Cut
from ioe_router.core.durable import Fields, envelope_to
from ioe_router.core.reservation import Reservation
from ioe_router.model.envelope import Envelope
from ioe_router.model.ids import NODE_ID_BYTES, NodeId
from ioe_router.model.reservation import PacketEnergy

_ITEM_WIDTH: Final = 2
_SAID_WIDTH: Final = 3


def cuts_of(record: Reservation) -> dict[str, Any]:
    """The fields of a record that concern cuts."""
    return {
        "curtail": envelope_to(record.curtail),
        "cut_by": [
            [place, index, energy_j]
            for place, source in enumerate(_sources(record))
            for index, energy_j in sorted(record.cut_by.get(source, {}).items())
        ],
        "notices": [_notice(cut) for cut in record.notices],
    }


def _sources(record: Reservation) -> tuple[NodeId | None, ...]:
    """Where a cut can come from, in the order in which rows of the record number them."""
    return (None, *(leg.port.neighbor for leg in record.legs()))


def _notice(cut: Cut) -> dict[str, Any]:
    return {
        "curtail": envelope_to(cut.curtail),
        "effective_utc_ms": cut.effective_utc_ms,
        "items": [[item.index, item.energy_j] for item in cut.items],
        "source": None if cut.source is None else cut.source.hex(),
    }


def read_cuts(fields: Fields, record: Reservation) -> None:
    """Take the cuts of a stored record over. UsageError: a field is damaged."""
    record.curtail = fields.maybe(fields.envelope, "curtail")
    sources = _sources(record)
    for place, index, energy_j in fields.rows("cut_by", _SAID_WIDTH):
        if place not in range(len(sources)) or index not in record.slots:
            raise fields.bad("cut_by")
        record.cut_by.setdefault(sources[place], {})[index] = energy_j
    record.notices = tuple(map(_cut, fields.parts("notices")))


def _cut(part: Fields) -> Cut:
    def source(name: str) -> NodeId:
        return NodeId(part.octets(name, NODE_ID_BYTES))

    return Cut(
        curtail=part.envelope("curtail"),
        effective_utc_ms=part.integer("effective_utc_ms"),
        source=part.maybe(source, "source"),
        items=tuple(PacketEnergy(index=i, energy_j=j) for i, j in part.rows("items", _ITEM_WIDTH)),
    )


def cut_objects(record: Reservation) -> tuple[Envelope, ...]:
    """The signed objects that cuts may have to be shown with."""
    found = [notice.curtail for notice in record.notices]
    return tuple(found if record.curtail is None else (record.curtail, *found))
