"""Where attacks are played: real routers on wires, an attacker among them, and what can be seen from outside.

    farm --- mill --- street --- house
             |          |          |
          attacker    victim    witness

The attacker says whatever a scenario wants, with valid signatures of its own
keys.  What counts is what the victim sends: its complaints to the attacker,
and what it tells the witness.  So a scenario is bytes in and observations out,
and needs of the victim nothing but its wire.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from ioe_router.codec import mapping
from ioe_router.codec.registry import REGISTRY, TYPE_OF
from ioe_router.codec.signing import Signer, signature_input
from ioe_router.config import Limits, Timers
from ioe_router.core.inputs import PublishOffer
from ioe_router.model.discovery import Close, Fault
from ioe_router.model.envelope import Envelope, Signature
from ioe_router.model.errors import ErrorCode
from ioe_router.model.routing import Direction, Firmness, Offer, OfferRun, PathAdvert, PathEntry, SourceClass
from ioe_router.router import Router
from tests.simulation.pair import KWH_J, PARAMETERS, SLOT, Cable, Sim, build, decoded

ATTACKER: Final = "mill"
VICTIM: Final = "street"
WITNESS: Final = "house"
ORIGIN: Final = "farm"
STREET: Final = (Cable("mill", "farm"), Cable("street", "mill"), Cable("street", "house"))
B = TypeVar("B")


@dataclass(slots=True)
class Stage:
    """A network with a victim in it; `mark` is where looking at the wires begins."""

    sim: Sim
    attacker: str = ATTACKER
    victim: str = VICTIM
    witness: str = WITNESS
    mark: int = 0

    # --- bytes in

    def say(self, *envelopes: Envelope) -> None:
        """Let the attacker say this in a frame of its session, then let a moment pass."""
        self.look_from_now()
        self.sim.wire.inject(self.attacker, self.victim, *envelopes)
        self.sim.wait(5)

    def say_bytes(self, frame: bytes) -> None:
        """Let bytes arrive from the attacker as they are."""
        self.look_from_now()
        self.sim.wire.inject_bytes(self.attacker, self.victim, frame)
        self.sim.wait(5)

    def signer(self, name: str) -> Signer:
        """The operational key of a node."""
        return self.sim.ids[name].signer

    def signed(self, name: str, body: object) -> Envelope:
        """An object with the signature of a node, whatever it says and whether or not it may."""
        return signed_bytes(self.signer(name), type(body), mapping.encode(body))

    # --- observations out

    def look_from_now(self) -> None:
        """What has been said so far counts no more."""
        self.mark = len(self.sim.wire.passed)

    def said(self, receiver: str) -> list[Envelope]:
        """What the victim has said to a neighbour."""
        passed = self.sim.wire.passed[self.mark :]
        return [e for here, there, e in passed if (here, there) == (self.victim, receiver)]

    def told(self, receiver: str, kind: type[B]) -> list[B]:
        """Objects of one kind that the victim has said to a neighbour."""
        return [decoded(e, kind) for e in self.said(receiver) if REGISTRY[e.type].body is kind]

    def complaints(self, receiver: str | None = None) -> list[ErrorCode]:
        """The codes of the victim's Faults and Closes to the attacker (or to another neighbour)."""
        found = []
        for envelope in self.said(receiver or self.attacker):
            body: Any = decoded(envelope, REGISTRY[envelope.type].body)
            if isinstance(body, Fault | Close):
                found.append(ErrorCode(body.code))
        return found

    def passed_on(self, *envelopes: Envelope) -> bool:
        """Whether the victim has told the witness one of these."""
        told = {e.signed for e in self.said(self.witness)}
        return any(one.signed in told for one in envelopes)

    def heard(self, sender: str, receiver: str, kind: type[B]) -> list[B]:
        """Everything of one kind that has crossed a wire since the beginning."""
        return self.sim.heard(sender, receiver, kind)

    def envelopes(self, sender: str, receiver: str, kind: type) -> list[Envelope]:
        """The same, as it was signed."""
        passed = self.sim.wire.passed
        return [e for s, r, e in passed if (s, r) == (sender, receiver) and e.type is TYPE_OF[kind]]


def signed_bytes(
    signer: Signer, kind: type, signed: bytes, *, message: str | None = None, network: str | None = None
) -> Envelope:
    """Bytes as an object of one type, signed by one key, for another type or network if wanted."""
    data = signature_input(
        network or PARAMETERS.network_id, message or REGISTRY[TYPE_OF[kind]].message, signed
    )
    signature = Signature(key=signer.public_key, signature=signer.sign(data))
    return Envelope(type=TYPE_OF[kind], signed=signed, signatures=(signature,))


def unsigned(body: object) -> Envelope:
    """An object that the frame vouches for."""
    return Envelope(type=TYPE_OF[type(body)], signed=mapping.encode(body), signatures=())


def street(
    *cables: Cable,
    limits: Limits | None = None,
    timers: Timers | None = None,
    make: Callable[..., Router] = Router,
) -> Stage:
    """The street, with sessions up and an offer of the farm that everybody knows."""
    sim = build(*(cables or STREET), limits=limits, timers=timers, make=make)
    offer(sim, "farm")
    sim.wait(10)
    return Stage(sim)


def offer(sim: Sim, name: str, *, price: int = 90_000, offer_no: int = 1, lifetime_s: int = 36_000) -> None:
    """Let a node offer ten kilowatt hours for a few slots."""
    stated = PublishOffer(
        offer_no=offer_no,
        direction=Direction.SUPPLY,
        source=SourceClass.SOLAR,
        firmness=Firmness.FIRM,
        first_slot=SLOT,
        runs=(OfferRun(slots=8, energy_j=10 * KWH_J, price_micro_per_kwh=price),),
        energy_cap_j=0,
        carbon_mg_per_kwh=0,
        is_default=False,
        lifetime_s=lifetime_s,
    )
    sim.wire.give(sim.node(name), stated)
    sim.wire.settle()


def last_offer(stage: Stage, origin: str = ORIGIN) -> Offer:
    """The latest version of an origin's offer that the attacker has told the victim."""
    mine = [o for o in stage.heard(stage.attacker, stage.victim, Offer) if o.origin == stage.sim.node(origin)]
    return mine[-1]


def path_of(stage: Stage, origin: str, sender: str, receiver: str) -> PathAdvert:
    """The path to an origin's supply that was told over a wire."""
    for advert in stage.heard(sender, receiver, PathAdvert):
        first = decoded(advert.entries[0], PathEntry)
        if first.origin == stage.sim.node(origin) and first.direction is Direction.SUPPLY:
            return advert
    raise LookupError(f"{sender} has told {receiver} no path to {origin}")
