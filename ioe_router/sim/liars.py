"""Hosts that lie: a real router whose mouth is somebody else's.

A liar's router is whole; what it says is bent on its way out, with the keys
that the liar really has, and numbered anew so that no gap shows.  So all that
its neighbours see is what a hostile neighbour could send.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from enum import StrEnum
from typing import Any, Final

from ioe_router.codec.frames import decode_frame, encode_frame
from ioe_router.codec.keys import KeyRing
from ioe_router.codec.mapping import decode
from ioe_router.codec.registry import REGISTRY
from ioe_router.codec.sealing import CodecSealer
from ioe_router.model.envelope import Envelope, ObjectType, Signature
from ioe_router.model.errors import IoeError
from ioe_router.model.ids import NodeId
from ioe_router.model.reservation import Committed, Release
from ioe_router.model.routing import OfferRun
from ioe_router.sim.engine import Engine
from ioe_router.sim.host import Host
from ioe_router.sim.keys import SimIdentity

Way = tuple[str | int, ...]
REMEMBERED: Final = 200
ENTRY_PART: Final = 0.5  # lies about a keeper's entry among those about what carries it
IMPOSED: Final = 3  # at once
SESSION_TYPES: Final = frozenset(
    {ObjectType.OPERATIONAL_KEY, ObjectType.HELLO, ObjectType.SESSION_PROOF, ObjectType.CLOSE}
)


class Lie(StrEnum):
    """What a liar may do to what its router says."""

    REPLAY = "replay"  # an envelope that somebody sent before
    WRONG_KEY = "wrong-key"  # an object with a signature by another key
    NONSENSE = "nonsense"  # other numbers, signed well
    PHANTOM = "phantom"  # offers of energy that is not there
    ABANDON = "abandon"  # COMMITs and RELEASEs swallowed: held and left
    EQUIVOCATE = "equivocate"  # two contents under one number
    IMPOSTURE = "imposture"  # releases and acceptances that are somebody else's to give


class Liar:
    """The mouth of one host."""

    def __init__(self, host: Host, identity: SimIdentity, engine: Engine, seed: str) -> None:
        """Honest until a lie is planned."""
        self._host, self._identity, self._engine = host, identity, engine
        self._rng = random.Random(f"liar {seed}")  # noqa: S311 - repeatable on purpose
        self._network_id = engine.community.scenario.market.network_id
        self._planned: deque[Lie] = deque()
        self._abandoning = 0
        self._seen: deque[Envelope] = deque(maxlen=REMEMBERED)
        self._seq: dict[NodeId, int] = {}

    def plan(self, lie: Lie) -> None:
        """Tell this at the next occasion."""
        if lie is Lie.ABANDON:
            self._abandoning += 3
        else:
            self._planned.append(lie)

    def repent(self) -> None:
        """No lie from now on; what was said stands."""
        self._planned.clear()
        self._abandoning = 0

    # ------------------------------------------------------------ speaking

    def speak(self, _host: Host, neighbor: NodeId, data: bytes) -> list[bytes]:
        """What goes out in place of a frame of the router."""
        frame = decode_frame(data)
        if frame.seq == 1:
            self._seq[neighbor] = 0
        envelopes = list(frame.envelopes)
        if frame.session:
            envelopes = [one for one in envelopes if not self._swallows(one)]
            if self._planned:
                envelopes = self._bend(self._planned.popleft(), neighbor, envelopes)
            self._seen.extend(one for one in envelopes if one.signatures)
        if not envelopes:
            return []
        self._seq[neighbor] = self._seq.get(neighbor, 0) + 1
        signer = self._identity.signer if frame.session else None
        return [encode_frame(self._network_id, frame.session, self._seq[neighbor], envelopes, signer)]

    def _swallows(self, envelope: Envelope) -> bool:
        if self._abandoning and envelope.type in (ObjectType.COMMIT_HOP, ObjectType.RELEASE):
            self._abandoning -= 1
            return True
        return False

    def _bend(self, lie: Lie, neighbor: NodeId, envelopes: list[Envelope]) -> list[Envelope]:
        match lie:
            case Lie.REPLAY:
                old = [one for one in self._seen if one.type not in SESSION_TYPES]
                return [*envelopes, self._rng.choice(old)] if old else envelopes
            case Lie.WRONG_KEY:
                return [self._wrong(one) for one in envelopes]
            case Lie.NONSENSE | Lie.EQUIVOCATE:
                return [self._changed(one, lie) for one in envelopes]
            case Lie.PHANTOM:
                return [self._inflated(one) for one in envelopes]
            case Lie.IMPOSTURE:
                return [*envelopes, *self._presumed(neighbor)]
            case Lie.ABANDON:
                return envelopes

    def _presumed(self, neighbor: NodeId) -> list[Envelope]:
        """RELEASE and COMMITTED of reservations with this neighbour, in the liar's own name."""
        if self._host.router is None:
            return []
        forged = []
        for record in self._host.router.inspect().reservations.all():
            reservation, version = record.key
            near, far = record.toward_initiator, record.toward_origin
            body: object = None
            if far is not None and far.port.neighbor == neighbor:
                body = Release(reservation=reservation, version=version, initiator=self._host.node)
            elif near is not None and near.port.neighbor == neighbor and record.commit is not None:
                body = Committed(
                    reservation=reservation,
                    version=version,
                    commit=record.commit.object_id,
                    origin=self._host.node,
                    accepted_utc_ms=self._host.clock.now(self._engine.now_ns).utc_ms,
                    balance_party=self._host.node,
                )
            if body is not None:
                forged.append(self._sealed(body, None))
        return [one for one in forged[-IMPOSED:] if one is not None]

    def _wrong(self, envelope: Envelope) -> Envelope:
        """A signature that is not by the key it names."""
        if not envelope.signatures or envelope.type in SESSION_TYPES:
            return envelope
        first = envelope.signatures[0]
        others = [one.signer for one in self._engine.community.identities.values()]
        forged = Signature(key=first.key, signature=self._rng.choice(others).sign(b"something else"))
        return replace(envelope, signatures=(forged, *envelope.signatures[1:]))

    # ------------------------------------------------------------ well-signed lies

    def _changed(self, envelope: Envelope, lie: Lie) -> Envelope:
        """One number of an own object changed; its sequence number only by nonsense."""
        body = self._own_body(envelope)
        if body is None:
            return envelope
        entry = getattr(body, "keeper_entry", None)
        if isinstance(entry, Envelope) and self._rng.random() < ENTRY_PART:
            return self._sealed(replace(body, keeper_entry=self._changed(entry, lie)), envelope) or envelope
        ways = [way for way in _numbers(body) if lie is Lie.NONSENSE or way[-1] not in ("epoch", "seq")]
        if not ways:
            return envelope
        return self._sealed(_with_other(body, self._rng.choice(ways), self._other), envelope) or envelope

    def _other(self, value: int) -> int:
        return self._rng.choice((0, 1, value + 1, max(0, value - 1), value * 2, 2**31, 2**60))

    def _inflated(self, envelope: Envelope) -> Envelope:
        """An own offer with ten times its energy."""
        body = self._own_body(envelope)
        if envelope.type is not ObjectType.OFFER or body is None:
            return envelope
        runs = tuple(
            replace(run, energy_j=run.energy_j * 10) for run in body.runs if isinstance(run, OfferRun)
        )
        return self._sealed(replace(body, runs=runs), envelope) or envelope

    def _own_body(self, envelope: Envelope) -> Any:  # noqa: ANN401 - any object of the protocol
        """What an envelope says, if this host may sign it alone."""
        row = REGISTRY.get(envelope.type)
        if row is None or envelope.type in SESSION_TYPES or row.signatures_max > 1:
            return None
        if row.signatures_max and envelope.signatures[0].key != self._identity.signer.public_key:
            return None
        return decode(row.body, envelope.signed)

    def _sealed(self, body: object, otherwise: Envelope | None) -> Envelope | None:
        now = self._host.clock.now(self._engine.now_ns)
        ring = KeyRing(network_id=self._network_id, limit=2)
        try:
            ring.learn(self._identity.own_key, now)
            sealer = CodecSealer(ring=ring, signer=self._identity.signer, node=self._identity.node, now=now)
            return sealer.seal(body).envelope
        except IoeError:  # nothing that a message could state
            return otherwise


def _numbers(value: object, way: Way = ()) -> Iterator[Way]:
    """Where a value has numbers: field names and places, from the outside in; not in nested objects."""
    if type(value) is int:
        yield way
    elif isinstance(value, tuple):
        for place, one in enumerate(value):
            yield from _numbers(one, (*way, place))
    elif is_dataclass(value) and not isinstance(value, Envelope):
        for field in fields(value):
            yield from _numbers(getattr(value, field.name), (*way, field.name))


def _with_other(value: Any, way: Way, other: Callable[[int], int]) -> Any:  # noqa: ANN401 - any part of an object
    """The value with one of its numbers replaced."""
    if not way:
        return other(value)
    first, *rest = way
    if isinstance(first, int):
        changed = _with_other(value[first], tuple(rest), other)
        return (*value[:first], changed, *value[first + 1 :])
    return replace(value, **{first: _with_other(getattr(value, first), tuple(rest), other)})
