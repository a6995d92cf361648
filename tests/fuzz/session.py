"""One recorded session to take apart: a victim between three neighbours, with everything that was said.

`recorded` runs real routers through offers, reservations, a cut, a slot, its
metering and settlement, and keeps copies of the victim at some moments.
Whoever fuzzes goes on from a copy with other frames than the real ones.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from ioe_router.codec.signing import Signer
from ioe_router.config import Timers, Transit
from ioe_router.core.effects import Persist
from ioe_router.core.inputs import CurtailReservation, MeterRead
from ioe_router.model.clock import Now
from ioe_router.model.discovery import LinkKind
from ioe_router.model.envelope import Envelope, ObjectType
from ioe_router.model.ids import NodeId
from ioe_router.model.reservation import ReservationState
from ioe_router.model.routing import Direction
from ioe_router.router import Router
from ioe_router.sim.keys import SimIdentity
from tests.simulation.domain_chain import CHAIN, Two, bring, chain
from tests.simulation.objects import Puppet
from tests.simulation.pair import KWH_J, SLOT, SLOT_S, Cable, Sim, build
from tests.simulation.test_key_changes import revoke

VICTIM: Final = "b"
NEIGHBORS: Final = ("a", "c", "d")
CABLES: Final = (
    Cable("a", "b", kind=LinkKind.RADIAL),
    Cable("b", "c", kind=LinkKind.RADIAL, access=True),
    Cable("d", "b"),
)


@dataclass(frozen=True, slots=True)
class Moment:
    """A copy of the victim as it stood once."""

    what: str
    router: Router
    now: Now


@dataclass(slots=True)
class Session:
    """What was recorded."""

    ids: dict[str, SimIdentity]
    victim: str = VICTIM
    neighbors: tuple[str, ...] = NEIGHBORS
    moments: list[Moment] = field(default_factory=list)
    said: dict[ObjectType, list[Envelope]] = field(default_factory=dict)  # to the victim, each once
    frames: list[bytes] = field(default_factory=list)
    rows: tuple[Persist, ...] = ()  # of the victim's store at its end

    signers: dict[bytes, Signer] = field(default_factory=dict)  # every key that signed something

    def node(self, name: str) -> NodeId:
        """Node id of a name."""
        return self.ids[name].node


def copied(router: Router) -> Router:
    """A router of its own in the same state; keys are shared."""
    signers = router._sealer._own_signers.values()
    return copy.deepcopy(router, {id(signer): signer for signer in signers})


@cache
def recorded() -> Session:
    """The session, run once per process."""
    sim = build(*CABLES, connect=False, timers=Timers())
    session = Session(sim.ids)
    wire, victim = sim.wire, sim.node(VICTIM)

    def keep(what: str) -> None:
        session.moments.append(Moment(what, copied(sim.router(VICTIM)), wire.now))

    for name in NEIGHBORS:
        wire.connect(sim.node(name), victim)
    _half_connected(sim)
    keep("before any HELLO was heard")
    wire.settle()
    sim.at(1_800)
    keep("sessions stand, nothing is offered")
    sim.offer("a", 100_000, slots=4)
    sim.offer("c", 150_000, direction=Direction.DEMAND)
    sim.offer("d", 90_000)
    sim.wait(400)
    sim.offer("d", 90_000, energy_j=0)
    sim.at(500)
    keep("an offer is told")
    _trade(sim)
    keep("reservations held, in doubt and committed")
    _cut(sim)
    keep("one is cut")
    sim.at(-SLOT_S - 5)
    _meter(sim)
    keep("the slot is metered and settled")
    sim.offer("a", 100_000, energy_j=0)
    wire.disconnect(sim.node("a"), victim)
    wire.connect(sim.node("a"), victim)
    sim.wait(30)
    keep("an offer is withdrawn, a session resumed")
    return _finished(session, sim)


def _finished(session: Session, sim: Sim) -> Session:
    """Everything that the victim has heard, the keys behind it, and what it has made durable."""
    for one in session.ids.values():
        session.signers |= {one.signer.public_key: one.signer, one.identity.public_key: one.identity}
    heard = [said for _, there, said in sim.wire.passed if there == session.victim]
    for envelope in {(said.type, said.signed): said for said in heard}.values():
        session.said.setdefault(envelope.type, []).append(envelope)
    session.frames = list(sim.wire.log)
    session.rows = tuple(sim.wire.nodes[sim.node(session.victim)].store.values())
    return session


@cache
def recorded_at_a_border() -> Session:
    """Another one: the victim is the border of a domain, to another domain; keys are renewed and revoked."""
    two = Two()
    sim = chain(two, two.configure(transit=Transit.PAID), connect=False)
    session = Session(sim.ids, victim="a2", neighbors=("a1", "b1"))
    session.signers |= {key.public_key: key for realm in two.realms.values() for key in realm.roots}

    def keep(what: str) -> None:
        session.moments.append(Moment(what, copied(sim.router("a2")), sim.wire.now))

    for one, other in CHAIN:
        sim.wire.connect(sim.node(one), sim.node(other))
    sim.at(1_800)
    keep("sessions stand between members")
    sim.offer("a1", 100_000)
    sim.offer("b2", 110_000)
    sim.wait(60)
    sim.at(560)
    sim.want("b2", KWH_J, 300_000)
    sim.want("a1", KWH_J, 300_000)
    sim.at(400)
    keep("offers and reservations cross the border")
    bring(sim, "a1", two.realms["a"].proceed())
    revoke(sim, "b2", at="b2")
    sim.wait(30)
    keep("a list was followed by another, a key was revoked")
    bring(sim, "b1", two.realms["b"].remove(sim.node("b2")))
    sim.wait(30)
    keep("a member was removed")
    return _finished(session, sim)


def _half_connected(sim: Sim) -> None:
    """The victim has said HELLO, and none of its neighbours' has arrived."""
    victim = sim.wire.nodes[sim.node(VICTIM)]
    inputs = tuple(victim.inbox)
    victim.inbox.clear()
    sim.wire._carry_out(sim.node(VICTIM), victim, victim.router.handle_all(inputs, sim.wire.now))


def _trade(sim: Sim) -> None:
    """One reservation committed by a real router, and of two puppets one held, one committed."""
    sim.want("d", KWH_J, 500_000)
    sim.wait(4)
    puppet = Puppet(sim, "c", VICTIM, "a", (KWH_J, KWH_J // 2)).ask()
    puppet.commit()
    Puppet(sim, "c", VICTIM, "a").ask().release()
    Puppet(sim, "c", VICTIM, "a").ask()
    sim.want("a", KWH_J, 10_000, direction=Direction.DEMAND)
    sim.wait(4)


def _cut(sim: Sim) -> None:
    record = next(r for r in sim.records("a") if r.state is ReservationState.COMMITTED)
    order = CurtailReservation(
        reservation=record.core.body.reservation, remaining=((1, KWH_J // 4),), effective_utc_ms=0
    )
    sim.wire.give(sim.node("a"), order)
    sim.wire.settle()


def _meter(sim: Sim) -> None:
    for cable in CABLES:
        for here, there in ((cable.keeper, cable.other), (cable.other, cable.keeper)):
            link = sim.port(here, there).link
            read = MeterRead(link=link, slot=SLOT, imported_j=1_000, exported_j=900)
            sim.wire.give(sim.node(here), read)
    sim.wire.settle()
    sim.wait(10)
