"""Vectors of the neighbour session: its state machine, its id, and the digests of what is retained."""

from __future__ import annotations

import hashlib

from vector_file import Vector

from ioe_router.core.hello import session_id_of
from ioe_router.core.retention import GROUPS, digests_of, equal_groups, offer_item, path_item
from ioe_router.core.session_fsm import TRANSITIONS, SessionEvent, SessionState
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import NodeId, ObjectId, PathHash

FROM_PEER = (SessionEvent.HELLO, SessionEvent.PROOF)
WITH_TRANSPORT = tuple(state for state in SessionState if state is not SessionState.IDLE)


def machine() -> list[Vector]:
    """Every pair of state and event that can happen, and where it leads."""
    return [
        _cell(state, event)
        for state in SessionState
        for event in SessionEvent
        if (state, event) in TRANSITIONS or (event in FROM_PEER and state in WITH_TRANSPORT)
    ]


def _cell(state: SessionState, event: SessionEvent) -> Vector:
    following = TRANSITIONS.get((state, event))
    return Vector(
        id=f"session-fsm-{state.value}-{event.value}".replace("_", "-"),
        notes="" if following is not None else "refused; a session that does not stand yet is closed",
        inputs={"state": state.name, "event": event.name},
        intermediates={} if following is None else {"next_state": following.name},
        code=None if following is not None else ErrorCode.UNEXPECTED,
        reqs=("IOE-SES-110",),
    )


def session_ids() -> list[Vector]:
    """The session id from the object ids of both HELLOs."""
    one, other = (ObjectId(hashlib.sha256(name).digest()) for name in (b"one", b"other"))
    return [
        Vector(
            id=f"session-id-{name}",
            notes="the dialler's HELLO comes first",
            inputs={"dialer_hello": dialler.hex(), "listener_hello": listener.hex()},
            intermediates={"session": session_id_of(dialler, listener).hex()},
            reqs=("IOE-TRN-220",),
        )
        for name, dialler, listener in (("dialled", one, other), ("reversed", other, one))
    ]


def retained() -> list[Vector]:
    """What both ends compute of what is retained, and which groups are kept."""
    few, many = range(0, 256, 64), range(0, 256, 4)
    return [
        _digests("nothing", (), ()),
        _digests("one-path", (0,), ()),
        _digests("one-offer", (), (255,)),
        _digests("few", few, few),
        _digests("all-groups", many, (1, 2, 3)),
        *(_kept(name, mine, theirs) for name, mine, theirs in _comparisons()),
    ]


def _origin(number: int) -> NodeId:
    return NodeId(bytes([number]) + hashlib.sha256(bytes([number])).digest()[1:])


def _paths(numbers: range | tuple[int, ...]) -> list[tuple[NodeId, PathHash]]:
    return [(_origin(n), PathHash(hashlib.sha256(b"path" + bytes([n])).digest())) for n in numbers]


def _offers(numbers: range | tuple[int, ...]) -> list[tuple[NodeId, ObjectId]]:
    return [(_origin(n), ObjectId(hashlib.sha256(b"offer" + bytes([n])).digest())) for n in numbers]


def _digests(name: str, paths: range | tuple[int, ...], offers: range | tuple[int, ...]) -> Vector:
    told, offered = _paths(paths), _offers(offers)
    digests = digests_of((*(path_item(*one) for one in told), *(offer_item(*one) for one in offered)))
    return Vector(
        id=f"retained-digests-{name}",
        notes=f"{GROUPS} digests one after another, or nothing; order of the inputs does not matter",
        inputs={
            "paths": [{"origin": origin.hex(), "path": path.hex()} for origin, path in told],
            "offers": [{"origin": origin.hex(), "offer": offer.hex()} for origin, offer in offered],
        },
        intermediates={"digests": digests.hex()},
        reqs=("IOE-SES-260",),
    )


def _comparisons() -> list[tuple[str, bytes, bytes]]:
    everything = digests_of([path_item(*one) for one in _paths(range(256))])
    without_first = digests_of([path_item(*one) for one in _paths(range(1, 256))])
    return [
        ("equal", everything, everything),
        ("one-group-differs", everything, without_first),
        ("neighbour-retains-nothing", everything, b""),
        ("nothing-on-either-side", b"", b""),
    ]


def _kept(name: str, mine: bytes, theirs: bytes) -> Vector:
    return Vector(
        id=f"retained-kept-{name}",
        notes="bits that may be set in `kept` at most",
        inputs={"mine": mine.hex(), "theirs": theirs.hex()},
        intermediates={"kept": equal_groups(mine, theirs)},
        reqs=("IOE-SES-280",),
    )
