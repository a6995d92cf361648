"""Crashes and restarts of routers on a `Wire`, and a look at what leaves before it is durable.

A crash loses everything but the store: what was carried out of a call before the crash
has happened, the rest never did.  A restart builds a new router from the same
configuration and keys, with other entropy, hands it the store, and starts the next epoch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ioe_router.codec.frames import decode_frame
from ioe_router.core.durable_reservation import key_of
from ioe_router.core.effects import Effect, Persist, RecordKind, SendFrame
from ioe_router.core.reservation import Reservation
from ioe_router.model.envelope import Envelope, ObjectType
from ioe_router.model.ids import NodeId
from ioe_router.model.reservation import (
    CommitHop,
    Committed,
    Failed,
    Grant,
    Receipt,
    Release,
    ReservationState,
)
from ioe_router.router import Router
from ioe_router.sim.keys import SeededEntropy
from ioe_router.sim.network import SimNode
from tests.simulation.pair import Sim, decoded

S = ReservationState


def crash(sim: Sim, name: str, after_effects: int | None = None) -> None:
    """Crash a node now, or once it has carried out so many more effects."""
    if after_effects is None:
        sim.wire.crash(sim.node(name))
        sim.wire.settle()
    else:
        sim.wire.nodes[sim.node(name)].effects_left = after_effects


def is_down(sim: Sim, name: str) -> bool:
    """Whether a node has crashed and was not restarted; a crash that is still to come is called off."""
    node = sim.wire.nodes[sim.node(name)]
    node.effects_left = None
    return not node.alive


def new_router(sim: Sim, name: str) -> Router:
    """A router for a node's next life: same configuration and keys, other entropy."""
    sim_node = sim.wire.nodes[sim.node(name)]
    return Router(
        sim_node.router._config,
        own_key=sim.ids[name].own_key,
        signer=sim.ids[name].signer,
        entropy=SeededEntropy(f"{name} {sim_node.epoch + 1}".encode()),
        now=sim.wire.now,
    )


def restart(sim: Sim, name: str) -> None:
    """Start a crashed node again from its store; sessions are up to `reconnect`."""
    sim.wire.restart(sim.node(name), new_router(sim, name))
    sim.wire.settle()


def reconnect(sim: Sim) -> None:
    """Bring up every session that is down, between nodes that are up."""
    for cable in sim.cables:
        pair = (sim.node(cable.keeper), sim.node(cable.other))
        if frozenset(pair) not in sim.wire._up and all(sim.wire.nodes[node].alive for node in pair):
            sim.wire.connect(*pair)
    sim.wire.settle()


def stored(sim: Sim, name: str) -> list[dict[str, Any]]:
    """The reservation records in a node's store, as JSON."""
    rows = sim.wire.nodes[sim.node(name)].store.values()
    return [json.loads(row.record or b"") for row in rows if row.kind is RecordKind.RESERVATION]


# ------------------------------------------------------------------ what must not leave early


PROMISES = {
    ObjectType.GRANT: Grant,
    ObjectType.COMMITTED: Committed,
    ObjectType.RECEIPT: Receipt,
    ObjectType.RELEASE: Release,
}


def watch_barriers(sim: Sim) -> list[str]:
    """From now on check every frame against the store of its sender; returns what is found amiss, live."""
    found: list[str] = []
    carry_out = sim.wire._carry_out
    names = {sim.node(name): name for name in sim.ids}

    def checked(node: NodeId, sim: SimNode, effects: tuple[Effect, ...]) -> None:
        store = {key: row for key, row in sim.store.items() if row.kind is RecordKind.RESERVATION}
        for effect in effects:
            if isinstance(effect, Persist):
                store[effect.kind, effect.key] = effect
            elif isinstance(effect, SendFrame):
                for envelope in decode_frame(effect.frame).envelopes:
                    found.extend(f"{names[node]}: {why}" for why in _early(envelope, store))
        carry_out(node, sim, effects)

    sim.wire._carry_out = checked  # type: ignore[method-assign]
    return found


def _early(envelope: Envelope, store: dict[tuple[RecordKind, bytes], Persist]) -> Iterable[str]:
    """Why an object may not leave yet: the store does not hold what it promises."""
    body: Any
    if envelope.type is ObjectType.COMMIT_HOP:
        commit = decoded(envelope, CommitHop).commit
        if not any(commit.signed.hex() in (row.record or b"").decode() for row in store.values()):
            yield "COMMIT before it is durable"
        return
    if envelope.type is ObjectType.FAILED:
        body = decoded(envelope, Failed)
    elif envelope.type in PROMISES:
        body = decoded(envelope, PROMISES[envelope.type])
    else:
        return
    row = store.get((RecordKind.RESERVATION, key_of((body.reservation, body.version))))
    if row is None or row.record is None:
        if envelope.type is not ObjectType.FAILED:  # of what was never promised, failure needs no memory
            yield f"{envelope.type.name} of a reservation that is not durable"
        return
    record = json.loads(row.record)
    allowed = {
        ObjectType.GRANT: (S.HELD,),
        ObjectType.COMMITTED: (S.COMMITTED,),
        ObjectType.RECEIPT: (S.COMMITTED,),
        ObjectType.RELEASE: (S.RELEASED,),
        ObjectType.FAILED: (S.FAILED, S.EXPIRED, S.RELEASED),
    }[envelope.type]
    if record["state"] not in allowed:
        yield f"{envelope.type.name} while the record says {S(record['state']).name}"


# ------------------------------------------------------------------ both ends agree


def disagreements(sim: Sim) -> list[str]:
    """Reservations that two neighbours hold to have ended differently, one of them booked."""
    found = []
    for cable in sim.cables:
        for one, other in ((cable.keeper, cable.other), (cable.other, cable.keeper)):
            for record in sim.records(one):
                leg = record.toward_origin
                if leg is None or leg.port.neighbor != sim.node(other):
                    continue
                there = sim.router(other)._parts.reservations.get(*record.key)
                if _is_booked(record) is not _is_booked(there):
                    state = None if there is None else there.state.name
                    found.append(f"{one}: {record.state.name}, {other}: {state}")
    return found


def _is_booked(record: Reservation | None) -> bool:
    return record is not None and record.state is S.COMMITTED
