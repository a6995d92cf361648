"""From a refused object to its row: what it was about, as far as that can be read without trusting it.

For the list of refusals only: nothing is decided by what is read here.
"""

from __future__ import annotations

from typing import Any, Final

from ioe_router.codec import mapping
from ioe_router.codec.registry import REGISTRY
from ioe_router.core.refusals import Refusal
from ioe_router.model.clock import Now
from ioe_router.model.envelope import Envelope
from ioe_router.model.errors import PeerError
from ioe_router.model.ids import NODE_ID_BYTES, NodeId, object_id_of
from ioe_router.model.reservation import Hold, HoldCore
from ioe_router.model.routing import Direction, Offer, OfferWithdrawal, PathAdvert, PathEntry

Subject = tuple[NodeId | None, Direction]  # destination, direction

_NOTHING: Final[Subject] = (None, Direction.UNSPECIFIED)
_READ: Final = (Offer, OfferWithdrawal, PathAdvert, Hold)


def refusal_of(neighbor: NodeId, envelope: Envelope, error: PeerError, now: Now) -> Refusal:
    """The row of an object of a neighbour that this node refuses."""
    destination, direction = _subject(envelope)
    return Refusal(
        at_utc_ms=now.utc_ms,
        neighbor=neighbor,
        by_us=True,
        type=envelope.type.name,
        about=object_id_of(envelope.signed),
        code=error.code,
        detail=error.detail,
        destination=destination,
        direction=direction,
    )


def _subject(envelope: Envelope) -> Subject:
    row = REGISTRY.get(envelope.type)
    return _inside(envelope, row.body) if row is not None and row.body in _READ else _NOTHING


def _inside(envelope: Envelope, kind: type[Any]) -> Subject:
    try:
        body = mapping.decode(kind, envelope.signed)
    except PeerError:
        return _NOTHING
    match body:
        case Offer() | HoldCore() | PathEntry() if len(body.origin) == NODE_ID_BYTES:
            return body.origin, body.direction
        case OfferWithdrawal() if len(body.origin) == NODE_ID_BYTES:
            return body.origin, Direction.UNSPECIFIED
        case PathAdvert() if body.entries:
            return _inside(body.entries[0], PathEntry)
        case Hold(core=Envelope() as core):  # what is refused may lack any part
            return _inside(core, HoldCore)
        case _:
            return _NOTHING
